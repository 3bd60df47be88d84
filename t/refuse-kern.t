#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Kernel objects that are refused: by name, all at once, and the process goes
# on unharmed.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

my $head = <<'E';
import atexit, ctypes, fcntl, os, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    r = libc.syscall(*a)
    if r < 0: raise OSError(ctypes.get_errno(), 'system call %d' % a[0])
    return r
E

# Run that much Python and dump it: what is said matches.
sub refusals_of {
	my ($name, $code, $pattern, @stages) = @_;
	my $dir = tmpdir();
	my $pid = background(['python3', '-c', "${head}os.chdir('$dir')\n$code\n"
		. "open('ready', 'w').close()\nwhile not os.path.exists('end'): time.sleep(0.005)\n"],
		dir => $dir, out => "$dir/out", err => "$dir/err", session => 1);

	wait_for(20, sub { -e "$dir/ready" || !alive($pid) });
	if (!-e "$dir/ready") {
		my $why = (split /\n/, slurp("$dir/err"))[-1] // '';

		finish($pid, 5);
		# EPERM, ENOENT, ENODEV, EINVAL, ENOSYS, EOPNOTSUPP: this machine has it not.
		return fail("$name: $why") unless $why =~ /\[Errno (1|2|19|22|38|95)\]/;
	      SKIP: { skip "$name: $why", 1; }
		return;
	}
	@stages = ('cr-dump-fds') unless @stages;
	my $r = exits(1, ['sh', '-c', join(' | ', tool('cr-freeze') . " -t $pid",
		map({ tool($_) } @stages)) . ' >/dev/null'],
		"$name: refused");

	like($r->{err}, $pattern, "$name: by name, with a remedy");
	like(slurp("/proc/$pid/status"), qr/^State:\s+[RSZ].*^TracerPid:\s+0$/ms,
		"$name: not stopped, not traced");
	touch("$dir/end");
	is(describe(finish($pid, 20)), 'exit 0', "$name: goes on and ends well");
}

my $undo = <<'E';
s = call(64, 0, 1, 0o1600)				# semget
atexit.register(lambda: call(66, s, 0, 0))		# semctl IPC_RMID
call(65, s, (ctypes.c_short * 3)(0, 1, 0x1000), 1)	# semop SEM_UNDO
E
my $undo_said = qr/System V semaphores \d+: .*SEM_UNDO.*; \S/;
refusals_of('undo of semaphores', $undo, $undo_said);
refusals_of('undo of semaphores among threads', $undo .
	"threading.Thread(target=lambda: time.sleep(1e6), daemon=True).start()", $undo_said);

# Who has had a thread has a list, and used semaphores here, but undoes nothing.
{
	my $dir = tmpdir();
	my $code = $head . <<"E";
t = threading.Thread(target=lambda: None); t.start(); t.join()
s = call(64, 0, 1, 0o1600)
atexit.register(lambda: call(66, s, 0, 0))
call(65, s, (ctypes.c_short * 3)(0, 1, 0), 1)
open('$dir/ready', 'w').close()
while not os.path.exists('$dir/end'): time.sleep(0.005)
E
	my $pid = background(['python3', '-c', $code], dir => $dir, out => "$dir/out",
		err => "$dir/err", session => 1);

	wait_for(20, sub { -e "$dir/ready" || !alive($pid) });
	exits(0, ['sh', '-c', tool('cr-freeze') . " -t $pid | " . tool('cr-dump-fds') .
		' >/dev/null'], 'semaphores without undo: dumped');
	touch("$dir/end");
	is(describe(finish($pid, 20)), 'exit 0', 'semaphores without undo: goes on');
}

my $queue = "m = b'cr-t-%d' % os.getpid()\nf = call(240, m, 0o102, 0o600, None)\ncall(241, m)\n";
refusals_of('a message queue without a name', "${queue}call(242, f, b'text', 4, 1, None)",
	qr/fd \d+: message queue \(.*\): it has no name any more, and 1 messages.*; \S/);
refusals_of('mq_notify', $queue . "call(244, f, struct.pack('<QiiQQ', 0, 10, 0, 0, 0) + bytes(40))",
	qr/fd \d+: message queue \(.*\): a process of the tree waits.*; \S/);
refusals_of('a namespace', <<'E',
p = os.fork()
if p == 0:
    call(272, 0x04000000)	# unshare: UTS
    time.sleep(1e6)
own = os.readlink('/proc/self/ns/uts')
while os.readlink('/proc/%d/ns/uts' % p) == own: time.sleep(0.005)
f = os.open('/proc/%d/ns/uts' % p, os.O_RDONLY)
os.kill(p, 9); os.waitpid(p, 0)
E
	qr/fd \d+: uts namespace \(uts:\[\d+\]\): not one that the tools are in.*; \S/);
my $uring = <<'E';
p = (ctypes.c_uint32 * 30)()
def setup(flags):
    p[2] = flags
    return call(425, 8, p)
def register(fd, op, arg, n): return call(427, fd, op, arg, n)
def submit(fd, entry):
    libc.mmap.restype = ctypes.c_void_p
    ring = libc.mmap(None, 4096, 3, 1, fd, ctypes.c_long(0))
    sqes = libc.mmap(None, 4096, 3, 1, fd, ctypes.c_long(0x10000000))
    ctypes.memmove(sqes, entry, len(entry))
    ctypes.c_uint32.from_address(ring + p[16]).value = 0	# array[0]
    ctypes.c_uint32.from_address(ring + p[11]).value = 1	# tail
    call(426, fd, 1, 0, 0, None, 0)
E
sub uring_refused {
	my ($name, $code, $why) = @_;
	refusals_of("io_uring: $name", "$uring$code", qr/fd \d+: io_uring \(.*\): $why.*; \S/,
		'cr-dump-mem', 'cr-dump-fds');
}
uring_refused('a request under way', <<'E', 'requests are under way: not supported');
f = setup(0)
r, w = os.pipe()
submit(f, struct.pack('<BBHiQQIIQ', 6, 0, 0, r, 0, 0, 0, 1, 99).ljust(64, b'\0'))	# POLL_ADD
E
uring_refused('a timeout', <<'E', 'requests are under way: not supported');
f = setup(0)
ts = ctypes.create_string_buffer(struct.pack('<qq', 100000, 0))
submit(f, struct.pack('<BBHiQQIIQ', 11, 0, 0, -1, 0, ctypes.addressof(ts), 1, 0, 99).ljust(64, b'\0'))
E
uring_refused('SQPOLL for two', <<'E', 'its kernel thread is another ring');
f = setup(2)
p[6] = f	# wq_fd
g = setup(34)
E
uring_refused('SQPOLL of a thread that another ring uses', <<'E', 'the kernel thread .* for several rings');
f = setup(2)
p[6] = f
g = setup(34)
E
uring_refused('SQPOLL in two processes', <<'E', 'a kernel thread submits .*several processes');
f = setup(2)
c = os.fork()
if c == 0: time.sleep(1e6)
atexit.register(lambda: (os.kill(c, 9), os.waitpid(c, 0)))
E
uring_refused('SQPOLL of who has become another user', <<'E', 'the kernel thread .* other credentials');
f = setup(2)
os.chmod('.', 0o777)
os.setegid(65534)
E
uring_refused('SQPOLL with requests that are not taken', <<'E', 'requests wait to be taken');
f = setup(2 | 64)	# R_DISABLED
libc.mmap.restype = ctypes.c_void_p
ring = libc.mmap(None, 4096, 3, 1, f, ctypes.c_long(0))
ctypes.c_uint32.from_address(ring + p[11]).value = 1	# tail
E
uring_refused('IOPOLL', 'f = setup(1)', 'it polls');
uring_refused('an eventfd', <<'E', 'an eventfd is registered');
f = setup(0)
register(f, 4, (ctypes.c_int * 1)(call(290, 0, 0)), 1)
E
uring_refused('a personality', 'f = setup(0); register(f, 9, None, 0)', 'a personality is registered');
uring_refused('restrictions', <<'E', 'it is restricted');
f = setup(64)
register(f, 11, struct.pack('<HBBIII', 1, 0, 0, 0, 0, 0), 1)
register(f, 12, None, 0)
E
uring_refused('a registered descriptor', <<'E', 'a ring descriptor is registered');
f = setup(0)
register(f, 20, ctypes.create_string_buffer(struct.pack('<IIQ', 0xffffffff, 0, f)), 1)
E
uring_refused('a registered file without a descriptor', <<'E', 'a registered file has no descriptor');
f = setup(0)
e = call(290, 0, 0)
register(f, 2, (ctypes.c_int * 1)(e), 1)
os.close(e)
E
refusals_of('io_uring: a mapping without a descriptor', "$uring\n" . <<'E',
f = setup(0)
libc.mmap(None, 4096, 3, 1, f, ctypes.c_long(0))
os.close(f)
E
	qr/vma [0-9a-f]+: an io_uring of which the process has no descriptor.*; \S/,
	'cr-dump-mem', 'cr-dump-fds');
my $aio = <<'E';
ctx = ctypes.c_uint64(0)
call(206, 8, ctypes.byref(ctx))
E
refusals_of('AIO: a request under way', $aio . <<'E',
r, w = os.pipe()
io = ctypes.create_string_buffer(struct.pack('<QIiHhIQQqQII', 0, 0, 0, 5, 0, r, 1, 0, 0, 0, 0, 0))
call(209, ctx, ctypes.c_long(1), (ctypes.c_void_p * 1)(ctypes.addressof(io)))	# poll
E
	qr/vma [0-9a-f]+: an AIO context: requests are under way.*; \S/, 'cr-dump-mem', 'cr-dump-fds');
refusals_of('AIO: another process\'s', $aio . <<'E',
p = os.fork()
if p == 0: time.sleep(1e6)
atexit.register(lambda: (os.kill(p, 9), os.waitpid(p, 0)))
E
	qr/vma [0-9a-f]+: an AIO context: it is another process's.*; \S/, 'cr-dump-mem', 'cr-dump-fds');
my $segment = <<'E';
libc.shmat.restype = ctypes.c_void_p
s = call(29, 0, 8192, 0o1600)
p = libc.shmat(s, None, 0)
call(31, s, 0, None)	# shmctl IPC_RMID
E
refusals_of('a System V segment that others have too', $segment . <<'E',
if os.fork() == 0:
    if os.fork() == 0:
        open('outer', 'w').close()
        while not os.path.exists('end'): time.sleep(0.005)
    os._exit(0)
os.wait()
while not os.path.exists('outer'): time.sleep(0.005)
E
	qr/vma [0-9a-f]+: a System V segment that is attached outside of the tree too; \S/,
	'cr-dump-mem');
refusals_of('a private mapping of a System V segment', $segment . <<'E',
import mmap
m = mmap.mmap(os.open('/proc/self/map_files/%x-%x' % (p, p + 8192), os.O_RDWR), 8192, mmap.MAP_PRIVATE)
E
	qr/vma [0-9a-f]+: a private mapping of a System V segment; \S/, 'cr-dump-mem');
refusals_of('an echo of a terminal that was never opened', <<'E',
import select
m = os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY)
os.write(m, b'typed\n')
select.select([m], [], [])
E
	qr/fd \d+: terminal \(.*\): bytes wait to be read from the master, and its slave was never opened: not supported; read them, or open it/);
sub fanotify_refused {
	my ($name, $code, $why) = @_;
	refusals_of("fanotify: $name", $code, qr/fd \d+: fanotify \(.*\): $why.*; \S/);
}
fanotify_refused('events', <<'E', 'events wait to be read');
f = call(300, 2, 0)
call(301, f, 1, ctypes.c_uint64(0x08000002), -100, b'.')
open('written', 'w').write('x')
E
fanotify_refused('access', 'f = call(300, 4, 0)', 'it decides about access');
fanotify_refused('a file without a path', <<'E', 'no path leads to inode \d+ that it marks');
f = call(300, 2, 0)
g = open('gone', 'w')
call(301, f, 1, ctypes.c_uint64(0x20), -100, b'gone')
os.unlink('gone')
E
my $mate = <<'E';
tid = []
t = threading.Thread(target=lambda: (tid.append(threading.get_native_id()), time.sleep(1e6)), daemon=True)
t.start()
while not tid: time.sleep(0.005)
stack = libc.mmap; stack.restype = ctypes.c_void_p
top = stack(None, 65536, 3, 0x22, -1, ctypes.c_long(0)) + 65536
p = libc.clone(ctypes.cast(libc.pause, ctypes.c_void_p), ctypes.c_void_p(top), 0x100 | 17, None)	# CLONE_VM
atexit.register(lambda: (os.kill(p, 9), os.waitpid(p, 0)))
E
my $shares = 'of a thread of a process that shares its memory: not supported; \S';
refusals_of('a pidfd of a thread with a mate', "${mate}f = call(434, tid[0], 0o200)",
	qr/fd \d+: pidfd \(.*\): $shares/);
refusals_of('a file of a thread with a mate', "${mate}f = os.open('/proc/self/task/%d/stat' % tid[0], 0)",
	qr/fd \d+: file of a thread \(.*\): $shares/);
refusals_of('a file of a dead main thread', <<'E',
f = os.open('/proc/self/task/%d/stat' % os.getpid(), 0)
def after():
    while ') Z' not in open('/proc/self/task/%d/stat' % os.getpid()).read(): time.sleep(0.005)
    open('ready', 'w').close()
    while not os.path.exists('end'): time.sleep(0.005)
    os._exit(0)
threading.Thread(target=after).start()
libc.syscall(60, 0)
E
	qr/fd \d+: file of a thread \(.*\): of a main thread that has ended.*; \S/);
refusals_of('a working directory of a thread', <<'E',
tid = []
t = threading.Thread(target=lambda: (tid.append(threading.get_native_id()), time.sleep(1e6)), daemon=True)
t.start()
while not tid: time.sleep(0.005)
here = os.getcwd()
atexit.register(lambda: os.chdir(here))
open('ready', 'w').close()
os.chdir('/proc/self/task/%d' % tid[0])
while not os.path.exists(here + '/end'): time.sleep(0.005)
os._exit(0)
E
	qr{cwd: /proc/\d+/task/\d+: of a thread; \S});
refusals_of('a text of the dead that is read in part', <<'E',
p = os.fork()
if p == 0: time.sleep(1e6)
f = os.open('/proc/%d/status' % p, 0)
os.read(f, 5)
os.kill(p, 9); os.waitpid(p, 0)
atexit.register(lambda: os.read(f, 9) or os._exit(1))
E
	qr/fd \d+: file of a process \(.*\): its process has ended, and the last \d+ bytes.*; \S/);
my $map = <<'E';
def bpf(c, *a): return call(321, c, struct.pack('<%dI' % len(a), *a).ljust(144, b'\0'), 144)
E
refusals_of('a BPF map of another type', "${map}f = bpf(0, 27, 0, 0, 4096)",
	qr/fd \d+: BPF map \(.*\): of type 27 \(ring buffer\): not supported; \S/);
refusals_of('a BPF map that a program has', $map . <<'E',
f = bpf(0, 2, 4, 8, 1)
p = ctypes.create_string_buffer(struct.pack('<BBhiBBhiBBhiBBhi', 0x18, 0x11, 0, f, 0, 0, 0, 0,
    0xb7, 0, 0, 0, 0x95, 0, 0, 0))
l = ctypes.create_string_buffer(b'GPL')
g = call(321, 5, struct.pack('<IIQQ', 1, 4, ctypes.addressof(p), ctypes.addressof(l)).ljust(144, b'\0'), 144)
E
	qr/BPF program \(.*\): not supported; \S.*BPF map \(.*\): a BPF program or somebody .*; \S/s);
refusals_of('the log of the kernel', "f = os.open('/dev/kmsg', os.O_RDONLY)",
	qr{fd \d+: character device 1:11 \(/dev/kmsg\): not supported; \S});
refusals_of('huge pages', <<'E',
libc.mmap.restype = ctypes.c_void_p
p = libc.mmap(None, 2 << 20, 3, 0x44021, -1, 0)
f = os.open('/proc/self/map_files/%x-%x' % (p, p + (2 << 20)), os.O_RDWR)
libc.munmap(ctypes.c_void_p(p), ctypes.c_size_t(2 << 20))
E
	qr{fd \d+: shared memory \(/anon_hugepage.*\): no process has it mapped; \S});
my $program = $map . <<'E';
def program(kind):
    code = ctypes.create_string_buffer(struct.pack('<BBhiBBhi', 0xb7, 0, 0, 1, 0x95, 0, 0, 0))
    gpl = ctypes.create_string_buffer(b'GPL')
    return call(321, 5, struct.pack('<IIQQ', kind, 2, ctypes.addressof(code), ctypes.addressof(gpl)).ljust(144, b'\0'), 144)
E
refusals_of('a BPF program', "${program}f = program(1)", qr/fd \d+: BPF program \(.*\): not supported; \S/);
refusals_of('a BPF link', $program . <<'E',
import subprocess, tempfile
at = tempfile.mkdtemp()
subprocess.run(['mount', '-t', 'cgroup2', 'none', at], check=True)
g = os.open(at, os.O_RDONLY)
p = program(8)					# CGROUP_SKB
f = bpf(28, p, g, 0, 0)				# LINK_CREATE, INET_INGRESS
os.close(p); os.close(g)
subprocess.run(['umount', at], check=True); os.rmdir(at)
E
	qr/fd \d+: BPF link \(.*\): not supported; \S/);
refusals_of('BPF type information', "${map}f = bpf(19, 1)", qr/fd \d+: BPF type information \(.*\): not supported; \S/);
refusals_of('a seccomp listener', <<'E',
code = ctypes.create_string_buffer(struct.pack('<HBBI', 6, 0, 0, 0x7fff0000))
prog = ctypes.create_string_buffer(struct.pack('<HxxxxxxQ', 1, ctypes.addressof(code)))
libc.prctl(38, 1, 0, 0, 0)			# no_new_privs
f = call(317, 1, 8, prog)			# NEW_LISTENER
E
	qr/fd \d+: seccomp listener \(.*\): not supported; \S/);
refusals_of('a limit on latency', "f = os.open('/dev/cpu_dma_latency', os.O_RDWR)",
	qr{fd \d+: character device \d+:\d+ \(/dev/cpu_dma_latency\): not supported; \S});
refusals_of('a mapping of secret memory', <<'E',
f = call(447, 0)
os.ftruncate(f, 4096)
libc.mmap.restype = ctypes.c_void_p
libc.mmap(None, 4096, 3, 1, f, ctypes.c_long(0))
os.close(f)
E
	qr/vma [0-9a-f]+: .*secret memory.*; \S/, 'cr-dump-mem');
refusals_of('secret memory', 'f = call(447, 0)', qr/fd \d+: secret memory \(.*\): not supported; \S/);
refusals_of('userfaultfd in two processes', <<'E',
f = call(323, 0)
c = os.fork()
if c == 0: time.sleep(1e6)
atexit.register(lambda: (os.kill(c, 9), os.waitpid(c, 0)))
E
	qr/fd \d+: userfaultfd \(.*\): several processes have it.*; \S/);
my $uffd = <<'E';
libc.mmap.restype = ctypes.c_void_p
m = libc.mmap(None, 8192, 3, 0x22, -1, ctypes.c_long(0))
f = call(323, 0)
fcntl.ioctl(f, 0xc018aa3f, struct.pack('<QQQ', 0xaa, 0, 0))		# UFFDIO_API
def register(): fcntl.ioctl(f, 0xc020aa00, struct.pack('<QQQQ', m, 4096, 1, 0))
E
refusals_of('a range of a userfaultfd', "${uffd}register()",
	qr/vma [0-9a-f]+: a range registered with a userfaultfd; \S/, 'cr-dump-mem');
refusals_of('a perf event', <<'E',
a = ctypes.create_string_buffer(struct.pack('<IIQ', 1, 64, 0), 64)
f = call(298, a, 0, -1, -1, 0)
E
	qr/fd \d+: perf event \(.*\): not supported; \S/);
refusals_of('a loop device', "f = os.open('/dev/loop0', os.O_RDONLY)",
	qr{fd \d+: block device 7:0 \(/dev/loop0\): not supported; \S});
refusals_of('autofs', "f = os.open('/dev/autofs', os.O_RDONLY)",
	qr{fd \d+: character device \d+:\d+ \(/dev/autofs\): not supported; \S});
refusals_of('KVM', "f = os.open('/dev/kvm', os.O_RDWR)",
	qr{fd \d+: character device \d+:\d+ \(/dev/kvm\): not supported; \S});
refusals_of('a mount context', "f = call(430, b'tmpfs', 0)",
	qr/fd \d+: mount context \(.*\): not supported; \S/);
refusals_of('a mount context of a mount', "f = call(433, -100, b'/proc', 0)",	# fspick
	qr/fd \d+: mount context \(.*\): not supported; \S/);
refusals_of('a new mount that is attached nowhere', <<'E',
f = call(430, b'tmpfs', 0)
call(431, f, 6, None, None, 0)
g = call(432, f, 0, 0)
os.close(f)
E
	qr{fd \d+: detached mount \(/\): .+; \S});
refusals_of('a mount that is attached nowhere', "f = call(428, -100, b'/tmp', 1)",
	qr{fd \d+: detached mount \(/\): .+; \S});
refusals_of('landlock rules', "f = call(444, struct.pack('<Q', 1), 8, 0)",
	qr/fd \d+: landlock rules \(.*\): not supported; \S/);
refusals_of('a file of tracing', "f = os.open('/sys/kernel/tracing/trace_pipe', os.O_RDONLY)",
	qr{fd \d+: tracing file \(/sys/kernel/tracing/trace_pipe\): not supported; \S});
refusals_of('a trigger in a pressure file', <<'E',
f = os.open('/proc/pressure/cpu', os.O_RDWR | os.O_NONBLOCK)
os.write(f, b'some 150000 1000000\0')
E
	qr{fd \d+: pressure file \(/proc/pressure/cpu\): a trigger is set.*; \S});

# A process that has no number where the tools are.
{
	my $dir = tmpdir();
	my ($freeze, $dump) = map { tool($_) } qw(cr-freeze cr-dump-fds);

	spew("$dir/inner", <<"E");
setsid sleep 1000 &
until [ "\$(cat /proc/\$!/comm)" = sleep ]; do sleep 0.05; done
$freeze -t \$! 2>freeze | $dump >/dev/null 2>err
echo \$? >status
kill -9 \$!
E
	my $code = $head . <<'E';
import subprocess
f = call(434, os.getpid(), 0)
os.set_inheritable(f, True)
sys.exit(subprocess.run(['unshare', '--pid', '--mount-proc', '--fork', 'sh', 'inner'],
    pass_fds=[f]).returncode)
E
	my $pid = background(['sh', '-c', 'cd "$1" && exec python3 -c "$0"', $code, $dir], dir => $dir,
		out => "$dir/out", err => "$dir/err0", session => 1);

	is(describe(finish($pid, 60)), 'exit 0', 'a pidfd of an unseen process: in a namespace') or
		diag(slurp("$dir/err0"));
	is(slurp("$dir/status"), "1\n", 'refused') or diag(slurp("$dir/freeze"));
	like(slurp("$dir/err"), qr/fd \d+: pidfd \(.*\): its process is outside of the tree; \S/, 'by name');
}

done_testing;
