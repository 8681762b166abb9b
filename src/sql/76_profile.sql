-- Profiles: what the customers of each segment of a version are like, found at its training and kept with it.

CREATE FUNCTION segmentation.outcome_value(value double precision) RETURNS double precision
    AS 'MODULE_PATHNAME', 'segmentation_outcome_value' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.outcome_value(double precision) IS 'Internal: an outcome, 0 or 1; another number is an error, NaN is not known.';

CREATE FUNCTION segmentation.profile_accum(internal, integer, bigint, double precision, double precision[], text[], jsonb) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_profile_accum' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_combine(internal, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_profile_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_serialize(internal) RETURNS bytea
    AS 'MODULE_PATHNAME', 'segmentation_profile_serialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_deserialize(bytea, internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'segmentation_profile_deserialize' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION segmentation.profile_final(internal) RETURNS jsonb
    AS 'MODULE_PATHNAME', 'segmentation_profile_final' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE AGGREGATE segmentation.profile(segment integer, key bigint, weight double precision, numbers double precision[], categories text[], request jsonb) (
    SFUNC = segmentation.profile_accum, STYPE = internal, SSPACE = 16000000, FINALFUNC = segmentation.profile_final,
    COMBINEFUNC = segmentation.profile_combine, SERIALFUNC = segmentation.profile_serialize, DESERIALFUNC = segmentation.profile_deserialize,
    PARALLEL = SAFE
);
COMMENT ON AGGREGATE segmentation.profile(integer, bigint, double precision, double precision[], text[], jsonb) IS 'Internal: what the customers of each segment are like, from one pass; quantiles, categories and trends from samples of 100,000 rows in all, chosen by the hash in key (core/profile.h).';

-- The columns that describe segments beside the features: those of "profile", once each, and the outcome.
CREATE FUNCTION segmentation.described_columns(definition jsonb, reading segmentation.reading) RETURNS TABLE (name text, role text, number text, category text) LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH request(kind, item, place) AS (
        SELECT k.kind, r.item, r.place
          FROM (VALUES ('numbers'), ('categories')) AS k(kind), jsonb_array_elements((reading).asked -> 'request' -> k.kind) WITH ORDINALITY AS r(item, place)
    )
    SELECT d.name, d.role, d.number, d.category FROM (
        SELECT c ->> 'name', 'feature', CASE r.kind WHEN 'numbers' THEN c ->> 'number' END, CASE r.kind WHEN 'categories' THEN c ->> 'text' END, 1, r.place
          FROM request AS r JOIN jsonb_array_elements((reading).columns) AS c ON c ->> 'name' = r.item ->> 'name'
        UNION ALL
        SELECT c.item ->> 'name', 'profile', CASE WHEN NOT (c.item ->> 'categorical')::boolean THEN c.item ->> 'number' END, CASE WHEN (c.item ->> 'categorical')::boolean THEN c.item ->> 'text' END, 2, c.place
          FROM jsonb_array_elements(segmentation.source_columns((reading).source, ARRAY(
                   SELECT p.name FROM jsonb_array_elements_text(definition -> 'profile') WITH ORDINALITY AS p(name, place)
                    WHERE NOT definition -> 'features' ? p.name AND p.name IS DISTINCT FROM definition ->> 'outcome' GROUP BY p.name ORDER BY min(p.place)), 'the definition')) WITH ORDINALITY AS c(item, place)
        UNION ALL
        SELECT definition ->> 'outcome', 'outcome', (reading).outcome, NULL, 3, 1 WHERE (reading).outcome IS NOT NULL
    ) AS d(name, role, number, category, part, place) ORDER BY d.part, d.place
$$;
COMMENT ON FUNCTION segmentation.described_columns(jsonb, segmentation.reading) IS 'Internal: the columns that a profile describes, and how they are read.';

-- The profile of a model on the rows that it was trained on: one read of the source.
CREATE FUNCTION segmentation.profile_source(caller_path text, definition jsonb, reading segmentation.reading, model @extschema@.kmeans_model, trained segmentation.trained) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ids integer[] := ARRAY(SELECT c.segment FROM @extschema@.kmeans_clusters(model) WITH ORDINALITY AS c ORDER BY c.ordinality);
    inside text := segmentation.inside_bounds(reading, trained.survey -> 'bounds');
    described record;
    query text;
    profile jsonb;
BEGIN
    SELECT string_agg(d.number, ', ') AS numbers, string_agg(d.category, ', ') AS categories, count(*) AS columns,
           jsonb_build_object('segments', to_jsonb(ids),
               'numbers', coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'role', d.role)) FILTER (WHERE d.number IS NOT NULL), '[]'),
               'categories', coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'role', d.role)) FILTER (WHERE d.category IS NOT NULL), '[]')) AS request
      INTO described FROM segmentation.described_columns(definition, reading) AS d;
    IF cardinality(ids) * described.columns > 20000 THEN
        RAISE NOTICE USING MESSAGE = format('there is no profile of %s segments by %s columns', cardinality(ids), described.columns),
            DETAIL = 'There is room for 20000 pairs of them.';
        RETURN NULL;
    END IF;
    IF trained.left_out IS NOT NULL THEN
        -- Not NOT, which becomes <> ALL, and that is looked up in a hash table only from PostgreSQL 15 on.
        inside := format('CASE WHEN pg_catalog.hash_array_extended(%s, 0) OPERATOR(pg_catalog.=) ANY ($3) THEN false ELSE true END', segmentation.prepared_columns(reading, definition));
    END IF;
    query := format('SELECT segmentation.profile(CASE WHEN %s THEN segmentation.assign_row($2, %s) END, %s, %s, ARRAY[%s]::pg_catalog.float8[], ARRAY[%s]::pg_catalog.text[], $4) FROM %s AS s',
        coalesce(inside, 'true'), reading.features, reading.key, reading.weight, described.numbers, described.categories, reading.source_name);
    PERFORM set_config('search_path', caller_path, true);
    EXECUTE query INTO profile USING trained.preparation, model, trained.left_out, described.request;
    RETURN profile;
END $$;
COMMENT ON FUNCTION segmentation.profile_source(text, jsonb, segmentation.reading, @extschema@.kmeans_model, segmentation.trained) IS 'Internal: the profile of a model on the rows of its training.';

-- Reading a profile: rows with the id of a segment, which "ids" has for each place in the model. What is taken out of a profile is taken
-- once, in subqueries that stay as they are (OFFSET 0): a profile is some tens of kilobytes, and compressed. Without compilation, which
-- takes a third of a second: the planner expects a hundred items of every array within another.

CREATE FUNCTION segmentation.profile_level(z_score double precision) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN z_score >= 0.5 THEN 'high' WHEN z_score <= -0.5 THEN 'low' ELSE 'typical' END $$;
COMMENT ON FUNCTION segmentation.profile_level(double precision) IS 'Internal: low, typical or high: whether a mean is half a standard deviation or more from the population''s.';

CREATE FUNCTION segmentation.profile_features(profile jsonb) RETURNS TABLE (segment integer, feature text, role text, kind text, customers double precision, missing double precision,
    mean double precision, stddev double precision, min double precision, q1 double precision, median double precision, q3 double precision, max double precision,
    population_mean double precision, population_stddev double precision, index_100 double precision, z_score double precision, relative double precision, level text) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 100
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT (p.ids ->> (s.place - 1)::integer)::integer, t.feature, t.role, t.kind, (s.item ->> 'rows')::float8, (s.item ->> 'missing')::float8, (s.item ->> 'mean')::float8,
           (s.item ->> 'stddev')::float8, (s.item ->> 'min')::float8, (s.item ->> 'q1')::float8, (s.item ->> 'median')::float8, (s.item ->> 'q3')::float8, (s.item ->> 'max')::float8,
           t.population_mean, t.population_stddev, (s.item ->> 'index_100')::float8, (s.item ->> 'z_score')::float8, (s.item ->> 'relative')::float8,
           segmentation.profile_level((s.item ->> 'z_score')::float8)
      FROM (SELECT profile -> 'ids' AS ids, profile -> 'features' AS features OFFSET 0) AS p, jsonb_array_elements(p.features) AS f,
           LATERAL (SELECT f ->> 'feature' AS feature, f ->> 'role' AS role, f ->> 'kind' AS kind, (f ->> 'population_mean')::float8 AS population_mean,
                           (f ->> 'population_stddev')::float8 AS population_stddev, f -> 'segments' AS segments OFFSET 0) AS t,
           jsonb_array_elements(t.segments) WITH ORDINALITY AS s(item, place)
$$;
COMMENT ON FUNCTION segmentation.profile_features(jsonb) IS 'Internal: a profile by segment and feature.';

CREATE FUNCTION segmentation.profile_sizes(profile jsonb) RETURNS TABLE (segment integer, customers double precision, sampled double precision, share double precision, known bigint, events bigint)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT (p.ids ->> (s.place - 1)::integer)::integer, (s.item ->> 'rows')::float8, (s.item ->> 'sampled')::float8, (s.item ->> 'share')::float8, (s.item ->> 'known')::bigint, (s.item ->> 'events')::bigint
      FROM (SELECT profile -> 'ids' AS ids, profile -> 'segments' AS segments OFFSET 0) AS p, jsonb_array_elements(p.segments) WITH ORDINALITY AS s(item, place)
$$;
COMMENT ON FUNCTION segmentation.profile_sizes(jsonb) IS 'Internal: sizes and outcomes of the segments of a profile.';

CREATE FUNCTION segmentation.profile_importance(profile jsonb) RETURNS TABLE (feature text, role text, explained double precision) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT i ->> 'feature', i ->> 'role', (i ->> 'explained')::float8 FROM jsonb_array_elements(profile -> 'importance') AS i $$;
COMMENT ON FUNCTION segmentation.profile_importance(jsonb) IS 'Internal: the features of a profile by how much of their variance the segments explain.';

CREATE FUNCTION segmentation.profile_trend(profile jsonb) RETURNS TABLE (along text, bin integer, label text, low double precision, high double precision, segment integer, customers double precision,
    feature text, mean double precision) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 5000
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT a.name, b.place::integer, d.label, d.low, d.high, (p.ids ->> (s.place - 1)::integer)::integer, (b.item ->> 'customers')::float8, n.name, m.mean::float8
      FROM (SELECT profile -> 'ids' AS ids, profile -> 'trend' AS trend OFFSET 0) AS p,
           LATERAL (SELECT p.trend -> 'along' AS alongs, p.trend -> 'measures' AS measures OFFSET 0) AS t, jsonb_array_elements(t.alongs) AS item,
           LATERAL (SELECT item ->> 'name' AS name, item -> 'bins' AS bins, item -> 'segments' AS segments OFFSET 0) AS a,
           jsonb_array_elements(a.segments) WITH ORDINALITY AS s(bins, place), jsonb_array_elements(s.bins) WITH ORDINALITY AS b(item, place),
           LATERAL (SELECT e ->> 'label' AS label, (e ->> 'low')::float8 AS low, (e ->> 'high')::float8 AS high FROM (SELECT a.bins -> (b.place - 1)::integer OFFSET 0) AS i(e) OFFSET 0) AS d,
           jsonb_array_elements_text(b.item -> 'means') WITH ORDINALITY AS m(mean, place), LATERAL (SELECT t.measures ->> (m.place - 1)::integer OFFSET 0) AS n(name)
     WHERE n.name <> a.name
$$;
COMMENT ON FUNCTION segmentation.profile_trend(jsonb) IS 'Internal: the means of a profile along its columns.';

CREATE FUNCTION segmentation.compare_risks(known bigint[], events bigint[]) RETURNS TABLE (place integer, rate double precision, rate_low double precision, rate_high double precision,
    rest_rate double precision, difference double precision, difference_low double precision, difference_high double precision, p double precision, p_corrected double precision, verdict text)
    AS 'MODULE_PATHNAME', 'segmentation_compare_risks' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION segmentation.compare_risks(bigint[], bigint[]) IS 'How often something happened in each of several groups, against all others together: from known outcomes and events of each, rates with Wilson''s intervals, differences with Newcombe''s, p of the score test and as corrected by Holm for the number of groups, and a verdict at 5 %: higher, lower, not distinguishable, or too few known (30). Intervals are for 95 %.';

-- Rates and verdicts by segment; none without an outcome. A segment with fewer than 10 known outcomes has no events in the profile: it has no rate, and is
-- not part of the rest of the others, from whose rates its own would come out.
CREATE FUNCTION segmentation.profile_risks(profile jsonb) RETURNS TABLE (segment integer, customers double precision, known double precision, events double precision, rate double precision, rate_low double precision,
    rate_high double precision, rest_rate double precision, difference double precision, difference_low double precision, difference_high double precision, p_value double precision, verdict text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    WITH sizes AS (
        SELECT z.*, CASE WHEN z.events IS NULL THEN 0 ELSE z.known END AS counted, row_number() OVER () AS place FROM segmentation.profile_sizes(profile) AS z WHERE z.known IS NOT NULL
    ), risks AS (
        SELECT r.* FROM (SELECT array_agg(z.counted ORDER BY z.place) AS known, array_agg(coalesce(z.events, 0) ORDER BY z.place) AS events FROM sizes AS z) AS c, segmentation.compare_risks(c.known, c.events) AS r
    )
    SELECT z.segment, z.customers, z.known::float8, z.events::float8, r.rate, r.rate_low, r.rate_high, r.rest_rate, r.difference, r.difference_low, r.difference_high, r.p_corrected, r.verdict
      FROM sizes AS z JOIN risks AS r ON r.place = z.place
$$;
COMMENT ON FUNCTION segmentation.profile_risks(jsonb) IS 'Internal: how often the outcome happened in each segment of a profile, against the rest.';

-- A name for each segment, from where its means are farthest from the population's: the two strongest, or four where two would name
-- another segment as well.
CREATE FUNCTION segmentation.profile_labels(profile jsonb) RETURNS TABLE (segment integer, label text) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 10
    SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    WITH strong AS (
        SELECT f.segment, CASE WHEN f.kind = 'number' THEN f.level || ' ' || f.feature ELSE 'often ' || f.feature END AS part,
               row_number() OVER (PARTITION BY f.segment ORDER BY abs(f.z_score) DESC, f.feature) AS place
          FROM segmentation.profile_features(profile) AS f
         WHERE f.role <> 'outcome' AND (f.level = 'high' OR f.level = 'low' AND f.kind = 'number')
    ), named AS (
        SELECT z.segment, z.customers, string_agg(s.part, ', ' ORDER BY s.place) FILTER (WHERE s.place <= 2) AS short, string_agg(s.part, ', ' ORDER BY s.place) FILTER (WHERE s.place <= 4) AS long
          FROM segmentation.profile_sizes(profile) AS z LEFT JOIN strong AS s ON s.segment = z.segment GROUP BY z.segment, z.customers
    )
    SELECT n.segment, coalesce(CASE WHEN n.customers < 10 THEN 'too few customers' WHEN count(*) OVER (PARTITION BY n.short) > 1 THEN n.long ELSE n.short END, 'near the average') FROM named AS n
$$;
COMMENT ON FUNCTION segmentation.profile_labels(jsonb) IS 'Internal: suggested names for the segments of a profile.';

-- A profile as it goes into the registry, with the segments' ids; an error where it is not one that a training could have made (core/profile_check.h),
-- so that no view ever meets one.
CREATE FUNCTION segmentation.check_profile(profile jsonb, segments integer) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_check_profile' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION segmentation.check_profile(jsonb, integer) IS 'Internal: raises an error where a profile of so many segments is not what it should be.';
CREATE FUNCTION segmentation.checked_profile(profile jsonb, ids integer[]) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF profile IS NOT NULL AND jsonb_typeof(profile) = 'object' THEN
        profile := profile - 'ids';
    END IF;
    PERFORM segmentation.check_profile(profile, cardinality(ids));
    RETURN profile || jsonb_build_object('ids', to_jsonb(ids));
END $$;
COMMENT ON FUNCTION segmentation.checked_profile(jsonb, integer[]) IS 'Internal: a profile with the ids of its segments, checked.';

-- The same for how a number of segments was chosen.
CREATE FUNCTION segmentation.checked_choice(choice jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF octet_length(choice::text) > 1000000 THEN
        RAISE EXCEPTION USING ERRCODE = '54000', MESSAGE = 'choice of a number of segments is too large';
    ELSIF EXISTS (SELECT FROM segmentation.choice_rows(choice) AS c WHERE c.k IS NULL OR c.chosen IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'invalid choice of a number of segments', DETAIL = 'A number is missing.';
    END IF;
    RETURN choice;
EXCEPTION WHEN data_exception OR invalid_parameter_value THEN
    RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'invalid choice of a number of segments', DETAIL = format('It cannot be read: %s.', SQLERRM);
END $$;
COMMENT ON FUNCTION segmentation.checked_choice(jsonb) IS 'Internal: how a number of segments was chosen, checked.';
