# Includes run one way (doc/architecture.md): core <- net, core <- pg <- board <- guardian <- worker, net <- guardian; and in
# core: base <- wire <- guardian, base <- board.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my @core = map { "core/$_" } qw(base wire board guardian);
my %may_include = (
	'core/base' => [qw(core/base)],
	'core/wire' => [qw(core/wire core/base)],
	'core/board' => [qw(core/board core/base)],
	'core/guardian' => [qw(core/guardian core/wire core/base)],
	net => [qw(net core/wire core/base)],
	pg => [qw(pg core/base)],
	board => [qw(board pg core/board core/base)],
	guardian => [ qw(guardian board pg net), @core ],
	worker => [ qw(worker guardian board pg net), @core ],);

for my $path (files(qr/\.(cpp|hpp)$/, 'src')) {
	my ($layer) = $path =~ m{^src/(core/\w+|\w+)/} or next;    # module.cpp may include all
	if (!$may_include{$layer}) {
		fail("$path: no layer $layer");
		next;
	}
	my @wrong;
	for my $line (split /\n/, text($path)) {
		my ($bracket, $included) = $line =~ /^\s*#\s*include\s*(["<])([^">]+)[">]/ or next;
		my ($from) = $included =~ m{^(core/\w+|\w+)/};
		push @wrong, $included
		  if $bracket eq '"' && defined $from && $may_include{$from} && !grep { $_ eq $from } @{ $may_include{$layer} };
		push @wrong, "$included (not from src/)" if $bracket eq '"' && $included =~ m{^\.|^[^/]+\.hpp$};
		# pure code knows std, simdjson and the parser of URLs; net knows its libraries too; neither knows the server
		push @wrong, $included
		  if $layer =~ /^core/ && $included =~ /\.h$/ && $included ne 'simdjson.h' && "$path $included" ne 'src/core/wire/curl_url.hpp curl/curl.h';
		push @wrong, $included if $layer eq 'net' && $included =~ /^postgres|^fmgr|^utils\/|^libpq/;
	}
	is("@wrong", '', "$path includes only what its layer may");
}
done_testing;
