# What tests of the guardian ask it: on the server that Cloudsat::Test's functions work on, and of the broker `pulse` unless
# another one is named.
#
#   use Cloudsat::Guardian;
#   poll();                                        what a poll changed: 'changed|events'
#   poll('queues', 'other');                       other columns of its result, of another broker
#   poll_until(column_sql($queue, 'level'), 'warned', 'it is warned about', 'other');   polls until a query gives this; a check
#   more_polls(3, 'the guard goes on');            waits until its guard has polled three times more; a check
#   first_poll();                                  waits for the first poll of its guard that goes well, or dies
#   guard('pid');                                  columns of its guard in worker_status
#   column($queue, 'level, owner');                columns of a queue's row
#   events($queue, 'other');                       what the audit says of a queue, but that it appeared; in another database
#   reason($queue);                                the reason in the last row of the audit
#   stored($queue);                                how many of its messages are in the archive
#   explained($queue, 'mail', $vhost);             value and detail of an item of explain_queue()
#   overgrow($fake, @queues);                      each passes its warning size at a fake broker; gives the first
#
# column_sql, events_sql and stored_sql give the query, which becomes() takes.
package Cloudsat::Guardian;
use strict;
use warnings;
use Exporter qw(import);
use Cloudsat::Test;
use Test::More;

our @EXPORT = qw(poll poll_until more_polls first_poll guard column column_sql events events_sql reason stored stored_sql explained
  overgrow);

sub poll {
	my ($columns, $server) = @_;
	return sql(sprintf q{SELECT %s FROM cloudsat.poll('%s')}, $columns // 'changed, events', $server // 'pulse');
}

sub poll_until {
	my ($query, $expected, $what, $server) = @_;
	my $got;
	wait_for(60, sub { poll('events', $server); ($got = sql($query)) eq $expected });
	return is($got, $expected, $what);
}
# more_polls(COUNT, WHAT, SERVER, DATABASE)
sub more_polls {
	my ($count, $what, $server, $database) = @_;
	my $cycle = sprintf q{SELECT coalesce(max(cycle), 0) %s FROM cloudsat.polls WHERE server = '%s'}, '%s', $server // 'pulse';
	my $due = sql_in($database // 'postgres', sprintf $cycle, '') + $count;
	return until_true(sprintf($cycle, ">= $due"), $what, $database);
}
sub first_poll {
	return wait_for(60, sub { sql(q{SELECT count(last_success) = 1 FROM cloudsat.polls}) eq 't' }) || die "no poll\n";
}
sub guard {
	my ($columns, $server) = @_;
	return sql(sprintf q{SELECT %s FROM cloudsat.worker_status WHERE kind = 'guard' AND server = '%s'}, $columns, $server // 'pulse');
}

sub column_sql { my ($queue, $columns) = @_; return "SELECT $columns FROM cloudsat.queues WHERE name = '$queue'" }
sub column { return sql(column_sql(@_)) }

sub events_sql {
	my ($queue) = @_;
	return "SELECT string_agg(event, ' ' ORDER BY id) FROM cloudsat.queue_events WHERE name = '$queue' AND event <> 'appeared'";
}
sub events { my ($queue, $database) = @_; return sql_in($database // 'postgres', events_sql($queue)) }
sub reason { return sql("SELECT detail ->> 'reason' FROM cloudsat.queue_events WHERE name = '$_[0]' ORDER BY id DESC LIMIT 1") }

sub stored_sql { return "SELECT count(*) FROM cloudsat.archived_messages WHERE queue = '$_[0]'" }
sub stored { return sql(stored_sql(@_)) }

sub explained {
	my ($queue, $item, $vhost) = @_;
	$vhost //= '/';
	return sql("SELECT value, detail FROM cloudsat.explain_queue('pulse', '$vhost', '$queue') WHERE item = '$item'");
}

# it takes two polls in a row
sub overgrow {
	my ($fake, @queues) = @_;
	$fake->queue($_, messages => 2001) for @queues;
	poll() for 1 .. 2;
	return $queues[0];
}

1;
