# The aggregate that surveys a source: the same answer in every plan, and no way to break it.
use strict;
use warnings;
use Test::More;
use Session;

my $database = create_database('survey');
my $s = session($database, settings => '-c client_min_messages=warning');
my $started = server_start_time();
$s->value('CREATE TABLE c AS SELECT customer_id, age, income, region FROM segmentation.sample_customers(250000, 4); ANALYZE c');
my $request = q{'{"numbers": [{"name": "age"}, {"name": "income", "transform": "log1p"}], "categories": [{"name": "region"}], "quantiles": [0.1, 0.5]}'};
my $survey = "SELECT segmentation.survey(customer_id, 1, ARRAY[age, income], ARRAY[region], $request) FROM c";
my $one = $s->value("SET max_parallel_workers_per_gather = 0; $survey");
$s->value('SET max_parallel_workers_per_gather = 3; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');
like($s->value("EXPLAIN $survey"), qr/Partial Aggregate/, 'a parallel plan');
is($s->value($survey), $one, 'workers: the same survey');
is($s->value("SELECT segmentation.survey(customer_id, 1, ARRAY[age, income], ARRAY[region], $request) FROM (SELECT * FROM c ORDER BY md5(customer_id::text) OFFSET 0) AS t"), $one, 'another order: the same survey');
is($s->value("SELECT v ->> 'sampled', v ->> 'rows' FROM ($survey) AS t(v)"), '100000|250000', 'a sample of 100,000 rows');
# The sample is drawn by keys alone, and its estimates are near the truth: five standard errors.
is($s->value("SELECT abs((n ->> 'mean')::float8 - m) < 5 * d / sqrt(100000) FROM jsonb_array_elements(($survey) -> 'numbers') AS n, (SELECT avg(income) AS m, stddev(income) AS d FROM c) AS t WHERE n ->> 'name' = 'income'"), 't', 'the mean of the sample');
is($s->value("SELECT (n ->> 'low')::float8 = lo AND (n ->> 'high')::float8 = hi FROM jsonb_array_elements(($survey) -> 'numbers') AS n, (SELECT min(income) AS lo, max(income) AS hi FROM c) AS t WHERE n ->> 'name' = 'income'"), 't', 'the range is exact');
is($s->value("SELECT count(DISTINCT f) FROM (SELECT segmentation.survey(i, 1, ARRAY[age, income], ARRAY[region], $request) ->> 'fingerprint' AS f FROM c, generate_series(1, 3) AS i WHERE customer_id < 1000 GROUP BY i) AS t"), 1, 'the fingerprint does not depend on keys');
isnt($s->value("SELECT segmentation.survey(customer_id, 1, ARRAY[age, income + (customer_id = 77)::int], ARRAY[region], $request) ->> 'fingerprint' FROM c"), $s->value("SELECT ($survey) ->> 'fingerprint'"), 'but on every value');
# Many groups; no rows; NULLs; weights that are none.
is($s->value("SELECT count(*), sum(n) FROM (SELECT (segmentation.survey(customer_id, 1, ARRAY[age, income], ARRAY[region], $request) ->> 'rows')::int AS n FROM c WHERE customer_id <= 20000 GROUP BY customer_id % 2000) AS t"), '2000|20000', 'many groups');
is($s->value("SELECT segmentation.survey(customer_id, 1, ARRAY[age, income], ARRAY[region], $request) IS NULL FROM c WHERE false"), 't', 'no rows');
is($s->value(q{SELECT v ->> 'rows', v ->> 'ignored', v -> 'numbers' -> 0 ->> 'missing', v -> 'categories' -> 0 ->> 'missing' FROM (SELECT segmentation.survey(i, w, ARRAY[x], ARRAY[t], '{"numbers": [{"name": "x"}], "categories": [{"name": "t"}], "quantiles": []}') AS v
    FROM (VALUES (1, 1.0, 1.0, 'a'), (2, 1, 'NaN', NULL), (3, 1, 'Infinity', 'b'), (NULL, 2, NULL, 'c'), (5, 0, 1, 'a'), (6, NULL, 1, 'a'), (7, -1, 1, 'a'), (8, 'Infinity', 1, 'a')) AS t(i, w, x, t)) AS u}), '4|4|3|1', 'NULLs and weights');
is($s->value(q{SELECT segmentation.survey(i, 1, ARRAY[i]::float8[], ARRAY[repeat('x', i)], '{"numbers": [{"name": "x"}], "categories": [{"name": "t"}], "quantiles": []}') -> 'categories' -> 0 -> 'counts' ->> 3 FROM generate_series(254, 257) AS i}), 2, 'long texts are other');
# What is not right
my %wrong = (
    q{segmentation.survey(1, 1, ARRAY[1.0], ARRAY['a'], '{"numbers": [], "categories": [], "quantiles": []}')} => '22000', q{segmentation.survey(1, 1, NULL, ARRAY['a'], '{}')} => '22004', q{segmentation.survey(1, 1, ARRAY[1.0], '{}', '[]')} => '22023',
    q{segmentation.survey(1, 1, ARRAY[1.0], '{}', '{"numbers": [{"name": "x"}], "categories": [], "quantiles": [2]}')} => '22023', q{segmentation.survey(1, 1, ARRAY[[1.0]], '{}', '{"numbers": [{"name": "x"}], "categories": [], "quantiles": []}')} => '2202E',
    q{segmentation.survey(1, 1, ARRAY[1.0], '{}', NULL)} => '22004', q{segmentation.survey(1, 1, ARRAY[1.0], ARRAY[['a']], '{"numbers": [{"name": "x"}], "categories": [{"name": "t"}], "quantiles": []}')} => '2202E',
    q{segmentation.survey(1, 1, ARRAY[1.0], '{}', '{"numbers": [{"name": "x"}], "categories": [], "quantiles": [], "baseline": {"numbers": [{"name": "x", "spikes": [2, 1], "edges": [], "counts": [1]}]}}')} => '22023',
);
is($s->query("SELECT $_")->{state}, $wrong{$_}, $_) for sort keys %wrong;
is($s->query(q{SELECT segmentation.survey(i, 1, array_fill(1.0::float8, ARRAY[i]), '{}', '{"numbers": [{"name": "x"}], "categories": [], "quantiles": []}') FROM generate_series(1, 2) AS i})->{state}, '22000', 'rows of different widths');
is($s->query("SELECT segmentation.survey_$_")->{state} =~ /^(?:0A000|42804|42883|42P13|42601|22023)$/ ? 1 : 0, 1, "support function: $_") for 'accum(NULL, 1, 1, ARRAY[1.0], NULL, NULL)', q{deserialize('\\\\x00', NULL)}, 'final(NULL)', 'combine(NULL, NULL)';
# As a window function, with DISTINCT and with FILTER
is($s->value("SELECT count(DISTINCT v ->> 'rows') FROM (SELECT segmentation.survey(customer_id, 1, ARRAY[age, income], ARRAY[region], $request) OVER (ORDER BY customer_id ROWS 5 PRECEDING) AS v FROM c WHERE customer_id <= 30) AS t"), 6, 'as a window function');
is($s->value("SELECT segmentation.survey(customer_id, 1, ARRAY[age, income], ARRAY[region], $request) FILTER (WHERE age > 40) ->> 'rows' FROM c"), $s->value('SELECT count(*) FROM c WHERE age > 40'), 'with FILTER');
# Wide rows: a smaller sample, within the memory.
my $wide = session($database);
$wide->value("SET segmentation.train_memory = '16MB'; SET max_parallel_workers_per_gather = 0");
my $wide_request = "'{\"numbers\": [], \"quantiles\": [], \"categories\": [" . join(', ', map { "{\"name\": \"c$_\"}" } 1 .. 30) . "]}'";
my ($rows, $sampled) = split /\|/, $wide->value("SELECT v ->> 'rows', v ->> 'sampled' FROM (SELECT segmentation.survey(i, 1, '{}', array_fill(repeat(md5(i::text), 7), ARRAY[30]), $wide_request) AS v FROM generate_series(1, 20000) AS i) AS t");
is($rows, 20000, 'wide rows: all are counted');
ok($sampled >= 1000 && $sampled < 4000, "wide rows: $sampled are sampled");
$wide->finish;
# A cancel is heard.
my $slow = session($database);
my $pid = $slow->pid;
$slow->send("SELECT segmentation.survey(customer_id, 1, ARRAY[age, income], ARRAY[region], $request) FROM c, generate_series(1, 1000)");
wait_until(20, sub { $s->value("SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'active' });
$s->value("SELECT pg_cancel_backend($pid)");
is($slow->receive(20)->{state}, '57014', 'a cancel');
is(server_start_time(), $started, 'the server has run on');
$_->finish for $s, $slow;
drop_databases();
done_testing();
