#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What everybody tries first, outside of any namespace: a shell script that
# appends to a log; python3; many threads; many processes; another user; the
# pipelines that only look.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest host => 1;
use CRTarget;
use Cwd qw(abs_path);

sub lines_in { return scalar(() = (slurp($_[0], 1) // '') =~ /\n/g) }

sub grows {
	my ($file, $name) = @_;
	my $had = lines_in($file);
	ok(wait_for(10, sub { lines_in($file) > $had + 1 }), $name);
}

sub session_and_parent {
	my ($pid) = @_;
	return join(' ', (split ' ', slurp("/proc/$pid/stat") =~ s/.*\) //sr)[2, 3]);
}

# 1. The classic.
{
	my ($dir, $img) = (tmpdir(), tmpdir());
	spew("$dir/test.sh", "#!/bin/sh\nwhile :; do sleep 0.2; date; done\n", 0755);
	my $pid = background(['./test.sh'], session => 1, dir => $dir, out => "$dir/test.log",
		err => "$dir/test.log");
	ok(wait_for(10, sub { lines_in("$dir/test.log") > 1 }), 'the classic writes its log');
	my $ids = session_and_parent($pid);

	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img], 'cr-checkpoint');
	is(describe(finish($pid)), 'killed by signal 9', 'it is gone');
	for my $time (1, 2) {
		exits(0, [tool('cr-restore'), '-d', '-D', $img], "cr-restore -d, time $time");
		ok(alive($pid), 'the same pid lives');
		is(session_and_parent($pid), $ids, 'in the same group and session');
		grows("$dir/test.log", 'its log goes on');
		is(readlink("/proc/$pid/exe"), abs_path('/bin/sh'), 'its exe link');
		my @tree = ($pid, CRTest::descendants($pid));
		kill 'KILL', @tree;
		wait_for(10, sub { !grep { alive($_) } @tree });
		finish($_, 5) for $pid;
	}
	unlike(slurp("$dir/test.log"), qr/(terminated|error|killed|interrupted)/i,
		'no complaint in the log');
}

# 2. python3 with threads that compute, files and a child.
survives('python3', 'python3', cmd => ['/usr/bin/python3', "$TOP/t/data/threads.py"]);

# 3. Many threads, many processes, user nobody.
survives('500 threads', 'threads', args => [500], timeout => 120);
survives('200 processes', 'tree', args => [188], timeout => 120);
survives('python3 of user nobody', 'nobody',
	cmd => ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups',
		'/usr/bin/python3', "$TOP/t/data/threads.py"]);

# 4. to 6. Looking on.
{
	my $t = CRTarget->start('threads');
	my $pid = $t->{pid};
	$t->ready;
	for my $line ("$BIN/cr-freeze -t $pid | $BIN/cr-dump-mem -D $t->{img} | $BIN/cr-imgtool show -",
		"$BIN/cr-freeze -t $pid | $BIN/cr-dump-fds | $BIN/cr-imgtool show -") {
		my $r = exits(0, ['sh', '-c', $line], $line =~ s{\Q$BIN\E/}{}gr);
		spew("$t->{img}/json", $r->{out});
		exits(0, ['/usr/bin/python3', '-m', 'json.tool', "$t->{img}/json"], 'prints JSON');
		is($r->{err}, '', 'and says nothing');
		ok(alive($pid), 'the target goes on');
	}
	my $r = exits(0, [tool('cr-inject'), '-t', $pid, 'getppid'], 'cr-inject getppid');
	like($r->{out}, qr/(^|\D)$$(\D|$)/, 'prints the parent\'s pid');
	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-R', '-D', $t->{img}, '--stats',
		"$t->{img}/stats.json"], 'cr-checkpoint --stats');
	like(slurp("$t->{img}/stats.json", 1) // '', qr/"frozen_us"\s*:\s*[1-9]\d*\b/, 'frozen_us');
	exits(0, ['/usr/bin/python3', '-m', 'json.tool', "$t->{img}/stats.json"], 'in JSON');
	$t->verify('verifies itself after all that');
}
done_testing;
