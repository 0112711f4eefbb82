# What the guardian may do at a real RabbitMQ, and needs to: with exactly the rights that doc/guardian.md names each action
# goes well, and without one of them it is said clearly what is missing, and nothing else happens.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('privileges', preload => 0);
my $broker = Cloudsat::Broker->new;
my ($vhost, $user, $password) = ($broker->vhost, "narrow_$$", "secret$$");
my $place = Cloudsat::Broker::escape($vhost);
END { local $?; $broker->api(DELETE => "/users/$user") if $broker }

sub fault { return sql(q{SELECT last_error_kind, last_error FROM cloudsat.polls}) }
sub last_event {
	my ($queue, $what) = @_;
	return "SELECT event, messages, $what FROM cloudsat.queue_events WHERE name = '$queue' ORDER BY id DESC LIMIT 1";
}
sub user { my ($tags) = @_; return $broker->must_api(PUT => "/users/$user", { password => $password, tags => $tags }) }
# the rights in the vhost, and no others
sub may {
	my (%rights) = @_;
	return $broker->must_api(PUT => "/permissions/$place/$user", { configure => '', write => '', read => '', %rights });
}
sub again { return sql("UPDATE cloudsat.queues SET retry_after = NULL, archive_retry = NULL, acted_at = NULL WHERE name = '$_[0]'") }
sub intend {
	my ($queue) = @_;
	for (1 .. 20) {
		poll();
		return if column($queue, 'intended_at IS NOT NULL') eq 't';
	}
	return fail("$queue: is to be deleted");
}

$broker->amqp('declare', 'first', 'durable', ',', 'bind', 'first', 'amq.topic', 'a.#', ',', 'publish', 'first', 60);
sql(Cloudsat::Broker::sql_for('pulse', $user, $password, management_url => $broker->management_url,
	vhosts => "^$vhost\$", enforce => 'on', warn_size => 20, delete_size => 50));

# --- watching: the tag management, and any entry of permissions in the vhost
user('');
may();
is(poll('queues'), '', 'without the tag');
like(fault(), qr/^unauthorized\|.*Not management user/, 'the broker cannot be polled, and the fault says why');
$broker->must_api(DELETE => "/permissions/$place/$user");
user('management');
is(poll('queues'), '', 'without an entry of permissions');
like(fault(), qr/^unauthorized\|vhosts: the broker shows no virtual host to this user/, 'there is nothing to see, which is a fault');
may();
is(poll('queues'), '1', 'with an empty one all is seen');
is(sql('SELECT name, messages, level FROM cloudsat.queues'), 'first|60|normal', 'the queue');
is(sql('SELECT queue, source, routing_key FROM cloudsat.bindings'), 'first|amq.topic|a.#', 'its binding');
sql(q{ALTER SERVER pulse OPTIONS (SET vhosts '^mistyped$')});
is(poll('queues'), '', 'a pattern that matches no virtual host');
like(fault(), qr/^not_found\|vhosts: no virtual host .* matches the option vhosts/, 'is a fault, too');
sql("ALTER SERVER pulse OPTIONS (SET vhosts '^$vhost\$')");
poll();
sql('UPDATE cloudsat.polls SET up_since = NULL'); # decisions do not wait for the 15 s after a fault

# --- deleting: configure on the queue, over HTTP and over AMQP
my %refusal = (HTTP => 'status 401: Access refused', AMQP => 'ACCESS_REFUSED - .*access to queue'); # 4.x says which access
for my $way ('HTTP', 'AMQP') {
	my $queue = $way eq 'HTTP' ? 'first' : 'second';
	sql("ALTER SERVER pulse OPTIONS (ADD amqp_url '${\ $broker->amqp_url}')") if $way eq 'AMQP';
	$broker->queue($queue, 60) if $way eq 'AMQP';
	may(configure => '^other$', read => '.*', write => '.*');
	intend($queue);
	poll();
	like(sql(last_event($queue, q{detail->>'reason'})), qr/^action_failed\|60\|.*$refusal{$way}/, "$way: without the right to configure it is refused");
	is($broker->queues->{$queue}, 60, "$way: and the queue stays");
	may(configure => "^$queue\$");
	again($queue);
	intend($queue);
	poll();
	is(sql(last_event($queue, q{detail->>'reason'})), 'deleted|60|', "$way: with it, it is deleted");
}

# --- replaying: write on the default exchange
$broker->amqp('declare', 'third', 'durable', ',', 'declare', 'fourth', 'durable');
sql("INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
	VALUES ('pulse', '$vhost', 'third', now(), '', 'third', false, '\\x0000', 'body')");
my $replay = "SELECT * FROM cloudsat.replay('pulse', '$vhost', 'third', 10)";
may(configure => '.*', read => '.*', write => '^third$');
like(sql($replay), qr/^0\|1\|.*ACCESS_REFUSED - .*access to exchange 'amq.default'/, 'without the right to write there');
is(sql('SELECT count(*) FROM cloudsat.archived_messages'), 1, 'the message stays in the archive');
may(write => '^amq\\.default$');
is(sql($replay), '1|0|', 'with it, the message is sent back');
is($broker->queues->{third}, 1, 'to its queue');

# --- archiving: read on the queue
sql(q{ALTER SERVER pulse OPTIONS (ADD archive_size '30', ADD poll_interval '200ms')});
may(configure => '.*', read => '^other$', write => '.*');
$broker->amqp('publish', 'fourth', 40);
sql('SELECT cloudsat.start()');
wait_until(last_event('fourth', q{detail->>'reason'}), qr/^action_failed\|40\|.*ACCESS_REFUSED.*fourth/, 30, 'without the right to read');
is(sql('SELECT count(*) FROM cloudsat.archived_messages'), 0, 'nothing is taken');
may(read => '^fourth$');
again('fourth');
wait_until('SELECT count(*) FROM cloudsat.archived_messages', 16, 30, 'with it, messages are archived');
is($broker->queues->{fourth}, 24, 'and the queue has the rest');
sql('SELECT cloudsat.stop()');
done_testing;
