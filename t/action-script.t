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
for my $stage (qw(pre-dump post-dump)) {
	my $img = tmpdir();
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $img, '--action-script',
		failing($stage)], "$stage fails");
	like($r->{err}, qr/^cr-\S+: $stage: '.*' has failed with status 7$/ms, 'it is named');
	ok(!-e "$img/manifest.img", 'there is no image');
	is(scalar(grep { (slurp("/proc/$_/stat", 1) // '') =~ /\) [tTZ] / || !-e "/proc/$_" } @pids), 0,
		'the tree goes on');
	like(said(), qr/^$stage \Q$img\E $t->{pid} .\n\z/m, 'it was told of this stage');
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
like(said(), qr{\Apre-dump $dir/img $t->{pid} [SR]\nsecond\npost-dump $dir/img $t->{pid} t\nsecond\n\z},
	'the stages of a dump');
$t->{img} = "$dir/img";
$t->gone(@pids[1 .. $#pids]);

# A failure at the restore: nothing is left.
for my $stage (qw(pre-restore post-restore pre-resume)) {
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
like(said(), qr{\A pre-restore\ $dir/img\ none\ \n post-restore\ $dir/img\ $t->{pid}\ [SR]\n
	pre-resume\ $dir/img\ $t->{pid}\ t\n post-resume\ $dir/img\ $t->{pid}\ [SR]\n\z}x,
	'the stages of a restore');
$t->verify('verifies itself');

# A copy: the pids are those of its namespace.
touch("$t->{signs}/verify");
exits(0, [tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}, '--action-script', $note], 'a copy');
like(said(), qr/^pre-restore.*^post-restore \S+ $t->{pid} .*^pre-resume.*^post-resume/ms, 'its stages');
exits(100, [tool('cr-restore'), '-D', $t->{img}, '--action-script'], 'without a command');
done_testing;
