#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# tun and tap interfaces, in a network namespace of the test.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;

my %unshare = (x86_64 => 272, aarch64 => 97);

plan skip_all => 'no /dev/net/tun' unless -e '/dev/net/tun';
plan skip_all => "no network namespace: $!"
	unless syscall($unshare{ (POSIX::uname())[4] }, 0x40000000) == 0;

verifies_alone('tun', 'tun');
survives('tun and tap', 'tun');

# What would vanish is refused.
{
	my $dir = tmpdir();
	my $code = <<'E';
import fcntl, os, struct, time
f = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(f, 0x400454ca, struct.pack('<16sH22x', b'crt2', 0x1001))	# TUNSETIFF
open('ready', 'w').close()
time.sleep(1000)
E
	my $pid = background(['python3', '-c', $code], dir => $dir, session => 1,
		out => "$dir/out", err => "$dir/out");

	ok(wait_for(20, sub { -e "$dir/ready" }), 'an interface that is not persistent');
	my $r = exits(1, [tool('cr-checkpoint'), '-t', $pid, '-D', "$dir/img"], 'refused');
	like($r->{err}, qr{fd \d+: tun device \(/dev/net/tun\): its interface would vanish .*; \S},
		'by name');
	kill 'KILL', $pid;
	finish($pid);
}

# The interface is missing, or another one.
{
	my $t = CRTarget->start('tun');

	if ($t->ready && $t->checkpoint) {
		$t->gone;
		my $attach = sub {
			run(['python3', '-c', <<'E', @_]);
import fcntl, os, struct, sys
f = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(f, 0x400454ca, struct.pack('<16sH22x', b'crt0', 0x5001))	# TUNSETIFF
fcntl.ioctl(f, 0x400454cb, int(sys.argv[1]))				# TUNSETPERSIST
E
		};
		$attach->(0);
		my $r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'without its interface');
		like($r->{err}, qr/crt0: the network interface is missing/, 'refused by name');
		$attach->(1);
		$r = exits(1, [tool('cr-restore'), '-d', '-D', $t->{img}], 'with another interface');
		like($r->{err}, qr/crt0: another network interface, number \d+/, 'refused by name');
	}
}
done_testing;
