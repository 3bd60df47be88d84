#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# File locks: what is refused, who waits for one goes on waiting, and nobody
# takes one while its tree is away without the restore saying so.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $head = <<'E';
import fcntl, mmap, os, signal, struct, sys, threading, time
os.closerange(3, 64)
signal.signal(signal.SIGIO, signal.SIG_IGN)
OFD_SETLK, OFD_SETLKW, SETLEASE, GETLEASE = 37, 38, 1024, 1025
def flock(type): return struct.pack('hhqqi4x', type, 0, 0, 0, 0)
def make(name): return os.open(name, os.O_RDWR | os.O_CREAT)
def go():
    open('ready', 'w').close()
    while not os.path.exists('verify'): time.sleep(0.005)
E

sub start {
	my ($title, $code) = @_;
	my $t = CRTarget->start('x', title => $title, cmd => ['python3', '-c', $head . $code]);
	return $t->ready ? $t : undef;
}

sub lives {
	my ($title, $code) = @_;

	subtest $title => sub {
		my $t = start($title, $code) or return;
		$t->checkpoint('--file-locks') or return;
		$t->gone;
		for my $n (1, 2) {
			CRTest::forget($t->{pid});
			$t->restore_detached or return;
			$t->verify("restore $n") or return;
		}
	};
}

lives('those who wait for a lock wait on', <<'E');
f, g, p = make('f'), make('o'), make('p')
fcntl.flock(f, fcntl.LOCK_EX)
fcntl.fcntl(g, OFD_SETLK, flock(fcntl.F_WRLCK))
fcntl.lockf(p, fcntl.LOCK_EX)
def waiter(call):
    c = os.fork()
    if c: return c
    call(); os._exit(0 if os.path.exists('verify') else 5)
kids = [waiter(lambda: fcntl.flock(make('f'), fcntl.LOCK_SH)),
    waiter(lambda: fcntl.fcntl(make('o'), OFD_SETLKW, flock(fcntl.F_WRLCK))),
    waiter(lambda: fcntl.lockf(make('p'), fcntl.LOCK_EX))]
got = []
t = threading.Thread(target=lambda: (fcntl.flock(make('f'), fcntl.LOCK_SH), got.append(1)))
t.start()
def waits(pid): return open('/proc/%d/syscall' % pid).read().split()[0] in ('72', '73')
while not all(waits(k) for k in kids + [t.native_id]): time.sleep(0.005)
go()
ok = not got and all(os.waitpid(k, os.WNOHANG) == (0, 0) for k in kids)
fcntl.flock(f, fcntl.LOCK_UN)
fcntl.fcntl(g, OFD_SETLK, flock(fcntl.F_UNLCK))
os.close(p)
t.join()
sys.exit(0 if ok and all([os.waitpid(k, 0)[1] == 0 for k in kids]) else 1)
E

lives('locks on a file that is mapped and opened twice', <<'E');
f = make('db'); os.write(f, b'x' * 8192); m = mmap.mmap(f, 8192); g = os.open('db', os.O_RDONLY)
fcntl.lockf(f, fcntl.LOCK_EX, 10, 0); fcntl.lockf(g, fcntl.LOCK_SH, 10, 100)
go()
c = os.fork()
if c == 0:
    h = make('db')
    for at in (0, 100):
        try:
            fcntl.lockf(h, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, at)
            os._exit(3)
        except OSError: pass
    fcntl.lockf(h, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50)
    os._exit(0)
sys.exit(os.waitpid(c, 0)[1] >> 8)
E

lives('leases for writing, one shared with a child', <<'E');
for n in 'ab': open(n, 'w').close()
a, b = os.open('a', os.O_RDWR), os.open('b', os.O_WRONLY | os.O_APPEND)
fcntl.fcntl(a, SETLEASE, fcntl.F_WRLCK); fcntl.fcntl(b, SETLEASE, fcntl.F_WRLCK)
c = os.fork()
if c == 0: signal.pause()
go()
ok = fcntl.fcntl(a, GETLEASE) == fcntl.F_WRLCK and fcntl.fcntl(b, GETLEASE) == fcntl.F_WRLCK
os.kill(c, 9)
sys.exit(0 if ok else 1)
E

lives('a lease that a child waits for, with a handler', <<'E');
told = []
signal.signal(signal.SIGIO, lambda *a: told.append(1))
open('w', 'w').close()
w = os.open('w', os.O_RDWR); fcntl.fcntl(w, SETLEASE, fcntl.F_WRLCK)
c = os.fork()
if c == 0:
    os.close(w); os.open('w', os.O_RDONLY); os._exit(0)
while 'BREAKING' not in open('/proc/self/fdinfo/%d' % w).read(): time.sleep(0.005)
while not told: time.sleep(0.005)
go()
ok = told == [1] and os.waitpid(c, os.WNOHANG) == (0, 0)
ok = ok and 'BREAKING  READ' in open('/proc/self/fdinfo/%d' % w).read()
os.close(w)
sys.exit(0 if ok and os.waitpid(c, 0)[1] == 0 else 1)
E

subtest 'a lease of a type that is not told, or that cannot be had' => sub {
	my $t = start('breaking', <<'E') or return;
open('w', 'w').close()
w = os.open('w', os.O_RDONLY); fcntl.fcntl(w, SETLEASE, fcntl.F_WRLCK)
try: os.open('w', os.O_WRONLY | os.O_NONBLOCK)
except BlockingIOError: pass
go()
E
	my $no = '-bpf,-perfmon,-sys_admin';
	my @dump = (tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}, '--file-locks');
	my $r = exits(1, ['setpriv', '--bounding-set', $no, '--inh-caps', $no, @dump],
		'refused without BPF');
	like($r->{err}, qr/fd 3: file lock \(LEASE .*\): .* does not tell its type; try again, or/,
		'and named');
	$t->checkpoint('--file-locks') or return;
	$t->gone;
	open(my $fh, '<', "$t->{dir}/w") or die;
	$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'refused when others have it');
	like($r->{err}, qr{/w: it has a lease, and another process has it open}, 'and named');
	close($fh);
	$t->restore_detached or return;
	$t->verify('goes on');
};

my %lock = (flock => 'fcntl.flock(f, fcntl.LOCK_EX)', posix => 'fcntl.lockf(f, fcntl.LOCK_EX)',
	ofd => 'fcntl.fcntl(f, OFD_SETLK, flock(fcntl.F_WRLCK))');
for my $kind (sort keys %lock) {
	subtest "$kind: without --file-locks, and taken meanwhile" => sub {
		my $t = start($kind, "f = make('l'); $lock{$kind}\ngo()\n") or return;
		my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}],
			'refused without --file-locks');
		like($r->{err}, qr/fd 3: file lock .*; use --file-locks/, 'and named');
		$t->checkpoint('--file-locks') or return;
		$t->gone;
		my $by = background(['python3', '-c', $head
			. "os.chdir('$t->{dir}'); f = make('l'); $lock{$kind}\n"
			. "open('taken', 'w').close(); time.sleep(1000)"]);
		wait_for(30, sub { -e "$t->{dir}/taken" || !alive($by) });
		$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'refused when it is taken');
		like($r->{err}, qr{/l: its lock is held by \w+}, 'and named');
		kill 'KILL', $by;
		finish($by, 10);
		$t->restore_detached or return;
		$t->verify('verifies itself when it is free');
	};
}
done_testing;
