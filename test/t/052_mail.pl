# Mail to owners and admins: what is mailed and when, what it says, that names of queues stay names, and what is kept.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Cloudsat::FakeBroker;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('mail', extension => 0, conf => "cloudsat.databases = 'postgres'\nmax_worker_processes = 16");
my $fake = Cloudsat::FakeBroker->start;
my $sink = mail_sink();

# what became of the notices about queues called like this, in order
sub states {
	my ($queue) = @_;
	return sql("SELECT string_agg(kind || ' ' || state, ', ' ORDER BY id) FROM cloudsat.outbox WHERE queue LIKE '%$queue%'");
}
sub an_hour_passes {
	return sql(q{UPDATE cloudsat.outbox SET sent_at = sent_at - interval '1 hour', due = least(due, now())});
}

sql('CREATE EXTENSION cloudsat');

# --- without a mail server
sql($fake->server_sql('pulse', enforce => 'on', address => 'guardian@pulse.example.com', timeout => '20s', mail_domains => 'example.com',
	poll_interval => '300s', max_poll_interval => '300s', admins => 'ops@example.com , pager, boss@example.com'));
wait_until(q{SELECT count(*) FROM cloudsat.polls}, 1, 30, 'the guard has polled for the first time');
overgrow($fake, 'queue/nobody@example.com/unsent');
is(sql('SELECT count(*) FROM cloudsat.outbox'), 0, 'without a mail server no notice is written');

# --- a warning
settings($sink->settings);
my $jobs = overgrow($fake, 'queue/alice@example.com/jobs');
my $mail = $sink->next('a warning is mailed');
like($mail->{head}, qr/^X-From: guardian\@example.com\r\nX-To: alice\@example.com\r\n/, 'to the owner');
is($mail->{subject}, qq{[pulse] Warning: queue "${\ shown_in_mail($jobs)}" has 2001 messages}, 'its subject');
like($mail->{body}, qr{^Queue "\Q${\ shown_in_mail($jobs)}\E" in vhost "/" of broker pulse has 2001 messages \(warning size 2000, deletion size 8000\)\.\n},
	'its text says queue, vhost, broker, size and limits');
is($mail->{from} . $mail->{to}, 'cloudsat <guardian@example.com><alice@example.com>', 'from and to');
is($mail->{'auto-submitted'}, 'auto-generated', 'no vacation notice in return');
like($mail->{date}, qr/^\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d \+0000$/, 'a date');
wait_until(q{SELECT state, attempts, outcome, sent_at IS NOT NULL FROM cloudsat.outbox}, 'sent|1|250 kept|t', 20,
	'the outbox says that it was sent');
is($mail->{'message-id'}, '<' . sql('SELECT mail FROM cloudsat.outbox') . '@example.com>', 'by its Message-ID it is found');
like($mail->{body}, qr/thread on the board is ${\ sql(q{SELECT incident FROM cloudsat.outbox})}/, 'it names the thread');

# --- one an hour, unless the level rises
$fake->queue($jobs, messages => 100);
poll();
wait_until(q{SELECT state, due > now() + interval '59 min' FROM cloudsat.outbox WHERE kind = 'recovered'}, 'waiting|t', 20,
	'that it is back to normal waits for the hour to pass');
overgrow($fake, 'queue/alice@example.com/jobs');
wait_until(q{SELECT string_agg(kind || ' ' || state, ', ' ORDER BY id) FROM cloudsat.outbox},
	'warned sent, recovered dropped, warned waiting', 20, 'so does another warning, which takes its place');
$fake->queue($jobs, messages => 9000);
poll() for 1 .. 2;
$sink->none('an intention is no deletion');
poll();
$mail = $sink->next('a deletion is mailed at once');
is($mail->{subject}, qq{[pulse] Deleted: queue "${\ shown_in_mail($jobs)}" with 9000 messages}, 'it says how many messages went');
wait_until(q{SELECT count(*) FROM cloudsat.outbox WHERE state = 'waiting'}, 0, 20, 'that is settled');
is(states('jobs'), 'warned sent, recovered dropped, warned dropped, deleted sent', 'the warning before it is not news any more');
overgrow($fake, 'queue/alice@example.com/other');
$fake->queue('queue/alice@example.com/other', messages => 1);
poll();
wait_until(q{SELECT count(*) FROM cloudsat.outbox WHERE queue LIKE '%other' AND state = 'dropped'}, 2, 20,
	'what began and ended within the hour is not mailed at all');
overgrow($fake, 'queue/alice@example.com/third');
wait_until(q{SELECT due > now() + interval '59 min' FROM cloudsat.outbox WHERE queue LIKE '%third'}, 't', 20, 'a third one waits');
an_hour_passes();
is($sink->next('until the hour has passed')->{subject}, '[pulse] Warning: queue "queue/alice[@]example[.]com/third" has 2001 messages',
	'and then it is mailed');
$fake->tell('/unqueue', { name => 'queue/alice@example.com/third' });
poll();
an_hour_passes();
like($sink->next('that the queue is no more')->{subject}, qr/over: .* has vanished$/, 'is mailed to who was warned');

# --- several at once
overgrow($fake, map { "queue/bob\@example.com/$_" } qw(a b));
$mail = $sink->next('two at once are one mail');
like($mail->{subject}, qr/ and 1 more$/, 'with a subject that says so');
like($mail->{body}, qr{/a" .*\n----\n.*/b" }s, 'and both texts');
overgrow($fake, map { "queue/carol\@example.com/$_" } 1 .. 7);
$mail = $sink->next('seven at once are a digest');
like($mail->{subject}, qr/^7 notices: /, 'with a subject that says so');
is(scalar(() = $mail->{body} =~ m{^\* Queue "queue/carol\[@\]example\[\.\]com/\d" in vhost "/" of broker pulse has 2001 messages \(}mg), 7,
	'and a line for each');
is(sql(q{SELECT count(DISTINCT mail), count(*) FROM cloudsat.outbox WHERE recipient = 'carol@example.com' AND state <> 'waiting'}),
	'1|7', 'they share a mail');

# --- names that are not what they seem
overgrow($fake, "queue/dave\@example.com/x\r\nBcc: eve\@example.com\r\n\r\n.\r\nQUIT");
$mail = $sink->next('a queue with line breaks in its name');
is(scalar(() = $mail->{head} =~ /^[^ ]/mg), 12, 'adds no field to the header');
like($mail->{body}, qr/x\\u000d\\u000aBcc: eve/, 'and shows them as what they are');
overgrow($fake, "queue/erin\@example.com/Gr\x{fc}\x{df}e \x{1f407} " . "\x{20ac}" x 60);
$mail = $sink->next('a queue with a long name in UTF-8');
unlike($mail->{head}, qr/[^\x00-\x7f]/, 'the header is ASCII');
like($mail->{subject}, qr/Gr\x{fc}\x{df}e \x{1f407}/, 'it holds the name');
like($mail->{body}, qr/Gr\x{fc}\x{df}e \x{1f407} \x{20ac}{20,40}"\.\.\. in vhost/, 'so does the body, shortened');
unlike($mail->{source}, qr/[^\r\n]{79}/, 'no line is longer than 78 characters');

# --- brokers that cannot be polled
my $other = Cloudsat::FakeBroker->start;
sql($other->server_sql('other', poll_interval => '300s', max_poll_interval => '300s', admins => 'ops@example.com , pager'));
wait_until(q{SELECT count(*) FROM cloudsat.polls WHERE server = 'other' AND last_success IS NOT NULL}, 1, 30, 'another broker');
sub poll_other { return $node->psql('postgres', q{SELECT cloudsat.poll('other')}) }
$other->behave('/api/vhosts', 'status', code => 500);
poll_other() for 1 .. 2;
is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE server = 'other'}), 0, 'two failures are no outage');
poll_other() for 1 .. 3;
$mail = $sink->next('of an outage the admins are told');
like($mail->{head}, qr/^X-To: ops\@example.com\r/m, 'those who have a mailbox');
is($mail->{subject}, '[other] The broker cannot be polled', 'that the broker cannot be polled');
like($mail->{body}, qr/cannot be polled: .*500.*\.\n\nThe last complete poll began at 20[-\d]{8} [\d:]{8}\+00\./, 'and why, and since when');
poll_other();
is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE server = 'other'}), 1, 'once');
$other->behave_well;
poll_other();
is($sink->next('at once they are told when it is over')->{subject}, '[other] The broker is polled again', 'that it is polled again');
poll_other();
is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE server = 'other'}), 2, 'once');
is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE recipient = 'boss@example.com'}), 0, 'the admins of another broker are not');

# --- kept, pruned, dumped
$sink->answer('451 later');
overgrow($fake, 'queue/nina@example.com/copied');
wait_until(q{SELECT state, attempts FROM cloudsat.outbox WHERE queue LIKE '%copied'}, 'waiting|1', 20, 'a mail waits');
my ($dump) = run_command([ 'pg_dump', '--data-only', '--table=cloudsat.outbox', '-h', $node->host, '-p', $node->port, 'postgres' ]);
like($dump, qr{queue/alice\@example.com/jobs}, 'a dump has what was sent');
unlike($dump, qr{/copied}, 'and not what waits: a copy would send it too');
sql(q{UPDATE cloudsat.outbox SET written_at = written_at - interval '31 days' WHERE kind <> 'broker_up' OR server <> 'other'});
sql('SELECT cloudsat.maintain()');
is(sql(q{SELECT string_agg(kind || ' ' || state, ', ' ORDER BY id) FROM cloudsat.outbox AS o
	WHERE state = 'waiting' OR NOT EXISTS (SELECT FROM cloudsat.queues AS q WHERE q.incident = o.incident)}), 'broker_up sent, warned waiting',
	'what is settled is forgotten after a month, but while its incident is on');
sql(q{UPDATE cloudsat.outbox SET due = now()});
wait_until(q{SELECT state FROM cloudsat.outbox WHERE queue LIKE '%copied'}, 'failed', 20, 'what waited for too long has failed');

nothing_broke();
within(2, 'pg_ctl stop -m fast', sub { $node->stop('fast') });
done_testing;
