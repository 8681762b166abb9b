# A cancel, a timeout and a termination are honoured soon, wherever the training is, and nobody else notices.
#
# "Soon" is 100 ms by design. On a noisy machine of two cores a single try may be late, so of five tries the best must stay below
# 300 ms; all are printed. Where a try can fall into different stretches of work the delays are spread and the median counts.
use strict;
use warnings;
use List::Util qw(max min);
use Session;
use Test::More;
use Time::HiRes qw(sleep time);

my $db = create_database('cancel');
my $started = server_start_time();
my $s = session($db);
my $admin = session($db);
my $bystander = session($db);
my $pid = $s->pid;
my $limit = 0.3;

sample_table($s, 'c', 1_000_000, 1);
$s->value('CREATE TABLE sketches (name text, sketch kmeans_sketch); ALTER TABLE sketches ALTER sketch SET STORAGE external');
$s->value(q{INSERT INTO sketches SELECT 'customers', kmeans_sketch(x, 1000000) FROM c});
$s->value(q{INSERT INTO sketches SELECT 'equal', kmeans_sketch(ARRAY[1.0], 4000000) FROM generate_series(1, 4000000)});
$s->value(q{INSERT INTO sketches SELECT 'random', kmeans_sketch(ARRAY[random()], 100000000) FROM generate_series(1, 4000000)});
$s->value(q{INSERT INTO sketches SELECT 'small', kmeans_sketch(ARRAY[random(), random()], 60000) FROM generate_series(1, 40000)});
my $sketch = sub { "(SELECT sketch FROM sketches WHERE name = '$_[0]')" };

# Somebody else, in the middle of a query.
$bystander->value('BEGIN; DECLARE reader CURSOR FOR SELECT id FROM c ORDER BY id; FETCH FORWARD 1 FROM reader');

# Seconds from the cancel to the answer; undef when the statement had ended before.
sub cancel_after {
    my ($session, $sql, $delay, $function) = @_;
    $session->send($sql);
    sleep $delay;
    my $at = time;
    $admin->value(($function // 'SELECT pg_cancel_backend') . '(' . $session->{pid} . ')');
    my $answer = $session->receive(120);
    return (time - $at, $answer);
}

# Tries at all the delays, which must lie well within the time that the statement would take (a short one is made for several rows);
# `judge` says what of the latencies must stay below the limit.
sub cancel_test {
    my ($name, $sql, $delays, $judge) = @_;
    my (@latencies, %states);
    for my $delay (@$delays) {
        my ($latency, $answer) = cancel_after($s, $sql, $delay);
        $states{ $answer->{state} }++;
        push @latencies, $latency;
    }
    note sprintf '%s: cancelled within %s ms', $name, join(' ', map { sprintf '%.0f', 1000 * $_ } @latencies);
    is_deeply(\%states, { 57014 => scalar @$delays }, "$name: every cancel ends in SQLSTATE 57014");
    cmp_ok($judge->(@latencies), '<=', $limit, "$name: in time");
    is($s->value('SELECT pg_backend_pid()'), $pid, "$name: the session goes on");
}
my $best = sub { min(@_) };
my $middle = sub { median(@_) };
my $worst = sub { max(@_) };

cancel_test('fit', "SELECT length(kmeans_fit(" . $sketch->('customers') . ", 50, '{\"quality\": \"best\", \"n_init\": 1000}')::text)", [0.3, 0.5, 0.8, 1.2, 1.7], $best);
cancel_test('seeding', "SELECT length(kmeans_fit(" . $sketch->('customers') . ", 5000, '{\"quality\": \"fast\"}')::text)", [0.4, 0.6, 0.8, 1.0, 1.5], $best);
cancel_test('scan of an aggregate', "SELECT kmeans(x, 3) FROM c a CROSS JOIN generate_series(1, 3)", [0.02, 0.05, 0.1, 0.15, 0.2], $best);
cancel_test('kmeans_label OVER ()', "SELECT count(kmeans_label) FROM (SELECT kmeans_label(x, 50, '{\"quality\": \"best\", \"n_init\": 1000}') OVER () FROM c) l", [0.3, 0.6, 0.9, 1.3, 1.6], $best);
# While rows are read, sorted, and put into a tree, and then while neighbours are searched for.
cancel_test('local_outlier_factor OVER ()', 'SELECT count(f) FROM (SELECT local_outlier_factor(x, 20) OVER () AS f FROM c) l', [0.2, 0.5, 0.8, 1.1, 1.5, 2, 3], $middle);
cancel_test('kmeans_sketch of many rows', "SELECT length(kmeans_merge(sketch)::text) FROM sketches, generate_series(1, 8) WHERE name = 'random'", [0.02, 0.05, 0.1, 0.15, 0.2], $best);
$s->value(q{SET segmentation.train_memory = '16MB'});
cancel_test('compression of many rows', "SELECT length(kmeans_merge(sketch)::text) FROM sketches, generate_series(1, 6) WHERE name = 'random'", [0.1, 0.15, 0.25, 0.35, 0.45], $best);
$s->value('RESET segmentation.train_memory');
cancel_test('canonical order of equal rows', "SELECT length(kmeans_fit(" . $sketch->('equal') . ", 2)::text) FROM generate_series(1, 12)", [0.05, 0.1, 0.15, 0.2, 0.25, 0.3], $middle);
cancel_test('canonical order of random rows', "SELECT length(kmeans_fit(" . $sketch->('random') . ", 2, '{\"quality\": \"best\"}')::text) FROM generate_series(1, 4)", [0.05, 0.1, 0.2, 0.3, 0.4], $middle);
cancel_test('quantiles of scale robust', "SELECT length(kmeans_fit(" . $sketch->('random') . ", 2, '{\"scale\": \"robust\"}')::text) FROM generate_series(1, 4)", [0.2, 0.3, 0.4, 0.5, 0.6], $middle);

# Metrics of many clusters: Davies-Bouldin looks at every pair.
cancel_test('fit of 20,000 clusters', "SELECT length(kmeans_fit(" . $sketch->('small') . ", 20000, '{\"init\": \"random\", \"quality\": \"fast\", \"max_iter\": 1}')::text)",
    [0.3, 0.6, 0.9, 1.2], $worst);

# Parallel: the leader trains while workers wait or have gone.
$s->value('SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');
my $parallel = "SELECT kmeans(x, 50, '{\"quality\": \"best\", \"n_init\": 1000}') FROM c";
like($s->value("EXPLAIN (COSTS OFF) $parallel"), qr/Partial Aggregate/, 'the plan is parallel');
cancel_test('fit in a parallel query', $parallel, [0.7, 0.9, 1.1, 1.5, 2.0], $best);
# A fit inside a worker.
debug_parallel_query($s, 'on');
my $in_worker = "SELECT length(kmeans_fit(sketch, 50, '{\"quality\": \"best\", \"n_init\": 1000}')::text) FROM sketches WHERE name = 'customers'";
like($s->value("EXPLAIN (COSTS OFF) $in_worker"), qr/Gather/, 'the plan has a worker');
cancel_test('fit in a parallel worker', $in_worker, [0.3, 0.5, 0.8, 1.2, 1.7], $best);
debug_parallel_query($s, 'off');
$s->value('SET max_parallel_workers_per_gather = 0');
ok(wait_until(10, sub { $admin->value(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}) == 0 }), 'no worker is left');

# statement_timeout. The sketch is read in some 10 ms, so that the limit falls into the fit.
my $fit = "SELECT length(kmeans_fit(sketch, 50, '{\"quality\": \"best\", \"n_init\": 1000}')::text) FROM sketches WHERE name = 'customers'";
my $read = min(map { $s->query("SELECT octet_length(kmeans_sketch_send(sketch)) FROM sketches WHERE name = 'customers'")->{seconds} } 1 .. 3);
cmp_ok($read, '<', 0.15, sprintf 'the sketch of 1,000,000 rows is read in %.0f ms', 1000 * $read);
for my $case (['fit over a sketch', $fit, 0.2], ['seeding', "SELECT length(kmeans_fit(sketch, 5000)::text) FROM sketches WHERE name = 'customers'", 0.2]) {
    my ($name, $sql, $timeout) = @$case;
    $s->value('SET statement_timeout = ' . 1000 * $timeout);
    my @answers = map { $s->query($sql) } 1 .. 5;
    $s->value('SET statement_timeout = 0');
    is(join(' ', map { $_->{state} } @answers), join(' ', ('57014') x 5), "statement_timeout, $name: SQLSTATE");
    my @late = map { $_->{seconds} - $timeout } @answers;
    note sprintf 'statement_timeout, %s: late by %s ms', $name, join(' ', map { sprintf '%.0f', 1000 * $_ } @late);
    cmp_ok(min(@late), '<=', 0.1, "statement_timeout, $name: at most 100 ms late, the best of 5");
    cmp_ok(min(map { $_->{seconds} } @answers), '>=', $timeout - 0.001, "statement_timeout, $name: not before the limit");
    is($s->value('SELECT pg_backend_pid()'), $pid, "statement_timeout, $name: the session goes on");
}

# A cancel in a subtransaction leaves the transaction usable.
$s->value('BEGIN; CREATE TEMP TABLE kept AS SELECT 1 AS one; SAVEPOINT here; SET LOCAL statement_timeout = 200');
is($s->query($fit)->{state}, '57014', 'cancelled in a subtransaction');
is($s->value('ROLLBACK TO here; SELECT one FROM kept; COMMIT'), 1, 'the transaction goes on');

# pg_terminate_backend ends the one session.
for my $case (['fit', $fit, 0.5], ['fit in a parallel query', $parallel, 1.0], ['kmeans_label', "SELECT count(kmeans_label) FROM (SELECT kmeans_label(x, 50, '{\"quality\": \"best\", \"n_init\": 1000}') OVER () FROM c) l", 1.0],
    ['local_outlier_factor', 'SELECT count(f) FROM (SELECT local_outlier_factor(x, 20) OVER () AS f FROM c) l', 2.5]) {
    my ($name, $sql, $delay) = @$case;
    my $victim = session($db, settings => '-c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0');
    my $victim_pid = $victim->pid;
    my ($latency, $answer) = cancel_after($victim, $sql, $delay, 'SELECT pg_terminate_backend');
    note sprintf 'terminated in %s: within %.0f ms', $name, 1000 * $latency;
    is($answer->{state}, '57P01', "terminated in $name: SQLSTATE");
    ok(!$answer->{alive}, "terminated in $name: that session is gone");
    unlike($answer->{err}, qr/because of crash/, "terminated in $name: and it was no crash");
    is($admin->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $victim_pid"), 0, "terminated in $name: the backend has ended");
    is(server_start_time(), $started, "terminated in $name: the server runs on");
    $victim->finish;
}
is($bystander->value('FETCH FORWARD 3 FROM reader; COMMIT'), "2\n3\n4", 'the cursor of another session, open all the while, goes on');
is($s->value('SELECT pg_backend_pid()'), $pid, 'and so does the session that was cancelled');
is($s->value('SELECT (kmeans_info(kmeans(x, 3))).rows FROM c WHERE id <= 1000'), 1000, 'which trains again');

done_testing();
