-- Aggregates that somebody made up over our transition functions, with initial states of their own choosing.
\set VERBOSITY terse
SELECT kmeans_sketch(ARRAY[x::float8], 6070) AS plain, kmeans_sketch(ARRAY[x::float8], 6070, 2) AS weighted FROM generate_series(1, 3) AS x \gset

-- Weights on a state without them: the rows so far count once.
CREATE AGGREGATE add_weights(float8[], int, float8) (SFUNC = kmeans_sketch_accum, STYPE = kmeans_sketch, FINALFUNC = kmeans_sketch_final, INITCOND = :'plain');
SELECT weight, rows FROM (SELECT kmeans_fit(add_weights(ARRAY[x::float8], 6070, 7), 1) AS m FROM generate_series(1, 6067) AS x) AS t, kmeans_info(m);
SELECT 3 + 6067 * 7 AS weight;
-- No weights on a state with them: the new rows count once.
CREATE AGGREGATE drop_weights(float8[], int) (SFUNC = kmeans_sketch_accum, STYPE = kmeans_sketch, FINALFUNC = kmeans_sketch_final, INITCOND = :'weighted');
SELECT weight, rows FROM (SELECT kmeans_fit(drop_weights(ARRAY[x::float8], 6070), 1) AS m FROM generate_series(1, 6067) AS x) AS t, kmeans_info(m);
SELECT 3 * 2 + 6067 AS weight;
-- A training whose state never was asked for anything.
CREATE AGGREGATE not_asked(float8[], int) (SFUNC = kmeans_accum, STYPE = kmeans_sketch, FINALFUNC = kmeans_final, INITCOND = :'plain');
SELECT not_asked(ARRAY[1], 1);
-- The state of kmeans_evaluate is an array that anybody can write.
CREATE TABLE model AS SELECT kmeans(ARRAY[x], 2) AS m FROM generate_series(1, 10) AS x;
CREATE AGGREGATE made_up(kmeans_model, float8[]) (SFUNC = kmeans_evaluate_accum, STYPE = float8[], FINALFUNC = kmeans_evaluate_final, INITCOND = '{1,60000,60,0,0}');
SELECT made_up(m, ARRAY[1]) FROM model;
CREATE AGGREGATE empty(kmeans_model, float8[]) (SFUNC = kmeans_evaluate_accum, STYPE = float8[], FINALFUNC = kmeans_evaluate_final, INITCOND = '{}');
SELECT empty(m, ARRAY[1]) FROM model;

DROP AGGREGATE add_weights(float8[], int, float8), drop_weights(float8[], int), not_asked(float8[], int), made_up(kmeans_model, float8[]), empty(kmeans_model, float8[]);
DROP TABLE model;
