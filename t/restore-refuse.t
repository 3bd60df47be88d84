#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What cr-restore refuses: it says what is wrong, with exit status 1 or 102,
# leaves nothing behind, and the image can be restored once all is right again.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use File::Copy qw(copy);

my $program = tmpdir() . '/program';
copy("$BUILD/t/reader", $program) or die $!;
chmod 0755, $program;
my $t = CRTarget->start('refusals', cmd => [$program]);
my ($dir, $img, $pid) = @$t{qw(dir img pid)};
$t->ready or BAIL_OUT('no target');
$t->checkpoint;
$t->gone;

sub nothing_left {
	my ($name) = @_;
	my @left = CRTest::descendants($$);
	is("@left", '', "$name: no process is left behind");
	kill 'KILL', @left;
}

sub refused {
	my ($code, $message, $name, @options) = @_;
	my $r = exits($code, [tool('cr-restore'), '-d', '-D', $img, @options], "$name: refused");
	like($r->{err}, $message, "$name: says why");
	is($r->{out}, '', "$name: nothing on stdout");
	nothing_left($name);
	unlike($r->{err}, qr/^(?!cr-restore: )/m, "$name: every line begins with the program");
}

# Restore, see that it verifies itself; it is gone again then.
sub restored {
	my ($name, @options) = @_;
	$t->restore_detached(@options) or return;
	$t->verify($name);
}

sub put {
	my ($file, $bytes) = @_;
	open(my $f, '+<:raw', $file) or die "$file: $!";
	truncate $f, 0;
	print $f $bytes;
	close($f) or die $!;
}

restored('as it is');

# Files.
my $data = slurp("$dir/data");
rename "$dir/data", "$dir/elsewhere" or die;
refused(1, qr{\Q$dir\E/data}, 'a file is missing');
rename "$dir/elsewhere", "$dir/data" or die;

put("$dir/data", $data . 'more');
refused(1, qr{\Q$dir\E/data.*\b10004\b.*\b10000\b}, 'a file has another size');
restored('a changed file, accepted', '--changed-files', 'accept');
put("$dir/data", $data);

unlink "$dir/data";
mkdir "$dir/data";
refused(1, qr{\Q$dir\E/data}, 'a file has become a directory');
rmdir "$dir/data";
spew("$dir/data", $data);
restored('the same file made anew');

my $appended = slurp("$dir/appended");
put("$dir/appended", $appended . "a line more\n");
restored('a file that is appended to has grown');
put("$dir/appended", substr($appended, 0, 3));
refused(1, qr{\Q$dir\E/appended}, 'a file that is appended to has shrunk');
put("$dir/appended", $appended);

# The program: same size, another build-id.
my $binary = slurp($program);
my $id = join '', map { chr hex } run(['sh', '-c', "readelf -n $program | sed -n 's/ *Build ID: //p'"])
	->{out} =~ /([0-9a-f]{2})/g;
ok(length $id > 8, 'the program has a build-id');
my $other = $binary;
my $n = ($other =~ s/\Q$id\E/scalar reverse $id/e);
unlink $program;
spew($program, $other, 0755);
refused(1, qr{\Q$program\E.*build-id}, 'the program is another');
unlink $program;
spew($program, $binary, 0755);
restored('the program is back');

# All at once: each is told, in one go.
rename "$dir/data", "$dir/elsewhere";
put("$dir/appended", '');
refused(1, qr{(?s)(?=.*\Q$dir\E/data)(?=.*\Q$dir\E/appended)}, 'two things are wrong');
rename "$dir/elsewhere", "$dir/data";
put("$dir/appended", $appended);

# The pid.
sub take_pid {
	my ($code) = @_;
	spew('/proc/sys/kernel/ns_last_pid', $pid - 1);
	my $taker = background(['perl', '-e', $code]);
	BAIL_OUT("the pid went to another: $taker, not $pid") if $taker != $pid;
}
take_pid('sleep 100');
ok(wait_for(5, sub { slurp("/proc/$pid/comm") eq "perl\n" }), 'another process has the pid');
refused_by_taker();
sub refused_by_taker {
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $img], 'the pid is taken: refused');
	like($r->{err}, qr/\b$pid\b.*taken.*perl/, 'the pid is taken: by whom');
	ok(alive($pid), 'the other process lives on');
}
kill 'KILL', $pid;
finish($pid, 5);
nothing_left('after the pid was taken');
restored('the pid is free');

# A zombie that its parent takes note of in time is waited for.
{
	my $reaper = background(['perl', '-e', <<'P', $pid]);
my $pid = shift;
open(my $f, '>', '/proc/sys/kernel/ns_last_pid') or die;
print $f $pid - 1;
close($f);
my $kid = fork();
exit 0 if $kid == 0;
die "got $kid" if $kid != $pid;
select(undef, undef, undef, 1.2);
waitpid($kid, 0);
P
	ok(wait_for(5, sub { (slurp("/proc/$pid/stat", 1) // '') =~ /\) Z/ }), 'a zombie has the pid');
	restored('a zombie held the pid for a while');
	is(describe(finish($reaper)), 'exit 0', 'its parent');
}

# The image.
my $manifest = slurp("$img/manifest.img");
my $size = length $manifest;
for my $len (0, 1, 7, 8, 9, 20, map({ int($size * $_ / 12) } 1 .. 11), $size - 1) {
	put("$img/manifest.img", substr($manifest, 0, $len));
	refused(102, qr/manifest\.img/, "manifest cut to $len of $size bytes");
}
put("$img/manifest.img", $manifest . "\0");
refused(102, qr/manifest\.img/, 'manifest with a byte too much');
srand(1);
for (1 .. ($ENV{CR_LONG} ? 400 : 20)) {
	my $at = int(rand($size));
	my $bad = $manifest;
	substr($bad, $at, 1) = chr(ord(substr($bad, $at, 1)) ^ (1 << int(rand(8))));
	put("$img/manifest.img", $bad);
	refused(102, qr/manifest\.img/, "manifest with byte $at of $size changed");
}
put("$img/manifest.img", run(["$BUILD/t/mkstream"], in => do {
	spew("$dir/text", "header version=1\nraw 99 010203\n");
	"$dir/text" })->{out});
refused(102, qr/kind 99 is not known/, 'an unknown record');
unlink "$img/manifest.img";
refused(102, qr/manifest\.img/, 'no manifest');
spew("$img/manifest.img", $manifest);

for my $file (grep { !/manifest/ } glob("$img/*.img")) {
	my $bytes = slurp($file);
	my ($name) = $file =~ m{([^/]+)$};
	put($file, substr($bytes, 0, -1));
	refused(102, qr/\Q$name\E/, "$name without its last byte");
	put($file, '');
	refused(102, qr/\Q$name\E/, "$name empty");
	for (1 .. 5) {
		my $bad = $bytes;
		my $at = int(rand(length $bytes));
		substr($bad, $at, 1) = chr(ord(substr($bad, $at, 1)) ^ 0x10);
		put($file, $bad);
		refused(102, qr/\Q$name\E/, "$name with byte $at changed");
	}
	unlink $file;
	refused(102, qr/\Q$name\E/, "no $name");
	spew($file, $bytes);
}
restored('after all that');
done_testing;
