#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The targets of the group "attrs", what tasks and threads have besides memory
# and descriptors, survive: left running, killed and restored, restored once
# more from the same image.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

group_survives('attrs');
done_testing;
