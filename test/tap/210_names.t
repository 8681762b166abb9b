# Scoring by a model's name: the same as by its value in every form, and always the version that is active in the statement's snapshot.
use strict;
use warnings;
use Test::More;
use Session;

my $database = create_database('names');
my $s = session($database, settings => '-c client_min_messages=warning');
$s->value(<<'SQL');
CREATE TABLE customers AS SELECT customer_id, age, income, card_debt, region, defaulted FROM segmentation.sample_customers(3000);
UPDATE customers SET income = NULL WHERE customer_id % 50 = 0;
UPDATE customers SET region = NULL WHERE customer_id % 70 = 0;
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
CREATE VIEW complete AS SELECT * FROM customers WHERE income IS NOT NULL AND region IS NOT NULL;
SQL

# Every kind of model: what it is trained with.
my %kinds = (
    plain => q{ARRAY['age', 'income'], 3, options => '{"scale": "none"}'}, zscore => q{ARRAY['age', 'income'], 4}, minmax => q{ARRAY['age', 'income'], 3, options => '{"scale": "minmax"}'},
    robust => q{ARRAY['age', 'income'], 3, options => '{"scale": "robust"}'}, cosine => q{ARRAY['age', 'income'], 3, options => '{"distance": "cosine"}'},
    transformed => q{ARRAY['income', 'card_debt', 'age'], 5, prepare => '{"income": {"transform": "log1p"}, "card_debt": {"transform": "asinh"}, "age": {"transform": "winsor"}}'},
    imputed => q{ARRAY['income', 'age'], 4, prepare => '{"income": {"impute": "median"}}'}, mixed => q{ARRAY['income', 'region'], 4, prepare => '{"region": {"encode": "onehot"}}'},
    mixed_imputed => q{ARRAY['region', 'income', 'defaulted'], 6, prepare => '{"region": {"encode": "onehot", "impute": "mode"}, "income": {"impute": "mean", "transform": "log1p"}, "defaulted": {"encode": "onehot", "impute": "other"}}'},
    outliers => q{ARRAY['income', 'age'], 3, options => '{"outliers": {"method": "zscore"}}'}, one => q{ARRAY['age'], 1},
);
for my $kind (sort keys %kinds) {
    my $source = $kind =~ /imputed/ ? 'customers' : 'complete';
    $s->value("SELECT segmentation.train('$kind', '$source', $kinds{$kind})");
    my $value = $s->value("SELECT quote_literal(segmentation.model('$kind')::text)") . '::kmeans_model';
    my $inputs = $s->value("SELECT string_agg(quote_ident(i), ', ') FROM unnest((kmeans_info($value)).features) AS i");
    my $categorical = $s->value("SELECT ($value)::jsonb::text LIKE '%categorical%'") eq 't';
    # A score as text: what kmeans_assign, kmeans_distance, kmeans_score, kmeans_ranked and kmeans_explain say of the row.
    my $score = sub { my ($model, $row) = @_; "concat(kmeans_assign($model, $row), ' ', kmeans_distance($model, $row), ' ', kmeans_score($model, $row), ' ', (SELECT array_agg(r) FROM kmeans_ranked($model, $row, 3) AS r), ' ', (SELECT array_agg(e) FROM kmeans_explain($model, $row) AS e))" };
    my @forms = map { my $row = $_; map { $score->($_, $row) } "'$kind'", "(SELECT segmentation.model('$kind'))", "(SELECT segmentation.model('$kind', 1))", $value } 'c', 'to_jsonb(c)', ($categorical ? () : "ARRAY[$inputs]");
    my $same = join ' AND ', map { "$forms[0] = $_" } @forms[1 .. $#forms];
    is($s->value("SELECT count(*), count(*) FILTER (WHERE NOT ($same)) FROM customers AS c"), '3000|0', "$kind: " . @forms . ' forms give the same scores');
    is($s->value("SELECT count(kmeans_assign('$kind', c)) > 2800 FROM customers AS c"), 't', "$kind: which are not NULL");
}

# Reading a model by its name.
is($s->value(qq{SELECT $_('zscore')::text = $_(segmentation.model('zscore'))::text}), 't', "$_ by name") for 'kmeans_info';
is($s->value(qq{SELECT count(*) FROM (SELECT * FROM $_('zscore') EXCEPT ALL SELECT * FROM $_((SELECT segmentation.model('zscore')))) AS d}), 0, "$_ by name") for 'kmeans_clusters', 'kmeans_centroids';
is($s->value(q{SELECT count(*) FROM kmeans_centroids('zscore')}), 8, 'a row per segment and feature');
is($s->query(q{SELECT * FROM kmeans_info('nobody')})->{state}, '42704', 'no such model');
my $none = $s->query(q{SELECT kmeans_evaluate('zscore', ARRAY[1.0, 2])});
is("$none->{state} $none->{hint}", q{22P02 A registered model is (SELECT segmentation.model('name')).}, 'where it takes a value, the error says how to get it');

# Errors
is($s->query(q{SELECT kmeans_assign('nobody', ARRAY[1])})->{state}, '42704', 'no such model');
is($s->query(q{SELECT kmeans_assign('', ARRAY[1])})->{state}, '42704', 'an empty name');
is($s->query(q{SELECT kmeans_assign(repeat('x', 1000), ARRAY[1])})->{state}, '42704', 'a long name');
like($s->query(q{SELECT kmeans_assign('{"format":1}', ARRAY[1])})->{hint}, qr/::kmeans_model/, 'a literal that starts with {');
is($s->value(q{SELECT kmeans_assign(NULL::text, ARRAY[1]) IS NULL}), 't', 'a NULL name');
is($s->query(q{SELECT kmeans_assign('mixed', ARRAY[1, 2])})->{state}, '22023', 'an array for categories');
is($s->query(q{SELECT segmentation.model('plain', 2)})->{state}, '42704', 'no such version');

# Two versions that give other answers: ids of the second begin where those of the first end.
$s->value(q{SELECT segmentation.train('turn', 'complete', ARRAY['age'], 2, gate => '{"max_moved": 1, "max_explained_drop": 1, "max_inertia": 100}')});
$s->value(q{SELECT segmentation.train('turn', 'complete', ARRAY['card_debt', 'age'], 2, activate => true)});
is($s->value(q{SELECT reasons FROM segmentation.model_versions WHERE model = 'turn' AND version = 2}), 'it has other features than version 1, or in another order, so the two cannot be compared', 'other features are a person\'s decision');
$s->value(q{SELECT segmentation.activate('turn', 2)});
is($s->value(q{SELECT string_agg(segment::text, ',' ORDER BY version, segment) FROM segmentation.segments WHERE model = 'turn'}), '0,1,2,3', 'other features give other ids');
my $version = sub { "(kmeans_assign('turn', '{\"age\": 30, \"card_debt\": 1}'::jsonb) / 2 + 1)" };    # the version that has scored
is($s->value('SELECT ' . $version->()), 2, 'the version trained last is active');

# PL/pgSQL keeps a call site over statements, and with it what the function has kept there.
$s->value(<<"SQL");
CREATE FUNCTION versions_in_a_loop(turns int) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE said text := ''; seen int;
BEGIN
    FOR i IN 1..turns LOOP
        PERFORM segmentation.activate('turn', i % 2 + 1);
        seen := ${\ $version->()};
        said := said || seen;
        SELECT ${\ $version->()} INTO seen;
        said := said || seen;
    END LOOP;
    RETURN said;
END \$\$;
CREATE FUNCTION version_seen() RETURNS int LANGUAGE plpgsql AS \$\$ BEGIN RETURN ${\ $version->()}; END \$\$;
CREATE FUNCTION version_seen_stable() RETURNS int LANGUAGE plpgsql STABLE AS \$\$ BEGIN RETURN ${\ $version->()}; END \$\$;
CREATE FUNCTION version_sql() RETURNS int LANGUAGE sql AS \$\$ SELECT ${\ $version->()} \$\$;
CREATE FUNCTION undone() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE said text := '';
BEGIN
    FOR i IN 1..3 LOOP
        BEGIN
            PERFORM segmentation.activate('turn', 1);
            said := said || version_seen();
            RAISE EXCEPTION 'back';
        EXCEPTION WHEN raise_exception THEN
            said := said || version_seen();
        END;
    END LOOP;
    RETURN said;
END \$\$;
SQL
is($s->value('SELECT versions_in_a_loop(4)'), '22112211', 'a loop sees each activation at once');
$s->value("SELECT segmentation.activate('turn', 2)");
is($s->value('SELECT undone()'), '121212', 'and that it was undone');
# Undone by a savepoint, when another transaction has ended in between: no other mark of the snapshot tells.
my $busy = session($database);
$s->value(q{CREATE FUNCTION asked(m text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN kmeans_assign(m, '{"age": 30, "card_debt": 1}'::jsonb) / 2 + 1; END $$});
$s->value("BEGIN; SELECT txid_current(); SAVEPOINT a; SELECT segmentation.activate('turn', 1)");
$busy->value('SELECT txid_current()');
is($s->value(q{SELECT asked('turn')}), 1, 'a savepoint');
$s->value('ROLLBACK TO a');
is($s->value(q{SELECT asked('turn')}), 2, 'and back');
$s->value('COMMIT');
$busy->finish;
is($s->value("SELECT ${\ $version->()}"), 2, 'outside, too');

# Prepared statements, and other sessions.
my $other = session($database);
$s->value("PREPARE seen AS SELECT ${\ $version->()}, version_seen(), version_seen_stable(), version_sql()");
$s->value('EXECUTE seen') for 1 .. 6;    # a generic plan
is($s->value('EXECUTE seen'), '2|2|2|2', 'a prepared statement');
$other->value("SELECT segmentation.activate('turn', 1)");
is($s->value('EXECUTE seen'), '1|1|1|1', 'sees what another session has activated');
$other->value("SELECT segmentation.activate('turn', 2)");
is($s->value('EXECUTE seen'), '2|2|2|2', 'again');
$other->value("BEGIN; SELECT segmentation.activate('turn', 1)");
is($s->value('EXECUTE seen'), '2|2|2|2', 'but not before that has committed');
is($other->value("SELECT ${\ $version->()}"), 1, 'which sees it itself');
$other->value('ROLLBACK');
$s->value('BEGIN ISOLATION LEVEL REPEATABLE READ');
$s->value('EXECUTE seen');
$other->value("SELECT segmentation.activate('turn', 1)");
is($s->value('EXECUTE seen'), '2|2|2|2', 'a snapshot of the transaction stays');
$s->value('COMMIT');
is($s->value('EXECUTE seen'), '1|1|1|1', 'as long as that does');

# A cursor keeps its snapshot, whatever is activated between its rows.
$s->value("BEGIN; DECLARE c CURSOR FOR SELECT ${\ $version->()} FROM generate_series(1, 4)");
$s->value('FETCH 1 FROM c');
$s->value("SELECT segmentation.activate('turn', 2)");
is($s->value('FETCH 2 FROM c'), "1\n1", 'rows of a cursor are of one version');
$s->value('COMMIT');

# Parallel workers
$s->value('CREATE TABLE many AS SELECT g % 60 + 18 AS age, 1.0::float8 AS card_debt FROM generate_series(1, 200000) AS g; ANALYZE many');
$s->value('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2');
my $parallel = "SELECT string_agg(DISTINCT (kmeans_assign('turn', m) / 2 + 1)::text, ',') FROM many AS m WHERE kmeans_assign('turn', m) >= 0";
like($s->value("EXPLAIN $parallel"), qr/Parallel Seq Scan/, 'a parallel plan');
for my $active (1, 2, 1) {
    $s->value("SELECT segmentation.activate('turn', $active)");
    is($s->value($parallel), $active, "workers score with version $active");
}
$s->value("BEGIN; SELECT segmentation.activate('turn', 2)");
is($s->value($parallel), 2, 'with one that is not committed yet');
$s->value('ROLLBACK');
is($s->value($parallel), 1, 'or was undone');

# Many names at one call site.
$s->value(q{SELECT segmentation.register('n' || i, ('{"format":1,"distance":"euclidean","scaling":"none","inputs":[{"name":"x","kind":"numeric","transform":"none","clip_low":null,"clip_high":null,"impute":null}],"offset":[0],"scale":[1],"rotation":null,
    "centroids":[[0]],"segments":[{"id":' || i || ',"rows":1,"weight":1,"inertia":0}],"metrics":{"inertia":0,"total_inertia":0,"mean_distance":0,"silhouette":null,"calinski_harabasz":null,"davies_bouldin":null},
    "fit":{"k":1,"init":"x","n_init":1,"max_iter":1,"tol":0,"quality":"x","on_null":"x","min_size":0,"trim":0,"seed":0,"iterations":1,"rows":1,"skipped":0,"left_out":0,"weight":1,"exact":true},"warnings":[]}')::kmeans_model) FROM generate_series(1, 100) AS i});
is($s->value(q{SELECT count(*), count(*) FILTER (WHERE kmeans_assign('n' || i, ARRAY[1]) <> i) FROM (SELECT i FROM generate_series(1, 100) AS i, generate_series(1, 20) AS j ORDER BY j, i OFFSET 0) AS t}), '2000|0', '100 names in turn');
is($s->value(q{SELECT count(*), count(*) FILTER (WHERE kmeans_assign('n' || i, ARRAY[1]) <> i) FROM (SELECT i FROM generate_series(1, 100) AS i, generate_series(1, 20) AS j ORDER BY md5(i::text || j) OFFSET 0) AS t}), '2000|0', '100 names at random');

# A model that is dropped and made anew.
$s->value(q{PREPARE n1 AS SELECT kmeans_assign('n1', ARRAY[1])});
is($s->value('EXECUTE n1'), 1, 'a prepared statement');
$s->value(q{SELECT segmentation.drop_model('n1')});
is($s->query('EXECUTE n1')->{state}, '42704', 'of a model that was dropped');
$s->value(q{SELECT segmentation.register('n1', segmentation.model('n2'))});
is($s->value('EXECUTE n1'), 2, 'and made anew');

# Others: a view of somebody else scores with the rights of whoever the server says; SET ROLE within a transaction counts.
psql('postgres', 'DROP ROLE IF EXISTS tap_reader; CREATE ROLE tap_reader');
$s->value(q{BEGIN; SET ROLE tap_reader});
is($s->query('EXECUTE n1')->{state}, '42704', 'another role sees nothing');
$s->value('ROLLBACK');
$s->value(q{SELECT segmentation.grant_model('n1', 'tap_reader', 'use')});
$s->value('SET ROLE tap_reader');
is($s->value('EXECUTE n1'), 2, 'unless it was granted');
$s->value('RESET ROLE');
$s->value(q{SELECT segmentation.revoke_model('n1', 'tap_reader', 'use')});
$s->value('SET ROLE tap_reader');
is($s->query('EXECUTE n1')->{state}, '42704', 'and not taken back');
$s->value('RESET ROLE');

$_->finish for $s, $other;
drop_databases();
psql('postgres', 'DROP ROLE tap_reader');
done_testing();
