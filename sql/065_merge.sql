-- Sketches that overflow, and merging: what travels as text gives the same bits as what does not.
\set VERBOSITY terse
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE points AS SELECT i, i % 4 AS g, ARRAY[(i * 7919) % 1009, sqrt(i), (i * 31) % 17]::float8[] AS x, 1 + i % 3 AS w FROM generate_series(1, 20000) AS i;
-- The header of a sketch, read from its bytes: rows, skipped rows, cells, rows behind the cells.
CREATE FUNCTION number_at(bytes bytea, at int) RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(get_byte(bytes, at + b)::bigint << (8 * b))::bigint FROM generate_series(0, 7) AS b $$;
-- Numbers that are not negative.
CREATE FUNCTION float_at(bytes bytea, at int) RETURNS float8 LANGUAGE sql AS $$
    SELECT CASE WHEN n = 0 THEN 0 ELSE (1 + (n & 4503599627370495)::float8 / 4503599627370496) * 2::float8 ^ ((n >> 52) - 1023) END FROM number_at(bytes, at) AS n $$;
CREATE FUNCTION described(s kmeans_sketch) RETURNS text LANGUAGE sql AS $$
    SELECT format('capacity %s: %s rows, %s skipped, %s cells of %s rows', number_at(b, 16), number_at(b, 24), number_at(b, 32), number_at(b, 40), number_at(b, 48))
      FROM (SELECT kmeans_sketch_send(s) AS b) AS t $$;

-- Exact up to the capacity, cells beyond; text and binary forms come back as they were.
CREATE TABLE sketches AS
    SELECT 'exact' AS kind, g, kmeans_sketch(x, 6000) AS s FROM points GROUP BY g
    UNION ALL SELECT 'overflowed', g, kmeans_sketch(x, 700) FROM points GROUP BY g
    UNION ALL SELECT 'weighted', g, kmeans_sketch(x, 700, w) FROM points GROUP BY g;
SELECT kind, described(s), count(*), bool_and(s::text::kmeans_sketch = s AND kmeans_sketch_send(s::text::kmeans_sketch) = kmeans_sketch_send(s)) AS same FROM sketches GROUP BY 1, 2 ORDER BY 1, 2;
-- Fewer different rows than cells: each cell is one of them, whatever the order.
SELECT described(a), a = b AS same FROM (SELECT kmeans_sketch(ARRAY[i % 7, i % 11], 10) AS a FROM generate_series(1, 7700) AS i) AS p,
    (SELECT kmeans_sketch(ARRAY[i % 7, i % 11], 10 ORDER BY i DESC) AS b FROM generate_series(1, 7700) AS i) AS q;
-- Weight, mean and sum of squares of the first column are those of the rows. A cell of three columns has 56 bytes.
SELECT kind, sum(float_at(b, at)) AS weight, round((sum(float_at(b, at) * float_at(b, at + 8)) / sum(float_at(b, at)))::numeric, 6) AS mean,
       round((sum(float_at(b, at + 32) + float_at(b, at) * float_at(b, at + 8) ^ 2))::numeric, 2) AS squares
  FROM (SELECT kind, kmeans_sketch_send(kmeans_merge(s)) AS b FROM sketches WHERE kind <> 'exact' GROUP BY kind) AS t,
       LATERAL (SELECT 56 + 48 + 56 * c::int AS at FROM generate_series(0, number_at(b, 40) - 1) AS c) AS cells GROUP BY kind ORDER BY kind;
SELECT sum(1) AS weight, round(avg(x[1])::numeric, 6) AS mean, round(sum(x[1] ^ 2)::numeric, 2) AS squares FROM points
UNION ALL SELECT sum(w), round((sum(w * x[1]) / sum(w))::numeric, 6), round(sum(w * x[1] ^ 2)::numeric, 2) FROM points;

-- Merging directly and by way of text, in every combination of kinds.
CREATE AGGREGATE merged_state(kmeans_sketch) (SFUNC = kmeans_merge_accum, STYPE = kmeans_sketch);
CREATE AGGREGATE merge_with_text(kmeans_sketch) (SFUNC = kmeans_merge_accum, STYPE = kmeans_sketch, FINALFUNC = kmeans_sketch_final);
SELECT a.kind, b.kind, described(direct), direct = step AS same_by_steps, direct = by_text AS same_by_text
  FROM sketches AS a, sketches AS b,
       LATERAL (SELECT kmeans_merge(s ORDER BY o) AS direct, merge_with_text(s::text::kmeans_sketch ORDER BY o) AS by_text FROM (VALUES (1, a.s), (2, b.s)) AS t (o, s)) AS d,
       LATERAL (SELECT kmeans_merge(s ORDER BY o) AS step FROM (SELECT 1 AS o, (SELECT merged_state(v.s) FROM (VALUES (a.s)) AS v (s))::text::kmeans_sketch AS s UNION ALL SELECT 2, b.s) AS t) AS e
 WHERE a.g = 0 AND b.g = 1 ORDER BY 1, 2;
-- Three of them: (a + b) + c with the sum of a and b as text between, and without.
SELECT kind, direct = step AS same FROM (SELECT DISTINCT kind FROM sketches) AS k,
    LATERAL (SELECT kmeans_merge(s ORDER BY g) AS direct FROM sketches AS t WHERE t.kind = k.kind AND g < 3) AS d,
    LATERAL (SELECT kmeans_merge(s ORDER BY o) AS step FROM (SELECT 1 AS o, (SELECT merged_state(s ORDER BY g)::text::kmeans_sketch AS s FROM sketches AS t WHERE t.kind = k.kind AND g < 2)
        UNION ALL SELECT 2, s FROM sketches AS t WHERE t.kind = k.kind AND g = 2) AS u) AS e ORDER BY 1;

-- The states of the training aggregate, combined as a leader does with what its workers send.
CREATE AGGREGATE training_state(float8[], int) (SFUNC = kmeans_accum, STYPE = kmeans_sketch);
CREATE AGGREGATE combined(kmeans_sketch) (SFUNC = kmeans_combine, STYPE = kmeans_sketch);
SET segmentation.train_memory = '1MB';
CREATE TABLE states AS SELECT 'many' AS kind, g, training_state(x || x || x, 3) AS s FROM points, generate_series(1, 4) GROUP BY g
    UNION ALL SELECT 'few', g, training_state(x || x || x, 3) FROM points WHERE i <= 200 GROUP BY g
    UNION ALL SELECT 'one', g, training_state(x || x || x, 3) FROM points WHERE i <= 4 GROUP BY g;
SELECT kind, g, described(s), number_at(kmeans_sketch_send(s), 4) & 4 AS room FROM states ORDER BY 1, 2;
SELECT a.kind, b.kind, described(direct), direct::text = by_text::text AS same
  FROM states AS a, states AS b, LATERAL (SELECT combined(s ORDER BY o) AS direct, combined(s::text::kmeans_sketch ORDER BY o) AS by_text FROM (VALUES (1, a.s), (2, b.s)) AS t (o, s)) AS d
 WHERE a.g = 0 AND b.g = 1 ORDER BY 1, 2;
SELECT described(combined(s ORDER BY kind, g)) FROM states;
-- A second state is left as it is.
SELECT a.s::text = b.s::text AS same FROM (SELECT s FROM states WHERE kind = 'many' AND g = 2) AS a, (SELECT s, (SELECT combined(t.s) FROM (VALUES (s), (s)) AS t (s)) AS sum FROM states WHERE kind = 'many' AND g = 2) AS b
 WHERE b.sum IS NOT NULL;
RESET segmentation.train_memory;

DROP TABLE points, sketches, states;
DROP AGGREGATE merged_state(kmeans_sketch), merge_with_text(kmeans_sketch), training_state(float8[], int), combined(kmeans_sketch);
DROP FUNCTION described(kmeans_sketch), number_at(bytea, int), float_at(bytea, int);
