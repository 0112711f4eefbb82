# What cloudsat's TAP tests share, on top of PostgreSQL::Test: servers with the library preloaded, brokers real and
# fake, a mail sink, and waiting for a condition instead of sleeping. Run by test/run, which sets the environment.
#
#   use Cloudsat::Test;
#   my $node = new_node('guard');                          a started server, extension created in database postgres
#   my $node = new_node('plain', preload => 0, extension => 0, conf => "log_statement = all");
#   my $node = init_node('bare');                          no more than initdb
#   wait_until($node, 'SELECT count(*) FROM cloudsat.polls', '1');
#   my $fake = Cloudsat::FakeBroker->start;  my $broker = Cloudsat::Broker->new;       see there
#   my $sink = mail_sink();  my $mail = $sink->next('a mail comes');
package Cloudsat::Test;
use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Cloudsat::Broker;
use Cloudsat::FakeBroker;
use Cloudsat::MailSink;
use Cloudsat::Patience;

our @EXPORT = qw(init_node new_node wait_until within patience mail_sink shown_in_mail);

# Clusters are alike whoever runs the tests: their superuser is not named after the user of this machine. Every program
# that a test starts, and every server, connects as this one unless told otherwise.
my $superuser = 'postgres';
$ENV{PGUSER} = $superuser;

sub init_node {
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%options, extra => [ '-U', $superuser, '-E', 'UTF8', '--locale=C.UTF-8' ]);
	return $node;
}

# new_node(name, preload => 1, extension => 1, conf => '', allows_streaming => 0)
sub new_node {
	my ($name, %options) = @_;
	%options = (preload => 1, extension => 1, conf => q{}, %options);
	my $node = init_node($name, allows_streaming => $options{allows_streaming} // 0);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cloudsat'") if $options{preload};
	$node->append_conf('postgresql.conf', $options{conf});
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION cloudsat') if $options{extension};
	return $node;
}

# Asks ten times a second until the query gives what is expected, or, with a pattern, something like it; a failed check
# when the time (seconds) is over. Returns what it gave last.
sub wait_until {
	my ($node, $query, $expected, $limit, $what) = @_;
	my $end = time + patience($limit // 60);
	my ($got, $fits);
	do {
		sleep 0.1 if defined $got;
		$got = $node->safe_psql('postgres', $query);
		$fits = ref $expected ? $got =~ $expected : $got eq $expected;
	} until $fits || time > $end;
	$what //= "comes true: $query";
	$fits ? pass($what) : ref $expected ? like($got, $expected, $what) : is($got, $expected, $what);
	return $got;
}

# within(SECONDS, 'what', sub { ... }): a check that it takes no longer, on an idle machine
sub within {
	my ($limit, $what, $action) = @_;
	my ($began, $patience) = (time, patience($limit));
	$action->();
	my ($took, $most) = (time - $began, max($patience, patience($limit)));
	ok($took <= $most, "$what within $limit s") or diag(sprintf 'it took %.1f s; with this load %.1f s are allowed', $took, $most);
	return $took;
}

sub mail_sink { return Cloudsat::MailSink->start(@_) }

# A harmless name as mails show it: with what could make a link of it in brackets.
sub shown_in_mail { return $_[0] =~ s/[.:@](?=[^ ])/[$&]/gr }

1;
