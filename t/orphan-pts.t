#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A tree on a pty whose master is outside of it: refused, or with
# --orphan-pts-master restored with a new master, which a listener gets.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTerminal;

my $receiver = <<'PY';
import array, os, select, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind('socket')
s.listen()
open('listens', 'w').close()
c, _ = s.accept()
line, anc, _, _ = c.recvmsg(200, socket.CMSG_SPACE(4))
a = array.array('i')
a.frombytes(anc[0][2][:4])
master = a[0]
keys = os.open('keys', os.O_RDWR)
screen = os.open('screen', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with open('line', 'w') as f: f.write(line.decode())
while True:
    ready, _, _ = select.select([keys, master], [], [])
    if keys in ready: os.write(master, os.read(keys, 4096))
    if master in ready:
        try: text = os.read(master, 4096)
        except OSError: break
        os.write(screen, text)
PY

# Who takes a master, as if it were another CRTerminal.
sub receiver {
	my $t = { dir => tmpdir(), seen => 0 };

	system('mkfifo', "$t->{dir}/keys") == 0 or die;
	$t->{pid} = background(['python3', '-c', $receiver], dir => $t->{dir},
		out => "$t->{dir}/out", err => "$t->{dir}/err");
	wait_for(20, sub { -e "$t->{dir}/listens" });
	return bless $t, 'CRTerminal';
}

# A shell that runs cat; its pid.
sub shell {
	my ($t) = @_;

	$t->sees(qr/ready> /, 'a shell');
	$t->type("x=kept; stty rows 31 columns 99; trap 'echo hung up >hup' HUP; cat\n");
	$t->sees(qr/cat\r?\n/, 'cat');
	$t->type("whole\n");
	$t->sees(qr/whole\r?\nwhole\r?\n/, 'it reads');
	$t->type('half of ');
	$t->sees(qr/half of /, 'half a line');
	return (CRTest::children($t->{pid}))[0];
}

sub goes_on {
	my ($t, $name) = @_;

	$t->type("a line\n");
	$t->sees(qr/half of a line\r?\n/, "$name: both halves of the line");
	$t->type("\cD");
	$t->sees(qr/ready> /, "$name: the shell is back");
	$t->type("echo \$x; stty size; tty\n");
	my $tty = $t->sees(qr{\nkept\r?\n31 99\r?\n(/dev/pts/\d+)\r?\n}, "$name: as it was");
	$t->type("sh -c 'echo job; exec sleep 1000'\n");
	$t->sees(qr/\njob\r?\n/, "$name: a job");
	$t->type("\cC");
	$t->sees(qr/\^C\r?\n.*ready> /s, "$name: ^C ends it");
	$t->type("read a </dev/tty; echo got-\$a\n");
	$t->sees(qr/got-\$a\r?\n/, "$name: /dev/tty");
	$t->type("word\n");
	$t->sees(qr/\ngot-word\r?\n/, "$name: which is this terminal");
	return $tty;
}

my ($t, $img) = (CRTerminal->start(['/bin/bash', '--norc', '--noprofile', '-i']), tmpdir());
my $pid = shell($t);
my $r = exits(1, [tool('cr-checkpoint'), '-t', $pid, '-D', $img], 'refused without the option');

like($r->{err}, qr/pid $pid: .*terminal \(.*its master is outside of the tree; .*--orphan-pts-master/,
	'by name');
exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img, '--orphan-pts-master'], 'cr-checkpoint');
is(describe(finish($t->{pid}, 20)), 'exit 137', 'its old terminal sees the end');

$r = exits(1, [tool('cr-restore'), '-d', '-D', $img], 'refused at the restore');
like($r->{err}, qr{/dev/pts/\d+: its master was outside of the tree; use --orphan-pts-master},
	'by name too');
exits(1, [tool('cr-restore'), '-d', '-D', $img, '--orphan-pts-master', '/dev/null'],
	'what is no socket is refused');

for my $time ('first', 'second') {
	my $new = receiver();
	# The number is free the first time, and taken the second.
	my $other = $time eq 'second' ? CRTerminal->start(['/bin/cat']) : undef;

	wait_for(20, sub { CRTest::children($other->{pid}) }) if $other;
	exits(0, [tool('cr-restore'), '-d', '-D', $img, '--orphan-pts-master', "$new->{dir}/socket"],
		"cr-restore, the $time time")->{status} == 0 or next;
	my $tty = goes_on($new, $time);
	my ($was, $now) = split ' ', slurp("$new->{dir}/line");
	is($now, $tty, 'the line names it');
	is($now, $was, 'it has its old number') if !$other;
	isnt($now, $was, 'it has another number') if $other;
	$new->type("exit\n");
	finish($pid, 20);
	finish($new->{pid}, 20);
	$other->type("\cD") if $other;
	finish($other->{pid}, 20) if $other;
	ok(!-e "$t->{dir}/hup", 'nothing was hung up');
}

{
	my $new = receiver();
	exits(0, [tool('cr-restore'), '-d', '-D', $img, '--orphan-pts-master', "$new->{dir}/socket"],
		'cr-restore, and the master goes');
	wait_for(20, sub { -e "$new->{dir}/line" });
	kill 'KILL', $new->{pid};
	finish($new->{pid}, 20);
	ok(defined finish($pid, 20), 'the shell is hung up and ends');
	like(slurp("$t->{dir}/hup", 1) // '', qr/hung up/, 'as its trap says');
}
done_testing;
