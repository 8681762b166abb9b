# Stability: what is found again and what is not, whose rows are read and how, and that nothing else matters to the answer.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use Session;

my $database = create_database('stability');
my $s = session($database, settings => '-c client_min_messages=warning');
my $rows = sub { my ($model, $samples) = @_; $s->value("SELECT * FROM segmentation.stability('$model'" . ($samples ? ", $samples" : '') . ')') };

# Three groups far apart in (x, y) with region as noise, and one Gaussian in (u, v).
$s->value(<<'SQL');
CREATE FUNCTION normal(i bigint, stream bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sqrt(-2 * ln(((hashint8extended(i, stream) & 4294967295) + 0.5) / 4294967296)) * cos(2 * pi() * (hashint8extended(i, stream + 1000) & 4294967295) / 4294967296) $$;
CREATE TABLE source AS SELECT i AS id, normal(i, 1) + 12 * (i % 3) AS x, normal(i, 2) + 12 * (i % 3 % 2) AS y, 4 * normal(i, 3) AS u, normal(i, 4) AS v,
    (ARRAY['north', 'south', 'west'])[1 + i % 3] AS region, 1 + i % 4 AS weight FROM generate_series(1, 3000) AS i;
ALTER TABLE source ADD PRIMARY KEY (id);
SELECT segmentation.train('groups', 'source', ARRAY['x', 'y'], 3);
SELECT segmentation.label_segment('groups', 1, 'The middle');
SELECT segmentation.train('long', 'source', ARRAY['u', 'v'], 2, options => '{"scale": "none"}');
SELECT segmentation.train('cut', 'source', ARRAY['u', 'v'], 8);
SELECT segmentation.train('one', 'source', ARRAY['x', 'y'], 1);
SQL
is($s->value(q{SELECT segment, segment_label, rows, jaccard, jaccard_low, dissolved, verdict, adjusted_rand_index, structure FROM segmentation.stability('groups')}),
    join("\n", map { "$_|1000|1|1|0|reproducible|1|found" } '0|segment 0', '1|The middle', '2|segment 2'), 'groups apart are found again');
is($s->value(q{SELECT DISTINCT conclusion FROM segmentation.stability('groups')}), 'all 3 segments are found again in other rows of the same kind, and there is structure', 'and are real');
is($s->value(q{SELECT min(jaccard) > 0.9, string_agg(verdict, ','), min(structure), max(structure) FROM segmentation.stability('long')}), 't|reproducible,reproducible|none|none', 'a long Gaussian is cut in the same place');
like($s->value(q{SELECT DISTINCT conclusion FROM segmentation.stability('long')}), qr/^2 of 2 segments are found again .*does not make them real: no structure was found/, 'which the conclusion says does not make it real');
is($s->value(q{SELECT min(jaccard) < 0.6, bool_and(verdict = CASE WHEN jaccard >= 0.75 THEN 'reproducible' WHEN jaccard >= 0.6 THEN 'uncertain' ELSE 'not reproducible' END), max(dissolved) > 0.1, bool_and(jaccard_low <= jaccard), min(structure) FROM segmentation.stability('cut')}),
    't|t|t|t|none', 'cuts anywhere are not found again');
like($s->value(q{SELECT DISTINCT conclusion FROM segmentation.stability('cut')}), qr/no structure was found.*partition only/, 'in words');
is($s->value(q{SELECT jaccard, verdict, conclusion FROM segmentation.stability('one')}), '1|reproducible|one segment is always found again; there is structure that it does not show', 'one segment');
is($s->value(q{SELECT string_agg(DISTINCT atttypid::regtype::text, ',' ORDER BY atttypid::regtype::text) FROM pg_attribute WHERE attrelid = 'segmentation.stability_row'::regclass}), 'double precision,integer,text', 'base types');

# What it is asked for.
for my $wrong ('9', '1001', 'NULL', '-1') {
    my $answer = $s->query("SELECT * FROM segmentation.stability('groups', $wrong)");
    is("$answer->{state}: $answer->{message}", '22023: number of samples is out of bounds', "$wrong samples");
    is($answer->{hint}, 'It can be from 10 to 1000.', 'with the bounds');
}
is($s->value(q{SELECT count(*) FROM segmentation.stability('groups', samples => 10)}), 3, 'few samples');
is($s->query(q{SELECT * FROM segmentation.stability('no such model')})->{state}, '42704', 'no such model');
is($s->query(q{SELECT * FROM segmentation.stability(NULL)})->{state}, '22004', 'no name');
$s->value(q{SELECT segmentation.register('foreign', segmentation.model('groups'))});
my $answer = $s->query(q{SELECT * FROM segmentation.stability('foreign')});
is($answer->{state}, '55000', "a registered model has no source: $answer->{message}");
like($answer->{hint}, qr/segmentation\.train/, 'and a hint');

# Whose rows.
psql('postgres', join '; ', map { ("DROP ROLE IF EXISTS $_", "CREATE ROLE $_ LOGIN") } qw(tap_st_owner tap_st_user));
$s->value(q{GRANT SELECT ON source TO tap_st_owner, tap_st_user; SET SESSION AUTHORIZATION tap_st_owner; SELECT segmentation.train('theirs', 'source', ARRAY['x', 'y'], 3); SELECT segmentation.grant_model('theirs', 'tap_st_user', 'use')});
is($s->value(q{SELECT count(*) FROM segmentation.stability('theirs', 10)}), 3, 'the owner');
is($s->query(q{RESET SESSION AUTHORIZATION; SELECT * FROM segmentation.stability('theirs', 10)})->{state}, '42501', 'not a superuser');
is($s->query(q{SET SESSION AUTHORIZATION tap_st_user; SELECT * FROM segmentation.stability('theirs', 10)})->{state}, '42501', 'nor who may only use it');
is($s->query(q{SELECT * FROM segmentation.stability('groups', 10)})->{state}, '42704', 'nor a stranger');
$s->value('RESET SESSION AUTHORIZATION; REVOKE SELECT ON source FROM tap_st_owner; SET SESSION AUTHORIZATION tap_st_owner');
is($s->query(q{SELECT * FROM segmentation.stability('theirs', 10)})->{state}, '42501', 'nor the owner without rights on the source');
$s->value('RESET SESSION AUTHORIZATION');
is($s->query(q{SET default_transaction_read_only = on; SELECT * FROM segmentation.stability('groups', 10)})->{state}, '', 'in a read-only transaction');
$s->value('RESET default_transaction_read_only');

# Names, weights, categories, missing values, outliers; another schema, a path that means harm.
$s->value(<<'SQL');
CREATE SCHEMA "My ""Schema""";
CREATE TABLE "My ""Schema"""."Odd 'table'" AS SELECT id AS "the ID", CASE WHEN id % 50 > 0 THEN x END AS "X, or not", y AS "select", region AS "Région", weight AS "wéight" FROM source;
ALTER TABLE "My ""Schema"""."Odd 'table'" ADD PRIMARY KEY ("the ID");
INSERT INTO "My ""Schema"""."Odd 'table'" VALUES (-1, 'NaN', 1, 'north', 1), (-2, 1, NULL, 'north', 1), (-3, 1e6, 1e6, 'north', 1), (-4, 0, 0, NULL, 1), (-5, 0, 0, 'nowhere', 1);
SQL
my $odd = q{SELECT segmentation.train('Odd "name"', '"My ""Schema"""."Odd ''table''"', ARRAY['X, or not', 'select', 'Région'], 3, weight => 'wéight', prepare => '{"Région": {"encode": "onehot"}}', options => '{"on_null": "skip", "outliers": {"method": "iqr"}}')};
$s->value($odd);
my $left = $s->value(q{SELECT sum(rows) FROM segmentation.stability('Odd "name"', 10)});
is($left, $s->value(q{SELECT rows FROM segmentation.models WHERE model = 'Odd "name"'}), 'the rows of the training, all with a segment and none of the outliers');
is($s->value(q{SELECT min(jaccard), max(structure) FROM segmentation.stability('Odd "name"', 10)}), '1|found', 'which are found again');
$s->value(<<'SQL');
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.raise(float8, float8) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'run'; END $$;
CREATE OPERATOR hostile.< (LEFTARG = float8, RIGHTARG = float8, FUNCTION = hostile.raise);
CREATE OPERATOR hostile.> (LEFTARG = float8, RIGHTARG = float8, FUNCTION = hostile.raise);
CREATE FUNCTION hostile.count() RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0::bigint';
SQL
is($s->query(q{SET search_path = hostile, pg_catalog, public; SELECT * FROM segmentation.stability('Odd "name"', 10)})->{state}, '', 'whatever the search_path says');
is($s->value(q{SHOW search_path}), 'hostile, pg_catalog, public', 'which stays what it was');
$s->value('RESET search_path');
$s->value(q{CREATE SCHEMA views; CREATE FUNCTION views.twice(float8) RETURNS float8 LANGUAGE plpgsql AS 'BEGIN RETURN half($1) * 4; END'; CREATE FUNCTION views.half(float8) RETURNS float8 LANGUAGE sql AS 'SELECT $1 / 2'; CREATE VIEW views.through AS SELECT views.twice(x) AS x, y FROM source});
$s->value(q{SET search_path = views; SELECT segmentation.train('through', 'views.through', ARRAY['x', 'y'], 3)});
is($s->query(q{SELECT * FROM segmentation.stability('through', 10)})->{state}, '', 'functions of a view run under the caller\'s path');
is($s->query(q{SET search_path = public; SELECT * FROM segmentation.stability('through', 10)})->{state}, '42883', 'and only there');
$s->value('RESET search_path');

# Weights: a row of weight 3 pulls as hard as three rows, and is one row.
is($s->value(q{SELECT segmentation.train('weighted', 'source', ARRAY['u', 'v'], 3, weight => 'weight') IS NOT NULL}), 't', 'with weights');
isnt($rows->('weighted', 20), $s->value(q{SELECT segmentation.train('unweighted', 'source', ARRAY['u', 'v'], 3) IS NOT NULL}) && $rows->('unweighted', 20), 'they matter');
$s->value('CREATE TABLE zero AS SELECT id, x, y, CASE WHEN id > 10 THEN 1.0 ELSE 0 END AS w FROM source');
$s->value(q{SELECT segmentation.train('zero', 'zero', ARRAY['x', 'y'], 3, weight => 'w')});
is($s->value(q{SELECT sum(rows) FROM segmentation.stability('zero', 10)}), 2990, 'rows of weight 0 are none');

# More rows than are looked at; the answer is the same in every plan, by key, by place, and by values.
$s->value(<<'SQL');
CREATE TABLE many AS SELECT i AS id, round(normal(i, 5)::numeric, 1)::float8 AS a, round(3 * normal(i, 6)::numeric)::float8 AS b FROM generate_series(1, 60000) AS i;
CREATE TABLE unkeyed AS SELECT * FROM many;
ALTER TABLE many ADD PRIMARY KEY (id);
CREATE VIEW by_values AS SELECT a, b FROM many;
ANALYZE many, unkeyed;
SELECT segmentation.train(t, t::regclass, ARRAY['a', 'b'], 4) FROM unnest(ARRAY['many', 'unkeyed', 'by_values']) AS t;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SQL
my %by;
for my $model (qw(many unkeyed by_values)) {
    $s->value('SET max_parallel_workers_per_gather = 0; SET segmentation.threads = 1');
    $by{$model} = $rows->($model, 20);
    $s->value('SET max_parallel_workers_per_gather = 2; SET segmentation.threads = 2');
    is($rows->($model, 20), $by{$model}, "$model: the same with workers and threads");
    is($s->value("SELECT sum(rows) FROM segmentation.stability('$model', 10)"), 10000, "$model: of 10,000 rows");
}
like($s->value(q{SELECT segmentation.sample_query(segmentation.read_source(definition), false, NULL) FROM segmentation.registry_version WHERE model = 'by_values'}), qr/GROUP BY/, 'a view without a key is sampled by its values');
for my $table ('many', 'by_values') {
    my $query = $s->value("SELECT segmentation.sample_query(segmentation.read_source(definition), false, NULL) FROM segmentation.registry_version WHERE model = '$table'");
    $s->value("PREPARE q (kmeans_model) AS $query");
    like($s->value("EXPLAIN EXECUTE q ('" . $s->value("SELECT segmentation.model('$table')") . "')"), $table eq 'many' ? qr/Gather Merge.*Sort.*Parallel (?:Index Only Scan|Seq Scan) .*on many/s : qr/Gather.*Parallel Seq Scan on many/s, "$table: read in parallel");
    $s->value('DEALLOCATE q');
}
$s->value('CREATE TABLE turned AS SELECT * FROM many ORDER BY id DESC; DROP TABLE many CASCADE; ALTER TABLE turned RENAME TO many; ALTER TABLE many ADD PRIMARY KEY (id); CREATE VIEW by_values AS SELECT a, b FROM many');
is($rows->($_, 20), $by{$_}, "$_: the same from rows in another order") for qw(many by_values);
# Equal rows are as frequent in the sample as in the source.
my ($shares, $wanted) = split /\|/, $s->value(<<'SQL');
WITH s AS (SELECT segment, rows / 10000.0 AS share FROM segmentation.stability('by_values', 10)), w AS (SELECT kmeans_assign('by_values', ARRAY[a, b]) AS segment, count(*) / 60000.0 AS share FROM by_values GROUP BY 1)
SELECT max(abs(s.share - w.share)), 5 * sqrt(0.25 / 10000) FROM s JOIN w USING (segment)
SQL
cmp_ok($shares, '<', $wanted, 'and shares of segments are within five standard errors');

# Sources that have changed.
$s->value('DELETE FROM source WHERE id % 3 = 0');
is($s->value(q{SELECT count(*) FILTER (WHERE verdict = 'unknown: no rows in it' AND jaccard IS NULL AND rows = 0), count(*) FILTER (WHERE rows = 1000) FROM segmentation.stability('groups', 10)}), '1|2', 'a segment that nobody is in any more');
$s->value('UPDATE source SET x = NULL');
$answer = $s->query(q{SELECT * FROM segmentation.stability('groups', 10)});
is("$answer->{state}: $answer->{message}", '22023: source public.source has no rows to judge model "groups" by', 'no row that has a segment');
$s->value('TRUNCATE source');
is($s->query(q{SELECT * FROM segmentation.stability('groups', 10)})->{state}, '22023', 'no row at all');
$s->value('ALTER TABLE source RENAME x TO z');
is($s->query(q{SELECT * FROM segmentation.stability('groups', 10)})->{state}, '42703', 'no such column');
$s->value('DROP TABLE source CASCADE');
is($s->query(q{SELECT * FROM segmentation.stability('groups', 10)})->{state}, '42P01', 'no source');

# Outliers that a training leaves out do not make segments look unstable, whatever has left them out; nor data look changed that are not.
$s->value(q{CREATE TABLE stained AS SELECT i AS id, CASE WHEN i > 4985 THEN 900.0 * (i - 4985) ELSE 10.0 * (i % 2) + sin(i) END AS x, CASE WHEN i > 4985 THEN 4000.0 * cos(i) ELSE cos(i * 1.7) END AS y FROM generate_series(1, 5000) AS i;
    ALTER TABLE stained ADD PRIMARY KEY (id)});
for my $options ('{"trim": 0.02}', '{"outliers": {"method": "lof", "contamination": 0.03}}', '{"outliers": {"method": "iqr"}}') {
    $s->value(qq{SELECT segmentation.train('stained', 'stained', ARRAY['x', 'y'], 2, options => '$options')});
    is($s->value(q{SELECT string_agg(DISTINCT verdict, ', ') FROM segmentation.stability('stained', 20)}), 'reproducible', "stable: $options");
    is($s->value(q{SELECT string_agg(DISTINCT verdict, ', ') FROM segmentation.drift('stained')}), 'stable', "and not drifted: $options");
    is($s->value(q{SELECT bool_and(z.customers = s.customers) FROM segmentation.segment_summary AS z JOIN (SELECT segment, max(customers) AS customers FROM segmentation.segment_profile WHERE model = 'stained' GROUP BY 1) AS s USING (segment) WHERE model = 'stained'}), 't', "views agree: $options");
    $s->value(q{SELECT segmentation.drop_model('stained')});
}
$s->value(q{CREATE TABLE diffuse AS SELECT i AS id, CASE WHEN i <= 6000 THEN 20.0 * (i % 2) + sin(i) / 10 ELSE 40 * (sin(i * 7.1) + cos(i * 3.3)) END AS x, CASE WHEN i <= 6000 THEN cos(i * 1.7) / 10 ELSE 40 * cos(i * 0.77) END AS y FROM generate_series(1, 10000) AS i;
    ALTER TABLE diffuse ADD PRIMARY KEY (id); SELECT segmentation.train('diffuse', 'diffuse', ARRAY['x', 'y'], 3, options => '{"trim": 0.3}')});
is($s->value(q{SELECT string_agg(DISTINCT verdict, ', ') FROM segmentation.drift('diffuse')}), 'stable', 'nor where a third is left out');

# The C function by itself takes nothing that it cannot.
my $of = sub { my ($points, $weights, $samples) = @_; $s->query(qq{SELECT segmentation.stability_of(segmentation.model('groups'), $points, $weights, $samples, 0)})->{state} };
is($of->(q{'{{1,2},{3,4}}'}, q{'{}'}, 10), '', 'two points');
is($of->(q{'{{1,2},{3,4}}'}, q{'{1,2}'}, 10), '', 'and weights');
is($of->(q{'{1,2}'}, q{'{}'}, 10), '2202E', 'one dimension');
is($of->(q{'{}'}, q{'{}'}, 10), '2202E', 'none');
is($of->(q{'{{1,2,3}}'}, q{'{}'}, 10), '22000', 'points of another space');
is($of->(q{'{{1,NULL}}'}, q{'{}'}, 10), '22004', 'NULL');
is($of->(q{'{{1,NaN}}'}, q{'{}'}, 10), '22003', 'NaN');
is($of->(q{'{{1,1e308}}'}, q{'{}'}, 10), '', 'far away');
is($of->(q{'{{1,2}}'}, q{'{1,2}'}, 10), '22000', 'too many weights');
is($of->(q{'{{1,2}}'}, q{'{0}'}, 10), '22023', 'a weight of 0');
is($of->(q{'{{1,2}}'}, q{'{NULL}'}, 10), '22004', 'a weight of NULL');
is($of->(q{'{{1,2}}'}, q{'{}'}, 5), '22023', 'too few samples');
is($of->(q{(SELECT array_agg(ARRAY[i, i]) FROM generate_series(1, 10001) AS i)}, q{'{}'}, 10), '54000', 'too many points');

# Cancelled, wherever it is; and it says where it is.
$s->value(q{CREATE TABLE c AS SELECT * FROM segmentation.sample_customers(50000); ALTER TABLE c ADD PRIMARY KEY (customer_id); SELECT segmentation.train('c', 'c', ARRAY['age', 'income', 'card_debt', 'other_debt'], 12)});
$answer = $s->query(q{SET client_min_messages = notice; SET segmentation.progress_interval = 1; SELECT count(*) FROM segmentation.stability('c', 60)});
like(join('|', @{ $answer->{notices} }), qr/stability: sample \d+ of 60 of 10000 rows/, 'progress');
is(scalar(grep { !/^stability: sample/ } @{ $answer->{notices} }), 0, 'and nothing else');
my $pid = $s->value('SELECT pg_backend_pid()');
my $killer = session('postgres');
for my $threads (1, 2) {
    $s->value("SET segmentation.threads = $threads");
    my $worst = 0;
    for my $delay (0.05, 0.2, 0.5, 1, 2, 3) {
        $s->send(q{SELECT count(*) FROM segmentation.stability('c', 1000)});
        sleep $delay;
        my $at = time;
        $killer->value("SELECT pg_cancel_backend($pid)");
        my $cancelled = $s->receive;
        $worst = time - $at if time - $at > $worst;
        is($cancelled->{state}, '57014', "cancelled after $delay s, threads = $threads");
    }
    cmp_ok($worst, '<', 0.5, sprintf 'within %.0f ms', 1000 * $worst);
}
$killer->finish;
$s->value('DROP OWNED BY tap_st_owner, tap_st_user');
$s->finish;
drop_databases();
psql('postgres', 'DROP ROLE IF EXISTS tap_st_owner, tap_st_user');
done_testing();
