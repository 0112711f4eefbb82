# The snippets of doc/drivers.md, each with the driver that it is for, print what the page says; and what the page says of types
# that are sent with a name, the server does.
use strict;
use warnings;
use Cloudsat::Test;
use FindBin;
use IPC::Run qw(run timeout);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('drivers', conf => 'cloudsat.notify = off');
sql(q{CREATE ROLE web LOGIN; CREATE ROLE ops LOGIN;
	SELECT cloudsat.enlist('web', 'task', 'web.example.com'), cloudsat.enlist('web', 'task', 'ops.example.com')});

# what follows each title: a snippet in a language, then its output
my $page = slurp_file("$FindBin::Bin/../../doc/drivers.md");
my %snippets;
while ($page =~ /^## (.+)\n(?:(?!## |```).*\n)*```(\w+)\n((?:(?!```).*\n)+)```\n```\n((?:(?!```).*\n)+)```$/gm) {
	$snippets{$1} = { language => $2, text => $3, output => $4 };
}
my %runs = (python => [ '/usr/bin/python3', '-' ], javascript => [ 'node', '-' ]);
my %asks = ('psycopg2' => 'import psycopg2', 'psycopg 3' => 'import psycopg', 'node-postgres' => 'require("pg")');
is(join(', ', sort keys %snippets), join(', ', sort keys %asks), 'the page has a snippet for each driver');

# Debian's packages for node are here; its node looks there, others are told
$ENV{NODE_PATH} = join ':', grep { defined } $ENV{NODE_PATH}, '/usr/share/nodejs';
my $superuser = $ENV{PGUSER};
@ENV{qw(PGHOST PGPORT PGDATABASE PGUSER)} = ($node->host, $node->port, 'postgres', 'web');
for my $driver (sort keys %snippets) {
	my ($command, $snippet) = ($runs{ $snippets{$driver}{language} }, $snippets{$driver});
  SKIP: {
		my ($out, $err) = ('', '');
		skip "$driver is not installed", 2
		  unless eval { run($command, '<', \$asks{$driver}, '>', \$out, '2>', \$err, timeout(60)) };
		($out, $err) = ('', '');
		ok(run($command, '<', \$snippet->{text}, '>', \$out, '2>', \$err, timeout(60)), "$driver: the snippet runs") or diag($err);
		is($out, $snippet->{output}, "$driver: and prints what the page says");
	}
}

$ENV{PGUSER} = $superuser;

# strings with a type, as JDBC sends them
my (undef, undef, $err) = $node->psql('postgres', q{PREPARE p (varchar, varchar) AS SELECT cloudsat.post($1, $2)});
like($err, qr/function cloudsat\.post\(character varying, character varying\) does not exist/, 'a varchar is no address by itself');
is(sql(q{PREPARE p (varchar, varchar) AS SELECT cloudsat.post($1::cloudsat.address, $2);
		PREPARE q (varchar) AS SELECT cloudsat.register($1); PREPARE r (text[]) AS SELECT count(*) FROM cloudsat.inbox($1::cloudsat.address[]);
		EXECUTE q('web.example.com'); EXECUTE r('{a.example.com}')}), "{web.example.com,example.com,com,.}\n0", '... but with a cast, or in register');
# the binary forms
is(sql(q{SELECT convert_from(cloudsat.address_send('App@x.example.com'), 'UTF8'), cloudsat.disposition_send('ignored'), cloudsat.disposition_send('end')}),
	'app@x.example.com|\\x01|\\x06', 'the binary forms');

done_testing();
