# What newcomers type first: addresses in each form that psql, prepared statements and drivers give them, and what they are
# told when it cannot work.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('first', conf => 'cloudsat.notify = off');

# told(ROLE, STATEMENT...): the whole error
sub told {
	my ($role, @statements) = @_;
	my (undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n" . join(";\n", @statements), extra_params => [ '-U', $role ]);
	return $err;
}

# --- one address, several, none: in every type, with and without `listen` -----------------------------------------
my %forms = (
	'a@h.x' => [ q{'a@h.x'}, q{'A@H.X.'}, q{'a@h.x'::text}, q{'a@h.x'::varchar}, q{'a@h.x'::cloudsat.address}, q{'{a@h.x}'}, q{' {a@h.x} '}, q{'[0:0]={a@h.x}'},
		q{ARRAY['a@h.x']}, q{ARRAY['a@h.x']::varchar[]}, q{ARRAY['a@h.x'::cloudsat.address]}, q{'{a@h.x}'::cloudsat.address[]}, q{'{a@h.x}'::text[]}, q{'a@h.x'::name} ],
	'a@h.x,b@h.x' => [ q{'{a@h.x,b@h.x}'}, q{'{a@h.x, b@h.x}'::text}, q{ARRAY['a@h.x', 'b@h.x']}, q{ARRAY['a@h.x', 'b@h.x', 'a@h.x']}, q{'{a@h.x,b@h.x}'::cloudsat.address[]},
		q{ARRAY(SELECT v || '@h.x' FROM unnest(ARRAY['a', 'b']) AS v)} ],
	'{a}@h.x' => [ q{'{a}@h.x'}, q{ARRAY['{a}@h.x']}, q{'{a}@h.x'::text} ],
	'' => [ q{'{}'}, q{'{}'::text[]}, q{'{}'::cloudsat.address[]}, q{ARRAY[]::text[]}, q{ARRAY[]::cloudsat.address[]} ],
	'.' => [ q{'.'}, q{'{.}'}, q{ARRAY['.']} ]);
for my $expected (sort keys %forms) {
	for my $form (@{ $forms{$expected} }) {
		my $own = q{array_to_string(cloudsat.addresses(), ',')};
		is(sql("SELECT FROM cloudsat.register($form)", "SELECT $own", "SELECT FROM cloudsat.register(addresses => $form)", "SELECT $own",
				"SELECT FROM cloudsat.register($form, listen => false)", "SELECT $own", "SELECT FROM cloudsat.register($form, false)", "SELECT $own",
				"SELECT FROM cloudsat.register($form, 'true')", "SELECT $own"),
			join("\n", ($expected) x 5), "register($form)");
		is(sql("SELECT count(*) FROM cloudsat.inbox($form)", "SELECT count(*) FROM cloudsat.inbox($form, NULL)", "SELECT count(*) FROM cloudsat.inbox($form, '5:5:')"),
			"0\n0\n0", "inbox($form)");
	}
}
# parameters: of no type, as most drivers send strings, and of those that others name
for my $type ('unknown', 'text', 'varchar', 'cloudsat.address', 'cloudsat.address[]', 'text[]', 'varchar[]') {
	my $declared = $type eq 'unknown' ? '' : "($type)";
	my $value = $type =~ /\[\]$/ ? q{'{a@h.x,b@h.x}'} : q{'b@h.x'};
	is(sql("PREPARE p$declared AS SELECT cloudsat.register(\$1)", "EXECUTE p($value)", 'SELECT cloudsat.addresses()') =~ s/.*\n//sr,
		$type =~ /\[\]$/ ? '{a@h.x,b@h.x}' : '{b@h.x}', "a parameter: $type");
}
is(sql('PREPARE p AS SELECT cloudsat.register($1)', q{EXECUTE p('{a@h.x,b@h.x}')}, 'SELECT cloudsat.addresses()') =~ s/.*\n//sr, '{a@h.x,b@h.x}',
	'... and a parameter of no type may be an array');
is(sql(q{DO $$ DECLARE a text := 'a@h.x'; b text[] := '{b@h.x}'; c cloudsat.address := 'c@h.x'; d cloudsat.address[] := '{d@h.x}'; BEGIN
		PERFORM cloudsat.register(a); RAISE NOTICE '%', cloudsat.nick(); PERFORM cloudsat.register(b); PERFORM cloudsat.register(c); PERFORM cloudsat.register(d); END $$},
		'SELECT cloudsat.nick()'), 'd@h.x', 'variables of each type');

for my $bad ([ q{'app@h..x'}, qr/22P02: invalid input syntax for type (?:cloudsat\.)?address: "app\@h\.\.x"/ ], [ q{ARRAY['a.x', 'b..x']}, qr/22P02: .*"b\.\.x"/ ],
	[ q{'{a.x,b..x}'}, qr/22P02: .*"b\.\.x"/ ], [ "'{a.x'", qr/22P02: .*"\{a\.x"/ ], [ "'a.x}'", qr/22P02: malformed array literal/ ], [ q{''}, qr/22P02: / ],
	[ q{NULL}, qr/22004: addresses must not be null/ ], [ q{NULL::text[]}, qr/22004: addresses must not be null/ ], [ q{NULL::cloudsat.address}, qr/22004: addresses must not be null/ ],
	[ q{ARRAY['a.x', NULL]}, qr/22004: addresses must not contain null\nDETAIL:  Element 2 is null/ ], [ q{'{a.x,NULL}'}, qr/22004: addresses must not contain null/ ]) {
	my ($form, $expected) = @$bad;
	like(told('postgres', "SELECT cloudsat.$_($form)"), $expected, "$_($form)") for 'register', 'inbox';
}
like(told('postgres', q{SELECT cloudsat.register(ARRAY(SELECT 'h' || n || '.x' FROM generate_series(1, 2000) AS n))}), qr/54000: too many addresses/, 'not too many');

# --- enlisting, and what each kind may ----------------------------------------------------------------------------
sql('CREATE ROLE w LOGIN', 'CREATE ROLE "Odd One" LOGIN', 'CREATE ROLE t LOGIN', q{SELECT cloudsat.enlist('t', 'task', 't.example.com')});
for my $kind ('server', 'task') {
	like(told('postgres', "SELECT cloudsat.enlist('w', '$kind')"),
		qr/22004: a bot of kind $kind needs an address\nDETAIL:  It may register only this address and those under it.*\nHINT:  Use SELECT cloudsat\.enlist\('w', '$kind', 'host\.example\.com'\)/,
		"enlisting a $kind without an address");
}
like(told('postgres', q{SELECT cloudsat.enlist('"Odd One"', 'server')}), qr/Use SELECT cloudsat\.enlist\('"Odd One"', 'server', /, 'names are quoted');
sql(q{SELECT cloudsat.enlist('w', 'server', 'w.example.com')});
for my $post (q{post('t.example.com', 'x')}, q{post('w.example.com', 't.example.com', 'x')}, q{post('w.example.com', 't.example.com', ARRAY['x'])}) {
	like(told('w', q{SELECT FROM cloudsat.register('w.example.com')}, "SELECT cloudsat.$post"),
		qr/42501: role "w" may not start threads\nDETAIL:  It is a bot of kind server.*kind task.*\nHINT:  .*cloudsat\.reply/, "a server that calls $post");
	(my $of_task = $post) =~ s/'w\.example/'t.example/;
	is(told('t', q{SELECT FROM cloudsat.register('t.example.com')}, "SELECT cloudsat.$of_task"), '', "... and a task: $of_task");
}
sql('GRANT cloudsat_task TO w');
is(told('w', q{SELECT FROM cloudsat.register('w.example.com')}, q{SELECT cloudsat.post('t.example.com', 'x')}), '', 'who is both may');

done_testing();
