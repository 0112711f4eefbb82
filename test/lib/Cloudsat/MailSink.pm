# A mail server that keeps what it is given, for a test: test/tools/smtp, which says what it can be told. Ends with the
# test.
#
#   my $sink = mail_sink(qw(tls auth=me:secret));         from Cloudsat::Test
#   settings($sink->settings);                            cloudsat's settings to mail to it, without TLS
#   $sink->{port};  $sink->{ca};                          and the authority that signed its certificate
#   my $mail = $sink->next('a warning comes');            waits for it; a check
#   $mail->{subject};  $mail->{'message-id'};             fields of the header, unfolded and decoded
#   $mail->{body};  $mail->{source};                      the text, decoded; and all of it as it came
#   $sink->none('nothing came');
#   $sink->answer('451 later');  $sink->answer;           from now on; as it should
package Cloudsat::MailSink;
use strict;
use warnings;
use Encode qw(decode);
use File::Temp qw(tempdir);
use MIME::QuotedPrint qw(decode_qp);
use Test::More;
use Time::HiRes qw(sleep time);
use Cloudsat::Broker;
use Cloudsat::Patience;

my @sinks;

sub tool { return Cloudsat::Broker::tool(Cloudsat::Broker::tools_dir() . '/smtp', @_) }
sub text { my ($file) = @_; open my $in, '<:raw', $file or die "$file: $!\n"; local $/; return scalar <$in> }

sub start {
	my ($class, @options) = @_;
	my $dir = tempdir('mail-XXXX', DIR => $ENV{TESTDIR} // '/tmp', CLEANUP => 1);
	tool('start', $dir, @options);
	push @sinks, $dir;
	chomp(my $port = text("$dir/port"));
	return bless { dir => $dir, port => $port, ca => "$dir/ca.pem", seen => 0 }, $class;
}

sub settings { my ($self) = @_; return (smtp_url => "smtp://127.0.0.1:$self->{port}", smtp_tls => 'off', mail_from => 'guardian@example.com') }

sub mails { my ($self) = @_; return map { text($_) } sort glob "$self->{dir}/mail/*.eml" }

sub next {
	my ($self, $what) = @_;
	my $end = time + patience(30);
	my @mails = $self->mails;
	while (@mails <= $self->{seen} && time < $end) {
		sleep 0.05;
		@mails = $self->mails;
	}
	my $source = $mails[ $self->{seen}++ ];
	ok(defined $source, $what) or die "no mail came: $what\n";    # all that follows would wait in vain
	my ($head, $body) = split /\r\n\r\n/, $source, 2;
	my %mail = (source => $source, head => $head, body => decode('UTF-8', decode_qp($body)));
	$head =~ s/\r\n\s+/ /g;
	$mail{ lc $1 } = decode('MIME-Header', $2) while $head =~ /^([\w-]+): (.*?)\r?$/mg;
	return \%mail;
}
sub none { my ($self, $what) = @_; return is(scalar($self->mails), $self->{seen}, $what) }

# to the mail's text, or with a second argument to RCPT
sub answer {
	my ($self, $text, $command) = @_;
	my $file = "$self->{dir}/" . ($command // 'answer');
	return unlink $file if !defined $text;
	open my $out, '>', "$file.part" or die "$file: $!\n";
	print {$out} "$text\n";
	close $out or die "$file: $!\n";
	return rename "$file.part", $file;
}

END {
	local $?;
	eval { tool('stop', $_) } for @sinks;
}

1;
