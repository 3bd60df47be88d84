#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Signals that are sent while a process is frozen, and timers that would have
# expired then, arrive after the restore, once each.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

# The last stage waits until the tree is frozen, sends, waits, and commits.
my $wait = q{
	for i in $(seq 2000); do
		grep -q "^TracerPid:	0" /proc/$1/status || break
		sleep 0.005
	done
	sleep 0.2
};
my $commit = 'exec cr-imgtool commit -D "$2"';
my $tail = $wait . 'kill -s USR1 $1; kill -s RTMIN $1; kill -s RTMIN $1; sleep 0.6;' . $commit;

sub line {
	my ($t, $last) = @_;

	return "cr-freeze -t $t->{pid} --then kill | cr-inject | cr-dump-mem -D $t->{img} |" .
		" cr-dump-fds -D $t->{img} | cr-dump-net -D $t->{img} |" .
		" bash -c '$last' - $t->{pid} $t->{img}";
}

for my $notify (0, 1) {
	my $t = CRTarget->start('late', env => $notify ? { T_NOTIFY => 1 } : {});
	$t->ready or next;
	exits(0, ['sh', '-c', line($t, $tail)], 'a checkpoint during which signals come',
		env => { PATH => "$BIN:$ENV{PATH}" }) or next;
	$t->gone;
	my $pid = $t->restore($notify ? ('--notify', 'SIGUSR2') : ());
	$t->verify($notify ? 'each came once, and the notice' : 'each came once', pid => $pid);
}

# More than one answer of the freeze can hold.
{
	my $t = CRTarget->start('late', env => { T_MANY => 1500 });
	if ($t->ready) {
		my $send = 'perl -e "kill 10, \$ARGV[0]; kill 34, \$ARGV[0] for 1 .. 1500" $1;';
		exits(0, ['sh', '-c', line($t, $wait . $send . 'sleep 0.6;' . $commit)],
			'a checkpoint during which 1500 come', env => { PATH => "$BIN:$ENV{PATH}" });
		$t->gone;
		my $pid = $t->restore;
		$t->verify('all have come, once each', pid => $pid);
	}
}

sub state {
	my ($pid) = @_;

	return slurp("/proc/$pid/stat") =~ /\) (\S)/ ? $1 : '?';
}

# One that is stopped meanwhile is restored stopped; one that goes on, runs.
for my $then (qw(STOP CONT)) {
	my $t = CRTarget->start('threads', title => "SIG$then while frozen");
	$t->ready or next;
	if ($then eq 'CONT') {
		kill 'STOP', $t->{pid};
		wait_for(10, sub { state($t->{pid}) eq 'T' });
	}
	exits(0, ['sh', '-c', line($t, $wait . "kill -s $then \$1;" . $commit)],
		"a checkpoint during which SIG$then comes", env => { PATH => "$BIN:$ENV{PATH}" })
		or next;
	$t->gone;
	my $pid = $t->restore or next;
	if ($then eq 'STOP') {
		ok(wait_for(10, sub { state($t->{pid}) eq 'T' }), 'it is stopped');
		kill 'CONT', $t->{pid};
	}
	$t->verify("goes on after SIG$then", pid => $pid);
}

exits(100, [tool('cr-restore'), '-D', '/nonexistent', '--notify', 'SIGNONSENSE'],
	'--notify with no signal');
done_testing;
