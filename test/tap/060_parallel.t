# The same model, to the last bit, whatever the plan, the number of workers and threads, and the order of the rows.
use strict;
use warnings;
use Session;
use Test::More;

my $db = create_database('parallel');
my $s = session($db, settings => '-c client_min_messages=warning');
$s->value('SET max_parallel_workers_per_gather = 0');
sample_table($s, 'c', 200_000, 5);
$s->value(q{UPDATE c SET income = 0 WHERE id % 10 = 0; VACUUM c});    # ties
my @tables = 'c';
for my $seed (1 .. 5) {
    $s->value("CREATE TABLE c$seed AS SELECT * FROM c ORDER BY md5(id::text || 'x$seed'); ANALYZE c$seed");
    push @tables, "c$seed";
}
isnt($s->value('SELECT id FROM c1 LIMIT 1'), $s->value('SELECT id FROM c2 LIMIT 1'), 'the shuffles differ');
$s->value('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');

sub model { "SELECT kmeans(ARRAY[age, income, card_debt], 5, '{\"quality\": \"fast\", \"scale\": \"zscore\"}')::text FROM $_[0]" }
sub workers { $s->value("SET max_parallel_workers_per_gather = $_[0]") }

workers(0);
my $model = $s->value(model('c'));
like($model, qr/"rows":200000\b/, 'one process: all rows');
unlike($s->value('EXPLAIN ' . model('c')), qr/Gather/, 'and no workers');
for my $workers (1, 2) {
    workers($workers);
    my $plan = $s->value('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ' . model('c'));
    like($plan, qr/Partial Aggregate/, "$workers workers: a parallel plan");
    like($plan, qr/Workers Launched: $workers/, "$workers workers: they run");
    is($s->value(model($_)), $model, "$workers workers, $_: the same model") for @tables;
}
workers(0);
is($s->value(model($_)), $model, "one process, $_: the same model") for @tables[1 .. 5];
workers(2);
$s->value('SET parallel_leader_participation = off');
is($s->value(model('c3')), $model, 'without the leader: the same model');
$s->value('RESET parallel_leader_participation');
for my $threads (0, 1, 4) {
    $s->value("SET segmentation.threads = $threads");
    is($s->value(model('c')), $model, "segmentation.threads = $threads, 2 workers: the same model");
    workers(0);
    is($s->value(model('c2')), $model, "segmentation.threads = $threads, one process: the same model");
    workers(2);
}
$s->value('RESET segmentation.threads');
for my $mode ('on', 'regress') {
    debug_parallel_query($s, $mode);
    is($s->value(model('c4')), $model, "debug_parallel_query = $mode: the same model");
    $s->value('SET max_parallel_workers_per_gather = 0');
    is($s->value(model('c5')), $model, "debug_parallel_query = $mode, no partial aggregation: the same model");
    workers(2);
}
debug_parallel_query($s, 'off');

# With groups, by hashing and by sorting.
my $grouped = "SELECT string_agg(region || m::text, ',' ORDER BY region) FROM (SELECT region, kmeans(ARRAY[age, income], 3, '{\"quality\": \"fast\"}') AS m FROM %s GROUP BY region) g";
workers(0);
my $groups = $s->value(sprintf $grouped, 'c');
workers(2);
for my $setting ('enable_hashagg', 'enable_sort') {
    $s->value("SET $setting = off");
    like($s->value('EXPLAIN ' . sprintf $grouped, 'c1'), qr/Partial (?:Group|Hash)Aggregate/, "groups, $setting = off: a parallel plan");
    is($s->value(sprintf $grouped, 'c1'), $groups, "groups, $setting = off: the same models");
    $s->value("RESET $setting");
}

# Sketches.
my $sketch = 'SELECT md5(kmeans_sketch(ARRAY[age, income, card_debt], 300000)::text) FROM %s';
workers(0);
my $text = $s->value(sprintf $sketch, 'c');
for my $workers (0, 1, 2) {
    workers($workers);
    like($s->value('EXPLAIN ' . sprintf $sketch, 'c'), qr/Partial Aggregate/, "sketch, $workers workers: a parallel plan") if $workers > 0;
    is($s->value(sprintf $sketch, $_), $text, "sketch, $workers workers, $_: the same text") for @tables[0, 1, 2];
}
for my $table ('c', 'c5') {
    is($s->value("SELECT md5(kmeans_merge(s)::text) FROM (SELECT kmeans_sketch(ARRAY[age, income, card_debt], 300000) AS s FROM $table GROUP BY region) r"), $text, "$table: the sketches of the regions, merged, are the sketch of all");
    is($s->value("SELECT kmeans_fit(kmeans_merge(s), 5, '{\"quality\": \"fast\", \"scale\": \"zscore\"}')::text FROM (SELECT kmeans_sketch(ARRAY[age, income, card_debt], 300000) AS s FROM $table GROUP BY region) r"),
        $model, "$table: and give the model of all rows");
}
$s->value('CREATE TABLE stored AS SELECT id % 500 AS part, kmeans_sketch(ARRAY[age, income, card_debt], 300000) AS s FROM c2 GROUP BY 1; ANALYZE stored');
my $merge = "SELECT kmeans_fit(kmeans_merge(s), 5, '{\"quality\": \"fast\", \"scale\": \"zscore\"}')::text FROM stored";
like($s->value("EXPLAIN $merge"), qr/Partial Aggregate/, 'kmeans_merge: a parallel plan');
is($s->value($merge), $model, '500 stored sketches, merged in parallel: the model of all rows');
is($s->value("SELECT kmeans_fit(kmeans_merge(s ORDER BY part DESC), 5, '{\"quality\": \"fast\", \"scale\": \"zscore\"}')::text FROM stored"), $model, 'and in another order');

# Weights: a row of weight 2 in another process than its neighbours.
my $weighted = "SELECT kmeans(ARRAY[age, income], 4, '{\"quality\": \"fast\"}', 1 + id %% 3)::text FROM %s";
workers(0);
my $weighted_model = $s->value(sprintf $weighted, 'c');
workers(2);
is($s->value(sprintf $weighted, 'c3'), $weighted_model, 'weighted rows in parallel: the same model');
# Scoring and judging in workers.
$s->value("CREATE TABLE kept AS SELECT " . sql_literal($model) . "::kmeans_model AS m; ANALYZE kept");
my $literal = sql_literal($model) . '::kmeans_model';
my $judge = "SELECT (e).rows, round((e).inertia::numeric, 3) FROM (SELECT kmeans_evaluate($literal, ARRAY[age, income, card_debt]) AS e FROM c OFFSET 0) t";
workers(0);
my $judged = $s->value($judge);
workers(2);
like($s->value("EXPLAIN $judge"), qr/Partial Aggregate/, 'kmeans_evaluate: a parallel plan');
is($s->value($judge), $judged, 'kmeans_evaluate in parallel: the same up to rounding');
is($s->value('SELECT count(*), sum(kmeans_assign(m, ARRAY[age, income, card_debt])) FROM c, kept'), do { workers(0); $s->value('SELECT count(*), sum(kmeans_assign(m, ARRAY[age, income, card_debt])) FROM c, kept') }, 'scoring in parallel: the same segments');

# Errors in a worker keep their SQLSTATE.
workers(2);
my $error = $s->query("SELECT kmeans(CASE WHEN id = 199999 THEN ARRAY[age] ELSE ARRAY[age, income] END, 3) FROM c");
is($error->{state}, '22000', 'rows of different width, in different processes: SQLSTATE');
my $bad = $s->query("SELECT kmeans(ARRAY[age, CASE WHEN id = 150000 THEN 'NaN' ELSE income END], 3) FROM c");
is("$bad->{state} $bad->{detail}", '22003 Feature 2 is NaN.', 'an error of a worker: SQLSTATE and detail');
my $differ = $s->query("SELECT kmeans(ARRAY[age], CASE WHEN id > 100000 THEN 3 ELSE 2 END) FROM c");
is($differ->{state}, '22023', 'another k in another process is an error');

done_testing();
