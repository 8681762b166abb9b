-- The gate: what a new version has to pass before it may take over. First the data are compared with those of the last training, then both
-- models on the same rows, then the new segments. What does not pass stays a candidate, with the reasons in words.

CREATE FUNCTION segmentation.gate_defaults(OUT key text, OUT value text, OUT meaning text) RETURNS SETOF record LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    VALUES ('max_missing', '0.05', 'how much the share of missing values of a feature may rise'),
           ('min_rows', '0.5', 'number of rows as a share of those of the last training'),
           ('max_outside', '0.1', 'share of a feature''s values outside the range of the last training'),
           ('max_psi', '0.25', 'change of a feature''s distribution, as its population stability index'),
           ('max_inertia', '0.05', 'how much the inertia of the same rows may rise, measured in the scaling of the active version'),
           ('min_share', '0.005', 'share of the customers in the smallest segment'),
           ('max_moved', '0.3', 'share of the customers that change their segment'),
           ('max_explained_drop', '0.1', 'how much the share of variance explained may fall'),
           ('approval', 'auto', 'manual: a person other than the trainer approves every version after the first')
$$;
COMMENT ON FUNCTION segmentation.gate_defaults() IS 'The keys of the gate with their defaults: what segmentation.train takes in "gate".';

-- The gate's settings with the defaults filled in.
CREATE FUNCTION segmentation.gate_settings(gate jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    settings jsonb := (SELECT jsonb_object_agg(d.key, CASE d.key WHEN 'approval' THEN to_jsonb(d.value) ELSE d.value::jsonb END) FROM segmentation.gate_defaults() AS d);
    given record;
BEGIN
    IF gate IS NULL THEN
        RETURN settings;
    ELSIF jsonb_typeof(gate) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'gate must be a JSON object', HINT = 'For example ''{"max_moved": 0.2, "approval": "manual"}''.';
    END IF;
    FOR given IN SELECT e.key, e.value FROM jsonb_each(gate) AS e LOOP
        IF NOT settings ? given.key THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('unknown key "%s" in gate', given.key),
                HINT = format('Valid keys are %s.', (SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(settings) AS k));
        ELSIF given.key = 'approval' AND given.value NOT IN ('"auto"', '"manual"') THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'invalid value for "approval" in gate', DETAIL = format('The value is %s.', given.value),
                HINT = 'Valid values are "auto" and "manual".';
        ELSIF given.key <> 'approval' AND (jsonb_typeof(given.value) <> 'number' OR given.value < '0') THEN
            RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('invalid value for "%s" in gate', given.key),
                DETAIL = format('The value is %s.', given.value),
                HINT = format('Give a number from 0 on: %s.', (SELECT d.meaning FROM segmentation.gate_defaults() AS d WHERE d.key = given.key));
        END IF;
    END LOOP;
    RETURN settings || gate;
END $$;
COMMENT ON FUNCTION segmentation.gate_settings(jsonb) IS 'The settings of a gate, checked, with the defaults filled in.';

-- A share or an index for a message.
CREATE FUNCTION segmentation.in_percent(share double precision) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT trim(to_char(100 * share, 'FM999999990.0')) || ' %' $$;
COMMENT ON FUNCTION segmentation.in_percent(double precision) IS 'Internal: a share in words.';
CREATE FUNCTION segmentation.in_words(value double precision) RETURNS text LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN value IS NULL THEN 'unknown' WHEN value = 0 THEN '0' WHEN abs(value) BETWEEN 1e-30 AND 1e30 THEN value::float4::text ELSE value::text END $$;
COMMENT ON FUNCTION segmentation.in_words(double precision) IS 'Internal: a number in words.';

-- Why the data are not what they were: one reason for each feature, the plainest. survey was made with the baseline in its request.
CREATE FUNCTION segmentation.data_reasons(gate jsonb, survey jsonb, baseline jsonb) RETURNS text[] LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reasons text[] := '{}';
    rows double precision := (survey -> 'rows')::float8;
    rows_before double precision := (baseline -> 'rows')::float8;
    now_ record;
    before jsonb;
    missing double precision;
    missing_before double precision;
    factor double precision;
    what text;
BEGIN
    IF coalesce(rows, 0) = 0 THEN
        RETURN ARRAY['the source has no rows'];
    ELSIF rows < (gate -> 'min_rows')::float8 * rows_before THEN
        reasons := reasons || format('the source has %s rows, %s of those of the last training (at least %s are wanted)', rows, segmentation.in_percent(rows / rows_before),
                                     segmentation.in_percent((gate -> 'min_rows')::float8));
    END IF;
    FOR now_ IN SELECT 'numbers' AS kind, n AS item FROM jsonb_array_elements(survey -> 'numbers') AS n
                UNION ALL SELECT 'categories', c FROM jsonb_array_elements(survey -> 'categories') AS c LOOP
        SELECT b INTO before FROM jsonb_array_elements(baseline -> now_.kind) AS b WHERE b ->> 'name' = now_.item ->> 'name';
        CONTINUE WHEN before IS NULL;
        missing := (now_.item -> 'missing')::float8 / rows;
        missing_before := (before -> 'missing')::float8 / rows_before;
        what := format('column "%s"', now_.item ->> 'name');
        IF missing > missing_before + (gate -> 'max_missing')::float8 THEN
            reasons := reasons || format('%s: %s of the values are missing, %s at the last training (a rise of %s is allowed)', what, segmentation.in_percent(missing),
                                         segmentation.in_percent(missing_before), segmentation.in_percent((gate -> 'max_missing')::float8));
        ELSIF (now_.item -> 'distinct')::int = 1 AND (before -> 'distinct')::int > 1 THEN
            reasons := reasons || format('%s: there is only one value, %s, where there were many', what,
                                         CASE now_.kind WHEN 'numbers' THEN segmentation.in_words((now_.item -> 'low')::float8) ELSE now_.item -> 'levels' ->> 0 END);
        ELSIF now_.kind = 'numbers' AND (now_.item -> 'drift' -> 'psi')::float8 > (gate -> 'max_psi')::float8 AND now_.item -> 'drift' ? 'resembles' THEN
            reasons := reasons || format('%s: the values look like those of column "%s"', what, now_.item -> 'drift' ->> 'resembles');
        ELSIF (now_.item -> 'drift' -> 'psi')::float8 > (gate -> 'max_psi')::float8 THEN
            factor := segmentation.unit_change(now_.item, before);
            reasons := reasons || CASE WHEN factor IS NOT NULL
                THEN format('%s: the values are about %s times those of the last training, as if the unit had changed', what, segmentation.in_words(factor))
                ELSE format('%s: the distribution has changed (population stability index %s, and %s is allowed)', what,
                            round((now_.item -> 'drift' -> 'psi')::numeric, 2), gate -> 'max_psi') END;
        ELSIF (now_.item -> 'drift' -> 'outside')::float8 > (gate -> 'max_outside')::float8 THEN
            reasons := reasons || format('%s: %s of the values lie outside the range of the last training, %s to %s (%s are allowed)', what,
                                         segmentation.in_percent((now_.item -> 'drift' -> 'outside')::float8), segmentation.in_words((before -> 'low')::float8),
                                         segmentation.in_words((before -> 'high')::float8), segmentation.in_percent((gate -> 'max_outside')::float8));
        END IF;
    END LOOP;
    RETURN reasons;
END $$;
COMMENT ON FUNCTION segmentation.data_reasons(jsonb, jsonb, jsonb) IS 'Internal: in words, what is wrong with the data of a training.';

-- The factor between two descriptions of a number, where the quartiles agree on one that a change of unit explains; otherwise NULL.
CREATE FUNCTION segmentation.unit_change(now_ jsonb, before jsonb) RETURNS double precision LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN count(*) >= 2 AND max(ratio) < 1.25 * min(ratio) AND abs(log(avg(ratio)) - round(log(avg(ratio)))) < 0.1 AND round(log(avg(ratio))) <> 0
                THEN power(10, round(log(avg(ratio)))) END
      FROM (SELECT n::float8 / b::float8 AS ratio
              FROM ROWS FROM (jsonb_array_elements_text(now_ -> 'quantiles'), jsonb_array_elements_text(before -> 'quantiles')) AS q(n, b)
             WHERE b::float8 <> 0) AS ratios
     WHERE ratio > 0 AND jsonb_array_length(now_ -> 'quantiles') = jsonb_array_length(before -> 'quantiles')
$$;
COMMENT ON FUNCTION segmentation.unit_change(jsonb, jsonb) IS 'Internal: the power of ten between two descriptions of a number.';
