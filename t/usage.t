#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every program: -h on stdout, equal to its manual's list of options; an
# option that there is not: one line on stderr and exit status 100; -V.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

# "-t, --tree PID" from the lines of -h.
sub options_of_help {
	my ($text) = @_;
	my @list;
	for (split /\n/, $text) {
		push @list, $1 if /^\s+(-\S.*?)(?:\s{2,}.*|$)/ || /^\s+(-\S+(?: \S+){0,3}) /;
	}
	return @list;
}

# The same from ".It Fl t , Fl -tree Ar PID" of the manual's first list of options.
sub options_of_manual {
	my ($text) = @_;
	my @list;
	for (grep { /^\.It Fl / } split /\n/, $text) {
		my $s = $_ =~ s/^\.It //r;
		$s =~ s/ , Fl /, Fl /g;
		$s =~ s/Fl (\S+)/-$1/g;
		$s =~ s/ Ar / /g;
		$s =~ s/-(-\S+?)\s*=\s*/$1 /g;
		push @list, $s;
	}
	return @list;
}

# With those of the commands that the usage names, "show|check".
sub all_options {
	my ($name, $help) = @_;
	my ($commands) = $help =~ /^usage: \S+ .*?(\w+(?:\|\w+)+)/;
	my @common = options_of_help($help);
	my %common = map { $_ => 1 } @common;
	my @own = map { options_of_help(run([tool($name), $_, '-h'])->{out}) }
		split /\|/, $commands // '';
	return ((grep { !$common{$_} } @own), @common);
}

sub words { return join(' ', map { s/,$//r } split ' ', $_[0]) }

my @programs = map { m{([^/]+)/$} } glob("$TOP/tools/cr-*/");
for my $name (@programs) {
	my $h = exits(0, [tool($name), '-h'], "$name -h");
	is($h->{err}, '', "$name -h: nothing on stderr");
	like($h->{out}, qr/\Ausage: $name /, "$name -h: begins with its usage");
	is(run([tool($name), '--help'])->{out}, $h->{out}, "$name --help is the same");
	my $manual = slurp("$TOP/man/$name.1", 1);
	ok(defined $manual, "$name has a manual page") or next;
	is(join("\n", map { words($_) } options_of_manual($manual)),
		join("\n", map { words($_) } all_options($name, $h->{out})),
		"$name: the manual's options are those of -h");
	like($manual, qr/^\.Sh EXIT STATUS$/m, "$name: the manual tells the exit status");
	like($manual, qr/^\.Sh EXAMPLES$/m, "$name: the manual has examples");

	for my $bad (['--no-such-option'], ['-?'], ['-D']) {
		my $r = exits(100, [tool($name), @$bad], "$name @$bad");
		like($r->{err}, qr/\A$name: [^\n]+\n\z/, "$name @$bad: one line on stderr");
		is($r->{out}, '', "$name @$bad: nothing on stdout");
	}
	like(exits(0, [tool($name), '-V'], "$name -V")->{out}, qr/\A$name \d+\.\d+\S*\n\z/,
		"$name -V: name and version");
	exits(111, ['sh', '-c', "exec '$BIN/$name' -h >/dev/full"], "$name -h on a full disk");
}
ok(-e "$TOP/man/cr.7", 'there is an overview') or diag('man/cr.7');
ok(scalar(glob("$TOP/man/cr-*.5")), 'the format of the stream is described');
done_testing;
