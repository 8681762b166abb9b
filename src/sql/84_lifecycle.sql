-- What people decide about versions: activate, approve, reject, roll back, drop; labels of segments; models that come from elsewhere.

-- Under "approval": "manual" a version takes over only after somebody other than its trainer has approved it; one that was active has been.
CREATE FUNCTION segmentation.registry_check_approval(caller name, chosen segmentation.registry_version, approving boolean) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT segmentation.registry_is_manual(chosen.model, chosen.definition) OR chosen.activated IS NOT NULL THEN
        RETURN;
    ELSIF chosen.trained_by = caller OR chosen.trained_session = session_user THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('version %s of model "%s" must be approved by somebody else', chosen.version, chosen.model),
            DETAIL = 'Its gate wants a manual approval, and you have trained it.';
    ELSIF NOT approving THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s of model "%s" is not approved', chosen.version, chosen.model),
            HINT = 'Use segmentation.approve.';
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.registry_check_approval(name, segmentation.registry_version, boolean) IS 'Internal: whether a version may be activated by a role.';

-- The state of a version as the views have it.
CREATE FUNCTION segmentation.version_state(chosen segmentation.registry_version) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN (chosen).active THEN 'active' WHEN (chosen).state = 'accepted' THEN 'retired' ELSE (chosen).state END $$;
COMMENT ON FUNCTION segmentation.version_state(segmentation.registry_version) IS 'Internal: active, candidate, retired or rejected.';

-- Activates for `action`, with a note.
CREATE FUNCTION segmentation.registry_take_over(caller name, model_name text, version integer, action text, comment text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version;
BEGIN
    IF version IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'version must not be null';
    END IF;
    PERFORM segmentation.registry_lock(caller, model_name, 'approve');
    chosen := segmentation.registry_version_of(model_name, version);
    PERFORM segmentation.registry_check_approval(caller, chosen, action = 'approve');
    IF action = 'approve' AND chosen.state <> 'candidate' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s of model "%s" is not a candidate', version, model_name),
            DETAIL = format('It is %s.', segmentation.version_state(chosen)), HINT = 'Use segmentation.activate.';
    END IF;
    UPDATE segmentation.registry_version AS v SET decided_by = caller WHERE v.model = model_name AND v.version = registry_take_over.version;
    PERFORM segmentation.registry_activate(model_name, version);
    PERFORM segmentation.registry_note(caller, action, model_name, version, comment);
END $$;
COMMENT ON FUNCTION segmentation.registry_take_over(name, text, integer, text, text) IS 'Internal: activates a version by a person''s decision.';

CREATE FUNCTION segmentation.activate_as_owner(caller name, model_name text, version integer, comment text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_take_over(caller, model_name, version, 'activate', comment);
    UPDATE segmentation.registry_model AS m SET hold = NULL WHERE m.name = model_name AND m.hold IS NOT NULL;
END $$;
COMMENT ON FUNCTION segmentation.activate_as_owner(name, text, integer, text) IS 'Internal: activate.';
CREATE FUNCTION segmentation.activate(name text, version integer, comment text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.activate(text, integer, text) IS 'Makes a version the active one, at once for every statement that begins afterwards, and ends a hold.';

CREATE FUNCTION segmentation.approve_as_owner(caller name, model_name text, version integer, comment text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_take_over(caller, model_name, version, 'approve', comment);
END $$;
COMMENT ON FUNCTION segmentation.approve_as_owner(name, text, integer, text) IS 'Internal: approve.';
CREATE FUNCTION segmentation.approve(name text, version integer, comment text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.approve(text, integer, text) IS 'Approves a candidate, which makes it the active version. It takes the privilege approve; with "approval": "manual" in the gate it takes somebody other than the trainer.';

CREATE FUNCTION segmentation.reject_as_owner(caller name, model_name text, version integer, reason text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version;
BEGIN
    PERFORM segmentation.registry_lock(caller, model_name, 'approve');
    chosen := segmentation.registry_version_of(model_name, coalesce(version, -1));
    IF chosen.active OR chosen.state <> 'candidate' THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s of model "%s" is not a candidate', version, model_name),
            HINT = CASE WHEN chosen.active THEN 'segmentation.rollback goes back to an earlier version.' ELSE 'The view segmentation.model_versions shows what was decided.' END;
    END IF;
    UPDATE segmentation.registry_version AS v SET state = 'rejected', decided_by = caller WHERE v.model = model_name AND v.version = reject_as_owner.version;
    PERFORM segmentation.registry_note(caller, 'reject', model_name, version, reason);
END $$;
COMMENT ON FUNCTION segmentation.reject_as_owner(name, text, integer, text) IS 'Internal: reject.';
CREATE FUNCTION segmentation.reject(name text, version integer, reason text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.reject(text, integer, text) IS 'Rejects a candidate. It stays in the registry, and can still be activated by name and version.';

CREATE FUNCTION segmentation.rollback_as_owner(caller name, model_name text, to_version integer, reason text, hold boolean) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about segmentation.registry_model := segmentation.registry_lock(caller, model_name, 'approve');
    target integer := to_version;
    place integer;  -- of the target among the versions that took over
BEGIN
    IF target IS NULL THEN
        place := cardinality(about.took_over) - 1;
        target := about.took_over[place];
        IF target IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('model "%s" has no earlier version to go back to', model_name),
                HINT = 'The view segmentation.model_versions lists the versions; segmentation.activate makes any of them the active one.';
        END IF;
    ELSIF (segmentation.registry_version_of(model_name, target)).activated IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s of model "%s" was never active', target, model_name),
            HINT = 'segmentation.activate makes it the active version.';
    ELSE
        place := (SELECT max(t.line) FROM unnest(about.took_over) WITH ORDINALITY AS t(version, line) WHERE t.version = target);
    END IF;
    UPDATE segmentation.registry_model AS m SET took_over = m.took_over[:place] WHERE m.name = model_name AND place IS NOT NULL;
    PERFORM segmentation.registry_activate(model_name, target);
    IF hold THEN
        UPDATE segmentation.registry_model AS m SET hold = coalesce(reason, format('rolled back to version %s', target)) WHERE m.name = model_name;
    END IF;
    PERFORM segmentation.registry_note(caller, CASE WHEN hold THEN 'rollback and hold' ELSE 'rollback' END, model_name, target, reason);
    RETURN target;
END $$;
COMMENT ON FUNCTION segmentation.rollback_as_owner(name, text, integer, text, boolean) IS 'Internal: rollback.';
CREATE FUNCTION segmentation.rollback(name text, to_version integer DEFAULT NULL, reason text DEFAULT NULL, hold boolean DEFAULT false) RETURNS integer
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.rollback(text, integer, text, boolean) IS 'Goes back to a version that was active, by default the one that was active before this one took over, and returns its number. With hold, retrainings go on but do not activate what they train, until segmentation.activate is called.';

CREATE FUNCTION segmentation.drop_model_as_owner(caller name, model_name text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    PERFORM segmentation.lock_training(model_name);
    PERFORM segmentation.registry_note(caller, 'drop', model_name, NULL, NULL);
    PERFORM segmentation.registry_drop_job(model_name);
    PERFORM segmentation.registry_drop_views(model_name);
    DELETE FROM segmentation.registry_model AS m WHERE m.name = model_name;
END $$;
COMMENT ON FUNCTION segmentation.drop_model_as_owner(name, text) IS 'Internal: drop_model.';
CREATE FUNCTION segmentation.drop_model(name text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.drop_model(text) IS 'Drops a model with its versions, labels, history and grants, its schedule and the views of segmentation.create_views; the audit trail stays.';

CREATE FUNCTION segmentation.label_segment_as_owner(caller name, model_name text, segment integer, label text, description text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    IF segment IS NULL OR NOT EXISTS (SELECT FROM segmentation.registry_segment AS s WHERE s.model = model_name AND s.segment = label_segment_as_owner.segment) THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('model "%s" has no segment %s', model_name, coalesce(segment::text, 'NULL')),
            HINT = 'The view segmentation.segments lists the segments.';
    END IF;
    IF btrim(label) = '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'label of a segment must not be empty', HINT = 'NULL takes the label away.';
    ELSIF label IS NULL THEN
        DELETE FROM segmentation.registry_label AS l WHERE l.model = model_name AND l.segment = label_segment_as_owner.segment;
    ELSE
        INSERT INTO segmentation.registry_label AS l (model, segment, label, description, labeled_by)
        VALUES (model_name, segment, label, description, caller)
        ON CONFLICT ON CONSTRAINT registry_label_pkey DO UPDATE SET label = excluded.label, description = coalesce(excluded.description, l.description), labeled_by = excluded.labeled_by, labeled = now();
    END IF;
    IF EXISTS (SELECT FROM segmentation.registry_label AS l WHERE l.model = model_name AND l.label = label_segment_as_owner.label AND l.segment <> label_segment_as_owner.segment) THEN
        RAISE NOTICE USING MESSAGE = format('another segment of model "%s" has the label "%s", too', model_name, label), DETAIL = 'Whatever groups by labels puts them together.';
    END IF;
    PERFORM segmentation.registry_replace_views(model_name);
    PERFORM segmentation.registry_note(caller, 'label', model_name, NULL, format('segment %s: %s', segment, coalesce(label, 'no label')));
END $$;
COMMENT ON FUNCTION segmentation.label_segment_as_owner(name, text, integer, text, text) IS 'Internal: label_segment.';
CREATE FUNCTION segmentation.label_segment(name text, segment integer, label text, description text DEFAULT NULL) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.label_segment(text, integer, text, text) IS 'Names a segment; the name stays with it through retrainings. A label of NULL takes name and description away; a description of NULL leaves it as it is.';

-- Models that come from elsewhere

CREATE FUNCTION segmentation.add_foreign_version(model_name text, model @extschema@.kmeans_model, kind text, activate boolean, payload jsonb) RETURNS integer LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    champion segmentation.registry_version := segmentation.champion(model_name);
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'model must not be null';
    END IF;
    -- A new model keeps the ids it comes with; in one that is there already they are whatever its segments are called.
    RETURN (segmentation.add_version(model_name, model, payload || jsonb_build_object('kind', kind, 'activate', activate,
        'segments', (SELECT jsonb_agg(jsonb_build_object('segment', c.segment, 'id', c.segment, 'continues', s.segment) ORDER BY c.ordinality)
                       FROM @extschema@.kmeans_clusters(model) WITH ORDINALITY AS c
                       LEFT JOIN @extschema@.kmeans_clusters(champion.value) AS s ON s.segment = c.segment))) ->> 'version')::integer;
END $$;
COMMENT ON FUNCTION segmentation.add_foreign_version(text, @extschema@.kmeans_model, text, boolean, jsonb) IS 'Internal: adds a version that was not trained here.';

CREATE FUNCTION segmentation.register(name text, model @extschema@.kmeans_model, activate boolean DEFAULT NULL) RETURNS integer LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN segmentation.add_foreign_version(name, model, 'register', activate, '{}');
END $$;
COMMENT ON FUNCTION segmentation.register(text, @extschema@.kmeans_model, boolean) IS 'Registers a model that was trained elsewhere (from a sketch, by kmeans, on another server) and returns its version. Its segment ids are kept: they mean what they mean in the active version.';

CREATE FUNCTION segmentation.export_model_as_owner(caller name, model_name text, version integer) RETURNS jsonb LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version;
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    chosen := segmentation.registry_version_of(model_name, version);
    RETURN jsonb_build_object('export', 1, 'name', model_name, 'version', chosen.version, 'model', chosen.value::jsonb, 'definition', chosen.definition,
        'survey', chosen.survey, 'choice', chosen.choice, 'profile', chosen.profile, 'source_text', chosen.source_text, 'extension_version', chosen.extension_version, 'trained_by', chosen.trained_by, 'trained', chosen.trained,
        'labels', (SELECT coalesce(jsonb_agg(jsonb_build_object('segment', l.segment, 'label', l.label, 'description', l.description) ORDER BY l.segment), '[]')
                     FROM segmentation.registry_label AS l WHERE l.model = model_name));
END $$;
COMMENT ON FUNCTION segmentation.export_model_as_owner(name, text, integer) IS 'Internal: export_model.';
CREATE FUNCTION segmentation.export_model(name text, version integer DEFAULT NULL) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.export_model(text, integer) IS 'A version with its definition, the survey of its data and its labels, for segmentation.import_model in another database.';

CREATE FUNCTION segmentation.import_model(model jsonb, name text DEFAULT NULL, activate boolean DEFAULT NULL) RETURNS integer LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    model_name text := coalesce(name, model ->> 'name');
BEGIN
    IF model IS NULL OR jsonb_typeof(model) <> 'object' OR model -> 'export' IS DISTINCT FROM '1' OR jsonb_typeof(model -> 'model') IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'not an exported model', HINT = 'Give what segmentation.export_model has returned.';
    END IF;
    RETURN segmentation.add_foreign_version(model_name, (model -> 'model')::@extschema@.kmeans_model, 'import', activate,
        jsonb_build_object('definition', coalesce(nullif(model -> 'definition', 'null'), '{}'), 'survey', model -> 'survey', 'choice', model -> 'choice', 'profile', model -> 'profile', 'source_text', model -> 'source_text', 'labels', model -> 'labels'));
END $$;
COMMENT ON FUNCTION segmentation.import_model(jsonb, text, boolean) IS 'Registers what segmentation.export_model has returned, under its own name or another, and returns the version''s number.';

-- Comparing versions

CREATE FUNCTION segmentation.compare(name text, first_version integer, second_version integer)
    RETURNS TABLE (metric text, first double precision, second double precision, difference double precision) LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT m.metric, m.first, m.second, m.second - m.first
      FROM @extschema@.kmeans_info((SELECT segmentation.model(name, first_version))) AS a, @extschema@.kmeans_info((SELECT segmentation.model(name, second_version))) AS b,
           LATERAL (VALUES ('segments', a.segments::float8, b.segments::float8), ('rows', a.rows, b.rows), ('skipped', a.skipped, b.skipped), ('left_out', a.left_out, b.left_out),
                           ('inertia', a.inertia, b.inertia), ('explained', a.explained, b.explained), ('mean_distance', a.mean_distance, b.mean_distance),
                           ('silhouette', a.silhouette, b.silhouette), ('calinski_harabasz', a.calinski_harabasz, b.calinski_harabasz),
                           ('davies_bouldin', a.davies_bouldin, b.davies_bouldin)) AS m(metric, first, second)
    UNION ALL
    SELECT 'share of segment ' || coalesce(a.segment, b.segment), a.share, b.share, coalesce(b.share, 0) - coalesce(a.share, 0)
      FROM @extschema@.kmeans_clusters((SELECT segmentation.model(name, first_version))) AS a
      FULL JOIN @extschema@.kmeans_clusters((SELECT segmentation.model(name, second_version))) AS b ON b.segment = a.segment
$$;
COMMENT ON FUNCTION segmentation.compare(text, integer, integer) IS 'Two versions of a model side by side: their metrics on the rows each was trained on, and the share of every segment.';

CREATE FUNCTION segmentation.version_of_as_owner(caller name, model_name text, version integer) RETURNS segmentation.registry_version LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about segmentation.registry_model := segmentation.registry_require(caller, model_name, 'owner');
    chosen segmentation.registry_version := segmentation.registry_version_of(model_name, version);
BEGIN
    PERFORM segmentation.registry_check_reader(caller, about, chosen);
    RETURN chosen;
END $$;
COMMENT ON FUNCTION segmentation.version_of_as_owner(name, text, integer) IS 'Internal: version_of.';
CREATE FUNCTION segmentation.version_of(name text, version integer) RETURNS segmentation.registry_version
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.version_of(text, integer) IS 'Internal: all that is known of a version, for those who may read its source.';

-- What a version was trained by: without k where that was chosen.
CREATE FUNCTION segmentation.definition_again(chosen segmentation.registry_version) RETURNS jsonb LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN (chosen).forced THEN jsonb_set((chosen).definition, '{options,min_gain}', '1') ELSE (chosen).definition END
        || CASE WHEN jsonb_typeof((chosen).definition -> 'k_range') = 'array' THEN '{"k": null}' ELSE '{}' END::jsonb
$$;
COMMENT ON FUNCTION segmentation.definition_again(segmentation.registry_version) IS 'Internal: the definition that gives a version again.';

CREATE FUNCTION segmentation.verify_version(caller_path text, model_name text, version integer) RETURNS TABLE (same_data boolean, same_model boolean, verdict text)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version := segmentation.version_of(model_name, version);
    reading segmentation.reading;
    trained segmentation.trained;
    ids integer[];
BEGIN
    reading := segmentation.read_source(chosen.definition);
    trained := segmentation.train_on_source(caller_path, segmentation.definition_again(chosen), reading, NULL,
        CASE WHEN chosen.warm_start THEN segmentation.model(model_name, chosen.compared_with) END, NULL);
    same_data := trained.survey -> 'fingerprint' = chosen.survey -> 'fingerprint';
    -- Ids are given by the registry, so they are the same.
    ids := ARRAY(SELECT c.segment FROM @extschema@.kmeans_clusters(chosen.value) WITH ORDINALITY AS c ORDER BY c.ordinality);
    same_model := cardinality(ids) = (@extschema@.kmeans_info(trained.model)).segments
        AND segmentation.renumber_model(trained.model, ids)::text = chosen.value::text;
    verdict := CASE WHEN same_data AND same_model THEN 'reproduced: the same data give the same model, bit for bit'
                    WHEN same_model THEN 'reproduced: other data give the same model'
                    WHEN NOT same_data THEN 'not reproduced: the data have changed since the training'
                    WHEN NOT (@extschema@.kmeans_info(chosen.value)).exact THEN 'not reproduced: the fit was not exact, and such fits depend on the order of rows'
                    ELSE format('not reproduced: the same data give another model (trained by version %s of the extension)', chosen.extension_version) END;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION segmentation.verify_version(text, text, integer) IS 'Internal: verify.';

CREATE FUNCTION segmentation.verify(name text, version integer DEFAULT NULL) RETURNS TABLE (same_data boolean, same_model boolean, verdict text) LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT v.same_data, v.same_model, v.verdict FROM segmentation.verify_version(pg_catalog.current_setting('search_path'), name, version) AS v;
END $$;
COMMENT ON FUNCTION segmentation.verify(text, integer) IS 'Trains a version again from its definition and compares: whether the data are the same, and whether they give the same model. Registers nothing.';
