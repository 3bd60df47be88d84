#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-dump-mem: what it says of mappings and each byte of memory, compared with
# the frozen processes, and what it refuses, all at once.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use JSON::PP;

my $dump = tool('cr-dump-mem');
my $freeze = tool('cr-freeze');
my $imgtool = tool('cr-imgtool');
my ($python) = grep { -x } '/usr/bin/python3', 'python3';
$python //= 'python3';
my $compare = "$python -B $CRTest::TOP/t/lib/compare-mem.py";

# The pipeline with these stages, its tail comparing: { status, out, err }.
sub compared {
	my ($t, $stages, $setting) = @_;
	my $r;

	# Who reads at the end must be there within seconds: a busy machine may
	# need another attempt.
	for (1 .. 5) {
		my $img = tmpdir() . '/img';

		$r = run(['sh', '-c', "$freeze -t $t->{pid} | $stages $dump -D $img | "
			. ($setting // '') . " $compare $img $imgtool"]);
		last if describe($r->{status}) ne 'exit 75';
	}
	return $r;
}

# Text records of the stages behind cr-freeze.
sub records {
	my ($t, $stages) = @_;
	my $r = run(['sh', '-c', "$freeze -t $t->{pid} | $stages | $imgtool show -"]);
	my $all = eval { decode_json($r->{out}) };

	ok($all, 'the output is JSON') or diag($r->{out}, $r->{err});
	return ($r, @{ ref $all eq 'HASH' ? $all->{records} : $all // [] });
}

sub is_same {
	my ($r, $name) = @_;
	is(describe($r->{status}), 'exit 0', $name) or diag($r->{out}, $r->{err});
}

# Small processes are copied at once, while threads are still at the big one.
subtest 'a big process and small ones' => sub {
	my $dir = tmpdir();
	my $pid = background([$python, '-c', <<'P', "$dir/ready"], session => 1, out => "$dir/log", err => "$dir/log");
import os, subprocess, sys, time
b = bytearray(os.urandom(1 << 20) * 48)
kids = [subprocess.Popen(['sleep', '1000']) for _ in range(8)]
open(sys.argv[1], 'w').close()
time.sleep(1000)
P
	wait_for(20, sub { -e "$dir/ready" }) or return ok(0, 'it starts');
	for my $i (1 .. 3) {
		my $r = run([tool('cr-checkpoint'), '-R', '-t', $pid, '-D', "$dir/img$i"]);

		is(describe($r->{status}), 'exit 0', 'is dumped') or diag($r->{err});
		$r = run([$imgtool, 'check', "$dir/img$i"]);
		is(describe($r->{status}), 'exit 0', 'each page once') or diag($r->{err});
	}
	kill 'KILL', $pid, CRTest::descendants($pid);
	finish($pid);
};

subtest 'every byte' => sub {
	my $t = CRTarget->start('maps');
	return unless $t->ready;

	my $r = compared($t, '');
	is_same($r, 'mappings and bytes are those of the frozen processes');
	like($r->{out}, qr/2 processes, [4-9] objects, 1 ghosts/, 'each object once');
	cmp_ok(($r->{out} =~ /^pid \d+: (\d+) pages/m)[0] // 0, '>', 4000, 'they are many');
	is_same(compared($t, tool('cr-inject') . ' |'), 'also behind cr-inject');
	isnt(compared($t, '', 'T_SPOIL=1')->{status}, 0, 'a wrong bit is noticed');

	$r = compared($t, 'CR_NO_PAGEMAP_SCAN=1');
	SKIP: {
		skip 'the kernel has no guard regions', 1 unless $r->{err} =~ /refus|guard/;
		like($r->{err}, qr/vma [0-9a-f]+: pages that cannot be read \(guard/,
			'guard regions that are not known as such are refused');
	}
	$t->verify('goes on');
};

subtest 'without PAGEMAP_SCAN' => sub {
	my $t = CRTarget->start('maps', args => ['plain']);
	return unless $t->ready;

	is_same(compared($t, 'CR_NO_PAGEMAP_SCAN=1'), 'the same with pagemap');
	$t->verify('goes on');
};

# The kernel returns 512 regions in one lot, this program takes 2048 of them.
subtest 'pages far from each other' => sub {
	my $program = <<'P';
import ctypes, sys, time
n = int(sys.argv[1])
c = ctypes.CDLL(None)
c.mmap.restype = ctypes.c_void_p
c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
p = c.mmap(0x200000000000, n * 8192, 3, 0x104022, -1, 0)
for i in range(n):
    ctypes.memset(p + i * 8192, 1 + i % 255, 1)
open(sys.argv[2], 'w').close()
time.sleep(1000)
P

	for my $pages (511, 512, 513, 1024, 2047, 2048, 2049, 6000) {
		my $dir = tmpdir();
		# At its own place, so that nothing else is in the range of one call.
		my $pid = background([$python, '-c', $program, $pages, "$dir/ready"], session => 1,
			out => "$dir/log", err => "$dir/log");
		wait_for(20, sub { -e "$dir/ready" }) or return ok(0, 'it starts');
		my $r = run([tool('cr-checkpoint'), '-R', '-t', $pid, '-D', "$dir/img"]);
		is(describe($r->{status}), 'exit 0', "$pages: is dumped") or diag($r->{err});
		$r = run([$imgtool, 'check', "$dir/img"]);
		is(describe($r->{status}), 'exit 0', "$pages: each page once") or diag($r->{err});
		$r = run(['sh', '-c', "$imgtool show -k pages $dir/img | $python -c '" . <<'P' . "'"]);
import json, sys
d = json.load(sys.stdin)
n = 0
for r in d if type(d) is list else d["records"]:
    for e in r["extents"]:
        n += e["pages"] if e["address"].startswith("0x2000") else 0
print(n)
P
		is($r->{out}, "$pages\n", "$pages: and each page") or diag($r->{err});
		kill 'KILL', $pid;
		finish($pid);
	}
};

subtest 'without -D' => sub {
	my $t = CRTarget->start('maps');
	return unless $t->ready;
	my ($r, @all) = records($t, $dump);
	my %n;

	$n{ $_->{kind} }++ for @all;
	is(describe($r->{status}), 'exit 0', 'shows the records');
	is($n{mm}, 2, 'two address spaces');
	ok($n{pages} && !$n{pages_file}, 'pages without a file');
	is_deeply([glob("$t->{dir}/*.bulk")], [], 'writes nothing');
	$t->verify('goes on');
};

subtest 'refusals' => sub {
	my $t = CRTarget->start('odd');
	return unless $t->ready;
	my $img = tmpdir() . '/img';
	my ($r) = records($t, "$dump -D $img");
	my @want = split /\n/, slurp("$t->{dir}/list");

	cmp_ok(scalar @want, '>', 5, 'there are things to refuse');
	for (@want) {
		my ($address, $what) = split / /, $_, 2;
		like($r->{err}, qr/^cr-dump-mem: pid $t->{pid}: vma $address: .*\Q$what\E.*; \w/m,
			"$what: is named with address and remedy");
	}
	is(scalar(() = $r->{err} =~ /^cr-dump-mem: /mg), scalar @want, 'and nothing else');
	$r = run(['sh', '-c', "$freeze -t $t->{pid} | $dump -D $img | $imgtool commit -D $img"]);
	is(describe($r->{status}), 'exit 1', 'no commit');
	is(join(' ', glob("$img/*")), '', 'nothing is left in the image directory');
	($r) = records($t, "$dump -D $img --ghost-limit 3M");
	unlike($r->{err}, qr/large of/, 'a larger --ghost-limit lets the deleted file pass');
	$t->verify('goes on');
};

subtest 'killed' => sub {
	my $t = CRTarget->start('maps');
	return unless $t->ready;
	my $img = tmpdir() . '/img';

	for my $point (qw(pages-file ghost mm pages-unit:2 pages)) {
		my $r = run(['sh', '-c', "$freeze -t $t->{pid} | CR_FAULT=cr-dump-mem:$point $dump -D $img "
			. "| $imgtool commit -D $img"]);
		is(describe($r->{status}), 'exit 102', "at $point: no commit") or diag($r->{err});
		ok(!-e "$img/manifest.img", "at $point: no image");
	}
	$t->verify('goes on');
};

subtest 'bad use' => sub {
	exits(100, [$dump, '--no-such'], 'an unknown option');
	exits(100, [$dump, '--ghost-limit', '1X'], 'a bad size');
	exits(102, [$dump], 'no stream');
	my $r = exits(0, [$dump, '-h'], '-h');
	like($r->{out}, qr/--ghost-limit SIZE/, 'the usage');
	my $t = CRTarget->start('maps');
	return unless $t->ready;
	my $line = "$freeze -t $t->{pid} | { $dump -D /proc/none; echo \$? >&2; } | $imgtool show -";
	$r = run(['sh', '-c', $line]);
	like($r->{err}, qr/unable to make the image directory.*\n111\n/, 'no image directory: 111');
	$r = run(['sh', '-c', "$freeze -t $t->{pid} >$t->{dir}/stored; $dump <$t->{dir}/stored"]);
	is(describe($r->{status}), 'exit 111', 'a stored stream is refused') or diag($r->{err});
	like($r->{err}, qr/no freeze that lasts/, 'and says why');
	$t->verify('goes on');
};

done_testing;
