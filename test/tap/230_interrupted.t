# A retraining that ends in the middle: killed, terminated, cancelled, out of disk. The old version stays active, the history says what
# happened, and the next retraining works.
use strict;
use warnings;
use Test::More;
use Session;

own_server();    # one test kills a process of it
my $database = create_database('interrupted');
my $s = session($database, settings => '-c client_min_messages=error');
# A source that waits in the middle of being read, when it is told to. (Advisory lock 77 is free: no wait.)
my $make = <<'SQL';
CREATE TABLE customers AS SELECT customer_id, age, income FROM segmentation.sample_customers(3000);
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
CREATE FUNCTION wait_here(id bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN IF id = 1500 THEN PERFORM pg_advisory_xact_lock(77); END IF; RETURN id; END $$;
CREATE VIEW source AS SELECT wait_here(customer_id) AS customer_id, age, income FROM customers;
SELECT segmentation.train('cards', 'source', ARRAY['age', 'income'], 4, key => ARRAY['customer_id']);
SQL
$s->value($make);
my $last = sub { $s->value(q{SELECT status || coalesce(' ' || sqlstate, '') FROM segmentation.training_history WHERE model = 'cards' ORDER BY run DESC LIMIT 1}) };
my $states = sub { join ' ', $s->value(q{SELECT active_version FROM segmentation.models WHERE model = 'cards'}), $s->value(q{SELECT count(*) FROM customers AS c WHERE kmeans_assign('cards', c) IS NULL}) };

# A retraining that waits in the middle; the caller ends it.
my $retraining = sub {
    my ($holder, $victim) = (session($database), session($database, settings => '-c client_min_messages=error'));
    $holder->value('SELECT pg_advisory_lock(77)');
    my $pid = $victim->pid;
    $victim->send(q{CALL segmentation.retrain('cards')});
    wait_until(30, sub { $s->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'advisory'") == 1 }) or die 'the retraining does not wait';
    return ($holder, $victim, $pid);
};
my $works_again = sub {
    my ($what) = @_;
    my $version = $s->value(q{SELECT max(version) FROM segmentation.model_versions WHERE model = 'cards'});
    is($s->query(q{CALL segmentation.retrain('cards')})->{state}, '', "$what: the next retraining works");
    is($last->(), 'succeeded', "$what: and is in the history");
    is($s->value(q{SELECT max(version) FROM segmentation.model_versions WHERE model = 'cards'}), $version + 1, "$what: one version more, and none lost");
    is($s->value(q{SELECT count(*) FROM segmentation.registry_run WHERE state = 'running'}), 0, "$what: nothing runs for ever");
};

for my $how ('cancel', 'terminate') {
    my ($holder, $victim, $pid) = $retraining->();
    is($last->(), 'running', "$how: the history shows it while it runs");
    my $other = $s->query(q{CALL segmentation.retrain('cards')});
    is($other->{state}, '55006', "$how: another one meanwhile is told so");
    like($other->{message}, qr/model "cards" is being trained by another session/, "$how: in words");
    is($s->query(q{SELECT segmentation.train('cards', 'source', ARRAY['age', 'income'], 4)})->{state}, '55006', "$how: and so is a training");
    is($s->query(q{SELECT segmentation.drop_model('cards')})->{state}, '55006', "$how: and a drop");
    my $before = $states->();
    $s->value("SELECT pg_${how}_backend($pid)");
    is($victim->receive->{state}, $how eq 'cancel' ? '57014' : '57P01', "$how: it ends");
    is($last->(), 'interrupted', "$how: the history says so");
    is($states->(), $before, "$how: the old version is active and scores");
    $_->finish for $holder, $victim;
    $works_again->($how);
    is($s->value(q{SELECT count(*) FROM segmentation.training_history WHERE status = 'interrupted'}), $how eq 'cancel' ? 1 : 2, "$how: what was interrupted stays so");
}

# kill -9: the server restarts all its processes.
SKIP: {
    my ($holder, $victim, $pid) = $retraining->();
    my $before = $states->();
    my $server = server_start_time();
    skip 'not allowed to kill a process of the server', 7 if !kill 'KILL', $pid;
    wait_until(60, sub { my $now = eval { server_start_time() }; defined $now && $now ne '' && $now ne $server }) or die 'the server has not come back';
    $_->finish for $holder, $victim, $s;
    ok(wait_until(60, sub { psql($database, 'SELECT 1')->{out} eq '1' }), 'kill -9: the server comes back');
    $s = session($database, settings => '-c client_min_messages=error');
    is($last->(), 'interrupted', 'kill -9: the history says so');
    is($states->(), $before, 'kill -9: the old version is active and scores');
    $works_again->('kill -9');
}

# An error in the middle becomes an entry of the history, too.
$s->value(q{CREATE OR REPLACE FUNCTION wait_here(id bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN 1 / (id - 1500); END $$});
is($s->query(q{CALL segmentation.retrain('cards')})->{state}, '22012', 'an error of the source is reported');
is($last->(), 'failed 22012', 'and recorded');
is($s->query(q{SELECT segmentation.retrain_once('cards')})->{state}, '22012', 'retrain_once, too');
is($last->(), 'failed 22012', 'leaves no trace');
$s->finish;

# A disk that is full.
SKIP: {
    my $directory = "/tmp/segmentation_tap_disk_$$";
    my $user = psql('postgres', q{SELECT pg_read_file('/proc/self/status')})->{out} =~ /^Uid:\s+(\d+)/m ? $1 : -1;
    mkdir $directory;
    skip 'cannot mount a small file system', 6 if $> != 0 || system("mount -t tmpfs -o size=48m,uid=$user,mode=700 tmpfs $directory 2>/dev/null") != 0;
    eval {
        psql('postgres', "CREATE TABLESPACE tap_small LOCATION '$directory'")->{state} eq '' or die 'no tablespace';
        psql('postgres', 'DROP DATABASE IF EXISTS tap_full');
        psql('postgres', 'CREATE DATABASE tap_full TEMPLATE template0 TABLESPACE tap_small')->{state} eq '' or die 'no database';
        $s = session('tap_full', settings => '-c client_min_messages=error');
        $s->value("CREATE EXTENSION segmentation; $make");
        $s->value(q{SELECT segmentation.train('cards', 'source', ARRAY['age', 'income'], 400, key => ARRAY['customer_id'], activate => true, options => '{"quality": "fast"}', gate => '{"max_moved": 1, "min_share": 0, "max_inertia": 100}')});
        my $before = $states->();
        $s->value('CREATE TABLE filler (x text); ALTER TABLE filler ALTER x SET STORAGE plain');
        # The disk gets full while the retraining waits in the middle.
        my ($holder, $victim) = map { session('tap_full', settings => '-c client_min_messages=error') } 1, 2;
        $holder->value('SELECT pg_advisory_lock(77)');
        my $pid = $victim->pid;
        $victim->send(q{CALL segmentation.retrain('cards')});
        wait_until(30, sub { $s->value("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'advisory'") == 1 }) or die 'the retraining does not wait';
        my $filled = '';
        for my $rows (100, 1) {    # until not a page is left
            1 while ($filled = $s->query("INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, $rows)")->{state}) eq '';
        }
        is($filled, '53100', 'full disk: it is');
        $holder->value('SELECT pg_advisory_unlock(77)');
        is($victim->receive->{state}, '53100', 'full disk: the retraining fails');
        like($last->(), qr/^(?:failed 53100|interrupted)$/, 'full disk: the history says so');
        $_->finish for $holder, $victim;
        is($s->value(q{SELECT count(*) FROM segmentation.training_history WHERE status = 'running'}), 0, 'full disk: nothing seems to run');
        is($states->(), $before, 'full disk: the old version is active and scores');
        $s->value('DROP TABLE filler');
        is($s->query(q{CALL segmentation.retrain('cards')})->{state}, '', 'full disk: when there is room again, the next retraining works');
        $s->finish;
        1;
    } or diag $@;
    psql('postgres', 'DROP DATABASE IF EXISTS tap_full WITH (FORCE)');
    psql('postgres', 'DROP TABLESPACE IF EXISTS tap_small');
    system("umount $directory");
}
rmdir "/tmp/segmentation_tap_disk_$$";

drop_databases();
done_testing();
