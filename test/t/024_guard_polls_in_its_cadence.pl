# A guard at work: it polls in its server's cadence, takes new options at once, slows down for a broker that fails, acts
# on what it committed to, outlives errors of its own, and leaves to the next guard what it could not finish.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Cloudsat::FakeBroker;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('cadence', conf => "cloudsat.databases = 'postgres'\nautovacuum_naptime = 1s");
my $fake = Cloudsat::FakeBroker->start;
my $other = Cloudsat::FakeBroker->start;
$fake->tell('/queues', { count => 20, prefix => 'q' });
sql($fake->server_sql('pulse', poll_interval => '100ms', max_poll_interval => '1s',
	enforce => 'on', owner_pattern => '^queue/([^/]+)/', warn_size => 10, delete_size => 100));
sql($other->server_sql('calm', poll_interval => '100ms'));

sub of_poll { return sql("SELECT $_[0] FROM cloudsat.polls WHERE server = 'pulse'") }

# --- cadence
wait_until(q{SELECT count(*) FROM cloudsat.queues WHERE server = 'pulse'}, 20, 60, 'a guard records the queues');
more_polls(5, 'and polls again and again');
wait_until(q{SELECT n_tup_ins >= 20 FROM pg_stat_user_tables WHERE relname = 'queues'}, 't', 60,
	'the statistics hear of what it wrote');
sql(q{ALTER SERVER pulse OPTIONS (SET poll_interval '300s', SET max_poll_interval '300s')});
wait_until(q{SELECT next_poll > now() + interval '200 s' FROM cloudsat.polls WHERE server = 'pulse'}, 't', 20,
	'a longer interval is taken at once');
my $cycle = of_poll('cycle');
sql(q{ALTER SERVER pulse OPTIONS (SET poll_interval '100ms', SET max_poll_interval '1s')});
more_polls(5, 'so is a shorter one, without waiting for the longer one to pass');

# --- memory
sub resident_kb { slurp_file('/proc/' . guard('pid') . '/status') =~ /VmRSS:\s+(\d+) kB/; return $1 }
my $cycles = of_poll('cycle');
wait_until("SELECT cycle > $cycles + 20 FROM cloudsat.polls WHERE server = 'pulse'", 't', 60, 'twenty polls');
my $resident = resident_kb();
wait_until("SELECT cycle > $cycles + 70 FROM cloudsat.polls WHERE server = 'pulse'", 't', 60, 'fifty more');
cmp_ok(resident_kb() - $resident, '<', 512, 'memory is flat') or diag "from $resident kB";

# --- by hand, meanwhile
is(sql(q{SELECT queues FROM cloudsat.poll('pulse')}), 20, 'poll() takes turns with the guard');

# --- a broker that fails
my $pid = guard('pid');
$fake->behave('/api/vhosts', 'status', code => 500);
wait_until(q{SELECT consecutive_failures > 5 FROM cloudsat.polls WHERE server = 'pulse'}, 't', 60,
	'a failing broker is polled again');
my ($told) = scalar(() = slurp_file($node->logfile) =~ /broker "pulse" cannot be polled/g);
is($told, 1, 'the log tells of it once');
is(guard('failures'), 0, 'it is no failure of the guard');
ok(sql(q{SELECT next_poll - last_poll > interval '0.5 s' FROM cloudsat.polls
	WHERE server = 'pulse'}) eq 't', 'polls come more slowly');
more_polls(5, 'another broker is polled as ever', 'calm');
$fake->behave_well;
wait_until(q{SELECT consecutive_failures FROM cloudsat.polls WHERE server = 'pulse'}, 0, 60, 'until it is well again');

# --- a table that cannot be written
sql(q{
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused by a trigger'; END$$;
	CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON cloudsat.polls FOR EACH ROW WHEN (NEW.server = 'pulse')
		EXECUTE FUNCTION refuse()});
wait_until(q{SELECT failures > 0 AND last_error = 'refused by a trigger' AND state IN ('failing', 'working')
	FROM cloudsat.worker_status WHERE server = 'pulse'}, 't', 60, 'an error of the guard shows in worker_status');
like(slurp_file($node->logfile), qr/ERROR:  refused by a trigger\n.*CONTEXT:.*cloudsat guard for pulse/s,
	'and in the log, with its name');
my ($status, $out, $err) = $node->psql('postgres', q{SET statement_timeout = '20s'; SELECT cloudsat.poll('pulse')});
like($err, qr/refused by a trigger/, 'it keeps no lock');
more_polls(5, 'another guard goes on', 'calm');
sql('DROP TRIGGER refuse ON cloudsat.polls');
wait_until(q{SELECT failures FROM cloudsat.worker_status WHERE server = 'pulse'}, 0, 60, 'it recovers by itself');
is(guard('pid'), $pid, 'as the same process');

# --- deleting: two queues, the first of which cannot be concluded
sql(q{
	CREATE TRIGGER refuse BEFORE INSERT ON cloudsat.queue_events FOR EACH ROW
		WHEN (NEW.name = 'cursed' AND NEW.event = 'deleted') EXECUTE FUNCTION refuse()});
$fake->queue($_, messages => 500) for qw(cursed plain);
wait_until(q{SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE name = 'plain'},
	qr/delete_intended deleted$/, 60, 'a queue above its limit is deleted, though another makes trouble');
sql('DROP TRIGGER refuse ON cloudsat.queue_events');
wait_until(q{SELECT count(*) FROM cloudsat.queue_events WHERE name = 'cursed' AND event = 'deleted'}, 1, 60,
	'the other is concluded when it can be');

# --- ended in the middle of a deletion
$fake->tell('/behave', { path => '/api/queues/%2F/late', method => 'DELETE', behaviour => 'delete_later' });
$fake->queue('late', messages => 500);
wait_until(q{SELECT count(*) FROM cloudsat.queue_events WHERE name = 'late' AND event = 'delete_intended'}, 1, 60,
	'an intention is committed before the deed');
wait_for(60, sub { grep { m{^DELETE /api/queues/%2F/late} } @{ $fake->seen->{last} } });
is(sql("SELECT pg_terminate_backend($pid, 2000)"), 't', 'the guard ends while the broker deletes');
wait_until(q{SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE name = 'late'},
	qr/delete_intended deleted$/, 60, 'the next guard finds the intention and concludes it, once');

# --- a table that is locked
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE cloudsat.queues');
wait_until(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat guard' AND wait_event_type = 'Lock'},
	2, 60, 'guards wait for a lock');
my $waits = guard('pid');
within(2, 'pg_terminate_backend', sub { sql("SELECT pg_terminate_backend($waits, 5000)") });
my $gives_up = qr/ERROR:  canceling statement due to lock timeout\n.*CONTEXT:.*cloudsat guard for calm/s;
until_logged($gives_up, 'not for ever');
$session->query_safe('COMMIT');
$session->quit;
more_polls(5, 'and go on afterwards');

nothing_broke();
$node->stop('fast');
done_testing;
