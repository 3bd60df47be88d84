#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Processes of the tree are killed while the pipeline is at work on them: it ends,
# says why, commits nothing that is not whole, and leaves nothing behind in those
# that live.  CR_SEED repeats a run.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRNoharm;
use CRTarget;

my $runs = $ENV{CR_LONG} ? 400 : 40;
my $seed = $ENV{CR_SEED} // (time() ^ $$ << 8);
srand($seed);
note("CR_SEED=$seed");

# A tree of processes, two with threads.
sub start_family {
	my $t = CRTarget->start('family');
	$t->ready or return;
	$t->{out} = tmpdir();
	$t->{pids} = [$t->{pid}, CRTest::descendants($t->{pid})];
	return $t;
}

sub threads_of {
	return map { m{/(\d+)$} } map { glob("/proc/$_/task/*") } @_;
}

my $t = start_family() or BAIL_OUT('no target');
my ($usual) = (sort { $a <=> $b } map { pipeline($t)->{seconds} } 1 .. 5)[2];
note("the pipeline takes $usual s; ", scalar(@{ $t->{pids} }), ' processes');
kill 'KILL', @{ $t->{pids} };
finish($t->{pid});
my %said;

# What the pipeline has left behind in those that live.
sub left_behind {
	my (@pids) = @_;
	my @wrong;

	for my $pid (grep { alive($_) } @pids) {
		my $status = slurp("/proc/$pid/status", 1) // '';
		push @wrong, "$pid is stopped or traced"
			if $status =~ /^State:\s+[Tt]|^TracerPid:\s+[1-9]|^SigBlk:\s+f{8}/m;
		push @wrong, "$pid has a mapping" if (slurp("/proc/$pid/maps", 1) // '') =~ /SYSV/;
	}
	return join(', ', @wrong);
}

# One tree, some of it killed while a pipeline runs over it.
sub kill_some {
	my ($name, $whom, $after, %o) = @_;
	my $t = start_family() or return;
	my @pids = @{ $t->{pids} };
	my @threads = grep { my $x = $_; !grep { $_ == $x } @pids } threads_of(@pids);
	my %victims = (root => [$pids[0]], child => [$pids[1 + rand(@pids - 1)]],
		thread => [$threads[rand @threads]], all => \@pids);

	my $r = pipeline($t, pids => [map { [$_, $after] } @{ $victims{$whom} }], %o);
	my @hung = grep { !defined $r->{status}[$_] } 0 .. $#STAGES;
	is("@STAGES[@hung]", '', "$name: the pipeline ends");
	is(image_harm($r), '', "$name: a good image or none");
	ok($r->{complete} || $r->{err} =~ /^cr-\S+: .*\b\d+\b/m, "$name: or says which process") or
		diag($r->{err});
	ok(wait_for(10, sub { left_behind(@pids) eq '' }), "$name: nothing is left behind") or
		diag(left_behind(@pids));
	$said{s/\d+/N/gr}++ for $r->{complete} ? () : split /\n/, $r->{err};
	kill 'KILL', @pids;
	finish($t->{pid});
	return $r;
}

for my $run (1 .. $runs) {
	my $whom = (qw(root child thread all))[$run % 4];
	my $end = (qw(resume kill))[$run / 4 % 2];
	my $after = rand() * $usual * 1.1;

	kill_some(sprintf('run %d: %s killed after %.2f ms, --then %s', $run, $whom, $after * 1000, $end),
		$whom, $after, then => $end);
}

# Surely while all is frozen, and before it has been asked or read: a stage is held
# up, for less than the two seconds that the freeze waits for it.
for my $whom (qw(root child thread all)) {
	for my $stage (1, 2) {
		my $name = "$whom killed, $STAGES[$stage] held up";
		my $r = kill_some($name, $whom, 0.5, held => $stage, signals => [[$stage, 1, 18]]);
		ok($r && !$r->{complete}, "$name: no image") or diag($r->{err});
	}
}
note("$said{$_} $_") for sort keys %said;
done_testing;
