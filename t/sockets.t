#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Sockets: what cr-dump-net says of them, what it refuses, what becomes of those
# that lead out of the tree, and that the process goes on unharmed.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use JSON::PP;

# A process that opens things as the code says and waits; {pid, dir, img}.
sub start {
	my ($code) = @_;
	my $dir = tmpdir();
	my $pid = background(['python3', '-c', <<"E"], dir => $dir, out => "$dir/out", err => "$dir/err", session => 1);
import os, socket, time, select, array, struct
from socket import *
def serve(): pass
$code
open('ready', 'w').close()
while not os.path.exists('end'): time.sleep(0.005)
serve()
E
	wait_for(20, sub { -e "$dir/ready" || !alive($pid) });
	ok(-e "$dir/ready", 'the process is ready') or diag(slurp("$dir/err"));
	return { pid => $pid, dir => $dir, img => tmpdir() };
}

sub ends_well {
	my ($p) = @_;

	touch("$p->{dir}/end");
	is(describe(finish($p->{pid}, 20)), 'exit 0', 'it goes on and ends well')
		or diag(slurp("$p->{dir}/err"));
	unlink "$p->{dir}/end";
}

sub refuses {
	my ($what, $code, @patterns) = @_;

	subtest "refused: $what" => sub {
		my $p = start($code);
		my $r = exits(1, [tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img}], $what);
		my @lines = grep { /^cr-dump-(?:net|fds): / } split(/\n/, $r->{err});

		is(scalar @lines, scalar @patterns, 'one line for each') or diag($r->{err});
		like($r->{err}, qr/^cr-dump-(?:net|fds): pid $p->{pid}: fd \d+: $_$/m, 'named')
			for @patterns;
		ok(!-e "$p->{img}/manifest.img", 'no image');
		ends_well($p);
	};
}

sub inode_of {
	my ($p, $fd) = @_;
	return (readlink("/proc/$p->{pid}/fd/$fd") =~ /(\d+)/)[0];
}

subtest 'what show tells' => sub {
	my $p = start(<<'E');
l = socket(AF_UNIX); l.bind('\0cr-t-%d' % os.getpid()); l.listen(3)
a, b = socketpair(AF_UNIX, SOCK_DGRAM); a.send(b'x'); b.shutdown(SHUT_WR)
E
	my $line = join(' | ', tool('cr-freeze') . " -t $p->{pid}", tool('cr-dump-fds'),
		tool('cr-dump-net'), tool('cr-imgtool') . ' show -k unix_socket -');
	my $r = exits(0, ['sh', '-c', $line], 'show');
	my $all = decode_json($r->{out});
	my ($l) = grep { $_->{state} eq 'UNIX_LISTENING' } @$all;
	my ($b) = grep { @{ $_->{queue} } } @$all;

	is(scalar @$all, 3, 'three sockets');
	is($l->{name}, "\@cr-t-$p->{pid}", 'an abstract name');
	is($l->{backlog}, 3, 'the backlog');
	is($l->{sock_type_name}, 'SOCK_STREAM', 'the type');
	is($b->{queue}[0]{data}, '78', 'bytes in the queue');
	is("@{ $b->{shutdown_names} }", 'SEND_SHUTDOWN', 'what is shut down');
	is($b->{cred}{tgid}, $p->{pid}, 'who has made it');
	ends_well($p);
};

refuses('packet and raw sockets', <<'E', qr/packet socket: not supported; close it/, qr/icmp socket.*: not supported; close it/);
a = socket(AF_PACKET, SOCK_RAW); b = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
E
refuses('a socket of another network namespace', <<'E', qr/unix datagram socket.*: of another network namespace: not supported; close it/, qr/udp socket: of another network namespace: not supported; close it/);
import ctypes
libc = ctypes.CDLL(None); own = os.open('/proc/self/ns/net', os.O_RDONLY)
assert libc.unshare(0x40000000) == 0
a, b = socket(AF_UNIX, SOCK_DGRAM), socket(AF_INET, SOCK_DGRAM)
assert libc.setns(own, 0) == 0; os.close(own)
E
my $sent = 'in a message in its queue: ';
refuses('descriptors under way that are of no use alone', <<'E', qr/${sent}pidfd .*: a descriptor of a process is sent in a message: not supported; receive it/, qr/${sent}epoll .*: no process has it open: not supported; receive it/, qr/${sent}pipe .*: no process has it open, and it sends signals \(O_ASYNC\): not supported; receive it/, qr/${sent}file .*: no process has it open, and it has a file lock: not supported; receive it/);
import fcntl
a, b = socketpair(); f = open('locked', 'w'); fcntl.flock(f, fcntl.LOCK_EX); r, w = os.pipe()
fcntl.fcntl(w, fcntl.F_SETFL, os.O_ASYNC); e = select.epoll(); p = os.pidfd_open(os.getpid())
a.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [p, e.fileno(), w, f.fileno()]))])
e.close(); os.close(p); os.close(w); f.close()
def serve(): assert len(b.recvmsg(10, 100)[1][0][2]) == 16
E
refuses('descriptors with an empty message that was looked at', <<'E', qr/socket \(.*\): descriptors in its queue cannot be seen: not supported; receive them/, qr/unix datagram socket, connected: descriptors \(SCM_RIGHTS\) in its queue: not supported; receive them/);
a, b = socketpair(AF_UNIX, SOCK_DGRAM)
a.sendmsg([b''], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [0]))]); b.recv(1, MSG_PEEK)
def serve(): assert len(b.recvmsg(10, 100)[1]) == 1
E
refuses('messages with pidfds', <<'E', qr/unix datagram socket, connected: messages with descriptors of their senders \(SO_PASSPIDFD\) in its queue: not supported; receive them/);
a, b = socketpair(AF_UNIX, SOCK_DGRAM); b.setsockopt(SOL_SOCKET, 76, 1); a.send(b'x')
def serve(): m = b.recvmsg(10, 100); assert m[0] == b'x' and m[1][0][1] == 4
E
refuses('out-of-band data', <<'E', qr/unix stream socket, connected: out-of-band data .*; read it/);
a, b = socketpair(); a.send(b'abc'); a.send(b'!', MSG_OOB)
def serve(): assert b.recv(1, MSG_OOB) == b'!' and b.recv(10) == b'abc'
E
refuses('a filter of eBPF', <<'E', qr/unix datagram socket, connected: it has an eBPF filter: not supported; detach it/);
import ctypes
a, b = socketpair(AF_UNIX, SOCK_DGRAM)
# r0 = -1; exit
code = ctypes.create_string_buffer(struct.pack('<BBhiBBhi', 0xb7, 0, 0, -1, 0x95, 0, 0, 0))
name = ctypes.create_string_buffer(b'GPL')
attr = ctypes.create_string_buffer(struct.pack('<IIQQ', 1, 2, ctypes.addressof(code), ctypes.addressof(name)), 120)
prog = ctypes.CDLL(None, use_errno=True).syscall(321, 5, attr, 120)
assert prog >= 0, ctypes.get_errno()
b.setsockopt(SOL_SOCKET, 50, prog); os.close(prog)
E
refuses('connections that wait', <<'E', qr{unix stream socket /.*/l, listening: a connection waits that bytes were sent to; accept it, or drop it with --skip-in-flight}, qr{unix stream socket /.*/m, listening: a connection waits whose client is closed or outside of the tree; accept it, or drop it with --skip-in-flight});
l = socket(AF_UNIX); l.bind(os.getcwd() + '/l'); l.listen(); c = socket(AF_UNIX); c.connect('l'); c.send(b'x')
m = socket(AF_UNIX); m.bind(os.getcwd() + '/m'); m.listen(); d = socket(AF_UNIX); d.connect('m'); d.close()
def serve(): assert l.accept()[0].recv(10) == b'x' and m.accept()[0].recv(10) == b''
E

refuses('TCP connections', <<'E', qr/tcp socket 127.0.0.1:\d+, connected to 127.0.0.1:\d+: a TCP connection: not supported; close it, or use --tcp-close to have it closed at the restore/, qr/tcp socket 127.0.0.1:\d+, listening: 1 connection waits to be accepted; accept it, or drop it with --skip-in-flight/);
l = socket(); l.bind(('127.0.0.1', 0)); l.listen(); c = socket(); c.connect(l.getsockname()); c.send(b'x')
def serve(): assert l.accept()[0].recv(1) == b'x'
E
refuses('UDP with more than can be restored', <<'E', qr/udp socket 127.0.0.1:\d+: datagrams wait in its queue and its port may be shared: not supported; receive them/, qr/udp socket .*: a datagram that is not complete \(UDP_CORK\): not supported; send it/);
a = socket(AF_INET, SOCK_DGRAM); a.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1); a.bind(('127.0.0.1', 0)); a.sendto(b'x', a.getsockname())
b = socket(AF_INET, SOCK_DGRAM); b.setsockopt(IPPROTO_UDP, 1, 1); b.sendto(b'x', a.getsockname())
def serve():
    assert a.recv(9) == b'x'
    b.setsockopt(IPPROTO_UDP, 1, 0); assert a.recv(9) == b'x'
E
refuses('UDP that asks for what cannot be had', <<'E', qr/udp socket .*: datagrams wait in its queue that were not sent to an address of the host, and it asks where to: not supported; receive them/, qr/udp socket .*: an empty datagram was looked at before, and it asks where to: not supported; receive it/);
a = socket(AF_INET, SOCK_DGRAM); a.setsockopt(IPPROTO_IP, 8, 1); a.bind(('', 0)); lo = inet_aton('127.0.0.1')
a.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, inet_aton('239.9.9.9') + lo)
s = socket(AF_INET, SOCK_DGRAM); s.setsockopt(IPPROTO_IP, IP_MULTICAST_IF, lo)
s.sendto(b'x', ('239.9.9.9', a.getsockname()[1]))
b = socket(AF_INET, SOCK_DGRAM); b.setsockopt(IPPROTO_IP, 8, 1); b.bind(('127.0.0.1', 0))
s.sendto(b'', b.getsockname()); b.recv(1, MSG_PEEK)
def serve(): assert a.recv(9) == b'x' and b.recv(9) == b''
E
refuses('netlink with an answer', <<'E', qr/netlink socket.*: messages wait in its queue: not supported; receive them/);
n = socket(AF_NETLINK, SOCK_RAW, 0); n.send(struct.pack('<IHHIIB', 17, 18, 0x301, 1, 0, 0))
def serve(): assert len(n.recv(65536)) > 16
E

my $error = qr/: an error waits to be received: not supported; receive it \(SO_ERROR, MSG_ERRQUEUE\)/;
refuses('errors', <<'E', qr/tcp socket.*$error/, qr/udp socket .*$error/, qr/unix datagram socket.*$error/, qr/unix seqpacket socket, .*$error/);
n = socket(); n.bind(('127.0.0.1', 0)); none = n.getsockname(); n.close()
def wait_error(s):
    p = select.poll(); p.register(s, 0)
    while not p.poll(0) or not p.poll(0)[0][1] & select.POLLERR: time.sleep(0.005)
c = socket(); c.setblocking(0); c.connect_ex(none)
d = socket(AF_INET, SOCK_DGRAM); d.connect(none); d.setsockopt(IPPROTO_IP, 11, 1); d.send(b'x')
l = socket(AF_UNIX, SOCK_DGRAM); l.bind('\0cr-t-%d' % os.getpid())
e, f = socketpair(AF_UNIX, SOCK_DGRAM); e.send(b'x'); f.connect(l.getsockname())
a, b = socketpair(AF_UNIX, SOCK_SEQPACKET); a.send(b'read'); b.send(b'lost'); a.close()
for s in c, d, e, b: wait_error(s)
def serve():
    assert c.getsockopt(SOL_SOCKET, SO_ERROR) == 111
    assert d.getsockopt(SOL_SOCKET, SO_ERROR) == 111 and len(d.recvmsg(1, 1000, MSG_ERRQUEUE)[1]) == 1
    assert e.getsockopt(SOL_SOCKET, SO_ERROR) == 104
    assert b.getsockopt(SOL_SOCKET, SO_ERROR) == 104 and b.recv(9) == b'read'
E

my $gone = 'which ends when it is closed: not supported; close it';
refuses('netlink sockets that something hangs on', <<'E', qr/netlink socket.*: it is bound to a queue of netfilter \(NFQUEUE\), $gone/, qr/netlink socket.*: it is bound to a log of netfilter \(NFLOG\), $gone/, qr/netlink socket.*: it owns a table of nf_tables, $gone/, qr/netlink socket.*: it listens to a connector, as for events of processes, $gone/);
def attr(t, b): return struct.pack('HH', 4 + len(b), t) + b + b'\0' * (-len(b) % 4)
def nl(t, flags, family, res, *attrs):
    b = struct.pack('>BBH', family, 0, res) + b''.join(attrs)
    return struct.pack('IHHII', 16 + len(b), t, flags, 1, 0) + b
def ask(*m):
    s = socket(AF_NETLINK, SOCK_RAW, 12); s.bind((0, 0)); s.send(b''.join(m))
    assert struct.unpack_from('i', s.recv(999), 16)[0] == 0; return s
number = 20000 + os.getpid() % 30000
q = ask(nl(3 << 8 | 2, 5, 2, number, attr(1, struct.pack('>BBH', 1, 0, 2))))
l = ask(nl(4 << 8 | 1, 5, 2, number, attr(1, b'\1')))
t = ask(nl(16, 1, 0, 10), nl(10 << 8, 0x405, 2, 0, attr(1, b'cr-t-%d\0' % os.getpid()), attr(2, b'\0\0\0\2')), nl(17, 1, 0, 10))
c = socket(AF_NETLINK, SOCK_DGRAM, 11); c.bind((0, 1)); d = socket(AF_NETLINK, SOCK_RAW, 12); d.bind((0, 0))
E

subtest 'without a look at the kernel' => sub {
	my $no = '-bpf,-perfmon,-sys_admin';
	my @without = ('setpriv', '--bounding-set', $no, '--inh-caps', $no);
	my $p = start(<<'E');
a, b = socketpair(AF_UNIX, SOCK_DGRAM); a.send(b''); u = socket(AF_INET, SOCK_DGRAM)
u.bind(('127.0.0.1', 0)); u.sendto(b'x', u.getsockname()); c, d = socketpair(AF_UNIX, SOCK_DGRAM)
def serve(): assert b.recv(9) == b'' and u.recv(9) == b'x'
E
	my $unseen = 'whether empty messages are in its queue cannot be seen';
	my $r = exits(1, [@without, tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img}], 'refused');

	for my $of ('udp socket 127.0.0.1:\d+', 'unix datagram socket, connected') {
		my @lines = grep { /$of: $unseen; receive them, or try again with CAP_BPF and CAP_PERFMON$/ }
			split(/\n/, $r->{err});
		is(scalar @lines, 1, "named: $of") or diag($r->{err});
	}
	ends_well($p);
	$p = start(<<'E');
a, b = socketpair(); a.send(b'plain'); a.sendmsg([b'x'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [0]))])
def serve(): assert b.recvmsg(10, 100)[0] == b'plainx'
E
	$r = exits(1, [@without, tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img}], 'refused');
	like($r->{err}, qr/: unix stream socket, connected: which bytes the descriptors in its queue come with cannot be seen; /,
		'where descriptors begin');
	ends_well($p);
	$p = start('a, b = socketpair(AF_UNIX, SOCK_DGRAM); u = socket(AF_INET, SOCK_DGRAM)');
	exits(0, [@without, tool('cr-checkpoint'), '-R', '-t', $p->{pid}, '-D', $p->{img}],
		'empty queues need none');
	ends_well($p);
};

subtest '--tcp-close' => sub {
	my $p = start(<<'E');
l = socket(); l.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1); l.bind(('127.0.0.1', 0)); l.listen()
c = socket(); c.connect(l.getsockname()); s, _ = l.accept(); d = socket(); d.connect(l.getsockname())
b = socket(); b.connect(l.getsockname()); l.accept(); r, _ = l.accept()
r.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0)); r.close(); p = select.poll(); p.register(b, 0)
while not p.poll(0) or not p.poll(0)[0][1] & select.POLLERR: time.sleep(0.005)
d = socket(); d.connect(l.getsockname())
def serve():
    for x in c, s, b:
        try: x.recv(1); assert False
        except OSError as e: assert e.errno == 107
    n = socket(); n.connect(l.getsockname()); m, _ = l.accept(); n.send(b'new'); assert m.recv(3) == b'new'
E
	exits(0, [tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img}, '--tcp-close', '--skip-in-flight'],
		'checkpoint');
	finish($p->{pid});
	exits(0, [tool('cr-restore'), '-d', '-D', $p->{img}], 'restored');
	ends_well($p);
};

subtest 'a port that is taken' => sub {
	my $p = start("l = socket(); l.bind(('127.0.0.1', 0)); l.listen(); print(l.getsockname()[1], flush=True)");
	my $port = slurp("$p->{dir}/out") + 0;
	exits(0, [tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img}], 'checkpoint');
	finish($p->{pid});
	my $other = start("l = socket(); l.bind(('127.0.0.1', $port)); l.listen()");
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $p->{img}], 'refused');
	like($r->{err}, qr/^cr-restore: pid $p->{pid}: tcp socket 127.0.0.1:$port: unable to bind to 127.0.0.1:$port: Address already in use$/m,
		'named');
	ends_well($other);
	exits(0, [tool('cr-restore'), '-d', '-D', $p->{img}], 'restored when it is free');
	ends_well($p);
};

subtest 'a stream to the outside' => sub {
	my $out = start("s = socket(AF_UNIX); s.bind('server'); s.listen()");
	my $p = start(<<"E");
c = socket(AF_UNIX); c.connect('$out->{dir}/server'); os.dup2(c.fileno(), 77); c.send(b'hello')
def serve(): assert c.recv(1) == b''
E
	my $ino = inode_of($p, 77);
	my @c = (tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img});
	my $r = exits(1, \@c, 'refused');
	like($r->{err}, qr/^cr-dump-net: pid $p->{pid}: fd \d+: unix stream socket, connected to server: its peer is outside of the tree; use --external 'unix\[$ino\]' to have it closed$/m,
		'named');
	exits(1, [@c, '--ext-unix-sk'], 'a stream is not connected again');
	exits(0, [@c, '--external', "unix[$ino]"], 'with --external');
	finish($p->{pid});
	exits(0, [tool('cr-restore'), '-d', '-D', $p->{img}], 'restored');
	ends_well($p);
	ends_well($out);
};

subtest 'datagrams to the outside' => sub {
	my $out = start(<<'E');
s = socket(AF_UNIX, SOCK_DGRAM); s.bind(os.getcwd() + '/server')
def serve(): assert s.recv(10) == b'before' and s.recv(10) == b'after'
E
	my $p = start(<<"E");
c = socket(AF_UNIX, SOCK_DGRAM); c.connect('$out->{dir}/server'); c.send(b'before')
def serve(): c.send(b'after')
E
	my @c = (tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img});
	my $r = exits(1, \@c, 'refused');
	like($r->{err}, qr/unix datagram socket, connected to .*: its peer is outside of the tree; use --ext-unix-sk to have it connected again, or --external 'unix\[\d+\]' to have it closed$/m,
		'named');
	exits(0, [@c, '--ext-unix-sk'], 'with --ext-unix-sk');
	finish($p->{pid});
	rename("$out->{dir}/server", "$out->{dir}/other") or die;
	$r = exits(1, [tool('cr-restore'), '-d', '-D', $p->{img}], 'the other is not there');
	like($r->{err}, qr{^cr-restore: \S+/server: is no socket, but one of the tree was connected to it$}m, 'said so');
	rename("$out->{dir}/other", "$out->{dir}/server") or die;
	exits(0, [tool('cr-restore'), '-d', '-D', $p->{img}], 'restored');
	ends_well($p);
	ends_well($out);
};

refuses('names of a socket that is bound', <<'E',
os.mkdir('d'); os.mkdir('e')
a = socket(AF_UNIX); a.bind('d/two'); a.listen(); os.link('d/two', 'd/more')
b = socket(AF_UNIX); b.bind('d/moved'); b.listen(); os.rename('d/moved', 'e/there')
c = socket(AF_UNIX); c.bind('d/elsewhere'); c.listen(); os.link('d/elsewhere', 'e/link'); os.unlink('d/elsewhere')
E
	qr/unix stream socket d\/two, listening: its file has more than one name: not supported; \w.*/,
	qr/unix stream socket d\/moved, listening: where its name leads to its file is not known: not supported; \w.*/,
	qr/unix stream socket d\/elsewhere, listening: its file has another name than its own: not supported; \w.*/);

subtest 'dropped connections' => sub {
	my $p = start(<<'E');
l = socket(AF_UNIX); l.bind('l'); l.listen(); c = socket(AF_UNIX); c.connect('l'); c.send(b'x')
def serve():
    l.setblocking(False)
    try: l.accept(); assert False
    except BlockingIOError: pass
    assert c.recv(1) == b''
E
	exits(0, [tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img}, '--skip-in-flight'], 'dropped');
	finish($p->{pid});
	exits(0, [tool('cr-restore'), '-d', '-D', $p->{img}], 'restored');
	ends_well($p);
};

subtest 'names that are taken' => sub {
	my $p = start(<<'E');
l = socket(AF_UNIX); l.bind(os.getcwd() + '/path'); l.listen()
m = socket(AF_UNIX); m.bind('\0cr-t-%d' % os.getpid()); m.listen()
n = socket(AF_UNIX, SOCK_DGRAM); n.bind('file')
E
	my $pid = $p->{pid};
	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $p->{img}], 'checkpoint');
	finish($pid);
	unlink("$p->{dir}/file") or die;
	spew("$p->{dir}/file", 'mine');
	unlink("$p->{dir}/path") or die;
	my $other = start(<<"E");
l = socket(AF_UNIX); l.bind('$p->{dir}/path'); l.listen()
m = socket(AF_UNIX); m.bind('\\0cr-t-$pid'); m.listen()
E
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $p->{img}], 'refused');
	like($r->{err}, qr{^cr-restore: pid $pid: unix socket $_$}m, "named: $_") for
		"$p->{dir}/path: its name is taken by another socket",
		"\@cr-t-$pid: its name is taken by another socket",
		'file: its file is there and no socket';
	is(slurp("$p->{dir}/file"), 'mine', 'the file is as it was');
	ends_well($other);
	unlink("$p->{dir}/file") or die;
	exits(0, [tool('cr-restore'), '-d', '-D', $p->{img}], 'when they are free');
	ok(-S "$p->{dir}/$_", "$_ is there") for qw(path file);
	ends_well($p);
};

# A restore that fails leaves no file behind.
subtest 'a failed restore' => sub {
	my $p = start("l = socket(AF_UNIX); l.bind('path'); l.listen()");
	exits(0, [tool('cr-checkpoint'), '-t', $p->{pid}, '-D', $p->{img}], 'checkpoint');
	finish($p->{pid});
	unlink("$p->{dir}/path") or die;
	for my $point (qw(spawned enter-agent)) {
		my $r = run(['env', "CR_FAULT=cr-restore:$point", tool('cr-restore'), '-d', '-D', $p->{img}]);
		isnt(describe($r->{status}), 'exit 0', "killed at $point");
		ok(wait_for(30, sub { !-e "$p->{dir}/path" && !-e "/proc/$p->{pid}" }), 'nothing is left');
		finish($p->{pid}) if defined status_of($p->{pid});
	}
	exits(0, [tool('cr-restore'), '-d', '-D', $p->{img}], 'restored');
	ends_well($p);
};

# Killed while SO_PEEK_OFF is set: it is put back.
subtest 'cr-dump-net or cr-dump-fds is killed' => sub {
	my $p = start(<<'E');
a, b = socketpair(AF_UNIX, SOCK_DGRAM); c, d = socketpair(AF_UNIX, SOCK_SEQPACKET)
for s in a, c: s.send(b'one'); s.sendmsg([b'two'], [(SOL_SOCKET, SCM_RIGHTS, array.array('i', [0]))])
d.setsockopt(SOL_SOCKET, 42, 3)
def serve():
    assert b.getsockopt(SOL_SOCKET, 42) == -1 and d.getsockopt(SOL_SOCKET, 42) == 3
    assert d.recv(9, MSG_PEEK) == b'two'
    for s in b, d: assert s.recv(9) == b'one' and s.recv(9) == b'two'
E
	for my $point ('net:queue-peek', 'net:queue-peek:2', 'net:net-socket', 'net:net-socket:2',
		'net:stage-before-end', 'fds:queue-peek', 'fds:queue-peek:2', 'fds:stage-before-end') {
		my $r = run(['env', "CR_FAULT=cr-dump-$point", tool('cr-checkpoint'), '-t', $p->{pid},
			'-D', $p->{img}]);
		isnt(describe($r->{status}), 'exit 0', "killed at $point");
		ok(!-e "$p->{img}/manifest.img", 'no image');
	}
	ok(alive($p->{pid}), 'the process lives');
	ends_well($p);
};
done_testing;
