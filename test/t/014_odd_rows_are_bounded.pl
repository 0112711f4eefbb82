# Rows that neither post nor reply writes, but a superuser's INSERT can: reading the board comes to an end, whatever is in it.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('odd', conf => "cloudsat.notify = off\nstatement_timeout = 20s");

# --- the greatest transaction number ------------------------------------------------------------------------------
sql(q{CREATE FUNCTION odd(chan text, xact xid8, id uuid DEFAULT gen_random_uuid()) RETURNS void LANGUAGE sql AS $$
		INSERT INTO cloudsat.messages (uuid, timestamp, poster, chan, message, xact)
		VALUES (id, now(), 'odd.example.org', chan::cloudsat.address, 'odd', xact) $$});
my $largest = q{'18446744073709551615'};
my $me = q{SELECT FROM cloudsat.register('{app@odd.example.com}')};
my $say = sub { return qq{SELECT FROM cloudsat.post('ask\@example.org', '$_[0]', '$_[1]')} };
my $both = q{SELECT string_agg(message, ',' ORDER BY message) FROM};
# in each place of each channel: alone, behind and before others, several of them
for my $chan ('app@odd.example.com', 'odd.example.com', '.') {
	is(sql($me, $say->($chan, 'a'), qq{SELECT odd('$chan', xact) FROM unnest('{18446744073709551615,18446744073709551614,9223372036854775808}'::xid8[]) AS xact},
			$say->('odd.example.com', 'b'), "$both cloudsat.receive()", 'SELECT count(*) FROM cloudsat.receive()'), "\n\n\na,b\n0",
		"receive comes to an end on $chan");
}
is(sql($me, q{SELECT count(*) FROM cloudsat.receive(timeout => '100ms')}), '0', '... also when it waits');
is(sql($me, 'BEGIN', (map { $say->('odd.example.com', "m$_") } 1 .. 5), 'COMMIT', 'SELECT count(*) FROM cloudsat.receive(2)',
		'SELECT count(*) FROM cloudsat.receive(2)', 'SELECT count(*) FROM cloudsat.receive(2)', 'SELECT count(*) FROM cloudsat.receive(2)'),
	"2\n2\n1\n0", '... and in the middle of a transaction');
is(sql(q{SELECT count(*) FROM cloudsat.inbox('app@odd.example.com')}) > 0, 1, 'so does inbox');
is(sql(q{SELECT FROM (SELECT cloudsat.current_snapshot() AS now) AS s, LATERAL cloudsat.inbox('app@odd.example.com', now)}), '', '... with a since');
like(error(q{INSERT INTO cloudsat.bookmarks (nick, timestamp, position) VALUES ('future.example.com', now(), '18446744073709551615:18446744073709551615:')},
		q{SELECT cloudsat.register('{future.example.com}')}), qr/^(?:55000: bookmark lies in the future|22\w+: )/, 'a bookmark of that time is refused');
like(error(q{INSERT INTO cloudsat.bookmarks (nick, timestamp, position, partial_xact, partial_uuid)
			VALUES ('partial.example.com', now(), '5:5:', '18446744073709551615', gen_random_uuid())},
		q{SELECT cloudsat.register('{partial.example.com}')}), qr/^55000: bookmark lies in the future/, '... and of part of a transaction of that time');
like(error(q{SELECT FROM cloudsat.register('{future2.example.com}')},
		q{INSERT INTO cloudsat.bookmarks (nick, timestamp, position) VALUES ('future2.example.com', now(), '9000000000000000000:9000000000000000000:')},
		'SELECT cloudsat.bookmark()'), qr/^55000: bookmark lies in the future/, '... and nothing is added to it');

# --- times without end ------------------------------------------------------------------------------------------------
my $end = qr/^55000: newest row has the greatest possible timestamp/;
my @times = ("'infinity'", "'294276-12-31 23:59:59.999999Z'", "'-infinity'", "'4714-11-24 00:00Z BC'", "'9999-01-01Z'");
for my $n (0 .. $#times) {
	my ($time, $nick) = ($times[$n], "t$n.odd.example.com");
	my $i_am = "SELECT FROM cloudsat.register('$nick')";
	my $bookmark = "INSERT INTO cloudsat.bookmarks (nick, timestamp, position) VALUES ('$nick', $time, '1:1:')";
	my $claim = qq{SELECT cloudsat.post('ask\@example.org', '$nick', 'x') AS said \\gset
		INSERT INTO cloudsat.claim_log SELECT :'said', $time, $time, 1, 'acknowledged', :'said', '$nick', '$nick', 'claimed', $time};
	if ($n < 2) {
		like(error($i_am, $bookmark, 'SELECT cloudsat.bookmark()'), $end, "no bookmark follows one of $time");
		like(error($i_am, $claim, "SELECT cloudsat.release(:'said', 'end', 'x')"), $end, "nothing follows a claim of $time");
	} else {
		is(error($i_am, $bookmark, 'SELECT cloudsat.bookmark()'), '', "a bookmark follows one of $time");
		is(sql($i_am, $claim, "SELECT cloudsat.claim(:'said') IS NULL"), 'f', "a claim follows one of $time");
	}
	is(error("DELETE FROM cloudsat.bookmarks WHERE nick = '$nick'", "INSERT INTO cloudsat.bookmarks VALUES ('$nick', now(), '1:1:', NULL, NULL, $time)", $i_am, 'SELECT count(*) FROM cloudsat.receive()',
			$say->($nick, 'a'), 'SELECT count(*) FROM cloudsat.receive()', 'SELECT cloudsat.bookmark()'), '', "a floor of $time");
	is(sql("INSERT INTO cloudsat.registered VALUES ('$nick', $time, '{.}', 1, $time), ('$nick', $time, '{}', pg_backend_pid(), (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()))",
			$i_am, 'DISCARD ALL', $i_am, 'SELECT cloudsat.nick()'), $nick, "registrations of $time");
}
is(error("UPDATE cloudsat.bookmarks SET floor = 'infinity' WHERE nick = 't0.odd.example.com'"), '', 'an infinite floor');
is(sql($say->('t0.odd.example.com', 'is found'), q{SELECT FROM cloudsat.register('t0.odd.example.com')}, q{SELECT count(*) FROM cloudsat.receive(1000) WHERE message = 'is found'}), '1',
	'... hides no message');
is(error("SELECT count(*) FROM cloudsat.$_"), '', "$_ reads them all") for qw(claims orphaned_claims recent connections listeners tasks);
is(error('SELECT FROM cloudsat.maintain()', q{SELECT FROM cloudsat.cleanup('1 d')}, q{SELECT FROM cloudsat.cleanup('0', exact => true)}), '', 'nor does keeping house stumble');

# --- circles -------------------------------------------------------------------------------------------------------
# node(N, PARENT, ROOT, DEPTH)
sql(q{CREATE FUNCTION m(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('0190163d-8694-739b-aea5-' || lpad(n::text, 12, '0'))::uuid $$},
	q{CREATE FUNCTION node(n int, before int, root int, depth int) RETURNS void LANGUAGE sql AS $$
		INSERT INTO cloudsat.messages VALUES (m(n), now(), 'odd.example.org', 'circle.example.org', n::text, m(before),
			CASE WHEN before IS NOT NULL THEN 'acknowledged'::cloudsat.disposition END, m(root), depth, pg_current_xact_id()) $$},
	# two that are each other's parents, one that is its own, one whose root is itself, a circle under a root
	'SELECT node(1, 2, 1, 2147483647), node(2, 1, 1, 2147483647)', 'SELECT node(3, 3, 3, 2147483647)',
	'SELECT node(10, NULL, NULL, NULL), node(11, 10, 10, 1), node(12, 13, 10, 2147483647), node(13, 14, 10, 2147483646), node(14, 12, 10, 2147483645)',
	# a way up on which the depth does not fall
	'SELECT node(20, NULL, NULL, NULL), node(21, 20, 20, 5), node(22, 21, 20, 5)',
	# and one that falls below any sense, but comes to an end
	'SELECT node(30, NULL, NULL, NULL), node(31, 30, 30, 1000000), node(32, 31, 30, 2000000000)');
like(error("SELECT cloudsat.ancestors(m($_))"), qr/^XX001: message 0190163d-8694-739b-aea5-\d+ does not lie above its reply/,
	"the ancestors of $_ have no end, and are told so") for 1, 2, 3, 12, 13, 14, 22;
is(sql('SELECT string_agg(message, $$,$$ ORDER BY distance) FROM cloudsat.ancestors(m(32))'), '31,30', 'those of others are found whatever their depth');
for my $start (1, 2, 3, 10, 11, 12, 13, 14, 20, 22, 30) {
	is(sql("SELECT count(*) <= 5 FROM cloudsat.$_(m($start))"), 't', "$_($start) comes to an end")
	  for qw(thread children participants acknowledgments failed incomplete task);
	is(sql("SELECT length(cloudsat.thread_text(m($start))) < 2000, cloudsat.root(m($start)) IS NOT NULL"), 't|t', "so do thread_text and root ($start)");
}
is(sql('SELECT count(*) > 0 FROM cloudsat.tasks'), 't', 'and the view tasks');
like(error($me, "SELECT cloudsat.$_"), qr/^54000: thread is too deep/, "$_ goes no deeper")
  for q{reply(m(1), 'info', 'x')}, q{reply('app@odd.example.com', '.', 'x', m(12), 'info')};

done_testing();
