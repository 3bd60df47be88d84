# SPDX-License-Identifier: MIT
#
# A program of t/targets under test: started in a directory of its own, asked
# to verify itself after what was done to it.  See t/targets/target.h.
package CRTarget;

use strict;
use warnings;
use Exporter qw(import);
use CRTest ();
use Test::More;

our @EXPORT = qw(survives verifies_alone group_survives);

# Every target in every form that is tested: group, title, name, options.
our @ALL = (
	[tree => 'tree', 'tree'],
	[tree => 'zombies', 'zombies'],
	[tree => 'zombie leaders', 'zombies', args => ['leaders']],
	[tree => 'orphans, dead leaders, exit signals', 'kin'],
	[tree => 'children of a thread', 'threadkids'],
	[tree => 'shared tables', 'share'],
	[tree => 'shared memory and handlers', 'vmshare', args => ['sighand']],
	[tree => 'shared memory in many ways', 'mates'],
	[tree => 'stopped children', 'stopped'],
	[threads => 'threads', 'threads'],
	[threads => 'a dead main thread', 'deadleader'],
	[threads => 'a root without its main thread', 'deadleader', args => ['root']],
	[threads => 'registers', 'regs'],
	[threads => 'vdso, rseq, robust lists', 'vdso'],
	[threads => 'restartable sequences', 'rseq'],
	[memory => 'private memory', 'mem'],
	[memory => 'memory shared copy-on-write', 'cow'],
	[memory => 'guard pages', 'guard'],
	[memory => 'memory that will be locked', 'lockall'],
	[memory => 'memory that will be locked on fault', 'lockall', args => ['onfault']],
	[memory => 'file mappings', 'filemap'],
	[memory => 'shared memory', 'shmem'],
	[signals => 'signal handlers', 'sigact'],
	[signals => 'queued signals', 'sigqueue'],
	[calls => 'interrupted calls', 'calls'],
	[calls => 'calls interrupted before', 'calls', again => 1],
	# Its signals come from outside of the tree, which does not go back in time.
	[calls => 'everything at once', 'busy', once => 1],
	[files => 'files', 'files'],
	[files => 'pipes', 'pipes'],
	[fds => 'eventfd', 'eventfd'],
	[fds => 'timerfd', 'timerfd'],
	[fds => 'signalfd', 'signalfd'],
	[fds => 'epoll', 'epoll'],
	[fds => 'pidfd', 'pidfd'],
	[fds => 'descriptors of threads', 'threadfd'],
	[kern => 'memfds', 'memfd'],
	[kern => 'a program in a memfd', 'memexe'],
	[kern => 'a program in a sealed memfd', 'memexe', args => ['sealed']],
	[kern => 'message queues', 'mqueue'],
	[kern => 'io_uring', 'uring'],
	[kern => 'io_uring with a thread that submits', 'sqpoll'],
	[kern => 'the same, of nobody', 'sqpoll', args => ['nobody']],
	[kern => 'AIO', 'aio'],
	[kern => 'userfaultfd', 'uffd'],
	[kern => 'fanotify', 'fanotify'],
	[kern => 'BPF maps', 'bpfmap'],
	[kern => 'System V segments', 'sysv'],
	[kern => 'namespaces, /proc and /sys', 'namespace'],
	[kern => '/proc of the dead', 'gone'],
	[fds => 'owners of files', 'owner'],
	[fds => 'directories that are watched', 'dnotify'],
	[files => 'a reader', 'reader'],
	[fds => 'files without a name', 'ghost'],
	[fds => 'fifos, packets', 'fifo'],
	[fds => 'terminals', 'tty'],
	[fds => 'bytes in terminals', 'ttybytes'],
	[fds => 'file locks', 'lock', options => ['--file-locks']],
	[fds => 'leases that are being broken', 'lease', options => ['--file-locks']],
	[fds => 'inotify', 'inotify'],
	[sockets => 'unix sockets without names', 'unixpair'],
	[sockets => 'unix sockets with names', 'unixname'],
	[sockets => 'tcp, udp and netlink sockets', 'inet'],
	[sockets => 'options of sockets', 'sockopts'],
	[sockets => 'what comes with datagrams', 'udpinfo'],
	[sockets => 'descriptors on their way', 'rights'],
	[sockets => 'descriptors on their way, of a large table', 'rights', args => ['many'], again => 1],
	[sockets => 'empty messages', 'emptymsg'],
	[sockets => 'empty messages that were looked at', 'emptymsg', again => 1],
	[ident => 'identity', 'ident'],
	[ident => 'identity in a chroot', 'ident', args => ['chroot'], root => 'newroot'],
	[ident => 'credentials of root', 'creds'],
	[ident => 'credentials of nobody', 'creds', args => ['nobody']],
	[ident => 'credentials with some capabilities', 'creds', args => ['caps']],
	[ident => 'credentials of threads that differ', 'threadcreds'],
	[ident => 'empty session keyrings', 'sessionkeys'],
	[attrs => 'timers', 'timers'],
	[attrs => 'timers that start threads', 'sigev'],
	[attrs => 'clocks', 'clocks'],
	[attrs => 'scheduling', 'scheduling'],
	[attrs => 'prctl settings', 'special'],
	[attrs => 'no memory to write and execute', 'mdwe'],
	[attrs => 'futexes with owners', 'futexes'],
	[attrs => 'seccomp filters', 'seccomp'],
	[attrs => 'seccomp filters of nobody', 'seccomp', args => ['nobody']],
);

BEGIN { CRTest->export_to_level(0, "CRTest") }

# Options: args, env, setup (in the child, before exec), cmd (instead of the
# target's own program), root (the directory it makes its root, in its own).
sub start {
	my ($class, $name, %o) = @_;
	my $dir = tmpdir();
	my $cmd = $o{cmd} || ["$CRTest::BUILD/t/$name", @{ $o{args} || [] }];

	chmod 0777, $dir;
	# For users that may not create files: what they write to exists.
	CRTest::spew("$dir/log", '', 0666);
	my $self = bless { name => $o{title} // $name, dir => $dir,
		signs => $o{root} ? "$dir/$o{root}" : $dir, img => tmpdir(), seen => 0 }, $class;
	$self->{pid} = background($cmd, session => $o{session} // 1, dir => $dir, out => "$dir/log",
		err => "$dir/log", env => $o{env}, setup => $o{setup});
	return $self;
}

# What it has written since the last time.
sub log {
	my ($self) = @_;
	my $text = CRTest::slurp("$self->{dir}/log", 1) // '';
	my $new = substr($text, $self->{seen});

	$self->{seen} = length $text;
	return $new;
}

sub ready {
	my ($self, $seconds) = @_;
	my $pid = $self->{pid};

	wait_for($seconds // 30, sub { -e "$self->{signs}/ready" || !alive($pid) });
	return 1 if -e "$self->{signs}/ready" && alive($pid);
	fail("$self->{name}: gets ready");
	diag(describe(status_of($pid)), "\n", $self->log);
	return 0;
}

# Ask it to verify itself and wait for its end, or the end of the process that
# stands for it (cr-restore in the foreground).
sub verify {
	my ($self, $what, %o) = @_;

	touch("$self->{signs}/verify");
	my $status = finish($o{pid} // $self->{pid}, $o{timeout} // 60);
	my $ok = is(describe($status), 'exit ' . ($o{exit} // 0), "$self->{name}: $what");
	my $text = $self->log;
	diag($text) unless $ok;
	unlink "$self->{signs}/verify";
	return $ok;
}

sub checkpoint {
	my ($self, @options) = @_;

	return exits(0, [tool('cr-checkpoint'), '-t', $self->{pid}, '-D', $self->{img}, @options],
		"$self->{name}: cr-checkpoint @options")->{status} == 0
		&& exits(0, [tool('cr-imgtool'), 'check', $self->{img}],
			"$self->{name}: the image is in order")->{status} == 0;
}

# After a checkpoint that kills: the root is for its parent to reap, all other
# pids of the tree are free.
sub gone {
	my ($self, @pids) = @_;
	my $status = finish($self->{pid}, 5);

	is(describe($status), 'killed by signal 9', "$self->{name}: the root is killed");
	my @left = grep { -e "/proc/$_" } @pids;
	is("@left", '', "$self->{name}: the other pids are free");
}

sub restore_detached {
	my ($self, @options) = @_;

	touch("$self->{signs}/restored");
	return exits(0, [tool('cr-restore'), '-d', '-D', $self->{img}, @options],
		"$self->{name}: cr-restore -d")->{status} == 0;
}

# In the foreground; returns the pid of cr-restore once the tree runs.
sub restore {
	my ($self, @options) = @_;
	my $dir = tmpdir();
	touch("$self->{signs}/restored");
	my $pid = background([tool('cr-restore'), '-D', $self->{img}, '--pidfile', "$dir/pid",
		@options], out => "$dir/out", err => "$dir/err");

	wait_for(30, sub { -s "$dir/pid" || !alive($pid) });
	ok(-s "$dir/pid", "$self->{name}: cr-restore") or
		diag(describe(status_of($pid)), ' ', CRTest::slurp("$dir/err"));
	return $pid;
}

# The target verifies itself when nothing was done to it, and notices when its
# state is spoiled.
sub verifies_alone {
	my ($title, $name, %o) = @_;
	my $t = CRTarget->start($name, title => $title, %o);

	$t->verify('alone') if $t->ready;
	$t = CRTarget->start($name, title => $title, %o, env => { %{ $o{env} || {} }, T_SPOIL => 1 });
	$t->verify('notices that it was spoiled', exit => 1) if $t->ready;
}

# Left running; killed and restored; restored once more from the same image, and
# that one killed and restored.
sub survives {
	my ($title, $name, %o) = @_;
	my @options = @{ $o{options} || [] };

	subtest "$title left running" => sub {
		my $t = CRTarget->start($name, %o);
		return unless $t->ready;
		$t->checkpoint('-R', @options);
		$t->verify('verifies itself', timeout => $o{timeout});
	};
	subtest "$title killed and restored twice" => sub {
		my $t = CRTarget->start($name, %o);
		return unless $t->ready;
		my @pids = CRTest::descendants($t->{pid});
		# The calls go on in restart_syscall(2) then.
		$t->checkpoint('-R', @options) if $o{again};
		$t->checkpoint(@options) or return;
		$t->gone(@pids);
		my $pid = $t->restore or return;
		$t->verify('verifies itself after the first restore', pid => $pid,
			timeout => $o{timeout}) or return;
		return if $o{once};
		$t->restore_detached or return;
		@pids = CRTest::descendants($t->{pid});
		$t->{img} = tmpdir();
		$t->checkpoint(@options) or return;
		$t->gone(@pids);
		$t->restore_detached or return;
		$t->verify('verifies itself after a second dump and restore',
			timeout => $o{timeout});
	};
}

# In the long form 20 times in a row; CR_TIMES says how often.
sub group_survives {
	my ($group) = @_;
	my $times = $ENV{CR_TIMES} || ($ENV{CR_LONG} ? 20 : 1);

	for my $n (1 .. $times) {
		for (grep { $_->[0] eq $group } @ALL) {
			my (undef, $title, @target) = @$_;
			survives($times > 1 ? "$title, $n" : $title, @target);
		}
	}
}

1;
