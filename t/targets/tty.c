/* SPDX-License-Identifier: MIT */
/*
 * Terminals with both ends in the tree: settings, window size, packet mode,
 * exclusive and locked ones, one that was hung up, one whose slave is closed;
 * and a session with a controlling terminal, /dev/tty and a foreground group,
 * in which a line and a signal from the keyboard arrive.
 */
#include <asm/termbits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "target.h"

#ifndef TIOCVHANGUP
#define TIOCVHANGUP 0x5437
#endif

struct pty {
	int master, slave, number;
};

static struct pty plain, packet, hung, closed, locked, fresh, session, again;
static int before;	/* a slave of .again, from before it was hung up */
static volatile sig_atomic_t interrupted;

static struct pty open_pty(bool with_slave)
{
	struct pty p = { .slave = -1 };
	int off = 0;
	char path[32];

	p.master = t_must(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
	t_must(ioctl(p.master, TIOCGPTN, &p.number));
	t_must(ioctl(p.master, TIOCSPTLCK, &off));
	snprintf(path, sizeof(path), "/dev/pts/%d", p.number);
	if (with_slave)
		p.slave = t_must(open(path, O_RDWR | O_NOCTTY));
	return p;
}

/* Who may open it by its name. */
static void own(const struct pty *p, mode_t mode, uid_t uid, gid_t gid)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/pts/%d", p->number);
	t_must(chmod(path, mode));
	if (geteuid() == 0)
		t_must(chown(path, uid, gid));
}

static void check_owner(const char *what, const struct pty *p, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;
	char path[32];

	snprintf(path, sizeof(path), "/dev/pts/%d", p->number);
	t_must(stat(path, &st));
	t_same(what, mode, st.st_mode & 07777);
	if (geteuid() == 0)
		t_true(what, st.st_uid == uid && st.st_gid == gid);
}

static void set_up(void)
{
	struct winsize ws = { 33, 111, 5, 6 };
	struct termios2 tio;
	char path[32];
	int on = 1;

	plain = open_pty(true);
	own(&plain, 0622, 71, 72);
	t_must(ioctl(plain.slave, TCGETS2, &tio));
	tio.c_lflag &= ~(unsigned int)(ICANON | ECHO);
	tio.c_iflag |= IXANY;
	tio.c_oflag &= ~(unsigned int)OPOST;
	tio.c_cc[VMIN] = 3;
	tio.c_cc[VINTR] = 'q';
	t_must(ioctl(plain.slave, TCSETS2, &tio));
	t_must(ioctl(plain.master, TIOCSWINSZ, &ws));
	packet = open_pty(true);
	t_must(ioctl(packet.master, TIOCPKT, &on));
	t_must(ioctl(packet.slave, TIOCEXCL));
	hung = open_pty(true);
	close(hung.master);
	closed = open_pty(true);
	close(closed.slave);
	locked = open_pty(false);
	t_must(ioctl(locked.master, TIOCSPTLCK, &on));
	fresh = open_pty(false);
	own(&fresh, 0640, 73, 74);
	session = open_pty(true);
	again = open_pty(true);
	before = again.slave;
	t_must(ioctl(before, TIOCVHANGUP));
	snprintf(path, sizeof(path), "/dev/pts/%d", again.number);
	again.slave = t_must(open(path, O_RDWR | O_NOCTTY));
}

static void expect(const char *what, int fd, const char *text)
{
	char buf[256];
	size_t fill = 0;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (fill < strlen(text) && poll(&pfd, 1, 2000) == 1) {
		ssize_t n = read(fd, buf + fill, sizeof(buf) - 1 - fill);

		if (n <= 0)
			break;
		fill += (size_t)n;
	}
	buf[fill] = 0;
	t_same_str(what, text, buf);
}

static void check_plain(void)
{
	struct winsize ws;
	struct termios2 tio;

	t_must(ioctl(plain.slave, TCGETS2, &tio));
	t_true("settings",
	       !(tio.c_lflag & (ICANON | ECHO)) && (tio.c_iflag & IXANY) && !(tio.c_oflag & OPOST));
	t_same("VMIN", 3, tio.c_cc[VMIN]);
	t_same("VINTR", 'q', tio.c_cc[VINTR]);
	t_must(ioctl(plain.slave, TIOCGWINSZ, &ws));
	t_same("rows", 33, ws.ws_row);
	t_same("columns", 111, ws.ws_col);
	t_same("pixels", 6, ws.ws_ypixel);
	t_must(write(plain.master, "abc", 3));
	expect("to the slave", plain.slave, "abc");
	t_must(write(plain.slave, "x\ny", 3));
	expect("to the master", plain.master, "x\ny");
	check_owner("mode and owner of the slave", &plain, 0622, 71, 72);
	t_same("flags of the master", O_RDWR | O_NONBLOCK,
	       (uint64_t)fcntl(plain.master, F_GETFL) & ~0100000);
	t_same("flags of the slave", O_RDWR, (uint64_t)fcntl(plain.slave, F_GETFL) & ~0100000);
}

static void check_others(void)
{
	char buf[16];
	int v = 0, n = -1;

	t_must(ioctl(packet.master, TIOCGPKT, &v));
	t_same("packet mode", 1, (uint64_t)v);
	t_must(ioctl(packet.slave, TIOCGEXCL, &v));
	t_same("exclusive", 1, (uint64_t)v);
	t_must(write(packet.slave, "p", 1));
	for (int i = 0; i < 100 && (n = (int)read(packet.master, buf, sizeof(buf))) < 0; i++)
		t_sleep_ms(10);
	t_same("a packet has a byte in front", 2, (uint64_t)n);
	t_true("a terminal that was hung up",
	       ioctl(hung.slave, TIOCGPTN, &n) < 0 && read(hung.slave, buf, 1) == 0);
	t_true("a master without slave", read(closed.master, buf, 1) < 0 && errno == EIO);
	t_true("a description that was hung up",
	       ioctl(before, TIOCGPTN, &n) < 0 && errno == EIO && read(before, buf, 1) == 0);
	t_must(write(again.slave, "again", 5));
	expect("its terminal goes on", again.master, "again");
	t_must(ioctl(locked.master, TIOCGPTLCK, &v));
	t_same("locked", 1, (uint64_t)v);
	check_owner("mode and owner of a slave that was never opened", &fresh, 0640, 73, 74);
	t_true("a master that never had a slave",
	       read(fresh.master, buf, 1) < 0 && errno == EAGAIN);
}

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* The leader of a session on a terminal; its child is the foreground group. */
static void leader(void)
{
	pid_t child, group;
	int tty;

	t_must(setsid());
	t_must(ioctl(session.slave, TIOCSCTTY, 0));
	tty = t_must(open("/dev/tty", O_RDWR));
	child = t_must(fork());
	if (child == 0) {
		char line[64];
		ssize_t n;

		signal(SIGINT, on_interrupt);
		t_must(setpgid(0, 0));
		signal(SIGTTOU, SIG_IGN);
		group = getpid();
		t_must(ioctl(tty, TIOCSPGRP, &group));
		close(session.slave);
		t_touch("in-front");
		n = read(tty, line, sizeof(line));
		t_same("a line", 6, (uint64_t)n);
		t_touch("line");
		while (!interrupted)
			t_sleep_ms(5);
		t_must(write(tty, "done\n", 5));
		_exit(t_differences ? 1 : 0);
	}
	t_wait();
	t_must(ioctl(tty, TIOCGPGRP, &group));
	t_same("foreground group", (uint64_t)child, (uint64_t)group);
	t_must(ioctl(tty, TIOCGSID, &group));
	t_same("session", (uint64_t)getpid(), (uint64_t)group);
	t_join_child("the foreground process", child);
	_exit(t_differences ? 1 : 0);
}

int main(void)
{
	pid_t child;

	t_init();
	set_up();
	child = t_must(fork());
	if (child == 0)
		leader();
	while (access("in-front", F_OK) < 0)
		t_sleep_ms(5);
	t_ready();
	if (t_spoiled())
		t_must(ioctl(packet.slave, TIOCNXCL));
	t_wait();
	check_plain();
	check_others();
	t_must(write(session.master, "hello\n", 6));
	expect("the echo", session.master, "hello\r\n");
	/* The key would take away a line that is not yet read. */
	while (access("line", F_OK) < 0)
		t_sleep_ms(5);
	unlink("line");
	t_must(write(session.master, "\3", 1));
	expect("the echo of the key, and the answer", session.master, "^Cdone\r\n");
	t_join_child("the session", child);
	return t_done();
}
