#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-imgtool check names every fault of an image; commit makes an image whole
# or leaves everything as it was.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRImage;

chdir(tmpdir()) or die;

# --- check -------------------------------------------------------------------
make_image('good');
sh_is('cr-imgtool check good', 0,
	qr/^good: good: 2 processes, 2 threads, 21 records, 12388 bytes in bulk files$/, 'a good image');
sh_is('cr-imgtool check good/manifest.img', 0, qr/good: 2 processes/, 'by its manifest');
sh_is('cd good && cr-imgtool check manifest.img', 0, qr/good: 2 processes/, 'by a bare name');

# What is changed in the text, and what check says.
my @faults = (
	['root_pid=10', 'root_pid=77', qr/the root, pid 77, has no task/],
	['task pid=12 ppid=10', 'task pid=12 ppid=13', qr/record 2 \(task\).*ppid: there is no task with pid 13/],
	['task pid=12 ppid=10', 'task pid=10 ppid=10', qr/task 10 is there twice/],
	['tids=10 tids=11', 'tids=10', qr/thread 11 is none of pid 10/],
	['tids=10 tids=11', 'tids=10 tids=11 tids=14', qr/pid 10: thread 14 has no record/],
	['tids=10 tids=11', 'tids=10 tids=11 tids=11', qr/thread id in a task: 11 is there twice/],
	['state=ZOMBIE', 'state=ALIVE', qr/pid 12: lives and has no threads/],
	['thread pid=10 tid=10 regs=#216', 'thread pid=10 tid=10 regs=#215', qr/215 bytes of registers/],
	['xstate=#576 sigmask', 'xstate=#100 sigmask', qr/100 bytes of FPU state/],
	['thread pid=10 tid=11', 'thread pid=12 tid=11', qr/thread 11 is none of pid 12/],
	['shared_signals=hex:0a00', 'shared_signals=hex:0a', qr/queued signal 0 has 127 bytes/],
	['inside pid=10', 'inside pid=15', qr/\(inside\).*pid: there is no task with pid 15/],
	['mm pid=10', 'mm pid=99', qr/pages of pid 10, which has no mm/],
	['kind=FILE_PRIVATE file=1', 'kind=FILE_PRIVATE file=3', qr/vmas\[0\]: file 3 of 2/],
	['kind=FILE_PRIVATE file=1', 'kind=FILE_PRIVATE', qr/vmas\[0\]: a mapping of a file without/],
	['ghost=1', 'ghost=9', qr/\(mm\).*files\[1\]\.ghost: there is no deleted file 9/],
	['kind=SHMEM shmem=1', 'kind=SHMEM shmem=8', qr/vmas\[3\]\.shmem: there is no shared memory object 8/],
	['kind=SHMEM shmem=1', 'kind=SHMEM', qr/vmas\[3\]: shared memory without/],
	['start=0x402000 end=0x403000', 'start=0x401000 end=0x403000', qr/vmas\[1\]: 401000 is not behind/],
	['start=0x402000 end=0x403000', 'start=0x402000 end=0x402000', qr/vmas\[1\]: .* no range of pages/],
	['start=0x402000 end=0x403000', 'start=0x402000 end=0x402fff', qr/vmas\[1\]: .* no range of pages/],
	['start=0x402000 end=0x403000', 'start=0x402000 end=0x403000 huge_shift=21', qr/vmas\[1\]: not of huge pages/],
	['start=0x402000 end=0x403000', 'start=0x402000 end=0x403000 huge_shift=99', qr/vmas\[1\]: not of huge pages/],
	['shmem id=1', 'shmem id=2', qr/shmem: there is no shared memory object 1/],
	['ghost id=1', 'ghost id=4', qr/there is no deleted file 1/],
	['bulk_size=100', 'bulk_size=101', qr/ghost-2.bulk has 100 bytes, not 101/],
	['name=ghost-2.bulk', 'name=../ghost-2.bulk', qr/no name of a bulk file/],
	['name=ghost-2.bulk', 'name=', qr/runs without a bulk file/],
	['offset=900 length=40 bulk', 'offset=980 length=40 bulk', qr/runs\[1\]: not behind the one before/],
	['offset=900 length=40 bulk', 'offset=50 length=40 bulk', qr/runs\[1\]: not behind the one before/],
	['bulk_offset=60', 'bulk_offset=61', qr/40 bytes at 61 are not in ghost-2.bulk/],
	['bulk_offset=60', 'bulk_offset=18446744073709551600', qr/are not in ghost-2.bulk/],
	['pages-1.bulk size=12288', 'pages-1.bulk size=4096', qr/12288 bytes, not 4096/],
	['name=pages-1.bulk', 'name=pages-7.bulk', qr/pages-7.bulk is missing/],
	['pages_file name', 'stats tool=x%%', qr/pages before any pages file/],
	['address=0x502000', 'address=0x500000', qr/extents\[1\]: 500000 is not behind/],
	['address=0x502000', 'address=0x502001', qr/extents\[1\]: no run of pages/],
	['pages=1 offset=8192', 'pages=2 offset=8192', qr/8192 bytes at 8192 are not in pages-1/],
	['pages=1 offset=8192', 'pages=4503599627370496 offset=8192', qr/no run of pages/],
	['offset=8192', 'offset=4096', qr/extents\[0\]: wrong checksum of 4096 bytes at 4096/],
	['pages=1 offset=8192', 'pages=1 borrowed=1 offset=0', qr/extents\[0\]: no process has the 4096 bytes at 0 that/],
	['pages=1 offset=4096 crc=@pages-1.bulk:4096:4096', 'pages=1 borrowed=1 offset=8192', qr/extents\[\d\]: no process has the 4096 bytes at 8192 that it borrows/],
	['pages shmem=1', 'pages pid=10 shmem=1', qr/neither or both/],
	['pages shmem=1', 'pages shmem=3', qr/\(pages\).*shmem: there is no shared memory object 3/],
	['fd=1 file=2', 'fd=1 file=9', qr/fds\[1\]\.file: there is no open file description 9/],
	['fd=7', 'fd=1', qr/fds\[2\]: descriptor 1 is not above/],
	['fd_table pid=10', 'fd_table pid=11', qr/\(fd_table\).*there is no task with pid 11/],
	['pipe id=2 pipe=5', 'pipe id=2 pipe=6', qr/\(pipe\).*there is no pipe data 6/],
	['pipe id=3', 'pipe id=2', qr/open file description 2 is there twice/],
	['stats tool', 'refusal tool=x pid=10 what=io_uring%%', qr/a refusal: this is no image/],
);
for (@faults) {
	my ($from, $to, $says) = @$_;
	my $text = full_text();

	$text =~ s/\Q$from\E/$to/ or die "$from is not there";
	$text =~ s/%%.*//;
	make_image('bad', $text);
	sh_is('cr-imgtool check bad', 102, $says, $to);
}

sub with_bulk {
	my ($what, $status, $says) = @_;
	make_image('bulk');
	sh_is("cd bulk && { $what; } && cr-imgtool check .", $status, $says, $what);
}
with_bulk('rm pages-1.bulk', 102, qr/pages-1.bulk is missing/);
with_bulk('truncate -s 12287 pages-1.bulk', 102, qr/has 12287 bytes, not 12288/);
with_bulk('truncate -s 12289 pages-1.bulk', 102, qr/has 12289 bytes, not 12288/);
with_bulk('mv ghost-2.bulk x; ln -s x ghost-2.bulk', 102, qr/unable to open bulk file ghost-2.bulk/);
with_bulk('rm ghost-2.bulk; mkdir ghost-2.bulk', 102, qr/no regular file/);
with_bulk('rm ghost-2.bulk; mkfifo ghost-2.bulk', 102, qr/no regular file/);

# Every byte counts: of the manifest (streamfuzz has flipped each for the
# reader in t/stream.t) and of the bulk files.
my $unnoticed = 0;
sh('cp -r good flip');
for ([ 'manifest.img', 211 ], [ 'ghost-2.bulk', 3 ], [ 'pages-1.bulk', 331 ]) {
	my ($file, $step) = @$_;
	for (my $at = 0; $at < -s "good/$file"; $at += $step) {
		patch("good/$file", "flip/$file", sub { substr($_, $at, 1) ^= "\x10" });
		my ($got, $out) = sh('cr-imgtool check flip');
		next if $got == 102 && $out =~ /^cr-imgtool: flip/;
		diag("$file: byte $at: exit $got: $out");
		$unnoticed++;
	}
	patch("good/$file", "flip/$file", sub { });
}
sh_is('cr-imgtool check flip', 0, qr/: good:/, 'and put back');
is($unnoticed, 0, 'flipped bytes are noticed');
my $strange = 0;
for (1 .. ($ENV{CR_LONG} ? 5000 : 60)) {
	my ($got, $out) = sh("streamfuzz make good/manifest.img $_ >good/fuzz; cr-imgtool check good/fuzz");
	$strange++, diag("seed $_: exit $got: $out") if $got != 0 && $got != 102 && $out !~ /Failure/;
}
is($strange, 0, 'made-up manifests end in 0 or 102');
sh_is('cr-imgtool check nowhere', 111, qr/unable to open nowhere/, 'check of nothing');
sh_is('cr-imgtool check good >/dev/full', 111, qr/unable to write/, 'a full disk');

# --- commit ------------------------------------------------------------------
my $stream = "cat good/manifest.img";

# What is in img.
sub files_are {
	my ($want, $name) = @_;
	is(join(' ', sort map { m{([^/]*)$} } glob('img/*')), $want, "$name: files");
}

sh_is("mkdir img; touch img/pages-9.bulk img/disk-1.img img/manifest-3.tmp img/pages-1.img
	mkstream <<-E | cr-imgtool commit -D img
	header version=1
	E", 0, qr/^$/, 'an image without bulk files');
files_are('disk-1.img manifest.img pages-1.img',
	'what failed dumps have left is gone, and nothing else');
sh_is('cr-imgtool show -k header img', 0, qr/"session":"","warden_pid":0/, 'no session is in it');
sh('rm -rf img');

my $refused = "mkstream <<-'E'
	header version=1
	refusal tool=x pid=1 what=io_uring
	refusal tool=x pid=1 what=aio
	E
";
sh_is("{ $refused } | cr-imgtool commit -D img", 1,
	qr/^cr-imgtool: 2 things are not supported: no image was made$/, 'refusals');
files_are('', 'nothing is written');
sh_is("$stream | cr-imgtool commit -D img", 102, qr/bulk file .* is missing/, 'bulk files missing');
sh_is("$stream | head -c 1000 | cr-imgtool commit -D img", 102, qr/ends here/, 'a cut stream');
sh_is("mkstream -n <<-'E' | cr-imgtool commit -D img
	header version=1
	failure tool=cr-x status=111 message=full
	E", 111, qr/^$/, 'a failure before us');
files_are('', 'nothing is written');
sh_is('mkstream <<-E | cr-imgtool commit -D img
	header version=1 session=cr-none
	E', 111, qr/session/, 'a session that has ended');
files_are('', 'nothing is written');
sh_is('cr-imgtool commit', 100, qr/-D DIR is missing/, 'no directory');
sh_is('cr-imgtool commit -D /proc/nowhere </dev/null', 111, qr/unable to make/, 'an impossible one');
sh_is("$stream | cr-imgtool commit -D img --stats nowhere/s", 111, qr/unable to open nowhere/, 'no stats');


# As long as somebody holds the lock, bulk files are in the making.
sub commit_is {
	my ($from, $options, $status, $says, $name) = @_;
	sh_is("flock -s img sh -c '$from | cr-imgtool commit -D img $options'", $status, $says, $name);
}
sh('rm -rf img; mkdir img; cp good/*.bulk img');
commit_is($stream, '--stats s.json', 0, qr/^$/, 'commit');
files_are('ghost-2.bulk manifest.img pages-1.bulk', 'commit');
sh_is('cr-imgtool check img', 0, qr/: good:/, 'a good image');
sh('rm -rf img2; mkdir img2');
sh_is("mkstream <<-E | cr-imgtool commit -D img2 --stats /dev/full
	header version=1
	E", 0, qr/the image is complete, but: unable to write the statistics/, 'no room for numbers');
sh_is('cr-imgtool show -k reg img | wc -c >wc && cr-imgtool show img >a; cr-imgtool show good >b; cmp a b',
	0, qr/^$/, 'the same records');
sh_is("python3 -c 'import json; s = json.load(open(\"s.json\")); print(s[\"pages\"], s[\"bytes\"],
	s[\"records\"], s[\"stages\"])'", 0, qr/^3 12388 20 \{'cr-dump-mem': \{'pages': 3\}\}$/, '--stats');
my $inode = (stat('img/manifest.img'))[1];

# A dump that fails later leaves the image.
sh('cp good/pages-1.bulk img/pages-5.bulk');
spew('full.txt', full_text());
commit_is("sed s/name=pages-1/name=pages-6/ full.txt | (cd img && mkstream)", '', 102,
	qr/pages-6.bulk is missing/, 'a second one that fails');
is((stat('img/manifest.img'))[1], $inode, 'the first image is still there');
sh_is('cr-imgtool check img', 0, qr/: good:/, 'and good');
commit_is("(cat full.txt; echo refusal tool=x) | (cd img && mkstream)", '', 1, qr/1 thing is not/,
	'a second one with a refusal');
is((stat('img/manifest.img'))[1], $inode, 'the first image is still there');
commit_is("sed s/name=pages-1/name=pages-5/ full.txt | (cd img && mkstream)", '', 0, qr/^$/,
	'a second one');
files_are('ghost-2.bulk manifest.img pages-5.bulk', 'what the first one had alone is gone');
sh_is('cr-imgtool check img', 0, qr/: good:/, 'the second image');
sh('touch img/pages-77.bulk img/manifest-9.tmp');
sh_is('cr-imgtool check img; touch img/pages-78.bulk; echo | cr-imgtool commit -D img', 102,
	qr/truncated before/, 'a third one that fails');
files_are('ghost-2.bulk manifest.img pages-5.bulk', 'leftovers are gone');
sh('printf x >img/manifest.img; touch img/pages-77.bulk');
sh_is('echo | cr-imgtool commit -D img', 102, qr/truncated/, 'beside a manifest that is none');
files_are('ghost-2.bulk manifest.img pages-5.bulk pages-77.bulk', 'nothing is removed');
sh_is('flock img cr-imgtool commit -D img <good/manifest.img', 111, qr/another program has locked/,
	'an exclusive lock of others');

# A disk that is full at any point: no image.
SKIP: {
	skip('needs root', 2) if $>;
	my $part = 'mount -t tmpfs -o size=16k none disk && { cat good/manifest.img |
		cr-imgtool commit -D disk/img; s=$?; ls disk/img; exit $s; }';
	sh('mkdir disk; for i in $(seq 2000); do echo "reg id=$i ref={ path=/some/where }"; done >many.txt
		(echo header version=1; cat many.txt) | mkstream >good/manifest.img');
	sh_is("unshare -m sh -c '$part'", 111, qr/^cr-imgtool: unable to write the manifest: No space.*\n$/,
		'a full disk');
}

done_testing();
