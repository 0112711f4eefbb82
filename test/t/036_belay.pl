# Belay: an owner or admin answers the incident, and the queue is on hold until it has recovered. Each speaks over a
# login of its own, enlisted for its own address. Then owners: one name, several addresses.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use IPC::Run qw(start finish);
use Test::More;

my $node = new_node('belay', conf => 'max_connections = 30');
my $fake = Cloudsat::FakeBroker->start;
# what was said of it: who to whom, how
sub said {
	my ($name) = @_;
	return sql(qq{SELECT string_agg(concat_ws(' ', split_part(poster::text, chr(64), 1) || '>' || split_part(chan::text, chr(64), 1), disposition),
		', ' ORDER BY uuid) FROM cloudsat.messages AS m
		WHERE coalesce(root, uuid) IN (SELECT uuid FROM cloudsat.messages WHERE message LIKE '%"$name"%')});
}

# a bot with a login of its own
my %bots;
sub bot {
	my ($role, $address) = @_;
	sql("CREATE ROLE $role LOGIN; SELECT cloudsat.enlist('$role', 'server', '$address')");
	$bots{$role} = $address;
	return;
}
sub as_bot {
	my ($role, $statement) = @_;
	return as($role, "SELECT FROM cloudsat.register('{$bots{$role}}')", $statement);
}
# It reads its inbox, and answers the newest message that speaks of the queue.
sub answers {
	my ($role, $disposition, $name) = @_;
	return as_bot($role, qq{SELECT FROM (SELECT uuid FROM cloudsat.inbox WHERE message LIKE '%"$name"%' ORDER BY uuid DESC LIMIT 1) AS m,
		cloudsat.reply(m.uuid, '$disposition', 'so I say')});
}
bot(alice => 'alice@example.com');
bot(mallory => 'mallory@example.com');
bot(ops => 'Ops@Example.COM');
bot(bob => 'bob.example.com');
bot(carol => 'carol@example.com');

sql($fake->server_sql('pulse', enforce => 'on', address => 'guardian@pulse.example.com', timeout => '20s',
	admins => 'pager, ops@example.com'));
poll();
sub flood { my ($name, $size) = @_; $fake->queue($name, messages => $size // 3000); poll() for 1 .. 2; return }

# --- a bot reads its inbox, sees the warning, and belays
my $jobs = 'queue/alice@example.com/jobs';
flood($jobs);
is(as_bot('alice', q{SELECT poster, split_part(message, '.', 1) FROM cloudsat.inbox}), 'guardian@pulse.example.com|Queue "queue/alice@example', 'the bot sees it');
is(answers('alice', 'belay', $jobs), '', 'and says belay');
is(poll(), '1|1', 'the next poll hears it');
is(column($jobs, 'belayed_by, belayed_at = (SELECT "timestamp" FROM cloudsat.messages WHERE disposition = \'belay\'), level'),
	'alice@example.com|t|warned', 'and writes it down');
is(events($jobs), 'warned belayed', 'also as an event');
is(sql(q{SELECT detail->>'reason', messages, incident IS NOT NULL FROM cloudsat.queue_events WHERE event = 'belayed'}),
	'requested by alice@example.com|3000|t', 'with who said so');
is(said($jobs), 'guardian>alice, alice>guardian belay, guardian>alice info', 'and answers');
like(as_bot('alice', 'SELECT message FROM cloudsat.inbox ORDER BY uuid DESC LIMIT 1'), qr/was put on hold by alice\@example\.com: .*1600 messages or fewer/,
	'that it holds, and until when');
is(poll(), '0|0', 'once');
$fake->queue($jobs, messages => 90000);
poll() for 1 .. 4;
is(events($jobs), 'warned belayed', 'nothing is done to it, however large it grows');
answers('alice', $_, $jobs) for qw(acknowledged problem ignored info belay);
poll() for 1 .. 2;
is(events($jobs), 'warned belayed', 'nor when the owner says more about it');
$fake->queue($jobs, messages => 1600);
poll();
is(events($jobs), 'warned belayed recovered', 'until it has recovered');
is(column($jobs, 'belayed_by, belayed_at, level'), '||normal', 'which ends the hold');
flood($jobs, 90000);
is(events($jobs), 'warned belayed recovered warned delete_intended', 'the next incident is another one');
poll();
is($fake->listed, '', 'in which it is deleted');

# --- who has no say
my $other = 'queue/alice@example.com/other';
flood($other);
my $thread = column($other, 'incident');
is(as_bot('mallory', "SELECT FROM cloudsat.reply('$thread', 'belay', 'stop')") . as_bot('mallory', "SELECT FROM cloudsat.reply('$thread', 'belay', 'stop!')"),
	'', 'a stranger who knows the thread may speak in it');
like(as_bot('mallory', "SELECT FROM cloudsat.reply('alice\@example.com', '.', 'x', '$thread', 'belay')"), qr/^42501: /, 'though not as the owner');
poll() for 1 .. 2;
is(events($other), 'warned', 'and is not obeyed');
is(as_bot('mallory', q{SELECT count(*), min(message) LIKE '%You are not one of them.' FROM cloudsat.inbox}), '1|t', 'but told so, once');
as_bot('mallory', "SELECT FROM cloudsat.reply('$thread', 'belay', 'please')");
is(poll(), '0|0', 'once and for all');
$fake->queue($other, messages => 90000);
poll() for 1 .. 3;
is($fake->listed, '', 'the queue is deleted');
is(said($other), 'guardian>alice, mallory>guardian belay, mallory>guardian belay, guardian>mallory info, mallory>guardian belay, guardian>alice end',
	'and the thread tells it all');

# --- admins, replies to replies, and the end of a hold
my $third = 'queue/alice@example.com/third';
flood($third);
$thread = column($third, 'incident');
is(as_bot('mallory', "SELECT FROM cloudsat.reply('.', 'ops\@example.com', 'help', '$thread', 'info')"), "42501: . is not an address of this session",
	'nobody speaks as another');
as_bot('mallory', "SELECT FROM cloudsat.reply('mallory\@example.com', 'ops\@example.com', 'see queue \"$third\"', '$thread', 'info')");
is(answers('ops', 'belay', $third), '', 'an admin answers deep in the thread');
poll();
is(column($third, 'belayed_by'), 'ops@example.com', 'and is obeyed, whatever the case of the address');
is(sql(qq{SELECT count(*) FROM cloudsat.messages WHERE root = '$thread' AND poster = 'guardian\@pulse.example.com'
	AND chan = ANY ('{alice\@example.com,ops\@example.com}') AND message LIKE '%was put on hold by %'}), '2', 'the owner is told, too');
answers('mallory', 'end', $third);
as_bot('mallory', "SELECT FROM cloudsat.reply('$thread', 'end', 'it is over')");
$fake->queue($third, messages => 90000);
poll() for 1 .. 2;
is(column($third, 'belayed_by'), 'ops@example.com', 'a stranger does not end it');
answers('alice', 'end', $third);
poll();
is(events($third), 'warned belayed belay_ended', 'the owner does');
is(column($third, 'belayed_by, belayed_at'), '|', 'by saying end');
sql("SELECT FROM cloudsat.reply('ops\@example.com', '.', 'no', '$thread', 'belay')");
poll();
is(events($third), 'warned belayed belay_ended belayed', 'and so to and fro: an administrator may speak as any address');

# the thread may be cleaned up meanwhile
sql('DELETE FROM cloudsat.messages');
poll() for 1 .. 2;
is(column($third, 'belayed_by, level'), 'ops@example.com|warned', 'the hold outlives its thread');
$fake->queue($third, messages => 0);
poll();
is(column($third, 'belayed_by, level'), '|normal', 'and ends like any other');

# --- against a deletion that is on its way
my $late = 'queue/alice@example.com/late';
flood($late, 90000);
is(events($late), 'warned delete_intended', 'a deletion is intended');
answers('alice', 'belay', $late);
poll();
is(events($late), 'warned delete_intended delete_withdrawn belayed', 'a belay withdraws it');
is(sql(qq{SELECT detail->>'reason' FROM cloudsat.queue_events WHERE name = '$late' AND event = 'delete_withdrawn'}), 'it is on hold', 'and that is why');
like($fake->listed, qr/late/, 'the queue is there');
$fake->queue($late, messages => 0);
poll();
flood($late, 90000);
my $session = $node->background_psql('postgres');
# It comes after the poll has begun, in which it is to be deleted; that transaction's snapshot does not show it.
my $snapshot = $session->query(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM cloudsat.queues});
answers('alice', 'belay', $late);
$session->query(q{SELECT FROM cloudsat.poll('pulse'); COMMIT});
$session->quit;
like($fake->listed, qr/late/, 'nor does a snapshot that is older than the belay matter');
like(events($late), qr/delete_intended delete_withdrawn belayed$/, 'withdrawn again');
$fake->queue($late, messages => 0);
poll();

# It comes while the queue is looked at for the last time.
flood($late, 90000);
$fake->behave('/api/queues/%2F', 'wait', query => 'name=', times => 1);
my $looks = $fake->seen->{by}{'GET /api/queues/%2F'};
my $poller = start([ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('postgres'), '-c', q{SELECT FROM cloudsat.poll('pulse')} ]);
wait_for(30, sub { $fake->seen->{by}{'GET /api/queues/%2F'} > $looks });
is(answers('alice', 'belay', $late) . column($late, 'intended_at IS NOT NULL'), 't', 'a belay at the last moment');
$fake->tell('/go_on');
ok(finish($poller), 'the poll ends well');
like($fake->listed, qr/late/, 'is in time');
like(events($late), qr/delete_intended delete_withdrawn belayed$/, 'and withdraws, too');
$fake->behave_well;
$fake->queue($late, messages => 0);
poll();
$fake->tell('/unqueue', { name => $_ }) for $late, $third;
poll();

# --- nor is one that a policy spares at the last moment: while the broker is asked for the last time
my $spared = 'queue/alice@example.com/spared';
flood($spared, 90000);
sql(q{ALTER SERVER pulse OPTIONS (SET timeout '20s')});
my $single = '/api/queues/%2F/queue%2Falice%40example.com%2Fspared';
$fake->behave($single, 'wait');
$session = $node->background_psql('postgres');
$session->query_until(qr/begun/, "\\echo begun\nSELECT FROM cloudsat.poll('pulse');\n");
wait_for(30, sub { $fake->seen->{by}{"GET $single"} });
ok($fake->seen->{by}{"GET $single"}, 'the broker is asked for the last time');
sql(qq{INSERT INTO cloudsat.queue_policies (queue, exempt) VALUES ('/spared\$', true)});
$fake->tell('/go_on');
$session->quit;
$fake->tell('/unbehave', {});
like($fake->listed, qr/spared/, 'a policy that comes after the last look spares its queue');
is(sql(qq{SELECT detail->>'reason' FROM cloudsat.queue_events WHERE name = '$spared' AND event = 'delete_withdrawn'}), 'a policy exempts it', 'and that is why');
sql(q{DELETE FROM cloudsat.queue_policies});
$fake->tell('/unqueue', { name => $spared });
poll();

# --- several owners
sql(q{INSERT INTO cloudsat.accounts (server, username, origin) VALUES ('pulse', 'team', 'declared'), ('pulse', 'root', 'declared');
	INSERT INTO cloudsat.account_owners VALUES ('pulse', 'team', 'carol@example.com'), ('pulse', 'team', 'bob.example.com'),
		('pulse', 'team', 'alice@example.com'), ('pulse', 'root', 'alice@example.com')});
sql(q{ALTER SERVER pulse OPTIONS (ADD reserved_owners '^root$')});
my $shared = 'queue/team/shared';
$fake->queue('queue/root/x', messages => 90000);
flood($shared);
is(column('queue/root/x', 'owner_kind, level'), 'reserved|normal', 'a name that is reserved stays so');
is(column($shared, 'owner, owner_kind, level'), 'team|person|warned', 'a name with owners is warned');
my $first = sql(q{SELECT owner FROM cloudsat.account_owners WHERE username = 'team' ORDER BY owner LIMIT 1});
is(sql(qq{SELECT chan = '$first' FROM cloudsat.messages WHERE uuid = (SELECT incident FROM cloudsat.queues WHERE name = '$shared')}), 't',
	'the thread goes to the first of them');
for my $role (qw(alice bob carol)) {
	is(as_bot($role, qq{SELECT count(*) FROM cloudsat.inbox WHERE message LIKE '%"$shared"%has 3000 messages%'}), '1', "$role has the warning");
}
is(sql(q{SELECT count(*), count(DISTINCT coalesce(root, uuid)) FROM cloudsat.messages WHERE message LIKE '%team/shared%'}), '3|1', 'in one thread');
is(answers('bob', 'belay', $shared), '', 'each of them may belay');
poll();
is(column($shared, 'belayed_by'), 'bob.example.com', 'a bot without a mailbox, too');
is(as_bot('carol', 'SELECT count(*) FROM cloudsat.inbox'), '2', 'and all are told');
$fake->queue($shared, messages => 0);
poll();
is(as_bot($_, q{SELECT count(*) FROM cloudsat.inbox WHERE disposition = 'end' AND message LIKE '%team/shared%'}), '1', "$_ hears of the end")
  for qw(alice bob carol);
sql(q{DELETE FROM cloudsat.account_owners WHERE owner <> 'carol@example.com'});
flood($shared);
answers('bob', 'belay', $shared);
is(sql(qq{SELECT string_agg(chan::text, ' ') FROM cloudsat.messages WHERE uuid = (SELECT incident FROM cloudsat.queues WHERE name = '$shared')}),
	'carol@example.com', 'who owns it no more is not warned');
as_bot('bob', "SELECT FROM cloudsat.reply('" . column($shared, 'incident') . "', 'belay', 'x')");
poll();
is(column($shared, 'belayed_by'), '', 'and has no say');
sql(q{DELETE FROM cloudsat.account_owners});
poll();
is(column($shared, 'owner_kind, level'), '|warned', 'without owners it is nobody\'s');
$fake->queue($shared, messages => 0);
poll();
is(as_bot('carol', q{SELECT disposition FROM cloudsat.inbox ORDER BY uuid DESC LIMIT 1}), 'end', 'who was warned is told of the end');

# --- a size that swings around each limit: one warning, and no end of it
my $swing = 'queue/alice@example.com/swing';
$fake->queue($swing, messages => 1900);
sql(q{ALTER SERVER pulse OPTIONS (SET enforce 'off')});
for my $poll (1 .. 200) {
	$fake->queue($swing, messages => $poll % 4 < 2 ? 2001 + $poll % 3 : 1990);
	poll();
}
is(events($swing), 'warned', 'over 200 polls around a limit there is one warning');
done_testing;
