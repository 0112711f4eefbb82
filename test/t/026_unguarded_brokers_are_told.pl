# A broker that is not guarded is told of, whatever the cause: its guard fails in each round, it stands by for somebody who
# does not watch, or there is no room for it. And the guards of one database leave room for another's.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('unguarded', conf => q{
	cloudsat.databases = 'postgres'
	max_worker_processes = 20
	cloudsat.smtp_url = 'smtp://127.0.0.1:9'
	cloudsat.mail_from = 'guardian@example.com'
	cloudsat.smtp_tls = 'off'
});
my $fake = Cloudsat::FakeBroker->start;
my @quick = (poll_interval => '500ms', max_poll_interval => '1s', timeout => '2s', admins => 'root@example.com');

my $notices = q{SELECT string_agg(kind, ' ' ORDER BY id) FROM cloudsat.outbox};
sub polls_say { my ($pattern, $what) = @_;
	return until_true("SELECT consecutive_failures >= 3 AND last_error_kind = 'unguarded' AND last_error ~ '$pattern'
		AND last_error_at > now() - interval '1 min' FROM cloudsat.polls WHERE server = 'pulse'", $what) }

# --- the guard fails in each round
my $file = $node->basedir . '/password';
append_to_file($file, "secret\n");
chmod 0600, $file or die $!;
sql(qq{CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '${\ $fake->management_url }', }
	. join(', ', map { "$quick[$_ * 2] '$quick[$_ * 2 + 1]'" } 0 .. $#quick / 2) . qq{);
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password_file '$file')});
more_polls(2, 'a broker is polled');
rename $file, "$file.away" or die $!;
polls_say('its guard fails: .*password', 'its guard cannot read the password: polls says that nobody guards it, and why');
until_true("$notices" =~ s/SELECT (.*) FROM/SELECT $1 = 'broker_down' FROM/r, 'the admins are told once');
like(sql('SELECT body FROM cloudsat.outbox'), qr/its guard fails.*The last complete poll began at 20/s, 'why, and since when');
like(slurp_file($node->logfile), qr/LOG:  broker "pulse" is not guarded: its guard fails: /, 'so does the log');
rename "$file.away", $file or die $!;
until_true(q{SELECT consecutive_failures = 0 FROM cloudsat.polls}, 'it recovers: so say polls');
until_true("$notices" =~ s/SELECT (.*) FROM/SELECT $1 = 'broker_down broker_up' FROM/r, 'and the admins');

# --- it stands by for somebody who does not watch
sql('CREATE DATABASE other');
sql_in('other', 'CREATE EXTENSION cloudsat;' . $fake->server_sql('mine', @quick));
sql('SELECT cloudsat.stop()');
my $session = $node->background_psql('other');
$session->query_safe('BEGIN');
$session->query_safe(q{SELECT cloudsat.poll('mine')});
sql('SELECT cloudsat.start()');
polls_say('its guard stands by: .*process \d+ in database "other"', 'it stands by for a session that does nothing');
until_true("$notices" =~ s/SELECT (.*) FROM/SELECT $1 = 'broker_down broker_up broker_down' FROM/r, 'the admins are told');
$session->query_safe('COMMIT');
$session->quit;
until_true(q{SELECT consecutive_failures = 0 FROM cloudsat.polls}, 'it recovers');

# --- it stands by for one that does watch: all is well
sql($fake->server_sql('second', @quick));
until_true(q{SELECT count(*) = 1 FROM cloudsat.worker_status WHERE server = 'second' AND state = 'standing by'}, 'a second server for the broker stands by');
more_polls(2, 'the first is polled') for 1 .. 4;
is(sql(q{SELECT count(*) FROM cloudsat.polls WHERE server = 'second'}), 0, 'which is nothing to be told');
sql('DROP SERVER second CASCADE; DROP SERVER pulse CASCADE');

# --- room for some
$node->append_conf('postgresql.conf', "max_worker_processes = 10\ncloudsat.databases = 'postgres, other'");
$node->restart; # which also makes up for stop()
my @fakes = map { Cloudsat::FakeBroker->start } 1 .. 6;
sql($fakes[$_ - 1]->server_sql("s$_", @quick)) for 1 .. 6;
my $guards = q{SELECT string_agg(server, ' ' ORDER BY server) = '%s' FROM cloudsat.worker_status WHERE kind = 'guard'};
until_true(sprintf($guards, 'mine s1 s2 s3'), 'guards of one database leave room for that of another');
until_true(q{SELECT note ~ 'no room for 3 guards' FROM cloudsat.worker_status WHERE kind = 'launcher' AND database = 'postgres'},
	'worker_status says that there is no room');
until_true(q{SELECT string_agg(server, ' ' ORDER BY server) = 's4 s5 s6' FROM cloudsat.polls
	WHERE last_error = 'no background worker is free for its guard' AND consecutive_failures >= 3 AND cycle = 0}, 'so does polls, of each');
my @warnings = slurp_file($node->logfile) =~ /WARNING:  no room for cloudsat's guard of server "(s\d)"\n.*DETAIL:  Database "postgres" may have 3 of its [456] guards.*\n.*HINT:  Increase max_worker_processes\./g;
is("@warnings", 's4 s5 s6', 'and the log, once of each');
sql_in('other', 'DROP SERVER mine CASCADE');
until_true(sprintf($guards, 's1 s2 s3 s4'), 'what the other does not need is free');
sql('DROP SERVER s1 CASCADE; DROP SERVER s2 CASCADE');
until_true(sprintf($guards, 's3 s4 s5 s6'), 'and what is dropped makes room');
until_true(q{SELECT note IS NULL FROM cloudsat.worker_status WHERE kind = 'launcher' AND database = 'postgres'}, 'nothing more is to be said');
until_true(q{SELECT bool_and(consecutive_failures = 0) FROM cloudsat.polls WHERE server > 's2'}, 'and polls says that all is well');

nothing_broke();
$node->stop('fast');
done_testing;
