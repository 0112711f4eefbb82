# The tests run for any user, in any locale: servers that they start have the encoding, the language and the superuser that
# Cloudsat::Test gives them, and what they expect has no name of a user in it who happens to run them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my @homemade = grep { text($_) =~ /->init\b|\binitdb\b/ } files(qr/\.pl$/, 'test/t');
is("@homemade", '', 'clusters are made by new_node and init_node');
my @named = grep { text($_) =~ /\b(?:mapping for|owner,?|role|user) "?postgres\b/i } files(qr/\.out$/, 'expected', 'test/isolation/expected');
is("@named", '', 'no expected output has the name of who runs it');
done_testing;
