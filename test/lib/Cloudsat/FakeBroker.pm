# A broker that misbehaves on demand, for a test: test/fake_broker.py, which says what it can be told. Ends with the test.
#
#   my $fake = Cloudsat::FakeBroker->start;              or ->start(tls => 1, user => 'u', password => 'p')
#   $fake->queue('q', messages => 5000);                 declares it, or changes what is told of it
#   $fake->listed;                                       the names of all queues, sorted
#   $fake->tell('/queues', { count => 5 });              whatever else it can be told
#   $fake->behave('/api/vhosts', 'hang');                a request for exactly this path; further keys: times => 1, ...
#   $fake->seen->{by}{'GET /api/vhosts'};
#   $fake->server_sql('pulse', poll_interval => '1s');   CREATE SERVER and USER MAPPING
package Cloudsat::FakeBroker;
use strict;
use warnings;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IPC::Open3 qw(open3);
use JSON::PP ();
use Cloudsat::Broker;

sub start {
	my ($class, %options) = @_;
	my @command = ('python3', Cloudsat::Broker::tools_dir() . '/../fake_broker.py');
	push @command, '--tls', tempdir('tls-XXXX', DIR => $ENV{TESTDIR} // '/tmp', CLEANUP => 1) if $options{tls};
	push @command, '--port', $options{port} if $options{port};
	push @command, '--user', $options{user}, '--password', $options{password} if defined $options{user};
	my $pid = open3(my $in, my $out, '>&STDERR', @command);
	my $line = <$out> // die "the fake broker does not start\n";
	my $self = bless { pid => $pid, in => $in, out => $out, user => 'guardian', password => 'secret' }, $class;
	$self->{$1} = $2 while $line =~ /(\w+)=(\S+)/g;
	$self->{$_} = $options{$_} for grep { defined $options{$_} } qw(user password);
	return $self;
}

# it ends when its standard input does
sub stop {
	my ($self) = @_;
	close delete $self->{in} or warn "fake broker: $!\n" if $self->{in};
	waitpid delete $self->{pid}, 0 if $self->{pid};
	return;
}
sub DESTROY { local ($?, $@, $!); $_[0]->stop }

sub management_url { return "http://127.0.0.1:$_[0]{port}" }
sub metrics_url { return "http://127.0.0.1:$_[0]{port}" }

# tell('/path', { ... }): the control port's answer
sub tell {
	my ($self, $path, $body) = @_;
	my $json = JSON::PP->new->utf8->allow_nonref;
	my $answer = HTTP::Tiny->new(timeout => 60)
	  ->request(POST => "http://127.0.0.1:$self->{control}$path", { content => $json->encode($body // {}) });
	die "fake broker: $path: $answer->{status} $answer->{content}\n" if !$answer->{success};
	return $json->decode($answer->{content});
}
sub queue { my ($self, $name, %fields) = @_; return $self->tell('/queue', { name => $name, %fields }) }
sub listed { my ($self) = @_; return join ' ', sort @{ $self->tell('/queue_list') } }
sub behave {
	my ($self, $path, $behaviour, %more) = @_;
	return $self->tell('/behave', { path => $path, behaviour => $behaviour, %more });
}
sub behave_well { return $_[0]->tell('/unbehave') }
sub seen { return $_[0]->tell('/seen') }

sub server_sql {
	my ($self, $name, %options) = @_;
	return Cloudsat::Broker::sql_for($name, $self->{user}, $self->{password},
		management_url => $self->management_url, %options);
}

1;
