#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# cr-freeze | cr-dump-fds | cr-dump-net | cr-imgtool show - prints every kind of
# descriptor with its fields, of living programs that it leaves alone.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTarget;
use JSON::PP;

# A kind, and fields that are not 0 in one of its records at least.
my %want = (
	fd_table => [qw(pid fds)], fs => [qw(pid cwd root)],
	reg => [qw(id ref open_flags pos unlinkable)], ghost => [qw(id path mode mtime_ns tmpfile)],
	pipe => [qw(id pipe open_flags)], pipe_data => [qw(pipe capacity data)],
	fifo => [qw(id ref pipe open_flags)], event_fd => [qw(id open_flags count semaphore)],
	timer_fd => [qw(id clock value_ns interval_ns)], signal_fd => [qw(id open_flags sigmask)],
	epoll => [qw(id items)], inotify => [qw(id open_flags watches)],
	fanotify => [qw(id)], pid_fd => [qw(id open_flags pid)],
	memfd => [qw(id open_flags pos ghost mode)], mqueue => [qw(id name)],
	namespace => [qw(id name)], io_uring => [qw(id ino setup_flags sq_entries rings files buffers)],
	user_fault_fd => [qw(id pid api features)],
	bpf_map => [qw(id type key_size value_size max_entries)], tty => [qw(id terminal open_flags)],
	terminal => [qw(terminal termios rows)], file_owner => [qw(file pid signal watches)],
	file_lock => [qw(file pid lock type start end breaking)], socket => [qw(id)],
	unix_socket => [qw(id name)], inet_socket => [qw(id)],
);
my @targets = qw(files ghost pipes fifo eventfd timerfd signalfd epoll inotify fanotify pidfd memfd
	mqueue namespace uring uffd bpfmap tty owner dnotify lock lease unixname unixpair inet);
my (%seen, %fields);

for my $name (@targets) {
	my $t = CRTarget->start($name);

	next unless $t->ready;
	my $line = tool('cr-freeze') . " -t $t->{pid} | " . tool('cr-dump-fds')
		. " -D $t->{img} --file-locks | "
		. tool('cr-dump-net') . ' | ' . tool('cr-imgtool') . ' show -';
	my $r = exits(0, ['sh', '-c', $line], "$name: is shown");
	my $all = eval { decode_json($r->{out}) };

	for my $record (@{ ref $all eq 'HASH' ? $all->{records} : $all || [] }) {
		my $kind = $record->{kind};
		my $at = ref $record->{$kind} eq 'HASH' ? $record->{$kind} : $record;

		$seen{$kind}++;
		for (keys %$at) {
			my $v = $at->{$_};
			$fields{$kind}{$_}++ if ref $v eq 'ARRAY' ? @$v : ref $v || $v;
		}
	}
	$t->verify('and goes on');
}
# A field of that name would hide the kind of its record.
is(join(' ', grep { /[A-Z]/ } keys %seen), '', 'kinds are kinds of records');
for my $kind (sort keys %want) {
	ok($seen{$kind}, "$kind is there") or next;
	is(join(' ', grep { !$fields{$kind}{$_} } @{ $want{$kind} }), '', "$kind has all its fields") or
		diag("it has: @{[ sort keys %{ $fields{$kind} } ]}");
}
done_testing;
