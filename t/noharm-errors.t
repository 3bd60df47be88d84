#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the dump pipeline needs fails: a system call, the disk, the reader of
# its output.  The processes go on as they were, and there is a good image or
# none.  With CR_LONG=1 each call of each program fails in turn.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRNoharm;

my $t = start_busy();

sub no_harm {
	my ($name, $r, %o) = @_;
	is(harm($t, %o), '', "$name: no harm") or diag($r->{err});
	is(image_harm($r), '', "$name: a good image or none") or diag($r->{err});
}

# The disk is full after so many bytes.
my $disk = tmpdir();
for my $size ('16k', '64k', '512k') {
	is(system('mount', '-t', 'tmpfs', '-o', "size=$size", 'none', $disk), 0, "a disk of $size");
	my $r = pipeline($t, img => "$disk/img");
	no_harm("a disk of $size", $r);
	ok(!-e "$disk/img/manifest.img", "a disk of $size: there is no image");
	isnt($r->{status}[-1], 0, "a disk of $size: the last program says so");
	system('umount', $disk);
}

# The reader of the pipeline ends, at once or after some bytes.
for my $bytes (0, 1, 100, 5000, 20000) {
	my $r = pipeline($t, tail => ['head', '-c', $bytes, '/dev/stdin']);
	is(harm($t), '', "a reader of $bytes bytes: no harm") or diag($r->{err});
	ok(!-e "$r->{img}/manifest.img", "a reader of $bytes bytes: there is no image");
}
my $r = pipeline($t, tail => ['/no/such/program']);
no_harm('a program that is not there', $r);

# The Nth call of a kind fails.
my %calls = (
	'cr-freeze' => [qw(ptrace wait4 openat read write shmat shmctl shmget pwrite64 futex
		process_vm_readv recvfrom sendto poll accept4 socket)],
	'cr-inject' => [qw(sendmsg recvfrom write read connect openat)],
	'cr-dump-mem' => [qw(openat pread64 write sendmsg mmap)],
	'cr-dump-fds' => [qw(pidfd_open pidfd_getfd kcmp openat readlink write)],
	'cr-imgtool' => [qw(openat fsync renameat rename sendmsg write)],
);
SKIP: {
	skip('strace is not installed', 1) if system('strace -V >/dev/null 2>&1');
	for my $program (sort keys %calls) {
		my ($i) = grep { $STAGES[$_] eq $program } 0 .. $#STAGES;
		for my $call (@{ $calls{$program} }) {
			for my $n ($ENV{CR_LONG} ? 1 .. 200 : (3, 17)) {
				my $error = (qw(EIO ENOMEM EPERM))[$n % 3];
				my $log = tmpdir() . '/log';
				my $name = "$program: $call number $n fails with $error";
				$r = pipeline($t, wrap => [$i, 'strace', '-qq', '-o', $log, '-e',
					"trace=$call", '-e', "inject=$call:error=$error:when=$n"]);

				last if (slurp($log, 1) // '') !~ /INJECTED/;
				no_harm($name, $r, forgive => $program eq 'cr-freeze');
			}
		}
	}
}
end_busy($t, 'after all errors');
done_testing;
