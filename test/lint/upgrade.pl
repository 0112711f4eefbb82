# A script that updates the extension takes from what it makes the rights that default privileges gave: see src/pg/rights.sql.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my @open = grep { text($_) =~ /^CREATE (?!OR REPLACE|INDEX|TRIGGER)/m && text($_) !~ /_cloudsat\.revoke\(/ } files(qr/\.sql$/, 'src/upgrade');
is("@open", '', 'every update script that makes objects calls _cloudsat.revoke() for them');
done_testing;
