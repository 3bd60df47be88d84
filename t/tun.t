#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# tun and tap interfaces, in a network namespace of the test.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my %unshare = (x86_64 => 272, aarch64 => 97);

plan skip_all => 'no /dev/net/tun' unless -e '/dev/net/tun';
plan skip_all => 'iproute2 is not installed' unless run(['sh', '-c', 'ip -V && tc -V'])->{status} == 0;
plan skip_all => "no network namespace: $!"
	unless syscall($unshare{ (POSIX::uname())[4] }, 0x40000000) == 0;

verifies_alone('tun', 'tun');
survives('tun and tap', 'tun');

# What would vanish is made again, or refused.
verifies_alone('interfaces that vanish', 'tunlink');
survives('interfaces that vanish', 'tunlink');

my $tap = <<'E';
import atexit, ctypes, fcntl, os, socket, struct, subprocess, sys, time
os.closerange(3, 64)
def attach(flags):
    f = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(f, 0x400454ca, struct.pack('<16sH22x', b'crv7', 0x1000 | flags))	# TUNSETIFF
    return f
def ip(*a): subprocess.run(a, check=True)
def quiet():	# no packets of IPv6
    open('/proc/sys/net/ipv6/conf/crv7/disable_ipv6', 'w').write('1')
    ip('ip', 'address', 'add', '10.94.0.1/24', 'dev', 'crv7'); ip('ip', 'link', 'set', 'crv7', 'up')
libc = ctypes.CDLL(None, use_errno=True)
def bpf(what, attr):
    r = libc.syscall(321, what, ctypes.create_string_buffer(attr, 144), 144)
    if r < 0: raise OSError(ctypes.get_errno(), 'bpf')
    return r
def program(kind):	# return 2: XDP_PASS
    code = ctypes.create_string_buffer(struct.pack('<BBhiBBhi', 0xb7, 0, 0, 2, 0x95, 0, 0, 0))
    return bpf(5, struct.pack('<IIQQ', kind, 2, ctypes.addressof(code), ctypes.addressof(ctypes.create_string_buffer(b'GPL'))))
def go():
    open('ready', 'w').close()
    while not os.path.exists('verify'): time.sleep(0.005)
E

sub vanishing {
	my ($code) = @_;
	my $t = CRTarget->start('x', title => 'vanishing', cmd => ['python3', '-c', $tap . $code]);
	return $t->ready ? $t : undef;
}

my %refused = (
	'packets that wait' => [<<'E', qr/packets wait to be read/],
f = attach(1)
ip('ip', 'address', 'add', '10.94.0.1/24', 'dev', 'crv7'); ip('ip', 'link', 'set', 'crv7', 'up')
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('10.94.0.2', 9))
E
	'a filter' => [<<'E', qr/a filter is attached to it/],
f = attach(2)
import ctypes
code = ctypes.create_string_buffer(struct.pack('<HBBI', 6, 0, 0, 0xffff))
fcntl.ioctl(f, 0x401054d5, struct.pack('<H6xQ', 1, ctypes.addressof(code)))	# TUNATTACHFILTER
E
	'traffic control' => [<<'E', qr/traffic control is set up on its interface/],
f = attach(2)
ip('tc', 'qdisc', 'add', 'dev', 'crv7', 'root', 'handle', '5:', 'pfifo', 'limit', '7')
E
	'an alias' => ["f = attach(2)\nip('ip', 'link', 'set', 'crv7', 'alias', 'x')\n",
		qr/its interface has an alias/],
	'a permanent neighbour' => [<<'E', qr/its interface has permanent neighbours/],
f = attach(2)
ip('ip', 'neigh', 'add', '10.94.0.3', 'lladdr', '02:00:00:00:00:01', 'dev', 'crv7')
E
	'a proxied neighbour' => [<<'E', qr/its interface has permanent neighbours/],
f = attach(2)
ip('ip', 'neigh', 'add', 'proxy', '10.94.0.3', 'dev', 'crv7')
E
	'a bridge' => [<<'E', qr/its interface is in a bridge/],
f = attach(2)
ip('ip', 'link', 'add', 'crbr', 'type', 'bridge'); atexit.register(lambda: ip('ip', 'link', 'del', 'crbr'))
ip('ip', 'link', 'set', 'crv7', 'master', 'crbr')
E
	'a group' => ["f = attach(2)\nip('ip', 'link', 'set', 'crv7', 'group', '7')\n",
		qr/its interface is in a group/],
	'another name' => ["f = attach(2)\nip('ip', 'link', 'property', 'add', 'dev', 'crv7', 'altname', 'cr-other-name')\n",
		qr/its interface has other names/],
	'no carrier' => [<<'E', qr/its interface has no carrier/],
f = attach(2)
fcntl.ioctl(f, 0x400454e2, struct.pack('<i', 0))	# TUNSETCARRIER
ip('ip', 'link', 'set', 'crv7', 'up')
E
	'one of several ways' => [<<'E', qr/its interface is one of several ways of a route/],
f = attach(1)
quiet()
ip('ip', 'route', 'add', '10.95.0.0/24', 'nexthop', 'via', '10.94.0.2', 'nexthop', 'via', '10.94.0.3')
E
	'a next hop' => [<<'E', qr/its interface has a route by a next hop object/],
f = attach(1)
quiet()
ip('ip', 'nexthop', 'add', 'id', '7', 'via', '10.94.0.2', 'dev', 'crv7')
ip('ip', 'route', 'add', '10.95.0.0/24', 'nhid', '7')
E
	'a program for its queues' => [<<'E', qr/an eBPF program is attached to it/],
f = attach(0x102)
fcntl.ioctl(f, 0x800454e0, struct.pack('<i', program(1)))	# TUNSETSTEERINGEBPF
E
	'an XDP program' => [<<'E', qr/its interface has an XDP program/],
f = attach(2)
bpf(28, struct.pack('<IIII', program(6), socket.if_nametoindex('crv7'), 37, 0))	# BPF_LINK_CREATE
E
	'another network namespace' => [<<'E', qr/its interface is in another network namespace/],
own = os.open('/proc/self/ns/net', os.O_RDONLY)
libc.unshare(0x40000000)
f = attach(2)
libc.setns(own, 0)
os.dup2(f, 3)
E
	'a queue of others' => [<<'E', qr/a process outside of the tree has a queue/, 1],
f = attach(0x102)
if os.fork() == 0:
    if os.fork() == 0:
        os.close(f); f = attach(0x102); open('outer', 'w').close(); go()
    os._exit(0)
os.wait()
while not os.path.exists('outer'): time.sleep(0.005)
E
);
for my $name (sort keys %refused) {
	my ($code, $why) = @{ $refused{$name} };

	subtest "refused: $name" => sub {
		my $t = vanishing("${code}go()\n") or return;
		my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], 'refused');
		like($r->{err}, qr{fd 3: tun device \(/dev/net/tun\): $why.*; \S}, 'by name');
		$t->verify('goes on');
	};
}

subtest 'without the right to see programs' => sub {
	my $t = vanishing("f = attach(2)\ngo()\n") or return;
	my $r = exits(1, ['sh', '-c', tool('cr-freeze') . " -t $t->{pid} | setpriv --bounding-set "
		. '-bpf,-perfmon,-sys_admin --inh-caps -bpf,-perfmon,-sys_admin ' . tool('cr-dump-fds')
		. ' >/dev/null'], 'refused');
	like($r->{err}, qr{fd 3: tun device \(/dev/net/tun\): this kernel does not tell.*; \S}, 'by name');
	$t->verify('goes on');
};

subtest 'a name or a number that is taken' => sub {
	my $t = vanishing("f = attach(2)\ngo()\n") or return;
	my $number = (split ' ', run(['ip', '-o', 'link', 'show',
		'crv7'])->{out})[0];
	$number =~ s/://;
	$t->checkpoint or return;
	$t->gone;
	run(['ip', 'link', 'add', 'crv7', 'type', 'ifb']);
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'a taken name');
	like($r->{err}, qr/crv7: there is a network interface of that name/, 'refused by name');
	run(['ip', 'link', 'del', 'crv7']);
	run(['ip', 'link', 'add', 'crv8', 'index', $number, 'type', 'ifb']);
	$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'a taken number');
	like($r->{err}, qr/crv7: its number $number is that of the network interface crv8/,
		'refused by name');
	run(['ip', 'link', 'del', 'crv8']);
	$t->restore_detached or return;
	$t->verify('free again');
	isnt(run(['ip', 'link', 'show', 'crv7'])->{status}, 0, 'it vanishes with its process');
};

# The interface is missing, or another one.
{
	my $t = CRTarget->start('tun');

	if ($t->ready && $t->checkpoint) {
		$t->gone;
		my $attach = sub {
			run(['python3', '-c', <<'E', @_]);
import fcntl, os, struct, sys
f = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(f, 0x400454ca, struct.pack('<16sH22x', b'crt0', 0x5001))	# TUNSETIFF
fcntl.ioctl(f, 0x400454cb, int(sys.argv[1]))				# TUNSETPERSIST
E
		};
		$attach->(0);
		my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'without its interface');
		like($r->{err}, qr/crt0: the network interface is missing/, 'refused by name');
		$attach->(1);
		$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'with another interface');
		like($r->{err}, qr/crt0: another network interface, number \d+/, 'refused by name');
	}
}
done_testing;
