#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Descriptors up to the last number that the limit allows: cr-restore, which has the
# same limit, keeps its own in a gap; or says that there is none.  A soft limit is
# no limit.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $program = <<'E';
import os, select, socket, sys, time
os.closerange(3, 256)
last = int(sys.argv[1]); low = int(sys.argv[2])
d = os.open('file', os.O_RDWR | os.O_CREAT); os.write(d, b'hello')
a, b = socket.socketpair(); r, w = os.pipe(); os.write(w, b'bytes'); a.send(b'word')
e = select.epoll(); e.register(b.fileno(), select.EPOLLIN)
for i, fd in enumerate((d, a.detach(), b.detach(), r, w, e.fileno())):
    os.dup2(fd, last - i)
for fd in range(3, low): os.dup2(d, fd)
mine = sorted(os.listdir('/proc/self/fd'))
pid = os.fork()
if not pid:
    os.dup2(d, last - 10)
    mine.append(str(last - 10)); mine.sort()
else:
    open('ready', 'w').close()
while not os.path.exists('verify'): time.sleep(0.005)
ok = sorted(os.listdir('/proc/self/fd')) == mine
if not pid: os._exit(0 if ok else 1)
ok &= os.lseek(last, 0, os.SEEK_CUR) == 5 and os.read(last - 3, 9) == b'bytes'
ok &= select.epoll.fromfd(last - 5).poll(5) != [] and os.read(last - 2, 9) == b'word'
ok &= os.waitpid(pid, 0)[1] == 0
sys.exit(0 if ok else 1)
E
my @restore = ('sh', '-c', 'ulimit -n 256; exec "$0" "$@"', tool('cr-restore'), '-d', '-D');
# That it may raise the limit itself is of no use here.
my @without = run(['capsh', '--drop=cap_sys_resource', '--', '-c', 'true'])->{status} == 0 ?
	('capsh', '--drop=cap_sys_resource', '--', '-c', 'exec "$0" "$@"') : ();

sub saved {
	my ($low) = @_;
	my $t = CRTarget->start('x', title => "$low from below", cmd =>
		['sh', '-c', 'ulimit -n 256; exec "$0" "$@"', 'python3', '-c', $program, 255, $low]);

	return $t->ready && $t->checkpoint && do { $t->gone; 1 } ? $t : undef;
}

for my $low (9, 100) {
	my $t = saved($low) or next;
	exits(0, [@without, @restore, $t->{img}], "$low from below: it is restored")->{status} == 0 or next;
	$t->verify('verifies itself');
}
if (my $t = saved(240)) {
	CRTest::forget($t->{pid});
	my $r = exits(1, [@without, @restore, $t->{img}], 'without a gap: refused');
	like($r->{err}, qr/^cr-restore: .*uses too many of the numbers .*; raise the hard limit with ulimit -Hn$/m,
		'and says why');
	ok(wait_for(10, sub { !-e "/proc/$t->{pid}" }), 'nothing is left');
	exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}], 'with a higher limit it is restored');
	$t->verify('verifies itself');
}

# More objects and processes than the soft limit lets a program have descriptors.
my $many = <<'E';
import mmap, os, sys, time
maps = [mmap.mmap(-1, 4096) for i in range(90)]
for i, m in enumerate(maps): m[0] = i
kids = []
for i in range(90):
    pid = os.fork()
    if not pid:
        while not os.path.exists('verify'): time.sleep(0.02)
        maps[i][1] = i
        os._exit(i)
    kids.append(pid)
open('ready', 'w').close()
while not os.path.exists('verify'): time.sleep(0.005)
ok = all(os.waitpid(p, 0)[1] == i << 8 for i, p in enumerate(kids))
sys.exit(0 if ok and all(m[0] == m[1] == i for i, m in enumerate(maps)) else 1)
E
{
	my $t = CRTarget->start('x', title => 'many', cmd => ['python3', '-c', $many]);
	my @low = ('sh', '-c', 'ulimit -Sn 64; exec "$0" "$@"');

	if ($t->ready) {
		exits(0, [@low, tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}],
			'dumped with a low soft limit')->{status} == 0 and do {
			$t->gone;
			exits(0, [@low, tool('cr-restore'), '-d', '-D', $t->{img}], 'and restored');
		};
		$t->verify('verifies itself');
	}
}
done_testing;
