# kmeans as any aggregate: many groups, FILTER, DISTINCT, ORDER BY, windows, grouping sets, arrays of other numbers.
use strict;
use warnings;
use Session;
use Test::More;

my $db = create_database('groups');
my $s = session($db, settings => '-c client_min_messages=warning -c jit=off -c max_parallel_workers_per_gather=0');

$s->value('CREATE TABLE p AS SELECT i, i % 40000 AS g, ARRAY[i % 40000 + i / 40000 * 10, (i * 7919) % 13]::float8[] AS x FROM generate_series(0, 159999) i; ANALYZE p');
my $models = q{SELECT g, kmeans(x, 2, '{"n_init": 1}') AS m FROM p GROUP BY g};
my $digest = "SELECT count(*), md5(string_agg(m::text, ',' ORDER BY g)) FROM ($models) t";
my %plans = (
    'hash, 32 MB' => ["SET enable_hashagg = on; SET enable_sort = off; SET work_mem = '32MB'", qr/HashAggregate/],
    'hash, 256 MB' => ["SET enable_hashagg = on; SET enable_sort = off; SET work_mem = '256MB'", qr/HashAggregate/],    # all groups at once: a memory context for each took 12 s
    'hash, 4 MB' => ["SET enable_hashagg = on; SET enable_sort = off; SET work_mem = '4MB'", qr/HashAggregate/],
    'hash, 256 kB' => ["SET enable_hashagg = on; SET enable_sort = off; SET work_mem = '256kB'", qr/HashAggregate/],
    'sort, 256 kB' => ["SET enable_hashagg = off; SET enable_sort = on; SET work_mem = '256kB'", qr/GroupAggregate/],
    'two workers, 1 MB' => ["SET enable_hashagg = on; SET enable_sort = on; SET work_mem = '1MB'; SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0", qr/Aggregate/],
);
my %digests;
for my $name (sort keys %plans) {
    my ($settings, $plan) = @{ $plans{$name} };
    $s->value($settings);
    like($s->value("EXPLAIN $models"), $plan, "40,000 groups, $name: the plan");
    my $answer = $s->query($digest);
    is($answer->{state}, '', "40,000 groups, $name: runs") or diag $answer->{err};
    $digests{$name} = $answer->{out};
    note sprintf '%s: %.2f s', $name, $answer->{seconds};
    cmp_ok($answer->{seconds}, '<', 10, "40,000 groups, $name: in a reasonable time");
}
$s->value('SET max_parallel_workers_per_gather = 0; RESET enable_hashagg; RESET enable_sort; RESET work_mem');
my ($first) = map { $digests{$_} } sort keys %digests;
like($first, qr/^40000\|/, '40,000 models');
is($digests{$_}, $first, "$_: the same models") for sort keys %digests;
is($s->value("SELECT count(*) FROM ($models) t WHERE (kmeans_info(m)).rows <> 4"), 0, 'each of its four rows');
for my $group (0, 17, 39999) {
    is($s->value("SELECT m::text FROM ($models) t WHERE g = $group"), $s->value(qq{SELECT kmeans(x, 2, '{"n_init": 1}')::text FROM p WHERE g = $group}), "group $group as if alone");
}

# FILTER, DISTINCT, ORDER BY.
$s->value('CREATE TABLE q AS SELECT i, i % 3 AS g, i % 2 = 0 AS even, ARRAY[i % 50, i % 7]::float8[] AS x FROM generate_series(1, 3000) i');
sub same {
    my ($name, $a, $b) = @_;
    my $expected = $s->value($b);
    isnt($expected, '', "$name: there is a result");
    is($s->value($a), $expected, $name);
}
same('FILTER', 'SELECT kmeans(x, 3) FILTER (WHERE even)::text FROM q', 'SELECT kmeans(x, 3)::text FROM q WHERE even');
same('two FILTERs at once', 'SELECT kmeans(x, 3) FILTER (WHERE even)::text || kmeans(x, 3) FILTER (WHERE NOT even)::text FROM q', 'SELECT (SELECT kmeans(x, 3)::text FROM q WHERE even) || (SELECT kmeans(x, 3)::text FROM q WHERE NOT even)');
same('DISTINCT', 'SELECT kmeans(DISTINCT x, 3)::text FROM q', 'SELECT kmeans(x, 3)::text FROM (SELECT DISTINCT x FROM q) d');
same('DISTINCT with options', q{SELECT kmeans(DISTINCT x, 3, '{"scale": "zscore"}')::text FROM q}, q{SELECT kmeans(x, 3, '{"scale": "zscore"}')::text FROM (SELECT DISTINCT x FROM q) d});
same('ORDER BY', 'SELECT kmeans(x, 3 ORDER BY i DESC)::text FROM q', 'SELECT kmeans(x, 3 ORDER BY i)::text FROM q');
same('the same aggregate twice', 'SELECT kmeans(x, 3)::text || kmeans(x, 3)::text || count(*) FROM q', 'SELECT (SELECT kmeans(x, 3)::text FROM q) || (SELECT kmeans(x, 3)::text FROM q) || 3000');
same('two k at once', 'SELECT kmeans(x, 2)::text || kmeans(x, 3)::text FROM q', 'SELECT (SELECT kmeans(x, 2)::text FROM q) || (SELECT kmeans(x, 3)::text FROM q)');
is($s->value('SELECT kmeans(x, 3) IS NULL, kmeans_sketch(x, 3) IS NULL, kmeans_merge(NULL::kmeans_sketch) IS NULL FROM q WHERE false'), 't|t|t', 'no rows: NULL');
is($s->value('SELECT kmeans(NULL::float8[], 3) IS NULL FROM q'), 't', 'only NULL arrays: NULL');
is($s->value('SELECT (kmeans_info(kmeans(CASE WHEN even THEN x END, 3))).rows FROM q'), 1500, 'NULL arrays are left out');

# Windows. Frames are compared with the aggregate over just those rows.
for my $case (
    ['running', 'ORDER BY i', 'b.i <= a.i'],
    ['moving', 'ORDER BY i ROWS BETWEEN 5 PRECEDING AND 5 FOLLOWING', 'b.i BETWEEN a.i - 5 AND a.i + 5'],
    ['leaving at the end', 'ORDER BY i ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING', 'b.i >= a.i'],
    ['moving, without the row itself', 'ORDER BY i ROWS BETWEEN 4 PRECEDING AND 4 FOLLOWING EXCLUDE CURRENT ROW', 'b.i BETWEEN a.i - 4 AND a.i + 4 AND b.i <> a.i'],
    ['partitions', 'PARTITION BY g', 'b.g = a.g'],
    ['partitions, running', 'PARTITION BY g ORDER BY i', 'b.g = a.g AND b.i <= a.i'],
    ['all', '', 'true'],
) {
    my ($name, $window, $condition) = @$case;
    is($s->value(qq{SELECT count(*), count(*) FILTER (WHERE w IS DISTINCT FROM alone) FROM (SELECT i, w, (SELECT kmeans(x, 2, '{"n_init": 2}')::text FROM q b WHERE b.i <= 120 AND $condition) AS alone
        FROM (SELECT i, g, kmeans(x, 2, '{"n_init": 2}') OVER ($window)::text AS w FROM q WHERE i <= 120) a) t}), '120|0', "window: $name");
}
is($s->value(q{SELECT count(*) FROM (SELECT kmeans_assign(kmeans(x, 3) OVER (PARTITION BY g), x) AS a, kmeans_label(x, 3) OVER (PARTITION BY g) AS b FROM q) t WHERE a IS DISTINCT FROM b}), 0, 'kmeans_label says what the model of the partition says');
is($s->value(q{SELECT count(*), count(l), count(DISTINCT (g, l)) FILTER (WHERE l IS NOT NULL) FROM (SELECT g, kmeans_label(CASE WHEN i % 10 > 0 THEN x END, 3) OVER (PARTITION BY g ORDER BY i ROWS 3 PRECEDING) AS l FROM q) t}), '3000|2700|9', 'kmeans_label ignores the frame and leaves out NULL');
is($s->query(q{SELECT kmeans_label(x, i) OVER () FROM q})->{state}, '22023', 'kmeans_label: k that changes is an error');
is($s->query(q{SELECT kmeans_label(x, 3) FROM q})->{state}, '42809', 'kmeans_label without OVER is an error');

# Outlier factors: the whole partition, whatever the frame and the order of the rows.
is($s->value(q{SELECT count(*), count(f), count(*) FILTER (WHERE f IS DISTINCT FROM g) FROM (SELECT local_outlier_factor(CASE WHEN i % 10 > 0 THEN x END, 5) OVER (PARTITION BY g ORDER BY i ROWS 3 PRECEDING) AS f,
    local_outlier_factor(CASE WHEN i % 10 > 0 THEN x END, 5) OVER (PARTITION BY g ORDER BY i DESC) AS g FROM q) t}), '3000|2700|0', 'local_outlier_factor ignores frame and order and leaves out NULL');
is($s->value(q{SELECT count(*) FROM (SELECT local_outlier_factor(x, 5) OVER (PARTITION BY g) AS f, x, g FROM q) t GROUP BY x, g HAVING count(DISTINCT f) > 1}), '', 'equal rows have equal factors');
is($s->value(q{SELECT count(*), count(f) FROM (SELECT local_outlier_factor(x, 5) OVER (PARTITION BY i) AS f FROM q) t}), '3000|0', 'a row alone has no factor');
is($s->value(q{SELECT count(*) FROM q a JOIN (SELECT i, local_outlier_factor(x, 20) OVER () AS f FROM q) b USING (i) JOIN (SELECT i, local_outlier_factor(x, CASE WHEN i > 0 THEN 20 END) OVER () AS f FROM q) c USING (i) WHERE b.f = c.f}), 3000, 'neighbors need not be a constant');
is($s->query(q{SELECT local_outlier_factor(x, i) OVER () FROM q})->{state}, '22023', 'local_outlier_factor: neighbors that change are an error');
is($s->query(q{SELECT local_outlier_factor(x, 3) FROM q})->{state}, '42809', 'local_outlier_factor without OVER is an error');

# Grouping sets.
same('ROLLUP', q{SELECT string_agg(coalesce(g::text, '-') || coalesce(even::text, '-') || m::text, ',' ORDER BY g, even) FROM (SELECT g, even, kmeans(x, 2) AS m FROM q GROUP BY ROLLUP (g, even)) t},
    q{SELECT string_agg(coalesce(g::text, '-') || coalesce(even::text, '-') || m::text, ',' ORDER BY g, even) FROM (SELECT g, even, kmeans(x, 2) AS m FROM q GROUP BY g, even UNION ALL SELECT g, NULL, kmeans(x, 2) FROM q GROUP BY g UNION ALL SELECT NULL, NULL, kmeans(x, 2) FROM q) t});
same('CUBE', q{SELECT md5(string_agg(m::text, ',' ORDER BY m)) FROM (SELECT kmeans(x, 2) AS m FROM q GROUP BY CUBE (g, even)) t},
    q{SELECT md5(string_agg(m::text, ',' ORDER BY m)) FROM (SELECT kmeans(x, 2) AS m FROM q GROUP BY g, even UNION ALL SELECT kmeans(x, 2) FROM q GROUP BY g UNION ALL SELECT kmeans(x, 2) FROM q GROUP BY even UNION ALL SELECT kmeans(x, 2) FROM q) t});
is($s->value('SELECT count(*), min((kmeans_info(m)).rows) FROM (SELECT g, kmeans(x, 2) AS m FROM q GROUP BY g HAVING (kmeans_info(kmeans(x, 2))).rows > 500) t'), '3|1000', 'HAVING over the same aggregate');
is($s->value('SELECT (kmeans_info(m)).rows FROM (SELECT (SELECT kmeans(b.x, 2) FROM q b WHERE b.g = a.g) AS m FROM q a WHERE a.i = 1) t'), 1000, 'in a correlated subquery');

# Arrays of other numbers.
for my $type ('int[]', 'bigint[]', 'smallint[]', 'real[]', 'numeric[]') {
    same("$type", "SELECT kmeans(x::$type, 3)::text FROM q", 'SELECT kmeans(x, 3)::text FROM q');
    same("$type: scoring", "SELECT string_agg(kmeans_assign(m, x::$type)::text, ',' ORDER BY i) FROM q, (SELECT kmeans(x, 3) AS m FROM q) t", "SELECT string_agg(kmeans_assign(m, x)::text, ',' ORDER BY i) FROM q, (SELECT kmeans(x, 3) AS m FROM q) t");
}
same('columns of several types', 'SELECT kmeans(ARRAY[i, i::real, i::numeric / 2], 2)::text FROM q', 'SELECT kmeans(ARRAY[i, i, i / 2.0]::float8[], 2)::text FROM q');
is($s->query(q{SELECT kmeans(ARRAY['a'], 2) FROM q})->{state}, '42883', 'an array of text is an error');

# Rows that are stored in every way: short header, compressed, out of line.
$s->value('CREATE TABLE wide AS SELECT i, (SELECT array_agg((i * j) % 11 ORDER BY j)::float8[] FROM generate_series(1, 600) j) AS x FROM generate_series(1, 60) i; CREATE TABLE wide_out (i int, x float8[]); ALTER TABLE wide_out ALTER x SET STORAGE external; INSERT INTO wide_out SELECT i, array_append(x[1:599], x[600]) FROM wide');
cmp_ok($s->value("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'wide_out'::regclass"), '>', 0, 'the arrays are out of line');
cmp_ok($s->value('SELECT max(pg_column_size(x)) FROM wide'), '<', 4000, 'and compressed');
same('arrays stored out of line', 'SELECT kmeans(x, 4)::text FROM wide_out', 'SELECT kmeans(x, 4)::text FROM wide');
same('arrays made on the way', 'SELECT kmeans(x || 1::float8, 4)::text FROM wide_out', 'SELECT kmeans(array_append(x, 1), 4)::text FROM wide');

# States that lie flat: every aggregate over what another made, and an aggregate of one's own from our functions.
$s->value('CREATE AGGREGATE flat_state(kmeans_sketch) (SFUNC = kmeans_merge_accum, STYPE = kmeans_sketch, COMBINEFUNC = kmeans_merge_accum, PARALLEL = SAFE)');
same('a state as a result', 'SELECT kmeans_fit(flat_state(s), 3)::text FROM (SELECT kmeans_sketch(x, 5000) AS s FROM q GROUP BY g) t', 'SELECT kmeans(x, 3)::text FROM q');

# A state that somebody made up must be an error, not a crash.
my $pid = $s->pid;
my $started = server_start_time();
$s->value('CREATE TABLE kept AS SELECT kmeans(x, 3) AS m, kmeans_sketch(x, 5000) AS s FROM q; CREATE AGGREGATE state_of(kmeans_model, float8[]) (SFUNC = kmeans_evaluate_accum, STYPE = float8[])');
my $mark = $s->value('SELECT (state_of(m, ARRAY[1, 2]))[5] FROM kept');
for my $state ('{}', '{1}', '{{1,2},{3,4}}', '{1,3,2,0,NULL}', "{1,3,2,0,$mark}", "{1,60000,60,0,$mark}", "{1,1,1,0,$mark,0,0,0,0,0,0,0}", "{2,3,2,0,$mark}", "{NaN,NaN,NaN,NaN,$mark}") {
    $s->query('DROP AGGREGATE IF EXISTS made_up(kmeans_model, float8[]); DROP AGGREGATE IF EXISTS made_up_sum(float8[])');
    $s->value('CREATE AGGREGATE made_up(kmeans_model, float8[]) (SFUNC = kmeans_evaluate_accum, STYPE = float8[], FINALFUNC = kmeans_evaluate_final, INITCOND = ' . sql_literal($state) . ')');
    my $answer = $s->query('SELECT made_up(m, ARRAY[g, g]) FROM kept, generate_series(1, 300) g');
    is($answer->{state}, '22023', "kmeans_evaluate from the state $state: an error");
    if (!$answer->{alive}) {    # the server is recovering
        sleep 3;
        $s = session($db);
        last;
    }
    $s->value('CREATE AGGREGATE made_up_sum(float8[]) (SFUNC = kmeans_evaluate_combine, STYPE = float8[], FINALFUNC = kmeans_evaluate_final, INITCOND = ' . sql_literal($state) . ')');
    is($s->query('SELECT made_up_sum(x) FROM q')->{state}, '22023', "and so in combining");
}
is(server_start_time(), $started, 'the server has not restarted');
is($s->value('SELECT pg_backend_pid()'), $pid, 'the session lives');

done_testing();
