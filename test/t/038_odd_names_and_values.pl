# What RabbitMQ allows and others do not: names with a NUL, names of dots, arguments that fit no number type. On a real
# broker each such queue is watched, archived and deleted like any other, none is taken for another, and none hides one.
use strict;
use warnings;
use Cloudsat::Guardian qw(poll);
use Cloudsat::Test;
use HTTP::Tiny;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

my $node = new_node('odd');
my $broker = Cloudsat::Broker->new;
my $vhost = $broker->vhost;
sub literal { return Cloudsat::Broker::literal($_[0]) }
sub column { my ($name, $what) = @_; return sql("SELECT $what FROM cloudsat.queues WHERE vhost = '$vhost' AND name = " . literal($name)) }
sub events {
	my ($name, $of) = @_;
	return sql("SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE event <> 'appeared' AND name = "
		. literal($name) . ' AND vhost = ' . literal($of // $vhost));
}

# The management API with a body as it stands; gives the status.
sub put {
	my ($method, $path, $body) = @_;
	return HTTP::Tiny->new->request($method, $broker->management_url . "/api$path", { content => $body, headers => {
		authorization => 'Basic ' . encode_base64("admin:$broker->{admin_password}", ''), 'content-type' => 'application/json' } })->{status};
}
sub declare { my ($name, $arguments) = @_;
	return put(PUT => "/queues/$vhost/" . Cloudsat::Broker::escape($name), '{"durable":true,"arguments":' . ($arguments // '{}') . '}') }
sub publish {
	my ($name, $count) = @_;
	my $body = JSON::PP->new->ascii->encode({ routing_key => $name, payload => 'x', payload_encoding => 'string', properties => {} });
	for (1 .. $count) { put(POST => "/exchanges/$vhost/amq.default/publish", $body) == 200 or die "cannot publish to $name\n" }
	return;
}

# --- arguments
is(declare('big', '{"x":18446744073709551616}'), 201, 'RabbitMQ takes an argument of more than 64 bits');
my @odd = grep { declare("odd $_->[0]", qq({"x":$_->[1]})) == 201 } (
	[ 'negative', '-99999999999999999999999999' ], [ 'long', '1' . '0' x 400 ], [ 'exponent', '1e300' ], [ 'huge exponent', '1e400' ],
	[ 'zero', '-0' ], [ 'nul', '"a\u0000b"' ], [ 'half', '"\ud800"' ], [ 'twice', '1,"x":2' ], [ 'deep', '[' x 3000 . ']' x 3000 ]);
note('and of these: ' . join ', ', map { $_->[0] } @odd);
is(declare('plain'), 201, 'a plain queue beside them');
is(put(POST => "/bindings/$vhost/e/amq.topic/q/plain", '{"routing_key":"k","arguments":{"x":18446744073709551616}}'), 201,
	'and a binding with such an argument');
is(put(POST => "/bindings/$vhost/e/amq.topic/q/plain", '{"routing_key":"l","arguments":{}}'), 201, 'and one without');
sql($broker->server_sql('pulse', vhosts => "^($vhost|\\.\\.)\$", amqp_url => $broker->amqp_url, enforce => 'on',
	warn_size => 5, delete_size => 10));
is(poll('queues'), 2 + @odd, 'all of them are recorded');
is(sql(q{SELECT last_error_kind, unusable FROM cloudsat.polls}), '|0', 'without a fault');
is(column('big', q{arguments->>'x'}), '18446744073709551616', 'the odd value is there as text');
is(sql(q{SELECT string_agg(routing_key, ',' ORDER BY routing_key) FROM cloudsat.bindings WHERE queue = 'plain'}), 'k,l', 'all bindings, too');
publish('big', 12);
poll() for 1 .. 4;
is(events('big'), 'delete_intended deleted', 'such a queue is deleted like any other');

# --- names
is(declare("nul\0x"), 201, 'RabbitMQ takes a name with a NUL');
declare($_) == 201 or die $_ for 'nul%00x', 'nul%00x (percent-encoded)', "keep\0x";
publish('nul%00x', 1);
publish('nul%00x (percent-encoded)', 2);
publish("nul\0x", 12);
publish("keep\0x", 12);
put(POST => "/bindings/$vhost/e/amq.topic/q/keep%00x", '{"routing_key":"a\u0000b","arguments":{}}') == 201 or die;
$broker->amqp('declare', '..', 'durable', ',', 'publish', '..', 12, ',', 'declare', '.', 'durable', ',', 'publish', '.', 12);
# which the API can make, though it has no address there
$broker->must_api(POST => '/definitions', { vhosts => [ { name => '..' } ], permissions => [
	map { { user => $_, vhost => '..', configure => '.*', write => '.*', read => '.*' } } qw(admin guardian) ] });
my $dots = bless { %$broker, vhost => '..' }, 'Cloudsat::Broker';
$dots->amqp('declare', 'big', 'durable', ',', 'publish', 'big', 12, ',', 'declare', '..', 'durable', ',', 'publish', '..', 3);
END { local $?; eval { $broker->ctl(qw(delete_vhost ..)) } if $broker }

sql(q{INSERT INTO cloudsat.queue_policies (queue, archive_size, delete_size) VALUES ('^(keep%00x.*|[.])$', 6, 1000)});
poll();
is(column('nul%00x (percent-encoded)', 'messages'), 12, 'a NUL is written as %00, and that it is written so');
is(column('nul%00x', 'messages'), 1, 'and taken for no queue that is called so');
is(column('nul%2500x (percent-encoded) (percent-encoded)', 'messages'), 2, 'nor one that is called like that again');
is(sql(q{SELECT routing_key FROM cloudsat.bindings WHERE queue = 'keep%00x (percent-encoded)'}), 'a%00b (percent-encoded)', 'routing keys likewise');
is(sql(q{SELECT string_agg(name || ' ' || messages, ', ' ORDER BY name) FROM cloudsat.queues WHERE vhost = '..'}), '.. 3, big 12',
	'the queues of a virtual host without an address are recorded');
is(sql(q{SELECT string_agg(name, ', ' ORDER BY name COLLATE "C") FROM cloudsat.queues WHERE vhost <> '..' AND name ~ '^[.]'}), '., ..', 'and no others as its own');
like(sql("SELECT detail FROM cloudsat.explain_queue('pulse', '$vhost', '..') WHERE item = 'deletion'"), qr/over AMQP only/, 'explain_queue says how');
poll() for 1 .. 4;
is(events('nul%00x (percent-encoded)'), 'delete_intended deleted', 'the queue with the NUL is deleted');
is(events('..'), 'delete_intended deleted', 'the queue called .. too');
is(events('big', '..'), 'delete_intended deleted', 'and one of the virtual host called ..');
put(DELETE => "/queues/$vhost/odd%20deep", '');    # which JSON::PP cannot read
my $left = $broker->queues;
is(join(',', map { s/\0/NUL/r } sort { $a cmp $b } grep { !/^odd/ } keys %$left), '.,keepNULx,nul%00x,nul%00x (percent-encoded),plain', 'and nothing else');

# --- the archive
sql(q{ALTER SERVER pulse OPTIONS (ADD poll_interval '200ms')});
sql('SELECT cloudsat.start()');
for my $name ('keep%00x (percent-encoded)', '.') {
	wait_until("SELECT count(*) FROM cloudsat.archived_messages WHERE vhost = '$vhost' AND queue = " . literal($name), qr/^[78]$/, 60, "$name is archived");
}
sql('SELECT cloudsat.stop()');
is(sql("SELECT unconfirmed, reason FROM cloudsat.replay('pulse', '$vhost', 'keep%00x (percent-encoded)', 2)"), '0|', 'and goes back to where it came from');

# --- over HTTP
sql(q{ALTER SERVER pulse OPTIONS (DROP amqp_url)});
declare("http\0x");
publish("http\0x", 12);
$broker->queue('..', 12);
poll() for 1 .. 5;
is(events('http%00x (percent-encoded)'), 'delete_intended deleted', 'a NUL is no obstacle to HTTP either');
like(events('..'), qr/delete_intended action_failed$/, 'dots are');
like(sql(q{SELECT detail->>'reason' FROM cloudsat.queue_events WHERE event = 'action_failed' ORDER BY id DESC LIMIT 1}), qr/no address over HTTP, and the server has no amqp_url/, 'which is said');
like(sql("SELECT detail FROM cloudsat.explain_queue('pulse', '$vhost', '..') WHERE item = 'deletion'"), qr/the server has no amqp_url/, 'by explain_queue, too');
done_testing;
