#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Programs that live on sockets: a python3 asyncio program with a subprocess and
# timers, an idle http server of node, tmux with a client and a shell.
use FindBin;
use lib "$FindBin::Bin/lib";
use CRTest;

# Is the program there?  Else the reason to skip.
sub has {
	my ($name) = @_;
	return 1 if run(['sh', '-c', "command -v $name"])->{status} == 0;
	diag("$name is not installed");
	return 0;
}

# Killed and restored twice from one image; @code is asked each time.
sub survives_twice {
	my ($pid, $what, $check, @options) = @_;
	my $img = tmpdir();

	exits(0, [tool('cr-checkpoint'), '-t', $pid, '-D', $img, @options], "$what: checkpoint")
		->{status} == 0 or return;
	finish($pid, 10);
	for my $time ('first', 'second') {
		exits(0, [tool('cr-restore'), '-d', '-D', $img], "$what: the $time restore")
			->{status} == 0 or return;
		$check->($time);
		next if $time eq 'second';
		kill 'KILL', reverse($pid, CRTest::descendants($pid));
		finish($pid, 10);
		wait_for(10, sub { !CRTest::descendants($$) });
	}
	kill 'KILL', reverse($pid, CRTest::descendants($pid));
	finish($pid, 10);
}

subtest 'asyncio' => sub {
	my $dir = tmpdir();
	my $pid = background(['python3', '-c', <<'E'], dir => $dir, session => 1, out => "$dir/log", err => "$dir/log");
import asyncio, os
async def echo(r, w):
    while line := await r.readline():
        w.write(b'echo ' + line); await w.drain()
async def main():
    ticks = 0
    await asyncio.start_unix_server(echo, 'echo')
    cat = await asyncio.create_subprocess_exec('cat', stdin=-1, stdout=-1)
    r, w = await asyncio.open_unix_connection('echo')
    open('ready', 'w').close()
    while not os.path.exists('end'):
        await asyncio.sleep(0.01); ticks += 1
        cat.stdin.write(b'%d\n' % ticks); assert await cat.stdout.readline() == b'%d\n' % ticks
        w.write(b'x\n'); assert await r.readline() == b'echo x\n'
        if os.path.exists('ask'): os.rename('ask', 'answer')
    cat.stdin.close(); assert await cat.wait() == 0
asyncio.run(main())
E
	wait_for(20, sub { -e "$dir/ready" || !alive($pid) });
	ok(-e "$dir/ready", 'it is ready') or diag(slurp("$dir/log"));
	survives_twice($pid, 'asyncio', sub {
		unlink "$dir/answer";
		touch("$dir/ask");
		ok(wait_for(20, sub { -e "$dir/answer" }), 'timers, subprocess and connection go on')
			or diag(slurp("$dir/log"));
	});
};

subtest 'node' => sub {
	plan skip_all => 'node is not installed' unless has('node');
	my $dir = tmpdir();
	my $pid = background(['node', '-e', <<'E'], dir => $dir, session => 1, out => "$dir/log", err => "$dir/log");
let n = 0;
const s = require('http').createServer((q, r) => r.end('answer ' + ++n + '\n'));
s.listen(0, '127.0.0.1', () => require('fs').writeFileSync('port', '' + s.address().port));
E
	ok(wait_for(20, sub { -s "$dir/port" }), 'it is ready') or diag(slurp("$dir/log"));
	my $port = slurp("$dir/port");
	my $get = sub {
		return run(['python3', '-c', "import urllib.request as u; print(u.urlopen('http://127.0.0.1:$port').read().decode())"])->{out};
	};
	# A connection that is kept alive would be one of TCP.
	like($get->(), qr/answer 1/, 'it answers');
	sleep 1;
	survives_twice($pid, 'node', sub { like($get->(), qr/answer 2/, 'it answers as before') });
};

subtest 'tmux' => sub {
	plan skip_all => 'tmux is not installed' unless has('tmux');
	my $dir = tmpdir();
	my @tmux = ('env', '-u', 'TMUX', 'TERM=xterm', 'tmux', '-S', "$dir/socket", '-f', '/dev/null');
	# -D: the server is the root of the tree; the shell is its child.
	my $pid = background([@tmux, '-D'], dir => $dir, session => 1, out => "$dir/log", err => "$dir/log");
	wait_for(20, sub { -S "$dir/socket" });
	my $r = run([@tmux, 'new-session', '-d', '-s', 'a', '-x', '80', '-y', '24', 'exec sh -i']);
	is($r->{status}, 0, 'a session') or diag($r->{err}, slurp("$dir/log"));
	run([@tmux, 'send-keys', '-t', 'a', 'x=seven', 'Enter']);
	my $screen = sub { run([@tmux, 'capture-pane', '-p', '-t', 'a'])->{out} };
	ok(wait_for(20, sub { $screen->() =~ /x=seven/ }), 'the shell is there') or diag($screen->());
	sleep 1;
	survives_twice($pid, 'tmux', sub {
		run([@tmux, 'send-keys', '-t', 'a', 'echo x-is-$x', 'Enter']);
		ok(wait_for(20, sub { $screen->() =~ /^x-is-seven/m }), 'the shell goes on')
			or diag($screen->());
	});
};
done_testing;
