#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The helper that makes system calls fail does what the tests believe of it.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

my $failcall = "$BUILD/t/failcall";
chdir(tmpdir()) or die;
spew('in', 'text');

# What it wrote of a command: { injected => [...], made => { CALL => N } }.
sub said {
	my $log = slurp('log', 1) // '';
	unlink 'log';
	return { injected => [$log =~ /^injected (.*)$/mg], made => { $log =~ /^made (\w+) (\d+)$/mg } };
}

exits(0, [$failcall, '/bin/true'], 'no rule');
exits(7, [$failcall, '-e', 'any:0:EIO', '/bin/sh', '-c', 'exit 7'], 'its status is the command\'s');
is(describe(run([$failcall, '/bin/sh', '-c', 'kill -TERM $$'])->{status}), 'killed by signal 15',
	'and its signal');
exits(100, [$failcall, @$_], "usage: @$_") for [], ['-e', 'nosuch:1:EIO', 'true'],
	['-e', 'read:x:EIO', 'true'], ['-e', 'read:1:EWHAT', 'true'], ['-e', 'read', 'true'];

# Counting changes nothing.
my $r = exits(0, [$failcall, '-o', 'log', '-e', 'any:0:EIO', '/bin/sh', '-c', 'read x <in; echo $x; mkdir d'],
	'counting');
my $said = said();
is($r->{out}, "text\n", 'it runs as it should');
is_deeply($said->{injected}, [], 'nothing failed');
is($said->{made}{mkdir} // $said->{made}{mkdirat}, 1, 'a child was counted');
ok($said->{made}{$_}, "$_ was counted") for qw(execve mmap read write);

# One, or all from one on, and no other call.
my @mkdirs = ('/usr/bin/perl', '-e', '$_ = mkdir($_) ? "made" : $!{EIO} ? "EIO" : $!{EPERM} ? "EPERM" : $! for my @x = 1 .. 4; print "@x"');
for (['2:EIO', 'made EIO made made', ['mkdir 2']], ['3+:EPERM', 'made made EPERM EPERM', ['mkdir 3', 'mkdir 4']],
		['9:EIO', 'made made made made', []], ['0:EIO', 'made made made made', []],
		['1:5', 'EIO made made made', ['mkdir 1']]) {
	my ($rule, $out, $injected) = @$_;
	rmdir $_ for 1 .. 4;
	$r = exits(0, [$failcall, '-o', 'log', '-e', "mkdir:$rule", @mkdirs], "mkdir:$rule");
	is($r->{out}, $out, "mkdir:$rule: what failed");
	$said = said();
	is_deeply($said->{injected}, $injected, "mkdir:$rule: it says so");
	is_deeply($said->{made}, { mkdir => 4 }, "mkdir:$rule: how many there were");
}

# A command that traces others, and a child that outlives it.
{
	my $pid = background(['sleep', '1000']);
	wait_for(5, sub { (slurp("/proc/$pid/wchan", 1) // '') =~ /nanosleep/ });
	$r = exits(0, [$failcall, '-o', 'log', '-e', 'ptrace:0:EPERM', tool('cr-inject'), '-t', $pid, 'getpid'],
		'it can trace');
	is($r->{out}, "$pid\n", 'rightly');
	ok(said()->{made}{ptrace} > 5, 'its ptrace calls were counted');
	$r = exits(1, [$failcall, '-o', 'log', '-e', 'ptrace:1:EPERM', tool('cr-inject'), '-t', $pid, 'getpid'],
		'it cannot trace');
	is_deeply(said()->{injected}, ['ptrace 1'], 'because a call failed');
	kill 'KILL', $pid;
	finish($pid);
}
exits(0, [$failcall, '-e', 'mkdir:0:EIO', '/bin/sh', '-c',
	'(while [ ! -e go ]; do sleep 0.01; done; mkdir late; mkdir late2) >/dev/null 2>&1 &'], 'a child stays');
touch('go');
ok(wait_for(10, sub { -e 'late2' }), 'and can make the call when the command has ended');
done_testing;
