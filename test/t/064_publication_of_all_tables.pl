# Under a publication FOR ALL TABLES the server refuses to change rows of a table that cannot say which row it was. All that
# the board and the guardian do goes on: bots, guards that warn, archive and delete, maintain() and cleanup().
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('published', conf => "cloudsat.databases = 'postgres'", allows_streaming => 'logical', extension => 0);
sql('CREATE EXTENSION cloudsat; CREATE PUBLICATION everything FOR ALL TABLES');
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
is(sql('SHOW wal_level'), 'logical', 'logical decoding is on');
sql(q{SELECT pg_create_logical_replication_slot('watcher', 'pgoutput')});

# --- the guardian
my $large = 'queue/alice@example.com/large';
$broker->amqp('declare', $large, 'durable', ',', 'bind', $large, 'amq.topic', 'a.#', ',', 'publish', $large, 15, ',',
	'declare', 'full', 'durable', ',', 'publish', 'full', 60);
sql("INSERT INTO cloudsat.queue_policies (queue, archive_size) VALUES ('/large\$', -1)");
sql($broker->server_sql('pulse', amqp_url => $broker->amqp_url, poll_interval => '200ms', enforce => 'on',
	warn_size => 10, archive_size => 20, delete_size => 80));
becomes(q{SELECT queue, source, routing_key FROM cloudsat.bindings}, "$large|amq.topic|a.#", 'bindings are recorded');
becomes(events_sql($large), 'warned', 'a queue is warned about');
$broker->amqp('publish', $large, 100);
becomes(events_sql($large), 'warned delete_intended deleted', 'and deleted');
becomes(q{SELECT count(*) >= 44 FROM cloudsat.archived_messages WHERE queue = 'full'}, 't', 'another one archived');
sql('UPDATE cloudsat.polls SET bindings_at = NULL');
becomes('SELECT count(*) FROM cloudsat.bindings', 0, 'bindings that are gone go here, too');
is(sql(q{SELECT consecutive_failures FROM cloudsat.polls}), 0, 'no poll failed');
is(sql("SELECT count(*) FROM cloudsat.take_archived('pulse', '$vhost', 'full', 10)"), 10, 'the archive is emptied');

# --- the board
sql('CREATE ROLE bot LOGIN', q{SELECT cloudsat.enlist('bot', 'task', 'example.com')});
like(sql('SET cloudsat.notify = off', q{SELECT FROM cloudsat.register('{a.example.com}')}, q{SELECT cloudsat.post('a.example.com', 'x') AS said \gset},
		'SELECT count(*) FROM cloudsat.receive(include_own => true)', 'SELECT cloudsat.bookmark()', q{SELECT cloudsat.claim(:'said') IS NOT NULL},
		q{SELECT cloudsat.release(:'said', 'end', 'x') IS NOT NULL}), qr/\A\s*1\s+t\s+t\z/, 'a bot registers, posts, receives, claims');
sql(q{SELECT cloudsat.dismiss('bot')});

# --- keeping house: something old in each table, in the default partitions, too
sql(q{INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(t), t, '.', '.', 'x', NULL, NULL, NULL, NULL, pg_current_xact_id()
		FROM unnest('{2020-01-01Z, 2020-01-02Z}'::timestamptz[]) AS t},
	q{INSERT INTO cloudsat.queue_history SELECT t, 's', '/', 'q', 1 FROM unnest(ARRAY['2020-01-01Z', now() + interval '30 days']) AS t},
	q{INSERT INTO cloudsat.registered SELECT 'old.example.com', '2020-01-01Z', '{.}', 0, '2020-01-01Z'},
	q{INSERT INTO cloudsat.bookmarks (nick, "timestamp", position) SELECT 'old.example.com', t, '10:20:' FROM unnest('{2020-01-01Z, 2020-01-02Z}'::timestamptz[]) AS t},
	q{INSERT INTO cloudsat.claim_log (message, "timestamp", backend_start, pid, disposition, reply, nick, chan, action)
		SELECT cloudsat.uuid_floor('2019-01-01Z'), t, t, 0, 'info', cloudsat.uuid_floor(t), '.', '.', 'claimed' FROM unnest('{2020-01-01Z, 2020-01-02Z}'::timestamptz[]) AS t},
	q{INSERT INTO cloudsat.queue_events (at, server, vhost, name, event) VALUES ('2020-01-01Z', 's', '/', 'q', 'deleted')},
	q{INSERT INTO cloudsat.outbox (written_at, due, kind, recipient, server, subject, state) VALUES ('2020-01-01Z', '2020-01-01Z', 'warned', 'a@b.c', 's', 'x', 'sent')},
	q{INSERT INTO cloudsat.bindings (server, vhost, queue, source, routing_key, arguments_hash, arguments, first_seen)
		VALUES ('gone', '/', 'q', 'x', 'y', 1, '{}', '2020-01-01Z')},
	q{INSERT INTO cloudsat.queues (server, vhost, name, warn_size, delete_size, first_seen, changed_at, gone_at) VALUES ('gone', '/', 'q', 1, 2, '2020-01-01Z', '2020-01-01Z', '2020-01-01Z')},
	q{INSERT INTO cloudsat.account_requests VALUES ('x', 's', 'u', 'a@b.c', 1, '2020-01-01Z', '2020-01-01Z')});
for my $way ('FROM cloudsat.maintain()', q{FROM cloudsat.cleanup('1 day')}, q{FROM cloudsat.cleanup('1 day', exact => true)}) {
	my (undef, undef, $stderr) = $node->psql('postgres', "SELECT $way");
	is($stderr, '', "SELECT $way");
}
is(sql(q{SELECT (SELECT count(*) FROM cloudsat.messages WHERE "timestamp" < '2021-01-01Z'), (SELECT count(*) FROM cloudsat.queue_history_default WHERE "time" < now()),
		(SELECT count(*) FROM cloudsat.registered WHERE nick = 'old.example.com'), (SELECT count(*) FROM cloudsat.bookmarks WHERE nick = 'old.example.com'),
		(SELECT count(*) FROM cloudsat.claim_log WHERE "timestamp" < '2021-01-01Z'), (SELECT count(*) FROM cloudsat.queue_events WHERE server = 's'),
		(SELECT count(*) FROM cloudsat.outbox), (SELECT count(*) FROM cloudsat.bindings), (SELECT count(*) FROM cloudsat.queues WHERE server = 'gone'),
		(SELECT count(*) FROM cloudsat.account_requests)}), '0|0|0|1|0|0|0|0|0|0', 'nothing old is left');
for my $table (split /\n/, sql(q{SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = ANY (ARRAY['cloudsat', '_cloudsat']::regnamespace[])
		AND oid <> 'cloudsat.messages_default'::regclass ORDER BY 1})) {
	my (undef, undef, $stderr) = $node->psql('postgres', "BEGIN; DELETE FROM $table; ROLLBACK");
	is($stderr, '', "rows of $table may go");
}
unlike(slurp_file($node->logfile), qr/replica identity/, 'the log tells of no refusal');
my $decoded = sql(q{SELECT count(*) FROM pg_logical_slot_peek_binary_changes('watcher', NULL, NULL, 'proto_version', '1', 'publication_names', 'everything')});
cmp_ok($decoded, '>', 100, 'and all of it can be decoded');
sql('DROP SERVER pulse CASCADE', q{SELECT pg_drop_replication_slot('watcher')});
$node->stop;
done_testing;
