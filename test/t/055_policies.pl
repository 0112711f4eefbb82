# Which limits a queue is under, and cloudsat.explain_queue(), which says so: what it foretells is what the next poll does.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('policies');
my $fake = Cloudsat::FakeBroker->start;
sub policy { return sql("INSERT INTO cloudsat.queue_policies ($_[0]) VALUES ($_[1])") }
# all of it, or the value of some items
sub explain {
	my ($name, @items) = @_;
	my $of = "cloudsat.explain_queue('pulse', '/', '$name')";
	return sql("SELECT item, value, detail FROM $of") if !@items;
	return join '|', map { sql("SELECT value FROM $of WHERE item = '$_'") } @items;
}
sub detail { my ($name, $item) = @_; return sql("SELECT detail FROM cloudsat.explain_queue('pulse', '/', '$name') WHERE item = '$item'") }
sub limits { return explain($_[0], qw(policy warn_size archive_size delete_size)) }
# what comes at which size
sub outlook {
	my ($name) = @_;
	return sql("SELECT string_agg(item || ': ' || value, ', ' ORDER BY o) FROM cloudsat.explain_queue('pulse', '/', '$name')
		WITH ORDINALITY AS e(item, value, detail, o) WHERE item ~ '^(up to|above|any)'");
}
# Polls once more with nothing changed, and compares what happens with what was foretold.
sub as_foretold {
	my ($what) = @_;
	my $foretold = sql(q{SELECT string_agg(q.name || ': ' || e.value, E'\n' ORDER BY q.name) FROM cloudsat.queues AS q,
		cloudsat.explain_queue(q.server, q.vhost, q.name) AS e WHERE e.item = 'next_poll' AND q.gone_at IS NULL});
	my $names = sql(q{SELECT string_agg(quote_literal(name), ', ') FROM cloudsat.queues WHERE gone_at IS NULL});
	my $last = sql('SELECT coalesce(max(id), 0) FROM cloudsat.queue_events');
	poll();
	my $happened = sql(qq{SELECT string_agg(q.name || ': ' || coalesce((SELECT string_agg(e.event, ', ' ORDER BY id)
		FROM cloudsat.queue_events AS e WHERE e.name = q.name AND e.id > $last), 'nothing'), E'\n' ORDER BY q.name)
		FROM cloudsat.queues AS q WHERE name IN ($names)});
	return is($happened, $foretold, $what);
}

my $alice = 'queue/alice@example.com/jobs';
my $unsaid = 'queue/dora@example.com/none';
$fake->queue($alice, messages => 5);
sql($fake->server_sql('pulse', timeout => '20s', reserved_owners => '^root@'));

# --- before anything is known
is(explain($unsaid, qw(queue broker owner policy)), 'unknown|never polled|dora@example.com|', 'a queue that nobody has seen');
is(outlook($unsaid), 'up to 2000: nothing, above 2000: warned, above 8000: warned, would_delete', 'and what it would be in for');
is(detail($unsaid, 'above 8000'), 'warned: dora@example.com; not deleted: enforce is off', 'which says why');
is(explain($unsaid, 'next_poll') . detail($unsaid, 'next_poll'), 'nothingno poll has seen it', 'nothing comes of what is not there');
is(outlook('queue/root@example.com/x') . detail('queue/root@example.com/x', 'any size'), 'any size: nothing' . 'its owner is reserved',
	'of a reserved owner nothing ever does');
is(outlook('plain'), 'up to 2000: nothing, above 2000: nothing, above 8000: would_delete', 'without an owner nobody is warned');
is(detail('plain', 'above 2000'), 'no owner is warned: it has no owner to warn', 'which it says');

# --- whose limits count
is(limits($alice), '|2000||8000', 'the server has defaults');
is(detail($alice, 'warn_size'), 'default; normal again at 1600 or fewer', 'which is said');
sql(q{ALTER SERVER pulse OPTIONS (ADD warn_size '1000')});
is(explain($alice, 'warn_size') . ' ' . detail($alice, 'warn_size'), '1000 option of server pulse; normal again at 800 or fewer', 'an option');
policy('queue, warn_size', q{'^queue/alice', 300});
policy('queue, warn_size, comment', q{'^queue/alice', 400, 'never reached'});
is(limits($alice), '1|300||8000', 'of policies that match the oldest counts');
policy('queue, vhost, warn_size, priority, comment', q{'jobs$', '^/$', 100, 5, 'jobs are few'});
is(limits($alice), '3|100||8000', 'before it, the one with the highest priority');
is(detail($alice, 'policy') . '|' . explain($alice, 'passed_over'), 'priority 5; jobs are few|1, 2', 'which says why, and what it passed over');
is(detail($alice, 'warn_size'), 'policy 3; normal again at 80 or fewer', 'and where a limit is from');
policy('queue, vhost, warn_size, priority', q{'jobs$', '^/other', 1, 9});
policy('queue, server, warn_size, priority', q{'jobs$', 'elsewhere', 2, 9});
is(limits($alice), '3|100||8000', 'a policy for another virtual host or server does not match');
policy('queue, server, warn_size, priority', q{'jobs$', 'pulse', 3, 9});
is(limits($alice), '6|3||8000', 'one for this server does');
is(sql(q{SELECT value FROM cloudsat.explain_queue('pulse', '/other', 'jobs') WHERE item = 'warn_size'}), '1', 'nor is a vhost\'s policy for another');
sql('DELETE FROM cloudsat.queue_policies');

# --- sizes partly given: the server's yield
policy('queue, delete_size', q{'^small', 500});
is(limits('small'), '7|500||500', 'a delete_size below the server\'s warn_size takes that down');
is(detail('small', 'warn_size'), 'the server\'s 1000 yields to policy 7; normal again at 400 or fewer', 'which is said');
policy('queue, warn_size', q{'^late', 9000});
is(limits('late'), '8|9000||9000', 'a warn_size above its delete_size takes that up');
sql(qq{ALTER SERVER pulse OPTIONS (ADD amqp_url 'amqp://127.0.0.1:1', ADD archive_size '4000', ADD max_archive_size '77')});
is(limits('late'), '8|9000|9000|9000', 'and its archive_size');
is(limits('small'), '7|500|500|500', 'or down');
policy('queue, archive_size', q{'^big', 20000});
is(limits('big'), '9|1000|20000|20000', 'a policy\'s archive_size moves the others');
is(explain('big', 'max_archive_size'), '77', 'what the archive may hold is the server\'s');
policy('queue, archive_size', q{'^never', -1});
is(limits('never') . ' ' . detail('never', 'archive_size'), '10|1000||8000 policy 10; nothing is archived', 'archive_size -1');
policy('queue, unbounded', q{'^free', true});
is(detail('free', 'archive_size'), 'policy 11 makes it unbounded and has no archive_size; nothing is archived', 'unbounded is not archived');
is(outlook('queue/x@example.com/free'), outlook($alice), 'a pattern is not anchored by itself, but this one is');
is(outlook('free') . '|' . detail('free', 'above 8000'),
	'up to 1000: nothing, above 1000: nothing, above 8000: nothing|no owner is warned: it has no owner to warn; not deleted: a policy makes it unbounded',
	'nor deleted');
sql(q{ALTER SERVER pulse OPTIONS (DROP amqp_url, DROP archive_size, DROP max_archive_size)});
is(detail('big', 'archive_size'), 'the server has no amqp_url; nothing is archived', 'without AMQP nothing is archived');
sql(q{ALTER SERVER pulse OPTIONS (DROP warn_size); DELETE FROM cloudsat.queue_policies});

# --- what is foretold is what happens, in every kind of standing
policy('queue, unbounded', q{'unbounded', true});
policy('queue, exempt', q{'exempt', true});
policy('queue, basis', q{'ready', 'ready'});
policy('queue, warn_size, delete_size', q{'tiny', 10, 20});
my @names = ($alice, 'plain', 'queue/root@example.com/x', map { "queue/$_\@example.com/$_" } qw(unbounded exempt ready tiny));
for my $enforce (qw(off on)) {
	sql("ALTER SERVER pulse OPTIONS (" . ($enforce eq 'on' ? 'SET' : 'ADD') . " enforce '$enforce')");
	for my $size ($enforce eq 'off' ? (2500, 9000, 1700, 9000, 1600) : (2500, 9000, 0, 2001, 9000)) {
		$fake->queue($_, messages => $size, ready => $size > 8000 ? 3 : $size) for @names;
		$fake->queue('queue/dead@example.com/x', messages => $size, state => $size > 8000 ? 'down' : 'running');
		$fake->queue('stream', messages => $size, type => 'stream');
		poll();
		as_foretold("enforce $enforce, $size messages, second poll");
		as_foretold("enforce $enforce, $size messages, third poll");
	}
}
is(column($alice, 'level'), 'deleted', 'which was a deletion, for one');
is(explain($alice, 'queue', 'next_poll') . detail($alice, 'next_poll'), 'gone|nothing' . 'it is gone', 'what is gone is said to be gone');
is(sql(q{SELECT count(*) FROM cloudsat.queue_events WHERE event = 'deleted' AND name ~ 'unbounded|exempt|ready|root|dead|stream'}), '0',
	'the unbounded, exempt, reserved, dead and streams are not deleted, nor what is not ready');
is(sql(q{SELECT count(*) FROM cloudsat.queue_events WHERE event = 'warned' AND name ~ 'unbounded'}) > 0, 1, 'the unbounded are warned about');
is(sql(q{SELECT count(*) FROM cloudsat.queue_events WHERE event = 'warned' AND name ~ 'exempt|root'}), '0', 'the exempt and the reserved are not');

# --- a belay counts before the poll that hears of it
my $held = 'queue/unbounded@example.com/unbounded';
sql(q{ALTER SERVER pulse OPTIONS (ADD address 'guardian@pulse.example.com'); DELETE FROM cloudsat.queue_policies});
my $incident = column($held, 'incident');
sql(qq{SELECT cloudsat.register(ARRAY['unbounded\@example.com']::cloudsat.address[]); SELECT cloudsat.reply('$incident', 'belay', 'mine')});
is(explain($held, qw(belayed next_poll)), 'unbounded@example.com|belayed', 'a belay is heard');
as_foretold('and by the next poll, too');
is(explain($held, qw(belayed next_poll)) . '|' . detail($held, 'above 8000'), 'unbounded@example.com|nothing|not deleted: it is on hold', 'and is obeyed');
policy('queue, unbounded', q{'unbounded', true});
sql(q{UPDATE cloudsat.polls SET enforce_home = '1/2'});
is(explain('plain', 'enforce') . '|' . detail('plain', 'above 8000') =~ s/.*; //r, 'held back|not deleted: enforce is held back', 'a copy of a database says that it holds back');
sql(q{SELECT cloudsat.confirm_enforce('pulse')});

# --- an intention is open: a new policy withdraws it, and it is known before
my $bob = 'queue/bob@example.com/jobs';
$fake->queue($bob, messages => 9000);
poll() for 1 .. 2;
is(explain($bob, qw(deletion next_poll)), 'intended|deleted', 'an open intention');
is(outlook($bob), 'up to 8000: delete_withdrawn, above 8000: deleted', 'which the size at the second look decides');
policy('queue, exempt', q{'^queue/bob', true});
is(explain($bob, 'next_poll') . '|' . detail($bob, 'next_poll'), 'delete_withdrawn|a policy exempts it', 'a policy that is added withdraws it');
is(detail($bob, 'policy') =~ s/.*; //r, 'not yet judged by these rules: they apply from the next poll on', 'though the row does not know yet');
poll();
is(sql(qq{SELECT string_agg(event || ' ' || coalesce(detail->>'reason', ''), ', ' ORDER BY id) FROM cloudsat.queue_events
	WHERE name = '$bob' AND event ~ 'delete|recovered'}), 'delete_intended , delete_withdrawn a policy exempts it, recovered ', 'and so it comes');
is(column($bob, 'gone_at, level, exempt'), '|normal|t', 'the queue stays');

# --- how it grows
my $carol = 'queue/carol@example.com/jobs';
$fake->queue($carol, messages => 1000);
poll();
is(explain($carol, qw(trend time_to_warn_size)), '|', 'a young queue has no trend');
sql(qq{INSERT INTO cloudsat.queue_history ("time", server, vhost, name, messages, ready)
	SELECT now() - i * interval '10 s', 'pulse', '/', '$carol', 1000 - 10 * i, 0 FROM generate_series(1, 70) AS i;
	UPDATE cloudsat.queues SET first_seen = now() - interval '1 day' WHERE name = '$carol'});
like(explain($carol, 'trend'), qr/^(59|60|61)\.\d$/, 'sixty a minute by its history');
like(explain($carol, 'time_to_warn_size'), qr/^00:1[67]:\d\d$/, 'makes a thousand in a quarter of an hour');
is(sql("SELECT value::interval BETWEEN '115 min' AND '120 min' FROM cloudsat.explain_queue('pulse', '/', '$carol') WHERE item = 'time_to_delete_size'"),
	't', 'and seven thousand in two hours; a program can read it');
is(detail($carol, 'time_to_delete_size'), 'by trend', 'which says how it knows');
sql("UPDATE cloudsat.queues SET growth = 6000 WHERE name = '$carol'");
is(explain($carol, 'time_to_warn_size') . ' ' . detail($carol, 'time_to_warn_size'), '00:00:10 by growth', 'what comes faster is the more urgent');
sql(qq{DELETE FROM cloudsat.queue_history WHERE name = '$carol'; UPDATE cloudsat.queues SET growth = 0 WHERE name = '$carol';
	INSERT INTO cloudsat.queue_history ("time", server, vhost, name, messages)
	SELECT now() - i * interval '10 s', 'pulse', '/', '$carol', i % 2 * 1500 FROM generate_series(0, 70) AS i});
is(explain($carol, 'time_to_warn_size') . '|' . detail($carol, 'trend') =~ s/.*; //r, '|it fluctuates more than it grows', 'a size that swings is no trend');
policy('queue, basis', q{'^queue/carol', 'ready'});
is(explain($carol, 'trend'), '', 'of what is ready there is no history here');

# --- what the broker does
$fake->behave('/api/vhosts', 'status', code => 500);
$node->psql('postgres', q{SELECT cloudsat.poll('pulse')});
is(explain($carol, 'broker') . '|' . detail($carol, 'broker') =~ s/last.*?; //r, 'failing|1 poll has failed: server_error', 'a broker that fails');
$fake->behave_well;
poll();
is(explain($carol, 'next_poll') . '|' . detail($carol, 'next_poll'), 'nothing|the broker has only just come back, and its numbers may be stale',
	'or has just come back');
is(detail($carol, 'above 2000'), 'warned: carol@example.com', 'which will be over');
sql(q{ALTER SERVER pulse OPTIONS (ADD vhosts '^other$')});
is(explain($carol, 'next_poll') . '|' . detail($carol, 'next_poll') . '|' . outlook($carol), 'nothing|its virtual host is not watched|', 'or is not watched');
sql(q{ALTER SERVER pulse OPTIONS (DROP vhosts)});

# --- reads only, under anybody's search_path, in one query's sight
is(sql(q{BEGIN READ ONLY; SELECT count(*) > 9 FROM cloudsat.explain_queue('pulse', '/', 'plain'); COMMIT}), 't', 'reads only');
is(sql(qq{CREATE SCHEMA evil; CREATE FUNCTION evil.text_eq(text, text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trap''; END';
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.text_eq);
	CREATE OPERATOR evil.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.text_eq);
	CREATE FUNCTION evil.string_agg(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trap''; END';
	CREATE FUNCTION evil.int_eq(int8, int4) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trap''; END';
	CREATE OPERATOR evil.= (LEFTARG = int8, RIGHTARG = int4, FUNCTION = evil.int_eq);
	SET search_path = evil, pg_catalog; SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 9 FROM cloudsat.explain_queue('pulse', '/', '$alice')}), 't', 'a hostile search_path');
for my $argument (['NULL', q{'/'}, q{'q'}, 'server'], [q{'pulse'}, 'NULL', q{'q'}, 'vhost'], [q{'pulse'}, q{'/'}, 'NULL', 'name']) {
	my ($server, $vhost, $name, $what) = @$argument;
	my ($status, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.explain_queue($server, $vhost, $name)");
	like($error, qr/22004: .*$what/, "no $what");
}
like(($node->psql('postgres', q{SELECT cloudsat.explain_queue('nowhere', '/', 'q')}))[2], qr/server "nowhere" does not exist/, 'no such server');
done_testing;
