# What every file owes its reader: a comment at its head, no line too long, nothing unfinished, no path of one machine.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my $cpp = qr/\.(cpp|hpp)$/;
my @all = grep { $_ ne 'test/lint/text.pl' && !m{/corpus/|^expected/|/expected/} } files(qr/./,
	qw(src test sql demo bench doc examples .ci Makefile CMakeLists.txt README.md CHANGELOG.md META.json cloudsat.control));

# check WHAT, PATTERN, FILE...: no line of these files matches
sub check {
	my ($what, $pattern, @files) = @_;
	my @found;
	for my $path (@files) {
		my $n = 0;
		for my $line (split /\n/, text($path)) {
			$n++;
			push @found, "$path:$n" if $line =~ $pattern;
		}
	}
	is("@found", '', $what);
}

check('nothing is left to be done later', qr/\b(?:TODO|FIXME|XXX|HACK)\b/, @all);
check('no path of one machine', qr{(?<![\w./-])/(?:work|home|root|Users)/\w|/tmp/(?:wt|brief)\b}, @all);
check('no blank at the end of a line', qr/[ \t]$/, grep { !/\.md$/ } @all);
check('no carriage return', qr/\r/, @all);
check('C++ is indented with blanks', qr/\t/, grep { $_ =~ $cpp } @all);
check('the install script fails on a squatter', qr/^\s*CREATE\s+(?:OR\s+REPLACE\b|\w+\s+IF\s+NOT\s+EXISTS\b)/i,
	files(qr/\.sql$/, 'src'));
check('error texts begin in lower case and have no full stop', qr/\berrmsg(?:_plural)?\("(?:[A-Z][a-z]|[^"]*\.")/,
	files($cpp, 'src'));

# What the server does not offer by a header may change in any release.
check('no function of the server is declared by hand', qr/^\s*extern\s+(?!"C"|PGDLLEXPORT)/, files($cpp, 'src'));
check('our tables are not read by scans for catalogs', qr/\bsystable_/, files($cpp, 'src'));
check('no state of the server is written', qr/\b(?:MyProc->\w+|TransactionXmin|ClientConnectionLost|InterruptPending)\s*=(?!=)/, files($cpp, 'src'));

my @headless = grep { text($_) !~ m{\A//} } files($cpp, 'src', 'test');
is("@headless", '', 'every C++ file says what it is for');
my @unguarded = grep { text($_) !~ /^#pragma once$/m } files(qr/\.hpp$/, 'src', 'test');
is("@unguarded", '', 'every header is included once');
my @speechless = grep { text($_) !~ m{\A(?:#![^\n]*\n)?# ?[\w"]|\A#![^\n]*\n"""} } files(qr{\.(?:pl|pm|py|sh|spec)$|/tools/\w+$|/run$}, 'test', 'bench', 'demo', 'examples');
is("@speechless", '', 'every tool says what it is for');
my @reserved = grep { code($_) =~ /(?<![\w#])(?!__has_include|__attribute__|__builtin_\w+|__func__)_{2}[a-z]\w*|\b[a-z]\w*__\w+\b/ }
  files($cpp, 'src');
is("@reserved", '', 'no name that belongs to the compiler');

for my $page (grep { -e } 'README.md', 'CHANGELOG.md', files(qr/\.md$/, 'doc')) {
	my ($folder) = $page =~ m{^(.*/)}g;
	my @dead = grep { !-e(($folder // '') . $_) } grep { length && !/^\w+:/ } map { s/#.*//r } text($page) =~ /\]\(([^)\s]+)\)/g;
	is("@dead", '', "$page: every link leads somewhere");
	next if !$folder;
	my @outside = grep { !/^\w+:/ && m{/} } text($page) =~ /\]\(([^)\s]+)\)/g;
	is("@outside", '', "$page: it is installed, so it links only to the pages beside it");
}
done_testing;
