# Exploring: describe, histogram, frequency, correlation, trend and rfm say what is there, and lose nothing; on every kind of relation, under
# any name, with one read, as the caller.
use strict;
use warnings;
use Test::More;
use Session;

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output);
my $database = create_database('exploring');
my $s = session($database, settings => '-c client_min_messages=warning');
my $started = server_start_time();
$s->value(<<'SQL');
CREATE TYPE grade AS ENUM ('low', 'high', 'a');
CREATE DOMAIN euro AS numeric;
CREATE DOMAIN price AS euro;
CREATE TABLE customers AS SELECT c.*, CASE WHEN customer_id % 7 > 0 THEN income - 30 END AS saldo, customer_id % 3 = 0 AS active,
    date '2026-01-01' + (customer_id % 90)::int AS since FROM segmentation.sample_customers(3000) AS c;
CREATE TABLE odd (id int PRIMARY KEY, x float8, r real, n numeric, p price, g grade, t text, d date, z timestamptz, b boolean, j jsonb, a int[], u uuid, f char(4));
INSERT INTO odd VALUES (1, 1, 0.1, 1.0, 2.50, 'low', 'x', '2026-01-01', '2026-01-01 12:00+00', true, '{}', '{1}', '00000000-0000-0000-0000-000000000001', 'ab'),
    (2, '-0', 0.1, 1.00, 2.5, 'high', 'X', '2026-02-01', 'infinity', NULL, '{}', '{1}', NULL, 'ab'), (3, 0, -0.5, '1e400', '-1e400', 'high', '', NULL, NULL, false, NULL, NULL, NULL, NULL),
    (4, 'NaN', 'NaN', 'NaN', 'NaN', NULL, '(other)', 'infinity', NULL, true, NULL, NULL, NULL, NULL), (5, 'Infinity', '-Infinity', NULL, NULL, 'a', NULL, '2025-12-31', '2025-01-01', true, NULL, NULL, NULL, NULL);
CREATE TABLE nothing (LIKE odd);
CREATE TABLE empty_rows AS SELECT NULL::int AS i, NULL::text AS t, NULL::boolean AS b, NULL::date AS d FROM generate_series(1, 4);
SQL

# describe: what SQL itself says.
is($s->value(q{SELECT string_agg(column_name || ' ' || kind, ', ') FROM segmentation.describe('customers')}),
    'customer_id number, age number, education number, years_employed number, income number, card_debt number, other_debt number, defaulted boolean, debt_income_ratio number, region category, saldo number, active boolean, since time', 'describe: a row per column, in their order');
for my $column (qw(age income saldo years_employed)) {
    is($s->value(qq{SELECT d.rows = q.n AND d.missing = q.n - q.known AND d.distinct_values = q.levels AND d.zeros = q.zeros AND d.negatives = q.negatives AND abs(d.mean - q.mean) < 1e-12
        AND abs(d.stddev / q.sd - 1) < 1e-12 AND d.min = q.low AND d.max = q.high AND ARRAY[d.q1, d.median, d.q3] = q.quartiles AND d.sampled = 3000
        AND abs(d.skewness - (SELECT avg(((c.$column - q.mean) / q.sd) ^ 3) FROM customers AS c)) < 1e-10
        FROM segmentation.describe('customers', ARRAY['$column']) AS d, (SELECT count(*) AS n, count($column) AS known, count(DISTINCT $column) AS levels, count(*) FILTER (WHERE $column = 0) AS zeros,
            count(*) FILTER (WHERE $column < 0) AS negatives, avg($column)::float8 AS mean, stddev_pop($column)::float8 AS sd, min($column) AS low, max($column) AS high,
            percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY $column) AS quartiles FROM customers) AS q}), 't', "describe: the statistics of $column");
}
is($s->value(q{SELECT string_agg(column_name || ' ' || suggested_transform, ', ') FROM segmentation.describe('customers') WHERE suggested_transform <> 'none'}), 'income log1p, card_debt log1p, other_debt log1p, saldo asinh', 'describe: transforms');
is($s->value(q{SELECT count(*), count(suggested_transform) FROM segmentation.describe('customers', ARRAY['region', 'active', 'since'])}), '3|0', 'and none for what is no number');
is($s->value(q{SELECT most_frequent, most_frequent_share, distinct_values, mean IS NULL, missing FROM segmentation.describe('customers', ARRAY['region'])}),
    $s->value(q{SELECT region, count(*) / 3000.0::float8, 6, true, 0 FROM customers GROUP BY region ORDER BY count(*) DESC LIMIT 1}), 'describe: a category');
is($s->value(q{SELECT mean, most_frequent, missing FROM segmentation.describe('odd', ARRAY['b'])}), '0.75|t|1', 'describe: a boolean');
is($s->value(q{SET timezone = 'UTC'; SELECT earliest, latest, missing, distinct_values FROM segmentation.describe('odd', ARRAY['d', 'z'])}), "2025-12-31 00:00:00+00|2026-02-01 00:00:00+00|2|3\n2025-01-01 00:00:00+00|2026-01-01 12:00:00+00|3|2", 'describe: times; infinite ones are missing');
is($s->value(q{SELECT string_agg(column_name, ',') FROM segmentation.describe('odd')}), 'id,x,r,n,p,g,t,d,z,b,u,f', 'describe: what cannot be described is left out');
is($s->value(q{SELECT column_name, missing, zeros, min, max, distinct_values FROM segmentation.describe('odd', ARRAY['x', 'r', 'n', 'p'])}), "x|2|2|0|1|2\nr|2|0|-0.5|0.10000000149011612|2\nn|3|0|1|1|1\np|3|0|2.5|2.5|1", 'describe: NaN, infinity and what is beyond double are missing');
is($s->value(q{SELECT rows, missing, distinct_values, coalesce(mean, min, median, skewness)::text, coalesce(suggested_transform, most_frequent, earliest::text), sampled FROM segmentation.describe('nothing') GROUP BY 1, 2, 3, 4, 5, 6}), '0|0|0|||0', 'describe: no rows');
is($s->value(q{SELECT rows, missing, distinct_values, coalesce(mean, min, median, skewness)::text, coalesce(suggested_transform, most_frequent, earliest::text), sampled FROM segmentation.describe('empty_rows') GROUP BY 1, 2, 3, 4, 5, 6}), '4|4|0|||4', 'describe: nothing but NULLs');
is($s->value(q{SELECT stddev, skewness IS NULL, suggested_transform FROM segmentation.describe('same', ARRAY['x'])}), '0|t|none', 'describe: a constant') if $s->value(q{CREATE VIEW same AS SELECT 0.1::float8 AS x, i::float8 AS y FROM generate_series(1, 1000) AS i}) eq '';

# histogram
is($s->value(q{SELECT * FROM segmentation.histogram('odd', 'x', 2)}), "1|0|0.5|2|0.4\n2|0.5|1|1|0.2\n|||2|0.4", 'histogram: the last bin is closed, and missing values have a row');
is($s->value(q{SELECT count(*), sum(rows), round(sum(share)::numeric, 12) = 1, min(low), max(high) FROM segmentation.histogram('customers', 'income', 30)}), $s->value(q{SELECT 30, 3000, true, min(income), max(income) FROM customers}), 'histogram: all rows are in it');
is($s->value(q{SELECT * FROM segmentation.histogram('same', 'x', 2)}), "1|-0.4|0.09999999999999998|0|0\n2|0.09999999999999998|0.6|1000|1", 'histogram: a constant, with the edges of numpy.linspace(-0.4, 0.6, 3)');
is($s->value(q{SELECT * FROM segmentation.histogram('odd', 'b', 1)}), "1|0|1|4|0.8\n|||1|0.2", 'histogram: booleans');
is($s->value(q{SELECT * FROM segmentation.histogram('empty_rows', 'i')}), '|||4|1', 'histogram: nothing but NULLs');
is($s->value(q{SELECT count(*) FROM segmentation.histogram('nothing', 'x')}), 0, 'histogram: no rows');
is($s->value(q{SELECT sum(rows) FROM segmentation.histogram('customers', 'customer_id', 10000)}), 3000, 'histogram: many bins');
is($s->query(q{SELECT segmentation.histogram('far', 'x')})->{state}, '22003', 'histogram: values too far apart') if $s->value(q{CREATE VIEW far AS SELECT * FROM (VALUES (1.7e308::float8), (-1.7e308)) AS t(x)}) eq '';

# frequency
is($s->value(q{SELECT * FROM segmentation.frequency('odd', 'n')}), "1|2|0.4|f|f\n|3|0.6|t|f", 'frequency: 1.0 is 1.00; NaN is missing');
is($s->value(q{SELECT * FROM segmentation.frequency('odd', 'x')}), "0|2|0.4|f|f\n1|1|0.2|f|f\n|2|0.4|t|f", 'frequency: -0 is 0');
is($s->value(q{SELECT value, rows FROM segmentation.frequency('odd', 'r')}), "0.1|2\n-0.5|1\n|2", 'frequency: real as it is written');
is($s->value(q{SELECT value, rows FROM segmentation.frequency('odd', 'p')}), "2.5|2\n|3", 'frequency: a domain over a domain');
is($s->value(q{SELECT value, rows FROM segmentation.frequency('odd', 'g')}), "high|2\nlow|1\na|1\n|1", 'frequency: ties by value, of an enum in its order');
is($s->value(q{SELECT value, rows, is_missing, is_other FROM segmentation.frequency('odd', 't', 2)}), "|1|f|f\n(other)|1|f|f\n(other)|2|f|t\n|1|t|f", 'frequency: an empty text is not missing, a level "(other)" is not the others');
is($s->value(q{SELECT quote_literal(value), rows FROM segmentation.frequency('odd', 'f')}), "'ab  '|2\n|3", 'frequency: char(n)');
is($s->value(q{SELECT count(*), sum(rows), count(*) FILTER (WHERE is_other) FROM segmentation.frequency('customers', 'customer_id')}), '3000|3000|0', 'frequency: all values');
is($s->value(q{SELECT value, rows FROM segmentation.frequency('customers', 'age', 1)}), $s->value(q{(SELECT age::text, count(*) FROM customers GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1) UNION ALL SELECT '(other)', 3000 - max(n) FROM (SELECT count(*) AS n FROM customers GROUP BY age) AS t}), 'frequency: the top and the others');
is($s->value(q{SELECT value, rows FROM segmentation.frequency('odd', 'id', 5)}), "1|1\n2|1\n3|1\n4|1\n5|1", 'frequency: no others where there are none');
is($s->value(q{SELECT count(*) FROM segmentation.frequency('nothing', 't', 3)}), 0, 'frequency: no rows');
is($s->value(q{SELECT * FROM segmentation.frequency('empty_rows', 'd', 3)}), '|4|1|t|f', 'frequency: nothing but NULLs');

# correlation
is($s->value(q{SELECT count(*), count(*) FILTER (WHERE abs(r.correlation - q.corr) < 1e-12 AND r.rows = q.n) FROM segmentation.correlation('customers', ARRAY['age', 'income', 'saldo', 'defaulted']) AS r,
    LATERAL (SELECT corr(CASE r.column_a WHEN 'age' THEN age WHEN 'income' THEN income WHEN 'saldo' THEN saldo ELSE defaulted::int END, CASE r.column_b WHEN 'age' THEN age WHEN 'income' THEN income WHEN 'saldo' THEN saldo ELSE defaulted::int END) AS corr,
        count(*) FILTER (WHERE CASE r.column_a WHEN 'age' THEN age WHEN 'income' THEN income WHEN 'saldo' THEN saldo ELSE defaulted::int END IS NOT NULL AND CASE r.column_b WHEN 'age' THEN age WHEN 'income' THEN income WHEN 'saldo' THEN saldo ELSE defaulted::int END IS NOT NULL) AS n FROM customers) AS q}), '16|16', 'correlation: as corr has it, over the rows that have both');
is($s->value(q{SELECT string_agg(column_a || column_b, ',') FROM segmentation.correlation('same')}), 'xx,xy,yx,yy', 'correlation: every ordered pair, of all numbers');
is($s->value(q{SELECT string_agg(coalesce(correlation::text, 'NULL'), ',') FROM segmentation.correlation('same')}), 'NULL,NULL,NULL,1', 'correlation: none with a constant');
is($s->value(q{SELECT rows, correlation FROM segmentation.correlation('odd', ARRAY['x', 'n'])}), "3|1\n2|\n2|\n2|", 'correlation: missing values are left out by pair');
is($s->value(q{SELECT sum(rows), count(correlation) FROM segmentation.correlation('nothing')}), '0|0', 'correlation: no rows');
$s->value('CREATE TABLE wide AS SELECT ' . join(', ', map { "sin(i * $_) + CASE WHEN $_ = 77 THEN sin(i) * 2 ELSE 0 END AS c$_" } 1 .. 120) . ' FROM generate_series(1, 400) AS i');
is($s->value(q{SELECT count(*), max(abs(correlation)) <= 1 FROM segmentation.correlation('wide')}), '14400|t', 'correlation: 120 columns');
is($s->value(q{SELECT abs(correlation - (SELECT corr(c1, c77) FROM wide)) < 1e-12 FROM segmentation.correlation('wide') WHERE column_a = 'c77' AND column_b = 'c1'}), 't', 'and every pair in its place');

# trend
is($s->value(q{SELECT count(*) FROM segmentation.trend('customers', 'age', ARRAY['income', 'saldo']) AS t FULL JOIN (SELECT 'income' AS measure, age::text AS label, count(*) AS rows, count(income) AS known, avg(income) AS mean FROM customers GROUP BY age
    UNION ALL SELECT 'saldo', age::text, count(*), count(saldo), avg(saldo) FROM customers GROUP BY age) AS q USING (measure, label) WHERE q.rows = t.rows AND q.known = t.known AND coalesce(abs(q.mean - t.mean) < 1e-12, q.mean IS NULL AND t.mean IS NULL) AND t.low = t.label::int AND t.high = t.low}),
    $s->value('SELECT 2 * count(DISTINCT age) FROM customers'), 'trend: a row per measure and value');
is($s->value(q{SELECT string_agg(label, ',' ) FROM segmentation.trend('customers', 'age', ARRAY['income'])}), $s->value(q{SELECT string_agg(age::text, ',' ORDER BY age) FROM (SELECT DISTINCT age FROM customers) AS t}), 'trend: in the order of the values');
is($s->value(q{SELECT * FROM segmentation.trend('odd', 'g', ARRAY['x', 'b'])}), "x|low|||1|1|1\nx|high|||2|2|0\nx|a|||1|0|\nx||||1|0|\nb|low|||1|1|1\nb|high|||2|1|0\nb|a|||1|1|1\nb||||1|1|1", 'trend: along a category; missing values of either');
is($s->value(q{SELECT * FROM segmentation.trend('odd', 'id', ARRAY['x'], 3)}), "x|[1, 2.333333333333333)|1|2.333333333333333|2|2|0.5\nx|[2.333333333333333, 3.6666666666666665)|2.333333333333333|3.6666666666666665|1|1|0\nx|[3.6666666666666665, 5]|3.6666666666666665|5|2|0|", 'trend: along bins');
is($s->value(q{SELECT label, rows, known, mean FROM segmentation.trend('odd', 'x', ARRAY['id'], 3)}), "[0, 0.3333333333333333)|2|2|2.5\n[0.3333333333333333, 0.6666666666666666)|0|0|\n[0.6666666666666666, 1]|1|1|1\n|2|2|4.5", 'trend: an empty bin, and a row of the missing');
is($s->value(q{SELECT label, rows FROM segmentation.trend('odd', 'd', ARRAY['id'])}), "2025-12-31|1\n2026-01-01|1\n2026-02-01|1\n|2", 'trend: along a date');
is($s->value(q{SELECT count(*) FROM segmentation.trend('nothing', 'x', ARRAY['id'], 3)}) . $s->value(q{SELECT count(*) FROM segmentation.trend('nothing', 'x', ARRAY['id'])}), '00', 'trend: no rows');

# rfm
$s->value(q{CREATE TABLE sales (who text, day date, moment timestamp, instant timestamptz, amount numeric, paid float8, pieces int);
    INSERT INTO sales SELECT who, day, day + time '12:00', (day + time '12:00') AT TIME ZONE 'UTC', amount, amount, amount FROM (VALUES ('a', date '2026-03-01', 10.10), ('a', '2026-03-20', 0.20), ('a', '2026-04-01', -5), ('refunds', '2026-03-30', -3), ('old', '2025-12-31', 9),
        ('edge', '2025-12-31', 1), ('edge', '2026-01-01', 2), ('edge', '2026-03-31', 4), ('free', '2026-03-31', 0), ('tomorrow', '2026-04-02', 8)) AS t(who, day, amount)});
my $rfm = sub { my ($at, $amount, $as_of, $months) = @_; "SELECT customer, recency_days, frequency, monetary, average_purchase, refunds, last_purchase FROM segmentation.rfm('sales', 'who', '$at', '$amount', '$as_of', $months) ORDER BY customer" };
my $found = "a|12|2|5.3|5.15|1|2026-03-20 00:00:00+00\nedge|1|2|6|3|0|2026-03-31 00:00:00+00\nfree|1|1|0|0|0|2026-03-31 00:00:00+00\nrefunds||0|-3||1|";
is($s->value($rfm->('day', 'amount', '2026-04-01', 3)), $found =~ s/^edge.*$/edge|1|1|4|4|0|2026-03-31 00:00:00+00/mr, 'rfm: the window is open at its start and closed at as_of; refunds lower the sum');
is($s->value($rfm->('day', 'amount', '2026-04-01 23:59', 3)), $found =~ s/\|12\|/|12.999305555555555|/r =~ s/^(edge|free)\|1\|/$1|1.9993055555555554|/gmr =~ s/^edge(\|[\d.]+)\|2\|6\|3/edge$1|1|4|4/mr, 'rfm: as_of is a moment, not a day');
$found =~ s/00:00:00/12:00:00/g;
is($s->value($rfm->($_, 'amount', '2026-04-01 12:00', 3)), $found =~ s/^edge.*$/edge|1|1|4|4|0|2026-03-31 12:00:00+00/mr, "rfm: $_") for 'moment', 'instant';
is($s->value($rfm->('day', 'pieces', '2026-04-01', 'NULL') =~ s/SELECT customer.*FROM/SELECT count(*), sum(frequency), sum(monetary) FROM/r =~ s/ORDER BY customer//r), '5|7|18', 'rfm: months NULL is all before as_of');
# Days are days where the clocks change, for what has no time zone of its own; an instant is 24 hours a day.
is($s->value(q{SET timezone = 'Europe/Berlin'; SELECT recency_days FROM segmentation.rfm('sales', 'who', 'day', 'amount', '2026-04-01', 3) WHERE customer = 'a'}), 12, 'rfm: a date, across the change of the clocks');
is($s->value(q{SELECT round((24 * recency_days)::numeric, 6) FROM segmentation.rfm('sales', 'who', 'instant', 'amount', '2026-04-01 00:00+00', 3) WHERE customer = 'a'}), '276.000000', 'rfm: a timestamptz') ;
$s->value(q{SET timezone = 'UTC'; INSERT INTO sales(who, day, amount, paid) VALUES (NULL, '2026-03-01', 1, 1), ('x', NULL, 1, 1), ('x', '2026-03-01', NULL, 'NaN'), ('x', '2025-03-01', NULL, NULL), (NULL, NULL, NULL, 'Infinity'), ('y', 'infinity', 1, 1), ('y', '-infinity', 1, 1)});
my $told = $s->query(q{SET client_min_messages = notice; SELECT count(*) FROM segmentation.rfm('sales', 'who', 'day', 'paid', '2026-04-01', 3); SET client_min_messages = warning});
is("$told->{out} $told->{notices}[0]", '4 4 rows with missing values are left out', 'rfm: a notice about missing values in the window');
like($told->{err}, qr/DETAIL:  The customer is missing in 2, the time in 2, the amount in 2\./, 'with which');
is($s->value(q{SELECT monetary FROM segmentation.rfm('exact', 'c', 'd', 'n', '2026-04-01', 3)}), '0.3', 'rfm: numeric amounts are added up exactly') if $s->value(q{CREATE VIEW exact AS SELECT 1 AS c, date '2026-03-01' AS d, n FROM (VALUES (1e20), (0.1), (0.2), (-1e20)) AS t(n)}) eq '';
is($s->value(q{SELECT count(*) FROM segmentation.rfm('nothing', 't', 'd', 'n', '2026-04-01', 3)}), 0, 'rfm: no rows');

# Every kind of relation, and names that clash with whatever ours are.
$s->value(q{CREATE VIEW seen AS SELECT * FROM customers; CREATE MATERIALIZED VIEW kept AS SELECT * FROM customers; CREATE TABLE parts (LIKE customers) PARTITION BY LIST (region); CREATE TABLE part_a PARTITION OF parts FOR VALUES IN ('north', 'west'); CREATE TABLE part_b PARTITION OF parts DEFAULT;
    INSERT INTO parts SELECT * FROM customers; CREATE TABLE parent (LIKE customers); CREATE TABLE child () INHERITS (parent); INSERT INTO child SELECT * FROM customers});
my @relations = qw(seen kept parts parent);
if ($s->query('CREATE EXTENSION file_fdw')->{state} eq '') {
    my $columns = $s->value(q{SELECT string_agg(format('%I %s', attname, format_type(atttypid, NULL)), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'customers'::regclass AND attnum > 0});
    $s->value("COPY customers TO '/tmp/tap_exploring.csv' (FORMAT csv); CREATE SERVER files FOREIGN DATA WRAPPER file_fdw; CREATE FOREIGN TABLE far_away ($columns) SERVER files OPTIONS (filename '/tmp/tap_exploring.csv', format 'csv')");
    push @relations, 'far_away';
}
my @calls = (q{segmentation.describe('%s')}, q{segmentation.histogram('%s', 'saldo', 7)}, q{segmentation.frequency('%s', 'region', 3)}, q{segmentation.correlation('%s')}, q{segmentation.trend('%s', 'region', ARRAY['income', 'saldo'])},
    q{segmentation.trend('%s', 'saldo', ARRAY['income'], 4)}, q{segmentation.rfm('%s', 'region', 'since', 'saldo', '2026-03-01', 1)});
# As text; sums in another order differ in their last digits.
my $rounded = sub { my ($call) = @_; qq{SELECT string_agg(line, E'\\n' ORDER BY line COLLATE "C") FROM (SELECT (SELECT string_agg(CASE jsonb_typeof(v) WHEN 'number' THEN trim_scale(round(v::text::numeric, 7))::text ELSE v::text END, ' ' ORDER BY k COLLATE "C") FROM jsonb_each(to_jsonb(t)) AS e(k, v)) AS line FROM $call AS t) AS u} };
for my $call (@calls) {
    my $want = $s->value($rounded->(sprintf $call, 'customers'));
    is($s->value($rounded->(sprintf $call, $_)), $want, sprintf("as of the table: $call", $_)) for @relations;
    cmp_ok(length $want, '>', 40, 'which is something');
}
if ($relations[-1] eq 'far_away') {
    $s->value('DROP FOREIGN TABLE far_away');
    unlink '/tmp/tap_exploring.csv';
}
for my $name (qw(s g t c b e m k r value rows place bin edge label low high total at customer amount known_1 sum_1 mean_1 line measure counted edges binned ranked kept first last refund MiXed), 'sp ace', 'quo"te', "apo's", '%s', '%1$s', '$1', ';--', 'select', "b\\s", "\x{e9}\x{2603}") {
    my $ident = '"' . ($name =~ s/"/""/gr) . '"';
    my $literal = sql_literal($name);
    $s->value("CREATE SCHEMA $ident; CREATE TABLE $ident.$ident ($ident int, day date); INSERT INTO $ident.$ident VALUES (1, '2026-01-01'), (3, '2026-01-02'), (NULL, '2026-01-03')");
    my $source = sql_literal("$ident.$ident");
    is($s->value("SELECT (SELECT column_name = $literal AND mean = 2 FROM segmentation.describe($source, ARRAY[$literal])), (SELECT sum(rows) FROM segmentation.histogram($source, $literal, 2)), (SELECT sum(rows) FROM segmentation.frequency($source, $literal, 1)),
        (SELECT column_a = $literal AND correlation = 1 FROM segmentation.correlation($source)), (SELECT string_agg(mean::text, ',') FROM segmentation.trend($source, 'day', ARRAY[$literal])), (SELECT bool_and(measure = $literal) FROM segmentation.trend($source, $literal, ARRAY[$literal], 2)),
        (SELECT sum(monetary) FROM segmentation.rfm($source, $literal, 'day', $literal, '2026-02-01', 3))"), 't|3|3|t|1,3|t|4', "a column and a table named $name");
}

# One read each: a sequence counts the rows.
$s->value(q{CREATE SEQUENCE reads; CREATE VIEW counted AS SELECT * FROM customers WHERE nextval('reads') > 0});
for my $call (@calls) {
    my $before = $s->value('SELECT last_value FROM reads');
    $s->value('SELECT count(*) FROM ' . sprintf $call, 'counted');
    is($s->value('SELECT last_value FROM reads') - $before, $before == 1 ? 2999 : 3000, "one read: $call");
}

# In parallel, and the same.
$s->value('CREATE TABLE large AS SELECT c.*, CASE WHEN customer_id % 7 > 0 THEN income - 30 END AS saldo, date \'2026-01-01\' + (customer_id % 90)::int AS since FROM segmentation.sample_customers(200000) AS c; ANALYZE large');
my %serial = map { $_ => $s->value($rounded->(sprintf $_, 'large')) } @calls;
my $p = session($database, settings => '-c session_preload_libraries=auto_explain -c max_parallel_workers_per_gather=3 -c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0 -c client_min_messages=warning');
for my $call (@calls) {
    is($p->value($rounded->(sprintf $call, 'large')), $serial{$call}, "workers: the same from $call");
    my $plan = $p->query('SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET client_min_messages = log; SELECT count(*) FROM ' . sprintf($call, 'large') . '; SET client_min_messages = warning');
    like($plan->{err}, qr/Workers Planned: [1-9].*Parallel Seq Scan on large/s, "a parallel plan for $call");
}
is($p->value(q{SELECT sampled, rows FROM segmentation.describe('large', ARRAY['income'])}), '100000|200000', 'a sample of 100,000 rows');
is($p->value(q{SELECT abs(d.mean - a) < 1e-10 AND abs(d.stddev / sd - 1) < 1e-10 AND d.min = lo AND d.max = hi AND abs(d.skewness - sk) < 1e-8 FROM segmentation.describe('large', ARRAY['income']) AS d,
    (SELECT avg(income) AS a, stddev_pop(income) AS sd, min(income) AS lo, max(income) AS hi FROM large) AS q, LATERAL (SELECT avg(((income - a) / sd) ^ 3) AS sk FROM large) AS w}), 't', 'moments and ranges are of all rows');
$p->finish;

# As the caller: rights, row-level security, and a path that the functions of a view need.
my @roles = qw(tap_reader tap_partial);
psql('postgres', join '; ', map { ("DROP ROLE IF EXISTS $_", "CREATE ROLE $_ LOGIN") } @roles);
$s->value(q{CREATE TABLE secret AS SELECT * FROM customers; CREATE TABLE guarded AS SELECT * FROM customers; ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON guarded USING (region = 'north');
    GRANT SELECT ON guarded TO tap_reader; GRANT SELECT (age, income, region) ON secret TO tap_partial; ALTER TABLE secret ADD PRIMARY KEY (customer_id);
    CREATE SCHEMA helper; GRANT USAGE ON SCHEMA helper TO PUBLIC; CREATE FUNCTION helper.half(float8) RETURNS float8 LANGUAGE plpgsql STABLE AS 'BEGIN RETURN half_of($1); END'; CREATE FUNCTION helper.half_of(float8) RETURNS float8 LANGUAGE sql AS 'SELECT $1 / 2';
    CREATE VIEW halves AS SELECT customer_id, helper.half(income) AS half, region, since FROM customers});
my $as = sub { my ($role, $sql) = @_; $s->value("SET SESSION AUTHORIZATION $role"); my $answer = $s->query($sql); $s->value('RESET SESSION AUTHORIZATION'); return $answer };
is($as->('tap_reader', 'SELECT count(*) FROM ' . sprintf $_, 'secret')->{state}, $_ =~ /describe|correlation/ ? '42804' : '42501', "not without rights: $_") for @calls;
my $north = $s->value(q{SELECT count(*) FROM customers WHERE region = 'north'});
is($as->('tap_reader', q{SELECT max(rows) FROM segmentation.describe('guarded')})->{out}, $north, 'row-level security: describe');
is($as->('tap_reader', q{SELECT value, rows FROM segmentation.frequency('guarded', 'region')})->{out}, "north|$north", 'row-level security: frequency');
is($as->('tap_reader', q{SELECT max(rows) FROM segmentation.correlation('guarded')})->{out}, $north, 'row-level security: correlation');
is($as->('tap_partial', q{SELECT string_agg(column_name, ','), max(rows) FROM segmentation.describe('secret')})->{out}, 'age,income,region|3000', 'rights on some columns: those are described');
is($as->('tap_partial', q{SELECT segmentation.describe('secret', ARRAY['age', 'card_debt'])})->{state}, '42501', 'and no others');
is($as->('tap_partial', q{SELECT count(*) FROM segmentation.correlation('secret')})->{out}, 4, 'the same for correlation');
is($s->query(q{SELECT segmentation.histogram('halves', 'half')})->{state}, '42883', 'a function of a view runs under the search_path of the caller');
is($s->value(q{SET search_path = public, helper; SELECT sum(rows) FROM segmentation.histogram('halves', 'half')}), 3000, 'which is where it looks');
is($s->value(qq{SELECT sum(rows) FROM $_}), 3000, $_) for q{segmentation.frequency('halves', 'half')}, q{segmentation.describe('halves', ARRAY['half'])}, q{segmentation.trend('halves', 'region', ARRAY['half'])}, q{segmentation.correlation('halves', ARRAY['half'])};
is($s->value(q{SELECT count(*) FROM segmentation.rfm('halves', 'region', 'since', 'half', '2026-04-01', 3)}), 6, 'and rfm');
is($s->value('SHOW search_path'), 'public, helper', 'the search_path is as it was');
$s->query(q{SELECT segmentation.histogram('far', 'x')});
is($s->value('SHOW search_path'), 'public, helper', 'after an error, too');
$s->value('RESET search_path');

# Traps on the search_path: functions, aggregates and operators that ours might be taken for.
$s->value('CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC');
my $raise = q{LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trap' USING ERRCODE = 'P0666'; END $$};
my @functions = split /\n/, $s->value(q{SELECT DISTINCT format('CREATE FUNCTION evil.%I(%s) RETURNS %s', p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid)) FROM pg_proc AS p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.provariadic = 0 AND p.pronargs > 0 AND NOT 'internal'::regtype = ANY (p.proargtypes::oid[]) AND p.prorettype <> 'internal'::regtype
      AND p.proname ~ '^(format|set_config|current_setting|trim_scale|isfinite|date_part|width_bucket|cardinality|generate_series|unnest|float8|int4|numeric|timestamptz|timestamp|jsonb_array_elements|hash_record_extended|hashtextextended)$'});
cmp_ok(scalar(grep { $s->query("$_ $raise")->{state} eq '' } @functions), '>', 30, 'traps are laid: functions');
my $laid = 0;
for my $type (qw(int int8 float8 text numeric date timestamp timestamptz)) {
    for my $operator ('=', '<>', '<', '>', '<=', '>=', '+', '-', '*', '/') {
        my $result = $operator =~ /[<>=]/ ? 'boolean' : $type;
        $laid++ if $s->query("CREATE FUNCTION evil.op_" . unpack('H*', "$operator$type") . "($type, $type) RETURNS $result $raise; CREATE OPERATOR evil.$operator (LEFTARG = $type, RIGHTARG = $type, FUNCTION = evil.op_" . unpack('H*', "$operator$type") . ')')->{state} eq '';
    }
    for my $aggregate (qw(count sum min max avg)) {
        $laid++ if $s->query("CREATE FUNCTION evil.step_$aggregate($type, $type) RETURNS $type $raise; CREATE AGGREGATE evil.$aggregate($type) (SFUNC = evil.step_$aggregate, STYPE = $type, INITCOND = '1')")->{state} eq '';
    }
}
cmp_ok($laid, '>', 90, "$laid traps are laid: operators and aggregates");
my $t = session($database, settings => '-c client_min_messages=error -c search_path=evil,public,pg_catalog');
is($t->query('SELECT 1 = 1')->{state}, 'P0666', 'they work when called');
for my $call (@calls, q{segmentation.frequency('%s', 'customer_id')}, q{segmentation.histogram('%s', 'active', 2)}, q{segmentation.trend('%s', 'since', ARRAY['active'])}) {
    my $answer = $t->query('SELECT * FROM ' . sprintf $call, 'public.customers');
    is($answer->{state}, '', "a hostile search_path: $call") or diag $answer->{err};
}
my $odd = $t->query(q{SELECT segmentation.describe('public.odd'), segmentation.frequency('public.odd', 'p'), segmentation.rfm('public.odd', 'p', 'z', 'p', '2026-04-01', 3)});
is($odd->{state}, '', 'and of odd columns') or diag $odd->{err};
$t->finish;

# An overload for a domain would be taken before the one for numeric.
$s->value("CREATE FUNCTION public.kmeans_number(price) RETURNS float8 $raise; CREATE FUNCTION public.kmeans_number(euro) RETURNS float8 $raise");
is($s->query(q{SELECT kmeans_number(p) FROM odd})->{state}, 'P0666', 'a trap for a domain works when called');
is($s->query("SELECT * FROM $_")->{state}, '', "and is not called: $_") for q{segmentation.describe('odd')}, q{segmentation.frequency('odd', 'p')}, q{segmentation.histogram('odd', 'p')}, q{segmentation.trend('odd', 'p', ARRAY['p'])}, q{segmentation.correlation('odd')}, q{segmentation.rfm('odd', 't', 'd', 'p', '2026-04-01', 3)};
$s->value('DROP FUNCTION public.kmeans_number(price), public.kmeans_number(euro)');

# What is not right
my @wrong = (
    [q{describe(NULL)}, '22004', 'source must not be null'], [q{describe('customers', ARRAY['nope'])}, '42703', 'column "nope" of relation public.customers does not exist'],
    [q{describe('customers', '{}')}, '22023', 'columns must not be empty'], [q{describe('customers', ARRAY['age', NULL])}, '22004', 'names in columns must not be null'],
    [q{describe('customers', ARRAY['age', 'age'])}, '22023', 'column "age" is given twice'], [q{describe('odd', ARRAY['j'])}, '42804', 'column "j" cannot be explored'],
    [q{describe('odd_pkey')}, '42809', '"public.odd_pkey" is not a table or view'], [q{describe(4000000000::oid::regclass)}, '42P01', 'relation with OID 4000000000 does not exist'], [q{describe('bare')}, '42804', 'relation public.bare has no column to explore'],
    [q{histogram('customers', 'region')}, '42804', 'column "region" is not a number or boolean'], [q{histogram('customers', 'since')}, '42804', 'column "since" is not a number or boolean'], [q{histogram('customers', 'age', 0)}, '22023', 'number of bins must be from 1 to 10000'],
    [q{histogram('customers', 'age', 10001)}, '22023', 'number of bins must be from 1 to 10000'], [q{histogram('customers', 'age', NULL)}, '22004', 'number of bins must not be null'], [q{histogram('customers', NULL)}, '22004', 'names in column_name must not be null'],
    [q{histogram('customers', 'ctid')}, '42703', 'column "ctid" of relation public.customers does not exist'], [q{histogram('customers', 'age; DROP TABLE customers')}, '42703', 'column "age; DROP TABLE customers" of relation public.customers does not exist'],
    [q{frequency('customers', 'region', 0)}, '22023', 'top must be positive'], [q{frequency('odd', 'a')}, '42804', 'column "a" cannot be explored'],
    [q{correlation('customers', ARRAY['age', 'region'])}, '42804', 'column "region" is not a number or boolean'], [q{correlation('customers', '{}')}, '22023', 'columns must not be empty'],
    [q{trend('customers', 'region', ARRAY['income'], 5)}, '42804', 'column "region" has no bins'], [q{trend('customers', 'age', NULL)}, '22023', 'measures must not be empty'], [q{trend('customers', 'age', ARRAY['region'])}, '42804', 'column "region" is not a number or boolean'],
    [q{trend('customers', NULL, ARRAY['age'])}, '22004', 'names in by must not be null'], [q{trend('customers', 'age', ARRAY['age'], -1)}, '22023', 'number of bins must be from 1 to 10000'],
    [q{rfm('sales', 'who', 'day', 'amount', NULL, 3)}, '22004', 'as_of must not be null'], [q{rfm('sales', 'who', 'day', 'amount', 'infinity', 3)}, '22023', 'as_of must be finite'], [q{rfm('sales', 'who', 'day', 'amount', '2026-01-01', 0)}, '22023', 'number of months must be positive'],
    [q{rfm('sales', 'who', 'who', 'amount', '2026-01-01', 1)}, '42804', 'column "who" is not a time'], [q{rfm('sales', 'who', 'day', 'who', '2026-01-01', 1)}, '42804', 'column "who" is not a number'], [q{rfm(NULL, 'who', 'day', 'amount', '2026-01-01', 1)}, '22004', 'source must not be null'],
    [q{rfm('sales', NULL, 'day', 'amount', '2026-01-01', 1)}, '22004', 'names in customer must not be null'], [q{rfm('sales', 'who', 'day', 'amount', '2026-01-01', 2000000000)}, '22008', 'timestamp out of range'],
);
$s->value('CREATE TABLE bare (j jsonb)');
for (@wrong) {
    my ($call, $state, $message) = @$_;
    my $answer = $s->query("SELECT * FROM segmentation.$call");
    is("$answer->{state} $answer->{message}", "$state $message", $call);
    ok($answer->{hint} ne '', "$call: a hint") if $state eq '42804' && $call !~ /bare/;
}
like($s->query(q{SELECT * FROM segmentation.rfm('sales', 'who', 'day', 'amount', NULL, 3)})->{hint}, qr/now\(\)/, 'as_of: a hint');
is($s->query("SELECT $_")->{state}, '42883', "not to be called: $_") for 'segmentation.moments_accum(NULL, ARRAY[1.0], true)', 'segmentation.moments_combine(NULL, NULL)', 'segmentation.moments_final(NULL)', q{segmentation.moments_deserialize('\\\\x00', NULL)};
is($s->query(q{SELECT segmentation.moments(array_fill(1.0::float8, ARRAY[i]), true) FROM generate_series(1, 2) AS i})->{state}, '22000', 'moments of rows of different widths');
is($s->query(q{SELECT segmentation.moments(NULL, true)})->{state}, '22004', 'moments of NULL');
is($s->value(q{SELECT string_agg(m::text, ' ') FROM (SELECT (segmentation.moments(ARRAY[i], false) OVER (ORDER BY i ROWS 1 PRECEDING))[2] AS m FROM generate_series(1, 3) AS i) AS t}), '1 1.5 2.5', 'moments as a window function');

# Columns are of base types.
is($s->value(q{SELECT string_agg(DISTINCT t::regtype::text, ',' ORDER BY t::regtype::text) FROM pg_proc AS p, unnest(p.proallargtypes) WITH ORDINALITY AS u(t, i)
    WHERE p.pronamespace = 'segmentation'::regnamespace AND p.proname IN ('describe', 'histogram', 'frequency', 'correlation', 'trend', 'rfm') AND p.proargmodes[i] = 't'}), 'boolean,double precision,integer,text,timestamp with time zone', 'base types');

# A cancel is heard.
$s->value('CREATE VIEW endless AS SELECT l.customer_id, l.income, l.region, l.since FROM large AS l, generate_series(1, 100000)');
for my $call (q{describe('endless')}, q{correlation('endless')}, q{frequency('endless', 'region')}, q{histogram('endless', 'income')}, q{trend('endless', 'region', ARRAY['income'])}, q{rfm('endless', 'region', 'since', 'income', '2026-04-01', 3)}) {
    my $slow = session($database);
    my $pid = $slow->pid;
    $slow->send("SELECT * FROM segmentation.$call");
    wait_until(20, sub { $s->value("SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'active' });
    $s->value("SELECT pg_sleep(0.2), pg_cancel_backend($pid)");
    is($slow->receive(20)->{state}, '57014', "a cancel: $call");
    $slow->finish;
}
is(server_start_time(), $started, 'the server has run on');

$s->value('DROP OWNED BY ' . join ', ', @roles);
$s->finish;
drop_databases();
psql('postgres', 'DROP ROLE ' . join ', ', @roles);
done_testing();
