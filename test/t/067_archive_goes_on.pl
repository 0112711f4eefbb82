# An archive that was full goes on when it has room again, and no queue is deleted beside one with room; archiving ends by
# the poll that sees the queue small, and begins again only when its size is exceeded; what has priorities is left alone.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('goes_on', conf => "cloudsat.databases = 'postgres'\nfsync = off\n");
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;

sql($broker->server_sql('pulse', amqp_url => $broker->amqp_url, poll_interval => '200ms', enforce => 'on',
	warn_size => 100, archive_size => 300, max_archive_size => 500, delete_size => 1000));
first_poll();

# --- room again, by taking
my $jobs = 'queue/alice@example.com/jobs';
$broker->amqp('declare', $jobs, 'durable', ',', 'number', $jobs, 850, 20);
becomes(stored_sql($jobs), '500', 'it is archived until the archive is full');
becomes(column_sql($jobs, 'archive, level'), 'full|warned', 'which its row says');
is(events($jobs), 'warned archive_started archive_full archived', 'and the audit');
like(explained($jobs, 'archive', $vhost), qr/^full\|the archive holds the maximum number of its messages/, 'and the explanation');
more_polls(3, '3 more polls');
is(stored($jobs), '500', 'nothing more is archived');
is(sql(qq{SELECT count(*) FROM cloudsat.take_archived('pulse', '$vhost', '$jobs', 200)}), '200', 'somebody takes of it');
becomes(stored_sql($jobs), '410', 'it goes on, down to 0.8 of archive_size');
becomes(column_sql($jobs, 'archive, level'), '|warned', 'to its end');
is(events($jobs), 'warned archive_started archive_full archived archive_started archived', 'the audit shows both');
is(sql(q{SELECT string_agg(coalesce(disposition::text, 'post'), ' ' ORDER BY uuid) FROM cloudsat.messages}),
	'post info problem info info info', 'and so does the thread');

# --- room again, by a larger maximum; above delete_size
$broker->amqp('number', $jobs, 200, 20);
becomes(stored_sql($jobs), '500', 'full again');
becomes(column_sql($jobs, 'archive'), 'full', 'as its row says');
sql(q{ALTER SERVER pulse OPTIONS (SET max_archive_size '5000', SET delete_size '400')});
$broker->amqp('number', $jobs, 900, 20);
becomes(stored_sql($jobs), '1510', 'with a larger maximum it is archived');
is($broker->queues->{$jobs}, 240, 'and not deleted beside an archive with room');
unlike(events($jobs), qr/delete/, 'nor was that intended');

# --- and when all of it goes
sql(qq{ALTER SERVER pulse OPTIONS (SET max_archive_size '1500', SET delete_size '100000')});
$broker->amqp('number', $jobs, 300, 20);
becomes(column_sql($jobs, 'archive'), 'full', 'full once more');
sql('ALTER SERVER pulse OPTIONS (SET poll_interval \'300s\')');
wait_until(q{SELECT next_poll > now() + interval '1 min' FROM cloudsat.polls}, 't', 60, 'polls pause');
sql('DELETE FROM cloudsat.archived_messages');
like(explained($jobs, 'archive', $vhost), qr/^full\|it was full, and has room again/, 'with room the explanation says so');
like(explained($jobs, 'above 240', $vhost), qr/^archive_started\|/, 'and what comes of it');
sql('ALTER SERVER pulse OPTIONS (SET poll_interval \'200ms\')');
becomes(stored_sql($jobs), qr/^[1-9]/, 'and that comes');
becomes(column_sql($jobs, 'archive'), '', 'to its end');

# --- archiving ends with the poll that sees it small
my $before = stored($jobs);
my $size = $broker->queues->{$jobs};
is($size, 240, 'it is as small as archiving makes it');
$broker->amqp('number', $jobs, 50, 20);
more_polls(5, '5 more polls');
is(stored($jobs), $before, 'what comes then is not taken, as long as archive_size is not exceeded');
is($broker->queues->{$jobs}, 290, 'and stays in the queue');

# --- priorities
$broker->amqp('declare', 'urgent', 'durable', 'x-max-priority=5', ',', 'number', 'urgent', 400, 20);
becomes(column_sql('urgent', 'archive'), 'withheld', 'a queue with priorities is not archived');
like(sql(q{SELECT detail ->> 'reason' FROM cloudsat.queue_events WHERE name = 'urgent' AND event = 'archive_withheld'}),
	qr/^it has priorities, and its most urgent messages would be taken first/, 'and that is why');
is(stored('urgent'), '0', 'nothing of it is');
sql(q{INSERT INTO cloudsat.queue_policies (queue, archive_size) VALUES ('^urgent$', 200)});
becomes(stored_sql('urgent'), '240', 'but by a policy of its own');
done_testing;
