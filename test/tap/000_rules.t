# Rules of the boundary that can be read off the source and the library (shared/DESIGN.md, section 4).
use strict;
use warnings;

use FindBin;
use Test::More;

my $root = "$FindBin::Bin/../..";

sub slurp
{
	my ($file) = @_;
	open my $handle, '<', $file or die "$file: $!";
	local $/;
	return <$handle>;
}

# Rule 1: the core does not know PostgreSQL.
my @core = glob "$root/src/core/*.h $root/src/core/*.cc";
ok(@core > 20, 'the core was found');
my @knowing = grep { slurp($_) =~ /#include [<"](?:postgres|pg_|pg\/|fmgr|utils\/)/ } @core;
is_deeply(\@knowing, [], 'no file of the core includes PostgreSQL');

# Rule 2: every entry point is made by the macro.
my @pg = glob "$root/src/pg/*.h $root/src/pg/*.cc";
my %entries;
for my $file (@pg)
{
	my $text = slurp($file);
	$entries{$1} = 1 while $text =~ /^SEGMENTATION_FUNCTION\((\w+)\)/mg;
	next if $file =~ /boundary\.h$/;
	unlike($text, qr/PG_FUNCTION_INFO_V1/, "no entry point made by hand in " . ($file =~ s{.*/}{}r));
}
ok(keys %entries > 30, 'entry points were found');

# Rule 2, the other way: what SQL calls exists, and nothing exists that SQL does not call.
my %called;
for my $file (glob "$root/src/sql/*_*.sql")
{
	my $text = slurp($file);
	$called{$1} = 1 while $text =~ /'MODULE_PATHNAME', 'segmentation_(\w+)'/g;
}
is_deeply([ sort keys %called ], [ sort keys %entries ], 'SQL and C name the same functions');

# Rule 3: one catch ladder; nothing raises inside a catch block.
my $catches = join '', map { slurp($_) } @pg;
my @ladders = $catches =~ /catch \((?!\.\.\.)/g;
is(scalar @ladders, 5, 'the typed catches are those of the one ladder');

# Rule 9: no abort path and no stdio in the core, no global generator.
my @aborting = grep { slurp($_) =~ s{//.*}{}mgr =~ /\b(?:abort|exit|printf|std::cout|std::cerr|std::rand|srand|assert)\s*\(/ } @core;
is_deeply(\@aborting, [], 'no abort, exit, stdio or std::rand in the core');

# Rule 11: nothing but segmentation_<name> and what the server looks for is exported.
my $library = "$root/segmentation.so";
SKIP:
{
	skip 'the library is not built here', 2 unless -e $library;
	my @exported = map { (split)[-1] } grep { / [TDBRVWiu] / } split /\n/, qx(nm -D --defined-only $library);
	ok(@exported > 30, 'exported symbols were read');
	my @foreign = grep { !/^(?:segmentation_|pg_finfo_segmentation_|Pg_magic_func$|_PG_init$)/ } @exported;
	is_deeply(\@foreign, [], 'no other symbol is exported');
}

done_testing();
