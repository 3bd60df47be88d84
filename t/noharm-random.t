#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A program of the dump pipeline, any of them, is killed at any instant: the
# processes go on as they were.  The seed of a failing run is in its output;
# CR_SEED repeats it.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRNoharm;
use POSIX qw(WIFSIGNALED);
use Time::HiRes qw(sleep);

my $runs = $ENV{CR_LONG} ? 3000 : 300;
my $seed = $ENV{CR_SEED} // (time() ^ $$ << 8);
srand($seed);
note("CR_SEED=$seed");

my %killed;

# Kill at @$runs instants of the pipeline over a target.
sub kill_randomly {
	my ($title, $runs, @args) = @_;
	my $t = start_busy(@args);
	my @took = map { pipeline($t)->{seconds} } 1 .. 5;
	my ($usual) = (sort { $a <=> $b } @took)[2];
	my $bad = 0;

	is(harm($t), '', "$title: nothing has happened to it");
	note("the pipeline takes $usual s");
	for my $run (1 .. $runs) {
		my $which = int(rand(@STAGES));
		# The first and the last of it are as likely as the middle.
		my $after = rand() * $usual * 1.1;
		# Sometimes two at once, as when a terminal or a memory cgroup does it.
		my $second = rand() < 0.1 ? int(rand(@STAGES)) : undef;
		my $r = pipeline($t, kill => [$which, $after, $second]);
		my $name = sprintf('%s: run %d: %s%s after %.1f ms', $title, $run, $STAGES[$which],
			defined $second ? " and $STAGES[$second]" : '', $after * 1000);

		$killed{$STAGES[$_]}++ for grep { WIFSIGNALED($r->{status}[$_] // 0) } 0 .. $#STAGES;
		my $wrong = harm($t, forgive => scalar WIFSIGNALED($r->{status}[0] // 0)) ||
			image_harm($r);
		next unless $wrong;
		fail($name);
		diag("$wrong\nCR_SEED=$seed\n$r->{err}");
		last if ++$bad > 5;
	}
	ok(!$bad, "$title: $runs runs: no harm");
	end_busy($t, "$title, after all runs");
}

# With "more" it has what is refused, so that nothing is ever committed;
# with "mdwe" its agent has two segments.
kill_randomly('busy', $runs * 4 / 6);
kill_randomly('busy, mdwe', $runs / 6, 'mdwe') if syscall(157, 66, 0, 0, 0, 0) >= 0;
kill_randomly('busy, refused', $runs / 6, 'more');
note(join(', ', map { "$_ killed $killed{$_} times" } sort keys %killed));
for (@STAGES) {
	ok(($killed{$_} // 0) > $runs / 60, "$_ was killed often enough") or diag($killed{$_} // 0);
}
done_testing;
