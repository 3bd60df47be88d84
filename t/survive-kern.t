#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Kernel objects behind descriptors and mappings that few programs have.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

CRTarget::group_survives('kern');
done_testing;
