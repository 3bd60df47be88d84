#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Whatever is in the way is named at once, each with its descriptor, and the
# process goes on as if nothing had been.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $code = <<'E';
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
os.closerange(3, 64)
os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)
libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(4, b'.', 0x100)	# IN_CREATE
open('event', 'w').close()
os.open('file', os.O_RDWR | os.O_CREAT); os.write(5, b'some text'); os.lseek(5, 5, 0)
e = ctypes.create_string_buffer(128)	# a counter of perf: software, CPU time
ctypes.memmove(e, bytes([1, 0, 0, 0, 128, 0, 0, 0]), 8)
p = libc.syscall(298, e, 0, -1, -1, 0)
def links(): return [os.readlink('/proc/self/fd/%d' % f) for f in range(3, 6 + (p >= 0))]
before = links()
open('perf', 'w').write('%d' % p)
open('ready', 'w').close()
n = 0
while not os.path.exists('verify'): time.sleep(0.005)
ok = links() == before and len(os.read(4, 4096)) >= 32 and os.read(5, 9) == b'text'
sys.exit(0 if ok and os.read(3, 8192) else 1)
E

my $t = CRTarget->start('x', title => 'three', cmd => ['python3', '-c', $code]);
if ($t->ready) {
	my @dump = (tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img});
	my %want = (3 => qr{.*/dev/kmsg.*; \S}, 4 => qr/inotify .*wait to be read.*; \S/);

	$want{6} = qr/.*perf.*; \S/ if slurp("$t->{dir}/perf") >= 0;
	for my $way ([], ['-R']) {
		my $r = exits(1, [@dump, @$way], "refused @$way");
		my @lines = grep { /: fd \d+: / } split /\n/, $r->{err};

		for my $fd (sort keys %want) {
			my @of = grep { /^cr-dump-fds: pid $t->{pid}: fd $fd: $want{$fd}/ } @lines;
			is(scalar @of, 1, "fd $fd is named") or diag($r->{err});
		}
		is(scalar @lines, scalar keys %want, 'and nothing else');
		ok(!-e "$t->{img}/manifest.img", 'there is no image');
		like(slurp("/proc/$t->{pid}/status"), qr/^State:\s+[RS].*^TracerPid:\s+0$/ms,
			'it is neither stopped nor traced');
	}
	$t->verify('it has lost nothing');
}
done_testing;
