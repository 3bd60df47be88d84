#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A stage that needs time to prepare itself holds the freeze back, and nobody else
# can shorten that; one that says nothing does not, and neither does one that dies.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

my $dir = tmpdir();
my $pid = background(['sleep', '1000'], session => 1);
wait_for(5, sub { (slurp("/proc/$pid/wchan", 1) // '') =~ /nanosleep/ });

# What each stage saw while it prepared itself; '-' of one that was not asked.
sub seen {
	my ($name, $code, $error, @stages) = @_;
	my $n = 0;
	my @line = ("'$BIN/cr-freeze' -t $pid 2>'$dir/err'", map { $n++; "'$BUILD/t/stage' $_ -o '$dir/seen.$n'" } @stages);

	unlink glob("$dir/seen.*");
	exits($code, ['bash', '-c', 'set -o pipefail; ' . join(' | ', @line, "'$BIN/cr-imgtool' show - >'$dir/out'")], $name);
	like(slurp("$dir/err"), $error, "$name: what cr-freeze says");
	ok(wait_for(10, sub { slurp("/proc/$pid/status") =~ /^TracerPid:\t0$/m }), "$name: it is let go");
	return join(' ', map { (slurp("$dir/seen.$_", 1) // "-\n") =~ s/\n//r } 1 .. $n);
}

my $asked = '-H 60000 -s 1500';
is(seen('held', 1, qr/^$/, $asked), 'running', 'the freeze waits for it');
is(seen('not held', 1, qr/^$/, '-s 1500'), 'frozen', 'it does not wait without being asked');
is(seen('two', 1, qr/^$/, $asked, '-H 1000 -s 1'), 'running running', 'one that is ready does not end the wait for another');
is(seen('the other way', 1, qr/^$/, '-H 1000 -s 1', $asked), 'running running', 'nor when it comes first');
is(seen('too little', 1, qr/^$/, '-H 100 -s 1500'), 'frozen', 'it waits no longer than it was asked for');
my $began = time();
seen('dies', 102, qr/^(cr-freeze: the pipeline ended before the freeze\n)?$/, '-H 60000 -s 10 -d');
ok(time() - $began < 50, 'one that dies holds nobody back');
kill 'KILL', $pid;
finish($pid);
done_testing;
