#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# Files without a name leave nothing behind in the file system, also when
# cr-restore is killed while one of them has its name for a moment; and where
# they cannot be made, that is said first.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use File::Find qw(find);

sub tree_of {
	my ($dir) = @_;
	my @names;

	find({ no_chdir => 1, wanted => sub { push @names, $_ } }, $dir);
	return join(' ', sort grep { !/restored$/ } @names);
}

sub watched {
	return grep { (slurp($_, 1) // '') =~ /^cr-restore/ } glob('/proc/[0-9]*/comm');
}

subtest 'killed while a name is there' => sub {
	my $t = CRTarget->start('ghost');
	$t->ready or return;
	$t->checkpoint or return;
	$t->gone;
	my $before = tree_of($t->{dir});
	my $killed = 0;
	for my $pass (1 .. 20) {
		my $r = run([tool('cr-restore'), '-d', '-D', $t->{img}],
			env => { CR_FAULT => "cr-restore:ghost-named:$pass" });
		last if describe($r->{status}) eq 'exit 0';
		is(describe($r->{status}), 'killed by signal 9', "killed at passing $pass");
		wait_for(20, sub { !watched() });
		is(tree_of($t->{dir}), $before, 'nothing is left of it');
		$killed++;
		CRTest::forget($t->{pid});
	}
	ok($killed > 5, "$killed files have a name for a moment");
	$t->verify('and verifies itself when it is restored');
};

subtest 'the name of a directory is taken by a file' => sub {
	my $t = CRTarget->start('ghost');
	$t->ready or return;
	$t->checkpoint or return;
	$t->gone;
	touch("$t->{dir}/gone");
	my $before = tree_of($t->{dir});
	$t->restore_detached or return;
	like(join(' ', map { readlink($_) // '' } glob("/proc/$t->{pid}/fd/*")),
		qr{\Q$t->{dir}\E/file \(deleted\)}, 'it is made beside it');
	is(tree_of($t->{dir}), $before, 'nothing is left of it');
};

subtest 'a file system that cannot be written' => sub {
	my $t = CRTarget->start('ghost');
	$t->ready or return;
	$t->checkpoint or return;
	$t->gone;
	system('mount', '--bind', $t->{dir}, $t->{dir}) == 0
		&& system('mount', '-o', 'remount,bind,ro', $t->{dir}) == 0
		or plan(skip_all => 'no mounts here');
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'refused');
	like($r->{err}, qr{gone/below/file: a deleted file cannot be made there: Read-only},
		'and named');
	system('umount', $t->{dir});
	$t->restore_detached or return;
	$t->verify('verifies itself where it can be written again');
};
# A file with a link elsewhere, one that is mapped, and a fifo, all deleted.
my $linked = <<'E';
import mmap, os, sys, time
os.closerange(3, 64)
os.mkdir('d'); os.mkdir('elsewhere')
f = os.open('d/file', os.O_RDWR | os.O_CREAT); os.write(f, b'hello')
g = os.open('d/file', os.O_RDONLY)
os.link('d/file', 'elsewhere/file'); os.unlink('d/file')
h = os.open('d/mapped', os.O_RDWR | os.O_CREAT); os.write(h, b'x' * 4096)
m = mmap.mmap(h, 4096); os.close(h); m[0:3] = b'abc'
os.link('d/mapped', 'elsewhere/mapped'); os.unlink('d/mapped')
os.mkfifo('d/fifo'); p = os.open('d/fifo', os.O_RDWR | os.O_NONBLOCK); os.write(p, b'bytes')
os.link('d/fifo', 'elsewhere/fifo'); os.unlink('d/fifo')
os.mkdir('gone'); q = os.open('gone/file', os.O_RDWR | os.O_CREAT)
if len(sys.argv) > 1: os.link('gone/file', 'elsewhere/q')
os.unlink('gone/file'); os.rmdir('gone')
names = [os.readlink('/proc/self/fd/%d' % x) for x in (f, g, p)]
open('ready', 'w').close()
while not os.path.exists('verify'): time.sleep(0.005)
os.write(f, b'!')
ok = names == [os.readlink('/proc/self/fd/%d' % x) for x in (f, g, p)]
ok &= os.read(g, 9) == b'hello!' and os.read(p, 9) == b'bytes'
ok &= open('elsewhere/file').read() == 'hello!' and os.fstat(f).st_nlink == 1
m[3:5] = b'de'
ok &= open('elsewhere/mapped').read(5) == 'abcde' and os.listdir('d') == []
sys.exit(0 if ok else 1)
E

sub start_linked {
	my $t = CRTarget->start('x', title => 'other links', cmd => ['python3', '-c', $linked, @_]);
	return $t->ready ? $t : undef;
}

subtest 'other links, without --link-remap' => sub {
	my $t = start_linked() or return;
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], 'refused');
	like($r->{err}, qr{fd 3: deleted file \(\S+/d/file \(deleted\)\): it has another link; use --link-remap},
		'a file');
	like($r->{err}, qr{/d/mapped.*; use --link-remap}, 'a mapped one');
	like($r->{err}, qr{fd \d+: fifo .*: it has another link; use --link-remap}, 'a fifo');
	$t->verify('goes on');
};

subtest 'other links, with --link-remap' => sub {
	my $t = start_linked() or return;
	my $r = run(['sh', '-c', tool('cr-freeze') . " -t $t->{pid} | " . tool('cr-dump-mem')
		. " -D $t->{img} --link-remap | " . tool('cr-dump-fds')
		. " -D $t->{img} --link-remap >/dev/null"]);
	is(tree_of("$t->{dir}/d"), "$t->{dir}/d", 'a dump that is not committed leaves no link') or
		diag($r->{err});
	is(join(' ', glob("$t->{img}/*")), '', 'and nothing in the image directory');
	$t->checkpoint('--link-remap') or return;
	$t->gone;
	is(scalar(() = glob("$t->{dir}/d/.cr-link-*")), 3, 'a link for each file');
	exits(0, [tool('cr-imgtool'), 'check', $t->{img}], 'the image is in order');
	my $before = tree_of($t->{dir});
	for my $pass (1 .. 3) {
		$r = run([tool('cr-restore'), '-d', '-D', $t->{img}],
			env => { CR_FAULT => "cr-restore:ghost-named:$pass" });
		is(describe($r->{status}), 'killed by signal 9', "killed at passing $pass");
		wait_for(20, sub { !watched() });
		is(tree_of($t->{dir}), $before, 'the links are there still');
	}
	$t->restore_detached or return;
	is(tree_of("$t->{dir}/d"), "$t->{dir}/d", 'no link is left when the tree lives');
	$t->verify('verifies itself');
	CRTest::forget($t->{pid});
	$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'a second restore is refused');
	like($r->{err}, qr{/d/\.cr-link-\S+: No such file}, 'and says why');
};

# As sem_open(3) makes them: by another name, which is deleted then.
my $beside = <<'E';
import ctypes, mmap, os, sys, time
os.closerange(3, 64)
os.mkdir('d')
f = os.open('d/file', os.O_RDWR | os.O_CREAT); os.write(f, b'hello' + b'x' * 4096)
m = mmap.mmap(f, 4096); m[0:3] = b'abc'
os.link('d/file', 'd/right'); os.unlink('d/file')
os.mkfifo('d/fifo'); p = os.open('d/fifo', os.O_RDWR | os.O_NONBLOCK); os.write(p, b'bytes')
os.link('d/fifo', 'd/other'); os.unlink('d/fifo')
libc = ctypes.CDLL(None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p
name = b'/cr-%d' % os.getpid()
value = ctypes.c_int(-1)
sem = ctypes.c_void_p(libc.sem_open(name, os.O_CREAT | os.O_EXCL, 0o600, 3))
libc.sem_wait(sem)
open('ready', 'w').close()
while not os.path.exists('verify'): time.sleep(0.005)
os.pwrite(f, b'!', 4)
m[0:1] = b'A'
ok = open('d/right').read(6) == 'Abcl!x' and os.read(p, 9) == b'bytes'
ok &= sorted(os.listdir('d')) == ['other', 'right'] and os.fstat(f).st_nlink == 1
libc.sem_getvalue(sem, ctypes.byref(value))
ok &= value.value == 2 and libc.sem_trywait(sem) == 0
again = ctypes.c_void_p(libc.sem_open(name, 0))
libc.sem_getvalue(again, ctypes.byref(value))
ok &= value.value == 1 and libc.sem_post(sem) == 0
if not os.path.exists('keep'): libc.sem_unlink(name)
sys.exit(0 if ok else 1)
E

subtest 'another name beside the deleted one' => sub {
	for my $option ([], ['--link-remap']) {
		my $t = CRTarget->start('x', title => 'a name beside',
			cmd => ['python3', '-c', $beside]);
		$t->ready or return;
		$t->checkpoint(@$option) or return;
		$t->gone;
		is(scalar(() = glob("$t->{dir}/d/.cr-link-*")), 0, 'no link was needed');
		touch("$t->{dir}/keep");
		$t->restore_detached or return;
		$t->verify('verifies itself');
		unlink "$t->{dir}/keep", "$t->{dir}/verify";
		CRTest::forget($t->{pid});
		$t->restore_detached or return;
		$t->verify('and when it is restored again');
	}
};

subtest 'a stage is killed when a link is made' => sub {
	my $t = start_linked() or return;
	for my $fault ('cr-dump-mem:link-noted', 'cr-dump-mem:link-made', 'cr-dump-fds:link-noted',
		'cr-dump-fds:link-made', 'cr-dump-fds:stage-after-end') {
		my $r = run([tool('cr-checkpoint'), '-R', '-t', $t->{pid}, '-D', $t->{img}, '--link-remap'],
			env => { CR_FAULT => "$fault:1" });

		# One that has said all may be too late to be missed.
		if ($fault =~ /after-end/ && -e "$t->{img}/manifest.img") {
			is(scalar(() = glob("$t->{dir}/d/.cr-link-*")), 3, "$fault: an image with its links");
			unlink glob("$t->{dir}/d/.cr-link-*");
			next;
		}
		isnt(describe($r->{status}), 'exit 0', "$fault: the dump fails");
		wait_for(20, sub { tree_of("$t->{dir}/d") eq "$t->{dir}/d" });
		is(tree_of("$t->{dir}/d"), "$t->{dir}/d", "$fault: no link is left");
	}
	$t->verify('goes on');
};

subtest 'a link that cannot be made' => sub {
	my $t = start_linked('q') or return;
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}, '--link-remap'],
		'refused');
	like($r->{err}, qr{/gone/file \(deleted\)\): no link to it can be made beside where it was: No such},
		'and named');
	is(tree_of("$t->{dir}/d"), "$t->{dir}/d", 'no link is left');
};
done_testing;
