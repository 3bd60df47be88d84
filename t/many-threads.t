#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# Processes of many threads: each is itself afterwards, and one thread costs no
# more among many than among few.  What counts is the time on a CPU, which
# depends less on what else the machine does, and the limit is a generous one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use POSIX ();

my @crowds = $ENV{CR_LONG} ? (1000, 4000, 10000) : (500, 2000);
my $worst = 3;
my %cost;	# what => seconds a thread, for each crowd

# The time on a CPU of everything that has ended, as times(2) adds it up.
sub spent {
	reap();
	my (undef, undef, $user, $system) = times;
	return $user + $system;
}

# What a process has had so far, of which it is told when that one is reaped.
sub own {
	my @f = split ' ', (slurp("/proc/$_[0]/stat", 1) // '') =~ s/.*\) //sr;
	return ($f[11] + $f[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

for my $n (@crowds) {
	my $t = CRTarget->start('threads', title => "$n threads", args => [$n]);
	$t->ready(120) or BAIL_OUT('no target');
	my $before = spent() + own($t->{pid});
	exits(0, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], "$n threads: dumped",
		timeout => 300);
	wait_for(60, sub { defined status_of($t->{pid}) });
	push @{ $cost{dump} }, (spent() - $before) / $n;
	CRTest::forget($t->{pid});
	$before = spent();
	exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}], "$n threads: restored", timeout => 300);
	push @{ $cost{restore} }, (spent() - $before) / $n;
	$t->verify('every thread verifies itself', timeout => 300);
}

# With the greatest of all ids: cr-restore's own processes have others.
my $max = slurp('/proc/sys/kernel/pid_max');
spew('/proc/sys/kernel/ns_last_pid', $max - 1500);
my $t = CRTarget->start('threads', title => 'the greatest ids', args => [2000]);
$t->ready(120) or BAIL_OUT('no target');
my ($id) = sort { $b <=> $a } map { m{(\d+)$} } glob("/proc/$t->{pid}/task/*");
is($id, $max - 1, 'it has the last one');
$t->checkpoint or BAIL_OUT('no image');
$t->gone;
$t->restore_detached and $t->verify('goes on', timeout => 300);

for my $what (sort keys %cost) {
	my ($few, $many) = @{ $cost{$what} }[0, -1];

	cmp_ok($many, '<', $few * $worst + 20e-6, "$what: a thread among many costs no more") or
		diag(join ', ', map { sprintf '%.0f us', 1e6 * $_ } @{ $cost{$what} });
	note("$what: ", join ', ', map { sprintf '%.0f us a thread', 1e6 * $_ } @{ $cost{$what} });
}
done_testing;
