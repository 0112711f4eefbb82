# On a standby no worker runs, and what they would be asked says so; the board can be read there, and what writes says why
# not; promotion starts the workers within ten seconds, and the board goes on.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_node('primary', allows_streaming => 1, conf => "cloudsat.databases = 'postgres'");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
sql(q{
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')});
my $working = q{SELECT string_agg(backend_type, ', ' ORDER BY backend_type) FROM pg_stat_activity
	WHERE backend_type LIKE 'cloudsat%'};
my $all = 'cloudsat guard, cloudsat launcher, cloudsat notifier, cloudsat supervisor';
wait_until($working, $all, 60, 'workers run on the primary');
my $first = sql(q{SELECT cloudsat.post('alice@example.com', 'w.example.com', 'make')});
sql(qq{SELECT cloudsat.reply('w.example.com', 'alice\@example.com', 'made', '$first', 'end')});
$primary->wait_for_catchup($standby);

is(sql($standby, $working), '', 'and none on the standby');
is(sql($standby, 'SELECT count(*) FROM cloudsat.worker_status'), 0, 'whose worker_status is empty');
my ($status, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.start()");
like($err, qr/ERROR:  55000: .*during recovery.*promoted/s, 'start() is refused there');

my %reads = (
	'messages' => q{SELECT string_agg(message, ' ' ORDER BY uuid) FROM cloudsat.messages},
	'a thread walk' => qq{SELECT string_agg(message, ' ' ORDER BY path) FROM cloudsat.thread('$first')},
	'ancestors' => q{SELECT string_agg(a.message, ' ') || ' made' FROM cloudsat.messages AS m, cloudsat.ancestors(m.uuid) AS a},
	'inbox(addresses)' => q{SELECT string_agg(message, ' ' ORDER BY uuid) FROM cloudsat.inbox('{w.example.com,alice@example.com}')});
for my $what (sort keys %reads) {
	is(sql($standby, $reads{$what}), 'make made', "$what works on the standby");
}
is(sql($standby, q{SELECT count(*), cloudsat.nick() IS NULL FROM cloudsat.inbox}), '0|t', 'the view inbox is empty, as nobody is registered');
is(sql($standby, qq{SELECT count(*) > 0 FROM cloudsat.$_}), 't', "$_ works, too") for qw(space_usage throughput error_rates notify_queue);
for my $call (q{post('.', '.', 'x')}, qq{reply('$first', 'info', 'x')}, q{register('{a.example.com}')}, qq{claim('$first')},
	qq{release('$first', 'end', 'x')}, 'bookmark()', 'maintain()', q{cleanup('1 day')}, q{enlist('postgres', 'task', 'com')}) {
	my (undef, undef, $why) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.$call");
	like($why, qr/ERROR:  25006: cannot execute .* (?:in a read-only transaction|during recovery)/, "$call says why not");
}
my (undef, undef, $why) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.receive()");
like($why, qr/ERROR:  55000: this session is not registered/, 'receive() needs a registration, which cannot be had there');

$primary->stop('fast');
$standby->promote;
wait_until($standby, $working, $all, 10, 'they begin within 10 s of promotion');
is(sql($standby, 'SELECT cloudsat.start()'), 'f', 'by themselves');
is(sql($standby, q{SELECT FROM cloudsat.register('{alice@example.com}');
		SELECT cloudsat.post('w.example.com', 'again') IS NOT NULL; SELECT count(*) FROM cloudsat.messages}), "t\n3", 'and the board goes on');
$standby->stop('fast');
done_testing;
