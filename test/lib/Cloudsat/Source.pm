# The source tree as the lint checks see it: which files there are, their text, and C++ without its comments and strings.
package Cloudsat::Source;
use strict;
use warnings;
use Exporter qw(import);
use File::Find qw(find);

our @EXPORT = qw(files text code listed);

# files(qr/pattern/, folder...): the files below these folders whose path matches, sorted. Build products are not listed.
sub files {
	my ($pattern, @folders) = @_;
	my @found;
	find(
		{
			no_chdir => 1,
			wanted => sub { push @found, $_ if -f && !/\.(o|d|so|bc|pyc)$/ && $_ =~ $pattern }
		},
		grep { -e } @folders);
	return sort @found;
}

sub text {
	my ($path) = @_;
	open my $in, '<:encoding(UTF-8)', $path or die "$path: $!\n";
	local $/;
	return <$in> // '';
}

# C++ with comments and literals blanked out, line for line
sub code {
	my $text = text($_[0]);
	my $blank = sub { (my $kept = $_[0]) =~ s/[^\n]//g; return " $kept" };
	$text =~ s{(//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\g2"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])')}{$blank->($1)}gse;
	return $text;
}

# the lines of a list file, without its comments
sub listed { return grep { /\S/ && !/^#/ } split /\n/, text($_[0]) }

1;
