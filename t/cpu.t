#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# An image of another CPU: each feature that is missing here is named, --cpu-cap
# says which count, and an XSAVE area of another size is fitted.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $t = CRTarget->start('regs');
$t->ready or BAIL_OUT('no target');
$t->checkpoint;
$t->gone;
my $manifest = "$t->{img}/manifest.img";
my $original = slurp($manifest);

# Flags and components that no CPU has: one is among the instructions that
# programs use, when this CPU has it not; one is not.
my ($flags) = slurp('/proc/cpuinfo') =~ /^flags\s*:(.*)$/m;
my ($ins) = grep { $flags !~ / $_( |$)/ } qw(amx_bf16 tbm xop avx512_fp16);

sub image_of {
	my (@changes) = @_;

	spew("$manifest.old", $original);
	system('sh', '-c', 'f=$1; shift; "$0" "$@" <"$f.old" >"$f"', "$BUILD/t/cpuimage",
		$manifest, @changes) == 0 or die "cpuimage";
	unlink "$manifest.old";
}

sub refused {
	my ($name, $message, @options) = @_;
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}, @options], "$name: refused");

	like($r->{err}, $_, "$name: named") for ref $message eq 'ARRAY' ? @$message : $message;
	return $r;
}

sub restored {
	my ($name, @options) = @_;

	$t->restore_detached(@options) or return;
	$t->verify($name);
}

my $no_ins = qr/^cr-restore: CPU: it has no $ins, which the image's had$/m;
my $no_flag = qr/^cr-restore: CPU: it has no nonsense, which the image's had$/m;
my $no_state = qr/^cr-restore: CPU: it has no state component 40, which the image uses$/m;

image_of("flag=$ins");
refused('an instruction', $no_ins);
refused('an instruction, --cpu-cap fpu,ins', $no_ins, '--cpu-cap', 'fpu,ins');
restored('an instruction, --cpu-cap fpu', '--cpu-cap', 'fpu');

image_of('flag=nonsense');
restored('a flag that is no instruction');
refused('a flag, --cpu-cap cpu', $no_flag, '--cpu-cap', 'cpu');
refused('a flag, --cpu-cap all', $no_flag, '--cpu-cap=all');

image_of("flag=$ins", 'state=40');
my $r = refused('an instruction and state', [$no_ins, $no_state]);
my @lines = $r->{err} =~ /CPU:/g;
is(scalar @lines, 2, 'each is named once');
$r = refused('state, --cpu-cap fpu', $no_state, '--cpu-cap=fpu');
unlike($r->{err}, qr/$ins/, 'the instruction is not');
restored('--cpu-cap none', '--cpu-cap', 'none');

image_of('size=11008');
restored('a larger XSAVE area');

# Every thread of a CPU with protection keys has rights to them.
SKIP: {
	skip 'this CPU has protection keys', 1 if $flags =~ / ospke( |$)/;
	image_of('pkru=55555554');
	restored('the rights that everybody has');
	image_of('pkru=55555550');
	refused('other rights', qr/^cr-restore: CPU: it has no PKRU state, which the image uses$/m);
	restored('other rights, --cpu-cap ins', '--cpu-cap', 'ins');
	image_of('keys=1');
	refused('a key', qr/^cr-restore: pid $t->{pid}: CPU: it has no protection keys, which the process uses$/m);
	restored('a key, --cpu-cap none', '--cpu-cap', 'none');
}
SKIP: {
	skip 'this CPU has AMX', 1 if $flags =~ / amx_tile( |$)/;
	image_of('permitted=18');
	refused('tiles', qr/^cr-restore: pid $t->{pid}: CPU: it has no AMX tiles, which the process has asked for$/m);
	restored('tiles, --cpu-cap none', '--cpu-cap', 'none');
	image_of('state=18');
	refused('tiles in use', qr/^cr-restore: CPU: it has no AMX tiles state, which the image uses$/m);
}
for ([11, 'CET user'], [19, 'APX']) {
	my ($n, $name) = @$_;
	image_of("state=$n");
	refused($name, qr/^cr-restore: CPU: it has no $name state, which the image uses$/m);
}

exits(100, [tool('cr-restore'), '-D', $t->{img}, '--cpu-cap', 'nonsense'], 'no such word');
exits(100, [tool('cr-restore'), '-D', $t->{img}, '--cpu-cap', 'fpu,'], 'an empty word');

spew($manifest, $original);
restored('the image as it was');
done_testing;
