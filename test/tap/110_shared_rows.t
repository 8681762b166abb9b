# Rows that parallel workers leave in shared memory for the leader: they are there, the models are those of one process, and
# whatever becomes of the query, nothing of them is left behind.
use strict;
use warnings;
use Session;
use Test::More;
use Time::HiRes qw(sleep);

my $db = create_database('shared_rows');
my $started = server_start_time();
my $s = session($db, settings => '-c client_min_messages=warning');
my $rows = 400_000;
$s->value('CREATE TABLE c AS SELECT i AS id, ARRAY[' . join(', ', map { "hashint8(i * 8 + $_)::float8" } 0 .. 7) . "] AS x FROM generate_series(1::bigint, $rows) AS i");
$s->value('ANALYZE c');
my $bytes = $rows * 64;

sub plan_with {
    my ($workers) = @_;
    $s->value("SET max_parallel_workers_per_gather = $workers; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0");
}

# Files of dynamic shared memory and what they take, of all servers of this machine: nothing else runs here.
sub shared_files { return scalar(my @files = glob '/dev/shm/PostgreSQL.*') }

sub shared_bytes {
    my $sum = 0;
    $sum += (stat)[12] ? (stat)[12] * 512 : 0 for glob '/dev/shm/PostgreSQL.*';
    return $sum;
}

my $has_shm = $s->value('SHOW dynamic_shared_memory_type') eq 'posix' && -d '/dev/shm' && shared_files() > 0;
my $training = q{kmeans(x, 4, '{"quality": "fast", "max_iter": 5}')};

plan_with(0);
my $model = $s->value("SELECT $training\::text FROM c");
like($model, qr/"rows":$rows\b/, 'one process: all rows');
plan_with(2);
like($s->value("EXPLAIN SELECT $training FROM c"), qr/Finalize Aggregate.*Gather.*Partial Aggregate/s, 'a parallel plan');

SKIP: {
    skip 'no POSIX shared memory under /dev/shm', 3 if !$has_shm;
    my $before = shared_bytes();
    $s->value('SET parallel_leader_participation = off');
    $s->send("SELECT $training\::text, pg_sleep(1.5) FROM c");    # sleeps after the training, within the query
    my $most = 0;
    for (1 .. 40) {
        my $now = shared_bytes() - $before;
        $most = $now if $now > $most;
        sleep(0.05);
    }
    is($s->receive->{out}, "$model|", 'without the leader: the same model');
    cmp_ok($most, '>=', 0.9 * $bytes, 'and the rows were in shared memory');
    cmp_ok($most, '<=', 3 * $bytes, 'not much more than they take');
    $s->value('RESET parallel_leader_participation');
}

my $files = shared_files();

sub nothing_left {
    my ($name) = @_;
    SKIP: {
        skip 'no POSIX shared memory under /dev/shm', 1 if !$has_shm;
        ok(wait_until(10, sub { shared_files() == $files }), "$name: no shared memory is left");
    }
}

is($s->value("SELECT $training\::text FROM c"), $model, 'with the leader: the same model');
nothing_left('a training');
is($s->value(q{DO $$ DECLARE m text; BEGIN EXECUTE 'SELECT kmeans(x, 4, ''{"quality": "fast", "max_iter": 5}'')::text FROM c' INTO m; PERFORM set_config('t.m', m, false); END $$; SELECT current_setting('t.m')}),
    $model, 'in PL/pgSQL: the same model');

# Two states in one query, one of them for two aggregates.
$s->value('CREATE AGGREGATE raw_sketch(float8[], int) (SFUNC = kmeans_sketch_accum, STYPE = kmeans_sketch, COMBINEFUNC = kmeans_combine, PARALLEL = SAFE)');
my $two = "SELECT md5(kmeans_sketch(x, $rows)::text) || ' ' || (raw_sketch(x, $rows) IS NOT NULL)::text || ' ' || md5(($training)::text) FROM c";
like($s->value("EXPLAIN $two"), qr/Partial Aggregate/, 'several aggregates: a parallel plan');
my $parallel = $s->value($two);
plan_with(0);
is($parallel, $s->value($two), 'several aggregates: the same in one process');
plan_with(2);
nothing_left('several aggregates');

# A foreign combine function sees whole states.
$s->value(q{CREATE FUNCTION my_combine(kmeans_sketch, kmeans_sketch) RETURNS kmeans_sketch LANGUAGE sql PARALLEL SAFE AS 'SELECT kmeans_merge(s) FROM (VALUES ($1), ($2)) AS v(s)'});
$s->value('CREATE AGGREGATE my_sketch(float8[], int) (SFUNC = kmeans_sketch_accum, STYPE = kmeans_sketch, COMBINEFUNC = my_combine, PARALLEL = SAFE)');
my $mine = "SELECT md5(kmeans_merge(s)::text) FROM (SELECT my_sketch(x, $rows) AS s FROM c) AS t";
like($s->value("EXPLAIN $mine"), qr/Partial Aggregate/, 'a combine function of the user: a parallel plan');
is($s->value($mine), $s->value("SELECT md5(kmeans_sketch(x, $rows)::text) FROM c"), 'and all rows');

# The aggregate is read again and again within a query.
$s->value('SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off');
my $again = "SELECT count(DISTINCT m::text), count(*), min(m::text) FROM generate_series(1, 3) AS i LEFT JOIN (SELECT $training AS m FROM c) AS t ON i > 0";
my $plan = $s->value("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) $again");
like($plan, qr/Finalize Aggregate \(actual rows=1(\.00)? loops=3\)/, 'three times in one query') or diag $plan;
is($s->value($again), "1|3|$model", 'the same model each time');
$s->value('RESET enable_material; RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_memoize');
nothing_left('an aggregate that is read again');

# A worker that runs partial and final aggregates by itself.
$s->value("CREATE TABLE $_ (id bigint, x float8[]) PARTITION BY RANGE (id); CREATE TABLE ${_}_1 PARTITION OF $_ FOR VALUES FROM (0) TO (200000); CREATE TABLE ${_}_2 PARTITION OF $_ FOR VALUES FROM (200000) TO (1000000); INSERT INTO $_ SELECT * FROM c; ANALYZE $_") for 'p', 'q';
$s->value("SET enable_partitionwise_aggregate = on; SET min_parallel_table_scan_size = '1TB'");
my $union = "SELECT $training\::text AS m FROM p UNION ALL SELECT $training\::text FROM q";
$plan = $s->value("EXPLAIN (COSTS OFF) $union");
like($plan, qr/Gather.*Parallel Append.*Finalize Aggregate.*Partial Aggregate.*Finalize Aggregate.*Partial Aggregate/s, 'whole plans in workers') or diag $plan;
is($s->value($union), "$model\n$model", 'the same models');
is($s->query($union =~ s/"quality": "fast"/"quality": "fast", "init": [[1, 2]]/gr)->{state}, '22023', 'an error in such a plan');
is($s->query("SET statement_timeout = 80; $union")->{state}, '57014', 'a timeout in such a plan');
$s->value('RESET statement_timeout');
is($s->value($union), "$model\n$model", 'and then the same models');
nothing_left('whole plans in workers');
$s->value('RESET enable_partitionwise_aggregate; SET min_parallel_table_scan_size = 0');

# Errors: after the training, within it, and in a worker; also where the transaction goes on.
for my $case (['after the training', "SELECT 1 / (length($training\::text) - length($training\::text)) FROM c", '22012'],
              ['in the training', "SELECT kmeans(x, 4, '{\"init\": [[1, 2]]}') FROM c", '22023'],
              ['in a worker', "SELECT kmeans(CASE WHEN id = $rows - 1 THEN ARRAY[1.0] ELSE x END, 4) FROM c", '22000'],
              ['a timeout', "SET LOCAL statement_timeout = 60; SELECT $training FROM c, pg_sleep(0)", '57014']) {
    my ($name, $sql, $state) = @$case;
    my $answer = $s->query("BEGIN; SAVEPOINT a; $sql; ROLLBACK TO a; SELECT $training\::text FROM c; COMMIT");
    is($answer->{state}, $state, "$name: SQLSTATE $state") or diag $answer->{message};
    is($answer->{out}, $model, "$name: the transaction goes on, with the same model");
    nothing_left($name);
}

# A worker that is terminated.
my $pid = $s->pid;
$s->send("SELECT count(*) FROM (SELECT kmeans(ARRAY[x[1], x[2] + i, x[3], x[4], x[5], x[6], x[7], x[8]], 4, '{\"quality\": \"fast\"}') FROM c, generate_series(1, 20) AS i) t");
my $admin = session($db);
my $worker;
wait_until(10, sub { $worker = $admin->value("SELECT min(pid) FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND leader_pid = $pid") });
SKIP: {
    skip 'no worker was seen', 2 if !$worker;
    sleep(0.3);
    $admin->value("SELECT pg_terminate_backend($worker)");
    is($s->receive->{state}, '57P01', 'a worker is terminated');
    nothing_left('a terminated worker');
}
is($s->value("SELECT $training\::text FROM c"), $model, 'and then the same model');
is(server_start_time(), $started, 'the server has not started anew');

# A server with another kind of shared memory.
SKIP: {
    my $version = int($s->value('SHOW server_version_num') / 10000);
    skip 'needs pg_virtualenv', 1 if !-x '/usr/bin/pg_virtualenv';
    my $sql = "CREATE EXTENSION segmentation; CREATE TABLE c AS SELECT i AS id, ARRAY["
        . join(', ', map { "hashint8(i * 8 + $_)::float8" } 0 .. 7) . "] AS x FROM generate_series(1::bigint, $rows) AS i; ANALYZE c; "
        . "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SELECT $training\::text FROM c";
    local $ENV{SQL} = $sql;
    delete local @ENV{qw(PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE)};
    my $out = `pg_virtualenv -t -v $version -o dynamic_shared_memory_type=mmap sh -c 'psql -XAtq -c "\$SQL"' 2>&1`;
    like($out, qr/^\Q$model\E$/m, 'dynamic_shared_memory_type = mmap: the same model');
}

done_testing();
