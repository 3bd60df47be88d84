#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# cr-restore --map-path and --root: the files of an image stand elsewhere now.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

# A directory with the target's working directory and log in it is moved.
{
	my $t = CRTarget->start('family');
	$t->ready or BAIL_OUT('no target');
	$t->checkpoint or BAIL_OUT('no image');
	$t->gone;
	my $new = tmpdir() . '/moved';
	rename($t->{dir}, $new) or die "rename: $!";
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'without the files: refused');
	like($r->{err}, qr/\Q$t->{dir}\E/, 'and the path is named');
	exits(100, [tool('cr-restore'), '-D', $t->{img}, '--map-path', "$t->{dir}"],
		'--map-path without =: usage');
	exits(100, [tool('cr-restore'), '-D', $t->{img}, '--root', 'relative'],
		'--root with a relative path: usage');
	exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}, '--map-path', "$t->{dir}=$new"],
		'with --map-path: restored');
	my ($cwd, $out) = map { readlink("/proc/$t->{pid}/$_") } qw(cwd fd/1);
	is($cwd, $new, 'the working directory is the new one');
	is($out, "$new/log", 'an open file is in the new one');
	# The target looks for the sign where it was started.
	rename($new, $t->{dir}) or die "rename: $!";
	$t->verify('verifies itself');
}

# The whole file system under another directory.
SKIP: {
	my $t = CRTarget->start('family');
	my $root = tmpdir();
	$t->ready or BAIL_OUT('no target');
	$t->checkpoint or BAIL_OUT('no image');
	$t->gone;
	skip('no bind mounts here', 4) if run(['mount', '--rbind', '--make-rprivate', '/', $root])->{status};
	exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}, '--root', $root],
		'with --root: restored');
	is(readlink("/proc/$t->{pid}/root"), $root, 'the root directory is the new one');
	is(readlink("/proc/$t->{pid}/cwd"), "$root$t->{dir}", 'and the working directory in it');
	$t->verify('verifies itself');
	is(run(['umount', '-R', $root])->{status}, 0, 'nothing of it is left') or
		run(['umount', '-R', '-l', $root]);
}
done_testing;
