# Rights: a model that is not yours does not exist, whatever you try; nothing hostile is run or injected.
use strict;
use warnings;
use Test::More;
use Session;

my $database = create_database('rights');
my $a = session($database, settings => '-c client_min_messages=error');    # the administrator
my @roles = qw(tap_owner tap_member tap_user tap_stranger tap_bi tap_trainee tap_boss);
psql('postgres', join '; ', map { ("DROP ROLE IF EXISTS $_", "CREATE ROLE $_ LOGIN") } @roles);
psql('postgres', 'GRANT tap_owner TO tap_member');
$a->value('CREATE TABLE customers AS SELECT * FROM segmentation.sample_customers(2000); ALTER TABLE customers ADD PRIMARY KEY (customer_id); GRANT SELECT ON customers TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC');
my $as = sub { my ($role, $sql) = @_; $a->value("SET SESSION AUTHORIZATION $role"); my $answer = $a->query($sql); $a->value('RESET SESSION AUTHORIZATION'); return $answer };
my $train = q{SELECT version FROM segmentation.train('%s', 'customers', ARRAY['age', 'income'], %d, outcome => 'defaulted')};

is($as->('tap_owner', sprintf $train, 'secret', 3)->{out}, 1, 'anybody may train');
is($as->('tap_owner', sprintf $train, 'shared', 3)->{out}, 1, 'and again');
is($as->('tap_owner', q{SELECT segmentation.grant_model('shared', 'tap_user', 'use'), segmentation.label_segment('secret', 0, 'confidential')})->{state}, '', 'and share');
$as->('tap_owner', q{SELECT segmentation.retrain_once('shared', 1)});
is($as->('tap_owner', q{INSERT INTO segmentation.recommendation_rule (model, product) VALUES ('shared', 'a card'), ('secret', 'a loan')})->{state}, '', 'and write rules');

# Everybody may read the views; what a role sees in them is what it may use.
my @views = split /\n/, $a->value(q{SELECT viewname FROM pg_views WHERE schemaname = 'segmentation' AND viewname NOT LIKE 'registry%' ORDER BY 1});
for my $view (@views) {
    is($as->('tap_stranger', "SELECT count(*) FROM segmentation.$view")->{out}, 0, "$view: empty for a stranger");
    is($as->('tap_user', "SELECT count(*) FROM segmentation.$view WHERE model <> 'shared'")->{out}, 0, "$view: only what was granted");
    cmp_ok($as->('tap_user', "SELECT count(*) FROM segmentation.$view")->{out}, '>', 0, "$view: which is there") if $view ne 'schedules';
}
is($as->('tap_owner', 'SELECT count(*) FROM segmentation.models')->{out}, 2, 'the owner sees both');
is($as->('tap_member', 'SELECT count(*) FROM segmentation.models')->{out}, 2, 'and so does a member');
is($a->value('SELECT count(*) FROM segmentation.models'), 2, 'and a superuser');

# A predicate of the reader's own does not see rows that it may not see.
$as->('tap_stranger', q{CREATE FUNCTION spy(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE EXCEPTION 'seen %', $1; END $$});
is($as->('tap_stranger', "SELECT * FROM segmentation.$_ WHERE spy(model)")->{state}, '', "$_: no row leaks through a cheap function") for @views;

# Every function of the schema that takes a model's name.
my @named = split /\n/, $a->value(q{SELECT p.oid::regprocedure FROM pg_proc AS p WHERE pronamespace = 'segmentation'::regnamespace AND proargnames[1] = 'name' AND proargtypes[0] = 'text'::regtype ORDER BY 1});
cmp_ok(scalar @named, '>', 20, 'functions by name');
my %arguments = (
    'segmentation.train' => [q{'customers', ARRAY['age'], 2}, '42710'], 'segmentation.register' => [q{segmentation.model('shared')}, '42710'],
    'segmentation.add_version' => [q{segmentation.model('shared'), '{"kind": "train", "segments": [{}, {}, {}]}'}, '42710'], 'segmentation.champion' => ['', '42710'],
    'segmentation.recommend' => [q{'{}'::jsonb}, '42704'], 'segmentation.schedule' => [q{'* * * * *'}, '55000'],
);
my $value = sub { my ($type) = @_;
    return { integer => '1', bigint => '1', text => "'x'", boolean => 'true', name => "'public'", jsonb => "'{}'", regclass => "'customers'", interval => "'1 day'", 'text[]' => "'{x}'", 'name[]' => "'{}'", 'double precision' => 1 }->{$type} // 'NULL' };
for my $function (@named) {
    my ($name, $types) = $function =~ /^([\w.]+)\((.*)\)$/;
    my @types = split /,/, $types;
    shift @types;
    my $call = $arguments{$name} ? $arguments{$name}[0] : join ', ', map { $value->($_) } @types;
    $call = join ', ', "'secret'", $call eq '' ? () : $call;
    my $procedure = $a->value("SELECT prokind = 'p' FROM pg_proc WHERE oid = '$function'::regprocedure") eq 't';
    my $sql = $procedure ? "CALL $name($call)" : "SELECT * FROM $name($call)";
    my $answer = $as->('tap_user', $sql);
    my $wanted = $arguments{$name} ? $arguments{$name}[1] : '42704';
    next if $name =~ /^segmentation\.(?:detach|schedule|unschedule|begin_scoring|score_table|attach)$/ && $answer->{state} =~ /^(?:42704|55000|42703)$/ && pass("$name: $answer->{message}");
    is($answer->{state}, $wanted, "$name: $answer->{message}");
}
for my $function ('kmeans_assign', 'kmeans_distance', 'kmeans_score', 'kmeans_explain') {
    is($as->('tap_user', "SELECT $function('secret', ARRAY[30, 40])")->{state}, '42704', "$function: not without a grant");
    is($as->('tap_user', "SELECT $function('shared', ARRAY[30, 40]) IS NOT NULL LIMIT 1")->{out}, 't', "$function: with one");
}
# The registry itself.
for my $table (split /\n/, $a->value(q{SELECT relname FROM pg_class WHERE relnamespace = 'segmentation'::regnamespace AND relkind IN ('r', 'S', 'v') AND relname LIKE 'registry%'})) {
    is($as->('tap_owner', "SELECT * FROM segmentation.$table")->{state}, '42501', "$table: nobody reads it");
}
# Functions that believe who their caller is, or that only those use.
for my $function (split /\n/, $a->value(q{SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'segmentation'::regnamespace AND (proname LIKE '%\_as\_owner' OR prosecdef)})) {
    is($a->value("SELECT has_function_privilege('tap_stranger', '$function', 'EXECUTE')"), 'f', "$function: not to be called");
}
is($a->value(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'segmentation'::regnamespace AND prosecdef AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)}), 0, 'whatever runs as the owner has a pinned search_path');
is($a->value(q{SELECT count(*) FROM pg_proc AS p JOIN pg_language AS l ON l.oid = prolang WHERE pronamespace = 'segmentation'::regnamespace AND lanname IN ('plpgsql', 'sql') AND proconfig IS NULL
    AND proname NOT IN ('describe', 'histogram', 'frequency', 'correlation', 'trend', 'rfm', 'choose_k', 'train', 'retrain', 'retrain_once', 'verify', 'drift', 'stability', 'retrain_due', 'score_table', 'refine', 'registry_keep_audit')}), 0, 'and so has all other code but what passes the caller\'s on');

# Somebody else's run cannot be ended, nor scoring noted.
is($as->('tap_stranger', q{SELECT segmentation.end_run(1, 'failed', 'x', NULL)})->{state}, '', 'end_run of a run that is not yours');
is($a->value(q{SELECT count(*) FROM segmentation.registry_run WHERE state = 'failed'}), 0, 'changes nothing');

# Privileges
is($as->('tap_user', q{SELECT segmentation.activate('shared', 1)})->{state}, '42501', 'use is not enough to activate');
is($as->('tap_user', q{SELECT segmentation.drop_model('shared')})->{state}, '42501', 'nor to drop');
is($as->('tap_user', q{SELECT segmentation.grant_model('shared', 'tap_user', 'approve')})->{state}, '42501', 'nor to grant');
is($as->('tap_user', sprintf $train, 'shared', 3)->{state}, '42501', 'nor to train');
is($as->('tap_user', q{CALL segmentation.retrain('shared')})->{state}, '42501', 'nor to retrain');
is($as->('tap_user', q{SELECT segmentation.label_segment('shared', 0, 'x')})->{state}, '42501', 'nor to label');
is($as->('tap_user', q{SELECT segmentation.export_model('shared')})->{state}, '42501', 'nor to export');
like($as->('tap_user', q{SELECT segmentation.drop_model('shared')})->{detail}, qr/tap_owner/, 'the error says who may');
$as->('tap_owner', q{SELECT segmentation.grant_model('shared', 'tap_boss', 'approve'), segmentation.grant_model('shared', 'tap_trainee', 'train')});
is($as->('tap_boss', q{SELECT segmentation.activate('shared', 1, 'back')})->{state}, '', 'approve activates');
is($as->('tap_boss', q{SELECT segmentation.label_segment('shared', 0, 'x')})->{state}, '42501', 'and does no more');
is($as->('tap_trainee', q{SELECT decision FROM segmentation.train('shared', 'customers', ARRAY['age', 'income'], 3, activate => true)})->{out}, 'candidate: tap_trainee may train versions but not activate them', 'train trains');
is($as->('tap_member', q{SELECT segmentation.label_segment('shared', 0, 'theirs')})->{state}, '', 'members of the owner do everything');
is($as->('tap_member', q{CALL segmentation.retrain('shared')})->{state}, '', 'retraining included');
is($as->('tap_owner', q{SELECT segmentation.grant_model('shared', 'nobody_there', 'use')})->{state}, '42704', 'a grant to nobody');
is($as->('tap_owner', q{SELECT segmentation.grant_model('shared', 'tap_user', 'own')})->{hint}, 'Valid privileges are "use", "train", "approve".', 'of nothing');
is($as->('tap_owner', q{SELECT segmentation.grant_model('shared', 'public', 'use')})->{state}, '', 'to everybody');
is($as->('tap_stranger', q{SELECT kmeans_assign('shared', ARRAY[30, 40]) IS NULL})->{out}, 'f', 'who then scores');
$as->('tap_owner', q{SELECT segmentation.revoke_model('shared', 'public', 'use')});
is($as->('tap_stranger', q{SELECT kmeans_assign('shared', ARRAY[30, 40])})->{state}, '42704', 'until it is taken back');
is($as->('tap_stranger', q{SELECT segmentation.train('shared', 'customers', ARRAY['age'], 2)})->{state}, '42710', 'a name that is taken');

# Functions of a source run as whoever reads it, and nobody is made to read it who did not choose to.
$as->('tap_owner', q{CREATE FUNCTION trapped(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF current_user <> 'tap_owner' THEN RAISE EXCEPTION 'ran as %', current_user USING ERRCODE = 'P0666'; END IF; RETURN $1; END $$;
    CREATE VIEW trap AS SELECT customer_id, trapped(age) AS age, income FROM customers; GRANT SELECT ON trap TO PUBLIC});
is($as->('tap_owner', q{SELECT rows FROM segmentation.train('trap', 'trap', ARRAY['age', 'income'], 2)})->{out}, 2000, 'a view with a function of the owner\'s');
for my $sql (q{CALL segmentation.retrain('trap')}, q{SELECT segmentation.retrain_once('trap')}, q{SELECT * FROM segmentation.drift('trap')}, q{SELECT * FROM segmentation.stability('trap')}, q{SELECT * FROM segmentation.verify('trap')}, q{CALL segmentation.retrain_due('trap', '1 day')}) {
    my $answer = $a->query($sql);
    is($answer->{state}, '42501', "a superuser does not: $sql");
    like($answer->{hint} . $answer->{detail}, qr/being a superuser is not enough/, 'and is told why');
}
is($a->query(q{SET ROLE tap_owner; CALL segmentation.retrain('trap'); RESET ROLE})->{state}, '42501', 'nor after SET ROLE, which a function could undo');
is($as->('tap_owner', q{CALL segmentation.retrain('trap')})->{state}, '', 'the owner does');
$as->('tap_owner', q{SELECT segmentation.grant_model('trap', 'tap_trainee', 'train')});
$as->('tap_trainee', q{CREATE FUNCTION trapped_too(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN IF current_user <> 'tap_trainee' THEN RAISE EXCEPTION 'ran as %', current_user USING ERRCODE = 'P0666'; END IF; RETURN $1; END $$;
    CREATE VIEW trap_too AS SELECT customer_id, trapped_too(age) AS age, income FROM customers; GRANT SELECT ON trap_too TO PUBLIC});
is($as->('tap_trainee', q{SELECT version FROM segmentation.train('trap', 'trap_too', ARRAY['age', 'income'], 2)})->{out} > 1 ? 1 : 0, 1, 'a version that somebody else has trained on a source of theirs');
my $theirs = $a->value(q{SELECT max(version) FROM segmentation.model_versions WHERE model = 'trap'});
$as->('tap_owner', qq{SELECT segmentation.activate('trap', $theirs)});
is($as->('tap_owner', $_)->{state}, '42501', "the owner does not run their functions unawares: $_") for q{CALL segmentation.retrain('trap')}, q{SELECT * FROM segmentation.drift('trap')}, q{SELECT * FROM segmentation.stability('trap')}, q{SELECT * FROM segmentation.verify('trap')};

# score_table and live views read the source of a definition, too.
$a->value('CREATE TABLE apart (customer_id bigint PRIMARY KEY, segment int); GRANT ALL ON apart TO PUBLIC; CREATE SCHEMA dash; GRANT ALL ON SCHEMA dash TO PUBLIC');
is($a->query(q{CALL segmentation.score_table('trap', 'apart', 'segment')})->{state}, '42501', 'score_table of another table reads the source, which is for the owner\'s members');
is($a->query(q{SELECT segmentation.create_views('trap', 'dash')})->{state}, '42501', 'and so is create_views');
is($as->('tap_owner', q{CALL segmentation.score_table('shared', 'apart', 'segment')})->{state}, '', 'who may');
# What a view reads stays what it was, whatever version is activated; and it is replaced with its owner's rights.
$as->('tap_owner', q{SELECT segmentation.create_views('shared', 'dash', '{tap_bi}'); ALTER VIEW dash.shared_profile SET (security_barrier = true)});
my $reads = sub { $a->value(q{SELECT pg_get_viewdef('dash.shared_assignments'::regclass) LIKE '%FROM customers%'}) };
is($reads->(), 't', 'a live view');
$as->('tap_owner', q{SELECT segmentation.import_model(jsonb_set(jsonb_set(segmentation.export_model('shared'), '{definition,schema}', '"pg_catalog"'), '{definition,source}', '"pg_authid"'), activate => true)});
is($reads->(), 't', 'reads what it did when another version names another source');
my $warned = $a->query(q{SET client_min_messages = warning; SET SESSION AUTHORIZATION tap_owner; SELECT segmentation.label_segment('shared', 1, 'x'); RESET SESSION AUTHORIZATION; SET client_min_messages = error});
like($warned->{notices}[0], qr/view dash\.shared_assignments still shows an earlier version: version \d+ was trained on another source/, 'and says so');
$as->('tap_owner', q{SELECT segmentation.rollback('shared')});
is($a->value(q{SELECT reloptions FROM pg_class WHERE oid = 'dash.shared_profile'::regclass}), '{security_barrier=true}', 'options of a view stay');
is($a->value(q{SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'dash.shared_profile'::regclass}), 'tap_owner', 'and so does its owner');
is($as->('tap_stranger', sprintf $train, 'mine', 2)->{out}, 1, 'a model of a stranger');
is($as->('tap_stranger', q{SELECT segmentation.note_view('mine', 'dash', 'shared_assignments', 'assignments', '{}')})->{state}, '42501', 'cannot take the view over');
# The audit trail of a dropped model is not for whoever takes its name.
$as->('tap_owner', q{SELECT segmentation.label_segment('secret', 1, 'bankrupt soon'); SELECT segmentation.drop_model('secret')});
is($as->('tap_stranger', sprintf $train, 'secret', 2)->{out}, 1, 'the name of a dropped model is free');
is($as->('tap_stranger', q{SELECT count(*) FROM segmentation.audit WHERE detail LIKE '%bankrupt%'})->{out}, 0, 'its audit trail is not');
is($as->('tap_owner', q{SELECT count(*) FROM segmentation.audit WHERE detail LIKE '%bankrupt%'})->{out}, 1, 'but for who owned it');
# train alone does not activate where nothing is active.
$as->('tap_owner', q{SELECT segmentation.train('idle', 'customers', ARRAY['age'], 2, activate => false); SELECT segmentation.grant_model('idle', 'tap_trainee', 'train')});
like($as->('tap_trainee', q{SELECT decision FROM segmentation.train('idle', 'customers', ARRAY['age'], 2)})->{out}, qr/^candidate/, 'train alone does not activate');
# A functions of one's own for a row type, in a schema that is open to everybody.
$a->value('CREATE TABLE open_rows (id int PRIMARY KEY, age int, income float8, segment int); ALTER TABLE open_rows OWNER TO tap_owner');
$as->('tap_owner', 'INSERT INTO open_rows SELECT customer_id, age, income FROM customers LIMIT 50');
$as->('tap_stranger', q{CREATE FUNCTION public.kmeans_assign(kmeans_model, open_rows) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trap' USING ERRCODE = 'P0666'; END $$;
    CREATE FUNCTION public.kmeans_assign(text, open_rows) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trap' USING ERRCODE = 'P0666'; END $$});
is($as->('tap_owner', q{CALL segmentation.score_table('shared', 'open_rows', 'segment'); SELECT segmentation.attach('shared', 'open_rows', 'segment'); INSERT INTO open_rows VALUES (-1, 30, 40)})->{state}, '', 'overloads for a row type are not used');
is($a->value('SELECT count(*) FROM open_rows WHERE segment IS NOT NULL'), 51, 'and all rows are scored');
$a->value('DROP FUNCTION public.kmeans_assign(kmeans_model, open_rows), public.kmeans_assign(text, open_rows)');
# change_owner
is($as->('tap_owner', q{SELECT segmentation.change_owner('idle', 'tap_boss')})->{state}, '42501', 'a model is not given to a role that one is not in');
is($as->('tap_member', q{SELECT segmentation.change_owner('idle', 'tap_member')})->{state}, '', 'but to one that one is in');
is($as->('tap_owner', q{SELECT segmentation.model('idle', 1)})->{state}, '42704', 'and is then theirs');

# Traps on the caller's search_path: functions and operators of the names that ours use.
$a->value('CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC');
my $raise = q{LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trap' USING ERRCODE = 'P0666'; END $$};
my @functions = split /\n/, $a->value(q{SELECT DISTINCT format('CREATE FUNCTION evil.%I(%s) RETURNS %s', p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid))
    FROM pg_proc AS p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.provariadic = 0 AND p.proname ~ '^(format|count|current_setting|set_config|to_regclass|array_to_string|jsonb_build_object|concat_ws|coalesce|quote_ident|power|hash_record_extended|float8|int4|jsonb_array_elements|string_agg|array_agg|round|abs|octet_length|cardinality|now|clock_timestamp|pg_has_role|unnest|format_type|pg_get_viewdef)$'
      AND p.pronargs > 0 AND NOT 'internal'::regtype = ANY (p.proargtypes::oid[]) AND p.prorettype NOT IN ('internal'::regtype)});
my $laid = grep { $a->query("$_ $raise")->{state} eq '' } @functions;
cmp_ok($laid, '>', 30, "$laid traps are laid: functions");
my @operators = map { my ($name, $left, $right, $result) = @$_; "CREATE FUNCTION evil.op_" . unpack('H*', "$name$left$right") . "($left, $right) RETURNS $result $raise; CREATE OPERATOR evil.$name (LEFTARG = $left, RIGHTARG = $right, FUNCTION = evil.op_" . unpack('H*', "$name$left$right") . ")" }
    map { my $type = $_; (map { [$_, $type, $type, 'boolean'] } '=', '<>', '<', '>', '<=', '>='), ['+', $type, $type, $type], ['*', $type, $type, $type], ['/', $type, $type, $type], ['-', $type, $type, $type] } qw(int int8 float8 text name);
push @operators, map { "CREATE FUNCTION evil.j_" . unpack('H*', $_->[0] . $_->[1]) . "(jsonb, $_->[1]) RETURNS $_->[2] $raise; CREATE OPERATOR evil.$_->[0] (LEFTARG = jsonb, RIGHTARG = $_->[1], FUNCTION = evil.j_" . unpack('H*', $_->[0] . $_->[1]) . ')' } ['->', 'text', 'jsonb'], ['->>', 'text', 'text'], ['||', 'jsonb', 'jsonb'], ['?', 'text', 'boolean'];
my $laid_operators = grep { $a->query($_)->{state} eq '' } @operators;
cmp_ok($laid_operators, '>', 50, "$laid_operators traps are laid: operators");
$a->value('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA evil TO PUBLIC; CREATE TABLE assigned (customer_id bigint PRIMARY KEY, segment int, version int); ALTER TABLE assigned OWNER TO tap_owner; CREATE TABLE scored AS SELECT *, NULL::int AS segment FROM customers; ALTER TABLE scored OWNER TO tap_owner; ALTER TABLE scored ADD PRIMARY KEY (customer_id)');
my $t = session($database, user => 'postgres', settings => '-c client_min_messages=error -c search_path=evil,public,pg_catalog');
$t->value('SET SESSION AUTHORIZATION tap_owner');
is($t->query(q{SELECT 1 = 1})->{state}, 'P0666', 'the traps work when called');
for my $sql (q{SELECT segmentation.train('trapped', 'public.customers', ARRAY['age', 'income', 'region'], 3, prepare => '{"income": {"transform": "log1p", "impute": "median"}, "region": {"encode": "onehot"}}', options => '{"outliers": {"method": "iqr", "max_share": 0.5}}', weight => 'age')},
    q{SELECT segmentation.train('trapped', 'public.customers', ARRAY['age', 'income', 'region'], 4, prepare => '{"region": {"encode": "onehot"}}', activate => true)},
    q{SELECT segmentation.train('plain', 'public.customers', ARRAY['age', 'income'], 3)}, q{CALL segmentation.retrain('trapped')}, q{SELECT segmentation.retrain_once('plain', 5)}, q{SELECT * FROM segmentation.drift('trapped')},
    q{CALL segmentation.retrain_due('plain', '1 second')}, q{SELECT * FROM segmentation.verify('plain')}, q{SELECT * FROM segmentation.compare('plain', 1, 2)}, q{SELECT segmentation.label_segment('plain', 0, 'x')},
    q{CALL segmentation.score_table('plain', 'public.scored', 'segment', batch_rows => 700)}, q{CALL segmentation.score_table('plain', 'public.assigned', 'segment', 'version', batch_rows => 700)}, q{SELECT segmentation.attach('plain', 'public.scored', 'segment')},
    q{INSERT INTO public.scored SELECT * FROM public.scored LIMIT 0}, q{SELECT segmentation.create_views('plain', 'public')}, q{SELECT segmentation.activate('plain', 1)}, q{TABLE public.plain_profile}, q{TABLE public.plain_assignments}, q{SELECT segmentation.detach('plain', 'public.scored')},
    q{SELECT segmentation.import_model(segmentation.export_model('plain'), 'again')}, (map { "TABLE segmentation.$_" } @views)) {
    my $answer = $t->query($sql);
    is($answer->{state}, '', "hostile search_path: $sql") or diag $answer->{err};
}
is($a->value('SELECT count(*) FROM assigned AS a JOIN customers AS c USING (customer_id) WHERE a.segment IS NOT NULL'), 2000, 'and it did what it was to do');
$t->finish;

# Comments, and types for BI tools.
is($a->value(q{SELECT count(*) FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = attrelid WHERE c.relnamespace = 'segmentation'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE 'registry%' AND attnum > 0
    AND atttypid NOT IN ('int4'::regtype, 'float8'::regtype, 'text'::regtype, 'bool'::regtype, 'timestamptz'::regtype)}), 0, 'views are of base types');
is($a->value(q{SELECT string_agg(c.relname || '.' || attname, ', ') FROM pg_attribute AS t JOIN pg_class AS c ON c.oid = attrelid WHERE c.relnamespace = 'segmentation'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE 'registry%' AND attnum > 0
    AND col_description(c.oid, attnum) IS NULL}), '', 'every column has a comment');
is($a->value(q{SELECT count(*) FROM pg_class WHERE relnamespace = 'segmentation'::regnamespace AND relkind = 'v' AND (obj_description(oid) IS NULL OR relname LIKE '%pg\_%')}), 0, 'and every view');
is($a->value(q{SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE pronamespace = 'segmentation'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL AND proname !~ '^(survey|profile)_(accum|combine|serialize|deserialize|final)$'}), '', 'and every function');

# The BI role: USAGE on the schema, SELECT on the views, and a grant on the model.
$as->('tap_owner', q{SELECT segmentation.grant_model('shared', 'tap_bi', 'use')});
for my $view (@views) {
    is($as->('tap_bi', "SELECT count(*) > 0 FROM segmentation.$view")->{out}, $view eq 'schedules' ? 'f' : 't', "a BI role reads $view");
}

# What somebody outside the owner's members has trained can be activated, with a warning: nobody reads its source by the model's name.
$as->('tap_owner', q{SELECT segmentation.grant_model('shared', 'tap_trainee', 'train')});
$as->('tap_trainee', q{SELECT segmentation.train('shared', 'customers', ARRAY['age', 'income'], 3, gate => '{"max_moved": 1}')});
my $foreign = $as->('tap_owner', q{SELECT max(version) FROM segmentation.model_versions WHERE model = 'shared'})->{out};
like($as->('tap_owner', "SET client_min_messages = warning; SELECT segmentation.activate('shared', $foreign)")->{notices}[0], qr/version $foreign of model "shared" was trained by tap_trainee, who is not a member of its owner/, 'a foreign version: activate warns');
is($as->('tap_owner', q{SELECT segmentation.retrain_once('shared')})->{state}, '42501', 'of what then happens');
is($as->('tap_owner', q{SELECT segmentation.rollback('shared')})->{state}, '', 'and rollback undoes it');

# Roles that are gone: their models can still be seen, scored with and handled by a superuser, and the views do not break.
$a->value('REASSIGN OWNED BY tap_owner, tap_trainee TO CURRENT_USER; DROP OWNED BY ' . join ', ', @roles);
psql('postgres', 'DROP ROLE tap_user; DROP ROLE tap_owner');
is($a->value(q{SELECT owner FROM segmentation.models WHERE model = 'shared'}), 'tap_owner', 'the owner is gone: a superuser sees the model');
is($a->value(q{SELECT count(kmeans_assign('shared', c)) FROM customers AS c}), 2000, 'scores with it');
is($a->value(q{SELECT count(*) > 5 FROM segmentation.audit WHERE model = 'shared'}), 't', 'sees what was done to it');
is($as->('tap_stranger', q{SELECT kmeans_assign('shared', c) FROM customers AS c LIMIT 1})->{state}, '42704', 'nobody else does');
is($a->query(q{SELECT segmentation.change_owner('shared', current_user)})->{state}, '', 'and can take it over');
is($a->query(q{SELECT segmentation.retrain_once('shared')})->{state}, '42501', 'but not read, unseen, the source that somebody else has chosen');
is($a->query(q{SELECT segmentation.train('shared', 'customers', ARRAY['age', 'income'], 3); SELECT segmentation.activate('shared', max(version)) FROM segmentation.model_versions WHERE model = 'shared'; SELECT segmentation.retrain_once('shared')})->{state}, '', 'with a source of its own, all goes on');

$a->finish;
drop_databases();
psql('postgres', 'DROP ROLE ' . join ', ', grep { $_ !~ /^tap_(user|owner)$/ } @roles);
done_testing();
