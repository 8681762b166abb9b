-- kmeans_step, one step of k-means over any rows, on numbers that can be followed by hand; segmentation.refine, passes of it.
\set VERBOSITY terse
CREATE TABLE points (id int, x float8, y numeric, w int, note text);
INSERT INTO points VALUES (1, 0, 0, 1), (2, 2, 0, 3), (3, 10, 4, 1), (4, 14, 4, 1), (5, NULL, 1, 1), (6, 'NaN', 1, 1), (7, 12, NULL, 2);
SELECT kmeans(ARRAY[x, y], 3, '{"init": [[0, 0], [10, 0], [500, 500]], "max_iter": 1, "features": ["x", "y"]}') AS fitted FROM points WHERE id < 5 \gset
-- Segments 7 at (1, 1), 4 at (9, 4) and 0 at (500, 500).
SELECT jsonb_set(:'fitted'::kmeans_model::jsonb || '{"centroids": [[1, 1], [9, 4], [500, 500]]}', '{segments}', jsonb_agg(jsonb_build_object('id', i, 'rows', 1, 'weight', 1, 'inertia', 1)))::kmeans_model AS m
  FROM unnest(ARRAY[7, 4, 0]) AS i \gset

-- (0, 0) and (2, 0) go to 7, (10, 4) and (14, 4) to 4; segment 0 has no rows and stays. Inertias about the new centroids: 2 and 8.
SELECT segment, rows, weight, inertia, centroid FROM (SELECT kmeans_step(:'m', ARRAY[x, y]) AS s FROM points) AS t, kmeans_clusters(s);
SELECT rows, skipped, left_out, weight, inertia, total_inertia, iterations - i AS more_iterations, round(mean_distance::numeric, 9) = round(((2 * sqrt(2) + 1 + 5) / 4)::numeric, 9) AS mean_distance, features, exact
  FROM (SELECT kmeans_step(:'m', ARRAY[x, y]) AS s, (:'m'::kmeans_model::jsonb #>> '{fit,iterations}')::int AS i FROM points) AS t, kmeans_info(s);
-- With weights, of which 0 leaves a row out: (1.5, 0) and (14, 4).
SELECT segment, rows, weight, inertia, centroid FROM (SELECT kmeans_step(:'m', ARRAY[x, y], CASE id WHEN 3 THEN 0 ELSE w END) AS s FROM points) AS t, kmeans_clusters(s);
-- By the names of the inputs.
SELECT kmeans_step(:'m', ARRAY[x, y])::text = kmeans_step(:'m', to_jsonb(p))::text AS same, kmeans_step(:'m', ARRAY[x, y], w)::text = kmeans_step(:'m', to_jsonb(p), w)::text AS same_weighted FROM points AS p;
-- Two steps are a step of a step; at a fixed point nothing changes but the count, and the metrics are those of the model.
SELECT s1::jsonb -> 'centroids' = s2::jsonb -> 'centroids' AS still, s2::jsonb #- '{fit,iterations}' = s3::jsonb #- '{fit,iterations}' AS nothing_else,
       (s3::jsonb #>> '{fit,iterations}')::int - (s1::jsonb #>> '{fit,iterations}')::int AS steps, s1::jsonb ->> 'warnings' LIKE '%not_converged%' AS warned, s2::jsonb ->> 'warnings' AS warnings,
       (SELECT kmeans_evaluate(s2, ARRAY[x, y])::text = format('(%s,%s,%s,%s,%s,%s,%s,%s)', i.rows, i.skipped, i.weight, i.inertia, i.mean_distance, i.silhouette, i.calinski_harabasz, i.davies_bouldin) FROM points, kmeans_info(s2) AS i GROUP BY i.*, i.rows, i.skipped, i.weight, i.inertia, i.mean_distance, i.silhouette, i.calinski_harabasz, i.davies_bouldin) AS evaluates_alike
  FROM (SELECT kmeans_step(:'m', ARRAY[x, y]) AS s1 FROM points) AS a, LATERAL (SELECT kmeans_step(s1, ARRAY[x, y]) AS s2 FROM points) AS b, LATERAL (SELECT kmeans_step(s2, ARRAY[x, y]) AS s3 FROM points) AS c;
-- Under cosine distance a centroid becomes the direction of the sum of the directions; the model's scaling comes before.
SELECT feature, round(scaled::numeric, 9) AS scaled, round((1 / sqrt(2.0))::numeric, 9) AS expected
  FROM (SELECT kmeans_step(jsonb_set(:'m'::kmeans_model::jsonb, '{distance}', '"cosine"')::kmeans_model, f) AS s FROM (VALUES (ARRAY[8, 0]), (ARRAY[0, 1])) AS v(f)) AS t, kmeans_centroids(s) WHERE segment = 7;
SELECT centroid FROM (SELECT kmeans_step((:'m'::kmeans_model::jsonb || '{"offset": [0, 1], "scale": [2, 1]}')::kmeans_model, ARRAY[x, y]) AS s FROM points WHERE id < 3) AS t, kmeans_clusters(s) WHERE segment = 7;
-- A model that is stored moves within the row that holds it; groups have models of their own.
CREATE TABLE models AS SELECT 'a' AS name, :'m'::kmeans_model AS model;
UPDATE models SET model = (SELECT kmeans_step(model, ARRAY[x, y]) FROM points);
SELECT name, segment, centroid FROM models, kmeans_clusters(model);
SELECT id % 2 AS part, (SELECT array_agg(centroid::text) FROM kmeans_clusters(kmeans_step(:'m', ARRAY[x, y]))) AS centroids FROM points GROUP BY 1 ORDER BY 1;

-- Nothing to move.
SELECT kmeans_step(:'m', ARRAY[x, y]) IS NULL AS no_rows FROM points WHERE false;
SELECT kmeans_step(:'m', ARRAY[x, y]) IS NULL AS no_scores FROM points WHERE id IN (5, 6);
SELECT kmeans_step(:'m', NULL::float8[]) IS NULL AS no_features, kmeans_step(NULL, ARRAY[x, y]) IS NULL AS no_model, kmeans_step(:'m', ARRAY[x, y], 0) IS NULL AS no_weight FROM points;
SELECT count(*) FILTER (WHERE rows = 1 AND skipped = 1) AS row_without_features_is_not_counted FROM (SELECT kmeans_step(:'m', f) AS s FROM (VALUES (ARRAY[1, 1]), (NULL), (ARRAY[NULL, 1])) AS v(f)) AS t, kmeans_info(s);
-- Errors.
SELECT kmeans_step(:'m', ARRAY[x, y, 1]) FROM points;
SELECT kmeans_step(:'m', ARRAY[[x, y]]) FROM points;
SELECT kmeans_step(:'m', ARRAY[x, y], NULL) FROM points;
SELECT kmeans_step(:'m', ARRAY[x, y], -1) FROM points;
SELECT kmeans_step(:'m', ARRAY[x, y], 'NaN') FROM points;
SELECT kmeans_step(m, ARRAY[1, 1]) FROM (VALUES (:'m'::kmeans_model), (:'fitted')) AS v(m);
SELECT kmeans_step(:'m', ARRAY[x, y], 1e308) FROM points;
SELECT kmeans_step_accum(NULL, :'m'::kmeans_model, ARRAY[1.0]);
SELECT kmeans_step_final(NULL);

-- Passes over a table or a view, by the names of its columns.
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."p's" AS SELECT x AS "the ""x""", y AS "SELECT", id AS source FROM points;
SELECT r.segment, r.centroid FROM segmentation.refine(:'m', '"Odd Schema"."p''s"', ARRAY['the "x"', 'SELECT'], 5) AS m, kmeans_clusters(m) AS r;
SELECT segmentation.refine(:'m', 'points', '{x,y}') = (SELECT kmeans_step(:'m', ARRAY[x, y]) FROM points) AS one_pass;
CREATE VIEW doubled AS SELECT 2 * x AS x, y FROM points;
SELECT r.segment, r.rows, r.centroid FROM segmentation.refine(model => :'m', source => 'doubled', features => '{x,y}', passes => 2) AS m, kmeans_clusters(m) AS r;
CREATE TABLE nobody (x float8, y float8, gone int, source int);
ALTER TABLE nobody DROP COLUMN gone;
SELECT segmentation.refine(:'m', 'nobody', '{x,y}', 3) = :'m' AS unchanged;
SELECT segmentation.refine(:'m', 'points', '{x,z}');
SELECT segmentation.refine(:'m', 'points', '{x,points}');
SELECT segmentation.refine(:'m', 'points', '{x,ctid}');
SELECT segmentation.refine(:'m', 'nobody', '{x,gone}');
SELECT segmentation.refine(:'m', 'points', '{x,NULL}');
SELECT segmentation.refine(:'m', 'points', '{}');
SELECT segmentation.refine(:'m', 'points', NULL);
SELECT segmentation.refine(:'m', 'points', '{x,y}', 0);
SELECT segmentation.refine(:'m', 'points', '{x,y}', NULL);
SELECT segmentation.refine(NULL, 'points', '{x,y}');
SELECT segmentation.refine(:'m', NULL, '{x,y}');
SELECT segmentation.refine(:'m', 'points', '{x}');
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT segmentation.refine(:'m', 'points', '{X,y}');
SELECT segmentation.refine(:'m', 'points', '{y,x}');
SELECT segmentation.refine(:'m', 'points', '{x,note}');
\set VERBOSITY terse
-- The names of an unnamed model say nothing. Booleans are 0 and 1, and what has a cast to float8 is a number.
CREATE TABLE odd_types AS SELECT y AS f1, x AS f2, y > 0 AS flag, to_jsonb(y) AS document FROM points WHERE id < 5;
SELECT replace(replace(:'m', '"x"', '"f1"'), '"y"', '"f2"') AS unnamed \gset
SELECT segmentation.refine(:'unnamed', 'odd_types', '{f2,f1}') = kmeans_step(:'unnamed', ARRAY[f2, f1]) AS any_order FROM odd_types;
SELECT segmentation.refine(:'m', 'odd_types', '{flag,document}') = kmeans_step(:'m', ARRAY[flag::int, document::float8]) AS converted FROM odd_types;
-- Nobody reads through it what they may not read.
CREATE ROLE regress_refiner;
SET ROLE regress_refiner;
SELECT segmentation.refine(:'m', 'points', '{x,y}');
RESET ROLE;

DROP ROLE regress_refiner;
DROP SCHEMA "Odd Schema" CASCADE;
DROP VIEW doubled;
DROP TABLE points, models, nobody, odd_types;
