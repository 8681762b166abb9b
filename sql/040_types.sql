-- The types: text, jsonb and binary forms, comparison, and the places where a model lives.
\set VERBOSITY terse
CREATE TABLE data AS SELECT i, ARRAY[i % 10, (i * 7) % 13]::float8[] AS f FROM generate_series(1, 200) AS i;
CREATE TABLE models AS SELECT k, kmeans(f, k) AS model FROM data, generate_series(1, 5) AS k GROUP BY k;

SELECT k, left(model::text, 12) AS starts, model::text::kmeans_model::text = model::text AS text, model::jsonb::kmeans_model = model AS jsonb
  FROM models ORDER BY k;
-- Members in any order and with white space are read; the canonical text comes back.
SELECT bool_and(jsonb_pretty(model::jsonb)::kmeans_model::text = model::text) AS pretty FROM models;
-- Sketches.
SELECT s::text::kmeans_sketch = s AS text, kmeans_fit(s, 3) = (SELECT model FROM models WHERE k = 3) AS fit FROM (SELECT kmeans_sketch(f, 1000) AS s FROM data) AS t;

-- DISTINCT, GROUP BY, UNION, hash and merge joins, an index.
CREATE TABLE twice AS SELECT model FROM models UNION ALL SELECT model FROM models;
SELECT count(*), count(DISTINCT model) FROM twice;
SELECT count(*) FROM (SELECT model FROM twice GROUP BY model) AS t;
SELECT count(*) FROM (SELECT model FROM twice UNION SELECT model FROM models) AS t;
SET enable_hashjoin = off; SET enable_nestloop = off;
SELECT count(*) FROM twice JOIN models USING (model);
RESET enable_hashjoin; SET enable_mergejoin = off;
SELECT count(*) FROM twice JOIN models USING (model);
RESET enable_nestloop; RESET enable_mergejoin;
CREATE UNIQUE INDEX ON models (model);
SELECT bool_and((a.model < b.model) = (b.model > a.model) AND (a.model <= b.model) = NOT (a.model > b.model) AND (a.model = b.model) = (a.k = b.k)) AS order_holds
  FROM models AS a, models AS b;

-- A generated column, an index on the same expression, partitions. The models are literals, as a BI team would write them.
SELECT format('CREATE TABLE scored (id int, a float8, b float8, segment int GENERATED ALWAYS AS (kmeans_assign(%L::kmeans_model, ARRAY[a, b])) STORED)', model) AS statement FROM models WHERE k = 3 \gset
:statement;
INSERT INTO scored (id, a, b) SELECT i, f[1], f[2] FROM data;
SELECT count(*) AS wrong FROM scored, models WHERE k = 3 AND segment IS DISTINCT FROM kmeans_assign(model, ARRAY[a, b]);
UPDATE scored SET a = NULL WHERE id = 1;
SELECT segment FROM scored WHERE id = 1;
SELECT format('CREATE INDEX scored_segment ON scored (kmeans_assign(%L::kmeans_model, ARRAY[a, b]))', model) AS statement FROM models WHERE k = 3 \gset
:statement;
SET enable_seqscan = off;
SELECT format('EXPLAIN (COSTS OFF) SELECT count(*) FROM scored WHERE kmeans_assign(%L::kmeans_model, ARRAY[a, b]) = 1', model) AS statement FROM models WHERE k = 3 \gset
CREATE FUNCTION plan_uses_index(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE statement LOOP
        IF line ~ 'scored_segment' THEN RETURN true; END IF;
    END LOOP;
    RETURN false;
END $$;
SELECT plan_uses_index(:'statement');
RESET enable_seqscan;
SELECT format('CREATE TABLE parted (a float8, b float8) PARTITION BY LIST (kmeans_assign(%L::kmeans_model, ARRAY[a, b]))', model) AS statement FROM models WHERE k = 3 \gset
:statement;
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
INSERT INTO parted SELECT f[1], f[2] FROM data;
SELECT (SELECT count(*) FROM parted_0) = (SELECT count(*) FROM scored WHERE segment = 0 AND id > 1)
       + (SELECT count(*) FROM models, data WHERE k = 3 AND i = 1 AND kmeans_assign(model, f) = 0) AS in_their_partition;

DROP TABLE data, models, twice, scored, parted;
DROP FUNCTION plan_uses_index;
