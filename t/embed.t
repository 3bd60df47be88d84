#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# --embed-files: an image that restores where its program and files are missing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use File::Copy qw(copy);

my $home = tmpdir();
my $program = "$home/family";
copy("$CRTest::BUILD/t/family", $program) or die "copy: $!";
chmod 0755, $program;

my $t = CRTarget->start('family', cmd => [$program]);
$t->ready or BAIL_OUT('no target');
$t->checkpoint('--embed-files') or BAIL_OUT('no image');
$t->gone;
exits(0, [tool('cr-imgtool'), 'check', $t->{img}], 'the image is in order');

my $r = run(['ls', $home]);
$t->restore_detached;
is(readlink("/proc/$t->{pid}/exe"), $program, 'with its program there, that is used');
$t->verify('verifies itself');

rename($home, "$home.away") or die "rename: $!";
CRTest::forget($t->{pid});
$t->restore_detached;
is(readlink("/proc/$t->{pid}/exe") =~ / \(deleted\)$/ ? 1 : 0, 1, 'without it, the copy');
is(scalar(grep { /embedded/ } glob("$t->{img}/*")), 0, 'no copy is left in the image');
$t->verify('verifies itself without its program');
rename("$home.away", $home) or die "rename: $!";

# An ordinary image is refused then, and a data file that has changed always is.
$t = CRTarget->start('family', cmd => [$program]);
$t->ready or BAIL_OUT('no target');
$t->checkpoint or BAIL_OUT('no image');
$t->gone;
rename($program, "$program.away") or die "rename: $!";
$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'not embedded: refused');
like($r->{err}, qr/\Q$program\E/, 'and named');
done_testing;
