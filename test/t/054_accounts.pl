# Accounts of a real RabbitMQ: made, changed and ended by SQL; asked for by mail; found in the broker. They can log in and
# touch no more than is theirs, and no password stands anywhere that it should not.
use strict;
use warnings;
use Cloudsat::Guardian;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $broker = Cloudsat::Broker->new;
my $sink = mail_sink();
my $node = new_node('accounts', extension => 0, conf => "cloudsat.databases = 'postgres'\nmax_worker_processes = 16\nlog_statement = none\n"
	  . "cloudsat.smtp_url = 'smtp://127.0.0.1:$sink->{port}'\ncloudsat.smtp_tls = off\ncloudsat.mail_from = 'guardian\@example.com'");
my $vhost = $broker->vhost;
my %names = map { $_ => "$_.$$" } qw(alice bob carol dave erin frank grace heidi ivan);
my ($alice, $bob) = @names{qw(alice bob)};

sub fails {
	my ($query, $pattern, $what) = @_;
	my ($status, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$query");
	return like($error, $pattern, $what) && $status;
}
# what a client with that name and password gets: '' when all went well
sub client {
	my ($user, $password, @commands) = @_;
	return eval { $broker->as($user, $password)->amqp(@commands); 1 } ? '' : $@;
}
sub gone {
	my ($queue, $what) = @_;
	return ok(wait_for(10, sub { !exists $broker->queues->{$queue} }), $what);
}
sub user { return scalar $broker->api(GET => '/users/' . Cloudsat::Broker::escape($_[0])) }
sub status { return ($broker->api(GET => '/users/' . Cloudsat::Broker::escape($_[0])))[0] }
sub five_minutes_pass { return sql(q{UPDATE cloudsat.polls SET users_at = users_at - interval '5 min'}) }
END {
	local $?;
	$broker->api(DELETE => '/users/' . Cloudsat::Broker::escape($_)) for grep { $broker } values %names, 'zed@example.com';
}

sql('CREATE EXTENSION cloudsat');
my @slow = (poll_interval => '1h', max_poll_interval => '1h');
sql(Cloudsat::Broker::sql_for('pulse', 'admin', $broker->{admin_password}, management_url => $broker->management_url,
	vhosts => "^$vhost\$", reserved_owners => '^(reserved|admin$|guardian$)', @slow));
sql($broker->server_sql('watched', vhosts => "^$vhost", admins => 'ops@example.com', @slow));

# --- made by an administrator
sql("SELECT cloudsat.create_account('pulse', '$alice', 'p\xc3\xa4ss-\$w\xc3\xb6rd', '{alice\@example.com, bot.example.com}')");
is(client($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd", 'declare', "queue/$alice/jobs", 'durable'), '', 'an account logs in and declares a queue of its own');
like(client($alice, 'wrong', 'declare', "queue/$alice/jobs", 'durable'), qr/./, 'with its password only');
is(sql("SELECT origin, password_at IS NOT NULL, gone_at FROM cloudsat.accounts WHERE username = '$alice'"), 'created|t|', 'it is noted');
is(sql("SELECT string_agg(owner::text, ' ' ORDER BY owner) FROM cloudsat.account_owners WHERE username = '$alice'"),
	'alice@example.com bot.example.com', 'with its owners');
like(user($alice)->{tags}[0], qr/^cloudsat-[\w-]{12}$/, 'it has a tag of ours, which allows nothing');
is(scalar(@{ user($alice)->{tags} }), 1, 'and no other');
$broker->amqp('declare', "queue/other/jobs", 'durable', ',', 'declare', 'bare', 'durable');
for my $queue ("queue/other/jobs", 'bare', "queue/${alice}x/jobs", 'queue/' . ($alice =~ s/\./x/r) . '/jobs', "x/queue/$alice/jobs") {
	like(client($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd", 'declare', $queue, 'durable'), qr/ACCESS_REFUSED|403/, "it may not declare $queue");
	like(client($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd", 'get', $queue, 1), qr/ACCESS_REFUSED|403/, 'nor read it');
}
like(client($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd", 'bind', "queue/$alice/jobs", 'amq.topic', '#'), qr/ACCESS_REFUSED|403/,
	'nor bind to an exchange that is not its own');
like(client($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd", 'publish', "queue/$alice/jobs", 1), qr/ACCESS_REFUSED|403|refused/, 'nor publish by the default exchange');
fails("SELECT cloudsat.create_account('pulse', '$alice', 'xxxxxxxx', '{a\@example.com}')", qr/42710: account "\Q$alice\E" of broker "pulse" already exists/,
	'there is one of a name');
is(client($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd", 'get', "queue/$alice/jobs", 1), '', 'and it stays as it is');
is(sql("SELECT count(*) FROM cloudsat.account_owners WHERE username = '$alice'"), '2', 'so do its owners');

# --- changed
# a queue that is there for as long as its consumer is
$broker->amqp('declare', "queue/$alice/live", 'auto_delete', ',', 'publish', "queue/$alice/live", 1);
my $held = $broker->as($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd")->hold('consume', "queue/$alice/live", 1);
$broker->must_api(PUT => "/permissions/$vhost/$alice", { configure => 'mine', write => 'mine', read => '.*' });
sql("SELECT cloudsat.set_account_password('pulse', '$alice', 'second-1')");
like(client($alice, "p\xc3\xa4ss-\$w\xc3\xb6rd", 'get', "queue/$alice/jobs", 1), qr/./, 'the old password is of no use any more');
is(client($alice, 'second-1', 'get', "queue/$alice/jobs", 1), '', 'the new one is');
like(user($alice)->{tags}[0], qr/^cloudsat-/, 'tags stay');
is($broker->must_api(GET => "/permissions/$vhost/$alice")->{configure}, 'mine', 'permissions that the broker has changed stay, too');
ok(exists $broker->queues->{"queue/$alice/live"}, 'a live connection goes on');
sql("SELECT cloudsat.set_account_owners('pulse', '$alice', '{Bob\@Example.com, bob\@example.com}')");
is(sql("SELECT string_agg(owner::text, ' ') FROM cloudsat.account_owners WHERE username = '$alice'"), 'bob@example.com', 'it has another owner');
sql("SELECT cloudsat.set_account_owners('pulse', '$alice', '{}')");
is(sql("SELECT count(*), (SELECT count(*) FROM cloudsat.account_owners WHERE username = '$alice') FROM cloudsat.accounts WHERE username = '$alice'"),
	'1|0', 'or none');

# --- deleted
sql("SELECT cloudsat.delete_account('pulse', '$alice')");
is(status($alice), 404, 'an account is deleted in the broker');
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$alice'"), '0', 'and here');
gone("queue/$alice/live", 'its connections end');
$held->finish;
ok(exists $broker->queues->{"queue/$alice/jobs"}, 'its queues stay');
fails("SELECT cloudsat.delete_account('pulse', '$alice')", qr/42704: account/, 'what is unknown here cannot be deleted');
fails("SELECT cloudsat.set_account_password('pulse', '$alice', 'xxxxxxxx')", qr/42704: account/, 'nor be given a password');

# --- what was begun and not committed can be done again
sql("BEGIN; SELECT cloudsat.create_account('pulse', '$bob', 'password-one', '{bob\@example.com}'); ROLLBACK");
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$bob'"), '0', 'rolled back, it is not there');
is(status($bob), 200, 'but in the broker');
sql("SELECT cloudsat.create_account('pulse', '$bob', 'password-two', '{bob\@example.com}')");
is(client($bob, 'password-two', 'declare', "queue/$bob/jobs", 'durable'), '', 'it is made again');
sql("BEGIN; SELECT cloudsat.delete_account('pulse', '$bob'); ROLLBACK");
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$bob'"), '1', 'a deletion that was rolled back leaves the row');
fails("SELECT cloudsat.set_account_password('pulse', '$bob', 'xxxxxxxx')", qr/42704:.*DETAIL:  The broker has no such user/s, 'that has no user');
sql("SELECT cloudsat.create_account('pulse', '$bob', 'password-three', '{bob\@example.com}')");
is(client($bob, 'password-three', 'declare', "queue/$bob/jobs", 'durable'), '', 'which can be made again');
sql("BEGIN; SELECT cloudsat.delete_account('pulse', '$bob'); ROLLBACK; SELECT cloudsat.delete_account('pulse', '$bob')");
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$bob'"), '0', 'or be deleted again');

# --- refused
$broker->must_api(PUT => "/users/$names{carol}", { password => 'hers', tags => '' });
fails("SELECT cloudsat.create_account('pulse', '$names{carol}', 'xxxxxxxx', '{a\@example.com}')",
	qr/42710:.*The broker has a user with this name/s, 'a user that the broker has is not taken over');
$broker->must_api(PUT => "/users/$names{carol}", { password => 'hers', tags => 'cloudsat-AAAAAAAAAAAA' });
fails("SELECT cloudsat.create_account('pulse', '$names{carol}', 'xxxxxxxx', '{a\@example.com}')",
	qr/42710:/, 'nor is one that another database made');
sql("SELECT cloudsat.set_account_owners('pulse', '$names{carol}', '{carol\@example.com}')");
is(sql("SELECT origin FROM cloudsat.accounts WHERE username = '$names{carol}'"), 'declared', 'but it can be declared to be somebody\'s');
sql("SELECT cloudsat.set_account_password('pulse', '$names{carol}', 'new-word')");
is_deeply(user($names{carol})->{tags}, ['cloudsat-AAAAAAAAAAAA'], 'then its password can be changed, and its tags stay');
sql("SELECT cloudsat.set_account_owners('pulse', 'nobody', '{carol\@example.com}'), cloudsat.set_account_owners('pulse', 'nobody', '{}')");
is(sql(q{SELECT count(*) FROM cloudsat.accounts WHERE username = 'nobody'}), '0', 'what is only declared is forgotten with its owners');
for my $change ("create_account('pulse', 'admin', 'xxxxxxxx', '{a\@example.com}')", "set_account_password('pulse', 'admin', 'xxxxxxxx')",
	"delete_account('pulse', 'admin')") {
	fails("SELECT cloudsat.$change", qr/55006: "admin" is the guardian's own user/, "not by $change");
}
fails("SELECT cloudsat.create_account('pulse', '$_', 'xxxxxxxx', '{a\@example.com}')", qr/42602: invalid user name/, "a name like '$_' is refused")
  for '', '..', 'a/b', 'a b', "\xc3\xa9", '-x';
fails("SELECT cloudsat.create_account('pulse', 'x', '', '{a\@example.com}')", qr/22023: password is too short.*DETAIL:  A password has at least 8 characters and at most 1024 bytes\..*HINT:  Choose a longer password\./s, 'an empty password, too');
fails("SELECT cloudsat.create_account('pulse', 'x', repeat('x', 1025), '{a\@example.com}')", qr/22023: password is too long/, 'a long one');
fails("SELECT cloudsat.create_account('pulse', 'x', 'xxxxxxxx', '{}')", qr/22023: an account needs an owner/, 'nobody as owner');
fails("SELECT cloudsat.create_account('pulse', 'x', 'xxxxxxxx', '{null}')", qr/22004: addresses must not contain null/, 'null as owner');
fails("SELECT cloudsat.create_account('pulse', 'x', null, '{a}')", qr/22004: password must not be null/, 'null as password');
fails("SELECT cloudsat.create_account('nowhere', 'x', 'xxxxxxxx', '{a}')", qr/42704: server "nowhere" does not exist/, 'a server that is none');
fails("SELECT cloudsat.create_account('watched', '$names{dave}', 'hush-hush', '{a\@example.com}')",
	qr/42501: broker "watched" does not allow the guardian to change users: .*tag administrator/s, 'a guardian that only watches');
is(status($names{dave}), 404, 'then there is none');
unlike(slurp_file($node->logfile), qr/hush-hush/, 'the log does not have the password of what failed');
like(slurp_file($node->logfile), qr/does not allow the guardian to change users/, 'but has the error');

# --- asked for
sub request {
	my ($name, $owner) = @_;
	is(sql("SELECT cloudsat.request_account('pulse', '$name', '$owner')"), '', "$owner asks for $name");
	my $mail = $sink->next('a mail comes');
	like($mail->{head}, qr/^X-To: \Q$owner\E\r/m, 'to the owner');
	return $mail;
}
sub token_of { my ($mail) = @_; return $mail->{body} =~ /^    ([\w-]{32})$/m ? $1 : BAIL_OUT("no token: $mail->{body}") }
my $erin = $names{erin};
my $mail = request($erin, 'erin@example.com');
is($mail->{subject}, qq{[pulse] Confirm the account "${\ shown_in_mail($erin)}"}, 'its subject');
my $token = token_of($mail);
is(sql('SELECT count(*) FROM cloudsat.accounts WHERE username = ' . "'$erin'"), '0', 'so far there is nothing');
is(sql("SELECT count(*) FROM cloudsat.account_requests AS r WHERE r::text ~ '$token'"), '0', 'the token is not in the table');
wait_until("SELECT state, body IS NULL FROM cloudsat.outbox WHERE kind = 'account'", 'sent|t', 20, 'nor in the outbox, once it is sent');
fails("SELECT cloudsat.confirm_account('" . reverse($token) . "', 'xxxxxxxx')", qr/22023: invalid token/, 'a wrong token');
sql("BEGIN; SELECT cloudsat.confirm_account('$token', 'first-one'); ROLLBACK");
is(sql("SELECT * FROM cloudsat.confirm_account('$token', 'chosen-it')"), "pulse|$erin", 'a token makes the account, also after a rollback');
is(client($erin, 'chosen-it', 'declare', "queue/$erin/jobs", 'durable'), '', 'with the password that was chosen');
is(sql("SELECT a.origin, o.owner FROM cloudsat.accounts AS a JOIN cloudsat.account_owners AS o USING (server, username) WHERE username = '$erin'"),
	'confirmed|erin@example.com', 'it is the owner\'s');
fails("SELECT cloudsat.confirm_account('$token', 'once-again')", qr/22023: invalid token/, 'a token is good for once');
is(client($erin, 'chosen-it', 'get', "queue/$erin/jobs", 1), '', 'and so the password stays');
my $taken = request($erin, 'mallory@example.com');
is($taken->{subject}, qq{[pulse] The account "${\ shown_in_mail($erin)}" is taken}, 'that a name is taken, only the mail tells');
unlike($taken->{body}, qr/^    /m, 'and it has no token');

my ($first, $second) = map { token_of(request($names{frank}, $_)) } 'frank@example.com', 'fred@example.com';
sql("SELECT cloudsat.confirm_account('$second', 'freds-own')");
fails("SELECT cloudsat.confirm_account('$first', 'franks-own')", qr/42710:.*Another request for this name was confirmed first/s, 'of two who ask for one name the first to confirm has it');
is(client($names{frank}, 'freds-own', 'declare', "queue/$names{frank}/x", 'durable'), '', 'and keeps it');

$token = token_of(request($names{grace}, 'grace@example.com'));
sql(q{UPDATE cloudsat.account_requests SET expires_at = now() - interval '1 s' WHERE owner = 'grace@example.com'});
fails("SELECT cloudsat.confirm_account('$token', 'xxxxxxxx')", qr/22023: invalid token/, 'a token expires');
sql('SELECT cloudsat.maintain()');
is(sql(q{SELECT count(*), count(*) FILTER (WHERE owner = 'grace@example.com') FROM cloudsat.account_requests}), '4|0', 'what has expired is pruned');

$token = token_of(request($names{heidi}, 'heidi@example.com'));
$broker->must_api(PUT => "/users/$names{heidi}", { password => 'hers', tags => user($erin)->{tags}[0] });
fails("SELECT cloudsat.confirm_account('$token', 'xxxxxxxx')", qr/42710:.*The broker has a user with this name/s,
	'a user that the broker has cannot be had by mail, whoever made it');
$broker->must_api(DELETE => "/users/$names{heidi}");
is(sql("SELECT username FROM cloudsat.confirm_account('$token', 'xxxxxxxx')"), $names{heidi}, 'when it is no more, it can');

sql(q{INSERT INTO cloudsat.account_requests SELECT sha256(i::text::bytea), 'pulse', 'x', 'many@example.com', i, now(), now() + interval '1 h'
	FROM generate_series(1, 3) AS i});
fails("SELECT cloudsat.request_account('pulse', 'many4.$$', 'many\@example.com')", qr/53400: too many accounts were requested for many\@example.com/,
	'an owner gets three mails');
sql(q{UPDATE cloudsat.account_requests SET expires_at = now() - interval '1 s' WHERE owner = 'many@example.com' AND place = 2});
request("many5.$$", 'many@example.com');
sql(q{DELETE FROM cloudsat.account_requests WHERE owner = 'many@example.com'; INSERT INTO cloudsat.account_requests SELECT sha256(i::text::bytea), 'pulse', 'x', 'x@example.com', i, now(), now() + interval '1 h'
	FROM generate_series(1, 100) AS i});
fails("SELECT cloudsat.request_account('pulse', 'x.$$', 'y\@example.com')", qr/53400: too many accounts were requested within an hour/,
	'all together get a hundred an hour');
sql(q{DELETE FROM cloudsat.account_requests WHERE owner = 'x@example.com'});
fails("SELECT cloudsat.request_account('pulse', 'x.$$', '$_->[0]')", $_->[1], $_->[2])
  for [ 'host.example.com', qr/22023: owner host.example.com cannot receive mail/, 'an owner without a mailbox' ],
  [ "a\@b\nBcc: c\@d", qr/22P02/, 'an owner that is no address' ];
fails("SELECT cloudsat.request_account('pulse', '$_->[0]', 'y\@example.com')", $_->[1], $_->[2])
  for [ 'zed@example.com', qr/22023: user name "zed\@example.com" is the e-mail address of another owner/, 'the address of somebody else' ],
  [ 'reserved1', qr/42939: user name "reserved1" is reserved/, 'a reserved name' ], [ '../x', qr/42602/, 'a name that is none' ];
$token = token_of(request('zed@example.com', 'zed@example.com'));
sql("SELECT cloudsat.confirm_account('$token', 'zeds-own')");
is(client('zed@example.com', 'zeds-own', 'declare', 'queue/zed@example.com/jobs', 'durable'), '', 'an address can have the account of its name');
sql(q{CREATE ROLE portal; GRANT USAGE ON SCHEMA cloudsat TO portal; GRANT USAGE ON TYPE cloudsat.address TO portal;
	GRANT EXECUTE ON FUNCTION cloudsat.request_account, cloudsat.confirm_account TO portal});
$token = token_of(do { sql(qq{SET ROLE portal; SELECT cloudsat.request_account('pulse', '$names{ivan}', 'ivan\@example.com')}); $sink->next('a role that may ask') });
is(sql(qq{SET ROLE portal; SET search_path = pg_temp; CREATE TEMP TABLE accounts(); SELECT username FROM cloudsat.confirm_account('$token', 'xxxxxxxx')}),
	$names{ivan}, 'and confirm, needs no more than that');

# --- found in the broker
poll('queues', 'watched');
is(sql(q{SELECT count(*) FROM cloudsat.accounts WHERE server = 'watched'}), '0', 'a guardian that only watches adopts nobody');
is(sql(q{SELECT consecutive_failures, users_at IS NOT NULL FROM cloudsat.polls WHERE server = 'watched'}), '0|t', 'and that is no fault');
poll();
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE server = 'pulse' AND origin = 'adopted'"), '0', 'without admins there is nobody to adopt');
sql(q{ALTER SERVER pulse OPTIONS (ADD admins 'ops@example.com, pager')});
poll();
my $mallet = Cloudsat::Broker::escape("mallet.$$\r\nx");
$names{mallet} = "mallet.$$\r\nx";
$broker->must_api(PUT => "/users/$_", { password => 'x', tags => '' }) for $names{dave}, $mallet, 'alice.' . $$ . '%40example.com';
$names{address} = "alice.$$\@example.com";
five_minutes_pass();
poll();
is(sql("SELECT origin, (SELECT string_agg(owner::text, ' ' ORDER BY owner) FROM cloudsat.account_owners AS o WHERE o.username = a.username)
	FROM cloudsat.accounts AS a WHERE server = 'pulse' AND username = '$names{dave}'"), 'adopted|ops@example.com pager',
	'a user without an owner is the admins\'');
is(sql("SELECT owner FROM cloudsat.account_owners WHERE username = '$names{address}'"), $names{address}, 'one that is called by an address is its own');
is(sql(q{SELECT count(*) FROM cloudsat.accounts WHERE username IN ('admin', 'guardian')}), '0', 'reserved ones are nobody\'s');
is(sql("SELECT origin FROM cloudsat.accounts WHERE username = '$erin'"), 'confirmed', 'those who have an owner keep it');
$mail = $sink->next('the admins are told');
like($mail->{subject}, qr/^\[pulse\] \d+ users without an owner$/, 'by mail');
like($mail->{body}, qr/^  "\Q${\ shown_in_mail($names{dave})}\E"$/m, 'that says who');
like($mail->{body}, qr/^  "mallet\[\.\]$$\\u000d\\u000ax"$/m, 'whatever they are called');
is(sql(q{SELECT count(*) FROM cloudsat.messages WHERE chan IN ('ops@example.com', 'pager') AND message ~ 'without an owner'}), '2', 'and on the board');
$broker->must_api(DELETE => "/users/$_") for $names{dave}, $erin;
poll();
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$names{dave}'"), '1', 'they are listed now and then');
five_minutes_pass();
poll();
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$names{dave}'"), '0', 'an adopted one that is gone is forgotten');
is(sql("SELECT gone_at IS NOT NULL FROM cloudsat.accounts WHERE username = '$erin'"), 't', 'of others it is noted');
sql("SELECT cloudsat.create_account('pulse', '$erin', 'xxxxxxxx', '{erin\@example.com}')");
is(sql("SELECT gone_at FROM cloudsat.accounts WHERE username = '$erin'"), '', 'until they are back');

# an account that is being changed for long stops no poll
my $slow = $node->background_psql('postgres');
$slow->query_safe("BEGIN; SELECT cloudsat.set_account_owners('pulse', '$erin', '{x\@example.com}')");
$broker->must_api(PUT => "/users/$names{dave}", { password => 'x', tags => '' });
five_minutes_pass();
within(10, 'a poll passes by an open transaction', sub { poll() });
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$names{dave}'"), '0', 'and adopts nobody');
$slow->query_safe('COMMIT');
$slow->quit;
poll();
is(sql("SELECT count(*) FROM cloudsat.accounts WHERE username = '$names{dave}'"), '1', 'but the next one does');
sql('ALTER SERVER pulse RENAME TO pulse2');
poll('queues', 'pulse2');
is(sql("SELECT server FROM cloudsat.account_owners WHERE username = '$erin'"), 'pulse2', 'accounts follow a server that is renamed');

# --- a broker that hangs
my $fake = Cloudsat::FakeBroker->start;
sql($fake->server_sql('hanging', timeout => '60s', @slow));
$fake->behave('/api/users/x', 'hang');
within(5, 'a call is cancelled while the broker hangs', sub {
	fails(q{SET statement_timeout = '500ms'; SELECT cloudsat.create_account('hanging', 'x', 'hush-hush', '{a@example.com}')}, qr/57014/, 'cancelled');
});
$fake->behave('/api/users/x', 'status', code => 500);
fails(q{SELECT cloudsat.create_account('hanging', 'x', 'hush-hush', '{a@example.com}')}, qr/HV000: request to broker "hanging" failed/, 'an error of the broker is told');
is(sql(q{SELECT count(*) FROM cloudsat.accounts WHERE server = 'hanging'}), '0', 'and leaves nothing');
unlike(slurp_file($node->logfile), qr/hush-hush|freds|chosen/, 'no password is in the log');
$node->stop;
done_testing();
