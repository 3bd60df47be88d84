#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-restore --notify-fd: a program reads from its own eventfd or pipe that it
# was restored; and a vfork that lasts is refused before the freeze's time is up.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use Time::HiRes qw(time);

# It opens what $code says, writes the number to "number", and reads from $in.
sub reader {
	my ($code) = @_;
	my $dir = tmpdir();
	my $pid = background([$^X, '-MPOSIX', '-e', "$code; open(F, '>', 'number.new'); print F \$n;" .
		'close(F); rename("number.new", "number"); POSIX::read($in, $b, 8);' .
		'POSIX::_exit(unpack("Q", $b) == 1 ? 5 : 6)'],
		session => 1, dir => $dir, out => "$dir/log", err => "$dir/log");

	wait_for(20, sub { -e "$dir/number" });
	return ($pid, CRTest::slurp("$dir/number"), $dir);
}

for my $how (['an eventfd', '$n = $in = syscall(290, 0, 0)'],
	['a pipe', '($in, $n) = POSIX::pipe()']) {
	my ($what, $code) = @$how;
	my ($pid, $fd) = reader($code);
	my $img = tmpdir();

	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img], "$what: dumped");
	finish($pid, 20);
	CRTest::forget($pid);
	exits(1, [tool('cr-restore'), '-D', $img, '--notify-fd', 77], "$what: no such descriptor");
	my $r = exits(1, [tool('cr-restore'), '-D', $img, '--notify-fd', 1], 'no eventfd or pipe');
	like($r->{err}, qr/pid $pid: fd 1: --notify-fd: it is no eventfd, pipe or fifo/, 'it says so');
	exits(5, [tool('cr-restore'), '-D', $img, '--notify-fd', $fd], "$what: the program reads it");
}

# The parent waits for the child, which does not end.
{
	my $dir = tmpdir();
	my $pid = background(["$CRTest::BUILD/t/vforker"], session => 1, dir => $dir,
		out => "$dir/log", err => "$dir/log");
	wait_for(20, sub { -e "$dir/ready" });
	my $began = time;
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $pid, '-D', tmpdir(), '--timeout', 60],
		'a vfork that lasts is refused');
	like($r->{err}, qr/^cr-freeze: pid $pid: thread $pid does not stop in time, it is in vfork/m,
		'by name');
	cmp_ok(time - $began, '<', 30, 'long before the time is up');
	ok(alive($pid), 'it lives');
	unlike(CRTest::slurp("/proc/$pid/status"), qr/^TracerPid:\t[1-9]/m, 'and is not traced');
	touch("$dir/verify");
	is(describe(finish($pid, 30)), 'exit 3', 'and goes on');
}
done_testing;
