#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Streams of records as hostile input: whatever is cut, flipped or made up is
# noticed, named, and gives exit status 102; nothing crashes.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRImage;

chdir(tmpdir()) or die;
my $limit = $ENV{SANITIZE} ? 'unlimited' : 200000;
my $seconds = $ENV{CR_LONG} ? 60 : 2;

make_image('image');
rename('image/manifest.img', 'full') or die;

for my $how ('truncate', 'flip') {
	my ($got, $out) = sh("streamfuzz $how full");
	is($got, 0, "$how at every byte is noticed") or diag($out);
}
my ($got, $out) = sh("streamfuzz run full $seconds");
is($got, 0, "random damage for $seconds s") or diag($out);

sh_is("cr-imgtool show full >/dev/null", 0, qr/^$/, 'the whole stream');
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
sh_is("(cat full; echo more) >more; cr-imgtool show -k end more", 102,
	qr/bytes after End/, 'bytes after End');

# Lengths: the header says 0xffffffff, and 64 MiB that never come.
for ([ "\xff\xff\xff\xff", qr/longer than a record may be/ ], [ "\x00\x00\x00\x04", qr/ends here/ ]) {
	my ($len, $what) = @$_;
	patch('full', 'long', sub { substr($_, 8, 4) = $len });
	sh_is("ulimit -v $limit; cr-imgtool show long", 102, $what, 'a lying length');
}
# A payload that would decode to fifty times its size.
my $many = '7a00' x 30000;
spew('many', "header version=1\nraw 20 required $many\n");
sh_is("mkstream <many | cr-imgtool show -k end -", 102, qr/record 1 .*mm does not decode/, 'a bomb');

# Records left out: every checksum is right, but the count in End is not.
patch('full', 'short', sub {
	my $first = unpack('V', substr($_, 8, 4)) + 12;
	my $second = unpack('V', substr($_, 8 + $first, 4)) + 12;
	substr($_, 8 + $first, $second) = '';
});
sh_is("cr-imgtool show -k end short", 102, qr/End does not match/, 'a record left out');

# A stage that fails says why, once, and all behind it exit as it does.
my $failure = "mkstream -n <<-'E'
	header version=1
	failure tool=cr-x status=1 message=io_uring
	E
";
sh_is("$failure true", 0, qr/CRSTRM1/, 'a stream with a Failure');
sh_is("{ $failure } | cr-dump-net | cr-dump-net | cr-imgtool show -k end -", 1, qr/^\[\n\]\n$/,
	'a refusal before us');
sh_is("{ $failure } >f; cr-imgtool show -k end f", 1, qr/cr-x: io_uring/, 'a Failure in a file');
sh_is("cr-freeze -t 4000000 | cr-dump-net | cr-imgtool show -k end -", 1,
	qr/^cr-freeze: pid 4000000: no such process\n\[\n\]\n$/, 'one message');
sh_is("printf x | cr-dump-net | cr-dump-net | cr-imgtool show -", 102,
	qr/^cr-dump-net: stdin: truncated before the first record\n$/, 'one message of the first');

done_testing();
