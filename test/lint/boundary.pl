# The boundary is one file: the only PG_TRY, the only `catch (...)`.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my %allowed = (
	'PG_TRY' => [ qr/\bPG_(?:RE_THROW|TRY|CATCH|FINALLY)\b/, 'src/pg/boundary.cpp' ],
	'sigsetjmp' => [ qr/\b(?:sig)?setjmp\s*\(|\blongjmp\s*\(|\bPG_exception_stack\b/, 'src/pg/boundary.cpp' ],
	'catch (...)' => [ qr/\bcatch\s*\(\s*\.\.\.\s*\)/, 'src/pg/boundary.cpp' ],
	# port.h turns these into std::pg_snprintf and the like
	'std::snprintf beside the server' => [ qr/\bstd::(?:v?s?n?printf|strerror)\b/, files(qr/./, 'src/core', 'src/net') ],);

for my $what (sort keys %allowed) {
	my ($pattern, @where) = @{ $allowed{$what} };
	my @found;
	for my $path (files(qr/\.(cpp|hpp)$/, 'src')) {
		push @found, $path if !grep({ $_ eq $path } @where) && code($path) =~ $pattern;
	}
	is("@found", '', "$what is where it belongs");
}
done_testing;
