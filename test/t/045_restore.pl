# Dump and restore into another cluster whose launcher is there already: it keeps out of the way until all is back, and
# every message, thread, registration, bookmark and claim is the same. Streams go on exactly, whether the other cluster has
# given out fewer transaction ids or more.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

# --- what is dumped ------------------------------------------------------------------------------------------------
my $source = new_node('source', preload => 0, conf => 'cloudsat.notify = off');

# the next transaction id, of which the server's log has to begin a page
sub reset_xid {
	my ($node, $xid) = @_;
	$node->stop;
	$node->command_ok([ 'pg_resetwal', '-x', $xid, $node->data_dir ], 'transaction ids go on from ' . $xid);
	$node->start;
	return;
}
reset_xid($source, 2 * 32768);
sql(q{
	CREATE ROLE alice LOGIN;
	SELECT cloudsat.enlist('alice', 'task', 'alice.example.com');
	INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(t), t, 'a.example.com', 'b.example.com', 'from ' || t, NULL, NULL, NULL, NULL, pg_current_xact_id()
		FROM generate_series('2020-01-01Z'::timestamptz, '2020-01-03Z', '1 h') AS t;
	SELECT FROM cloudsat.register('{alice@example.com}');
	SELECT cloudsat.reply('bob@example.com', 'alice@example.com', 'done',
		cloudsat.reply(uuid, 'acknowledged', 'on it'), 'end') FROM cloudsat.messages;
	SELECT FROM cloudsat.maintain();
	INSERT INTO cloudsat.messages SELECT cloudsat.uuid_floor(t), t, '.', '.', 'in the default partition', NULL, NULL, NULL, NULL, pg_current_xact_id()
		FROM (VALUES ('2021-01-01Z'::timestamptz)) AS v (t);
	INSERT INTO cloudsat.queue_policies (queue, exempt) VALUES ('^x', true);
	-- a broker that a guard would ask, and say in polls that it does not answer
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x');
	SELECT FROM cloudsat.poll('pulse')});
# a bot that has received a part of one transaction, and to whom more is said while it is away
is(sql(q{
		SELECT FROM cloudsat.register('{bot.example.org}');
		SELECT count(*) FROM cloudsat.post('ann.example.org', 'bot.example.org', '{m1,m2,m3,m4,m5}'::text[]);
		SELECT string_agg(message, ' ') FROM cloudsat.receive(2);
		SELECT FROM cloudsat.bookmark();
		SELECT count(cloudsat.claim(uuid)) FROM cloudsat.inbox WHERE message = 'm1';
		SELECT FROM cloudsat.post('ann.example.org', 'bot.example.org', 'm6')}) =~ s{\s+}{ }gr,
	'5 m1 m2 1', 'a bot receives two of five messages');
my $goes_on = q{
	SET cloudsat.notify = off;
	SELECT FROM cloudsat.register('{bot.example.org}');
	SELECT string_agg(message, ' ') FROM cloudsat.receive();
	SELECT FROM cloudsat.post('ann.example.org', 'bot.example.org', 'm7');
	SELECT string_agg(message, ' ') FROM cloudsat.receive();
	SELECT FROM cloudsat.post('ann.example.org', 'bot.example.org', 'm8');
	SELECT FROM cloudsat.bookmark();
	\\c
	SELECT FROM cloudsat.register('{bot.example.org}');
	SELECT string_agg(message, ' ') FROM cloudsat.receive();
	SELECT count(*) FROM cloudsat.receive(include_own => true)};

sub stream {
	my ($node, $database) = @_;
	is(sql_in($node, $database, $goes_on) =~ s/\s+/ /gr, 'm3 m4 m5 m6 m7 m8 0', "$database: its stream goes on, nothing lost, repeated or hidden");
	return;
}
my $rows = q{
	SELECT count(*), md5(string_agg(m::text, '|' ORDER BY uuid)) FROM cloudsat.messages AS m;
	SELECT md5(string_agg(cloudsat.thread_text(uuid), '|' ORDER BY uuid)) FROM cloudsat.messages WHERE before IS NULL;
	SELECT md5(string_agg(r::text, '|' ORDER BY r::text)) FROM cloudsat.registered AS r;
	SELECT md5(string_agg(e::text, '|' ORDER BY e::text)) FROM cloudsat.enlisted AS e;
	SELECT md5(string_agg(b::text, '|' ORDER BY b::text)) FROM cloudsat.bookmarks AS b;
	SELECT md5(string_agg(c::text, '|' ORDER BY c::text)) FROM cloudsat.claim_log AS c;
	SELECT md5(string_agg(p::text, '|' ORDER BY p::text)) FROM cloudsat.queue_policies AS p;
};
my $before = sql("SET timezone = 'UTC';$rows");
my $dump = $source->basedir . '/dump';
$source->command_ok([ 'pg_dump', '-f', "$dump.sql", 'postgres' ], 'pg_dump');
$source->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.custom", 'postgres' ], 'pg_dump -Fc');
$source->command_ok([ 'pg_dump', '-Fd', '-j', '2', '-f', "$dump.dir", 'postgres' ], 'pg_dump -Fd -j 2');
$source->command_ok([ 'pg_dumpall', '--roles-only', '-f', "$dump.roles" ], 'pg_dumpall --roles-only');
$source->stop;

# --- into a cluster where launchers wait for the extension ---------------------------------------------------------
my @ways = qw(plain custom parallel sections);
my $target = new_node('target', extension => 0, conf => 'max_worker_processes = 24');
$target->psql('postgres', "\\i $dump.roles", on_error_stop => 0);    # the superuser is there already
sql($target, "CREATE DATABASE $_") for @ways;
$target->append_conf('postgresql.conf', "cloudsat.databases = '" . join(',', @ways) . q{'});
$target->reload;
my $launchers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat launcher'};
wait_until($target, $launchers, scalar @ways, 30, 'a launcher waits in each database');

# said(DATABASE, WHAT): the launcher's words in the log
sub said { my ($database, $what) = @_; return slurp_file($target->logfile) =~ /cloudsat launcher for $database $what/; }

# so many looks of a launcher later
sub looks {
	my ($database, $more) = @_;
	my $rounds = "SELECT sum(rounds) FROM cloudsat.worker_status WHERE kind = 'launcher' AND database = '$database'";
	my $now = sql_in($target, $database, $rounds);
	wait_for(30, sub { sql_in($target, $database, $rounds) >= $now + $more });
	return;
}

sub restored {
	my ($database) = @_;
	wait_for(30, sub { said($database, 'found the extension') });
	ok(said($database, 'found the extension'), "$database: then the launcher begins");
	is(sql_in($target, $database, "SET timezone = 'UTC';$rows"), $before, "$database: every message, thread, registration the same");
	my $guard = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat guard' AND datname = '$database'";
	wait_until($target, $guard, 1, 30, "$database: and the guard");
	looks($database, 2);
	is(sql_in($target, $database, q{SELECT count(*) FROM cloudsat.messages_default; SELECT count(*) FROM cloudsat.maintain()}), "0\n0",
		"$database: the house is kept");
	is($target->safe_psql($database, q{SELECT cloudsat.register('{app@alice.example.com}')}, extra_params => [ '-U', 'alice' ]),
		'{app@alice.example.com,alice.example.com,example.com,com,.}', "$database: bots are known");
	stream($target, $database);
	return;
}

# by psql, which stops for a while right after it has made the extension: nothing tells what it will do next
my ($before_tables, $rest) = slurp_file("$dump.sql") =~ /\A(.*?\nCREATE EXTENSION IF NOT EXISTS cloudsat[^\n]*\n)(.*)\z/s;
my ($in, $out) = ($before_tables, '');
my $psql = IPC::Run::start([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $target->host, '-p', $target->port, '-d', 'plain' ],
	'<', \$in, '>', \$out, '2>&1');
wait_for(30, sub { $psql->pump_nb; said('plain', 'waits for a session that may be filling the new extension') });
ok(said('plain', 'waits'), 'plain: the launcher waits when the extension appears');
looks('plain', 2);
$in .= $rest;
$psql->pump while length $in;
$psql->finish;
is($psql->full_result(0), 0, 'plain: restored by psql') or diag($out);
restored('plain');

$target->command_ok([ 'pg_restore', '-e', '-d', 'custom', "$dump.custom" ], 'custom: restored by pg_restore');
restored('custom');
$target->command_ok([ 'pg_restore', '-e', '-j', '2', '-d', 'parallel', "$dump.dir" ], 'parallel: restored by pg_restore -j 2');
restored('parallel');

# a section at a time: who restores has gone, and only the missing indexes tell
$target->command_ok([ 'pg_restore', '-e', '--section=pre-data', '-d', 'sections', "$dump.custom" ], 'sections: pre-data');
looks('sections', 3);
is(said('sections', 'found'), '', 'sections: the launcher waits for the data');
like(($target->psql('sections', 'SELECT cloudsat.maintain()'))[2], qr/WARNING:.*does nothing.*lacks its indexes/s, 'sections: maintain() does nothing but warn');
$target->command_ok([ 'pg_restore', '-e', '--section=data', '-d', 'sections', "$dump.custom" ], 'sections: data');
looks('sections', 3);
is(said('sections', 'found'), '', 'sections: and for the indexes');
$target->command_ok([ 'pg_restore', '-e', '--section=post-data', '-d', 'sections', "$dump.custom" ], 'sections: post-data');
restored('sections');

$target->stop;

# --- into a cluster that has given out more transaction ids --------------------------------------------------------
my $older = new_node('older', preload => 0, extension => 0);
reset_xid($older, 4 * 32768);
$older->psql('postgres', "\\i $dump.roles", on_error_stop => 0);
$older->command_ok([ 'pg_restore', '-e', '-d', 'postgres', "$dump.custom" ], 'restored where transaction ids are greater');
is(sql($older, "SET timezone = 'UTC';$rows"), $before, 'every message, thread, registration the same');
stream($older, 'postgres');
$older->stop;
done_testing();
