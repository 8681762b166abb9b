# segmentation.train: what it does with sources, preparation, outliers, NULLs and names, and what it says.
use strict;
use warnings;
use Test::More;
use Session;

my $database = create_database('train');
my $s = session($database);
$s->value('SET client_min_messages = warning');
$s->value('CREATE TABLE customers AS SELECT * FROM segmentation.sample_customers(4000); ALTER TABLE customers ADD PRIMARY KEY (customer_id)');
my $features = q{ARRAY['age', 'income', 'card_debt']};

# The same model as kmeans over the same columns.
is($s->value("SELECT version || ' ' || rows || ' ' || decision FROM segmentation.train('plain', 'customers', $features, 4, options => '{\"seed\": 3}')"),
    '1 4000 activated: the first version', 'the first version activates itself');
is($s->value("SELECT segmentation.model('plain') = (SELECT kmeans(ARRAY[age, income, card_debt], 4, '{\"scale\": \"zscore\", \"seed\": 3, \"features\": [\"age\", \"income\", \"card_debt\"]}') FROM customers)"),
    't', 'it is the model of kmeans with z-scores, bit for bit');
is($s->value("SELECT segments || ' ' || rows FROM segmentation.models WHERE model = 'plain'"), '4 4000', 'the view shows it');
is($s->value("SELECT array_to_string(ARRAY(SELECT jsonb_array_elements_text(definition -> 'key') FROM segmentation.version_of('plain', 1)), ',')"), 'customer_id', 'the key is that of the table');

# Preparation: by hand in SQL, and by train. A quantile of the server (percentile_cont) is of type 7, too.
$s->value(q{CREATE TABLE gaps AS SELECT customer_id, age, CASE WHEN customer_id % 10 > 0 THEN income END AS income, card_debt, region FROM customers});
is($s->query(q{SELECT segmentation.train('gaps', 'gaps', ARRAY['age', 'income'], 3)})->{state}, '22004', 'NULLs without imputation are an error');
my $error = $s->query(q{SELECT segmentation.train('gaps', 'gaps', ARRAY['income', 'age', 'region'], 3, prepare => '{"region": {"encode": "onehot"}}')});
is($error->{detail}, 'Rows where they are NULL, NaN or infinite: "income" (400).', 'that names the column with its count');
$s->value('UPDATE gaps SET age = NULL WHERE customer_id <= 7');
$error = $s->query(q{SELECT segmentation.train('gaps', 'gaps', ARRAY['income', 'age'], 3)});
is($error->{detail}, 'Rows where they are NULL, NaN or infinite: "income" (400), "age" (7).', 'and all such columns');
like($error->{hint}, qr/"impute": "median"/, 'with a hint');
is($s->value('SELECT count(*) FROM segmentation.models'), 1, 'nothing is left of a training that failed');
is($s->value(q{SELECT rows || ' ' || skipped FROM segmentation.train('gaps', 'gaps', ARRAY['income', 'age'], 3, options => '{"on_null": "skip"}')}), '3593 407', 'or they are skipped and counted');
is($s->value(q{SELECT rows || ' ' || skipped FROM segmentation.train('imputed', 'gaps', ARRAY['age', 'income'], 3, prepare => '{"income": {"transform": "log1p", "impute": "median"}, "age": {"impute": 40}}')}),
    '4000 0', 'or imputed');
is($s->value(q{SELECT (i -> 'impute')::text = (SELECT to_jsonb(percentile_cont(0.5) WITHIN GROUP (ORDER BY income)) FROM gaps)::text || ''
    FROM jsonb_array_elements(segmentation.model('imputed')::jsonb -> 'inputs') AS i WHERE i ->> 'name' = 'income'}), 't', 'by the median');
is($s->value(q{SELECT i ->> 'impute' FROM jsonb_array_elements(segmentation.model('imputed')::jsonb -> 'inputs') AS i WHERE i ->> 'name' = 'age'}), '40', 'or a value');
is($s->value(q{SELECT count(*) FROM gaps AS g WHERE kmeans_assign('imputed', g) IS DISTINCT FROM kmeans_assign('imputed', ARRAY[coalesce(age, 40), coalesce(income, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY income) FROM gaps))])}),
    0, 'scoring imputes as training did');
is($s->value(q{SELECT abs((kmeans_info(segmentation.model('imputed'))).inertia / (kmeans_info(kmeans(ARRAY[coalesce(age, 40), ln(1 + coalesce(income, m))], 3, '{"scale": "zscore"}'))).inertia - 1) < 1e-12
    FROM gaps, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY income) AS m FROM gaps) AS t}), 't', 'the inertia is that of the columns prepared by hand');
$s->value(q{SELECT segmentation.train('winsor', 'customers', ARRAY['income', 'age'], 3, prepare => '{"income": {"transform": "winsor"}}')});
is($s->value(q{SELECT (i ->> 'clip_low')::float8 = l AND (i ->> 'clip_high')::float8 = h FROM jsonb_array_elements(segmentation.model('winsor')::jsonb -> 'inputs') AS i,
    (SELECT percentile_cont(0.01) WITHIN GROUP (ORDER BY income) AS l, percentile_cont(0.99) WITHIN GROUP (ORDER BY income) AS h FROM customers) AS q WHERE i ->> 'name' = 'income'}), 't', 'winsor clips to the quantiles');

# A category counts as much as one numeric column.
$s->value(q{SELECT segmentation.train('mixed', 'customers', ARRAY['age', 'income', 'region'], 3, prepare => '{"region": {"encode": "onehot"}, "income": {"transform": "log1p"}}')});
is($s->value(q{WITH coded AS (SELECT age, ln(1 + income) AS income, region FROM customers), shares AS (SELECT region, count(*)::float8 / 4000 AS p FROM customers GROUP BY region),
    block AS (SELECT sqrt(sum(p * (1 - p))) AS s FROM shares)
    SELECT abs(m.total_inertia / 12000 - 1) < 1e-12 AND abs(h.total_inertia / 12000 - 1) < 1e-12 AND abs(m.inertia / h.inertia - 1) < 1e-5 FROM kmeans_info(segmentation.model('mixed')) AS m,
    (SELECT (kmeans_info(kmeans(ARRAY[(age - ma) / sa, (income - mi) / si] || ARRAY(SELECT (c.region = sh.region)::int / s FROM shares AS sh ORDER BY region), 3))).* FROM coded AS c, block, (SELECT avg(age) AS ma, stddev_pop(age) AS sa, avg(income) AS mi, stddev_pop(income) AS si FROM coded) AS m) AS h}), 't', 'the block of a category has the variance of one column');
is($s->value(q{SELECT count(*) FROM customers AS c WHERE kmeans_assign('mixed', c) IS NULL OR kmeans_assign('mixed', c) <> kmeans_assign('mixed', to_jsonb(c))}), 0, 'rows and jsonb score alike');
is($s->value(q{SELECT count(DISTINCT kmeans_assign('mixed', c)) > 0 FROM (SELECT age, income, 'elsewhere' AS region FROM customers) AS c}), 't', 'an unseen level scores');
is($s->query(q{SELECT segmentation.train('x', 'customers', ARRAY['age', 'region'], 3)})->{hint}, 'Set {"region": {"encode": "onehot"}} in "prepare".', 'a text column wants to be encoded');

# Outliers
is($s->value(q{SELECT left_out FROM segmentation.train('iqr', 'customers', ARRAY['age', 'income'], 3, options => '{"outliers": {"method": "iqr"}}')}),
    $s->value(q{SELECT count(*) FROM customers, (SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY income) AS a, percentile_cont(0.75) WITHIN GROUP (ORDER BY income) AS b,
        percentile_cont(0.25) WITHIN GROUP (ORDER BY age) AS c, percentile_cont(0.75) WITHIN GROUP (ORDER BY age) AS d FROM customers) AS q
        WHERE NOT (income BETWEEN a - 1.5 * (b - a) AND b + 1.5 * (b - a) AND age BETWEEN c - 1.5 * (d - c) AND d + 1.5 * (d - c))}), 'iqr leaves out what lies beyond the fences');
is($s->value(q{SELECT left_out FROM segmentation.train('zscore', 'customers', ARRAY['age', 'income'], 3, prepare => '{"income": {"transform": "log1p"}}', options => '{"outliers": {"method": "zscore", "factor": 2.5}}')}),
    $s->value(q{SELECT count(*) FROM customers, (SELECT avg(ln(1 + income)) AS m, stddev_pop(ln(1 + income)) AS s, avg(age) AS am, stddev_pop(age) AS asd FROM customers) AS q
        WHERE abs(ln(1 + income) - m) > 2.5 * s OR abs(age - am) > 2.5 * asd}), 'zscore leaves out what is far from the mean, after transforms');
$error = $s->query(q{SELECT segmentation.train('x', 'customers', ARRAY['age', 'income'], 3, options => '{"outliers": {"method": "iqr", "factor": 0.1}}')});
is($error->{state}, '22023', 'too many are an error');
like($error->{message}, qr/^too many rows would be left out as outliers: \d+ of 4000$/, 'that says how many');
is($s->query(q{SELECT segmentation.train('x', 'customers', ARRAY['age', 'income'], 3, options => '{"outliers": {"method": "iqr", "factor": 0.1, "max_share": 0.9}}')})->{state}, '', 'unless that is allowed');
# Outliers by local outlier factor: those that the window function finds, in a query of their own.
$s->value(q{CREATE TABLE scattered AS SELECT customer_id, age, income, card_debt, region FROM customers; ALTER TABLE scattered ADD PRIMARY KEY (customer_id)});
is($s->value(q{SELECT left_out, rows FROM segmentation.train('scattered', 'scattered', ARRAY['age', 'income', 'card_debt'], 3, options => '{"outliers": {"method": "lof", "neighbors": 10, "contamination": 0.02}}')}), '80|3920', 'lof leaves out its share');
is($s->value(q{WITH f AS MATERIALIZED (SELECT *, local_outlier_factor(ARRAY[age, income, card_debt], 10) OVER () AS factor FROM scattered),
        inside AS (SELECT * FROM f WHERE factor <= (SELECT segmentation.contamination_threshold(array_agg(factor), 0.02) FROM f))
    SELECT jsonb_set(segmentation.model('scattered')::jsonb, '{fit,left_out}', '0') = (SELECT kmeans(ARRAY[age, income, card_debt], 3, '{"scale": "zscore", "features": ["age", "income", "card_debt"]}')::jsonb FROM inside)}), 't', 'and trains on the others');
is($s->value(q{SELECT same_model FROM segmentation.verify('scattered')}), 't', 'verify');
is($s->query(q{SELECT segmentation.train('x', 'customers', ARRAY['age'], 3, options => '{"outliers": {"method": "lof", "contamination": 0.2}}')})->{state}, '22023', 'more than is allowed');

# The number of segments is chosen where it is not given, and kept by retrainings.
is($s->value(q{SELECT segments >= 2, decision LIKE 'activated: the first version; % segments are found again %' OR decision LIKE '%no structure%' FROM segmentation.train('chosen', 'customers', ARRAY['age', 'income'])}), 't|t', 'k => NULL');
is($s->value(q{SELECT count(DISTINCT k), count(*) FILTER (WHERE chosen AND reason IS NOT NULL) = count(*) FILTER (WHERE chosen) FROM segmentation.choose_k('customers', ARRAY['age', 'income'], 2, 6)}), '5|t', 'choose_k: a row per number and metric');
is($s->value(q{SELECT (SELECT segments FROM segmentation.retrain_once('chosen', 3)) = (SELECT (kmeans_info(segmentation.model('chosen', 1))).segments)}), 't', 'a retraining keeps the number');
is($s->query(q{SELECT * FROM segmentation.choose_k('customers', ARRAY['age'], 3, 2)})->{state}, '22023', 'choose_k: limits');

# What is not right says what would be.
my @wrong = (
    [q{'customers', ARRAY['age', 'nope'], 3}, '42703', 'an unknown column'], [q{'customers', ARRAY['age', 'age'], 3}, '22023', 'a column twice'],
    [q{'customers', '{}', 3}, '22023', 'no features'], [q{'customers', ARRAY['age', NULL], 3}, '22004', 'a NULL feature'], [q{'customers', ARRAY['age'], 0}, '22023', 'k = 0'],
    [q{'customers', ARRAY['age'], 3, prepare => '{"agee": {}}'}, '22023', 'preparation of no feature'], [q{'customers', ARRAY['age'], 3, prepare => '{"age": {"transfrom": "log1p"}}'}, '22023', 'an unknown key in it'],
    [q{'customers', ARRAY['age'], 3, prepare => '{"age": {"transform": "sqrt"}}'}, '22023', 'an unknown transform'], [q{'customers', ARRAY['age'], 3, prepare => '[]'}, '22023', 'preparation that is no object'],
    [q{'customers', ARRAY['age'], 3, options => '{"scael": 1}'}, '22023', 'an unknown option'], [q{'customers', ARRAY['age'], 3, options => '{"outliers": {"methode": 1}}'}, '22023', 'outliers without a method'],
    [q{'customers', ARRAY['age'], 3, options => '{"outliers": {"method": "iqr", "factor": 0}}'}, '22023', 'a factor of 0'], [q{'customers', ARRAY['age'], 3, gate => '{"max_move": 1}'}, '22023', 'an unknown key of the gate'],
    [q{'customers', ARRAY['age'], 3, gate => '{"approval": "maybe"}'}, '22023', 'an unknown approval'], [q{'customers', ARRAY['age'], 3, weight => 'region'}, '42804', 'a weight that is no number'],
    [q{'customers', ARRAY['age'], 3, outcome => 'region'}, '42804', 'an outcome that is no number'], [q{'customers', ARRAY['age'], 3, key => ARRAY['nope']}, '42703', 'an unknown key'],
    [q{NULL, ARRAY['age'], 3}, '22004', 'no source'], [q{'customers_pkey', ARRAY['customer_id'], 3}, '42809', 'an index'], [q{4711, ARRAY['age'], 3}, '42P01', 'an OID of nothing'],
    [q{'customers', ARRAY['age'], 3, options => '{"features": ["a"]}'}, '22023', 'option features'],
);
for my $case (@wrong) {
    my $answer = $s->query("SELECT segmentation.train('wrong', $case->[0])");
    is($answer->{state}, $case->[1], "$case->[2]: $answer->{message}");
}
is($s->query(q{SELECT segmentation.train(NULL, 'customers', ARRAY['age'], 3)})->{state}, '22004', 'a NULL name');
is($s->query(q{SELECT segmentation.train('', 'customers', ARRAY['age'], 3)})->{state}, '42602', 'an empty name');
is($s->query(q{SELECT segmentation.train(repeat('x', 64), 'customers', ARRAY['age'], 3)})->{state}, '42602', 'a name of 64 bytes');
$s->value('CREATE TABLE negative AS SELECT i - 5 AS x FROM generate_series(1, 50) AS i');
is($s->query(q{SELECT segmentation.train('x', 'negative', ARRAY['x'], 2, prepare => '{"x": {"transform": "log1p"}}')})->{hint}, 'Transform "asinh" is a logarithm for amounts of either sign.', 'log1p of -1 and below');
is($s->query(q{SELECT segmentation.train('x', 'negative', ARRAY['x'], 2, prepare => '{"x": {"transform": "asinh"}}')})->{state}, '', 'asinh');
$s->value('CREATE TABLE empty (x int)');
is($s->query(q{SELECT segmentation.train('y', 'empty', ARRAY['x'], 2)})->{message}, 'source public.empty has no rows to train on', 'an empty table');
is($s->query(q{SELECT segmentation.train('y', 'empty', ARRAY['x'], 2, prepare => '{"x": {"impute": "median"}}')})->{message}, 'source public.empty has no rows to train on', 'also when it is surveyed');

# Sources of every kind, and names of every kind.
my $odd = q{O'Brien "x"; DROP TABLE customers; --};
(my $sql_odd = $odd) =~ s/'/''/g;
(my $quoted = $odd) =~ s/"/""/g;
my $relation = sql_literal(qq{"$quoted"."$quoted"});
my $longest = 'ä' x 31 . 'x';
$s->value(qq{CREATE SCHEMA "$quoted"; CREATE TABLE "$quoted"."$quoted" ("$quoted" int PRIMARY KEY, "Income" float8, "$longest" float8);
    INSERT INTO "$quoted"."$quoted" SELECT customer_id, income, age FROM customers});
is($s->value(qq{SELECT rows FROM segmentation.train('$sql_odd', $relation, ARRAY['Income', '$longest'], 3)}), 4000, 'hostile names of table, column and model');
is($s->value(qq{SELECT rows FROM segmentation.train('$longest', $relation, ARRAY['$sql_odd', 'Income'], 3, prepare => jsonb_build_object('$sql_odd', '{"impute": "median"}'::jsonb), options => '{"outliers": {"method": "zscore"}}')}) > 3800 ? 1 : 0, 1, 'hostile names where they are prepared');
is($s->value(qq{SELECT count(kmeans_assign('$sql_odd', c)) FROM "$quoted"."$quoted" AS c}), 4000, 'and they score');
is($s->query(qq{CALL segmentation.retrain('$sql_odd')})->{state}, '', 'and are retrained');
is($s->value('SELECT count(*) FROM customers'), 4000, 'and nothing was injected');
$s->value(q{CREATE VIEW adults AS SELECT customer_id, age::numeric AS age, income::real AS income, (card_debt > 1) AS indebted, region::varchar(3) AS place FROM customers WHERE age >= 18;
    CREATE MATERIALIZED VIEW kept AS SELECT * FROM adults;
    CREATE TABLE parts (customer_id bigint, age int, income float8) PARTITION BY HASH (customer_id);
    CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO parts SELECT customer_id, age, income FROM customers});
is($s->value(q{SELECT rows FROM segmentation.train('view', 'adults', ARRAY['age', 'income', 'indebted'], 3)}), 4000, 'a view, with numeric, real and boolean columns');
is($s->value(q{SELECT source_text LIKE '%FROM public.customers%' FROM segmentation.version_of('view', 1)}), 't', 'its text is kept');
is($s->value(q{SELECT rows FROM segmentation.train('kept', 'kept', ARRAY['age', 'place', 'indebted'], 3, prepare => '{"place": {"encode": "onehot"}, "indebted": {"encode": "onehot"}}')}), 4000, 'a materialized view, with categories of types varchar and boolean');
is($s->value(q{SELECT count(*) FROM kept AS k WHERE kmeans_assign('kept', k) IS DISTINCT FROM kmeans_assign('kept', to_jsonb(k))}), 0, 'which score as rows and as jsonb');
is($s->value(q{SELECT count(*) FROM (SELECT jsonb_array_elements(segmentation.model('kept')::jsonb -> 'inputs') AS i) AS t WHERE i ->> 'name' = 'indebted' AND i -> 'levels' = '["f", "t"]'}), 1, 'levels are written as rows are read');
is($s->value(q{SELECT rows FROM segmentation.train('parts', 'parts', ARRAY['age', 'income'], 3)}), 4000, 'a partitioned table');
is($s->value(q{SELECT segmentation.model('parts') = kmeans(ARRAY[age, income], 3, '{"scale": "zscore", "features": ["age", "income"]}') FROM parts}), 't', 'gives the model of its rows');
SKIP: {
    skip 'file_fdw is not there', 1 if $s->value(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'file_fdw'}) == 0;
    my $file = "/tmp/segmentation_tap_$$.csv";
    $s->value("COPY (SELECT age, income FROM customers) TO '$file' (FORMAT csv)");
    $s->value("CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE filed (age int, income float8) SERVER files OPTIONS (filename '$file', format 'csv')");
    is($s->value(q{SELECT rows FROM segmentation.train('foreign', 'filed', ARRAY['age', 'income'], 3, prepare => '{"income": {"impute": "median"}}')}), 4000, 'a foreign table');
    unlink $file;
}
$s->value(q{CREATE TABLE weighted AS SELECT customer_id, age, income, 1 + customer_id % 3 AS w FROM customers});
$s->value(q{SELECT segmentation.train('weighted', 'weighted', ARRAY['age', 'income'], 3, weight => 'w')});
is($s->value(q{SELECT segmentation.model('weighted') = (SELECT kmeans(ARRAY[age, income], 3, '{"scale": "zscore", "features": ["age", "income"]}', w) FROM weighted)}), 't', 'weights');

# A table that has lost a column.
$s->value(q{CREATE TABLE lost AS TABLE customers; ALTER TABLE lost ADD PRIMARY KEY (customer_id); ALTER TABLE lost DROP COLUMN other_debt});
is($s->value(q{SELECT rows FROM segmentation.train('lost', 'lost', ARRAY['age', 'income'], 3)}), 4000, 'a table with a dropped column');

# Options
my $hint = 'Valid options are components, distance, init, max_iter, min_gain, min_size, n_init, on_null, outliers, quality, scale, seed, tol, trim.';
for my $option (['unknown', 'unknown option "unknown"'], ['blocks', 'option "blocks" is set by segmentation.train itself'], ['features', 'option "features" is set by segmentation.train itself']) {
    my $answer = $s->query("SELECT segmentation.train('options', 'customers', ARRAY['age'], 2, options => '{\"$option->[0]\": []}')");
    is("$answer->{state} $answer->{message} $answer->{hint}", "22023 $option->[1] $hint", "option $option->[0]");
}

# What a user should know.
my $told = session($database);
like(join('|', @{ $told->query(q{SELECT segmentation.train('same_key', 'customers', ARRAY['age', 'income'], 3, key => ARRAY['region'])})->{notices} }), qr/key \(region\) does not tell all rows of public.customers apart/, 'a key that is none');
unlike(join('|', @{ $told->query(q{SELECT segmentation.train('own_key', 'customers', ARRAY['age', 'income'], 3, key => ARRAY['customer_id'])})->{notices} }), qr/apart/, 'one that is');
like(join('|', @{ $told->query(q{CREATE TEMP TABLE fleeting AS TABLE customers; SELECT segmentation.train('fleeting', 'fleeting', ARRAY['age', 'income'], 3)})->{notices} }), qr/source "fleeting" is a temporary table/, 'a temporary table');
$told->value('CREATE TABLE switches AS SELECT customer_id, age, customer_id % 50 = 0 AS rare FROM customers');
is_deeply($told->query(q{SELECT segmentation.train('switches', 'switches', ARRAY['age', 'rare'], 3)})->{notices}, [], 'a rare boolean is not called skewed');
$told->finish;

# Row-level security holds for whoever trains.
psql('postgres', 'DROP ROLE IF EXISTS tap_trainer; CREATE ROLE tap_trainer LOGIN');
$s->value(q{CREATE TABLE secured AS SELECT * FROM customers; ALTER TABLE secured ENABLE ROW LEVEL SECURITY; CREATE POLICY young ON secured FOR SELECT TO tap_trainer USING (age < 30); GRANT SELECT ON secured TO tap_trainer});
my $young = $s->value('SELECT count(*) FROM customers WHERE age < 30');
$s->value('SET SESSION AUTHORIZATION tap_trainer');
is($s->value(q{SELECT rows FROM segmentation.train('young', 'secured', ARRAY['age', 'income'], 3)}), $young, 'row-level security of the source holds');
is($s->query(q{SELECT segmentation.train('other', 'customers', ARRAY['age', 'income'], 3)})->{state}, '42501', 'and so do its rights');
$s->value('RESET SESSION AUTHORIZATION');

# A bad training does not replace a good one.
is($s->value(q{SELECT decision FROM segmentation.train('plain', 'customers', ARRAY['age', 'income', 'card_debt'], 5)}), 'candidate: it was not to be activated', 'later versions are candidates');
is($s->value(q{SELECT decision FROM segmentation.train('plain', 'customers', ARRAY['age', 'income', 'card_debt'], 2, activate => true)}), 'candidate: it did not pass the gate', 'and do not take over when the gate says no');
is($s->value(q{SELECT decision FROM segmentation.train('plain', 'customers', ARRAY['age', 'income', 'card_debt'], 2, gate => '{"max_moved": 1, "max_explained_drop": 1, "max_inertia": 10}', activate => true)}),
    'activated: it passed the gate and replaces version 1', 'the gate is the definition\'s');
is($s->value(q{SELECT string_agg(version || ' ' || state, ', ' ORDER BY version) FROM segmentation.model_versions WHERE model = 'plain'}), '1 retired, 2 candidate, 3 candidate, 4 active', 'the view says so');

$s->value('DROP OWNED BY tap_trainer CASCADE');
$s->finish;
drop_databases();
psql('postgres', 'DROP ROLE tap_trainer');
done_testing();
