# Out of memory, for real: the address space of the backend is limited to a little above what it has, at many sizes, so that
# malloc fails in all sorts of places of the C++ code and palloc in all sorts of places that C++ calls. Every statement ends well
# or in SQLSTATE 53200, and the backend lives on.
use strict;
use warnings;
use Session;
use Test::More;

plan skip_all => 'needs root, setpriv and prlimit' if $> != 0 || !-x '/usr/bin/prlimit' || !-x '/usr/bin/setpriv';

my $db = create_database('memory');
my $started = server_start_time();
my $s = session($db);
sample_table($s, 'c', 200_000, 1);
$s->value(q{CREATE TABLE kept AS SELECT kmeans_sketch(x, 1000000) AS sketch, kmeans(x, 40, '{"quality": "fast"}') AS model FROM c});
$s->value(q{CREATE TABLE texts AS SELECT kmeans_fit(kmeans_sketch(ARRAY[id, income, age, id % 97, id % 89, id % 83, id % 79, id % 73], 20000), 6000, '{"init": "random", "quality": "fast", "max_iter": 1}') AS model FROM c WHERE id <= 20000});
$s->value('ALTER TABLE kept ALTER sketch SET STORAGE external; ALTER TABLE texts ADD t text; UPDATE texts SET t = model::text');

# [name, statement]: sizes from 10 to 100 MB of work.
my @statements = (
    ['kmeans',           q{SELECT (kmeans_info(kmeans(x, 3, '{"quality": "fast"}'))).rows FROM c}],
    ['kmeans_fit',       q{SELECT (kmeans_info(kmeans_fit(sketch, 3, '{"quality": "fast", "scale": "robust"}'))).rows FROM kept}],
    ['kmeans_sketch',    q{SELECT length(kmeans_sketch(x, 200000)::text) FROM c}],
    ['overflow',         q{SELECT length(kmeans_sketch(x, 1000)::text) FROM c}],
    ['kmeans_merge',     q{SELECT length(kmeans_merge(sketch)::text) FROM kept, generate_series(1, 3)}],
    ['kmeans_label',     q{SELECT count(kmeans_label) FROM (SELECT kmeans_label(x, 3, '{"quality": "fast"}') OVER () FROM c WHERE id <= 60000) l}],
    ['local_outlier_factor', q{SELECT count(f) FROM (SELECT local_outlier_factor(x, 5) OVER () AS f FROM c WHERE id <= 60000) l}],
    ['text to model',    q{SELECT length(t::kmeans_model::text) FROM texts}],
    ['jsonb and back',   q{SELECT length(model::jsonb::kmeans_model::text) FROM texts}],
    ['scoring',          q{SELECT kmeans_assign(model, ARRAY[1, 2, 3, 4, 5, 6, 7, 8]) FROM texts}],
    ['reading a model',  q{SELECT count(*) FROM texts, kmeans_centroids(model)}],
    ['judging',          q{SELECT (kmeans_evaluate(model, ARRAY[1, 2, 3, 4, 5, 6, 7, 8])).rows FROM texts}],
);

sub limit_memory {
    my ($pid, $bytes) = @_;
    # As the backend's own user: root in a container may not limit other users' processes. The hard limit stays.
    my ($user, $group) = (stat "/proc/$pid")[4, 5];
    return system('setpriv', "--reuid=$user", "--regid=$group", '--clear-groups', 'prlimit', '--pid', $pid, "--as=$bytes") == 0;
}

sub read_status {
    my ($pid) = @_;
    open my $status, '<', "/proc/$pid/status" or die "no such backend: $pid";
    return join '', <$status>;
}

sub address_space {
    my ($kilobytes) = read_status(@_) =~ /^VmSize:\s+(\d+) kB/m;
    return 1024 * $kilobytes;
}

# Neither a JIT compiler nor shared memory for workers: they have their own messages.
my $settings = '-c jit=off -c max_parallel_workers_per_gather=0';
my %expected = map { $_->[0] => $s->value($_->[1]) } @statements;
my @megabytes = (0, 1, 3, 6, 10, 16, 24, 36, 60, 120);

# Twice: backends that have met every code path before, and fresh ones, which have not even thrown an exception.
for my $case (@statements) {
    my ($name, $sql) = @$case;
    my (%fresh, %used, @wrong);
    for my $kind ('used', 'fresh') {
        my $victim;
        for my $megabytes (@megabytes) {
            if (!defined $victim || $kind eq 'fresh') {
                $victim->finish if defined $victim;
                $victim = session($db, settings => $settings);
                $victim->value("LOAD 'segmentation'; SELECT kmeans_assign(model, ARRAY[1, 2, 3, 4]) FROM kept");
                $victim->query("SELECT kmeans(ARRAY[1.0], 0)") if $kind eq 'used';
            }
            # What the last statement took is still there, and would be taken again.
            my $pid = $victim->pid;
            limit_memory($pid, address_space($pid) + int(1024 * 1024 * $megabytes) . ':unlimited') or die 'cannot limit memory';
            my $answer = $victim->query($sql, 60);
            if (!$answer->{alive}) {
                push @wrong, "$kind, $megabytes MB: session lost: $answer->{err}";
                undef $victim;
                next;
            }
            limit_memory($pid, 'unlimited:unlimited') or die 'cannot lift the limit';
            my $outcome = $answer->{state} eq '' ? ($answer->{out} eq $expected{$name} ? 'done' : "wrong result $answer->{out}") : $answer->{state};
            ($kind eq 'fresh' ? \%fresh : \%used)->{$outcome}++;
            push @wrong, "$kind, $megabytes MB: $outcome $answer->{message}" if $outcome ne 'done' && $outcome ne '53200';
            push @wrong, "$kind, $megabytes MB: message is '$answer->{message}'" if $outcome eq '53200' && $answer->{message} !~ /^out of memory$/;
            my $again = $victim->query('SELECT pg_backend_pid()');
            push @wrong, "$kind, $megabytes MB: the session does not go on" if $again->{out} ne $pid;
        }
        my $after = defined $victim ? $victim->query($sql) : { out => 'no session' };
        is($after->{out}, $expected{$name}, "$name, $kind: works in the same session when the limit is lifted");
        $victim->finish if defined $victim;
    }
    note "$name: ", join('; ', map { my ($k, $o) = @$_; "$k: " . join(', ', map { "$_ $o->{$_}" } sort keys %$o) } (['fresh', \%fresh], ['used', \%used]));
    is_deeply(\@wrong, [], "$name: all well or out of memory");
    cmp_ok($fresh{53200} // 0, '>', 1, "$name: the limits were low enough to meet");
    is(server_start_time(), $started, "$name: the server runs on");
}

# What a training takes that has far more rows than it may keep: the rows that it keeps, and half as much again.
$s->value('CREATE AGGREGATE state_of(float8[], int) (SFUNC = kmeans_accum, STYPE = kmeans_sketch)');
for my $case (['8 features', 4_000_000, 'ARRAY[i, i % 7, i % 11, i % 13, i % 17, i % 19, i % 23, sqrt(i)]'], ['1 feature', 16_000_000, 'ARRAY[i]']) {
    my ($name, $rows, $features) = @$case;
    my $trainer = session($db, settings => "$settings -c segmentation.train_memory=64MB");
    $trainer->value("SELECT kmeans(ARRAY[1.0], 1) IS NULL");
    my $resident = sub { (read_status($trainer->pid) =~ /^VmHWM:\s+(\d+) kB/m)[0] };
    my $before = $resident->();
    cmp_ok($trainer->value("SELECT pg_column_size(state_of(${features}::float8[], 10)) FROM (SELECT a * 1000 + b AS i FROM generate_series(1, $rows / 1000) a, generate_series(1, 1000) b) t"), '<', 5_000_000, "$name: cells only");
    my $grown = ($resident->() - $before) / 1024;
    note sprintf '%s: grown by %.0f MB', $name, $grown;
    cmp_ok($grown, '<=', 100, "$name, $rows rows, train_memory 64 MB: the backend grows by 100 MB at most");
    $trainer->finish;
}
is($s->value('SELECT (kmeans_info(kmeans(x, 3))).rows FROM c WHERE id <= 1000'), 1000, 'a session that was open all the while goes on');

done_testing();
