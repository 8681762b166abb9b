-- Stability: whether each segment of the active version is found again in other rows of the same kind (src/core/stability.h).

CREATE FUNCTION segmentation.stability_of(model @extschema@.kmeans_model, points double precision[], weights double precision[], samples integer, outliers double precision) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_stability_of' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 1000000;
COMMENT ON FUNCTION segmentation.stability_of(@extschema@.kmeans_model, double precision[], double precision[], integer, double precision) IS 'Internal: how alike the segments of a model and the clusters of samples are, by points in its space; an empty array of weights is none; a share of outliers is left out of clusters.';

CREATE TYPE segmentation.stability_row AS (
    segment integer, segment_label text, rows integer, jaccard double precision, jaccard_low double precision, dissolved double precision, verdict text,
    adjusted_rand_index double precision, structure text, conclusion text
);
COMMENT ON TYPE segmentation.stability_row IS 'What segmentation.stability says of one segment, and, the same in every row, of the model.';

-- Up to 10,000 rows of a source that have a segment, in the space of the model ($1), with their weights (NULL where there are none): a query. They
-- are those with the lowest hashes of their keys, whatever the plan; where rows are equal in that, too, it does not matter which.
CREATE FUNCTION segmentation.sample_query(reading segmentation.reading, weighted boolean, bounds jsonb) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    point text := format('segmentation.encode($1, %s)', reading.features);
    weight text := CASE WHEN weighted THEN reading.weight ELSE 'NULL::pg_catalog.float8' END;
    rows text := format('SELECT %s AS point, %s AS weight, %s AS key FROM %s AS s WHERE %s IS NOT NULL', point, weight, reading.key, reading.source_name, point)
        || coalesce(' AND ' || segmentation.inside_bounds(reading, bounds), '');
BEGIN
    IF weighted THEN
        rows := rows || format(' AND %1$s OPERATOR(pg_catalog.>) 0 AND %1$s OPERATOR(pg_catalog.<) ''Infinity''::pg_catalog.float8', weight);
    END IF;
    -- Without a key, by the values. Equal rows are counted first, so that each is chosen or not by itself.
    IF reading.key = 'NULL::pg_catalog.int8' THEN
        rows := format('SELECT n.point, n.weight, pg_catalog.hash_record_extended(ROW(n.point, n.weight), n.number) AS key'
            ' FROM (SELECT g.point, g.weight, pg_catalog.generate_series(1, g.times) AS number'
            ' FROM (SELECT r.point, r.weight, pg_catalog.count(*) AS times FROM (%s) AS r GROUP BY r.point, r.weight) AS g) AS n', rows);
    END IF;
    RETURN format('SELECT pg_catalog.array_agg(c.point), pg_catalog.array_agg(c.weight) FROM (SELECT r.point, r.weight FROM (%s) AS r ORDER BY r.key, r.point, r.weight LIMIT 10000) AS c', rows);
END $$;
COMMENT ON FUNCTION segmentation.sample_query(segmentation.reading, boolean, jsonb) IS 'Internal: a query for a sample of the rows of a source.';

CREATE FUNCTION segmentation.stability_verdict(jaccard double precision) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN jaccard >= 0.75 THEN 'reproducible' WHEN jaccard >= 0.6 THEN 'uncertain' WHEN jaccard IS NULL THEN 'unknown: no rows in it' ELSE 'not reproducible' END $$;
COMMENT ON FUNCTION segmentation.stability_verdict(double precision) IS 'Internal: Hennig''s limits for the mean Jaccard similarity, in words.';

-- What to make of all segments together.
CREATE FUNCTION segmentation.stability_in_words(segments integer, reproducible integer, structured boolean) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN segments = 1 THEN 'one segment is always found again; ' || CASE WHEN structured THEN 'there is structure that it does not show' ELSE 'and no structure was found that more would show' END
        WHEN structured AND reproducible = segments THEN format('all %s segments are found again in other rows of the same kind, and there is structure', segments)
        WHEN structured THEN format('%s of %s segments are found again in other rows of the same kind, and there is structure; another number of segments may fit it better (segmentation.choose_k)', reproducible, segments)
        WHEN reproducible = 0 THEN 'no segment is found again in other rows of the same kind, and no structure was found: the segments are a partition only'
        ELSE format('%s of %s segments are found again in other rows of the same kind, but that does not make them real: no structure was found, and cuts through a single group are found again in the same place; the segments are a partition only', reproducible, segments) END
$$;
COMMENT ON FUNCTION segmentation.stability_in_words(integer, integer, boolean) IS 'Internal: the conclusion of segmentation.stability.';

CREATE FUNCTION segmentation.stability_on_source(caller_path text, model_name text, samples integer) RETURNS SETOF segmentation.stability_row LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version := segmentation.version_of(model_name, NULL);
    reading segmentation.reading := segmentation.read_source(chosen.definition);
    model @extschema@.kmeans_model := chosen.value;
    weighted boolean := chosen.definition ->> 'weight' IS NOT NULL;
    points double precision[];
    weights double precision[];
    -- Bounds say which rows were outliers; local outlier factors do not.
    outliers double precision := CASE WHEN chosen.definition -> 'options' -> 'outliers' ->> 'method' = 'lof'
                                      THEN (SELECT i.left_out::float8 / nullif(i.rows + i.left_out, 0) FROM @extschema@.kmeans_info(chosen.value) AS i) END;
    found jsonb;
BEGIN
    outliers := coalesce(outliers, 0);
    IF samples IS NULL OR samples NOT BETWEEN 10 AND 1000 THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'number of samples is out of bounds', DETAIL = format('It is %s.', coalesce(samples::text, 'NULL')),
            HINT = 'It can be from 10 to 1000.';
    END IF;
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE segmentation.sample_query(reading, weighted, chosen.survey -> 'bounds') INTO points, weights USING model;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF points IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('source %s has no rows to judge model "%s" by', reading.source_name, model_name),
            DETAIL = 'It has no row that has a segment.';
    END IF;
    found := segmentation.stability_of(model, points, CASE WHEN weighted THEN weights ELSE '{}' END, samples, outliers);
    RETURN QUERY
    SELECT f.segment, l.segment_label, f.rows, f.jaccard, f.jaccard_low, f.dissolved, segmentation.stability_verdict(f.jaccard), (found -> 'adjusted_rand_index')::float8,
           CASE WHEN (found -> 'structured')::boolean THEN 'found' ELSE 'none' END,
           segmentation.stability_in_words(count(*) OVER ()::integer, count(*) FILTER (WHERE f.jaccard >= 0.75) OVER ()::integer, (found -> 'structured')::boolean)
      FROM jsonb_to_recordset(found -> 'segments') AS f(segment integer, rows integer, jaccard double precision, jaccard_low double precision, dissolved double precision)
      LEFT JOIN segmentation.segments AS l ON l.model = chosen.model AND l.version = chosen.version AND l.segment = f.segment
     ORDER BY f.segment;
END $$;
COMMENT ON FUNCTION segmentation.stability_on_source(text, text, integer) IS 'Internal: stability.';

CREATE FUNCTION segmentation.stability(name text, samples integer DEFAULT 100) RETURNS SETOF segmentation.stability_row LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT s.* FROM segmentation.stability_on_source(pg_catalog.current_setting('search_path'), name, samples) AS s;
END $$;
COMMENT ON FUNCTION segmentation.stability(text, integer) IS 'Whether each segment of the active version is found again in other rows of the same kind: the mean Jaccard similarity with the clusters of so many samples drawn with replacement (Hennig 2007), a row per segment with a verdict, and beside it whether there is any structure. One parallel read of the source.';
