#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# cr-restore --new-pid-ns: copies of one image side by side; and
# --restore-sibling: the root as a child of whoever calls cr-restore.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use Time::HiRes qw(time);

my $t = CRTarget->start('family');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
$t->checkpoint or BAIL_OUT('no image');
$t->gone(@pids[1 .. $#pids]);

sub nspids {
	return (slurp("/proc/$_[0]/status", 1) // '') =~ /^NSpid:\t(.*)$/m ? split(/\t/, $1) : ();
}

# Processes whose init is ours: all that a copy consists of.
sub inits {
	return grep { (slurp("/proc/$_/comm", 1) // '') eq "cr-restore-init\n" }
		CRTest::descendants($$);
}

# In the foreground: each copy verifies itself, and its status comes out.
my $dir = tmpdir();
touch("$t->{signs}/restored");
my @fronts = map { background([tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}, '--pidfile',
	"$dir/front$_"], out => "$dir/out$_", err => "$dir/err$_") } 1 .. 3;
for (1 .. 3) {
	ok(wait_for(60, sub { -s "$dir/front$_" }), "copy $_ runs") or diag(slurp("$dir/err$_"));
}
my @roots = map { slurp("$dir/front$_") + 0 } 1 .. 3;
is(scalar(keys %{ { map { $_ => 1 } @roots } }), 3, 'three roots');
for (@roots) {
	my @ids = nspids($_);
	is($ids[-1], $t->{pid}, "$_ has its old pid inside");
}
touch("$t->{signs}/verify");
is(describe(finish($_, 60)), 'exit 0', 'a copy verifies itself') for @fronts;
unlink "$t->{signs}/verify";
ok(wait_for(10, sub { !inits() }), 'nothing of them is left');

# Detached, one after the other.
for (1 .. 3) {
	exits(0, [tool('cr-restore'), '--new-pid-ns', '-d', '-D', $t->{img}, '--pidfile',
		"$dir/back$_"], "detached copy $_");
}
@roots = map { slurp("$dir/back$_") + 0 } 1 .. 3;
is(scalar(grep { alive($_) } @roots), 3, 'three copies run');
is(scalar(inits()), 3, 'each under an init of its own');
for my $root (@roots) {
	is(scalar(CRTest::descendants($root)), $#pids, "all processes of $root are there");
}
is(join(' ', grep { -e "/proc/$_/cwd" && (nspids($_))[-1] == $_ && nspids($_) == 1 } @pids), '',
	'none of them has taken an id outside');
kill 'KILL', $roots[0];
ok(wait_for(10, sub { !alive($roots[0]) }), 'one is killed');
is(scalar(grep { alive($_) } @roots[1, 2]), 2, 'the others do not care');
kill 'KILL', map { CRTest::descendants($_), $_ } @roots;
kill 'KILL', inits();
ok(wait_for(10, sub { !inits() }), 'nothing of them is left');

# A signal to cr-restore goes to the root.
my $front = background([tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}, '--pidfile',
	"$dir/signal"], err => "$dir/err");
wait_for(30, sub { -s "$dir/signal" });
# Its handler for signals comes right behind that.
wait_for(10, sub { (slurp("/proc/$front/status", 1) // '') =~ /^SigCgt:\t[0-9a-f]*[4-7c-f][0-9a-f]{3}$/m });
kill 'TERM', $front;
is(describe(finish($front, 20)), 'exit 143', 'a signal is passed on, and its status comes back');
kill 'KILL', inits();

# Killed at any instant, from outside: nothing is left, or a whole copy.
my $began = time();
exits(0, [tool('cr-restore'), '--new-pid-ns', '-d', '-D', $t->{img}, '--pidfile', "$dir/whole"],
	'one more copy');
my $length = time() - $began;
sub clear {
	kill 'KILL', inits();
	return wait_for(10, sub { kill('KILL', inits()); !CRTest::descendants($$) });
}
sub whole {
	my ($init) = inits() or return 0;
	my @all = CRTest::descendants($init);
	return @all == @pids && !grep { (slurp("/proc/$_/status", 1) // '') =~ /^TracerPid:\t[1-9]/m } @all;
}
ok(clear(), 'nothing of it is left');
my @wrong;
for my $i (1 .. 20) {
	my $copy = background([tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}], err => "$dir/err");
	my @inner;
	select(undef, undef, undef, $length * $i / 18);
	@inner = CRTest::children($copy) if $i % 2;
	kill 'KILL', $i % 2 && @inner ? @inner : $copy;
	finish($copy, 20);
	push @wrong, "instant $i: " . CRTest::descendants($$) . ' processes are left'
		unless wait_for(20, sub { !CRTest::descendants($$) || whole() });
	clear() or push @wrong, "instant $i: cannot be removed";
}
is("@wrong", '', 'killed at 20 instants: a whole copy or nothing');
my $bad = tmpdir();
system('cp', '-r', "$t->{img}/.", $bad);
truncate("$bad/manifest.img", 1000);
exits(102, [tool('cr-restore'), '--new-pid-ns', '-d', '-D', $bad], 'a truncated image');
ok(wait_for(10, sub { !CRTest::descendants($$) }), 'and nothing is left');

# The caller is the parent.
my $code = 'system(@ARGV) == 0 or exit 9; my $p = wait; exit($p > 0 ? $? >> 8 : 8)';
touch("$t->{signs}/restored");
$front = background(['perl', '-e', $code, tool('cr-restore'), '--restore-sibling', '-D', $t->{img},
	'--pidfile', "$dir/sibling"], err => "$dir/err");
ok(wait_for(30, sub { -s "$dir/sibling" || !alive($front) }) && -s "$dir/sibling",
	'restored as a sibling') or diag(slurp("$dir/err"));
like(slurp("/proc/$t->{pid}/status", 1) // '', qr/^PPid:\t$front$/m, 'the caller is its parent');
$t->verify('verifies itself', pid => $front);

for (['--exec-cmd', '--new-pid-ns', 'true'], ['--restore-sibling', '--new-pid-ns'],
	['--shell-job', '--new-pid-ns'], ['--exec-cmd', '--restore-sibling', 'true']) {
	exits(100, [tool('cr-restore'), '-D', $t->{img}, @$_], "@$_");
}
done_testing;
