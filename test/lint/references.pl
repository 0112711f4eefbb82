# What comments and pages name exists: files (message.cpp, src/board/message.sql) and modules (core/board/claim).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

# every way to name a file: with all of its folders, with some, with none
sub names_of { my @parts = split m{/}, $_[0]; return map { join '/', @parts[ $_ .. $#parts ] } 0 .. $#parts }
my @sources = files(qr/\.(?:cpp|hpp|sql)$/, qw(src test sql));
my %file = map { $_ => 1 } map { names_of($_) } @sources;
my %module = map { $_ => 1 } map { names_of(s/\.\w+$//r) } grep { m{^src/} } @sources;
my $folder = qr/(?:core\/\w+|board|guardian|worker|pg|net)/;

# the prose of a line: its comment, or all of a page
my %prose = (cpp => qr{//(.*)}, hpp => qr{//(.*)}, sql => qr{--(.*)}, md => qr{(.*)});
my $seen = 0;
for my $path (@sources, files(qr/\.md$/, 'doc', 'README.md', 'CONTRIBUTING.md')) {
	my ($kind) = $path =~ /\.(\w+)$/;
	my ($n, @missing) = (0);
	for my $line (split /\n/, text($path)) {
		$n++;
		my $said = $line =~ $prose{$kind} ? $1 : next;
		my @files = grep { !/--/ } $said =~ m{([\w/-]*\w\.(?:cpp|hpp|sql))\b}g;
		my @modules = grep { !-d "src/$_" } $said =~ m{(?<![\w/])($folder/\w+)(?![\w/.*])}g;
		$seen += @files + @modules;
		push @missing, map { "$n: $_" } (grep { !$file{$_} } @files), (grep { !$module{$_} } @modules);
	}
	is("@missing", '', "$path: what it names exists");
}
cmp_ok($seen, '>', 200, 'the check finds names');
done_testing;
