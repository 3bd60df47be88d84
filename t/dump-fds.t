#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-dump-fds and cr-dump-net: what they say of descriptors, and what they
# refuse.  The process goes on unharmed in every case.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use JSON::PP;
use POSIX ();

# A process that opens things as the code says and waits; {pid, dir}.
sub start {
	my ($code) = @_;
	my $dir = tmpdir();
	my $pid = background(['python3', '-c', "import os, socket, struct, time, fcntl, select, ctypes\n"
		. "os.chdir('$dir')\n$code\nopen('ready', 'w').close()\n"
		. "while not os.path.exists('end'): time.sleep(0.005)\n"],
		dir => $dir, out => "$dir/out", err => "$dir/err", session => 1);

	wait_for(10, sub { -e "$dir/ready" || !alive($pid) });
	ok(-e "$dir/ready", 'the process is ready') or diag(slurp("$dir/err"));
	return { pid => $pid, dir => $dir };
}

sub end_well {
	my ($p) = @_;

	touch("$p->{dir}/end");
	is(describe(finish($p->{pid}, 10)), 'exit 0', 'it goes on and ends well');
}

# Run the stages behind cr-freeze; the records by kind.
sub dump_of {
	my ($p, @stages) = @_;
	my $line = join(' | ', tool('cr-freeze') . " -t $p->{pid}", @stages,
		tool('cr-imgtool') . ' show -');
	my $r = run(['sh', '-c', $line]);
	my %by;
	my $all = eval { decode_json($r->{out}) };

	ok($all, 'the output is JSON') or diag($r->{out}, $r->{err});
	push @{ $by{$_->{kind}} }, $_ for @{ ref $all eq 'HASH' ? $all->{records} : $all };
	return (\%by, $r);
}

my $dump = tool('cr-dump-fds');

subtest 'tables and descriptions' => sub {
	my $p = start(<<'E');
a = os.open('a', os.O_RDWR | os.O_CREAT); os.write(a, b'hello'); os.lseek(a, 3, 0)
os.dup2(a, 100, inheritable=True)
b = os.open('a', os.O_WRONLY | os.O_APPEND)
os.dup2(os.open('/dev/null', os.O_RDWR), 0)
r, w = os.pipe(); os.write(w, b'in the pipe')
fcntl.fcntl(w, 1031, 1 << 18)
os.dup2(r, 50); os.dup2(w, 51)
d = os.open('.', os.O_RDONLY | os.O_DIRECTORY); os.dup2(d, 52)
os.dup2(os.open('a', os.O_PATH), 53)
os.dup2(a, 54); os.dup2(b, 55)
if os.fork() == 0:
    open('child', 'w').close()
    while not os.path.exists('end'): time.sleep(0.005)
    os._exit(0)
while not os.path.exists('child'): time.sleep(0.005)
E
	my ($by) = dump_of($p, $dump);
	my %table = map { $_->{pid} => { map { $_->{fd} => $_ } @{ $_->{fds} } } }
		@{ $by->{fd_table} };
	my $t = $table{ $p->{pid} };
	my ($other) = grep { $_ != $p->{pid} } keys %table;
	my %reg = map { $_->{id} => $_ } @{ $by->{reg} };
	my %pipe = map { $_->{id} => $_ } @{ $by->{pipe} };

	is(scalar keys %table, 2, 'a table for each process');
	is($t->{100}{file}, $t->{54}{file}, 'duplicates are one description');
	isnt($t->{54}{file}, $t->{55}{file}, 'a second open is another one');
	is($table{$other}{54}{file}, $t->{54}{file}, 'the child has the same description');
	ok(!$t->{100}{cloexec}, 'not close-on-exec');
	is($reg{ $t->{54}{file} }{pos}, 3, 'position');
	is($reg{ $t->{54}{file} }{ref}{path}, "$p->{dir}/a", 'path');
	is($t->{54}{target}, "$p->{dir}/a", 'what /proc says');
	is($reg{ $t->{0}{file} }{ref}{path}, '/dev/null', 'a device');
	is($reg{ $t->{52}{file} }{ref}{path}, $p->{dir}, 'a directory');
	ok($reg{ $t->{53}{file} }, 'O_PATH');
	is($pipe{ $t->{50}{file} }{pipe}, $pipe{ $t->{51}{file} }{pipe}, 'two ends of a pipe');
	my ($data) = grep { $_->{pipe} == $pipe{ $t->{50}{file} }{pipe} } @{ $by->{pipe_data} };
	is($data->{capacity}, 1 << 18, 'its capacity');
	like(encode_json($data), qr/\Q@{[unpack 'H*', 'in the pipe']}\E|in the pipe/, 'its bytes');
	is($by->{fs}[0]{cwd}{path}, $p->{dir}, 'the working directory');
	is($by->{fs}[0]{root}{path}, '/', 'the root');
	end_well($p);
};

subtest 'three unsupported descriptors' => sub {
	my $p = start(<<'E');
libc = ctypes.CDLL(None, use_errno=True)
os.dup2(libc.syscall(430, b'tmpfs', 1), 60)     # fsopen
attr = ctypes.create_string_buffer(struct.pack('<IIQ', 1, 64, 0), 64)
os.dup2(libc.syscall(298, attr, 0, -1, -1, 0), 61)	# perf_event_open
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); os.dup2(s.fileno(), 62); s.close()
os.closerange(3, 60)
E
	my ($by, $r) = dump_of($p, $dump, tool('cr-dump-net'));

	like($r->{err}, qr/^cr-dump-fds: pid $p->{pid}: fd 60: mount context .*; \S/m,
		'a mount context is named, with a remedy');
	like($r->{err}, qr/^cr-dump-fds: pid $p->{pid}: fd 61: perf event .*; \S/m,
		'a perf event is named');
	like($r->{err}, qr/^cr-dump-net: pid $p->{pid}: fd 62: packet socket: not supported; close it/m,
		'the socket is named');
	is(scalar(() = $r->{err} =~ /: fd 6[012]: /g), 3, 'each once');
	is(scalar(grep { $_->{object} =~ /^fd 6[012]$/ } @{ $by->{refusal} }), 3,
		'three refusals in the stream');
	exits(1, ['sh', '-c', tool('cr-freeze') . " -t $p->{pid} | $dump >/dev/null 2>&1"],
		'exit status of the stage');
	like(slurp("/proc/$p->{pid}/status"), qr/^State:\s+[RS]/m, 'it is not stopped');
	like(slurp("/proc/$p->{pid}/status"), qr/^TracerPid:\s+0$/m, 'nor traced');
	end_well($p);
};

subtest 'a pipe that leads outside' => sub {
	my $dir = tmpdir();

	pipe(my $r, my $w) or die;
	my $pid = fork();
	if (!$pid) {
		POSIX::setsid();
		POSIX::dup2(fileno($r), 0);
		open(STDOUT, '>', '/dev/null');
		open(STDERR, '>', '/dev/null');
		exec 'sleep', '100';
	}
	wait_for(5, sub { (readlink("/proc/$pid/exe") // '') =~ /sleep/ });
	my ($by, $res) = dump_of({ pid => $pid }, $dump);
	like($res->{err}, qr/pid $pid: fd 0: pipe \(pipe:\[\d+\]\): .*outside.*; .*--external/,
		'it is named, with the remedy');
	close $w;
	($by, $res) = dump_of({ pid => $pid }, $dump);
	unlike($res->{err}, qr/outside/, 'with its writer gone it is no longer refused');
	kill 'KILL', $pid;
	finish($pid, 5);
};

subtest 'fifos and terminals that are open outside too' => sub {
	my $p = start(<<'E');
os.mkfifo('fifo')
f = os.open('fifo', os.O_RDWR | os.O_NONBLOCK); os.write(f, b'x')
m, s = os.openpty(); name = os.ttyname(s)
open('name', 'w').write(name)
E
	my ($by, $res) = dump_of($p, $dump);
	unlike($res->{err}, qr/fifo.*outside|ptmx.*outside|pts.*outside/, 'neither is refused alone');
	my $name = slurp("$p->{dir}/name");
	open(my $fifo, '+<', "$p->{dir}/fifo") or die "fifo: $!";
	sysopen(my $tty, $name, POSIX::O_RDWR() | POSIX::O_NOCTTY()) or die "$name: $!";
	($by, $res) = dump_of($p, $dump);
	like($res->{err}, qr/fifo \(\S+\): it is open outside of the tree too, in pid $$ \(/,
		'the fifo is named, with the process');
	is(() = $res->{err} =~ /outside of the tree too, in pid $$ \(/g, 2, 'so is the terminal');
	close $fifo;
	close $tty;
	($by, $res) = dump_of($p, $dump);
	unlike($res->{err}, qr/outside of the tree/, 'and they are not once they are closed here');
	end_well($p);
};

subtest 'memory of a zombie' => sub {
	my $p = start(<<'E');
r, w = os.pipe()
child = os.fork()
if child == 0:
    os.read(r, 1); os._exit(0)
mem = os.open('/proc/%d/mem' % child, os.O_RDONLY)
stat = os.open('/proc/%d/stat' % child, os.O_RDONLY)
os.write(w, b'x'); os.close(r); os.close(w)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
E
	my ($by, $res) = dump_of($p, $dump);
	like($res->{err}, qr{file of a process \(/proc/\d+/mem\): its process is a zombie: not},
		'is refused');
	unlike($res->{err}, qr{/stat\)}, 'another file of it is not');
	end_well($p);
};

subtest 'bytes that a reader has left' => sub {
	my $p = start(<<'E');
r, w = os.pipe(); os.write(w, b'left'); os.close(r)
fcntl.fcntl(w, fcntl.F_SETFL, os.O_ASYNC)
E
	my ($by, $res) = dump_of($p, $dump);
	like($res->{err}, qr/pipe \(\S+\): 4 bytes are left by its reader, and its writer has O_ASYNC/,
		'are refused when their writer gets signals');
	end_well($p);
};

subtest 'a terminal with a number that another devpts has too' => sub {
	my $p = start(<<'E');
m, s = os.openpty(); name = os.ttyname(s)
open('name', 'w').write(name)
E
	wait_for(10, sub { -s "$p->{dir}/name" });
	my ($number) = slurp("$p->{dir}/name") =~ m{/(\d+)$};
	my $dir = tmpdir();
	my $other = background(['unshare', '-m', 'sh', '-c', 'mount -t devpts none /dev/pts -o ' .
		'newinstance,ptmxmode=0666 && exec python3 -c "$0" "$@"', <<'E', $number, "$dir/has"]);
import os, sys, time
while True:
    m, s = os.openpty()
    if int(os.path.basename(os.ttyname(s))) == int(sys.argv[1]):
        break
open(sys.argv[2], 'w').close()
time.sleep(600)
E
	wait_for(20, sub { -e "$dir/has" }) or fail('another devpts');
	my ($by, $res) = dump_of($p, $dump);
	unlike($res->{err}, qr/outside of the tree/, 'is not taken for open outside');
	kill 'KILL', $other;
	finish($other, 5);
	end_well($p);
};

subtest 'a status of packet mode' => sub {
	my $p = start(<<'E');
import pty, signal, termios
m, s = pty.openpty()
fcntl.ioctl(m, 0x5420, b'\1\0\0\0')	# TIOCPKT
termios.tcflush(s, termios.TCIFLUSH)
signal.signal(signal.SIGUSR1, lambda *a: open('got', 'w').write(os.read(m, 9).hex()))
E
	my ($by, $res) = dump_of($p, $dump);
	like($res->{err}, qr{terminal \(/dev/pts/\d+\): a status of packet mode waits to be read},
		'is refused');
	kill 'USR1', $p->{pid};
	wait_for(10, sub { -s "$p->{dir}/got" });
	is(slurp("$p->{dir}/got"), '01', 'it is there still');
	($by, $res) = dump_of($p, $dump);
	unlike($res->{err}, qr/packet mode/, 'but not when it was read');
	end_well($p);
};

subtest 'a directory that is watched by F_NOTIFY' => sub {
	my $p = start(<<'E');
import signal
signal.signal(signal.SIGIO, signal.SIG_IGN)
quiet = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
d = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
os.dup2(quiet, 60); os.dup2(d, 61)
os.close(d); os.close(quiet)
fcntl.fcntl(61, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_MULTISHOT)
E
	my ($by, $res) = dump_of($p, $dump);
	my ($owner) = @{ $by->{file_owner} };
	is(scalar @{ $by->{file_owner} }, 1, 'it has an owner, another one has none');
	is_deeply($owner->{watches}, [{ pid => $p->{pid}, fd => 61, mask => 0x80000004 }],
		'and what was asked for');
	$res = run(['sh', '-c', tool('cr-freeze') . " -t $p->{pid} | setpriv --bounding-set "
		. "-bpf,-perfmon,-sys_admin --inh-caps -bpf,-perfmon,-sys_admin $dump >/dev/null"]);
	like($res->{err}, qr/pid $p->{pid}: fd 61: directory \(.*\): it has an owner and may be watched by F_NOTIFY.*; \S/,
		'where that cannot be seen it is refused');
	unlike($res->{err}, qr/fd 60:/, 'another one is not');
	end_well($p);
};

subtest 'a directory that is watched by F_NOTIFY from outside too' => sub {
	my $p = start(<<'E');
import signal
signal.signal(signal.SIGIO, signal.SIG_IGN)
d = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
os.dup2(d, 61)
os.close(d)
fcntl.fcntl(61, fcntl.F_SETOWN, os.getpid())
if os.fork() == 0:
    if os.fork() == 0:
        fcntl.fcntl(61, fcntl.F_NOTIFY, fcntl.DN_CREATE | fcntl.DN_MULTISHOT)
        open('outer', 'w').close()
        while not os.path.exists('end'): time.sleep(0.005)
    os._exit(0)
os.wait()
while not os.path.exists('outer'): time.sleep(0.005)
E
	my ($by, $res) = dump_of($p, $dump);
	like($res->{err}, qr/pid $p->{pid}: fd 61: directory \(.*\): a process outside of the tree .*F_NOTIFY; \S/,
		'it is refused');
	end_well($p);
};

subtest 'a pipe with both ends inside that is open outside too' => sub {
	pipe(my $r, my $w) or die;
	my $pid = fork();
	if (!$pid) {
		POSIX::setsid();
		POSIX::dup2(fileno($r), 0);
		POSIX::dup2(fileno($w), 5);
		open(STDOUT, '>', '/dev/null');
		open(STDERR, '>', '/dev/null');
		exec 'sleep', '100';
	}
	wait_for(5, sub { (readlink("/proc/$pid/exe") // '') =~ /sleep/ });
	close $r;
	my ($by, $res) = dump_of({ pid => $pid }, $dump);
	like($res->{err}, qr/pid $pid: fd 0: pipe \(pipe:\[\d+\]\): it is open outside of the tree too, in pid $$ \(.*; close it there, or use --external/,
		'it is named, with the process and the remedy');
	is(() = $res->{err} =~ /outside/g, 1, 'once');
	my ($key) = $res->{err} =~ /\((pipe:\[\d+\])\)/;
	(undef, $res) = dump_of({ pid => $pid }, "$dump --external '$key'");
	unlike($res->{err}, qr/outside/, 'not with --external');
	close $w;
	(undef, $res) = dump_of({ pid => $pid }, $dump);
	unlike($res->{err}, qr/outside/, 'nor when it is closed here');
	kill 'KILL', $pid;
	finish($pid, 5);
};

subtest 'packets' => sub {
	my $p = start(<<'E');
r, w = os.pipe2(os.O_DIRECT)
for x in (b'one', b'three', b'x', b'y' * 4096): os.write(w, x)
os.dup2(r, 80); os.dup2(w, 81); os.close(r); os.close(w)
E
	my ($by) = dump_of($p, $dump);
	my ($data) = grep { $_->{pieces} && @{ $_->{pieces} } } @{ $by->{pipe_data} };

	is(join(' ', map { $_->{length} } @{ $data->{pieces} }), '3 5 1 4096', 'their lengths');
	is(scalar(grep { $_->{packet} } @{ $data->{pieces} }), 4, 'each is a packet');
	end_well($p);
};

subtest 'usage' => sub {
	exits(100, [$dump, '--nonsense'], 'an unknown option');
	exits(102, ['sh', '-c', "$dump </dev/null"], 'an empty stream');
	exits(0, [$dump, '-h'], '-h');
};
done_testing;
