#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Programs that live on files: one that is in a transaction, ones that watch,
# one that keeps its data on disk, a build.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

sub has {
	my ($name) = @_;
	return run(['sh', '-c', "command -v $name"])->{status} == 0;
}

sub dumped {
	my ($pid, $img, $what, @options) = @_;

	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img, @options], "$what: checkpoint")
		->{status} == 0 or return 0;
	finish($pid, 10);
	return 1;
}

sub restored {
	my ($img, $what, @options) = @_;

	return exits(0, [tool('cr-restore'), '-d', '-D', $img, @options], "$what: restore")
		->{status} == 0;
}

sub append {
	my ($file, $text) = @_;

	open(my $f, '>>', $file) or die "$file: $!";
	syswrite($f, $text);
}

# Restored twice: what happens then is shown too.
sub watcher {
	my ($what, $cmd, $before, $act, $seen) = @_;
	my ($dir, $log, $img) = (tmpdir(), tmpdir(), tmpdir());

	append("$dir/file", "first\n");
	my $pid = background($cmd, dir => $dir, session => 1, out => "$log/out", err => "$log/err");
	my $out = sub { slurp("$log/out", 1) // '' };

	ok(wait_for(20, sub { (slurp("$log/err", 1) // '') . $out->() =~ $before }), "$what is at work")
		or diag(slurp("$log/err", 1));
	$act->($dir, 'one');
	ok(wait_for(20, sub { $out->() =~ $seen->('one') }), "$what: it shows what happens");
	dumped($pid, $img, $what) or return;
	for my $time ('two', 'three') {
		# What it reads has grown since.
		restored($img, $what, '--changed-files', 'accept') or return;
		$act->($dir, $time);
		ok(wait_for(20, sub { $out->() =~ $seen->($time) }), "$what: restored, it shows more")
			or diag($out->());
		kill 'KILL', $pid;
		finish($pid, 10);
	}
	my $one = $seen->('one');
	is(scalar(() = $out->() =~ /$one/g), 1, "$what: nothing is shown twice") or diag($out->());
}

subtest 'tail -f' => sub {
	my $act = sub { append("$_[0]/file", "line $_[1]\n") };
	my $seen = sub { qr/^line $_[0]$/m };

	watcher('tail -f', ['tail', '-f', 'file'], qr/^first$/m, $act, $seen);
	watcher('tail -F', ['tail', '-F', 'file'], qr/^first$/m, $act, $seen);
};

subtest 'inotifywait' => sub {
	plan skip_all => 'inotifywait is not installed' unless has('inotifywait');
	watcher('inotifywait', ['inotifywait', '-m', '-r', '-e', 'create', '.'],
		qr/Watches established/, sub { touch("$_[0]/new-$_[1]") },
		sub { qr/CREATE new-$_[0]$/m });
};

# What is in the database after the first life is not what the second knew.
survives('sqlite3 in a transaction on disk', 'sqlite3', options => ['--file-locks'], once => 1,
	cmd => ['/bin/sh', "$TOP/t/data/program.sql.sh", 'db']);

subtest 'redis-server with its data on disk' => sub {
	plan skip_all => 'redis-server is not installed' unless has('redis-server');
	my ($dir, $img) = (tmpdir(), tmpdir());
	my @server = ('redis-server', '--port', 0, '--unixsocket', "$dir/socket", '--dir', $dir,
		'--appendonly', 'yes', '--appendfsync', 'always', '--save', '3600 1');
	my $begin = sub {
		background(\@server, dir => $dir, session => 1, out => "$dir/log",
			err => "$dir/log");
	};
	my $ask = sub { run(['redis-cli', '-s', "$dir/socket", @_])->{out} };
	my $answers = sub { ok(wait_for(20, sub { $ask->('ping') =~ /PONG/ }), 'it answers') };
	my $says = sub {
		my ($pattern, $name) = @_;
		ok(wait_for(20, sub { $ask->('info', 'persistence') =~ $pattern }), $name);
	};
	my $pid = $begin->();

	$answers->() or diag(slurp("$dir/log"));
	$ask->('set', 'before', 'x' x 10000);
	is($ask->('save'), "OK\n", 'a dump file');
	$ask->('incr', 'count');
	dumped($pid, $img, 'redis-server') or return;
	restored($img, 'redis-server') or return;
	$answers->();
	is($ask->('incr', 'count'), "2\n", 'it goes on');
	like($ask->('bgsave'), qr/started/, 'a child of it writes a dump file');
	$says->(qr/bgsave_in_progress:0\r?\n(.*\n)*rdb_last_bgsave_status:ok/, 'and ends well');
	like($ask->('bgrewriteaof'), qr/started/, 'a child of it writes the log anew');
	$says->(qr/rewrite_in_progress:0\r?\n(.*\n)*aof_last_bgrewrite_status:ok/, 'and ends well');
	is($ask->('incr', 'count'), "3\n", 'it goes on');
	kill 'KILL', $pid;
	finish($pid, 10);
	$pid = $begin->();
	$answers->();
	is($ask->('get', 'count'), "3\n", 'what it has written is whole');
	is(length $ask->('get', 'before'), 10001, 'all of it');
	$ask->('shutdown', 'nosave');
	is(describe(finish($pid, 20)), 'exit 0', 'the end');
};

subtest 'make -j2' => sub {
	plan skip_all => 'no make or gcc' unless has('make') && has('gcc');
	my ($dir, $img) = (tmpdir(), tmpdir());
	my $f = join '', map { "int f${_}_N(int a, int *b) { int s = $_; for (int i = 0; i < a; i++) "
		. "s += b[i & 7] * i ^ s >> 3; return s; }\n" } 1 .. 400;

	CRTest::spew("$dir/Makefile", "prog: 1.o 2.o 3.o 4.o 5.o\n\tgcc -o \$@ main.c \$^\n"
		. "%.o: %.c\n\tgcc -O2 -c -o \$@ \$<\n");
	CRTest::spew("$dir/$_.c", $f =~ s/N/$_/gr . "int f$_(void) { return $_; }\n") for 1 .. 5;
	CRTest::spew("$dir/main.c", "#include <stdio.h>\nint f1(), f2(), f3(), f4(), f5();\n"
		. "int main(void) { printf(\"%d\\n\", f1() + f2() + f3() + f4() + f5()); }\n");
	my $pid = background(['make', '-j2'], dir => $dir, session => 1, out => "$dir/log",
		err => "$dir/log", env => { MAKEFLAGS => '' });
	my $compiles = sub {
		grep { (readlink("/proc/$_/exe") // '') =~ m{/cc1$} } CRTest::descendants($pid)
	};

	ok(wait_for(20, sub { -e "$dir/1.o" && scalar $compiles->() }), 'it compiles')
		or diag(slurp("$dir/log"));
	dumped($pid, $img, 'make -j2') or return;
	ok(!-e "$dir/prog", 'in the middle');
	my $r = exits(0, [tool('cr-restore'), '-D', $img], 'make -j2: restored, it ends well',
		timeout => 100);
	diag(slurp("$dir/log")) if $r->{status};
	is(run(["$dir/prog"])->{out}, "15\n", 'what it built works');
	unlike(slurp("$dir/log"), qr/Error|warning/, 'without a word');
};
done_testing;
