#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# What copies of an image cannot all have: locks, ports, names of sockets.  The
# second copy is refused, and all of it is named at once; the first goes on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my $script = <<'EOP';
use strict; use warnings; use Fcntl qw(:flock F_SETLK F_WRLCK SEEK_SET); use Socket;
my @keep;
sub file { open(my $f, '+>', $_[0]) or die "$_[0]: $!"; push @keep, $f; $f }
sub bound {
	my ($domain, $type, $name) = @_;
	socket(my $s, $domain, $type, 0) or die "socket: $!";
	bind($s, $name) or die "bind: $!";
	listen($s, 1) if $type == SOCK_STREAM;
	push @keep, $s;
	return $s;
}
flock(file('flock'), LOCK_EX | LOCK_NB) or die "flock: $!";
sub range {
	my ($file, $how, $start, $length) = @_;
	my $lock = pack('s s x4 q q i x4', F_WRLCK, SEEK_SET, $start, $length, 0);
	fcntl($file, $how, $lock) or die "fcntl: $!";
}
range(file('posix'), F_SETLK, 5, 10);
range(file('ofd'), 37, 0, 0); # F_OFD_SETLK
my $tcp = bound(AF_INET, SOCK_STREAM, pack_sockaddr_in(0, inet_aton('127.0.0.1')));
my $udp = bound(AF_INET, SOCK_DGRAM, pack_sockaddr_in(0, inet_aton('127.0.0.1')));
bound(AF_UNIX, SOCK_STREAM, pack_sockaddr_un("\0cr-t-taken-$$"));
bound(AF_UNIX, SOCK_DGRAM, pack_sockaddr_un('socket'));
open(my $f, '>', 'names') or die;
print $f join("\n", map({ (unpack_sockaddr_in(getsockname($_)))[0] } $tcp, $udp), "cr-t-taken-$$"), "\n";
close $f;
# A signal for the death of its parent.
syscall(157, 1, 15, 0, 0, 0) == 0 or die "prctl: $!";
open($f, '>', 'ready') or die;
close $f;
select(undef, undef, undef, 0.01) until -e 'verify';
my $signal = pack('i', 0);
syscall(157, 2, $signal, 0, 0, 0) == 0 or die "prctl: $!";
exit(unpack('i', $signal) == 15 ? 42 : 43);
EOP

my $t = CRTarget->start('taken', cmd => [$^X, '-e', $script]);
$t->ready or BAIL_OUT('no target');
my ($tcp, $udp, $abstract) = split /\n/, slurp("$t->{dir}/names");
my @restore = (tool('cr-restore'), '-d', '--new-pid-ns', '-D', $t->{img});
$t->checkpoint('--file-locks') or BAIL_OUT('no image');
$t->gone;

exits(0, [@restore], 'the first copy');
my $r = exits(1, [@restore], 'the second copy');
my $dir = quotemeta $t->{dir};
for (["pid $t->{pid}: $dir/flock: its lock is held by another process", 'flock'],
	["pid $t->{pid}: $dir/posix: its lock is held by another process", 'a lock of a process'],
	["pid $t->{pid}: $dir/ofd: its lock is held by another process", 'a lock of a description'],
	["pid $t->{pid}: tcp socket 127.0.0.1:$tcp: .*Address already in use", 'a TCP port'],
	["pid $t->{pid}: udp socket 127.0.0.1:$udp: .*Address already in use", 'a UDP port'],
	["pid $t->{pid}: unix socket \@$abstract: its name is taken", 'an abstract name'],
	["pid $t->{pid}: unix socket .*socket: its name is taken", 'a socket in a directory']) {
	my ($line, $what) = @$_;
	like($r->{err}, qr/^cr-restore: $line/m, $what);
}
like($r->{err}, qr/: 7 things are in the way; nothing was changed$/m, 'all of it');
sub copies {
	return grep { (slurp("/proc/$_/comm", 1) // '') eq "cr-restore-init\n" }
		CRTest::descendants($$);
}
is(scalar(copies()), 1, 'the first copy goes on');
kill 'KILL', copies();
ok(wait_for(10, sub { !CRTest::descendants($$) }), 'and is gone');

# The holder is named where it can be seen.
my $holder = background([$^X, '-e', 'use Fcntl qw(F_SETLK F_WRLCK SEEK_SET); open(F, "+<", "posix");
	my $lock = pack("s s x4 q q i x4", F_WRLCK, SEEK_SET, 14, 1, 0);
	fcntl(F, F_SETLK, $lock) or die;
	open(G, ">", "held"); close G; sleep 1 while 1'], dir => $t->{dir});
wait_for(20, sub { -e "$t->{dir}/held" });
$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'one byte is locked');
like($r->{err}, qr{^cr-restore: pid $t->{pid}: $dir/posix: its lock is held by pid $holder$}m,
	'by whom');
kill 'KILL', $holder;
finish($holder);

# The parent stays: the signal for its death is there.
my $code = 'system(@ARGV) == 0 or exit 9; my $p = wait; exit($p > 0 ? $? >> 8 : 8)';
my $front = background([$^X, '-e', $code, tool('cr-restore'), '-d', '--restore-sibling', '-D',
	$t->{img}]);
$t->verify('as a sibling: all of it is there again', pid => $front, exit => 42);
CRTest::forget($t->{pid});
touch("$t->{dir}/verify");
is(describe(finish(background([tool('cr-restore'), '--new-pid-ns', '-D', $t->{img}]))), 'exit 42',
	'as a copy, too');
done_testing;
