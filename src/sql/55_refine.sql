-- Passes of kmeans_step over a table, as a call. STABLE: all passes see the same rows. The passes run under the caller's search_path, without
-- which functions of a source view might not find what they look for; everything else has a pinned one.

CREATE FUNCTION segmentation.refine_on_source(caller_path text, model @extschema@.kmeans_model, source regclass, features text[], passes integer)
    RETURNS @extschema@.kmeans_model LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    feature text;
    named text[];
    input record;
    columns text[];
    step text;
    moved @extschema@.kmeans_model;
    about record;
    shift double precision;
BEGIN
    IF model IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'model must not be null';
    ELSIF source IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'source must not be null';
    ELSIF coalesce(pg_catalog.cardinality(features), 0) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'features must not be empty',
            HINT = 'Name the columns of the source in the order of the model''s inputs, for example ARRAY[''age'', ''income''].';
    ELSIF passes IS NULL OR passes < 1 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'number of passes must be positive',
            DETAIL = pg_catalog.format('It is %s.', coalesce(passes::text, 'NULL'));
    END IF;
    FOREACH feature IN ARRAY features LOOP
        IF feature IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'names in features must not be null';
        END IF;
        SELECT t.typcategory AS category, pg_catalog.format_type(a.atttypid, a.atttypmod) AS name, EXISTS (
                   SELECT FROM pg_catalog.pg_cast AS c
                    WHERE c.castsource IN (t.oid, t.typbasetype) AND c.casttarget = 'pg_catalog.float8'::regtype) AS casts
          INTO input FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
         WHERE a.attrelid = source AND a.attname = feature AND a.attnum > 0 AND NOT a.attisdropped;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '42703',
                MESSAGE = pg_catalog.format('column "%s" of relation %s does not exist', feature, source),
                HINT = 'Features are names of columns, in their case, and not expressions; for those, make a view.';
        ELSIF input.category NOT IN ('N', 'B') AND NOT input.casts THEN
            RAISE EXCEPTION USING ERRCODE = '42804',
                MESSAGE = pg_catalog.format('column "%s" is of type %s, and the model needs a number', feature, input.name);
        END IF;
        columns := columns || pg_catalog.format(CASE input.category WHEN 'B' THEN 'source.%I::pg_catalog.int4::pg_catalog.float8'
                                                                   ELSE 'source.%I::pg_catalog.float8' END, feature);
    END LOOP;
    -- Names that the model knows, in another order, are a mistake; f1, f2, ... say nothing, since a model without names has them.
    named := ARRAY(SELECT i.value ->> 'name' FROM pg_catalog.jsonb_array_elements(model::pg_catalog.jsonb -> 'inputs')
                          WITH ORDINALITY AS i(value, line) ORDER BY i.line);
    IF named <> features AND named @> features AND features @> named AND pg_catalog.cardinality(named) = pg_catalog.cardinality(features)
            AND named <> ARRAY(SELECT 'f' || i FROM pg_catalog.generate_series(1, pg_catalog.cardinality(named)) AS i) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'features are not in the order of the model''s inputs',
            DETAIL = pg_catalog.format('The inputs are %s.', pg_catalog.array_to_string(named, ', '));
    END IF;
    step := pg_catalog.format('SELECT @extschema@.kmeans_step($1, ARRAY[%s]) FROM %s AS source',
        pg_catalog.array_to_string(columns, ', '), source);

    FOR pass IN 1..passes LOOP
        PERFORM set_config('search_path', caller_path, true);
        EXECUTE step INTO moved USING model;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        IF moved IS NULL THEN
            RAISE NOTICE 'no row of % has a score: the model stays as it is', source;
            RETURN model;
        END IF;
        SELECT i.rows, i.weight, i.inertia INTO about FROM @extschema@.kmeans_info(moved) AS i;
        -- The farthest way of a centroid. Rotating back to the columns keeps lengths.
        SELECT pg_catalog.sqrt(pg_catalog.max(square)) INTO shift
          FROM (SELECT pg_catalog.sum((old.scaled - new.scaled) * (old.scaled - new.scaled)) AS square
                  FROM @extschema@.kmeans_centroids(model) WITH ORDINALITY AS old(segment, feature, centroid, scaled, line)
                  JOIN @extschema@.kmeans_centroids(moved) WITH ORDINALITY AS new(segment, feature, centroid, scaled, line)
                       ON new.line = old.line GROUP BY old.segment) AS ways;
        RAISE NOTICE 'pass % of %: % rows, inertia %, largest shift %', pass, passes, about.rows, about.inertia, shift;
        model := moved;
        -- As kmeans_step has it: less than a billionth of the typical distance is rounding.
        EXIT WHEN shift * shift * about.weight <= 1e-18 * about.inertia;
    END LOOP;
    RETURN model;
END $$;
COMMENT ON FUNCTION segmentation.refine_on_source(text, @extschema@.kmeans_model, regclass, text[], integer) IS 'Internal: refine.';

CREATE FUNCTION segmentation.refine(model @extschema@.kmeans_model, source regclass, features text[], passes integer DEFAULT 1)
    RETURNS @extschema@.kmeans_model LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN segmentation.refine_on_source(pg_catalog.current_setting('search_path'), model, source, features, passes);
END $$;
COMMENT ON FUNCTION segmentation.refine(@extschema@.kmeans_model, regclass, text[], integer) IS 'Improves a model by passes of k-means over all rows of a table or view, in constant memory, and returns it; features are its columns in the order of the model''s inputs. Stops early when the model no longer moves.';
