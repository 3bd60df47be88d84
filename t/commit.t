#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The end of a checkpoint: what becomes of the processes, of the image, and of
# the image that was there before, when the commit goes well and when it fails
# at each of its steps.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRImage;

chdir(tmpdir()) or die;

sub start {
	my $pid = background(['sleep', '1000'], session => 1, out => '/dev/null', err => '/dev/null');
	wait_for(5, sub { (slurp("/proc/$pid/comm", 1) // '') eq "sleep\n" });
	return $pid;
}

# Its state letter; "-" when it is gone.
sub state_of {
	my ($pid) = @_;
	return (slurp("/proc/$pid/status", 1) // '') =~ /^State:\t(\S)/m ? $1 : '-';
}

sub goes_on {
	my ($pid, $name) = @_;
	ok(wait_for(5, sub { state_of($pid) eq 'S' }), "$name: the process goes on") or
		diag(state_of($pid));
	like(slurp("/proc/$pid/status"), qr/^TracerPid:\t0$/m, "$name: untraced");
}

sub manifest {
	return (stat("$_[0]/manifest.img"))[1] // 0;
}

sub no_bulk_but {
	my ($dir, $want, $name) = @_;
	my @bulk = glob("$dir/*.bulk $dir/*.tmp");
	is(scalar @bulk, $want, "$name: bulk files") or diag("@bulk");
}

# Each end, and what --stats says.
my $pid = start();
sh_is("cr-checkpoint -t $pid -D img -R --stats s.json", 0, qr/^$/, '-R');
goes_on($pid, '-R');
sh_is('cr-imgtool check img', 0, qr/: good: 1 processes, 1 threads/, 'the image');
no_bulk_but('img', 1, 'the image');
sh_is(q{python3 -c 'import json; s = json.load(open("s.json")); mem = s["stages"]["cr-dump-mem"]
print(0 < s["freezing_us"] <= s["frozen_us"], s["pages"] * 4096 <= s["bytes"], s["records"] > 5,
	s["pages"] > 0, "busy_us" in mem)'}, 0, qr/^True True True True True$/, '--stats');
my $first = manifest('img');
sh_is("cr-checkpoint -t $pid -D img -s", 0, qr/^$/, '-s');
ok(wait_for(5, sub { state_of($pid) eq 'T' }), 'the process is stopped');
isnt(manifest('img'), $first, 'the image is another one');
no_bulk_but('img', 1, 'the image before is gone');
kill 'CONT', $pid;
goes_on($pid, 'SIGCONT');
sh_is("cr-checkpoint -t $pid -D img", 0, qr/^$/, 'kill');
is(describe(finish($pid, 5)), 'killed by signal 9', 'the process is killed');
sh_is('cr-imgtool check img', 0, qr/: good:/, 'the image');

# Refused: each thing is named once, nothing is there.
$pid = background(['perl', '-e', 'socket(S, 17, 3, 0) or die; sleep 1000'], session => 1, out => '/dev/null', err => '/dev/null');
wait_for(5, sub { grep { (readlink($_) // '') =~ /socket/ } glob("/proc/$pid/fd/*") });
sh_is("cr-checkpoint -t $pid -D none", 1,
	qr/^cr-dump-net: pid $pid: fd \d+: .*not supported.*\ncr-imgtool: 1 thing is not supported: no image was made\n$/,
	'a packet socket');
goes_on($pid, 'a packet socket');
is(join(' ', glob('none/*')), '', 'nothing is there');
sh_is('cr-checkpoint -t 4000000 -D none', 1, qr/^cr-freeze: pid 4000000: no such process\n$/, 'no process');

# Faults on the way.  An image is there before; afterwards it is still that
# one, unless the new one is complete.
$pid = start();
sh("rm -rf img; cr-checkpoint -t $pid -D img -R");
$first = manifest('img');
ok($first, 'an image');
sub fault {
	my ($point, $options, $status, $says, $complete) = @_;
	my $name = "$point $options";

	sh_is("CR_FAULT=$point cr-checkpoint -t $pid -D img $options", $status, $says, $name);
	goes_on($pid, $name);
	if ($complete) {
		isnt(manifest('img'), $first, "$name: a new image is complete");
		$first = manifest('img');
	} else {
		is(manifest('img'), $first, "$name: the image is the first one");
	}
	sh_is('cr-imgtool check img', 0, qr/: good:/, "$name: the image");
}
my $killed = qr/^cr-pipe: the last command was killed by signal 9 \(Killed\)\n$/;
for my $end ('', '-R', '-s') {
	fault('cr-imgtool:stage-record', $end, 111, $killed, 0);
	fault('cr-imgtool:commit-synced', $end, 111, $killed, 0);
	fault('cr-imgtool:commit-renamed', $end, 111, $killed, 1);
	fault('cr-freeze:release', $end, 111, qr/the freeze's session/, 0);
	fault('cr-freeze:commit', $end, 111, qr/the image is complete, but/, 1);
	fault('cr-dump-mem:stage-before-end', $end, 102, qr/^cr-dump-fds: stdin: .*before its End.*\n$/, 0);
}
# The next dump leaves what it needs and no more.
sh_is("cr-checkpoint -t $pid -D img -R", 0, qr/^$/, 'after all faults');
no_bulk_but('img', 1, 'after all faults');

# A commit that does not reach the freeze is taken back.  It is the last message
# of those that a commit that goes well sends.
my $failcall = "$BUILD/t/failcall";
sh("cr-freeze -t $pid --then resume | cr-dump-mem -D count |
	$failcall -o messages -e sendmsg:0:EPIPE '$BIN/cr-imgtool' commit -D count");
my ($last) = slurp('messages') =~ /^made sendmsg (\d+)$/m;
ok($last >= 3, 'ready, release, commit');
for my $dir ('img', 'fresh') {
	my $was = manifest($dir);
	sh_is("cr-freeze -t $pid --then kill | cr-dump-mem -D $dir |
		$failcall -e sendmsg:$last:EPIPE '$BIN/cr-imgtool' commit -D $dir",
		111, qr/unable to end the freeze/, "$dir: the session is lost");
	is(manifest($dir), $was, "$dir: what was there is there again");
	goes_on($pid, $dir);
}

# What the freeze itself has named is never committed, whoever asks for it.
{
	my $job = background(['sleep', '1000']);	# in our session
	my $ask = <<'E';
use Socket;
my $stream = '';
until ($stream =~ /(cr-[0-9a-f]{32})/) { sysread(STDIN, $stream, 4096, length $stream) or exit 9 }
socket(my $s, AF_UNIX, SOCK_SEQPACKET, 0) or exit 8;
my ($name) = $stream =~ /(cr-[0-9a-f]{32})/;
connect($s, pack_sockaddr_un("\0$name")) or exit 7;
# struct cr_session_msg: READY, then COMMIT when all has been said
send($s, pack('L2', 80, 0) . "\0" x 72, 0);
until ($stream =~ /led from outside/) { sysread(STDIN, $stream, 65536, length $stream) or exit 6 }
send($s, pack('L2', 80, 9) . "\0" x 72, 0);
recv($s, my $answer, 65536, 0);
print unpack('x28 L', $answer), ' ', substr($answer, 80), "\n";
E
	wait_for(10, sub { (slurp("/proc/$job/comm", 1) // '') eq "sleep\n" });
	my $r = run(['sh', '-c', '"$0" -t "$1" --then kill | perl -e "$2"', tool('cr-freeze'), $job, $ask]);
	like($r->{err}, qr/led from outside/, 'the freeze refuses');
	is($r->{out}, "1 the freeze has named what is not supported\n", 'and a commit as well');
	ok(wait_for(10, sub { (slurp("/proc/$job/status", 1) // '') =~ /^State:\tS.*^TracerPid:\t0$/ms }),
		'the process goes on, untraced');
	kill 'TERM', $job;
	is(describe(finish($job, 10)), 'killed by signal 15', 'and can be ended');
}

done_testing();
