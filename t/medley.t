#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Trees that have done hundreds of things by chance: each process compares all it
# can see of itself before and after.  CR_SEEDS=FROM-TO tries others.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my ($from, $to) = split /-/, $ENV{CR_SEEDS} || ($ENV{CR_LONG} ? '1-100' : '1-6');

verifies_alone('medley', 'medley', args => [1]);
survives("medley of seed $_", 'medley', args => [$_], options => ['--file-locks'])
	for $from .. $to;
done_testing;
