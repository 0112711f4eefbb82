# Whoever may declare queues cannot have the guardian mail whom he likes what he likes: a queue's name alone makes nobody a
# recipient, however the incident is told on the board; its words do not pass for the guardian's; and mails have a limit.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use Cloudsat::FakeBroker;
use Test::More;

my $node = new_node('relay', extension => 0, conf => "cloudsat.databases = 'postgres'\nmax_worker_processes = 16");
my $fake = Cloudsat::FakeBroker->start;
my $sink = mail_sink();
sub fate { return sql("SELECT kind, state, outcome FROM cloudsat.outbox WHERE recipient = '$_[0]' ORDER BY id") }

sql('CREATE EXTENSION cloudsat');
sql($fake->server_sql('pulse', address => 'guardian@example.com', poll_interval => '300s', max_poll_interval => '300s', admins => 'ops@example.com'));
wait_until(q{SELECT count(*) FROM cloudsat.polls}, 1, 30, 'the guard has polled for the first time');
my $lure = 'queue/victim@elsewhere.example/Dear customer, renew at http://evil.example/';
like(explained($lure, 'mail'), qr/^\|cloudsat\.smtp_url is not set;/, 'without a mail server nobody is mailed');
settings($sink->settings);
is(sql('SHOW cloudsat.smtp_tls'), 'off', 'there is a mail server');

# --- strangers
overgrow($fake, $lure);
is(fate('victim@elsewhere.example'), 'warned|dropped|known only from the name of the queue, and not in mail_domains', 'a stranger is not mailed, and that is told');
is(sql(q{SELECT count(*) FROM cloudsat.messages WHERE chan = 'victim@elsewhere.example'}), 1, 'the thread on the board is there all the same');
is(explained($lure, 'mail'), '|victim@elsewhere.example is known only from the name of the queue, and not in mail_domains', 'explain_queue says so');

# --- those who are known
overgrow($fake, 'queue/ops@example.com/mine');
like($sink->next('an admin is known')->{head}, qr/^X-To: ops\@example.com\r/m, 'and mailed');
sql(q{SELECT cloudsat.set_account_owners('pulse', 'team', '{carol@corp.example, bot.corp.example}')});
overgrow($fake, 'queue/team/jobs');
like($sink->next('the owner of an account is known')->{head}, qr/^X-To: carol\@corp.example\r/m, 'and mailed');
is(explained('queue/team/jobs', 'mail'), 'carol@corp.example|', 'explain_queue says whom');
sql(q{UPDATE cloudsat.outbox SET sent_at = sent_at - interval '1 hour'});
overgrow($fake, 'queue/carol@corp.example/other');
like($sink->next('by another name, too')->{subject}, qr/other/, 'of which the account says nothing');
sql(q{ALTER SERVER pulse OPTIONS (ADD mail_domains 'corp.example, partner.example')});
overgrow($fake, 'queue/dave@dept.corp.example/jobs', 'queue/eve@corp.example.evil.example/jobs');
like($sink->next('an address of a domain that is named')->{head}, qr/^X-To: dave\@dept.corp.example\r/m, 'is mailed');
is(fate('eve@corp.example.evil.example'), 'warned|dropped|known only from the name of the queue, and not in mail_domains', 'one that looks like it is not');
is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE state = 'dropped'}), 2, 'nothing is dropped but that');
sql(q{ALTER SERVER pulse OPTIONS (SET mail_domains '.')});
overgrow($fake, "queue/frank\@anywhere.example/Dear customer, renew at HTTP://evil.example/x or pay\@evil.example \x{202e}\x{061c}\x{ad}\x{3164}\"\n\nYours, the bank" . 'x' x 80);
my $mail = $sink->next('the root is everybody');
like($mail->{head}, qr/^X-To: frank\@anywhere.example\r/m, 'as PulseGuardian does it');

# --- names are names
for my $text ($mail->{subject}, $mail->{body}) {
	unlike($text, qr{http://|evil\.example|pay\@|[\x{202e}\x{061c}\x{ad}\x{3164}]}i, 'nothing in a name is a link, or invisible');
	like($text, qr{"queue/frank\[\@\]anywhere\[\.\]example/Dear customer, renew at HTTP\[:\]//evil\[\.\]example/x or pay\[\@\]evil\[\.\]example \\u202e\\u061c\\u00ad\\u3164\\"\\u000a\\u000aYours}, 'it is quoted');
	unlike($text, qr/x{80}/, 'and shortened');
}

# --- a name that is percent-encoded, because it has a NUL, names no other owner
sub owner { return sql("SELECT value FROM cloudsat.explain_queue('pulse', '/', '$_[0]') WHERE item = 'owner'") }
is(owner('queue/al%00ice@x.example/q (percent-encoded)'), '', 'an owner with a NUL is none');
is(owner('queue/al%25ice@x.example/q%00 (percent-encoded)'), 'al%ice@x.example', 'one without is meant');
is(owner('queue/al%00ice@x.example/q'), 'al%00ice@x.example', 'a percent sign by itself is one');
overgrow($fake, "queue/nul\0\@x.example/q");
is(sql(q{SELECT count(*), count(owner) FROM cloudsat.queues WHERE name LIKE 'queue/nul%'}), '1|0', 'so nobody is warned');
is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE recipient::text LIKE 'nul%'}), 0, 'nor mailed');

# --- those who are known first
sql(q{UPDATE cloudsat.outbox SET sent_at = sent_at - interval '2 hours'});
overgrow($fake, 'queue/a1@x.example/q', 'queue/a2@x.example/q', 'queue/team/third');
like($sink->next('of those whom one poll warns')->{head}, qr/^X-To: carol\@corp.example\r/m, 'an owner of an account does not wait for those who are known by a name');
$sink->next('who come after that') for 1 .. 2;

# --- so many an hour
is(($node->psql('postgres', q{ALTER SERVER pulse OPTIONS (ADD max_mails '0')}))[0], 3, 'a limit of none is refused');
sql(q{UPDATE cloudsat.outbox SET sent_at = sent_at - interval '2 hours'; ALTER SERVER pulse OPTIONS (ADD max_mails '3')});
overgrow($fake, map { "queue/many$_\@x.example/q" } 1 .. 5);
$sink->next("mail $_ of three") for 1 .. 3;
wait_until(q{SELECT string_agg(DISTINCT outcome, ','), count(*), bool_and(due > now() + interval '58 min') FROM cloudsat.outbox
	WHERE state = 'waiting' AND recipient <@ 'x.example'}, 'its broker has caused max_mails within an hour|2|t', 30, 'the others wait, and say why');
is($sink->next('the admins are told')->{subject}, '[pulse] Mails to owners are delayed', 'that mails are held back');
like(explained(sql(q{SELECT queue FROM cloudsat.outbox WHERE state = 'waiting' LIMIT 1}), 'mail'),
	qr/^many\d\@x.example\|a notice to many\d\@x.example waits until 2.*: its broker has caused max_mails within an hour$/, 'explain_queue says that it waits');
overgrow($fake, 'queue/team/more');
like($sink->next('an owner of an account')->{head}, qr/^X-To: carol\@corp.example\r/m, 'is mailed all the same');
overgrow($fake, 'queue/many6@x.example/q');
wait_until(q{SELECT outcome FROM cloudsat.outbox WHERE recipient = 'many6@x.example'}, 'its broker has caused max_mails within an hour', 30, 'another waits');
is(sql(q{SELECT count(*) FROM cloudsat.outbox WHERE kind = 'mails_held'}), 1, 'of which the admins are told once in an hour');
$fake->behave('/api/vhosts', 'status', code => 500);
$node->psql('postgres', q{SELECT cloudsat.poll('pulse')}) for 1 .. 3;
is($sink->next('admins are told of a broker all the same')->{subject}, '[pulse] The broker cannot be polled', 'at once');
$fake->behave_well;
sql(q{UPDATE cloudsat.outbox SET sent_at = sent_at - interval '1 hour', due = least(due, now())});
$sink->next('when the hour is over they go') for 1 .. 3;
$node->stop;
done_testing;
