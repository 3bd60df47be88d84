#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-restore's manners: exit status of the root, signals passed on, pid file,
# the caller's session; and the ends that cr-checkpoint can give a tree.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my @script = ('/bin/sh', '-c', 'trap "exit 17" USR2; trap "exit 3" USR1; : >ready;
	while [ ! -e verify ]; do sleep 0.02; done; exit 42');

sub checkpointed {
	my ($title, @options) = @_;
	my $t = CRTarget->start($title, cmd => \@script);
	$t->ready or BAIL_OUT('no target');
	$t->checkpoint(@options);
	finish($t->{pid});
	return $t;
}

# The root's exit status is cr-restore's.
my $t = checkpointed('exit status');
my $pid = $t->restore;
ok(alive($t->{pid}), 'the root lives');
is((split ' ', slurp("/proc/$t->{pid}/stat"))[3], $pid, 'cr-restore is its parent');
$t->verify('the exit status is passed on', pid => $pid, exit => 42);

$pid = $t->restore;
kill 'TERM', $t->{pid};
is(describe(finish($pid)), 'exit 143', 'death by a signal is 128 and its number');
$pid = $t->restore;
kill 'USR2', $pid;
is(describe(finish($pid)), 'exit 17', 'a signal to cr-restore reaches the root');

# The pid file.
my $file = tmpdir() . '/pid';
$t->restore_detached('--pidfile', $file);
is(slurp($file, 1), "$t->{pid}\n", 'the pid file has the root\'s pid');
exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'a second one beside it');
ok(alive($t->{pid}), 'does no harm to the first');
$t->verify('which goes on', exit => 42);

# -s and -R.
$t = CRTarget->start('left stopped', cmd => \@script);
$t->ready;
$t->checkpoint('-s');
ok(wait_for(5, sub { slurp("/proc/$t->{pid}/stat") =~ /\) T / }), 'it is stopped');
kill 'CONT', $t->{pid}, CRTest::descendants($t->{pid});
$t->verify('and goes on', exit => 42);
$t->restore_detached;
ok(wait_for(5, sub { slurp("/proc/$t->{pid}/stat") =~ /\) [SR] / }), 'restored it runs');
$t->verify('restored it goes on', exit => 42);

# In our own session: the tree is not the session's leader.
$t = CRTarget->start('shell job', cmd => \@script, session => 0);
$t->ready;
my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}],
	'led from outside: refused');
like($r->{err}, qr/pid $t->{pid}: .*led from outside.*--shell-job/, 'and what to do');
ok(alive($t->{pid}), 'it goes on');
$t->checkpoint('-j');
finish($t->{pid});
$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'restored without -j: refused');
like($r->{err}, qr/--shell-job/, 'and what to do');
$pid = $t->restore('--shell-job');
$t->verify('goes on in it', pid => $pid, exit => 42);
done_testing;
