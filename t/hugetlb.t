#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Memory of hugetlbfs: carried in all its forms, without a page more than it had;
# refused before anything is made where there are too few, or no file system for it.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use Fcntl qw(:flock);

my $sizes = '/sys/kernel/mm/hugepages';
plan skip_all => 'no hugetlbfs here' unless -d "$sizes/hugepages-2048kB";

# Pages are taken and counted by one test at a time.
open(my $lock, '<', $sizes) or plan(skip_all => "$sizes: $!");
flock($lock, LOCK_EX) or die "flock: $!";
my %taken;

sub number {
	my ($kb, $name) = @_;
	my ($n) = slurp("$sizes/hugepages-${kb}kB/$name") =~ /(\d+)/;

	return $n;
}

sub set {
	my ($kb, $n) = @_;

	open(my $f, '>', "$sizes/hugepages-${kb}kB/nr_hugepages") or return 0;
	print $f "$n\n";
	close $f;
	return number($kb, 'nr_hugepages') == $n;
}

# So many more than there were, or none.
sub take {
	my ($kb, $n) = @_;
	my $was = number($kb, 'nr_hugepages');

	$taken{$kb} += $n;
	return 1 if set($kb, $was + $n);
	set($kb, $was);
	$taken{$kb} -= $n;
	return 0;
}

sub give_back {
	set($_, number($_, 'nr_hugepages') - $taken{$_}) for keys %taken;
	%taken = ();
}

sub free_ones {
	return number(2048, 'free_hugepages') - number(2048, 'resv_hugepages');
}

sub counts {
	return join ' ', map { number(2048, $_) } qw(free_hugepages resv_hugepages);
}

sub start {
	my $t = CRTarget->start('hugetlb', @_);

	$t->ready or BAIL_OUT('no target');
	return $t;
}

# The targets leave their file systems: an image may be restored again.
END {
	local $?;
	system('umount', '-l', $_) for slurp('/proc/mounts') =~ m{^none (\S+/cr-t\.\S+/huge) hugetlbfs }mg;
	give_back();
}
take(2048, 48) or plan(skip_all => 'no 48 huge pages can be had');
my @options = (options => ['--ghost-limit', '64M']);

verifies_alone('huge pages', 'hugetlb');
survives('huge pages', 'hugetlb', @options);
subtest 'huge pages, found in pagemap' => sub {
	my $t = start();
	local $ENV{CR_NO_PAGEMAP_SCAN} = 1;

	$t->checkpoint('--ghost-limit', '64M') or return;
	$t->gone;
	$t->restore_detached and $t->verify('verifies itself');
};

subtest 'no page more' => sub {
	my $t = start();
	my $before = counts();

	$t->checkpoint('-R', '--ghost-limit', '64M');
	is(counts(), $before, 'a dump takes none');
	$t->verify('goes on');
	$t = start(args => [21, 'few']);
	$before = counts();
	$t->checkpoint or return;
	$t->gone;
	$t->restore_detached or return;
	is(counts(), $before, 'after the restore as many are used and reserved as before');
	$t->verify('verifies itself');
};

subtest 'too few' => sub {
	my $t = start(args => [21, 'few']);
	my $all = number(2048, 'nr_hugepages');
	my @segments = split /\n/, slurp('/proc/sysvipc/shm');

	$t->checkpoint or return;
	$t->gone;
	set(2048, $all - free_ones() + 4);
	is(free_ones(), 4, 'four are free');
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'five are needed');
	like($r->{err}, qr{^cr-restore: huge pages of 2048 kB: 5 are needed, 4 are free; raise /sys/\S+ by 1$}m,
		'which is told');
	like($r->{err}, qr/nothing was changed/, 'first of all');
	ok(!-e "/proc/$t->{pid}", 'nothing was made');
	is(free_ones(), 4, 'four are free still');
	set(2048, $all - free_ones() + 5 + 3);
	set(2048, number(2048, 'nr_hugepages') - free_ones() + 5);
	$t->restore_detached and $t->verify('five are enough');
	set(2048, $all);
};

subtest 'pages on demand' => sub {
	my $t = start(args => [21, 'few']);
	my $all = number(2048, 'nr_hugepages');
	my $demand = "$sizes/hugepages-2048kB/nr_overcommit_hugepages";
	my $was = number(2048, 'nr_overcommit_hugepages');

	$t->checkpoint or return;
	$t->gone;
	set(2048, $all - free_ones());
	spew($demand, $was + 5);
	$t->restore_detached and $t->verify('are counted, too');
	spew($demand, $was);
	set(2048, $all);
};

subtest 'no such size' => sub {
	my $t = start(args => [21, 'one']);

	$t->checkpoint or return;
	$t->gone;
	my $r = run(['unshare', '-m', 'sh', '-c', "mount -t tmpfs none $sizes && exec \"\$0\" -d -D '$t->{img}'",
		tool('cr-restore')]);
	is(describe($r->{status}), 'exit 1', 'refused');
	like($r->{err}, qr/^cr-restore: huge pages of 2048 kB: this machine has none of that size$/m, 'named');
	for my $n (1, 2) {
		exits(0, [tool('cr-restore'), '-d', '--new-pid-ns', '--pidfile', "$t->{dir}/copy$n", '-D',
			$t->{img}], "copy $n");
	}
	touch("$t->{dir}/verify");
	wait_for(20, sub { !grep { kill 0, slurp("$t->{dir}/copy$_") } 1, 2 });
	is($t->log, "ok\nok\n", 'both verify themselves');
};

subtest 'files' => sub {
	my $t = start();
	my ($mount, $file) = ("$t->{dir}/huge", "$t->{dir}/huge/named");

	$t->checkpoint('-R', '--embed-files', '--ghost-limit', '64M') or return;
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', tmpdir()], 'a small limit');
	like($r->{err}, qr/^cr-dump-mem: pid $t->{pid}: vma \w+: deleted file \S+ of 2097152 bytes; raise/m,
		'deleted files have the limit of all');
	my $carried = $t->{img};
	$t->{img} = tmpdir();
	$t->checkpoint('--ghost-limit', '64M') or return;
	$t->gone;
	unlink $file;
	$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'a file that is missing');
	like($r->{err}, qr/: \Q$file\E: No such file/, 'named');
	$t->{img} = $carried;
	touch("$t->{dir}/embedded");
	$t->restore_detached and $t->verify('carried, it verifies itself');
	system('umount', $mount) == 0 or die 'umount';
	open(my $f, '>', $file) or die "$file: $!";
	truncate($f, 3 << 21);
	close $f;
	CRTest::forget($t->{pid});
	$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'on another file system: refused');
	like($r->{err}, qr{: vma \w+: \Q$file\E is on no hugetlbfs with huge pages of 2048 kB$}m, 'the file');
	like($r->{err}, qr{^cr-restore: \Q$mount\E/deleted: .*no hugetlbfs with pages of 2048 kB is mounted$}m,
		'a deleted one');
	like($r->{err}, qr/nothing was changed/, 'first of all');
};

my $t = start(args => [21, 'one']);
$t->checkpoint('-R');
my $r = exits(0, [tool('cr-imgtool'), 'show', $t->{img}], 'shown');
like($r->{out}, qr/"huge_shift":21\b/, 'with the size of the pages');
exits(0, [tool('cr-imgtool'), 'check', $t->{img}], 'and in order');
$t->verify('goes on');

subtest 'pages of 1 GiB' => sub {
	my @args = take(1 << 20, 5) ? 'few' : take(1 << 20, 1) ? 'one' : ();

	plan skip_all => 'no page of 1 GiB can be had' unless @args;
	my $g = start(args => [30, @args]);
	$g->checkpoint or return;
	$g->gone;
	$g->restore_detached and $g->verify('verifies itself');
};
give_back();
done_testing;
