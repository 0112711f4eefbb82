# A PgBouncer of a test, in front of one of its clusters. It may open few connections, so that clients share them.
package Cloudsat::Pooler;

use strict;
use warnings;
use Carp qw(croak);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);
use Cloudsat::Patience;

# start(NODE, pool_mode, size): a pooler with that many connections for each user
sub start {
	my ($class, $node, $mode, $size) = @_;
	my $dir = $node->basedir . "/pooler_$mode";
	mkdir $dir or croak "$dir: $!";
	my $self = bless { host => $node->host, port => PostgreSQL::Test::Cluster::get_free_port(), dir => $dir, mode => $mode }, $class;
	append_to_file("$dir/users", join '', map { qq{"$_" ""\n} } split /\n/, $node->safe_psql('postgres', 'SELECT rolname FROM pg_roles WHERE rolcanlogin'));
	append_to_file("$dir/pgbouncer.ini", join "\n", '[databases]', '* = host=' . $node->host . ' port=' . $node->port, '[pgbouncer]',
		"pool_mode = $mode", "default_pool_size = $size", 'listen_addr =', "listen_port = $self->{port}", "unix_socket_dir = $self->{host}",
		'auth_type = trust', "auth_file = $dir/users", "logfile = $dir/log", "pidfile = $dir/pid", 'max_client_conn = 200', '');
	my @pgbouncer = grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer';
	@pgbouncer or croak 'pgbouncer is not installed';
	$self->{run} = IPC::Run::start([ $pgbouncer[0], '-q', "$dir/pgbouncer.ini" ], '<', \undef, '>', '/dev/null', '2>', \$self->{err});
	my $end = time + patience(30);
	until (-S "$self->{host}/.s.PGSQL.$self->{port}" || time > $end) { sleep 0.05; }
	return $self;
}

sub host { return $_[0]{host} }
sub port { return $_[0]{port} }

# psql(USER, STATEMENT...): what a client sees, each statement by itself; or SQLSTATE and message of its first error
sub psql {
	my ($self, $user, @statements) = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XqAt', '-h', $self->{host}, '-p', $self->{port}, '-U', $user, '-d', 'postgres', '-v', 'VERBOSITY=verbose',
			map { ('-c', $_) } @statements ], '<', \undef, '>', \$out, '2>', \$err);
	chomp $out;
	return $err =~ /(?:ERROR|FATAL):  (\w+: .*)/ ? $1 : $out;
}

sub stop {
	my ($self) = @_;
	if (my $run = delete $self->{run}) { $run->kill_kill(grace => 5) }
	return;
}

sub DESTROY { local ($?, $@, $!); $_[0]->stop }

1;
