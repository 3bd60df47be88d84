#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Large descriptor tables: what the kernel says by BPF is what /proc says, and
# without the right to use BPF the same is dumped.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use JSON::PP;

my $dir = tmpdir();
my $code = <<'E';
import os, sys, time, fcntl, socket, signal
os.chdir(sys.argv[1])
for i in range(300):
    name = 'file %d' % (i % 40)
    fd = os.open(name, os.O_RDWR | os.O_CREAT | (os.O_APPEND if i % 3 == 0 else 0))
    os.truncate(fd, 100)
    os.lseek(fd, i % 7, 0)
    os.set_inheritable(fd, i % 2 == 0)
    if i % 5 == 0:
        os.dup2(fd, 1000 - i, inheritable=(i % 10 == 0))
# What /proc must be asked for: locks, owners, devices, what has no path.
lock = os.open('locked', os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
own = os.open('owned', os.O_RDWR | os.O_CREAT)
fcntl.fcntl(own, fcntl.F_SETOWN, os.getpid())
hinted = os.open('hinted', os.O_RDWR | os.O_CREAT)
fcntl.fcntl(hinted, 1036, (3).to_bytes(8, 'little'))	# F_SET_RW_HINT
gone = os.open('gone', os.O_RDWR | os.O_CREAT)
os.unlink('gone')
moved = os.open('moved', os.O_RDWR | os.O_CREAT)
os.rename('moved', 'moved away')
os.unlink('moved away')
open('moved away', 'w').write('another')
for i in range(200):
    os.open('/dev/null', os.O_RDWR)
    os.pipe()
os.open('.', os.O_RDONLY | os.O_DIRECTORY)
os.open('locked', os.O_PATH)
if os.fork() == 0:
    os.dup2(3, 2000)
    signal.pause()
# Not opened: two dumps are compared.
os.mknod('ready')
signal.pause()
E
my $pid = background(['python3', '-c', $code, $dir], session => 1, out => "$dir/out",
	err => "$dir/err");
wait_for(20, sub { -e "$dir/ready" || !alive($pid) });
ok(-e "$dir/ready", 'the process is ready') or diag(slurp("$dir/err"));

# Its records of descriptors and files, as text; and the program's messages.
sub dump_by {
	my ($dump, $name) = @_;
	my $img = tmpdir();
	my $r = run(['sh', '-c', tool('cr-freeze') . " -t $pid | $dump -v --file-locks -D $img | "
		. tool('cr-imgtool') . ' show -']);
	my $all = eval { decode_json($r->{out}) };

	is($r->{status}, 0, "$name: works") or diag($r->{err});
	ok($all, "$name: the output is JSON") or return ('', $r->{err}, []);
	my @records = grep { $_->{kind} !~ /^(header|task|thread|stats|end)$/ }
		@{ ref $all eq 'HASH' ? $all->{records} : $all };
	return (JSON::PP->new->canonical->pretty->encode(\@records), $r->{err}, \@records);
}

my $dump = tool('cr-dump-fds');
my ($kernel, $said, $records) = dump_by($dump, 'by the kernel');
my ($proc, $said_proc) = dump_by('setpriv --bounding-set -bpf,-perfmon,-sys_admin '
	. "--inh-caps -bpf,-perfmon,-sys_admin $dump", 'by /proc');
my $without = qr/descriptors are read from \/proc/;
like($said_proc, $without, 'without the right to it, BPF is not used');
SKIP: {
	# Not when the kernel's verifier objects to the program.
	skip('no BPF iterators for this user on this kernel', 1)
		if $said =~ $without && $said !~ /no BPF iterator: (Permission denied|Invalid)/;
	like($said, qr/descriptors are read by BPF/, 'with it, it is');
}
is($kernel, $proc, 'both say the same');

is((grep { ($_->{write_hint} // 0) == 3 } @$records), 1, 'one file has a hint');

# What must be in it, whoever said so.
my ($table) = grep { $_->{kind} eq 'fd_table' && $_->{pid} == $pid } @$records;
ok($table, 'there is a table');
my %fd = map { $_->{fd} => $_ } @{ $table->{fds} || [] };
my %file = map { $_->{id} => $_ } grep { defined $_->{id} } @$records;
my @wrong;
for my $i (0 .. 299) {
	my $one = $fd{3 + $i} or push(@wrong, "$i: is not there") && next;
	push @wrong, "$i: position" if ($file{ $one->{file} }{pos} // 0) != $i % 7;
	push @wrong, "$i: close on exec" if !!$one->{cloexec} != !!($i % 2);
	next if $i % 5;
	my $copy = $fd{1000 - $i};
	push @wrong, "$i: not one description" unless $copy && $copy->{file} == $one->{file};
}
is(join(', ', @wrong), '', 'descriptions, positions and close-on-exec are as they were made');
kill 'KILL', CRTest::descendants($pid), $pid;
finish($pid, 5);
done_testing;
