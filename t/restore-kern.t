#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Kernel objects that are not as they were when the image is restored.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

sub refused {
	my ($t, $what, $pattern) = @_;
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], "$what: refused");

	like($r->{err}, $pattern, "$what: by name");
}

subtest 'message queues' => sub {
	my $t = CRTarget->start('mqueue');
	return unless $t->ready;
	my $name = "cr-t-$t->{pid}";
	my $unlink = 241;	# mq_unlink

	$t->checkpoint or return;
	$t->gone;
	ok(syscall($unlink, "${name}b") == 0, 'the empty queue is removed');
	$t->restore_detached or return;
	$t->verify('one is made again');
	ok(syscall($unlink, "${name}b") == 0, 'it is there');
	ok(syscall($unlink, $name) == 0, 'the full queue is removed');
	refused($t, 'a queue with messages', qr{/$name: the message queue is missing; it had 2 messages});
	ok(syscall($unlink, "${name}b") < 0, 'no queue is left behind');
	my $attr = pack('q8', 0, 4, 100);
	ok(syscall(240, $name, 0102, 0600, $attr) >= 0, 'another queue of that name');
	refused($t, 'a queue of another shape',
		qr{/$name: the message queue takes 4 messages of 100 bytes, it took 5 of 100});
};
subtest 'a BPF map that is pinned' => sub {
	my $pins = tmpdir();
	my $mounted = run(['mount', '-t', 'bpf', 'bpf', $pins])->{status} == 0;

	plan skip_all => 'no file system for BPF here' unless $mounted;
	mkdir "$pins/below";
	my $t = CRTarget->start('bpfmap', env => { T_PIN => "$pins/below/map" });
	if ($t->ready && $t->checkpoint) {
		$t->gone;
		rename "$pins/below/map", "$pins/away";
		refused($t, 'a pin that is gone', qr{$pins/below/map: no BPF map is pinned there});
		rename "$pins/away", "$pins/below/map";
		$t->restore_detached and $t->verify('it is found again');
	}
	run(['umount', $pins]);
};
subtest 'System V segments' => sub {
	my $t = CRTarget->start('sysv');
	return unless $t->ready;
	my $key = 0x63720000 + $t->{pid};
	my ($shmget, $shmat, $shmctl, $shmdt) = (29, 30, 31, 67);

	$t->checkpoint or return;
	$t->gone;
	my $id = syscall($shmget, $key, 0, 0);
	ok($id >= 0, 'the segment is still there');
	my $at = syscall($shmat, $id, 0, 0);
	refused($t, 'a segment in use', qr/System V segment $id: somebody has attached it/);
	syscall($shmdt, $at);
	syscall($shmctl, $id, 0, 0);
	my $other = syscall($shmget, $key, 4096, 01600);
	refused($t, 'a segment with its key', qr/System V segment $id: segment $other has its key/);
	syscall($shmctl, $other, 0, 0);
	$t->restore_detached or return;
	$t->verify('segments are made again');
	is(syscall($shmget, $key, 0, 0), $id, 'with the same id');
};
# The last one: this setting of our pid namespace cannot be taken back.
subtest 'memfds where they are not executable by themselves' => sub {
	my $sysctl = '/proc/sys/vm/memfd_noexec';
	plan skip_all => "no $sysctl" unless -e $sysctl;
	my $t = CRTarget->start('memfd');
	$t->ready && $t->checkpoint or return;
	$t->gone;
	my $r = run(['sh', '-c', "echo 1 >$sysctl"]);
	return diag($r->{err}) if $r->{status};
	$t->restore_detached or return;
	$t->verify('modes and seals are what they were');
};

done_testing;
