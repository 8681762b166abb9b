# pca: the same bits whatever the plan, constant memory over ten million rows, cancel, dump and restore, hostile values.
use strict;
use warnings;
use File::Temp;
use List::Util qw(max min);
use Session;
use Test::More;
use Time::HiRes qw(sleep time);

srand 20240611;
my $db = create_database('pca');
my $started = server_start_time();
my $s = session($db);
my $admin = session($db);
my $pid = $s->pid;
my $directory = File::Temp->newdir;

# ---- the plan does not show --------------------------------------------------------------------------------------------

$s->value('SET max_parallel_workers_per_gather = 0');
sample_table($s, 'c', 200_000, 5);
$s->value("CREATE TABLE c$_ AS SELECT * FROM c ORDER BY md5(id::text || 'x$_')") for 1, 2;
$s->value("ALTER TABLE $_ SET (parallel_workers = 2); ANALYZE $_") for qw(c c1 c2);
$s->value('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');
for my $case (['plain', 'pca(ARRAY[age, income, card_debt, age + 1e9])'], ['z-scores', q{pca(ARRAY[age, income, card_debt], '{"scale": "zscore"}')}],
    ['weights', q{pca(ARRAY[age, income, card_debt], '{"scale": "minmax", "components": 2}', 0.1 + id % 7)}]) {
    my ($name, $call) = @$case;
    $s->value('SET max_parallel_workers_per_gather = 0');
    my $model = $s->value("SELECT $call FROM c");
    like($model, qr/"rows":200000\b/, "$name: all rows");
    is($s->value("SELECT $call FROM c$_"), $model, "$name: shuffle $_ gives the same bits") for 1, 2;
    $s->value('SET max_parallel_workers_per_gather = 2');
    my $plan = $s->value("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT $call FROM c");
    like($plan, qr/Partial Aggregate/, "$name: a parallel plan");
    like($plan, qr/Workers Launched: [12]/, "$name: workers run");
    is($s->value("SELECT $call FROM $_"), $model, "$name: workers over $_, the same bits") for qw(c c1 c2);
    my $groups = sub { "SELECT md5(string_agg(m::text, ',' ORDER BY g)) FROM (SELECT id % 50 AS g, $call AS m FROM $_[0] GROUP BY 1) t" };
    my $parallel = $s->value($groups->('c'));
    $s->value('SET max_parallel_workers_per_gather = 0; SET enable_hashagg = off');
    is($s->value($groups->('c2')), $parallel, "$name: groups by sorting, the same bits");
    $s->value('RESET enable_hashagg');
}
is($s->value('SELECT count(DISTINCT pca_transform(m, ARRAY[age, income])) = count(DISTINCT (age, income)) FROM c, (SELECT pca(ARRAY[age, income]) AS m FROM c) t'), 't', 'scores of one call site');

# ---- memory --------------------------------------------------------------------------------------------------------------

sub resident {
    my ($of) = @_;
    open my $status, '<', "/proc/$of/status" or die "no such backend: $of";
    my ($kilobytes) = join('', <$status>) =~ /^RssAnon:\s+(\d+) kB/m;
    return $kilobytes;
}
SKIP: {
    skip 'needs /proc', 3 unless -r "/proc/$pid/status";
    my $many = sub { "SELECT length(pca(ARRAY[i, i % 7, i % 11, i % 13])::text) FROM (SELECT a * 10000 + b AS i FROM generate_series(1, $_[0]) AS a, generate_series(1, 10000) AS b) t" };
    $s->value('SET jit = off');
    $s->value($many->(10));
    my $before = resident($pid);
    $s->send($many->(1000));
    my ($peak, $answer, $looks) = ($before, undef, 0);
    my $from = time;
    while (!$answer && time - $from < 120) {
        my $now = resident($pid);
        $peak = max($peak, $now);
        $looks++;
        sleep 0.02;
        $answer = 1 if $admin->value("SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'idle';
    }
    my $result = $s->receive(120);
    is($result->{state}, '', 'ten million rows');
    note sprintf 'ten million rows: %.1f s, %d kB at first, %d kB at most, %d looks', time - $from, $before, $peak, $looks;
    cmp_ok($looks, '>', 3, 'looked at while it ran');
    cmp_ok($peak - $before, '<', 2000, 'in constant memory: below 2 MB more than after 100,000 rows');
}

# ---- cancel --------------------------------------------------------------------------------------------------------------

$s->value('CREATE TABLE wide AS SELECT array_agg(sin(i * j) + sin(i * i + j * j)) AS x FROM generate_series(1, 900) AS i, generate_series(1, 400) AS j GROUP BY i');
for my $case (['reading rows', 'SELECT pca(x) FROM c a CROSS JOIN generate_series(1, 100)', [0.05, 0.1, 0.2, 0.3]],
    ['wide rows and axes', 'SELECT length(string_agg(m::text, \'\')) FROM generate_series(1, 30) AS g, LATERAL (SELECT pca(x, \'{}\', g) AS m FROM wide) t', [0.1, 0.4, 0.8, 1.3, 2]]) {
    my ($name, $sql, $delays) = @$case;
    my (@latencies, %states);
    for my $delay (@$delays) {
        $s->send($sql);
        sleep $delay;
        my $at = time;
        $admin->value("SELECT pg_cancel_backend($pid)");
        $states{ $s->receive(120)->{state} }++;
        push @latencies, time - $at;
    }
    note sprintf '%s: cancelled within %s ms', $name, join(' ', map { sprintf '%.0f', 1000 * $_ } @latencies);
    is_deeply(\%states, { 57014 => scalar @$delays }, "$name: every cancel ends in SQLSTATE 57014");
    cmp_ok(min(@latencies), '<=', 0.3, "$name: in time");
}
is($s->value('SELECT pg_backend_pid()'), $pid, 'the session goes on');

# ---- dump, restore, COPY -------------------------------------------------------------------------------------------------

my $literal = sql_literal($s->value(q{SELECT pca(ARRAY[age, income], '{"scale": "zscore"}')::text FROM c})) . '::pca_model';
$s->value(qq{CREATE TABLE kept AS SELECT region, pca(ARRAY[age, income, card_debt], '{"features": ["age", "\\"income\\"", "dépôt"]}') AS model FROM c GROUP BY region;
    CREATE INDEX ON kept USING hash (model); CREATE UNIQUE INDEX ON kept (model);
    CREATE TABLE transformed (id int PRIMARY KEY, age float8, income float8, y float8[] GENERATED ALWAYS AS (pca_transform($literal, ARRAY[age, income])) STORED);
    INSERT INTO transformed (id, age, income) SELECT id, age, income FROM c WHERE id <= 2000; DROP TABLE c1, c2, wide});
my @questions = ('SELECT region, model::text FROM kept ORDER BY region', 'SELECT id, y FROM transformed ORDER BY id',
    'SELECT k.region, p.* FROM kept k, pca_components(model) p ORDER BY 1, 2, 3');
for my $format ('plain', 'custom') {
    my $file = "$directory/$format";
    is(system("pg_dump -F$format -f $file -d $db -T c 2> $directory/messages"), 0, "$format: dumped");
    my $copy = create_database("pca_$format", extension => 0);
    my $restore = $format eq 'plain' ? "psql -Xq -v ON_ERROR_STOP=1 -d $copy -f $file" : "pg_restore --exit-on-error -d $copy $file";
    is(system("$restore > $directory/messages 2>&1"), 0, "$format: restored") or diag do { local (@ARGV, $/) = "$directory/messages"; <> };
    my $r = session($copy);
    is($r->value($_), $s->value($_), "$format: $_") for @questions;
    $r->value('INSERT INTO transformed (id, age, income) VALUES (0, 30, 40)');
    is($r->value('SELECT y FROM transformed WHERE id = 0'), $r->value("SELECT pca_transform($literal, ARRAY[30, 40])"), "$format: and goes on computing");
}
for my $format ('text', 'csv', 'binary') {
    my $file = "$directory/kept.$format";
    $s->value('CREATE TABLE copied (LIKE kept)');
    is($s->query("\\copy kept TO '$file' WITH (FORMAT $format)\n\\copy copied FROM '$file' WITH (FORMAT $format)")->{err}, '', "COPY as $format");
    is($s->value('SELECT count(*) FROM copied JOIN kept USING (region, model)'), $s->value('SELECT count(*) FROM kept'), "COPY as $format: all equal");
    $s->value('DROP TABLE copied');
}

# ---- hostile values ------------------------------------------------------------------------------------------------------

$s->value(<<'SQL');
CREATE FUNCTION try_pca(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m pca_model;
BEGIN
    m := convert_from(bytes, 'UTF8')::pca_model;
    IF m::text::pca_model::text <> m::text OR m::jsonb::pca_model <> m THEN RETURN 'not canonical'; END IF;
    PERFORM * FROM pca_components(m);
    PERFORM pca_transform(m, ARRAY[1, 2, 3]);
    RETURN 'ok';
EXCEPTION WHEN internal_error THEN RETURN SQLSTATE || ' ' || SQLERRM; WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
CREATE AGGREGATE pca_of(float8[]) (SFUNC = pca_combine, STYPE = float8[], FINALFUNC = pca_final);
CREATE AGGREGATE state_of(float8[], jsonb) (SFUNC = pca_accum, STYPE = float8[], COMBINEFUNC = pca_combine);
CREATE FUNCTION try_state(state float8[]) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pca_of(s)::text::pca_model FROM (VALUES (state), (state)) AS v(s);
    RETURN 'ok';
EXCEPTION WHEN internal_error THEN RETURN SQLSTATE || ' ' || SQLERRM; WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SQL
my $text = $s->value('SELECT model FROM kept ORDER BY region LIMIT 1');
my %seen;
my @inputs = map {
    my $damaged = $text;
    for (0 .. int rand 3) {
        my $at = int rand length $damaged;
        my $how = int rand 4;
        $how == 0 ? substr($damaged, $at, 1, chr int rand 256) : $how == 1 ? substr($damaged, $at, 1 + int rand 30, '')
            : $how == 2 ? substr($damaged, $at, 0, substr($damaged, int rand length $damaged, int rand 30)) : substr($damaged, $at, 0, (qw(1e999 null NaN -0 {} [[]] 1e308 "\u0000"))[ rand 8 ]);
    }
    "('\\x" . unpack('H*', $damaged) . "')";
} 1 .. 3000;
is($s->value("SELECT try_pca(b) FROM (VALUES ('\\x" . unpack('H*', $text) . "'::bytea)) v(b)"), 'ok', 'the model to be damaged is sound');
my $outcomes = $s->value('SELECT string_agg(DISTINCT o, \' \' ORDER BY o) FROM (SELECT try_pca(b::bytea) AS o FROM (VALUES ' . join(',', @inputs) . ') v(b)) t');
note "damaged text: $outcomes";
is(join(' ', grep { !/^(?:ok|22P02|22021|22000)$/ } split / /, $outcomes), '', 'damaged text is an error or a valid model');
my $state = $s->value(q{SELECT state_of(ARRAY[i, i * i % 7], '{"components": 1}') FROM generate_series(1, 20) i}) =~ s/[{}]//gr;
is($s->value("SELECT try_state('{$state}')"), 'ok', 'the state to be damaged is sound');
is($s->value(q{SELECT pca_of(s::text::float8[]) = (SELECT pca(ARRAY[age / 3, income], '{"components": 1}') FROM c) FROM (SELECT state_of(ARRAY[age / 3, income], '{"components": 1}') AS s FROM c GROUP BY region) t}),
    't', 'states that travel as text lose nothing');
my @states = map {
    my @numbers = split /,/, $state;
    for (0 .. int rand 3) {
        my $at = int rand @numbers;
        $numbers[$at] = (qw(0 -1 1 2 1e308 -1e308 NaN Infinity 5e-324 1024 1e15 0.5 281474976710655))[ rand 13 ];
        splice @numbers, $at, 1 if rand() < 0.1;
    }
    "('{" . join(',', @numbers) . "}')";
} 1 .. 3000;
$outcomes = $s->value('SELECT string_agg(DISTINCT o, \' \' ORDER BY o) FROM (SELECT try_state(x::float8[]) AS o FROM (VALUES ' . join(',', @states) . ') v(x)) t');
note "damaged states: $outcomes";
is(join(' ', grep { !/^(?:ok|22023|22003|22000|54000)$/ } split / /, $outcomes), '', 'damaged states are an error or make a model');
is($s->value('SELECT pg_backend_pid()'), $pid, 'nobody crashed');
is(server_start_time(), $started, 'and the server never restarted');

done_testing();
