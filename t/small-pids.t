#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Where there are a few hundred pids, they come again all the time: also while a
# tree that forks at full speed is being frozen, and when it is restored.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use POSIX ();

my ($major, $minor) = (POSIX::uname())[2] =~ /^(\d+)\.(\d+)/;
plan skip_all => 'a pid namespace has no pid_max of its own before Linux 6.14'
	if $major < 6 || ($major == 6 && $minor < 14);

# This is the test's own namespace, and its own /proc.
my $max = 500;
spew('/proc/sys/kernel/pid_max', $max);
my $times = $ENV{CR_LONG} ? 50 : 8;
my $t = CRTarget->start('forks');
$t->ready or BAIL_OUT('no target');

sub newest {
	return (split ' ', slurp('/proc/loadavg'))[4];
}

# Has the highest pid been passed since?
my ($laps, $last) = (0, newest());
sub count_laps {
	my $now = newest();
	$laps++ if $now < $last;
	$last = $now;
	return $laps;
}

my @bad;
for my $i (1 .. $times) {
	my $r = run([tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}, '-R']);
	push @bad, "time $i: " . describe($r->{status}) . ": $r->{err}" if $r->{status};
	my $seen = count_laps();
	wait_for(20, sub { count_laps() > $seen }) or push @bad, "time $i: no pid came again";
}
is("@bad", '', "frozen $times times while pids come again");
$t->verify('goes on');

# Restored, where cr-restore does not get one of their ids itself.
sub move_away {
	my %taken = map { $_ => 1 } @_;
	for (1 .. 1000) {
		my $next = newest() + 1;
		return 1 if $next + 40 < $max && !grep { $taken{$_} } $next .. $next + 40;
		run(['true']);
	}
	return 0;
}

for (['family'], ['threads', args => [40]]) {
	my ($name, @how) = @$_;
	my $t = CRTarget->start($name, @how);
	$t->ready or next;
	my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
	my @ids = map { m{(\d+)$} } map { glob("/proc/$_/task/*") } @pids;
	$t->checkpoint or next;
	$t->gone(@pids[1 .. $#pids]);
	ok(move_away(@ids), 'pids that are far from theirs');
	$t->restore_detached;
	$t->verify('verifies itself');
}
cmp_ok(newest(), '<', $max, 'the pids were few');
done_testing;
