#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Trees of unusual shape: a daemon whose session leader is gone; what cannot be
# made again is refused by name, and unharmed.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use POSIX ();

# The root: started by a session leader that has ended since.  It comes to us.
sub start_daemon {
	my $t = CRTarget->start(@_, setup => sub {
		my $pid = fork() // die "fork: $!";
		POSIX::_exit(0) if $pid;
	});
	my $leader = $t->{pid};

	is(describe(finish($leader)), 'exit 0', 'the session leader ends');
	($t->{pid}) = grep { (slurp("/proc/$_/stat", 1) // '') =~ /\) \S \d+ \d+ $leader / }
		CRTest::children($$);
	ok($t->{pid}, "its child, $t->{pid}, is left in session $leader");
	return ($t, $leader);
}

sub session_of {
	my ($pid) = @_;
	return (split ' ', slurp("/proc/$pid/stat") =~ s/.*\) //sr)[3];
}

{
	my ($t, $leader) = start_daemon('kin', title => 'daemon');
	my $pid = $t->{pid};

	$t->ready or BAIL_OUT('no target');
	my @pids = CRTest::descendants($pid);
	$t->checkpoint('-R');
	$t->checkpoint;
	$t->gone(@pids);
	for my $how ('restore', 'restore_detached') {
		my $restored = $t->$how;
		is(session_of($pid), $leader, "$how: the root is in the session of a dead leader");
		ok(!-e "/proc/$leader", 'the leader is gone');
		$t->verify("verifies itself after $how",
			pid => $how eq 'restore' ? $restored : $pid);
	}
}

# A root that is the child of another thread than the main one.
{
	my $t = CRTarget->start('threadkids', args => ['root']);
	if ($t->ready) {
		my $child = CRTest::slurp("$t->{dir}/child");
		my $img = tmpdir();

		exits(0, [tool('cr-checkpoint'), '-t', $child, '-D', $img], 'the child of a thread');
		touch("$t->{signs}/verify");
		is(describe(finish($t->{pid}, 30)), 'exit 0', 'its parent goes on without it');
		exits(0, [tool('cr-restore'), '-D', $img], 'it is restored');
	}
}

# An orphan that has the table of the root, whose parent is another ancestor; also
# when it becomes one while a stage still prepares itself.
for my $late (0, 1) {
	my $dir = tmpdir();
	my $code = 'if (!syscall(56, 0x411, 0, 0, 0, 0)) {' .
		'if (syscall(56, 0x411, 0, 0, 0, 0)) { select(undef, undef, undef, 0.02) until -e "leave"; syscall(60, 0) }' .
		'open(F, ">", "orphan.new"); print F syscall(39); close(F);' .
		'rename("orphan.new", "orphan"); select(undef, undef, undef, 0.02) until -e "over";' .
		'syscall(60, 0) } wait; select(undef, undef, undef, 0.02) until -e "over"';
	my $sh = background(['sh', '-c', 'setsid "$0" -e "$1" & echo $! >root.new; mv root.new root; wait',
		$^X, $code], session => 1, dir => $dir, out => '/dev/null', err => "$dir/err");
	wait_for(20, sub { -e "$dir/orphan" && -e "$dir/root" });
	my $orphan = CRTest::slurp("$dir/orphan");
	chomp(my $root = CRTest::slurp("$dir/root"));
	my ($maker) = CRTest::slurp("/proc/$orphan/status") =~ /^PPid:\t(\d+)/m;
	my $r;
	if ($late) {
		$r = exits(1, ['bash', '-c', "set -o pipefail; (sleep 0.7; : >'$dir/leave') & " .
			"'$BIN/cr-freeze' -t $root | '$BUILD/t/stage' -H 60000 -s 1500 -o '$dir/seen' | " .
			"'$BIN/cr-imgtool' show - >/dev/null"], 'one who becomes an orphan shares a table');
	} else {
		touch("$dir/leave");
		wait_for(20, sub { CRTest::slurp("/proc/$orphan/status", 1) =~ /^PPid:\t(\d+)/m && $1 != $maker });
		$r = exits(1, [tool('cr-checkpoint'), '-t', $root, '-D', tmpdir()], 'an orphan shares a table');
	}
	like($r->{err}, qr/^cr-freeze: pid $root: shares its descriptor table with process $orphan outside/m,
		'it is refused');
	touch("$dir/over");
	finish($sh, 20);
}

# Memory is carried when all who have it are there.
{
	my $t = CRTarget->start('vmshare');
	if ($t->ready) {
		my ($child) = CRTest::descendants($t->{pid});
		my $r = exits(1, [tool('cr-checkpoint'), '-j', '-t', $child, '-D',
			tmpdir() . '/img'], 'a child that shares memory, by itself, is refused');
		like($r->{err}, qr/^cr-freeze: pid $child: shares its memory with process $t->{pid} outside/m,
			'it says why');
		$t->verify('goes on');
	}
}
done_testing;
