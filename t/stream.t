#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Streams of records as hostile input: whatever is cut, flipped or made up is
# noticed, named, and gives exit status 102; nothing crashes.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/..');
my $build = abs_path($ENV{B} // "$top/build");
$ENV{PATH} = abs_path($ENV{CR_BIN} // "$top/bin") . ":$build/t:$ENV{PATH}";
my $dir = tempdir(CLEANUP => 1);
my $seconds = $ENV{CR_LONG} ? 60 : 2;

# Run a shell command: its exit status, and stdout and stderr together.
sub sh {
	my ($cmd) = @_;
	my $out = `{ $cmd
	} 2>&1`;
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $out);
}

sub sh_is {
	my ($cmd, $status, $pattern, $name) = @_;
	my ($got, $out) = sh($cmd);
	is($got, $status, "$name: exit $status") or diag($out);
	like($out, $pattern, "$name: says so");
}

sub patch {
	my ($from, $to, $code) = @_;
	open(my $in, '<:raw', "$dir/$from") or die;
	local $/;
	my $bytes = <$in>;
	$code->($bytes) for $bytes;
	open(my $out, '>:raw', "$dir/$to") or die;
	print $out $bytes;
	close($out) or die;
}

# The bulk files need not be there for any of this but the checksums.
for ([ 'pages-1.bulk', 12288 ], [ 'ghost-2.bulk', 100 ]) {
	open(my $f, '>', "$dir/$_->[0]") or die;
	print $f 'x' x $_->[1];
}
is((sh("cd $dir && mkstream <$top/t/data/full.txt >full"))[0], 0, 'a stream of all kinds');

for my $how ('truncate', 'flip') {
	my ($got, $out) = sh("streamfuzz $how $dir/full");
	is($got, 0, "$how at every byte is noticed") or diag($out);
}
my ($got, $out) = sh("streamfuzz run $dir/full $seconds");
is($got, 0, "random damage for $seconds s") or diag($out);

sh_is("cr-imgtool show $dir/full >/dev/null", 0, qr/^$/, 'the whole stream');
sh_is("cr-imgtool show - </dev/null", 102, qr/stdin: empty/, 'an empty stream');
sh_is("echo no records here | cr-imgtool show -", 102, qr/not a stream of records/, 'garbage');
sh_is("head -c 3000 /dev/urandom | cr-imgtool show -", 102, qr/not a stream/, 'noise');
sh_is("printf 'CRSTRM1\\n' | cr-imgtool show -", 102, qr/record 0 .*before its End/, 'a magic alone');
sh_is("mkstream -n <<-'E' | cr-imgtool show -k task -
	header version=1
	task pid=1
	E", 102, qr/record 2 at byte \d+: the stream ends here/, 'no End');
sh_is("mkstream <<-'E' | cr-imgtool show -
	header version=99
	E", 102, qr/version 99/, 'another version');
sh_is("mkstream <<-'E' | cr-imgtool show -
	task pid=1
	E", 102, qr/first record is not a Header/, 'no Header');
sh_is("mkstream <<-'E' | cr-imgtool show -
	header version=1
	header version=1
	E", 102, qr/a second Header/, 'two Headers');
sh_is("mkstream <<-'E' | cr-imgtool show -
	header version=1
	raw 9999 required 0102
	E", 102, qr/record 1 .*kind 9999 is not known/, 'an unknown kind');
sh_is("mkstream <<-'E' | cr-imgtool show --text -
	header version=1
	raw 9999 optional 0102
	E", 0, qr/unknown number=9999 length=2/, 'an unknown optional kind');
sh_is("mkstream <<-'E' | cr-imgtool show -
	header version=1
	raw 10 required ffffffff
	E", 102, qr/record 1 .*task does not decode/, 'a payload of no message');
sh_is("(cat $dir/full; echo more) >$dir/more; cr-imgtool show -k end $dir/more", 102,
	qr/bytes after End/, 'bytes after End');

# Lengths: the header says 0xffffffff, and 64 MiB that never come.
for ([ "\xff\xff\xff\xff", qr/longer than a record may be/ ], [ "\x00\x00\x00\x04", qr/ends here/ ]) {
	my ($len, $what) = @$_;
	patch('full', 'long', sub { substr($_[0], 8, 4) = $len });
	sh_is("ulimit -v 200000; cr-imgtool show $dir/long", 102, $what, 'a lying length');
}
# Records left out: every checksum is right, but the count in End is not.
patch('full', 'short', sub {
	my $first = unpack('V', substr($_[0], 8, 4)) + 12;
	my $second = unpack('V', substr($_[0], 8 + $first, 4)) + 12;
	substr($_[0], 8 + $first, $second) = '';
});
sh_is("cr-imgtool show -k end $dir/short", 102, qr/End does not match/, 'a record left out');

# A stage that fails says why, once, and all behind it exit as it does.
my $failure = "mkstream -n <<-'E'
	header version=1
	failure tool=cr-x status=1 message=io_uring
	E
";
sh_is("$failure true", 0, qr/CRSTRM1/, 'a stream with a Failure');
sh_is("{ $failure } | cr-dump-net | cr-dump-net | cr-imgtool show -k end -", 1, qr/^\[\n\]\n$/,
	'a refusal before us');
sh_is("{ $failure } >$dir/f; cr-imgtool show -k end $dir/f", 1, qr/cr-x: io_uring/, 'a Failure in a file');
sh_is("cr-freeze -t 4000000 | cr-dump-net | cr-imgtool show -k end -", 1,
	qr/^cr-freeze: pid 4000000: no such process\n\[\n\]\n$/, 'one message');
sh_is("printf x | cr-dump-net | cr-dump-net | cr-imgtool show -", 102,
	qr/^cr-dump-net: stdin: truncated before the first record\n$/, 'one message of the first');

done_testing();
