# The formatter decides what C++ looks like. Its versions differ in details: the one that counts is clang-format 14.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my ($version) = (`clang-format-14 --version 2>/dev/null` || '') =~ /version (\d+)/;
plan skip_all => 'no clang-format 14 here' if !$version;

for my $path (files(qr/\.(cpp|hpp)$/, qw(src test))) {
	my $said = `clang-format-14 --dry-run --Werror $path 2>&1`;
	is($?, 0, "$path is formatted") or diag((split /\n/, $said)[0]);
}
done_testing;
