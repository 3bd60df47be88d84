#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Protection keys: carried, with everybody's rights; refused where no agent can
# run with the rights that a thread has.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my ($flags) = slurp('/proc/cpuinfo') =~ /^flags\s*:(.*)$/m;
plan skip_all => 'this CPU has no protection keys' unless $flags =~ / ospke( |$)/;

my $own_rseq = { GLIBC_TUNABLES => 'glibc.pthread.rseq=0' };
my @all = (
	['protection keys', 'pkeys', env => $own_rseq],
	['memory that is only executed', 'pkeys', args => ['executed']],
	['a key under a filter', 'pkeys', args => ['filtered']],
);

for (@all) {
	my ($title, $name, %o) = @$_;
	CRTarget::verifies_alone($title, $name, %o);
	CRTarget::survives($title, $name, %o);
}

subtest 'only executed, from a CPU that let it be read' => sub {
	my $t = CRTarget->start('pkeys', args => ['executed']);
	return unless $t->ready;
	$t->checkpoint or return;
	$t->gone;
	my $image = "$t->{img}/manifest.img";
	system('sh', '-c', '"$0" keys=0 <"$1" >"$1.new" && mv "$1.new" "$1"', "$BUILD/t/cpuimage",
		$image) == 0 or die 'cpuimage';
	touch("$t->{dir}/readable");
	$t->restore_detached or return;
	$t->verify('can be read still');
};

subtest 'no rights to the key 0' => sub {
	my $t = CRTarget->start('pkeys', args => ['barred'], env => $own_rseq);
	return unless $t->ready;
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], 'refused');
	like($r->{err}, qr/: pid $t->{pid}: .*no rights to memory of protection key 0/, 'named');
	$t->verify('goes on');
};

my $shown = CRTarget->start('pkeys', args => ['executed']);
$shown->ready or BAIL_OUT('no target');
$shown->checkpoint('-R');
my $r = exits(0, [tool('cr-imgtool'), 'show', $shown->{img}], 'shown');
ok($r->{out} =~ /"pkey":1\b/, 'the key of a mapping');
ok($r->{out} =~ /"pkeys":1\b/, 'none is given');
$shown->verify('goes on');
done_testing;
