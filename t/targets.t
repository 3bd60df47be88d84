#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The targets themselves: each finds nothing when nothing was done to it, and
# finds it when its state is changed.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

for (@CRTarget::ALL) {
	my (undef, @target) = @$_;
	verifies_alone(@target);
}

my %known = map { $_->[2] => 1 } @CRTarget::ALL;
for (glob("$TOP/t/targets/*.c")) {
	my ($name) = m{([^/]+)\.c$};
	ok($known{$name}, "$name is in the list of targets");
}
done_testing;
