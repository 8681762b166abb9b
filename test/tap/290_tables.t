# Keeping tables current: score_table, attach, create_views.
use strict;
use warnings;
use Test::More;
use Session;

my $database = create_database('tables');
my $s = session($database, settings => '-c client_min_messages=warning');
psql('postgres', 'DROP ROLE IF EXISTS tap_reader; DROP ROLE IF EXISTS tap_clerk; CREATE ROLE tap_reader; CREATE ROLE tap_clerk');
$s->value('CREATE TABLE customers AS SELECT customer_id, age, income, region FROM segmentation.sample_customers(5000); ALTER TABLE customers ADD PRIMARY KEY (customer_id), ADD segment int, ADD model_version int');
$s->value(q{SELECT segmentation.train('cards', 'customers', ARRAY['age', 'income'], 4)});

# score_table: the table's own column.
is($s->query(q{CALL segmentation.score_table('cards', 'customers', 'segment', 'model_version', batch_rows => 700)})->{state}, '', 'score_table');
my $wrong = q{SELECT count(*) FROM customers AS c WHERE segment IS DISTINCT FROM kmeans_assign('cards', c)};
is($s->value($wrong), 0, 'every row has its segment');
is($s->value('SELECT min(model_version), max(model_version) FROM customers'), '1|1', 'and the version');
$s->value('CREATE TABLE written AS SELECT customer_id, xmin::text AS x FROM customers');
$s->value(q{CALL segmentation.score_table('cards', 'customers', 'segment', 'model_version')});
is($s->value('SELECT count(*) FROM customers AS c JOIN written AS w USING (customer_id) WHERE c.xmin::text <> w.x'), 0, 'again: nothing is written');
$s->value('UPDATE customers SET income = income * 5 WHERE customer_id % 10 = 0');
my $changed = $s->value($wrong);
$s->value('TRUNCATE written; INSERT INTO written SELECT customer_id, xmin::text FROM customers');
$s->value(q{CALL segmentation.score_table('cards', 'customers', 'segment')});
is($s->value('SELECT count(*) FROM customers AS c JOIN written AS w USING (customer_id) WHERE c.xmin::text <> w.x'), $changed, 'then only what has changed');
cmp_ok($changed, '>', 10, "which are $changed rows");
is($s->value($wrong), 0, 'and all is right');
is($s->value('SELECT count(*) FROM segmentation.registry_scoring'), 0, 'nothing is left of a run that has ended');

# Batches are committed, and an interrupted run goes on with its version where it stopped.
$s->value('UPDATE customers SET segment = NULL, model_version = NULL');
my $slow = session($database, settings => '-c client_min_messages=notice');
$s->value(q{CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.customer_id = 3333 THEN PERFORM pg_sleep(100); END IF; RETURN NEW; END $$; CREATE TRIGGER slowly BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION slowly()});
my $pid = $slow->pid;
$slow->send(q{CALL segmentation.score_table('cards', 'customers', 'segment', 'model_version', batch_rows => 500)});
ok(wait_until(20, sub { $s->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'") == 1 }), 'a batch hangs');
is($s->value('SELECT count(segment), max(customer_id) FILTER (WHERE segment IS NOT NULL) FROM customers'), '3000|3000', 'those before it are committed');
$s->value("SELECT pg_cancel_backend($pid)");
is($slow->receive->{state}, '57014', 'it is cancelled');
$s->value('DROP TRIGGER slowly ON customers; TRUNCATE written; INSERT INTO written SELECT customer_id, xmin::text FROM customers');
my $answer = $slow->query(q{CALL segmentation.score_table('cards', 'customers', 'segment', 'model_version', batch_rows => 500)});
like(join('|', @{ $answer->{notices} }), qr/goes on after 3000 rows.*5000 rows, 5000 changed/, 'called again, it goes on');
is($s->value('SELECT count(*), min(customer_id) FROM customers AS c JOIN written AS w USING (customer_id) WHERE c.xmin::text <> w.x'), '2000|3001', 'with the rows that were left');
is($s->value($wrong), 0, 'and all is right');

# An assignment table of its own, with a key of two columns and hostile names.
$s->value(q{CREATE TABLE regional AS SELECT region, customer_id, age, income AS "In""come", NULL::float8 AS w FROM customers; ALTER TABLE regional ADD PRIMARY KEY (region, customer_id);
    CREATE TABLE "assign;ed" (region text, customer_id bigint, "seg'ment" int, v int, PRIMARY KEY (customer_id, region))});
$s->value(q{SELECT segmentation.train('regional', 'regional', ARRAY['age', 'In"come'], 3)});
$s->value(q{CALL segmentation.score_table('regional', '"assign;ed"', 'seg''ment', 'v', key => ARRAY['region', 'customer_id'], batch_rows => 333)});
is($s->value(q{SELECT count(*) FROM regional AS r LEFT JOIN "assign;ed" AS a USING (region, customer_id) WHERE a."seg'ment" IS DISTINCT FROM kmeans_assign('regional', r) OR v <> 1}), 0, 'an assignment table');
$s->value(q{INSERT INTO regional SELECT 'new', 7, 30, 50});
$s->value(q{CALL segmentation.score_table('regional', '"assign;ed"', 'seg''ment', 'v', batch_rows => 1000)});
is($s->value(q{SELECT count(*) FROM "assign;ed"}), 5001, 'new rows come in');
# Keys of every kind, batch by batch; a column by the name of the alias; NULL keys.
for my $key ("id float8, x float8[] DEFAULT '{1}'", 'id timestamptz', 'id text COLLATE "C"', 'id text', 'id uuid', 'id numeric', 'id char(12)', 'id bytea', 'id interval', 'id bit(20)', 'line int', 'id date, s float8[] DEFAULT ARRAY[1,2]', 'id bool, "s" int DEFAULT 3, k int') {
    my ($name) = $key =~ /^(\w+)/;
    my $type = $s->value("CREATE TABLE keyed ($key, age int, income float8, segment int); SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'keyed'::regclass AND attnum = 1");
    my $value = { 'double precision' => 'i / 7.0', 'timestamp with time zone' => q{timestamptz '2026-10-25 00:00+00' + i * interval '7 minutes'}, text => q{chr(32 + i % 90) || i || chr(39)}, uuid => 'md5(i::text)::uuid', numeric => 'i / 3.0', 'character(12)' => q{' ' || i},
        bytea => q{decode(md5(i::text), 'hex')}, interval => q{i * interval '1 hour'}, 'bit(20)' => 'i::bit(20)', integer => 'i', date => q{date '2026-01-01' + i}, boolean => 'i % 2 = 0' }->{$type};
    my $extra = $key =~ /\bk int/ ? ', k' : '';
    $s->value("INSERT INTO keyed ($name$extra, age, income) SELECT $value" . ($extra && ', i') . ", 20 + i % 50, 10 + i % 90 FROM generate_series(1, 400) AS i; ALTER TABLE keyed ADD PRIMARY KEY ($name$extra)");
    $s->value("SET extra_float_digits = 0; SET datestyle = 'SQL, DMY'; SET bytea_output = 'escape'");
    is($s->query(q{CALL segmentation.score_table('cards', 'keyed', 'segment', batch_rows => 37)})->{state}, '', "key of type $type: score_table");
    is($s->value(q{SELECT count(*) FROM keyed AS c WHERE segment IS DISTINCT FROM kmeans_assign('cards', ARRAY[age, income])}), 0, "key of type $type: every row");
    $s->value('RESET extra_float_digits; RESET datestyle; RESET bytea_output');
    is($s->query("SELECT segmentation.train('keyed', 'keyed', ARRAY['age', 'income'], 2, prepare => '{\"age\": {\"impute\": \"median\"}}')")->{state}, '', "key of type $type: train");
    $s->value("SELECT segmentation.drop_model('keyed'); DROP TABLE keyed");
}
$s->value(q{CREATE TABLE nullable AS SELECT customer_id, NULLIF(customer_id, 7) AS email, age, income, segment FROM customers});
is($s->query(q{CALL segmentation.score_table('cards', 'nullable', 'segment', key => ARRAY['email'])})->{state}, '22004', 'a key with NULLs is refused');
# A run of another key, or of a table made anew, begins anew.
$s->value(q{UPDATE nullable SET segment = NULL; SELECT segmentation.score_batch('public', segmentation.begin_scoring('cards', 'nullable', 'segment', NULL, ARRAY['customer_id'], 100))});
$s->value(q{CREATE TABLE copied AS TABLE nullable; DROP TABLE nullable; ALTER TABLE copied RENAME TO nullable; UPDATE nullable SET segment = NULL});
$s->value(q{CALL segmentation.score_table('cards', 'nullable', 'segment', key => ARRAY['customer_id'])});
is($s->value(q{SELECT count(*) FROM nullable WHERE segment IS NULL}), 0, 'a table made anew is scored from the start');
is($s->query(q{CALL segmentation.score_table('cards', 'customers', 'nope')})->{hint}, 'ALTER TABLE public.customers ADD COLUMN nope integer', 'a missing column');
is($s->query(q{CALL segmentation.score_table('cards', 'customers', 'region')})->{state}, '42804', 'a column of another type');
is($s->query(q{CALL segmentation.score_table('cards', 'customers', 'segment', batch_rows => 0)})->{state}, '22023', 'no rows in a batch');
is($s->query(q{BEGIN; CALL segmentation.score_table('cards', 'customers', 'segment')})->{state}, '25001', 'not within a transaction');
$s->value('ROLLBACK');
$s->value(q{CREATE TABLE keyless AS TABLE customers});
is($s->query(q{CALL segmentation.score_table('cards', 'keyless', 'segment')})->{hint}, 'Name the columns that tell its rows apart in "key".', 'no key');

# attach
$s->value(q{SELECT segmentation.attach('cards', 'customers', 'segment')});
$s->value(q{INSERT INTO customers (customer_id, age, income) VALUES (10001, 30, 40), (10002, 60, 300), (10003, NULL, 40); UPDATE customers SET income = 500 WHERE customer_id = 1});
is($s->value(q{SELECT count(*) FROM customers AS c WHERE customer_id IN (1, 10001, 10002) AND segment IS DISTINCT FROM kmeans_assign('cards', c)}), 0, 'attach: rows are scored as they come');
is($s->value('SELECT segment IS NULL FROM customers WHERE customer_id = 10003'), 't', 'a NULL feature leaves NULL');
$s->value(q{SELECT segmentation.train('cards', 'customers', ARRAY['age', 'income'], 2, options => '{"on_null": "skip"}', gate => '{"max_moved": 1, "max_explained_drop": 1, "max_inertia": 100}', activate => true)});
is($s->value(q{SELECT active_version FROM segmentation.models WHERE model = 'cards'}), 2, 'another version');
$s->value('INSERT INTO customers (customer_id, age, income) VALUES (10004, 30, 40)');
is($s->value(q{SELECT segment IS NOT DISTINCT FROM kmeans_assign('cards', c) FROM customers AS c WHERE customer_id = 10004}), 't', 'scores from then on');
$s->value('GRANT INSERT, SELECT ON customers TO tap_clerk');
$s->value('SET ROLE tap_clerk');
$answer = $s->query('INSERT INTO customers (customer_id, age, income) SELECT 20000 + i, 30, 40 FROM generate_series(1, 5) AS i');
is($answer->{state}, '', 'a user without rights on the model still inserts');
is_deeply($answer->{notices}, ['column "segment" of public.customers is left NULL: model "cards" does not exist'], 'with one warning');
$s->value('RESET ROLE');
is($s->value('SELECT count(*), count(segment) FROM customers WHERE customer_id > 20000'), '5|0', 'and NULL');
$s->value(q{SELECT segmentation.grant_model('cards', 'tap_clerk', 'use')});
$s->value('SET ROLE tap_clerk');
is_deeply($s->query('INSERT INTO customers (customer_id, age, income) VALUES (20010, 30, 40)')->{notices}, [], 'with rights there is none');
$s->value('RESET ROLE');
$s->value(q{SELECT segmentation.register('spare', segmentation.model('cards')); SELECT segmentation.attach('spare', 'customers', 'model_version'); SELECT segmentation.drop_model('spare')});
$answer = $s->query('INSERT INTO customers (customer_id, age, income) VALUES (30001, 30, 40), (30004, 30, 40)');
is($answer->{state}, '', 'the model is dropped: the row gets in');
like($answer->{notices}[0], qr/model "spare" does not exist/, 'with a warning');
is($s->value('SELECT segment IS NOT NULL, model_version IS NULL FROM customers WHERE customer_id = 30001'), 't|t', 'and what other models say');
$s->value(q{COPY (SELECT 40000 + i, 30, 40.5, 'north' FROM generate_series(1, 3) AS i) TO '/tmp/segmentation_tap_copy.csv' (FORMAT csv)});
is($s->query(q{COPY customers (customer_id, age, income, region) FROM '/tmp/segmentation_tap_copy.csv' (FORMAT csv)})->{state}, '', 'COPY');
unlink '/tmp/segmentation_tap_copy.csv';
$s->value('ALTER TABLE customers RENAME income TO earnings');
$answer = $s->query('INSERT INTO customers (customer_id, age, earnings) VALUES (30002, 30, 40)');
is($answer->{state}, '', 'a feature that has another name now is no error either');
is(scalar(grep { /row has no column "income"/ } @{ $answer->{notices} }), 1, 'but a warning');
$s->value('ALTER TABLE customers RENAME earnings TO income');
is($s->value(q{SELECT segmentation.detach('spare', 'customers')}), 1, 'detach');
is($s->query(q{SELECT segmentation.detach('spare', 'customers')})->{state}, '42704', 'once');
is($s->query(q{INSERT INTO customers (customer_id, age, income) VALUES (30003, 30, 40)})->{notices}[0] // '', '', 'no more warnings');
is($s->value('SELECT segment IS NOT NULL FROM customers WHERE customer_id = 30003'), 't', 'other models stay attached');
is($s->query(q{SELECT segmentation.attach('cards', 'customers', 'region')})->{state}, '42804', 'attach: a column of another type');
$s->value('CREATE TABLE small (age smallint, income real, segment smallint)');
is($s->value(q{SELECT segmentation.attach('cards', 'small', 'segment'); INSERT INTO small SELECT age, income FROM customers WHERE customer_id <= 100;
    SELECT count(*) FROM small AS t WHERE segment IS DISTINCT FROM kmeans_assign('cards', t)}), "\n0", 'attach: a smallint');
$answer = $s->query(q{CREATE TABLE without (id int, age int, segment int); SELECT segmentation.attach('cards', 'without', 'segment')});
is("$answer->{state} $answer->{hint}", '42703 A model reads columns by the names of its inputs: age, income.', 'attach: a table without the inputs');
is($s->query(q{SELECT segmentation.attach('nobody', 'customers', 'segment')})->{state}, '42704', 'attach: no such model');
$s->value('CREATE TABLE generated (id int PRIMARY KEY, age int, half float8, income float8 GENERATED ALWAYS AS (half * 2) STORED, segment int)');
is($s->query(q{SELECT segmentation.attach('cards', 'generated', 'segment')})->{state}, '0A000', 'attach: an input that is not there yet');

# create_views
$s->value('DELETE FROM customers WHERE customer_id > 5000; CREATE SCHEMA bi; GRANT USAGE ON SCHEMA bi TO tap_reader');
is($s->value(q{SELECT string_agg(v, ' ') FROM segmentation.create_views('cards', 'bi', '{tap_reader}') AS v}), 'bi.cards_assignments bi.cards_profile', 'create_views');
$s->value('SET ROLE tap_reader');
is($s->value('SELECT count(*), count(segment) FROM bi.cards_assignments'), '5000|5000', 'readers need no right on table and model');
is($s->value('SELECT sum(customers), round(sum(share)) FROM bi.cards_profile'), '5000|1', 'profile');
$s->value('RESET ROLE');
is($s->value(q{SELECT count(*) FROM bi.cards_assignments AS a JOIN customers AS c USING (customer_id) WHERE a.segment IS DISTINCT FROM kmeans_assign('cards', c)}), 0, 'the views score as the model does');
is($s->value(q{SELECT count(*) FROM bi.cards_profile AS p JOIN (SELECT kmeans_assign('cards', c) AS segment, avg(age)::float8 AS age, avg(income) AS income, count(*) AS n FROM customers AS c GROUP BY 1) AS q USING (segment)
    WHERE abs(mean_age - age) < 1e-9 AND abs(mean_income / income - 1) < 1e-9 AND customers = n}), 2, 'means');
is($s->value(q{SELECT string_agg(format_type(atttypid, -1), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'bi.cards_profile'::regclass AND attnum > 0}), 'integer,text,double precision,double precision,double precision,double precision', 'base types');
is($s->value(q{SELECT count(DISTINCT segment) FROM bi.cards_assignments}), 2, 'two segments');
$s->value(q{SELECT segmentation.activate('cards', 1)});
is($s->value(q{SELECT count(DISTINCT segment) FROM bi.cards_assignments}), 4, 'another version: the views follow');
$s->value(q{SELECT segmentation.label_segment('cards', 1, 'O''Neill; "x"')});
is($s->value(q{SELECT segment_label FROM bi.cards_profile WHERE segment = 1}), q{O'Neill; "x"}, 'and so they do for labels');
$s->value('SET ROLE tap_reader');
is($s->value('SELECT count(*) FROM bi.cards_assignments'), 5000, 'grants stay');
$s->value('RESET ROLE');
is($s->query(q{SELECT segmentation.create_views('cards', 'bi')})->{state}, '', 'again');
$s->value('SET ROLE tap_reader');
is($s->value('SELECT count(*) FROM bi.cards_assignments'), 5000, 'which keeps grants');
$s->value('RESET ROLE');
$s->value(q{CREATE VIEW bi.regional_profile AS SELECT 1 AS x});
is($s->query(q{SELECT segmentation.create_views('regional', 'bi')})->{state}, '42P07', 'a view that is not ours stays');
$s->value('DROP VIEW bi.cards_profile; CREATE VIEW bi.cards_profile AS SELECT 2 AS x');
my $warned = $s->query(q{SELECT segmentation.activate('cards', 2)});
is($warned->{state}, '', 'activation goes on');
like($warned->{notices}[0], qr/view bi.cards_profile still shows an earlier version/, 'with a warning');
is($s->value('SELECT x FROM bi.cards_profile'), 2, 'and what somebody has put there stays');

# Views and their model: columns of "profile", other columns under the same name, a model that is dropped.
$s->value(q{DROP VIEW bi.cards_profile; SELECT segmentation.train('wide', 'customers', ARRAY['age', 'income'], 3, profile => ARRAY['customer_id', 'region', 'age']); SELECT segmentation.create_views('wide', 'bi')});
is($s->value(q{SELECT string_agg(attname || CASE WHEN col_description(attrelid, attnum) IS NULL THEN '!' ELSE '' END, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'bi.wide_profile'::regclass AND attnum > 0}),
    'segment segment_label customers share mean_age mean_income mean_customer_id', 'the numbers of "profile" have means, too, and every column a comment');
$s->value(q{CREATE VIEW upon AS SELECT * FROM bi.wide_assignments});
$warned = $s->query(q{SELECT segmentation.drop_model('wide')});
is($warned->{state}, '', 'a model is dropped');
like($warned->{notices}[0], qr/view bi.wide_assignments of model "wide" stays: .*other objects depend/, 'a view that others have built on stays, with a warning');
is($s->value(q{SELECT to_regclass('bi.wide_profile') IS NULL, count(*) FROM upon}), 't|5000', 'others go with it');
$s->value(q{SELECT segmentation.train('wide', 'customers', ARRAY['customer_id', 'income'], 3, key => ARRAY['customer_id', 'region'])});
$answer = $s->query(q{SELECT segmentation.create_views('wide', 'bi')});
is("$answer->{state} $answer->{hint}", '42P16 DROP VIEW bi.wide_assignments', 'a view with other columns: what to do');

$_->finish for $s, $slow;
drop_databases();
psql('postgres', 'DROP ROLE tap_reader; DROP ROLE tap_clerk');
done_testing();
