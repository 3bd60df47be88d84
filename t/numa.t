#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# NUMA policies of mappings.  They are asked for where there are several nodes;
# a machine with one pretends, in the mount namespace that the test has.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $online = '/sys/devices/system/node/online';
plan skip_all => 'the kernel knows no NUMA' unless -e $online;

if (slurp($online) !~ /[-,]/) {
	my $dir = tmpdir();
	CRTest::spew("$dir/online", "0-1\n");
	system('mount', '--bind', "$dir/online", $online) == 0 or
		plan skip_all => 'one node, and no rights to pretend';
}
verifies_alone('policies of mappings', 'numa');
survives('policies of mappings', 'numa');
done_testing;
