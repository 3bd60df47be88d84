#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Programs that were not written for these tests.  One that has something that
# is not supported is refused by name, and goes on unharmed.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $data = "$TOP/t/data";

survives('bash', 'bash', cmd => ['/bin/bash', "$data/program.bash"]);
survives('perl', 'perl', cmd => ['/usr/bin/perl', "$data/program.pl"]);
survives('sqlite3 in a transaction in memory', 'sqlite3',
	cmd => ['/bin/sh', "$data/program.sql.sh", ':memory:']);
survives('node', 'node', cmd => ['node', "$data/program.js"]);

# Refused: the message names pid, object and kind.
sub refused {
	my ($t, $message, $name) = @_;
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}],
		"$name: refused");
	like($r->{err}, $message, "$name: says what");
	ok(!-e "$t->{img}/manifest.img", "$name: no image");
}

{
	my $t = CRTarget->start('sqlite3', cmd => ['/bin/sh', "$data/program.sql.sh", 'db']);
	if ($t->ready) {
		refused($t, qr/^cr-\S+: pid \d+: fd \d+: .*lock/m, 'sqlite3 that holds a file lock');
		$t->verify('the transaction ends well all the same');
	}
}
{
	my $dir = tmpdir();
	my $port = 20000 + $$ * 7 % 10000 + int(rand(1000));
	my $pid = background(['redis-server', '--port', $port, '--unixsocket', "$dir/socket", '--save',
		'', '--daemonize', 'no', '--dir', $dir], session => 1, dir => $dir, out => "$dir/log",
		err => "$dir/log");
	my @ask = ('redis-cli', '-s', "$dir/socket");
	my @tcp = ('redis-cli', '-p', $port);
	ok(wait_for(10, sub { run([@ask, 'ping'])->{out} =~ /PONG/ }), 'redis-server answers')
		or diag(slurp("$dir/log"));
	run([@ask, 'set', 'key', 'value']);
	my $img = tmpdir();
	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img], 'redis-server: checkpoint');
	finish($pid);
	for my $time ('first', 'second') {
		exits(0, [tool('cr-restore'), '-d', '-D', $img], "redis-server: the $time restore");
		is(run([@ask, 'get', 'key'])->{out}, "value\n", 'it answers as before');
		is(run([@tcp, 'get', 'key'])->{out}, "value\n", 'over TCP too');
		kill($time eq 'first' ? 'KILL' : 'TERM', $pid);
		is(describe(finish($pid)), $time eq 'first' ? 'killed by signal 9' : 'exit 0', 'and ends');
	}
}
done_testing;
