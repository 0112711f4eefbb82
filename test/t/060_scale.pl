# Twenty thousand queues on one broker: what a poll writes, that nothing is lost or believed in the mass, and how little
# memory a guard takes for it. bench/scale.sh and bench/week.sh measure the same with more of everything.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $queues = 20_000;
my $prefix = 'queue/u42@example.com/tasks';
my $node = new_node('scale', conf => "autovacuum = off\nfsync = off\n");
my $fake = Cloudsat::FakeBroker->start;
$fake->tell('/queues', { count => $queues, prefix => $prefix, arguments => { 'x-max-length' => 5, 'x-expires' => 1_800_000 } });
my $all = 'queues, changed, events';
sub sizes { return $fake->tell('/sizes', { prefix => $prefix, @_ }) }
sql($fake->server_sql('big'));

# --- all of it is recorded
is(poll($all, 'big'), "$queues|$queues|$queues", 'all queues are recorded by the first poll');
my $written = q{SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FILTER (WHERE relname = 'polls'),
	sum(n_tup_ins + n_tup_upd + n_tup_del) FILTER (WHERE relname <> 'polls')
	FROM pg_stat_all_tables WHERE schemaname = 'cloudsat'};
my ($polls, $others) = split /\|/, sql($written);
is(poll($all, 'big'), "$queues|0|0", 'a second one finds them unchanged');
is(sql($written), join('|', $polls + 1, $others), 'and writes one row of polls and nothing else');

# names and arguments, too: the broker prints arguments in one order, jsonb keeps them in another
my $all_names = 'UPDATE cloudsat.polls SET names_at = NULL';
sql($all_names);
is(poll($all, 'big'), "$queues|0|0", 'nor do all names and arguments write anything');
$fake->tell('/queue', { name => "$prefix-7777", arguments => { 'x-max-length' => 6, 'x-expires' => 1_800_000 } });
sql($all_names);
is(poll($all, 'big'), "$queues|1|1", 'one queue with other arguments is found');
is(sql(q{SELECT name, detail ->> 'reason' FROM cloudsat.queue_events ORDER BY id DESC LIMIT 1}),
	"$prefix-7777|declared again", 'it is another one of that name');

sizes(count => $queues, messages => 7);
is(poll($all, 'big'), "$queues|$queues|0", 'all of them change');
is(sql(q{SELECT count(*) FILTER (WHERE messages = 7), count(*) FROM cloudsat.queues}), "$queues|$queues", 'and are recorded');
is(sql(q{SELECT count(*), count(DISTINCT name), sum(messages) FROM cloudsat.queue_history WHERE messages > 0}),
	join('|', $queues, $queues, 7 * $queues), 'with a sample each');
is(sql(q{SELECT sum(pg_relation_size(c.oid)) < 100 * 1024 * 1024 FROM pg_class AS c WHERE c.relnamespace = 'cloudsat'::regnamespace}),
	't', 'and without many times the room');

sql($fake->server_sql('metrics', metrics_url => $fake->metrics_url));
is(poll($all, 'metrics'), "$queues|$queues|$queues", 'the metrics show as many');
is(sql(q{SELECT count(*), min(messages), max(messages) FROM cloudsat.queues WHERE server = 'metrics' AND size_source = 'metrics'}),
	"$queues|7|7", 'of the same sizes');
sql(q{SET client_min_messages = warning; DROP SERVER metrics CASCADE; DELETE FROM cloudsat.queues WHERE server = 'metrics'});

# --- beside it a small broker, whose rows are few of the table's
my $little = Cloudsat::FakeBroker->start;
$little->tell('/queues', { count => 3 });
sql($little->server_sql('small'));
sql('ANALYZE cloudsat.queues');
my $scans = q{SELECT seq_scan FROM pg_stat_all_tables WHERE relid = 'cloudsat.queues'::regclass};
my $before = sql($scans);
is(poll($all, 'small'), '3|3|3', 'the queues of a small broker are recorded');
is(poll($all, 'small'), '3|0|0', 'and found by its next poll');
is(sql($scans), $before, 'neither reads the rows of the big one');
sql(q{SET client_min_messages = warning; DROP SERVER small CASCADE; DELETE FROM cloudsat.queues WHERE server = 'small'});

# --- more than one batch of queues is overgrown at once
my $overgrown = 2_500;
sizes(count => $overgrown, messages => 3000);
poll('events', 'big');
is(poll($all, 'big'), "$queues|$overgrown|$overgrown", 'as many as are overgrown are warned about');
is(sql(q{SELECT count(*), count(DISTINCT q.incident), count(m.uuid) FROM cloudsat.queues AS q
	LEFT JOIN cloudsat.messages AS m ON m.uuid = q.incident WHERE q.level = 'warned'}),
	join('|', ($overgrown) x 3), 'each with a thread of its own');
sizes(count => $overgrown, messages => 7);
poll('events', 'big');
is(sql(q{SELECT count(*) FROM cloudsat.queue_events WHERE event = 'recovered'}), $overgrown, 'and all of them recover');

# --- a broker that lists a quarter of what it had
$fake->tell('/unqueues', { prefix => $prefix, begin => 5000, count => 15_000 });
for my $turn (1 .. 3) {
	poll('events', 'big');
	is(sql(q{SELECT count(gone_at) FROM cloudsat.queues}) . '|' . sql(q{SELECT missing, missing_polls FROM cloudsat.polls WHERE server = 'big'}),
		"0|15000|$turn", "so many at once are not believed to be gone: poll $turn");
}
sql(q{UPDATE cloudsat.polls SET missing_since = missing_since - interval '1 minute' WHERE server = 'big'});
is(poll($all, 'big'), '5000|15000|15000', 'after a minute they are');
is(sql(q{SELECT count(*), count(gone_at) FROM cloudsat.queues}), "$queues|15000", 'all of them');
$fake->tell('/unqueues', { prefix => $prefix, begin => 4990, count => 10 });
is(poll($all, 'big'), '4990|10|10', 'a few are believed at once');
$fake->tell('/queues', { count => $queues, prefix => $prefix });
is(poll('queues', 'big'), $queues, 'they come back');
is(sql(q{SELECT count(*), count(gone_at) FROM cloudsat.queues}), "$queues|0", 'each to its row');

# --- a guard's memory, while sizes change and queues come and go
sub cycle { return sql(q{SELECT cycle FROM cloudsat.polls WHERE server = 'big'}) }
sql(q{ALTER SERVER big OPTIONS (ADD poll_interval '100ms')});
sql('SELECT cloudsat.start()');
my $guard = wait_until(q{SELECT pid FROM cloudsat.worker_status WHERE kind = 'guard' AND server = 'big'}, qr/\d/, 60,
	'a guard starts');
# What the server allocates for it, in kB, in its rest between two polls. What its C library keeps free beside that comes
# and goes in steps of some MB.
sub allocated_kb {
	my $rest = "SELECT cycle FROM cloudsat.polls, pg_stat_activity WHERE server = 'big' AND pid = $guard AND state = 'idle'";
	sql(q{ALTER SERVER big OPTIONS (SET poll_interval '5s')});
	my ($before, $after, $total) = ('', '', 0);
	my $tries = 0;
	until ($before ne '' && $before eq $after) {
		die "the guard never rested\n" if ++$tries > 100;
		$before = wait_until($rest, qr/\d/, 60);
		my $from = -s $node->logfile;
		sql("SELECT pg_log_backend_memory_contexts($guard)");
		wait_until_logged(\$total, $from);
		$after = sql($rest);
	}
	sql(q{ALTER SERVER big OPTIONS (SET poll_interval '100ms')});
	return int $total / 1024;
}
sub wait_until_logged {
	my ($total, $from) = @_;
	return wait_for(60, sub { ($$total) = substr(slurp_file($node->logfile), $from) =~ /\[$guard\] LOG:  Grand total: (\d+) bytes/ })
	  || die "the guard did not log its memory\n";
}
my $peak = 0;
sub private_kb { # of the guard for itself, shared buffers not counted
	my ($now) = slurp_file("/proc/$guard/status") =~ /^RssAnon:\s+(\d+)/m;
	$peak = $now if $now > $peak;
	return $now;
}
sub turns {
	my ($from, $to) = @_;
	for my $turn ($from .. $to) {
		my $until = cycle() + 3;
		sizes(count => $turn % 4 == 0 ? $queues : 500, messages => $turn);
		$fake->tell('/queues', { count => 15, prefix => "come-and-go-$turn" });
		$fake->tell('/unqueues', { count => 15, prefix => 'come-and-go-' . ($turn - 1) }) if $turn > 1;
		sql($all_names) if $turn % 5 == 0;
		my $tries = 0;
		private_kb() until ++$tries % 20 == 0 && cycle() >= $until || $tries > 20_000;
	}
	return private_kb();
}
my $early = turns(1, 5);
my $allocated = allocated_kb();
my $late = turns(6, 15);
cmp_ok(allocated_kb(), '<', $allocated * 1.1, 'the memory of a guard is flat') or diag "from $allocated kB";
cmp_ok($late, '<', $early + 8 * 1024, 'and so is what it has from the system, about') or diag "from $early kB";
cmp_ok($peak, '<', 32 * 1024, 'and small for as many queues');
note "private memory: $early kB, $late kB, at the most $peak kB";
wait_until(q{SELECT count(*), count(*) FILTER (WHERE gone_at IS NULL) FROM cloudsat.queues WHERE name ~ '^come-and-go'},
	'225|15', 20, 'it has seen them all come and go');
is(sql(q{SELECT failures FROM cloudsat.worker_status WHERE server = 'big'}), 0, 'and had no failure');

done_testing();
