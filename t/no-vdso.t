#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Processes without a vDSO.  An agent's way out stands behind the code of their
# program or of a library then: none of it stays, and none of it is in an image.
# Whoever has no such room is refused by name.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

no warnings 'portable';

my $static = -e "$BUILD/t/novdso-static";

# All bytes of files that a process can execute, by the file and the offset.
sub code_of {
	my ($pid) = @_;
	my %code;

	open(my $mem, '<', "/proc/$pid/mem") or die "mem: $!";
	for (split /\n/, slurp("/proc/$pid/maps")) {
		my ($start, $end, $at, $file) =
			m{^([0-9a-f]+)-([0-9a-f]+) r-xp ([0-9a-f]+) \S+ \d+ +(/.*)} or next;
		sysseek($mem, hex $start, 0);
		sysread($mem, $code{"$file $at"}, hex($end) - hex($start)) or die "$file: $!";
	}
	return \%code;
}

sub differing {
	my ($was, $is) = @_;
	return join(', ', grep { ($was->{$_} // '') ne ($is->{$_} // '') } sort keys %{ { %$was, %$is } });
}

sub no_trace {
	my ($what, $name, @args) = @_;
	my $t = CRTarget->start($name, title => $what, args => \@args);

	$t->ready or return;
	my $was = code_of($t->{pid});
	# Killed at its work, so that something is left for the next.
	run([tool('cr-inject'), '-t', $t->{pid}, 'getpid'], env => { CR_FAULT => "cr-inject:$_" })
		for qw(slots-written regs-set attached evicted);
	isnt(differing($was, code_of($t->{pid})), '', "$what: killed tools leave their code");
	exits(0, [tool('cr-inject'), '-t', $t->{pid}, 'getpid'], "$what: a call");
	is(differing($was, code_of($t->{pid})), '', "$what: a call leaves nothing behind");
	exits(0, [tool('cr-checkpoint'), '-R', '-t', $t->{pid}, '-D', $t->{img}], "$what: left running");
	is(differing($was, code_of($t->{pid})), '', "$what: a checkpoint leaves nothing behind");
	$t->{img} = tmpdir();
	exits(0, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], "$what: checkpoint");
	finish($t->{pid});
	exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}], "$what: restore");
	is(differing($was, code_of($t->{pid})), '', "$what: its code is as it was");
	$t->{img} = tmpdir();
	exits(0, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}], "$what: once more");
	finish($t->{pid});
	exits(0, [tool('cr-restore'), '-d', '-D', $t->{img}], "$what: restored once more");
	is(differing($was, code_of($t->{pid})), '', "$what: its code is as it was still");
	$t->verify('is as it was');
}

survives('no vDSO', 'novdso');
survives('no vDSO, and bytes of its own behind its code', 'novdso', args => ['own']);
no_trace('no vDSO', 'novdso');
SKIP: {
	skip 'no static C library', 1 unless $static;
	survives('no vDSO, static', 'novdso-static');
	no_trace('no vDSO, static', 'novdso-static');
	for (['novdso-full'], ['novdso-static', 'own']) {
		my ($name, @args) = @$_;
		my $what = join(' ', @$_);
		my $t = CRTarget->start($name, title => $what, args => \@args);
		$t->ready or next;
		my $was = code_of($t->{pid});
		my $r = exits(1, [tool('cr-checkpoint'), '-t', $t->{pid}, '-D', $t->{img}],
			"$what: refused");
		like($r->{err}, qr/^cr-inject: pid $t->{pid}: it has no vDSO of this kernel to execute, .*; run it without/m,
			"$what: by name, with a remedy");
		ok(!-e "$t->{img}/manifest.img", "$what: no image");
		is(differing($was, code_of($t->{pid})), '', "$what: nothing was written there");
		$t->verify('goes on as it was');
	}
}
SKIP: {
	skip 'no valgrind here', 1 if run(['valgrind', '--version'])->{status} != 0;
	# Its own descriptors are the last that the limit allows.
	my @valgrind = qw(valgrind -q --vgdb=no);
	survives('perl in valgrind', 'perl', cmd => [@valgrind, '/usr/bin/perl', "$TOP/t/data/program.pl"]);
	survives('threads in valgrind', 'threads', cmd => [@valgrind, "$BUILD/t/threads"]);
}
done_testing;
