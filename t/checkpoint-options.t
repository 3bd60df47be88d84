#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-checkpoint: its options, which stage gets them, and the exit status of the
# pipeline, with stages that only say how they were called.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRImage;

chdir(tmpdir()) or die;
sh("mkdir bin links; cp $BIN/cr-checkpoint $BIN/cr-pipe bin; ln -s ../bin/cr-checkpoint links/");
for my $stage (qw(cr-freeze cr-inject cr-dump-mem cr-dump-fds cr-dump-net cr-imgtool)) {
	spew("bin/$stage", <<'E', 0755);
#!/bin/sh
[ "$1" = -V ] && exec echo "${0##*/} 7.7"
cat >/dev/null
printf '%s' "${0##*/}" >>calls
for a; do printf ' [%s]' "$a" >>calls; done
echo >>calls
[ "${0##*/}" != "${DIE:-}" ] || kill -9 $$
[ "${0##*/}" != cr-imgtool ] || exit ${STATUS:-0}
E
}

# The lines that the stages got.
sub calls_are {
	my ($cmd, $name, %want) = @_;
	unlink 'calls';
	sh_is("$cmd </dev/null", 0, qr/^$/, $name);
	my %got = map { /^(\S+) ?(.*)/ } split(/\n/, slurp('calls'));
	my $dir = $want{dir} // 'img';
	my $all = $want{all} // '';
	is($got{'cr-freeze'}, "[-t] [42] $want{freeze}$all", "$name: cr-freeze");
	is($got{'cr-inject'}, $all =~ s/^ //r, "$name: cr-inject");
	my ($files, $fds) = ($want{files} // '', $want{fds} // '');
	is($got{'cr-dump-mem'}, "[-D] [$dir]$files$all", "$name: cr-dump-mem");
	is($got{'cr-dump-fds'}, "[-D] [$dir]$files$fds$all", "$name: cr-dump-fds");
	is($got{'cr-dump-net'}, "[-D] [$dir]" . ($want{net} // '') . $all, "$name: cr-dump-net");
	is($got{'cr-imgtool'}, "[commit] [-D] [$dir]" . ($want{commit} // '') . $all, "$name: cr-imgtool");
}
my $c = 'bin/cr-checkpoint';
calls_are("$c -t 42 -D img", 'plain', freeze => '[--then] [kill]');
calls_are("$c --tree 42 --images-dir img", 'long options', freeze => '[--then] [kill]');
calls_are("$c --tree=42 --images-dir=img", 'with =', freeze => '[--then] [kill]');
calls_are("$c -t42 -Dimg", 'without blanks', freeze => '[--then] [kill]');
calls_are("$c -Rvjt42 -D img", 'combined', freeze => '[--then] [resume] [-j]', all => ' [-v]');
calls_are("$c -t 42 -D img -s --shell-job -v --verbose", 'stopped', freeze => '[--then] [stop] [-j]',
	all => ' [-v] [-v]');
calls_are("$c -t 42 -D img --leave-running --timeout 3 --stats st.json", 'stats',
	freeze => '[--then] [resume] [--timeout] [3]', commit => ' [--stats] [st.json]');
calls_are("$c -t 42 -D img --ghost-limit=10M", 'ghost limit', freeze => '[--then] [kill]',
	files => ' [--ghost-limit] [10M]');
calls_are("$c -t 42 -D img --inotify-events=drop", 'inotify', freeze => '[--then] [kill]',
	fds => ' [--inotify-events] [drop]');
calls_are("$c -t 42 -D img --link-remap --embed-files", 'files', freeze => '[--then] [kill]',
	files => ' [--link-remap] [--embed-files]');
calls_are("$c -t 42 -D img --ext-unix-sk --external 'unix[7]' --skip-in-flight --tcp-close -v", 'sockets',
	freeze => '[--then] [kill]', net => ' [--ext-unix-sk] [--external] [unix[7]] [--skip-in-flight] [--tcp-close]',
	all => ' [-v]');
my $odd = q{a'b" $HOME `id` \\ *; x};
calls_are(qq{$c -t 42 -D 'a'\\''b" \$HOME `id` \\ *; x'}, 'an odd directory', dir => 'a\'b" $HOME `id` \\ *; x',
	freeze => '[--then] [kill]');
calls_are("$c -t 42 -D '|' --stats '|'", 'what stands between commands', dir => './|', freeze => '[--then] [kill]',
	commit => ' [--stats] [./|]');
calls_are('links/cr-checkpoint -t 42 -D img', 'by a symbolic link', freeze => '[--then] [kill]');
calls_are('cd bin && ln -sf ../calls . && sh cr-checkpoint -t 42 -D img', 'beside itself',
	freeze => '[--then] [kill]');
calls_are("PATH=\$PWD/bin:\$PATH cr-checkpoint -t 42 -D img", 'by PATH', freeze => '[--then] [kill]');

sh_is("$c", 100, qr/^cr-checkpoint: -t PID is missing \(see -h\)$/, 'nothing given');
sh_is("$c -t 42", 100, qr/-D DIR is missing/, 'no directory');
sh_is("$c -t", 100, qr/-t: an argument is missing/, 'an option without its argument');
sh_is("$c -D x -t $_", 100, qr/'\Q$_\E' is not a valid number|more than/, "pid $_")
	for qw(0x1 -1 012 1.5 99999999 abc 99999999999999999999);
sh_is("$c -D x -t 1 --ghost-limit $_", 100, qr/'.*' is not a valid number/, "a limit of $_") for qw(1x K 1KK -1);
sh_is("$c -D x -t ''", 100, qr/'' is not a valid number/, 'an empty pid');
sh_is("$c -D x -t 1 --timeout 86401", 100, qr/more than 86400/, 'a long timeout');
sh_is("$c -D x -t 1 -R -s", 100, qr/one end only/, 'two ends');
sh_is("$c -D x -t 1 --nonsense", 100, qr/--nonsense: unknown option/, 'an unknown option');
sh_is("$c -D x -t 1 more", 100, qr/'more': too many operands/, 'an operand');
sh_is("$c -V", 0, qr/^cr-checkpoint 7\.7$/, '-V');
sh_is("$c --help", 0, qr/^usage: cr-checkpoint \[OPTION\]\.\.\.\n/, '--help');
sh_is("STATUS=$_ $c -t 42 -D x", $_, qr/^$/, "the last stage exits $_") for 0, 1, 100, 102, 111;
sh_is("DIE=cr-imgtool $c -t 42 -D x", 111, qr/killed by signal 9/, 'the last stage is killed');
sh_is("rm bin/cr-imgtool; $c -t 42 -D x", 111, qr/unable to run .*cr-imgtool: No such file/, 'the last stage is missing');

done_testing();
