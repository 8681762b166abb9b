# Retraining: segments keep their meaning, the gate keeps bad versions out, people decide about the rest.
use strict;
use warnings;
use Test::More;
use Session;

my $database = create_database('retrain');
my $s = session($database, settings => '-c client_min_messages=error');

# ---- thirty weeks ----
$s->value(<<'SQL');
CREATE TABLE customers AS SELECT customer_id, age, income, card_debt, other_debt FROM segmentation.sample_customers(100000, 1);
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
CREATE TABLE before (customer_id bigint PRIMARY KEY, age int, income float8, card_debt float8, other_debt float8, segment int, silhouette float8, unmatched int);
CREATE FUNCTION unmatched(week bigint) RETURNS kmeans_model LANGUAGE sql AS $$
    SELECT kmeans(ARRAY[age, ln(1 + income), ln(1 + card_debt), ln(1 + other_debt)], 6, jsonb_build_object('scale', 'zscore', 'seed', week)) FROM customers $$;
SQL
my $features = q{ARRAY['age', 'income', 'card_debt', 'other_debt']};
my $prepare = q{prepare => '{"income": {"transform": "log1p"}, "card_debt": {"transform": "log1p"}, "other_debt": {"transform": "log1p"}}'};
$s->value("SELECT segmentation.train('weekly', 'customers', $features, 6, $prepare)");
$s->value("SELECT segmentation.label_segment('weekly', i, 'label ' || i, 'about ' || i) FROM generate_series(0, 5) AS i");
my @labels_at_first = split /\n/, $s->value(q{SELECT segment, round(avg(age)), round(avg(income)) FROM (SELECT kmeans_assign('weekly', c) AS segment, * FROM customers AS c) AS t GROUP BY 1 ORDER BY 1});
$s->value('CREATE TABLE last_unmatched AS SELECT unmatched(0) AS model');
my ($worst, $worst_unmatched, $activated) = (1, 1, 0);
for my $week (1 .. 30) {
    $s->value(<<"SQL");
TRUNCATE before;
INSERT INTO before SELECT customer_id, age, income, card_debt, other_debt, (r).segment, (r).silhouette, kmeans_assign(model, ARRAY[age, ln(1 + income), ln(1 + card_debt), ln(1 + other_debt)])
  FROM (SELECT *, kmeans_score((SELECT segmentation.model('weekly')), c) AS r FROM customers AS c) AS t, last_unmatched;
DELETE FROM customers WHERE hashint8extended(customer_id, $week) % 50 = 0;
UPDATE customers SET income = income * (0.8 + (hashint8extended(customer_id, -$week) & 1023) / 2000.0), card_debt = card_debt * 1.2 WHERE hashint8extended(customer_id, 1000 + $week) % 40 = 0;
INSERT INTO customers SELECT $week * 1000000 + customer_id, age, income, card_debt, other_debt FROM segmentation.sample_customers(1400, 100 + $week);
INSERT INTO customers SELECT $week * 1000000 + 500000 + customer_id, age, income, card_debt, other_debt FROM segmentation.sample_customers(4000, 200 + $week) AS c
 WHERE kmeans_assign((SELECT segmentation.model('weekly')), c) = 1 LIMIT 600;
SQL
    my $decision = $s->value("CALL segmentation.retrain('weekly', $week); SELECT is_active FROM segmentation.model_versions WHERE model = 'weekly' AND version = $week + 1");
    $activated++ if $decision eq 't';
    $s->value("UPDATE last_unmatched SET model = unmatched($week)");
    my ($share, $unmatched) = split /\|/, $s->value(<<'SQL');
SELECT avg((kmeans_assign('weekly', c) = b.segment)::int), avg((kmeans_assign(model, ARRAY[c.age, ln(1 + c.income), ln(1 + c.card_debt), ln(1 + c.other_debt)]) = b.unmatched)::int)
  FROM customers AS c JOIN before AS b USING (customer_id), last_unmatched WHERE (c.age, c.income, c.card_debt, c.other_debt) = (b.age, b.income, b.card_debt, b.other_debt) AND b.silhouette >= 0.3
SQL
    $worst = $share if $share < $worst;
    $worst_unmatched = $unmatched if $unmatched < $worst_unmatched;
}
diag sprintf 'unchanged customers that keep their segment: at least %.4f; without matching %.4f', $worst, $worst_unmatched;
is($activated, 30, 'every week the new version took over');
cmp_ok($worst, '>=', 0.99, 'every week at least 99 % of the unchanged customers that are clearly in a segment keep it');
cmp_ok($worst_unmatched, '<', 0.99, 'which they would not without matching');
is($s->value(q{SELECT string_agg(segment || segment_label, ',' ORDER BY segment) FROM segmentation.segments WHERE model = 'weekly' AND is_active}), join(',', map { "${_}label $_" } 0 .. 5), 'ids and labels are what they were');
my @labels_at_last = split /\n/, $s->value(q{SELECT segment, round(avg(age)), round(avg(income)) FROM (SELECT kmeans_assign('weekly', c) AS segment, * FROM customers AS c) AS t GROUP BY 1 ORDER BY 1});
for my $i (0 .. 5) {
    my (undef, $age, $income) = split /\|/, $labels_at_first[$i];
    my (undef, $later_age, $later_income) = split /\|/, $labels_at_last[$i];
    cmp_ok(abs($later_age - $age), '<=', 3, "segment $i: still of that age");
    cmp_ok(abs($later_income / $income - 1), '<', 0.3, "segment $i: still of that income");
}

# A segment that really appears.
$s->value(q{INSERT INTO customers SELECT 900000000 + i, 50 + i % 9, 12 + i % 4, 0.05 + (i % 9) / 200.0, 25 + i % 10 FROM generate_series(1, 8000) AS i});
my $answer = $s->value("SELECT decision FROM segmentation.train('weekly', 'customers', $features, 7, $prepare, activate => true, gate => '{\"max_psi\": 1}')");
is($answer, 'activated: it passed the gate and replaces version 31', 'one more segment, by hand');
is($s->value(q{SELECT string_agg(segment::text || continues_earlier::int, ',' ORDER BY segment) FROM segmentation.segments WHERE model = 'weekly' AND is_active}), '01,11,21,31,41,51,60', 'it gets a new id, the others keep theirs');
cmp_ok($s->value(q{SELECT avg((kmeans_assign('weekly', c) = 6)::int) FROM customers AS c WHERE customer_id > 900000000}), '>', 0.99, 'and it is the new group');
is($s->value(q{SELECT string_agg(segment_label, ',' ORDER BY segment) FROM segmentation.segments WHERE model = 'weekly' AND is_active}), 'label 0,label 1,label 2,label 3,label 4,label 5,segment 6', 'labels follow');
$s->value('DELETE FROM customers WHERE customer_id > 900000000');
$s->value("SELECT segmentation.train('weekly', 'customers', $features, 6, $prepare, activate => true, gate => '{\"max_psi\": 1}')");
$s->value(q{INSERT INTO customers SELECT 910000000 + i, 50 + i % 9, 12 + i % 4, 12 + i % 5, 0.02 FROM generate_series(1, 8000) AS i});
is($s->value("SELECT decision FROM segmentation.train('weekly', 'customers', $features, 7, $prepare, activate => true, gate => '{\"max_psi\": 1}')"), 'activated: it passed the gate and replaces version 32', 'it goes, and another one comes');
is($s->value(q{SELECT string_agg(segment::text, ',' ORDER BY segment) FROM segmentation.segments WHERE model = 'weekly' AND is_active}), '0,1,2,3,4,5,7', 'whose id was never used before');
is($s->value(q{SELECT sum(customers) FROM segmentation.segment_migration WHERE model = 'weekly' AND version = 34}), $s->value('SELECT count(*) FROM customers'), 'the migration counts every customer');

# ---- data that have turned to garbage ----
$s->value('TRUNCATE customers; INSERT INTO customers SELECT customer_id, age, income, card_debt, other_debt FROM segmentation.sample_customers(20000, 5)');
$s->value("SELECT segmentation.train('guarded', 'customers', $features, 5, $prepare); CREATE TABLE good AS SELECT *, kmeans_assign('guarded', c) AS segment FROM customers AS c");
my %garbage = (
    'income = NULL' => ['refused', qr/column "income": 100\.0 % of the values are missing, 0\.0 % at the last training/], 'income = 42' => ['succeeded', qr/column "income": there is only one value, 42, where there were many/],
    'income = income * 1000' => ['succeeded', qr/column "income": the values are about 1000 times those of the last training, as if the unit had changed/],
    'income = age' => ['succeeded', qr/column "income": the values look like those of column "age"/],
    'income = CASE WHEN customer_id % 5 > 0 THEN income END' => ['refused', qr/column "income": 20\.0 % of the values are missing/],
    'age = age + 12' => ['succeeded', qr/column "age": the distribution has changed \(population stability index \d+\.\d\d, and 0\.25 is allowed\)/],
    'card_debt = card_debt * 0.001' => ['succeeded', qr/column "card_debt": the values are about 0\.001 times/],
);
for my $what (sort keys %garbage) {
    my ($status, $reason) = @{ $garbage{$what} };
    $s->value("UPDATE customers SET $what");
    is($s->query("CALL segmentation.retrain('guarded')")->{state}, '', "$what: retrained");
    my ($got, $message) = split /\|/, $s->value("SELECT status, message FROM segmentation.training_history WHERE model = 'guarded' ORDER BY run DESC LIMIT 1"), 2;
    is($got, $status, "$what: $status");
    like($message, $reason, "$what: says why");
    is($s->value("SELECT active_version FROM segmentation.models WHERE model = 'guarded'"), 1, "$what: the active version stays");
    is($s->value("SELECT count(*) FROM good AS g WHERE kmeans_assign('guarded', g) IS DISTINCT FROM segment"), 0, "$what: and scores");
    $s->value('UPDATE customers AS c SET age = g.age, income = g.income, card_debt = g.card_debt FROM good AS g WHERE g.customer_id = c.customer_id');
}
$s->value('DELETE FROM customers WHERE customer_id % 3 > 0');
$s->value("CALL segmentation.retrain('guarded')");
like($s->value("SELECT message FROM segmentation.training_history WHERE model = 'guarded' ORDER BY run DESC LIMIT 1"), qr/the source has 666[67] rows, 33\.3 % of those of the last training/, 'two thirds of the rows are missing');
$s->value('TRUNCATE customers');
$s->value("CALL segmentation.retrain('guarded')");
like($s->value("SELECT status || message FROM segmentation.training_history WHERE model = 'guarded' ORDER BY run DESC LIMIT 1"), qr/^refused.*the source has no rows/, 'all of them are');
$s->value('INSERT INTO customers SELECT customer_id, age, income, card_debt, other_debt FROM good');
$s->value("CALL segmentation.retrain('guarded', 3)");
is($s->value("SELECT active_version = (SELECT max(version) FROM segmentation.model_versions WHERE model = 'guarded') FROM segmentation.models WHERE model = 'guarded'"), 't', 'good data are trained on again');
$s->value('DROP TABLE customers');
is($s->query("CALL segmentation.retrain('guarded')")->{state}, '42P01', 'a source that is gone is an error');
like($s->value("SELECT status || ' ' || sqlstate || ' ' || message FROM segmentation.training_history WHERE model = 'guarded' ORDER BY run DESC LIMIT 1"), qr/^failed 42P01 source public\.customers of the model does not exist$/, 'which the history has');
$s->value('ALTER TABLE good RENAME TO customers');

# ---- decisions ----
psql('postgres', 'DROP ROLE IF EXISTS tap_boss; CREATE ROLE tap_boss');
$s->value("SELECT segmentation.train('manual', 'customers', $features, 4, gate => '{\"approval\": \"manual\"}'); SELECT segmentation.grant_model('manual', 'tap_boss', 'approve')");
is($s->value("SELECT decision FROM segmentation.retrain_once('manual', 1)"), 'candidate: it waits for approval', 'manual approval: candidates wait');
is($s->query("SELECT segmentation.approve('manual', 2)")->{state}, '42501', 'the trainer cannot approve');
is($s->query("SELECT segmentation.activate('manual', 2)")->{state}, '42501', 'nor activate');
is($s->value("SELECT decision FROM segmentation.train('manual', 'customers', $features, 4, gate => '{\"approval\": \"auto\", \"max_moved\": 1}', activate => true)"), 'candidate: it waits for approval', 'nor drop the rule with a new definition');
is($s->query("SELECT segmentation.activate('manual', 3)")->{state}, '42501', 'which has to be approved, too');
$s->value("SELECT segmentation.register('manual', segmentation.model('manual', 2), true)");
is($s->value("SELECT active_version FROM segmentation.models WHERE model = 'manual'"), 1, 'nor register one around it');
$s->value("SELECT segmentation.reject('manual', 3), segmentation.reject('manual', 4)");
$s->value('SET ROLE tap_boss');
is($s->query("SELECT segmentation.approve('manual', 2)")->{state}, '42501', 'SET ROLE makes nobody else of the trainer');
$s->value('RESET ROLE; SET SESSION AUTHORIZATION tap_boss');
is($s->query("SELECT segmentation.approve('manual', 2, 'seen')")->{state}, '', 'somebody else can');
is($s->query("SELECT segmentation.approve('manual', 2)")->{state}, '55000', 'once');
is($s->query("SELECT segmentation.activate('manual', 4)")->{state}, '55000', 'a rejection is no approval');
$s->value('RESET SESSION AUTHORIZATION');
is($s->value("SELECT is_active || ' ' || decided_by FROM segmentation.model_versions WHERE model = 'manual' AND version = 2"), 'true tap_boss', 'it is active');
$s->value("SELECT segmentation.retrain_once('manual', 2)");
is($s->query("SELECT segmentation.reject('manual', 5, 'no')")->{state}, '', 'candidates are rejected');
is($s->query("SELECT segmentation.reject('manual', 2)")->{state}, '55000', 'the active version is not');
is($s->query("SELECT segmentation.reject('manual', 5)")->{state}, '55000', 'nor what was rejected');
is($s->value("SELECT state FROM segmentation.model_versions WHERE model = 'manual' AND version = 5"), 'rejected', 'the view says so');
is($s->value("SELECT segmentation.rollback('manual', reason => 'complaints', hold => true)"), 1, 'back to the version before');
is($s->value("SELECT on_hold || ' ' || hold_reason FROM segmentation.models WHERE model = 'manual'"), 'true complaints', 'on hold');
is($s->query("SELECT segmentation.rollback('manual', 3)")->{state}, '55000', 'not to one that was never active');
$s->value("SELECT segmentation.train('held', 'customers', $features, 4); SELECT segmentation.retrain_once('held', 1); SELECT segmentation.rollback('held', hold => true)");
is($s->value("SELECT decision FROM segmentation.retrain_once('held', 2)"), 'candidate: the model is on hold (rolled back to version 1)', 'under a hold, versions are trained and not activated');
$s->value("SELECT segmentation.activate('held', 3, 'good again')");
is($s->value("SELECT decision FROM segmentation.retrain_once('held', 3)"), 'activated: it passed the gate and replaces version 3', 'until one is activated');
is($s->query("SELECT segmentation.rollback('one_version')")->{state}, '42704', 'no such model');
is($s->value("SELECT string_agg(action || coalesce(' ' || version, ''), ', ' ORDER BY entry) FROM segmentation.audit WHERE model = 'held'"),
    'create, train 1, activate 1, retrain 2, activate 2, rollback and hold 1, retrain 3, activate 3, retrain 4, activate 4', 'the audit trail has it all');
$s->value("SELECT segmentation.drop_model('held')");
is($s->value("SELECT count(*) FROM segmentation.audit WHERE model = 'held'"), 11, 'and outlives the model');
is($s->query('DELETE FROM segmentation.registry_audit')->{state}, '42501', 'nobody takes anything out of it');
is($s->query('TRUNCATE segmentation.registry_audit')->{state}, '42501', 'nor all');

$s->value("SELECT segmentation.train('steps', 'customers', $features, 3); SELECT segmentation.retrain_once('steps', 1); SELECT segmentation.retrain_once('steps', 2)");
is($s->value("SELECT segmentation.rollback('steps') || ' ' || segmentation.rollback('steps')"), '2 1', 'rollback twice goes back twice');
$answer = $s->query("SELECT segmentation.rollback('steps')");
is($answer->{state}, '55000', 'and no further');
like($answer->{hint}, qr/segmentation.activate makes any of them the active one/, 'but there is another way');
# 1, then 3 by hand, 2 by hand: each is undone in turn, also when the versions go up and down.
$s->value("SELECT segmentation.activate('steps', 3); SELECT segmentation.activate('steps', 2); SELECT segmentation.activate('steps', 3); SELECT segmentation.activate('steps', 1)");
is($s->value("SELECT concat_ws(' ', segmentation.rollback('steps'), segmentation.rollback('steps'), segmentation.rollback('steps'), segmentation.rollback('steps'))"), '3 2 3 1', 'rollback goes back to what was active before');
$s->value("SELECT segmentation.activate('steps', 3); SELECT segmentation.activate('steps', 2)");
is($s->value("SELECT concat_ws(' ', segmentation.rollback('steps', 1), segmentation.rollback('steps', 3), segmentation.rollback('steps'))"), '1 3 1', 'or to a version by its number');
$answer = $s->query("SELECT segmentation.approve('steps', 2)");
is("$answer->{state} $answer->{detail}", '55000 It is retired.', 'approve is for candidates');

# Labels
$s->value("SELECT segmentation.label_segment('steps', 0, 'first', 'about it'); SELECT segmentation.label_segment('steps', 0, 'renamed')");
my $label = "SELECT segment_label, description FROM segmentation.segments WHERE model = 'steps' AND is_active AND segment = 0";
is($s->value($label), 'renamed|about it', 'another label leaves the description as it is');
is($s->query("SELECT segmentation.label_segment('steps', 0, ' ')")->{state}, '22023', 'a label says something');
is($s->value("SELECT segmentation.label_segment('steps', 0, NULL); $label"), "\nsegment 0|", 'NULL takes both away');

# Errors that say what to do.
$answer = $s->query("BEGIN; CALL segmentation.retrain('steps')");
is("$answer->{state} $answer->{hint}", '25001 segmentation.retrain_once does the same inside a transaction.', 'retrain commits');
$s->value('ROLLBACK');
$s->value('CREATE TABLE renamed AS TABLE customers; ALTER TABLE renamed ADD PRIMARY KEY (customer_id)');
$s->value("SELECT segmentation.train('renamed', 'renamed', $features, 3); ALTER TABLE renamed RENAME income TO earnings");
like($s->query("SELECT $_")->{hint}, qr/^The source has changed since the model was trained/, "a renamed column: $_") for "segmentation.retrain_once('renamed')", "* FROM segmentation.drift('renamed')";

# ---- verify, compare, register, export, import ----
is($s->value("SELECT same_data, same_model FROM segmentation.verify('manual')"), 't|t', 'verify: the same data give the same model');
is($s->value("SELECT same_data, same_model FROM segmentation.verify('manual', 2)"), 't|t', 'also one that began with the centroids of another');
$s->value('UPDATE customers SET income = income + 1 WHERE customer_id = 1');
is($s->value("SELECT same_data, same_model, verdict FROM segmentation.verify('manual')"), 'f|f|not reproduced: the data have changed since the training', 'verify: one changed row');
is($s->value("SELECT count(*), count(difference) FROM segmentation.compare('manual', 1, 2)"), '14|14', 'compare: metrics and shares side by side');
is($s->value("SELECT abs(difference - (second - first)) < 1e-12 FROM segmentation.compare('manual', 1, 2) WHERE metric = 'inertia'"), 't', 'and their differences');
is($s->value("SELECT segmentation.register('from_sketch', (SELECT kmeans_fit(kmeans_sketch(ARRAY[age, income], 1000000), 3, '{\"features\": [\"age\", \"income\"]}') FROM customers))"), 1, 'register: a model from a sketch');
is($s->query("CALL segmentation.retrain('from_sketch')")->{state}, '55000', 'which cannot be retrained');
is($s->query("SELECT * FROM segmentation.drift('from_sketch')")->{state}, '55000', 'nor asked for drift');
is($s->query("SELECT segmentation.import_model('{}')")->{state}, '22023', 'import: nothing');
is($s->query("SELECT segmentation.register('x', NULL)")->{state}, '22004', 'register: NULL');
$s->value("SELECT segmentation.label_segment('manual', 0, 'zero'); SELECT segmentation.import_model(segmentation.export_model('manual'), 'copied')");
is($s->value("SELECT count(*) FROM customers AS c WHERE kmeans_assign('manual', c) IS DISTINCT FROM kmeans_assign('copied', c)"), 0, 'export and import: the same scores');
is($s->value("SELECT segment_label FROM segmentation.segments WHERE model = 'copied' AND segment = 0"), 'zero', 'and labels');
is($s->query("SELECT segmentation.retrain_once('copied')")->{state}, '', 'and it can be retrained where the source is there');
is($s->query("SELECT segmentation.label_segment('manual', 99, 'x')")->{state}, '42704', 'a label for no segment');

$s->finish;
drop_databases();
psql('postgres', 'DROP ROLE tap_boss');
done_testing();
