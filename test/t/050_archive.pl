# The archive on a real RabbitMQ: what is too much in a queue is taken out of it and stored, oldest first and byte for
# byte, down to the size at which it ends; not more than it may hold, and not where that would disturb somebody.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('archive', conf => "cloudsat.databases = 'postgres'");
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
# how many of a queue are stored, and how often a number of the bodies is missing or wrong in order
sub numbers {
	my ($queue) = @_;
	return "SELECT count(*), count(*) FILTER (WHERE trim(convert_from(body, 'UTF8'))::int <> i)
		FROM cloudsat.archived('pulse', '$vhost', '$queue') WITH ORDINALITY
		AS a(id, archived_at, exchange, routing_key, redelivered, properties, body, raw, i)";
}

sql($broker->server_sql('pulse', amqp_url => $broker->amqp_url, poll_interval => '200ms', enforce => 'on',
	warn_size => 20, archive_size => 50, delete_size => 1000000));
first_poll();

# The sizes of quorum queues are up to 5 s old: so all queues fill at once, and are looked at one after the other.
my $jobs = 'queue/alice@example.com/jobs';
my $rich = 'rich';
sql("INSERT INTO cloudsat.queue_policies (queue, archive_size, max_archive_size) VALUES ('^(bounded|tight)\$', 100, 130)");
my @held = (
	$broker->hold('declare', 'mine', 'exclusive', ',', 'publish', 'mine', 100),
	$broker->hold('declare', 'guarded', 'durable', ',', 'publish', 'guarded', 100, ',', 'exclusive', 'guarded'));
$broker->amqp('declare', 'quorum', 'durable', 'x-queue-type=quorum', ',', 'number', 'quorum', 3000, 200, ',',
	'declare', 'tight', 'durable', 'x-queue-type=quorum', ',', 'number', 'tight', 500, ',',
	'declare', 'single', 'durable', 'x-queue-type=quorum', 'x-single-active-consumer=true', ',', 'publish', 'single', 100, ',',
	'declare', 'fragile', 'durable', 'x-queue-type=quorum', 'x-delivery-limit=3', ',', 'publish', 'fragile', 100, ',',
	'declare', 'stream', 'durable', 'x-queue-type=stream', ',', 'publish', 'stream', 100, ',',
	'declare', 'leased', 'durable', 'x-expires=600000', ',', 'publish', 'leased', 100, ',',
	'declare', 'bounded', 'durable', ',', 'number', 'bounded', 500, ',',
	'declare', 'large', 'durable', ',', 'publish', 'large', 3, 16777216, ',', 'publish', 'large', 60, ',',
	'declare', $rich, 'durable', ',', 'rich', $rich, ',', 'rich', $rich, ',', 'publish', $rich, 60, ',',
	'declare', 'copy', 'durable', ',', 'rich', 'copy');

# --- a classic queue, from the warning to the end of it
$broker->amqp('declare', $jobs, 'durable', ',', 'number', $jobs, 1500, 1000);
becomes(stored_sql($jobs), '1460', 'it is emptied down to 0.8 of the archiving size');
is($broker->queues->{$jobs}, 40, 'the broker has the rest');
is(sql(numbers($jobs)), '1460|0', 'the oldest were taken, in their order');
is((split ' ', ($broker->amqp('dump', $jobs, 1))[0])[-1], '1461', 'and the next one is next');
becomes(column_sql($jobs, 'level, archive, acted_at IS NOT NULL'), 'warned||t', 'archiving is over, though its numbers are not believed for a while');
sql("UPDATE cloudsat.queues SET acted_at = NULL WHERE name = '$jobs'");
is(events($jobs), 'warned archive_started archived', 'the audit');
is(sql("SELECT messages FROM cloudsat.queue_events WHERE name = '$jobs' AND event = 'archived'"), '1460', 'with the number');
is(sql("SELECT string_agg(coalesce(disposition::text, 'post'), ' ' ORDER BY uuid) FROM cloudsat.messages"), 'post info info', 'and the thread');
like(sql("SELECT string_agg(message, E'\\n' ORDER BY uuid) FROM cloudsat.messages"),
	qr/Above 50 its oldest messages will be archived.*more than its archiving size of 50.*: 1460 messages were archived\./s, 'tell of it');
is(sql("SELECT messages, bytes FROM cloudsat.archives WHERE queue = '$jobs'"), '1460|1460000', 'archives sums up');
is(column($jobs, 'archived, archive_at'), '0|', 'the row is ready for the next time');
$broker->amqp('publish', $jobs, 11);
becomes(column_sql($jobs, 'messages'), '50', 'at its archiving size');
my $cycle = sql('SELECT cycle FROM cloudsat.polls');
becomes("SELECT cycle >= $cycle + 3 FROM cloudsat.polls", 't', 'however often that is seen');
is(column($jobs, 'level'), 'warned', 'nothing begins');
$broker->amqp('publish', $jobs, 10);
becomes(stored_sql($jobs), '1480', 'above it, it begins again');

# --- byte for byte
becomes(stored_sql($rich), '22', 'a message with everything is archived');
my (undef, undef, $properties) = split / /, ($broker->amqp('dump', 'copy', 1))[0];
is(sql("SELECT encode(properties, 'hex') FROM cloudsat.archived_messages WHERE queue = '$rich' ORDER BY id LIMIT 1"),
	$properties, 'properties and headers are what another client makes of them, bit for bit');
is(sql("SELECT encode(body, 'hex') FROM cloudsat.archived_messages WHERE queue = '$rich' ORDER BY id LIMIT 1"),
	unpack('H*', "not utf8 \xff and a \0 in it"), 'so is the body');
is(sql("SELECT exchange, routing_key, redelivered FROM cloudsat.archived('pulse', '$vhost', '$rich') LIMIT 1"), "|$rich|f", 'and where it went');
is(sql("SELECT properties->>'user_id', properties->'headers'->'decimal', properties->'headers'->'table', properties->'priority'
	FROM cloudsat.archived('pulse', '$vhost', '$rich') LIMIT 1"),
	'admin|{"!decimal": "12.34"}|{"deep": ["in an array", null]}|3', 'people see them as JSON');

# --- large ones
becomes(stored_sql('large'), '23', 'messages of 16 MB are archived');
is(sql("SELECT count(*) FILTER (WHERE body = convert_to(repeat('x', 16777216), 'UTF8')), count(*) FROM cloudsat.archived('pulse', '$vhost', 'large')"),
	'3|23', 'whole');

# --- a quorum queue
becomes(stored_sql('quorum'), '2960', 'a quorum queue is emptied, too');
is(sql(numbers('quorum')), '2960|0', 'in order');
is(sql("SELECT count(*) FILTER (WHERE redelivered) FROM cloudsat.archived('pulse', '$vhost', 'quorum')"), '0', 'each of them once');
is((split ' ', ($broker->amqp('dump', 'quorum', 1))[0])[-1], '2961', 'what is left is in order');
is($broker->api(GET => '/queues/' . Cloudsat::Broker::escape($vhost) . '/quorum')->{consumers} // 0, 0, 'no consumer stays behind');

# --- no more than it may hold
for my $queue (qw(bounded tight)) {
	becomes(events_sql($queue), 'archive_started archive_full archived', "$queue: at its limit it ends");
	is(sql(numbers($queue)), '130|0', "$queue: having exactly as many as allowed");
	is(column($queue, 'archive, level'), 'full|normal', "$queue: which its row says");
	becomes(column_sql($queue, 'messages'), '370', "$queue: the others are where they were");
}
is(sql("SELECT count(*) FROM cloudsat.take_archived('pulse', '$vhost', 'bounded', 50)"), '50', 'room is made');
becomes(events_sql('bounded'), 'archive_started archive_full archived archive_started archive_full archived', 'it goes on');
is(sql("SELECT count(*) FROM cloudsat.archived('pulse', '$vhost', 'bounded')"), '130', 'and is full again');
$broker->amqp('get', 'bounded', 300);
becomes(column_sql('bounded', 'archive'), '', 'until the queue is small');

# --- where it stands back
my %reason = (
	mine => 'exclusive to one connection', guarded => 'exclusive consumer', leased => 'expires', single => 'single active consumer',
	fragile => 'delivery limit');
for my $queue (sort keys %reason) {
	becomes(events_sql($queue), 'archive_withheld', "$queue: the archive stands back");
	like(sql("SELECT detail->>'reason' FROM cloudsat.queue_events WHERE name = '$queue' ORDER BY id DESC LIMIT 1"), qr/$reason{$queue}/, "$queue: and says why");
	is(column($queue, 'archive, level'), 'withheld|normal', "$queue: its row, too");
	is($broker->queues->{$queue}, 100, "$queue: is untouched");
}
is(events('stream'), '', 'a stream is never thought of');
$_->finish for @held;

# --- who decides: policies, unbounded, enforce
sql(q{INSERT INTO cloudsat.queue_policies (queue, archive_size) VALUES ('^never$', -1);
	INSERT INTO cloudsat.queue_policies (queue, unbounded) VALUES ('^free$', true);
	INSERT INTO cloudsat.queue_policies (queue, unbounded, archive_size) VALUES ('^wide$', true, 60)});
$broker->amqp(map { ($_ eq 'never' ? () : ','), 'declare', $_, 'durable', ',', 'publish', $_, 100 } qw(never free wide));
becomes(stored_sql('wide'), '52', 'an unbounded queue is archived where its policy says so');
is(column('free', 'archive_size, archive, messages'), '||100', 'and else not');
is(column('never', 'archive_size, archive, messages'), '||100', 'a policy may say never');
sql(q{ALTER SERVER pulse OPTIONS (SET enforce 'off')});
$broker->queue('later', 100);
becomes(column_sql('later', 'messages, pending'), '100|archiving', 'with enforce off it is seen');
is(column('later', 'archive, level'), '|normal', 'and left');
sql(q{ALTER SERVER pulse OPTIONS (SET enforce 'on')});
becomes(stored_sql('later'), '60', 'until it is on');

# --- what fails is told once, and tried again later
sub may_read {
	my ($what) = @_;
	return $broker->must_api(PUT => '/permissions/' . Cloudsat::Broker::escape($vhost) . '/guardian',
		{ configure => '.*', write => '', read => $what });
}
may_read('^other$');
$broker->queue('closed', 100);
becomes(events_sql('closed'), 'action_failed', 'without the right to read');
like(sql("SELECT detail->>'reason' FROM cloudsat.queue_events WHERE name = 'closed' AND event = 'action_failed'"), qr/ACCESS_REFUSED/, 'the broker says so');
is(column('closed', q{archive_failures, archive_retry > now() + interval '10 s', archive}), '1|t|on', 'there will be another attempt');
may_read('.*');
sql(q{UPDATE cloudsat.queues SET archive_retry = now() WHERE name = 'closed'});
becomes(stored_sql('closed'), '60', 'which goes well');
is(column('closed', 'archive_failures'), '0', 'and is as if nothing had been');
becomes(events_sql('closed'), 'action_failed archive_started archived', 'nothing was said twice');

# --- neither party of a deletion loses count
$broker->queue('doomed', 60);
becomes(stored_sql('doomed'), '20', 'what was archived');
may_read('^other$');
sql(q{INSERT INTO cloudsat.queue_policies (queue, warn_size, archive_size, delete_size) VALUES ('^doomed$', 1, 2, 30);
	UPDATE cloudsat.queues SET acted_at = NULL WHERE name = 'doomed'});
becomes(events_sql('doomed'), 'archive_started archived action_failed', 'the archive fails');
sql(q{UPDATE cloudsat.queues SET archive_failures = 4, archive_retry = now() WHERE name = 'doomed'});
becomes(events_sql('doomed'), 'archive_started archived action_failed delete_intended deleted',
	'is told, also when its queue is deleted, being too large in spite of it');
is(sql("SELECT messages FROM cloudsat.queue_events WHERE name = 'doomed' AND event = 'archived'"), '20', 'with the number');

may_read('.*');

# --- reading and taking
is(sql(q{SELECT count(*) FROM cloudsat.archived('pulse', 'nowhere', 'nothing')}), '0', 'nothing of what is not there');
is(sql("SELECT string_agg(trim(convert_from(body, 'UTF8')), ' ') FROM cloudsat.take_archived('pulse', '$vhost', 'quorum', 3)"), '1 2 3', 'the oldest are taken first');
is(sql("SELECT string_agg(trim(convert_from(body, 'UTF8')), ' ') FROM cloudsat.take_archived('pulse', '$vhost', 'quorum', 2)"), '4 5', 'and only once');
sql("BEGIN; SELECT count(*) FROM cloudsat.take_archived('pulse', '$vhost', 'quorum', 10); ROLLBACK");
is(sql("SELECT trim(convert_from(body, 'UTF8')) FROM cloudsat.archived('pulse', '$vhost', 'quorum') LIMIT 1"), '6', 'unless it is rolled back');
done_testing;
