#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# --freeze-cgroup, with both freezers: the cgroup is as before afterwards,
# whatever happens to cr-freeze.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my %made;	# cgroups, to be removed

# Folders in which cgroups of that freezer can be made.
sub parents_of {
	my ($control) = @_;
	my @found;
	for (split /\n/, slurp('/proc/mounts')) {
		my (undef, $dir, $type, $options) = split ' ';
		push @found, $dir if $control eq 'cgroup.freeze' ? $type eq 'cgroup2' :
			$type eq 'cgroup' && $options =~ /\bfreezer\b/;
	}
	return @found;
}

sub make_cgroup {
	my ($control) = @_;
	for my $parent (parents_of($control)) {
		my $dir = "$parent/cr-t.$$." . scalar(keys %made);
		mkdir $dir or next;
		$made{$dir} = 1;
		return $dir if -e "$dir/$control";
	}
	return undef;
}

sub set_state {
	my ($dir, $frozen) = @_;
	my ($file, $text) = -e "$dir/cgroup.freeze" ? ('cgroup.freeze', $frozen ? 1 : 0) :
		('freezer.state', $frozen ? 'FROZEN' : 'THAWED');
	CRTest::spew("$dir/$file", $text);
}

sub is_frozen {
	my ($dir) = @_;
	return slurp("$dir/cgroup.events") =~ /frozen 1/ if -e "$dir/cgroup.freeze";
	return slurp("$dir/freezer.state") =~ /^FROZEN/;
}

# What is forked meanwhile can escape the freezer of v1.
sub freeze_surely {
	my ($dir) = @_;
	for (1 .. 50) {
		set_state($dir, 1);
		return 1 if wait_for(0.2, sub { is_frozen($dir) });
		set_state($dir, 0);
	}
	return 0;
}

sub start_in {
	my ($dir, $name) = @_;
	return CRTarget->start($name, title => "$name in $dir",
		setup => sub { CRTest::spew("$dir/cgroup.procs", $$) });
}

# Without the option: who is frozen can be stopped, but does not run for us.  One
# that does not fork: frozen in a vfork(2) it is refused for that.
sub held {
	my $dir = make_cgroup('cgroup.freeze');
	my $t = start_in($dir, 'quiet');
	my $why = qr/^cr-inject: pid \d+: thread \d+: does not run for the tracer: its cgroup is frozen.*--freeze-cgroup$/m;
	my $img = tmpdir();
	my $calls;

	$t->ready or return;
	ok(freeze_surely($dir), 'frozen by somebody else');
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img, '-R'], 'in a frozen cgroup: refused');
	like($r->{err}, $why, 'in a frozen cgroup: says so');
	ok($r->{seconds} < 25, 'in a frozen cgroup: at once') or diag($r->{seconds});
	like(slurp("/proc/$t->{pid}/status"), qr/^TracerPid:\t0$/m, 'in a frozen cgroup: not traced');
	set_state($dir, 0);

	# While the agent is in a call.
	$calls = background([tool('cr-inject'), '-t', $t->{pid}, '--timeout', 0, 'pause'], err => "$img/err");
	ok(wait_for(10, sub { (slurp("/proc/$t->{pid}/syscall", 1) // '') =~ /^34 / }), 'it is in a call');
	ok(freeze_surely($dir), 'frozen during a call');
	is(describe(finish($calls)), 'exit 1', 'frozen during a call: ends');
	like(slurp("$img/err"), $why, 'frozen during a call: says so');
	set_state($dir, 0);
	ok(wait_for(10, sub { slurp("/proc/$t->{pid}/maps") !~ /SYSV/ }), 'it has no mapping of ours');
	kill 'USR1', $t->{pid};
	$t->verify('goes on');
}

my @points;
push @points, slurp("$TOP/tools/cr-freeze/cgroup.c") =~ /cr_fault\("([^"]+)"\)/g;
ok(@points >= 4, "fault points: @points");

for my $control ('cgroup.freeze', 'freezer.state') {
	SKIP: {
		my $dir = make_cgroup($control) or skip("no $control here", 1);
		my $t = start_in($dir, 'forks');
		my @command = (tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}, '-R',
			'--freeze-cgroup', $dir);

		$t->ready or next;
		for my $i (1 .. ($ENV{CR_LONG} ? 50 : 4)) {
			exits(0, \@command, "$control: time $i");
			ok(!is_frozen($dir), "$control: it is not frozen afterwards");
		}

		for my $point (@points) {
			my $r = run(\@command, env => { CR_FAULT => "cr-freeze:$point" });
			# At the last one the image is there already.
			isnt($r->{status}, 0, "$control: killed at $point") if $point ne 'cgroup-back';
			ok(wait_for(10, sub { !is_frozen($dir) }), "$control: $point: it is thawed");
		}

		# What is no place to do this in.
		my $other = make_cgroup($control);
		like(exits(1, [@command[0 .. $#command - 1], $other], "$control: another cgroup")->{err},
			qr/pid $t->{pid} is not in that cgroup/, 'says so');
		like(exits(1, \@command, "$control: from inside of the cgroup",
			setup => sub { CRTest::spew("$dir/cgroup.procs", $$) })->{err},
			qr/would freeze itself/, 'says so');
		exits(1, [@command[0 .. $#command - 1], '/tmp'], "$control: no cgroup at all");

		held() if $control eq 'cgroup.freeze';

		# One that is frozen already stays so, and its image is a good one.
		ok(freeze_surely($dir), "$control: frozen by somebody else");
		exits(0, \@command, "$control: checkpoint of a frozen cgroup");
		ok(wait_for(10, sub { is_frozen($dir) }), "$control: it is frozen still");
		set_state($dir, 0);
		$t->verify("$control: goes on");

		my $pid = $t->restore;
		$t->verify("$control: verifies itself after a restore", pid => $pid);
	}
}

END {
	my $code = $?;
	for my $dir (keys %made) {
		set_state($dir, 0);
		wait_for(10, sub { rmdir $dir; !-e $dir });
	}
	$? = $code;
}
done_testing;
