#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# --map-path and --root with every kind of file that has a path: deleted files,
# mapped ones, working and root directories, fifos, unix sockets, watches.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $code = <<'E';
import ctypes, fcntl, mmap, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
top, tree = os.getcwd(), sys.argv[1]
os.chdir(tree)
def make(name, text):
    f = os.open(name, os.O_RDWR | os.O_CREAT); os.write(f, text); return f
def bytes_of(f): return os.pread(f, 100, 0)
os.makedirs('sub/below'); os.mkdir('jail'); os.mkdir('gone')
plain = make('plain', b'plain text'); folder = os.open('sub', os.O_RDONLY)
shared = mmap.mmap(make('shared', b's' * 4096), 4096)
private = mmap.mmap(make('private', b'p' * 4096), 4096, flags=mmap.MAP_PRIVATE)
private[0:2] = b'mm'
ghost = make('ghost', b'a ghost'); os.unlink('ghost')
below = make('gone/ghost', b'another'); os.unlink('gone/ghost'); os.rmdir('gone')
lost = mmap.mmap(make('lost', b'l' * 4096), 4096); os.unlink('lost')
os.mkfifo('fifo'); fifo = os.open('fifo', os.O_RDWR | os.O_NONBLOCK); os.write(fifo, b'in a fifo')
listener = socket.socket(socket.AF_UNIX); listener.bind('listener'); listener.listen()
absolute = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); absolute.bind(tree + '/absolute')
peer = socket.socket(socket.AF_UNIX); peer.connect('listener'); near = listener.accept()[0]
peer.send(b'in a socket')
watch = libc.inotify_init1(os.O_NONBLOCK); libc.inotify_add_watch(watch, b'sub', 0x100)
lock = make('lock', b''); fcntl.flock(lock, fcntl.LOCK_EX)
go, done = os.pipe(); said, say = os.pipe()
child = os.fork()
if child == 0:
    os.chroot('jail'); os.chdir('/')
    inside = os.open('inside', os.O_RDWR | os.O_CREAT); os.write(inside, b'inside')
    os.write(say, b'.')
    os.read(go, 1)
    os.close(os.open('/made', os.O_CREAT | os.O_WRONLY))
    os._exit(0 if os.pread(inside, 9, 0) == b'inside' else 1)
os.read(said, 1)
os.chdir('sub/below')
open(top + '/ready', 'w').close()
while not os.path.exists(top + '/verify'): time.sleep(0.005)
now = open(top + '/where').read()
bad = []
def same(what, a, b):
    if a != b: bad.append(what); print('%s: %r, not %r' % (what, a, b))
def link(f): return os.readlink('/proc/self/fd/%d' % f)
same('cwd', os.readlink('/proc/self/cwd'), now + '/sub/below')
same('plain', link(plain), now + '/plain')
same('folder', link(folder), now + '/sub')
same('fifo', link(fifo), now + '/fifo')
same('root of the child', os.readlink('/proc/%d/root' % child), now + '/jail')
same('a deleted one', link(ghost), now + '/ghost (deleted)')
same('one in a deleted directory', link(below), now + '/gone/ghost (deleted)')
same('bytes', [bytes_of(f) for f in (plain, ghost, below)], [b'plain text', b'a ghost', b'another'])
shared[0:3] = b'xyz'
same('a shared mapping', open('../../shared', 'rb').read(4), b'xyzs')
same('a private mapping', private[0:4], b'mmpp')
same('a deleted mapping', lost[0:3], b'lll')
same('its path', [l.split(None, 5)[5] for l in open('/proc/self/maps') if 'lost' in l][0].strip(),
     now + '/lost (deleted)')
same('the fifo', os.read(fifo, 99), b'in a fifo')
same('the name of a socket', absolute.getsockname(), now + '/absolute')
same('the name of another', listener.getsockname(), 'listener')
same('the socket', near.recv(99), b'in a socket')
for name, kind in (('listener', socket.SOCK_STREAM), ('absolute', socket.SOCK_DGRAM)):
    s = socket.socket(socket.AF_UNIX, kind)
    try: s.connect('../../' + name)
    except OSError as e: same(name, str(e), 'connected')
    if name == 'absolute': s.send(b'datagram')
same('a datagram', absolute.recv(99), b'datagram')
same('a connection', listener.accept()[1], '')
open('../new', 'w').close()
same('a watch', os.read(watch, 99)[16:19], b'new')
other = os.open('../../lock', os.O_RDWR)
try: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB); same('a lock', 'free', 'held')
except BlockingIOError: pass
os.write(done, b'.')
same('the child', os.waitpid(child, 0)[1], 0)
same('what it has made', os.path.exists('../../jail/made'), True)
same('nothing is left', sorted(os.listdir('../..')),
     sorted(['absolute', 'fifo', 'jail', 'listener', 'lock', 'plain', 'private', 'shared', 'sub']))
sys.exit(1 if bad else 0)
E

sub start {
	my ($title) = @_;
	my $tree = tmpdir() . '/tree';
	mkdir $tree;
	my $t = CRTarget->start('x', title => $title, cmd => ['python3', '-c', $code, $tree]);
	return $t->ready ? ($t, $tree) : ();
}

subtest 'where it was' => sub {
	my ($t, $tree) = start('there') or return;
	CRTest::spew("$t->{dir}/where", $tree);
	$t->checkpoint('--file-locks') or return;
	$t->gone;
	$t->restore_detached or return;
	$t->verify('is there');
};

subtest '--map-path' => sub {
	my ($t, $tree) = start('mapped') or return;
	my $new = tmpdir() . '/elsewhere';
	CRTest::spew("$t->{dir}/where", $new);
	$t->checkpoint('--file-locks') or return;
	$t->gone;
	rename($tree, $new) or die "rename: $!";
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'refused without it');
	like($r->{err}, qr/\Q$tree\E\/plain/, 'by name');
	$t->restore_detached('--map-path', "$tree=$new") or return;
	$t->verify('is elsewhere');
};

subtest '--root' => sub {
	my ($t, $tree) = start('rooted') or return;
	my $root = tmpdir();
	$t->checkpoint('--file-locks') or return;
	$t->gone;
	plan skip_all => 'no bind mounts here'
		if run(['mount', '--rbind', '--make-rprivate', '/', $root])->{status};
	CRTest::spew("$t->{dir}/where", $tree);
	# Here it is not there any more.
	my $above = $tree =~ s{/[^/]*$}{}r;
	run(['mount', '-t', 'tmpfs', 'none', $above]);
	$t->restore_detached('--root', $root) and $t->verify('has another root');
	is(join(' ', glob("$above/*")), '', 'nothing is made here');
	run(['umount', '-l', $above]);
	run(['umount', '-R', '-l', $root]);
};
done_testing;
