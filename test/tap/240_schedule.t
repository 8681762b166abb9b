# Schedules: pg_cron retrains a model, twice in a row. It needs a server with pg_cron preloaded, so the test starts one of its own and runs
# itself there.
use strict;
use warnings;
use Test::More;
use Session;

if (!$ENV{SEGMENTATION_CRON}) {
    # Here is a server without pg_cron.
    my $database = create_database('no_cron');
    my $s = session($database, settings => '-c client_min_messages=error');
    $s->value(q{CREATE TABLE c AS SELECT i AS x FROM generate_series(1, 50) AS i; SELECT segmentation.train('cards', 'c', ARRAY['x'], 2)});
    my $answer = $s->query(q{SELECT segmentation.schedule('cards', '0 3 * * 0')});
    my $major = int($s->value('SHOW server_version_num') / 10000);
    print "# without pg_cron: $answer->{message}; $answer->{hint}\n";
    my $ok = $answer->{state} eq '55000' && $answer->{hint} =~ /postgresql-$major-cron/ && $s->value('SELECT count(*) FROM segmentation.schedules') == 0;
    $s->finish;
    drop_databases();
    plan skip_all => 'pg_cron is not installed' if !-e "/usr/share/postgresql/$major/extension/pg_cron.control";
    $ENV{SEGMENTATION_CRON} = $ok ? 'yes' : 'no';
    own_server('shared_preload_libraries=pg_cron', 'cron.database_name=tap_schedule', 'cron.use_background_workers=on');
}

is($ENV{SEGMENTATION_CRON}, 'yes', 'without pg_cron: an error says how to get it');
my $database = create_database('schedule');
psql('postgres', 'CREATE ROLE tap_analyst LOGIN; CREATE ROLE tap_other LOGIN');
my $a = session($database, settings => '-c client_min_messages=error');
$a->value('CREATE EXTENSION pg_cron; GRANT USAGE ON SCHEMA cron TO tap_analyst; GRANT SELECT ON ALL TABLES IN SCHEMA segmentation TO PUBLIC; REVOKE SELECT ON ALL TABLES IN SCHEMA segmentation FROM PUBLIC');
$a->value('GRANT SELECT ON segmentation.schedules, segmentation.training_history, segmentation.models, segmentation.model_versions TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC');
my $s = session($database, user => $ENV{PGUSER}, settings => '-c client_min_messages=error');
$s->value('SET SESSION AUTHORIZATION tap_analyst');
$s->value(q{CREATE TABLE customers AS SELECT * FROM segmentation.sample_customers(2000); ALTER TABLE customers ADD PRIMARY KEY (customer_id)});
my $odd = q{cards' "; DROP TABLE customers; --};
(my $literal = $odd) =~ s/'/''/g;
$s->value(qq{SELECT segmentation.train(n, 'customers', ARRAY['age', 'income'], 3) FROM unnest(ARRAY['$literal', 'held', 'due']) AS n});
$s->value(q{SELECT segmentation.retrain_once('held', 1); SELECT segmentation.rollback('held', hold => true, reason => 'complaints')});
my $started = $s->value('SELECT now()');
like($s->value(qq{SELECT segmentation.schedule('$literal', '* * * * *')}), qr/^\d+$/, 'schedule');
$s->value(q{SELECT segmentation.schedule('held', '* * * * *'), segmentation.schedule('due', '* * * * *', '100 days')});
is($s->value(q{SELECT string_agg(state, ',') || count(next_run) || bool_and(next_run > now() AND next_run <= now() + interval '1 minute') FROM segmentation.schedules}), 'active,active,active3true', 'the view shows them, and when they are next due');
is($s->value('SELECT count(*) FROM cron.job WHERE username = $$tap_analyst$$'), 3, 'the jobs are the caller\'s');
is($s->query(q{SELECT segmentation.schedule('held', '* * *')})->{state}, '22023', 'an expression that is none');
is($s->query(q{SELECT segmentation.schedule('held', '0 0 31 2 *')})->{state}, '22023', 'one that is never due');
is($s->query(q{SELECT segmentation.schedule('nobody', '0 0 * * *')})->{state}, '42704', 'no such model');
$a->value('SET SESSION AUTHORIZATION tap_other');
is($a->query(qq{SELECT segmentation.schedule('held', '* * * * *')})->{state}, '42501', 'not without a right on pg_cron');
is($a->value('SELECT count(*) FROM segmentation.schedules'), 0, 'nor is anything to be seen');
$a->value('RESET SESSION AUTHORIZATION');
is($a->query(q{SELECT segmentation.schedule('held', '* * * * *')})->{state}, '42501', 'a superuser does not schedule what would run as it');

# When a cron expression is next due.
my %due = ('0 3 * * 0' => '2026-11-29 03:00', '*/15 * * * *' => '2026-11-23 22:15', '30 4 1,15 * *' => '2026-12-01 04:30', '0 0 29 2 *' => '2028-02-29 00:00', '0 9-17/4 * * mon-fri' => '2026-11-24 09:00',
    '5 22 * * *' => '2026-11-24 22:05', '6 22 * * *' => '2026-11-23 22:06', '0 12 13 * fri' => '2026-11-27 12:00', '0 0 * dec *' => '2026-12-01 00:00', '0 0 1 1 7' => '2027-01-01 00:00');
for my $expression (sort keys %due) {
    is($s->value("SELECT to_char(segmentation.next_run('$expression', '2026-11-23 22:05:30+00') AT TIME ZONE 'GMT', 'YYYY-MM-DD HH24:MI')"), $due{$expression}, "next run of $expression");
}
is($s->value("SELECT segmentation.next_run('$_', now()) IS NULL"), 't', "no cron expression: $_") for '', '* * * *', '60 * * * *', '* * * * 8', '5-1 * * * *', '*/0 * * * *', 'x * * * *', '0 0 31 2 *';

# Two runs in a row.
ok(wait_until(150, sub { $s->value(qq{SELECT count(DISTINCT run) FROM segmentation.training_history WHERE model = '$literal' AND kind = 'retrain' AND status = 'succeeded'}) >= 2
    && $s->value(q{SELECT count(DISTINCT run) FROM segmentation.training_history WHERE model = 'held' AND kind = 'retrain' AND status = 'succeeded'}) >= 3 }), 'pg_cron retrains, twice in a row');
is($s->value(qq{SELECT count(DISTINCT started_by) || min(started_by) FROM segmentation.training_history WHERE model = '$literal' AND kind = 'retrain'}), '1tap_analyst', 'as the caller');
ok(wait_until(20, sub { $s->value(qq{SELECT count(*) FROM segmentation.schedules WHERE model = '$literal' AND last_status = 'succeeded'}) == 1 }), 'the view shows what pg_cron says');
is($s->value(qq{SELECT last_run > '$started' AND last_finished >= last_run AND last_training = 'succeeded' AND last_outcome LIKE 'activated%' FROM segmentation.schedules WHERE model = '$literal'}), 't', 'and the outcome');
cmp_ok($s->value(qq{SELECT active_version FROM segmentation.models WHERE model = '$literal'}), '>=', 3, 'new versions are active');
is($s->value(q{SELECT active_version FROM segmentation.models WHERE model = 'held'}), 1, 'under a hold, they are trained and not activated');
like($s->value(q{SELECT last_outcome FROM segmentation.schedules WHERE model = 'held'}), qr/candidate: the model is on hold \(complaints\)/, 'which the view says');
is($s->value(q{SELECT count(*) FROM segmentation.model_versions WHERE model = 'due'}), 1, 'what is not due is not retrained');
is($s->value(qq{SELECT segmentation.unschedule('$literal')}), 't', 'unschedule');
is($s->value(qq{SELECT count(*) FROM segmentation.schedules WHERE model = '$literal'}) . $s->value('SELECT count(*) FROM cron.job'), '02', 'it is gone');
is($s->value(q{SELECT segmentation.schedule('held', '0 3 * * *') > 0 AND (SELECT count(*) FROM cron.job) = 2}), 't', 'called again, schedule changes the schedule');
is($s->value(q{SELECT cron_expression FROM segmentation.schedules WHERE model = 'held'}), '0 3 * * *', 'which the view shows');
is($s->value('SELECT count(*) FROM customers'), 2000, 'nothing was injected');

# Another database: pg_cron is elsewhere.
my $other = create_database('elsewhere');
my $e = session($other, settings => '-c client_min_messages=error');
$e->value(q{CREATE TABLE c AS SELECT i AS x FROM generate_series(1, 50) AS i; SELECT segmentation.train('cards', 'c', ARRAY['x'], 2)});
my $answer = $e->query(q{SELECT segmentation.schedule('cards', '0 3 * * 0')});
is($answer->{state}, '55000', 'pg_cron in another database is an error');
my ($statement) = $answer->{hint} =~ /(SELECT cron\.schedule_in_database.*)/;
is($a->query($statement)->{state}, '', "whose hint works there: $statement");
is($a->value(q{SELECT database FROM cron.job WHERE jobname = 'segmentation: cards'}), 'tap_elsewhere', 'and schedules it here');
$_->finish for $s, $a, $e;
done_testing();
