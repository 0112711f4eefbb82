# The boundary between C++ and the server, tried in a real one: whatever an entry point throws becomes an error,
# destructors run, memory stays flat over 50,000 errors, and no exception takes the server down.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('boundary', preload => 0, extension => 0);

sql(q{
	CREATE FUNCTION throws(int) RETURNS void LANGUAGE c AS 'cloudsat_test', 'cloudsat_throws';
	CREATE FUNCTION raises_over_owner() RETURNS void LANGUAGE c AS 'cloudsat_test', 'cloudsat_raises_over_owner';
	CREATE FUNCTION too_large() RETURNS void LANGUAGE c AS 'cloudsat_test', 'cloudsat_too_large';
	CREATE FUNCTION throws_in_set(int) RETURNS SETOF int LANGUAGE c AS 'cloudsat_test', 'cloudsat_throws_in_set';
	CREATE FUNCTION throws_in_trigger() RETURNS trigger LANGUAGE c AS 'cloudsat_test', 'cloudsat_throws_in_trigger';
	CREATE FUNCTION counts(OUT made bigint, OUT destroyed bigint)
		LANGUAGE c AS 'cloudsat_test', 'cloudsat_counts';
	CREATE FUNCTION resident_kb() RETURNS bigint LANGUAGE c AS 'cloudsat_test', 'cloudsat_resident_kb';
	CREATE FUNCTION start_worker() RETURNS bool LANGUAGE c AS 'cloudsat_test', 'cloudsat_start_worker';
	CREATE TABLE watched (n int);
	CREATE TRIGGER throws BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION throws_in_trigger();

	-- runs a statement that fails, and shows every field of its error
	CREATE FUNCTION fields(statement text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		message text; detail text; hint text;
	BEGIN
		EXECUTE statement;
		RETURN 'no error';
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = message_text, detail = pg_exception_detail, hint = pg_exception_hint;
		RETURN concat_ws('|', sqlstate, message, detail, hint);
	END $$;
	-- the same n times; returns the last
	CREATE FUNCTION many(n int, statement text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		last text;
	BEGIN
		FOR i IN 1 .. n LOOP
			last := fields(statement);
		END LOOP;
		RETURN last;
	END $$;
});

sub fields_of { return sql("SELECT fields(\$q\$$_[0]\$q\$)"); }

is(fields_of('SELECT throws(0)'), 'XX000|unknown C++ exception||', 'an int that is thrown becomes an error');
is(fields_of('SELECT throws(1)'), 'XX000|a runtime error||', 'a standard exception keeps its text');
is(fields_of('SELECT throws(2)'), '53200|out of memory||', 'bad_alloc is out of memory');
is(fields_of('SELECT throws(3)'), 'XX000|' . 'a' x 254 . '||', 'a long text is cut between characters');
is(fields_of('SELECT raises_over_owner()'), '22P02|raised by the server|With a detail.|And a hint.',
	'an error jumps over what a context owns');
is(fields_of('SELECT too_large()'), '53200|out of memory||', 'an over-large request is refused without a jump');
is(fields_of('SELECT throws_in_set(1)'), 'XX000|a runtime error||', 'a set-returning function');
is(fields_of('INSERT INTO watched VALUES (1)'), 'XX000|a runtime error||', 'a trigger');

is(sql(q{
		SELECT FROM many(100, 'SELECT raises_over_owner()');
		SELECT FROM many(100, 'SELECT throws(1)');
		SELECT made, made - destroyed FROM counts();
	}),
	'200|0', 'every object is destroyed, whichever way the error came');

for my $statement ('SELECT throws(1)', 'SELECT raises_over_owner()') {
	my ($before, $after) = split /\n/, sql(qq{
		SET client_min_messages = error;
		DO \$\$ BEGIN PERFORM many(1000, '$statement'); END \$\$;
		SELECT resident_kb();
		DO \$\$ BEGIN PERFORM many(50000, '$statement'); END \$\$;
		SELECT resident_kb();
	});
	# 50,000 leaked objects of 4 kB would be 200 MB, 50,000 leaked exceptions some 50 MB
	cmp_ok($after - $before, '<', 2048, "50,000 errors from $statement leave memory flat");
}

my $offset = -s $node->logfile;
is(sql('SELECT start_worker()'), 't', 'a worker starts');
ok($node->wait_for_log(qr/boundary worker rounds: ----\+/, $offset),
	'a worker outlives what its rounds throw and raise, and its transaction and locks are released');
ok($node->wait_for_log(qr/last error: raised once more$/m, $offset),
	'it knows the error, also one that lies in the memory of the transaction that is aborted');
ok($node->wait_for_log(qr/a runtime error/, $offset), 'an exception out of a worker is an error in the log');
is(sql('SELECT 1'), '1', 'the server is still there');
unlike(slurp_file($node->logfile), qr/terminated by signal|server process .* was terminated/, 'and never restarted');

$node->stop;
done_testing();
