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

# A target that nothing runs shows nothing.
my %known = map { $_->[2] => 1 } @CRTarget::ALL;
my $tests = join '', map { slurp($_) } glob("$TOP/t/*.t");
for (glob("$TOP/t/targets/*.c")) {
	my ($name) = m{([^/]+)\.c$};
	ok($known{$name} || $tests =~ /\b\Q$name\E\b/, "$name is used by a test");
}
done_testing;
