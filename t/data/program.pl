# SPDX-License-Identifier: MIT
# perl with hashes, a large string, a file half read, an interval timer and a
# child on a pipe.
use strict;
use warnings;
use Time::HiRes qw(sleep setitimer ITIMER_REAL);

$| = 1;
my ($ticks, $bad, %seen) = (0, 0);
my $blob = join '', map { chr(65 + $_ % 26) } 1 .. 200_000;
$SIG{ALRM} = sub { $ticks++ };
setitimer(ITIMER_REAL, 0.01, 0.01);
open(my $out, '>', 'lines') or die;
print $out "line $_\n" for 1 .. 5000;
close $out;
open(my $in, '<', 'lines') or die;
scalar <$in> for 1 .. 2500;
my $kid = open(my $from, '-|') // die;
if ($kid == 0) {
	my $n = 0;
	until (-e 'verify') {
		$n++;
		sleep(0.01);
	}
	print "$n\n";
	exit 3;
}
my $n = 0;
until (-e 'verify') {
	$seen{$n} = $n * 3;
	$n++;
	sleep(0.01);
	if ($n == 5) {
		open(my $r, '>', 'ready') or die;
	}
}
my $before = $ticks;
sleep(0.05) for 1 .. 4;
sub wrong { print "wrong: @_\n"; $bad = 1 }
wrong('the timer does not tick') unless $ticks > $before;
wrong('hash') if grep { $seen{$_} != $_ * 3 } 0 .. $n - 1;
wrong('string') if length($blob) != 200_000 || $blob =~ /[^A-Z]/;
wrong('file') unless <$in> eq "line 2501\n";
setitimer(ITIMER_REAL, 0);
my $count = <$from>;
wrong('child') unless $count && $count > 0;
close $from;
wrong("the child's status: $?") unless $? == 3 << 8;
exit $bad;
