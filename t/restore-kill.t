#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# cr-restore is killed, or one of its processes, at every fault point and at
# random instants: nothing of the tree is left, or all of it lives and is
# right; and the same image restores afterwards.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

my $target = CRTarget->start('family');
my @pids;

$target->ready or BAIL_OUT('no target');
@pids = ($target->{pid}, CRTest::descendants($target->{pid}));
$target->checkpoint or BAIL_OUT('no image');
$target->gone(@pids[1 .. $#pids]);

# What the sources name, so that none is forgotten.
my %points;
for my $file (glob("$CRTest::TOP/tools/cr-restore/*.c")) {
	$points{$_} = 1 for slurp($file) =~ /cr_fault\("([^"]+)"\)/g;
}
ok(scalar(keys %points) > 5, 'fault points in the sources: ' . join(' ', sort keys %points));

# Run cr-restore, do something to it; how it ended.
sub restore_with {
	my ($env, $after) = @_;
	my $dir = tmpdir();

	CRTest::forget(@pids);
	my $pid = background([tool('cr-restore'), '-d', '-D', $target->{img}], env => $env,
		out => "$dir/out", err => "$dir/err");

	if (defined $after) {
		sleep($after);
		kill 'KILL', $pid;
	}
	my $status = finish($pid, 20);
	return ($status, slurp("$dir/err", 1) // '');
}

# A process that has been sent SIGKILL may take its time to die: it has the
# signal pending, or has taken it (PF_SIGNALED, PF_EXITING).
sub doomed {
	my ($pid) = @_;
	my $status = slurp("/proc/$pid/status", 1) // return 1;
	my $stat = slurp("/proc/$pid/stat", 1) // return 1;
	my $flags = (split ' ', $stat =~ s/.*\) //sr)[6];

	return 1 if $flags & 0x404;
	return grep { hex($_) & 0x100 } $status =~ /^(?:Sig|Shd)Pnd:\t([0-9a-f]+)$/mg;
}

sub living {
	return grep { alive($_) && !doomed($_) } @pids;
}

# After a restore that was disturbed: all or nothing.  Returns what was wrong.
sub all_or_nothing {
	my ($status, $err) = @_;

	if (!WIFSIGNALED($status) && WEXITSTATUS($status) == 0) {
		# It had come to its end.
		return 'restored, but not all lives' unless living() == @pids;
	} else {
		# The tree is gone, or it had been let go just before.
		# Until its watcher and its forks have ended it is not decided.
		wait_for(20, sub { !watched() });
		# (Twice: between the signal and its flag there is an instant.)
		wait_for(5, sub { my $n = living(); $n == 0 || (all_free() && sleep(0.05) && all_free()) });
	}
	my $n = living();
	return undef if $n == 0;
	return "$n of " . scalar(@pids) . ' processes are left' if $n != @pids;
	CRTest::touch("$target->{dir}/verify");
	my $verdict = finish($target->{pid}, 20);
	unlink "$target->{dir}/verify";
	return 'the tree lives but is wrong: ' . describe($verdict) . ' ' . $target->log if describe($verdict) ne 'exit 0';
	return undef;
}

sub watched {
	return grep { (slurp($_, 1) // '') =~ /^cr-restore/ } glob('/proc/[0-9]*/comm');
}

sub traced {
	return grep { (slurp("/proc/$_/status", 1) // '') =~ /^TracerPid:\t[1-9]/m } @pids;
}

sub all_free {
	return living() == @pids && !traced();
}

sub settled {
	return wait_for(5, sub { !grep { -e "/proc/$_" } @pids });
}

for my $point (sort keys %points) {
	for my $pass (1, 3) {
		my ($status, $err) = restore_with({ CR_FAULT => "cr-restore:$point:$pass" });
		my $wrong = all_or_nothing($status, $err);

		is($wrong, undef, "$point, passing $pass: all or nothing (" . describe($status) . ')');
		ok(settled(), "$point, passing $pass: no pid is held");
	}
}

my $began = time();
my ($status, $err) = restore_with({});
my $length = time() - $began;
is(describe($status), 'exit 0', 'restores after all that') or diag($err);
is(all_or_nothing($status, $err), undef, 'and is right');
settled();

my $rounds = $ENV{CR_LONG} ? 300 : 60;
my %seen = (before => 0, after => 0);
my @wrong;
for my $i (1 .. $rounds) {
	my $after = $length * 1.2 * $i / $rounds;
	my ($s, $e) = restore_with({}, $after);
	my $bad = all_or_nothing($s, $e);

	push @wrong, sprintf('after %.4f s (%s): %s', $after, describe($s), $bad) if defined $bad;
	push @wrong, sprintf('after %.4f s: a pid is held', $after) unless settled();
	$seen{ WIFSIGNALED($s) ? 'before' : 'after' }++;
}
is("@wrong", '', "killed at $rounds instants: all or nothing");
ok($seen{before} > $rounds / 4, "$seen{before} kills came before its end");

($status, $err) = restore_with({});
is(describe($status), 'exit 0', 'and restores in the end') or diag($err);
is(all_or_nothing($status, $err), undef, 'rightly');
done_testing;
