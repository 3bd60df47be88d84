#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Signals that are sent while a process is frozen, and timers that would have
# expired then, arrive after the restore, once each.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

# The last stage waits until the tree is frozen, sends, waits, and commits.
my $tail = q{
	for i in $(seq 2000); do
		grep -q "^TracerPid:	0" /proc/$1/status || break
		sleep 0.005
	done
	sleep 0.2
	kill -s USR1 $1; kill -s RTMIN $1; kill -s RTMIN $1
	sleep 0.6
	exec cr-imgtool commit -D "$2"
};

for my $notify (0, 1) {
	my $t = CRTarget->start('late', env => $notify ? { T_NOTIFY => 1 } : {});
	$t->ready or next;
	my $line = "cr-freeze -t $t->{pid} --then kill | cr-inject | cr-dump-mem -D $t->{img} |" .
		" cr-dump-fds -D $t->{img} | cr-dump-net -D $t->{img} |" .
		" bash -c '$tail' - $t->{pid} $t->{img}";
	exits(0, ['sh', '-c', $line], 'a checkpoint during which signals come',
		env => { PATH => "$BIN:$ENV{PATH}" }) or next;
	$t->gone;
	my $pid = $t->restore($notify ? ('--notify', 'SIGUSR2') : ());
	$t->verify($notify ? 'each came once, and the notice' : 'each came once', pid => $pid);
}

exits(100, [tool('cr-restore'), '-D', '/nonexistent', '--notify', 'SIGNONSENSE'],
	'--notify with no signal');
done_testing;
