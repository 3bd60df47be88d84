#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Processes and threads are in the cgroups again that they were in, whoever
# restores them; where that cannot be it is said.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my @made;	# cgroups, to be removed
my ($v2, @v1);	# where we can make some

sub make_cgroup {
	my ($dir) = @_;
	mkdir $dir or return undef;
	push @made, $dir;
	return $dir;
}

for (split /\n/, slurp('/proc/mounts')) {
	my (undef, $dir, $type, $options) = split ' ';
	next unless $type =~ /^cgroup/ && ($type eq 'cgroup2' || $options =~ /\b(pids|freezer)\b/);
	my $own = make_cgroup("$dir/cr-t.$$") or next;
	$type eq 'cgroup2' ? $v2 = $own : push @v1, $own;
}

sub enter {
	my ($file, $id) = @_;
	CRTest::spew($file, $id);
}

# Where every thread of the processes is.
sub places {
	return join('', map { "$_: " . slurp($_) } map { glob("/proc/$_/task/*/cgroup") } @_);
}

sub remove {
	my ($dir) = @_;
	wait_for(10, sub { rmdir $dir; !-e $dir });
}

sub cr_restore {
	my ($t, $exit, $name, @more) = @_;
	touch("$t->{signs}/restored");
	return exits($exit, [tool('cr-restore'), '-d', '-D', $t->{img}, @more], $name);
}

# Started outside, dumped where @$places has put it, and restored by a program
# that is elsewhere.
sub carried {
	my ($title, $name, $put, %o) = @_;
	my $t = CRTarget->start($name, title => $title, %o);
	$t->ready or return;
	my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
	$put->(@pids);
	my $was = places(@pids);
	$t->checkpoint or return;
	$t->gone(@pids);
	cr_restore($t, 0, "$title: restored") or return;
	is(places(@pids), $was, "$title: all are where they were");
	$t->verify("$title: verifies itself");
}

SKIP: {
	skip 'no cgroups can be made here', 1 unless $v2 && @v1;
	my @all = ($v2, @v1);
	my $below = make_cgroup("$v2/below");
	my $threaded = make_cgroup("$v2/threaded");
	my $outside = make_cgroup("$v2-caller");
	my $thread = make_cgroup("$v1[0]/thread");

	carried('a tree', 'tree', sub { my @p = @_; for my $dir (@all) { enter("$dir/cgroup.procs", $_) for @p } });
	carried('some of a tree', 'tree', sub {
		enter("$below/cgroup.procs", $_[1]);
		enter("$v1[0]/cgroup.procs", $_[-1]);
		enter("$thread/cgroup.procs", $_[0]);
	});
	carried('shared memory', 'vmshare', sub { enter("$_/cgroup.procs", $_[-1]) for @all },
		args => ['sighand']);
	carried('threads of version 1', 'threads', sub {
		my @tids = map { m{(\d+)$} } glob("/proc/$_[0]/task/*");
		enter("$v1[0]/cgroup.procs", $_[0]);
		enter("$thread/tasks", $tids[-1]);
	});
	carried('a dead main thread', 'deadleader', sub {
		enter("$_/cgroup.procs", $_[-1]) for @all;
	});
	# That of another makes the one above a domain of such.
	my $type = run(['sh', '-c', "echo threaded >$threaded/cgroup.type"]);
	if ($type->{status} == 0) {
		for my $who ('one thread', 'the main thread', 'all threads') {
			carried("threaded: $who", 'threads', sub {
				my @tids = map { m{(\d+)$} } glob("/proc/$_[0]/task/*");
				enter("$v2/cgroup.procs", $_[0]);
				enter("$threaded/cgroup.threads", $_) for
					$who eq 'one thread' ? $tids[-1] :
					$who eq 'all threads' ? @tids : $tids[0];
			});
		}
	}
	remove($threaded);
	remove($below);

	# The caller's own place is not the tree's.
	my $t = CRTarget->start('quiet');
	if ($t->ready) {
		my $was = places($t->{pid});
		$t->checkpoint;
		$t->gone;
		exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}], 'by one who is elsewhere',
			setup => sub { enter("$outside/cgroup.procs", $$) });
		is(places($t->{pid}), $was, 'by one who is elsewhere: it is where it was');
		kill 'USR1', $t->{pid};
		$t->verify('verifies itself');
	}

	# What cannot be entered.
	$t = CRTarget->start('quiet', setup => sub { enter("$v2/cgroup.procs", $$) });
	if ($t->ready) {
		my $path = (places($t->{pid}) =~ m{0::(\S+)}m)[0];
		$t->checkpoint;
		$t->gone;
		CRTest::spew("$v2/cgroup.freeze", 1);
		like(cr_restore($t, 1, 'a frozen cgroup: refused')->{err},
			qr/^cr-restore: pid $t->{pid}: its cgroup \Q$path\E \(version 2\) is frozen; /m, 'says so');
		CRTest::spew("$v2/cgroup.freeze", 0);
		remove($v2);
		like(cr_restore($t, 1, 'a cgroup that is gone: refused')->{err},
			qr/^cr-restore: pid $t->{pid}: its cgroup \Q$path\E \(version 2\) is not there; provide it, or use --cgroups ignore$/m,
			'says so');
		is(cr_restore($t, 0, 'ignored', '--cgroups', 'ignore')->{err}, '', 'ignored: not a word');
		is(slurp("/proc/$t->{pid}/cgroup"), slurp('/proc/self/cgroup'), 'ignored: it is where we are');
		kill 'USR1', $t->{pid};
		$t->verify('verifies itself');
	}
	exits(100, [tool('cr-restore'), '-D', $t->{img}, '--cgroups', 'some'], 'another word');

	# One that was cr-freeze's as well, a session that is over.
	make_cgroup($v2);
	$t = CRTarget->start('quiet', setup => sub { enter("$v2/cgroup.procs", $$) });
	if ($t->ready) {
		exits(0, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], 'dumped from inside',
			setup => sub { enter("$v2/cgroup.procs", $$) });
		$t->gone;
		remove($v2);
		like(cr_restore($t, 0, 'dumped from inside: restored')->{err},
			qr/^cr-restore: pid $t->{pid}: its cgroup \S+ \(version 2\), which was cr-freeze's too, is not there: it gets that of this program$/,
			'says so');
		is(slurp("/proc/$t->{pid}/cgroup"), slurp('/proc/self/cgroup'), 'it is where we are');
		kill 'USR1', $t->{pid};
		$t->verify('verifies itself');
	}
}

END {
	my $code = $?;
	remove($_) for reverse @made;
	$? = $code;
}
done_testing;
