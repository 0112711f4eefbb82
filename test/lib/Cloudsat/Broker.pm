# A real RabbitMQ for a test. One node serves a whole run of the suite; each test file gets a vhost of its own on it, so
# that no test sees another's queues. A test that stops its broker starts a node of its own.
#
#   my $broker = Cloudsat::Broker->new;          a fresh vhost on the shared node
#   my $broker = Cloudsat::Broker->start;        a node for this file alone: ->stop, ->kill, ->restart
#   $broker->queue('q', 3000);                   declares a durable queue, with so many messages; then its arguments
#   $broker->amqp(qw(declare q , publish q 3000));
#   $broker->queues;                             { q => 3000 }
#   $broker->server_sql('pulse', poll_interval => '1s');      CREATE SERVER and USER MAPPING as the guardian
package Cloudsat::Broker;
use strict;
use warnings;
use File::Basename qw(basename);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IPC::Open3 qw(open3);
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

my @to_end;
my $vhosts = 0;

sub tool {
	my @command = @_;
	my ($out, $err);
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err)
	  or die join(' ', map { basename($_) } @command[ 0, 1 ]) . " failed: $err\n";
	return $out;
}

sub tools_dir { return $ENV{CLOUDSAT_TOOLS} // die "CLOUDSAT_TOOLS is not set: run the tests by test/run\n" }

sub new {
	my ($class, $dir) = @_;
	return $class->start if !$dir && !$ENV{CLOUDSAT_BROKER};
	my $self = bless { dir => $dir // $ENV{CLOUDSAT_BROKER} }, $class;
	open my $in, '<', "$self->{dir}/env" or die "no broker in $self->{dir}: $!\n";
	while (<$in>) { $self->{$1} = $2 if /^broker_(\w+)="?([^"\n]*)"?$/ }
	$self->{vhost} = join '_', basename($0, '.pl'), $$, ++$vhosts;
	$self->make_vhost;
	push @to_end, $self;
	return $self;
}

# A node of its own, ended with this test.
sub start {
	my ($class) = @_;
	my $dir = tempdir('broker-XXXX', DIR => $ENV{TESTDIR} // '/tmp', CLEANUP => 1);
	tool(tools_dir() . '/rabbitmq', 'start', $dir);
	my $self = $class->new($dir);
	$self->{own} = 1;
	return $self;
}
sub stop { my ($self) = @_; tool(tools_dir() . '/rabbitmq', 'stop', $self->{dir}) }
sub kill { my ($self) = @_; tool(tools_dir() . '/rabbitmq', 'kill', $self->{dir}) }
sub restart { my ($self) = @_; tool(tools_dir() . '/rabbitmq', 'start', $self->{dir}) }
sub ctl { my ($self, @arguments) = @_; return tool(tools_dir() . '/rabbitmq', 'ctl', $self->{dir}, @arguments) }

sub make_vhost {
	my ($self) = @_;
	my %rights = (configure => '.*', write => '.*', read => '.*');
	$self->must_api(PUT => "/vhosts/" . escape($self->{vhost}), {});
	$self->must_api(PUT => "/permissions/" . escape($self->{vhost}) . "/admin", \%rights);
	$self->must_api(PUT => "/permissions/" . escape($self->{vhost}) . "/guardian", { %rights, write => '^amq\\.default$' });
}

sub vhost { return $_[0]{vhost} }
sub management_url { return "http://127.0.0.1:$_[0]{management_port}" }
sub metrics_url { return "http://127.0.0.1:$_[0]{metrics_port}" }
sub amqp_url { return "amqp://127.0.0.1:$_[0]{amqp_port}" }
sub amqps_url { return "amqps://127.0.0.1:$_[0]{amqps_port}" }
sub ca_file { return "$_[0]{dir}/tls/ca.pem" }
sub password { return $_[0]{guardian_password} }

sub escape { my ($name) = @_; $name =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge; return $name }

# api(METHOD, '/path', body) -> (status, decoded answer), as admin
sub api {
	my ($self, $method, $path, $body) = @_;
	my $answer = HTTP::Tiny->new(timeout => 60)->request(
		$method,
		$self->management_url . "/api$path",
		{
			headers => {
				authorization => 'Basic ' . encode_base64("admin:$self->{admin_password}", ''),
				'content-type' => 'application/json'
			},
			content => defined $body ? JSON::PP->new->utf8->encode($body) : ''
		});
	my $decoded = eval { JSON::PP->new->utf8->decode($answer->{content}) };
	return wantarray ? ($answer->{status}, $decoded) : $decoded;
}

sub must_api {
	my ($self, $method, $path, $body) = @_;
	my ($status, $answer) = $self->api($method, $path, $body);
	die "$method $path: $status\n" if $status !~ /^2/;
	return $answer;
}

# what each queue of the vhost holds now: { name => messages }
sub queues {
	my ($self) = @_;
	my $rows = $self->must_api(GET => '/queues/' . escape($self->{vhost}) . '?disable_stats=true&enable_queue_totals=true');
	return { map { $_->{name} => $_->{messages} } @$rows };
}

sub amqp_command {
	my ($self, @commands) = @_;
	return ($ENV{CLOUDSAT_AMQP} // 'amqp', $self->{amqp_port}, $self->{user} // 'admin', $self->{password} // $self->{admin_password},
		$self->{vhost}, @commands);
}
# the same broker, where ->amqp and ->hold are somebody else's
sub as { my ($self, $user, $password) = @_; return bless { %$self, user => $user, password => $password }, ref $self }

# amqp('declare', 'q', ',', 'publish', 'q', 3000): see test/tools/amqp.cpp; gives what it prints, line by line
sub amqp { my ($self, @commands) = @_; return split /\n/, tool($self->amqp_command(@commands)) }

sub queue { my ($self, $name, $messages, @arguments) = @_; return $self->amqp('declare', $name, 'durable', @arguments, ',', 'publish', $name, $messages) }

# The same, with the connection held open until ->finish is called on what this gives: for exclusive queues, consumers
# and unacknowledged messages. Comes back when the commands have run.
sub hold {
	my ($self, @commands) = @_;
	my $pid = open3(my $in, my $out, undef, $self->amqp_command(@commands, ',', 'hold'));
	while (defined(my $line = <$out>)) {
		return bless { pid => $pid, in => $in, out => $out }, 'Cloudsat::Broker::Held' if $line eq "holding\n";
		die $line if $line =~ /^amqp: /;
	}
	die "amqp ended before it held\n";
}

# the SQL that makes this broker known to the guardian, with any further options; undef leaves one out
sub server_sql {
	my ($self, $name, %options) = @_;
	return sql_for($name, 'guardian', $self->password,
		management_url => $self->management_url, vhosts => "^$self->{vhost}\$", %options);
}
sub sql_for {
	my ($name, $user, $password, %options) = @_;
	my $list = join ', ', map { "$_ " . literal($options{$_}) } grep { defined $options{$_} } sort keys %options;
	return "CREATE SERVER $name FOREIGN DATA WRAPPER rabbitmq OPTIONS ($list);\n"
	  . "CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (user "
	  . literal($user) . ', password ' . literal($password) . ");\n";
}
sub literal { my ($text) = @_; $text =~ s/'/''/g; return $text =~ /\\/ ? "E'" . $text =~ s/\\/\\\\/gr . "'" : "'$text'" }

END {
	local $?;
	for my $broker (@to_end) {
		if ($broker->{own}) { eval { tool(tools_dir() . '/rabbitmq', 'kill', $broker->{dir}) } }
		else { eval { $broker->api(DELETE => '/vhosts/' . escape($broker->{vhost})) } }
	}
}

package Cloudsat::Broker::Held;
sub finish { my ($self) = @_; close $self->{in}; waitpid $self->{pid}, 0; return }

1;
