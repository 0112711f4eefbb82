# What cloudsat's TAP tests share, on top of PostgreSQL::Test: servers with the library preloaded, SQL on them, and waiting
# for a condition instead of sleeping; brokers real and fake, and a mail sink. Run by test/run, which sets the environment.
# What only tests of the guardian need is in Cloudsat::Guardian.
#
#   use Cloudsat::Test;
#   my $node = new_node('guard');                          a started server, extension created in database postgres
#   my $node = new_node('plain', preload => 0, extension => 0, conf => "log_statement = all");
#   my $node = init_node('bare');                          no more than initdb
#
# The functions below work on the first server that the file makes, or the one that it names since by use_node($node); with a
# server as their first argument, on that one.
#
#   sql('SELECT 1', ...)                                   runs statements in database postgres; gives their output
#   sql_in('other', 'SELECT 1', ...)                       the same in another database
#   as('alice', 'SELECT 1', ...)                           as that role; gives output, or SQLSTATE and message of an error
#   reports('SELECT 1/0', ...)                             what is reported besides the output, in full
#   error('SELECT 1/0', ...)                               SQLSTATE and message; without an error, what else is reported
#   error_in('other', 'SELECT 1/0', ...)                   the same in another database
#   becomes('SELECT count(*) FROM cloudsat.polls', '1', 'a poll');   waits for it; a check
#   wait_until('SELECT count(*) FROM cloudsat.polls', '1', 30, 'a poll');   with a limit of its own
#   until_true('SELECT true', 'it is true', 'other');      in another database
#   until_logged(qr/ready/, 'it is ready');                waits for the server's log; a check
#   nothing_broke();                                       a check of that log
#   settings(smtp_tls => 'off');                           ALTER SYSTEM SET cloudsat.smtp_tls, and a reload
#   crash();                                               kills a backend, and waits until the server is back
#
#   wait_for(30, sub { -e $file }) or die;                 waits for any other condition
#   my $fake = Cloudsat::FakeBroker->start;  my $broker = Cloudsat::Broker->new;       see there
#   my $sink = mail_sink();  my $mail = $sink->next('a mail comes');
package Cloudsat::Test;
use strict;
use warnings;
use Exporter qw(import);
use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Scalar::Util qw(blessed);
use Test::More;
use Time::HiRes qw(sleep time);
use Cloudsat::Broker;
use Cloudsat::FakeBroker;
use Cloudsat::MailSink;
use Cloudsat::Patience;

our @EXPORT = qw(init_node new_node use_node sql sql_in as reports error error_in becomes wait_until until_true until_logged nothing_broke settings
  crash wait_for within patience mail_sink shown_in_mail);

# Clusters are alike whoever runs the tests: their superuser is not named after the user of this machine. Every program
# that a test starts, and every server, connects as this one unless told otherwise.
my $superuser = 'postgres';
$ENV{PGUSER} = $superuser;

my $default_node;

sub init_node {
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$default_node //= $node;
	$node->init(%options, extra => [ '-U', $superuser, '-E', 'UTF8', '--locale=C.UTF-8' ]);
	return $node;
}

# new_node(name, preload => 1, extension => 1, conf => q{}, allows_streaming => 0, has_archiving => 0)
sub new_node {
	my ($name, %options) = @_;
	%options = (preload => 1, extension => 1, conf => q{}, %options);
	my $node = init_node($name, map { $_ => $options{$_} // 0 } qw(allows_streaming has_archiving));
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cloudsat'") if $options{preload};
	$node->append_conf('postgresql.conf', $options{conf});
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION cloudsat') if $options{extension};
	return $node;
}

sub use_node { ($default_node) = @_; return }

# the server that a call is for, taken from its arguments
sub node_of {
	my ($arguments) = @_;
	my $given = blessed $arguments->[0] && $arguments->[0]->isa('PostgreSQL::Test::Cluster');
	return $given ? shift @$arguments : $default_node // die "no server yet\n";
}

# The end of a statement has a line of its own: the one before may be a comment, or a command of psql.
sub script { return join "\n;\n", @_ }

sub sql { my $node = node_of(\@_); return $node->safe_psql('postgres', script(@_)) }
sub sql_in { my $node = node_of(\@_); my $database = shift; return $node->safe_psql($database, script(@_)) }

# run_as(NODE, DATABASE, ROLE, STATEMENT...): what psql prints, and what it reports
sub run_as {
	my ($node, $database, $role, @statements) = @_;
	my (undef, $out, $err) = $node->psql($database, "\\set VERBOSITY verbose\n" . script(@statements), extra_params => [ '-U', $role ]);
	return ($out, $err);
}
my $first_error = qr/(?:ERROR|FATAL):  (\w+: .*)/;
sub reports { return (run_as(node_of(\@_), 'postgres', $superuser, @_))[1] }
sub as { my ($out, $err) = run_as(node_of(\@_), 'postgres', @_); return $err =~ $first_error ? $1 : $out }
sub error { return error_in(node_of(\@_), 'postgres', @_) }
sub error_in {
	my ($node, $database) = (node_of(\@_), shift);
	my (undef, $err) = run_as($node, $database, $superuser, @_);
	return $err =~ $first_error ? $1 : $err;
}

# wait_for(SECONDS, sub { ... }): asks ten times a second whether the condition holds; false when the time is over
sub wait_for {
	my ($limit, $condition) = @_;
	my $end = time + patience($limit);
	until ($condition->()) {
		return 0 if time > $end;
		sleep 0.1;
	}
	return 1;
}

# ask_until(NODE, DATABASE, QUERY, EXPECTED, SECONDS, WHAT): asks until the query gives what is expected, or, with a pattern,
# something like it; a failed check when the time is over. Returns what it gave last.
sub ask_until {
	my ($node, $database, $query, $expected, $limit, $what) = @_;
	my $got;
	wait_for($limit, sub {
		$got = $node->safe_psql($database, $query);
		return ref $expected ? $got =~ $expected : $got eq $expected;
	});
	$what //= "comes true: $query";
	ref $expected ? like($got, $expected, $what) : is($got, $expected, $what);
	return $got;
}
sub wait_until { return ask_until(node_of(\@_), 'postgres', $_[0], $_[1], $_[2] // 60, $_[3]) }
sub becomes { return ask_until(node_of(\@_), 'postgres', $_[0], $_[1], 60, $_[2]) }
sub until_true { return ask_until(node_of(\@_), $_[2] // 'postgres', $_[0], 't', 60, $_[1]) }

sub until_logged {
	my $node = node_of(\@_);
	my ($pattern, $what) = @_;
	wait_for(60, sub { slurp_file($node->logfile) =~ $pattern });
	return like(slurp_file($node->logfile), $pattern, $what);
}
sub nothing_broke {
	my $node = node_of(\@_);
	return unlike(slurp_file($node->logfile), qr/TRAP|PANIC|signal 11|you don't own a lock/, 'nothing broke in ' . $node->name);
}

sub settings {
	my $node = node_of(\@_);
	my %settings = @_;
	sql($node, map({ "ALTER SYSTEM SET cloudsat.$_ = '$settings{$_}'" } sort keys %settings), 'SELECT FROM pg_reload_conf()');
	return;
}

sub crash {
	my $node = node_of(\@_);
	my $victim = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $victim->query('SELECT pg_backend_pid()');
	kill 'KILL', $pid;
	eval { $victim->quit };
	$node->poll_query_until('postgres', 'SELECT 1', '1') or die "the server does not recover\n";
	return;
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
