# A partition that something hangs on stays, and a warning says what it is; nothing else waits for it: neither the other
# partitions, nor new ones, nor what was detached, nor the launcher.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('pinned');
my $at = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
sub said {
	my ($day) = @_;
	return sql(qq{INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(t), t, '.', '.', 'x', NULL, NULL, NULL, NULL, pg_current_xact_id()
		FROM (VALUES ('$day 12:00Z'::timestamptz)) AS at (t)});
}
sub sampled { my ($day) = @_; return sql("INSERT INTO cloudsat.queue_history VALUES ('$day 12:00Z', 's', '/', 'q', 1)") }
sub days {
	my ($table) = @_;
	return sql(qq{SELECT coalesce(string_agg(right(relname, 2), ' ' ORDER BY relname), '') FROM pg_class
		WHERE relname ~ '^${table}_2020' AND relkind = 'r' AND relispartition});
}
sub ahead { return sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '^(messages|queue_history)_20[2-9]' AND relname > 'queue_history_2021' AND relkind = 'r'
		OR relname ~ '^messages_20[2-9]' AND relname > 'messages_2021' AND relkind = 'r'}) }
# maintain() makes days of queue_history that are older than the retention only while it is long
sub history {
	my (@days) = @_;
	sampled($_) for @days;
	return reports("SET cloudsat.history_retention = '20000 d'", 'SELECT FROM cloudsat.maintain()');
}
sql('CREATE EXTENSION dblink');
sql('CREATE ROLE mallory LOGIN', q{SELECT cloudsat.enlist('mallory', 'server', 'mallory.example.com')});

# --- queue_history
history(map { "2020-01-0$_" } 1 .. 6);
is(days('queue_history'), '01 02 03 04 05 06', 'six days of history');
sql('CREATE TABLE pin (x cloudsat.queue_history_20200101)');
sql('CREATE TABLE pins (x cloudsat.queue_history_20200102[])');
sql('CREATE VIEW pinning AS SELECT name FROM cloudsat.queue_history_20200103');
my $before = ahead();
my $locked = reports("SELECT FROM dblink_connect('r', '$at'); SELECT FROM dblink_exec('r', 'BEGIN');
	SELECT FROM dblink('r', 'SELECT count(*) FROM cloudsat.queue_history_20200104') AS r (n int8)", 'SET cloudsat.partitions_ahead = 6', 'SELECT FROM cloudsat.maintain()');
unlike($locked, qr/ERROR/, 'maintain() comes through');
like($locked, qr/WARNING:  \w+: could not drop partition "queue_history_2020010$_->[0]".*\nDETAIL:  $_->[1]/, "the warning names what hangs on it: $_->[1]")
  for [ 1, 'column x of table public.pin depends on type' ], [ 2, 'column x of table public.pins depends on type' ], [ 3, 'view public.pinning depends on table' ], [ 4, 'Another session uses it' ];
is(days('queue_history'), '01 02 03 04', 'the other days are dropped');
cmp_ok(ahead(), '>', $before, 'and new ones made');
reports('SELECT FROM cloudsat.maintain()');
is(days('queue_history'), '01 02 03', 'who was merely read goes the next time');
sql('DROP TABLE pin, pins', 'DROP VIEW pinning', 'SELECT FROM cloudsat.maintain()');
is(days('queue_history'), '', 'so does the rest when nothing hangs on it any more');

# --- messages, dropped by a session
said("2020-01-0$_") for 1 .. 6;
sql('SELECT FROM cloudsat.maintain()');
is(days('messages'), '01 02 03 04 05 06', 'six days of messages');
sql('CREATE TABLE pin (x cloudsat.messages_20200101)');
sql('CREATE TABLE keyed (message uuid REFERENCES cloudsat.messages_20200102)');
my $mallory = $node->background_psql('postgres', extra_params => [ '-U', 'mallory' ]);
$mallory->query_safe('CREATE TEMP VIEW pinning AS SELECT 1 AS one FROM cloudsat.messages_20200103');
my $cleanup = reports(q{SELECT FROM cloudsat.cleanup(now() - '2020-01-06Z')});
unlike($cleanup, qr/ERROR/, 'cleanup() comes through');
like($cleanup, qr/WARNING:  \w+: could not drop partition "messages_2020010$_->[0]".*\nDETAIL:  $_->[1]/, "the warning names what hangs on it: $_->[1]")
  for [ 1, 'column x of table public.pin depends on type' ], [ 2, 'constraint keyed_message_fkey on table public.keyed depends on' ],
  [ 3, 'view pg_temp_\d+.pinning depends on table' ];
is(days('messages'), '01 02 03 06', 'the other days are dropped');

# --- by the launcher, which drops what sessions have detached
sql('SELECT cloudsat.start()');
wait_until(q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'launcher' AND state = 'idle'}, 1, 30, 'the launcher runs');
said("2020-01-0$_") for 4, 5;
my $detached = q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = '_cloudsat'::regnamespace AND relname ~ '^detached_' AND relkind = 'r'};
my $id = sql(q{SELECT FROM cloudsat.maintain()}, q{BEGIN},
	q{SELECT 'cloudsat.messages_20200104'::regclass::oid AS id}, q{SELECT FROM cloudsat.cleanup(now() - '2020-01-06Z')},
	q{DO $$BEGIN EXECUTE (SELECT format('CREATE VIEW hanging AS SELECT uuid FROM _cloudsat.%I', relname) FROM pg_class
		WHERE relname ~ '^detached_' AND relkind = 'r' ORDER BY oid LIMIT 1); END$$}, 'COMMIT');
$id =~ s/\D//g;
wait_until($detached, "detached_$id", 30, 'what was detached goes, but for what something hangs on');
like(slurp_file($node->logfile), qr/WARNING:  could not drop partition "detached_$id".*\n.*DETAIL:  view public.hanging depends on/, 'of which the log tells');
is(days('messages'), '01 02 03 06', 'the pinned days are there');
sql(q{CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:1')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'u', password 'secret')});
wait_until(q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard'}, 1, 30, 'the launcher goes on with its work');
sql('DROP SERVER pulse CASCADE');
$mallory->quit;
sql('DROP TABLE pin, keyed', 'DROP VIEW hanging');
sql(q{SELECT FROM cloudsat.cleanup(now() - '2020-01-07Z')});
wait_until($detached, '', 30, 'in the end all of it goes');
is(days('messages'), '', 'every day of it');

# --- what else others may have laid in the way
sub fresh { # a database of its own, without workers
	my ($name) = @_;
	sql("CREATE DATABASE $name");
	sql_in($name, 'CREATE EXTENSION cloudsat');
	return sub { my ($out, $err) = ('', ''); $node->psql($name, join(";\n", @_), stdout => \$out, stderr => \$err); return "$out$err" };
}
my $kept = fresh('kept');
my $said_of = $kept->(q{INSERT INTO cloudsat.queue_events (at, server, vhost, name, event) VALUES (now() - interval '100 d', 's', '/', 'q', 'warned')},
	q{INSERT INTO cloudsat.registered VALUES ('old.example.com', now() - interval '9 d', '{.}', 1, now() - interval '9 d')},
	q{CREATE TABLE ticket (event bigint REFERENCES cloudsat.queue_events); INSERT INTO ticket SELECT id FROM cloudsat.queue_events},
	q{SELECT count(*) > 0 FROM cloudsat.maintain()}, q{SELECT count(*) FROM cloudsat.registered}, q{SELECT FROM cloudsat.cleanup('1 d')});
like($said_of, qr/^t\n0(?!\d)/, 'a key on one log keeps neither partitions from being made nor the other logs from being pruned');
is(() = $said_of =~ /WARNING:  could not prune a log of cloudsat: .*"ticket_event_fkey".*\nDETAIL:  _cloudsat.prune_events\(\) failed/g, 2,
	'maintain() and cleanup() say what it is');
unlike($said_of, qr/ERROR/, 'and come through');
my $triggered = fresh('triggered');
$said_of = $triggered->(map({ qq{INSERT INTO cloudsat.messages VALUES (cloudsat.uuid_floor('2020-01-0$_ 12:00Z'), '2020-01-0$_ 12:00Z', '.', '.', 'old',
		NULL, NULL, NULL, NULL, pg_current_xact_id())} } 1 .. 3), 'SELECT FROM cloudsat.maintain()',
	q{CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
		IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() WHERE object_name = 'messages_20200102') THEN RAISE 'kept'; END IF; END$$},
	'CREATE EVENT TRIGGER keep ON sql_drop EXECUTE FUNCTION keep()',
	q{SELECT string_agg(partition, ' ' ORDER BY partition) FROM cloudsat.cleanup('30 d')});
like($said_of, qr/messages_20200101 messages_20200103/, 'an error of another kind keeps one partition, and no other');
like($said_of, qr/WARNING:  could not drop partition "messages_20200102": kept/, 'and is told');
# --- a name that is taken, a key on the default partition ------------------------------------------------------------
my $taken = fresh('taken');
my $said_at = sub { my ($t) = @_; return qq{INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(t), t, '.', '.', 'x', NULL, NULL, NULL, NULL, pg_current_xact_id()
	FROM (VALUES ('$t'::timestamptz)) AS at (t)} };
my $made = q{SELECT string_agg(partition, ' ' ORDER BY partition) FROM cloudsat.maintain() WHERE partition ~ '_2020'};
my $history = q{SELECT string_agg(right(relname, 2), ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^queue_history_2020' AND relispartition};
$said_of = $taken->(q{SET cloudsat.history_retention = '20000 d'}, 'SET client_min_messages = warning',
	(map { my $day = $_; ($said_at->("2020-01-0$day 12:00Z"), "INSERT INTO cloudsat.queue_history VALUES ('2020-01-0$day 12:00Z', 's', '/', 'q', 1)") } 1 .. 6),
	'CREATE TABLE cloudsat.messages_20200101 (mine int)', 'CREATE VIEW cloudsat.messages_20200102 AS SELECT 1 AS mine',
	'CREATE INDEX messages_20200103_root_idx ON cloudsat.registered (pid)', 'CREATE TYPE cloudsat.messages_20200104 AS (mine int)',
	'CREATE TABLE cloudsat.queue_history_20200101 (mine int)', 'CREATE INDEX queue_history_20200102_idx ON cloudsat.registered (pid)',
	q{INSERT INTO cloudsat.registered VALUES ('old.example.com', now() - interval '9 d', '{.}', 1, now() - interval '9 d')},
	$made, $history, q{SELECT count(*) FROM cloudsat.registered}, q{SELECT count(*) FROM cloudsat.messages_default});
unlike($said_of, qr/ERROR/, 'maintain() comes through when names are taken');
like($said_of, qr/^messages_20200105 messages_20200106\n03 04 05 06\n0\n4(?!\d)/, 'what has another name is made, the logs are pruned, and the messages stay');
like($said_of, qr/WARNING:  could not make partition "$_->[0]": (?:relation|type) "$_->[1]" already exists\nDETAIL:  .*default partition keeps the \w+ of its time\.\nHINT:  Rename it or drop it\./,
	"the warning names $_->[1]")
  for map({ [ $_, $_ ] } qw(messages_20200101 messages_20200102 messages_20200104 queue_history_20200101)),
  [qw(messages_20200103 messages_20200103_root_idx)], [qw(queue_history_20200102 queue_history_20200102_idx)];
like($taken->('DROP TABLE cloudsat.messages_20200101', 'ALTER VIEW cloudsat.messages_20200102 RENAME TO mine', $made), qr/^messages_20200101 messages_20200102(?![ \d])/,
	'when the name is free they are made');

for my $when ('', 'DEFERRABLE INITIALLY DEFERRED') {
	my $keyed = fresh('keyed' . length $when);
	$said_of = $keyed->((map { $said_at->("2020-01-0$_ 12:00Z") } 1 .. 3),
		"CREATE TABLE note (message uuid REFERENCES cloudsat.messages_default $when, queue text, server text, vhost text,
			FOREIGN KEY (server, vhost, queue) REFERENCES cloudsat.queues (server, vhost, name) $when)",
		q{INSERT INTO cloudsat.queues (server, vhost, name, warn_size, delete_size, first_seen, changed_at, gone_at)
			VALUES ('s', '/', 'q', 1, 2, '2020-01-01Z', '2020-01-01Z', '2020-01-01Z')},
		q{INSERT INTO cloudsat.polls (server, home, enforce_home, last_poll) VALUES ('s', 'h', 'h', '2020-01-01Z')},
		q{INSERT INTO note SELECT uuid, 'q', 's', '/' FROM cloudsat.messages_default WHERE timestamp::date = '2020-01-02'},
		$made, q{SELECT count(*) FROM cloudsat.messages_default}, q{SELECT count(*) FROM cloudsat.polls},
		q{SELECT sum(messages) FROM cloudsat.cleanup('1 d', exact => true)});
	unlike($said_of, qr/ERROR/, "maintain() and cleanup() come through a key $when");
	like($said_of, qr/^messages_20200101 messages_20200103\n1\n0\n2(?!\d)/, "it keeps nothing but what it points to $when");
	like($said_of, qr/WARNING:  could not $_.*"note_\w+_fkey" on table "note"\nDETAIL:  Key .* is still referenced from table "note"/, "the warning names it: $_ $when")
	  for 'attach partition "messages_20200102": ', 'delete old rows: ', 'delete from partition "messages_default": ';
}
for my $retention ('0', '20790 d') {
	my $old = fresh('retention_' . $retention =~ s/\D//gr);
	like($old->("SET cloudsat.claim_log_retention = '$retention'", 'SELECT count(*) > 0 FROM cloudsat.maintain()'), qr/^t$/,
		"claims are kept for $retention on a new board");
}
$node->stop;
done_testing;
