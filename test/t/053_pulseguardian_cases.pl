# PulseGuardian's own test cases, told again on a real RabbitMQ: the same names, the same sizes (20 and 30), the same user.
# What it called a PulseUser with owners is an account here. The names of its tests are in the comments; those marked with
# a star it had in other releases, or as parts of larger ones.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Test::More;

my $node = new_node('pulse');
my $broker = Cloudsat::Broker->new;
sub bindings {
	return q{SELECT string_agg(concat_ws(' ', queue, source, routing_key), ', ' ORDER BY queue, routing_key) FROM cloudsat.bindings};
}
sub warned { my ($address) = @_; return sql("SELECT count(*) FROM cloudsat.messages WHERE chan = '$address' AND message LIKE '%warning size%'") }

my ($primary, $secondary) = ('queue/guardtest/test', 'queue/guardtest/secondary');
sql($broker->server_sql('pulse', warn_size => 20, delete_size => 30, enforce => 'on', reserved_owners => '^pulse$'));
sql(q{INSERT INTO cloudsat.accounts (server, username, origin) VALUES ('pulse', 'guardtest', 'declared');
	INSERT INTO cloudsat.account_owners VALUES ('pulse', 'guardtest', 'guardtest@guardtest.com')});
$broker->amqp('declare', 'abnormal.queue', 'durable', ',', 'declare', 'queue/pulse/reserved', 'durable', ',',
	'declare', $primary, 'durable', ',', 'bind', $primary, 'amq.topic', '#');
poll_until('SELECT count(*) FROM cloudsat.queues', '3', 'three queues');

# test_abnormal_queue_name
is(column('abnormal.queue', 'owner, owner_kind'), '|', 'a queue of another name has no owner');
$broker->amqp('publish', 'abnormal.queue', 21);
poll() for 1 .. 3;
is(events('abnormal.queue'), '', 'so that nobody is warned');
$broker->amqp('publish', 'abnormal.queue', 10);
poll_until(column_sql('abnormal.queue', 'level'), 'deleted', 'but it is deleted');
is(sql(events_sql('abnormal.queue') . q{ UNION ALL SELECT count(*)::text FROM cloudsat.messages}), "delete_intended deleted\n0", 'in silence');

# test_reserved_queue_name*
$broker->amqp('publish', 'queue/pulse/reserved', 31);
poll() for 1 .. 4;
is(column('queue/pulse/reserved', 'owner, owner_kind, level, messages'), 'pulse|reserved|normal|31', 'a reserved owner\'s queue is left alone');
is($broker->queues->{'queue/pulse/reserved'}, 31, 'whatever is in it');

# test_binding
is(sql(bindings()), "$primary amq.topic #", 'what a queue is bound to is recorded');

# test_create_binding_different_queue_same_exchange_routing_key
$broker->amqp('declare', $secondary, 'durable', ',', 'bind', $secondary, 'amq.topic', '#');
poll_until(bindings(), "$secondary amq.topic #, $primary amq.topic #", 'and that another one is bound to the same');

# test_add_delete_binding
$broker->amqp('bind', $primary, 'amq.topic', 'foo');
my $later = q{UPDATE cloudsat.polls SET bindings_at = bindings_at - interval '5 min'};
poll();
is(sql(bindings()), "$secondary amq.topic #, $primary amq.topic #", 'another binding of a queue that is known is found');
sql($later);
poll_until(bindings(), "$secondary amq.topic #, $primary amq.topic #, $primary amq.topic foo", 'within five minutes');
my ($v, $q) = map { Cloudsat::Broker::escape($_) } $broker->vhost, $primary;
$broker->must_api(DELETE => "/bindings/$v/e/amq.topic/q/$q/foo");
sql($later);
poll_until(bindings(), "$secondary amq.topic #, $primary amq.topic #", 'and so is its removal');

# test_warning
is(column($primary, 'owner, owner_kind, level'), 'guardtest|person|normal', 'no queue is warned about at the beginning');
$broker->amqp('publish', $primary, 20);
poll() for 1 .. 3;
is(events($primary), '', 'nor at the limit');
$broker->amqp('publish', $primary, 1);
poll_until(column_sql($primary, 'level'), 'warned', 'above it, it is');
poll() for 1 .. 3;
is(warned('guardtest@guardtest.com'), '1', 'the account\'s owner is told, once');
is($broker->queues->{$primary}, 21, 'and the queue is still there');

# test_delete_skip_unbounded
sql(q{INSERT INTO cloudsat.queue_policies (queue, unbounded) VALUES ('^queue/guardtest/test$', true)});
$broker->amqp('publish', $primary, 10);
poll() for 1 .. 4;
is($broker->queues->{$primary}, 31, 'an unbounded queue is not deleted');
is(events($primary), 'warned', 'nor is that intended');

# test_delete
sql('DELETE FROM cloudsat.queue_policies');
poll_until(column_sql($primary, 'level'), 'deleted', 'any other one is');
is(events($primary), 'warned delete_intended deleted', 'by the guardian');
is(sql("SELECT messages FROM cloudsat.queue_events WHERE event = 'deleted' AND name = '$primary'"), '31', 'with its messages');
is(join(' ', sort keys %{ $broker->queues }), "$secondary queue/pulse/reserved", 'and no other');
is(sql(bindings()), "$secondary amq.topic #", 'its bindings are forgotten');

# test_multiple_owners*
sql(q{INSERT INTO cloudsat.account_owners VALUES ('pulse', 'guardtest', 'second@guardtest.com')});
$broker->amqp('publish', $secondary, 21);
poll_until(column_sql($secondary, 'level'), 'warned', 'a queue of several owners');
is(warned('guardtest@guardtest.com') . warned('second@guardtest.com'), '21', 'all of whom are told');

# test_user: addresses are the same in upper and lower case, names of accounts are not
is(sql(q{SELECT owner = 'GuardTest@GUARDTEST.com' FROM cloudsat.account_owners LIMIT 1}), 't', 'an address in another case is the same');
$broker->queue('queue/GUARDTEST/x', 21);
poll_until(column_sql('queue/GUARDTEST/x', 'messages'), '21', 'a name in another case');
is(column('queue/GUARDTEST/x', 'owner_kind'), '', 'is another one');
done_testing;
