#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Processes that share one memory: whatever dies at whatever fault point, a dump
# does no harm to them, and a restore leaves all or nothing.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $t = CRTarget->start('mates');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
my $log = tmpdir() . '/log';

# [POINT, how often], in the order of their first time.
sub passed {
	my (%count, @order);

	for (split /\n/, CRTest::slurp($log)) {
		push @order, $_ unless $count{$_}++;
	}
	unlink $log;
	return map { [$_, $count{$_}] } @order;
}

# One in the middle; the first and the last time as well when there is time.
sub passes {
	my ($n) = @_;
	my %all = map { $_ => 1 } int($n / 2) + 1, $ENV{CR_LONG} ? (1, $n) : ();
	return sort { $a <=> $b } keys %all;
}

# What is wrong with the processes; '' nothing.
sub harm {
	my @bad;

	for my $pid (@pids) {
		my $status = CRTest::slurp("/proc/$pid/status", 1) // '';
		my ($state) = $status =~ /^State:\s+(\S)/m;

		next if ($state // 'X') eq 'Z';
		push @bad, "$pid is " . ($state // 'gone') if ($state // 'X') !~ /[SRD]/;
		push @bad, "$pid is traced" if $status =~ /^TracerPid:\t[1-9]/m;
		push @bad, "$pid has a mapping"
			if (CRTest::slurp("/proc/$pid/maps", 1) // '') =~ /SYSV/;
	}
	return join(', ', @bad);
}

sub dump_with {
	my ($fault) = @_;
	my $dir = tmpdir();
	my $pid = background([tool('cr-checkpoint'), '-R', '-t', $t->{pid}, '-D', "$dir/img"],
		env => { CR_FAULT => $fault }, out => "$dir/out", err => "$dir/err");

	return (finish($pid, 30), CRTest::slurp("$dir/err", 1) // '');
}

my ($status, $text) = dump_with("log:$log");
is(describe($status), 'exit 0', 'it is dumped') or diag($text);
for (grep { $_->[0] =~ /^cr-(freeze|inject):/ } passed()) {
	my ($point, $n) = @$_;
	for my $pass (passes($n)) {
		dump_with("$point:$pass");
		my $ok = wait_for(10, sub { harm() eq '' });
		ok($ok, "$point:$pass: no harm") or diag(harm());
	}
}

$t->checkpoint or BAIL_OUT('no image');
$t->gone(@pids[1 .. $#pids]);

sub restore_with {
	my ($fault) = @_;
	my $dir = tmpdir();

	CRTest::forget(@pids);
	my $pid = background([tool('cr-restore'), '-d', '-D', $t->{img}],
		env => { CR_FAULT => $fault }, out => "$dir/out", err => "$dir/err");
	return (finish($pid, 30), CRTest::slurp("$dir/err", 1) // '');
}

sub living {
	return grep { (CRTest::slurp("/proc/$_/stat", 1) // '1 (gone) X') !~ /^\d+ \(.*\) [ZX]/s } @pids;
}

sub end_all {
	kill 'KILL', @pids;
	wait_for(20, sub { !living() });
}

($status, $text) = restore_with("log:$log");
is(describe($status), 'exit 0', 'it is restored') or diag($text);
my @points = passed();
end_all();
for (@points) {
	my ($point, $n) = @$_;
	my $lives = $point =~ /:committed$/;

	for my $pass (passes($n)) {
		restore_with("$point:$pass");
		my $ok = $lives ? wait_for(10, sub { living() && harm() eq '' }) :
			wait_for(20, sub { !living() });
		ok($ok, "$point:$pass: " . ($lives ? 'it lives' : 'nothing is left')) or
			diag(join(' ', living()), harm());
		end_all() if $lives;
	}
}
# How those of the last restore have ended is of no interest.
wait_for(20, sub { CRTest::reap(); !grep { -e "/proc/$_" } @pids });
CRTest::forget(@pids);
$t->restore_detached;
$t->verify('verifies itself after all this');
done_testing;
