# psql for tests: one-off runs and background sessions, each answer with its rows, its messages and its SQLSTATE.
#
# The server is the one of the environment (PGHOST, PGPORT, ...). Every test file makes a database of its own with
# Session::Database->new, which is dropped when the object goes.
package Session;

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(:flock F_SETFD);
use File::Temp;
use IO::Select;
use IPC::Open3;
use POSIX ();
use Symbol 'gensym';
use Time::HiRes qw(time sleep);

our @EXPORT = qw(own_server create_database drop_databases psql session sql_literal wait_until median server_start_time
    debug_parallel_query sample_table);

my @databases;
my $own_server_lock;
my $answers = 0;

# Runs the test file once more, beside a server of its own with these settings (name=value), unless that is where it runs already: for
# tests that crash the server, or need other settings. What the environment has besides stays.
sub own_server {
    my (@settings) = @_;
    # Two servers that start at the same moment would choose the same port, so one waits until the other's is there.
    if (my $number = $ENV{SEGMENTATION_OWN_SERVER}) {
        flock $own_server_lock, LOCK_UN if open $own_server_lock, '+<&=', $number;
        return;
    }
    open $own_server_lock, '+>>', '/tmp/segmentation_tap.lock' or die "cannot open the lock: $!";
    chmod 0666, '/tmp/segmentation_tap.lock';
    flock $own_server_lock, LOCK_EX;
    fcntl $own_server_lock, F_SETFD, 0;    # the new server's side inherits it
    my $major = int(psql('postgres', 'SHOW server_version_num')->{out} / 10000);
    $ENV{SEGMENTATION_OWN_SERVER} = fileno $own_server_lock;
    delete $ENV{$_} for grep { /^PG(?!_)/ } keys %ENV;
    delete $ENV{PG_CLUSTER_CONF_ROOT};
    exec 'pg_virtualenv', '-t', '-v', $major, (map { ('-o', $_) } 'listen_addresses=127.0.0.1, ::1', @settings), 'env', 'PGHOST=127.0.0.1', $^X,
        (map { "-I$_" } @INC), $0;
}

# A new database with the extension (unless extension => 0); returns its name.
sub create_database {
    my ($name, %options) = @_;
    $name = "tap_$name";
    my $dropped = psql('postgres', "DROP DATABASE IF EXISTS $name WITH (FORCE)");
    my $made = psql('postgres', "CREATE DATABASE $name TEMPLATE template0 ENCODING '" . ($options{encoding} // 'UTF8') . "' LOCALE 'C'");
    die "cannot create database: $made->{err}" if $made->{rc} != 0;
    push @databases, $name;
    if ($options{extension} // 1) {
        my $extension = psql($name, 'CREATE EXTENSION segmentation');
        die "cannot create extension: $extension->{err}" if $extension->{rc} != 0;
    }
    return $name;
}

sub drop_databases {
    psql('postgres', "DROP DATABASE IF EXISTS $_ WITH (FORCE)") for @databases;
    @databases = ();
}

END {
    my $status = $?;
    eval { drop_databases() };
    $? = $status;
}

# Runs statements in a session of their own. Returns { out, err, state, message, detail, hint, notices, rc, seconds }; state is
# the SQLSTATE of the first error, '' when there was none.
sub psql {
    my ($database, $sql, %options) = @_;
    my $session = Session->new($database, %options);
    my $answer = $session->query($sql);
    $session->finish;
    return $answer;
}

sub session {
    my ($database, %options) = @_;
    return Session->new($database, %options);
}

sub new {
    my ($class, $database, %options) = @_;
    local $ENV{PGOPTIONS} = $options{settings} // '';
    local $ENV{PGUSER} = $options{user} // $ENV{PGUSER};
    local $ENV{PGPASSWORD} = $options{password} // $ENV{PGPASSWORD};
    local $ENV{PGCLIENTENCODING} = $options{client_encoding} // 'UTF8';
    local $ENV{PGAPPNAME} = $options{name} // 'tap';
    my ($in, $out, $err) = (undef, undef, gensym);
    my $pid = open3($in, $out, $err, 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=0', '-d', $database);
    binmode $_ for $in, $out, $err;
    my $old = select $in;
    $| = 1;
    select $old;
    return bless { child => $pid, in => $in, out => $out, err => $err, out_text => '', err_text => '', open => 1 }, $class;
}

# Sends statements without waiting.
sub send {
    my ($self, $sql) = @_;
    my $mark = sprintf 'END-OF-ANSWER-%d-%d', $$, ++$answers;
    $self->{mark} = $mark;
    $self->{sent_at} = time;
    local $SIG{PIPE} = 'IGNORE';
    if (length $sql > 16384) {    # by way of a file: psql may have to wait for us to read its answers before it reads on
        utf8::encode($sql) if utf8::is_utf8($sql);
        $self->{file} = File::Temp->new;
        print { $self->{file} } $sql;
        $self->{file}->flush;
        $sql = "\\i $self->{file}";
    }
    syswrite_all($self->{in}, "$sql\n;\n\\echo $mark\n\\warn $mark\n");
    return $self;
}

sub syswrite_all {
    my ($handle, $text) = @_;
    utf8::encode($text) if utf8::is_utf8($text);
    my $at = 0;
    while ($at < length $text) {
        my $written = syswrite $handle, $text, 1 << 20, $at;
        return unless defined $written;
        $at += $written;
    }
}

# Waits for the answer to what was sent.
sub receive {
    my ($self, $timeout) = @_;
    my $deadline = time + ($timeout // 300);
    my $mark = $self->{mark};
    my $select = IO::Select->new(grep { defined } $self->{out}, $self->{err});
    until ($self->{out_text} =~ /\Q$mark\E\n/ && $self->{err_text} =~ /\Q$mark\E\n/) {
        my @ready = $select->can_read($deadline - time > 0 ? $deadline - time : 0);
        die "no answer within the time limit\nstdout: $self->{out_text}\nstderr: $self->{err_text}\n" if !@ready;
        for my $handle (@ready) {
            my $got = sysread $handle, my $chunk, 1 << 20;
            if (!$got) {
                $select->remove($handle);
                next;
            }
            $self->{ $handle == $self->{out} ? 'out_text' : 'err_text' } .= $chunk;
        }
        if ($select->count == 0) {    # psql has ended: the connection is gone
            $self->{open} = 0;
            last;
        }
    }
    my $seconds = time - $self->{sent_at};
    my ($out, $err) = ($self->{out_text}, $self->{err_text});
    $out =~ s/\Q$mark\E\n.*//s;
    $err =~ s/\Q$mark\E\n.*//s;
    ($self->{out_text}, $self->{err_text}) = ('', '');
    chomp $out;
    return { out => $out, err => $err, seconds => $seconds, alive => $self->{open}, rc => $err =~ /^(?:psql:.*?)?(?:ERROR|FATAL|PANIC):/m ? 1 : 0,
             parse_messages($err) };
}

sub query {
    my ($self, $sql, $timeout) = @_;
    return $self->send($sql)->receive($timeout);
}

# One value, or dies with the error.
sub value {
    my ($self, $sql, $timeout) = @_;
    my $answer = $self->query($sql, $timeout);
    die "query failed: $sql\n$answer->{err}" if $answer->{state} ne '' || !$answer->{alive};
    return $answer->{out};
}

sub pid {
    my ($self) = @_;
    return $self->{pid} //= $self->value('SELECT pg_backend_pid()');
}

# True when psql has lost its server.
sub is_alive {
    my ($self) = @_;
    return $self->{open} && $self->query('SELECT 1')->{out} eq '1';
}

sub finish {
    my ($self) = @_;
    return if !$self->{child};
    close $self->{in};
    close $self->{out};
    close $self->{err};
    waitpid delete $self->{child}, 0;
    $self->{open} = 0;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);
    $self->finish;
}

# The first error of psql's messages, taken apart, and the notices.
sub parse_messages {
    my ($err) = @_;
    my %found = (state => '', message => '', detail => '', hint => '', context => '');
    my @notices = $err =~ /^(?:psql:.*?)?(?:NOTICE|WARNING):\s+\w{5}: (.*)$/mg;
    if ($err =~ /^(?:psql:.*?)?(?:ERROR|FATAL|PANIC):\s+(\w{5}): (.*)$/m) {
        @found{qw(state message)} = ($1, $2);
        my $rest = substr $err, $+[0];
        $found{detail} = $1 if $rest =~ /^DETAIL:\s+(.*)$/m;
        $found{hint} = $1 if $rest =~ /^HINT:\s+(.*)$/m;
        $found{context} = $1 if $rest =~ /^CONTEXT:\s+(.*)$/m;
    }
    return (%found, notices => \@notices);
}

sub sql_literal {
    my ($text) = @_;
    return 'NULL' if !defined $text;
    my $escaped = $text =~ s/'/''/gr;
    return $escaped =~ /\\/ ? "E'" . ($escaped =~ s/\\/\\\\/gr) . "'" : "'$escaped'";
}

# Waits until the code returns true; false after `seconds`.
sub wait_until {
    my ($seconds, $code) = @_;
    my $deadline = time + $seconds;
    until ($code->()) {
        return 0 if time > $deadline;
        sleep 0.02;
    }
    return 1;
}

sub median {
    my @sorted = sort { $a <=> $b } @_;
    return $sorted[ @sorted / 2 ];
}

# Changes when the server restarts, and when it starts its processes anew after a crash.
sub server_start_time {
    return psql('postgres', q{SELECT pg_postmaster_start_time(), backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'})->{out};
}

# Sets what PostgreSQL 16 has given another name.
sub debug_parallel_query {
    my ($session, $mode) = @_;
    my $name = $session->value('SHOW server_version_num') < 160000 ? 'force_parallel_mode' : 'debug_parallel_query';
    $session->value("SET $name = $mode");
}

# A table of made-up customers; id and four numbers.
sub sample_table {
    my ($session, $table, $rows, $seed) = @_;
    $session->value("CREATE TABLE $table AS SELECT customer_id::int AS id, region, age, income, card_debt, other_debt,
        ARRAY[age, income, card_debt, other_debt] AS x FROM segmentation.sample_customers($rows, " . ($seed // 0) . ");
        ANALYZE $table", 600);
}

1;
