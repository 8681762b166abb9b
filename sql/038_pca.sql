-- Principal component analysis: values that can be followed by hand, options, errors, the type.
\set VERBOSITY terse
-- Along (3, 4) / 5 the points lie at -10, 0, 10: variance 100, and nothing across.
CREATE TABLE line AS SELECT ARRAY[100 + 3 * i, 200 + 4 * i]::float8[] AS x, i FROM generate_series(-2, 2, 2) AS i;
CREATE VIEW on_line AS SELECT pca(x, '{"features": ["width", "height"]}') AS model FROM line;
SELECT component, feature, round(loading::numeric, 12) AS loading, round(variance::numeric, 12) AS variance, round(variance_ratio::numeric, 12) AS ratio,
       round(cumulative_ratio::numeric, 12) AS cumulative FROM on_line, pca_components(model);
SELECT i, round(y[1]::numeric, 12) AS along, round(y[2]::numeric, 12) + 0 AS across FROM on_line, line, pca_transform(model, x) AS y ORDER BY i;
SELECT model::jsonb - 'axes' - 'variances' - 'total_variance' AS model FROM on_line;
-- Fewer components: a number, or a share of the variance; weights count rows; a weight of 0 leaves a row out, and so does a NULL array.
SELECT o, jsonb_array_length(pca(ARRAY[3 * x[1], x[2], i * i], o)::jsonb -> 'variances') AS components
  FROM line, (VALUES (jsonb '{}'), ('{"components": 1}'), ('{"components": 3}'), ('{"components": 0.5}'), ('{"components": 0.999999999}')) AS v(o) GROUP BY o ORDER BY o;
SELECT pca(x, '{}', 2) = pca(x, '{}') AS weight_is_not_forgotten, (pca(x, '{}', 2)::jsonb -> 'axes') = (pca(x)::jsonb -> 'axes') AS same_axes FROM line;
SELECT (SELECT pca(x, '{}', n)::jsonb - 'rows' FROM line, generate_series(1, 1), LATERAL (SELECT 3 + i AS n) AS w)
     = (SELECT pca(x)::jsonb - 'rows' FROM line, generate_series(1, 3 + i)) AS weights_are_repetitions;
SELECT (SELECT pca(x, '{}', 1) FROM line) = pca(y, '{}', w) AS left_out
  FROM (SELECT x AS y, 1 AS w FROM line UNION ALL VALUES (ARRAY[7, 7]::float8[], 0), (NULL, 1)) AS t;
-- Scaling: two columns that differ by units alone.
SELECT scale, bool_and(abs(abs(loading) - sqrt(0.5)) < 1e-12) AS equal_shares
  FROM (SELECT scale, pca(ARRAY[x[1], 1000 * x[1] + i % 2], jsonb_build_object('scale', scale, 'components', 1)) AS model
          FROM line, unnest(ARRAY['none', 'zscore', 'minmax']) AS scale GROUP BY scale) AS t, pca_components(model) GROUP BY scale ORDER BY scale;
-- Nothing to tell apart: no rows, one row, equal rows, a column that is constant.
SELECT pca(NULL::float8[]) AS no_rows, pca(ARRAY['NaN'::float8], '{"on_null": "skip"}') AS none_left;
SELECT pca(ARRAY[1, 2]);
SELECT * FROM pca_components((SELECT pca(ARRAY[1, 2]) FROM generate_series(1, 3)));
SELECT component, feature, loading, variance FROM pca_components((SELECT pca(ARRAY[i, 5], '{"scale": "zscore"}') FROM generate_series(1, 3) AS i)) WHERE component = 2 OR loading > 0 ORDER BY 1, 2;
-- Rows that are skipped; rows that have no components.
SELECT model::jsonb -> 'rows' AS rows, model::jsonb -> 'skipped' AS skipped
  FROM (SELECT pca(ARRAY[a, 1], '{"on_null": "skip"}', w) AS model FROM (VALUES (1.0::float8, 1.0::float8), (2, 1), (NULL, 1), ('NaN', 1), ('Infinity', 1), (3, NULL), (4, 'Infinity')) AS v(a, w)) AS t;
SELECT pca_transform(model, ARRAY[1, NULL]), pca_transform(model, ARRAY['NaN'::float8, 1]), pca_transform(model, ARRAY['-Infinity'::float8, 1]), pca_transform(NULL, ARRAY[1, 2]), pca_transform(model, NULL) FROM on_line;

\echo == errors
\set VERBOSITY default
SELECT pca(x, '{"colour": 1}') FROM line;
SELECT pca(x, '{"k": 1, "seed": 2}') FROM line;
SELECT pca(x, '{"scale": "robust"}') FROM line;
SELECT pca(x, '{"scale": 3}') FROM line;
SELECT pca(x, '{"components": 0}') FROM line;
SELECT pca(x, '{"components": 1.5}') FROM line;
SELECT pca(x, '{"components": 3}') FROM line;
SELECT pca(x, '{"on_null": "drop"}') FROM line;
SELECT pca(x, '{"features": ["a"]}') FROM line;
SELECT pca(x, '{"features": ["a", "a"]}') FROM line;
SELECT pca(x, '[]') FROM line;
SELECT pca(x, jsonb_build_object('components', 1 + abs(i) / 2)) FROM line;
SELECT pca(ARRAY[i, NULL]) FROM line;
SELECT pca(ARRAY[i, 'NaN'::float8]) FROM line;
SELECT pca('{}'::float8[]);
SELECT pca(ARRAY[ARRAY[1, 2]]);
SELECT pca(array_fill(i, ARRAY[i])) FROM generate_series(1, 2) AS i;
SELECT pca(array_fill(1.0::float8, ARRAY[1025]));
SELECT pca(x, '{}', -1) FROM line;
SELECT pca(x, '{}', NULL) FROM line;
SELECT pca(x, '{}', 'NaN') FROM line;
SELECT pca(x, '{}', 0.1) FROM line;
SELECT pca(ARRAY[i * 1e200]) FROM line;
SELECT pca(x, '{}', 1e308) FROM line;
SELECT pca_transform(model, ARRAY[1, 2, 3]) FROM on_line;
SELECT pca_accum(NULL, ARRAY[1, 2]);
SELECT pca_final(ARRAY[1, 2]);
SELECT 'customers'::pca_model;
SELECT '{"format": 2}'::pca_model;
SELECT '{"format": 1}'::pca_model;
SELECT jsonb_set(model::jsonb, '{scale}', '[1, 0]')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{axes}', '[[1, 0], [0, 1], [1, 0]]')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{axes}', '[[1], [0, 1]]')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{axes}', '[[2, 0], [0, 1]]')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{variances}', '[1, 2]')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{features}', '["a", "a"]')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{scaling}', '"robust"')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{colour}', '1')::pca_model FROM on_line;
SELECT jsonb_set(model::jsonb, '{rows}', '-1')::pca_model FROM on_line;

\echo == states that somebody made up
CREATE AGGREGATE pca_from(double precision[]) (SFUNC = pca_accum, STYPE = double precision[], FINALFUNC = pca_final, INITCOND = '{1,1,0,2}');
SELECT pca_from(ARRAY[1]);
CREATE AGGREGATE pca_of(double precision[]) (SFUNC = pca_combine, STYPE = double precision[], FINALFUNC = pca_final);
SELECT pca_of(s) FROM (VALUES (NULL::float8[]), (ARRAY[1, 1, 0, 2, 'NaN'::float8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32123])) AS v(s);
SELECT pca_of(s) FROM (VALUES (ARRAY[1, 1e9, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32123])) AS v(s);
-- {} as options: 123 + 256 * 125; one row, but sums that no row has.
SELECT pca_of(s) FROM (VALUES (ARRAY[1, 1, 0, 2, 1, 0, 1, 0, 5, 5, 5, 0, 0, 0, 0, 32123])) AS v(s);
SELECT pca_of(s) FROM (VALUES (ARRAY[1, 1, 0, 2, 1, 0, 9, 0, 5, 1, 9, 0, 0, 'NaN'::float8, 0, 32123])) AS v(s);
SELECT pca_of(s) FROM (VALUES (ARRAY[1, 1, 0, 2, 1, 0, 9, 0, 5, 1, 9, 0, 0, -9, 0, 32123])) AS v(s);
SELECT pca_of(s) FROM (VALUES (ARRAY[1, 1, 0, 2, 1, 0, 9, 0, 5, 1, 9, 0, 0, 9, 0, 1e300])) AS v(s);
DROP AGGREGATE pca_from(double precision[]);
DROP AGGREGATE pca_of(double precision[]);

\echo == the type
\set VERBOSITY terse
CREATE TABLE pcas AS SELECT g, pca(ARRAY[i, i * i % (7 + g), i % 5], '{"scale": "zscore", "features": ["ü", "it''s", "\"q\""]}') AS model FROM generate_series(1, 50) AS i, generate_series(1, 4) AS g GROUP BY g;
SELECT g, left(model::text, 12) AS starts, model::text::pca_model::text = model::text AS text, model::jsonb::pca_model = model AS jsonb, jsonb_pretty(model::jsonb)::pca_model::text = model::text AS pretty FROM pcas ORDER BY g;
CREATE TABLE pcas_twice AS SELECT model FROM pcas UNION ALL SELECT model FROM pcas;
SELECT count(*), count(DISTINCT model) FROM pcas_twice;
SELECT count(*) FROM (SELECT model FROM pcas_twice GROUP BY model) AS t;
SELECT count(*) FROM (SELECT model FROM pcas_twice UNION SELECT model FROM pcas) AS t;
SET enable_hashjoin = off; SET enable_nestloop = off;
SELECT count(*) FROM pcas_twice JOIN pcas USING (model);
RESET enable_hashjoin; SET enable_mergejoin = off;
SELECT count(*) FROM pcas_twice JOIN pcas USING (model);
RESET enable_nestloop; RESET enable_mergejoin;
CREATE UNIQUE INDEX ON pcas (model);
SELECT bool_and((a.model < b.model) = (b.model > a.model) AND (a.model <= b.model) = NOT (a.model > b.model) AND (a.model = b.model) = (a.g = b.g)) AS order_holds
  FROM pcas AS a, pcas AS b;
-- One call site, many models; a generated column.
SELECT count(*) AS different FROM (SELECT a.g, pca_transform(a.model, x) AS y, pca_transform((SELECT b.model FROM pcas AS b WHERE b.g = a.g), x) AS z
  FROM pcas AS a, LATERAL (SELECT ARRAY[i, 2, 3]::float8[] AS x FROM generate_series(1, 20) AS i) AS r) AS t WHERE y IS DISTINCT FROM z;
SELECT format('CREATE TABLE transformed (a float8, b float8, y float8[] GENERATED ALWAYS AS (pca_transform(%L::pca_model, ARRAY[a, b])) STORED)', model) AS statement FROM on_line \gset
:statement;
INSERT INTO transformed (a, b) VALUES (103, 204), (NULL, 1);
SELECT a, round(y[1]::numeric, 12) AS along FROM transformed ORDER BY a;
DROP TABLE transformed, pcas, pcas_twice;
DROP VIEW on_line;
DROP TABLE line;
