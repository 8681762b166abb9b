# pg_dump and restore keep models, sketches, and what is computed from them.
use strict;
use warnings;
use File::Temp;
use Session;
use Test::More;

my $db = create_database('dump');
my $s = session($db);
my $directory = File::Temp->newdir;

sample_table($s, 'c', 5000, 3);
$s->value(q{CREATE TABLE models (name text PRIMARY KEY, model kmeans_model, sketch kmeans_sketch)});
$s->value(q{SET client_min_messages = warning;
    INSERT INTO models SELECT region, kmeans(ARRAY[age, income], 4, '{"scale": "zscore", "features": ["age", "the \"income\""]}'), kmeans_sketch(ARRAY[age, income], 10000) FROM c GROUP BY region;
    INSERT INTO models SELECT 'all', kmeans(x, 60), kmeans_sketch(x, 10000, age) FROM c;
    INSERT INTO models VALUES ('none', NULL, NULL)});
my $model = sql_literal($s->value(q{SELECT kmeans(ARRAY[age, income], 3, '{"scale": "robust"}')::text FROM c})) . '::kmeans_model';
$s->value("CREATE TABLE scored (id int PRIMARY KEY, age float8, income float8,
    segment int GENERATED ALWAYS AS (kmeans_assign($model, ARRAY[age, income])) STORED,
    distance float8 GENERATED ALWAYS AS (kmeans_distance($model, ARRAY[age, income])) STORED)");
$s->value('INSERT INTO scored (id, age, income) SELECT id, age, income FROM c');
$s->value("CREATE INDEX scored_by_distance ON scored (kmeans_distance($model, ARRAY[age, income]))");
$s->value('CREATE INDEX models_by_model ON models USING hash (model)');
$s->value("CREATE TABLE parts (id int, age float8, income float8) PARTITION BY LIST (kmeans_assign($model, ARRAY[age, income]))");
$s->value("CREATE TABLE parts_$_ PARTITION OF parts FOR VALUES IN ($_)") for 0 .. 2;
$s->value('CREATE TABLE parts_other PARTITION OF parts DEFAULT');
$s->value('INSERT INTO parts SELECT id, age, income FROM c; INSERT INTO parts VALUES (0, NULL, 1)');
$s->value("CREATE VIEW v AS SELECT id, kmeans_assign($model, ARRAY[age, income]) AS segment FROM c");
$s->value("CREATE TABLE checked (age float8, income float8, CHECK (kmeans_assign($model, ARRAY[age, income]) >= 0)); INSERT INTO checked VALUES (30, 50)");

my @questions = (
    ['models and sketches as text', q{SELECT name, model::text, sketch::text FROM models ORDER BY name}],
    ['generated columns', 'SELECT id, segment, distance FROM scored ORDER BY id'],
    ['partitions', 'SELECT tableoid::regclass, id, age, income FROM parts ORDER BY 1, 2'],
    ['a view', 'SELECT * FROM v ORDER BY id'],
    ['training from a sketch', q{SET client_min_messages = warning; SELECT name, kmeans_fit(sketch, 3)::text FROM models ORDER BY name}],
    ['definitions', q{SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid IN ('scored'::regclass, 'models'::regclass)
        UNION ALL SELECT pg_get_partkeydef('parts'::regclass) UNION ALL SELECT pg_get_viewdef('v'::regclass) ORDER BY 1}],
);
my %before = map { $_->[0] => $s->value($_->[1]) } @questions;
is($s->value('SELECT count(DISTINCT segment) FROM scored'), 3, 'the generated column has all segments');
cmp_ok($s->value('SELECT count(DISTINCT tableoid) FROM parts'), '==', 4, 'the rows lie in all partitions');
is($s->value(q{SELECT count(*) FROM models WHERE pg_column_size(model) > 2000}), 1, 'one model is large');
my $pruned = $s->value("EXPLAIN (COSTS OFF) SELECT * FROM parts WHERE kmeans_assign($model, ARRAY[age, income]) = 1");
like($pruned, qr/parts_1/, 'partition pruning by segment: the right one');
unlike($pruned, qr/parts_(?:0|2|other)/, 'partition pruning by segment: no other');
like($s->value("SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT id FROM scored WHERE kmeans_distance($model, ARRAY[age, income]) > 5"), qr/scored_by_distance/, 'the expression index is used');

for my $format ('plain', 'custom') {
    my $file = "$directory/$format";
    is(system("pg_dump -F$format -f $file -d $db 2> $directory/messages"), 0, "$format: dumped");
    my $copy = create_database("dump_$format", extension => 0);
    my $restore = $format eq 'plain' ? "psql -Xq -v ON_ERROR_STOP=1 -d $copy -f $file" : "pg_restore --exit-on-error -d $copy $file";
    is(system("$restore > $directory/messages 2>&1"), 0, "$format: restored") or diag do { local (@ARGV, $/) = "$directory/messages"; <> };
    my $r = session($copy);
    is($r->value($_->[1]), $before{ $_->[0] }, "$format: $_->[0]") for @questions;
    is($r->value("SELECT count(*) FROM scored WHERE segment IS DISTINCT FROM kmeans_assign($model, ARRAY[age, income]) OR distance IS DISTINCT FROM kmeans_distance($model, ARRAY[age, income])"), 0, "$format: generated columns say what is computed now");
    $r->value('INSERT INTO scored (id, age, income) VALUES (0, 30, 40)');
    is($r->value('SELECT segment FROM scored WHERE id = 0'), $r->value("SELECT kmeans_assign($model, ARRAY[30, 40])"), "$format: and go on computing");
    is($r->value("SET enable_seqscan = off; SELECT count(*) FROM scored WHERE kmeans_distance($model, ARRAY[age, income]) > 0.5"), $s->value('SELECT count(*) FROM scored WHERE distance > 0.5') + $r->value('SELECT count(*) FROM scored WHERE id = 0 AND distance > 0.5'), "$format: the index finds the rows");
    is($r->query('UPDATE parts SET age = NULL WHERE id = 1')->{state}, '', "$format: a row may move to another partition");
    # A dump of the copy is the dump of the original: nothing drifts.
    system("pg_dump -Fplain -f $directory/again -d $copy -t models 2>> $directory/messages");
    system("pg_dump -Fplain -f $directory/first -d $db -t models 2>> $directory/messages");
    is(system("grep -v -e restrict -e '^--' $directory/again | sort > $directory/a; grep -v -e restrict -e '^--' $directory/first | sort > $directory/b; cmp -s $directory/a $directory/b"), 0, "$format: dumped again, the same text");
}

done_testing();
