# A database in another encoding has a board and no guardian: the first call says so, and how to get one that has.
use strict;
use warnings;
use Cloudsat::Test;
use Test::More;

my $node = new_node('encoding', preload => 0);
sql(q{CREATE DATABASE plain TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'});
my (undef, undef, $err) = $node->psql('plain', q{CREATE EXTENSION cloudsat;
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:1');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'secret');
	SELECT cloudsat.poll('pulse')});
like($err, qr/ERROR:  the guardian needs a database encoded in UTF8\nDETAIL:  .* is SQL_ASCII\.\nHINT:  Use CREATE DATABASE .* ENCODING 'UTF8'/,
	'poll() says what is wrong and what to do');
sql(q{CREATE DATABASE board TEMPLATE template0 ENCODING 'UTF8'});
my ($status) = $node->psql('board', q{CREATE EXTENSION cloudsat;
	CREATE SERVER pulse FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:1');
	CREATE USER MAPPING FOR CURRENT_USER SERVER pulse OPTIONS (user 'guardian', password 'secret');
	SELECT cloudsat.poll('pulse')});
is($status, 0, 'which it does');
done_testing;
