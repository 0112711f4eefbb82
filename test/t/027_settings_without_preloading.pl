# A server that does not preload the library: settings are known to a session that has loaded it, its workers read them all
# the same, and a setting that does nothing there says so. And what a preloaded server says of an extension that is made.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('bare', preload => 0);
my $warning = qr/WARNING:  cloudsat.databases has no effect in this server\nDETAIL: .*\nHINT:  Add cloudsat to shared_preload_libraries/;

# --- as the documentation says
my (undef, undef, $error) = $node->psql('postgres', q{ALTER SYSTEM SET cloudsat.smtp_url = 'smtp://127.0.0.1:9'});
my $accepts_any = sql('SHOW server_version_num') >= 170000;
like($error, $accepts_any ? qr/^$/ : qr/unrecognized configuration parameter "cloudsat.smtp_url"/,
	'a session that has not loaded the library knows no setting');
is(($node->psql('postgres', q{LOAD 'cloudsat'; ALTER SYSTEM SET cloudsat.smtp_url = 'http://x'}))[2] =~ /invalid value.*cloudsat.smtp_url/, 1,
	'one that has checks them');
sql(qq{LOAD 'cloudsat';\nALTER SYSTEM SET cloudsat.$_}) for q{smtp_url = 'smtp://127.0.0.1:9'},
	q{smtp_tls = 'off'}, q{mail_from = 'guardian@example.com'};
$node->reload;
sql(q{SELECT cloudsat.start();
	INSERT INTO cloudsat.outbox (written_at, due, server, kind, recipient, subject, body)
	VALUES (now(), now(), 'pulse', 'account', 'alice@example.com', 'Hello', 'Hello.')});
wait_until(q{SELECT outcome FROM cloudsat.outbox}, qr/127\.0\.0\.1/, 60, 'the launcher goes to the mail server that ALTER SYSTEM has named');
like((slurp_file($node->data_dir . '/postgresql.auto.conf')), qr/cloudsat.mail_from/, 'and the server starts with it');
$node->restart;
is(sql(q{LOAD 'cloudsat'; SHOW cloudsat.mail_from}), 'guardian@example.com', 'again');

# --- what does nothing
(undef, undef, $error) = $node->psql('postgres', "LOAD 'cloudsat';\nALTER SYSTEM SET cloudsat.databases = 'postgres'");
like($error, $warning, 'cloudsat.databases says that it does nothing without preloading');
$node->reload;
(undef, undef, $error) = $node->psql('postgres', q{SELECT cloudsat.uuid_time(cloudsat.uuid_floor(now())) IS NULL});
is($error, '', 'but not to each session');
(undef, undef, $error) = $node->psql('postgres', q{SELECT cloudsat.start()});
like($error, qr/WARNING:  cloudsat.databases has no effect/, 'start() says it, when it starts the workers');
(undef, undef, $error) = $node->psql('postgres', q{SELECT cloudsat.start()});
is($error, '', 'once');
nothing_broke();
$node->stop('fast');

# --- preloaded
my $preloaded = new_node('preloaded', extension => 0, conf => "cloudsat.databases = 'postgres'");
my $session = $preloaded->background_psql('postgres');
(undef, undef, $error) = $preloaded->psql('postgres', q{ALTER SYSTEM SET cloudsat.databases = 'postgres, other'});
is($error, '', 'preloaded, cloudsat.databases warns of nothing');
$session->query_safe('CREATE EXTENSION cloudsat');
$preloaded->wait_for_log(qr/launcher for postgres waits for a session that may be filling the new extension\n.*DETAIL:  Process \d+ is older than the extension\. Work begins/);
pass('the launcher says whom it waits for');
$session->quit;
wait_until($preloaded, q{SELECT state FROM cloudsat.worker_status WHERE kind = 'launcher' AND database = 'postgres'}, 'idle', 60, 'and begins when that has gone');
unlike(slurp_file($preloaded->logfile), qr/restor/, 'of a restore nothing is said, as there is none');
$preloaded->stop('fast');
done_testing;
