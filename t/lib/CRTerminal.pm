# SPDX-License-Identifier: MIT
#
# A program on a terminal of its own: type() into it, sees() what appears there.
# t/helpers/terminal.c has the master; {pid} is its process.
package CRTerminal;

use strict;
use warnings;
use CRTest ();
use Fcntl;
use Test::More;

BEGIN { CRTest->export_to_level(0, "CRTest") }

# Options: env, dir (where it is started).
sub start {
	my ($class, $cmd, %o) = @_;
	my $t = { dir => tmpdir(), seen => 0 };

	system('mkfifo', "$t->{dir}/keys") == 0 or die;
	$t->{pid} = background(["$BUILD/t/terminal", "$t->{dir}/keys", "$t->{dir}/screen", @$cmd],
		session => 1, out => "$t->{dir}/out", err => "$t->{dir}/err",
		dir => $o{dir} // $t->{dir},
		env => { PS1 => 'ready> ', PATH => "$BIN:$ENV{PATH}", TERM => 'dumb',
			HISTFILE => '', %{ $o{env} || {} } });
	return bless $t, $class;
}

sub type {
	my ($t, $text) = @_;
	my $f;

	# When somebody has it open: until then what is written would be lost.
	wait_for(30, sub { sysopen($f, "$t->{dir}/keys", O_WRONLY | O_NONBLOCK) })
		or die "nobody reads what is typed";
	syswrite($f, $text) == length $text or die;
}

# What follows on what was seen before matches; the first group.
sub sees {
	my ($t, $pattern, $name) = @_;
	my ($text, $word);
	my $found = wait_for(30, sub {
		$text = substr(slurp("$t->{dir}/screen", 1) // '', $t->{seen});
		return 0 unless $text =~ /$pattern/;
		$t->{seen} += $+[0];
		$word = $1;
		return 1;
	});
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($found, "$name: $pattern") or diag($text);
	return $word;
}

1;
