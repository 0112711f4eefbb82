# The reference keeps pace with the code: every setting, option, event, kind of fault, table, view and function is told of in
# doc/, the first two with the defaults that they have; and links within it lead somewhere.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cloudsat::Source;
use Test::More;

my %page = map { m{(\w+)\.md$} => text($_) } files(qr/\.md$/, 'doc');
my $everything = join "\n", map { $page{$_} } grep { $_ ne 'reference' } sort keys %page;    # a line there is not enough

# what stands below a heading of a page
sub section {
	my ($page, $heading) = @_;
	my ($level, $text) = $page{$page} =~ /^(#+) \Q$heading\E\n(.*)/ms or die "$page.md has no section $heading\n";
	my $depth = length $level;
	$text =~ s/^#{1,$depth} .*//ms;
	return $text;
}
# the cells of the row that is about this name, in a table of that text
sub row {
	my ($text, $name) = @_;
	my ($row) = $text =~ /^\|(?=[^|\n]*`\Q$name\E`)(.*)\|$/m;
	return defined $row ? [ map { s/^\s+|\s+$//gr } split /\|/, $row ] : undef;
}
sub untold { my ($text, @names) = @_; return join ' ', grep { !row($text, $_) } @names }

# --- settings
my $settings = join '', map { text("src/$_/settings.cpp") } qw(board guardian worker);
my %initial;    # undef: no plain number
while ($settings =~ /\{"(cloudsat\.\w+)",\s*"[^"]*",\s*&values\.\w+,\s*(\d+),\s*\d+,/g) { $initial{$1} = $2 }
$initial{$1} //= undef while $settings =~ /"(cloudsat\.\w+)"/g;
cmp_ok(scalar keys %initial, '>=', 15, 'the settings are found');
my $told = section(operations => 'Settings');
is(untold($told, sort keys %initial), '', 'operations.md has a row for every setting');
for my $name (sort grep { defined $initial{$_} } keys %initial) {
	like((row($told, $name) // [])->[1] // '', qr/^$initial{$name}\b/, "$name: its default");
}

# --- options
my $rules = text('src/core/guardian/server_options.cpp');
my $options = text('src/core/guardian/server_options.hpp');
my @server = $rules =~ /(?:text|number)_rule\("(\w+)"/g;
my @mapping = $rules =~ /mapping_rule\("(\w+)"/g;
cmp_ok(@server + @mapping, '>=', 20, 'the options are found');
$told = section(guardian => 'Options of the server');
is(untold($told, @server), '', 'guardian.md has a row for every option of a server');
is(join(' ', grep { $page{guardian} !~ /`$_`/ } @mapping), '', 'and names those of a user mapping');
for my $name (@server) {
	my ($value) = $options =~ /\b$name = ([^;]+);/ or next;
	my %word = (off => qr/^(?:off|any number)$/, 0 => qr/^`off`$/, 1 => qr/^`on`$/);
	my $default =
	  $word{$value} ? $word{$value}
	  : $value =~ /^"(.*)"$/ ? qr/^`\Q$1\E`$/
	  : $value =~ /^(\d+) \* micros_per_second$/ ? qr/^`$1s`$/
	  : $value =~ /^std::int64_t\{(\d+)\} \* 1024 \* 1024$/ ? qr/^`$1MB`$/
	  : qr/^`\Q$value\E`$/;
	like((row($told, $name) // [])->[1] // '', $default, "$name: its default");
}

# --- what is recorded
my ($events) = text('src/guardian/event.sql') =~ /\bevent\s[^;]*?ARRAY\[(.*?)\]/s;
is(untold(section(guardian => 'Events, and what to do about them'), $events =~ /'(\w+)'/g), '', 'every event, and what to do about it');
my ($faults) = text('src/core/base/fault.hpp') =~ /fault_table\{(.*?)\n\};/s;
is(untold(section(guardian => 'Faults'), grep { $_ ne 'none' } $faults =~ /FaultKind::\w+,\s*"(\w+)"/g), '', 'every kind of fault');
for my $column (qw(kind state)) {
	my ($values) = text('src/guardian/outbox.sql') =~ /^\s+$column\s[^;]*?ARRAY\[(.*?)\]/ms;
	is(untold(section(guardian => 'Mail'), $values =~ /'(\w+)'/g), '', "every $column of the outbox");
}

# --- objects
my (%object, %kind);
for my $path (grep { !m{^src/upgrade/} } files(qr/\.sql$/, 'src')) {
	my $text = text($path);
	while ($text =~ /^CREATE (TABLE|VIEW|FUNCTION|PROCEDURE|TYPE) cloudsat\.([a-z]\w*)/mg) { $kind{$2} = $1 }
}
# what stands behind an operator, an index, a type or a table, and is never called by its name
my $behind = qr/^(?:address|disposition|level)_\w+$|_(?:default|send|recv|sel)$/;
my @objects = grep { !/$behind/ } sort keys %kind;
cmp_ok(scalar @objects, '>=', 60, 'the objects are found');
is(join(' ', grep { $everything !~ /(?:`|cloudsat\.)$_\b/ } @objects), '', 'every table, view and function is told of');

# --- links to headings
my %anchors;
for my $name (keys %page) {
	for my $heading ($page{$name} =~ /^#+ (.*)$/mg) {
		my $anchor = lc $heading;
		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ tr/ /-/;
		$anchors{$name}{$anchor} = 1;
	}
}
for my $name (sort keys %page) {
	my @dead = grep { /^(\w*?)(?:\.md)?#(.+)$/ && !$anchors{ $1 || $name }{$2} } $page{$name} =~ /\]\(((?:\w+\.md)?#[^)\s]+)\)/g;
	is("@dead", '', "$name.md: every link to a heading leads to one");
}
done_testing;
