# The types go out and come in without loss, and hostile input is an error or a valid value, never a crash.
use strict;
use warnings;
use File::Temp;
use JSON::PP ();
use List::Util 'shuffle';
use Session;
use Test::More;

srand 20240607;
my $db = create_database('types');
my $started = server_start_time();
my $s = session($db);
my $pid = $s->pid;
my $directory = File::Temp->newdir;

# ---- 1,000 models: 250 trained with varied options, 750 made up --------------------------------------------------------

$s->value('CREATE TABLE models (id int PRIMARY KEY, m kmeans_model, source jsonb)');
my @trained = map {
    my $d = 1 + $_ % 5;
    my $k = 1 + int rand 6;
    my $options = JSON::PP->new->canonical->encode({
        rand() < 0.3 ? (distance => 'cosine', scale => 'none') : (scale => (qw(none zscore minmax robust))[ rand 4 ]),
        quality => (qw(fast default best))[ rand 3 ], seed => int(rand 2**31) * (rand() < 0.5 ? 1 : -1), on_null => (qw(skip error))[ rand 2 ],
        n_init => 1 + int rand 3, tol => 10**-int(rand 8), min_size => int rand 3,
        features => [ map { (qw(a B age "quoted" it's ünïcode), 'with space', '客户', '😀')[ rand 9 ] . $_ } 1 .. $d ],
    });
    my $columns = join ', ', map { (10**(int(rand 9) - 4)) . " * (1 + random()) * g" } 1 .. $d;
    "SELECT $_, kmeans(ARRAY[$columns]::float8[], $k, " . sql_literal($options) . ") FROM generate_series(1, " . (1 + int rand 40) . ') g'
} 1 .. 250;
my $training = $s->query("SET client_min_messages = warning; SELECT setseed(0.5); " . join(';', map { "INSERT INTO models (id, m) $_" } @trained));
is($training->{state}, '', '250 models trained with varied options') or diag $training->{err};

# A number that its 15 digits hold exactly, so that JSON and the model say the same.
sub number {
    my $kind = int rand 10;
    return 0 + 0 if $kind == 0;
    return int(rand 2000) - 1000 if $kind < 3;
    # Whole numbers above 2^53 are written out digit by digit, so not these.
    return sprintf('%.15g', (rand(2) - 1) * 10**((rand() < 0.5 ? 25 : -300) + int rand 270)) if $kind == 3;
    return (qw(1e-308 2.2250738585072e-308 5e-324 1.79769313486231e308 -1e-5 123456789012345 0.1))[ rand 7 ] if $kind == 4;
    return sprintf '%.15g', (rand(2) - 1) * 1000;
}
sub numbers { my ($count) = @_; return '[' . join(',', map { number() } 1 .. $count) . ']' }
sub positive { return sprintf '%.15g', 10**(rand(20) - 10) }
sub quoted { return JSON::PP->new->allow_nonref->utf8->encode($_[0]) }

use utf8;
my @odd = ('a', 'A b', 'it\'s', '"quoted"', 'back\\slash', 'ünïcode', '客户', '😀 smile', "tab\tnew\nline", "\x{1}control", "\x{7f}", '{"json": [1]}', '%s%n', '$$', '--', 'Ⅷ', "\x{10ffff}", ' ', '\\u0041', 'null', "e\x{301}");
no utf8;
sub some_names {
    my ($count) = @_;
    my %names;
    while (keys %names < $count) {
        my $name = $odd[ rand @odd ];
        $name .= $odd[ rand @odd ] while rand() < 0.3;
        $names{ $name . (rand() < 0.3 ? int rand 100 : '') } = 1;
    }
    return sort keys %names;    # by code point, which is by the bytes of UTF-8
}

sub made_up_model {
    my @inputs;
    my $columns = 0;
    for my $name (some_names(1 + int rand 5)) {
        if (rand() < 0.3) {
            my @levels = some_names(1 + int rand 6);
            my $unseen = (qw(other zero null))[ rand 3 ];
            my $impute = rand() < 0.5 ? 'null' : quoted($unseen eq 'other' && rand() < 0.3 ? 'never seen' : $levels[ rand @levels ]);
            push @inputs, sprintf '{"levels":[%s],"kind":"categorical","name":%s,"impute":%s,"unseen":"%s"}', join(',', map { quoted($_) } @levels), quoted($name), $impute, $unseen;
            $columns += @levels + ($unseen eq 'other');
        } else {
            my ($low, $high) = sort { $a <=> $b } number(), number();
            push @inputs, sprintf '{"name":%s,"kind":"numeric","transform":"%s","clip_low":%s,"clip_high":%s,"impute":%s}', quoted($name), (qw(none log1p asinh))[ rand 3 ],
                rand() < 0.5 ? 'null' : $low, rand() < 0.5 ? 'null' : $high, rand() < 0.5 ? 'null' : number();
            $columns++;
        }
    }
    my $dimensions = rand() < 0.3 ? 1 + int rand $columns : $columns;
    my $rotation = $dimensions < $columns || rand() < 0.2
        ? '{"axes":[' . join(',', map { numbers($columns) } 1 .. $dimensions) . '],"center":' . numbers($columns) . '}' : 'null';
    my $k = 1 + int rand 7;
    my $id = int rand 3;
    my @segments = map { $id += 1 + int rand(rand() < 0.3 ? 1000 : 1); sprintf '{"inertia":%s,"id":%d,"weight":%s,"rows":%d}', positive(), $id, positive(), int rand 1e9 } 1 .. $k;
    my @warnings = map { sprintf '{"message":%s,"code":%s}', map { quoted($_) } some_names(2) } 1 .. int rand 3;
    my %members = (
        format => 1, distance => rand() < 0.8 ? '"euclidean"' : '"cosine"', scaling => '"zscore"', inputs => '[' . join(',', @inputs) . ']',
        offset => numbers($columns), scale => '[' . join(',', map { positive() } 1 .. $columns) . ']', rotation => $rotation,
        centroids => '[' . join(', ', map { numbers($dimensions) } 1 .. $k) . ']', segments => '[' . join(',', @segments) . ']',
        metrics => sprintf('{"inertia":%s,"total_inertia":%s,"mean_distance":%s,"silhouette":%s,"calinski_harabasz":%s,"davies_bouldin":%s}', positive(), positive(), positive(), map { rand() < 0.5 ? 'null' : positive() } 1 .. 3),
        fit => sprintf('{"k":%d,"init":"k-means++","n_init":%d,"max_iter":300,"tol":%s,"quality":"default","on_null":"error","min_size":%d,"trim":%s,"seed":%s,"iterations":%d,"rows":%d,"skipped":%d,"left_out":%d,"weight":%s,"exact":%s}',
            $k, 1 + int rand 10, positive(), int rand 9, '0.' . int rand 99, (qw(-9223372036854775808 9223372036854775807 0 42))[ rand 4 ], int rand 999, int rand 1e9, int rand 9, int rand 9, positive(), (qw(true false))[ rand 2 ]),
        warnings => '[' . join(',', @warnings) . ']',
    );
    return "{\n" . join(",\t", map { "\"$_\" : $members{$_}" } shuffle(sort keys %members)) . ' }';
}
{
    my @texts = map { made_up_model() } 251 .. 1000;
    my $i = 250;
    my $made = $s->query(join ';', map { my $text = sql_literal($_); $i++; "INSERT INTO models VALUES ($i, $text, $text)" } @texts);
    is($made->{state}, '', '750 made-up models are read') or diag substr $made->{err}, 0, 2000;
}
is($s->value('SELECT count(*) FROM models'), 1000, '1,000 models');
is($s->value('SELECT count(*) FROM models WHERE m::text::kmeans_model::text = m::text AND m::text::kmeans_model = m'), 1000, 'text to type to text is byte-identical');
is($s->value('SELECT count(*) FROM models WHERE m::jsonb::kmeans_model::text = m::text'), 1000, 'and so is jsonb and back');
is($s->value(q^SELECT count(*) FROM models WHERE starts_with(m::text, '{"format":1,') AND m::text = regexp_replace(m::text, '[\x01-\x1f\x7f-\U0010ffff]', '', 'g')^), 1000, 'texts start with the format and are ASCII');
is($s->value('SELECT count(*) FROM models WHERE id > 250 AND m::jsonb = source'), 750, 'what was put in is what is there, whatever the order of members');
is($s->value('SELECT count(DISTINCT m) FROM models'), $s->value('SELECT count(DISTINCT m::text) FROM models'), 'DISTINCT agrees with the text');
is($s->value('SELECT count(*) FROM models a JOIN models b ON a.m = b.m'), $s->value('SELECT count(*) FROM models a JOIN models b ON a.m::text = b.m::text'), 'a join agrees with the text');
is($s->value('SET enable_hashjoin = off; SET enable_nestloop = off; SELECT count(*) FROM models a JOIN models b ON a.m = b.m'), $s->value('SELECT count(*) FROM models a JOIN models b ON a.m::text = b.m::text'), 'a merge join too');
is($s->value('SELECT count(*) FROM models WHERE (kmeans_info(m)).segments = (SELECT count(*) FROM kmeans_clusters(m))'), 1000, 'every one can be read');
is($s->query(q{SELECT count(kmeans_assign(m, '{"a": 1}'::jsonb)), count(kmeans_score(m, '{}'::jsonb)) FROM models})->{state}, '', 'and scores');
is($s->query(q{SELECT count(*) FROM models, kmeans_centroids(m)})->{state}, '', 'and tells its centroids');

# ---- COPY ----------------------------------------------------------------------------------------------------------------

$s->value(q{CREATE TABLE sketches AS SELECT g AS id, s FROM generate_series(1, 40) g, LATERAL (SELECT kmeans_sketch(ARRAY[random(), i * g], 2000, i) AS s FROM generate_series(1, g * g) i) x
    UNION ALL SELECT 41, kmeans_sketch(NULL::float8[], 5) UNION ALL SELECT 42, kmeans_sketch(ARRAY[1.0], 5)});
for my $format ('text', 'csv', 'binary') {
    for my $table ('models', 'sketches') {
        my $file = "$directory/$table.$format";
        $s->value("CREATE TABLE copied (LIKE $table)");
        my $copy = $s->query("\\copy $table TO '$file' WITH (FORMAT $format)\n\\copy copied FROM '$file' WITH (FORMAT $format)");
        is($copy->{err}, '', "COPY $table as $format");
        my $column = $table eq 'models' ? 'm' : 's';
        is($s->value("SELECT count(*) FROM copied c JOIN $table t USING (id) WHERE (c.$column = t.$column AND c.$column\::text = t.$column\::text) OR (c.$column IS NULL AND t.$column IS NULL)"),
            $s->value("SELECT count(*) FROM $table"), "COPY $table as $format: all equal");
        $s->value('DROP TABLE copied');
    }
}

# ---- hostile text ----------------------------------------------------------------------------------------------------------

# Reads a value and uses it; the SQLSTATE, or 'ok', or what is wrong with a value that was taken.
$s->value(<<'SQL');
CREATE FUNCTION try_model(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE m kmeans_model; score text;
BEGIN
    m := convert_from(bytes, 'UTF8')::kmeans_model;
    IF m::text::kmeans_model::text <> m::text THEN RETURN 'not canonical'; END IF;
    PERFORM kmeans_assign(m, '{"age": 1, "Region": "it''s"}'::jsonb), kmeans_info(m), kmeans_score(m, '{"age": 1}'::jsonb);
    RETURN 'ok';
EXCEPTION WHEN internal_error THEN RETURN SQLSTATE || ' ' || SQLERRM; WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
CREATE FUNCTION try_sketch(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE s kmeans_sketch;
BEGIN
    s := translate(encode(bytes, 'base64'), E'\n', '')::kmeans_sketch;
    IF kmeans_sketch_send(s) <> bytes THEN RETURN 'changed'; END IF;
    BEGIN
        PERFORM kmeans_fit(s, 2, '{"quality": "fast", "max_iter": 3}');
    EXCEPTION WHEN numeric_value_out_of_range THEN NULL;
    END;
    PERFORM kmeans_merge(x) FROM (VALUES (s), (s)) v(x);
    RETURN 'ok';
EXCEPTION WHEN internal_error THEN RETURN SQLSTATE || ' ' || SQLERRM; WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SQL
my $model_text = $s->value(q{SELECT ('{"format":1,"distance":"euclidean","scaling":"zscore","inputs":[{"name":"age","kind":"numeric","transform":"log1p","clip_low":0,"clip_high":99.5,"impute":30},
    {"name":"Région","kind":"categorical","levels":["a","it''s","ü"],"unseen":"other","impute":"a"}],"offset":[1.5,0,0,0,0],"scale":[2,1,1,1,1],"rotation":{"center":[0,0,0,0,0],"axes":[[1,0,0,0,0],[0,0.6,0.8,0,0]]},
    "centroids":[[1,2],[3.25,4e-7]],"segments":[{"id":0,"rows":10,"weight":10,"inertia":1.5},{"id":7,"rows":5,"weight":5,"inertia":0}],
    "metrics":{"inertia":1.5,"total_inertia":9,"mean_distance":0.3,"silhouette":null,"calinski_harabasz":1e3,"davies_bouldin":0.5},
    "fit":{"k":3,"init":"k-means++","n_init":10,"max_iter":300,"tol":0.0001,"quality":"default","on_null":"error","min_size":0,"trim":0,"seed":-5,"iterations":7,"rows":15,"skipped":0,"left_out":0,"weight":15,"exact":true},
    "warnings":[{"code":"skewed","message":"x"}]}')::kmeans_model});
my $sketch_hex = $s->value(q{SELECT encode(kmeans_sketch_send(kmeans_sketch(ARRAY[g * 0.37, g % 7], 100, g)), 'hex') FROM generate_series(1, 30) g});
my $sketch = pack 'H*', $sketch_hex;
# One with a fit section, as a partial state of kmeans is: flags, 4 + 11 bytes of k and options.
my $options = '{"seed": 5}';
my $with_fit = substr($sketch, 0, 4) . pack('V V V', 3, 2, 4 + length $options) . substr($sketch, 16, 40) . pack('V', 2) . $options . substr($sketch, 56);
is($s->value("SELECT try_model('" . sprintf('\\x%s', unpack 'H*', $model_text) . "')"), 'ok', 'the model to be damaged is sound');
is($s->value("SELECT try_sketch('\\x$sketch_hex')"), 'ok', 'the sketch to be damaged is sound');
is($s->value("SELECT try_sketch('\\x" . unpack('H*', $with_fit) . "')"), 'ok', 'and so is the one with a fit section');

my %allowed = (
    try_model => { map { $_ => 1 } qw(ok 22P02 22021 54000) },
    try_sketch => { map { $_ => 1 } qw(ok 22P02 0A000 54000 22023 22000) },
);

# Runs many inputs through one of the functions, and judges what they gave.
sub try_all {
    my ($name, $function, $inputs) = @_;
    my $file = "$directory/inputs";
    open my $out, '>:raw', $file or die;
    print $out '\\\\x', unpack('H*', $_), "\n" for @$inputs;
    close $out;
    my $answer = $s->query("CREATE TEMP TABLE inputs (id serial, bytes bytea);\n\\copy inputs (bytes) FROM '$file'\nSELECT $function(bytes) AS outcome, count(*), min(id) FROM inputs GROUP BY 1 ORDER BY 1; DROP TABLE inputs", 120);
    is($answer->{state}, '', "$name: the session lives");
    my %outcomes = map { my @fields = split /\|/; ($fields[0] => \@fields) } split /\n/, $answer->{out};
    my @bad = map { "$_ (input $outcomes{$_}[2])" } grep { !$allowed{$function}{$_} } sort keys %outcomes;
    is("@bad", '', "$name: errors or valid values");
    my $count = 0;
    $count += $_->[1] for values %outcomes;
    is($count, scalar @$inputs, "$name: " . join ', ', map { "$_ $outcomes{$_}[1]" } sort keys %outcomes);
    return \%outcomes;
}
sub flipped {
    my ($bytes) = @_;
    for (1 .. 1 + int rand 3) {
        my $at = int rand length $bytes;
        substr($bytes, $at, 1) = chr(rand() < 0.5 ? int rand 256 : ord(substr $bytes, $at, 1) ^ (1 << int rand 8));
    }
    return $bytes;
}
my @cuts = map { substr $model_text, 0, $_ } 0 .. length($model_text) - 1;
is(try_all('truncated model', 'try_model', \@cuts)->{ok}, undef, 'truncated model: none is taken');
try_all('damaged model', 'try_model', [ map { flipped($model_text) } 1 .. 2000 ]);
is(try_all('truncated sketch', 'try_sketch', [ map { substr $sketch, 0, $_ } 0 .. length($sketch) - 1 ])->{ok}, undef, 'truncated sketch: none is taken');
is(try_all('truncated sketch with fit', 'try_sketch', [ map { substr $with_fit, 0, $_ } 0 .. length($with_fit) - 1 ])->{ok}, undef, 'truncated sketch with fit: none is taken');
try_all('damaged sketch', 'try_sketch', [ map { flipped(rand() < 0.5 ? $sketch : $with_fit) } 1 .. 1000 ]);
try_all('damaged head of a sketch', 'try_sketch', [ map { my $x = rand() < 0.5 ? $sketch : $with_fit; flipped(substr $x, 0, 75) . substr $x, 75 } 1 .. 1000 ]);

# Counts that are far too large, in every field of the header.
my @huge;
for my $at (4, 8, 12) {
    push @huge, map { my $x = $_->[0]; substr($x, $at, 4) = pack 'V', $_->[1]; $x } map { my $x = $_; map { [$x, $_] } 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x3fffffff } $sketch, $with_fit;
}
for my $at (16, 24, 32, 40, 48) {
    push @huge, map { my $x = $_->[0]; substr($x, $at, 8) = $_->[1]; $x } map { my $x = $_; map { [$x, pack 'V V', @$_] } [0, 0], [0xffffffff, 0xffffffff], [0, 0x80000000], [0xffffffff, 0x7fffffff], [0, 0x10000000], [1, 0x15555555], [31, 0], [29, 0] } $sketch, $with_fit;
}
try_all('huge counts in a sketch', 'try_sketch', \@huge);
my @fields = $model_text =~ /"(\w+)":-?[\d.]+(?:e-?\d+)?/g;
try_all('huge counts in a model', 'try_model', [ map { my $field = $_; map { my $x = $model_text; $x =~ s/"$field":-?[\d.]+(?:e-?\d+)?/"$field":$_/; $x } qw(1e308 -1e308 1e309 18446744073709551615 99999999999999999999 -9223372036854775809 2147483648 -1 1e-400 00 -0 .5 1. 0x1 NaN null) } @fields ]);
is($s->value("SELECT try_model(convert_to(repeat('[', 100000), 'UTF8')), try_model(convert_to(repeat('{\"a\":', 100000), 'UTF8')), try_model(convert_to(repeat('[', 100000) || repeat(']', 100000), 'UTF8'))"),
    '22P02|22P02|22P02', 'JSON of 100,000 levels');
is($s->value("SELECT try_model(convert_to('{' || string_agg('\"k' || i || '\":0', ',') || '}', 'UTF8')) FROM generate_series(1, 200000) i"), '22P02', 'an object of 200,000 members');

# ---- hostile binary COPY ---------------------------------------------------------------------------------------------------

sub copy_file {
    my ($value, $length) = @_;
    return "PGCOPY\n\377\r\n\0" . pack('N N', 0, 0) . pack('n N', 1, $length // length $value) . $value . pack('n', 0xffff);
}
for my $case (['kmeans_model', "\1$model_text"], ['kmeans_sketch', $with_fit]) {
    my ($type, $value) = @$case;
    $s->value("CREATE TABLE taken (v $type)");
    my @inputs = (
        (map { substr $value, 0, int($_ * length($value) / 200) } 0 .. 199),
        (map { flipped($value) } 1 .. 2000),
        "$value\0", "\0$value", "\2" . substr($value, 1), '', $value x 2,
    );
    my $script = '';
    for my $i (0 .. $#inputs) {
        open my $out, '>:raw', "$directory/$i" or die;
        print $out copy_file($inputs[$i]);
        close $out;
        $script .= "\\copy taken FROM '$directory/$i' WITH (FORMAT binary)\n";
    }
    open my $out, '>:raw', "$directory/sound" or die;
    print $out copy_file($value);
    close $out;
    is($s->query("\\copy taken FROM '$directory/sound' WITH (FORMAT binary)")->{err}, '', "binary $type: the sound value is taken");
    my $answer = $s->query($script, 300);
    ok($answer->{alive}, "binary $type: the session lives");
    my %states;
    $states{$_}++ for $answer->{err} =~ /ERROR:\s+(\w{5}):/g;
    my %binary = map { $_ => 1 } qw(22P03 0A000 54000 22023 22000 08P01 22021);
    is(join(' ', grep { !$binary{$_} } sort keys %states), '', "binary $type: only errors of input");
    my $errors = 0;
    $errors += $_ for values %states;
    my $taken = $s->value('SELECT count(*) FROM taken') - 1;
    is($errors + $taken, scalar @inputs, "binary $type: $taken valid values; errors: " . join ', ', map { "$_ $states{$_}" } sort keys %states);
    is($s->value("SELECT count(*) FROM taken WHERE v::text::$type\::text IS DISTINCT FROM v::text"), 0, "binary $type: what was taken is canonical");
    $s->value('DROP TABLE taken');
}
for my $case (['kmeans_model', 0x7fffffff], ['kmeans_sketch', 0x7fffffff], ['kmeans_sketch', 1 << 20]) {
    my ($type, $length) = @$case;
    open my $out, '>:raw', "$directory/length" or die;
    print $out copy_file($sketch, $length);
    close $out;
    $s->value("CREATE TABLE taken (v $type)");
    isnt($s->query("\\copy taken FROM '$directory/length' WITH (FORMAT binary)")->{state}, '', "binary $type: a length of $length is an error");
    $s->value('DROP TABLE taken');
}

# ---- large values ------------------------------------------------------------------------------------------------------------

# A text at the limit whose canonical form is longer: what is taken must come back from its own text.
my $large = $s->query(q{CREATE TABLE large AS SELECT jsonb_set(m::jsonb, '{warnings}', jsonb_build_array(jsonb_build_object('code', 'x', 'message', repeat('ü', 15000000))))::kmeans_model AS m FROM models WHERE id = 1});
my $again = $large->{state} eq '' ? $s->query('SELECT m::text::kmeans_model::text = m::text FROM large') : undef;
ok(defined $again ? $again->{out} eq 't' : $large->{state} eq '54000', 'a model with 30 MB of text beyond ASCII (90 MB when escaped) is refused, or comes back from its own text')
    or diag defined $again ? "taken; then $again->{state} $again->{message}" : "$large->{state} $large->{message}";
my $base64 = $s->query(q{SELECT octet_length(repeat('A', 720000000)::kmeans_sketch::text)});
ok($base64->{state} =~ /^(?:22P02|54000)$/, 'base64 of 720 MB that is no sketch is an error of input') or diag "$base64->{state} $base64->{message}";

is($s->value('SELECT pg_backend_pid()'), $pid, 'one session went through all of this');
is(server_start_time(), $started, 'and one server');

done_testing();
