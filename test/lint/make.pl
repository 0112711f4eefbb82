# What make does on somebody's machine: it says what is missing, and make uninstall takes away what make install put.
use strict;
use warnings;
use File::Find qw(find);
use File::Temp qw(tempdir);
use Test::More;

delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};
my $dir = tempdir(CLEANUP => 1);
my $real = $ENV{PG_CONFIG} // 'pg_config';

sub make { my $said = `make @_ 2>&1`; return ($? >> 8, $said) }
sub pg_config {
	my ($name, $script) = @_;
	open my $out, '>', "$dir/$name" or die "$dir/$name: $!\n";
	print {$out} "#!/bin/sh\n$script\n";
	close $out or die "$dir/$name: $!\n";
	chmod 0755, "$dir/$name" or die "$dir/$name: $!\n";
	return "PG_CONFIG=$dir/$name";
}

# --- what is missing
my %without = (
	'pg_config' => [ "PG_CONFIG=$dir/none", qr/\Qcloudsat: $dir\E\/none not found: install postgresql-server-dev-NN/ ],
	'the headers' => [
		pg_config('no_headers', qq{case \$1 in --includedir-server) echo $dir/include ;; *) exec $real "\$@" ;; esac}),
		qr/\Qcloudsat: $dir\E\/include has no headers of the server: install postgresql-server-dev-NN/ ],
	'PGXS' => [
		pg_config('no_pgxs', qq{case \$1 in --pgxs) echo $dir/pgxs.mk ;; *) exec $real "\$@" ;; esac}),
		qr/\Qcloudsat: $dir\E\/pgxs.mk is not there: install postgresql-server-dev-NN/ ],
);
for my $what (sort keys %without) {
	my ($choice, $words) = @{ $without{$what} };
	for my $target ('', 'install', 'uninstall') {
		my ($status, $said) = make($target, $choice);
		ok($status != 0, "make $target fails without $what");
		like($said, $words, 'and says what to do');
	}
}

# --- what is installed
sub installed {
	my @found;
	find(sub { push @found, $File::Find::name =~ s{^\Q$dir\E/root}{}r if !-d }, "$dir/root");
	return sort @found;
}
mkdir "$dir/root" or die "$dir/root: $!\n";
my ($status, $said) = make('-j2', 'install', "PG_CONFIG=$real", "DESTDIR=$dir/root"); # objects may have to be made
is($status, 0, 'make install') or diag($said);
my @files = installed();
is(scalar(grep { m{/cloudsat\.so$} } @files), 1, 'the library is there');
my @foreign = grep { !m{/cloudsat[^/]*$} && !m{/cloudsat/[^/]+$} } @files;
is("@foreign", '', 'every file has a name of ours, or is in a folder of ours');
is(scalar(grep { m{/extension/cloudsat/guardian\.md$} } @files), 1, 'the documentation is among them');
($status, $said) = make('uninstall', "PG_CONFIG=$real", "DESTDIR=$dir/root");
is($status, 0, 'make uninstall') or diag($said);
is(join(' ', installed()), '', 'leaves nothing');
is(scalar(glob("$dir/root/*/*/doc/*/extension/cloudsat") // ''), '', 'not even the folder');
done_testing;
