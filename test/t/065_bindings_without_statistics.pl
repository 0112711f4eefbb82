# Recording bindings takes time in proportion to their number, whatever the planner knows or believes of the table: when
# nobody has analyzed it, when the statistics are of an empty table, or of another broker's rows only.
use strict;
use warnings;
use Cloudsat::Test;
use Test::More;

my $bindings = 40_000;
my $queues = 400;
my $node = new_node('bindings', conf => "autovacuum = off\nfsync = off\n");
my $fake = Cloudsat::FakeBroker->start;

# these many, of so many queues
sub bind_queues {
	my ($from, $until) = @_;
	return $fake->tell('/bindings', { vhost => '/', bindings => [
		map { { source => 'amq.topic', destination => 'q-' . $_ % $queues, routing_key => "some.key.$_", arguments => { n => $_ % 3 } } }
		  $from .. $until - 1 ] });
}
# A tenth of it on a machine that does nothing else; a loop in a loop takes minutes.
sub recorded {
	my ($server, $what) = @_;
	sql(qq{UPDATE cloudsat.polls SET bindings_at = NULL WHERE server = '$server'});
	my $ms = sql(qq{SET statement_timeout = '60s'; SELECT record_ms FROM cloudsat.poll('$server')});
	cmp_ok($ms, '<', 15_000, $what);
	note "$what: $ms ms";
	return;
}
sub known { return sql(qq{SELECT count(*), count(DISTINCT routing_key) FROM cloudsat.bindings WHERE server = '$_[0]'}) }

$fake->tell('/queues', { count => $queues });
bind_queues(0, $bindings);
sql($fake->server_sql('one', timeout => '60s'));
recorded('one', 'many bindings are recorded into an empty table that was never analyzed');
is(known('one'), "$bindings|$bindings", 'all of them');
my $written = sql(q{SELECT max(xmin::text::bigint) FROM cloudsat.bindings});
recorded('one', 'the same again');
is(sql(q{SELECT max(xmin::text::bigint) FROM cloudsat.bindings}), $written, 'writes nothing');
bind_queues($bindings / 2, $bindings * 3 / 2);
recorded('one', 'half of them go, and as many come');
is(known('one') . sql(q{SELECT '|' || min(arguments ->> 'n') FROM cloudsat.bindings WHERE routing_key = 'some.key.' || 59999}),
	"$bindings|$bindings|2", 'and are the ones known');

# the statistics say that there is one broker, and no other
sql('ANALYZE cloudsat.bindings, cloudsat.queues');
sql($fake->server_sql('two', timeout => '60s'));
recorded('two', 'bindings of a broker that the statistics do not know');
recorded('two', 'once more');
is(known('two'), "$bindings|$bindings", 'all of them');
bind_queues(0, 10);
recorded('two', 'nearly all of them go');
is(known('two'), '10|10', 'and are gone');

# what a queue was bound to goes with it
sql(q{TRUNCATE cloudsat.bindings; ANALYZE cloudsat.bindings});
bind_queues(0, $bindings);
recorded('two', 'bindings into a table that was empty when it was analyzed');
$fake->tell('/unqueues', { count => $queues / 4 });
my $ms = sql(q{SELECT record_ms FROM cloudsat.poll('two')});
cmp_ok($ms, '<', 15_000, 'queues go');
is(known('two'), join('|', ($bindings * 3 / 4) x 2), 'and their bindings with them');

# what differs in its arguments only is another binding
$fake->tell('/bindings', { vhost => '/', bindings => [ map { { source => 'amq.headers', destination => 'q-300', routing_key => '',
	arguments => { 'x-match' => $_ } } } qw(all any any) ] });
recorded('two', 'a few');
is(sql(q{SELECT string_agg(arguments::text, ' ' ORDER BY arguments) FROM cloudsat.bindings WHERE server = 'two'}),
	'{"x-match": "all"} {"x-match": "any"}', 'are told apart by their arguments');
done_testing;
