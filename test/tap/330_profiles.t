# Profiles of segments: what is described, in how many reads, under any name; errors, privacy, rules of recommendation, and what nobody may do.
# That the numbers are right is test/oracle/profiles.py's.
use strict;
use warnings;
use utf8;
use Test::More;
use Session;

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output);
my $database = create_database('profiles');
my $s = session($database, settings => '-c client_min_messages=warning');
my $loud = session($database);
$s->value(<<'SQL');
CREATE TABLE customers AS SELECT c.*, date '2026-01-01' AS since, customer_id % 5 AS code, NULL::boolean AS never, CASE WHEN customer_id % 4 > 0 THEN defaulted::int END AS late
  FROM segmentation.sample_customers(5000) AS c;
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
SQL
my $seen = sub { my ($view, $columns, $where) = @_; $s->value("SELECT $columns FROM segmentation.$view WHERE $where") };

# What is described: features as they are named, profile without repetition, the outcome once.
$s->value(q{SELECT segmentation.train('cards', 'customers', ARRAY['age', 'income', 'region'], 4, prepare => '{"region": {"encode": "onehot"}, "income": {"transform": "log1p"}}',
    profile => ARRAY['card_debt', 'age', 'card_debt', 'defaulted', 'code'], outcome => 'defaulted')});
is($seen->('segment_profile', q{string_agg(DISTINCT role || ' ' || kind || ' ' || split_part(feature, '=', 1), ', ')}, q{model = 'cards'}),
    'feature level region, feature number age, feature number income, outcome number defaulted, profile number card_debt, profile number code', 'what is described');
is($seen->('segment_profile', 'count(*)', q{model = 'cards'}), 4 * (2 + 6 + 1 + 2), 'a row per segment and feature or level');
is($seen->('segment_profile', 'sum(mean)', q{model = 'cards' AND feature LIKE 'region=%' AND segment = 2}) - 1 < 1e-9, 1, 'shares of levels add up to 1');
is($seen->('segment_summary', 'sum(customers), count(DISTINCT suggested_label), round(sum(share)::numeric, 9)', q{model = 'cards'}), '5000|4|1.000000000', 'sizes, shares and suggested names that differ');
is($seen->('feature_importance', 'count(*), count(explained), min(rank), max(rank)', q{model = 'cards'}), '6|6|1|6', 'importance: a category is one row');
is($s->value(q{SELECT count(*) FROM segmentation.segment_risk AS r, (SELECT kmeans_assign('cards', c) AS segment, count(defaulted) AS known, count(*) FILTER (WHERE defaulted) AS events FROM customers AS c GROUP BY 1) AS q
    WHERE r.model = 'cards' AND r.segment = q.segment AND r.known = q.known AND r.events = q.events AND r.unknown = r.customers - r.known}), 4, 'outcomes are counted');

# Labels go through all views at once.
$s->value(q{SELECT segmentation.label_segment('cards', 1, 'Späte "Sparer"')});
is($seen->($_, 'count(*) > 0', q{segment = 1 AND segment_label = 'Späte "Sparer"'}), 't', "$_ has the name") for qw(segments segment_summary segment_profile segment_risk segment_trend);

# Segments keep their profile's numbers when a retraining renumbers them.
$s->value(q{SELECT segmentation.retrain_once('cards', 3)});
is($s->value(q{SELECT count(*) FROM segmentation.segment_profile AS p JOIN segmentation.models AS m ON m.model = p.model AND m.active_version = p.version,
    (SELECT kmeans_assign('cards', c) AS segment, avg(age) AS age FROM customers AS c GROUP BY 1) AS q WHERE p.model = 'cards' AND p.feature = 'age' AND p.segment = q.segment AND abs(p.mean - q.age) < 1e-9}), 4, 'after a retraining, too');
is($seen->('segment_profile', 'count(DISTINCT version)', q{model = 'cards'}), 2, 'the earlier version keeps its own');

# Reads of the source, counted by what a view's function sees: training and profile; with a choice of k and medians, a survey before; a retraining compares, too.
$s->value(q{CREATE SEQUENCE rows_read; CREATE FUNCTION counted(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT CASE WHEN nextval(''rows_read'') > 0 THEN $1 END';
    CREATE VIEW watched AS SELECT customer_id, counted(age) AS age, income, card_debt, region, defaulted FROM customers});
my $reads = sub { my ($sql) = @_; $s->value("ALTER SEQUENCE rows_read RESTART"); $s->value($sql); return ($s->value('SELECT last_value FROM rows_read')) / 5000 };
is($reads->(q{SELECT segmentation.train('reads', 'watched', ARRAY['age', 'income'], 3, profile => ARRAY['card_debt', 'region'], outcome => 'defaulted', key => ARRAY['customer_id'])}), 2, 'two reads with profile and outcome');
cmp_ok($reads->(q{SELECT segmentation.train('reads_k', 'watched', ARRAY['age', 'income'], profile => ARRAY['card_debt'], outcome => 'defaulted', key => ARRAY['customer_id'], prepare => '{"income": {"impute": "median"}}')}), '<=', 4, 'at most four with k chosen');
is($reads->(q{SELECT segmentation.train('reads_lof', 'watched', ARRAY['age', 'income'], 3, key => ARRAY['customer_id'], options => '{"outliers": {"method": "lof"}}')}), 2, 'and two with outlier factors, which are computed once');
cmp_ok($reads->(q{SELECT segmentation.retrain_once('reads')}), '<=', 4, 'a retraining: at most four');
is($seen->('segment_summary', 'sum(customers)', q{model = 'reads_lof'}), $s->value(q{SELECT rows FROM kmeans_info('reads_lof')}), 'outliers are not described');
$s->value(q{SELECT segmentation.train('bounds', 'customers', ARRAY['age', 'income', 'region'], 3, prepare => '{"region": {"encode": "onehot"}}', options => '{"outliers": {"method": "iqr"}}')});
is($seen->('segment_summary', 'sum(customers)', q{model = 'bounds'}), $s->value(q{SELECT rows FROM kmeans_info('bounds')}), 'nor those beyond bounds');
$s->value(q{SELECT segmentation.train('lof_levels', 'customers', ARRAY['age', 'income', 'region'], 3, prepare => '{"region": {"encode": "onehot"}}', options => '{"outliers": {"method": "lof"}}')});
is($seen->('segment_summary', 'sum(customers)', q{model = 'lof_levels'}), $s->value(q{SELECT rows FROM kmeans_info('lof_levels')}), 'nor where there are categories');
$s->value(q{CREATE VIEW gaps AS SELECT customer_id, CASE WHEN customer_id % 10 > 0 THEN age END AS age, income FROM customers});
$s->value(q{SELECT segmentation.train('gaps', 'gaps', ARRAY['age', 'income'], 3, options => '{"on_null": "skip"}')});
is($seen->('segment_summary', 'sum(customers)', q{model = 'gaps'}), 4500, 'nor rows that were skipped');

# Errors, before anything is trained or lost.
my $fails = sub { my ($sql, $state, $message, $what) = @_; my $answer = $s->query($sql); is("$answer->{state} $answer->{message}", "$state $message", $what); return $answer };
$fails->(q{SELECT segmentation.train('e', 'customers', ARRAY['age'], 2, profile => ARRAY['since'])}, '42804', 'column "since" in profile is neither a number nor a category', 'a date in profile');
$fails->(q{SELECT segmentation.train('e', 'customers', ARRAY['age'], 2, profile => ARRAY['nobody'])}, '42703', 'column "nobody" of relation public.customers does not exist', 'a column that is not there');
$fails->(q{SELECT segmentation.train('e', 'customers', ARRAY['age'], 2, outcome => 'region')}, '42804', 'outcome "region" is neither a boolean nor a number', 'an outcome that is a text');
is($fails->(q{SELECT segmentation.train('e', 'customers', ARRAY['age'], 2, outcome => 'code')}, '22023', 'outcome must be 0 or 1, or a boolean', 'an outcome with other numbers')->{hint}, 'An outcome that is not known yet is NULL. Make other codes into 0, 1 and NULL in a view.', 'with a hint');
is($s->value(q{SELECT count(*) FROM segmentation.models WHERE model = 'e'}), 0, 'and no model came of it');
my $never = $loud->query(q{SELECT segmentation.train('never', 'customers', ARRAY['age'], 2, outcome => 'never')});
is("$never->{state} " . join('|', @{ $never->{notices} }), ' outcome "never" is not known of any row', 'an outcome that is never known');
is($seen->('segment_risk', 'count(*), count(rate), string_agg(DISTINCT verdict, \',\')', q{model = 'never'}), '2|0|too few known', 'has no rates and no verdict');
$s->value(q{SELECT segmentation.train('late', 'customers', ARRAY['age'], 2, outcome => 'late')});
is($seen->('segment_risk', 'sum(known)', q{model = 'late'}), $s->value('SELECT count(late) FROM customers'), 'an outcome of 0, 1 and NULL');
my $wide = $loud->query(q{SELECT segmentation.train('wide', 'customers', ARRAY['age', 'income', 'card_debt'], 5000, options => '{"quality": "fast", "init": "random", "max_iter": 1}')});
is($seen->('segment_profile', 'count(*)', q{model = 'wide'}), 3 * $s->value(q{SELECT segments FROM kmeans_info('wide')}), 'many segments have profiles, too');
my $wider = $loud->query(q{SELECT segmentation.train('wider', 'customers', ARRAY['age', 'income', 'card_debt', 'other_debt', 'years_employed'], 4900, options => '{"quality": "fast", "init": "random", "max_iter": 1}')});
like(join('|', @{ $wider->{notices} }), qr/there is no profile of \d+ segments by 5 columns/, 'until views would have too many rows');
is($seen->('segment_profile', 'count(*)', q{model = 'wider'}) . $seen->('segment_summary', 'count(*) > 4000', q{model = 'wider'}), '0t', 'which says so, and the model is there');
$s->value(q{SELECT segmentation.drop_model('wide'), segmentation.drop_model('wider')});
$s->value(q{SELECT segmentation.register('foreign', segmentation.model('cards'))});
is($seen->('segment_summary', 'count(*), count(suggested_label), count(risk)', q{model = 'foreign'}), '4|0|0', 'a registered model has segments, and no profile');
is($seen->('model_evaluation', 'count(*), bool_and(chosen)', q{model = 'foreign'}), '6|t', 'its metrics are its own');
is($seen->('model_evaluation', 'count(DISTINCT k), count(DISTINCT k) FILTER (WHERE chosen)', q{model = 'reads_k'}), '9|1', 'where k was chosen, those of every k');

# Privacy: nothing about fewer than ten customers.
$s->value(q{CREATE TABLE few AS SELECT i AS id, CASE WHEN i <= 9 THEN 1000 + i ELSE i % 50 END::float8 AS x, i % 3 AS y, i % 2 = 0 AS o FROM generate_series(1, 300) AS i;
    SELECT segmentation.train('few', 'few', ARRAY['x'], 2, profile => ARRAY['y'], outcome => 'o', key => ARRAY['id'])});
is($seen->('segment_profile', 'count(*), count(mean), count(stddev), count(min), count(q1), count(median), count(q3), count(max), count(z_score), count(index_100), count(level), max(customers)', q{model = 'few' AND segment = 1}), '3|0|0|0|0|0|0|0|0|0|0|9', 'nine customers: only how many');
is($seen->('segment_risk', 'known, events, rate, difference', q{model = 'few' AND segment = 1}), '9|||', 'nor their outcomes');
is($seen->('segment_risk', 'difference, rest_rate', q{model = 'few' AND segment = 0}), '|', 'nor what the others differ from them by');
is($seen->('segment_trend', 'count(*)', q{model = 'few' AND customers BETWEEN 1 AND 9 OR customers IS NULL AND mean IS NOT NULL}), 0, 'nor how many are in a range, nor their means');
is($seen->('segment_trend', 'max(high) < 1000', q{model = 'few' AND along = 'x'}), 't', 'nor where ranges end');
is($seen->('segment_profile', 'max(population_mean) < 30', q{model = 'few' AND feature = 'x'}), 't', 'nor what is left when the others are taken from all');
is($s->value(q{SELECT (profile -> 'segments' -> 1 ->> 'events') IS NULL FROM segmentation.registry_version WHERE model = 'few'}), 't', 'it is not even kept');
is($seen->('segment_summary', 'suggested_label', q{model = 'few' AND segment = 1}), 'too few customers', 'nor is there a name for them');

# A payload of one's own cannot break a view that others read.
for my $profile (q{"x"}, q{{"segments": [], "features": [], "importance": [], "trend": {"along": [], "measures": []}, "exact": true}}, q{{"segments": 7}}, q{{"segments": [{"rows": "many"}], "features": [], "exact": true}}, q{{"segments": [{}], "features": [{"segments": [{"mean": "x"}]}], "exact": true}},
    q{{"segments": [{"known": 3, "events": 7}], "features": [], "exact": true}}, q{{"rows": 1, "ignored": 0, "sampled": 1, "exact": true, "segments": [{"rows": 1e-308, "sampled": 0, "weight": 1, "share": 1, "known": 0, "events": 0}], "features": [], "importance": [], "trend": {"measures": [], "along": []}}}) {
    is($s->query(qq{SELECT segmentation.add_version('few', (SELECT kmeans(ARRAY[x], 1) FROM few), jsonb_build_object('kind', 'train', 'segments', '[{}]'::jsonb, 'profile', '$profile'::jsonb))})->{state}, '22023', "refused: $profile");
}
is($s->query(q{SELECT segmentation.add_version('few', (SELECT kmeans(ARRAY[x], 1) FROM few), '{"kind": "train", "segments": [{}], "choice": {"trials": 7}}')})->{state}, '22023', 'refused: a choice that cannot be read');
is($s->query("SELECT count(*) FROM segmentation.$_")->{state}, '', "and $_ is whole") for qw(segment_profile segment_risk segment_trend feature_importance segment_summary model_evaluation segment_recommendation);

# Hostile names.
my $odd = q{O'B"x; --};
(my $sql = $odd) =~ s/'/''/g;
(my $quoted = $odd) =~ s/"/""/g;
$s->value(qq{CREATE TABLE "$quoted" AS SELECT customer_id AS "$quoted", age AS "a=b", region AS "say ""region""", defaulted AS "o'" FROM customers;
    SELECT segmentation.train('$sql', format('%I', '$sql')::regclass, ARRAY['a=b'], 2, profile => ARRAY['say "region"'], outcome => 'o''', key => ARRAY['$sql'])});
is($seen->('segment_profile', 'string_agg(DISTINCT feature, \',\')', "model = '$sql' AND role <> 'profile'"), q{a=b,o'}, 'hostile names are names');
is($seen->('segment_profile', 'count(DISTINCT feature)', "model = '$sql' AND feature LIKE 'say \"region\"=%'"), 6, 'of categories, too');
is($seen->('segment_risk', 'count(DISTINCT outcome) || min(outcome)', "model = '$sql'"), q{1o'}, 'and of outcomes');

# Rules
my $rule = sub { my ($conditions, $model) = @_; $model //= 'cards'; return qq{INSERT INTO segmentation.recommendation_rule (model, conditions, product) VALUES ('$model', '$conditions', 'x')} };
$fails->($rule->('[]'), '22023', 'conditions must be a JSON object', 'conditions that are an array');
$fails->($rule->('{"level": {}}'), '22023', 'unknown key "level" in conditions', 'an unknown key');
$fails->($rule->('{"levels": ["high"]}'), '22023', '"levels" in conditions must be a JSON object', 'levels that are an array');
$fails->($rule->('{"levels": {"age": "highest"}}'), '22023', 'invalid value for feature "age" in conditions', 'an unknown level');
$fails->($rule->('{"levels": {"age": []}}'), '22023', 'invalid value for feature "age" in conditions', 'no level');
$fails->($rule->('{"levels": {"age": [1]}}'), '22023', 'invalid value for feature "age" in conditions', 'a number');
is($fails->($rule->('{"risk": "high"}'), '22023', 'invalid value for "risk" in conditions', 'an unknown risk')->{hint}, 'Valid values are "higher", "lower", "not distinguishable", "too few known", and arrays of them.', 'with the valid ones');
$fails->($rule->('{}', 'nobody'), '42704', 'model "nobody" does not exist', 'a model that is not there');
is($s->query(q{INSERT INTO segmentation.recommendation_rule (model, product) VALUES ('cards', '')})->{state}, '23514', 'an empty product');
like(join('|', @{ $loud->query($rule->('{"levels": {"incom": "high"}}'))->{notices} }), qr/the profile of model "cards" has no feature "incom", so no segment meets the rule/, 'a misspelt feature is warned of');
like(join('|', @{ $loud->query($rule->('{"risk": "higher"}', 'gaps'))->{notices} }), qr/was trained without an outcome/, 'and a risk that is not known');
is($s->query($rule->('{}') =~ s/\(model, /(id, model, /r =~ s/VALUES \(/VALUES (1, /r)->{state}, '428C9', 'numbers of rules are not given by hand');
is($s->query(q{INSERT INTO segmentation.recommendation_rule (product) VALUES ('x')})->{state}, '23502', 'a rule without a model');
$s->value(q{DELETE FROM segmentation.recommendation_rule});
$s->value(q{INSERT INTO segmentation.recommendation_rule (model, priority, conditions, product) VALUES ('cards', 3, '{}', 'everybody'), ('cards', 1, '{"levels": {"card_debt": ["high", "typical", "low"], "income": "high"}}', 'rich'),
    ('cards', 2, '{"risk": ["lower", "not distinguishable"]}', 'calm'), ('cards', 2, '{"levels": {"nobody": "high"}}', 'nobody')});
is($s->value(q{SELECT count(*) FROM segmentation.segment_recommendation AS r WHERE is_active AND product = 'rich' AND NOT EXISTS (SELECT FROM segmentation.segment_profile AS p WHERE p.model = r.model AND p.version = r.version AND p.segment = r.segment AND feature = 'income' AND level = 'high')}), 0, 'levels decide');
is($seen->('segment_recommendation', 'count(*)', q{is_active AND product = 'everybody'}), 4, 'no condition is for everybody');
is($seen->('segment_recommendation', 'count(*)', q{product = 'nobody'}), 0, 'what is not known meets no condition');
is($s->value(q{SELECT count(*) = (SELECT count(*) FROM segmentation.segment_risk WHERE model = 'cards' AND is_active AND verdict IN ('lower', 'not distinguishable')) FROM segmentation.segment_recommendation WHERE is_active AND product = 'calm'}), 't', 'risk decides');
is($s->value(q{SELECT bool_and(r.segment = kmeans_assign('cards', c)) AND count(*) = count(*) FILTER (WHERE r.place > 0) FROM customers AS c, segmentation.recommend('cards', c) AS r WHERE customer_id <= 50}), 't', 'recommend: by the customer\'s segment');
is($s->value(q{SELECT count(*) FROM segmentation.recommend('cards', '{"age": 30, "income": null, "region": "north"}'::jsonb)}), 0, 'recommend: a customer without a segment');
is($s->value(q{SELECT count(*) FROM segmentation.recommend('cards', NULL::jsonb)}), 0, 'recommend: no customer');
$s->value(q{INSERT INTO segmentation.recommendation_rule (model, product) VALUES ('foreign', 'everybody, too')});
is($seen->('segment_recommendation', 'count(*)', q{model = 'foreign'}), 4, 'no condition is for everybody where there is no profile, too');
is($s->query(q{SELECT segmentation.recommend('nobody', '{}'::jsonb)})->{state}, '42704', 'recommend: no such model');
$s->value(q{SELECT segmentation.drop_model('cards')});
is($s->value(q{SELECT count(*) FROM segmentation.recommendation_rule WHERE model = 'cards'}), 0, 'rules go with their model');

# Who may edit rules: members of the owner; who may see them: those who may use the model.
psql('postgres', join '; ', map { ("DROP ROLE IF EXISTS $_", "CREATE ROLE $_ LOGIN") } 'tap_bank', 'tap_teller', 'tap_other');
$s->value('GRANT SELECT ON customers TO tap_bank');
my $as = sub { my ($role, $sql) = @_; $s->value("SET SESSION AUTHORIZATION $role"); my $answer = $s->query($sql); $s->value('RESET SESSION AUTHORIZATION'); return $answer };
$as->('tap_bank', q{SELECT segmentation.train('bank', 'customers', ARRAY['age', 'income'], 3), segmentation.grant_model('bank', 'tap_teller', 'use')});
is($as->('tap_bank', $rule->('{}', 'bank'))->{state}, '', 'the owner writes rules');
is($as->('tap_teller', 'SELECT count(*) FROM segmentation.recommendation_rule')->{out}, 1, 'who may use the model reads them');
is($as->('tap_teller', q{SELECT product FROM segmentation.recommend('bank', '{"age": 30, "income": 40}'::jsonb)})->{out}, 'x', 'and is told what they recommend');
is($as->('tap_teller', $rule->('{}', 'bank'))->{state}, '42501', 'but does not write them');
is($as->('tap_teller', q{SELECT segmentation.drop_rule(id) FROM segmentation.recommendation_rule})->{state}, '42704', 'nor takes them away');
for my $sql ('UPDATE segmentation.recommendation_rule SET priority = 1', 'DELETE FROM segmentation.recommendation_rule', 'DO $$ BEGIN LOCK TABLE segmentation.recommendation_rule IN SHARE MODE; END $$', 'SELECT FROM segmentation.recommendation_rule FOR UPDATE') {
    is($as->($_, $sql)->{state}, '42501', "$_: not without a grant: $sql") for 'tap_bank', 'tap_other';
}
# With a grant, the policies hold.
$s->value('GRANT UPDATE, DELETE ON segmentation.recommendation_rule TO tap_bank, tap_other, tap_teller');
is($as->('tap_teller', q{WITH u AS (UPDATE segmentation.recommendation_rule SET product = 'mine' RETURNING 1), d AS (DELETE FROM segmentation.recommendation_rule RETURNING 1) SELECT (SELECT count(*) FROM u) + (SELECT count(*) FROM d)})->{out}, 0, 'nor changes them, with a grant');
is($as->('tap_bank', q{WITH u AS (UPDATE segmentation.recommendation_rule SET priority = 5 RETURNING 1) SELECT count(*) FROM u})->{out}, 1, 'the owner does');
is($as->('tap_other', 'SELECT count(*) FROM segmentation.recommendation_rule')->{out}, 0, 'others see none');
is($as->('tap_other', $rule->('{}', 'bank'))->{state}, '42704', 'nor does the model exist for them');
$as->('tap_other', q{SELECT segmentation.register('other', kmeans(ARRAY[1], 1))});
is($as->('tap_bank', q{UPDATE segmentation.recommendation_rule SET model = 'other'})->{state}, '42704', 'a rule is not moved to a model of others');
is($as->('tap_other', 'TRUNCATE segmentation.recommendation_rule')->{state}, '42501', 'nor are all taken away');
is($as->('tap_bank', q{SELECT segmentation.drop_rule(id) FROM segmentation.recommendation_rule WHERE product = 'x'})->{state}, '', 'the owner drops a rule');
is($as->('tap_bank', 'SELECT count(*) FROM segmentation.recommendation_rule')->{out}, 0, 'and it is gone');
is($as->('tap_bank', q{SELECT segmentation.has_privilege('bank', 'own')})->{state}, '22023', 'a privilege that there is none of');
# Whoever edits rules does not stop a retraining.
$s->value('REVOKE UPDATE, DELETE ON segmentation.recommendation_rule FROM tap_bank, tap_other, tap_teller');
$loud->value("SET SESSION AUTHORIZATION tap_bank; BEGIN; " . $rule->('{}', 'bank'));
is($as->('tap_bank', q{SET lock_timeout = '5s'; SELECT segmentation.activate('bank', 1)})->{state}, '', 'an open edit of rules does not keep a version from being activated');
$loud->value('ROLLBACK; RESET SESSION AUTHORIZATION');

# Cancelled in the middle, nothing is left.
$s->value(q{CREATE TABLE many AS SELECT * FROM segmentation.sample_customers(300000)});
$s->value('SET statement_timeout = 300');
is($s->query(q{SELECT segmentation.profile(0, customer_id, 1, ARRAY[age, income, card_debt, other_debt, years_employed], ARRAY[region], '{"segments": [0], "numbers": [{"name": "a", "role": "feature"}, {"name": "b", "role": "feature"}, {"name": "c", "role": "feature"}, {"name": "d", "role": "feature"}, {"name": "e", "role": "feature"}],
    "categories": [{"name": "r", "role": "profile"}]}') FROM many, generate_series(1, 20)})->{state}, '57014', 'a profile can be cancelled');
$s->value('RESET statement_timeout');

# Memory: rows as wide as they come, in many groups.
my $small = session($database, settings => '-c client_min_messages=warning -c segmentation.train_memory=16MB');
$small->value('SELECT kmeans(ARRAY[1], 1) IS NOT NULL');
my $anonymous = sub { open my $file, '<', '/proc/' . $small->pid . '/status' or return 0; my ($line) = grep { /^RssAnon/ } <$file>; return $line =~ /(\d+)/ ? $1 / 1024 : 0 };
SKIP: {
    skip 'there is no /proc of the server here', 1 if $anonymous->() == 0;
    my $before = $anonymous->();
    $small->value(q{CREATE TEMP TABLE wide_request AS SELECT jsonb_build_object('segments', (SELECT jsonb_agg(s) FROM generate_series(0, 98) AS s), 'numbers', '[{"name": "a", "role": "profile"}]'::jsonb,
        'categories', (SELECT jsonb_agg(jsonb_build_object('name', 'c' || c, 'role', 'profile')) FROM generate_series(1, 30) AS c)) AS r});
    is($small->value(q{SELECT (segmentation.profile((i % 99)::int, i, 1.0, ARRAY[i::float8], array_fill(repeat('x', 255), ARRAY[30]), r) ->> 'rows')::int FROM generate_series(1, 60000) AS i, wide_request}), 60000, 'wide rows in many segments');
    cmp_ok($anonymous->() - $before, '<', 120, 'within memory');
}
is($small->query(q{SELECT segmentation.profile(0, 1, 1, array_fill(1.0::float8, ARRAY[150]), '{}', r) FROM (SELECT jsonb_build_object('segments', (SELECT jsonb_agg(s) FROM generate_series(0, 79999) AS s), 'categories', '[]'::jsonb,
    'numbers', (SELECT jsonb_agg(jsonb_build_object('name', 'c' || c, 'role', 'profile')) FROM generate_series(1, 150) AS c)) AS r) AS q})->{state}, '54000', 'a request for more than there is memory');
$small->finish;

# The aggregate by itself is internal, and says so of what it cannot read.
is($s->query(q{SELECT segmentation.profile(0, 1, 1, ARRAY[1.0], '{}', '{"segments": [0], "numbers": [], "categories": []}')})->{state}, '22000', 'columns that the request does not have');
is($s->query(q{SELECT segmentation.profile(0, 1, 1, ARRAY[1.0], '{}', '{}')})->{state}, '22023', 'no request');
is($s->query(q{SELECT segmentation.profile(0, 1, 1, NULL, '{}', '{"segments": [0], "numbers": [], "categories": []}')})->{state}, '22004', 'no numbers');
is($s->value(q{SELECT segmentation.profile(g, 1, 1, ARRAY[1.0], '{}', '{"segments": [0], "numbers": [{"name": "a", "role": "feature"}], "categories": []}') -> 'ignored' FROM unnest(ARRAY[0, 1, NULL]) AS g}), 2, 'other segments are ignored');

$_->finish for $s, $loud;
drop_databases();
psql('postgres', 'DROP ROLE tap_bank, tap_teller, tap_other');
done_testing();
