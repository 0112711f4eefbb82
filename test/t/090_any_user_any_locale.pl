# The tests' servers are the same whoever runs the tests, and in which locale: in UTF-8, in English, with a superuser called
# postgres. And the tools take nothing from the caller's locale or umask.
use strict;
use warnings;
use Cloudsat::Test;
use PostgreSQL::Test::Utils;
use Test::More;

my @locales = ([ unset => () ], [ odd => LANG => 'tlh_KX.UTF-8', LC_ALL => 'tlh_KX', LANGUAGE => 'tlh', LC_MESSAGES => 'de_DE.UTF-8' ]);
for my $locale (@locales) {
	my ($name, %variables) = @$locale;
	local %ENV = (map({ $_ => $ENV{$_} } grep { !/^(?:LANG|LC_)/ } keys %ENV), %variables);
	my $node = new_node("locale_$name", preload => 0);
	is($node->safe_psql('postgres', q{SELECT current_user, current_setting('server_encoding'), length('ü'),
			(SELECT datcollate FROM pg_database WHERE datname = current_database())}),
		'postgres|UTF8|1|C.UTF-8', "locale $name: superuser and encoding are the tests'");
	like(($node->psql('postgres', 'SELECT nonsense'))[2], qr/ERROR:  column "nonsense" does not exist/, "locale $name: messages are English");

	my ($out) = run_command([ 'bash', '-c', 'umask 077; source "$0"; echo $LANG; env | sed -n "/^LC_/p; /^LANGUAGE=/p"; umask',
			Cloudsat::Broker::tools_dir() . '/lib.sh' ]);
	is($out, "C.UTF-8\n0022", "locale $name: the tools have their own");
}
done_testing;
