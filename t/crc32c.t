#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The checksum of records and pages, of every length that its three lanes tell apart.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

my $r = exits(0, ["$BUILD/t/crc32c"], 'it runs');
like($r->{out}, qr/^[1-9][0-9]{2,} compared\n$/, 'as the polynomial says');
done_testing;
