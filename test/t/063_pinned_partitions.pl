# A partition that something hangs on stays, and a warning says what it is; nothing else waits for it: neither the other
# partitions, nor new ones, nor what was detached, nor the launcher.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('pinned');
my $at = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
sub sql { return $node->safe_psql('postgres', join ";\n", @_) }
sub reports { return ($node->psql('postgres', join ";\n", @_))[2] }
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
like($locked, qr/WARNING:  could not drop partition "queue_history_2020010$_->[0]".*\nDETAIL:  $_->[1]/, "the warning names what hangs on it: $_->[1]")
  for [ 1, 'column x of table public.pin depends on type' ], [ 2, 'column x of table public.pins depends on type' ], [ 3, 'view public.pinning depends on table' ], [ 4, 'Somebody else uses it' ];
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
like($cleanup, qr/WARNING:  could not drop partition "messages_2020010$_->[0]".*\nDETAIL:  $_->[1]/, "the warning names what hangs on it: $_->[1]")
  for [ 1, 'column x of table public.pin depends on type' ], [ 2, 'constraint keyed_message_fkey on table public.keyed depends on' ],
  [ 3, 'view pg_temp_\d+.pinning depends on table' ];
is(days('messages'), '01 02 03 06', 'the other days are dropped');

# --- by the launcher, which drops what sessions have detached
sql('SELECT cloudsat.start()');
wait_until($node, q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'launcher' AND state = 'idle'}, 1, 30, 'the launcher runs');
said("2020-01-0$_") for 4, 5;
my $detached = q{SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = '_cloudsat'::regnamespace AND relname ~ '^detached_' AND relkind = 'r'};
my $id = sql(q{SELECT FROM cloudsat.maintain()}, q{BEGIN},
	q{SELECT 'cloudsat.messages_20200104'::regclass::oid AS id}, q{SELECT FROM cloudsat.cleanup(now() - '2020-01-06Z')},
	q{DO $$BEGIN EXECUTE (SELECT format('CREATE VIEW hanging AS SELECT uuid FROM _cloudsat.%I', relname) FROM pg_class
		WHERE relname ~ '^detached_' AND relkind = 'r' ORDER BY oid LIMIT 1); END$$}, 'COMMIT');
$id =~ s/\D//g;
wait_until($node, $detached, "detached_$id", 30, 'what was detached goes, but for what something hangs on');
like(slurp_file($node->logfile), qr/WARNING:  could not drop partition "detached_$id".*\n.*DETAIL:  view public.hanging depends on/, 'of which the log tells');
is(days('messages'), '01 02 03 06', 'the pinned days are there');
sql(q{CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:1')},
	q{CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'u', password 'secret')});
wait_until($node, q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'guard'}, 1, 30, 'the launcher goes on with its work');
sql('DROP SERVER pulse CASCADE');
$mallory->quit;
sql('DROP TABLE pin, keyed', 'DROP VIEW hanging');
sql(q{SELECT FROM cloudsat.cleanup(now() - '2020-01-07Z')});
wait_until($node, $detached, '', 30, 'in the end all of it goes');
is(days('messages'), '', 'every day of it');
$node->stop;
done_testing;
