# A queue that archive_size covers is not deleted as long as the archive may have more of it: not because the broker's
# statistics are late, not for a reason that is over, and not because messages come faster than they are archived.
use strict;
use warnings;
use Cloudsat::Test;
use Test::More;

my $node = new_node('before', conf => "cloudsat.databases = 'postgres'\nfsync = off\n");
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
my $path = Cloudsat::Broker::escape($vhost);
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub becomes { my ($query, $expected, $what) = @_; return wait_until($node, $query, $expected, 60, $what) }
sub column { my ($queue, $what) = @_; return "SELECT $what FROM cloudsat.queues WHERE name = '$queue'" }
sub stored { my ($queue) = @_; return "SELECT count(*) FROM cloudsat.archived_messages WHERE queue = '$queue'" }
sub events {
	my ($queue) = @_;
	return "SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE name = '$queue' AND event <> 'appeared'";
}
sub why { my ($queue) = @_; return "SELECT max(detail ->> 'reason') FROM cloudsat.queue_events WHERE name = '$queue' AND event = 'archive_withheld'" }
sub explained {
	my ($queue, $item) = @_;
	return sql("SELECT value, detail FROM cloudsat.explain_queue('pulse', '$vhost', '$queue') WHERE item = '$item'");
}
sub told { # waits until the broker's statistics say so of a queue
	my ($queue, $says) = @_;
	for (1 .. 300) {
		return 1 if $says->(scalar $broker->api(GET => "/queues/$path/$queue"));
		select undef, undef, undef, 0.1;
	}
	die "the broker does not tell it of $queue";
}

sql($broker->server_sql('pulse', amqp_url => $broker->amqp_url, poll_interval => '500ms', enforce => 'on',
	warn_size => 100, archive_size => 300, delete_size => 1000));
$node->poll_query_until('postgres', q{SELECT count(last_success) = 1 FROM cloudsat.polls}) or die 'no poll';

# --- a reason that goes
$broker->amqp('declare', 'guarded', 'durable', ',', 'number', 'guarded', 500, 20);
my $owner = $broker->hold('exclusive', 'guarded');
$broker->amqp('number', 'guarded', 400, 20);
becomes(column('guarded', 'archive'), 'withheld', 'a queue with an exclusive consumer is not archived');
like(explained('guarded', 'above 1000'), qr/delete_intended\|.*not archived: .*; deleted, unless/, 'and would be deleted');
$owner->finish;
becomes(column('guarded', 'archive, messages'), '|240', 'when the consumer has gone, it is archived');
$broker->amqp('number', 'guarded', 1200, 20);
becomes(stored('guarded'), '1860', 'and so it is above delete_size');
unlike(sql(events('guarded')), qr/delete/, 'a deletion was not intended');

# --- a consumer that comes with the flood, before the statistics know of it
$broker->amqp('declare', 'flood', 'durable', ',', 'number', 'flood', 50, 20);
told('flood', sub { my ($queue) = @_; return ($queue->{messages} // 0) == 50 && $queue->{consumer_details} });
my $reader = $broker->hold('consume', 'flood', 1, ',', 'number', 'flood', 1500, 20);
becomes(stored('flood'), '1310', 'a queue is archived when the statistics know its consumer');
becomes(events('flood'), 'archive_started archived', 'and is not deleted meanwhile');
$reader->finish;

# --- nothing that could be taken
my $hoarder = $broker->hold('declare', 'hoard', 'durable', ',', 'number', 'hoard', 1500, 20, ',', 'consume', 'hoard', 1500);
becomes(why('hoard'), 'consumers hold its messages, and none of them can be taken',
	'what consumers hold can not be archived, which is said');
becomes(events('hoard'), qr/^archive_withheld .*deleted$/, 'before the queue is deleted');
$hoarder->finish;

# --- a queue that grows faster than it is archived
$broker->amqp('declare', 'fast', 'durable', ',', 'publish', 'fast', 60000, 200);
like(explained('fast', 'above 1000'), qr/not deleted: it is archived, and the archive may have more of it/,
	'as long as a queue is archived, it is not to be deleted')
  if sql(column('fast', 'archive')) eq 'on';
becomes(stored('fast'), qr/^(59[7-9]..|60000)$/, 'however large a queue is, it is archived');
becomes(events('fast'), 'archive_started archived', 'and not deleted meanwhile');

# --- policies that the broker does not tell of at first
$broker->must_api(PUT => "/policies/$path/limit", { pattern => '^fragile$', definition => { 'delivery-limit' => 1 }, 'apply-to' => 'queues' });
$broker->must_api(PUT => "/policies/$path/lease", { pattern => '^leased$', definition => { expires => 600000 }, 'apply-to' => 'queues' });
$broker->amqp('declare', 'fragile', 'durable', 'x-queue-type=quorum', ',', 'number', 'fragile', 1500, 20, ',',
	'declare', 'leased', 'durable', ',', 'number', 'leased', 500, 20);
becomes(why('fragile'), qr/delivery limit is low/, 'a delivery limit by policy is heeded');
becomes(why('leased'), qr/it expires when nobody uses it/, 'so is an expiry by policy');
is(sql(stored('fragile')) + sql(stored('leased')), 0, 'and nothing is taken before they are known');
like(sql(events('fragile')), qr/^archive_withheld\b/, 'nor is the queue deleted before');
done_testing;
