#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Programs that work on a terminal: killed and restored with it, they go on.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;
use CRTerminal;

# Without what the user has set for himself.
my %plain = (HOME => '/nonexistent', INPUTRC => '/dev/null', SCREENRC => '/dev/null',
	SYSSCREENRC => '/dev/null', VIMINIT => '');

# Kill the tree of @pid with an image, and restore it.
sub lives_again {
	my ($pid, $what) = @_;
	my $img = tmpdir();

	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img], "$what: checkpoint")
		->{status} == 0 or return 0;
	finish($pid, 10);
	return exits(0, [tool('cr-restore'), '-d', '-D', $img], "$what: restore")->{status} == 0;
}

sub has {
	my ($name) = @_;
	return run(['sh', '-c', "command -v $name"])->{status} == 0;
}

subtest 'gdb with nothing attached' => sub {
	plan skip_all => 'gdb is not installed' unless has('gdb');
	my $t = CRTerminal->start(['gdb', '-q', '-nx'], env => \%plain);

	$t->sees(qr/\(gdb\) /, 'its prompt');
	$t->type("set \$kept = 0x1234\n");
	$t->sees(qr/\(gdb\) /, 'a variable');
	$t->type('print $kep');
	$t->sees(qr/print \$kep/, 'half a line');
	lives_again($t->{pid}, 'gdb') or return;
	$t->type("t + 1\n");
	$t->sees(qr/\$1 = 4661\r?\n/, 'the other half of the line');
	$t->type("shell echo from-\$((40+2))\n");
	$t->sees(qr/from-42/, 'a shell of it');
	$t->type("python print(6 * 7)\n");
	$t->sees(qr/\n42\r?\n|not supported/, 'python of it');
	$t->type("set width 0\nfile /bin/true\nrun\n");
	$t->sees(qr/exited normally/, 'it debugs a program');
	$t->type("quit\n");
	is(describe(finish($t->{pid}, 20)), 'exit 0', 'it ends');
};

subtest 'vim with a swap file' => sub {
	plan skip_all => 'vim is not installed' unless has('vim');
	my $dir = tmpdir();
	my $t = CRTerminal->start(['vim', '-u', 'NONE', '-N', 'text'],
		dir => $dir, env => { %plain, TERM => 'vt100' });
	my $line = join '', 'a' .. 'z';

	$t->sees(qr/text/, 'its screen');
	$t->type("ifirst $line\ntyped\e");
	$t->sees(qr/typed/, 'typed');
	$t->type(":preserve\n");
	ok(wait_for(20, sub { -e "$dir/.text.swp" && slurp("$dir/.text.swp") =~ /first $line/ }),
		'the swap file has it');
	$t->type("ihalf of ");
	$t->sees(qr/half of /, 'in the middle of a word');
	lives_again($t->{pid}, 'vim') or return;
	$t->type("it\e:w\n");
	ok(wait_for(20, sub { (slurp("$dir/text", 1) // '') eq "first $line\ntypehalf of itd\n" }),
		'what was typed before and after') or diag(slurp("$dir/text", 1));
	$t->type("u:w! undone\n");
	ok(wait_for(20, sub { (slurp("$dir/undone", 1) // '') eq "first $line\ntyped\n" }),
		'it can be undone') or diag(slurp("$dir/undone", 1));
	ok(-e "$dir/.text.swp", 'the swap file is there');
	$t->type(":recover!\n:q!\n");
	is(describe(finish($t->{pid}, 20)), 'exit 0', 'it ends');
	ok(!-e "$dir/.text.swp", 'with its swap file');
};

subtest 'screen with a shell' => sub {
	plan skip_all => 'screen is not installed' unless has('screen');
	my $dir = tmpdir();
	my %env = (%plain, SCREENDIR => "$dir/s", TERM => 'vt100', PS1 => 'ready> ', HISTFILE => '');

	mkdir "$dir/s", 0700;
	my $pid = background(['screen', '-D', '-m', '-S', 'cr', '/bin/sh', '-i'], dir => $dir,
		env => \%env, session => 1, out => "$dir/log", err => "$dir/log");
	my $screen = sub { run(['screen', '-S', 'cr', @_], env => \%env) };
	my $shows = sub {
		$screen->('-p', '0', '-X', 'hardcopy', "$dir/copy");
		return (slurp("$dir/copy", 1) // '') =~ $_[0];
	};

	ok(wait_for(20, sub { $shows->(qr/ready>/) }), 'its shell is ready')
		or diag(slurp("$dir/log"), slurp("$dir/copy", 1));
	$screen->('-p', '0', '-X', 'stuff', "x=seven; echo before\n");
	ok(wait_for(20, sub { $shows->(qr/^before/m) }), 'it runs what it is given');
	lives_again($pid, 'screen') or return;
	$screen->('-p', '0', '-X', 'stuff', "echo after-\\\$x; stty size\n");
	ok(wait_for(20, sub { $shows->(qr/^before.*^after-seven\n24 80/ms) }),
		'the shell and its screen are as before') or diag(slurp("$dir/copy", 1));
	$screen->('-X', 'screen', '/bin/sh', '-i');
	$screen->('-p', '1', '-X', 'stuff', "tty >tty1; exit\n");
	ok(wait_for(20, sub { (slurp("$dir/tty1", 1) // '') =~ m{^/dev/pts/\d+$}m }), 'a new window');

	my $t = CRTerminal->start(['screen', '-r', 'cr'], env => { %env });
	$t->sees(qr/after-seven/, 'a user comes back to it');
	$t->type("echo then-\$x\n");
	$t->sees(qr/then-seven/, 'and types');
	$t->type("exit\n");
	finish($t->{pid}, 20);
	is(describe(finish($pid, 20)), 'exit 0', 'it ends');
};

done_testing;
