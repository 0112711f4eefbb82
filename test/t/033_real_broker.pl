# The whole run on a real RabbitMQ, by totals and by metrics: queues of each type and of hostile names are recorded, one
# overgrows, its owner is warned, it is deleted with its messages, and the audit has the number.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('real');

for my $way (qw(totals metrics)) {
	my $broker = Cloudsat::Broker->new;
	my $server = "by_$way";
	# one of them deletes over AMQP, the other over HTTP
	my %options = $way eq 'metrics' ? (metrics_url => $broker->metrics_url) : (amqp_url => $broker->amqp_url);
	sql($broker->server_sql($server, warn_size => 20, delete_size => 80, %options));
	my $poll = sub { return poll('queues, changed, events', $server) };
	my $column = sub { return sql("SELECT $_[1] FROM cloudsat.queues WHERE server = '$server' AND name = '$_[0]'") };
	my $events = sub {
		return sql("SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events
			WHERE server = '$server' AND name = '$_[0]' AND event <> 'appeared'");
	};
	# metrics are up to 5 s old
	my $polled = sub {
		my ($query, $expected, $what) = @_;
		return poll_until($query, $expected, "$way: $what", $server);
	};

	is($poll->(), '0|0|0', "$way: an empty vhost");
	my $jobs = 'queue/alice@example.com/jobs';
	my @hostile = ('a/b', '%2F', 'x?y#z', 'q"uo\'te', "ta\tb", 'x' x 255);
	$broker->amqp('declare', $jobs, 'durable', ',', 'declare', 'short-lived', 'transient', 'x-expires=600000', ',',
		'declare', 'quorum', 'durable', 'x-queue-type=quorum', ',', 'declare', 'stream', 'durable', 'x-queue-type=stream', ',',
		'bind', $jobs, 'amq.topic', 'jobs.#', map { (',', 'declare', $_, 'durable') } @hostile);
	$broker->amqp('publish', 'quorum', 5, ',', 'publish', 'stream', 7);
	$broker->amqp(map { ($_ ? ',' : (), 'publish', $hostile[$_], $_ + 1) } 0 .. $#hostile);
	like($poll->(), qr/^10\|10\|10$/, "$way: ten queues appear") if $way eq 'totals';
	$polled->("SELECT count(*) FROM cloudsat.queues WHERE server = '$server'", '10', 'all of them are recorded');
	is($column->('quorum', 'type, durable, exclusive, auto_delete'), 'quorum|t|f|f', "$way: a quorum queue");
	is($column->('short-lived', q{type, durable, arguments->>'x-expires'}), 'classic|f|600000', "$way: a transient one");
	is($column->('stream', 'type'), 'stream', "$way: a stream");
	is(sql("SELECT source, routing_key, arguments FROM cloudsat.bindings WHERE server = '$server'"), 'amq.topic|jobs.#|{}', "$way: a binding");
	$polled->("SELECT messages FROM cloudsat.queues WHERE server = '$server' AND name = 'quorum'", '5', 'the size of a quorum queue');
	$polled->("SELECT messages FROM cloudsat.queues WHERE server = '$server' AND name = 'stream'", '7', 'the size of a stream');
	$polled->("SELECT string_agg(messages::text, ' ' ORDER BY messages) FROM cloudsat.queues WHERE server = '$server'
		AND (name ~ '[^a-z@./-]' OR name = 'a/b' OR name = repeat('x', 255))", '1 2 3 4 5 6', 'the sizes of queues with hostile names');
	$polled->("SELECT changed FROM cloudsat.poll('$server')", '0', 'then nothing is written');

	$broker->amqp('publish', $jobs, 30);
	$polled->("SELECT level FROM cloudsat.queues WHERE server = '$server' AND name = '$jobs'", 'warned', 'a flooded queue is warned about');
	$broker->amqp('publish', $jobs, 70);
	$polled->("SELECT count(would_delete_at) FROM cloudsat.queues WHERE server = '$server' AND name = '$jobs'", '1', 'and would be deleted');
	is($broker->queues->{$jobs}, 100, "$way: but is not");
	my $held = $broker->hold('consume', $jobs, 10); # a client that holds messages
	$polled->("SELECT unacknowledged FROM cloudsat.queues WHERE server = '$server' AND name = '$jobs'", '10', 'a client holds some');
	sql("ALTER SERVER $server OPTIONS (ADD enforce 'on')");
	$polled->("SELECT level FROM cloudsat.queues WHERE server = '$server' AND name = '$jobs'", 'deleted', 'enforcing, it is deleted');
	$held->finish;
	ok(!exists $broker->queues->{$jobs}, "$way: the broker has it no more");
	is($events->($jobs), 'warned would_delete delete_intended deleted', "$way: the audit");
	is(sql("SELECT messages FROM cloudsat.queue_events WHERE server = '$server' AND event = 'deleted'"), '100', "$way: with the number of messages");
	is(sql("SELECT string_agg(coalesce(disposition::text, 'post'), ' ' ORDER BY uuid) FROM cloudsat.messages
		WHERE message LIKE '%of broker $server %'"), 'post info end', "$way: the thread");
	is(scalar(keys %{ $broker->queues }), 9, "$way: nothing else was touched");

	# an exclusive queue cannot be deleted by somebody else
	$held = $broker->hold('declare', 'mine', 'exclusive', ',', 'publish', 'mine', 100);
	$polled->("SELECT count(*) > 0 FROM cloudsat.queue_events WHERE server = '$server' AND event = 'action_failed'", 't',
		'an exclusive queue is refused');
	like(sql("SELECT detail->>'reason' FROM cloudsat.queue_events WHERE server = '$server' AND event = 'action_failed' LIMIT 1"),
		qr/exclusive/, "$way: and the broker's reason is kept");
	$held->finish;
	$polled->("SELECT gone_at IS NOT NULL FROM cloudsat.queues WHERE server = '$server' AND name = 'mine'", 't', 'it goes with its connection');

	# names that metrics of old brokers cannot tell apart from their syntax must not hide a queue
	$broker->amqp('declare', 'back\\slash', 'durable', ',', 'publish', 'back\\slash', 3);
	$polled->("SELECT messages FROM cloudsat.queues WHERE server = '$server' AND name LIKE 'back%'", '3', 'a backslash in a name');
}
done_testing;
