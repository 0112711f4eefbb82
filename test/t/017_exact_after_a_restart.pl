# Readers that keep their own position miss nothing and see nothing twice, whatever happens to the cluster: a crash in
# which transaction numbers are lost and assigned again, an asynchronous or a synchronous failover, a transaction that was
# prepared before, a rewound primary, recovery to an earlier time.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "max_prepared_transactions = 10\nwal_log_hints = on\nmax_wal_size = 1GB\nwal_keep_size = 512MB\nautovacuum = off\n";

# post(NODE, FROM, TO): messages named by numbers
sub post {
	my ($node, $from, $to) = @_;
	sql($node, "SELECT FROM generate_series($from, $to) AS n, cloudsat.post('ann.example.org', 'bot.example.org', n::text)");
	return;
}

# A reader: its position, and how often it has read each message.
sub reader { return { since => 'NULL', read => {} } }

sub look {
	my ($reader, $node, $max) = @_;
	my $rows = sql($node, sprintf 'SELECT message, upto FROM cloudsat.inbox(%s, %s, max => %s)',
		q{'bot.example.org'::cloudsat.address}, $reader->{since}, $max // 'NULL');
	for my $row (split /\n/, $rows) {
		my ($message, $upto) = split /\|/, $row;
		$reader->{read}{$message}++;
		$reader->{since} = "'$upto'";
	}
	return $rows =~ tr/\n// + ($rows ne '');
}

# Every message that the board has, once.
sub exact {
	my ($reader, $node, $what) = @_;
	look($reader, $node);
	my %missing = map { $_ => 1 } split /\n/, sql($node, 'SELECT message FROM cloudsat.messages');
	delete $missing{$_} for keys %{ $reader->{read} };
	is(join(' ', sort { $a <=> $b } keys %missing), '', "$what: nothing is missed");
	is(join(' ', grep { $reader->{read}{$_} > 1 } sort keys %{ $reader->{read} }), '', "$what: nothing comes twice");
	return;
}

# Transactions that take a number and are rolled back: their WAL is not flushed.
sub roll_back {
	my ($node, $count) = @_;
	sql($node, "DO \$\$ BEGIN FOR i IN 1 .. $count LOOP PERFORM pg_current_xact_id(); ROLLBACK; END LOOP; END \$\$");
	return;
}

sub eras { return sql($_[0], q{SELECT string_agg(DISTINCT era || ':' || timeline, ' ' ORDER BY era || ':' || timeline) FROM cloudsat.eras}) }

# --- a crash of one machine ----------------------------------------------------------------------------------------
my $one = new_node('one', conf => $conf . "wal_writer_delay = 10s\n");
post($one, 1, 10);
my $reader = reader();
is(look($reader, $one), 10, 'a reader has read ten messages');
roll_back($one, 100);
my $now = sql($one, 'SELECT cloudsat.current_snapshot()');
my $second = { since => "'$now'", read => { map { $_ => 1 } 1 .. 10 } };
$reader->{since} = "'$now'";    # it has looked, and seen the numbers that are about to be lost
$one->stop('immediate');
$one->start;
post($one, 11, 160);
exact($reader, $one, 'after a crash');
is(eras($one), '0:1 1:1', 'the first writer after the crash began an era');
exact($second, $one, 'after a crash, a reader that began just before');

# a crash after which nobody writes, then a clean restart
roll_back($one, 100);
$reader->{since} = "'" . sql($one, 'SELECT cloudsat.current_snapshot()') . "'";
$one->stop('immediate');
$one->start;
$one->stop('fast');
$one->start;
post($one, 161, 260);
exact($reader, $one, 'after a crash, and a clean restart before the next post');
$one->restart;
post($one, 261, 262);
exact($reader, $one, 'after a clean restart');
my $before = eras($one);
$one->restart;
post($one, 263, 263);
is(eras($one), $before, 'a clean restart begins no era');

# a transaction that was prepared before the crash
sql($one, q{SET cloudsat.notify = off; BEGIN; SELECT FROM cloudsat.post('ann.example.org', 'bot.example.org', '264'); PREPARE TRANSACTION 'old'});
roll_back($one, 20);
exact($reader, $one, 'before a crash');
$one->stop('immediate');
$one->start;
post($one, 265, 280);
exact($reader, $one, 'after a crash, while an older transaction is prepared');
sql($one, q{COMMIT PREPARED 'old'});
exact($reader, $one, 'after an older transaction was committed');
ok($reader->{read}{264}, 'its message has been read');

# batches of whole transactions
my $batches = { since => 'NULL', read => {} };
my @sizes;
while (my $count = look($batches, $one, 7)) { push @sizes, $count }
exact($batches, $one, 'in batches');
cmp_ok((grep { $_ == 150 } @sizes), '==', 1, 'a transaction with more messages than a batch comes as a whole');
cmp_ok((grep { $_ > 7 && $_ != 10 && $_ != 150 && $_ != 100 && $_ != 16 } @sizes), '==', 0, 'the other batches have at most that many') or diag("@sizes");

# --- failover ------------------------------------------------------------------------------------------------------
sub standby_of {
	my ($primary, $name, $more) = @_;
	my $backup = "for_$name";
	$primary->backup($backup);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($primary, $backup, has_streaming => 1);
	$standby->append_conf('postgresql.conf', $more) if $more;
	$standby->start;
	return $standby;
}

my $first = new_node('first', conf => $conf, allows_streaming => 1);
post($first, 1, 10);
my $behind = standby_of($first, 'behind');
$reader = reader();
look($reader, $first);
is(look($reader, $behind), 0, 'a standby has what the primary has');
post($first, 11, 12);
$first->wait_for_catchup($behind);
sql($first, q{SET cloudsat.notify = off; BEGIN; SELECT FROM cloudsat.post('ann.example.org', 'bot.example.org', '1000'); PREPARE TRANSACTION 'old'});
look($reader, $first);
$first->wait_for_catchup($behind);

# the standby says what it cannot do, and waits for what comes
my ($status, $out, $err) = $behind->psql('postgres', 'SELECT * FROM cloudsat.inbox');
like($err, qr/NOTICE:  this session has no subscriptions\n.*standby cannot register\.\n.*inbox\(addresses, since\)/s, 'the inbox of a standby says why it is empty');
is(scalar(() = $err =~ /NOTICE/g), 1, 'once');
($status, $out, $err) = $behind->psql('postgres', 'SELECT * FROM cloudsat.receive()');
like($err, qr/this session is not registered\n.*standby cannot register\.\n.*inbox\(addresses, since\)/s, 'receive on a standby says what works there');
my $query = sprintf "SELECT message FROM cloudsat.inbox('bot.example.org'::cloudsat.address, %s, timeout => '%d s')", $reader->{since}, 100;
$out = '';
my $wait = IPC::Run::start([ 'psql', '-XqAt', '-h', $behind->host, '-p', $behind->port, '-d', 'postgres', '-c', $query ], '<', \undef, '>', \$out, '2>', \$err);
wait_until($behind, q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT message FROM%' AND state = 'active'}, 1, 30, 'a reader waits on the standby');
post($first, 13, 13);
$wait->finish;
is($out, "13\n", 'it returns when the message has been replayed');
$first->wait_for_catchup($behind);

# What the primary does now never reaches the standby.
sql($behind, 'ALTER SYSTEM SET primary_conninfo = \'\'');
$behind->reload;
wait_until($behind, 'SELECT count(*) FROM pg_stat_wal_receiver', 0, 60, 'the standby is cut off');
post($first, 500, 600);
roll_back($first, 200);
look($reader, $first);
$reader->{since} = "'" . sql($first, 'SELECT cloudsat.current_snapshot()') . "'";
$first->stop('immediate');
$behind->promote;
$behind->restart;    # so that only its timeline tells
post($behind, 2000, 2400);
exact($reader, $behind, 'after an asynchronous failover');
is(eras($behind), '0:1 1:2', 'the first writer after the promotion began an era');
sql($behind, q{COMMIT PREPARED 'old'});
exact($reader, $behind, 'after a failover, a transaction that was prepared before it');
ok($reader->{read}{1000}, 'its message has been read');
post($behind, 2401, 2410);
exact($reader, $behind, 'after a failover');

# The old primary is rewound and takes over again.
sql($behind, 'CHECKPOINT');
$first->start;    # pg_rewind wants a clean shutdown
$first->stop('fast');
my $own_conf = slurp_file($first->data_dir . '/postgresql.conf');    # pg_rewind copies the other's
command_ok([ 'pg_rewind', '--target-pgdata', $first->data_dir, '--source-server', $behind->connstr('postgres') ], 'the old primary is rewound');
unlink map { $first->data_dir . "/$_" } qw(postgresql.conf postgresql.auto.conf);
append_to_file($first->data_dir . '/postgresql.conf', $own_conf);
append_to_file($first->data_dir . '/postgresql.auto.conf', q{});
$first->enable_streaming($behind);
$first->start;
$behind->wait_for_catchup($first, 'replay');
$behind->stop('immediate');
$first->promote;
post($first, 3000, 3010);
exact($reader, $first, 'after the rewound primary took over');
is(eras($first), '0:1 1:2 2:3', 'and began an era');
$first->stop;

# A synchronous standby has all commits, and not the aborted transactions.
my $sync = new_node('sync', conf => $conf, allows_streaming => 1);
post($sync, 1, 10);
my $copy = standby_of($sync, 'copy');
$sync->append_conf('postgresql.conf', "synchronous_standby_names = '*'\nwal_writer_delay = 10s\n");
$sync->reload;
$reader = reader();
post($sync, 11, 20);
look($reader, $sync);
$copy->stop('fast');
roll_back($sync, 200);
$reader->{since} = "'" . sql($sync, 'SELECT cloudsat.current_snapshot()') . "'";
$sync->stop('immediate');
$copy->start;
$copy->promote;
post($copy, 21, 215);
exact($reader, $copy, 'after a synchronous failover');
$copy->stop;

# --- recovery to an earlier time -----------------------------------------------------------------------------------
my $later = new_node('later', conf => $conf, allows_streaming => 1, has_archiving => 1);
$later->backup('base');
post($later, 1, 10);
$reader = reader();
look($reader, $later);
my $target = sql($later, q{SELECT pg_create_restore_point('here')});
post($later, 11, 100);
look($reader, $later);
sql($later, 'SELECT pg_switch_wal()');
$later->stop;
my $back = PostgreSQL::Test::Cluster->new('back');
$back->init_from_backup($later, 'base', has_restoring => 1, standby => 0);
$back->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = 'promote'\n");
$back->start;
wait_until($back, 'SELECT pg_is_in_recovery()', 'f', 60, 'recovered to an earlier time');
delete $reader->{read}{$_} for 11 .. 100;
post($back, 11, 130);
exact($reader, $back, 'after recovery to an earlier time, of what was posted since');
like(slurp_file($back->logfile), qr/LOG:  the board begins era 1\n.*recovered, promoted or restored/, 'the log says that an era began');
$back->stop;

done_testing;
