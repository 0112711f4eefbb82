# How long a test waits for what takes a moment on an idle machine: on a busy one in proportion longer, so that no test
# fails because of what else runs there. What hangs, hangs for a minute and more, and is still told from what is slow.
#
#   patience(2)        seconds: 2, or 6 where three times as many processes want to run as there are processors
package Cloudsat::Patience;
use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max);

our @EXPORT = qw(patience);

sub lines { my ($file) = @_; open my $in, '<', $file or return; return <$in> }
my $processors = grep({ /^cpu\d/ } lines('/proc/stat')) || 1;

sub patience {
	my ($seconds) = @_;
	# over the last minute, and just now
	my ($load, $running) = join('', lines('/proc/loadavg')) =~ m{^(\S+) \S+ \S+ (\d+)/};
	return $seconds * max(1, map { ($_ // 0) / $processors } $load, $running);
}

1;
