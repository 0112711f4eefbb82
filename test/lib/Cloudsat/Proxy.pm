# A wire between a client and a server on 127.0.0.1, that a test can cut. Ends with the test.
#
#   my $proxy = Cloudsat::Proxy->start($port);                       $proxy->port leads to $port
#   my $proxy = Cloudsat::Proxy->start($port, after => 100_000, times => 3);     the first three connections are cut
#                                                  when the server has sent so many bytes
#   $proxy->cut;                                   cuts all connections there are; new ones may come
package Cloudsat::Proxy;
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use POSIX ();

sub start {
	my ($class, $port, %options) = @_;
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "cannot listen: $!\n";
	my $pid = fork // die "cannot fork: $!\n";
	if (!$pid) {
		eval { relay($listener, $port, %options) };
		POSIX::_exit(0);    # without the END blocks of the test
	}
	return bless { port => $listener->sockport, pid => $pid }, $class;
}
sub port { return $_[0]{port} }
sub cut { return kill 'USR1', $_[0]{pid} }

sub stop {
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return;
}
sub DESTROY { local ($?, $@, $!); $_[0]->stop }

sub relay {
	my ($listener, $port, %options) = @_;
	my ($cut, $left, %other, %sent) = (0, $options{times} // 0);
	local $SIG{USR1} = sub { $cut = 1 };
	local $SIG{TERM} = sub { POSIX::_exit(0) };
	local $SIG{PIPE} = 'IGNORE';
	my $select = IO::Select->new($listener);
	my $drop = sub {
		my @ends = ($_[0], $other{ $_[0] } // return);
		for my $end (@ends) {
			$select->remove($end);
			delete $other{$end};
			close $end;
		}
	};
	for (;;) {
		my @ready = $select->can_read(1);
		if ($cut) {
			$cut = 0;
			$drop->($_) for $select->handles;
			next;
		}
		for my $from (@ready) {
			if ($from == $listener) {
				my $client = $listener->accept or next;
				my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or next;
				@other{ $client, $server } = ($server, $client);
				$sent{$server} = 0;
				$select->add($client, $server);
				next;
			}
			my $to = $other{$from} or next;
			my $size = sysread $from, my $bytes, 65536;
			my $well = $size;
			for (my $at = 0; $well && $at < $size;) {
				my $n = syswrite $to, $bytes, $size - $at, $at;
				$well = defined $n;
				$at += $n // 0;
			}
			if ($well && $left && exists $sent{$from} && ($sent{$from} += $size) > $options{after}) {
				--$left;
				$well = 0;
			}
			$drop->($from) if !$well;
		}
	}
}

1;
