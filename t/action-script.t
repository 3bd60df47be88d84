#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# --action-script: which stages there are, what a command is told, and what its
# failure means.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $t = CRTarget->start('family');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
my $dir = tmpdir();
my $log = "$dir/log";
# Its own state is that of the root at this moment.
my $note = "printf '%s %s %s %s\\n' \$CRTOOLS_SCRIPT_ACTION \"\$CRTOOLS_IMAGE_DIR\" " .
	"\"\${CRTOOLS_INIT_PID-none}\" \"\$(sed 's/.*) \\(.\\).*/\\1/' /proc/$t->{pid}/stat 2>&-)\" >>$log";
sub said {
	my $text = slurp($log, 1) // '';
	unlink $log;
	return $text;
}
sub failing {
	return "$note; [ \$CRTOOLS_SCRIPT_ACTION != $_[0] ] || exit 7";
}

# A failure at the dump: no image, and the tree goes on.
for my $stage (qw(pre-dump network-lock post-dump)) {
	my $img = tmpdir();
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img, '--action-script',
		failing($stage)], "$stage fails");
	like($r->{err}, qr/^cr-\S+: $stage: '.*' has failed with status 7$/ms, 'it is named');
	ok(!-e "$img/manifest.img", 'there is no image');
	is(scalar(grep { (slurp("/proc/$_/stat", 1) // '') =~ /\) [tTZ] / || !-e "/proc/$_" } @pids), 0,
		'the tree goes on');
	my $unlock = $stage eq 'pre-dump' ? '' : "network-unlock \\S+ $t->{pid} [RS]\n";
	like(said(), qr/^$stage \Q$img\E $t->{pid} .\n$unlock\z/m, 'it was told of this stage');
}

# The image is complete at post-dump, and is taken away again.
{
	my $img = tmpdir();
	my $check = "[ \$CRTOOLS_SCRIPT_ACTION = pre-dump ] || " .
		"{ $BIN/cr-imgtool check \$CRTOOLS_IMAGE_DIR >$dir/checked && exit 3; }";
	exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img, '--action-script', $check],
		'a command looks at the image');
	ok(-e "$dir/checked", 'it was there');
	ok(!-e "$img/manifest.img", 'and is no more');
}

# Each stage, with two commands, in a directory with a relative name.
my $r = exits(0, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', 'img', '--action-script', $note,
	"--action-script=echo second >>$log"], 'cr-checkpoint', dir => $dir);
like(said(), qr{\Apre-dump $dir/img $t->{pid} [SR]\nsecond\nnetwork-lock $dir/img $t->{pid} t\nsecond\npost-dump $dir/img $t->{pid} t\nsecond\n\z},
	'the stages of a dump');
$t->{img} = "$dir/img";
$t->gone(@pids[1 .. $#pids]);

# A failure at the restore: nothing is left.
for my $stage (qw(pre-restore post-restore network-unlock pre-resume)) {
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}, '--action-script', failing($stage)],
		"$stage fails");
	like($r->{err}, qr/^cr-restore: $stage: '.*' has failed with status 7$/ms, 'it is named');
	ok(wait_for(10, sub { !grep { -e "/proc/$_" } @pids }), 'nothing is left of the tree');
	like(said(), qr/^$stage .*\n\z/m, 'no later stage was run');
}
$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}, '--action-script', 'kill -9 $$'],
	'a command is killed');
like($r->{err}, qr/^cr-restore: pre-restore: '.*' was killed by signal 9$/m, 'it is named');

CRTest::forget(@pids);
touch("$t->{signs}/restored");
$r = exits(0, [tool('cr-restore'), '-d', '-D', 'img', '--action-script', failing('post-resume')],
	'cr-restore', dir => $dir);
like($r->{err}, qr/^cr-restore: post-resume: '.*' has failed with status 7$/ms,
	'a failure at post-resume is told');
like(said(), qr{\A pre-restore\ $dir/img\ none\ \n post-restore\ $dir/img\ $t->{pid}\ [SR]\n network-unlock\ $dir/img\ $t->{pid}\ [SR]\n
	pre-resume\ $dir/img\ $t->{pid}\ t\n post-resume\ $dir/img\ $t->{pid}\ [SR]\n\z}x,
	'the stages of a restore');
$t->verify('verifies itself');

# A copy: the pids are those of its namespace.
touch("$t->{signs}/verify");
exits(0, [tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}, '--action-script',
	"$note; echo \$(stat -Lc %i /proc/self/ns/pid) >>$dir/ns"], 'a copy');
like(my $said = said(), qr/^pre-restore.*^setup-namespaces\ \S+\ (\d+).*^post-restore\ \S+\ $t->{pid}\ .*
	^network-unlock.*^pre-resume.*^post-resume/msx, 'its stages');
{
	my ($first, $second, $third) = split /\n/, slurp("$dir/ns");
	is($second, (stat '/proc/self/ns/pid')[1], 'setup-namespaces is run outside');
	ok($first ne $second && $third eq $first, 'and all else inside');
}
$r = exits(1, [tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}, '--action-script',
	failing('setup-namespaces')], 'a copy: setup-namespaces fails');
like($r->{err}, qr/^cr-restore: setup-namespaces: '.*' has failed with status 7$/m, 'it is named');
like(said(), qr/^setup-namespaces \S+ \d+ .?\n\z/m, 'no later stage was run');
SKIP: {
	skip 'no time namespaces', 1 unless -e '/proc/self/ns/time';
	exits(0, [tool('cr-restore'), '--time-ns', '-D', $t->{img}, '--action-script',
		"$note; stat -Lc %i /proc/self/ns/time >>$dir/time"], 'a time namespace');
	like(said(), qr/^pre-restore.*^setup-namespaces \S+ none .*^post-restore/ms, 'its stages');
	my ($first, $second) = split /\n/, slurp("$dir/time");
	ok($second ne $first, 'setup-namespaces is run in it');
}

# What goes on is unlocked: left running; a stage is killed; a failing command
# at the end is told.  What is stopped is not.
{
	my $u = CRTarget->start('family');
	$u->ready or BAIL_OUT('no target');
	my $only = "case \$CRTOOLS_SCRIPT_ACTION in network*) printf '%s %s\\n' " .
		"\$CRTOOLS_SCRIPT_ACTION \$CRTOOLS_INIT_PID >>$log;; esac";
	my @command = (tool('cr-checkpoint'), '-t', $u->{pid}, '-D', $u->{img}, '--action-script');
	exits(0, [@command, $only, '-R'], 'left running');
	is(said(), "network-lock $u->{pid}\nnetwork-unlock $u->{pid}\n", 'is locked and unlocked');
	exits(102, [@command, $only, '-R'], 'a stage is killed',
		env => { CR_FAULT => 'cr-dump-net:stage-before-end:1' });
	ok(wait_for(10, sub { (slurp($log, 1) // '') =~ /unlock/ }), 'it is unlocked');
	is(said(), "network-lock $u->{pid}\nnetwork-unlock $u->{pid}\n", 'once');
	$r = exits(0, [@command, "$only; [ \$CRTOOLS_SCRIPT_ACTION != network-unlock ]", '-R'],
		'unlocking fails');
	like($r->{err}, qr/^cr-dump-net: network-unlock: '.*' has failed with status 1$/m, 'it is told');
	said();
	exits(0, [@command, $only, '-s'], 'left stopped');
	is(said(), "network-lock $u->{pid}\n", 'is not unlocked');
	kill 'CONT', $u->{pid}, CRTest::descendants($u->{pid});
	$u->verify('goes on');
}
exits(100, [tool('cr-restore'), '-D', $t->{img}, '--action-script'], 'without a command');
done_testing;
