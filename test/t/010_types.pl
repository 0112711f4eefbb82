# The two types on the wire and in roles: binary values survive a round trip, arbitrary bytes are refused with 22P03, and a
# bot's role, with no search_path of ours, compares, sorts and searches.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('types', preload => 0, extension => 1);
my $dir = PostgreSQL::Test::Utils::tempdir();

sub spew { my ($path, $bytes) = @_; open my $file, '>:raw', $path or die "$path: $!"; print $file $bytes; close $file; }

sql(q{
	CREATE TABLE addresses (a cloudsat.address);
	CREATE TABLE dispositions (d cloudsat.disposition);
	INSERT INTO addresses SELECT (CASE WHEN i % 2 = 0 THEN 'app@' ELSE '' END || 'i-' || i || '.example.com')::cloudsat.address
	FROM generate_series(1, 1000) i;
	INSERT INTO addresses VALUES ('.'), (NULL), ((repeat('l', 64) || '@' || repeat('a.', 126) || 'b')::cloudsat.address);
	INSERT INTO dispositions SELECT unnest('{ignored,acknowledged,info,problem,belay,end,NULL}'::cloudsat.disposition[]);
});

# --- round trips --------------------------------------------------------------------------------------------------

for my $table (qw(addresses dispositions)) {
	sql(qq{
		COPY $table TO '$dir/$table.bin' (FORMAT binary);
		CREATE TABLE again (LIKE $table);
		COPY again FROM '$dir/$table.bin' (FORMAT binary);
	});
	is(sql(qq{
		SELECT count(*) FROM ((TABLE $table EXCEPT ALL TABLE again) UNION ALL (TABLE again EXCEPT ALL TABLE $table)) AS d
	}), '0', "$table: binary copies are equal");
	sql('DROP TABLE again');
}
is(sql(q{SELECT cloudsat.address_send('App@X.y.')}), '\x617070' . '40782e79',
	'the binary form of an address is its canonical text');
is(sql(q{SELECT cloudsat.disposition_send('done')}), '\x06',
	'the binary form of a disposition is its byte');

# --- hostile bytes ------------------------------------------------------------------------------------------------

# a binary COPY file of one column and one row
sub binary_copy {
	my ($bytes) = @_;
	return "PGCOPY\n\xff\r\n\0" . pack('NN', 0, 0) . pack('n', 1) . pack('N', length $bytes) . $bytes . pack('n', 0xffff);
}

sub load {
	my ($table, $bytes) = @_;
	spew("$dir/hostile.bin", binary_copy($bytes));
	my ($status, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nCOPY $table FROM '$dir/hostile.bin' (FORMAT binary);");
	return $status == 0 && $err eq '' ? 'accepted' : $err =~ /ERROR:\s+(\w+):/ ? $1 : "status $status: $err";
}

my %refused = (
	'nothing' => '', 'a key' => "com\1example\1", 'a key with a local part' => "y\1\2app\1", 'an end' => "com\2",
	'NUL' => "a\0b", 'only NUL' => "\0", 'high bytes' => "\xc3\xbc.de", 'two dots' => 'a..b', 'blanks' => ' a', 'newline' => "a\n",
	'64 octets' => 'a' x 64, 'a long domain' => ('a.' x 127) . 'bc', 'a megabyte' => 'a' x 1_000_000);
for my $what (sort keys %refused) {
	my $state = load('addresses', $refused{$what});
	# what is no text in this encoding is refused before it comes to us
	like($state, $what =~ /NUL/ ? qr/^(22P03|22021)$/ : qr/^22P03$/, "address: $what is refused");
}
like(load('addresses', "a\xff"), qr/^(22021|22P03)$/, 'address: what is not UTF-8 is refused');
is(load('addresses', 'X.Y.'), 'accepted', 'address: canonical form is made of binary input too');
is(sql(q{SELECT count(*) FROM addresses WHERE a::text = 'x.y'}), '1', '... and stored');
for my $byte (0, 7, 48, 101, 255) {
	is(load('dispositions', chr $byte), '22P03', "disposition: byte $byte is refused");
}
is(load('dispositions', "\6"), 'accepted', 'disposition: byte 6 is "end"');
is(load('dispositions', ''), '08P01', 'disposition: no byte is refused');
is(load('dispositions', "\1\1"), '22P03', 'disposition: two bytes are refused');

# random bytes: an address, or an error of ours; never anything else
srand 20;
my %states;
for (1 .. 60) {
	my @alphabet = ('a', 'B', '.', '.', '@', '-', '0', "\0", "\1", "\2", ' ', "\xe4", '~');
	$states{load('addresses', join '', map { $alphabet[rand @alphabet] } 1 .. 1 + int rand 8)}++;
}
is(join(' ', grep { !/^(accepted|22P03|22021)$/ } sort keys %states), '', 'random bytes: accepted or refused');
is(sql(q{SELECT count(*) FROM addresses WHERE a <> a::text::cloudsat.address}), '0',
	'whatever was accepted is canonical');

# --- roles and search_path ----------------------------------------------------------------------------------------

sql(q{
	CREATE INDEX addresses_a ON addresses (a);
	ANALYZE addresses;
	CREATE ROLE bot LOGIN IN ROLE cloudsat_server;
	CREATE ROLE stranger LOGIN;
	GRANT SELECT ON addresses, dispositions TO bot, stranger;
	CREATE SCHEMA hostile;
	CREATE FUNCTION hostile.yes(cloudsat.address, cloudsat.address) RETURNS bool LANGUAGE sql AS 'SELECT true';
	GRANT USAGE ON SCHEMA hostile TO bot;
	CREATE OPERATOR hostile.<@ (LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = hostile.yes);
	CREATE OPERATOR hostile.= (LEFTARG = cloudsat.address, RIGHTARG = cloudsat.address, FUNCTION = hostile.yes);
});

is(as('bot', q{SET enable_seqscan = off; SELECT count(*) FROM addresses WHERE a <@ 'i-7.example.com'}), '1',
	'a bot searches a subtree by index');
like(as('bot', q{SET enable_seqscan = off; EXPLAIN SELECT FROM addresses WHERE a <@ 'i-7.example.com'}), qr/subtree_end/,
	'... by a range');
is(as('bot', q{SELECT min(a) || ' ' || max(d) FROM addresses, dispositions}), '. end', 'a bot takes min and max');
is(as('bot', q{SET search_path = hostile, public; SELECT count(*) FROM addresses WHERE a <@ 'i-7.example.com' OR a = 'x.y'}), '2',
	'operators of a hostile search_path do not come first');
is(as('bot', q{SELECT cloudsat.channel('x.y') || cardinality(cloudsat.suffixes('x.y'))}), 'x.y3', 'a bot calls the functions');
my ($status, $out, $err) = $node->psql('postgres', q{SELECT cloudsat.depth('x.y')}, extra_params => [ '-U', 'stranger' ]);
like($err, qr/permission denied for schema cloudsat/, 'who is no bot may not');
my $range_end_kept = q{CREATE TEMP TABLE t AS SELECT _cloudsat.subtree_end('x.y') AS b};
($status, $out, $err) = $node->psql('postgres', $range_end_kept, extra_params => [ '-U', 'bot' ]);
like($err, qr/permission denied for schema _cloudsat/, 'the end of a range cannot be asked for');
sql('GRANT USAGE ON SCHEMA _cloudsat TO bot');
($status, $out, $err) = $node->psql('postgres', $range_end_kept, extra_params => [ '-U', 'bot' ]);
like($err, qr/permission denied for type/, '... and gets into no table where it can');

# --- parallel plans and big sorts agree with serial ones ----------------------------------------------------------

sql(q{
	CREATE TABLE many AS SELECT ('i-' || i * 7919 % 30000 || '.' || (ARRAY['a.example.com', 'b.example.com', 'c.d'])[1 + i % 3])
		::cloudsat.address AS a FROM generate_series(1, 60000) AS i;
	ALTER TABLE many SET (parallel_workers = 2);
	ANALYZE many;
});
my $digest = q{SELECT md5(string_agg(a::text, ',' ORDER BY n)) FROM (SELECT a, row_number() OVER (ORDER BY a) AS n FROM
	(SELECT a FROM many ORDER BY a) AS s) AS r};
my $serial = sql("SET max_parallel_workers_per_gather = 0; $digest");
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2; };
like(sql("$parallel EXPLAIN SELECT a FROM many ORDER BY a"), qr/Gather Merge/, 'a parallel sort');
is(sql("$parallel $digest"), $serial, '... gives the same order');
is(sql("SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0; $digest"), $serial,
	'a sort on disk gives the same order');
is(sql("$parallel SELECT min(a) || ' ' || max(a) FROM many"),
	sql('SELECT min(a) || \' \' || max(a) FROM many'), 'min and max in parallel');
sql(q{
	SET maintenance_work_mem = '1MB';
	CREATE INDEX many_a ON many (a);
	CREATE EXTENSION amcheck;
});
is(sql(q{SELECT bt_index_check('many_a', true)}), '', 'amcheck finds the index well');
is(sql(q{
	SET enable_seqscan = off;
	SELECT count(*) FROM (SELECT a, lag(a) OVER () AS before FROM (SELECT a FROM many ORDER BY a) AS s) AS p WHERE before > a
}), '0', 'the index is in order');
$node->stop;
done_testing;
