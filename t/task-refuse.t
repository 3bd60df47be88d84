#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What no agent can live with is refused by name, and the process goes on.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

sub refused {
	my ($what, $pid, $pattern) = @_;
	my $img = tmpdir();
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $pid, '-D', $img], "$what: refused");

	like($r->{err}, $pattern, "$what: by name");
	ok(!-e "$img/manifest.img", "$what: no image");
	ok(alive($pid), "$what: alive");
	like(CRTest::slurp("/proc/$pid/status"), qr/^TracerPid:\t0$/m, "$what: not traced");
	unlike(CRTest::slurp("/proc/$pid/maps"), qr/SYSV/, "$what: no mapping left");
}

# A program of perl that reads from a fifo for ever, after some preparation.
sub reader {
	my ($code) = @_;
	my $dir = tmpdir();

	system('mkfifo', "$dir/fifo") == 0 or die;
	my $pid = background([$^X, '-e', "open(F, '+<', '$dir/fifo'); $code; sysread(F, \$b, 1)"],
		session => 1, out => "$dir/log", err => "$dir/log");
	wait_for(10, sub { (CRTest::slurp("/proc/$pid/syscall", 1) // '') =~ /^0 / });
	return $pid;
}

my $pid = reader('syscall(157, 22, 1)');
refused('strict mode', $pid, qr/thread $pid: seccomp strict mode: not supported/);

# load nr; shmdt: kill the process, else allow
my $filter = 'my $p = pack("SCCL" x 4, 0x20,0,0,0, 0x15,0,1,67, 6,0,0,0x80000000, 6,0,0,0x7fff0000);' .
	'syscall(317, 1, 0, pack("S x6 P", 4, $p)) == 0 or die';
$pid = reader($filter);
refused('a filter', $pid, qr/thread $pid: has a seccomp filter that forbids shmdt\(2\)/);

# the same, but the decision is somebody else's
($filter = $filter) =~ s/0x80000000/0x7fc00000/;
$filter =~ s/\b67\b/180/;
$pid = reader($filter);
refused('a filter with a supervisor', $pid, qr/has a seccomp filter with a supervisor/);

# Keys and segments of its own.
for my $key ([-1, qr/thread \d+: has a thread keyring: not supported/],
	[-2, qr/has a process keyring: not supported/]) {
	$pid = reader("syscall(250, 0, $key->[0], 1) > 0 or die");
	refused("keyring $key->[0]", $pid, $key->[1]);
}

# The session keyring: with a key of its own; with one that its user has, as a
# login has it; with the one that a service of systemd has.
my $join = 'my ($u, $k, $i, $n, $v) = ("user", "keyring", "invocation_id", "secret", "x");' .
	'my $r = syscall(250, 1, 0); $r > 0 or die; ';
$pid = reader("$join syscall(248, \$u, \$n, \$v, 1, \$r) > 0 or die");
refused('a key of the session', $pid,
	qr/pid $pid: its session keyring has keys \(user 'secret'\): not supported; keep them in the user keyring, or use --session-keys ignore$/m);
exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', tmpdir(), '-R', '--session-keys', 'ignore'],
	'a key of the session, ignored');
exits(100, [tool('cr-checkpoint'), '-t', $pid, '-D', tmpdir(), '--session-keys', 'some'], 'another word');
for my $more ('syscall(250, 8, -4, $r) == 0 or die',
	'syscall(248, $u, $i, $v, 1, $r) > 0 or die') {
	$pid = reader("$join $more");
	my $img = tmpdir();
	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img], "$more: is dumped");
	finish($pid);
	my $r = exits(0, [tool('cr-restore'), '-d', '-D', $img], "$more: is restored");
	my $has = run([tool('cr-imgtool'), 'show', $img])->{out} =~ /"session_keyring":\{/ ? 1 : 0;
	is($has, $more =~ /248/ ? 1 : 0, "$more: is made again");
	kill 'KILL', $pid;
	finish($pid);
}
# That of a login, below a process with an empty one.
my $up = tmpdir() . '/up';
$pid = reader("$join if (!fork) { \$r = syscall(250, 1, 0); syscall(250, 8, -4, \$r); mkdir '$up'; sleep 1000 } " .
	"select(undef, undef, undef, 0.01) until -d '$up'");
refused('below an empty one', $pid,
	qr/has not the session keyring of its parent, nor an empty one: not supported; use --session-keys ignore$/m);
$pid = reader('syscall(154, 1, my $d = pack("L4", 3, 0x1000, 0xfffff, 1), 16) == 0 or die');
refused('an LDT', $pid, qr/pid $pid: has segments of its own \(modify_ldt\): not supported/);

# An ELF of 32 bits: a write() of a line, then pause() for ever.
SKIP: {
	my $dir = tmpdir();
	my $code = pack('C*', 0xb8, 4, 0, 0, 0, 0xbb, 1, 0, 0, 0, 0xb9, 0x54, 0x80, 4, 8,
		0xba, 3, 0, 0, 0, 0xcd, 0x80, 0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7);
	my $at = 0x08048000;
	my $elf = pack('C4 C12 v2 V5 v6', 0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, (0) x 9,
		2, 3, 1, $at + 0x58, 0x34, 0, 0, 0x34, 0x20, 1, 0, 0, 0) .
		pack('V8', 1, 0, $at, $at, 0x58 + length $code, 0x58 + length $code, 5, 0x1000) .
		"up\n\0" . $code;
	CRTest::spew("$dir/program", $elf);
	chmod 0755, "$dir/program";
	$pid = background(["$dir/program"], session => 1, out => "$dir/log",
		err => "$dir/err");
	wait_for(10, sub { -s "$dir/log" || !alive($pid) });
	skip 'this kernel runs no 32-bit programs', 1 unless -s "$dir/log";
	refused('a 32-bit program', $pid, qr/thread $pid: runs 32-bit code: not supported/);
	kill 'KILL', $pid;
	finish($pid, 10);
}

# A Landlock domain is of a thread, and of users with and without rights.
SKIP: {
	skip 'no Landlock', 1 unless syscall(444, 0, 0, 1) > 0;
	for my $args ([], ['nobody'], ['thread'], ['thread', 'nobody'], ['norights']) {
		my $t = CRTarget->start('landlock', args => ['fenced', @$args]);
		$t->ready or next;
		refused("Landlock @$args", $t->{pid},
			qr/thread \d+: is in a Landlock domain: not supported/);
		$t->verify('goes on');
		$t = CRTarget->start('landlock', args => $args);
		$t->ready or next;
		$t->checkpoint('-R');
		$t->verify("without Landlock, @$args: is not refused");
	}
}

done_testing;
