# The module shows the server exactly the symbols of exports.txt, and every C function that SQL names is one of them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my @exports = listed('src/exports.txt');
my @shown = map { (split)[2] } split /\n/, `nm -D --defined-only cloudsat.so`;
is_deeply([ sort @shown ], [ sort @exports ], 'nm -D shows what exports.txt lists');

my %exported = map { $_ => 1 } @exports;
for my $path (files(qr/\.sql$/, 'src')) {
	my $sql = text($path);
	for my $symbol ($sql =~ /MODULE_PATHNAME'\s*,\s*'(\w+)'/g) {
		ok($exported{$symbol} && $exported{"pg_finfo_$symbol"}, "$path: $symbol is exported, with its record");
	}
}
done_testing;
