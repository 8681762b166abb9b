# Scoring while a model is retrained: no error, nothing torn, and every result belongs to a version that was active in its snapshot.
use strict;
use warnings;
use Test::More;
use File::Temp;
use Session;

my $database = create_database('concurrent');
my $s = session($database, settings => '-c client_min_messages=error');
# Versions that can be told from their answers: each has centroids of its own, and all rows of one query have to be of one version.
$s->value(<<'SQL');
CREATE TABLE customers AS SELECT customer_id, age, income FROM segmentation.sample_customers(5000);
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
SELECT segmentation.train('cards', 'customers', ARRAY['age', 'income'], 4, gate => '{"max_moved": 1, "max_psi": 1000, "max_outside": 1, "max_inertia": 1000, "max_explained_drop": 1, "min_share": 0}');
CREATE TABLE seen (snapshot_version int, scored numeric, at timestamptz DEFAULT clock_timestamp());
CREATE TABLE torn (what text);
CREATE TABLE probe AS SELECT * FROM customers WHERE customer_id <= 300;
SQL

# One query reads the active version and scores with it, by name and by value: they must agree in every row, within one snapshot.
my $script = File::Temp->new(SUFFIX => '.sql');
print {$script} <<'SQL';
INSERT INTO torn SELECT 'torn' FROM probe AS c, (SELECT segmentation.model('cards') AS m) AS t
 WHERE kmeans_distance('cards', c) IS DISTINCT FROM kmeans_distance(m, c) OR kmeans_assign('cards', c) IS DISTINCT FROM kmeans_assign(m, c);
INSERT INTO seen SELECT (SELECT active_version FROM segmentation.models WHERE model = 'cards'), sum(kmeans_distance('cards', c)::numeric) FROM probe AS c;
SQL
$script->flush;
my $bench = '/usr/lib/postgresql/' . int($s->value('SHOW server_version_num') / 10000) . '/bin/pgbench';
SKIP: {
    skip 'pgbench is not there', 8 if !-x $bench;
    my $log = File::Temp->new;
    my $pid = fork;
    if ($pid == 0) {
        open STDOUT, '>', $log->filename;
        open STDERR, '>&', \*STDOUT;
        exec $bench, '-n', '-c', '10', '-j', '2', '-T', '20', '-f', $script->filename, $database;
    }
    my @retrainers = map { session($database, settings => '-c client_min_messages=error') } 1, 2;
    my ($succeeded, $refused, $failed) = (0, 0, 0);
    my $until = time + 18;
    my $round = 0;
    while (time < $until) {
        $s->value("UPDATE customers SET income = income * " . (++$round % 2 ? 1.2 : 0.85) . ' WHERE customer_id % 3 = ' . $round % 3);
        $_->send("CALL segmentation.retrain('cards', $round)") for @retrainers;
        for my $retrainer (@retrainers) {
            my $state = $retrainer->receive->{state};
            $state eq '' ? $succeeded++ : $state eq '55006' ? $refused++ : $failed++;
        }
    }
    waitpid $pid, 0;
    my $exit = $? >> 8;
    my $report = do { local $/; open my $in, '<', $log->filename; <$in> };
    is($exit, 0, 'ten sessions score without an error') or diag $report;
    my ($transactions) = $report =~ /transactions actually processed: (\d+)/;
    cmp_ok($transactions, '>', 100, "$transactions transactions");
    is($failed, 0, "two sessions retrain: $succeeded times it was done, $refused times one was told that the other is at it");
    cmp_ok($succeeded, '>', 5, 'many times');
    is($s->value('SELECT count(*) FROM torn'), 0, 'no row was scored by another version than the others of its query');
    # What each version says of the probe, computed afterwards.
    $s->value(q{CREATE TABLE truth AS SELECT v.version, (SELECT sum(kmeans_distance(m.value, c)::numeric) FROM probe AS c) AS scored
        FROM (SELECT DISTINCT version FROM segmentation.model_versions WHERE model = 'cards') AS v, LATERAL (SELECT segmentation.model('cards', v.version) AS value OFFSET 0) AS m});
    is($s->value('SELECT count(*) FROM seen AS s JOIN truth AS t ON t.version = s.snapshot_version WHERE t.scored <> s.scored'), 0, 'every result is that of the version that was active in its snapshot');
    cmp_ok($s->value('SELECT count(DISTINCT snapshot_version) FROM seen'), '>', 3, 'of which there were several');
    is($s->value(q{SELECT count(*) FROM segmentation.registry_version WHERE active}) . ' ' . $s->value(q{SELECT count(*) FROM segmentation.training_history WHERE status <> 'succeeded' AND sqlstate IS DISTINCT FROM '55006'}), '1 0', 'one version is active, and the history is in order');
    $_->finish for @retrainers;
}
$s->finish;
drop_databases();
done_testing();
