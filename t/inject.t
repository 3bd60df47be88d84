#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-inject by itself: calls of all sorts in a process that sleeps and in one
# that computes, what they print, and that the process goes on as it was.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

chdir(tmpdir()) or die;
my $inject = tool('cr-inject');
my $pid = background(['sleep', '1000'], session => 1, out => 'out', err => 'err');
wait_for(5, sub { (slurp("/proc/$pid/wchan", 1) // '') =~ /nanosleep/ });
my $maps = slurp("/proc/$pid/maps");
my $status = attributes($pid);

sub attributes {
	my ($p) = @_;
	return join('', map { "$_\n" } grep { /^(Sig[^Q]|Shd|Tracer|State|Threads|FDSize)/ }
		split /\n/, slurp("/proc/$p/status"));
}

# The call's exit status and what it prints; the process is as it was.
sub call_is {
	my ($want, $out, @args) = @_;
	my $name = join(' ', 'call', map { s/\n/\\n/gr } @args);
	my $r = exits($want, [$inject, '-t', $pid, @args], $name);

	ref $out ? like($r->{out}, $out, "$name: prints") : is($r->{out}, $out, "$name: prints");
	wait_for(5, sub { attributes($pid) eq $status });
	is(attributes($pid), $status, "$name: leaves it running");
	is(slurp("/proc/$pid/maps"), $maps, "$name: leaves its mappings");
	return $r;
}

call_is(0, "$pid\n", 'getpid');
call_is(0, "$$\n", 'getppid');
call_is(0, "$pid\n", '39');
call_is(0, "6\n", 'write', 1, "hello\n", 6);
is(slurp('out'), "hello\n", 'it has written');
call_is(0, "3\n", 'write', 1, 's:123', 3);
call_is(0, "3\n", 'write', 1, 'x:41420a', '0x3');
is(slurp('out'), "hello\n123AB\n", 'it has written again');
my $cwd = POSIX::getcwd();
call_is(0, length($cwd) + 1 . "\narg 1: \"$cwd\"\n", 'getcwd', 'b:1K', 1024);
call_is(0, qr/^0\narg 1: "Linux\\000.*"\n\z/, 'uname', 'b:390');
spew('file', "a \"b\"\\\n\t\001");
my $fd = run([$inject, '-t', $pid, 'open', 'file', 2])->{out};
like($fd, qr/^\d+\n\z/, 'open: a descriptor');
chomp $fd;
ok(-e "/proc/$pid/fd/$fd", 'open: it has it');
call_is(0, "9\narg 2: \"a \\\"b\\\"\\\\\\n\\t\\001\"\n", 'read', $fd, 'b:100', 100);
call_is(0, "0\n", 'lseek', $fd, -9, 1);
call_is(0, "0\n", 'close', $fd);
call_is(2, "-1 EBADF: Bad file descriptor\n", 'close', $fd);
call_is(2, "-1 ENOENT: No such file or directory\n", 'chdir', '/none');
call_is(2, "-1 EFAULT: Bad address\n", 'chdir', '0x10');
# The process sleeps on: another sleep has not ended its own.
call_is(0, "0\n", 'nanosleep', 'x:0000000000000000e803000000000000', 0);

# What does not return.
my $r = call_is(1, '', '--timeout', '1', 'pause');
like($r->{err}, qr/: pid $pid: the call did not return in time\n\z/, 'pause: says so');
ok($r->{seconds} < 50, 'pause: in time') or diag($r->{seconds});
my $waits = background([$inject, '-t', $pid, '--timeout', '60', 'pause'], err => 'waits');
wait_for(5, sub { (slurp("/proc/$pid/syscall", 1) // '') =~ /^34 / });
kill 'TERM', $waits;
is(describe(finish($waits, 10)), 'exit 1', 'interrupted');
like(slurp('waits'), qr/before this was interrupted\n\z/, 'interrupted: says so');
call_is(0, "$pid\n", 'getpid');

# Killed while the process is in a call that nothing ends.
sub killed_in_call {
	my ($name) = @_;

	$waits = background([$inject, '-t', $pid, 'pause']);
	wait_for(5, sub { (slurp("/proc/$pid/syscall", 1) // '') =~ /^34 / });
	kill 'KILL', $waits;
	finish($waits, 10);
	ok(wait_for(10, sub { attributes($pid) eq $status && slurp("/proc/$pid/maps") eq $maps }), $name);
}
killed_in_call('killed during a call that does not return: the process goes on');
call_is(0, "$pid\n", 'getpid');

# Refused, and wrong.
for my $call (qw(fork vfork clone clone3 execve execveat exit rt_sigreturn)) {
	like(call_is(1, '', $call)->{err}, qr/^cr-inject: $call cannot be made/, "$call: says so");
}
call_is(100, '', @$_) for ['nosuch'], ['999999999999'], ['write', 1, 'x:4', 1],
	['write', 1, 'x:zz', 1], ['read', 0, 'b:0', 1], ['read', 0, 'b:1M', 1], ['getpid', 1 .. 7],
	[];
exits(100, [$inject, 'getpid'], 'no -t');

# Blobs: rax = arg[0] + arg[1], xmm0 and ymm8 spoiled, "Hi" to arg[2] if any.
my $sum = "\x48\x8b\x07\x48\x03\x47\x08" . "\x66\x0f\xef\xc0" . "\xc4\x41\x3c\x57\xc0" .
	"\x48\x8b\x77\x10\x48\x85\xf6\x74\x06\xc7\x06Hi\x00\x00\xc3";
spew('sum', $sum);
spew('ud2', "\x0f\x0b");
spew('null', "\x31\xc0\x8b\x00");
spew('loop', "\xeb\xfe");
spew('nothing', '');
spew('large', "\xc3" x 65536);
call_is(0, "42\n", '--blob', 'sum', 40, 2);
call_is(0, "-3\narg 3: \"Hi\"\n", '--blob', 'sum', '--', -1, -2, 'b:16');
like(call_is(111, '', '--blob', 'ud2')->{err}, qr/met signal 4 /, 'ud2: says so');
like(call_is(111, '', '--blob', 'null')->{err}, qr/met signal 11 /, 'null: says so');
call_is(1, '', '--timeout', 1, '--blob', 'loop');
call_is(1, '', '--blob', 'nothing');
call_is(100, '', '--blob', 'large');
call_is(111, '', '--blob', 'none');

# Killed while a blob runs: it goes on by itself when that has returned.
spew('spin', "\xb9\x00\x00\x00\x20\xff\xc9\x75\xfc\xc3");
my $spins = background([$inject, '-t', $pid, '--blob', 'spin']);
wait_for(5, sub { slurp("/proc/$pid/status") =~ /^SigBlk:\tf/m });
kill 'KILL', $spins;
finish($spins, 10);
ok(wait_for(10, sub { attributes($pid) eq $status && slurp("/proc/$pid/maps") eq $maps }),
	'killed during a blob: goes on');
kill 'TERM', $pid;
is(describe(finish($pid, 5)), 'killed by signal 15', 'it can be ended');

# A handler that a crash of ours would have taken away.
$pid = background(['perl', '-e', '$SIG{SEGV} = sub { exit 7 }; open F, ">", "up"; sleep 1000']);
wait_for(5, sub { -e 'up' && slurp("/proc/$pid/status") =~ /^State:\tS/m });
$status = attributes($pid);
$maps = slurp("/proc/$pid/maps");
call_is(111, '', '--blob', 'null');
kill 'SEGV', $pid;
is(describe(finish($pid, 5)), 'exit 7', 'its handler for SIGSEGV is still there');

# A process that computes all the time with vector registers.
my $regs = tmpdir();
$pid = background(["$BUILD/t/regs"], dir => $regs, out => "$regs/out");
ok(wait_for(30, sub { -e "$regs/ready" }), 'regs is up');
for (1 .. 20) {
	my $b = run([$inject, '-t', $pid, '--blob', POSIX::getcwd() . '/sum', 1, 2]);
	is($b->{out}, "3\n", "regs: blob $_") or diag($b->{err});
}
touch("$regs/verify");
is(describe(finish($pid, 30)), 'exit 0', 'regs: verifies itself') or diag(slurp("$regs/out", 1));

# One that forbids memory that is writable and executable.
SKIP: {
	skip 'no PR_SET_MDWE before Linux 6.3', 1 if syscall(157, 66, 0, 0, 0, 0) < 0;
	$pid = background(['perl', '-e', 'syscall(157, 65, 1, 0, 0, 0); exec "sleep", 1000'],
		out => 'out');
	wait_for(5, sub { (slurp("/proc/$pid/wchan", 1) // '') =~ /nanosleep/ });
	$maps = slurp("/proc/$pid/maps");
	$status = attributes($pid);
	call_is(0, "1\n", 'prctl', 66, 0, 0, 0, 0);
	call_is(0, "3\n", 'write', 1, 's:123', 3) for 1 .. 3;
	like(call_is(1, '', '--blob', 'sum', 40, 2)->{err},
		qr/forbids memory that is writable and executable .*: no blob can run there/, 'says so');
	killed_in_call('killed during a call there: the process goes on');
	kill 'TERM', $pid;
	is(describe(finish($pid, 5)), 'killed by signal 15', 'it can be ended');
}

# Its end.
$pid = background(['sleep', '1000']);
exits(0, [$inject, '-t', $pid, 'exit_group', 3], 'exit_group');
is(describe(finish($pid, 5)), 'exit 3', 'exit_group: it has ended so');
$pid = background(['sleep', '1000']);
exits(111, [$inject, '-t', $pid, 'kill', $pid, 9], 'kill itself');
is(describe(finish($pid, 5)), 'killed by signal 9', 'kill itself: it is dead');

# What has no agent.
my @refused = (
	[qr/no such process/, sub { 30000 }],
	[qr/it is init/, sub { 1 }],
	[qr/would freeze itself/, sub { $$ }],
	[qr/a zombie/, sub { my $p = fork() // die; POSIX::_exit(0) if !$p;
		wait_for(5, sub { slurp("/proc/$p/stat", 1) =~ /\) Z/ }); $p }],
);
for (@refused) {
	my ($why, $make) = @$_;
	no warnings;
	local *CRTest::reap = sub { } if "$why" =~ /zombie/;
	my $p = $make->();
	my $out = `$inject -t $p getpid 2>&1`;
	is($? >> 8, 1, "pid $p: refused");
	like($out, $why, "pid $p: says why");
}
done_testing;
