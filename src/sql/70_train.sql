-- Training by name: what is read, how it is prepared, and the one query that trains. All of this runs as the caller, with the caller's
-- rights on the source. Code has a pinned search_path; queries over the source run under the caller's own, because functions of a source
-- view may need it, and are written so that it has no say in what they mean.

-- What the core has to say (src/pg/lifecycle_fn.cc).

CREATE FUNCTION segmentation.plan_training(plan jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_plan_training' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.plan_training(jsonb) IS 'Internal: checks what a training is asked for, and says what must be known of the data first.';
CREATE FUNCTION segmentation.check_options(options jsonb, k integer) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_check_options' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.check_options(jsonb, integer) IS 'Internal: raises an error where options or k of a training are not valid.';
CREATE FUNCTION segmentation.prepare_training(plan jsonb, survey jsonb) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_prepare_training' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.prepare_training(jsonb, jsonb) IS 'Internal: how rows become the columns that are clustered.';
CREATE FUNCTION segmentation.assemble_model(preparation @extschema@.kmeans_model, trained @extschema@.kmeans_model, left_out bigint, skipped bigint)
    RETURNS @extschema@.kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_assemble_model' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.assemble_model(@extschema@.kmeans_model, @extschema@.kmeans_model, bigint, bigint) IS 'Internal: a preparation and a training on its columns make a model.';
CREATE FUNCTION segmentation.renumber_model(model @extschema@.kmeans_model, ids integer[]) RETURNS @extschema@.kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_renumber_model' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.renumber_model(@extschema@.kmeans_model, integer[]) IS 'The model with other segment ids, in the order of its segments.';
CREATE FUNCTION segmentation.model_seen_by(model @extschema@.kmeans_model, onto @extschema@.kmeans_model) RETURNS @extschema@.kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_model_seen_by' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.model_seen_by(@extschema@.kmeans_model, @extschema@.kmeans_model) IS 'The centroids of one model in the space of another, so that both can be judged on the same rows in the same units.';
CREATE FUNCTION segmentation.centroids_onto(model @extschema@.kmeans_model, onto @extschema@.kmeans_model) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_centroids_onto' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.centroids_onto(@extschema@.kmeans_model, @extschema@.kmeans_model) IS 'Internal: the centroids of one model in the columns of another, for option warm_start.';
CREATE FUNCTION segmentation.match_segments(old integer[], new integer[], rows double precision[]) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_match_segments' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.match_segments(integer[], integer[], double precision[]) IS 'Which new segment continues which old one, from the rows that they have in common (old x new), and the adjusted Rand index.';
CREATE FUNCTION segmentation.encode(preparation @extschema@.kmeans_model, features double precision[]) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_encode_array' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segmentation.encode(@extschema@.kmeans_model, double precision[]) IS 'A row in the space of a model; NULL where kmeans_assign is.';
CREATE FUNCTION segmentation.encode(preparation @extschema@.kmeans_model, features record) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_encode_row' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 100;
COMMENT ON FUNCTION segmentation.encode(@extschema@.kmeans_model, record) IS 'A row in the space of a model; NULL where kmeans_assign is.';

CREATE FUNCTION segmentation.survey_accum(internal, bigint, double precision, double precision[], text[], jsonb) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_survey_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segmentation.survey_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_survey_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segmentation.survey_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME', 'segmentation_survey_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.survey_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_survey_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.survey_final(internal) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_survey_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE segmentation.survey(key bigint, weight double precision, numbers double precision[], categories text[], request jsonb) (
    SFUNC = segmentation.survey_accum, STYPE = internal, SSPACE = 8000000, FINALFUNC = segmentation.survey_final,
    COMBINEFUNC = segmentation.survey_combine, SERIALFUNC = segmentation.survey_serialize, DESERIALFUNC = segmentation.survey_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segmentation.survey(bigint, double precision, double precision[], text[], jsonb) IS 'Internal: what is in a table, from one pass; the rest of it from a sample of 100,000 rows, chosen by the hash in key.';

CREATE FUNCTION segmentation.choose_final(@extschema@.kmeans_sketch) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_choose_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.choose_final(@extschema@.kmeans_sketch) IS 'Internal: the end of segmentation.choose.';
CREATE AGGREGATE segmentation.choose(features double precision[], k_min integer, k_max integer, options jsonb, weight double precision) (
    SFUNC = @extschema@.kmeans_range_accum, STYPE = @extschema@.kmeans_sketch, SSPACE = 2048, FINALFUNC = segmentation.choose_final,
    COMBINEFUNC = @extschema@.kmeans_combine, PARALLEL = SAFE
);
COMMENT ON AGGREGATE segmentation.choose(double precision[], integer, integer, jsonb, double precision) IS 'Internal: the best number of segments, why, and the model (core/k_trials.h).';

CREATE TYPE segmentation.trained AS (
    model @extschema@.kmeans_model,
    survey jsonb,
    choice jsonb,         -- how the number of segments was chosen, without the model; NULL where it was given
    preparation @extschema@.kmeans_model,
    left_out bigint[]     -- hashes of the prepared columns of the rows that were left out by their outlier factors
);
COMMENT ON TYPE segmentation.trained IS 'Internal: what a training has found.';

CREATE FUNCTION segmentation.raise_missing(missing text, undefined text) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF missing <> '' THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'features have missing values',
            DETAIL = format('Rows where they are NULL, NaN or infinite: %s.', missing),
            HINT = format('Impute them in "prepare", for example {%s: {"impute": "median"}}, or leave such rows out with option {"on_null": "skip"}.', coalesce(substring(missing FROM '^(".*?") \('), '"income"'));
    ELSIF undefined <> '' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('transform "log1p" is not defined for all values of %s', undefined),
            DETAIL = 'There are values of -1 and below.', HINT = 'Transform "asinh" is a logarithm for amounts of either sign.';
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.raise_missing(text, text) IS 'Internal: errors about the data of a training.';

CREATE FUNCTION segmentation.contamination_threshold(factors double precision[], contamination double precision) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_contamination_threshold' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.contamination_threshold(double precision[], double precision) IS 'The local outlier factor above which that share of the rows is: those are outliers. scikit-learn''s rule; NULL factors do not count.';

-- What kmeans says itself.
CREATE FUNCTION segmentation.say_warnings(model @extschema@.kmeans_model) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    warning jsonb;
BEGIN
    FOR warning IN SELECT w FROM jsonb_array_elements(model::jsonb -> 'warnings') AS w LOOP
        IF warning ->> 'code' = 'no_structure' THEN
            RAISE WARNING '%', warning ->> 'message';
        ELSE
            RAISE NOTICE '%', warning ->> 'message';
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION segmentation.say_warnings(@extschema@.kmeans_model) IS 'Internal: says what a user should know about a training.';

CREATE FUNCTION segmentation.two_digits(value double precision) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(trim(to_char(value, '0.00')), 'unknown') $$;
COMMENT ON FUNCTION segmentation.two_digits(double precision) IS 'Internal: a number for a sentence.';

-- Why so many segments.
CREATE FUNCTION segmentation.choice_in_words(choice jsonb) RETURNS text LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN (choice ->> 'structured')::boolean
                THEN format('%s segments are found again in other rows of the same kind (prediction strength %s%s)', choice ->> 'k', segmentation.two_digits(t.own), coalesce(', and with ' || t.next_k || ' ' || segmentation.two_digits(t.next), ''))
                ELSE format('no structure: the inertia falls no faster than on uniform data; %s is the number that is found again best (prediction strength %s)', choice ->> 'k', segmentation.two_digits(t.own)) END
      FROM (SELECT max((e ->> 'prediction_strength')::float8) FILTER (WHERE e -> 'k' = choice -> 'k') AS own,
                   max((e ->> 'k')::integer) FILTER (WHERE (e ->> 'k')::integer = (choice ->> 'k')::integer + 1) AS next_k,
                   max((e ->> 'prediction_strength')::float8) FILTER (WHERE (e ->> 'k')::integer = (choice ->> 'k')::integer + 1) AS next
              FROM jsonb_array_elements(choice -> 'trials') AS e) AS t
$$;
COMMENT ON FUNCTION segmentation.choice_in_words(jsonb) IS 'Internal: why so many segments.';

-- Trains on the source as it is in the snapshot of the calling statement. survey: of the same data where there is one already. start: a
-- model whose centroids are a start beside the others.
CREATE FUNCTION segmentation.train_on_source(caller_path text, definition jsonb, reading segmentation.reading, known_survey jsonb, start @extschema@.kmeans_model,
    seed bigint) RETURNS segmentation.trained LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    request jsonb := reading.asked -> 'request';
    prepared jsonb;
    preparation @extschema@.kmeans_model;
    options jsonb := (definition -> 'options') - 'outliers';
    outcome segmentation.trained;
    source text := reading.source_name;
    inside text;
    columns text;
    hashed text;
    query text;
    k integer;
    rows bigint;
    rows_inside bigint;
    known_outcomes bigint;
    used record;
BEGIN
    outcome.survey := known_survey;
    IF outcome.survey IS NULL AND (reading.asked ->> 'needs_survey')::boolean THEN
        outcome.survey := segmentation.survey_source(caller_path, reading, request);
    END IF;
    IF outcome.survey IS NOT NULL AND (outcome.survey ->> 'rows')::bigint = 0 OR (outcome.survey IS NULL AND (reading.asked ->> 'needs_survey')::boolean) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('source %s has no rows to train on', reading.source_name);
    END IF;
    prepared := segmentation.prepare_training(reading.plan, outcome.survey);
    PERFORM segmentation.raise_missing(prepared ->> 'missing', prepared ->> 'undefined');
    preparation := (prepared -> 'model')::@extschema@.kmeans_model;
    outcome.preparation := preparation;
    inside := segmentation.inside_bounds(reading, prepared);
    columns := segmentation.prepared_columns(reading, definition);
    -- Outlier factors need all rows at once: they are read and kept with theirs, and then trained on.
    IF reading.asked -> 'lof' IS NOT NULL THEN
        source := format('(WITH scored AS MATERIALIZED (SELECT s.*, %s AS segmentation_key, @extschema@.local_outlier_factor(%s, %s) OVER () AS segmentation_factor FROM %s AS s)'
            ' SELECT scored.*, coalesce(scored.segmentation_factor OPERATOR(pg_catalog.>) t.threshold, false) AS segmentation_outlier FROM scored,'
            ' (SELECT segmentation.contamination_threshold(pg_catalog.array_agg(segmentation_factor), %s) AS threshold FROM scored) AS t)',
            reading.key, columns, reading.asked -> 'lof' ->> 'neighbors', source, reading.asked -> 'lof' ->> 'contamination');
        reading.key := 's.segmentation_key';
        inside := 'NOT s.segmentation_outlier';
        hashed := format('pg_catalog.array_agg(DISTINCT pg_catalog.hash_array_extended(%s, 0)) FILTER (WHERE s.segmentation_outlier)', columns);
    END IF;
    IF inside IS NOT NULL THEN
        columns := format('CASE WHEN %s THEN %s END', inside, columns);
    END IF;
    options := options || jsonb_build_object('features', prepared -> 'columns', 'blocks', prepared -> 'blocks', 'seed', coalesce(seed, (options ->> 'seed')::bigint));
    IF start IS NOT NULL AND NOT options ? 'init' THEN
        options := options || jsonb_build_object('warm_start', segmentation.centroids_onto(start, preparation));
    END IF;
    k := (definition ->> 'k')::integer;
    query := format('SELECT %s, pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE %s)%s, %s, pg_catalog.count(%s) FROM %s AS s',
        CASE WHEN k IS NULL THEN format('NULL::@extschema@.kmeans_model, segmentation.choose(%s, %s, %s, $3, %s)', columns,
                                        definition -> 'k_range' ->> 0, definition -> 'k_range' ->> 1, reading.weight)
             ELSE format('@extschema@.kmeans(%s, $2, $3%s), NULL::pg_catalog.jsonb', columns, CASE WHEN definition ->> 'weight' IS NOT NULL THEN ', ' || reading.weight END) END,
        coalesce(inside, 'true'),
        ', ' || CASE WHEN outcome.survey IS NULL THEN segmentation.survey_call(reading, '$4', NULL) ELSE '$4' END,
        coalesce(hashed, 'NULL::pg_catalog.int8[]'), coalesce(reading.outcome, 'NULL'), source);
    request := coalesce(outcome.survey, request);  -- a known survey comes back as it is
    PERFORM set_config('search_path', caller_path, true);
    BEGIN
        EXECUTE query INTO outcome.model, outcome.choice, rows, rows_inside, outcome.survey, outcome.left_out, known_outcomes USING preparation, k, options, request;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    EXCEPTION WHEN null_value_not_allowed OR numeric_value_out_of_range THEN
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        IF outcome.survey IS NULL THEN
            outcome.survey := segmentation.survey_source(caller_path, reading, reading.asked -> 'request');
            prepared := segmentation.prepare_training(reading.plan, outcome.survey);
            PERFORM segmentation.raise_missing(prepared ->> 'missing', prepared ->> 'undefined');
        END IF;
        RAISE;
    END;
    IF outcome.choice IS NOT NULL THEN
        outcome.model := (outcome.choice -> 'model')::@extschema@.kmeans_model;
        outcome.choice := outcome.choice - 'model';
        PERFORM segmentation.say_warnings(outcome.model);
    END IF;
    -- What only the survey of this pass could know.
    prepared := segmentation.prepare_training(reading.plan, outcome.survey);
    PERFORM segmentation.raise_missing(prepared ->> 'missing', prepared ->> 'undefined');
    IF outcome.model IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('source %s has no rows to train on', reading.source_name),
            DETAIL = format('%s rows are there to read, and none can be used.', rows);
    END IF;
    IF reading.asked ->> 'max_left_out' IS NOT NULL AND rows - rows_inside > (reading.asked ->> 'max_left_out')::float8 * rows THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('too many rows would be left out as outliers: %s of %s', rows - rows_inside, rows),
            HINT = 'Transform skewed features (for example {"transform": "log1p"}), or allow more with "max_share" in option "outliers".';
    END IF;
    IF reading.outcome IS NOT NULL AND known_outcomes = 0 THEN
        RAISE NOTICE 'outcome "%" is not known of any row', definition ->> 'outcome';
    END IF;
    outcome.survey := outcome.survey || jsonb_build_object('bounds', jsonb_build_object('low', prepared -> 'low', 'high', prepared -> 'high'), 'outside', rows - rows_inside);
    -- Those that option trim has left out are in the model already.
    SELECT i.rows, i.skipped, i.left_out INTO used FROM @extschema@.kmeans_info(outcome.model) AS i;
    outcome.model := segmentation.assemble_model(preparation, outcome.model, rows - rows_inside,
        greatest(rows_inside - used.rows - used.skipped - used.left_out - (outcome.survey ->> 'ignored')::bigint, 0));
    RETURN outcome;
END $$;
COMMENT ON FUNCTION segmentation.train_on_source(text, jsonb, segmentation.reading, jsonb, @extschema@.kmeans_model, bigint) IS 'Internal: trains a model on a source.';

-- Choosing the number of segments

CREATE FUNCTION segmentation.choose_on_source(caller_path text, definition jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (segmentation.train_on_source(caller_path, definition, segmentation.read_source(definition), NULL, NULL, NULL)).choice;
END $$;
COMMENT ON FUNCTION segmentation.choose_on_source(text, jsonb) IS 'Internal: choose_k.';

-- No SET search_path: the caller's is what it passes on. Everything in it is qualified.
CREATE FUNCTION segmentation.choose_k(source regclass, features text[], k_min integer DEFAULT 2, k_max integer DEFAULT 10, prepare jsonb DEFAULT '{}', weight text DEFAULT NULL,
    options jsonb DEFAULT '{}') RETURNS TABLE (k integer, metric text, value double precision, chosen boolean, reason text) LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT r.k, r.metric, r.value, r.chosen, r.reason
      FROM segmentation.choice_rows(segmentation.choose_on_source(pg_catalog.current_setting('search_path'),
               segmentation.define_training(source, features, NULL, prepare, NULL, NULL, weight, NULL, options, NULL)
               OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('k_range', pg_catalog.jsonb_build_array(k_min, k_max)))) AS r;
END $$;
COMMENT ON FUNCTION segmentation.choose_k(regclass, text[], integer, integer, jsonb, text, jsonb) IS 'Metrics of every number of segments from k_min to k_max, a row per number and metric, which number to choose, and why; one read of the source beside that of the preparation. Registers nothing.';

CREATE FUNCTION segmentation.choice_rows(choice jsonb) RETURNS TABLE (k integer, metric text, value double precision, chosen boolean, reason text) LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (t.item ->> 'k')::integer, m.key, nullif(m.value, 'null')::float8, t.item -> 'k' = choice -> 'k', CASE WHEN t.item -> 'k' = choice -> 'k' THEN segmentation.choice_in_words(choice) END
      FROM jsonb_array_elements(choice -> 'trials') WITH ORDINALITY AS t(item, line), jsonb_each(t.item) WITH ORDINALITY AS m(key, value, place)
     WHERE m.key <> 'k' ORDER BY t.line, m.place
$$;
COMMENT ON FUNCTION segmentation.choice_rows(jsonb) IS 'Internal: how a number of segments was chosen, as rows.';
