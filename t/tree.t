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
