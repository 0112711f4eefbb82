# The alarms that operations.md proposes fire where no slot is left for the launcher: nothing polls then, and nothing but the
# log could tell.
use strict;
use warnings;
use Cloudsat::Test;
use Cloudsat::FakeBroker;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use Test::More;

my ($alarms) = slurp_file(dirname(abs_path(__FILE__)) . '/../../doc/operations.md') =~ /Worth an alarm:\n\n```sql\n(.*?)```/s
	or BAIL_OUT('operations.md has no alarms');
my ($unseen) = $alarms =~ /(SELECT s\.srvname.*?);/s or BAIL_OUT('none of them is on last_success');
my $node = new_node('narrow', conf => "cloudsat.databases = 'postgres'\nmax_worker_processes = 2");
my $fake = Cloudsat::FakeBroker->start;
sub unseen { return sql("SELECT string_agg(srvname, ',') FROM ($unseen) AS a") }

sql($_) for split /;\n/, $alarms;
pass('each alarm is a query');
sql($fake->server_sql('pulse'));
is(unseen(), 'pulse', 'a broker that was never seen is told');
$fake->queue('a', messages => 1);
sql(q{SELECT FROM cloudsat.poll('pulse')});
is(unseen(), '', 'not when it is polled');
sql(q{UPDATE cloudsat.polls SET last_success = last_success - interval '11 min'});
is(unseen(), 'pulse', 'but again when nothing polls any more');
$node->stop;
done_testing;
