-- Exploring by groups: histograms, frequencies, means along a column.

-- The edges of equal bins, as numpy.histogram has them: the last one closed, and one value in the middle of a range of 1.
CREATE FUNCTION segmentation.bin_edges(low double precision, high double precision, bins integer) RETURNS double precision[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    first float8 := CASE WHEN low = high THEN low - 0.5 ELSE low END;
    last float8 := CASE WHEN low = high THEN low + 0.5 ELSE high END;
    width float8;
BEGIN
    IF last / 4 - first / 4 > 4e307 THEN
        RAISE EXCEPTION USING ERRCODE = '22003', MESSAGE = 'values are too far apart for bins', DETAIL = format('They range from %s to %s.', low, high);
    END IF;
    width := (last - first) / bins;
    RETURN ARRAY(SELECT i * width + first FROM generate_series(0, bins - 1) AS i ORDER BY i) || last;
END $$;
COMMENT ON FUNCTION segmentation.bin_edges(double precision, double precision, integer) IS 'Internal: the edges of equal bins.';

CREATE FUNCTION segmentation.check_bins(bins integer) RETURNS void LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF bins NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'number of bins must be from 1 to 10000', DETAIL = format('It is %s.', bins);
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.check_bins(integer) IS 'Internal: raises an error unless there can be so many bins.';

-- Means of measures along a column, as a query that reads the source once: a row per value of the column, or per bin of it, with columns
-- place (to sort by), label, low, high, rows, and known_1, mean_1, known_2, ... Rows with equal values are counted first, which spills to
-- disk, because the range is only known at the end; then comes what is asked for of those counts. Parameter $1 is the number of bins.
CREATE FUNCTION segmentation.trend_query(source regclass, along jsonb, measures jsonb, bins integer) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    m record;
    grouped text;
BEGIN
    SELECT string_agg(format(', pg_catalog.count(%1$s) AS known_%2$s, pg_catalog.sum(%1$s) AS sum_%2$s', c.item ->> 'finite', c.line), '' ORDER BY c.line) AS read,
           string_agg(format(', COALESCE(g.known_%1$s, 0)::pg_catalog.float8 AS known_%1$s, g.sum_%1$s OPERATOR(pg_catalog./) g.known_%1$s::pg_catalog.float8 AS mean_%1$s', c.line), '' ORDER BY c.line) AS shown,
           string_agg(format(', pg_catalog.sum(c.known_%1$s) AS known_%1$s, pg_catalog.sum(c.sum_%1$s) AS sum_%1$s', c.line), '' ORDER BY c.line) AS added
      INTO m FROM jsonb_array_elements(measures) WITH ORDINALITY AS c(item, line);
    grouped := format('SELECT %s AS value, pg_catalog.count(*) AS rows%s FROM %s AS s GROUP BY 1', along ->> CASE WHEN bins IS NULL THEN 'value' ELSE 'finite' END, m.read, segmentation.qualified(source));
    IF bins IS NULL THEN
        RETURN format('SELECT g.value AS place, %s AS label, %2$s AS low, %2$s AS high, g.rows::pg_catalog.float8 AS rows%3$s FROM (%4$s) AS g',
            along ->> 'shown', along ->> 'point', m.shown, grouped);
    END IF;
    RETURN format('WITH counted AS MATERIALIZED (%s), '
        'edges AS MATERIALIZED (SELECT segmentation.bin_edges(pg_catalog.min(c.value), pg_catalog.max(c.value), $1) AS edge FROM counted AS c), '
        'binned AS (SELECT CASE WHEN c.value IS NOT NULL THEN LEAST(pg_catalog.width_bucket(c.value, (SELECT e.edge FROM edges AS e)), $1) END AS bin, '
                           'pg_catalog.sum(c.rows) AS rows%s FROM counted AS c GROUP BY 1) '
        'SELECT b.bin AS place, pg_catalog.format(CASE WHEN b.bin OPERATOR(pg_catalog.=) $1 THEN ''[%%s, %%s]'' ELSE ''[%%s, %%s)'' END, e.edge[b.bin], e.edge[b.bin OPERATOR(pg_catalog.+) 1]) AS label, '
               'e.edge[b.bin] AS low, e.edge[b.bin OPERATOR(pg_catalog.+) 1] AS high, COALESCE(g.rows, 0)::pg_catalog.float8 AS rows%s '
          'FROM edges AS e CROSS JOIN LATERAL pg_catalog.generate_series(1, pg_catalog.cardinality(e.edge) OPERATOR(pg_catalog.-) 1) AS b(bin) '
          'LEFT JOIN binned AS g ON g.bin OPERATOR(pg_catalog.=) b.bin '
        'UNION ALL SELECT NULL, NULL, NULL, NULL, g.rows::pg_catalog.float8%s FROM binned AS g WHERE g.bin IS NULL', grouped, m.added, m.shown, m.shown);
END $$;
COMMENT ON FUNCTION segmentation.trend_query(regclass, jsonb, jsonb, integer) IS 'Internal: means along a column, as SQL.';

CREATE FUNCTION segmentation.histogram_of_source(caller_path text, source regclass, named text, bins integer) RETURNS TABLE (
    bin integer, low double precision, high double precision, rows double precision, share double precision) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query text;
BEGIN
    IF bins IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'number of bins must not be null';
    END IF;
    PERFORM segmentation.check_bins(bins);
    query := format('SELECT t.place, t.low, t.high, t.rows, t.rows OPERATOR(pg_catalog./) pg_catalog.sum(t.rows) OVER () FROM (%s) AS t ORDER BY t.place',
        segmentation.trend_query(source, segmentation.explored_columns(source, ARRAY[named], 'column_name', '{number,boolean}') -> 0, '[]', bins));
    PERFORM set_config('search_path', caller_path, true);
    RETURN QUERY EXECUTE query USING bins;
END $$;
COMMENT ON FUNCTION segmentation.histogram_of_source(text, regclass, text, integer) IS 'Internal: histogram.';

CREATE FUNCTION segmentation.histogram(source regclass, column_name text, bins integer DEFAULT 10) RETURNS TABLE (
    bin integer, low double precision, high double precision, rows double precision, share double precision) LANGUAGE sql STABLE
AS $$ SELECT * FROM segmentation.histogram_of_source(pg_catalog.current_setting('search_path'), $1, $2, $3) $$;
COMMENT ON FUNCTION segmentation.histogram(regclass, text, integer) IS 'Rows by equal bins between the lowest and the highest value: a bin has its low edge in it, the last one the high edge, too. Missing values (NULL, NaN, infinite) have a row of their own, where bin is NULL; share is of all rows.';

CREATE FUNCTION segmentation.frequency_of_source(caller_path text, source regclass, named text, top integer) RETURNS TABLE (
    value text, rows double precision, share double precision, is_missing boolean, is_other boolean) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    col jsonb;
    query text;
BEGIN
    IF top < 1 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'top must be positive', DETAIL = format('It is %s.', top), HINT = 'Leave it out for all values.';
    END IF;
    col := segmentation.explored_columns(source, ARRAY[named], 'column_name', NULL) -> 0;
    -- Values beyond the top share the place after it; missing ones have none.
    query := format('WITH ranked AS (SELECT g.value, g.rows, pg_catalog.sum(g.rows) OVER () AS total, '
               'CASE WHEN g.value IS NOT NULL THEN LEAST($1 OPERATOR(pg_catalog.+) 1, pg_catalog.row_number() OVER (ORDER BY g.value IS NULL, g.rows DESC, g.value)) END AS place '
               'FROM (SELECT %s AS value, pg_catalog.count(*) AS rows FROM %s AS s GROUP BY 1) AS g), '
        'kept AS (SELECT g.place, CASE WHEN g.place OPERATOR(pg_catalog.>) $1 THEN ''(other)'' ELSE %s END AS value, g.rows, g.total FROM ranked AS g) '
        'SELECT k.value, pg_catalog.sum(k.rows)::pg_catalog.float8, pg_catalog.sum(k.rows)::pg_catalog.float8 OPERATOR(pg_catalog./) k.total::pg_catalog.float8, '
               'k.place IS NULL, COALESCE(k.place OPERATOR(pg_catalog.>) $1, false) FROM kept AS k GROUP BY k.place, k.value, k.total ORDER BY k.place',
        col ->> 'value', segmentation.qualified(source), col ->> 'shown');
    PERFORM set_config('search_path', caller_path, true);
    RETURN QUERY EXECUTE query USING coalesce(top::bigint, 9223372036854775806);
END $$;
COMMENT ON FUNCTION segmentation.frequency_of_source(text, regclass, text, integer) IS 'Internal: frequency.';

CREATE FUNCTION segmentation.frequency(source regclass, column_name text, top integer DEFAULT NULL) RETURNS TABLE (
    value text, rows double precision, share double precision, is_missing boolean, is_other boolean) LANGUAGE sql STABLE
AS $$ SELECT * FROM segmentation.frequency_of_source(pg_catalog.current_setting('search_path'), $1, $2, $3) $$;
COMMENT ON FUNCTION segmentation.frequency(regclass, text, integer) IS 'Rows by value of a column, most frequent first; with top, all but so many values are one row "(other)". Missing values have a row of their own, the last one; share is of all rows.';

CREATE FUNCTION segmentation.trend_of_source(caller_path text, source regclass, along text, measures text[], bins integer) RETURNS TABLE (
    measure text, label text, low double precision, high double precision, rows double precision, known double precision, mean double precision) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    col jsonb;
    columns jsonb;
    query text;
BEGIN
    PERFORM segmentation.check_bins(bins);
    col := segmentation.explored_columns(source, ARRAY[along], 'by', NULL) -> 0;
    IF bins IS NOT NULL AND col ->> 'finite' IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42804', MESSAGE = format('column "%s" has no bins', along), DETAIL = format('It is of type %s, and bins are of numbers.', col ->> 'type'),
            HINT = 'Leave bins out for a row per value; a view can make fewer values of many, for example with date_trunc.';
    END IF;
    columns := segmentation.explored_columns(source, coalesce(measures, '{}'), 'measures', '{number,boolean}');
    query := format('SELECT m.measure, t.label, t.low, t.high, t.rows, m.known, m.mean FROM (%s) AS t CROSS JOIN LATERAL (VALUES %s) AS m(line, measure, known, mean) ORDER BY m.line, t.place',
        segmentation.trend_query(source, col, columns, bins),
        (SELECT string_agg(format('(%1$s, %2$L::pg_catalog.text, t.known_%1$s, t.mean_%1$s)', c.line, c.item ->> 'name'), ', ' ORDER BY c.line)
           FROM jsonb_array_elements(columns) WITH ORDINALITY AS c(item, line)));
    PERFORM set_config('search_path', caller_path, true);
    RETURN QUERY EXECUTE query USING bins;
END $$;
COMMENT ON FUNCTION segmentation.trend_of_source(text, regclass, text, text[], integer) IS 'Internal: trend.';

CREATE FUNCTION segmentation.trend(source regclass, by text, measures text[], bins integer DEFAULT NULL) RETURNS TABLE (
    measure text, label text, low double precision, high double precision, rows double precision, known double precision, mean double precision) LANGUAGE sql STABLE
AS $$ SELECT * FROM segmentation.trend_of_source(pg_catalog.current_setting('search_path'), $1, $2, $3, $4) $$;
COMMENT ON FUNCTION segmentation.trend(regclass, text, text[], integer) IS 'The mean of each measure along a column: a row per measure and value of the column, or per equal bin of it. known is how many of the rows have the measure; rows where the column is missing come last, without a label.';
