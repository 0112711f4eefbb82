# The logs stay bounded without anybody setting anything: what is not in force any more goes after a while of each log's own, the
# audit of deletions last of all. And the newest registrations are found in no time, however many there are.
use strict;
use warnings;
use Cloudsat::Test;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('logs', conf => "autovacuum = off\ntrack_functions = pl\nmax_parallel_workers_per_gather = 0");
my $days = q{coalesce(string_agg(extract(day FROM now() - %s + interval '1 h')::text, ' ' ORDER BY %1$s DESC), '')};
sub ages { my ($table, $column, $where) = @_; return 'SELECT ' . sprintf($days, $column) . " FROM cloudsat.$table WHERE $where" }
my $live = $node->background_psql('postgres');
$live->query_safe(q{SELECT cloudsat.register('{live.example.com}')});

# --- something of every age, in days
sub fill {
	return sql(
		q{TRUNCATE cloudsat.bookmarks, cloudsat.claim_log, cloudsat.queue_events, cloudsat.outbox, cloudsat.queues},
		q{DELETE FROM cloudsat.registered WHERE nick <> 'live.example.com'},
		q{UPDATE cloudsat.registered SET "timestamp" = now() - interval '400 days'},
		q{CREATE TEMP TABLE age AS SELECT now() - d * interval '1 day' AS t FROM unnest('{0, 2, 8, 40, 100, 1200}'::int[]) AS d},
		q{INSERT INTO cloudsat.registered SELECT 'dead.example.com', t, '{.}', 0, t FROM age},
		q{INSERT INTO cloudsat.bookmarks (nick, "timestamp", position) SELECT 'often.example.com', t, '10:20:' FROM age},
		q{INSERT INTO cloudsat.bookmarks (nick, "timestamp", position) SELECT 'once.example.com', min(t), '10:20:' FROM age},
		q{SELECT cloudsat.post('.', '.', 'x') AS said \gset},
		q{INSERT INTO cloudsat.claim_log (message, "timestamp", backend_start, pid, disposition, reply, nick, chan, action)
			SELECT :'said', t, t, 0, 'acknowledged', :'said', 'dead.example.com', '.', 'renewed' FROM age},
		q{INSERT INTO cloudsat.claim_log (message, "timestamp", backend_start, pid, disposition, reply, nick, chan, action)
			SELECT cloudsat.uuid_floor(t), t, t, 0, 'acknowledged', :'said', 'once.example.com', '.', 'claimed' FROM age},
		q{INSERT INTO cloudsat.queues (server, vhost, name, warn_size, delete_size, incident, first_seen, changed_at)
			VALUES ('s', '/', 'on', 1, 2, '00000000-0000-7000-8000-000000000001', now(), now())},
		q{INSERT INTO cloudsat.queue_events (at, server, vhost, name, event, incident)
			SELECT t, 's', '/', name, event, '00000000-0000-7000-8000-000000000001' FROM age, (VALUES ('off', 'warned'), ('off', 'deleted'), ('on', 'warned')) AS v (name, event)},
		q{INSERT INTO cloudsat.outbox (written_at, due, kind, recipient, server, vhost, queue, incident, subject, state)
			SELECT t, t, 'warned', 'a@b.c', 's', '/', queue, incident, 'x', state FROM age,
				(VALUES ('settled', 'sent', NULL::uuid), ('waiting', 'waiting', NULL)) AS v (queue, state, incident)},
		q{INSERT INTO cloudsat.outbox (written_at, due, kind, recipient, server, vhost, queue, incident, subject, state)
			SELECT min(t), min(t), 'warned', 'a@b.c', 's', '/', 'on', '00000000-0000-7000-8000-000000000001', 'x', 'sent' FROM age});
}
my %kept = (
	registrations => [ ages('registered', '"timestamp"', q{nick = 'dead.example.com'}), '0', '0 2 8 40 100 1200' ],
	'of a connection that lives' => [ ages('registered', '"timestamp"', q{nick = 'live.example.com'}), '400', '400' ],
	bookmarks => [ ages('bookmarks', '"timestamp"', q{nick = 'often.example.com'}), '0', '0 2 8 40 100 1200' ],
	'the newest bookmark' => [ ages('bookmarks', '"timestamp"', q{nick = 'once.example.com'}), '1200', '1200' ],
	'claims of a message that is there' => [ ages('claim_log', '"timestamp"', q{nick = 'dead.example.com'}), '0 2', '0 2 8 40 100 1200' ],
	'claims of messages that are gone' => [ ages('claim_log', '"timestamp"', q{nick = 'once.example.com'}), '0 2', '0 2 8 40 100 1200' ],
	events => [ ages('queue_events', 'at', q{name = 'off' AND event = 'warned'}), '0 2 8 40', '0 2 8 40 100 1200' ],
	'events of deletions' => [ ages('queue_events', 'at', q{name = 'off' AND event = 'deleted'}), '0 2 8 40 100', '0 2 8 40 100 1200' ],
	'events of an incident that is on' => [ ages('queue_events', 'at', q{name = 'on'}), '0 2 8 40 100 1200', '0 2 8 40 100 1200' ],
	'settled mail' => [ ages('outbox', 'written_at', q{queue = 'settled'}), '0 2 8', '0 2 8 40 100 1200' ],
	'mail that waits' => [ ages('outbox', 'written_at', q{queue = 'waiting'}), '0 2 8 40 100 1200', '0 2 8 40 100 1200' ],
	'mail of an incident that is on' => [ ages('outbox', 'written_at', q{queue = 'on'}), '1200', '1200' ]);
fill();
sql('SELECT FROM cloudsat.maintain()');
is(sql($kept{$_}[0]), $kept{$_}[1], "days of age that maintain() leaves: $_") for sort keys %kept;
fill();
sql(( map { "SET cloudsat.${_}_retention = 0" } qw(registered bookmarks claim_log queue_events deletions outbox) ), 'SELECT FROM cloudsat.maintain()');
is(sql($kept{$_}[0]), $kept{$_}[2], "0 keeps for ever: $_") for sort keys %kept;
sql(q{SET cloudsat.claim_log_retention = 0}, q{SELECT FROM cloudsat.cleanup('5 days')});
is(sql($kept{'claims of a message that is there'}[0]), '0 2', 'cleanup() prunes what is older than it was asked to keep');
is(sql($kept{'events'}[0]), '0 2', 'events, too');
is(sql($kept{'events of deletions'}[0]), '0 2 8 40 100', 'but not the audit of deletions');
# the launcher: pruned(FUNCTION) is how often
my $calls = q{(SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname = '%s')};
my $told = sprintf "SELECT $calls || ' ' || $calls", qw(prune maintain);
my ($prunes, $maintains) = split ' ', sql('SELECT pg_stat_force_next_flush()', $told) =~ s/^\s+//r;
fill();
sql('SELECT cloudsat.start()');
becomes($kept{$_}[0], $kept{$_}[1], "the launcher does it: $_") for sort keys %kept;
becomes($told, $prunes + 1 . ' ' . ($maintains + 1), '... once, as maintain() does');
sql('SELECT cloudsat.stop()');
fill();
my $in_the_way = $node->background_psql('postgres');
$in_the_way->query_safe('BEGIN; LOCK TABLE cloudsat.messages IN SHARE UPDATE EXCLUSIVE MODE;');
my $logged = -s $node->logfile;
sql('SELECT cloudsat.start()');
wait_until($kept{events}[0], $kept{events}[1], 90, 'although somebody keeps maintain() from its locks');
like(slurp_file($node->logfile, $logged), qr/ERROR:  .*lock timeout/, '... of which the log tells');
$in_the_way->quit;
sql('SELECT cloudsat.stop()');

# --- the newest of many. The pages that a query looks at do not depend on the machine, nor on statistics.
sql(q{INSERT INTO cloudsat.registered SELECT 'n' || n % 6 || '.example.com', now() - interval '1 h' + n * interval '1 us', '{.}', n % 6, '2020-01-01Z'
	FROM generate_series(1, 200000) AS n});
$live->query_safe(q{SELECT cloudsat.register('{live.example.com}')}) for 1 .. 3;
sub pages {
	my ($view) = @_;
	my $plan = JSON::PP->new->decode(sql("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM cloudsat.$view"))->[0]{Plan};
	return $plan->{'Shared Hit Blocks'} + $plan->{'Shared Read Blocks'};
}
for my $when ('without statistics', 'with statistics') {
	for my $view (qw(recent connections listeners)) {
		sql("SELECT count(*) FROM cloudsat.$view");    # the catalogs come into the caches of this backend, and hint bits
		cmp_ok(pages($view), '<', 400, "$view looks at few pages $when");
	}
	sql('VACUUM ANALYZE cloudsat.registered');
}
is(sql(q{SELECT count(*), count(DISTINCT nick) FROM cloudsat.recent WHERE nick <> 'dead.example.com'}), '7|7', 'recent has one row for each nick');
is(sql(q{SELECT count(*) FROM cloudsat.recent AS r WHERE "timestamp" <> (SELECT max("timestamp") FROM cloudsat.registered AS a WHERE a.nick = r.nick)}), 0, 'the newest');
is(sql('SELECT nick FROM cloudsat.connections'), 'live.example.com', 'connections has the one that lives');
is(sql('SELECT nick, channels FROM cloudsat.listeners'), 'live.example.com|4', 'so has listeners');
$live->quit;
$node->stop;
done_testing;
