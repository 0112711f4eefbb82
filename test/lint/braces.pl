# Every body of if, else, for, while and do stands in braces.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my $list = qr/(\((?:[^()]++|(?1))*\))/;
for my $path (files(qr/\.(cpp|hpp)$/, 'src')) {
	my $code = code($path);
	$code =~ s/^[ \t]*#(?:[^\n]*\\\n)*[^\n]*//gm;
	$code =~ s/\}\s*while\s*$list\s*;//g;
	my @bare;
	push @bare, $1 while $code =~ /\b((?:if|for|while)\s*(?:constexpr\s*)?$list)\s*(?!\{)\S/g;
	push @bare, $1 while $code =~ /\b(else|do)\s+(?!if\b|\{)\S/g;
	is($bare[0] // '', '', "$path: bodies are in braces");
}
done_testing;
