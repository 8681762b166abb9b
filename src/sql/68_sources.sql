-- Sources: how their columns are read, and what a training of them is defined by. Names, not expressions; everything is qualified and quoted.

CREATE FUNCTION segmentation.qualified(relation regclass) RETURNS text LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation $$;
COMMENT ON FUNCTION segmentation.qualified(regclass) IS 'Internal: the name of a relation with its schema, quoted.';

-- The columns of a source by name, each with the expression that reads it: [{"name", "categorical", "number", "text"}].
-- what: where the names come from, for messages.
CREATE FUNCTION segmentation.source_columns(source regclass, names text[], what text) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted text;
    col record;
    columns jsonb := '[]';
BEGIN
    FOREACH wanted IN ARRAY names LOOP
        IF wanted IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = format('names in %s must not be null', what);
        END IF;
        SELECT b.oid AS base, b.typcategory AS category, format_type(a.atttypid, a.atttypmod) AS type, format('s.%I', a.attname) AS value,
               EXISTS (SELECT FROM pg_cast AS c WHERE c.castsource = b.oid AND c.casttarget = 'float8'::regtype) AS casts
          INTO col
          FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
          JOIN pg_type AS b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
         WHERE a.attrelid = source AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped;
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = '42703', MESSAGE = format('column "%s" of relation %s does not exist', wanted, source),
                DETAIL = format('It is named in %s.', what),
                HINT = CASE what WHEN 'the definition' THEN 'The source has changed since the model was trained: give the column its name back, or train the model anew with segmentation.train.'
                                 WHEN 'the inputs of the model' THEN format('A model reads columns by the names of its inputs: %s.', array_to_string(names, ', '))
                                 ELSE 'Give names of columns, in their case, and not expressions; for those, make a view.' END;
        END IF;
        columns := columns || jsonb_build_object('name', wanted, 'type', col.type, 'categorical', col.category IN ('S', 'E', 'U') AND NOT col.casts,
            'number', CASE WHEN col.category = 'B' THEN col.value || '::pg_catalog.int4::pg_catalog.float8'
                           WHEN col.base = 'numeric'::regtype THEN format('@extschema@.kmeans_number(%s)', col.value)
                           WHEN col.category = 'N' OR col.casts THEN col.value || '::pg_catalog.float8' END,
            -- As the type writes it, which is how a row is read when it is scored; a cast of a boolean to text is not.
            'text', format('CASE WHEN %s IS NOT NULL THEN pg_catalog.format(''%%s'', %s) END', col.value, col.value));
    END LOOP;
    RETURN columns;
END $$;
COMMENT ON FUNCTION segmentation.source_columns(regclass, text[], text) IS 'Internal: the columns of a table or view, and how they are read.';

CREATE FUNCTION segmentation.key_of(relation regclass) RETURNS text[] LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(a.attname::text ORDER BY i.line)
      FROM pg_index AS x, unnest(x.indkey::int2[]) WITH ORDINALITY AS i(number, line), pg_attribute AS a
     WHERE x.indrelid = relation AND x.indisprimary AND a.attrelid = relation AND a.attnum = i.number
$$;
COMMENT ON FUNCTION segmentation.key_of(regclass) IS 'Internal: the columns of the primary key; NULL where there is none.';

CREATE FUNCTION segmentation.has_hash(type oid) RETURNS boolean LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- The planner may ask about dropped columns, which have no type.
    IF type = 0 THEN
        RETURN true;
    END IF;
    EXECUTE format('SELECT hash_record_extended(ROW(NULL::%s), 0)', format_type(type, NULL));
    RETURN true;
EXCEPTION WHEN undefined_function THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION segmentation.has_hash(oid) IS 'Internal: whether values of a type can be hashed.';

-- What tells a row of the source from others, as an expression: its key, or where it lies, or NULL.
CREATE FUNCTION segmentation.source_key(source regclass, key text[]) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF cardinality(key) > 0 THEN
        PERFORM segmentation.source_columns(source, key, 'the definition');
        -- Types without a hash are taken by their text.
        IF EXISTS (SELECT FROM unnest(key) AS k JOIN pg_attribute AS a ON a.attrelid = source AND a.attname = k AND a.attnum > 0 AND NOT a.attisdropped
                    WHERE NOT segmentation.has_hash(a.atttypid)) THEN
            RETURN format('pg_catalog.hashtextextended(pg_catalog.format(%L, %s), 0)', repeat('%s,', cardinality(key)), (SELECT string_agg(format('s.%I', k), ', ') FROM unnest(key) AS k));
        END IF;
        RETURN format('pg_catalog.hash_record_extended(ROW(%s), 0)', (SELECT string_agg(format('s.%I', k), ', ') FROM unnest(key) AS k));
    ELSIF (SELECT relkind FROM pg_class WHERE oid = source) IN ('r', 'p', 'm') THEN
        RETURN 'pg_catalog.hash_record_extended(ROW(s.tableoid, s.ctid), 0)';
    END IF;
    RETURN 'NULL::pg_catalog.int8';
END $$;
COMMENT ON FUNCTION segmentation.source_key(regclass, text[]) IS 'Internal: an expression that tells the rows of a source apart.';

-- Where a definition's source is now.
CREATE FUNCTION segmentation.source_of(definition jsonb) RETURNS regclass LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    source regclass := CASE WHEN definition ->> 'schema' IS NOT NULL AND definition ->> 'source' IS NOT NULL
                            THEN to_regclass(format('%I.%I', definition ->> 'schema', definition ->> 'source')) END;
BEGIN
    IF definition ->> 'schema' IS NULL OR definition ->> 'source' IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'the model has no source',
            DETAIL = 'It was registered, and what it was trained on is not known.', HINT = 'Train the model with segmentation.train.';
    ELSIF source IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42P01',
            MESSAGE = format('source %I.%I of the model does not exist', definition ->> 'schema', definition ->> 'source'),
            HINT = 'Train the model from another source with segmentation.train.';
    END IF;
    RETURN source;
END $$;
COMMENT ON FUNCTION segmentation.source_of(jsonb) IS 'Internal: the table or view that a definition names.';

-- A definition from what the user gave, resolved and checked as far as that goes without reading the source.
CREATE FUNCTION segmentation.define_training(source regclass, features text[], k integer, prepare jsonb, profile text[], outcome text, weight text,
    key text[], options jsonb, gate jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about record;
    about_profile record;
    columns jsonb;
    twice text;
    settings jsonb := coalesce(options, '{}');
    definition jsonb;
BEGIN
    IF source IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'source must not be null';
    END IF;
    SELECT n.nspname, c.relname, c.relkind, c.relpersistence INTO about FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = source;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42P01', MESSAGE = format('relation with OID %s does not exist', source::oid);
    ELSIF about.relkind NOT IN ('r', 'v', 'm', 'f', 'p') THEN
        RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('"%s" is not a table or view', source);
    ELSIF coalesce(cardinality(features), 0) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'features must not be empty',
            HINT = 'Name the columns to cluster by, for example ARRAY[''age'', ''income''].';
    END IF;
    columns := segmentation.source_columns(source, features, 'features');
    SELECT f INTO twice FROM unnest(features) AS f GROUP BY f HAVING count(*) > 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('feature "%s" is given twice', twice);
    ELSIF jsonb_typeof(settings) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'options must be a JSON object';
    END IF;
    PERFORM segmentation.source_columns(source, coalesce(key, '{}'), 'key');
    IF weight IS NOT NULL AND segmentation.source_columns(source, ARRAY[weight], 'weight') -> 0 ->> 'number' IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('weight "%s" is not a number', weight);
    END IF;
    SELECT c ->> 'name' AS name, c ->> 'type' AS type INTO about_profile FROM jsonb_array_elements(segmentation.source_columns(source, coalesce(profile, '{}'), 'profile')) AS c
     WHERE c ->> 'number' IS NULL AND NOT (c ->> 'categorical')::boolean;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('column "%s" in profile is neither a number nor a category', about_profile.name),
            DETAIL = format('It is of type %s.', about_profile.type), HINT = 'Make a number of it in a view, for example the years since a date.';
    END IF;
    IF outcome IS NOT NULL AND segmentation.source_columns(source, ARRAY[outcome], 'outcome') -> 0 ->> 'number' IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('outcome "%s" is neither a boolean nor a number', outcome),
            HINT = 'Make a boolean of it in a view, NULL where the outcome is not known yet.';
    END IF;
    IF about.relpersistence = 't' THEN
        RAISE NOTICE USING MESSAGE = format('source "%s" is a temporary table', source), DETAIL = 'The model cannot be retrained when it is gone.';
    END IF;
    definition := jsonb_build_object('schema', about.nspname, 'source', about.relname, 'features', features, 'k', k, 'k_range', CASE WHEN k IS NULL THEN '[2, 10]'::jsonb END, 'prepare', coalesce(prepare, '{}'),
        'profile', coalesce(profile, '{}'), 'outcome', outcome, 'weight', weight, 'gate', segmentation.gate_settings(gate),
        'options', '{"scale": "zscore", "seed": 0}' || settings,
        'key', coalesce(key, segmentation.key_of(source), '{}'));
    -- Raises where "prepare" or the options are not what they should be.
    PERFORM segmentation.plan_training(segmentation.plan_of(definition, columns));
    PERFORM segmentation.check_options((definition -> 'options') - 'outliers', coalesce(k, 2));
    RETURN definition;
END $$;
COMMENT ON FUNCTION segmentation.define_training(regclass, text[], integer, jsonb, text[], text, text, text[], jsonb, jsonb) IS 'Internal: the definition of a training, resolved and checked.';

-- The plan of the core for a definition.
CREATE FUNCTION segmentation.plan_of(definition jsonb, columns jsonb) RETURNS jsonb LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object('features', (SELECT jsonb_agg(jsonb_build_object('name', c -> 'name', 'categorical', c -> 'categorical')) FROM jsonb_array_elements(columns) AS c),
                              'prepare', definition -> 'prepare', 'outliers', definition -> 'options' -> 'outliers',
                              'skips', definition -> 'options' ->> 'on_null' IS NOT DISTINCT FROM 'skip')
$$;
COMMENT ON FUNCTION segmentation.plan_of(jsonb, jsonb) IS 'Internal: what the core is asked for.';

-- Everything that reading a source needs, from its definition.
CREATE TYPE segmentation.reading AS (
    source regclass,      -- and its name, qualified and quoted
    source_name text,
    columns jsonb,        -- source_columns
    plan jsonb,           -- for the core
    asked jsonb,          -- plan_training
    key text,             -- expressions: what tells rows apart, their weight, and the arguments of survey
    weight text,
    number_list text,
    category_list text,
    features text,        -- the features of a row as an argument of encode, kmeans_assign and so on: an array where all are numbers
    outcome text          -- 0, 1 or NULL; NULL where there is no outcome
);
COMMENT ON TYPE segmentation.reading IS 'Internal: how a source is read.';

CREATE FUNCTION segmentation.read_source(definition jsonb) RETURNS segmentation.reading LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reading segmentation.reading;
    features text[] := ARRAY(SELECT jsonb_array_elements_text(definition -> 'features'));
    unusable text;
BEGIN
    reading.source := segmentation.source_of(definition);
    reading.source_name := format('%I.%I', definition ->> 'schema', definition ->> 'source');
    reading.columns := segmentation.source_columns(reading.source, features, 'the definition');
    reading.plan := segmentation.plan_of(definition, reading.columns);
    reading.asked := segmentation.plan_training(reading.plan);
    reading.weight := CASE WHEN definition ->> 'weight' IS NULL THEN '1::pg_catalog.float8'
                      ELSE segmentation.source_columns(reading.source, ARRAY[definition ->> 'weight'], 'the definition') -> 0 ->> 'number' END;
    SELECT string_agg(c ->> 'number', ', ' ORDER BY n.line), min(c ->> 'name') FILTER (WHERE c ->> 'number' IS NULL) INTO reading.number_list, unusable
      FROM jsonb_array_elements(reading.asked -> 'request' -> 'numbers') WITH ORDINALITY AS n(item, line)
      JOIN jsonb_array_elements(reading.columns) AS c ON c ->> 'name' = n.item ->> 'name';
    IF unusable IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('column "%s" is not a number', unusable),
            DETAIL = (SELECT format('It is of type %s.', c ->> 'type') FROM jsonb_array_elements(reading.columns) AS c WHERE c ->> 'name' = unusable),
            HINT = 'Make a number of it in a view, for example the years since a date.';
    END IF;
    SELECT string_agg(c ->> 'text', ', ' ORDER BY n.line) INTO reading.category_list
      FROM jsonb_array_elements(reading.asked -> 'request' -> 'categories') WITH ORDINALITY AS n(item, line)
      JOIN jsonb_array_elements(reading.columns) AS c ON c ->> 'name' = n.item ->> 'name';
    reading.key := segmentation.source_key(reading.source, ARRAY(SELECT jsonb_array_elements_text(definition -> 'key')));
    reading.features := CASE WHEN reading.category_list IS NOT NULL THEN 's.*'
        ELSE (SELECT format('ARRAY[%s]::pg_catalog.float8[]', string_agg(c.item ->> 'number', ', ' ORDER BY c.line))
                FROM jsonb_array_elements(reading.columns) WITH ORDINALITY AS c(item, line)) END;
    reading.outcome := CASE WHEN definition ->> 'outcome' IS NOT NULL
        THEN format('segmentation.outcome_value(%s)', segmentation.source_columns(reading.source, ARRAY[definition ->> 'outcome'], 'the definition') -> 0 ->> 'number') END;
    RETURN reading;
END $$;
COMMENT ON FUNCTION segmentation.read_source(jsonb) IS 'Internal: how the source of a definition is read.';

-- The columns that are clustered, as an expression; $1 is the preparation. Numbers as they are need no encoding.
CREATE FUNCTION segmentation.prepared_columns(reading segmentation.reading, definition jsonb) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN (reading).category_list IS NOT NULL OR definition -> 'prepare' <> '{}' THEN format('segmentation.encode($1, %s)', (reading).features) ELSE (reading).features END
$$;
COMMENT ON FUNCTION segmentation.prepared_columns(segmentation.reading, jsonb) IS 'Internal: the columns that are clustered, as SQL.';

-- A call of survey as SQL; its request is parameter `request`. category: one more, as an expression.
CREATE FUNCTION segmentation.survey_call(reading segmentation.reading, request text, category text) RETURNS text LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('segmentation.survey(%s, %s, ARRAY[%s]::pg_catalog.float8[], ARRAY[%s]::pg_catalog.text[], %s)', reading.key, reading.weight,
                  reading.number_list, concat_ws(', ', reading.category_list, category), request)
$$;
COMMENT ON FUNCTION segmentation.survey_call(segmentation.reading, text, text) IS 'Internal: a call of survey as SQL.';

-- Runs a query over a source under the caller's search_path, and comes back to ours.
CREATE FUNCTION segmentation.survey_source(caller_path text, reading segmentation.reading, request jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query text;
    survey jsonb;
BEGIN
    query := format('SELECT %s FROM %s AS s', segmentation.survey_call(reading, '$1', NULL), reading.source_name);
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE query INTO survey USING request;
    RETURN survey;
END $$;
COMMENT ON FUNCTION segmentation.survey_source(text, segmentation.reading, jsonb) IS 'Internal: surveys a source.';

-- Whether a row is no outlier, as an expression; NULL where no bounds were set. Missing values are not outliers.
CREATE FUNCTION segmentation.inside_bounds(reading segmentation.reading, bounds jsonb) RETURNS text LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('(%1$s IS NULL OR (%1$s OPERATOR(pg_catalog.>=) %2$L::pg_catalog.float8 AND %1$s OPERATOR(pg_catalog.<=) %3$L::pg_catalog.float8)'
               ' OR %1$s OPERATOR(pg_catalog.=) ANY (''{NaN,Infinity,-Infinity}''::pg_catalog.float8[]))', c.item ->> 'number', b.low, b.high), ' AND ' ORDER BY c.line)
      FROM jsonb_array_elements((reading).columns) WITH ORDINALITY AS c(item, line)
      JOIN ROWS FROM (jsonb_array_elements_text(bounds -> 'low'), jsonb_array_elements_text(bounds -> 'high')) WITH ORDINALITY AS b(low, high, line) USING (line)
     WHERE b.low IS NOT NULL AND b.high IS NOT NULL
$$;
COMMENT ON FUNCTION segmentation.inside_bounds(segmentation.reading, jsonb) IS 'Internal: whether a row is no outlier, as SQL.';
