#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The targets of the group "sockets" survive: left running, killed and restored,
# restored once more from the same image.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

group_survives('sockets');
done_testing;
