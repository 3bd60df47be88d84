#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Kernel objects that are not as they were when the image is restored.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

sub refused {
	my ($t, $what, $pattern) = @_;
	my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], "$what: refused");

	like($r->{err}, $pattern, "$what: by name");
}

subtest 'message queues' => sub {
	my $t = CRTarget->start('mqueue');
	return unless $t->ready;
	my $name = "cr-t-$t->{pid}";
	my $unlink = 241;	# mq_unlink

	$t->checkpoint or return;
	$t->gone;
	ok(syscall($unlink, "${name}b") == 0, 'the empty queue is removed');
	$t->restore_detached or return;
	$t->verify('one is made again');
	ok(syscall($unlink, "${name}b") == 0, 'it is there');
	ok(syscall($unlink, $name) == 0, 'the full queue is removed');
	refused($t, 'a queue with messages', qr{/$name: the message queue is missing; it had 2 messages});
	ok(syscall($unlink, "${name}b") < 0, 'no queue is left behind');
	my $attr = pack('q8', 0, 4, 100);
	ok(syscall(240, $name, 0102, 0600, $attr) >= 0, 'another queue of that name');
	refused($t, 'a queue of another shape',
		qr{/$name: the message queue takes 4 messages of 100 bytes, it took 5 of 100});
};
done_testing;
