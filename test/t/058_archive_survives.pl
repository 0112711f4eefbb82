# Whatever breaks while messages are archived, none is lost: the guard that ends, the connection that is cut, the broker
# that stops, the table that refuses. At worst a message is stored twice, and then it says so.
use strict;
use warnings;
use Cloudsat::Proxy;
use Cloudsat::Guardian;
use Cloudsat::Test;
use IO::Socket::INET;
use Test::More;

my $node = new_node('survives', conf => "cloudsat.databases = 'postgres'");
my $broker = Cloudsat::Broker->start;
my $vhost = $broker->vhost;
my $proxy = Cloudsat::Proxy->start($broker->{amqps_port});
sub bodies_sql { my ($queue) = @_; return "SELECT count(DISTINCT body) FROM cloudsat.archived_messages WHERE queue = '$queue'" }
# every number from 1 to the last is in the archive or in the queue; how often twice
sub all_there {
	my ($queue, $last, $what) = @_;
	my %seen = map { $_ => 1 } split ' ', sql("SELECT string_agg(DISTINCT trim(convert_from(body, 'UTF8')), ' ') FROM cloudsat.archived_messages WHERE queue = '$queue'");
	$seen{ (split ' ')[-1] } = 1 for $broker->amqp('dump', $queue, $last);
	return is(join(' ', grep { !$seen{$_} } 1 .. $last), '', $what);
}
sub go_to { return sql("ALTER SERVER pulse OPTIONS (SET amqp_url '$_[0]')") }
# waits until the broker has taken back what a connection held that has ended
sub all_back {
	my ($queue, $count) = @_;
	return wait_for(30, sub { ($broker->amqp('count', $queue))[0] == $count });
}
# waits until all numbers are stored, and has the guard try again at once whenever something failed
sub without_patience {
	my ($queue, $count) = @_;
	return wait_for(60, sub {
		sql(q{UPDATE cloudsat.queues SET archive_retry = NULL WHERE archive_retry IS NOT NULL});
		return sql(bodies_sql($queue)) >= $count;
	});
}
my $blocker = $node->background_psql('postgres');
sub block { $blocker->query('BEGIN; LOCK TABLE cloudsat.archived_messages IN SHARE MODE') }
sub unblock { $blocker->query('COMMIT') }
# waits until the guard has taken messages and waits to store them
sub caught {
	return becomes(q{SELECT count(*) FROM pg_locks WHERE relation = 'cloudsat.archived_messages'::regclass AND NOT granted}, '1', $_[0]);
}

sql($broker->server_sql('pulse', amqp_url => 'amqps://127.0.0.1:' . $proxy->port, ca_file => $broker->ca_file, poll_interval => '200ms',
	max_poll_interval => '1s', timeout => '2s', enforce => 'on', warn_size => 0, archive_size => 0, delete_size => 1000000));
first_poll();
# the guard holds back for 15 s after a broker has come back
sub trust { sql('UPDATE cloudsat.polls SET up_since = NULL') }

# the one that is to survive the broker's sudden death: RabbitMQ forgets what was declared in the last seconds
$broker->amqp('declare', 'stopped', 'durable');

# --- the guard ends with messages in its hands
block();
$broker->amqp('declare', 'ended', 'durable', ',', 'number', 'ended', 800, 1000);
caught('a batch is taken and not stored');
my $pid = guard('pid');
within(2, 'a guard that is told to end does so', sub {
	sql("SELECT pg_terminate_backend($pid, 5000)");
});
unblock();
becomes(bodies_sql('ended'), '800', 'the next one takes them all');
is(sql("SELECT count(*), count(DISTINCT body), bool_or(redelivered) FROM cloudsat.archived_messages WHERE queue = 'ended'"), '800|800|t',
	'each once, some for the second time');

# --- a belay while messages are taken: what is on its way is stored, and no more
sql(q{ALTER SERVER pulse OPTIONS (SET poll_interval '3s', SET max_poll_interval '3s')}); # a pass takes as long, so that it does not end by itself
block();
my $kept = 'queue/alice@example.com/kept';
$broker->amqp('declare', $kept, 'durable', ',', 'number', $kept, 3000, 1000);
caught('a batch is taken of a queue with an owner');
sql("SELECT cloudsat.reply('alice\@example.com', '.', 'it is mine', incident, 'belay') FROM cloudsat.queues WHERE name = '$kept'");
unblock();
becomes("SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE name = '$kept' AND event <> 'appeared'",
	'warned archive_started belayed archived', 'the owner is obeyed');
my $taken = sql(bodies_sql($kept));
cmp_ok($taken, '<=', 1000, 'few messages were taken');
is($broker->queues->{$kept}, 3000 - $taken, 'the others are where they were');
is(column($kept, 'level, archive, belayed_by'), 'warned||alice@example.com', 'and stay there');
all_there($kept, 3000, 'none is lost');
sql(q{ALTER SERVER pulse OPTIONS (SET poll_interval '200ms', SET max_poll_interval '1s')});

# --- the connection is cut before the commit, and so there is nobody to acknowledge to
block();
$broker->amqp('declare', 'cut', 'durable', ',', 'number', 'cut', 300, 1000);
caught('a batch is taken');
$proxy->cut;
all_back('cut', 300);
unblock();
without_patience('cut', 300);
is(sql("SELECT count(DISTINCT body), count(*) > 300 FROM cloudsat.archived_messages WHERE queue = 'cut'"), '300|t',
	'what was stored and not acknowledged comes again');
is(sql(q{SELECT count(*) = count(*) FILTER (WHERE redelivered) FROM (SELECT redelivered, row_number() OVER (PARTITION BY body ORDER BY id) AS n
	FROM cloudsat.archived_messages WHERE queue = 'cut') AS m WHERE n > 1}), 't', 'and says so');

# --- and in the middle of messages, again and again
my $flaky = Cloudsat::Proxy->start($broker->{amqp_port}, after => 150_000, times => 3);
go_to('amqp://127.0.0.1:' . $flaky->port);
$broker->amqp('declare', 'flaky', 'durable', ',', 'number', 'flaky', 800, 1000);
without_patience('flaky', 800);
is(sql("SELECT count(DISTINCT body), count(*) >= 800 FROM cloudsat.archived_messages WHERE queue = 'flaky'"), '800|t', 'none is lost over a bad line');
like(sql(q{SELECT string_agg(DISTINCT detail->>'reason', ', ') FROM cloudsat.queue_events WHERE name = 'flaky' AND event = 'action_failed'}),
	qr/closed the connection/, 'which was told of');
go_to('amqps://127.0.0.1:' . $proxy->port);

# --- what cannot be stored stays in its queue
sql(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''the disk is full of woe''; END';
	CREATE TRIGGER refuse BEFORE INSERT ON cloudsat.archived_messages FOR EACH ROW EXECUTE FUNCTION refuse()});
$broker->amqp('declare', 'refused', 'durable', ',', 'number', 'refused', 100, ',',
	'declare', 'counted', 'durable', 'x-queue-type=quorum', ',', 'number', 'counted', 100);
becomes(q{SELECT string_agg(event || ': ' || (detail->>'reason'), ', ' ORDER BY id) FROM cloudsat.queue_events WHERE name = 'refused' AND event <> 'appeared'},
	'action_failed: the disk is full of woe', 'a table that refuses is told of');
is($broker->queues->{refused}, 100, 'the messages are where they were');
becomes(column_sql('counted', 'archive_failures'), '1', 'of a quorum queue');
for my $n (2, 3) {
	sql(q{UPDATE cloudsat.queues SET archive_retry = NULL WHERE name = 'counted'});
	becomes(column_sql('counted', 'archive_failures'), $n, "attempt $n");
}
sql(q{UPDATE cloudsat.queues SET archive_retry = NULL WHERE name = 'counted'});
becomes(column_sql('counted', 'archive'), 'withheld', 'that is not tried for ever, because it counts');
sql(q{DROP TRIGGER refuse ON cloudsat.archived_messages; UPDATE cloudsat.queues SET archive_retry = NULL});
becomes(bodies_sql('refused'), '100', 'once it can be stored, it is');
all_back('counted', 100);
is((split ' ', ($broker->amqp('dump', 'counted', 1))[0])[-1], '1', 'the others kept their order');

# --- the broker dies
block();
$broker->amqp('number', 'stopped', 600, 1000);
caught('a batch is taken');
$broker->kill;
unblock();
becomes("SELECT count(*) > 0 FROM cloudsat.archived_messages WHERE queue = 'stopped'", 't', 'what was taken is stored');
$broker->restart;
becomes(q{SELECT consecutive_failures FROM cloudsat.polls}, '0', 'it is back');
trust();
without_patience('stopped', 600);
is(sql(bodies_sql('stopped')), '600', 'everything is archived');

# --- a broker that hangs delays neither, for long, the polls nor the end of the guard
my $deaf = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die $!;
sub waits { return becomes(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Extension' AND query LIKE 'archiving from broker%'}, '1', $_[0]) }
go_to('amqp://127.0.0.1:' . $deaf->sockport);
$broker->amqp('declare', 'deaf', 'durable', ',', 'number', 'deaf', 100);
waits('it waits for a broker that says nothing');
becomes('SELECT bool_or(archive_failures > 0) FROM cloudsat.queues', 't', 'its patience is the server\'s timeout');
my $cycle = sql('SELECT cycle FROM cloudsat.polls');
becomes("SELECT cycle > $cycle + 3 FROM cloudsat.polls", 't', 'polls go on');
is($broker->queues->{deaf}, 100, 'nothing was taken');
go_to($broker->amqp_url);
sql('UPDATE cloudsat.queues SET archive_retry = NULL');
becomes(bodies_sql('deaf'), '100', 'until there is a way again');
go_to('amqp://127.0.0.1:' . $deaf->sockport);
$broker->amqp('declare', 'late', 'durable', ',', 'number', 'late', 100);
waits('once more');
within(2, 'a guard that waits ends', sub { sql(q{SELECT pg_terminate_backend(pid, 5000) FROM cloudsat.worker_status WHERE kind = 'guard'}) });

my %published = (ended => 800, flaky => 800, cut => 300, refused => 100, stopped => 600, deaf => 100);
all_there($_, $published{$_}, "$_: all are there") for sort keys %published;
$blocker->quit;
done_testing;
