-- The row form with a literal model is planned as the array form, and answers as before.
\set VERBOSITY terse
\pset format unaligned
CREATE DOMAIN score AS float8 CHECK (VALUE >= 0);
CREATE DOMAIN better_score AS score;
CREATE TABLE mixed (id int PRIMARY KEY, gone text, "Größe (cm)" float8, f4 real, i2 smallint, i4 int, i8 bigint, n numeric, b bool, d better_score, note text);
ALTER TABLE mixed DROP COLUMN gone;
INSERT INTO mixed VALUES (1, 1.5, 1.1, 2, 3, 4, 5.5, true, 6, 'x'), (2, 7, 7, 7, 7, 7, 7, false, 7, 'y'), (3, 1, 1, 1, 1, 1, 1e400, true, 1, NULL),
    (4, NULL, 1, 1, 1, 1, 1, NULL, 1, NULL), (5, 'NaN', 1, 1, 1, 1, 1, true, 1, NULL), (6, 1, 1, 1, 1, 9007199254740993, 'NaN', true, 1, NULL);
CREATE TABLE models (name text, model kmeans_model);
INSERT INTO models SELECT 'plain', kmeans(ARRAY[g, g, g, g, g, g, g % 2, g], 3, '{"features": ["i8", "Größe (cm)", "d", "f4", "i2", "i4", "b", "n"]}') FROM generate_series(1, 30) AS g;
INSERT INTO models SELECT 'imputing', jsonb_set(jsonb_set(model::jsonb, '{inputs}', (SELECT jsonb_agg(i || '{"impute": 3}') FROM jsonb_array_elements(model::jsonb -> 'inputs') AS i)),
    '{metrics, inertia}', '0')::kmeans_model FROM models;
INSERT INTO models SELECT 'unknown', jsonb_set(model::jsonb, '{inputs, 0, name}', '"salary"')::kmeans_model FROM models WHERE name = 'plain';
SELECT max(model::text) FILTER (WHERE name = 'plain') AS plain, max(model::text) FILTER (WHERE name = 'imputing') AS imputing,
       max(model::text) FILTER (WHERE name = 'unknown') AS unknown FROM models \gset

CREATE FUNCTION run(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$;
-- What the planner made of a query: the arguments of the functions, with the model left out.
CREATE FUNCTION planned(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
        IF line ~ 'kmeans_' THEN
            RETURN NEXT substring(regexp_replace(line, '''\{"format.*?\}''::kmeans_model', '(model)', 'g') FROM '\S.*');
        END IF;
    END LOOP;
END $$;
SELECT planned(format('SELECT kmeans_assign(%L::kmeans_model, m), kmeans_distance(%1$L::kmeans_model, m), kmeans_score(%1$L::kmeans_model, m) FROM mixed AS m', :'plain'));
SELECT planned(format('SELECT r.*, e.* FROM mixed AS m, kmeans_ranked(%L::kmeans_model, m, 2) AS r, kmeans_explain(%1$L::kmeans_model, m) AS e', :'plain'));
-- A subquery that is merged into the query, and a view, come as the row they put together.
CREATE VIEW merged AS SELECT id, note, 2 * n AS n, d, b, i2, i4, i8, f4, "Größe (cm)" FROM mixed;
SELECT planned(format('SELECT kmeans_assign(%L::kmeans_model, v) FROM merged AS v', :'plain'));
SELECT planned(format('SELECT kmeans_assign(%L::kmeans_model, v) FROM (SELECT *, 1 AS extra FROM mixed) AS v', :'plain'));

-- A function of SQL that is merged into the query.
SELECT run(format('CREATE FUNCTION segment_of(mixed) RETURNS int LANGUAGE sql STABLE AS $f$ SELECT kmeans_assign(%L::kmeans_model, $1) $f$', :'plain'));
SELECT planned('SELECT segment_of(m) FROM mixed AS m');

-- The same answers. A model from a table is not known to the planner, which leaves that call as it is.
CREATE FUNCTION differences(source text) RETURNS TABLE (name text, rows bigint, scored bigint, different bigint) LANGUAGE plpgsql AS $$
DECLARE model text;
BEGIN
    FOR name, model IN SELECT m.name, m.model::text FROM models AS m WHERE m.name <> 'unknown' ORDER BY 1 LOOP
        EXECUTE format($sql$
            SELECT count(*), count(kmeans_assign(%1$L::kmeans_model, m)), count(*) FILTER (WHERE
                (kmeans_assign(%1$L::kmeans_model, m), kmeans_distance(%1$L::kmeans_model, m), kmeans_score(%1$L::kmeans_model, m)::text,
                 ARRAY(SELECT r::text FROM kmeans_ranked(%1$L::kmeans_model, m, 2) AS r), ARRAY(SELECT e::text FROM kmeans_explain(%1$L::kmeans_model, m) AS e))
                IS DISTINCT FROM
                (kmeans_assign(t.model, m), kmeans_distance(t.model, m), kmeans_score(t.model, m)::text,
                 ARRAY(SELECT r::text FROM kmeans_ranked(t.model, m, 2) AS r), ARRAY(SELECT e::text FROM kmeans_explain(t.model, m) AS e)))
            FROM %2$s, models AS t WHERE t.name = %3$L $sql$, model, source, name) INTO rows, scored, different;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM differences('mixed AS m');
SELECT * FROM differences('merged AS m');
SELECT * FROM differences('(SELECT * FROM mixed OFFSET 0) AS m');
SELECT * FROM differences('(VALUES (1)) AS v(x) CROSS JOIN mixed AS m');
-- A row that an outer join makes NULL has no score, whatever the model imputes.
SELECT * FROM differences('generate_series(0, 3) AS g LEFT JOIN mixed AS m ON m.id = g');
SELECT * FROM differences('generate_series(0, 3) AS g LEFT JOIN merged AS m ON m.id = g');
SELECT * FROM differences('generate_series(0, 3) AS g LEFT JOIN (SELECT * FROM mixed WHERE id > 1) AS m ON m.id = g');
SELECT g, a, d, r.segment FROM generate_series(0, 1) AS g LEFT JOIN (SELECT id, kmeans_assign(:'imputing'::kmeans_model, m) AS a, kmeans_distance(:'imputing'::kmeans_model, m) IS NULL AS d FROM mixed AS m) AS s ON id = g
  LEFT JOIN LATERAL (SELECT segment FROM mixed AS m, kmeans_ranked(:'imputing'::kmeans_model, m, 1) WHERE id = g) AS r ON true ORDER BY g;
SELECT planned(format('SELECT kmeans_assign(%L::kmeans_model, m) FROM generate_series(0, 3) AS g LEFT JOIN mixed AS m ON id = g', :'plain'));
SELECT planned(format('SELECT kmeans_assign(%L::kmeans_model, m) FROM generate_series(0, 3) AS g LEFT JOIN mixed AS m ON id = g', :'imputing'));

-- What cannot be told when planning stays as it is, errors included: they come with a row, not before.
SELECT planned(format('SELECT kmeans_assign(%L::kmeans_model, m) FROM mixed AS m', :'unknown'));
SELECT kmeans_assign(:'unknown'::kmeans_model, m) FROM mixed AS m WHERE false;
SELECT kmeans_assign(:'unknown'::kmeans_model, m) FROM mixed AS m;
SELECT kmeans_assign(:'plain'::kmeans_model, m) FROM (SELECT *, 1 AS i4 FROM mixed) AS m;
SELECT kmeans_assign(:'plain'::kmeans_model, m) FROM (SELECT id, "Größe (cm)", f4, i2, i4, i8, n, b, note AS d FROM mixed) AS m;
SELECT planned(format('SELECT id, (SELECT kmeans_assign(%L::kmeans_model, m)) FROM mixed AS m', :'plain'));
SELECT id, (SELECT kmeans_assign(:'plain'::kmeans_model, m)) AS a FROM mixed AS m ORDER BY id;
-- Grouping by the row; a grouping set makes the row NULL and leaves its columns.
SELECT kmeans_assign(:'plain'::kmeans_model, m) AS a, count(*) FROM mixed AS m WHERE id < 3 GROUP BY m ORDER BY m;
SELECT kmeans_assign(:'plain'::kmeans_model, m) AS a, count(*) FROM mixed AS m WHERE id < 3 GROUP BY ROLLUP (m) ORDER BY count(*), a;
SELECT kmeans_assign(:'plain'::kmeans_model, m) AS a, count(*) AS rows FROM mixed AS m GROUP BY 1 HAVING count(*) > 0 ORDER BY 1;
SELECT DISTINCT kmeans_assign(:'plain'::kmeans_model, m) AS a, rank() OVER (ORDER BY kmeans_distance(:'plain'::kmeans_model, m)) FROM mixed AS m ORDER BY 2;
-- Volatile columns are all evaluated, and once.
CREATE SEQUENCE seen;
SELECT kmeans_assign(:'plain'::kmeans_model, ROW(m.*, nextval('seen'))) IS NULL AS no_names FROM mixed AS m WHERE false;
SELECT count(kmeans_assign(:'plain'::kmeans_model, m)) FROM (SELECT *, nextval('seen') AS extra FROM mixed) AS m;
SELECT currval('seen');

-- Inheritance, partitions, changes of data, RETURNING, row-level security, a trigger's rows.
CREATE TABLE parts (LIKE mixed) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (3);
CREATE TABLE high (note text, d better_score, b bool, n numeric, i8 bigint, i4 int, i2 smallint, f4 real, "Größe (cm)" float8, id int NOT NULL);
ALTER TABLE parts ATTACH PARTITION high FOR VALUES FROM (3) TO (100);
INSERT INTO parts SELECT * FROM mixed;
SELECT * FROM differences('parts AS m');
CREATE TABLE child (more text) INHERITS (mixed);
INSERT INTO child SELECT *, 'more' FROM mixed;
SELECT * FROM differences('mixed AS m');
ALTER TABLE mixed ADD segment int;
UPDATE mixed AS m SET segment = kmeans_assign(:'plain'::kmeans_model, m);
SELECT id, segment, count(*) FROM mixed GROUP BY 1, 2 ORDER BY 1;
UPDATE mixed AS m SET i4 = i4 + 20, f4 = 27, d = 27 WHERE id = 1 AND note = 'x' RETURNING id, segment AS before, kmeans_assign(:'plain'::kmeans_model, m) AS after;
INSERT INTO mixed AS m SELECT 2, 1, 1, 1, 1, 1, 1, true, 1 ON CONFLICT (id) DO UPDATE SET segment = kmeans_assign(:'plain'::kmeans_model, excluded) RETURNING id, segment;
DELETE FROM mixed AS m WHERE kmeans_assign(:'plain'::kmeans_model, m) IS NULL RETURNING id;
CREATE FUNCTION fill_segment() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.segment := 7; RETURN NEW; END $$;
SELECT run(format('CREATE TRIGGER fill BEFORE UPDATE ON mixed FOR EACH ROW WHEN (kmeans_assign(%L::kmeans_model, NEW) IS DISTINCT FROM OLD.segment) EXECUTE FUNCTION fill_segment()', :'plain'));
UPDATE ONLY mixed SET f4 = f4 + 1 WHERE id < 3 RETURNING id, segment, kmeans_assign(:'plain'::kmeans_model, mixed) AS really;
CREATE ROLE regress_segment_reader;
GRANT SELECT ON mixed TO regress_segment_reader;
ALTER TABLE mixed ENABLE ROW LEVEL SECURITY;
SELECT run(format('CREATE POLICY own ON mixed USING (kmeans_assign(%L::kmeans_model, mixed) = 0)', :'plain'));
SET ROLE regress_segment_reader;
SELECT id, kmeans_assign(:'plain'::kmeans_model, m) AS a FROM mixed AS m ORDER BY id;
RESET ROLE;

-- What the model does not read is not fetched: photos lie out of line.
CREATE TABLE wide (a float8, b float8, photo text);
ALTER TABLE wide ALTER photo SET STORAGE external;
INSERT INTO wide SELECT g, g, repeat('x', 100000) FROM generate_series(1, 20) AS g;
SELECT kmeans(ARRAY[a, b], 2, '{"features": ["a", "b"]}') AS ab FROM wide \gset
CREATE FUNCTION blocks_read(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF, FORMAT json) ' || query INTO plan;
    RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::int + (plan #>> '{0,Plan,Shared Read Blocks}')::int;
END $$;
SELECT blocks_read(format('SELECT sum(kmeans_assign(%L::kmeans_model, w)) FROM wide AS w', :'ab')) < 10 AS few_blocks,
       blocks_read(format('SELECT sum(kmeans_assign(%L::kmeans_model, CASE WHEN true THEN w END)) FROM wide AS w', :'ab')) < 10 AS here_too,
       blocks_read(format('SELECT sum(kmeans_assign((SELECT %L::kmeans_model OFFSET 0), w)) FROM wide AS w', :'ab')) > 100 AS many_without;

-- Prepared statements: with the model as a parameter, and over a change of names.
PREPARE by_model(kmeans_model) AS SELECT sum(kmeans_assign($1, w)) FROM wide AS w;
EXECUTE by_model(:'ab');
PREPARE renamed AS SELECT sum(kmeans_assign(:'ab'::kmeans_model, w)) FROM wide AS w;
EXECUTE renamed;
ALTER TABLE wide RENAME b TO c;
EXECUTE renamed;
ALTER TABLE wide RENAME a TO b;
ALTER TABLE wide RENAME c TO a;
EXECUTE renamed;
ALTER TABLE wide ALTER a TYPE text;
EXECUTE renamed;
DEALLOCATE ALL;

DROP TABLE wide, parts, child, mixed, models CASCADE;
DROP SEQUENCE seen;
DROP ROLE regress_segment_reader;
DROP FUNCTION planned, run, differences, blocks_read, fill_segment;
DROP DOMAIN better_score, score;
