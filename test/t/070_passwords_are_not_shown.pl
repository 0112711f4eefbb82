# A password that a failing call was given is neither in what the client is told nor in the log, however the call was made;
# and it can be given so that it is in no statement's text.
use strict;
use warnings;
use Cloudsat::Test;
use Cloudsat::FakeBroker;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('secrets', preload => 0, conf => "log_min_error_statement = debug5\nlog_min_messages = info\nlog_statement = none\nlog_error_verbosity = verbose");
my $fake = Cloudsat::FakeBroker->start;
my $secret = 'hush-hush';

# what the client is told of a failure, and what is logged of it
sub failure {
	my ($query) = @_;
	my $from = -s $node->logfile;
	my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$query");
	return ($error, substr(slurp_file($node->logfile), $from));
}
sub hides {
	my ($query, $pattern, $what) = @_;
	my ($told, $logged) = failure($query);
	like($told, $pattern, "$what: the failure is told");
	like($logged, $pattern, 'and logged');
	unlike($told, qr/$secret/, 'without the password');
	unlike($logged, qr/$secret/, 'in the log, too');
}

sql($fake->server_sql('pulse', timeout => '60s'));
my ($refused) = failure("LOAD 'cloudsat';\nALTER SYSTEM SET cloudsat.smtp_url = 'smtp://u:$secret\@127.0.0.1:25'");
like($refused, qr/ERROR:  22023: invalid value for parameter "cloudsat.smtp_url"/, 'a mail server with a password in its URL is refused');
unlike($refused, qr/$secret/, 'without the password');
$fake->behave('/api/users/u', 'status', code => 500);
my $call = "cloudsat.create_account('pulse', 'u', '$secret', '{a\@b.c}')";
my $fault = qr/HV000: request to broker "pulse" failed/;
hides("SELECT $call", $fault, 'a plain statement');
hides("DO \$\$BEGIN PERFORM $call; END\$\$", $fault, 'PL/pgSQL');
hides("DO \$\$BEGIN EXECUTE 'SELECT " . ($call =~ s/'/''/gr) . "'; END\$\$", $fault, 'EXECUTE');
sql("CREATE FUNCTION inner_one() RETURNS void LANGUAGE sql AS \$\$SELECT $call\$\$;
	CREATE FUNCTION outer_one() RETURNS void LANGUAGE plpgsql AS 'BEGIN PERFORM inner_one(); END'");
hides('SELECT outer_one()', $fault, 'a function in a function');
hides("DO \$\$BEGIN BEGIN PERFORM $call; EXCEPTION WHEN others THEN RAISE; END; END\$\$", $fault, 'an error that is raised again');
hides("DO \$\$BEGIN PERFORM cloudsat.set_account_password('pulse', 'nobody', '$secret'); END\$\$", qr/42704: account "nobody"/, 'set_account_password');
hides("DO \$\$BEGIN PERFORM cloudsat.confirm_account('token', '$secret'); END\$\$", qr/22023: invalid token/, 'confirm_account');
hides("DO \$\$BEGIN PERFORM cloudsat.create_account('nowhere', 'u', '$secret', '{a\@b.c}'); END\$\$", qr/42704: server "nowhere" does not exist/, 'an argument');
hides("DO \$\$BEGIN PERFORM cloudsat.create_account('pulse', 'u', '$secret', null); END\$\$", qr/22004: owners must not be null/, 'null');
hides("DO \$\$BEGIN EXECUTE 'CREATE USER MAPPING FOR PUBLIC SERVER pulse OPTIONS (password ''$secret'')'; END\$\$",
	qr/HV\w+: option "user" is missing/, 'a user mapping');
hides("CREATE USER MAPPING FOR PUBLIC SERVER pulse OPTIONS (password '$secret')", qr/option "user" is missing/, 'a plain user mapping');
$fake->behave('/api/users/u', 'hang');
hides("SET statement_timeout = '300ms'; DO \$\$BEGIN PERFORM $call; END\$\$", qr/57014/, 'a call that is cancelled');
$fake->behave('/api/users/u', 'status', code => 500);

# what others call afterwards is told as ever
like((failure(q{DO $$BEGIN BEGIN PERFORM } . $call . q{; EXCEPTION WHEN others THEN NULL; END; PERFORM 1/0; END$$}))[0],
	qr/CONTEXT:  SQL (?:statement|expression) "SELECT 1\/0"/, 'the context of an error after it is whole');
like((failure("DO \$\$BEGIN PERFORM $call; END\$\$"))[0], qr/CONTEXT:  calling statements not shown: they may contain a password/, 'what is hidden is said');

# --- places that are no text of a statement
my $file = $node->basedir . '/password';
PostgreSQL::Test::Utils::append_to_file($file, "$secret\n");
sub arrives {
	my ($query, $what) = @_;
	my ($told, $logged) = failure("SET log_statement = 'all'; SET log_parameter_max_length = 0;\n$query");
	like($told, $fault, "$what: the call is made");
	unlike($told . $logged, qr/$secret/, 'and no log has the password');
}
arrives("SELECT cloudsat.create_account('pulse', 'u', split_part(pg_read_file('$file'), E'\\n', 1), '{a\@b.c}')", 'from a file of the server');
arrives("CREATE TEMP TABLE given (password text);\n\\copy given FROM '$file'\nSELECT cloudsat.create_account('pulse', 'u', password, '{a\@b.c}') FROM given",
	'from a file of the client');
SKIP: {
	my ($version) = `psql --version` =~ /(\d+)/;
	skip('psql is older than 16', 2) if $version < 16;
	arrives("\\set password `cat $file`\nSELECT cloudsat.create_account('pulse', 'u', \$1, '{a\@b.c}') \\bind :password \\g", 'as a parameter');
}

# --- what is no password
for my $short ('', 'seven77', "\xc3\xa4" x 7) {
	like((failure("SELECT cloudsat.create_account('pulse', 'u', '$short', '{a\@b.c}')"))[0],
		qr/22023: password is too short\nDETAIL:  A password has at least 8 characters and at most 1024 bytes\.\nHINT:  Choose a longer password\./,
		length($short) . ' bytes are too few');
}
like((failure("SELECT cloudsat.create_account('pulse', 'u', '" . "\xc3\xa4" x 8 . "', '{a\@b.c}')"))[0], $fault, 'eight characters are enough');
$node->stop;
done_testing();
