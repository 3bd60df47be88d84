#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Parents that the kernel keeps no zombies for; and programs of ours that are
# started by one who ignores SIGCHLD, so that they do too.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

for my $mode ('ignore', 'nocldwait') {
	survives("SIGCHLD: $mode", 'autoreap', args => [$mode]);
	verifies_alone("SIGCHLD: $mode", 'autoreap', args => [$mode]);
}

my @ignoring = (setup => sub { $SIG{CHLD} = 'IGNORE' });
my $t = CRTarget->start('family', title => 'programs that ignore SIGCHLD');
if ($t->ready) {
	my $pid = $t->{pid};
	my @pids = CRTest::descendants($pid);

	exits(0, [tool('cr-inject'), '-t', $pid, 'getpid'], 'cr-inject', @ignoring);
	exits(3, [tool('cr-freeze'), '-t', $pid, '--', 'sh', '-c', 'exit 3'], 'cr-freeze -- CMD', @ignoring);
	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $t->{img}], 'cr-checkpoint', @ignoring);
	$t->gone(@pids);
	exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}], 'cr-restore -d', @ignoring);
	$t->verify('verifies itself');
	CRTest::forget($pid, @pids);
	my $fg = background([tool('cr-restore'), '-D', $t->{img}], @ignoring, err => "$t->{dir}/err");
	$t->verify('in the foreground', pid => $fg) or diag(slurp("$t->{dir}/err", 1));
}
done_testing;
