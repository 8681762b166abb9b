-- Exploring: what is in the columns of a table or view, as tidy rows. Every function reads its source once, as the caller, with a parallel
-- plan where the planner wants one, and in memory that does not grow with the rows: grouping spills to disk, and results do.

CREATE FUNCTION segmentation.moments_accum(internal, double precision[], boolean) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_moments_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.moments_accum(internal, double precision[], boolean) IS 'Internal: moments.';
CREATE FUNCTION segmentation.moments_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_moments_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.moments_combine(internal, internal) IS 'Internal: moments.';
CREATE FUNCTION segmentation.moments_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME', 'segmentation_moments_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.moments_serialize(internal) IS 'Internal: moments.';
CREATE FUNCTION segmentation.moments_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_moments_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.moments_deserialize(bytea, internal) IS 'Internal: moments.';
CREATE FUNCTION segmentation.moments_final(internal) RETURNS double precision[]
    AS 'MODULE_PATHNAME', 'segmentation_moments_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.moments_final(internal) IS 'Internal: moments.';
CREATE AGGREGATE segmentation.moments(numbers double precision[], pairs boolean) (
    SFUNC = segmentation.moments_accum, STYPE = internal, FINALFUNC = segmentation.moments_final, COMBINEFUNC = segmentation.moments_combine,
    SERIALFUNC = segmentation.moments_serialize, DESERIALFUNC = segmentation.moments_deserialize, PARALLEL = SAFE
);
COMMENT ON AGGREGATE segmentation.moments(double precision[], boolean) IS 'Internal: per number how many rows have it, mean, population standard deviation, skewness, zeros, negatives; with pairs, per pair how many rows have both, and their correlation. NaN where there is none.';

CREATE FUNCTION segmentation.base_type(type oid) RETURNS regtype LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE base(oid) AS (
        SELECT type UNION ALL SELECT t.typbasetype FROM base AS b JOIN pg_type AS t ON t.oid = b.oid WHERE t.typtype = 'd')
    SELECT b.oid FROM base AS b JOIN pg_type AS t ON t.oid = b.oid WHERE t.typtype <> 'd'
$$;
COMMENT ON FUNCTION segmentation.base_type(oid) IS 'Internal: what a domain is a domain over, through all domains; other types are their own.';

-- What a column is to an analyst; NULL where it is nothing that can be described.
CREATE FUNCTION segmentation.column_kind(base regtype) RETURNS text LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN t.oid = 'bool'::regtype THEN 'boolean'
                WHEN t.oid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN 'time'
                WHEN t.oid = 'float8'::regtype
                     OR t.oid <> 'jsonb'::regtype AND EXISTS (SELECT FROM pg_cast AS c WHERE c.castsource = t.oid AND c.casttarget = 'float8'::regtype) THEN 'number'
                WHEN t.typtype = 'e' OR t.typcategory IN ('S', 'D', 'T', 'I', 'V') OR t.oid IN ('uuid'::regtype, '"char"'::regtype) THEN 'category' END
      FROM pg_type AS t WHERE t.oid = base
$$;
COMMENT ON FUNCTION segmentation.column_kind(regtype) IS 'Internal: number, boolean, time or category; NULL for types that cannot be described.';

CREATE FUNCTION segmentation.finite(value double precision) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_finite' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.finite(double precision) IS 'Internal: the value, NULL where it is NaN or infinite.';

-- The columns to explore as source_columns has them, each with its kind, its base type and
--   finite         its number, NULL where it is missing (numbers and booleans)
--   value          what rows are grouped by, NULL where it is missing
--   shown, point   `value` of a group as text, and as a number where it is one: expressions over g.value
-- names: NULL for all columns that can be described and that the caller may read. kinds: those that will do; NULL: any.
CREATE FUNCTION segmentation.explored_columns(source regclass, names text[], what text, kinds text[]) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind_of_relation "char";
    wanted text[] := names;
    twice text;
    col record;
    number text;
    columns jsonb := '[]';
BEGIN
    IF source IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'source must not be null';
    END IF;
    SELECT c.relkind INTO kind_of_relation FROM pg_class AS c WHERE c.oid = source;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = '42P01', MESSAGE = format('relation with OID %s does not exist', source::oid);
    ELSIF kind_of_relation NOT IN ('r', 'v', 'm', 'f', 'p') THEN
        RAISE EXCEPTION USING ERRCODE = '42809', MESSAGE = format('"%s" is not a table or view', source);
    END IF;
    IF wanted IS NULL THEN
        wanted := ARRAY(SELECT a.attname::text FROM pg_attribute AS a WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
                           AND segmentation.column_kind(segmentation.base_type(a.atttypid)) = ANY (coalesce(kinds, '{number,boolean,time,category}'))
                           AND has_column_privilege(source, a.attnum, 'SELECT') ORDER BY a.attnum);
        IF wanted = '{}' THEN
            RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('relation %s has no column to explore', source),
                DETAIL = format('There is none of kind %s that you may read.', coalesce(array_to_string(kinds, ' or '), 'number, boolean, time or category'));
        END IF;
    ELSIF cardinality(wanted) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('%s must not be empty', what), HINT = 'Give names of columns, for example ARRAY[''age'', ''income''].';
    END IF;
    SELECT w INTO twice FROM unnest(wanted) AS w GROUP BY w HAVING count(*) > 1 LIMIT 1;
    IF FOUND AND twice IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('column "%s" is given twice', twice);
    END IF;
    FOR col IN SELECT c.item, segmentation.column_kind(b.oid) AS kind, format('s.%I', a.attname) AS value, b.oid::regtype AS base, b.typtype = 'e' AS ordered
                 FROM jsonb_array_elements(segmentation.source_columns(source, wanted, what)) WITH ORDINALITY AS c(item, line)
                 JOIN pg_attribute AS a ON a.attrelid = source AND a.attname = c.item ->> 'name' AND a.attnum > 0 AND NOT a.attisdropped
                 JOIN pg_type AS b ON b.oid = segmentation.base_type(a.atttypid) ORDER BY c.line LOOP
        IF col.kind IS NULL OR NOT col.kind = ANY (coalesce(kinds, ARRAY[col.kind])) THEN
            RAISE EXCEPTION USING ERRCODE = '42804',
                MESSAGE = CASE WHEN col.kind IS NULL THEN format('column "%s" cannot be explored', col.item ->> 'name')
                               ELSE format('column "%s" is not a %s', col.item ->> 'name', array_to_string(kinds, ' or ')) END,
                DETAIL = format('It is of type %s.', col.item ->> 'type'), HINT = 'Cast it in a view.';
        END IF;
        -- By a cast of our own, through all domains: there may be another kmeans_number for a domain.
        number := CASE WHEN col.base = 'numeric'::regtype THEN format('@extschema@.kmeans_number(%s::pg_catalog.numeric)', col.value) ELSE col.item ->> 'number' END;
        columns := columns || (col.item || jsonb_build_object('kind', col.kind, 'base', col.base, 'number', number,
            'finite', CASE WHEN col.kind IN ('number', 'boolean') THEN format('segmentation.finite(%s)', number) END,
            'value', CASE WHEN col.kind = 'number' AND col.base IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN col.value
                          WHEN col.kind = 'number' AND col.base IN ('float4'::regtype, 'float8'::regtype, 'numeric'::regtype)
                               THEN format('CASE WHEN segmentation.finite(%s) IS NOT NULL THEN %s END', number, col.value)
                          WHEN col.kind = 'number' THEN format('segmentation.finite(%s)', number)
                          WHEN col.kind = 'time' THEN format('CASE WHEN pg_catalog.isfinite(%1$s) THEN %1$s END', col.value)
                          WHEN col.kind = 'boolean' OR col.ordered THEN col.value
                          ELSE format('(%s) COLLATE pg_catalog."C"', col.item ->> 'text') END,
            -- One text for values that are equal: 1 for 1.00, 0 for -0.
            'shown', format('CASE WHEN g.value IS NOT NULL THEN pg_catalog.format(''%%s'', %s) END',
                CASE col.base WHEN 'numeric'::regtype THEN 'pg_catalog.trim_scale(g.value)' WHEN 'float4'::regtype THEN 'g.value OPERATOR(pg_catalog.+) 0::pg_catalog.float4'
                              WHEN 'float8'::regtype THEN 'g.value OPERATOR(pg_catalog.+) 0::pg_catalog.float8' ELSE 'g.value' END),
            'point', CASE WHEN col.kind = 'boolean' THEN 'g.value::pg_catalog.int4::pg_catalog.float8' WHEN col.base = 'numeric'::regtype THEN '@extschema@.kmeans_number(g.value::pg_catalog.numeric)'
                          WHEN col.kind = 'number' THEN 'g.value::pg_catalog.float8' ELSE 'NULL::pg_catalog.float8' END));
    END LOOP;
    RETURN columns;
END $$;
COMMENT ON FUNCTION segmentation.explored_columns(regclass, text[], text, text[]) IS 'Internal: columns to explore, and how they are read.';

CREATE FUNCTION segmentation.describe_source(caller_path text, source regclass, names text[]) RETURNS TABLE (
    column_name text, kind text, rows double precision, missing double precision, distinct_values double precision, zeros double precision,
    negatives double precision, mean double precision, stddev double precision, min double precision, q1 double precision, median double precision,
    q3 double precision, max double precision, skewness double precision, suggested_transform text, most_frequent text,
    most_frequent_share double precision, earliest timestamptz, latest timestamptz, sampled double precision) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    columns jsonb := segmentation.explored_columns(source, names, 'columns', NULL);
    key text := 'NULL::pg_catalog.int8';
    lists record;
    query text;
    request jsonb;
    survey jsonb;
    moments float8[];
    times timestamptz[];
BEGIN
    -- Whoever may read some columns only may not read where a row lies.
    IF has_table_privilege(source, 'SELECT') THEN
        key := segmentation.source_key(source, segmentation.key_of(source));
    END IF;
    -- A date that is infinite is missing; a survey takes times as categories.
    SELECT coalesce(jsonb_agg(jsonb_build_object('name', c.item -> 'name') ORDER BY c.line) FILTER (WHERE c.item ->> 'finite' IS NOT NULL), '[]') AS number_names,
           coalesce(jsonb_agg(jsonb_build_object('name', c.item -> 'name') ORDER BY c.line) FILTER (WHERE c.item ->> 'finite' IS NULL), '[]') AS category_names,
           string_agg(c.item ->> 'number', ', ' ORDER BY c.line) FILTER (WHERE c.item ->> 'finite' IS NOT NULL) AS numbers,
           string_agg(CASE c.item ->> 'kind' WHEN 'time' THEN replace(c.item ->> 'shown', 'g.value', '(' || (c.item ->> 'value') || ')') ELSE c.item ->> 'text' END, ', ' ORDER BY c.line)
               FILTER (WHERE c.item ->> 'finite' IS NULL) AS categories,
           string_agg(format('pg_catalog.min((%1$s)::pg_catalog.timestamptz), pg_catalog.max((%1$s)::pg_catalog.timestamptz)', c.item ->> 'value'), ', ' ORDER BY c.line)
               FILTER (WHERE c.item ->> 'kind' = 'time') AS times
      INTO lists FROM jsonb_array_elements(columns) WITH ORDINALITY AS c(item, line);
    query := format('SELECT segmentation.survey(%s, 1, ARRAY[%s]::pg_catalog.float8[], ARRAY[%s]::pg_catalog.text[], $1), %s, ARRAY[%s]::pg_catalog.timestamptz[] FROM %s AS s',
        key, lists.numbers, lists.categories, coalesce('segmentation.moments(ARRAY[' || lists.numbers || ']::pg_catalog.float8[], false)', 'NULL::pg_catalog.float8[]'),
        lists.times, segmentation.qualified(source));
    request := jsonb_build_object('numbers', lists.number_names, 'categories', lists.category_names, 'quantiles', '[0.25, 0.5, 0.75]'::jsonb);
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE query INTO survey, moments, times USING request;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    RETURN QUERY
        WITH numbered AS (  -- place: in the lists of numbers, of categories and of times
            SELECT c.line, c.item ->> 'name' AS name, c.item ->> 'kind' AS kind, c.item ->> 'finite' IS NOT NULL AS is_number,
                   row_number() OVER (PARTITION BY c.item ->> 'finite' IS NOT NULL ORDER BY c.line)::int AS place,
                   count(*) FILTER (WHERE c.item ->> 'kind' = 'time') OVER (ORDER BY c.line)::int AS time_place
              FROM jsonb_array_elements(columns) WITH ORDINALITY AS c(item, line)
        ), found AS (
            SELECT n.*, CASE WHEN n.is_number THEN survey -> 'numbers' ELSE survey -> 'categories' END -> (n.place - 1) AS surveyed,
                   moments[6 * n.place - 5 : 6 * n.place] AS moment, coalesce((survey ->> 'rows')::float8, 0) AS all_rows, coalesce((survey ->> 'sampled')::float8, 0) AS sample_rows
              FROM numbered AS n
        ), read AS (
            SELECT f.*, CASE WHEN f.is_number THEN f.moment[1] END AS known, nullif(f.moment[2], 'NaN') AS mean, nullif(f.moment[3], 'NaN') AS stddev,
                   nullif(f.moment[4], 'NaN') AS skewness, f.moment[5] AS zeros, f.moment[6] AS negatives, (f.surveyed ->> 'low')::float8 AS low, (f.surveyed ->> 'high')::float8 AS high
              FROM found AS f
        )
        SELECT r.name, r.kind, r.all_rows, coalesce((r.surveyed ->> 'missing')::float8, 0), coalesce((r.surveyed ->> 'distinct')::float8, 0),
               CASE WHEN r.is_number THEN coalesce(r.zeros, 0) END, CASE WHEN r.is_number THEN coalesce(r.negatives, 0) END,
               CASE WHEN r.is_number THEN r.mean END, CASE WHEN r.is_number THEN r.stddev END, r.low,
               (r.surveyed -> 'quantiles' ->> 0)::float8, (r.surveyed -> 'quantiles' ->> 1)::float8, (r.surveyed -> 'quantiles' ->> 2)::float8, r.high,
               CASE WHEN r.is_number THEN r.skewness END,
               CASE WHEN r.kind <> 'number' OR coalesce(r.known, 0) = 0 THEN NULL WHEN r.skewness > 2 AND r.low > -1 THEN 'log1p'
                    WHEN abs(r.skewness) > 2 AND r.negatives > 0 THEN 'asinh' ELSE 'none' END,
               CASE WHEN r.kind = 'boolean' THEN CASE WHEN r.known > 2 * r.zeros THEN 't' WHEN r.known > 0 THEN 'f' END ELSE r.surveyed -> 'levels' ->> 0 END,
               CASE WHEN r.kind = 'boolean' AND r.known > 0 THEN greatest(r.zeros, r.known - r.zeros) / r.all_rows
                    WHEN jsonb_array_length(r.surveyed -> 'levels') > 0 THEN (r.surveyed -> 'counts' ->> 1)::float8 / r.sample_rows END,
               CASE WHEN r.kind = 'time' THEN times[2 * r.time_place - 1] END, CASE WHEN r.kind = 'time' THEN times[2 * r.time_place] END, r.sample_rows
          FROM read AS r ORDER BY r.line;
END $$;
COMMENT ON FUNCTION segmentation.describe_source(text, regclass, text[]) IS 'Internal: describe.';

CREATE FUNCTION segmentation.describe(source regclass, columns text[] DEFAULT NULL) RETURNS TABLE (
    column_name text, kind text, rows double precision, missing double precision, distinct_values double precision, zeros double precision,
    negatives double precision, mean double precision, stddev double precision, min double precision, q1 double precision, median double precision,
    q3 double precision, max double precision, skewness double precision, suggested_transform text, most_frequent text,
    most_frequent_share double precision, earliest timestamptz, latest timestamptz, sampled double precision) LANGUAGE sql STABLE
AS $$ SELECT * FROM segmentation.describe_source(pg_catalog.current_setting('search_path'), $1, $2) $$;
COMMENT ON FUNCTION segmentation.describe(regclass, text[]) IS 'What is in the columns of a table or view, a row per column: missing, zero and negative values, mean, population standard deviation, range, skewness (exact), distinct values, quartiles and the most frequent level (from the sampled rows: all up to 100,000), and the transform that a training should try. NULL, NaN and infinite values are missing.';

CREATE FUNCTION segmentation.correlation_of_source(caller_path text, source regclass, names text[]) RETURNS TABLE (
    column_a text, column_b text, rows double precision, correlation double precision) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    columns jsonb := segmentation.explored_columns(source, names, 'columns', CASE WHEN names IS NULL THEN '{number}' ELSE '{number,boolean}'::text[] END);
    count integer := jsonb_array_length(columns);
    query text;
    moments float8[];
BEGIN
    query := format('SELECT segmentation.moments(ARRAY[%s]::pg_catalog.float8[], true) FROM %s AS s',
        (SELECT string_agg(c.item ->> 'number', ', ' ORDER BY c.line) FROM jsonb_array_elements(columns) WITH ORDINALITY AS c(item, line)), segmentation.qualified(source));
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE query INTO moments;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    -- Pairs (1, 2), (1, 3), ..., (2, 3), ... come after the six moments of each column.
    RETURN QUERY
        SELECT columns -> (i.a - 1) ->> 'name', columns -> (i.b - 1) ->> 'name', coalesce(CASE WHEN i.a = i.b THEN moments[6 * i.a - 5] ELSE moments[i.place - 1] END, 0),
               CASE WHEN i.a <> i.b THEN nullif(moments[i.place], 'NaN') WHEN moments[6 * i.a - 3] > 0 AND moments[6 * i.a - 3] < 'Infinity' THEN 1 END
          FROM (SELECT a, b, 6 * count + 2 * ((least(a, b) - 1) * count - least(a, b) * (least(a, b) - 1) / 2 + abs(a - b)) AS place
                  FROM generate_series(1, count) AS a, generate_series(1, count) AS b) AS i ORDER BY i.a, i.b;
END $$;
COMMENT ON FUNCTION segmentation.correlation_of_source(text, regclass, text[]) IS 'Internal: correlation.';

CREATE FUNCTION segmentation.correlation(source regclass, columns text[] DEFAULT NULL) RETURNS TABLE (
    column_a text, column_b text, rows double precision, correlation double precision) LANGUAGE sql STABLE
AS $$ SELECT * FROM segmentation.correlation_of_source(pg_catalog.current_setting('search_path'), $1, $2) $$;
COMMENT ON FUNCTION segmentation.correlation(regclass, text[]) IS 'Pearson''s correlation of every pair of columns (by default, all numbers), over the rows that have both: a row per ordered pair, the diagonal included, as a heatmap wants it. NULL where a column is constant.';
