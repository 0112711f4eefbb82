# No function is longer than 60 lines, from its first line to its last: those of C++ and the bodies of those of SQL. No line
# of SQL is longer than 110 characters, in C++ neither.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my $most = 60;
sub line_of { my ($text, $at) = @_; return 1 + (substr($text, 0, $at) =~ tr/\n//) }

# functions_of(CODE): where each begins and ends. A brace begins a body when a list of parameters is before it.
sub functions_of {
	my ($code) = @_;
	my (@open, @found);
	$code =~ s/^([ \t]*#(?:[^\n]*\\\n)*[^\n]*)/$1 =~ s|[^\n]| |gr/gme;
	my $head = 0;    # where what is before the next brace begins
	while ($code =~ /([;{}])/g) {
		my ($sign, $at) = ($1, $-[1]);
		if ($sign eq '{') {
			my $before = substr($code, $head, $at - $head);
			my $begin = $head + ($before =~ /^(\s*)/ ? length $1 : 0);
			my $is_function = $before =~ /\)\s*(?:(?:const|noexcept|override|final|mutable)\b\s*|->[^;{}]*|:\s[^;{}]*)*$/
			  && $before !~ /^\s*(?:\}?\s*else\s+)?(?:if|for|while|switch|catch)\b/;
			push @open, $is_function ? $begin : undef;
		} elsif ($sign eq '}' && @open) {
			my $begin = pop @open;
			push @found, [ line_of($code, $begin), line_of($code, $at) ] if defined $begin;
		}
		$head = $at + 1;
	}
	return @found;
}

sub bodies_of {
	my ($sql) = @_;
	my @found;
	push @found, [ line_of($sql, $-[1]), line_of($sql, $+[1]) ] while $sql =~ /\bAS\s+((\$\w*\$).*?\g2)/gs;
	push @found, [ line_of($sql, $-[0]), line_of($sql, $+[0]) ] while $sql =~ /^BEGIN ATOMIC\n.*?^END;/gms;
	return @found;
}

for my $path (files(qr/\.(cpp|hpp|sql)$/, 'src')) {
	my @functions = $path =~ /\.sql$/ ? bodies_of(text($path)) : functions_of(code($path));
	my @long = map { "$path:$_->[0] has " . ($_->[1] - $_->[0] + 1) } grep { $_->[1] - $_->[0] >= $most } @functions;
	is("@long", '', "$path: no function is longer than $most lines");
	my $sql = $path =~ /\.sql$/ ? text($path) : join "\n", text($path) =~ /R"\((.*?)\)"/gs;
	my @wide = grep { length > 110 } split /\n/, $sql;
	is($wide[0] // '', '', "$path: no line of SQL is longer than 110 characters");
}
done_testing;
