# A user without any special right, the extension in any schema, and a hostile search_path.
use strict;
use warnings;
use Session;
use Test::More;

my $db = create_database('user');
my $admin = session($db);
$admin->value("DROP ROLE IF EXISTS tap_plain; CREATE ROLE tap_plain LOGIN PASSWORD 'tap'");
$admin->value("CREATE SCHEMA own AUTHORIZATION tap_plain; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
my %plain = (user => 'tap_plain', password => 'tap', settings => '-c client_min_messages=warning');
my $u = session($db, %plain);
is($u->value(q{SELECT current_user, rolsuper OR rolcreaterole OR rolcreatedb, (SELECT count(*) FROM pg_auth_members m WHERE m.member = r.oid) FROM pg_roles r WHERE rolname = current_user}), 'tap_plain|f|0', 'the user is plain');

my @uses = (
    'CREATE TABLE own.c AS SELECT * FROM segmentation.sample_customers(2000, 1)',
    q{CREATE TABLE own.m AS SELECT kmeans(ARRAY[age, income], 3, '{"features": ["age", "income"]}') AS model, kmeans_sketch(ARRAY[age, income], 5000) AS sketch FROM own.c},
    'SELECT kmeans(ARRAY[age, income], 3) FROM own.c', q{SELECT kmeans(ARRAY[age, income], 3, '{"seed": 1}', age) FROM own.c},
    'SELECT kmeans_sketch(ARRAY[age, income], 5000, age) FROM own.c', 'SELECT kmeans_merge(sketch) FROM own.m', 'SELECT kmeans_fit(sketch, 2) FROM own.m', q{SELECT kmeans_fit(sketch, 2, '{"scale": "zscore"}') FROM own.m},
    'SELECT kmeans_label(ARRAY[age, income], 3) OVER () FROM own.c', q{SELECT kmeans_label(ARRAY[age, income], 3, '{"seed": 2}') OVER (PARTITION BY region) FROM own.c},
    'SELECT local_outlier_factor(ARRAY[age, income], 20) OVER (PARTITION BY region) FROM own.c',
    (map { ("SELECT $_(model, ARRAY[1, 2]) FROM own.m", "SELECT $_(model, c) FROM own.m, own.c", "SELECT $_(model, to_jsonb(c)) FROM own.m, own.c") } qw(kmeans_assign kmeans_distance kmeans_score kmeans_explain)),
    'SELECT kmeans_ranked(model, ARRAY[1, 2], 2) FROM own.m', 'SELECT r.* FROM own.m, own.c, kmeans_ranked(model, c, 2) r', 'SELECT kmeans_ranked(model, to_jsonb(c), 2) FROM own.m, own.c',
    'SELECT kmeans_info(model), kmeans_clusters(model), kmeans_centroids(model) FROM own.m', 'SELECT kmeans_evaluate(model, ARRAY[age, income]), kmeans_evaluate(model, ARRAY[age, income], age) FROM own.m, own.c',
    'SELECT model::text::kmeans_model = model, model::jsonb::kmeans_model <> model, model < model FROM own.m', 'SELECT DISTINCT model, sketch FROM own.m ORDER BY 1, 2',
    'SET segmentation.threads = 2', q{SET segmentation.train_memory = '64MB'},
    'CREATE INDEX ON own.m (model)', 'CREATE INDEX ON own.c ((kmeans_assign(' . sql_literal('PLACE') . '::kmeans_model, ARRAY[age, income])))',
);
my $text = '';
for my $use (@uses) {
    (my $sql = $use) =~ s/'PLACE'/sql_literal($text)/e;
    my $answer = $u->query($sql);
    is($answer->{state}, '', 'plain user: ' . substr $use, 0, 90) or diag $answer->{err};
    $text ||= $u->query('SELECT model::text FROM own.m')->{out} if $use =~ /own\.m AS/;
}

# In a schema of its own, found by qualified names only.
my $qualified = create_database('user_schema', extension => 0);
my $q = session($qualified, settings => '-c client_min_messages=warning');
$q->value('CREATE SCHEMA "Odd Place"; CREATE EXTENSION segmentation SCHEMA "Odd Place"');
$q->value('REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA "Odd Place" TO PUBLIC');
is($q->value(q{SELECT string_agg(DISTINCT n.nspname, ',' ORDER BY n.nspname) FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid JOIN pg_namespace n ON n.oid = pronamespace WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'segmentation')}), 'Odd Place,segmentation', 'functions are in the schema asked for, and in segmentation');
my $x = session($qualified, %plain);
$x->value(q{SET search_path = ''});
is($x->value(q{SELECT (x).segments FROM (SELECT "Odd Place".kmeans_info("Odd Place".kmeans(ARRAY[age, income], 3)) AS x FROM segmentation.sample_customers(500)) i}), 3, 'empty search_path: training and reading');
is($x->value(q{SELECT count(DISTINCT "Odd Place".kmeans_assign(m, c)) FROM segmentation.sample_customers(500) c, (SELECT "Odd Place".kmeans(ARRAY[age, income], 3, '{"features": ["age", "income"]}') AS m FROM segmentation.sample_customers(500)) t}), 3, 'empty search_path: scoring');
is($x->value(q{SELECT count(DISTINCT l) FROM (SELECT "Odd Place".kmeans_label(ARRAY[age, income], 4) OVER () AS l FROM segmentation.sample_customers(500)) t}), 4, 'empty search_path: labels');
is($x->value(q{SELECT count(f) FROM (SELECT "Odd Place".local_outlier_factor(ARRAY[age, income], 20) OVER () AS f FROM segmentation.sample_customers(500)) t}), 500, 'empty search_path: outlier factors');
is($x->value(q{SELECT count(DISTINCT m) FROM (SELECT "Odd Place".kmeans(ARRAY[i % 3], 2) AS m FROM generate_series(1, 60) i GROUP BY i % 6) t}), 3, 'empty search_path: DISTINCT');
is($x->value(q{SELECT rows FROM (SELECT ("Odd Place".kmeans_evaluate(m, ARRAY[1.0])).* FROM (SELECT "Odd Place".kmeans(ARRAY[i], 2) AS m FROM generate_series(1, 60) i) t) e}), 1, 'empty search_path: judging');
is($x->value(q{SELECT "Odd Place".kmeans_fit("Odd Place".kmeans_merge(s), 2)::pg_catalog.text <> '' FROM (SELECT "Odd Place".kmeans_sketch(ARRAY[i], 100) AS s FROM generate_series(1, 60) i) t}), 't', 'empty search_path: sketches');
is($x->query('SELECT kmeans(ARRAY[1.0], 1)')->{state}, '42883', 'without the schema it is not found');
is($admin->value('SELECT (kmeans_info(model)).segments FROM own.m'), 3, 'another database has its own at the same time');

# Somebody who can make objects puts traps of the same names before ours.
$admin->value('CREATE SCHEMA trap; GRANT ALL ON SCHEMA trap TO tap_plain');
my @traps;
my $trap = sub { my ($name, $arguments, $returns) = @_; push @traps, "CREATE FUNCTION trap.$name($arguments) RETURNS $returns LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN RAISE EXCEPTION 'trap %', '$name' USING ERRCODE = 'P0666'; END \$\$" };
$trap->($_->[0], $_->[1], $_->[2]) for ['kmeans_accum', 'public.kmeans_sketch, float8[], int', 'public.kmeans_sketch'], ['kmeans_accum', 'public.kmeans_sketch, float8[], int, jsonb', 'public.kmeans_sketch'], ['kmeans_final', 'public.kmeans_sketch', 'public.kmeans_model'],
    ['kmeans_combine', 'public.kmeans_sketch, public.kmeans_sketch', 'public.kmeans_sketch'], ['kmeans_model_eq', 'public.kmeans_model, public.kmeans_model', 'bool'], ['kmeans_model_cmp', 'public.kmeans_model, public.kmeans_model', 'int'],
    ['jsonb_in', 'cstring', 'jsonb'], ['jsonb_out', 'jsonb', 'cstring'], ['numeric_out', 'numeric', 'cstring'], ['float8', 'numeric', 'float8'], ['float8', 'int', 'float8'], ['texteq', 'text, text', 'bool'], ['array_length', 'anyarray, int', 'int'], ['eq', 'public.kmeans_model, public.kmeans_model', 'bool'], ['teq', 'text, text', 'bool'], ['feq', 'float8, float8', 'bool'];
push @traps, 'CREATE OPERATOR trap.= (LEFTARG = public.kmeans_model, RIGHTARG = public.kmeans_model, FUNCTION = trap.eq)', 'CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.teq)', 'CREATE OPERATOR trap.= (LEFTARG = float8, RIGHTARG = float8, FUNCTION = trap.feq)',
    'CREATE TYPE trap.kmeans_evaluation AS (a int)';
is(join(' ', grep { $_ ne '' } map { $admin->query($_)->{state} } grep { !/cstring/ } @traps), '', 'traps are laid');
$u->value('SET search_path = trap, public, pg_catalog');
is($u->query('SELECT public.kmeans_model_eq(model, model), model OPERATOR(trap.=) model FROM own.m')->{state}, 'P0666', 'the traps work when called');
my @safe = (
    'SELECT kmeans(ARRAY[age, income], 3) IS NULL FROM own.c', q{SELECT kmeans(ARRAY[age, income], 3, '{"features": ["age", "income"]}') IS NULL FROM own.c}, 'SELECT kmeans_merge(sketch) IS NULL FROM own.m', 'SELECT kmeans_fit(sketch, 2) IS NULL FROM own.m',
    'SELECT model::jsonb::kmeans_model::text IS NULL FROM own.m', 'SELECT count(DISTINCT model) FROM own.m', 'SELECT count(*) FROM (SELECT model FROM own.m GROUP BY model ORDER BY model) g', 'SELECT count(*) FROM (SELECT model FROM own.m UNION SELECT model FROM own.m) g',
    'SELECT count(kmeans_assign(model, c)) FROM own.m, own.c', 'SELECT count(kmeans_assign(model, to_jsonb(c))) FROM own.m, own.c', 'SELECT count(kmeans_score(model, ARRAY[1, 2])) FROM own.m', 'SELECT count(*) FROM own.m, kmeans_explain(model, ARRAY[1, 2])', 'SELECT kmeans_info(model) IS NULL FROM own.m',
    'SELECT (kmeans_evaluate(model, ARRAY[age, income])).rows FROM own.m, own.c', 'SELECT count(l) FROM (SELECT kmeans_label(ARRAY[age, income], 3) OVER () AS l FROM own.c) x',
    'SELECT count(f) FROM (SELECT local_outlier_factor(ARRAY[age, income], 20) OVER () AS f FROM own.c) x',
    q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SELECT kmeans(ARRAY[age, income], 3) IS NULL FROM own.c},
);
for my $sql (@safe) {
    my $answer = $u->query($sql);
    is($answer->{state}, '', "hostile search_path: $sql") or diag $answer->{err};
}
$u->finish;

# It goes with all that depends on it, and comes again.
is($admin->query('DROP EXTENSION segmentation')->{state}, '2BP01', 'DROP EXTENSION is refused while columns depend on it');
is($admin->query('DROP EXTENSION segmentation CASCADE')->{state}, '', 'DROP EXTENSION CASCADE');
is($admin->value(q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'own.m'::regclass AND attnum > 0 AND NOT attisdropped}), 0, 'the columns are gone');
is($admin->value(q{SELECT count(*) FROM pg_namespace WHERE nspname = 'segmentation'}), 0, 'schema segmentation is gone');
is($admin->query('CREATE EXTENSION segmentation')->{state}, '', 'CREATE EXTENSION again, in the same session');
is($admin->value('SET client_min_messages = warning; SELECT (kmeans_info(kmeans(ARRAY[i], 2))).segments FROM generate_series(1, 9) i'), 2, 'and it works');
is($admin->query('DROP EXTENSION segmentation CASCADE; CREATE SCHEMA segmentation; CREATE EXTENSION segmentation SCHEMA segmentation')->{state}, '', 'CREATE EXTENSION SCHEMA segmentation');
is($admin->value('SELECT segmentation.kmeans(ARRAY[1], 1) IS NOT NULL AND (SELECT count(*) = 3 FROM segmentation.sample_customers(3))'), 't', 'and it works there');
$admin->value('DROP SCHEMA trap CASCADE; DROP OWNED BY tap_plain CASCADE');
$x->finish;
$_->finish for $q;
$admin->finish;
drop_databases();
is(psql('postgres', 'DROP ROLE tap_plain')->{state}, '', 'the user can be dropped');

done_testing();
