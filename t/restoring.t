#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A tree that cr-restore still makes is no tree to freeze: who wants to waits, or
# is told, and the restore goes on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use Time::HiRes qw(sleep);

my $t = CRTarget->start('family');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
my $dir = tmpdir();
$t->checkpoint or BAIL_OUT('no image');
$t->gone(@pids[1 .. $#pids]);

# Refused while it waits for its start, and while cr-restore traces it.
for my $stage (qw(post-restore pre-resume)) {
	for my $what ("cr-checkpoint -t $t->{pid} -D $dir/none --timeout 1",
		"cr-inject -t $t->{pid} --timeout 1 getpid") {
		my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}, '--action-script',
			"[ \$CRTOOLS_SCRIPT_ACTION != $stage ] || { $BIN/$what; exit 7; }"],
			"$stage: $what");
		like($r->{err}, qr/^cr-\w+: pid $t->{pid}: it is still being restored; try again$/m,
			'is told why');
		like($r->{err}, qr/has failed with status 7$/m, 'nothing else has failed');
		ok(!-e "$dir/none/manifest.img", 'there is no image');
		ok(wait_for(10, sub { !grep { -e "/proc/$_" } @pids }), 'the tree is gone again');
	}
}

# One that waits has a tree that is whole, whenever it came.
sub dumped_at {
	my ($name, @how) = @_;
	my $img = tmpdir();
	my $restore = background([tool('cr-restore'), '-D', $t->{img}, @how], out => "$dir/out",
		err => "$dir/out");

	wait_for(10, sub { -e "/proc/$t->{pid}" });
	sleep(rand(0.03)) unless @how;
	CRTest::forget(@pids);
	exits(0, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img], "$name: a dump waits")
		->{status} == 0 or return;
	is(describe(finish($restore)), 'exit 137', "$name: the restore went on")
		or diag(slurp("$dir/out"));
	wait_for(10, sub { !grep { -e "/proc/$_" } @pids });
	$t->{img} = $img;
}
for my $stage (qw(post-restore pre-resume)) {
	dumped_at($stage, '--action-script', "[ \$CRTOOLS_SCRIPT_ACTION != $stage ] || sleep 0.3");
}
dumped_at("at random, $_") for 1 .. ($ENV{CR_LONG} ? 100 : 10);
my $pid = background([tool('cr-restore'), '-D', $t->{img}]);
$t->verify('is right after all', pid => $pid);
done_testing;
