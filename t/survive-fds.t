#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Every kind of descriptor but plain files, pipes and sockets.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

CRTarget::group_survives('fds');
done_testing;
