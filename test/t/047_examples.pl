# The bots in examples/, as a reader would run them: logins of their own, enlisted for their addresses.
use strict;
use warnings;
use Cloudsat::Test;
use IPC::Run qw(start);
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $examples = "$FindBin::Bin/../../examples";
my $node = new_node('examples', conf => "cloudsat.databases = 'postgres'");

# what the head of each says an administrator does
for my $example ('worker.py', 'host.sh') {
	my @statements = slurp_file("$examples/$example") =~ /^#? +(CREATE ROLE .*|SELECT cloudsat\.enlist.*);$/mg;
	is(scalar @statements, 2, "$example says how to make its role a bot");
	sql(@statements);
}

my %log;
my @bots;

# how a program of this login finds the database
sub environment {
	my ($login) = @_;
	return (PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGUSER => $login);
}

# bot(NAME, LOGIN, COMMAND...): begins to run; its output is in $log{NAME}
sub bot {
	my ($name, $login, @command) = @_;
	{
		local %ENV = (%ENV, environment($login), PGAPPNAME => $name);
		push @bots, start(\@command, '<', \undef, '>&', \$log{$name});
	}
	wait_until("SELECT EXISTS (SELECT FROM cloudsat.connections WHERE application_name = '$name')", 't', 30, "$name registers");
	return $bots[-1];
}

# ask(CHANNEL, TEXT...): posts, returns the uuids. psql prints notifications among the rows.
sub ask {
	my ($chan, @texts) = @_;
	my $texts = join ', ', map { "\$t\$$_\$t\$" } @texts;
	return grep { /^[-0-9a-f]{36}$/ } split /\n/, sql(q{SELECT FROM cloudsat.register('{client@example.org}')},
		"SELECT cloudsat.post('client\@example.org', '$chan', ARRAY[$texts])");
}

# what was replied to this message, first to last
sub replies {
	my ($uuid) = @_;
	return "SELECT string_agg(disposition || ' ' || message, ', ' ORDER BY uuid) FROM cloudsat.messages WHERE before = '$uuid'";
}

# --- worker.py ----------------------------------------------------------------------------------------------------
my @python = ('/usr/bin/python3', "$examples/worker.py");
my $first = bot('first', 'worker', @python, 'app@i-1.digest.example.com');
my ($abc, $nothing) = ask('digest.example.com', 'abc', ' ');
wait_until(replies($abc),
	'acknowledged on it, end ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 30, 'a task is done');
wait_until(replies($nothing), 'acknowledged on it, problem there is nothing to digest', 30, 'a task fails');

bot('second', 'worker', @python, 'app@i-2.digest.example.com');
my @tasks = ask('digest.example.com', map { "task $_" } 1 .. 40);
my $done = sub { 'SELECT count(*) FROM cloudsat.messages WHERE before IN (' . join(', ', map { "'$_'" } @_) . ") AND disposition = 'end'" };
wait_until($done->(@tasks), 40, 30, 'forty tasks are done by two workers, each by one');

# the connection of one is cut: it comes back, and misses nothing
sql(q{SELECT pg_terminate_backend(pid) FROM cloudsat.connections WHERE application_name = 'first'});
my @more = ask('digest.example.com', map { "more $_" } 1 .. 10);
wait_until($done->(@more), 10, 30, 'a worker without a connection does not hold up the tasks');
wait_until(q{SELECT count(*) FROM cloudsat.connections WHERE application_name IN ('first', 'second')}, 2, 30,
	'it connects again');

# both are killed in the middle of a task: what one had claimed, the next one takes over
$_->kill_kill for @bots;
@bots = ();
wait_until('SELECT count(*) FROM cloudsat.connections', 0, 10, 'the session of a killed bot does not wait on');
my ($left) = ask('digest.example.com', 'left alone');
my ($taken) = ask('digest.example.com', 'taken and dropped');
sql(q{SET SESSION AUTHORIZATION worker}, q{SELECT FROM cloudsat.register('{app@i-3.digest.example.com}')},
	"SELECT cloudsat.claim('$taken')");
{
	local %ENV = (%ENV, environment('worker'));
	command_ok([ @python, 'app@i-1.digest.example.com', '--once' ], 'a worker does what there is, and ends');
}
is(sql($done->($left, $taken)), 2, 'the task that came meanwhile, and the one whose worker is gone');

# --- host.sh ------------------------------------------------------------------------------------------------------
my $host = bot('host', 'host', 'bash', "$examples/host.sh", 'app@i-42.web.example.com');
my ($load, $disk, $other) = ask('i-42.web.example.com', 'load', ' Disk ', q{'; rm -rf / #});
wait_until(replies($load), qr/^end .*load average/, 30, 'it tells the load');
wait_until(replies($disk), qr/^end .*Filesystem/s, 30, 'it tells of the disk');
$host->signal('TERM');
$host->finish;
@bots = ();
wait_until('SELECT count(*) FROM cloudsat.connections', 0, 30, 'it is gone');
my ($again) = ask('i-42.web.example.com', 'load');
bot('host', 'host', 'bash', "$examples/host.sh", 'app@i-42.web.example.com');
wait_until(replies($again), qr/^end /, 30, 'what was asked meanwhile, it answers when it is back');
is(sql("SELECT count(*) FROM cloudsat.messages WHERE before IN ('$load', '$disk', '$other', '$again')"), 3,
	'each message is answered once, and only what it understands');

$bots[0]->signal('TERM');
$bots[0]->finish;
done_testing;
