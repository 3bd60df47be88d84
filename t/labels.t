#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Security labels, as SELinux and AppArmor give them: what cr-freeze and
# cr-restore make of the files in /proc/PID/attr.  The kernel needs no such
# module for that: the test puts files of its own in their place.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $dir = tmpdir();
my $label = 'system_u:system_r:test_t:s0';
CRTest::spew("$dir/label", "$label\n");
CRTest::spew("$dir/other", "other\n");
my $sh = 'mount --bind "$1" /proc/$$/attr/current || exit 99; shift; exec "$@"';

sub under {
	my ($file, @cmd) = @_;
	return ['sh', '-c', $sh, 'sh', $file, @cmd];
}

system('sh', '-c', $sh, 'sh', "$dir/label", 'true') == 0 or
	plan skip_all => 'no rights to put a file over one of /proc';

my $t = CRTarget->start('reader', cmd => under("$dir/label", "$BUILD/t/reader"));
$t->ready or BAIL_OUT('no target');
$t->checkpoint;
$t->gone;
my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'without a label: refused');
like($r->{err}, qr/pid $t->{pid}: its security label is '$label', that of cr-restore '.*'; /,
	'it says why');
$r = exits(1, under("$dir/other", tool('cr-restore'), '-d', '-D', $t->{img}),
	'under another label: refused');
like($r->{err}, qr/'$label', that of cr-restore 'other'/, 'it says why');
exits(0, under("$dir/label", tool('cr-restore'), '-d', '-D', $t->{img}), 'under the same');
$t->verify('goes on');

# A label for what it makes next.
$t = CRTarget->start('reader', cmd => under("$dir/label", 'sh', '-c',
	'mount --bind "$1" /proc/$$/attr/exec && exec "$0"', "$BUILD/t/reader", "$dir/other"));
$t->ready or BAIL_OUT('no target');
$r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], 'attr/exec: refused');
like($r->{err}, qr{pid $t->{pid}: has a security label attr/exec: not supported}, 'it says why');
$t->verify('goes on');
done_testing;
