# A queue that archive_size covers is not deleted as long as the archive may have more of it: not because the broker's
# statistics are late, not for a reason that is over, not because messages come faster than they are archived, and not for a fault that passes.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('before', conf => "cloudsat.databases = 'postgres'\nfsync = off\n");
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
my $path = Cloudsat::Broker::escape($vhost);
sub why { my ($queue) = @_; return "SELECT max(detail ->> 'reason') FROM cloudsat.queue_events WHERE name = '$queue' AND event = 'archive_withheld'" }
sub told { # waits until the broker's statistics say so of a queue
	my ($queue, $says) = @_;
	return wait_for(30, sub { $says->(scalar $broker->api(GET => "/queues/$path/$queue")) }) || die "the broker does not tell it of $queue";
}

sql($broker->server_sql('pulse', amqp_url => $broker->amqp_url, poll_interval => '500ms', enforce => 'on',
	warn_size => 100, archive_size => 300, delete_size => 1000));
first_poll();

# --- a reason that goes
$broker->amqp('declare', 'guarded', 'durable', ',', 'number', 'guarded', 500, 20);
my $owner = $broker->hold('exclusive', 'guarded');
$broker->amqp('number', 'guarded', 400, 20);
becomes(column_sql('guarded', 'archive'), 'withheld', 'a queue with an exclusive consumer is not archived');
like(explained('guarded', 'above 1000', $vhost), qr/delete_intended\|.*not archived: .*; deleted, unless/, 'and would be deleted');
$owner->finish;
becomes(column_sql('guarded', 'archive, messages'), '|240', 'when the consumer has gone, it is archived');
$broker->amqp('number', 'guarded', 1200, 20);
becomes(stored_sql('guarded'), '1860', 'and so it is above delete_size');
unlike(events('guarded'), qr/delete/, 'a deletion was not intended');

# --- a consumer that comes with the flood, before the statistics know of it
$broker->amqp('declare', 'flood', 'durable', ',', 'number', 'flood', 50, 20);
told('flood', sub { my ($queue) = @_; return ($queue->{messages} // 0) == 50 && $queue->{consumer_details} });
my $reader = $broker->hold('consume', 'flood', 1, ',', 'number', 'flood', 1500, 20);
becomes(stored_sql('flood'), '1310', 'a queue is archived when the statistics know its consumer');
becomes(events_sql('flood'), 'archive_started archived', 'and is not deleted meanwhile');
$reader->finish;

# --- nothing that could be taken
my $hoarder = $broker->hold('declare', 'hoard', 'durable', ',', 'number', 'hoard', 1500, 20, ',', 'consume', 'hoard', 1500);
becomes(why('hoard'), 'consumers hold all of its messages, so none can be taken',
	'what consumers hold can not be archived, which is said');
becomes(events_sql('hoard'), qr/^archive_withheld .*deleted$/, 'before the queue is deleted');
$hoarder->finish;

# --- a queue that grows faster than it is archived
$broker->amqp('declare', 'fast', 'durable', ',', 'publish', 'fast', 60000, 200);
like(explained('fast', 'above 1000', $vhost), qr/not deleted: it is being archived, and the archive has room for more/,
	'as long as a queue is archived, it is not to be deleted')
  if column('fast', 'archive') eq 'on';
becomes(stored_sql('fast'), qr/^(59[7-9]..|60000)$/, 'however large a queue is, it is archived');
becomes(events_sql('fast'), 'archive_started archived', 'and not deleted meanwhile');

# --- policies that the broker does not tell of at first
$broker->must_api(PUT => "/policies/$path/limit", { pattern => '^fragile$', definition => { 'delivery-limit' => 1 }, 'apply-to' => 'queues' });
$broker->must_api(PUT => "/policies/$path/lease", { pattern => '^leased$', definition => { expires => 600000 }, 'apply-to' => 'queues' });
$broker->amqp('declare', 'fragile', 'durable', 'x-queue-type=quorum', ',', 'number', 'fragile', 1500, 20, ',',
	'declare', 'leased', 'durable', ',', 'number', 'leased', 500, 20);
becomes(why('fragile'), qr/delivery limit is low/, 'a delivery limit by policy is heeded');
becomes(why('leased'), qr/it expires if unused/, 'so is an expiry by policy');
is(stored('fragile') + stored('leased'), 0, 'and nothing is taken before they are known');
like(events('fragile'), qr/^archive_withheld\b/, 'nor is the queue deleted before');

# --- the reason of this moment
$broker->amqp('declare', 'other', 'durable', ',', 'number', 'other', 500, 20);
my $jealous = $broker->hold('exclusive', 'other');
my $explanation = "SELECT detail FROM cloudsat.explain_queue('pulse', '$vhost', 'other') WHERE item = 'archive'";
becomes($explanation, 'it has an exclusive consumer', 'a queue is explained by what it is not archived for');
$broker->must_api(PUT => "/policies/$path/lease", { pattern => '^(leased|other)$', definition => { expires => 600000 }, 'apply-to' => 'queues' });
becomes($explanation, qr/^it expires if unused/, 'and when that has changed, by the new reason');
is(events('other'), 'archive_withheld archive_withheld', 'which the audit tells, once');
is(stored('other'), '0', 'and nothing of it was archived');
$jealous->finish;

# --- a fault that passes
sub in_permission { # what the guardian may read
	my ($what) = @_;
	return $broker->must_api(PUT => "/permissions/$path/guardian", { configure => '.*', write => '', read => $what });
}
in_permission('^nothing$');
$broker->amqp('declare', 'unlucky', 'durable', ',', 'number', 'unlucky', 1500, 20);
becomes(column_sql('unlucky', 'archive_failures, pending'), '1|deleted', 'an attempt to archive fails');
more_polls(3, '3 more polls');
is(events('unlucky'), 'action_failed', 'and the queue is not deleted for that');
sql(q{UPDATE cloudsat.queues SET archive_failures = 3, archive_retry = now() WHERE name = 'unlucky'});
becomes(column_sql('unlucky', 'archive_failures'), '4', 'nor when it fails again');
more_polls(3, '3 more polls');
is(events('unlucky'), 'action_failed', 'and again');
in_permission('.*');
sql(q{UPDATE cloudsat.queues SET archive_retry = now() WHERE name = 'unlucky'});
becomes(stored_sql('unlucky'), '1260', 'but archived when an attempt goes well');
in_permission('^nothing$');
$broker->amqp('declare', 'hopeless', 'durable', ',', 'number', 'hopeless', 500, 20, ',', 'declare', 'rescued', 'durable', ',', 'number', 'rescued', 500, 20);
becomes(q{SELECT count(*) FROM cloudsat.queues WHERE name IN ('hopeless', 'rescued') AND archive_failures = 1}, '2', 'others fail');
sql(q{UPDATE cloudsat.queues SET archive_failures = 4, archive_retry = now() WHERE name IN ('hopeless', 'rescued')});
becomes(q{SELECT count(*) FROM cloudsat.queues WHERE name IN ('hopeless', 'rescued') AND archive_failures = 5}, '2', 'for good');
$broker->amqp('number', 'hopeless', 1200, 20);
becomes(events_sql('hopeless'), 'action_failed delete_intended deleted', 'what fails for good does not keep a queue from being deleted');
in_permission('.*');
$broker->amqp('number', 'rescued', 1200, 20);
becomes(stored_sql('rescued'), '1460', 'there is an attempt before the deletion, however late the next one would be');
unlike(events('rescued'), qr/delete/, 'and when it goes well, a deletion is not intended');

# --- nobody answers
sql(qq{ALTER SERVER pulse OPTIONS (SET amqp_url 'amqp://127.0.0.1:1', SET poll_interval '3s')});
$broker->amqp(map { ($_ == 1 ? () : ','), 'declare', "alone$_", 'durable', ',', 'number', "alone$_", 1500, 20 } 1 .. 3);
becomes(q{SELECT count(*) FROM cloudsat.queue_events WHERE name ~ '^alone' AND event = 'action_failed'}, '3', 'where nobody answers, an attempt fails');
sql(q{UPDATE cloudsat.queues SET archive_failures = 0, archive_retry = NULL WHERE name ~ '^alone'});
becomes(q{SELECT count(*), max(archive_retry) - min(archive_retry) < interval '1 s' FROM cloudsat.queues WHERE name ~ '^alone' AND archive_failures = 1}, '3|t',
	'for all queues at once, however many there are');
sql(qq{UPDATE cloudsat.queues SET archive_failures = 5, archive_retry = now() + interval '1 h' WHERE name ~ '^alone'});
sql(qq{ALTER SERVER pulse OPTIONS (SET amqp_url '} . $broker->amqp_url . qq{', SET poll_interval '500ms')});
becomes(q{SELECT count(*), count(DISTINCT queue) FROM cloudsat.archived_messages WHERE queue ~ '^alone'}, '3780|3',
	'when the server is altered, there is an attempt before any of them is deleted');

# --- the last look before a deletion
sql(q{ALTER SERVER pulse OPTIONS (SET enforce 'off')});
$broker->amqp(map { ($_ eq 'over' ? () : ','), 'declare', $_, 'durable', ',', 'number', $_, 1500, 20 } qw(over never_begun));
becomes(q{SELECT string_agg(pending::text || level, ' ') FROM cloudsat.queues WHERE name IN ('over', 'never_begun')}, 'deletednormal deletednormal', 'two large queues');
told($_, sub { my ($queue) = @_; return ($queue->{messages} // 0) == 1500 && $queue->{consumer_details} }) for qw(over never_begun);
sql(q{ALTER SERVER pulse OPTIONS (SET poll_interval '300s')});
becomes(q{SELECT next_poll > now() + interval '1 min' FROM cloudsat.polls}, 't', 'polls pause');
sql(q{UPDATE cloudsat.queues SET archive = CASE name WHEN 'over' THEN 'withheld' END, archive_at = now() - interval '1 h', intended_at = now()
	WHERE name IN ('over', 'never_begun'); ALTER SERVER pulse OPTIONS (SET enforce 'on', SET poll_interval '500ms')});
for my $queue (qw(over never_begun)) {
	becomes(stored_sql($queue), '1260', "$queue: a deletion is withdrawn where nothing speaks against archiving any more");
	is(sql("SELECT detail ->> 'reason' FROM cloudsat.queue_events WHERE name = '$queue' AND event = 'delete_withdrawn'"),
		'it is being archived, and the archive has room for more', "$queue: that is why");
	unlike(events($queue), qr/deleted/, "$queue: and it is not deleted");
}
done_testing;
