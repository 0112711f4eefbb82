# A broker that fails in every way there is: each fault has its kind in polls, nothing is marked as vanished, nothing is
# deleted, nothing is said on the board, and another broker is polled as if nothing were.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('faults');
my $fake = Cloudsat::FakeBroker->start(tls => 1);
my $other = Cloudsat::FakeBroker->start;

$fake->queue('queue/alice@example.com/a', messages => 9000);
$fake->tell('/queues', { count => 3 });
$other->tell('/queues', { count => 2 });
# patient, as this machine may be busy: only where a timeout is what is tried, it is short
sql($fake->server_sql('bad', timeout => '60s', connect_timeout => '30s', max_body => '1MB', enforce => 'on'));
sql($other->server_sql('good'));

# What must not change, whatever the broker does: all but the next version of the same.
my $state = q{SELECT count(*), count(gone_at), count(intended_at), sum(messages), max(level),
	(SELECT count(*) FROM cloudsat.queue_events WHERE server = 'bad'), (SELECT count(*) FROM cloudsat.messages)
	FROM cloudsat.queues WHERE server = 'bad'};
my $health = q{SELECT consecutive_failures, last_error_kind FROM cloudsat.polls WHERE server = 'bad'};

is(sql(q{SELECT queues FROM cloudsat.poll('bad')}), '4', 'at first the broker is well');
my $before = sql($state);

# poll once while the broker misbehaves: the kind that is recorded, and that is all that happens
my $failures = 0;
sub faulty {
	my ($what, $kind) = @_;
	sql(q{ALTER SERVER bad OPTIONS (SET timeout '1s')}) if $kind eq 'timed_out';
	my ($status, $out, $err) = $node->psql('postgres', q{SELECT queues IS NULL, changed, events FROM cloudsat.poll('bad')});
	sql(q{ALTER SERVER bad OPTIONS (SET timeout '60s')}) if $kind eq 'timed_out';
	is($status, 0, "$what: poll() returns");
	is($out, 't|0|0', "$what: nothing is seen, nothing changes");
	like($err, qr/WARNING:.*broker "bad" could not be polled/, "$what: and warns");
	like(sql($health), qr/^${\ ++$failures}\|$kind$/, "$what: recorded as $kind");
	is(sql($state), $before, "$what: queues, events and board are as they were");
	unlike($err . sql(q{SELECT last_error FROM cloudsat.polls WHERE server = 'bad'}), qr/secret/, "$what: no password shows");
	$fake->behave_well;
	return $err;
}

my @faults = (
	[hang => 'timed_out'], [hang_headers => 'timed_out'], [drip_headers => 'timed_out'], [drip_body => 'timed_out'],
	[close => 'closed'], [rst => 'closed'], [rst_body => '(truncated|closed)'],
	[short => 'truncated'], [truncated_chunked => 'truncated'],
	[truncated_json => 'not_json'], [close_delimited => 'not_json'], [html => 'not_json'], [empty => 'not_json'],
	[no_content => '(not_json|unexpected_status)'], [redirect => 'redirect'],
	[not_http => 'protocol'], [bad_gzip => '(protocol|truncated|not_json)'],
	[huge_length => 'too_large'], [endless_body => 'too_large'], [gzip_bomb => '(too_large|protocol|not_json)'],
	[endless_headers => '(protocol|too_large|closed)'],
	(map { [status => $_->[1], code => $_->[0]] }
		  [401 => 'unauthorized'], [403 => 'forbidden'], [404 => 'not_found'], [500 => 'server_error'], [503 => 'server_error']),);

# of the first document that is asked for
for my $fault (@faults) {
	my ($behaviour, $kind, %more) = @$fault;
	$fake->behave('/api/vhosts', $behaviour, %more);
	faulty(join(' ', $behaviour, values %more), $kind);
}

# of the listing itself: a partial sweep is no sweep
for my $fault (@faults) {
	my ($behaviour, $kind, %more) = @$fault;
	# (on the same machine no gzip is asked for, and a good listing that is said to be packed is read as what it is)
	next if $behaviour =~ /headers|redirect|bad_gzip/ or ($more{code} // 0) == 404;
	$fake->behave('/api/queues/%2F', $behaviour, %more);
	faulty(join(' ', 'listing:', $behaviour, values %more), $kind);
}

# answers that are good JSON and wrong
for my $body ('{}', '[1,2]', '[{"messages":1}]', '"queues"', '[{"name":["q"],"messages":1}]', 'null') {
	$fake->behave('/api/queues/%2F', 'raw', body => $body, type => 'application/json');
	faulty("200 and $body", 'wrong_shape');
}
$fake->behave('/api/vhosts', 'raw', body => '[{"names":"/"}]', type => 'application/json');
faulty('vhosts without names', 'wrong_shape');

# the whole broker
$fake->tell('/accept', { mode => 'rst' });
faulty('every connection is reset', '(closed|unreachable)');
$fake->tell('/accept', { mode => 'hang' });
faulty('nobody reads', 'timed_out');
$fake->tell('/accept', { mode => 'normal' });
sql(q{ALTER SERVER bad OPTIONS (SET management_url 'http://127.0.0.1:1')});
my $management = qr/HINT:  Use "rabbitmq-plugins enable rabbitmq_management" on the broker/;
like(faulty('nobody listens', 'refused'), $management, 'the hint is what everybody needs at first');
like(slurp_file($node->logfile), $management, 'for whom the guard polls, too, in the log');
sql(q{ALTER SERVER bad OPTIONS (SET management_url 'http://no-such-host.invalid:15672')});
faulty('no such host', 'unresolved');
sql(qq{ALTER SERVER bad OPTIONS (SET management_url 'https://127.0.0.1:$fake->{tls}')});
faulty('a certificate that nobody vouches for', 'tls');
sql(qq{ALTER SERVER bad OPTIONS (SET management_url 'https://127.0.0.1:$fake->{tls_other}', ADD ca_file '$fake->{ca_other}')});
faulty('a certificate for another name', 'tls');

# each state is logged once, not each poll
is(() = slurp_file($node->logfile) =~ /LOG:  broker "bad" cannot be polled:[^\n]*\(redirect\)/g, 1, 'one line per change of state');

# back again
sql(qq{ALTER SERVER bad OPTIONS (SET management_url 'https://127.0.0.1:$fake->{tls}', SET ca_file '$fake->{ca}')});
is(sql(q{SELECT queues FROM cloudsat.poll('bad')}), '4', 'a certificate that is vouched for is good');
is(sql(q{SELECT consecutive_failures, up_since IS NOT NULL FROM cloudsat.polls WHERE server = 'bad'}), '0|t', 'all is well again');
like(slurp_file($node->logfile), qr/LOG:  broker "bad" is polled again after $failures failures/, 'which the log says, too');
is(sql($state), $before, 'decisions wait for a while after the broker came back');
sql(q{UPDATE cloudsat.polls SET up_since = up_since - interval '15 s' WHERE server = 'bad'});
sql(q{SELECT cloudsat.poll('bad')}) for 1 .. 2;
is(sql(q{SELECT count(*) FROM cloudsat.queue_events WHERE event IN ('warned', 'delete_intended')}), '2', 'and then are made');

# bindings are a side matter: what goes wrong there is noted, and the sweep is good
sql(q{UPDATE cloudsat.polls SET bindings_at = NULL WHERE server = 'bad'});
$fake->behave('/api/bindings/%2F', 'status', code => 500);
is(sql(q{SELECT queues FROM cloudsat.poll('bad')}), '3', 'bindings fail: the sweep is whole');
is(sql(q{SELECT consecutive_failures, last_error_kind, bindings_at IS NOT NULL FROM cloudsat.polls WHERE server = 'bad'}),
	'0|server_error|t', 'and the fault is noted');
$fake->behave_well;

# metrics that are not to be had: totals instead
sql(qq{ALTER SERVER good OPTIONS (ADD metrics_url '${\ $other->metrics_url }')});
for my $behaviour (qw(hang close html empty truncated_json)) {
	$other->behave('/metrics/detailed', $behaviour, prefix => 1);
	sql(q{ALTER SERVER good OPTIONS (ADD timeout '3s')}) if $behaviour eq 'hang';
	is(sql(q{SELECT queues FROM cloudsat.poll('good')}), '2', "metrics: $behaviour: the sweep is whole all the same");
	is(sql(q{SELECT consecutive_failures, count(*) FILTER (WHERE size_source = 'totals')
		FROM cloudsat.polls AS p JOIN cloudsat.queues AS q USING (server) WHERE server = 'good' GROUP BY 1}), '0|2',
		"metrics: $behaviour: by totals");
	sql(q{ALTER SERVER good OPTIONS (DROP timeout)}) if $behaviour eq 'hang';
	$other->behave_well;
}

sql(q{ALTER SERVER good OPTIONS (SET metrics_url 'http://127.0.0.1:1')});
is(sql(q{SELECT queues FROM cloudsat.poll('good')}), '2', 'metrics: nobody listens: the sweep is whole all the same');
like(sql(q{SELECT last_error FROM cloudsat.polls WHERE server = 'good'}),
	qr/^metrics: .*: connection refused\. .*rabbitmq-plugins enable rabbitmq_prometheus/, 'and polls names the plugin to enable');

# one stuck queue hangs the totals of its vhost: then statistics
$other->behave('/api/queues/%2F', 'hang', query => 'enable_queue_totals');
sql(q{ALTER SERVER good OPTIONS (DROP metrics_url, ADD timeout '3s')});
is(sql(q{SELECT queues FROM cloudsat.poll('good')}), '2', 'totals hang: the sweep is whole');
is(sql(q{SELECT DISTINCT size_source FROM cloudsat.queues WHERE server = 'good'}), 'statistics', 'by statistics');
is(sql(q{SELECT cycle > 1, consecutive_failures FROM cloudsat.polls WHERE server = 'good'}), 't|0', 'the other broker was always well');

# a cancelled poll lets go of the broker at once
$fake->behave('/api/vhosts', 'hang');
within(10, 'a poll that waits is cancelled', sub {
	my (undef, undef, $err) = $node->psql('postgres', q{SET statement_timeout = '500ms'; SELECT cloudsat.poll('bad')});
	like($err, qr/canceling statement due to statement timeout/, 'a poll can be cancelled');
});
done_testing;
