-- Views for BI tools: plain, of base types, every column with a comment; each shows the models that the current user may use.

-- The predicate in one place. Roles are joined by name, so that one that is gone is no error. Nobody has rights on it but the views' owner;
-- current_user in it is still whoever asks.
CREATE VIEW segmentation.registry_visible WITH (security_barrier) AS
    SELECT m.name, m.owner, m.hold, m.created
      FROM segmentation.registry_model AS m
     WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE (r.rolname = m.owner AND pg_catalog.pg_has_role(r.oid, 'USAGE')) OR (r.rolname = current_user AND r.rolsuper))
        OR EXISTS (SELECT FROM segmentation.registry_grant AS g
                    WHERE g.model = m.name
                      AND (g.grantee = 'public' OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = g.grantee AND pg_catalog.pg_has_role(r.oid, 'USAGE'))));
COMMENT ON VIEW segmentation.registry_visible IS 'Internal: the models that the current user may use.';
REVOKE ALL ON segmentation.registry_visible FROM PUBLIC;

CREATE VIEW segmentation.models WITH (security_barrier) AS
    SELECT m.name AS model, m.owner::text AS owner, v.version AS active_version, i.segments, i.rows::float8 AS rows, i.silhouette, i.explained,
           v.definition ->> 'schema' AS source_schema, v.definition ->> 'source' AS source_name, pg_catalog.array_to_string(i.features, ', ') AS features,
           v.trained, v.trained_by::text AS trained_by, v.activated,
           (SELECT pg_catalog.count(*) FROM segmentation.registry_version AS c WHERE c.model = m.name AND c.state = 'candidate')::integer AS candidates,
           m.hold IS NOT NULL AS on_hold, m.hold AS hold_reason
      FROM segmentation.registry_visible AS m
      LEFT JOIN segmentation.registry_version AS v ON v.model = m.name AND v.active
      LEFT JOIN LATERAL @extschema@.kmeans_info(v.value) AS i ON true;
COMMENT ON VIEW segmentation.models IS 'One row per model: what is in use.';
COMMENT ON COLUMN segmentation.models.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.models.owner IS 'Role whose members may do everything with the model.';
COMMENT ON COLUMN segmentation.models.active_version IS 'Number of the version that scores.';
COMMENT ON COLUMN segmentation.models.segments IS 'Number of segments.';
COMMENT ON COLUMN segmentation.models.rows IS 'Rows the active version was trained on.';
COMMENT ON COLUMN segmentation.models.silhouette IS 'Centroid-based silhouette of the training rows, mean, from -1 to 1.';
COMMENT ON COLUMN segmentation.models.explained IS 'Share of the variance that the segments explain, from 0 to 1.';
COMMENT ON COLUMN segmentation.models.source_schema IS 'Schema of the table or view it is trained on.';
COMMENT ON COLUMN segmentation.models.source_name IS 'Name of the table or view it is trained on.';
COMMENT ON COLUMN segmentation.models.features IS 'Names of the columns it clusters by.';
COMMENT ON COLUMN segmentation.models.trained IS 'When the active version was trained.';
COMMENT ON COLUMN segmentation.models.trained_by IS 'Who trained it.';
COMMENT ON COLUMN segmentation.models.activated IS 'When it became the active version.';
COMMENT ON COLUMN segmentation.models.candidates IS 'Number of versions that wait for a decision.';
COMMENT ON COLUMN segmentation.models.on_hold IS 'Whether retrainings are kept from activating what they train.';
COMMENT ON COLUMN segmentation.models.hold_reason IS 'Why.';

CREATE VIEW segmentation.model_versions WITH (security_barrier) AS
    SELECT v.model, v.version, v.active AS is_active, segmentation.version_state(v) AS state,
           v.decision, pg_catalog.array_to_string(v.reasons, '; ') AS reasons, v.decided_by::text AS decided_by, i.segments, i.rows::float8 AS rows,
           i.skipped::float8 AS skipped, i.left_out::float8 AS left_out, i.inertia, i.explained, i.silhouette, v.compared_with,
           v.adjusted_rand_index, v.moved, v.trained, v.trained_by::text AS trained_by, v.activated, v.seconds, v.extension_version,
           pg_catalog.array_to_string(i.warnings, '; ') AS warnings
      FROM segmentation.registry_version AS v JOIN segmentation.registry_visible AS m ON m.name = v.model,
           LATERAL @extschema@.kmeans_info(v.value) AS i;
COMMENT ON VIEW segmentation.model_versions IS 'One row per version of a model, with how it came about and what was decided.';
COMMENT ON COLUMN segmentation.model_versions.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.model_versions.version IS 'Number of the version, from 1.';
COMMENT ON COLUMN segmentation.model_versions.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.model_versions.state IS 'active, candidate (waits for a decision), retired (was active) or rejected.';
COMMENT ON COLUMN segmentation.model_versions.decision IS 'What was decided when it was trained.';
COMMENT ON COLUMN segmentation.model_versions.reasons IS 'Why it did not pass the gate; empty when it did.';
COMMENT ON COLUMN segmentation.model_versions.decided_by IS 'Who approved, activated or rejected it.';
COMMENT ON COLUMN segmentation.model_versions.segments IS 'Number of segments.';
COMMENT ON COLUMN segmentation.model_versions.rows IS 'Rows it was trained on.';
COMMENT ON COLUMN segmentation.model_versions.skipped IS 'Rows that were skipped because of missing values.';
COMMENT ON COLUMN segmentation.model_versions.left_out IS 'Rows that were left out as outliers.';
COMMENT ON COLUMN segmentation.model_versions.inertia IS 'Sum of squared distances to the centroids, in the space of the version.';
COMMENT ON COLUMN segmentation.model_versions.explained IS 'Share of the variance that the segments explain, from 0 to 1.';
COMMENT ON COLUMN segmentation.model_versions.silhouette IS 'Centroid-based silhouette of the training rows, mean, from -1 to 1.';
COMMENT ON COLUMN segmentation.model_versions.compared_with IS 'The version that was active at its training.';
COMMENT ON COLUMN segmentation.model_versions.adjusted_rand_index IS 'Agreement with that version on the same rows: 1 is equal, about 0 unrelated.';
COMMENT ON COLUMN segmentation.model_versions.moved IS 'Share of those rows that are in another segment than under that version.';
COMMENT ON COLUMN segmentation.model_versions.trained IS 'When it was trained.';
COMMENT ON COLUMN segmentation.model_versions.trained_by IS 'Who trained it.';
COMMENT ON COLUMN segmentation.model_versions.activated IS 'When it last became the active version; NULL when it never was.';
COMMENT ON COLUMN segmentation.model_versions.seconds IS 'How long the training took.';
COMMENT ON COLUMN segmentation.model_versions.extension_version IS 'Version of the extension that trained it.';
COMMENT ON COLUMN segmentation.model_versions.warnings IS 'What a user should know about the training.';

CREATE VIEW segmentation.segments WITH (security_barrier) AS
    SELECT v.model, v.version, v.active AS is_active, c.segment, coalesce(l.label, 'segment ' || c.segment) AS segment_label, l.description,
           c.rows::float8 AS customers, c.share, c.spread, s.continues AS continues_earlier, s.jaccard
      FROM segmentation.registry_version AS v JOIN segmentation.registry_visible AS m ON m.name = v.model
      CROSS JOIN LATERAL @extschema@.kmeans_clusters(v.value) AS c
      LEFT JOIN segmentation.registry_segment AS s ON s.model = v.model AND s.version = v.version AND s.segment = c.segment
      LEFT JOIN segmentation.registry_label AS l ON l.model = v.model AND l.segment = c.segment;
COMMENT ON VIEW segmentation.segments IS 'One row per segment of every version. The id of a segment stays the same for as long as it goes on.';
COMMENT ON COLUMN segmentation.segments.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.segments.version IS 'Number of the version.';
COMMENT ON COLUMN segmentation.segments.is_active IS 'Whether it is the version that scores.';
COMMENT ON COLUMN segmentation.segments.segment IS 'Id of the segment, what kmeans_assign returns.';
COMMENT ON COLUMN segmentation.segments.segment_label IS 'Its name: the one given with segmentation.label_segment, or its id in words.';
COMMENT ON COLUMN segmentation.segments.description IS 'What it means, as given with its name.';
COMMENT ON COLUMN segmentation.segments.customers IS 'Training rows in it.';
COMMENT ON COLUMN segmentation.segments.share IS 'Its share of the training rows (of their weight, where they have one), from 0 to 1.';
COMMENT ON COLUMN segmentation.segments.spread IS 'Root mean square distance of its rows to the centroid, in the space of the version.';
COMMENT ON COLUMN segmentation.segments.continues_earlier IS 'Whether it continues a segment of the version that was active at the training; false for a new segment.';
COMMENT ON COLUMN segmentation.segments.jaccard IS 'Customers in both as a share of the customers in either; NULL for a new segment.';

CREATE VIEW segmentation.segment_migration WITH (security_barrier) AS
    SELECT g.model, g.version, v.compared_with AS from_version, g.from_segment, coalesce(lf.label, 'segment ' || g.from_segment) AS from_label, g.to_segment,
           coalesce(lt.label, 'segment ' || g.to_segment) AS to_label, g.customers::float8 AS customers,
           g.customers::float8 / pg_catalog.sum(g.customers) OVER (PARTITION BY g.model, g.version, g.from_segment)::float8 AS share_of_from,
           g.from_segment <> g.to_segment AS moved
      FROM segmentation.registry_migration AS g JOIN segmentation.registry_visible AS m ON m.name = g.model
      JOIN segmentation.registry_version AS v ON v.model = g.model AND v.version = g.version
      LEFT JOIN segmentation.registry_label AS lf ON lf.model = g.model AND lf.segment = g.from_segment
      LEFT JOIN segmentation.registry_label AS lt ON lt.model = g.model AND lt.segment = g.to_segment;
COMMENT ON VIEW segmentation.segment_migration IS 'Who moved at each retraining: rows by their segment under the earlier and the new version.';
COMMENT ON COLUMN segmentation.segment_migration.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.segment_migration.version IS 'The new version.';
COMMENT ON COLUMN segmentation.segment_migration.from_version IS 'The version that was active at its training.';
COMMENT ON COLUMN segmentation.segment_migration.from_segment IS 'Segment under the earlier version.';
COMMENT ON COLUMN segmentation.segment_migration.from_label IS 'Its name.';
COMMENT ON COLUMN segmentation.segment_migration.to_segment IS 'Segment under the new version.';
COMMENT ON COLUMN segmentation.segment_migration.to_label IS 'Its name.';
COMMENT ON COLUMN segmentation.segment_migration.customers IS 'Rows of the training that are in both.';
COMMENT ON COLUMN segmentation.segment_migration.share_of_from IS 'Their share of the rows in the earlier segment, from 0 to 1.';
COMMENT ON COLUMN segmentation.segment_migration.moved IS 'Whether they have changed their segment.';

-- Runs with how they are: one that says it goes on while nobody holds its lock was interrupted. Locks of another server are not seen: a standby
-- says what was last known.
CREATE VIEW segmentation.registry_run_status WITH (security_barrier) AS
    SELECT r.*, CASE WHEN r.state = 'running' AND NOT pg_catalog.pg_is_in_recovery() AND NOT EXISTS (
                              SELECT FROM pg_catalog.pg_locks AS l
                               WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
                                 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
                                 AND (l.classid::bigint << 32 | l.objid::bigint) = segmentation.training_lock(r.model)) THEN 'interrupted' ELSE r.state END AS status
      FROM segmentation.registry_run AS r JOIN segmentation.registry_visible AS m ON m.name = r.model;
COMMENT ON VIEW segmentation.registry_run_status IS 'Internal: trainings of the models that the current user may use, and how they are.';
REVOKE ALL ON segmentation.registry_run_status FROM PUBLIC;

CREATE VIEW segmentation.training_history WITH (security_barrier) AS
    SELECT r.id::float8 AS run, r.model, r.kind, r.status, r.started AS time, r.finished, r.started_by::text AS started_by, r.version, r.message, r.sqlstate, t.metric, t.value
      FROM segmentation.registry_run_status AS r
      LEFT JOIN segmentation.registry_version AS v ON v.model = r.model AND v.version = r.version
      LEFT JOIN LATERAL @extschema@.kmeans_info(v.value) AS i ON true
      LEFT JOIN LATERAL (VALUES ('seconds', v.seconds), ('rows', i.rows::float8), ('inertia', i.inertia), ('explained', i.explained), ('silhouette', i.silhouette),
                                ('segments', i.segments::float8), ('moved', v.moved), ('adjusted_rand_index', v.adjusted_rand_index)) AS t(metric, value) ON v.version IS NOT NULL;
COMMENT ON VIEW segmentation.training_history IS 'Trainings and how they ended: a row per metric of the version that came of it, one row where none did.';
COMMENT ON COLUMN segmentation.training_history.run IS 'Number of the training.';
COMMENT ON COLUMN segmentation.training_history.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.training_history.kind IS 'train, retrain, register or import.';
COMMENT ON COLUMN segmentation.training_history.status IS 'running, succeeded, refused (by the gate), failed or interrupted (its session ended).';
COMMENT ON COLUMN segmentation.training_history.time IS 'When it began.';
COMMENT ON COLUMN segmentation.training_history.finished IS 'When it ended.';
COMMENT ON COLUMN segmentation.training_history.started_by IS 'Who began it.';
COMMENT ON COLUMN segmentation.training_history.version IS 'The version that came of it.';
COMMENT ON COLUMN segmentation.training_history.message IS 'What was decided and why, or the error.';
COMMENT ON COLUMN segmentation.training_history.sqlstate IS 'SQLSTATE of the error.';
COMMENT ON COLUMN segmentation.training_history.metric IS 'Name of a metric of the version.';
COMMENT ON COLUMN segmentation.training_history.value IS 'Its value.';

CREATE VIEW segmentation.audit WITH (security_barrier) AS
    SELECT a.id::float8 AS entry, a.at AS time, a.done_by::text AS done_by, a.action, a.model, a.version, a.detail
      FROM segmentation.registry_audit AS a
     WHERE EXISTS (SELECT FROM segmentation.registry_visible AS m WHERE m.name = a.model AND m.created = a.model_created)
        OR EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE (r.rolname = a.owner AND pg_catalog.pg_has_role(r.oid, 'USAGE')) OR (r.rolname = current_user AND r.rolsuper));
COMMENT ON VIEW segmentation.audit IS 'Who did what to which model; it outlives the model.';
COMMENT ON COLUMN segmentation.audit.entry IS 'Number of the entry.';
COMMENT ON COLUMN segmentation.audit.time IS 'When it was done.';
COMMENT ON COLUMN segmentation.audit.done_by IS 'Who did it.';
COMMENT ON COLUMN segmentation.audit.action IS 'What was done: create, train, retrain, activate, approve, reject, rollback, label, grant, revoke, drop and so on.';
COMMENT ON COLUMN segmentation.audit.model IS 'Name of the model.';
COMMENT ON COLUMN segmentation.audit.version IS 'The version it was done to, where there was one.';
COMMENT ON COLUMN segmentation.audit.detail IS 'What else is to be said.';
