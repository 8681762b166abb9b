-- Scoring in all its forms, on a model that can be followed by hand.
\set VERBOSITY terse
CREATE TABLE customers (id int, age float8, note text, income numeric);
INSERT INTO customers VALUES (1, 20, 'young', 10), (2, 22, 'young', 12), (3, 60, 'old', 50), (4, 62, 'old', 54), (5, 64, 'old', 52);
CREATE TABLE models AS
    SELECT 'cards' AS name, kmeans(ARRAY[age, income], 2, '{"features": ["age", "income"]}') AS model FROM customers;

-- Segment 0 has its centroid at (62, 52), segment 1 at (21, 11).
SELECT segment, feature, centroid FROM models, kmeans_centroids(model) ORDER BY segment, feature;
-- (20, 10) is at distance sqrt(1 + 1) from its own and sqrt(42^2 + 42^2) from the other: 42 times as far.
SELECT id, s.segment, s.distance = sqrt(2) AS sqrt2, s.runner_up, s.runner_up_distance = sqrt(2 * 42 * 42) AS far,
       round(s.silhouette::numeric, 9) = round(1 - 1 / 42.0, 9) AS silhouette, s.outlier_score, s.borderline
  FROM customers, models, kmeans_score(model, ARRAY[age, income]) AS s WHERE id = 1;
-- (41, 31.5) is hardly nearer to one than to the other: sqrt(20^2 + 20.5^2) and sqrt(21^2 + 20.5^2).
SELECT r.* FROM models, kmeans_ranked(model, ARRAY[41, 31.5], 5) AS r ORDER BY rank;
SELECT segment, borderline FROM models, kmeans_score(model, ARRAY[41, 31.5]);

-- Array, row and jsonb agree; columns that the model does not know are ignored; an order cannot be got wrong.
SELECT id, kmeans_assign(model, ARRAY[c.age, c.income]) AS by_array, kmeans_assign(model, c) AS by_row,
       kmeans_assign(model, to_jsonb(c)) AS by_jsonb, kmeans_assign(model, t) AS by_other_row
  FROM models, customers AS c, LATERAL (SELECT c.income::real AS income, 'x' AS z, c.age::int AS age) AS t ORDER BY id;

-- Why: (20, 10) is in segment 1, and (42^2 - 1) closer by each feature; together runner_up_distance^2 - distance^2.
SELECT e.* FROM models, kmeans_explain(model, '{"income": 10, "age": 20}'::jsonb) AS e;

-- Missing values have no score, and do not end the run.
SELECT v, kmeans_assign(model, ARRAY[v, 50]) AS segment, kmeans_distance(model, ARRAY[v, 50]) AS distance
  FROM models, unnest(ARRAY[60, NULL, 'NaN', 'Infinity', '-Infinity', 1e308]::float8[]) AS v;
SELECT count(*) AS rows FROM models, kmeans_ranked(model, ARRAY[NULL, 1], 2);
SELECT kmeans_assign(model, '{"age": 60}'::jsonb) AS absent, kmeans_assign(model, '{"age": 60, "income": null}'::jsonb) AS is_null,
       kmeans_assign(model, '{"age": 60, "income": "NaN"}'::jsonb) AS nan, kmeans_assign(NULL::kmeans_model, ARRAY[1, 2]) AS no_model,
       kmeans_assign(model, NULL::float8[]) AS no_array, kmeans_score(model, ARRAY[NULL, 1]) IS NULL AS no_row FROM models;

-- Everything between a raw row and its segment is in the model. Imputation, clipping and a transform (ln(1 + x), whose value for
-- e - 1 is 1), two segments at 0 and 2 of the transformed age.
CREATE TABLE prepared AS SELECT jsonb_set(jsonb_set(jsonb_set(m, '{inputs}',
      '[{"name": "age", "kind": "numeric", "transform": "log1p", "clip_low": 0, "clip_high": 100, "impute": 50}]'),
      '{offset}', '[0]'), '{scale}', '[1]') || '{"centroids": [[0], [2]]}' AS model
  FROM (SELECT kmeans(ARRAY[x], 2)::jsonb AS m FROM generate_series(1, 4) AS x) AS t;
UPDATE prepared SET model = model::kmeans_model::jsonb;
SELECT a, round(kmeans_distance(model::kmeans_model, ARRAY[a])::numeric, 9) AS distance, kmeans_assign(model::kmeans_model, ARRAY[a]) AS segment
  FROM prepared, unnest(ARRAY[-5, 0, exp(1) - 1, 100, 1000, NULL]::float8[]) AS a;
SELECT round(ln(101.0) - 2, 9) AS at_100, round(ln(51.0) - 2, 9) AS imputed;
SELECT segment, round(centroid::numeric, 9) AS raw, scaled FROM prepared, kmeans_centroids(model::kmeans_model);
SELECT round(exp(2.0) - 1, 9) AS raw_of_2;

-- A categorical input: one column per level, unseen levels are "other". Centroids at web, shop and other.
CREATE TABLE categorical AS SELECT jsonb_set(m, '{inputs}',
      '[{"name": "channel", "kind": "categorical", "levels": ["shop", "web"], "unseen": "other", "impute": "shop"}]')
      || '{"offset": [0, 0, 0], "scale": [1, 1, 1], "centroids": [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}' AS model
  FROM (SELECT kmeans(ARRAY[x], 3)::jsonb AS m FROM generate_series(1, 3) AS x) AS t;
SELECT channel, kmeans_assign(model::kmeans_model, t) AS by_row, kmeans_assign(model::kmeans_model, to_jsonb(t)) AS by_jsonb
  FROM categorical, (VALUES ('web'), ('shop'), ('phone'), (NULL)) AS t(channel);
SELECT feature, value, centroid, contribution FROM categorical, kmeans_explain(model::kmeans_model, '{"channel": "web"}'::jsonb);
SELECT channel, rule, kmeans_assign(jsonb_set(jsonb_set(jsonb_set(jsonb_set(jsonb_set(model, '{inputs, 0, unseen}', to_jsonb(rule)),
      '{centroids}', '[[0, 1], [1, 0], [0.4, 0.4]]'), '{offset}', '[0, 0]'), '{scale}', '[1, 1]'), '{inputs, 0, impute}', 'null')::kmeans_model,
      jsonb_build_object('channel', channel)) AS segment
  FROM categorical, (VALUES ('web'), ('phone'), (NULL)) AS t(channel), unnest(ARRAY['zero', 'null']) AS rule ORDER BY rule, channel;
\set VERBOSITY default
SELECT kmeans_assign(model::kmeans_model, ARRAY[1]) FROM categorical;
\set VERBOSITY terse

-- A rotation (here: exchange the two columns), and segment ids with a gap.
SELECT kmeans_assign(m, ARRAY[0, 9]) AS id, kmeans_distance(m, ARRAY[0, 9]) AS distance FROM (SELECT
    (jsonb_set(model::jsonb, '{segments, 0, id}', '7') || '{"rotation": {"center": [0, 0], "axes": [[0, 1], [1, 0]]}, "centroids": [[9, 0], [50, 50]]}')::kmeans_model AS m
    FROM models) AS t;

-- Judging a model on other rows: (21, 11) and (62, 52) lie on the centroids, (62, 55) 3 away.
SELECT (e).rows, (e).skipped, (e).weight, (e).inertia, (e).mean_distance, round((e).silhouette::numeric, 6) AS silhouette FROM (
    SELECT kmeans_evaluate(model, v) AS e FROM models, (VALUES (ARRAY[21, 11]::float8[]), (ARRAY[62, 52]), (ARRAY[62, 55]), (ARRAY[NULL, 1]), (NULL)) AS t(v)) AS t;
SELECT round(((1 + 1 + 1 - 3 / sqrt(41 ^ 2 + 44 ^ 2)) / 3)::numeric, 6) AS silhouette;
SELECT (kmeans_evaluate(model, ARRAY[age, income])).inertia = (kmeans_info(model)).inertia AS same FROM models, customers GROUP BY model;
SELECT (e).weight, (e).inertia FROM (SELECT kmeans_evaluate(model, ARRAY[62, 55], w) AS e FROM models, generate_series(0, 3) AS w) AS t;
SELECT kmeans_evaluate(model, to_jsonb(c)) = kmeans_evaluate(model, ARRAY[age, income]) AS by_jsonb FROM models, customers AS c;
SELECT kmeans_evaluate(model, ARRAY[1, 2]) IS NULL AS no_rows FROM models WHERE false;

DROP TABLE customers, models, prepared, categorical;
