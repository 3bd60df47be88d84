#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the dump pipeline needs fails: a system call, the disk, the reader of
# its output.  The processes go on as they were, and there is a good image or
# none.  With CR_LONG=1 each call of each program fails in turn, otherwise one of
# each kind.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRNoharm;

my $t = start_busy();

sub no_harm {
	my ($name, $r, %o) = @_;
	is(harm($t, %o), '', "$name: no harm") or diag($r->{err});
	is(image_harm($r), '', "$name: a good image or none") or diag($r->{err});
}

# The disk is full after so many bytes; an image takes more.
my $disk = tmpdir();
my $whole = 0;
$whole += (-s $_) for glob(pipeline($t)->{img} . '/*');
ok($whole > 128 * 1024, "an image of $whole bytes");
for my $size ('16k', '64k', int($whole / 2048) . 'k') {
	is(system('mount', '-t', 'tmpfs', '-o', "size=$size", 'none', $disk), 0, "a disk of $size");
	my $r = pipeline($t, img => "$disk/img");
	no_harm("a disk of $size", $r);
	ok(!$r->{complete}, "a disk of $size: there is no image");
	isnt($r->{status}[-1], 0, "a disk of $size: the last program says so");
	system('umount', $disk);
}

# The reader of the pipeline ends, at once or after some bytes.
for my $bytes (0, 1, 100, 5000, 20000) {
	my $r = pipeline($t, tail => ['head', '-c', $bytes, '/dev/stdin']);
	is(harm($t), '', "a reader of $bytes bytes: no harm") or diag($r->{err});
	ok(!-e "$r->{img}/manifest.img", "a reader of $bytes bytes: there is no image");
}
my $r = pipeline($t, tail => ['/no/such/program']);
no_harm('a program that is not there', $r);

# The Nth call of a kind fails, of each that a program makes: they are counted
# in a run where all is well.
my $failcall = "$BUILD/t/failcall";
my @logs = map { tmpdir() . '/log' } @STAGES;
$r = pipeline($t, wrap => { map { $_ => [$failcall, '-e', 'any:0:EIO', '-o', $logs[$_]] } 0 .. $#STAGES });
is(join(' ', map { describe($_) } @{ $r->{status} }), join(' ', ('exit 0') x @STAGES),
	'the pipeline works when its calls are counted') or diag($r->{err});
no_harm('counting', $r);

# Which of so many calls: one in the middle; all of them when there is time.
sub which {
	my ($n) = @_;
	return $ENV{CR_LONG} ? 1 .. ($n > 200 ? 200 : $n) : int($n / 2) + 1;
}

for my $i (0 .. $#STAGES) {
	my %made = slurp($logs[$i]) =~ /^made (\w+) (\d+)$/mg;
	my $injected = 0;

	ok(keys %made > 10, "$STAGES[$i]: makes " . keys(%made) . ' kinds of calls');
	delete $made{execve};
	for my $call (sort keys %made) {
		for my $n (which($made{$call})) {
			my $error = (qw(EIO ENOMEM EPERM))[$n % 3];
			my $log = tmpdir() . '/log';

			$r = pipeline($t, wrap => { $i => [$failcall, '-e', "$call:$n:$error", '-o', $log] });
			no_harm("$STAGES[$i]: $call number $n fails with $error", $r, forgive => $i == 0);
			$injected += slurp($log) =~ /^injected/m;
		}
	}
	ok($injected > 10, "$STAGES[$i]: $injected calls failed");
}
end_busy($t, 'after all errors');
done_testing;
