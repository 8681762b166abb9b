# Models kept ready for scoring: always the right one, whatever the mix, and never too many.
use strict;
use warnings;
use Session;
use Test::More;

my $db = create_database('cache');
my $s = session($db, settings => '-c client_min_messages=warning -c jit=off');
my $pid = $s->pid;
# Models that give each row another answer: one segment at another id and place in each.
$s->value(<<'SQL');
CREATE FUNCTION made_model(i int, padding int) RETURNS kmeans_model LANGUAGE sql AS $$
    SELECT ('{"format":1,"distance":"euclidean","scaling":"none","inputs":[{"name":"x","kind":"numeric","transform":"none","clip_low":null,"clip_high":null,"impute":null}],"offset":[0],"scale":[1],"rotation":null,
        "centroids":[[' || i || '],[' || i + 1000 || ']],"segments":[{"id":' || i || ',"rows":1,"weight":1,"inertia":0},{"id":' || i + 1000 || ',"rows":1,"weight":1,"inertia":0}],
        "metrics":{"inertia":0,"total_inertia":0,"mean_distance":0,"silhouette":null,"calinski_harabasz":null,"davies_bouldin":null},
        "fit":{"k":2,"init":"x","n_init":1,"max_iter":1,"tol":0,"quality":"x","on_null":"x","min_size":0,"trim":0,"seed":0,"iterations":1,"rows":1,"skipped":0,"left_out":0,"weight":1,"exact":true},
        "warnings":[' || CASE WHEN padding > 0 THEN '{"code":"padding","message":"' || (SELECT string_agg(md5(CASE WHEN padding < 5000 THEN 'same' WHEN g % 2 = 0 THEN 'even' ELSE i::text || g END), '') FROM generate_series(1, padding / 32) g) || '"}' ELSE '' END || ']}')::kmeans_model
$$;
CREATE TABLE x AS SELECT g AS id, (g * 37 % 2500)::float8 AS v FROM generate_series(1, 200) g;
CREATE TABLE expected AS SELECT i, id, CASE WHEN abs(v - i) <= abs(v - i - 1000) THEN i ELSE i + 1000 END AS segment, least(abs(v - i), abs(v - i - 1000)) AS distance FROM x, generate_series(1, 500) i;
SQL
# In all the forms that a value is stored in. (No model is short enough for a short header; the smallest have some 600 bytes.)
my %forms = (
    plain => ['STORAGE plain', 0, ''], compressed => ['STORAGE main', 3000, ''], external => ['STORAGE external', 5000, ''], extended => ['STORAGE extended', 20000, ''],
);
for my $form (sort keys %forms) {
    my ($storage, $padding) = @{ $forms{$form} };
    $s->value("CREATE TABLE m_$form (i int, m kmeans_model); ALTER TABLE m_$form ALTER m SET $storage; INSERT INTO m_$form SELECT i, made_model(i, $padding) FROM generate_series(1, 500) i; ANALYZE m_$form");
}
is($s->value('SELECT count(*) FROM m_plain WHERE pg_column_size(m) = octet_length(m::text) + 24'), 500, 'plain: as it is, with its header');
cmp_ok($s->value('SELECT max(pg_column_size(m)) - min(octet_length(m::text)) FROM m_compressed'), '<', 0, 'compressed: shorter than its text');
cmp_ok($s->value("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'm_external'::regclass"), '>', 500 * 5000, 'external: out of line');
cmp_ok($s->value("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'm_extended'::regclass"), '>', 500 * 1000, 'extended: out of line, compressed');

my $wrong = 'count(*), count(*) FILTER (WHERE kmeans_assign(m, ARRAY[v]) IS DISTINCT FROM segment OR kmeans_distance(m, ARRAY[v]) IS DISTINCT FROM distance OR (kmeans_score(m, ARRAY[v])).segment IS DISTINCT FROM segment)';
for my $form (sort keys %forms) {
    # The one-at-a-time answers are the `expected` ones, which do not use the extension at all; and here they are asked for too.
    is($s->value("SELECT $wrong FROM m_$form JOIN expected USING (i) JOIN x USING (id) WHERE i = 77"), '200|0', "$form: one model");
    for my $models (3, 64, 65, 200) {
        my $each = $models == 3 ? 200 : 20;
        my $rows = $each * $models;
        is($s->value("SELECT $wrong FROM (SELECT * FROM m_$form JOIN expected USING (i) JOIN x USING (id) WHERE i <= $models AND id <= $each ORDER BY id, i OFFSET 0) t"), "$rows|0", "$form: $models models in turn");
        is($s->value("SELECT $wrong FROM (SELECT * FROM m_$form JOIN expected USING (i) JOIN x USING (id) WHERE i <= $models AND id <= $each ORDER BY md5(id::text || i) OFFSET 0) t"), "$rows|0", "$form: $models models at random");
    }
    is($s->value("SELECT count(*), count(*) FILTER (WHERE kmeans_assign(m, jsonb_build_object('x', v)) IS DISTINCT FROM segment OR kmeans_assign(m, r) IS DISTINCT FROM segment) FROM (SELECT i, m, segment, v, ROW(v)::one AS r FROM m_$form JOIN expected USING (i) JOIN x USING (id) WHERE i <= 100 AND id <= 20 ORDER BY id, i OFFSET 0) t"), '2000|0', "$form: 100 models, rows and jsonb")
        if $s->query('CREATE TYPE one AS (x float8)')->{state} =~ /^(?:|42710)$/;
    is($s->value("SELECT count(*) FILTER (WHERE e.segment IS DISTINCT FROM e1.segment) FROM (SELECT id, kmeans_assign((SELECT m FROM m_$form WHERE i = 5), ARRAY[v]) AS segment FROM x) e JOIN expected e1 ON e1.id = e.id AND e1.i = 5"), 0, "$form: a model from a subquery");
}
# Several forms of the same model, and several models, at one call site.
is($s->value(join ' ', "SELECT $wrong FROM (SELECT * FROM (", join(' UNION ALL ', map { "SELECT * FROM m_$_" } sort keys %forms), ') a JOIN expected USING (i) JOIN x USING (id) WHERE i <= 30 AND id <= 40 ORDER BY id, i OFFSET 0) t'), '4800|0', 'all forms mixed at one call site');

# PL/pgSQL keeps a call site over many statements.
is($s->value(<<'SQL'), '10000|0', 'PL/pgSQL: a variable that holds another model each time');
CREATE FUNCTION loop_over_models(form text, OUT scored int, OUT wrong int) LANGUAGE plpgsql AS $$
DECLARE model kmeans_model; got int; row record;
BEGIN
    scored := 0; wrong := 0;
    FOR n IN 1..100 LOOP
        EXECUTE format('SELECT m FROM %I WHERE i = $1', form) INTO model USING n;
        FOR row IN SELECT v, segment FROM expected JOIN x USING (id) WHERE i = n AND id <= 50 ORDER BY id LOOP
            got := kmeans_assign(model, ARRAY[row.v]);
            scored := scored + 1;
            wrong := wrong + (got IS DISTINCT FROM row.segment)::int;
        END LOOP;
    END LOOP;
END $$;
SELECT sum(scored), sum(wrong) FROM (VALUES ('m_plain'), ('m_external')) f(form), loop_over_models(form);
SQL
# A toast pointer may mean another value later: within one statement a row is replaced and read again.
is($s->value(<<'SQL'), '300|0', 'PL/pgSQL: a stored model that is replaced in the same statement');
CREATE TABLE changing (m kmeans_model); ALTER TABLE changing ALTER m SET STORAGE external; INSERT INTO changing SELECT m FROM m_external WHERE i = 1;
CREATE FUNCTION replace_models(OUT scored int, OUT wrong int) LANGUAGE plpgsql AS $$
DECLARE got int; want int;
BEGIN
    scored := 0; wrong := 0;
    FOR n IN 1..300 LOOP
        BEGIN
            UPDATE changing SET m = (SELECT m FROM m_external WHERE i = 500 - n);
            SELECT kmeans_assign(m, ARRAY[0.0]) INTO got FROM changing;
            wrong := wrong + (got IS DISTINCT FROM 500 - n)::int;
            RAISE EXCEPTION 'back';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
        UPDATE changing SET m = (SELECT m FROM m_external WHERE i = n);
        SELECT kmeans_assign(m, ARRAY[0.0]) INTO got FROM changing;
        scored := scored + 1;
        wrong := wrong + (got IS DISTINCT FROM n)::int;
    END LOOP;
END $$;
SELECT * FROM replace_models();
SQL

# Prepared statements, with custom plans and with a generic one.
for my $mode ('force_custom_plan', 'force_generic_plan', 'auto') {
    $s->value("SET plan_cache_mode = $mode; PREPARE score(kmeans_model) AS SELECT string_agg(kmeans_assign(\$1, ARRAY[v])::text, ',' ORDER BY id) FROM x");
    my $differ = 0;
    for my $i (1 .. 12) {
        my $want = $s->value("SELECT string_agg(segment::text, ',' ORDER BY id) FROM expected WHERE i = $i");
        for my $form ('plain', 'extended') {
            my $literal = sql_literal($s->value("SELECT m FROM m_$form WHERE i = $i"));
            $differ++ if $s->value("EXECUTE score($literal)") ne $want;
        }
    }
    is($differ, 0, "prepared statement, $mode: every execution has its own model");
    $s->value('DEALLOCATE score');
}
$s->value('RESET plan_cache_mode');

# Rows of another type at the same call site, and a table that changes below a prepared statement.
$s->value(q{CREATE TYPE two AS (y text, x float8); CREATE TYPE three AS (x numeric); CREATE FUNCTION some_row(g int) RETURNS record LANGUAGE plpgsql AS $$
    BEGIN CASE g % 3 WHEN 0 THEN RETURN ROW(5)::one; WHEN 1 THEN RETURN ROW('no', 900)::two; ELSE RETURN ROW(1200)::three; END CASE; END $$});
is($s->value(q{SELECT string_agg(kmeans_assign(m, some_row(g))::text, ',' ORDER BY g) FROM m_plain, generate_series(1, 9) g WHERE i = 1}),
    '1001,1001,1,1001,1001,1,1001,1001,1', 'rows of three types in turn');
$s->value('CREATE TABLE t (a text, x float8); INSERT INTO t VALUES (1, 900); PREPARE of_row AS SELECT kmeans_assign(m, t) FROM m_plain, t WHERE i = 1');
is($s->value('EXECUTE of_row'), 1001, 'a row of a table');
$s->value('ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD b int; ALTER TABLE t RENAME x TO old; ALTER TABLE t ADD x int DEFAULT 3');
is($s->value('EXECUTE of_row'), 1, 'and after its columns have changed');

# Memory. 500 models in turn, 200 rows each: 100,000 calls, of which each has to parse.
sub resident {
    open my $status, '<', "/proc/$pid/status" or return 0;
    return join('', <$status>) =~ /^VmRSS:\s+(\d+) kB/m ? $1 : 0;
}
my $many = 'SELECT count(*), count(*) FILTER (WHERE kmeans_assign(m, ARRAY[v]) IS DISTINCT FROM segment) FROM (SELECT * FROM m_%s JOIN expected USING (i) JOIN x USING (id) WHERE id <= %d ORDER BY id, i OFFSET 0) t';
SKIP: {
    skip 'no /proc', 6 if !resident();
    $s->value("SET work_mem = '64MB'");
    for my $case (['plain', 200], ['compressed', 40], ['external', 40]) {
        my ($form, $rows) = @$case;
        my $calls = 500 * $rows;
        is($s->value(sprintf $many, $form, 20), '10000|0', "$form: 10,000 calls with 500 models in turn");
        my $before = resident();
        is($s->value(sprintf $many, $form, $rows), "$calls|0", "$form: $calls calls");
        my $after = resident();
        # The sort below takes some memory of its own, up to work_mem.
        cmp_ok($after - $before, '<', 16384, sprintf '%s: the backend does not grow with the calls (%d kB, then %d kB)', $form, $before, $after);
    }
}
# While the query runs, at most some of the models are kept.
$s->value(q{CREATE FUNCTION kept_models(i int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'kmeans model'); END $$});
my $peak = $s->value(q{SELECT max(kept) FROM (SELECT kmeans_assign(m, ARRAY[v]) AS segment, kept_models(i) AS kept FROM (SELECT * FROM m_plain JOIN expected USING (i) JOIN x USING (id) WHERE i <= 200 AND id = 1 ORDER BY i OFFSET 0) t OFFSET 0) p WHERE segment >= 0});
cmp_ok($peak, '<=', 65, "a call site keeps at most 64 models ready ($peak)");
cmp_ok($peak, '>', 1, 'and more than one');

# Comparisons detoast, and must not leave the copies behind: sorting and indexes run in long-lived memory.
for my $case (['sort', 'SELECT count(*) FROM (SELECT m FROM m_extended ORDER BY m OFFSET 0) t'], ['merge join', 'SET LOCAL enable_hashjoin = off; SET LOCAL enable_nestloop = off; SELECT count(*) FROM m_extended a JOIN m_extended b ON a.m = b.m']) {
    my ($name, $sql) = @$case;
    my $worker = session($db, settings => '-c client_min_messages=warning -c jit=off -c work_mem=64MB -c max_parallel_workers_per_gather=0');
    my $worker_pid = $worker->pid;
    $worker->value('SELECT count(*) FROM (SELECT m FROM m_plain ORDER BY m OFFSET 0) t');
    is($worker->value("BEGIN; $sql; COMMIT"), 500, "$name of 500 models of 20 kB");
    open my $status, '<', "/proc/$worker_pid/status" or next;
    my ($high) = join('', <$status>) =~ /^VmHWM:\s+(\d+) kB/m;
    cmp_ok($high, '<', 80 * 1024, "$name: needs less than 80 MB ($high kB)");
    $worker->finish;
}
is($s->value('SELECT pg_backend_pid()'), $pid, 'one backend did it all');

done_testing();
