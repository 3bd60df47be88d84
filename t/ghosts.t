#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# Files without a name leave nothing behind in the file system, also when
# cr-restore is killed while one of them has its name for a moment; and where
# they cannot be made, that is said first.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use File::Find qw(find);

sub tree_of {
	my ($dir) = @_;
	my @names;

	find({ no_chdir => 1, wanted => sub { push @names, $_ } }, $dir);
	return join(' ', sort grep { !/restored$/ } @names);
}

sub watched {
	return grep { (slurp($_, 1) // '') =~ /^cr-restore/ } glob('/proc/[0-9]*/comm');
}

subtest 'killed while a name is there' => sub {
	my $t = CRTarget->start('ghost');
	$t->ready or return;
	$t->checkpoint or return;
	$t->gone;
	my $before = tree_of($t->{dir});
	my $killed = 0;
	for my $pass (1 .. 20) {
		my $r = run([tool('cr-restore'), '-d', '-D', $t->{img}],
			env => { CR_FAULT => "cr-restore:ghost-named:$pass" });
		last if describe($r->{status}) eq 'exit 0';
		is(describe($r->{status}), 'killed by signal 9', "killed at passing $pass");
		wait_for(20, sub { !watched() });
		is(tree_of($t->{dir}), $before, 'nothing is left of it');
		$killed++;
		CRTest::forget($t->{pid});
	}
	ok($killed > 5, "$killed files have a name for a moment");
	$t->verify('and verifies itself when it is restored');
};

subtest 'the name of a directory is taken by a file' => sub {
	my $t = CRTarget->start('ghost');
	$t->ready or return;
	$t->checkpoint or return;
	$t->gone;
	touch("$t->{dir}/gone");
	my $before = tree_of($t->{dir});
	$t->restore_detached or return;
	like(join(' ', map { readlink($_) // '' } glob("/proc/$t->{pid}/fd/*")),
		qr{\Q$t->{dir}\E/file \(deleted\)}, 'it is made beside it');
	is(tree_of($t->{dir}), $before, 'nothing is left of it');
};

subtest 'a file system that cannot be written' => sub {
	my $t = CRTarget->start('ghost');
	$t->ready or return;
	$t->checkpoint or return;
	$t->gone;
	system('mount', '--bind', $t->{dir}, $t->{dir}) == 0
		&& system('mount', '-o', 'remount,bind,ro', $t->{dir}) == 0
		or plan(skip_all => 'no mounts here');
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'refused');
	like($r->{err}, qr{gone/below/file: a deleted file cannot be made there: Read-only},
		'and named');
	system('umount', $t->{dir});
	$t->restore_detached or return;
	$t->verify('verifies itself where it can be written again');
};
done_testing;
