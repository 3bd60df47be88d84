#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Robust futexes in files: when the tree is killed the kernel writes there that their
# owners have died, and the restore takes that back, unless somebody has them now.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

CRTarget::verifies_alone('robust mutexes in a file', 'robustfile');
# The file goes on with the restored processes: an image serves once.
CRTarget::survives('robust mutexes in a file', 'robustfile', once => 1);

subtest 'dumped and restored twice' => sub {
	my $t = CRTarget->start('robustfile');
	return unless $t->ready;
	for (1, 2) {
		$t->{img} = tmpdir();
		$t->checkpoint or return;
		$t->gone;
		$t->restore_detached or return;
	}
	$t->verify('verifies itself');
};

my $t = CRTarget->start('robustfile');
$t->ready or BAIL_OUT('no target');
$t->checkpoint or BAIL_OUT('no image');
$t->gone;

# The first of them: FUTEX_OWNER_DIED, and nobody's.
my $file = slurp("$t->{dir}/locks");
my ($at) = grep { unpack('L', substr($file, $_, 4)) == 0x40000000 } map { 4 * $_ } 0 .. length($file) / 4 - 1;
ok(defined $at, 'the kernel has told of the death');

sub set_word {
	my ($word) = @_;
	open(my $f, '+<', "$t->{dir}/locks") or die "locks: $!";
	sysseek($f, $at, 0);
	syswrite($f, pack('L', $word)) == 4 or die "locks: $!";
}

my $me = $$;
set_word($me);
my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'somebody has it');
like($r->{err}, qr/^cr-restore: .*the futex at [0-9a-f]+, in \S+locks, which it held, has been taken by thread $me$/m,
	'named');
ok(!-e "/proc/$t->{pid}", 'nothing is left');
set_word(0);
$t->restore_detached and $t->verify('free for some time meanwhile');
done_testing;
