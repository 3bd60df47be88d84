#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The job of an interactive shell, checkpointed and restored under another
# terminal; and a shell with its jobs.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTerminal;

plan skip_all => 'bash is not installed' unless -x '/bin/bash';

my @shell = ('/bin/bash', '--norc', '--noprofile', '-i');

sub terminal {
	my $t = CRTerminal->start(\@shell);

	$t->sees(qr/ready> /, 'a shell');
	return $t;
}

sub close_terminal {
	my ($t) = @_;
	$t->type("exit\n\nexit\n");
	finish($t->{pid}, 20);
}

sub state_of {
	my ($pid) = @_;
	return (slurp("/proc/$pid/stat", 1) // '') =~ /\) (\S)/ ? $1 : '-';
}

# Up in terminal A, and dumped; stopped, when $stopped.
sub dumped_job {
	my ($a, $img, $stopped) = @_;

	$a->type("$BUILD/t/job\n");
	my $pid = $a->sees(qr/job (\d+) is up/, 'the job');
	$a->type("one\n");
	$a->sees(qr{heard one from /dev/\S+, group in front}, 'the job reads');
	if ($stopped) {
		$a->type("\cZ");
		$a->sees(qr/Stopped.*\n.*ready> /, '^Z');
	}
	exits(0, [tool('cr-checkpoint'), '--shell-job', '-t', $pid, '-D', $img], 'cr-checkpoint -j');
	$a->type("\n") if $stopped;
	$a->sees(qr/Killed/, 'the shell hears of it');
	return $pid;
}

# In front of terminal B: what it reads and writes is that one.
sub job_works {
	my ($b, $pid, $what) = @_;

	$b->type("two\n");
	$b->sees(qr{heard two from /dev/\S+, group in front}, "$what: it reads here");
	$b->type("\cC");
	$b->sees(qr/interrupt 1\r?\n/, "$what: ^C");
	$b->type("three\n");
	$b->sees(qr/\Ginterrupt 2|heard three/, "$what: it goes on");
	unlike(slurp("$b->{dir}/screen"), qr/interrupt 2/, "$what: ^C came once");
	$b->type("\cZ");
	$b->sees(qr/Stopped.*\n.*ready> /, "$what: ^Z");
	ok(wait_for(10, sub { state_of($pid) eq 'T' }), "$what: the job has stopped");
	$b->type("fg\n");
	ok(wait_for(10, sub { state_of($pid) ne 'T' }), "$what: fg");
	$b->type("four\n");
	$b->sees(qr{heard four from /dev/\S+, group in front}, "$what: it is in front again");
	$b->type("\cD");
	$b->sees(qr/job ends/, "$what: its end");
	$b->type("echo status \$?\n");
	$b->sees(qr/status 7\r?\n/, "$what: its exit status");
}

{
	my ($a, $b, $img) = (terminal(), terminal(), tmpdir());
	my $pid = dumped_job($a, $img);
	close_terminal($a);
	$b->type("cr-restore --shell-job -D $img\n");
	ok(wait_for(30, sub { state_of($pid) eq 'S' }), 'it runs again');
	job_works($b, $pid, 'a running job');
	close_terminal($b);
}

# One that was stopped: cr-restore stops with it, and fg takes it to the front.
{
	my ($a, $b, $img) = (terminal(), terminal(), tmpdir());
	my $pid = dumped_job($a, $img, 1);
	close_terminal($a);
	$b->type("cr-restore --shell-job -D $img\n");
	$b->sees(qr/Stopped.*cr-restore.*\n.*ready> /, 'a stopped job');
	is(state_of($pid), 'T', 'it is stopped');
	$b->type("fg\n");
	$b->sees(qr/continue \d/, 'fg');
	job_works($b, $pid, 'a stopped job');
	close_terminal($b);
}

# A shell, its terminal, and its jobs: one stopped, one in the background.
{
	my ($t, $img) = (terminal(), tmpdir());

	$t->type("$BUILD/t/job\n");
	my $pid = $t->sees(qr/job (\d+) is up/, 'the job');
	$t->type("\cZ");
	$t->sees(qr/Stopped.*\n.*ready> /, '^Z');
	$t->type("sleep 1000 &\n");
	$t->sees(qr/\[2\] \d+/, 'another job');
	exits(0, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img], 'cr-checkpoint of all');
	finish($t->{pid}, 10);
	exits(0, [tool('cr-restore'), '-d', '-D', $img], 'cr-restore of all');
	is(state_of($pid), 'T', 'the stopped job is stopped');
	$t->type("jobs\n");
	$t->sees(qr/\[1\]\+\s+Stopped .*job.*\n\[2\]-\s+Running\s+sleep/, 'the shell knows its jobs');
	$t->type("fg\n");
	$t->sees(qr/continue 1\r?\n/, 'fg');
	$t->type("five\n");
	$t->sees(qr/heard five .*in front/, 'it reads');
	$t->type("\cC");
	$t->sees(qr/interrupt 1\r?\n/, '^C');
	$t->type("\cD");
	$t->sees(qr/job ends/, 'its end');
	$t->type("kill %2; wait\n");
	close_terminal($t);
}
done_testing;
