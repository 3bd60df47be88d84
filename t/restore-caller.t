#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Who calls cr-restore has a priority, a processor, a umask, limits and so on of its
# own: nothing of that is left in the tasks, which have what they had.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

# x86-64 numbers
my %nr = (prctl => 157, ioprio_set => 251, sched_setaffinity => 203, personality => 135,
	sched_setscheduler => 144, set_mempolicy => 238);

sub call {
	my ($name, @args) = @_;
	return syscall($nr{$name}, @args);
}

# What can be seen of a task that it would have from its maker.
sub facts {
	my ($pid) = @_;
	my %f;

	for my $task (glob("/proc/$pid/task/*")) {
		my ($tid) = $task =~ /(\d+)$/;
		my $stat = slurp("$task/stat") =~ s/.*\) //sr;
		my @stat = split ' ', $stat;

		@f{map { "$tid $_" } qw(priority nice rt_priority policy)} = @stat[15, 16, 37, 38];
		my $status = slurp("$task/status");
		$f{"$tid $1"} = $2 while $status =~ /^(Umask|SigBlk|SigIgn|SigCgt|Cpus_allowed|
			Mems_allowed|NoNewPrivs|Seccomp|THP_enabled|CapInh|CapPrm|CapEff|CapBnd|CapAmb|
			Speculation\w*|Groups|Uid|Gid):\s*(.*)$/xmg;
		$f{"$tid ioprio"} = syscall(252, 1, $tid + 0);
		$f{"$tid ksm"} = (slurp("$task/ksm_stat", 1) // '') =~ /^(ksm_merge_any.*)$/m ? $1 : '-';
	}
	$f{$_} = slurp("/proc/$pid/$_", 1) // '-' for qw(limits personality oom_score_adj
		coredump_filter timerslack_ns setgroups);
	$f{autogroup} = (slurp("/proc/$pid/autogroup", 1) // '') =~ /(nice.*)/;
	$f{$_} = readlink("/proc/$pid/$_") // '-' for qw(cwd root exe);
	return \%f;
}

sub differences {
	my ($was, $is) = @_;
	return join("\n", map { my ($a, $b) = map { $_ // '-' } ($was->{$_}, $is->{$_});
		$a eq $b ? () : "$_: was $a, is $b" } sort keys %{ { %$was, %$is } });
}

# All that cannot be taken back by a process without privileges stays as it is.
sub become_odd {
	my $word = "\0" x 8;

	umask(077);
	setpriority(0, 0, 7);
	call('ioprio_set', 1, 0, 3 << 13) == 0 or die "ioprio_set: $!";
	call('sched_setaffinity', 0, 8, pack('Q', 1)) == 0 or die "sched_setaffinity: $!";
	call('personality', 0x0040000) >= 0 or die "personality: $!";
	call('sched_setscheduler', 0, 3, pack('i', 0)) == 0 or die "sched_setscheduler: $!";
	call('prctl', 29, 1000000000, 0, 0, 0) == 0 or die "timer slack: $!";
	call('prctl', 41, 1, 0, 0, 0) == 0 or die "THP: $!";
	# Memory merge (6.4); to end it takes a look at every page of a sanitizer's shadow.
	call('prctl', 67, 1, 0, 0, 0) unless $ENV{SANITIZE};
	call('prctl', 33, 1, 1, 0, 0) == 0 or die "MCE: $!";
	call('set_mempolicy', 3, pack('Q', 1), 64) == 0 or die "set_mempolicy: $!" if -d '/sys/devices/system/node/node0';
	spew('/proc/self/oom_score_adj', 500);
	spew('/proc/self/coredump_filter', '0x1');
	my $set = POSIX::SigSet->new(1 .. 31);
	POSIX::sigprocmask(POSIX::SIG_BLOCK(), $set) or die "sigprocmask: $!";
	$SIG{$_} = 'IGNORE' for qw(HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD TSTP TTIN TTOU WINCH URG);
	my $gone = tmpdir() . '/gone';
	mkdir $gone and chdir $gone and rmdir $gone or die "chdir: $!";
	POSIX::close($_) for 0 .. 2;
}

my $t = CRTarget->start('quiet');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
# None of all, which is less than the caller's.
spew("/proc/$pids[0]/coredump_filter", '0');
# A new thread has all signals blocked for a moment.
wait_for(10, sub { !grep { slurp("$_/status") =~ /^SigBlk:\s+ffff/m } map { glob("/proc/$_/task/*") } @pids });
my %was = map { $_ => facts($_) } @pids;
cmp_ok(scalar(@pids), '>', 1, 'a tree');
cmp_ok(scalar(keys %{ $was{$pids[0]} }), '>', 20, 'with facts');
$t->checkpoint or BAIL_OUT('no image');
$t->gone(@pids[1 .. $#pids]);

# The other way round as well, from the same image.
for my $odd (1, 0) {
	my $name = $odd ? 'an odd caller' : 'an ordinary caller';

	CRTest::forget(@pids);
	my $pid = background([tool('cr-restore'), '-d', '-D', $t->{img}], setup => sub { become_odd() if $odd });
	is(describe(finish($pid, 60)), 'exit 0', "$name: restored") or BAIL_OUT('not restored');
	is(differences($was{$_}, facts($_)), '', "$name: pid $_ is as it was") for @pids;
	kill 'USR1', $t->{pid};
	$t->verify("$name: it verifies itself");
}

# Those that have died of a signal which the caller ignores.
{
	my $t = CRTarget->start('zombies');
	$t->ready or BAIL_OUT('no target');
	my @pids = CRTest::descendants($t->{pid});
	$t->checkpoint or BAIL_OUT('no image');
	$t->gone(@pids);
	CRTest::forget($t->{pid}, @pids);
	my $pid = background([tool('cr-restore'), '-d', '-D', $t->{img}], setup => \&become_odd);
	is(describe(finish($pid, 60)), 'exit 0', 'zombies: restored');
	$t->verify('zombies: have their status');
}
done_testing;
