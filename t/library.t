#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr_checkpoint() and cr_restore() of libcr: the example, built against what is
# installed, and how errors come out.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

if ($ENV{SANITIZE}) {
	ok(1, 'a sanitized library needs its run time: nothing to be seen here');
	done_testing;
	exit;
}
my $root = tmpdir();
my $there = "$root/opt/toolkit";
exits(0, ['make', '-C', $TOP, 'install', "DESTDIR=$root", 'PREFIX=/opt/toolkit'], 'make install',
	timeout => 280, env => { MAKEFLAGS => '', MAKELEVEL => '' });
my $dir = tmpdir();
my $flags = exits(0, ['pkg-config', "--define-variable=prefix=$there", '--cflags', '--libs', 'libcr'],
	'pkg-config', env => { PKG_CONFIG_PATH => "$there/lib/pkgconfig" })->{out};
exits(0, ['sh', '-c', "gcc -Wall -Werror -o $dir/example $TOP/examples/checkpoint-child.c "
	. join(' ', split ' ', $flags)], 'the example compiles');
my %env = (LD_LIBRARY_PATH => "$there/lib");

# The program counts, and ends with 42 when the file is there.
my $count = 'cd "$0" && n=0; while [ ! -e end ]; do n=$((n + 1)); echo $n >>log; sleep 0.05; done; exit 42';
my $pid = background(["$dir/example", "$dir/img", 'sh', '-c', $count, $dir], out => "$dir/out",
	err => "$dir/err", env => \%env);
ok(wait_for(60, sub { (slurp("$dir/out", 1) // '') =~ /restored/ || !alive($pid) }), 'it is restored');
my $lines = () = slurp("$dir/log") =~ /\n/g;
ok(wait_for(30, sub { (() = slurp("$dir/log") =~ /\n/g) > $lines }), 'and goes on');
my @n = split ' ', slurp("$dir/log");
is("@n", join(' ', 1 .. @n), 'from where it was');
touch("$dir/end");
is(describe(finish($pid, 30)), 'exit 42', 'it is our child: its status comes back') or
	diag(slurp("$dir/err"));
is(slurp("$dir/out"), "saved\nrestored\n", 'in this order');

# What is refused has its class, its message, and harms nobody.
my $open = 'import os,time; os.open("/dev/kmsg", os.O_RDONLY); open("up", "w").write(str(os.getpid())); '
	. 'time.sleep(1000)';
my $waits = "cd $dir && (/usr/bin/env python3 -c '$open' &) ; while [ ! -s up ]; do sleep 0.05; done";
system('sh', '-c', $waits) == 0 or BAIL_OUT('no program');
my $left = slurp("$dir/up");
spew("$dir/refused.c", <<'C');
#include <checkpoint.h>
#include <stdio.h>
#include <stdlib.h>
static void say(void *ctx, const char *line) { fprintf(ctx, "%s\n", line); }
int main(int argc, char **argv)
{
	struct cr_checkpoint_options o = { .size = sizeof(o), .message = say, .ctx = stderr };
	struct cr_err err;
	o.pid = atoi(argv[1]);
	o.images_dir = argv[2];
	o.shell_job = true;
	o.drop_inotify_events = argc == 4;
	o.then = argc == 4 ? CR_THEN_RUN : CR_THEN_KILL;
	if (cr_checkpoint(&o, &err) == 0)
		return 0;
	fprintf(stderr, "not saved: %s\n", err.msg);
	return err.class;
}
C
exits(0, ['sh', '-c', "gcc -Wall -Werror -o $dir/refused $dir/refused.c " . join(' ', split ' ', $flags)],
	'another program compiles');
my $refused = background(["$dir/refused", $left, "$dir/img2"], out => "$dir/out2", err => "$dir/err2",
	env => \%env);
is(describe(finish($refused, 60)), 'exit 1', 'a refusal');
like(slurp("$dir/err2"), qr/fd \d+: .*\/dev\/kmsg/, 'each line is told');
like(slurp("$dir/err2"), qr/^not saved: /m, 'and the last is the error');
ok(alive($left), 'the program lives on');
kill 'KILL', $left;

# Events that wait are refused, and left out when that is asked for.
my $events = 'import ctypes,os,time; l = ctypes.CDLL(None); f = l.inotify_init1(0); '
	. 'os.mkdir("in"); l.inotify_add_watch(f, b"in", 0x100); open("in/event", "w").close(); '
	. 'open("told", "w").write(str(os.getpid())); time.sleep(1000)';
system('sh', '-c', "cd $dir && (/usr/bin/env python3 -c '$events' </dev/null >/dev/null 2>&1 &) ; while [ ! -s told ]; do sleep 0.05; done")
	== 0 or BAIL_OUT('no program');
my $told = slurp("$dir/told");
for ([1, 'refused'], [0, 'left out', 'drop']) {
	my ($status, $how, @drop) = @$_;
	my $p = background(["$dir/refused", $told, "$dir/img-$how", @drop], out => "$dir/out3",
		err => "$dir/err-$how", env => \%env);

	is(describe(finish($p, 60)), "exit $status", "events that wait: $how") or
		diag(slurp("$dir/err-$how"));
	ok(alive($told), 'the program goes on');
}
is(slurp("$dir/err-left out"), '', 'nothing is said then');
like(slurp("$dir/err-refused"), qr/fd 3: inotify .*32 bytes of events wait/, 'and named');
ok(-e "$dir/img-left out/manifest.img", 'there is an image');
kill 'KILL', $told;
done_testing;
