# Bots behind PgBouncer. In transaction mode sessions are shared, so a bot names its address in each call, and the role must
# be enlisted for it: nothing is posted in another's name. In session mode DISCARD ALL ends a registration with its lease.
use strict;
use warnings;
use Cloudsat::Test;
use Cloudsat::Pooler;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('pooled', conf => "cloudsat.notify = off\nmax_connections = 60\n");

sql('CREATE ROLE shop LOGIN', 'CREATE ROLE bank LOGIN', 'CREATE ROLE clerk LOGIN', q{SELECT cloudsat.enlist('shop', 'task', 'shop.example.com')},
	q{SELECT cloudsat.enlist('bank', 'task', 'bank.example.com')}, q{SELECT cloudsat.enlist('clerk', 'server', 'clerk.example.com')});
my $pooler = Cloudsat::Pooler->start($node, 'transaction', 2);

# --- nothing in another's name -------------------------------------------------------------------------------------
# Four clients of each login, each with an address of its own, on two connections for each login.
my @bots = map {
	my $login = $_;
	my ($out, $err) = ('', '');
	my $script = $node->basedir . "/$login.sql";
	append_to_file($script, qq{
		\\set to random(0, 3)
		SELECT cloudsat.post_as('$login:client_id.$login.example.com', 'c:to.example.com', '$login' || :client_id) AS task \\gset
		SELECT cloudsat.reply_as('$login:client_id.$login.example.com', ':task', 'info', '$login' || :client_id);
	});
	+{ login => $login, err => \$err, run => IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-j', 1, '-t', 50, '-f', $script,
				'-h', $pooler->host, '-p', $pooler->port, '-U', $login, 'postgres' ], '>', \$out, '2>', \$err) }
} qw(shop bank);
for my $bot (@bots) {
	$bot->{run}->finish;
	unlike(${ $bot->{err} }, qr/ERROR|abort/, "$bot->{login}: no error") or diag(${ $bot->{err} });
}
is(sql(q{SELECT count(*), count(DISTINCT poster) FROM cloudsat.messages}), '800|8', 'eight clients of two logins post and reply on four connections');
is(sql(q{SELECT count(*) FROM cloudsat.messages WHERE poster::text <> message || '.' || left(message, 4) || '.example.com'}), 0, 'no message is in the name of another');
cmp_ok(sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename IN ('shop', 'bank')}), '<=', 4, 'they shared connections');

# --- who may -------------------------------------------------------------------------------------------------------
is($pooler->psql('shop', q{SELECT cloudsat.post_as('x.bank.example.com', 'c.example.com', 'hello')}),
	'42501: role "shop" may not post as x.bank.example.com', 'a role posts only as addresses for which it is enlisted');
my $of_bank = sql(q{SELECT uuid FROM cloudsat.messages WHERE poster <@ 'bank.example.com' LIMIT 1});
for my $call (
	qq{cloudsat.reply_as('x.bank.example.com', '$of_bank', 'end', '')}, qq{cloudsat.reply_as('x.bank.example.com', 'c.example.com', '', '$of_bank', 'end')},
	qq{cloudsat.reply_many_as('x.bank.example.com', '{$of_bank}', 'end', '{x}')}, q{cloudsat.post_as('x.bank.example.com', 'c.example.com', '{x}'::text[])},
	qq{cloudsat.claim_as('x.bank.example.com', '$of_bank', '1 min')}, qq{cloudsat.release_as('x.bank.example.com', '$of_bank', 'end', '')}) {
	is($pooler->psql('shop', "SELECT $call"), '42501: role "shop" may not post as x.bank.example.com', "... $call" =~ s/\(.*//r);
}
like($pooler->psql('clerk', q{SELECT cloudsat.post_as('clerk.example.com', 'c.example.com', 'x')}), qr/^42501: role "clerk" may not start threads/,
	'a bot of kind server starts no thread');
like($pooler->psql('clerk', qq{SELECT cloudsat.reply_as('clerk.example.com', '$of_bank', 'info', 'seen')}), qr/^\w{8}-/, 'and replies');
sql(q{SELECT cloudsat.dismiss('bank')});
is($pooler->psql('bank', q{SELECT cloudsat.post_as('x.bank.example.com', 'c.example.com', 'x')}) =~ s/:.*//r, '42501', 'a dismissed role posts no more');
sql(q{SELECT cloudsat.enlist('bank', 'task', 'bank.example.com')});

# --- many at once --------------------------------------------------------------------------------------------------
my @tasks = split /\n/, $pooler->psql('shop', q{SELECT cloudsat.post_as('a.shop.example.com', 'bank.example.com', '{one,two,three}'::text[])});
is(scalar @tasks, 3, 'a batch of posts');
is($pooler->psql('bank', sprintf q{SELECT count(*) FROM cloudsat.reply_many_as('b.bank.example.com', '{%s}', 'end', '{done,done,failed}')}, join ',', @tasks), 3, 'a batch of replies');
is(sql(sprintf q{SELECT string_agg(r.message, ' ' ORDER BY r.uuid) FROM unnest('{%s}'::uuid[]) AS t JOIN cloudsat.messages AS r ON r.before = t AND r.chan = 'a.shop.example.com'}, join ',', @tasks),
	'done done failed', 'each reply to its parent, for the parent\'s poster');
is($pooler->psql('bank', qq{SELECT cloudsat.reply_many_as('b.bank.example.com', '{$tasks[0]}', 'end', '{a,b}')}),
	'2202E: parents and messages must have the same number of elements', 'a text for each parent');
is($pooler->psql('bank', qq{SELECT cloudsat.reply_many_as('b.bank.example.com', '{NULL}', 'end', '{a}')}), '22004: parents must not contain null', 'no null');

# --- reading, and waiting ------------------------------------------------------------------------------------------
my $since = $pooler->psql('bank', 'SELECT cloudsat.current_snapshot()');
is($pooler->psql('bank', "SELECT count(*) FROM cloudsat.inbox('bank.example.com'::cloudsat.address, '$since')"), 0, 'nothing new');
my ($out, $err) = ('', '');
my $wait = IPC::Run::start([ 'psql', '-XqAt', '-h', $pooler->host, '-p', $pooler->port, '-U', 'bank', '-d', 'postgres', '-c',
		"SELECT message FROM cloudsat.inbox('bank.example.com'::cloudsat.address, '$since', timeout => '100 s')" ], '<', \undef, '>', \$out, '2>', \$err);
wait_until(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'bank' AND wait_event_type = 'Extension'}, 1, 30, 'a reader waits in the pool');
$pooler->psql('shop', q{SELECT cloudsat.post_as('a.shop.example.com', 'bank.example.com', 'four')});
$wait->finish;
is($out, "four\n", 'and returns with the message') or diag($err);
like($pooler->psql('shop', q{SELECT * FROM cloudsat.inbox('bank.example.com'::cloudsat.address)}), qr/^42501: role "shop" may not read/, 'nobody reads what is for others');
is($pooler->psql('bank', "SELECT count(*) FROM cloudsat.inbox('bank.example.com'::cloudsat.address, max => 0)"), '22023: max must be at least 1', 'max is at least 1');
is($pooler->psql('bank', "SELECT count(*) FROM cloudsat.inbox('bank.example.com'::cloudsat.address, timeout => '-1 s')"), '22023: timeout must not be negative', 'timeout is not negative');

# --- claims --------------------------------------------------------------------------------------------------------
my $task = $pooler->psql('shop', q{SELECT cloudsat.post_as('a.shop.example.com', 'bank.example.com', 'transfer')});
my $claim = $pooler->psql('bank', qq{SELECT cloudsat.claim_as('b.bank.example.com', '$task', '1 min')});
like($claim, qr/^\w{8}-/, 'a claim with a lease');
is($pooler->psql('bank', qq{SELECT cloudsat.claim_as('c.bank.example.com', '$task', '1 min')}), '', 'another address of the login does not get it, on whatever connection');
is($pooler->psql('bank', qq{SELECT cloudsat.claim_as('b.bank.example.com', '$task', '2 min')}), $claim, 'its holder renews it');
is($pooler->psql('bank', qq{SELECT cloudsat.release_as('c.bank.example.com', '$task', 'end', 'done')}), "55000: message $task is not claimed by c.bank.example.com", 'nobody else releases it');
like($pooler->psql('bank', qq{SELECT cloudsat.release_as('b.bank.example.com', '$task', 'end', 'done')}), qr/^\w{8}-/, 'its holder releases it');
is($pooler->psql('bank', qq{SELECT cloudsat.claim_as('c.bank.example.com', '$task', '1 min')}), '', 'what has ended stays ended');
is($pooler->psql('bank', qq{SELECT cloudsat.claim_as('c.bank.example.com', '$task', NULL)}), '22004: lease must not be null', 'a claim without a connection needs a lease');
is($pooler->psql('shop', qq{SELECT cloudsat.claim_as('a.shop.example.com', '$task', '1 min')}), "42501: message $task is not on a subscription of a.shop.example.com",
	'an address claims what it hears');

# --- session mode --------------------------------------------------------------------------------------------------
my $sessions = Cloudsat::Pooler->start($node, 'session', 1);
my ($nick, $pid) = split /\n/, $sessions->psql('shop', q{SELECT FROM cloudsat.register('a.shop.example.com')}, 'SELECT cloudsat.nick()', 'SELECT pg_backend_pid()');
is($nick, 'a.shop.example.com', 'a client registers for its lease');
is($sessions->psql('shop', "SELECT cloudsat.nick() IS NULL, pg_backend_pid() = $pid"), 't|t', 'the next lease of the same connection is not registered');
$_->stop for $pooler, $sessions;
done_testing;
