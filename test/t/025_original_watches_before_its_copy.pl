# A database and its copy want the same broker. Whichever begins first, the original watches it, because that may act and
# has watched it before; but when the original is gone, the copy does.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('twins', conf => "cloudsat.databases = 'postgres'\nmax_worker_processes = 20");
my $fake = Cloudsat::FakeBroker->start;

sub cycle { return sql_in($_[0], q{SELECT coalesce(max(cycle), 0) FROM cloudsat.polls}) }
sub next_polls { my ($database, $what) = @_; return more_polls(3, $what, 'pulse', $database) }
sub state_of { my ($database, $condition) = @_;
	return "SELECT count(*) = 1 FROM cloudsat.worker_status WHERE kind = 'guard' AND database = '$database' AND $condition" }

sql($fake->server_sql('pulse', poll_interval => '300ms', max_poll_interval => '1s', enforce => 'on'));
next_polls('postgres', 'a database watches a broker');
sql('CREATE DATABASE copy TEMPLATE postgres'); # from a session in it: only the guardian's processes are in the way
next_polls('postgres', 'copied from a session in it, it goes on');
my $copied = cycle('copy');

# --- both begin at once, the copy a moment earlier
settings(databases => 'copy, postgres');
for my $time (1 .. 3) {
	$node->restart;
	next_polls('postgres', "restart $time: the original watches");
	until_true(state_of('copy', q{state = 'standing by' AND note LIKE '%in database "postgres"'}), 'and the copy stands by');
}
like(sql_in('copy', q{SELECT value, detail FROM cloudsat.explain_queue('pulse', '/', 'x') WHERE item = 'broker'}),
	qr/^standing by\|the broker is watched by process \d+ in database "postgres", so this server does nothing/, 'explain_queue says so');
like(sql(q{SELECT value FROM cloudsat.explain_queue('pulse', '/', 'x') WHERE item = 'broker'}), qr/^polled$/, 'and nothing of it in the original');
is(cycle('copy'), $copied, 'the copy has asked the broker for nothing');

# --- the original comes when the copy watches already
settings(databases => 'copy');
until_true(state_of('postgres', 'true') =~ s/= 1/= 0/r, 'the original is not wanted');
next_polls('copy', 'then the copy watches, after a while');
until_true(state_of('copy', q{note LIKE 'enforce is held back%'}), 'with enforce held back');
like(slurp_file($node->logfile), qr/LOG:  cloudsat guard for pulse waits for the previous guard of the broker\n.*DETAIL:  .*copy/,
	'it has waited for the original');
settings(databases => 'copy, postgres');
next_polls('postgres', 'the original returns, and watches');
until_true(state_of('copy', q{state = 'standing by'}), 'because the copy has given way');
my $cycle = cycle('copy');
next_polls('postgres', 'it goes on');
is(cycle('copy'), $cycle, 'and the copy does not');

# --- confirmed, the copy is as good as the original: who watches keeps watching
is(sql_in('copy', q{SELECT cloudsat.confirm_enforce('pulse')}), 't', 'enforce is confirmed for the copy');
next_polls('postgres', 'the original watches as before');
until_true(state_of('copy', q{state = 'standing by'}), 'and the copy stands by as before');

# --- the original is gone for good
sql_in('template1', 'DROP DATABASE postgres WITH (FORCE)');
next_polls('copy', 'the original is dropped: the copy watches');

nothing_broke();
$node->stop('fast');
done_testing;
