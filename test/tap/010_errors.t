# Errors keep their text, detail, hint and SQLSTATE across the boundary of C++ and PostgreSQL, and leave nothing behind.
use strict;
use warnings;
use Session;
use Test::More;

my $db = create_database('errors');
my $s = session($db);
$s->value('CREATE TABLE p AS SELECT i, ARRAY[i, i * i % 17]::float8[] AS x FROM generate_series(1, 200) i');
$s->value(q{CREATE TABLE m AS SELECT kmeans(x, 3, '{"scale": "zscore"}') AS model, kmeans_sketch(x, 1000) AS sketch FROM p});
my $pid = $s->pid;

# [query, SQLSTATE, message, detail, hint]; what is undef is not compared, '' means that there is none.
my @cases = (
    [q{SELECT kmeans(x, 3, '{"colour": 1}') FROM p}, '22023', qr/^unknown option "colour"$/, '', qr/^Valid options are .*\binit\b.*\bquality\b.*\bseed\b/],
    [q{SELECT kmeans(x, 3, '{"quality": "superb"}') FROM p}, '22023', qr/^invalid value for option "quality"$/, qr/^The value is "superb"\.$/, qr/^Valid values are "fast", "default", "best"\.$/],
    [q{SELECT kmeans(x, 3, '{"n_init": 0}') FROM p}, '22023', qr/^invalid value for option "n_init"$/, qr/^The value is 0\.$/, qr/whole numbers from 1 to 1000/],
    [q{SELECT kmeans(x, 3, '[1]') FROM p}, '22023', qr/^options must be a JSON object$/, qr/^They are an array\.$/, qr/^For example/],
    [q{SELECT kmeans(x, 0) FROM p}, '22023', qr/^number of clusters is out of range$/, qr/^k is 0\.$/, qr/^Valid values are whole numbers from 1 to 65536\.$/],
    [q{SELECT kmeans(x, -5) FROM p}, '22023', qr/out of range/, qr/^k is -5\.$/, qr/./],
    [q{SELECT kmeans(x, 2000000000) FROM p}, '22023', qr/out of range/, qr/^k is 2000000000\.$/, qr/./],
    [q{SELECT kmeans(x, NULL) FROM p}, '22004', qr/^number of clusters must not be null$/, '', ''],
    [q{SELECT kmeans(x, i) FROM p}, '22023', qr/^number of clusters must be the same for all rows$/, qr/^One row asks for 1 clusters and another for 2\.$/, undef],
    [q{SELECT kmeans(x, 3, CASE WHEN i = 7 THEN '{"seed": 1}' ELSE '{}' END::jsonb) FROM p}, '22023', qr/^options must be the same for all rows$/, undef, undef],
    [q{SELECT kmeans(x, 3, '{}', -1) FROM p}, '22023', qr/^weight must not be negative$/, undef, qr/FILTER/],
    [q{SELECT kmeans(x, 3, '{}', 'NaN') FROM p}, '22003', qr/^weight must be finite$/, undef, qr/FILTER/],
    [q{SELECT kmeans(CASE WHEN i = 9 THEN x || 1::float8 ELSE x END, 3) FROM p}, '22000', qr/^number of features does not match$/, qr/^The array has 3 features, and earlier rows have 2\.$/, undef],
    [q{SELECT kmeans(ARRAY[x, x], 3) FROM p}, '2202E', qr/^features must be a one-dimensional array$/, qr/^The array has 2 dimensions\.$/, qr/ARRAY\[age, income\]/],
    [q{SELECT kmeans('{}'::float8[], 3) FROM p}, '2202E', qr/one-dimensional/, qr/^The array is empty\.$/, qr/./],
    [q{SELECT kmeans(ARRAY[1, NULL], 3) FROM p}, '22004', qr/^features must not contain null values$/, qr/^Feature 2 is NULL\.$/, qr/"on_null" to "skip"/],
    [q{SELECT kmeans(ARRAY[1.5, 'NaN']::float8[], 3) FROM p}, '22003', qr/^features must be finite$/, qr/^Feature 2 is NaN\.$/, qr/"on_null"/],
    [q{SELECT kmeans(ARRAY['-Infinity', 1]::float8[], 3) FROM p}, '22003', qr/^features must be finite$/, qr/^Feature 1 is -Infinity\.$/, qr/"on_null"/],
    [q{SELECT kmeans(x, 2, '{"init": [[1, 2], [3]]}') FROM p}, '22023', qr/^invalid value for option "init"$/, qr/different lengths/, qr/./],
    [q{SELECT kmeans(x, 3, '{"init": [[1, 2], [3, 4]]}') FROM p}, '22023', qr/^number of initial centroids does not match k$/, qr/^k is 3, .* 2 centroids\.$/, undef],
    [q{SELECT kmeans(x, 2, '{"features": ["a"]}') FROM p}, '22000', qr/^number of feature names does not match/, qr{1\b.* 2\b}, undef],
    [q{SELECT kmeans_sketch(x, 0) FROM p}, '22023', qr/^capacity must be positive$/, qr/^The capacity is 0\.$/, qr/./],
    [q{SELECT kmeans_fit(sketch, 70000) FROM m}, '22023', qr/^number of clusters is out of range$/, qr/70000/, qr/65536/],
    [q{SELECT kmeans_fit(sketch, 3, '{"tol": -1}') FROM m}, '22023', qr/"tol"/, qr/-1/, qr/from 0 on/],
    [q{SELECT kmeans_assign(model, ARRAY[1, 2, 3]) FROM m}, '22000', qr/^number of features does not match$/, qr/^The array has 3 features, and the model has 2\.$/, undef],
    [q{SELECT kmeans_assign(model, p) FROM m, p}, '42703', qr/^row has no column "f1"$/, qr/names of its inputs/, qr/"features"/],
    [q{SELECT kmeans_assign(model, '[1, 2]'::jsonb) FROM m}, '22023', qr/^features must be a JSON object$/, undef, qr/"age": 41/],
    [q{SELECT kmeans_assign(model, '{"f1": "abc", "f2": 1}'::jsonb) FROM m}, '42804', qr/^member "f1" is not a number$/, qr/^It is a string\.$/, undef],
    [q{SELECT kmeans_ranked(model, ARRAY[1, 2], 0) FROM m}, '22023', qr/must be positive/, qr/0/, undef],
    [q{SELECT '{"format": 2}'::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/format is 2, and this version reads format 1/, undef],
    [q{SELECT '{"format": 1}'::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/no member "distance"/, undef],
    [q{SELECT 'hello'::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/^A model is a JSON object, and "hello" is none\.$/, qr/segmentation\.model\('name'\)/],
    [q{SELECT '{hello}'::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/not valid JSON at byte/, undef],
    [q{SELECT ''::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/./, undef],
    [q{SELECT '{"a": 1, "a": 2}'::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/"a" appears twice/, undef],
    [q{SELECT '{"format": 1e999}'::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/number|1e999/, undef],
    [q{SELECT '{"a": "\u0000"}'::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/U\+0000/, undef],
    [q{SELECT ('{"a":' || repeat('[', 100000) || repeat(']', 100000) || '}')::kmeans_model}, '22P02', qr/^invalid input for kmeans_model$/, qr/nested more than/, undef],
    [q{SELECT jsonb_set(model::jsonb, '{distance}', '"manhattan"')::kmeans_model FROM m}, '22P02', qr/^invalid input for kmeans_model$/, qr/"distance" is "manhattan"/, undef],
    [q{SELECT jsonb_set(model::jsonb, '{scale,0}', '0')::kmeans_model FROM m}, '22P02', qr/^invalid input for kmeans_model$/, qr/"scale" is 0/, undef],
    [q{SELECT '****'::kmeans_sketch}, '22P02', qr/^invalid input for kmeans_sketch$/, qr/not base64/, undef],
    [q{SELECT 'aGVsbG8='::kmeans_sketch}, '22P02', qr/^invalid input for kmeans_sketch$/, qr/shorter than its header/, undef],
    [q{SELECT kmeans_accum(NULL, ARRAY[1.0], 1)}, '0A000', qr/outside an aggregate/, undef, undef],
    [q{SELECT kmeans_combine(sketch, sketch) FROM m}, '0A000', qr/outside an aggregate/, undef, undef],
    [q{SELECT kmeans_final(sketch) FROM m}, '0A000', qr/outside an aggregate/, undef, undef],
    [q{SELECT kmeans_merge_accum(sketch, sketch) FROM m}, '0A000', qr/outside an aggregate/, undef, undef],
    [q{SELECT kmeans_evaluate_accum(NULL, model, ARRAY[1.0, 2.0]) FROM m}, '0A000', qr/outside an aggregate/, undef, undef],
);
my %pattern_of = (2 => 'message', 3 => 'detail', 4 => 'hint');
for my $case (@cases) {
    my ($sql, $state) = @$case;
    my $answer = $s->query($sql);
    my $wrong = $answer->{state} eq $state ? '' : "SQLSTATE $answer->{state} instead of $state; ";
    for my $field (sort keys %pattern_of) {
        my ($expected, $got) = ($case->[$field], $answer->{ $pattern_of{$field} });
        next if !defined $expected;
        my $fits = ref $expected ? $got =~ $expected : $got eq $expected;
        $wrong .= "$pattern_of{$field} is '$got'; " if !$fits;
    }
    is($wrong, '', substr $sql, 0, 100);
}
is($s->value('SELECT pg_backend_pid()'), $pid, 'the session went on through all of them');

# A row of 2 features more than the first must be said whatever the order of rows; NULL options are not the same as options.
for my $order ('i', '-i') {
    my $answer = $s->query(qq{SELECT kmeans(x, 3, CASE WHEN i = 1 THEN '{"seed": 5}'::jsonb END ORDER BY $order) FROM p});
    is($answer->{state}, '22023', "options that are NULL in some rows are an error (ORDER BY $order)");
}

# An error of the server's, raised inside C++ by way of CallPostgres, comes out as it was.
$s->value('CREATE TABLE big AS SELECT kmeans_sketch(ARRAY[random(), random()], 400000) AS sketch FROM generate_series(1, 400000)');
$s->value('SET statement_timeout = 150');
my $timeout = $s->query(q{SELECT length(kmeans_fit(sketch, 200, '{"quality": "best"}')::text) FROM big});
is($timeout->{state}, '57014', 'statement_timeout inside a fit: SQLSTATE');
is($timeout->{message}, 'canceling statement due to statement timeout', 'statement_timeout inside a fit: message');
is($s->value(q{DO $$ BEGIN PERFORM kmeans_fit(sketch, 200, '{"quality": "best"}') FROM big; RAISE 'not cancelled';
    EXCEPTION WHEN query_canceled THEN PERFORM set_config('tap.caught', SQLERRM, false); END $$; SELECT current_setting('tap.caught')}),
    'canceling statement due to statement timeout', 'and PL/pgSQL catches it there');
$s->value('SET statement_timeout = 0');
is($s->value('SELECT (kmeans_info(kmeans(x, 3))).segments FROM p'), 3, 'training works after it');

# In a database of another encoding, texts are converted, and cut between two characters.
my $latin = create_database('errors_latin1', encoding => 'LATIN1');
my $l = session($latin);
my $name = "\xc3\xa9" x 100;    # e with acute accent, in UTF-8
my $answer = $l->query(qq{SELECT kmeans(ARRAY[1.0], 1, '{"$name": 1}')});
is($answer->{state}, '22023', 'LATIN1 database: SQLSTATE');
like($answer->{message}, qr/^unknown option "(?:\xc3\xa9){30}"$/, 'LATIN1 database: an option name beyond ASCII comes back');

# 50,000 errors of several kinds in one backend leave nothing behind. (Raising inside a catch block grew it by 87 MB.)
$s->value(<<'SQL');
CREATE FUNCTION raise_errors(count int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    model kmeans_model := (SELECT m.model FROM m);
    sketch kmeans_sketch := (SELECT m.sketch FROM m);
    raised int := 0;
BEGIN
    FOR i IN 1..count LOOP
        BEGIN
            CASE i % 8
                WHEN 0 THEN PERFORM kmeans(ARRAY[g, 1.0], 0) FROM generate_series(1, 3) g;
                WHEN 1 THEN PERFORM kmeans(ARRAY[g, 1.0], 2, '{"colour": 1}') FROM generate_series(1, 3) g;
                WHEN 2 THEN PERFORM kmeans_assign(model, ARRAY[1.0, 2, i]);
                WHEN 3 THEN PERFORM ('{"format": 1, "n": ' || i || '}')::kmeans_model;
                WHEN 4 THEN PERFORM kmeans_fit(sketch, 2, '{"init": [[1, 2], [3]]}');
                WHEN 5 THEN PERFORM 'aGVsbG8='::kmeans_sketch;
                WHEN 6 THEN PERFORM kmeans(ARRAY[g, 'NaN'], 2) FROM generate_series(1, 3) g;
                WHEN 7 THEN PERFORM kmeans_assign(model, jsonb_build_object('f1', 'text', 'f2', i));
            END CASE;
        EXCEPTION WHEN data_exception OR invalid_parameter_value OR datatype_mismatch THEN
            raised := raised + 1;
        END;
    END LOOP;
    RETURN raised;
END $$;
SQL

sub memory_of {
    my ($session) = @_;
    my $contexts = $session->value('SELECT sum(total_bytes) FROM pg_backend_memory_contexts');
    open my $status, '<', '/proc/' . $session->pid . '/status' or return ($contexts, undef);
    my ($rss) = join('', <$status>) =~ /^VmRSS:\s+(\d+) kB/m;
    return ($contexts / 1024, $rss);
}
is($s->value('SELECT raise_errors(5000)'), 5000, 'warm-up: 5,000 errors');
my ($contexts_before, $rss_before) = memory_of($s);
is(join(' ', map { $s->value('SELECT raise_errors(5000)') } 1 .. 9), join(' ', (5000) x 9), '45,000 more');
my ($contexts_after, $rss_after) = memory_of($s);
note sprintf 'memory contexts: %.0f kB, then %.0f kB; resident: %d kB, then %d kB', $contexts_before, $contexts_after, $rss_before // 0, $rss_after // 0;
cmp_ok($contexts_after - $contexts_before, '<', 1024, 'memory contexts grow by less than 1 MB');
SKIP: {
    skip 'no /proc', 1 if !defined $rss_before;
    cmp_ok($rss_after - $rss_before, '<', 3072, 'resident memory grows by less than 3 MB');
}

done_testing();
