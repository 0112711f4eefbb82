# Mail servers: what each of their answers leads to, over which connections mail goes out and over which it does not, and
# that one that hangs keeps nobody waiting.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Cloudsat::FakeBroker;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('mail_servers', extension => 0, conf => "cloudsat.databases = 'postgres'\nmax_worker_processes = 16");
my $fake = Cloudsat::FakeBroker->start;
my $sink = mail_sink();

sub outcome { return sql("SELECT outcome FROM cloudsat.outbox WHERE queue LIKE '%$_[0]%' ORDER BY id DESC LIMIT 1") }
sub retry_now { return sql('UPDATE cloudsat.outbox SET due = now(), outcome = NULL WHERE due > now()') }

sql('CREATE EXTENSION cloudsat');
settings($sink->settings);
sql($fake->server_sql('pulse', timeout => '20s', mail_domains => '.', poll_interval => '300s', max_poll_interval => '300s'));
wait_until(q{SELECT count(*) FROM cloudsat.polls}, 1, 30, 'the guard has polled for the first time');

# --- what a mail server may answer
$sink->answer('451 4.7.1 come back later');
overgrow($fake, 'queue/frank@example.com/later');
wait_until(q{SELECT state, attempts, due > now() + interval '50 s', mail IS NULL FROM cloudsat.outbox WHERE queue LIKE '%later'},
	'waiting|1|t|t', 20, 'a mail that is not taken now waits for a minute');
like(outcome('later'), qr/^127.0.0.1 port \d+ answered the mail with: 451 4.7.1 come back later$/, 'the outbox says why');
$sink->answer;
retry_now();
$sink->next('then it is sent');
wait_until(q{SELECT state, attempts FROM cloudsat.outbox WHERE queue LIKE '%later'}, 'sent|2', 20, 'at the second attempt');

$sink->answer('550 no thanks');
overgrow($fake, 'queue/frank2@example.com/never');
wait_until(q{SELECT state FROM cloudsat.outbox WHERE queue LIKE '%never'}, 'failed', 20, 'what is refused has failed');
$sink->answer;
$sink->answer('550 5.1.1 no such user', 'rcpt');
overgrow($fake, 'queue/frank3@example.com/unknown');
wait_until(q{SELECT state FROM cloudsat.outbox WHERE queue LIKE '%unknown'}, 'failed', 20, 'so has what nobody would get');
like(outcome('unknown'), qr/answered RCPT with: 550 5.1.1 no such user/, 'for that reason');
like(slurp_file($node->logfile), qr/mail to "frank3\@example.com" failed: .* no such user/, 'as the log says too');
$sink->answer(undef, 'rcpt');

$sink->answer('drop');
overgrow($fake, 'queue/grace@example.com/twice');
my $first = $sink->next('a mail server that takes a mail and says nothing');
wait_until(q{SELECT state, attempts, due > now() FROM cloudsat.outbox WHERE queue LIKE '%twice'}, 'sending|1|t', 20,
	'leaves nobody knowing');
like(outcome('twice'), qr/closed the connection after the mail$/, 'as the outbox says');
$sink->answer;
retry_now();
my $second = $sink->next('so it is sent again');
is($second->{'message-id'}, $first->{'message-id'}, 'with the same Message-ID');
is($second->{source}, $first->{source}, 'it is the same mail');
wait_until(q{SELECT state, attempts FROM cloudsat.outbox WHERE queue LIKE '%twice'}, 'sent|2', 20, 'until it is known');
$sink->answer('drop');
overgrow($fake, 'queue/heidi@example.com/always');
for my $attempt (1 .. 5) {
	$sink->next("mail $attempt");
	wait_until(qq{SELECT attempts FROM cloudsat.outbox WHERE queue LIKE '%always' AND outcome IS NOT NULL}, $attempt, 20,
		"attempt $attempt");
	retry_now();
}
wait_until(q{SELECT state, attempts FROM cloudsat.outbox WHERE queue LIKE '%always'}, 'failed|5', 20,
	'a mail is not repeated for ever');
$sink->answer;

# --- a mail server that is not there, and one that is not trusted
$sink = mail_sink(qw(tls auth=me:correct-horse));
settings(smtp_url => "smtp://127.0.0.1:$sink->{port}", smtp_tls => 'require');
overgrow($fake, 'queue/ivan@example.com/secured');
sub wait_for_outcome {
	my ($pattern, $what) = @_;
	wait_until(q{SELECT state || ': ' || outcome FROM cloudsat.outbox WHERE queue LIKE '%secured'}, $pattern, 30, $what);
	is(scalar($sink->mails), 0, 'and no mail is handed over');
	return;
}
wait_for_outcome(qr/^waiting: could not secure the connection to 127.0.0.1 port \d+: /, 'a certificate of an unknown authority is refused');
my $password = $node->basedir . '/smtp.password';
append_to_file($password, "wrong-horse\n");
settings(smtp_ca_file => $sink->{ca}, smtp_user => 'me', smtp_password_file => $password);
wait_for_outcome(qr/^waiting: 127.0.0.1 port \d+ does not accept the user or the password \(535\)$/, 'so is a wrong password');
unlink $password;
append_to_file($password, "correct-horse\n");
my $plain = mail_sink();
for my $tls (qw(require opportunistic)) {
	settings(smtp_url => "smtp://127.0.0.1:$plain->{port}", smtp_tls => $tls);
	wait_for_outcome(qr/^waiting: 127.0.0.1 port $plain->{port} offers no TLS$/, "a password does not go out in clear: $tls");
}
is(scalar($plain->mails), 0, 'nor does the mail');
settings(smtp_url => 'smtp://127.0.0.1:1');
wait_for_outcome(qr/^waiting: could not connect to 127.0.0.1 port 1: connection refused$/, 'a mail server that is down is waited for');
like(slurp_file($node->logfile), qr/LOG:  cloudsat launcher for postgres cannot send mail: could not connect/, 'the log says so');
settings(smtp_url => "smtp://127.0.0.1:$sink->{port}", smtp_tls => 'require');
like($sink->next('STARTTLS and a password')->{subject}, qr/secured/, 'and then it is sent, all the same');
wait_until(q{SELECT state, attempts FROM cloudsat.outbox WHERE queue LIKE '%secured'}, 'sent|1', 20,
	'no attempt counts that no mail server heard of');

$sink = mail_sink(qw(smtps auth=me:correct-horse));
settings(smtp_url => "smtps://127.0.0.1:$sink->{port}", smtp_ca_file => $sink->{ca});
overgrow($fake, 'queue/judy@example.com/smtps');
$sink->next('TLS from the start');
unlike(slurp_file($node->logfile), qr/(correct|wrong)-horse/, 'no password stands in the log');
is(sql(q{SELECT count(*) FROM cloudsat.outbox AS o WHERE o::text ~ '(correct|wrong)-horse'}), 0, 'nor in the outbox');
sql('CREATE ROLE mallory LOGIN; GRANT cloudsat_admin TO mallory');
for my $setting (qw(smtp_user smtp_password_file)) {
	my ($status, $out, $err) = $node->psql('postgres', "SHOW cloudsat.$setting", extra_params => [ '-U', 'mallory' ]);
	like($err, qr/superuser|pg_read_all_settings/, "cloudsat.$setting is not for everybody");
}

# --- settings that make no sense
for my $case (
	[ smtp_url => 'http://mail', qr/must begin with "smtp:/ ],
	[ smtp_url => 'smtp://me:secret@mail', qr/must not contain a user name or password/ ],
	[ mail_from => 'example.com', qr/address with a local part/ ],
	[ mail_from => "a\@b.example\r\nBcc: c\@d", qr/address with a local part/ ],
	[ smtp_ca_file => 'ca.pem', qr/absolute path/ ],
	[ smtp_tls => 'perhaps', qr/invalid value/ ])
{
	my ($name, $value, $reason) = @$case;
	my ($status, $out, $err) = $node->psql('postgres', "ALTER SYSTEM SET cloudsat.$name = '$value'");
	like($err, $reason, "cloudsat.$name is checked");
}
settings(mail_from => '');
overgrow($fake, 'queue/ken@example.com/nosender');
until_logged(qr/cannot send mail: cloudsat.mail_from is not set/, 'a sender that is missing is missed');
settings(mail_from => 'guardian@example.com');
$sink->next('until there is one');

# --- a mail server that hangs: before it says a word, and when it has been given the mail
sub keeps_nobody_waiting {
	my ($how) = @_;
	wait_until(q{SELECT count(*) FROM cloudsat.outbox WHERE state = 'sending'}, 1, 20, "a mail server hangs $how");
	within(2, "$how: a poll is not delayed", sub { poll() });
	sql('CREATE DATABASE unrelated');
	within(2, "$how: nor is DROP DATABASE", sub { sql('DROP DATABASE unrelated') });
	my $third = Cloudsat::FakeBroker->start;
	sql($third->server_sql('third', mail_domains => '.'));
	wait_until(q{SELECT count(*) FROM cloudsat.polls WHERE server = 'third'}, 1, 10, "$how: a new broker gets its guard");
	sql('DROP SERVER third CASCADE; DELETE FROM cloudsat.polls WHERE server = $$third$$');
	is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cloudsat launcher' AND (xact_start IS NOT NULL
		OR backend_xmin IS NOT NULL)}), 0, "$how: no transaction is open");
	within(2, "$how: stop()", sub { sql('SELECT cloudsat.stop()') });
	is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE state = 'sending'}), 1, "$how: the mail is marked");
	sql('SELECT cloudsat.start()');
	wait_until(q{SELECT count(*) FROM cloudsat.worker_status WHERE kind = 'launcher'}, 1, 20, "$how: a new launcher");
	return;
}
my $silent = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1', Proto => 'tcp') or die "no socket: $!\n";
settings(smtp_url => 'smtp://127.0.0.1:' . $silent->sockport, smtp_timeout => '600s');
overgrow($fake, 'queue/leo@example.com/silent');
keeps_nobody_waiting('before it says a word');
settings(smtp_timeout => '1s');
retry_now();
wait_until(q{SELECT outcome FROM cloudsat.outbox WHERE queue LIKE '%silent'}, qr/did not answer within \d+ ms/, 20,
	'its time is limited');
sql(q{DELETE FROM cloudsat.outbox WHERE queue LIKE '%silent'});
$sink = mail_sink();
$sink->answer('hang');
settings(smtp_url => "smtp://127.0.0.1:$sink->{port}", smtp_tls => 'off', smtp_user => '', smtp_timeout => '600s');
overgrow($fake, 'queue/mia@example.com/hanging');
keeps_nobody_waiting('with the mail in hand');
my $id = sql(q{SELECT mail FROM cloudsat.outbox WHERE queue LIKE '%hanging'});
$sink->answer;
retry_now();
is($sink->next('after that it is sent again')->{'message-id'}, "<$id\@example.com>", 'as the same mail');

nothing_broke();
within(2, 'pg_ctl stop -m fast', sub { $node->stop('fast') });
done_testing;
