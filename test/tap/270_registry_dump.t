# Dump and restore keep models, labels, history, audit trail, rights and schedules; a restored database can retrain. A hot standby scores and
# reads every view.
use strict;
use warnings;
use Test::More;
use File::Temp;
use Session;

my $database = create_database('registry');
my $s = session($database, settings => '-c client_min_messages=error');
my $bin = '/usr/lib/postgresql/' . int($s->value('SHOW server_version_num') / 10000) . '/bin';
psql('postgres', 'DROP ROLE IF EXISTS tap_use; CREATE ROLE tap_use');
my $odd = q{Kräm"er; '--};
(my $literal = $odd) =~ s/'/''/g;
$s->value(<<"SQL");
CREATE TABLE customers AS SELECT * FROM segmentation.sample_customers(3000);
ALTER TABLE customers ADD PRIMARY KEY (customer_id), ADD segment int;
SELECT segmentation.train('cards', 'customers', ARRAY['age', 'income', 'region'], 4, prepare => '{"region": {"encode": "onehot"}, "income": {"transform": "log1p", "impute": "median"}}', profile => ARRAY['education', 'region'], outcome => 'defaulted');
INSERT INTO segmentation.recommendation_rule (model, conditions, product, priority) VALUES ('cards', '{"levels": {"age": ["low", "typical"]}}', 'a "card"', 2), ('cards', '{}', 'a loan; --', 1);
DELETE FROM segmentation.recommendation_rule WHERE product = 'a loan; --';
SELECT segmentation.train('$literal', 'customers', ARRAY['age', 'income'], 3);
INSERT INTO segmentation.recommendation_rule (model, product) VALUES ('$literal', 'a loan');
SELECT segmentation.label_segment('cards', 1, 'Späte "Sparer"', 'they save');
SELECT segmentation.retrain_once('cards', 5), segmentation.retrain_once('$literal', 6);
SELECT segmentation.rollback('$literal', 1, 'complaints', true);
SELECT segmentation.grant_model('cards', 'tap_use', 'use');
SELECT segmentation.drop_model(m) FROM (SELECT model AS m FROM (SELECT segmentation.register('gone', segmentation.model('cards')), 'gone' AS model) AS r) AS t;
SELECT segmentation.attach('cards', 'customers', 'segment');
SELECT segmentation.create_views('cards', 'public');
INSERT INTO segmentation.registry_schedule (model, cron_expression, command, job_name, job_database, scheduled_by) VALUES ('cards', '0 3 * * 0', 'CALL x', 'segmentation: cards', 'x', current_user);
SQL
my @views = split /\n/, $s->value(q{SELECT viewname FROM pg_views WHERE schemaname = 'segmentation' AND viewname NOT LIKE 'registry%' ORDER BY 1});
my $all = sub {
    my ($session) = @_;
    my %seen = map { $_ => $session->value("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"), '') FROM segmentation.$_ AS t") } @views;
    $seen{scores} = $session->value("SELECT md5(string_agg(concat(kmeans_score('cards', c), kmeans_score('$literal', c), (SELECT array_agg(e) FROM kmeans_explain('cards', c) AS e)), ',' ORDER BY customer_id)) FROM customers AS c");
    $seen{own_views} = $session->value('SELECT md5(string_agg(a::text, $$,$$ ORDER BY customer_id)) FROM cards_assignments AS a');
    return \%seen;
};
my $before = $all->($s);
cmp_ok(length $before->{$_}, '>', 20, "$_: there is something in it") for @views;

SKIP: {
    skip 'pg_dump is not there', 20 if !-x "$bin/pg_dump";
    for my $format ('plain', 'custom') {
        my $file = File::Temp->new;
        is(system("$bin/pg_dump", '-F', $format, '-f', $file->filename, $database), 0, "$format: dumped");
        my $restored = create_database("restored_$format", extension => 0);
        my $status = $format eq 'plain' ? system("$bin/psql -Xq -v ON_ERROR_STOP=1 -d $restored -f " . $file->filename . ' >/dev/null') : system("$bin/pg_restore", '--exit-on-error', '-d', $restored, $file->filename);
        is($status, 0, "$format: restored without an error");
        my $r = session($restored, settings => '-c client_min_messages=error');
        my $after = $all->($r);
        is($after->{$_}, $before->{$_}, "$format: $_") for sort keys %$before;
        $r->value("SELECT segmentation.label_segment('cards', 2, 'new')");
        is($r->value("SELECT count(*) FROM segmentation.audit WHERE action = 'label' AND detail = 'segment 2: new'"), 1, "$format: the audit trail goes on");
        is($r->value("INSERT INTO segmentation.recommendation_rule (model, product) VALUES ('cards', 'x') RETURNING id"), 4, "$format: rules are numbered on");
        is($r->query("CALL segmentation.retrain('cards')")->{state}, '', "$format: a retraining works there");
        is($r->value("SELECT active_version FROM segmentation.models WHERE model = 'cards'"), 3, "$format: and takes over");
        is($r->value("SELECT decision FROM segmentation.retrain_once('$literal', 1)"), 'candidate: the model is on hold (complaints)', "$format: a hold holds");
        $r->value('INSERT INTO customers (customer_id, age, income, region) VALUES (9999, 30, 40, $$north$$)');
        is($r->value("SELECT segment = kmeans_assign('cards', c) FROM customers AS c WHERE customer_id = 9999"), 't', "$format: what was attached stays so");
        is($r->query('SET ROLE tap_use; SELECT kmeans_assign($$cards$$, c) FROM (SELECT 30 AS age, 40 AS income, $$north$$ AS region) AS c')->{state}, '', "$format: and what was granted");
        $r->finish;
        psql('postgres', "DROP DATABASE $restored WITH (FORCE)");
    }
}

# Export and import into another database
my $other = create_database('importing');
my $o = session($other, settings => '-c client_min_messages=error');
my $exported = $s->value("SELECT quote_literal(segmentation.export_model('cards')::text)");
is($o->value("SELECT segmentation.import_model($exported\::jsonb)"), 1, 'import into another database');
my $rows = $s->value(q{SELECT quote_literal(jsonb_agg(to_jsonb(c) ORDER BY customer_id)::text) FROM (SELECT * FROM customers LIMIT 500) AS c});
my $scores = "SELECT md5(string_agg(kmeans_score('cards', r)::text, ',')) FROM jsonb_array_elements($rows\::jsonb) AS r";
is($o->value($scores), $s->value($scores), 'the same scores');
is($o->value(q{SELECT segment_label || description FROM segmentation.segments WHERE segment = 1}), 'Späte "Sparer"they save', 'and labels');
for my $view ('segment_profile', 'segment_risk', 'segment_trend', 'feature_importance') {
    my $rows = "SELECT md5(string_agg((to_jsonb(v) - ARRAY['version', 'as_of'])::text, ',' ORDER BY to_jsonb(v)::text)), count(*) > 5 OR '$view' = 'segment_risk' FROM segmentation.$view AS v WHERE model = 'cards' AND is_active";
    is($o->value($rows), $s->value($rows), "and $view");
}
is($o->query(q{CALL segmentation.retrain('cards')})->{state}, '42P01', 'without the source it cannot be retrained');
is($o->value(q{SELECT count(*) FROM segmentation.model_versions WHERE is_active}), 1, 'and nothing is lost');
$o->value('CREATE TABLE customers AS SELECT * FROM segmentation.sample_customers(3000, 9)');
is($o->query(q{CALL segmentation.retrain('cards')})->{state}, '', 'with one it can');
is($o->value(q{SELECT active_version FROM segmentation.models}), 2, 'and the segments go on') or diag $o->value('SELECT reasons FROM segmentation.model_versions ORDER BY version DESC LIMIT 1');
$o->finish;

# A hot standby, as the server's own user.
SKIP: {
    my $data = $s->value('SHOW data_directory');
    my $uid = (stat $data)[4];
    skip 'the data directory is not to be seen', 10 if !defined $uid;
    my $user = getpwuid $uid;
    my $as = $> == $uid ? sub { $_[0] } : sub { my ($command) = @_; $command =~ s/'/'\\''/g; "su $user -s /bin/sh -c '$command'" };
    my $directory = "/tmp/segmentation_tap_standby_$$";
    my $port = 20000 + $$ % 20000;
    my $environment = "PGHOST=$ENV{PGHOST} PGPORT=$ENV{PGPORT} PGUSER=$ENV{PGUSER} PGPASSWORD=" . ($ENV{PGPASSWORD} // '');
    skip 'no base backup can be taken here', 10 if system($as->("$environment $bin/pg_basebackup -D $directory -R -X stream -c fast") . ' >/dev/null 2>&1') != 0;
    system($as->("touch $directory/postgresql.conf; printf \"local all all trust\\nhost all all 127.0.0.1/32 trust\\n\" > $directory/pg_hba.conf; touch $directory/pg_ident.conf"));
    my $options = "-c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories=/tmp -c hot_standby=on -c max_connections=200 -c max_worker_processes=16 -c config_file=$directory/postgresql.conf -c hba_file=$directory/pg_hba.conf -c ident_file=$directory/pg_ident.conf -c data_directory=$directory";
    system($as->("$bin/pg_ctl -D $directory -w -t 60 -l $directory/log -o \"$options\" start") . ' >/dev/null 2>&1');
    eval {
        local $ENV{PGPORT} = $port;
        local $ENV{PGHOST} = '127.0.0.1';
        my $standby = session($database, settings => '-c client_min_messages=error');
        is($standby->value('SELECT pg_is_in_recovery()'), 't', 'standby: it is one');
        my $there = $all->($standby);
        is($there->{$_}, $before->{$_}, "standby: $_") for sort keys %$before;
        $standby->value('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0');
        like($standby->value(q{EXPLAIN SELECT count(kmeans_assign('cards', c)) FROM customers AS c}), qr/Parallel Seq Scan/, 'standby: a parallel plan');
        is($standby->value(q{SELECT count(kmeans_assign('cards', c)) FROM customers AS c}), 3000, 'standby: workers score, too');
        is($standby->query(q{SELECT segmentation.activate('cards', 1)})->{state}, '25006', 'standby: writing is refused');
        is($standby->query(q{SELECT * FROM segmentation.drift('cards')})->{state}, '', 'standby: drift');
        $s->value(q{SELECT segmentation.activate('cards', 1)});
        ok(wait_until(30, sub { $standby->value(q{SELECT active_version FROM segmentation.models WHERE model = 'cards'}) == 1 }), 'standby: an activation comes across');
        is($standby->value(q{SELECT count(*) FROM customers AS c, (SELECT segmentation.model('cards', 1) AS m) AS t WHERE kmeans_assign('cards', c) <> kmeans_assign(m, c)}), 0, 'standby: and scores with it');
        $standby->finish;
        1;
    } or fail("standby: $@");
    system($as->("$bin/pg_ctl -D $directory -m immediate stop") . ' >/dev/null 2>&1');
    system($as->("rm -rf $directory"));
}

$s->finish;
drop_databases();
psql('postgres', 'DROP ROLE tap_use');
done_testing();
