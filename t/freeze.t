#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A freeze that ends without a commit leaves every kind of process as it was:
# while a command runs, and for a pipeline that only looks.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

for (@CRTarget::ALL) {
	my (undef, $title, $name, %o) = @$_;
	my $t = CRTarget->start($name, title => $title, %o);
	$t->ready or next;
	exits(7, [tool('cr-freeze'), '-t', $t->{pid}, '--', 'sh', '-c', 'exit 7'],
		"$title: cr-freeze -- CMD");
	my @files = grep { /^--(file-locks|external)/ } @{ $o{options} || [] };
	my $line = "cr-freeze -t $t->{pid} | cr-inject | cr-dump-fds -D $t->{img} @files |" .
		' cr-imgtool show -';
	my $r = exits(0, ['sh', '-c', $line], "$title: $line", env => { PATH => "$BIN:$ENV{PATH}" });
	is($r->{err}, '', "$title: no complaint");
	$t->verify('verifies itself');
}

# What cannot be frozen.
exits(100, [tool('cr-freeze'), '-t', 99999999, '--', 'true'], 'a number that is no pid');
exits(1, [tool('cr-freeze'), '-t', 30000, '--', 'true'], 'no such pid');
exits(1, ['sh', '-c', "exec $BIN/cr-freeze -t \$\$ -- true"], 'itself');
done_testing;
