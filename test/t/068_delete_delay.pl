# delete_delay: between an incident's warning and the deletion there is at least that time, in which an owner can belay. On a
# real RabbitMQ, with a queue that jumps past delete_size.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

# without workers: mails are written, and nobody sends them
my $node = new_node('delay', conf => "fsync = off\ncloudsat.smtp_url = 'smtp://127.0.0.1:1'\n");
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
# as if so much time had passed since the warning
sub later { my ($queue, $time) = @_; return sql("UPDATE cloudsat.queues SET delay_from = delay_from - interval '$time' WHERE name = '$queue'") }
# until the queue's numbers are there
sub flood {
	my ($queue, $size) = @_;
	$broker->queue($queue, $size);
	wait_until("SELECT events >= 0 AND (SELECT messages = $size FROM cloudsat.queues WHERE name = '$queue') FROM cloudsat.poll('pulse')", 't', 30,
		"$queue has $size messages");
	return;
}

sql($broker->server_sql('pulse', enforce => 'on', warn_size => 10, delete_size => 100, delete_delay => '1h', mail_domains => 'example.com'));
poll();

my ($held, $left) = map { "queue/alice\@example.com/$_" } qw(held left);
flood($_, 300) for $held, $left, 'nobodys';
poll() for 1 .. 4;
is(events($_), 'warned', "$_ is warned about, and nothing more") for $held, $left;
is(events('nobodys'), '', 'nor is a queue deleted whose owner nobody knows');
is(column('nobodys', 'delay_from IS NOT NULL'), 't', 'of which the delay counts since it is above delete_size');
like(sql(q{SELECT message FROM cloudsat.messages ORDER BY uuid LIMIT 1}), qr/Above 100 it will be deleted, with all its messages, at the earliest 1 hour after this warning\./,
	'the warning says how long there is');
is(explained($held, 'delete_delay', $vhost) =~ s/00:5\d:\d\d/T/r, '01:00:00|option of server pulse; T of it left', 'the explanation, too');
is(explained($held, 'next_poll', $vhost), 'nothing|not deleted: delete_delay has not passed yet', 'and what keeps it');
like(explained($held, 'above 100', $vhost), qr/^delete_intended\|/, 'and what comes after it');

# --- there is time for a belay
my $thread = column($held, 'incident');
sql(qq{SELECT cloudsat.reply('alice\@example.com', 'guardian', 'the consumer is being repaired', '$thread', 'belay')});
later($_, '59 min') for $held, $left, 'nobodys';
poll() for 1 .. 3;
is(join('+', map { events($_) } $held, $left, 'nobodys'), 'warned belayed+warned+', 'shortly before the end nothing has happened');
later($_, '1 min') for $held, $left, 'nobodys';
poll() for 1 .. 3;
is(events($held), 'warned belayed', 'what was belayed is kept');
is(events($left), 'warned delete_intended deleted', 'the other one is deleted');
is(events('nobodys'), 'delete_intended deleted', 'as is the one of nobody');
is(join(' ', sort keys %{ $broker->queues }), $held, 'in the broker, too');

# --- a policy's own; and it holds at the second look
sql(q{INSERT INTO cloudsat.queue_policies (queue, delete_delay) VALUES ('^free$', '0'), ('/slow$', '1h')});
flood('free', 300);
poll() for 1 .. 3;
is(events('free'), 'delete_intended deleted', 'a policy may do without');
my $slow = 'queue/alice@example.com/slow';
flood($slow, 300);
poll() for 1 .. 2;
later($slow, '1 h');
poll();
is(events($slow), 'warned delete_intended', 'the time has passed');
sql(q{UPDATE cloudsat.queue_policies SET delete_delay = '2 days' WHERE queue = '/slow$'});
poll();
is(events($slow), 'warned delete_intended delete_withdrawn', 'a longer one withdraws what is intended');
is(sql(qq{SELECT detail ->> 'reason' FROM cloudsat.queue_events WHERE event = 'delete_withdrawn'}), 'delete_delay has not passed yet', 'which is why');
is(column($slow, 'delete_delay'), '48:00:00', 'the row has the limit in force');
is(explained($slow, 'delete_delay', $vhost) =~ s/4[67]:\d\d:\d\d of/T of/r, "48:00:00|policy 2; T of it left", 'and the explanation whose it is');

# --- a warning that did not say that the queue will be deleted gives nobody time
sql(q{ALTER SERVER pulse OPTIONS (SET enforce 'off')});
my $late = 'queue/bob@example.com/late';
flood($_, 300) for $late, 'nobodys_late';
poll() for 1 .. 2;
is(events($late), 'warned would_delete', 'enforce is off: it is warned about');
is(column($late, 'delay_from IS NULL'), 't', 'and no delay counts');
is(explained($late, 'delete_delay', $vhost), '01:00:00|option of server pulse; counts from when enforce is switched on', 'as the explanation says');
like(sql(q{SELECT message FROM cloudsat.messages WHERE message LIKE '%/late"%If limits%' ORDER BY uuid LIMIT 1}),
	qr/If limits were enforced for this broker, it would be deleted, at the earliest 1 hour after the warning\.$/m, 'and what is said in its thread');
sql(q{ALTER SERVER pulse OPTIONS (SET enforce 'on')});
poll() for 1 .. 3;
is(join('+', map { events($_) } $late, 'nobodys_late'), 'warned would_delete deletable+would_delete', 'enforce is on: that is told, and nothing is deleted');
like(sql(qq{SELECT string_agg(m.message, '|' ORDER BY m.uuid) FROM cloudsat.messages AS m JOIN cloudsat.queues AS q ON m.root = q.incident WHERE q.name = '$late'}),
	qr/From now on it can be deleted\.\nAbove 100 it will be deleted, with all its messages, at the earliest 1 hour after this warning\./, 'in the thread');
is(sql(qq{SELECT count(*) FROM cloudsat.outbox WHERE queue = '$late' AND kind = 'deletable'}), '1', 'and by a mail');
later($_, '1 h') for $late, 'nobodys_late';
poll() for 1 .. 2;
is(join('+', map { events($_) } $late, 'nobodys_late'),
	'warned would_delete deletable delete_intended deleted+would_delete delete_intended deleted', 'then the delay has passed');

# --- what is refused
for ([ q{ALTER SERVER pulse OPTIONS (SET delete_delay 'soon')}, qr/delete_delay/ ], [ q{ALTER SERVER pulse OPTIONS (SET delete_delay '400d')}, qr/delete_delay/ ],
	[ q{INSERT INTO cloudsat.queue_policies (queue, delete_delay) VALUES ('x', '-1 s')}, qr/violates check constraint/ ]) {
	my ($statement, $message) = @$_;
	my (undef, undef, $error) = $node->psql('postgres', $statement);
	like($error, $message, "refused: $statement");
}
done_testing;
