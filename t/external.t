#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A pipe that leads out of the tree: left outside by the dump, given anew to
# the restore.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use POSIX ();

my $dir = tmpdir();
my $img = tmpdir();

pipe(my $in_r, my $in_w) or die;
pipe(my $out_r, my $out_w) or die;
spew("$dir/cat.sh", "trap '' HUP\nwhile read -r l; do echo \"got \$l\"; done\n");
my $pid = fork();
if (!$pid) {
	POSIX::setsid();
	POSIX::dup2(fileno($in_r), 0);
	POSIX::dup2(fileno($out_w), 1);
	POSIX::dup2(POSIX::open('/dev/null', &POSIX::O_WRONLY), 2);
	POSIX::close($_) for 3 .. 60;
	exec 'sh', "$dir/cat.sh";
}
close $in_r;
close $out_w;
syswrite $in_w, "one\n";
sysread $out_r, my $line, 100;
is($line, "got one\n", 'it works');

my ($in, $out) = map { readlink("/proc/$pid/fd/$_") } 0, 1;
my $r = run([tool('cr-checkpoint'), '-t', $pid, '-D', $img]);
is($r->{status} >> 8, 1, 'refused without --external');
like($r->{err}, qr/fd 0: pipe \(\Q$in\E\): .*--external '\Q$in\E'/, 'which says what to do');
exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img, '--external', $in, "--external=$out"],
	'dumped with --external');
finish($pid, 5);

$r = run([tool('cr-restore'), '-d', '-D', $img]);
is($r->{status} >> 8, 1, 'no restore without --inherit-fd');
like($r->{err}, qr/fd 0: \Q$in\E was left outside; .*--inherit-fd fd\[N\]:\Q$in\E/,
	'which says what to do');

pipe($in_r, $in_w) or die;
pipe($out_r, $out_w) or die;
my $restore = fork();
if (!$restore) {
	POSIX::dup2(fileno($in_r), 70);
	POSIX::dup2(fileno($out_w), 71);
	POSIX::close($_) for grep { $_ != 70 && $_ != 71 } 3 .. 100;
	exec tool('cr-restore'), '-D', $img, '--inherit-fd', "fd[70]:$in", '--inherit-fd',
		"fd[71]:$out";
}
close $in_r;
close $out_w;
syswrite $in_w, "two\n";
sysread $out_r, $line, 100;
is($line, "got two\n", 'restored, it works through the new pipes');
close $in_w;
is(describe(finish($restore, 10)), 'exit 0', 'it sees their end');
is(sysread($out_r, $line, 100), 0, 'nobody holds them any more');
exits(100, [tool('cr-restore'), '-D', $img, '--inherit-fd', 'fd[x]:y'], 'a malformed option');
done_testing;
