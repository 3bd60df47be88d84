#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# Files that are no plain ones by their path: odd names, files of processes in
# /proc, large holes, mounts that hide or copy others.  Each survives, or is
# named and goes on unharmed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $head = <<'E';
import mmap, os, sys, threading, time
os.closerange(3, 64)
top = os.getcwd()
def go():
    os.close(os.open(top + '/ready', os.O_CREAT | os.O_WRONLY))
    while not os.path.exists(top + '/verify'): time.sleep(0.005)
def link(f): return os.readlink(b'/proc/self/fd/%d' % f)
E

sub start {
	my ($title, $code, %o) = @_;
	my $t = CRTarget->start('x', title => $title, cmd => ['python3', '-c', $head . $code], %o);
	return $t->ready ? $t : undef;
}

# Killed and restored twice.
sub lives {
	my ($title, $code, %o) = @_;

	subtest $title => sub {
		my $t = start($title, $code, %o) or return;
		$t->checkpoint(@{ $o{dump} || [] }) or return;
		$t->gone;
		for my $n (1, 2) {
			CRTest::forget($t->{pid});
			$t->restore_detached(@{ $o{restore} || [] }) or return;
			$t->verify("restore $n") or return;
		}
	};
}

sub refused {
	my ($title, $why, $code, %o) = @_;

	subtest $title => sub {
		my $t = start($title, $code, %o) or return;
		my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img},
			@{ $o{dump} || [] }], 'refused');
		like($r->{err}, qr/pid $t->{pid}: $why; \w/, 'and named, with a remedy');
		$t->verify('goes on');
	};
}

my $names = <<'E';
names = [b'new\nline', b'sp ace', b'\xff\xfe\x80', b'tab\t\\', b'x (deleted)']
files = []
for n in names:
    files.append(os.open(n, os.O_RDWR | os.O_CREAT)); os.write(files[-1], n)
g = os.open(b'gh\xffost\n', os.O_RDWR | os.O_CREAT); os.write(g, b'gg'); os.unlink(b'gh\xffost\n')
os.mkdir(b'd\xff\n'); os.chdir(b'd\xff\n')
m = os.open(b'm\n ', os.O_RDWR | os.O_CREAT); os.write(m, b'mapped'); m = mmap.mmap(m, 6)
links = [link(f) for f in files + [g]]
go()
ok = links == [link(f) for f in files + [g]] and os.getcwdb() == top.encode() + b'/d\xff\n'
ok &= all(os.pread(f, 99, 0) == n for f, n in zip(files, names)) and os.pread(g, 9, 0) == b'gg'
sys.exit(0 if ok and m[:] == b'mapped' else 1)
E
lives('names with blanks, lines and bytes that are no text', $names);
lives('and embedded', $names, dump => ['--embed-files']);

lives('a deleted file of 10 GiB that is a hole mostly', <<'E');
f = os.open('a', os.O_RDWR | os.O_CREAT); os.unlink('a'); os.ftruncate(f, 10 << 30)
os.pwrite(f, b'xyz', 9 << 30); os.lseek(f, 9 << 30, 0)
go()
s = os.fstat(f)
ok = s.st_size == 10 << 30 and s.st_blocks < 1000 and os.read(f, 4) == b'xyz\0'
sys.exit(0 if ok and os.lseek(f, 0, 1) == (9 << 30) + 4 else 1)
E

refused('a deleted file beyond the limit', 'fd 3: deleted file .* of 2097152 bytes', <<'E');
f = os.open('a', os.O_RDWR | os.O_CREAT); os.write(f, b'o' * (2 << 20)); os.unlink('a')
go()
E

refused('a path that is too long', 'fd 3: file \(a path that is too long\): not supported', <<'E');
for i in range(25): os.mkdir('d' * 200); os.chdir('d' * 200)
f = os.open('file', os.O_RDWR | os.O_CREAT); os.chdir(top)
go()
E

refused('a directory whose path is too long', 'cwd: its path: too long', <<'E');
for i in range(25): os.mkdir('d' * 200); os.chdir('d' * 200)
go()
E

lives('files of processes', <<'E');
def child(i):
    c = os.fork()
    if c: return c
    while not os.path.exists('kids'): time.sleep(0.005)
    other = [int(x) for x in open('kids').read().split()][1 - i]
    f = os.open('/proc/%d/stat' % other, os.O_RDONLY)
    g = os.open('/proc/%d' % os.getppid(), os.O_RDONLY)
    open('kid%d' % i, 'w').close()
    while not os.path.exists('verify'): time.sleep(0.005)
    ok = link(f) == b'/proc/%d/stat' % other
    os._exit(0 if ok and link(g) == b'/proc/%d' % os.getppid() else 1)
pid = os.getpid()
kids = [child(0), child(1)]
open('kids.tmp', 'w').write('%d %d' % tuple(kids)); os.rename('kids.tmp', 'kids')
while not (os.path.exists('kid0') and os.path.exists('kid1')): time.sleep(0.005)
files = [os.open(x % pid if '%' in x else x, os.O_RDONLY) for x in ('/proc/self/maps',
    '/proc/self', '/proc/%d/fd', '/proc/%d/task', '/proc/self/task/%d/stat', '/proc/%d/ns/net',
    '/proc/thread-self/comm', '/proc/self/mem', '/proc/1/stat', '/proc/meminfo')]
files += [os.open('/proc/%d/status' % k, os.O_RDONLY) for k in kids]
os.read(files[0], 300); at = os.lseek(files[0], 0, 1)
links = [link(f) for f in files]
# Several processes have all of them.
c = os.fork()
if c == 0:
    go(); os._exit(0)
go()
ok = links == [link(f) for f in files] and os.lseek(files[0], 0, 1) == at
ok &= os.read(files[4], 99).startswith(b'%d (' % pid)
ok &= os.read(files[-1], 99).startswith(b'Name:')
for k in kids + [c]:
    ok &= os.waitpid(k, 0)[1] == 0
sys.exit(0 if ok else 1)
E

# What only mounts can do; they go with the test's directories.
my @mounted;

sub mounted {
	my (@args) = @_;

	return 0 if run(['mount', @args])->{status};
	push @mounted, $args[-1];
	return 1;
}

SKIP: {
	my $m = tmpdir();
	mkdir "$m/$_" for qw(low up work merged from to ro hidden);
	CRTest::spew("$m/low/file", 'low'); CRTest::spew("$m/low/gone", 'gone');
	CRTest::spew("$m/from/file", 'bound'); CRTest::spew("$m/ro/file", 'read only');
	CRTest::spew("$m/hidden/file", 'hidden');
	mounted('--bind', "$m/from", "$m/to") && mounted('--bind', "$m/ro", "$m/ro")
		&& run(['mount', '-o', 'remount,bind,ro', "$m/ro"])->{status} == 0
		or skip('no mounts here', 4);
	lives('files below bind mounts, one that cannot be written', <<"E");
files = [os.open('$m/' + x, os.O_RDONLY) for x in ('to/file', 'from/file', 'ro/file')]
links = [link(f) for f in files]
maps = [mmap.mmap(f, 5, prot=mmap.PROT_READ) for f in files]
go()
ok = links == [link(f) for f in files] and maps[0][:] == b'bound' and maps[2][:] == b'read '
sys.exit(0 if ok and os.read(files[1], 9) == b'bound' else 1)
E
	my $overlay = "lowerdir=$m/low,upperdir=$m/up,workdir=$m/work";
	if (mounted('-t', 'overlay', '-o', $overlay, 'none', "$m/merged")) {
		lives('files of an overlay', <<"E");
os.chdir('$m/merged')
for i in ('gone', 'new', 'dir'):
    if not os.path.exists(i): open(i, 'w').write('gone')
f = os.open('file', os.O_RDONLY); g = os.open('gone', os.O_RDWR); os.unlink('gone')
h = os.open('new', os.O_RDWR | os.O_CREAT); os.write(h, b'new'); d = os.open('.', os.O_RDONLY)
m = mmap.mmap(f, 3, prot=mmap.PROT_READ)
links = [link(x) for x in (f, g, h, d)]
go()
ok = links == [link(x) for x in (f, g, h, d)] and os.getcwd() == '$m/merged' and m[:] == b'low'
ok &= os.read(f, 9) == b'low' and os.read(g, 9) == b'gone' and os.pread(h, 3, 0) == b'new'
sys.exit(0 if ok else 1)
E
	}
	my $t = start('a file hidden by a mount', <<"E") or last;
f = os.open('$m/hidden/file', os.O_RDONLY)
go()
E
	mounted('-t', 'tmpfs', 'none', "$m/hidden");
	subtest 'a file hidden by a mount' => sub {
		my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], 'refused');
		like($r->{err}, qr/fd 3: file that its path does not lead to \(\S+hidden\/file\)/,
			'and named');
		$t->verify('goes on');
	};
}

END {
	local $?;
	run(['umount', '-l', $_]) for reverse @mounted;
}
done_testing;
