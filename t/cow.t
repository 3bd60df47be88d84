#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Pages that processes share copy-on-write are in the image once, a dump leaves
# them shared, and an image whose reference to another's pages is broken is named.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use CRImage;

# In kB: what the processes have of the memory that they have together.
sub sum_of {
	my ($name, @pids) = @_;
	my $sum = 0;

	for (@pids) {
		$sum += $1 if slurp("/proc/$_/smaps_rollup") =~ /^$name:\s+(\d+)/m;
	}
	return $sum;
}

# The pages that more than one of the processes have, all at the same address and
# not of a file: "PID ADDRESS".
sub shared_pages {
	my %users;

	no warnings 'portable';
	for my $pid (@_) {
		open(my $pagemap, '<:raw', "/proc/$pid/pagemap") or die;
		for (slurp("/proc/$pid/maps") =~ /^(\w+-\w+) \S\S\Sp/mg) {
			my ($from, $to) = map { hex } split /-/;
			my $n = ($to - $from) >> 12;

			sysseek($pagemap, $from >> 9, 0) or die;
			sysread($pagemap, my $entries, 8 * $n) == 8 * $n or next;
			for my $entry (unpack('Q<*', $entries)) {
				my $frame = $entry & (1 << 55) - 1;

				push @{ $users{"$frame $from"} }, "$pid $from"
					if $entry >> 63 & 1 && !($entry >> 61 & 1);
				$from += 4096;
			}
		}
	}
	return map { @$_ > 1 ? @$_ : () } values %users;
}

# Is it zeros, at "PID ADDRESS"?
sub is_empty {
	my ($pid, $address) = split / /, $_[0];

	open(my $mem, '<:raw', "/proc/$pid/mem") or die;
	sysseek($mem, $address, 0) or die;
	sysread($mem, my $bytes, 4096) or die;
	return $bytes !~ /[^\0]/;
}

my $t = CRTarget->start('cow');
$t->ready or BAIL_OUT('no target');
my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
is(scalar @pids, 4, 'four processes');
my ($rss, $pss) = map { sum_of($_, @pids) } 'Rss', 'Pss_Anon';
my $stats = tmpdir() . '/stats';
$t->checkpoint('-R', '--stats', $stats);
my ($shared) = slurp($stats) =~ /"pages_shared": (\d+)/;
my ($written) = slurp($stats) =~ /"pages_written": (\d+)/;
cmp_ok($shared, '>', 3000, 'pages are shared in the image');
cmp_ok($written * 4, '<', $pss * 1.1, 'what is written is not more than there is');
cmp_ok(sum_of('Pss_Anon', @pids), '<', $pss * 1.1, 'a dump leaves them shared');
sh_is("cr-imgtool check $t->{img}", 0, qr/: good: 4 processes/, 'cr-imgtool check');
sh_is("cr-imgtool show $t->{img}", 0, qr/borrowed/, 'cr-imgtool show');
$t->verify('goes on');

# What was shared is shared again, page by page; also at addresses that are
# cr-restore's own.
sub shares_again {
	my ($what, $at_most, @fixed) = @_;
	my $t = CRTarget->start('cow', title => $what,
		cmd => [@fixed, "$CRTest::BUILD/t/cow"]);

	$t->ready or return;
	my @pids = ($t->{pid}, CRTest::descendants($t->{pid}));
	my %before = map { $_ => 1 } shared_pages(@pids);
	my $pss = sum_of('Pss_Anon', @pids);

	cmp_ok(scalar keys %before, '>', 6000, "$what: pages that processes share");
	$t->checkpoint or return;
	$t->gone(@pids[1 .. $#pids]);
	for (1 .. 2) {
		exits(0, [@fixed, tool('cr-restore'), '-d', '-D', $t->{img}], "$what: cr-restore -d")
			->{status} == 0 or return;
		my %after = map { $_ => 1 } shared_pages(@pids);
		# A page of zeros is not in the image; stacks are written all the time.
		my @lost = grep { !$after{$_} && !is_empty($_) } sort keys %before;

		cmp_ok(scalar @lost, '<', $at_most, "$what: they are shared after the restore")
			or diag(map { sprintf('%d at %x; ', split / /) } @lost);
		cmp_ok(sum_of('Pss_Anon', @pids), '<', $pss * 1.02 + 4 * $at_most,
			"$what: it takes no more memory than before");
		last if $_ == 2;
		$t->{img} = tmpdir();
		$t->checkpoint or return;
		$t->gone(@pids[1 .. $#pids]);
	}
	$t->verify("$what: verifies itself after two restores");
}

shares_again('random addresses', 12);
shares_again('fixed addresses', 12, 'setarch', '-R');

# References to pages that no process has: those of the root are taken out.
sub crc32c {
	my ($crc, $bytes) = @_;

	$crc ^= 0xffffffff;
	for my $byte (unpack('C*', $bytes)) {
		$crc ^= $byte;
		$crc = $crc >> 1 ^ ($crc & 1 ? 0x82f63b78 : 0) for 1 .. 8;
	}
	return $crc ^ 0xffffffff;
}

# The End behind other records: their number as a varint, and their checksum.
sub end_record {
	my ($crcs) = @_;
	my ($n, $count) = (length($crcs) / 4, '');

	for (; $n > 127; $n >>= 7) {
		$count .= chr($n & 127 | 128);
	}
	my $payload = "\x08$count" . chr($n) . "\x15" . pack('L<', crc32c(0, $crcs));
	my $head = pack('L<S<S<', length $payload, $_[1], 0);
	return $head . pack('L<', crc32c(0, $head . $payload)) . $payload;
}

my ($PAGES, $dropped) = (22, 0);
patch("$t->{img}/manifest.img", "$t->{img}/broken", sub {
	my ($out, $crcs, $at) = (substr($_, 0, 8), '', 8);

	while ($at < length) {
		my ($length, $kind, undef, $crc) = unpack('L<S<S<a4', substr($_, $at, 12));
		my $record = substr($_, $at, 12 + $length);

		$at += 12 + $length;
		if ($at == length) {
			$out .= end_record($crcs, $kind);
		} elsif ($kind != $PAGES || $dropped++) {
			$out .= $record;
			$crcs .= $crc;
		}
	}
	$_ = $out;
});
rename("$t->{img}/broken", "$t->{img}/manifest.img") or die;
sh_is("cr-imgtool check $t->{img}", 102, qr/no process has the \d+ bytes at \d+ that it borrows/,
	'cr-imgtool check names a broken reference');
sh_is("cr-restore -D $t->{img}", 102, qr/pages at \w+ are to be those of another process, which/,
	'cr-restore refuses it');
done_testing;
