# The engine within the server: threads that are ended from outside, trainings beyond their memory, plans.
use strict;
use warnings;
use Session;
use Test::More;
use Time::HiRes qw(sleep time);

my $db = create_database('engine');
my $started = server_start_time();
my $s = session($db, settings => '-c jit=off');
sample_table($s, 'c', 300_000, 5);
my $columns = 'ARRAY[age, income, card_debt, other_debt]';

# A session that is terminated while its training has threads: FATAL leaves by way of exit(), with the threads parked. The server
# would start anew if one of them still read the rows.
for my $threads (2, 4) {
    for my $try (1 .. 6) {
        my $victim = session($db, settings => "-c segmentation.threads=$threads -c max_parallel_workers_per_gather=0");
        my $pid = $victim->pid;
        $victim->send(qq{SELECT kmeans($columns, 60, '{"quality": "best", "n_init": 500, "scale": "zscore"}') FROM c});
        sleep 0.3 + 0.15 * $try;
        is($s->value("SELECT pg_terminate_backend($pid)"), 't', "$threads threads, try $try: terminated");
        my $answer = $victim->receive(60);
        is($answer->{state}, '57P01', "$threads threads, try $try: by the administrator's command");
        ok(wait_until(30, sub { $s->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0' }), "$threads threads, try $try: gone");
    }
}
is(server_start_time(), $started, 'the server has not started anew');

# Interrupts that are no cancel go by: the training that had them gives the model that it gives without.
{
    my $fit = qq{SELECT kmeans($columns, 30, '{"scale": "zscore"}')::text FROM c};
    my $busy = session($db, settings => '-c segmentation.threads=4 -c max_parallel_workers_per_gather=0');
    my $expected = $busy->value($fit);
    my $pid = $busy->pid;
    $busy->send($fit);
    for (1 .. 10) {
        sleep 0.05;
        $s->value("SELECT pg_log_backend_memory_contexts($pid)");
    }
    is($busy->receive(120)->{out}, $expected, 'ten other interrupts: the same model');
    is($busy->query('SELECT 1')->{out}, '1', 'and the session goes on');
}

# Threads of the operating system are there while a model is computed, and at no other time.
{
    my $one = session($db, settings => '-c segmentation.threads=3 -c max_parallel_workers_per_gather=0');
    my $pid = $one->pid;
    my $count = sub { opendir(my $tasks, "/proc/$pid/task") or return 0; return scalar grep { /^\d+$/ } readdir $tasks };
    is($count->(), 1, 'one thread before');
    $one->send(qq{SELECT kmeans($columns, 60, '{"quality": "best", "n_init": 500, "scale": "zscore"}') FROM c});
    ok(wait_until(20, sub { $count->() == 3 }), 'three while it trains');
    $s->value("SELECT pg_cancel_backend($pid)");
    is($one->receive(60)->{state}, '57014', 'cancelled');
    is($count->(), 1, 'and one again');
}

# More rows than train_memory holds.
sub inertia_of {
    my ($model) = @_;
    return $s->value("SELECT (e).inertia FROM (SELECT kmeans_evaluate(" . sql_literal($model) . "::kmeans_model, $columns) AS e FROM c) t");
}
my $options = '{"scale": "zscore"}';
my $exact = $s->value("SELECT kmeans($columns, 6, '$options')::text FROM c");
for my $case (['one backend', 0], ['two workers', 2], ['two workers alone', 2, 'SET parallel_leader_participation = off']) {
    my ($name, $workers, $setting) = @$case;
    $s->value("SET max_parallel_workers_per_gather = $workers; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0");
    $s->value($setting) if $setting;
    $s->value("SET segmentation.train_memory = '1MB'");
    my $answer = $s->query("SELECT kmeans($columns, 6, '$options')::text FROM c");
    is($answer->{state}, '', "$name: a training beyond its memory");
    like(join("\n", @{ $answer->{notices} }), qr/the fit was not exact: 300000 rows were summarized in \d+ cells/, "$name: is said in a NOTICE");
    my ($held) = join('', @{ $answer->{notices} }) =~ /is between ([\d.]+) % of what is reported/;
    my $model = $answer->{out};
    is($s->value("SELECT exact || ' ' || rows || ' ' || segments FROM kmeans_info(" . sql_literal($model) . "::kmeans_model)"), 'false 300000 6', "$name: and in the model");
    $s->value('RESET segmentation.train_memory');
    my ($best, $true, $reported) = (inertia_of($exact), inertia_of($model), $s->value("SELECT inertia FROM kmeans_info(" . sql_literal($model) . "::kmeans_model)"));
    cmp_ok($true, '<=', 1.01 * $best, "$name: within 1 % of the exact one");
    cmp_ok($true, '<=', $reported * (1 + 1e-9), "$name: the inertia that is reported is an upper bound");
    cmp_ok($true, '>=', $reported * ($held - 0.1) / 100, "$name: and the other bound holds") if defined $held;
    my $moved = $s->value("SELECT kmeans_step(" . sql_literal($model) . "::kmeans_model, $columns)::text FROM c");
    cmp_ok(inertia_of($moved), '<=', 1.005 * $best, "$name: one step later within 0.5 %");
    cmp_ok(inertia_of($moved), '<=', $true, "$name: and not worse");
    note sprintf '%s: %.4f %% above the exact one, %.4f %% after a step', $name, 100 * ($true / $best - 1), 100 * (inertia_of($moved) / $best - 1);
    $s->value('RESET parallel_leader_participation');
}
my $refined = $s->query(qq{SELECT segmentation.refine(} . sql_literal($exact) . qq{::kmeans_model, 'c', ARRAY['age', 'income', 'card_debt', 'other_debt'], 3)::text});
is($refined->{state}, '', 'refining a model');
cmp_ok(inertia_of($refined->{out}), '<=', inertia_of($exact) * (1 + 1e-12), 'does not make it worse');

# With the server's own costs, large tables are read in parallel.
$s->value('RESET ALL');
$s->value('SET max_parallel_workers_per_gather = 2');
for my $aggregate ("kmeans($columns, 3)", "kmeans_sketch($columns, 1000)", "kmeans_step((SELECT kmeans($columns, 3) FROM c WHERE id < 100), $columns)") {
    like($s->value("EXPLAIN SELECT $aggregate FROM c"), qr/Finalize Aggregate.*Gather.*Partial Aggregate/s, "$aggregate: a parallel plan by default");
}
is(server_start_time(), $started, 'the server has not started anew');

done_testing();
