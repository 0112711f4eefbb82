# On a standby no worker runs, and what they would be asked says so; promotion starts them within ten seconds.
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
$primary->safe_psql('postgres', q{
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'x')});
my $working = q{SELECT string_agg(backend_type, ', ' ORDER BY backend_type) FROM pg_stat_activity
	WHERE backend_type LIKE 'cloudsat%'};
my $all = 'cloudsat guard, cloudsat launcher, cloudsat notifier, cloudsat supervisor';
wait_until($primary, $working, $all, 60, 'workers run on the primary');
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', $working), '', 'and none on the standby');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM cloudsat.worker_status'), 0, 'whose worker_status is empty');
my ($status, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT cloudsat.start()");
like($err, qr/ERROR:  55000: .*during recovery.*promoted/s, 'start() is refused there');

$primary->stop('fast');
$standby->promote;
wait_until($standby, $working, $all, 10, 'they begin within 10 s of promotion');
is($standby->safe_psql('postgres', 'SELECT cloudsat.start()'), 'f', 'by themselves');
$standby->stop('fast');
done_testing;
