#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Sealed mappings are sealed again.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $MSEAL = 462;
plan skip_all => 'this kernel has no mseal(2)' if syscall($MSEAL, 0, 0, 0) < 0;

CRTarget::verifies_alone('sealed mappings', 'sealed');
CRTarget::survives('sealed mappings', 'sealed');

my $t = CRTarget->start('sealed');
$t->ready or BAIL_OUT('no target');
$t->checkpoint or BAIL_OUT('no image');
$t->gone;
my $r = exits(0, [tool('cr-imgtool'), 'show', $t->{img}], 'shown');
ok($r->{out} =~ /"VM_SEALED"/, 'as what it is');
$r = exits(1, ["$BUILD/t/failcall", '-e', "$MSEAL:1+:ENOSYS", tool('cr-restore'), '-d', '-D', $t->{img}],
	'a kernel without it');
like($r->{err}, qr/^cr-restore: pid $t->{pid}: vma [0-9a-f]+: this kernel has no mseal\(2\)$/m, 'named');
ok(!-e "/proc/$t->{pid}", 'nothing was made');
$t->restore_detached and $t->verify('with it');
done_testing;
