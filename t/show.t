#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# cr-imgtool show: one JSON document that any parser takes, whatever is in it,
# stable names, kernel names beside numbers; text that is safe on a terminal.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRImage;

chdir(tmpdir()) or die;

# Expressions over the list r of the records in a file, in Python.
my @asked;
sub py_is {
	push @asked, [@_];
}

sub py_run {
	my @all = splice(@asked);
	open(my $f, '>', 'ask.py') or die;
	print $f "import json,os\nk = lambda kind: [x for x in r if x['kind'] == kind]\n";
	print $f "r = json.load(open('$_->[0]'))\nprint($_->[1])\n" for @all;
	close($f) or die;
	my ($got, $out) = sh('LC_ALL=C.UTF-8 python3 ask.py');
	is($got, 0, 'the questions are answered') or diag($out);
	my @lines = split(/\n/, $out);
	is(shift @lines, $_->[2], $_->[3]) for @all;
}

make_image('full');
chdir('full') or die;
sh_is('cr-imgtool show . >full.json', 0, qr/^$/, 'an image directory is shown');
sh_is('python3 -m json.tool full.json >/dev/null', 0, qr/^$/, 'python3 takes it');
sh_is('cr-imgtool show - <manifest.img >pipe.json; cmp full.json pipe.json', 0, qr/^$/,
	'the same from stdin');
sh_is('cr-imgtool show manifest.img | cmp full.json -', 0, qr/^$/, 'the same from the file');

py_is('full.json', 'len(r)', 21, 'every record');
py_is('full.json', 'k("task")[1]["state"]', 'ZOMBIE', 'enums by name');
py_is('full.json', 'k("task")[1]["exit_status_name"]', 'exited 1', 'wait status');
py_is('full.json', 'k("task")[0]["exit_signal_name"]', 'SIGCHLD', 'signals');
py_is('full.json', 'k("task")[0]["umask_name"]', '0022', 'umask');
py_is('full.json', 'k("task")[0]["rlimits"][0]["which"]', 'RLIMIT_CPU', 'rlimits by name');
py_is('full.json', 'k("task")[0]["rlimits"][0]["hard_name"]', 'RLIM_INFINITY', 'no limit');
py_is('full.json', 'k("task")[0]["shared_signals"]',
	"[{'si_signo': 10, 'si_signo_name': 'SIGUSR1', 'si_errno': 0, 'si_code': 0, " .
	"'si_code_name': 'SI_USER', 'si_pid': 42, 'si_uid': 123}]", 'siginfo_t');
py_is('full.json', 'k("thread")[0]["sigmask"], k("thread")[0]["sigmask_names"]',
	"0x8000 ['SIGSTKFLT']", 'signal sets');
py_is('full.json', 'k("thread")[0]["regs"]["rip"]', '0x0', 'registers');
py_is('full.json', 'k("thread")[0]["xstate"][-13:]', '... 576 bytes', 'long bytes are cut');
py_is('full.json', 'k("thread")[0]["creds"]["cap_eff_names"]', "['CAP_CHOWN', 'CAP_DAC_OVERRIDE']",
	'capabilities');
py_is('full.json', 'k("thread")[1]["creds"]', 'None', 'an absent message is null');
py_is('full.json', 'k("inside")[0]["actions"][0]["sa_flags_names"]', "['SA_RESTORER', 'SA_RESTART']",
	'sa_flags');
py_is('full.json', 'k("thread_inside")[0]["altstack"]["ss_flags_names"]', "['SS_DISABLE']", 'ss_flags');
py_is('full.json', 'k("thread_inside")[0]["parent_death_signal_name"]', 'SIGTERM', 'pdeath');
py_is('full.json', 'k("mm")[0]["vmas"][0]["prot_names"]', "['PROT_READ', 'PROT_EXEC']", 'prot');
py_is('full.json', 'k("mm")[0]["vmas"][3]["vma_flags_names"]', "['VM_LOCKED']", 'vma_flags');
py_is('full.json', 'k("mm")[0]["exe"]["mode_names"]', "['S_IFREG', '0755']", 'st_mode');
py_is('full.json', 'k("mm")[0]["exe"]["build_id"]', 'aabb', 'short bytes are whole');
py_is('full.json', 'k("mm")[0]["auxv"]', "{'AT_PAGESZ': '0x1000'}", 'the auxiliary vector');
py_is('full.json', 'k("shmem")[0]["seals_names"]', "['F_SEAL_GROW']", 'seals');
py_is('full.json', 'k("reg")[0]["open_flags_names"]', "['O_RDWR', 'O_LARGEFILE']", 'open_flags');
py_is('full.json', 'k("reg")[0]["ref"]["rdev_name"]', '1:3', 'device numbers');
py_is('full.json', 'k("pipe_data")[0]["data"]', '68656c6c6f', 'pipe data');

py_run();

# What a target may choose: names of any bytes.
sh_is('mkstream <<-"E" >odd
	header version=1
	task pid=1 comm=a\xffb\x1b\x22\x5c\xc3\xa4\xc2\x9b\x7f\x01
	reg id=1 ref={ path=/\xc0\xaf/\xed\xa0\x80/\xf5\xf0\x9f\x98\x80/\x0a }
	E', 0, qr/^$/, 'odd names');
sh_is('cr-imgtool show odd >odd.json', 0, qr/^$/, 'are shown');
sh_is('LC_ALL=C python3 -m json.tool odd.json | grep -c udcff', 0, qr/^1$/, 'in good JSON');
py_is('odd.json', 'os.fsencode(k("task")[0]["comm"]).hex()', '61ff621b225cc3a4c29b7f01',
	'the bytes of a name can be had back');
py_is('odd.json', 'os.fsencode(k("reg")[0]["ref"]["path"]).hex()',
	'2fc0af2feda0802ff5f09f98802f0a', 'and of a path');
py_run();
my (undef, $text) = sh('cr-imgtool show --text odd');
unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]/, 'text has no control characters');
like($text, qr/comm="a\\xffb\\x1b\\"\\\\\xc3\xa4\\u009b\\x7f\\x01"/, 'but what they were');

# Filters and the command line.
sh_is('cr-imgtool show -k task -k mm . >f1.json', 0, qr/^$/, '-k');
py_is('f1.json', '[x["kind"] for x in r]', "['task', 'task', 'mm']", '-k twice');
sh_is('cr-imgtool show -p 12 . >f2.json', 0, qr/^$/, '-p');
py_is('f2.json', '[x["kind"] for x in r]', "['task']", 'records of one process');
sh_is('cr-imgtool show -p 99 . >f3.json', 0, qr/^$/, '-p of none');
py_is('f3.json', 'r', '[]', 'an empty array');
sh_is('cr-imgtool show --text -k reg .', 0,
	qr/^reg id=1 open_flags=32770 \(O_RDWR\|O_LARGEFILE\)\n    ref path="\/dev\/null" /, 'text');
sh_is('cr-imgtool show', 100, qr/operand is missing/, 'no operand');
sh_is('cr-imgtool show . .', 100, qr/too many operands/, 'two operands');
sh_is('cr-imgtool show -k nonsense .', 100, qr/'nonsense' is no kind/, 'a kind that is none');
sh_is('cr-imgtool show --json --text .', 100, qr/exclude each other/, 'two formats');
sh_is('cr-imgtool nonsense', 100, qr/none of show, check, commit/, 'no command of ours');
sh_is('cr-imgtool show nowhere', 111, qr/unable to open nowhere/, 'no such file');
sh_is('mkdir empty; cr-imgtool show empty', 102, qr/no complete image/, 'no image');
sh_is('cr-imgtool show . >/dev/full', 111, qr/unable to write/, 'a full disk');
sh_is('cr-imgtool show full.json', 102, qr/not a stream/, 'not an image');
sh_is('head -c 2000 manifest.img >cut; cr-imgtool show cut >cut.json', 102, qr/ends here/, 'a cut stream');
sh_is('python3 -m json.tool cut.json >/dev/null', 0, qr/^$/, 'what came is still one document');

# 100000 records in bounded memory, which a sanitizer needs more of.
my $limit = $ENV{SANITIZE} ? 'unlimited' : 60000;
sh_is('{ echo header version=1; yes reg id=1 ref={ path=/x } | head -n 100000; } | mkstream >many;
	ulimit -v '.$limit.'; cr-imgtool show many | tail -n 3', 0, qr/reg.*\n.*"count":100001.*\n\]\n$/,
	'a long stream');

# A live pipeline: show is its tail, and nothing is left behind.
my $pid = background(['sleep', '1000'], session => 1);
wait_for(5, sub { slurp("/proc/$pid/comm") eq "sleep\n" });
sh_is("cr-freeze -t $pid | cr-imgtool show -k task - >live.json", 0, qr/^$/, 'a live stream');
py_is('live.json', '[(x["pid"], x["comm"]) for x in r]', "[($pid, 'sleep')]", 'is shown');
my $status = slurp("/proc/$pid/status");
like($status, qr/^State:\tS/m, 'the process goes on');
like($status, qr/^TracerPid:\t0$/m, 'untraced');
py_run();

done_testing();
