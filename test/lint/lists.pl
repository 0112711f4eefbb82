# Nothing is forgotten: every source is built, every .sql is installed, every test is run and has what it is compared to.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

delete @ENV{qw(MAKEFLAGS MAKELEVEL)};
sub made { return split ' ', `make -s --no-print-directory print-$_[0]` }
sub names { my ($pattern, $folder) = @_; return map { m{([^/]+)\.[^.]+$} } files($pattern, $folder) }

is_deeply([ sort(listed('src/sources.list')) ], [ files(qr/\.cpp$/, 'src') ], 'sources.list names every source');
is_deeply([ sort(made('SQL_PARTS')) ], [ grep { !m{^src/upgrade/} } files(qr/\.sql$/, 'src') ],
	'SQL_PARTS names every .sql file');
is_deeply([ sort(made('REGRESS')) ], [ names(qr/\.sql$/, 'sql') ], 'every file of sql/ is a test');
is_deeply([ names(qr/\.out$/, 'expected') ], [ names(qr/\.sql$/, 'sql') ], 'every test of sql/ has its output');
is_deeply([ sort(made('ISOLATION')) ], [ names(qr/\.spec$/, 'test/isolation/specs') ], 'every spec is a test');
is_deeply([ names(qr/\.out$/, 'test/isolation/expected') ], [ names(qr/\.spec$/, 'test/isolation/specs') ],
	'every spec has its output');

my %number;
for my $path (files(qr/\.pl$/, 'test/t')) {
	my ($n) = $path =~ m{/(\d{3})_[a-z0-9_]+\.pl$};
	ok(defined $n && !$number{$n}++, "$path has a number of its own");
}
done_testing;
