# Whoever may declare a queue can write into the metrics of a broker that does not escape names. Such a line may take a
# queue's size away from the metrics; the guardian then reads it in the totals, and the queue escapes no limit.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use HTTP::Tiny;
use MIME::Base64;
use Test::More;

my $node = new_node('forged');
my $fake = Cloudsat::FakeBroker->start;
sub size { return sql(q{SELECT size_source, messages FROM cloudsat.queues WHERE name = 'q-0'}) }

sql($fake->server_sql('pulse'));
sql(qq{ALTER SERVER pulse OPTIONS (ADD metrics_url '${\ $fake->metrics_url }')});
$fake->tell('/settings', { escape => JSON::PP::true });
$fake->queue("q-$_", messages => 7) for 0 .. 2;
poll() for 1 .. 3;
is(size(), 'metrics|7', 'sizes come from the metrics');

my $document = HTTP::Tiny->new->get($fake->metrics_url . '/metrics/detailed?family=queue_coarse_metrics')->{content};
my ($sample) = $document =~ /^(rabbitmq_detailed_queue_messages\{[^\n]*queue="q-0"\} )/m;
$fake->behave('/metrics/detailed', 'raw',
	prefix => 1, type => 'text/plain', body_base64 => encode_base64("$document${sample}8\n", ''));
$fake->queue('q-0', messages => 9000);
poll();
is(size(), 'totals|9000', 'a size that is told twice is read in the totals');
is(sql(q{SELECT consecutive_failures FROM cloudsat.polls}), '0', 'which is no fault');
is(poll('queues, changed, events'), '3|1|1', 'the second poll judges it: one that nobody owns would be deleted');
is(sql(q{SELECT event FROM cloudsat.queue_events WHERE name = 'q-0' ORDER BY id DESC LIMIT 1}), 'would_delete', 'and says so');

$fake->behave_well;
poll();
is(size(), 'metrics|9000', 'when the metrics are clean again, they have it');
done_testing;
