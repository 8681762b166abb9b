# A BI tool's side: a role that has nothing but "use" of a model reads every view through node-postgres, psycopg2 and RPostgreSQL (test/drivers),
# and gets numbers as numbers, the right ones.
use strict;
use warnings;
use FindBin;
use Test::More;
use Session;

my $database = create_database('drivers');
my $s = session($database, settings => '-c client_min_messages=error');
psql('postgres', q{DROP ROLE IF EXISTS tap_bi_tool; CREATE ROLE tap_bi_tool LOGIN PASSWORD 'tap'});
$s->value(<<'SQL');
CREATE TABLE customers AS SELECT * FROM segmentation.sample_customers(3000);
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
SELECT segmentation.train('cards', 'customers', ARRAY['age', 'income'], profile => ARRAY['region', 'card_debt'], outcome => 'defaulted', prepare => '{"income": {"transform": "log1p"}}');
SELECT segmentation.retrain_once('cards', 5), segmentation.label_segment('cards', 0, 'first', 'the largest one');
INSERT INTO segmentation.recommendation_rule (model, product) VALUES ('cards', 'a card');
INSERT INTO segmentation.registry_schedule (model, cron_expression, command, job_name, job_database, scheduled_by) VALUES ('cards', '0 3 * * 0', 'CALL x', 'segmentation: cards', 'x', current_user);
SELECT segmentation.grant_model('cards', 'tap_bi_tool', 'use');
SQL
my @views = split /\n/, $s->value(q{SELECT viewname FROM pg_views WHERE schemaname = 'segmentation' AND viewname NOT LIKE 'registry%' ORDER BY 1});
is(scalar @views, 14, 'views: ' . join ', ', @views);  # as many as the contract has (shared/DESIGN.md, 2.3)

# What the server says of every column: its type in words, the sum of its numbers (in another order, so to nine digits) or how many values there are.
my %kinds = (int4 => 'number', float8 => 'number', text => 'text', bool => 'boolean', timestamptz => 'time');
my @wanted;
for my $view (@views) {
    for (split /\n/, $s->value("SELECT attname || '|' || t.typname FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = atttypid WHERE attrelid = 'segmentation.$view'::regclass AND attnum > 0 ORDER BY attnum")) {
        my ($column, $type) = split /\|/;
        my $measure = $kinds{$type} eq 'number' ? "coalesce(sum($column), 0)" : "count($column)";
        my ($value, $count) = split /\|/, $s->value("SELECT $measure, count($column) FROM segmentation.$view");
        push @wanted, [ $view, $column, $count ? $kinds{$type} : 'none', $value ];
    }
}
cmp_ok(scalar @wanted, '>', 150, scalar(@wanted) . ' columns');
is(join(', ', grep { my $view = $_; !grep { $_->[0] eq $view && $_->[2] ne 'none' } @wanted } @views), '', 'there is something in every view');

local @ENV{qw(PGUSER PGPASSWORD PGDATABASE TZ)} = ('tap_bi_tool', 'tap', "tap_drivers", 'UTC');
local $ENV{NODE_PATH} = "$FindBin::Bin/../../build/node/node_modules:/usr/share/nodejs";
for my $driver ([ 'node-postgres', 'node', 'read_views.js' ], [ 'psycopg2', '/usr/bin/python3', 'read_views.py' ], [ 'RPostgreSQL', 'Rscript --vanilla', 'read_views.R' ]) {
    my ($name, $program, $script) = @$driver;
    my @lines = split /\n/, qx($program $FindBin::Bin/../drivers/$script @views 2>&1);
    is($?, 0, "$name reads all views") or diag(join "\n", @lines);
    is(scalar @lines, scalar @wanted, "$name: every column");
    my @wrong;
    for my $at (0 .. $#wanted) {
        my ($view, $column, $kind, $value) = @{ $wanted[$at] };
        my @got = split ' ', $lines[$at] // '';
        push @wrong, "$view.$column: " . ($lines[$at] // 'nothing') . " for $kind $value"
          if @got != 4 || "@got[0 .. 2]" ne "$view $column $kind" || abs($got[3] - $value) > 1e-8 * (abs($value) + 1);
    }
    is(join("\n", @wrong), '', "$name: numbers are numbers, and the right ones");
}

$s->finish;
drop_databases();
psql('postgres', 'DROP ROLE tap_bi_tool');
done_testing();
