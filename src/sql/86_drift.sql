-- Drift: whether the source still looks as it did when the active version was trained. The baseline is the survey that was kept with the
-- version; the training rows need not exist any more.

-- The baseline of a version with its segments as one more category, without a name. Rows that the training left out are its missing ones,
-- but for those that only all rows together could tell: they have a segment now, and those of option trim have one in the profile, too.
CREATE FUNCTION segmentation.baseline_with_segments(chosen segmentation.registry_version) RETURNS jsonb LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_set((chosen).survey, '{categories}', (chosen).survey -> 'categories' || jsonb_build_object('name', '', 'missing', 0, 'distinct', i.segments,
               'levels', (SELECT jsonb_agg(c.segment::text ORDER BY c.ordinality) FROM @extschema@.kmeans_clusters((chosen).value) WITH ORDINALITY AS c),
               'counts', to_jsonb(i.skipped + CASE WHEN (chosen).definition -> 'options' -> 'outliers' ->> 'method' = 'lof' THEN 0 ELSE coalesce(((chosen).survey -> 'outside')::bigint, i.left_out) END) || (SELECT jsonb_agg(coalesce(z.customers, c.rows) ORDER BY c.ordinality) FROM @extschema@.kmeans_clusters((chosen).value) WITH ORDINALITY AS c
                              LEFT JOIN segmentation.profile_sizes((chosen).profile) AS z ON z.segment = c.segment) || '0'))
      FROM @extschema@.kmeans_info((chosen).value) AS i
$$;
COMMENT ON FUNCTION segmentation.baseline_with_segments(segmentation.registry_version) IS 'Internal: what later data are compared with.';

-- What changed, in words.
CREATE FUNCTION segmentation.drift_in_words(kind text, now_ jsonb, before jsonb, rows double precision, rows_before double precision) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing double precision := (now_ -> 'missing')::float8 / rows;
    missing_before double precision := (before -> 'missing')::float8 / rows_before;
    factor double precision;
    level record;
BEGIN
    IF kind <> 'segments' AND abs(missing - missing_before) >= 0.05 THEN
        RETURN format('missing values went from %s to %s of the rows', segmentation.in_percent(missing_before), segmentation.in_percent(missing));
    ELSIF now_ -> 'drift' ? 'resembles' THEN
        RETURN format('the values look like those of "%s"', now_ -> 'drift' ->> 'resembles');
    ELSIF kind = 'input' AND now_ ? 'quantiles' THEN
        factor := segmentation.unit_change(now_, before);
        IF factor IS NOT NULL THEN
            RETURN format('the values are about %s times what they were, as if the unit had changed', segmentation.in_words(factor));
        END IF;
        RETURN format('the mean went from %s to %s, the standard deviation from %s to %s', segmentation.in_words((before ->> 'mean')::float8),
            segmentation.in_words((now_ ->> 'mean')::float8), segmentation.in_words((before ->> 'stddev')::float8), segmentation.in_words((now_ ->> 'stddev')::float8));
    END IF;
    -- The level whose share has changed most.
    SELECT x.* INTO level FROM (
        SELECT CASE WHEN c.line = 1 THEN '(missing)' ELSE coalesce(before -> 'levels' ->> (c.line::integer - 2), '(other)') END AS name,
               c.rows_then::float8 / sum(c.rows_then::float8) OVER () AS share_before, c.rows_now::float8 / sum(c.rows_now::float8) OVER () AS share
          FROM ROWS FROM (jsonb_array_elements_text(before -> 'counts'), jsonb_array_elements_text(now_ -> 'drift' -> 'counts')) WITH ORDINALITY AS c(rows_then, rows_now, line)) AS x
     ORDER BY abs(x.share - x.share_before) DESC LIMIT 1;
    RETURN format('%s went from %s to %s of the rows', CASE kind WHEN 'segments' THEN CASE level.name WHEN '(missing)' THEN 'those without a segment' ELSE 'segment ' || level.name END
        ELSE format('level "%s"', level.name) END, segmentation.in_percent(level.share_before), segmentation.in_percent(level.share));
END $$;
COMMENT ON FUNCTION segmentation.drift_in_words(text, jsonb, jsonb, double precision, double precision) IS 'Internal: what has changed, in words.';

-- One row per input, one for the shares of the segments, and one for the model as a whole. A variable has drifted when its population
-- stability index, less what chance gives, is at least 0.1 and a chi-square test, corrected for the number of variables (S. Holm 1979), finds it at 5 %.
CREATE TYPE segmentation.drift_row AS (
    kind text, variable text, psi double precision, chi_square double precision, degrees integer, p double precision, p_corrected double precision,
    missing_before double precision, missing_now double precision, drifted boolean, verdict text
);
COMMENT ON TYPE segmentation.drift_row IS 'What segmentation.drift says of one input, of the segments and of the model.';

CREATE FUNCTION segmentation.drift_of_surveys(survey jsonb, baseline jsonb) RETURNS SETOF segmentation.drift_row LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH sizes AS (
        SELECT (survey -> 'rows')::float8 AS rows, (baseline -> 'rows')::float8 AS rows_before
    ), tests AS (
        SELECT CASE n.item ->> 'name' WHEN '' THEN 'segments' ELSE 'input' END AS kind, nullif(n.item ->> 'name', '') AS variable, n.item, b.item AS before, n.line,
               n.item -> 'drift' AS drift, (n.item -> 'drift' ->> 'p')::float8 AS p,
               row_number() OVER (ORDER BY (n.item -> 'drift' ->> 'p')::float8) AS place, count(*) OVER () AS tests
          FROM jsonb_array_elements(survey -> 'numbers' || (survey -> 'categories')) WITH ORDINALITY AS n(item, line)
          JOIN jsonb_array_elements(baseline -> 'numbers' || (baseline -> 'categories')) AS b(item) ON b.item ->> 'name' = n.item ->> 'name'
         WHERE n.item ? 'drift'
    ), corrected AS (
        SELECT t.*, max(least(1, (tests - place + 1) * p)) OVER (ORDER BY place) AS p_corrected FROM tests AS t
    ), judged AS (
        SELECT c.*, coalesce((c.drift ->> 'psi')::float8 >= 0.1 AND c.p_corrected < 0.05, false) AS drifted FROM corrected AS c
    )
    SELECT j.kind, j.variable, (j.drift ->> 'psi')::float8, (j.drift ->> 'chi_square')::float8, (j.drift ->> 'degrees')::integer, j.p, j.p_corrected,
           CASE j.kind WHEN 'input' THEN (j.before -> 'missing')::float8 / s.rows_before END, CASE j.kind WHEN 'input' THEN (j.item -> 'missing')::float8 / s.rows END, j.drifted,
           CASE WHEN j.drifted THEN 'drifted: ' || segmentation.drift_in_words(j.kind, j.item, j.before, s.rows, s.rows_before) ELSE 'stable' END
      FROM (SELECT * FROM judged ORDER BY kind = 'segments', line) AS j, sizes AS s
    UNION ALL
    SELECT 'model', NULL, max((j.drift ->> 'psi')::float8), NULL, NULL, min(j.p), min(j.p_corrected), NULL, NULL, bool_or(j.drifted),
           CASE WHEN bool_or(j.drifted) THEN 'drifted: ' || string_agg(CASE j.kind WHEN 'segments' THEN 'the shares of the segments' ELSE format('"%s"', j.variable) END, ', ' ORDER BY j.kind = 'segments', j.line) FILTER (WHERE j.drifted)
           ELSE 'stable' END
      FROM judged AS j
$$;
COMMENT ON FUNCTION segmentation.drift_of_surveys(jsonb, jsonb) IS 'Internal: the verdict on drift from two surveys.';

CREATE FUNCTION segmentation.drift_on_source(caller_path text, model_name text) RETURNS SETOF segmentation.drift_row LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version := segmentation.version_of(model_name, NULL);
    reading segmentation.reading := segmentation.read_source(chosen.definition);
    baseline jsonb;
    request jsonb;
    segment text;
    inside text;
    query text;
    model @extschema@.kmeans_model := chosen.value;
    survey jsonb;
BEGIN
    IF chosen.survey IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('version %s of model "%s" has no baseline', chosen.version, model_name),
            HINT = 'A version that segmentation.train or segmentation.retrain has made has one.';
    END IF;
    baseline := segmentation.baseline_with_segments(chosen);
    request := reading.asked -> 'request' || jsonb_build_object('baseline', baseline,
        'categories', reading.asked -> 'request' -> 'categories' || '[{"name": ""}]');
    segment := format('segmentation.assign_row($1, %s)::pg_catalog.text', reading.features);
    inside := segmentation.inside_bounds(reading, chosen.survey -> 'bounds');
    IF inside IS NOT NULL THEN
        segment := format('CASE WHEN %s THEN %s END', inside, segment);
    END IF;
    query := format('SELECT %s FROM %s AS s', segmentation.survey_call(reading, '$2', segment), reading.source_name);
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE query INTO survey USING model, request;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF survey IS NULL OR survey -> 'rows' = '0' THEN
        RETURN NEXT ROW('model', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, true, 'drifted: the source has no rows')::segmentation.drift_row;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM segmentation.drift_of_surveys(survey, baseline);
END $$;
COMMENT ON FUNCTION segmentation.drift_on_source(text, text) IS 'Internal: drift.';

CREATE FUNCTION segmentation.drift(name text) RETURNS SETOF segmentation.drift_row LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY SELECT d.* FROM segmentation.drift_on_source(pg_catalog.current_setting('search_path'), name) AS d;
END $$;
COMMENT ON FUNCTION segmentation.drift(text) IS 'Whether the source still looks as it did when the active version was trained: a row per input, one for the shares of the segments, one for the model as a whole, with a verdict in words. One parallel read of the source.';

-- Retraining when it is due

CREATE FUNCTION segmentation.why_due(caller_path text, model_name text, max_age interval) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen segmentation.registry_version := segmentation.version_of(model_name, NULL);
    verdict text;
BEGIN
    IF max_age IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'max_age must not be null', HINT = 'For example interval ''30 days''.';
    ELSIF chosen.trained < clock_timestamp() - max_age THEN
        RETURN format('version %s is older than %s', chosen.version, max_age);
    END IF;
    SELECT d.verdict INTO verdict FROM segmentation.drift_on_source(caller_path, model_name) AS d WHERE d.kind = 'model' AND d.drifted;
    RETURN verdict;
END $$;
COMMENT ON FUNCTION segmentation.why_due(text, text, interval) IS 'Internal: why a model is to be retrained, or NULL.';

CREATE FUNCTION segmentation.report_due(model_name text, reason text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE NOTICE 'model "%": %', model_name, coalesce('is retrained: ' || reason, 'nothing to do: it is neither too old nor have the data drifted');
END $$;
COMMENT ON FUNCTION segmentation.report_due(text, text) IS 'Internal: says whether a model is retrained.';

CREATE PROCEDURE segmentation.retrain_due(name text, max_age interval) LANGUAGE plpgsql
AS $$
DECLARE
    reason text;
BEGIN
    reason := segmentation.why_due(pg_catalog.current_setting('search_path'), name, max_age);
    PERFORM segmentation.report_due(name, reason);
    IF reason IS NOT NULL THEN
        CALL segmentation.retrain(name);
    END IF;
END $$;
COMMENT ON PROCEDURE segmentation.retrain_due(text, interval) IS 'Retrains a model when its active version is older than max_age, or when the data have drifted.';
