#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# make install: programs run from where they are put, manuals are there, and a
# small program compiles, links and runs against libcr by pkg-config alone.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

my $root = tmpdir();
my $prefix = '/opt/toolkit';
my $there = "$root$prefix";
# The build is done (make check has made it); this only copies.
exits(0, ['make', '-C', $TOP, 'install', "DESTDIR=$root", "PREFIX=$prefix",
	$ENV{SANITIZE} ? "SANITIZE=$ENV{SANITIZE}" : ()], 'make install', timeout => 280,
	env => { MAKEFLAGS => '', MAKELEVEL => '' });

for my $name (map { m{([^/]+)/$} } glob("$TOP/tools/cr-*/")) {
	exits(0, ["$there/bin/$name", '-V'], "$name -V from where it was put");
}
for my $page (map { m{([^/]+)$} } glob("$TOP/man/*.[1-8]")) {
	my ($section) = $page =~ /(\d)$/;
	ok(-e "$there/share/man/man$section/$page", "manual page $page");
}
for my $lib (qw(libcr.a libcr.so libcr.so.0 pkgconfig/libcr.pc)) {
	ok(-e "$there/lib/$lib", "lib/$lib");
}

SKIP: {
	skip('a sanitized library needs its run time', 7) if $ENV{SANITIZE};
	my $dir = tmpdir();
	spew("$dir/use.c", <<'C');
#include <stdio.h>
#include <parse.h>
#include <stream.h>
#include <tree.h>
#include <inject.h>
#include <image.h>

int main(void)
{
	struct cr_writer *w;
	struct cr_err err;
	uint64_t v;

	if (cr_parse_u64("0x2a", 0, 0, 100, &v) < 0 || v != 42)
		return 1;
	if (cr_parse_u64("42x", 0, 0, 100, &v) == 0)
		return 2;
	if (cr_writer_open(1, "stdout", &w, &err) < 0)
		return cr_err_report(&err);
	if (cr_writer_end(w, &err) < 0)
		return cr_err_report(&err);
	cr_writer_free(w);
	return 0;
}
C
	my %env = (PKG_CONFIG_PATH => "$there/lib/pkgconfig", PKG_CONFIG_SYSROOT_DIR => '');
	my $flags = exits(0, ['pkg-config', "--define-variable=prefix=$there", '--cflags', '--libs',
		'libcr'], 'pkg-config', env => \%env)->{out};
	exits(0, ['sh', '-c', "gcc -Wall -Werror -o $dir/use $dir/use.c $flags"],
		'compiles with the shared library');
	my $r = exits(0, ["$dir/use"], 'runs with it', env => { LD_LIBRARY_PATH => "$there/lib" });
	like($r->{out}, qr/^CR/, 'writes a stream') or diag(unpack('H*', $r->{out}));
	my $static = run(['pkg-config', "--define-variable=prefix=$there", '--cflags', '--libs',
		'--static', 'libcr'], env => \%env)->{out};
	exits(0, ['sh', '-c', "gcc -Wall -o $dir/static $dir/use.c " .
		$static =~ s/-lcr\b/-l:libcr.a/r], 'compiles with the static library');
	is(exits(0, ["$dir/static"], 'runs with it')->{out}, $r->{out}, 'writes the same');
	my $left = run(['sh', '-c', "nm -D --defined-only $there/lib/libcr.so | " .
		"awk '{print \$3}' | grep -vE '^(cr_|cr__|_)'"])->{out};
	is($left, '', 'the library exports names of its own only');
}
done_testing;
