#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# How cr-restore leaves the tree: stopped, under another parent, and told of.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $t = CRTarget->start('family');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
$t->checkpoint or BAIL_OUT('no image');
$t->gone(@pids[1 .. $#pids]);

sub state_of {
	return (slurp("/proc/$_[0]/stat", 1) // '') =~ /\) (.)/ ? $1 : 'none';
}

# Stopped: each process is, and SIGCONT is enough.
CRTest::forget(@pids);
$t->restore_detached('-s');
ok(wait_for(5, sub { !grep { state_of($_) ne 'T' } @pids }), 'with -s all are stopped') or
	diag(join ' ', map { "$_ " . state_of($_) } @pids);
kill 'CONT', @pids;
$t->verify('verifies itself after SIGCONT');

# The command is the parent.
CRTest::forget(@pids);
my $dir = tmpdir();
my $pid = background([tool('cr-restore'), '-D', $t->{img}, '--exec-cmd', '--', 'perl', '-e',
	'open(my $f, ">", shift) or die; print $f "$$\n"; close $f; my $p = wait; exit(($p > 0 && $? == 0) ? 42 : 1)',
	"$dir/cmd"], out => "$dir/out", err => "$dir/err");
ok(wait_for(20, sub { -s "$dir/cmd" }), 'the command runs') or diag(slurp("$dir/err"));
is(slurp("$dir/cmd"), "$pid\n", 'in the place of cr-restore');
like(slurp("/proc/$t->{pid}/status", 1) // '', qr/^PPid:\t$pid$/m, 'it is the parent of the root');
$t->verify('verifies itself', pid => $pid, exit => 42);

# A byte on success, the mere end on failure.
CRTest::forget(@pids);
my $sh = 'exec "$0" "$@" --status-fd 5 5>"$STATUS"';
exits(0, ['sh', '-c', $sh, tool('cr-restore'), '-d', '-D', $t->{img}], 'with --status-fd',
	env => { STATUS => "$dir/status" });
is(slurp("$dir/status"), "\0", 'a zero byte is written');
exits(1, ['sh', '-c', $sh, tool('cr-restore'), '-d', '-D', $t->{img}], 'taken pids are refused',
	env => { STATUS => "$dir/status" });
is(slurp("$dir/status"), '', 'nothing is written');
$t->verify('verifies itself');

exits(100, [tool('cr-restore'), '-D', $t->{img}, '--exec-cmd'], '--exec-cmd without a command');
exits(100, [tool('cr-restore'), '-D', $t->{img}, 'true'], 'a command without --exec-cmd');
exits(100, [tool('cr-restore'), '-D', $t->{img}, '--status-fd', '9'], 'a descriptor that is closed');
done_testing;
