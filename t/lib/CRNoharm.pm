# SPDX-License-Identifier: MIT
#
# The law of no harm: a process that is in everything at once (targets/busy.c),
# the dump pipeline run over it with something going wrong, and the question
# whether it is as it was.
package CRNoharm;

use strict;
use warnings;
use Exporter ();
use CRTest ();
use File::Path qw(remove_tree);
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(sleep time);

our @ISA = ('Exporter');
our @EXPORT = qw(start_busy end_busy harm pipeline fault_points @STAGES image_harm);

BEGIN { CRTest->export_to_level(0, 'CRTest') }

# The programs of the pipeline, by their names, in their order.
our @STAGES = qw(cr-freeze cr-inject cr-dump-mem cr-dump-fds cr-dump-net cr-imgtool);

my @COUNTERS = qw(compute memory nanosleep futex poll epoll_wait sigtimedwait pipe counted
	answers child-computes child-sends child-asks outside recv semaphore full-pipe);
my $OUTSIDE = 13;
my %STANDS = (13 => 1);		# moves only when somebody sends

# --- the target --------------------------------------------------------------

sub start_busy {
	my (@args) = @_;
	my $dir = tmpdir();
	my $pid = background(["$BUILD/t/busy", @args], session => 1, dir => $dir,
		out => "$dir/log", err => "$dir/log");
	my $t = { dir => $dir, pid => $pid, more => scalar(grep { $_ eq 'more' } @args), out => tmpdir() };

	wait_for(60, sub { -e "$dir/ready" || !alive($pid) });
	die "busy does not get ready: ", slurp("$dir/log", 1) // '' unless -e "$dir/ready";
	$t->{child} = (status_page($t))[1];
	$t->{gun} = background(["$BUILD/t/siggun", $pid, 'RTMIN+2', 2000], out => "$dir/sent",
		err => "$dir/sent");
	# It is in a steady state when some looks are the same.
	my ($was, $same) = ('', 0);
	wait_for(60, sub {
		my $is = state_of($t);
		$same = $is eq $was ? $same + 1 : 0;
		$was = $is;
		sleep(0.01);
		return $same > 3;
	}) or die "busy does not get steady";
	$t->{state} = $was;
	return $t;
}

# (complaints, child, text, counters...)
sub status_page {
	my ($t) = @_;
	my @v = unpack('Q32 L L Z256 L', slurp("$t->{dir}/status"));
	return (@v[32, 33, 34], @v[0 .. 31], $v[35]);
}

# Set a number of the status page to 0.
sub reset_number {
	my ($t, $offset) = @_;
	open(my $f, '+<', "$t->{dir}/status") or die "status: $!";
	sysseek($f, $offset, 0);
	syswrite($f, pack('L', 0)) == 4 or die "status: $!";
}

sub forget_complaints {
	reset_number($_[0], 32 * 8);
}

# The kernel ends some calls with EINTR for any stop.  The freeze puts that
# right as soon as it can, but when it is killed before it cannot.
sub forgive_eintr {
	reset_number($_[0], 32 * 8 + 8 + 256);
}

# What must be the same before and after: mappings, descriptors, threads, and
# of each thread its signal mask.
sub state_of {
	my ($t) = @_;
	my $text = '';

	for my $pid ($t->{pid}, $t->{child}) {
		$text .= slurp("/proc/$pid/maps", 1) // "no process $pid\n";
		$text .= join('', map { "$_ " . (readlink($_) // '?') . "\n" } sort glob("/proc/$pid/fd/*"));
		for my $task (sort glob("/proc/$pid/task/*")) {
			my $s = slurp("$task/status", 1) // '';
			$text .= "$task $_\n" for $s =~ /^(SigBlk:.*|SigIgn:.*|SigCgt:.*)$/mg;
		}
	}
	return $text;
}

# The first thread that is stopped, traced, or dying; '' when there is none.
sub stuck {
	my ($t) = @_;

	for my $pid ($t->{pid}, $t->{child}) {
		for my $task (glob("/proc/$pid/task/*")) {
			my $s = slurp("$task/status", 1) // '';
			my ($state) = $s =~ /^State:\s+(\S)/m;
			my ($tracer) = $s =~ /^TracerPid:\s+(\d+)/m;
			return "stuck: $task " . ($state // '-') . ' traced by ' . ($tracer // '?')
				if !defined $state || $state !~ /[RSD]/ || $tracer;
		}
	}
	return '';
}

# What is no more as it was at first.
sub changed {
	my ($t) = @_;
	my $is = state_of($t);
	return $is eq $t->{state} ? '' : first_difference($t->{state}, $is);
}

sub first_difference {
	my ($was, $is) = @_;
	my %was = map { $_ => 1 } split /\n/, $was;
	my %is = map { $_ => 1 } split /\n/, $is;
	my @gone = grep { !$is{$_} } keys %was;
	my @new = grep { !$was{$_} } keys %is;
	return 'new: ' . join('; ', (sort @new)[0 .. ($#new > 3 ? 3 : $#new)]) .
		' gone: ' . join('; ', (sort @gone)[0 .. ($#gone > 3 ? 3 : $#gone)]);
}

# What is wrong with the target, '' when all is well.  It is given time to get
# home and to show that it moves: much of it, since the machine may have other
# work.  With forgive: a tracer that dies between the stop of a thread and its
# first look at it may cost one EINTR, as signal(7) has it.  What was wrong is
# said once.
sub harm {
	my ($t, %o) = @_;
	my $wrong = look_for_harm($t, %o);

	if ($wrong && alive($t->{pid}) && alive($t->{child})) {
		forget_complaints($t);
		forgive_eintr($t);
		$t->{state} = state_of($t);
	}
	return $wrong;
}

sub look_for_harm {
	my ($t, %o) = @_;
	my $until = time() + 60;
	my @was = status_page($t);
	my $wrong;

	do {
		my @is = status_page($t);
		my @still = grep { !$STANDS{$_} && $is[3 + $_] == $was[3 + $_] }
			0 .. ($t->{more} ? 16 : 12);

		return "complains: $is[2]" if $is[0];
		return 'a call was interrupted' if $is[-1] && !$o{forgive};
		return 'it has ended' unless alive($t->{pid}) && alive($t->{child});
		$wrong = @still ? "stands still: @COUNTERS[@still]" : stuck($t) || changed($t);
		sleep(0.004) if $wrong;
	} while ($wrong && time() < $until);
	# All have moved since, so what was interrupted has been counted.
	forgive_eintr($t) if $o{forgive};
	return $wrong;
}

# It verifies itself at the end, and every signal that was sent has come.
sub end_busy {
	my ($t, $name) = @_;
	my $before;

	kill 'TERM', $t->{gun};
	is(describe(finish($t->{gun}, 10)), 'exit 0', "$name: the sender ends");
	my $sent = slurp("$t->{dir}/sent");
	chomp $sent;
	wait_for(10, sub { (status_page($t))[3 + $OUTSIDE] == $sent });
	is((status_page($t))[3 + $OUTSIDE], $sent, "$name: all signals from outside have come");
	touch("$t->{dir}/verify");
	is(describe(finish($t->{pid}, 60)), 'exit 0', "$name: the target verifies itself") or
		diag(slurp("$t->{dir}/log"));
}

# --- the pipeline ------------------------------------------------------------

# What the sources of a program name, so that none is forgotten; NAME of a
# folder under the top.
sub fault_points {
	my %points;
	for my $folder (@_) {
		for my $file (glob("$TOP/$folder/*.c")) {
			for my $call (slurp($file) =~ /cr_fault\(([^;]+)\);/g) {
				$points{$_} = 1 for $call =~ /"([^"]+)"/g;
			}
		}
	}
	return sort keys %points;
}

sub commands {
	my ($t, $img, $then) = @_;
	return ([tool('cr-freeze'), '-t', $t->{pid}, '--then', $then],
		[tool('cr-inject')],
		map({ [tool($_), '-D', $img] } @STAGES[2 .. 4]),
		[tool('cr-imgtool'), 'commit', '-D', $img]);
}

# Run the pipeline.  Options: env, then, wrap => { STAGE => [WORDS...] } (before
# its command line), kill => [STAGE, SECONDS, STAGE2], signals => [[STAGE, SECONDS,
# SIGNAL]...], pids => [[PID, SECONDS]...] that are killed, held => STAGE that stops
# itself before it begins: with it the times count from when the target is seized, else
# from the start; timeout => SECONDS for the whole, tail => [WORDS...] instead of the commit.  Returns { status => [...], err, img, seconds }.
sub pipeline {
	my ($t, %o) = @_;
	my $img = $o{img} // tmpdir() . '/img';
	my @commands = commands($t, $img, $o{then} // 'resume');
	my ($said, $err) = ("$t->{out}/status", "$t->{out}/err");
	my @kill;

	$commands[-1] = $o{tail} if $o{tail};
	for my $which (keys %{ $o{wrap} || {} }) {
		unshift @{ $commands[$which] }, @{ $o{wrap}{$which} };
	}
	if ($o{kill}) {
		my ($first, $after, $second) = @{ $o{kill} };
		@kill = map { ('-k', sprintf('%d:%d', $_, $after * 1e6)) } $first, $second // ();
	}
	push @kill, '-k', sprintf('%d:%d:%d', $_->[0], $_->[1] * 1e6, $_->[2]) for @{ $o{signals} || [] };
	push @kill, '-p', sprintf('%d:%d', $_->[0], $_->[1] * 1e6) for @{ $o{pids} || [] };
	if (defined $o{held}) {
		push @kill, '-f', $t->{pid};
		unshift @{ $commands[$o{held}] }, 'sh', '-c', 'kill -STOP $$; exec "$@"', 'sh';
	}
	push @kill, '-t', $o{timeout} if $o{timeout};
	unlink $err, $said;
	my ($head, @more) = @commands;
	local %ENV = (%ENV, %{ $o{env} || {} });
	system("$BUILD/t/pipeline", @kill, '-s', $said, '-e', $err, '--', @$head,
		map { ('|', @$_) } @more) == 0 or die "pipeline: $?";
	my ($took, @status) = split ' ', slurp($said);
	return { status => [map { $_ < 0 ? undef : $_ } @status], err => slurp($err, 1) // '',
		img => $img, seconds => $took / 1e6 };
}

# What is wrong with what the pipeline left in the directory: a manifest means
# a good image, and no manifest that the last program has failed.  The image is
# gone then.
sub image_harm {
	my ($r) = @_;
	my $last = $r->{status}[-1];
	my $wrong = '';

	$r->{complete} = -e "$r->{img}/manifest.img";
	if ($r->{complete}) {
		my $err = "$r->{img}.check";
		system("'$BIN/cr-imgtool' check '$r->{img}' >'$err' 2>&1") == 0 or
			$wrong = 'the image is not good: ' . slurp($err);
	} elsif (defined $last && $last == 0) {
		$wrong = 'success without a manifest';
	}
	remove_tree($r->{img}) unless $wrong;
	return $wrong;
}

1;
