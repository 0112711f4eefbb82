# Taking many messages out of the archive takes time in proportion to their number, also when nobody has analyzed the table,
# as after a restore.
use strict;
use warnings;
use Cloudsat::Test;
use Test::More;

my $node = new_node('taking', conf => "autovacuum = off\nfsync = off\n");
my ($stored, $taken) = (200_000, 50_000);
sql(qq{INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
	SELECT 'pulse', '/', 'jobs', now(), '', 'jobs', false, '', '' FROM generate_series(1, $stored)});
# a second of it on a machine that does nothing else; a loop in a loop takes a minute
within(20, 'many messages are taken', sub {
	is(sql(qq{SELECT count(*), min(id), max(id) FROM cloudsat.take_archived('pulse', '/', 'jobs', $taken)}), "$taken|1|$taken", 'the oldest, as many as asked for');
});
is(sql('SELECT count(*), min(id) FROM cloudsat.archived_messages'), join('|', $stored - $taken, $taken + 1), 'and removed');
sql('ANALYZE cloudsat.archived_messages');
within(20, 'as many with statistics', sub {
	is(sql(qq{SELECT count(*), min(id) FROM cloudsat.take_archived('pulse', '/', 'jobs', $taken)}), join('|', $taken, $taken + 1), 'the next ones');
});
done_testing;
