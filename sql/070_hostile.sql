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
-- So is that of kmeans_step, with the model in it (6 bytes of its text to a number). What a final function gets:
CREATE FUNCTION last(float8[], float8[]) RETURNS float8[] LANGUAGE sql AS 'SELECT $2';
CREATE AGGREGATE step_of(float8[]) (SFUNC = last, STYPE = float8[], FINALFUNC = kmeans_step_final);
CREATE AGGREGATE evaluation_of(float8[]) (SFUNC = last, STYPE = float8[], FINALFUNC = kmeans_evaluate_final);
CREATE AGGREGATE state_of(kmeans_model, float8[]) (SFUNC = kmeans_step_accum, STYPE = float8[]);
CREATE TABLE state AS SELECT state_of(m, ARRAY[1]) AS s, array_length(state_of(m, ARRAY[1]), 1) AS n FROM model;
SELECT step_of(s) = (SELECT kmeans_step(m, ARRAY[1]) FROM model) AS as_it_is FROM state;
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text;
BEGIN
    EXECUTE query INTO answer;
    RETURN coalesce(answer, 'NULL');
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT try(format('SELECT step_of(%L::float8[])', a)) AS answer, a FROM unnest(ARRAY['{}', '{NULL}', '{{1,2}}', '{1,2,1,0,0,0}', '{2,1e300,1,0,0,1}', '{2,NaN,1,0,0,1}',
    '{2,1,1,0,0,0,1,1,1,1,1,1,1}', '{2,1,1,0,0,6,1,1,1,1,1,1,1,1}', '{2,1,1,0,0,6,1,1,1,1,1,1,1,-1}', '{2,1,1,0,0,6,1,1,1,1,1,1,1,NaN}', '{2,1,1,0,0,6,1,1,1,1,1,1,1,1e300}',
    '{2,1,1,0,0,1e300,1}', '{2,1,1,-1,0,6,1,1,1,1,1,1,1,1}', '{2,1,1,0,0,6,-1,1,1,1,1,1,1,1}', '{2,1,1,0,0,6,1,NaN,1,1,1,1,1,1}', '{2,1,1,0,0,6,1e19,1,1,1,1,1,1,1}', '{2,1,1,0,0,6,0,0,0,0,0,0,0,1}']) AS a;
-- Each number of a true state replaced by others: an error or an answer, and never a model that is none.
CREATE FUNCTION replaced(s float8[], i int, v float8) RETURNS float8[] LANGUAGE plpgsql AS 'BEGIN s[i] := v; RETURN s; END';
SELECT count(*) > 100 AS tried, count(*) FILTER (WHERE a ~ '^(2|X)') > 100 AS refused, count(*) FILTER (WHERE a ~ '^X') AS internal_errors, count(*) FILTER (WHERE a ~ '^\{' AND a::kmeans_model IS NULL) AS no_models
  FROM (SELECT try(format('SELECT step_of(%L::float8[])', replaced(s, i, v))) AS a FROM state, generate_series(1, least(n, 60)) AS i, unnest(ARRAY[-1, 0, 0.5, 1, 3, 1e6, 1e18, 1e308, 'NaN', 'Infinity', '-Infinity']::float8[]) AS v) AS t;
SELECT try(format('SELECT step_of(%L::float8[])', s[1:i])) AS answer, count(*) FROM state, generate_series(0, n) AS i WHERE i < n GROUP BY 1;
SELECT DISTINCT try(format('SELECT evaluation_of(%L::float8[])', s)) AS other_aggregate FROM state;
-- As the state that rows are added to, and that is combined.
SELECT format('CREATE AGGREGATE step_from(kmeans_model, float8[]) (SFUNC = kmeans_step_accum, STYPE = float8[], FINALFUNC = kmeans_step_final, INITCOND = %L)', s) AS make FROM state \gset
CREATE FUNCTION run(command text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE command; END';
SELECT run(:'make');
SELECT rows FROM (SELECT step_from(m, ARRAY[x::float8]) AS s FROM model, generate_series(1, 9) AS x) AS t, kmeans_info(s);
SELECT step_from(other, ARRAY[1::float8]) FROM (SELECT kmeans(ARRAY[x], 2) AS other FROM generate_series(1, 11) AS x) AS t;
DROP AGGREGATE step_from(kmeans_model, float8[]);
CREATE AGGREGATE step_from(kmeans_model, float8[]) (SFUNC = kmeans_step_accum, STYPE = float8[], FINALFUNC = kmeans_step_final, INITCOND = '{2,1,1,0,0,6,1,1,1,1,1,1,1,1}');
SELECT step_from(m, ARRAY[1::float8]) FROM model;
CREATE AGGREGATE combined(float8[]) (SFUNC = kmeans_step_combine, STYPE = float8[], FINALFUNC = kmeans_step_final);
SELECT rows FROM (SELECT combined(s) AS c FROM (SELECT s FROM state UNION ALL SELECT s FROM state) AS t) AS u, kmeans_info(c);
SELECT combined(v) FROM (SELECT s FROM state UNION ALL SELECT '{2,1,1,0,0,6,1,1,1,1,1,1,1,1}') AS t(v);
SELECT combined(v) FROM (SELECT '{1}'::float8[]) AS t(v);
DROP AGGREGATE step_of(float8[]), evaluation_of(float8[]), state_of(kmeans_model, float8[]), step_from(kmeans_model, float8[]), combined(float8[]);
DROP FUNCTION last, try, run, replaced;
DROP TABLE state;

DROP AGGREGATE add_weights(float8[], int, float8), drop_weights(float8[], int), not_asked(float8[], int), made_up(kmeans_model, float8[]), empty(kmeans_model, float8[]);
DROP TABLE model;
