# Waking those who LISTEN: by the notifier, which is kept, comes back and loses nothing; and without one, by the post
# itself. Never before the commit, never after a rollback.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('waking', allows_streaming => 1, conf => qq{
	cloudsat.databases = 'postgres, other'
	max_prepared_transactions = 5
	max_connections = 340
	max_worker_processes = 12
	autovacuum = off
	restart_after_crash = on
});
my $notifier = q{SELECT pid FROM cloudsat.worker_status WHERE kind = 'notifier' AND database = 'postgres'};
my $kinds = q{SELECT string_agg(kind || ' ' || database, ', ' ORDER BY kind, database) FROM cloudsat.worker_status
	WHERE kind <> 'supervisor'};
my $ready = q{SELECT notify FROM cloudsat.waking};

# --- ears: sessions that LISTEN; each says what it heard, in the order in which it came
sub ear {
	my ($channel) = @_;
	my $ear = { session => $node->background_psql('postgres'), text => '' };
	$ear->{session}->query_safe("LISTEN \"$channel\"; LISTEN \"fence.example.com\"");
	return $ear;
}
my $pattern = qr/Asynchronous notification "([^"]*)" with payload "([^"]*)" received from server process with PID (\d+)/;
# heard(ear): lists of channel, payload and sender. psql shows what came along with the answer to its next query.
sub heard {
	my ($ear) = @_;
	my ($text) = $ear->{session}->query('SELECT 1');
	my @all;
	push @all, [ $1, $2, $3 ] while $text =~ /$pattern/g;
	return @all;
}
# the same, but waits until there is something
sub hears {
	my ($ear) = @_;
	my $end = time + patience(30);
	while (time < $end) {
		my @all = heard($ear);
		return @all if @all;
		select undef, undef, undef, 0.01;
	}
	return;
}
# What it has heard when a message on another channel has come, which was posted last: all that was to come.
sub heard_at_last {
	my ($ear) = @_;
	my $fence = post('fence.example.com');
	my @all;
	my $end = time + patience(30);
	until (grep({ $_->[1] eq $fence } @all) || time > $end) {
		select undef, undef, undef, 0.01;
		push @all, heard($ear);
	}
	return [ grep { $_->[0] ne 'fence.example.com' } @all ];
}
sub post { return sql("SELECT cloudsat.post('bot\@example.com', '$_[0]', 'x')") }

wait_until($ready, 'batched', 60, 'a notifier begins where the extension is');
is(sql($kinds), 'launcher postgres, notifier postgres', 'one');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat notifier' AND datname = 'postgres'
	AND application_name = 'cloudsat notifier for postgres'}), 1, 'pg_stat_activity shows it');

# --- a post
my $ear = ear('h1.example.com');
my $uuid = post('h1.example.com');
my @heard = hears($ear);
is_deeply(\@heard, [ [ 'h1.example.com', $uuid, sql($notifier) ] ], 'who LISTENs hears of a post, from the notifier');
my $last = sql(q{
	SELECT max(uuid::text) FROM cloudsat.post('bot@example.com', 'h1.example.com', array_fill('x'::text, ARRAY[1000])) AS uuid});
is_deeply([ map { $_->[1] } hears($ear) ], [$last], 'of a thousand in one transaction, the newest');

# --- when, and when not
my $poster = $node->background_psql('postgres');
$poster->query_safe(q{BEGIN; SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'open')});
is_deeply(heard_at_last($ear), [], 'nothing before the commit');
$poster->query_safe('ROLLBACK');
is_deeply(heard_at_last($ear), [], 'nor after a rollback');
sql(q{BEGIN; SAVEPOINT s; SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'gone'); ROLLBACK TO s; COMMIT});
is_deeply(heard_at_last($ear), [], 'nor after a rollback to a savepoint');
my ($kept) = split /\n/, sql(q{
	BEGIN; SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'kept');
	SAVEPOINT s; SELECT FROM cloudsat.post('bot@example.com', 'h1.example.com', 'gone'); ROLLBACK TO s; COMMIT});
is_deeply([ map { $_->[1] } hears($ear) ], [$kept], 'the newest message that was not rolled back');
my ($released) = split /\n/, sql(q{
	BEGIN; SAVEPOINT s; SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'x'); RELEASE s; COMMIT});
is_deeply([ map { $_->[1] } hears($ear) ], [$released], 'one in a savepoint that is released');

# --- prepared transactions: ring nobody, and are not refused
sql(q{BEGIN; SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'x'); PREPARE TRANSACTION 'p'});
sql(q{COMMIT PREPARED 'p'});
is_deeply(heard_at_last($ear), [], 'a transaction that is prepared may post, and rings nobody');
my (undef, undef, $err) = $node->psql('postgres', q{SET cloudsat.notify = inline;
	BEGIN; SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'x'); PREPARE TRANSACTION 'q'});
like($err, qr/cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/, 'the server refuses it inline');

# --- the settings
$poster->query_safe('SET cloudsat.notify = off');
$poster->query_safe(q{SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'quiet')});
is_deeply(heard_at_last($ear), [], 'off notifies nobody');
$poster->query_safe('SET cloudsat.notify = inline');
my $own = $poster->query_safe('SELECT pg_backend_pid()');
$poster->query_safe(q{SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'loud')});
is_deeply([ map { $_->[2] } hears($ear) ], [$own], 'inline notifies by the post itself');
$poster->query_safe('RESET cloudsat.notify');
my $long = 'app@' . 'long-label.' x 12 . 'example.com';
my $long_ear = ear(sql("SELECT cloudsat.channel('$long')"));
my $long_uuid = post($long);
@heard = hears($long_ear);
is_deeply([ map { [ length $_->[0], $_->[1] ] } @heard ], [ [ 63, $long_uuid ] ], 'an address too long for a channel');
$long_ear->{session}->quit;

# --- those who wait: woken at the commit, without the second after which they would look again
# waits for the message of number N, and says how long after its commit it came
my $bot = $node->background_psql('postgres');
$bot->query_safe(q{SELECT cloudsat.register('{bot.h2.example.com}')});
sub receives {
	my ($receiver, $messages, @posts) = @_;
	my $longest = 0;
	for my $post (@posts) {
		$receiver->{stdin} .= "CALL cloudsat.wait('30 s');\nSELECT message FROM cloudsat.receive();\n\\echo received\n";
		$receiver->{run}->pump_nb;
		$node->poll_query_until('postgres', 'SELECT waiting = 1 FROM cloudsat.waking') or die 'nobody waits';
		$poster->query_safe($post);
		my $began = time;
		$receiver->{run}->pump until $receiver->{stdout} =~ s/^(.*?)received\n//s;
		push @$messages, grep { !/^Asynchronous/ } split /\n/, $1;
		$longest = time - $began if time - $began > $longest;
	}
	return $longest;
}
for my $mode (qw(batched inline off)) {
	$poster->query_safe("SET cloudsat.notify = $mode");
	my @messages;
	my $longest = receives($bot, \@messages, map { "SELECT cloudsat.post('bot\@example.com', 'h2.example.com', '$_')" } 1 .. 8);
	is("@messages", '1 2 3 4 5 6 7 8', "$mode: who waits gets what is posted");
	cmp_ok($longest, '<', patience(0.7), 'woken at once');
}
$poster->query_safe('RESET cloudsat.notify');
my @messages;
my $longest = receives($bot, \@messages, q{
	BEGIN; SAVEPOINT s; SELECT cloudsat.post('bot@example.com', 'h2.example.com', 'gone'); ROLLBACK TO s;
	SELECT cloudsat.post('bot@example.com', 'example.com', 'there'); SELECT pg_sleep(0.2); COMMIT});
is("@messages", 'there', 'not by what is rolled back');
cmp_ok($longest, '<', patience(0.7), 'but by the rest, once it is committed');
@messages = ();
$longest = receives($bot, \@messages, q{
	BEGIN; SELECT cloudsat.post('bot@example.com', 'h2.example.com', 'prepared'); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'});
is("@messages", 'prepared', 'a prepared transaction is found without a ring');
cmp_ok($longest, '<', patience(2), 'within a second');
sql(q{SELECT cloudsat.post('bot@example.com', 'h2.example.com', 'x')});
like($bot->query_safe(q{SELECT count(*) FROM cloudsat.receive()}), qr/^1$/m, 'receive() that need not wait');
$bot->{stdin} .= "SELECT message FROM cloudsat.receive(timeout => '30 s');\n";
$bot->{run}->pump_nb;
$node->poll_query_until('postgres', 'SELECT waiting = 1 FROM cloudsat.waking') or die 'nobody waits';
sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT message FROM cloudsat.receive'});
wait_until('SELECT waiting FROM cloudsat.waking', '0', 10, 'who is cancelled waits no longer');
eval { $bot->quit };

# --- more channels than fit
my $far = $node->background_psql('postgres');
$far->query_safe(q{SELECT cloudsat.register('{h4999.example.net}')});
$far->{stdin} .= "CALL cloudsat.wait('30 s');\nSELECT message FROM cloudsat.receive();\n\\echo received\n";
$far->{run}->pump_nb;
$node->poll_query_until('postgres', 'SELECT waiting = 1 FROM cloudsat.waking') or die 'nobody waits';
sql(q{DO $$ BEGIN
		FOR i IN 1 .. 5000 LOOP PERFORM cloudsat.post('bot@example.com', format('h%s.example.net', i)::cloudsat.address, 'x'); END LOOP;
	END $$});
wait_until(q{SELECT pending = 0 AND notified > 700 AND dropped > 3000 FROM cloudsat.waking}, 't', 30,
	'of too many channels in one transaction, some are dropped and counted');
$far->{run}->pump until $far->{stdout} =~ s/^(.*?)received\n//s;
like($1, qr/^x$/m, 'who waits gets its message all the same');
$far->quit;
$uuid = post('h1.example.com');
is_deeply([ map { $_->[1] } hears($ear) ], [$uuid], 'and the next post rings');

# --- the notifier ends, whatever ends it
my $old = sql($notifier);
kill 'STOP', $old;    # so that notifications wait for it
my $waiting = post('h1.example.com');
is(sql('SELECT pending FROM cloudsat.waking'), 1, 'a notification waits for a notifier that is busy');
kill 'TERM', $old;
kill 'CONT', $old;
wait_until("SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'notifier' AND pid <> $old", 1, 30,
	'a notifier that is terminated comes back');
is_deeply([ map { $_->[1] } hears($ear) ], [$waiting], 'and sends what its predecessor left');
$uuid = post('h1.example.com');
is_deeply([ map { $_->[1] } hears($ear) ], [$uuid], 'posts ring as ever');

# --- stop(), start(), DROP DATABASE, DROP EXTENSION
within(2, 'stop()', sub { is(sql('SELECT cloudsat.stop()'), 't', 'stop() ends the notifier') });
is(sql($kinds), '', 'nobody is there');
is(sql($ready), 'inline', 'without a notifier a post notifies by itself');
$poster->query_safe(q{SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'inline')});
is_deeply([ map { $_->[2] } hears($ear) ], [$own], 'at once');
sql('SELECT cloudsat.start()');
wait_until($ready, 'batched', 30, 'start() brings it back');
$node->append_conf('postgresql.conf', "cloudsat.notify = inline");
$node->reload;
wait_until($kinds, 'launcher postgres', 30, 'none is kept where cloudsat.notify is not batched');
$node->append_conf('postgresql.conf', "cloudsat.notify = batched");
$node->reload;
wait_until($ready, 'batched', 30, 'until it is');
sql('CREATE DATABASE other');
sql_in('other', 'CREATE EXTENSION cloudsat');
wait_until($kinds, 'launcher other, launcher postgres, notifier other, notifier postgres', 60, 'each database has its own');
sql_in('other', q{SELECT cloudsat.post('bot@example.com', 'h1.example.com', 'elsewhere')});
wait_until(q{SELECT rounds FROM cloudsat.worker_status WHERE kind = 'notifier' AND database = 'other'}, 1, 30,
	'which sends what is posted there');
is_deeply(heard_at_last($ear), [], 'and nobody elsewhere hears it');
within(5, 'DROP DATABASE', sub { sql('DROP DATABASE other') });
sql('DROP EXTENSION cloudsat');
sql('CREATE EXTENSION cloudsat');
wait_until($ready, 'batched', 60, 'DROP EXTENSION, CREATE EXTENSION');
$_->quit for $poster, $ear->{session};

# --- a crash
crash();
wait_until($ready, 'batched', 60, 'a notifier comes back after a crash');
is(sql('SELECT notifications FROM cloudsat.waking'), 0, 'and the counts begin anew');

# --- many listeners
my $socket = $node->host;
my $port = $node->port;
sql('CREATE EXTENSION dblink', qq{
	CREATE FUNCTION listen(n int) RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
		FOR i IN 1 .. n LOOP
			PERFORM FROM dblink_connect('ear' || i, 'host=$socket port=$port dbname=postgres');
			PERFORM FROM dblink('ear' || i, format('SELECT cloudsat.register(ARRAY[''app\@h%s.example.com''::cloudsat.address])::text', i)) AS r (t text);
		END LOOP;
	END \$\$;
	CREATE FUNCTION heard(n int) RETURNS TABLE (ear int, channel text) LANGUAGE plpgsql AS \$\$ BEGIN
		FOR i IN 1 .. n LOOP
			PERFORM FROM dblink('ear' || i, 'SELECT 1') AS r (n int);
			RETURN QUERY SELECT i, notify_name FROM dblink_get_notify('ear' || i);
		END LOOP;
	END \$\$});
my $count = 300;
my $crowd = $node->background_psql('postgres');
$crowd->query_safe("SELECT listen($count)");
sql(qq{SELECT count(cloudsat.post('bot\@example.com', format('h%s.example.com', i)::cloudsat.address, 'x')) FROM generate_series(1, $count) i},
	q{SELECT cloudsat.post('bot@example.com', 'example.com', 'to all')});
wait_until("SELECT pending = 0 AND notified >= $count + 1 FROM cloudsat.waking", 't', 30, "one for each of $count channels is sent");
is($crowd->query_safe("SELECT count(*), count(DISTINCT ear), count(*) FILTER (WHERE channel = 'h' || ear || '.example.com') FROM heard($count)"),
	2 * $count . "|$count|$count", "each of $count listeners hears what is for it");
$crowd->quit;

# --- a standby
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is(sql($standby, $ready), 'inline', 'no notifier on a standby');
$node->stop('fast');
$standby->promote;
wait_until($standby, $ready, 'batched', 10, 'it begins within 10 s of promotion');
$standby->stop('fast');

# --- not preloaded
my $bare = new_node('bare', preload => 0);
is(sql($bare, 'SELECT notify, waiting IS NULL AND notifications IS NULL FROM cloudsat.waking'), 'inline|t',
	'without preloading posts notify by themselves');
sql($bare, 'SELECT cloudsat.start()');
wait_until($bare, q{SELECT state FROM cloudsat.worker_status WHERE kind = 'launcher'}, 'idle', 30, 'start() starts a launcher');
is(sql($bare, q{SELECT count(*) FROM cloudsat.worker_status}), 1, 'and no notifier');
$bare->stop('fast');
unlike(slurp_file($_->logfile), qr/TRAP|PANIC|signal 11/, 'nothing broke in ' . $_->name) for $node, $standby, $bare;
done_testing;
