#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Events that wait in an inotify descriptor: refused, or dropped when that is
# asked for, and never taken from a tree that goes on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $code = <<'E';
import ctypes, os, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
f = libc.inotify_init1(os.O_NONBLOCK)
os.mkdir('in')
w = libc.inotify_add_watch(f, b'in', 0x102)	# IN_CREATE, IN_MODIFY
def events():
    try: b = os.read(f, 65536)
    except BlockingIOError: return []
    names = []
    while b:
        n = struct.unpack('iIII', b[:16])[3]
        names.append(b[16:16 + n].rstrip(b'\0').decode()); b = b[16 + n:]
    return names
open('in/before', 'w').close()
open('ready', 'w').close()
while not os.path.exists('verify'): time.sleep(0.005)
open('in/after', 'w').close()
seen = events()
print(seen, flush=True)
sys.exit(0 if seen == (['before', 'after'] if not os.path.exists('restored') else ['after']) else 1)
E

sub start {
	my $t = CRTarget->start('x', title => 'inotify', cmd => ['python3', '-c', $code]);
	return $t->ready ? $t : undef;
}

subtest 'refused' => sub {
	my $t = start() or return;
	for my $option ([], ['--inotify-events', 'refuse']) {
		my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}, @$option],
			"refused @$option");
		like($r->{err}, qr/fd 3: inotify \(.*\): 32 bytes of events wait to be read.*; .*--inotify-events drop/,
			'by name');
	}
	$t->verify('still has them');
};

subtest 'dropped' => sub {
	my $t = start() or return;
	$t->checkpoint('-R', '--inotify-events', 'drop') or return;
	$t->verify('one that goes on still has them');
	$t = start() or return;
	$t->checkpoint('--inotify-events=drop') or return;
	$t->gone;
	for my $n (1, 2) {
		CRTest::forget($t->{pid});
		$t->restore_detached or return;
		$t->verify("restore $n has only what comes after");
		unlink "$t->{dir}/in/after";
	}
};

for my $tool ('cr-dump-fds', 'cr-checkpoint') {
	my $r = exits(100, [tool($tool), ('-t', 1, '-D', 'x') x ($tool ne 'cr-dump-fds'),
		'--inotify-events', 'keep'], "$tool: another word");
	like($r->{err}, qr/^$tool: --inotify-events: 'keep' is neither refuse nor drop/, 'is named');
}
done_testing;
