# SPDX-License-Identifier: MIT
#
# What the tests of streams and images share: shell commands with mkstream and
# the programs in PATH, and an image that has something of everything.
package CRImage;

use strict;
use warnings;
use Exporter qw(import);
use CRTest ();
use Test::More;

our @EXPORT = qw(sh sh_is full_text make_image patch);

BEGIN {
	CRTest->export_to_level(0, "CRTest");
	$ENV{PATH} = "$CRTest::BIN:$CRTest::BUILD/t:$ENV{PATH}";
}

# Run a shell command: its exit status, and stdout and stderr together.
sub sh {
	my ($cmd) = @_;
	my $out = `{ $cmd
	} 2>&1`;
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8, $out);
}

# Assert its exact exit status and what it prints.
sub sh_is {
	my ($cmd, $status, $pattern, $name) = @_;
	my ($got, $out) = sh($cmd);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($got, $status, "$name: exit $status") or diag($out);
	like($out, $pattern, "$name: prints that");
}

sub full_text {
	return CRTest::slurp("$CRTest::TOP/t/data/full.txt");
}

# An image in a directory, from text for mkstream, with the bulk files of
# t/data/full.txt.
sub make_image {
	my ($dir, $text) = @_;

	system('rm', '-rf', $dir);
	mkdir $dir or die "$dir: $!";
	CRTest::spew("$dir/pages-1.bulk", join('', map { chr(65 + $_) x 4096 } 0 .. 2));
	CRTest::spew("$dir/ghost-2.bulk", join('', map { chr(33 + $_ % 90) } 0 .. 99));
	CRTest::spew("$dir.txt", $text // full_text());
	my ($got, $out) = sh("cd $dir && mkstream <../$dir.txt >manifest.img");
	die "mkstream: $out" if $got;
}

# A changed copy of a file: @code changes its bytes in $_.
sub patch {
	my ($from, $to, $code) = @_;

	open(my $in, '<:raw', $from) or die "$from: $!";
	local $_ = do { local $/; <$in> };
	$code->();
	open(my $out, '>:raw', $to) or die "$to: $!";
	print $out $_;
	close($out) or die "$to: $!";
}

1;
