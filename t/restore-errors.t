#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A system call of cr-restore fails, or of a process that it makes: all of the
# tree lives and is right, or nothing is left behind, and the image restores
# afterwards.  With CR_LONG=1 each call fails in turn, otherwise one of each kind.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $failcall = "$BUILD/t/failcall";
my $log = tmpdir() . '/log';
my $t = CRTarget->start('quiet');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
$t->checkpoint or BAIL_OUT('no image');
$t->gone(@pids[1 .. $#pids]);
my $objects = objects();

# What a restore could leave behind beside processes.
sub objects {
	my @names = map { my $d = $_; map { "$d/$_" } names_in($d) } $t->{dir}, $t->{img};
	return join("\n", @names, slurp('/proc/sysvipc/shm'), slurp('/proc/sysvipc/msg'));
}

sub names_in {
	my ($dir) = @_;
	opendir(my $d, $dir) or die "$dir: $!";
	return sort grep { !/^(\.\.?|log)$/ } readdir $d;
}

sub restore {
	my (@rule) = @_;
	my $err = tmpdir() . '/err';

	CRTest::forget(@pids);
	unlink $log;
	my $pid = background([$failcall, map({ ('-e', $_) } @rule), '-o', $log, tool('cr-restore'), '-d',
		'-D', $t->{img}], err => $err);
	return { status => finish($pid, 60), err => slurp($err, 1) // '', log => slurp($log, 1) // '' };
}

# Let it compare, or end it.
sub is_right {
	my ($name) = @_;
	kill 'USR1', $t->{pid};
	return $t->verify($name);
}

sub nothing_left {
	return wait_for(20, sub { !grep { -e "/proc/$_" } @pids });
}

# Not those that only the loader of the program makes, nor munmap(2), whose
# last one a task makes under ptrace: the interrupt that is to stop it on the way
# out ends its wait for failcall's answer, and no call has been made;
# nor futex(2), in which threads of the target wait.
my @calls = qw(read write close poll lseek mmap mprotect rt_sigaction rt_sigprocmask ioctl
	pwrite64 mremap madvise sendmsg socketpair wait4 fcntl ftruncate fchdir readlink
	fchmod fchown umask ptrace setsid getsid prctl tkill openat newfstatat linkat
	utimensat eventfd2 dup3 pipe2 preadv prlimit64 statx pidfd_open clone3 close_range
	futex_waitv kill unlink);
my @count = map { "$_:0:EIO" } @calls;

my $r = restore(@count);
is(describe($r->{status}), 'exit 0', 'it works when its calls are counted') or diag($r->{err});
is_right('is right when its calls are counted');
ok(nothing_left(), 'it has ended');
my %made = $r->{log} =~ /^made (\w+) (\d+)$/mg;
ok(keys %made > 30, 'it makes ' . keys(%made) . ' kinds of calls');

sub which {
	my ($n, $call) = @_;
	# What ends and removes: each of them.
	return $ENV{CR_LONG} || $call =~ /^(kill|unlink)$/ ? 1 .. ($n > 200 ? 200 : $n) : int($n / 2) + 1;
}

my ($injected, $failed) = (0, 0);
for my $call (sort keys %made) {
	for my $n (which($made{$call}, $call)) {
		my $error = (qw(EIO ENOMEM EPERM))[$n % 3];
		my $name = "$call number $n fails with $error";

		my $began = time();
		$r = restore("$call:$n:$error");
		note("$name: ", time() - $began, ' s: ', describe($r->{status}), " $r->{err}");
		my $hit = $r->{log} =~ /^injected/m;
		$injected += $hit;
		if (defined $r->{status} && $r->{status} == 0) {
			# One that has not come to so many would meet it in the target.
			$hit ? is_right("$name: restored") : kill('KILL', @pids);
		} else {
			$failed++;
			# The first ones are the loader's, others a sanitizer's.
			my $other = $r->{err} =~ /error while loading shared libraries/ ? 127
				: $r->{err} =~ /Sanitizer failed to allocate/ ? 99 : undef;
			like(describe($r->{status}), $other ? qr/^exit $other$/ : qr/^exit (1|102|111)$/,
				"$name: an exit status of ours");
			like($r->{err}, qr/^cr-restore: ./m, "$name: says why") unless $other;
		}
		ok(nothing_left(), "$name: nothing is left") or kill('KILL', @pids);
		is(objects(), $objects, "$name: no object is left");
		unlink "$t->{dir}/deleted";
	}
}
ok($injected > 30, "$injected calls failed, $failed restores with them");
$r = restore(@count);
is(describe($r->{status}), 'exit 0', 'after all that it is restored') or diag($r->{err});
is_right('after all that it is right');
done_testing;
