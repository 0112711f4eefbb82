# The control file says which version this is; whoever else names it agrees.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use JSON::PP qw(decode_json);
use Test::More;

my ($version) = text('cloudsat.control') =~ /^default_version\s*=\s*'([^']+)'/m;
like($version, qr/^\d+\.\d+$/, 'the control file names a version');

my $meta = decode_json(text('META.json'));
is($meta->{version}, "$version.0", 'META.json: the distribution');
is($meta->{provides}{cloudsat}{version}, "$version.0", 'META.json: the extension');
ok(-e $meta->{provides}{cloudsat}{docfile}, 'META.json: the documentation is there');

my ($newest) = text('CHANGELOG.md') =~ /^## (\S+)/m;
is($newest, $version, 'CHANGELOG.md begins with it');
ok($version eq '1.0' || glob("src/upgrade/cloudsat--*--$version.sql"), 'there is a way to it from the version before');
done_testing;
