# Dump and restore: what the guardian knows, wrote down and was told comes back, and the next poll goes on from there.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('dump');
my $fake = Cloudsat::FakeBroker->start;

$fake->tell('/queues', { count => 5, prefix => 'q', messages => 1 });
$fake->queue('queue/alice@example.com/a', messages => 3000);
$fake->tell('/bindings', { vhost => '/', bindings => [ { source => 'amq.topic', destination => 'q-1', routing_key => 'a.#' } ] });
sql($fake->server_sql('pulse', enforce => 'on'));
sql(q{SELECT cloudsat.poll('pulse')}) for 1 .. 2;
is(sql(q{SELECT string_agg(name, ' ') FROM cloudsat.queues WHERE delay_from IS NOT NULL}), 'queue/alice@example.com/a', 'a warning has a delay');
sql(q{INSERT INTO cloudsat.queue_policies (queue, exempt) VALUES ('^q-', true);
	INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
		VALUES ('pulse', '/', 'q-1', now(), 'x', 'k', true, '\x100002', '\x00ff');
	SELECT cloudsat.set_account_owners('pulse', 'alice', '{alice\@example.com, bot}');
	SELECT count(*) FROM cloudsat.maintain()});
$fake->queue('q-1', messages => 2);
sql(q{SELECT cloudsat.poll('pulse')});

my $file = $PostgreSQL::Test::Utils::tmp_check . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $file, '-d', $node->connstr('postgres') ], 'a dump');
sql('CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr('restored') ], 'a restore, without an error');

for my $table (qw(queues bindings queue_history queue_events queue_policies polls archived_messages accounts account_owners)) {
	my $rows = "SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM cloudsat.$table AS t";
	my $before = sql($rows);
	isnt($before, '', "$table has rows");
	is(sql_in('restored', $rows), $before, "$table is restored");
}
is(sql_in('restored', q{SELECT count(*) FROM ONLY cloudsat.queue_history_default}),
	sql(q{SELECT count(*) FROM ONLY cloudsat.queue_history_default}), 'history lies in the same days');
my (undef, $polled, $warned) = $node->psql('restored', q{SELECT queues, changed, events FROM cloudsat.poll('pulse')});
is($polled, '6|1|0', 'the next poll finds all as it was, but for the delay before a deletion, which enforce held back ends');
like($warned, qr/WARNING:  enforce is held back for broker "pulse"\nDETAIL:.*\nHINT:.*SELECT cloudsat.confirm_enforce\('pulse'\)/, 'but for enforce, which is held back');
is(sql_in('restored', q{SELECT cloudsat.confirm_enforce('pulse')}), 't', 'until somebody confirms it');
(undef, undef, $warned) = $node->psql('restored', q{SELECT cloudsat.poll('pulse')});
is($warned, '', 'then it is in force');
is(sql_in('restored', q{INSERT INTO cloudsat.queue_policies (queue) VALUES ('x') RETURNING id}), '2', 'numbers go on');
$fake->queue('queue/alice@example.com/a', messages => 0);
is(sql_in('restored', q{SELECT events FROM cloudsat.poll('pulse')}), '1', 'so do events');
is(sql_in('restored', q{SELECT string_agg(coalesce(disposition::text, 'post'), ' ' ORDER BY uuid) FROM cloudsat.messages}), 'post end',
	'and the thread of the incident');
is(sql_in('restored', q{SELECT count(*) FROM cloudsat.maintain()}), '0', 'maintain() finds its days');
done_testing;
