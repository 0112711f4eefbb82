# What a failing run shows: each check that failed with what was expected and seen, the last words of a program that broke
# off, and nothing of what passed, however alarming it sounds.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir();
sub program { my ($name, $text) = @_; append_to_file("$dir/$name.pl", "use Test::More;\n$text\n"); return "$dir/$name.pl" }
my @programs = (
	program(passes => q{diag('ERROR: noise'); ok(1, 'FATAL error: in a name'); warn "ERROR: more\n"; done_testing;}),
	program(fails => q{diag('ERROR: noise'); is('seen', 'due', 'two words'); ok(1, 'well'); diag('ERROR: noise'); done_testing;}),
	program(dies => q{ok(1, 'well'); warn "said last\n"; die "and this\n";}),
	program(stops => q{plan tests => 3; ok(1, 'well');}),
	program(is_killed => q{$| = 1; ok(1, 'well'); kill 9, $$;}),
	program(gives_up => q{ok(1, 'well'); BAIL_OUT('no server');}),
	program(fails_often => q{ok(0, "check $_") for 1 .. 30; done_testing;}));
my ($said) = run_command([ $^X, Cloudsat::Broker::tools_dir() . '/tap', '--totals', "$dir/totals", '--failures', "$dir/failures", @programs ]);
my $shown = slurp_file("$dir/failures");

is(slurp_file("$dir/totals"), "6 35\n", 'everything is counted, what broke off as one failure');
unlike($shown, qr/passes|ERROR/, 'nothing of what passed is shown');
like($shown, qr/^fails\.pl: 1 of 2 checks failed\n  not ok 1 - two words\n.*got: 'seen'\n.*expected: 'due'\n/ms, 'what was expected and seen');
like($shown, qr/^dies\.pl: 0 of 1 checks failed; exit status 255; No plan found.*said last\n\s+and this\n/ms, 'the last words of one that dies')
  or diag($shown);
like($shown, qr/^stops\.pl: .*planned 3 tests but ran 1/m, 'a plan that is not kept');
like($shown, qr/^is_killed\.pl: .*ended by signal 9/m, 'a signal');
like($shown, qr/^gives_up\.pl: .*no server/ms, 'one that gives up; the others go on');
like($shown, qr/^fails_often\.pl: 30 of 30 checks failed\n.*  \.\.\. and 20 more$/ms, 'of many failures the first ones');
like($said, qr/ERROR: noise/, 'the log has all of it');
done_testing;
