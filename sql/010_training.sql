-- Training on data small enough to be followed by hand. Extension loaded by pg_regress.
\set VERBOSITY terse
CREATE TABLE line (x float8);
INSERT INTO line VALUES (0), (1), (10), (11), (12);

-- Two groups: {10, 11, 12} with mean 11 and squared distances 1 + 0 + 1, and {0, 1} with mean 0.5 and 0.25 + 0.25.
-- The larger one is segment 0. Inertia 2.5; about the common mean 6.8 it is 134.8; explained 1 - 2.5 / 134.8.
SELECT segments, k, features, distance, scale, rows, skipped, weight, inertia, round(total_inertia::numeric, 12) AS total_inertia,
       round(explained::numeric, 6) AS explained, exact, warnings
  FROM (SELECT kmeans(ARRAY[x], 2) AS model FROM line) AS trained, kmeans_info(model);
SELECT c.* FROM (SELECT kmeans(ARRAY[x], 2) AS model FROM line) AS trained, kmeans_clusters(model) AS c;
SELECT x, kmeans_assign(model, ARRAY[x]) AS segment, kmeans_distance(model, ARRAY[x]) AS distance
  FROM line, (SELECT kmeans(ARRAY[x], 2) AS model FROM line) AS trained ORDER BY x;

-- No rows, only NULL arrays: NULL, as SQL's own aggregates.
SELECT kmeans(ARRAY[x], 2) IS NULL AS no_rows FROM line WHERE false;
SELECT kmeans(NULL::float8[], 2) IS NULL AS null_arrays FROM line;
-- A NULL array among others is left out.
SELECT rows, inertia FROM (SELECT kmeans(CASE WHEN x < 12 THEN ARRAY[x] END, 2) AS model FROM line) AS t, kmeans_info(model);

-- One row; all rows equal; more clusters than different rows.
SELECT segments, rows, inertia, silhouette, calinski_harabasz FROM (SELECT kmeans(ARRAY[1, 2], 1) AS model) AS t, kmeans_info(model);
SELECT segments, k, rows, inertia, warnings
  FROM (SELECT kmeans(ARRAY[7, 7], 3) AS model FROM generate_series(1, 100)) AS t, kmeans_info(model);
SELECT segments, k, inertia, warnings
  FROM (SELECT kmeans(ARRAY[i % 3], 5) AS model FROM generate_series(1, 30) AS i) AS t, kmeans_info(model);

-- Inputs of every numeric type come through PostgreSQL's own casts, and give the same model.
SELECT count(DISTINCT model) AS models FROM (
    SELECT kmeans(ARRAY[x::int], 2) AS model FROM line
    UNION ALL SELECT kmeans(ARRAY[x::real], 2) FROM line
    UNION ALL SELECT kmeans(ARRAY[x::numeric], 2) FROM line
    UNION ALL SELECT kmeans(ARRAY[x], 2) FROM line) AS t;

-- A weight of n counts as n equal rows; 0 leaves the row out.
CREATE TABLE weighted (x float8, y float8, w int);
INSERT INTO weighted VALUES (0, 0, 3), (1, 0, 1), (10, 5, 2), (11, 5, 4), (50, 50, 0);
SELECT bool_and(a.centroid = b.centroid AND a.weight = b.weight AND abs(a.inertia - b.inertia) < 1e-12) AS same, count(*)
  FROM (SELECT c.* FROM (SELECT kmeans(ARRAY[x, y], 2, '{}', w) AS m FROM weighted) AS t, kmeans_clusters(m) AS c) AS a
  JOIN (SELECT c.* FROM (SELECT kmeans(ARRAY[x, y], 2) AS m FROM weighted, generate_series(1, w)) AS t, kmeans_clusters(m) AS c) AS b
       USING (segment);

-- Scaling lives in the model: centroids come back in raw units.
CREATE TABLE people (age int, income float8);
INSERT INTO people VALUES (20, 1000), (22, 1100), (24, 1000), (60, 90000), (61, 91000), (65, 95000), (66, 96000);
SELECT s, offsets, scales, raw FROM unnest(ARRAY['none', 'minmax']) AS s, LATERAL (
    SELECT model::jsonb -> 'offset' AS offsets, model::jsonb -> 'scale' AS scales, array_agg(round(c.centroid::numeric, 6) ORDER BY segment, feature) AS raw
      FROM (SELECT kmeans(ARRAY[age, income], 2, jsonb_build_object('scale', s, 'features', '["age","income"]'::jsonb)) AS model FROM people) AS t,
           kmeans_centroids(model) AS c GROUP BY model) AS r;
SELECT round((model::jsonb -> 'offset' ->> 0)::numeric, 9) = (SELECT round(avg(age), 9) FROM people) AS mean,
       round((model::jsonb -> 'scale' ->> 1)::numeric, 6) = (SELECT round(stddev_pop(income)::numeric, 6) FROM people) AS stddev
  FROM (SELECT kmeans(ARRAY[age, income], 2, '{"scale": "zscore"}') AS model FROM people) AS t;
SELECT (model::jsonb -> 'offset' ->> 0)::float8 = percentile_cont(0.5) WITHIN GROUP (ORDER BY age) AS median,
       (model::jsonb -> 'scale' ->> 1)::float8 =
           percentile_cont(0.75) WITHIN GROUP (ORDER BY income) - percentile_cont(0.25) WITHIN GROUP (ORDER BY income) AS iqr
  FROM (SELECT kmeans(ARRAY[age, income], 2, '{"scale": "robust"}') AS model FROM people) AS t, people GROUP BY model;

-- Only the proportions of weights mean something to it, unless they are counts.
SELECT w, round((model::jsonb -> 'offset' ->> 0)::numeric, 6) AS median, round((model::jsonb -> 'scale' ->> 0)::numeric, 6) AS iqr
  FROM unnest(ARRAY[1, 0.1, 0.01]) AS w, LATERAL (SELECT kmeans(ARRAY[x], 2, '{"scale": "robust"}', w) AS model FROM generate_series(1, 100) AS x) AS t;

-- Ties go to the segment listed first, so the order of the segments can move rows: no segment ends up empty or too small.
SELECT segment, rows, centroid FROM (SELECT kmeans(ARRAY[x], 3, '{"init": [[2], [-2], [6]]}') AS model
   FROM unnest(ARRAY[-2, -2, -2, 0, 4, 6, 6, 6]) AS x) AS t, kmeans_clusters(model);
SELECT segment, rows FROM (SELECT kmeans(ARRAY[x], 4, '{"seed": 18, "min_size": 3}') AS model
   FROM unnest(ARRAY[15, 11, 2, 7, 9, 14, 4, 5, 4, 1, 4, 5, 5, 10, 2, 2]) AS x) AS t, kmeans_clusters(model);

-- Explicit centroids, in raw units: one Lloyd step away from the answer, and a second step that changes nothing.
SELECT iterations, n_init, inertia
  FROM (SELECT kmeans(ARRAY[x], 2, '{"init": [[0], [12]]}') AS model FROM line) AS t, kmeans_info(model);
-- The order of the starts does not matter to the ids, and seed and quality are kept.
SELECT seed, quality, inertia
  FROM (SELECT kmeans(ARRAY[x], 2, '{"seed": -7, "quality": "best", "init": "random"}') AS model FROM line) AS t, kmeans_info(model);

-- Cosine distance: directions count, lengths do not. Unit vectors at 0, 10 and 90 degrees; 10 times as long is the same.
SELECT kmeans_assign(model, ARRAY[5, 0]) = kmeans_assign(model, ARRAY[0.1, 0.01]) AS same_direction,
       kmeans_assign(model, ARRAY[5, 0]) <> kmeans_assign(model, ARRAY[0, 1]) AS other_direction,
       kmeans_assign(model, ARRAY[0, 0]) IS NULL AS no_direction
  FROM (SELECT kmeans(ARRAY[x, y], 2, '{"distance": "cosine"}') AS model
          FROM (VALUES (1, 0), (10, 1), (3, 0.1), (0, 2), (0.1, 9)) AS v(x, y)) AS t;

-- min_size: five rows cannot make four segments of two.
SELECT segments, k, warnings FROM (SELECT kmeans(ARRAY[x], 4, '{"min_size": 2}') AS model FROM line) AS t, kmeans_info(model);

-- trim: a share of the farthest rows is left out, and everything in the model is of the others. Of {0, 1, 10, 11, 12} and 100 the
-- 100 (a sixth, 0.17 of six rows is one): the model of the five, as above, with inertia 2.5 of 134.8. The row scores as any other.
SELECT rows, left_out, skipped, weight, round(inertia::numeric, 12) AS inertia, round(total_inertia::numeric, 12) AS total_inertia,
       model::jsonb -> 'fit' -> 'trim' AS trim, kmeans_assign(model, ARRAY[100]) AS segment_of_100,
       (SELECT array_agg(rows ORDER BY segment) FROM kmeans_clusters(model)) AS sizes
  FROM (SELECT kmeans(ARRAY[x], 2, '{"trim": 0.17}') AS model FROM (TABLE line UNION ALL VALUES (100)) AS t(x)) AS t, kmeans_info(model);
-- Without it the outlier has a segment of its own. A share of less than a row is none; the decimal number counts (0.29 of 100 are 29).
SELECT trim, rows, left_out FROM unnest(ARRAY[0, 0.16, 0.34]) AS trim,
       LATERAL (SELECT kmeans(ARRAY[x], 2, jsonb_build_object('trim', trim)) AS model FROM (TABLE line UNION ALL VALUES (100)) AS t(x)) AS t, kmeans_info(model);
SELECT left_out FROM (SELECT kmeans(ARRAY[x], 1, '{"trim": 0.29}') AS model FROM generate_series(1, 100) AS x) AS t, kmeans_info(model);
-- By weight: 2 of 20 may be left out, so 100 is with weight 2, and is not with weight 3 (then 0 and 10 share a segment: inertia
-- 9 * 8 / 17 * 100). As many rows give the same.
SELECT w, rows, left_out, weight, inertia FROM unnest(ARRAY[2, 3]) AS w, LATERAL (
    SELECT kmeans(ARRAY[x], 2, '{"trim": 0.1}', v) AS model FROM (VALUES (0, 9), (10, 20 - 9 - w), (100, w)) AS t(x, v)) AS t, kmeans_info(model);
SELECT rows, left_out, inertia FROM (SELECT kmeans(ARRAY[x], 2, '{"trim": 0.1}') AS model
   FROM (VALUES (0, 9), (10, 9), (100, 2)) AS t(x, w), generate_series(1, w)) AS t, kmeans_info(model);
-- The same in kmeans_range, kmeans_fit and kmeans_label.
SELECT array_agg(i.left_out) AS left_out, (m.models)[2] = (SELECT kmeans(ARRAY[x], 2, '{"trim": 0.2}') FROM line) AS same
  FROM (SELECT kmeans_range(ARRAY[x], 1, 2, '{"trim": 0.2}') AS models FROM line) AS m, unnest(m.models) AS model, kmeans_info(model) AS i GROUP BY m.models;
SELECT kmeans_fit(kmeans_sketch(ARRAY[x], 100), 2, '{"trim": 0.2}') = kmeans(ARRAY[x], 2, '{"trim": 0.2}') AS same FROM line;
SELECT x, kmeans_label(ARRAY[x], 2, '{"trim": 0.17}') OVER () AS label FROM (TABLE line UNION ALL VALUES (100)) AS t(x) ORDER BY x;

-- What a user should know is said once, and kept.
SELECT count(*) FROM (SELECT i % 3 AS g, kmeans(ARRAY[i, random()], 2) FROM generate_series(1, 300) AS i GROUP BY 1) AS t;

-- Sketches: stored, merged, trained from later.
CREATE TABLE sketches AS SELECT x > 5 AS part, kmeans_sketch(ARRAY[x], 100) AS sketch FROM line GROUP BY 1;
SELECT kmeans_fit(kmeans_merge(sketch), 2) = (SELECT kmeans(ARRAY[x], 2) FROM line) AS same_model FROM sketches;
SELECT kmeans_merge(sketch) = (SELECT kmeans_sketch(ARRAY[x], 100) FROM line) AS same_sketch FROM sketches;
SELECT kmeans_merge(sketch) IS NULL AS nothing_to_merge FROM sketches WHERE false;
SELECT weight, rows FROM (SELECT kmeans_fit(kmeans_sketch(ARRAY[x, y], 10, w), 2) AS m FROM weighted) AS t, kmeans_info(m);

-- Aggregates as PostgreSQL has them: FILTER, DISTINCT, ORDER BY, GROUP BY, ROLLUP, frames.
SELECT rows FROM (SELECT kmeans(ARRAY[x], 2) FILTER (WHERE x < 11) AS m FROM line) AS t, kmeans_info(m);
SELECT rows FROM (SELECT kmeans(DISTINCT ARRAY[x], 2) AS m FROM line, generate_series(1, 3)) AS t, kmeans_info(m);
SELECT kmeans(ARRAY[x], 2 ORDER BY x) = kmeans(ARRAY[x], 2 ORDER BY x DESC) AS any_order FROM line;
SELECT big, (kmeans_info(m)).rows FROM (SELECT x > 5 AS big, kmeans(ARRAY[x], 1) AS m FROM line GROUP BY ROLLUP (1)) AS t ORDER BY big;
SELECT x, (kmeans_info(kmeans(ARRAY[x], 1) OVER (ORDER BY x ROWS 1 PRECEDING))).inertia FROM line ORDER BY x;

-- kmeans_label: cluster a partition without keeping a model.
SELECT x, kmeans_label(ARRAY[x], 2) OVER () AS label FROM line ORDER BY x;
SELECT x, kmeans_label(CASE WHEN x <> 1 THEN ARRAY[x] END, 2, '{"seed": 3}') OVER (PARTITION BY x < 5) AS label FROM line ORDER BY x;

-- local_outlier_factor: 1 where the neighbours lie as close to each other; NULL for rows that have something missing, or no other row.
-- By hand: densities 2/19, 2/19, 2/3, 1/2, 2/3 (but for the 1e-10), so factors 11/3, 11/3, 7/8, 4/3, 7/8.
SELECT x, round(local_outlier_factor(ARRAY[x], 2) OVER ()::numeric, 9) AS factor FROM line ORDER BY x;
SELECT x, local_outlier_factor(CASE x WHEN 10 THEN NULL WHEN 11 THEN ARRAY[x, NULL] WHEN 12 THEN ARRAY[x, 'NaN'] ELSE ARRAY[x, '-Infinity'] END, 2) OVER () AS missing,
       local_outlier_factor(ARRAY[x], 20) OVER (PARTITION BY x) AS alone FROM line ORDER BY x;

DROP TABLE line, weighted, people, sketches;
