#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-restore --time-ns: the clocks of the tree go on from the dump, also where
# the machine's own have begun anew; that is imitated by a time namespace.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

plan skip_all => 'the kernel has no time namespaces' unless -e '/proc/self/ns/time';

my ($up) = slurp('/proc/uptime') =~ /^(\d+)/;
my @boot = ('unshare', '--time', '--monotonic', -($up - 5), '--boottime', -($up - 5), '--fork');
# The same the other way round: the clocks here have gone further.
my @later = ('unshare', '--time', '--monotonic', 100000, '--boottime', 100000, '--fork');

sub dumped {
	my $t = CRTarget->start('clocks');

	$t->ready or return;
	$t->checkpoint or return;
	$t->gone;
	return $t;
}

for ([], \@boot, \@later) {
	my $t = dumped() or next;
	my $r = exits(0, [@$_, tool('cr-restore'), '-d', '--time-ns', '-D', $t->{img}],
		'--time-ns under ' . ($$_[3] // 'the same clocks'));
	unlike($r->{err}, qr/CLOCK/, 'no warning');
	$t->verify('the clocks go on');
}

# Without it: a warning, and clocks that go backward.
{
	my $t = dumped();
	my $r = exits(0, [@boot, tool('cr-restore'), '-d', '-D', $t->{img}], 'without --time-ns');
	like($r->{err}, qr/^cr-restore: CLOCK_MONOTONIC and CLOCK_BOOTTIME go back .* use --time-ns$/m,
		'a warning');
	$t->verify('the target notices', exit => 1);
}

# Once more from inside of the time namespace; from outside it is refused.
{
	my $t = dumped();
	my $img = tmpdir();
	exits(0, [@boot, tool('cr-restore'), '-d', '--time-ns', '-D', $t->{img}], '--time-ns');
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img], 'from outside');
	like($r->{err}, qr/in a time namespace of its own/, 'it says why');
	exits(0, ['nsenter', '-T', '-t', $t->{pid}, tool('cr-checkpoint'), '-t', $t->{pid},
		'-D', $img], 'from inside');
	$t->gone;
	exits(0, [@boot, tool('cr-restore'), '-d', '--time-ns', '-D', $img], 'restored again');
	$t->verify('the clocks go on');
}

# A process whose children would be in another namespace.
for my $kind (qw(time pid)) {
	my $dir = tmpdir();
	my $pid = background(['perl', '-e', 'syscall(272, ' .
		($kind eq 'time' ? 0x80 : 0x20000000) . ") == 0 or die; open F, '>', '$dir/up'; " .
		'close F; sleep 1 while 1'], session => 1);
	wait_for(10, sub { -e "$dir/up" });
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $pid, '-D', tmpdir()],
		"unshare($kind) without children");
	like($r->{err}, qr/its children get another $kind namespace/, 'it says why');
	kill 'KILL', $pid;
	finish($pid, 10);
}
done_testing;
