# Drift: no alarm without a cause, an alarm with one, in words; and how often chance gives an alarm.
use strict;
use warnings;
use Test::More;
use Session;

my $database = create_database('drift');
my $s = session($database, settings => '-c client_min_messages=warning');
$s->value(<<'SQL');
CREATE TABLE pool AS SELECT customer_id, age, income, card_debt, region, defaulted FROM segmentation.sample_customers(600000, 3);
ALTER TABLE pool ADD PRIMARY KEY (customer_id);
CREATE TABLE source (LIKE pool INCLUDING ALL);
SQL
my $train = q{SELECT segmentation.train('%s', 'source', ARRAY['age', 'income', 'card_debt', 'region'], 5, prepare => '{"income": {"transform": "log1p"}, "card_debt": {"impute": "median"}, "region": {"encode": "onehot", "impute": "other"}}', gate => '{"max_psi": 100, "max_outside": 1, "max_missing": 1}')};
my $verdict = sub { my ($model) = @_; $s->value("SELECT verdict FROM segmentation.drift('$model') WHERE kind = 'model'") };

# The statistic is the textbook's, from the counts that are reported.
$s->value('INSERT INTO source SELECT * FROM pool WHERE customer_id <= 2000');
$s->value(sprintf $train, 'small');
is($verdict->('small'), 'stable', 'the data of the training: stable');
is($s->value(q{SELECT count(*), sum(psi), min(p) FROM segmentation.drift('small')}), '6|0|1', 'nothing has changed in any of the inputs');
$s->value('TRUNCATE source; INSERT INTO source SELECT * FROM pool WHERE customer_id BETWEEN 2001 AND 4000');
is($verdict->('small'), 'stable', 'other customers of the same kind: stable');

# False alarms: two halves of a resample of the population, one as the baseline and one as today's data. The small ones, where chance is
# strongest, are drawn a thousand times, from a tenth of the population; of the largest ones the baseline is drawn anew every 20th time.
$s->value(<<'SQL');
CREATE TABLE tenth AS SELECT * FROM pool WHERE customer_id <= 60000;
CREATE FUNCTION survey_of(population text, draw bigint, half int, share float8, baseline jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    request jsonb := jsonb_build_object('numbers', '[{"name": "age"}, {"name": "income"}, {"name": "card_debt"}]'::jsonb, 'categories', '[{"name": "region"}]'::jsonb, 'quantiles', '[0.5]'::jsonb, 'baseline', baseline);
    survey jsonb;
BEGIN
    EXECUTE 'SELECT segmentation.survey(customer_id, 1, ARRAY[age, income, card_debt], ARRAY[region], $1) FROM ' || population || ' WHERE hashint8extended(customer_id, $2) & 1048575 < $3 AND (hashint8extended(customer_id, $2) >> 32) & 1 = $4'
       INTO survey USING request, draw, (share * 1048576)::int, half;
    RETURN survey;
END $$;
CREATE FUNCTION false_alarms(population text, n int, draws int, renewed int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    share float8 := 2.0 * n / CASE population WHEN 'pool' THEN 600000 ELSE 60000 END;
    alarms int := 0;
    baseline jsonb;
BEGIN
    FOR i IN 1..draws LOOP
        IF i % renewed = 0 OR baseline IS NULL THEN
            baseline := survey_of(population, i, 0, share, NULL);
        END IF;
        alarms := alarms + (SELECT drifted::int FROM segmentation.drift_of_surveys(survey_of(population, i, 1, share, baseline), baseline) WHERE kind = 'model');
    END LOOP;
    RETURN alarms;
END $$;
SQL
$s->value('SET max_parallel_workers_per_gather = 2; ANALYZE pool');
for my $case (['tenth', 200, 1000, 1], ['pool', 2000, 200, 1], ['pool', 200000, 200, 20]) {
    my ($population, $n, $draws, $renewed) = @$case;
    my $alarms = $s->value("SELECT false_alarms('$population', $n, $draws, $renewed)", 900);
    cmp_ok($alarms, '<=', $draws / 20, "n = $n: $alarms false alarms in $draws resamples");
}
cmp_ok($s->value("SELECT abs((survey_of('tenth', 1, 1, 2.0 / 300, NULL) ->> 'rows')::int - 200)"), '<', 60, 'of the size that was wanted');

# True ones
$s->value('TRUNCATE source; INSERT INTO source SELECT * FROM pool WHERE customer_id <= 200000');
$s->value(sprintf $train, 'large');
my %changes = (
    'income = income + 0.5 * (SELECT stddev(income) FROM pool)' => qr/^drifted: "income"/,
    'age = age + 5' => qr/^drifted: "age"/,
    'card_debt = NULL WHERE customer_id % 5 = 0' => qr/^drifted: "card_debt"/,
    q{region = 'abroad' WHERE customer_id % 4 = 0} => qr/^drifted: "region"/,
    'income = income * 1000' => qr/^drifted: "income"/,
    'income = 33 WHERE customer_id % 6 = 0' => qr/^drifted: "income"/,
);
for my $change (sort keys %changes) {
    $s->value('TRUNCATE source; INSERT INTO source SELECT * FROM pool WHERE customer_id BETWEEN 200001 AND 400000');
    $s->value("UPDATE source SET $change");
    my $said = $verdict->('large');
    like($said, $changes{$change}, "$change: $said");
    my ($feature) = $change =~ /^(\w+)/;
    is($s->value("SELECT string_agg(variable, ',') FROM segmentation.drift('large') WHERE kind = 'input' AND drifted"), $feature, "$change: that input and no other");
}
is($s->value(q{SELECT verdict FROM segmentation.drift('large') WHERE variable = 'region'}), 'drifted: level "(other)" went from 0.0 % to 25.0 % of the rows', 'a new level, in words');
$s->value('TRUNCATE source; INSERT INTO source SELECT * FROM pool WHERE customer_id <= 200000; UPDATE source SET card_debt = NULL WHERE customer_id % 5 = 0');
is($s->value(q{SELECT verdict, missing_before, missing_now FROM segmentation.drift('large') WHERE variable = 'card_debt'}), 'drifted: missing values went from 0.0 % to 20.0 % of the rows|0|0.2', 'missing values, in words');
$s->value('UPDATE source SET income = age');
like($s->value(q{SELECT verdict FROM segmentation.drift('large') WHERE variable = 'income'}), qr/^drifted: the values look like those of "age"$/, 'another column\'s values, in words');
$s->value('TRUNCATE source; INSERT INTO source SELECT * FROM pool WHERE customer_id <= 200000 AND age > 40');
is($s->value(q{SELECT drifted FROM segmentation.drift('large') WHERE kind = 'segments'}), 't', 'the shares of the segments');
$s->value('TRUNCATE source');
is($verdict->('large'), 'drifted: the source has no rows', 'an empty source');

# Ten million rows: a shift that is there, and matters to nobody, is no alarm.
my $ten_million = q{FROM generate_series(1, 10000000) AS i};
my ($shifted) = $s->value(<<"SQL", 600);
SET max_parallel_workers_per_gather = 0;
CREATE TABLE ten AS SELECT i AS id, sqrt(-2 * ln(((hashint8extended(i, 1) & 4294967295) + 0.5) / 4294967296)) * cos(2 * pi() * (hashint8extended(i, 2) & 4294967295) / 4294967296) AS x $ten_million;
SET max_parallel_workers_per_gather = 2;
SELECT segmentation.train('ten', 'ten', ARRAY['x'], 2, options => '{"quality": "fast"}') IS NOT NULL;
SQL
$s->value('CREATE VIEW shifted AS SELECT id, x + 0.005 AS x FROM ten', 60);
$s->value(q{SELECT segmentation.train('shifted', 'shifted', ARRAY['x'], 2, options => '{"quality": "fast"}')}, 600);
my $definition = $s->value(q{UPDATE segmentation.registry_version SET definition = jsonb_set(definition, '{source}', '"shifted"') WHERE model = 'ten'; SELECT verdict FROM segmentation.drift('ten') WHERE kind = 'model'}, 600);
is($definition, 'stable', 'a shift of 0.005 standard deviations at ten million rows is no alarm');
$s->value('CREATE OR REPLACE VIEW shifted AS SELECT id, x + 0.5 AS x FROM ten');
like($s->value(q{SELECT verdict FROM segmentation.drift('ten') WHERE kind = 'model'}, 600), qr/^drifted: "x"/, 'one of half a standard deviation is');

# retrain_due
$s->value('TRUNCATE source; INSERT INTO source SELECT * FROM pool WHERE customer_id BETWEEN 200001 AND 400000');
my $due = sub { my ($age) = @_; my $answer = $s->query("SET client_min_messages = notice; CALL segmentation.retrain_due('large', '$age')"); $s->value('SET client_min_messages = warning'); return join '|', @{ $answer->{notices} } };
like($due->('1 day'), qr/nothing to do/, 'not due: neither old nor drifted');
is($s->value(q{SELECT max(version) FROM segmentation.model_versions WHERE model = 'large'}), 1, 'and nothing is trained');
like($due->('1 microsecond'), qr/version 1 is older than.*activated/, 'due: too old');
$s->value('UPDATE source SET age = age + 6');
like($due->('1 day'), qr/is retrained: drifted: "age".*activated/, 'due: drifted');
is($s->value(q{SELECT max(version) FROM segmentation.model_versions WHERE model = 'large'}), 3, 'twice retrained');
is($s->query(q{CALL segmentation.retrain_due('large', NULL)})->{state}, '22004', 'a NULL age');

$s->finish;
drop_databases();
done_testing();
