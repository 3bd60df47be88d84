#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every program of the dump pipeline kills itself at each fault point that it
# comes to: the processes go on as they were.  Which those are the programs say
# themselves; all that the sources name must be among them.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRNoharm;
use POSIX qw(WIFSIGNALED);

my %reached;

# [PROGRAM, POINT, how often] of a run that writes to @$log.
sub passed {
	my ($log) = @_;
	my (%count, @order);

	for (split /\n/, slurp($log)) {
		push @order, $_ unless $count{$_}++;
	}
	return map { my ($program, $point) = split /:/; $reached{$point} = 1;
		[$program, $point, $count{$_}] } @order;
}

sub index_of {
	my ($program) = @_;
	return (grep { $STAGES[$_] eq $program } 0 .. $#STAGES)[0];
}

# The first passing, and one in the middle; all of them when there is time.
sub passes {
	my ($n) = @_;
	return 1 .. $n if $ENV{CR_LONG} && $n < 100;
	return $n > 2 ? (1, int($n / 2) + 1) : (1);
}

my $log = tmpdir() . '/log';

# At all points whose names fit.
sub fail_at {
	my ($title, $which, @args) = @_;
	my $t = start_busy(@args);

	unlink $log;
	my $fine = pipeline($t, env => { CR_FAULT => "log:$log" });
	is(join(' ', map { describe($_) } @{ $fine->{status} }), join(' ', ('exit 0') x @STAGES),
		"$title: the pipeline works") or diag($fine->{err});
	is(harm($t), '', "$title: nothing has happened to the target");
	for (passed($log)) {
		my ($program, $point, $n) = @$_;
		next unless $point =~ $which;
		for my $pass (passes($n)) {
			my $fault = "$program:$point:$pass";
			my $name = "$title: $fault";
			my $r = pipeline($t, env => { CR_FAULT => $fault });

			is(describe($r->{status}[index_of($program)]), 'killed by signal 9', "$name: dies") or diag($r->{err});
			is(harm($t, forgive => scalar $fault =~ /^cr-freeze:(seize|stopped):/), '',
				"$name: no harm") or diag($r->{err});
			is(image_harm($r), '', "$name: a good image or none");
		}
	}
	end_busy($t, "$title: after all faults");
}

fail_at('busy', qr/./);
# Its agent has two segments; no kernel before 6.3 knows how to ask for that.
my $mdwe = syscall(157, 66, 0, 0, 0, 0) >= 0;
# Its way out is behind the code of a file.
fail_at('busy, novdso', qr/^(attach|evict|agent|guest|slots|regs)/, 'novdso');
fail_at('busy, mdwe', qr/^(apart|attach|evict|agent|guest|slots|regs)/, 'mdwe') if $mdwe;

# An end that kills: the image is complete, or all goes on.  A tree of three,
# so that it has somebody to reap.
sub family {
	my $dir = tmpdir();
	my $pid = background(['sh', '-c', 'sh -c "sleep 1000 & touch up; wait" & wait'],
		session => 1, dir => $dir, out => '/dev/null', err => '/dev/null');

	wait_for(10, sub { -e "$dir/up" && CRTest::descendants($pid) == 2 });
	return ({ pid => $pid, out => $dir }, $pid, CRTest::descendants($pid));
}

sub all_or_none {
	my ($complete, @pids) = @_;
	my @alive = grep { alive($_) } @pids;
	my @stuck = grep { (slurp("/proc/$_/status", 1) // '') =~
		/^State:\s+[Tt]|^TracerPid:\s+[1-9]/m } @alive;

	return !@stuck && (@alive == @pids || (!@alive && $complete));
}

for my $end ('kill', 'stop') {
	my ($f, @pids) = family();
	unlink $log;
	my $r = pipeline($f, then => $end, env => { CR_FAULT => "log:$log" });
	is(describe($r->{status}[-1]), 'exit 0', "$end: works") or diag($r->{err});
	my @points = passed($log);
	if ($end eq 'kill') {
		is(join(' ', grep { -e "/proc/$_" && $_ != $pids[0] } @pids), '',
			"$end: all pids but the root's are free");
	} else {
		ok(wait_for(5, sub { 3 == grep { slurp("/proc/$_/status") =~ /^State:\tT/m } @pids }),
			"$end: all are stopped");
	}
	kill 'KILL', @pids;
	for (@points) {
		my ($program, $point) = @$_;
		my $name = "$end: $program:$point";

		($f, @pids) = family();
		$r = pipeline($f, then => $end, env => { CR_FAULT => "$program:$point:1" });
		is(describe($r->{status}[index_of($program)]), 'killed by signal 9', "$name: dies") or diag($r->{err});
		is(image_harm($r), '', "$name: a good image or none");
		my $complete = $r->{complete};
		if ($end eq 'stop' && $complete) {
			# Some of them may have got their SIGSTOP.
			kill 'CONT', @pids;
		}
		ok(wait_for(10, sub { all_or_none($complete, @pids) }), "$name: all or nothing") or
			diag("alive: @{[grep { alive($_) } @pids]} of @pids, image " .
				($complete ? 'complete' : 'not there') . "\n$r->{err}");
		kill 'KILL', grep { alive($_) } @pids;
		wait_for(5, sub { !grep { alive($_) } @pids });
	}
}

# cr-inject by itself.
my $sleep = background(['sleep', '1000'], session => 1);
wait_for(5, sub { (slurp("/proc/$sleep/wchan", 1) // '') =~ /nanosleep/ });
my $maps = slurp("/proc/$sleep/maps");
unlink $log;
exits(0, [tool('cr-inject'), '-t', $sleep, 'getpid'], 'cr-inject -t',
	env => { CR_FAULT => "log:$log" });
for (passed($log)) {
	my ($program, $point, $n) = @$_;
	my $r = run([tool('cr-inject'), '-t', $sleep, 'getpid'],
		env => { CR_FAULT => "cr-inject:$point:1" });

	is(describe($r->{status}), 'killed by signal 9', "cr-inject -t: $point: dies") or diag($r->{err});
	ok(wait_for(10, sub {
		slurp("/proc/$sleep/maps") eq $maps &&
			slurp("/proc/$sleep/status") =~ /^State:\s+S.*^TracerPid:\s+0\n.*^SigBlk:\s+0+\n/ms;
	}), "cr-inject -t: $point: no harm");
}
kill 'TERM', $sleep;
is(describe(finish($sleep, 5)), 'killed by signal 15', 'cr-inject -t: it can be ended');

# Points that only another pipeline comes to.
my %elsewhere = map { $_ => 1 } qw(ghost net-socket queue-peek cgroup-back cgroup-freeze
	cgroup-freezing cgroup-frozen cgroup-seized link-made link-noted);
@elsewhere{qw(apart-code apart-attached)} = (1, 1) unless $mdwe;
my @missed = grep { !$reached{$_} && !$elsewhere{$_} }
	fault_points('libcommon', 'libcommon/arch/x86_64', map { "tools/$_" } @STAGES);
is("@missed", '', 'every fault point was reached');
done_testing;
