#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A tree that forks and starts threads at full speed is frozen completely, time
# after time, and goes on; and is restored from the last of the images.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $times = $ENV{CR_LONG} ? 50 : 8;
my $t = CRTarget->start('forks');

$t->ready or BAIL_OUT('no target');
my @bad;
for my $i (1 .. $times) {
	my $r = run([tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}, '-R']);
	push @bad, "time $i: " . describe($r->{status}) . ": $r->{err}" if $r->{status};
	my @stuck = grep { (slurp("/proc/$_/stat", 1) // '') =~ /\) [Tt] / }
		$t->{pid}, CRTest::descendants($t->{pid});
	push @bad, "time $i: stopped: @stuck" if @stuck;
}
is("@bad", '', "$times times in a row");
$t->verify('goes on');

# Late between seizing a thread and telling it to stop: it calls fork and vfork then.
my $failcall = "$BUILD/t/failcall";
$t = CRTarget->start('forks');
$t->ready or BAIL_OUT('no target');
for my $i (1 .. 3) {
	exits(0, [$failcall, '-e', 'ptrace:1+:+5', tool('cr-freeze'), '-t', $t->{pid}, '--', 'true'],
		"the tracer is slow, $i");
}
$t->verify('goes on');

survives('forks', 'forks');
done_testing;
