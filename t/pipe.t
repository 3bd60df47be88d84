#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-pipe: a pipeline without a shell.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRImage;

chdir(tmpdir()) or die;
my $p = tool('cr-pipe');

# What it prints, with its status.
sub prints {
	my ($cmd, $want, $name, $code) = @_;
	my $r = exits($code // 0, ['sh', '-c', $cmd], $name);
	is($r->{out}, $want, "$name: output");
	return $r->{err};
}

is(prints("$p echo a", "a\n", 'one command'), '', 'nothing is said');
prints("$p printf 'b\\na\\n' '|' sort", "a\nb\n", 'two');
prints("echo x | $p cat '|' tr x y '|' cat '|' sed s/y/z/", "z\n", 'input of the first, output of the last');
prints("$p -s ::: echo '|' ::: cat", "|\n", 'another separator');
prints("$p echo '*  \$HOME' '' '|' cat", "*  \$HOME \n", 'words stay as they are');
prints("$p sh -c 'exit $_' '|' true", '', "the first exits $_") for 1, 3;
prints("$p true '|' sh -c 'exit $_'", '', "the last exits $_", $_) for 0, 1, 102, 255;
like(prints("$p true '|' sh -c 'kill -9 \$\$'", '', 'the last is killed', 111),
	qr/^cr-pipe: the last command was killed by signal 9 \(Killed\)$/, 'and that is said');
is(prints("$p sh -c 'kill -9 \$\$' '|' cat", '', 'the first is killed'), '', 'and nothing is said');
prints("$p sh -c 'sleep 0.3; echo late >late' '|' true; cat late", "late\n", 'all are waited for');
like(prints("$p yes '|' nowhere '|' cat", '', 'one that there is not', 111),
	qr/^cr-pipe: unable to run nowhere: No such file or directory$/m, 'is named');
like(prints("$p yes '|' ./nowhere '|' cat", '', 'a path that there is not', 111),
	qr/^cr-pipe: unable to run \.\/nowhere: No such file or directory$/m, 'is named');
like(prints("$p /bin/echo a '|' ./nowhere", '', 'the last is a path that there is not', 111),
	qr/^cr-pipe: unable to run \.\/nowhere: No such file or directory$/m, 'is named');
prints("$p /bin/echo a '|' /bin/cat '|' tr a b '|' /bin/cat", "b\n", 'paths and names');
prints("$p sh -c 'trap \"\" CHLD; exec $p sh -c \"exit 4\"'", '', 'SIGCHLD is ignored', 4);

# A pipe's ends are where they belong and nowhere else.
my $fds = q{readlink /proc/self/fd/* | wc -l};
prints("(exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; $p sh -c \"$fds >&2\" '|' sh -c \"$fds\" '|' cat) 2>err; cat err",
	prints_fds(), 'no descriptor of the others');

# A shell's pipeline shows how many there are here anyway.
sub prints_fds {
	return run(['sh', '-c', "(sh -c '$fds >&2' | sh -c '$fds' | cat) 2>err0; cat err0"])->{out};
}

like(prints($p, '', 'no command', 100), qr/an operand is missing/, 'is said');
like(prints("$p $_", '', "$_", 100), qr/^cr-pipe: a command is missing beside '\|' \(see -h\)$/, "$_: is said")
	for "'|' cat", "echo '|'", "echo '|' '|' cat";

done_testing();
