-- Making a version: training, comparing it with the active one by the gate, and segmentation.train.

-- Both models on the same rows: how many are in which segments of each, and the inertia of each in the champion's space (rows without a
-- score under either are left out). {"cells": [[old, new, rows, inertia_old, inertia_new], ...]}
CREATE FUNCTION segmentation.judge(caller_path text, reading segmentation.reading, champion @extschema@.kmeans_model, challenger @extschema@.kmeans_model,
    seen @extschema@.kmeans_model) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query text;
    cells jsonb;
BEGIN
    query := format($query$
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(o, n, rows, inertia_old, inertia_new)) FROM (
            SELECT segmentation.assign_row($1, %1$s) AS o, segmentation.assign_row($2, %1$s) AS n, pg_catalog.count(*) AS rows,
                   pg_catalog.sum(%2$s OPERATOR(pg_catalog.*) pg_catalog.power(segmentation.distance_row($1, %1$s), 2)) AS inertia_old,
                   pg_catalog.sum(%2$s OPERATOR(pg_catalog.*) pg_catalog.power(segmentation.distance_row($3, %1$s), 2)) AS inertia_new
              FROM %3$s AS s GROUP BY 1, 2) AS pairs
         WHERE o IS NOT NULL AND n IS NOT NULL $query$, reading.features, reading.weight, reading.source_name);
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE query INTO cells USING champion, challenger, seen;
    RETURN coalesce(cells, '[]');
END $$;
COMMENT ON FUNCTION segmentation.judge(text, segmentation.reading, @extschema@.kmeans_model, @extschema@.kmeans_model, @extschema@.kmeans_model) IS 'Internal: two models on the same rows.';

CREATE FUNCTION segmentation.size_reasons(gate jsonb, challenger @extschema@.kmeans_model) RETURNS text[] LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN min(c.share) < (gate -> 'min_share')::float8 THEN ARRAY[format('the smallest segment has %s of the customers (at least %s are wanted)',
                segmentation.in_percent(min(c.share)), segmentation.in_percent((gate -> 'min_share')::float8))] ELSE '{}' END
      FROM @extschema@.kmeans_clusters(challenger) AS c
$$;
COMMENT ON FUNCTION segmentation.size_reasons(jsonb, @extschema@.kmeans_model) IS 'Internal: the gate on the smallest segment.';

-- How the segments of a challenger continue those of a champion, and what that means for the gate; members of add_version's payload.
CREATE FUNCTION segmentation.compare_on_source(caller_path text, reading segmentation.reading, champion segmentation.registry_version,
    challenger @extschema@.kmeans_model, gate jsonb, in_one_space boolean) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old_ids integer[] := ARRAY(SELECT c.segment FROM @extschema@.kmeans_clusters(champion.value) WITH ORDINALITY AS c ORDER BY c.ordinality);
    new_ids integer[] := ARRAY(SELECT c.segment FROM @extschema@.kmeans_clusters(challenger) WITH ORDINALITY AS c ORDER BY c.ordinality);
    cells jsonb;
    matched jsonb;
    reasons text[] := '{}';
    total double precision;
    moved double precision;
    inertia_old double precision;
    inertia_new double precision;
    explained_old double precision := (@extschema@.kmeans_info(champion.value)).explained;
    explained_new double precision := (@extschema@.kmeans_info(challenger)).explained;
BEGIN
    cells := segmentation.judge(caller_path, reading, champion.value, challenger,
        CASE WHEN in_one_space THEN segmentation.model_seen_by(challenger, champion.value) ELSE champion.value END);
    matched := segmentation.match_segments(old_ids, new_ids, ARRAY(
        SELECT coalesce(c.rows, 0) FROM unnest(old_ids) WITH ORDINALITY AS o(id, line) CROSS JOIN unnest(new_ids) WITH ORDINALITY AS n(id, line)
          LEFT JOIN (SELECT (c ->> 0)::integer AS o, (c ->> 1)::integer AS n, (c ->> 2)::float8 AS rows FROM jsonb_array_elements(cells) AS c) AS c
               ON c.o = o.id AND c.n = n.id
         ORDER BY o.line, n.line));
    SELECT sum((c ->> 2)::float8), sum((c ->> 3)::float8), sum((c ->> 4)::float8),
           sum((c ->> 2)::float8) FILTER (WHERE (m.item ->> 'continues')::integer IS DISTINCT FROM (c ->> 0)::integer)
      INTO total, inertia_old, inertia_new, moved
      FROM jsonb_array_elements(cells) AS c JOIN jsonb_array_elements(matched -> 'segments') AS m(item) ON (m.item ->> 'segment')::integer = (c ->> 1)::integer;
    moved := coalesce(moved, 0) / total;
    IF total IS NULL THEN
        reasons := reasons || 'the active version scores none of the rows, so the two cannot be compared'::text;
    END IF;
    IF in_one_space AND inertia_new > inertia_old * (1 + (gate -> 'max_inertia')::float8) THEN
        reasons := reasons || format('the inertia of the same rows is %s higher than under the active version (%s is allowed)',
            segmentation.in_percent(inertia_new / inertia_old - 1), segmentation.in_percent((gate -> 'max_inertia')::float8));
    END IF;
    reasons := reasons || segmentation.size_reasons(gate, challenger);
    IF moved > (gate -> 'max_moved')::float8 THEN
        reasons := reasons || format('%s of the customers change their segment (%s are allowed)', segmentation.in_percent(moved),
            segmentation.in_percent((gate -> 'max_moved')::float8));
    END IF;
    IF explained_new < explained_old - (gate -> 'max_explained_drop')::float8 THEN
        reasons := reasons || format('the segments explain %s of the variance, and %s before (a fall of %s is allowed)', segmentation.in_percent(explained_new),
            segmentation.in_percent(explained_old), segmentation.in_percent((gate -> 'max_explained_drop')::float8));
    END IF;
    RETURN jsonb_build_object('compared_with', champion.version, 'adjusted_rand_index', matched -> 'adjusted_rand_index', 'moved', moved, 'reasons', reasons,
        'segments', matched -> 'segments',
        'migration', (SELECT coalesce(jsonb_agg(jsonb_build_object('from', c -> 0, 'to', array_position(new_ids, (c ->> 1)::integer), 'customers', c -> 2)), '[]') FROM jsonb_array_elements(cells) AS c));
END $$;
COMMENT ON FUNCTION segmentation.compare_on_source(text, segmentation.reading, segmentation.registry_version, @extschema@.kmeans_model, jsonb, boolean) IS 'Internal: a new version against the active one on the rows of its training.';

CREATE TYPE segmentation.training AS (
    model text, version integer, segments integer, rows bigint, skipped bigint, left_out bigint, inertia double precision, explained double precision,
    silhouette double precision, smallest_segment bigint, seconds double precision, warnings text[], decision text, reasons text[]
);
COMMENT ON TYPE segmentation.training IS 'What a training did: the version it made, rows used, skipped (missing values) and left out (outliers), inertia, share of the variance explained, centroid-based silhouette, rows in the smallest segment, what a user should know, what was decided and why.';

-- Reads, trains, compares: all on one snapshot, which a STABLE function has. Members of add_version's payload, with the model beside them.
CREATE TYPE segmentation.made_version AS (model @extschema@.kmeans_model, payload jsonb);
COMMENT ON TYPE segmentation.made_version IS 'Internal: a version that is not in the registry yet.';
CREATE FUNCTION segmentation.make_version(caller_path text, definition jsonb, champion segmentation.registry_version, seed bigint, keeps_refused boolean)
    RETURNS segmentation.made_version LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made segmentation.made_version;
    reading segmentation.reading := segmentation.read_source(definition);
    trained segmentation.trained;
    survey jsonb;
    reasons text[] := '{}';
    same_features boolean := false;
    in_one_space boolean := false;
    warm_start boolean := false;
    continued segmentation.trained;
    other jsonb;
    forced boolean := false;
    note text;
    compared jsonb := '{}';
    failure text;
    failure_detail text;
BEGIN
    IF champion.version IS NOT NULL THEN
        same_features := (@extschema@.kmeans_info(champion.value)).features = ARRAY(SELECT jsonb_array_elements_text(definition -> 'features'));
        in_one_space := same_features AND champion.definition -> 'prepare' = definition -> 'prepare' AND (@extschema@.kmeans_info(champion.value)).distance = 'euclidean'
            AND coalesce(definition -> 'options' ->> 'distance', 'euclidean') = 'euclidean';
    END IF;
    IF same_features AND champion.survey IS NOT NULL THEN
        survey := segmentation.survey_source(caller_path, reading, reading.asked -> 'request' || jsonb_build_object('baseline', champion.survey));
        reasons := segmentation.data_reasons(definition -> 'gate', survey, champion.survey);
    END IF;
    BEGIN
        warm_start := coalesce(in_one_space AND (@extschema@.kmeans_info(champion.value)).segments <= (definition ->> 'k')::integer, false);
        trained := segmentation.train_on_source(caller_path, definition, reading, survey, CASE WHEN warm_start THEN champion.value END, seed);
    EXCEPTION WHEN data_exception OR invalid_parameter_value THEN
        -- Data that nothing can be trained on, where the gate has said already what is wrong with them.
        IF cardinality(reasons) = 0 OR NOT keeps_refused THEN
            RAISE;
        END IF;
        GET STACKED DIAGNOSTICS failure = MESSAGE_TEXT, failure_detail = PG_EXCEPTION_DETAIL;
        made.payload := jsonb_build_object('reasons', reasons, 'refused', concat_ws(' ', failure || '.', nullif(failure_detail, '')));
        RETURN made;
    END;
    made.model := trained.model;
    IF trained.choice IS NOT NULL THEN
        definition := jsonb_set(definition, '{k}', trained.choice -> 'k');  -- a retraining keeps it
        note := segmentation.choice_in_words(trained.choice);
    END IF;
    IF definition -> 'key' <> '[]' AND (trained.survey ->> 'same_key')::bigint > 0 THEN
        RAISE NOTICE USING MESSAGE = format('key (%s) does not tell all rows of %s apart', (SELECT string_agg(k, ', ') FROM jsonb_array_elements_text(definition -> 'key') AS k), reading.source_name),
            DETAIL = format('Of %s sampled rows, %s have the key of another one.', trained.survey ->> 'sampled', trained.survey ->> 'same_key'),
            HINT = 'Name columns in "key" that do, so that each customer has one row.';
    END IF;
    IF same_features THEN
        compared := segmentation.compare_on_source(caller_path, reading, champion, made.model, definition -> 'gate', in_one_space);
        -- Better segments that would move too many customers: those that continue the active ones, then.
        IF warm_start AND (compared ->> 'moved')::float8 > (definition -> 'gate' -> 'max_moved')::float8
                AND (@extschema@.kmeans_info(champion.value)).segments = (definition ->> 'k')::integer THEN
            continued := segmentation.train_on_source(caller_path, jsonb_set(definition, '{options,min_gain}', '1'), reading, survey, champion.value, seed);
            other := segmentation.compare_on_source(caller_path, reading, champion, continued.model, definition -> 'gate', in_one_space);
            IF (other ->> 'moved')::float8 <= (definition -> 'gate' -> 'max_moved')::float8 THEN
                note := format('other segments would lower the inertia by %s but move %s of the customers',
                    segmentation.in_percent(1 - (@extschema@.kmeans_info(made.model)).inertia / (@extschema@.kmeans_info(continued.model)).inertia),
                    segmentation.in_percent((compared ->> 'moved')::float8));
                made.model := continued.model;
                compared := other;
                forced := true;
                trained.left_out := continued.left_out;
            END IF;
        END IF;
        reasons := reasons || ARRAY(SELECT jsonb_array_elements_text(compared -> 'reasons'));
    ELSE
        IF champion.version IS NOT NULL THEN
            reasons := reasons || segmentation.size_reasons(definition -> 'gate', made.model)
                || format('it has other features than version %s, or in another order, so the two cannot be compared', champion.version);
        END IF;
        compared := jsonb_build_object('compared_with', champion.version, 'segments', (SELECT jsonb_agg(jsonb_build_object('segment', c.segment) ORDER BY c.ordinality)
            FROM @extschema@.kmeans_clusters(made.model) WITH ORDINALITY AS c));
    END IF;
    made.payload := compared || jsonb_build_object('definition', CASE WHEN seed IS NULL THEN definition
            ELSE jsonb_set(definition, '{options,seed}', to_jsonb(seed)) END,
        'survey', segmentation.baseline_of(trained.survey), 'choice', trained.choice, 'profile', segmentation.profile_source(caller_path, definition, reading, made.model, trained), 'reasons', reasons, 'note', note, 'warm_start', warm_start, 'forced', forced,
        'source_text', (SELECT pg_get_viewdef(c.oid) FROM pg_class AS c WHERE c.oid = reading.source AND c.relkind IN ('v', 'm')));
    RETURN made;
END $$;
COMMENT ON FUNCTION segmentation.make_version(text, jsonb, segmentation.registry_version, bigint, boolean) IS 'Internal: trains a version and compares it with the active one.';

-- A survey without what it says of an earlier one.
CREATE FUNCTION segmentation.baseline_of(survey jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT survey || jsonb_build_object('numbers', (SELECT coalesce(jsonb_agg(n - 'drift'), '[]') FROM jsonb_array_elements(survey -> 'numbers') AS n),
                                        'categories', (SELECT coalesce(jsonb_agg(c - 'drift'), '[]') FROM jsonb_array_elements(survey -> 'categories') AS c))
$$;
COMMENT ON FUNCTION segmentation.baseline_of(jsonb) IS 'Internal: a survey without what it says of an earlier one.';

-- The row that a training returns.
CREATE FUNCTION segmentation.training_of(model_name text, model @extschema@.kmeans_model, added jsonb, reasons text[], seconds double precision) RETURNS segmentation.training LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ROW(model_name, (added ->> 'version')::integer, i.segments, i.rows, i.skipped, i.left_out, i.inertia, i.explained, i.silhouette,
               (SELECT min(c.rows) FROM @extschema@.kmeans_clusters(model) AS c), seconds, i.warnings, added ->> 'decision', reasons)::segmentation.training
      FROM @extschema@.kmeans_info(model) AS i
$$;
COMMENT ON FUNCTION segmentation.training_of(text, @extschema@.kmeans_model, jsonb, text[], double precision) IS 'Internal: what a training did.';

CREATE FUNCTION segmentation.train_version(caller_path text, model_name text, definition jsonb, activate boolean, kind text, seed bigint, run bigint)
    RETURNS segmentation.training LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    started timestamptz := clock_timestamp();
    seconds double precision;
    champion segmentation.registry_version;
    made segmentation.made_version;
    added jsonb;
    done segmentation.training;
BEGIN
    champion := segmentation.champion(model_name);
    PERFORM segmentation.lock_training(model_name);
    made := segmentation.make_version(caller_path, definition, champion, seed, run IS NOT NULL);
    IF made.model IS NULL THEN
        done.model := model_name;
        done.decision := made.payload ->> 'refused';
        done.reasons := ARRAY(SELECT jsonb_array_elements_text(made.payload -> 'reasons'));
        RETURN done;
    END IF;
    seconds := extract(epoch FROM clock_timestamp() - started);
    added := segmentation.add_version(model_name, made.model, made.payload || jsonb_build_object('activate', activate, 'kind', kind, 'run', run,
        'seconds', seconds, 'started', started));
    RETURN segmentation.training_of(model_name, made.model, added, ARRAY(SELECT jsonb_array_elements_text(made.payload -> 'reasons')), seconds);
END $$;
COMMENT ON FUNCTION segmentation.train_version(text, text, jsonb, boolean, text, bigint, bigint) IS 'Internal: trains a version and adds it to the registry.';

-- No SET search_path: the caller's is what it passes on. Everything in it is qualified.
CREATE FUNCTION segmentation.train(name text, source regclass, features text[], k integer DEFAULT NULL, prepare jsonb DEFAULT '{}', profile text[] DEFAULT NULL,
    outcome text DEFAULT NULL, weight text DEFAULT NULL, key text[] DEFAULT NULL, options jsonb DEFAULT '{}', gate jsonb DEFAULT '{}', activate boolean DEFAULT NULL)
    RETURNS segmentation.training LANGUAGE plpgsql
AS $$
DECLARE
    done segmentation.training;
BEGIN
    done := segmentation.train_version(pg_catalog.current_setting('search_path'), name,
        segmentation.define_training(source, features, k, prepare, profile, outcome, weight, key, options, gate), activate, 'train', NULL, NULL);
    IF pg_catalog.starts_with(done.decision, 'candidate: it was not') THEN
        RAISE NOTICE USING MESSAGE = pg_catalog.format('version %s of model "%s" is a candidate, and the active version goes on scoring', done.version, name),
            HINT = pg_catalog.format('SELECT segmentation.activate(%L, %s) makes it the active one.', name, done.version);
    END IF;
    RETURN done;
END $$;
COMMENT ON FUNCTION segmentation.train(text, regclass, text[], integer, jsonb, text[], text, text, text[], jsonb, jsonb, boolean) IS 'Trains a version of a model on a table or view and registers it; the first version activates itself, later ones are compared with the active one and stay candidates unless activate is true and they pass the gate.';
