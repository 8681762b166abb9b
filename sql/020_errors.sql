-- Every error that a user can make: its SQLSTATE, message, detail and hint.
CREATE FUNCTION attempt(statement text) RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN QUERY SELECT 'none', 'no error', '', '';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN NEXT;
END $$;
CREATE TABLE model AS SELECT kmeans(ARRAY[i, i * i], 2, '{"features": ["a", "b"]}') AS m FROM generate_series(1, 10) AS i;
\x on
\pset format unaligned
\pset tuples_only on

\echo == k and options (22023)
SELECT * FROM attempt('SELECT kmeans(ARRAY[1, 2], 0)');
SELECT * FROM attempt('SELECT kmeans(ARRAY[1, 2], 100000)');
SELECT * FROM attempt('SELECT kmeans(ARRAY[1, 2], NULL)');
SELECT * FROM attempt('SELECT kmeans(ARRAY[i, 2], i) FROM generate_series(1, 2) AS i');
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"colour": "red"}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"scale": "log"}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"n_init": 0}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"n_init": 2.5}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"tol": -1}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"trim": 0.6}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"trim": "half"}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 65536, '{"trim": 0.1}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"init": "best"}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"init": [[1, 2], [3, 4]]}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"init": [[1, "two"]]}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"features": ["a", "a"]}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '[1]')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, jsonb_build_object('seed', i)) FROM generate_series(1, 2) AS i$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{}', -1)$$);
SELECT * FROM attempt($$SELECT kmeans_sketch(ARRAY[1, 2], 0)$$);
SELECT * FROM attempt($$SELECT * FROM model, kmeans_ranked(m, ARRAY[1, 2], 0)$$);

\echo == dimensions (22000)
SELECT * FROM attempt('SELECT kmeans(array_fill(1.0::float8, ARRAY[i]), 1) FROM generate_series(2, 3) AS i');
SELECT * FROM attempt('SELECT kmeans_assign(m, ARRAY[1, 2, 3]) FROM model');
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"features": ["a"]}')$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{"init": [[1, 2, 3]]}')$$);
SELECT * FROM attempt($$SELECT kmeans_merge(s) FROM (SELECT kmeans_sketch(array_fill(1.0::float8, ARRAY[i]), 9) AS s FROM generate_series(2, 3) AS i GROUP BY i) AS t$$);

\echo == array shape (2202E)
SELECT * FROM attempt($$SELECT kmeans('{}'::float8[], 1)$$);
SELECT * FROM attempt('SELECT kmeans(ARRAY[[1, 2], [3, 4]], 1)');
SELECT * FROM attempt('SELECT kmeans_assign(m, ARRAY[[1, 2]]) FROM model');

\echo == NULL (22004)
SELECT * FROM attempt('SELECT kmeans(ARRAY[1, NULL], 1)');
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 2], 1, '{}', NULL)$$);

\echo == NaN and infinite (22003)
SELECT * FROM attempt($$SELECT kmeans(ARRAY[1, 'NaN'::float8], 1)$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY['-Infinity'::float8, 1], 1)$$);
SELECT * FROM attempt('SELECT kmeans(ARRAY[x], 2) FROM (VALUES (1e300), (-1e300), (3)) AS v(x)');
SELECT * FROM attempt($$SELECT kmeans(ARRAY[x], 1, '{}', 1e308) FROM generate_series(1, 3) AS x$$);
SELECT * FROM attempt($$SELECT kmeans(ARRAY[x], 1, '{"init": [[1e308]], "scale": "minmax"}') FROM generate_series(1, 3) AS x$$);

\echo == outlier factors (22023, 22004, 2202E, 22000, 22003)
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[1, 2], 0) OVER ()');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[1, 2], -3) OVER ()');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[i, 2], i) OVER () FROM generate_series(1, 2) AS i');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[1, 2], NULL) OVER ()');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[]::float8[], 2) OVER ()');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[[1, 2], [3, 4]], 2) OVER ()');
SELECT * FROM attempt('SELECT local_outlier_factor(array_fill(1::float8, ARRAY[i]), 2) OVER () FROM generate_series(1, 2) AS i');
SELECT * FROM attempt('SELECT local_outlier_factor(array_fill(1::float8, ARRAY[16385]), 2) OVER ()');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[i * 1e200], 2) OVER () FROM generate_series(1, 3) AS i');

\echo == text and binary forms (22P02, 22P03)
SELECT * FROM attempt($$SELECT 'model'::kmeans_model$$);
SELECT * FROM attempt($$SELECT '{"format": 2}'::kmeans_model$$);
SELECT * FROM attempt($$SELECT (m::jsonb - 'scale')::kmeans_model FROM model$$);
SELECT * FROM attempt($$SELECT (m::jsonb || '{"more": 1}')::kmeans_model FROM model$$);
SELECT * FROM attempt($$SELECT jsonb_set(m::jsonb, '{scale, 0}', '0')::kmeans_model FROM model$$);
SELECT * FROM attempt($$SELECT jsonb_set(m::jsonb, '{centroids, 0, 0}', '"1"')::kmeans_model FROM model$$);
SELECT * FROM attempt($$SELECT jsonb_set(m::jsonb, '{segments, 1, id}', '0')::kmeans_model FROM model$$);
SELECT * FROM attempt($$SELECT replace(m::text, '"offset":[0,', '"offset":[1e999,')::kmeans_model FROM model$$);
SELECT * FROM attempt($$SELECT repeat('[', 100000)::kmeans_model$$);
SELECT * FROM attempt($$SELECT 'not base64!'::kmeans_sketch$$);
SELECT * FROM attempt($$SELECT encode('12345', 'base64')::kmeans_sketch$$);

\echo == limits (54000)
SET segmentation.train_memory = '1MB';
SELECT * FROM attempt('SELECT kmeans(array_fill(i::float8, ARRAY[16384]), 2) FROM generate_series(1, 10) AS i');
SELECT * FROM attempt('SELECT kmeans_label(ARRAY[i, i], 2) OVER () FROM generate_series(1, 100000) AS i LIMIT 1');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[i, i], 2) OVER () FROM generate_series(1, 100000) AS i LIMIT 1');
SELECT * FROM attempt('SELECT local_outlier_factor(ARRAY[i], 1000) OVER () FROM generate_series(1, 1000) AS i LIMIT 1');
RESET segmentation.train_memory;

\echo == rows and jsonb (42703, 42804)
SELECT * FROM attempt('SELECT kmeans_assign(m, t) FROM model, (SELECT 1 AS a, 2 AS c) AS t');
SELECT * FROM attempt($$SELECT kmeans_assign(m, t) FROM model, (SELECT 1 AS a, 'two'::text AS b) AS t$$);
SELECT * FROM attempt('SELECT kmeans_assign(m, t) FROM model, (SELECT 1 AS a, 2 AS b, 3 AS a) AS t');
SELECT * FROM attempt($$SELECT kmeans_assign(jsonb_set(m::jsonb, '{inputs, 0}', '{"name": "a", "kind": "categorical", "levels": ["x"], "unseen": "zero", "impute": null}')::kmeans_model, t)
                        FROM model, (SELECT current_date AS a, 2 AS b) AS t$$);
SELECT * FROM attempt($$SELECT kmeans_assign(m, '{"a": 1, "b": "two"}'::jsonb) FROM model$$);
SELECT * FROM attempt($$SELECT kmeans_assign(m, '{"a": 1, "b": [2]}'::jsonb) FROM model$$);
SELECT * FROM attempt($$SELECT kmeans_assign(m, '[1, 2]'::jsonb) FROM model$$);

\echo == called where they make no sense (0A000)
SELECT * FROM attempt('SELECT kmeans_accum(NULL::kmeans_sketch, ARRAY[1.0], 1)');
SELECT * FROM attempt('SELECT kmeans_final(NULL::kmeans_sketch)');
\echo == settings
SELECT state FROM attempt($$SET segmentation.train_memory = '2GB'$$);  -- the words are the server's
SELECT state FROM attempt('SET segmentation.no_such_setting = 1');
\pset format aligned
\pset tuples_only off
\x off

-- Nothing is lost: the session goes on.
SELECT kmeans_assign(m, ARRAY[1, 1]) IS NOT NULL AS alive FROM model;
DROP TABLE model;
DROP FUNCTION attempt;
