#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Progress is shown on a terminal, and after a second only.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRImage;

chdir(tmpdir()) or die;
sub on_terminal { return "script -qec '$_[0]' /dev/null </dev/null" }

sh_is('progress 4096000 1500', 0, qr/^done$/, 'no terminal');
sh_is('progress 4096000 1500 >/dev/null', 0, qr/^$/, 'no terminal, nothing on stderr');
sh_is(on_terminal('progress 4096000 300'), 0, qr/^done\r\n$/, 'less than a second');
my ($got, $out) = sh(on_terminal('progress 1536000 1500'));
is($got, 0, 'more than a second');
like($out, qr{\rprogress: work: [\d.]+ KiB of 1\.5 MiB, [\d.]+ KiB/s, \d+ s left\033\[K}, 'stage, bytes, rate, time left');
like($out, qr{\r\033\[Kdone\r\n$}, 'the line is wiped');
($got, $out) = sh(on_terminal('progress 0 1500'));
like($out, qr{\rprogress: work: [\d.]+ (KiB|MiB), [\d.]+ KiB/s\033\[K}, 'without a total');

done_testing();
