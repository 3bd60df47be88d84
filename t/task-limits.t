#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A process that can have no more of something.  Where an agent can get there
# all the same it is checkpointed and restored; where none can, that is said by
# name beside all else that is not supported, and the process goes on as it was.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

# A child, beside it, has what is refused for another reason.
sub refused {
	my ($words, $pattern, $remedy) = @_;
	my $what = "limits: $words";
	my $t = CRTarget->start('limits', title => $what, args => [split ' ', $words]);

	$t->ready(120) or return;
	my $img = tmpdir();
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img], "$what: refused");
	like($r->{err}, qr/^cr-inject: pid $t->{pid}: $pattern; $remedy$/m, "$what: by name, with a remedy");
	like($r->{err}, qr/^cr-imgtool: 1 thing is not supported: no image was made$/m, "$what: as a refusal");
	ok(!-e "$img/manifest.img", "$what: no image");
	like(slurp("/proc/$t->{pid}/status"), qr/^TracerPid:\t0$/m, "$what: not traced");
	$t->verify('goes on as it was');
}

refused('as', qr/its address space has no room for an agent/, qr/raise its RLIMIT_AS by \d+ KiB/);
refused('full', qr/its address space has no room for an agent/, qr/let it unmap something/);
refused('lockall nobody memlock', qr/it locks all its memory \(MCL_FUTURE\) and has no more .*/,
	qr/raise its RLIMIT_MEMLOCK/);
SKIP: {
	skip 'vm.max_map_count is large', 1 if slurp('/proc/sys/vm/max_map_count') > 100000;
	refused('maps', qr/it has as many mappings as it may have.*/, qr/raise vm\.max_map_count/);
}

# Two processes of a tree, for a reason each: both are named, and what else there is.
{
	my $dir = tmpdir();
	my $img = tmpdir();
	my $child = "$BUILD/t/limits";
	system('mkfifo', "$dir/fifo") == 0 or die;
	open(my $outside, '+<', "$dir/fifo") or die;
	my $root = background(['sh', '-c', "mkdir a b; (cd a; exec $child as) & (cd b; exec $child full) & read x <fifo"],
		session => 1, dir => $dir, out => "$dir/log", err => "$dir/log");
	ok(wait_for(30, sub { -e "$dir/a/ready" && -e "$dir/b/ready" }), 'a tree') or diag(slurp("$dir/log"));
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $root, '-D', $img], 'a tree: refused');
	like($r->{err}, qr/^cr-inject: pid \d+: its address space .*; raise its/m, 'a tree: one');
	like($r->{err}, qr/^cr-inject: pid \d+: its address space .*; let it unmap/m, 'a tree: the other');
	like($r->{err}, qr/^cr-dump-fds: pid $root: fd \d+: .*fifo/m, 'a tree: a descriptor') or diag($r->{err});
	touch("$dir/$_/verify") for qw(a b);
	ok(wait_for(30, sub { 2 == (() = slurp("$dir/log") =~ /^ok$/mg) }), 'a tree: goes on') or
		diag(slurp("$dir/log"));
	print $outside "\n";
	close $outside;
	finish($root);
}

survives("limits: $_", 'limits', args => [split ' ', $_])
	for 'data stack fsize', 'nofile sigpending', 'nobody nproc nofile', 'lockall', 'movevdso', 'novdso', 'novvar',
	'novdso novvar', 'protvdso', 'movevdso novvar data';
verifies_alone('limits', 'limits', args => ['data', 'nofile']);
done_testing;
