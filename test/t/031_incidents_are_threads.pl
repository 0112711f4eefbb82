# An overgrown queue from the warning to the end: what is said on the board, what is written down, and what is done to
# the queue. An intention is acted upon only once it is committed, and after another look.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('incidents');
my $fake = Cloudsat::FakeBroker->start;
sub said {
	my ($name) = @_;
	return sql(qq{SELECT string_agg(coalesce(disposition::text, 'post'), ' ' ORDER BY uuid) FROM cloudsat.messages
		WHERE message LIKE '%"$name"%'});
}
sub enforce { return sql("ALTER SERVER pulse OPTIONS (SET enforce '$_[0]')") }

my $alice = 'queue/alice@example.com/jobs';
$fake->queue($alice);
sql($fake->server_sql('pulse', enforce => 'off', address => 'guardian@pulse.example.com', timeout => '5s',
	reserved_owners => '^root@'));
poll();

# --- warned, told what would happen, recovered
$fake->queue($alice, messages => 2001);
is(poll(), '1|0', 'the first time over is noted');
is(events($alice), '', 'and no more');
is(poll(), '1|1', 'the second time counts');
is(events($alice), 'warned', 'the owner is warned');
is(sql(q{SELECT poster, chan, disposition IS NULL, message LIKE '%has 2001 messages, more than its warning size of 2000.%'
	FROM cloudsat.messages}), 'guardian@pulse.example.com|alice@example.com|t|t', 'by a thread, from the guardian to the owner');
is(column($alice, q{level, incident = (SELECT uuid FROM cloudsat.messages), incident_size, owner, owner_kind}),
	'warned|t|2001|alice@example.com|person', 'which the queue\'s row knows');
$fake->queue($alice, messages => 2500);
poll() for 1 .. 3;
is(events($alice), 'warned', 'more of the same is no news');
$fake->queue($alice, messages => 9000);
poll() for 1 .. 5;
is(events($alice), 'warned would_delete', 'not enforcing, it says once what it would have done');
is(said($alice), 'post info', 'in the thread');
is($fake->listed, $alice, 'and deletes nothing');
$fake->queue($alice, messages => 1601);
poll();
is(column($alice, 'level'), 'warned', 'falling below the limit is not enough');
$fake->queue($alice, messages => 1600);
poll();
is(events($alice), 'warned would_delete recovered', 'falling to 0.8 of it is');
is(said($alice), 'post info end', 'and ends the thread');
is(column($alice, 'level, incident, would_delete_at, pending'), 'normal|||normal', 'the queue is as before');
is(sql(q{SELECT count(DISTINCT coalesce(root, uuid)), max(depth) FROM cloudsat.messages}), '1|1', 'it was one thread');

# --- enforced: intention, commit, another look, deletion
enforce('on');
$fake->queue($alice, messages => 9000);
poll() for 1 .. 2;
is(events($alice), 'warned would_delete recovered warned delete_intended', 'enforcing, it intends to');
is($fake->listed, $alice, 'and has not done it yet');
is(column($alice, 'intended_at IS NOT NULL, level'), 't|warned', 'the intention is written down');
$fake->queue($alice, messages => 9100);
poll();
is($fake->listed, '', 'the next poll deletes');
is(sql(qq{SELECT event, messages, incident IS NOT NULL, detail->>'delete_size' FROM cloudsat.queue_events
	WHERE name = '$alice' ORDER BY id DESC LIMIT 1}), 'deleted|9100|t|8000', 'how many messages went is written down');
is(column($alice, 'level, gone_at IS NOT NULL, intended_at, incident'), 'deleted|t||', 'the row says so');
is(said($alice), 'post info end post end', 'and the board');
poll();
is(events($alice), 'warned would_delete recovered warned delete_intended deleted', 'a deleted queue does not vanish');

# --- declared again, it starts afresh
$fake->queue($alice, messages => 3000);
poll();
is(column($alice, 'level, gone_at, messages, acted_at'), 'normal||3000|', 'a queue of the same name is another one');
poll();
is(column($alice, 'level'), 'warned', 'that is warned about in its turn');
$fake->queue($alice, messages => 3000, durable => JSON::PP::false);
poll();
is(said($alice), 'post info end post end post end', 'declared differently, it ends the incident');
like(reason($alice), qr/declared again/, 'and says why');
is(column($alice, 'level, durable'), 'normal|f', 'and starts afresh again');
$fake->tell('/unqueue', { name => $alice });
poll();
is(column($alice, 'gone_at IS NOT NULL, level'), 't|normal', 'a queue that its owner deletes has vanished');
like(events($alice), qr/ vanished$/, 'which is an event');

# --- an intention in the same transaction is not acted upon
$fake->queue('burst', messages => 10000);
poll();
sql(q{BEGIN; SELECT cloudsat.poll('pulse'); SELECT cloudsat.poll('pulse'); ROLLBACK});
is($fake->listed, 'burst', 'what is not committed is not done');
is(events('burst'), '', 'and leaves nothing');
sql(q{BEGIN; SELECT cloudsat.poll('pulse'); SELECT cloudsat.poll('pulse'); COMMIT});
is($fake->listed, 'burst', 'nor what this very transaction intended');
is(events('burst'), 'delete_intended', 'which waits');

# --- withdrawn: each reason by itself
my $n = 0;
sub withdrawn {
	my ($why, $change, %fields) = @_;
	my $name = 'w' . ++$n;
	$fake->queue($name, messages => 10000, %fields);
	poll() for 1 .. 2;
	is(events($name), 'delete_intended', "$why: intended");
	$change->($name);
	poll();
	is(events($name), 'delete_intended delete_withdrawn', "$why: withdrawn");
	like(reason($name), qr/$why/, "$why: says why");
	like($fake->listed, qr/\b$name\b/, "$why: not deleted");
	sql("DELETE FROM cloudsat.queue_policies");
	enforce('on');
	$fake->tell('/unqueue', { name => $name });
	poll();
}
$fake->tell('/unqueue', { name => 'burst' });
poll();
is(events('burst'), 'delete_intended deleted', 'what is gone when looked at again counts as deleted');
like(reason('burst'), qr/gone/, 'and the audit says how it was found');
withdrawn('drained', sub { $fake->queue($_[0], messages => 8000) });
withdrawn('declared again', sub { $fake->queue($_[0], messages => 10000, arguments => { 'x-expires' => 1000 }) });
withdrawn('declared again', sub { $fake->queue($_[0], messages => 10000, type => 'quorum') });
withdrawn('state', sub { $fake->queue($_[0], messages => 10000, state => 'stopped') });
withdrawn('no number', sub { $fake->queue($_[0], messages => 10000, omit => ['messages']) });
withdrawn('without numbers', sub { $fake->queue($_[0], messages => 10000, hide => ['totals']) });
withdrawn('exempts', sub { sql("INSERT INTO cloudsat.queue_policies (queue, exempt) VALUES ('^$_[0]\$', true)") });
withdrawn('unbounded', sub { sql("INSERT INTO cloudsat.queue_policies (queue, unbounded) VALUES ('^$_[0]\$', true)") });
withdrawn('drained', sub { sql("INSERT INTO cloudsat.queue_policies (queue, delete_size) VALUES ('^$_[0]\$', 20000)") });
withdrawn('enforce', sub { enforce('off') });
withdrawn('older than an hour', sub { sql("UPDATE cloudsat.queues SET intended_at = now() - interval '61 min' WHERE name = '$_[0]'") });

# --- the request itself
sub intended {
	my ($name, %fields) = @_;
	$fake->queue($name, messages => 10000, %fields);
	poll() for 1 .. 2;
	is(column($name, 'intended_at IS NOT NULL'), 't', "$name: intended");
}
my $bob = 'queue/bob@example.com/x';
intended($bob);
$fake->behave('/api/queues/%2F/queue%2Fbob%40example.com%2Fx', 'status', method => 'DELETE', code => 401);
poll();
is(events($bob), 'warned delete_intended action_failed', 'a request that is refused has failed');
is(said($bob), 'post problem', 'which is told on the board');
is(column($bob, 'failures, intended_at, retry_after > now() + interval \'20 s\', acted_at IS NOT NULL'), '1||t|t', 'it is not tried again at once');
poll() for 1 .. 3;
is(events($bob), 'warned delete_intended action_failed', 'nor after a few polls');
sql(qq{UPDATE cloudsat.queues SET retry_after = now(), acted_at = now() - interval '1 min' WHERE name = '$bob'});
poll() for 1 .. 2;
poll();
is(events($bob), 'warned delete_intended action_failed delete_intended action_failed', 'but later');
is(said($bob), 'post problem', 'without saying it all again');
$fake->behave_well;
sql(qq{UPDATE cloudsat.queues SET retry_after = now(), acted_at = now() - interval '1 min' WHERE name = '$bob'});
poll() for 1 .. 3;
is(said($bob), 'post problem end', 'and in the end it works');

# a request that times out may have been carried out
intended('late');
$fake->behave('/api/queues/%2F/late', 'delete_later', method => 'DELETE');
poll();
is(column('late', 'attempts, intended_at IS NOT NULL'), '1|t', 'an outcome that is unknown leaves the intention open');
is(events('late'), 'delete_intended', 'and says nothing');
poll();
is(column('late', 'attempts'), '1', 'for a while nothing is done');
sql(q{UPDATE cloudsat.queues SET acted_at = now() - interval '10 s' WHERE name = 'late'});
poll();
is(events('late'), 'delete_intended deleted', 'then both listings miss it: it was deleted');
$fake->behave_well;
intended('stuck');
$fake->behave('/api/queues/%2F/stuck', 'hang', method => 'DELETE');
for (1 .. 5) {
	poll();
	sql(q{UPDATE cloudsat.queues SET acted_at = now() - interval '10 s' WHERE name = 'stuck'});
}
is(events('stuck'), 'delete_intended action_failed', 'one that never answers has failed after five attempts');
$fake->behave_well;
$fake->tell('/unqueue', { name => 'stuck' });
poll();

# a broker that cannot be looked at leaves the intention for later
intended('later');
$fake->tell('/accept', { mode => 'rst' });
poll();
$fake->tell('/accept', { mode => 'normal' });
is(column('later', 'attempts, intended_at IS NOT NULL'), '0|t', 'nothing is done without another look');
poll();
is(events('later'), 'delete_intended deleted', 'which is taken when the broker is back');
sql(q{UPDATE cloudsat.polls SET up_since = NULL}); # else decisions wait

# a session that dies between the deletion and its record
intended('crash');
sql(q{BEGIN; SELECT cloudsat.poll('pulse'); ROLLBACK});
is($fake->listed, '', 'the queue is deleted, the record of it lost');
is(column('crash', 'intended_at IS NOT NULL'), 't', 'the intention is still there');
poll();
is(events('crash'), 'delete_intended deleted', 'and is settled by the next poll');

# names that cannot be addressed
$fake->queue('..', messages => 10000);
poll() for 1 .. 5;
is(events('..'), 'delete_intended action_failed', 'a queue called .. cannot be deleted over HTTP');
like(reason('..'), qr/no address/, 'which is said once');
is(column('..', q{retry_after > now() + interval '23 h'}), 't', 'and not tried again before tomorrow');
poll() for 1 .. 2;
is(column('..', q{retry_after > now() + interval '23 h'}), 't', 'which polls do not change');
sql(q{ALTER SERVER pulse OPTIONS (ADD amqp_url 'amqp://127.0.0.1:1')});
poll();
is(column('..', 'retry_after IS NULL'), 't', 'but the cure does: changed options lift the wait');
sql(q{ALTER SERVER pulse OPTIONS (DROP amqp_url)});

# --- who is left alone
$fake->queue('queue/root@example.com/x', messages => 90000);
$fake->queue('queue/carol/x', messages => 5000);
$fake->queue('queue/dave@example.com/free', messages => 90000);
$fake->queue('queue/erin@example.com/ready', messages => 90000, ready => 10);
$fake->queue('queue/frank@example.com/s', messages => 90000, type => 'stream');
sql(q{INSERT INTO cloudsat.queue_policies (queue, unbounded) VALUES ('^queue/dave@', true);
	INSERT INTO cloudsat.queue_policies (queue, basis) VALUES ('^queue/erin@', 'ready');
	INSERT INTO cloudsat.queue_policies (queue, exempt, priority) VALUES ('^queue/erin@', true, -1)});
poll() for 1 .. 4;
is(events('queue/root@example.com/x'), '', 'a reserved owner\'s queue');
is(events('queue/carol/x'), '', 'an owner who is no person is not warned');
is(events('queue/dave@example.com/free'), 'warned', 'an unbounded queue is warned about and not deleted');
is(events('queue/erin@example.com/ready'), '', 'a policy may count what is ready');
is(events('queue/frank@example.com/s'), 'warned', 'a stream is warned about and not deleted');
sql(q{UPDATE cloudsat.queue_policies SET exempt = true, unbounded = false});
poll();
is(events('queue/dave@example.com/free'), 'warned recovered', 'an exemption ends the incident');
sql(q{DELETE FROM cloudsat.queue_policies; INSERT INTO cloudsat.queue_policies (queue, warn_size) VALUES ('^queue/carol/', 10000)});
poll();
is(sql(q{SELECT warn_size, delete_size FROM cloudsat.queues WHERE name = 'queue/carol/x'}), '10000|10000', 'a policy\'s size may raise the other');

# the thread may have been cleaned up meanwhile
$fake->queue('queue/gina@example.com/x', messages => 3000);
poll() for 1 .. 2;
sql(q{DELETE FROM cloudsat.messages});
$fake->queue('queue/gina@example.com/x', messages => 0);
poll();
is(said('queue/gina@example.com/x'), 'post', 'then the end is told on its own');

# nor need there be an owner any more
$fake->queue('queue/hugo@example.com/x', messages => 3000);
poll() for 1 .. 2;
sql(q{ALTER SERVER pulse OPTIONS (ADD owner_pattern '^nobody/(.*)')});
$fake->queue('queue/hugo@example.com/x', messages => 0);
poll();
is(column('queue/hugo@example.com/x', 'owner, level'), '|normal', 'another owner_pattern counts from the next poll on');
is(sql(q{SELECT chan FROM cloudsat.messages WHERE message LIKE '%hugo%' AND disposition = 'end'}), 'hugo@example.com',
	'who was warned is told of the end');
done_testing;
