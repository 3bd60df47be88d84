#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Processes that fork by chance and change the memory they were born with: each
# knows what every page holds.  CR_SEEDS=FROM-TO tries others.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my ($from, $to) = split /-/, $ENV{CR_SEEDS} || ($ENV{CR_LONG} ? '1-60' : '1-4');

verifies_alone('forest', 'forest', args => [1]);
survives("forest of seed $_", 'forest', args => [$_]) for $from .. $to;
done_testing;
