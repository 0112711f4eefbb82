# pg_upgrade, by copying and by linking files: the board goes on where it was, and no worker runs meanwhile.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "cloudsat.databases = 'postgres'\ncloudsat.notify = off\nmax_prepared_transactions = 0";
my $old = new_node('old', conf => $conf);
sql(q{
	SELECT FROM cloudsat.maintain();
	CREATE ROLE alice LOGIN;
	SELECT cloudsat.enlist('alice', 'task', 'alice.example.com');
	SELECT cloudsat.post('bob@example.com', 'alice.example.com', array_agg('message ' || n)) FROM generate_series(1, 100) AS n;
	SELECT cloudsat.reply('w@example.com', 'bob@example.com', 'done', uuid, 'end') FROM cloudsat.messages;
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')});
my $rows = q{SELECT tableoid::regclass, count(*), md5(string_agg(m::text, '|' ORDER BY uuid)) FROM cloudsat.messages AS m GROUP BY 1 ORDER BY 1;
	SELECT md5(string_agg(cloudsat.thread_text(uuid), '|' ORDER BY uuid)) FROM cloudsat.messages WHERE before IS NULL;
	SELECT string_agg(e::text, '|' ORDER BY e::text) FROM cloudsat.enlisted AS e;
	SELECT string_agg(d.classid::regclass || ' ' || pg_describe_object(d.classid, d.objid, 0), '|' ORDER BY d.classid::regclass::text, pg_describe_object(d.classid, d.objid, 0))
		FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid WHERE e.extname = 'cloudsat' AND d.deptype = 'e';
	SELECT string_agg(o::regclass::text, ' ' ORDER BY n) FROM pg_extension, unnest(extconfig) WITH ORDINALITY AS c (o, n) WHERE extname = 'cloudsat'};
my $guard = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat guard'};
wait_until($guard, 1, 30, 'a guard runs');
my $before = sql($rows);
$old->stop;
my $bindir = $old->config_data('--bindir');

for my $mode ('copy', 'link') {    # after linking the old cluster must not be started again, so that comes last
	my $new = init_node("new_$mode");
	$new->append_conf('postgresql.conf', "shared_preload_libraries = 'cloudsat'\n$conf");
	chdir $new->basedir or die;
	my $said = '';
	my $well = IPC::Run::run([ 'pg_upgrade', '--retain', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
			'-s', $new->host, '-p', $old->port, '-P', $new->port, $mode eq 'link' ? '--link' : () ], '>', \$said, '2>&1');
	ok($well, "$mode: pg_upgrade") or diag($said);
	my $log = join '', map { slurp_file($_) } glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_server.log');
	like($log, qr/database system is ready/, "$mode: the servers' log");
	unlike($log, qr/cloudsat (?:supervisor|launcher|guard)/, "$mode: no worker runs meanwhile");
	$new->start;
	is(sql($new, $rows), $before, "$mode: messages, threads, bots and the extension's members are the same");
	wait_until($new, $guard, 1, 30, "$mode: workers run afterwards");
	is(as($new, 'alice', q{SELECT cloudsat.register('{x.alice.example.com}') IS NOT NULL; SELECT cloudsat.post('bob@example.com', 'x') IS NOT NULL}) . sql($new, 'SELECT count(*) FROM cloudsat.maintain()'),
		"t\nt0", "$mode: bots go on, and nothing is to be made anew");
	$new->stop;
}
done_testing();
