#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Threads that are made before descriptors are opened: a restore that ends in the
# middle of that leaves nothing, and copies of the tree have them too.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $t = CRTarget->start('threadfd');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
$t->checkpoint or BAIL_OUT('no image');
$t->gone(@pids[1 .. $#pids]);

sub free {
	return wait_for(20, sub { !grep { -e "/proc/$_" } @pids });
}

# A process of the tree is killed, or the restorer.
for my $point (qw(thread-early enter-agent before-commit)) {
	CRTest::forget(@pids);
	my $r = run([tool('cr-restore'), '-d', '-D', $t->{img}],
		env => { CR_FAULT => "cr-restore:$point:1" });

	isnt($r->{status}, 0, "$point: it fails") or BAIL_OUT('it lives');
	ok(free(), "$point: nothing is left") or diag($r->{err});
}

CRTest::forget(@pids);
$t->restore_detached or BAIL_OUT('not restored');
$t->verify('it verifies itself after all that');

my $dir = tmpdir();
touch("$t->{dir}/verify");
my $copy = background([tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}], out => "$dir/out",
	err => "$dir/err");
is(describe(finish($copy, 60)), 'exit 0', 'so does a copy') or diag(slurp("$dir/err"), $t->log);
done_testing;
