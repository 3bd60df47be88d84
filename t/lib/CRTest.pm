# SPDX-License-Identifier: MIT
#
# What the tests share.  "use CRTest;" gives Test::More and the functions of
# @EXPORT, moves the test into a pid namespace of its own (so that the pids of
# tests that run side by side cannot meet; "use CRTest host => 1;" stays
# outside), makes it the parent of every orphan, and ends all of them when the
# test ends.  Programs are found in CR_BIN, built targets in B/t.
package CRTest;

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter ();
use Fcntl;
use File::Basename qw(dirname);
use File::Temp ();
use POSIX qw(:sys_wait_h setsid);
use Test::More;
use Time::HiRes qw(sleep time);

our @ISA = ("Exporter");
our @EXPORT = qw($BIN $BUILD $TOP tmpdir run exits background finish reap alive slurp spew touch
	tool wait_for status_of describe);
our $TOP = abs_path(dirname(__FILE__) . '/../..');
our $BUILD = $ENV{B} || "$TOP/build";
our $BIN = $ENV{CR_BIN} || "$TOP/bin";

# How many seconds are waited for what must happen: on a machine that has other
# work a short time says nothing.
my $AT_LEAST = 60;
my $owner;	# the process that cleans up
my @dirs;
my %ended;	# pid => wait status of children that were reaped

# prctl(PR_SET_CHILD_SUBREAPER, 1)
my %prctl_nr = (x86_64 => 157, aarch64 => 167);

sub import {
	my ($class, %opt) = @_;
	my $isolated = delete $ENV{CR_TEST_ISOLATED};

	if (!$isolated) {
		$ENV{CR_TEST_ISOLATED} = 1;
		my @how = $opt{host} ? () : ('-n');
		exec("$BUILD/t/reaper", @how, $^X, "-I$TOP/t/lib", $0, @ARGV)
			or die "unable to run $BUILD/t/reaper (make tests): $!\n";
	}
	syscall($prctl_nr{(POSIX::uname())[4]}, 36, 1, 0, 0, 0) == 0 or die "prctl: $!";
	$owner = $$;
	strict->import;
	warnings->import;
	@_ = ($class);
	Test::More->export_to_level(1);
	__PACKAGE__->export_to_level(1, @_);
}

# --- processes ---------------------------------------------------------------

# Take notice of everything that has ended.
sub reap {
	while ((my $pid = waitpid(-1, WNOHANG)) > 0) {
		$ended{$pid} = $?;
	}
}

# The wait status of a child that has ended, else undef.
sub status_of {
	my ($pid) = @_;
	reap();
	return $ended{$pid};
}

# Processes of these pids are to be made again: forget how the former ended.
sub forget {
	reap();
	delete @ended{@_};
}

sub describe {
	my ($status) = @_;
	return 'still running' unless defined $status;
	return 'killed by signal ' . WTERMSIG($status) if WIFSIGNALED($status);
	return 'exit ' . WEXITSTATUS($status);
}

# Exists and is no zombie.
sub alive {
	my ($pid) = @_;
	reap();
	my $stat = slurp("/proc/$pid/stat", 1) // return 0;
	my ($state, $threads) = (split ' ', $stat =~ s/.*\) //sr)[0, 17];
	# One whose main thread alone has ended lives.
	return $state !~ /[ZX]/ || $threads > 1;
}

# Until the code returns true; undef after that many seconds, or $AT_LEAST.
sub wait_for {
	my ($seconds, $code) = @_;
	my $until = time() + ($seconds > $AT_LEAST ? $seconds : $AT_LEAST);
	for (;;) {
		reap();
		my $v = $code->();
		return $v if $v;
		return undef if time() > $until;
		sleep(0.002);
	}
}

# Start a program; options: in, out, err (file names), dir, env, setup (code that
# runs in the child), session (a new one).  Returns its pid.
sub background {
	my ($cmd, %o) = @_;
	my $pid = fork() // die "fork: $!";

	if ($pid == 0) {
		eval {
			setsid() if $o{session};
			chdir($o{dir}) or die "$o{dir}: $!" if $o{dir};
			$ENV{$_} = $o{env}{$_} for keys %{ $o{env} || {} };
			open(STDIN, '<', $o{in} // '/dev/null') or die "stdin: $!";
			open(STDOUT, '>>', $o{out}) or die "stdout: $!" if $o{out};
			open(STDERR, '>>', $o{err}) or die "stderr: $!" if $o{err};
			POSIX::close($_) for grep { $_ > 2 } map { m{(\d+)$} } glob('/proc/self/fd/*');
			$o{setup}->() if $o{setup};
			no warnings;
			exec { $cmd->[0] } @$cmd or die "$cmd->[0]: $!\n";
		};
		print STDERR $@;
		POSIX::_exit(99);
	}
	delete $ended{$pid};
	return $pid;
}

# Wait for a child and return its wait status; kills it when it takes too long.
sub finish {
	my ($pid, $seconds) = @_;
	wait_for($seconds // 60, sub { defined $ended{$pid} });
	if (!defined $ended{$pid}) {
		diag("pid $pid is still running");
		kill 'KILL', $pid;
		wait_for(5, sub { defined $ended{$pid} });
	}
	return delete $ended{$pid};
}

# Run a program to its end.  Returns { status, out, err, seconds }.
sub run {
	my ($cmd, %o) = @_;
	my $dir = tmpdir();
	my $began = time();
	my $pid = background($cmd, out => "$dir/out", err => "$dir/err", %o);
	my $status = finish($pid, $o{timeout});
	my %r = (status => $status, seconds => time() - $began);

	$r{$_} = slurp($o{$_} // "$dir/$_", 1) // '' for qw(out err);
	return \%r;
}

# Run a program and assert its exact exit status: death by a signal is none.
sub exits {
	my ($want, $cmd, $name, %o) = @_;
	my $r = run($cmd, %o);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	if (!is(describe($r->{status}), "exit $want", $name)) {
		diag("command: @$cmd");
		diag("stdout: $r->{out}") if length($r->{out}) && length($r->{out}) < 4000;
		diag("stderr: $r->{err}") if length $r->{err};
	}
	return $r;
}

sub tool {
	my ($name) = @_;
	return "$BIN/$name";
}

# --- files -------------------------------------------------------------------

# A private directory, gone at the end.
sub tmpdir {
	my $dir = File::Temp::tempdir('cr-t.XXXXXXXX', TMPDIR => 1, CLEANUP => 0);
	chmod 0755, $dir;
	push @dirs, $dir;
	return $dir;
}

# The content of a file; dies when there is none, unless it may be missing.
sub slurp {
	my ($file, $may_miss) = @_;
	open(my $f, '<', $file) or $may_miss ? return undef : die "$file: $!";
	local $/;
	my $text = <$f>;
	return $text // ($may_miss ? undef : '');
}

sub spew {
	my ($file, $text, $mode) = @_;
	open(my $f, '>', $file) or die "$file: $!";
	print $f $text;
	close($f) or die "$file: $!";
	chmod $mode, $file if defined $mode;
}

sub touch {
	my ($file) = @_;
	sysopen(my $f, $file, O_WRONLY | O_CREAT) or die "$file: $!";
}

# --- the end -----------------------------------------------------------------

sub children {
	my ($pid) = @_;
	return map { split ' ', slurp($_, 1) // '' } glob("/proc/$pid/task/*/children");
}

sub descendants {
	my ($pid) = @_;
	return map { ($_, descendants($_)) } children($pid);
}

END {
	if (defined $owner && $owner == $$) {
		my $code = $?;
		for (1 .. 2000) {
			reap();
			my @left = descendants($$) or last;
			kill 'KILL', @left;
			sleep(0.002);
		}
		system('rm', '-rf', @dirs) if @dirs;
		$? = $code;
	}
}

1;
