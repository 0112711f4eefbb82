# Every function that a header of src/ declares has a caller in src/, not in the tests alone; every exported one but
# the main functions of the workers is named in the SQL, or in the module itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

# what stands before a name that is called, though it looks like a type
my %no_type = map { $_ => 1 } qw(return else new throw case co_return co_yield and or not);

# what the server calls by a name that is put together (worker/process.cpp)
my $main = qr/^cloudsat_\w+_main$/;

# names_in(CODE): each function's name there, and whether it is declared or defined at this place: a type is before it.
sub names_in {
	my ($code) = @_;
	my @found;
	while ($code =~ /\b([a-z_]\w*)\b/g) {
		my ($name, $at, $after) = ($1, $-[1], substr($code, $+[1], 300));
		my $before = substr($code, $at > 200 ? $at - 200 : 0, $at > 200 ? 200 : $at);
		$before =~ s/(?:\w+(?:<[^<>()]*>)?::)+\z//;    # whose it is
		my $typed = $before =~ /(\w+)\s+\z/ ? !$no_type{$1} : $before =~ /[\w>)\]][&*>]+\s+\z/;
		next if $after =~ /\A\([^()]*\)[^;{}]*\boverride\b/;    # called by way of its base
		push @found, [ $name, $after =~ /\A\(/ && $typed ];
	}
	return @found;
}

my (%declared, %used);
for my $path (files(qr/\.(cpp|hpp)$/, 'src')) {
	my $code = code($path);
	$code =~ s/^[ \t]*#[ \t]*include[^\n]*//gm;
	for (names_in($code)) {
		my ($name, $is_declaration) = @$_;
		if (!$is_declaration) { $used{$name}++ }
		elsif ($path =~ /\.hpp$/) { $declared{$name} //= $path }
	}
}
my @unused = map { "$declared{$_}: $_" } grep { !$used{$_} } sort keys %declared;
is("@unused", '', 'every function that a header declares has a caller in src/');
cmp_ok(scalar(keys %declared), '>', 500, 'the check finds functions');

my $text = join '', map { text($_) } files(qr/\.(sql|cpp)$/, 'src');
my @forgotten = grep { !/^pg_finfo_|^_PG_|^Pg_magic|$main/ && $text !~ /['"]$_['"]/ } listed('src/exports.txt');
is("@forgotten", '', 'every exported function is named in the SQL, or in the module');
done_testing;
