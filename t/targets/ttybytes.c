/* SPDX-License-Identifier: MIT */
/*
 * Bytes on their way through terminals: lines that are complete and one that is
 * not, an end of file, a quoted newline, bytes of a raw terminal, more output
 * than fits, and output that is stopped by the key and by tcflow(3).  The column
 * that output has come to, and settings that are locked.
 */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "target.h"

#define MUCH 9000

struct pty {
	int master, slave;
};

static struct pty lines, raw, much, key, call, echo, packet, open_line;
static struct pty column, far, back, erase, locked, quote, printed;

static struct pty open_pty(tcflag_t off)
{
	struct pty p;
	struct termios tio;
	int number, unlock = 0;
	char path[32];

	p.master = t_must(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
	t_must(ioctl(p.master, TIOCGPTN, &number));
	t_must(ioctl(p.master, TIOCSPTLCK, &unlock));
	snprintf(path, sizeof(path), "/dev/pts/%d", number);
	p.slave = t_must(open(path, O_RDWR | O_NOCTTY | O_NONBLOCK));
	t_must(tcgetattr(p.slave, &tio));
	tio.c_lflag &= ~off;
	tio.c_cc[VEOL] = ';';
	t_must(tcsetattr(p.slave, TCSANOW, &tio));
	return p;
}

static char get_much(size_t i)
{
	return (char)(i * 7 + i / 256);
}

static void put(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EAGAIN)
			t_fatal("write");
		if (n < 0)
			t_sleep_ms(1);
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void set_up(void)
{
	struct termios tio;
	char text[MUCH];
	int on = 1;

	lines = open_pty(ECHO);
	put(lines.master, "one\ntwo;\4half\26\nmo\26\177re", 21);
	open_line = open_pty(ECHO);
	put(open_line.master, "begi", 4);
	raw = open_pty(ECHO | ICANON | ISIG | IEXTEN);
	put(raw.master, "\0\1\3\4\377\nr;", 7);
	much = open_pty(0);
	t_must(tcgetattr(much.slave, &tio));
	tio.c_oflag = 0;
	t_must(tcsetattr(much.slave, TCSANOW, &tio));
	for (size_t i = 0; i < MUCH; i++)
		text[i] = get_much(i);
	put(much.slave, text, MUCH);
	key = open_pty(ECHO);
	put(key.slave, "x", 1);
	put(key.master, "\23", 1);
	call = open_pty(ECHO);
	t_must(tcflow(call.slave, TCOOFF));
	echo = open_pty(0);
	put(echo.master, "abc", 3);
	packet = open_pty(ECHO);
	t_must(ioctl(packet.master, TIOCPKT, &on));
	put(packet.slave, "pack", 4);
}

/* Read away what was written or echoed. */
static void drain(int fd, size_t len)
{
	char c;

	while (len) {
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno != EAGAIN)
			t_fatal("read");
		if (n < 0)
			t_sleep_ms(1);
		len -= n > 0;
	}
}

static struct pty open_output(tcflag_t oflag)
{
	struct pty p = open_pty(0);
	struct termios tio;

	t_must(tcgetattr(p.slave, &tio));
	tio.c_oflag = oflag;
	t_must(tcsetattr(p.slave, TCSANOW, &tio));
	return p;
}

/* Tabs become spaces, a carriage return in column 0 nothing. */
static void set_up_columns(void)
{
	struct termios tio;

	column = open_output(OPOST | XTABS);
	put(column.slave, "abc", 3);
	drain(column.master, 3);
	far = open_output(OPOST | XTABS | ONOCR);
	for (int i = 0; i < 1000; i++)
		put(far.slave, "123", 3);
	drain(far.master, 3000);
	back = open_output(OPOST | ONOCR);
	put(back.slave, "x\n", 2);
	drain(back.master, 2);
	put(back.slave, "\b", 1);
	drain(back.master, 1);
	/* Behind a prompt, a tab is typed that can be erased. */
	erase = open_output(OPOST | ONLCR | XTABS);
	put(erase.slave, "$ ", 2);
	drain(erase.master, 2);
	put(erase.master, "a\t", 2);
	drain(erase.master, 6);
	quote = open_output(OPOST);
	put(quote.master, "a\26", 2);
	drain(quote.master, 3);
	printed = open_output(OPOST);
	t_must(tcgetattr(printed.slave, &tio));
	tio.c_lflag |= ECHOPRT;
	t_must(tcsetattr(printed.slave, TCSANOW, &tio));
	put(printed.master, "abcd\177", 5);
	drain(printed.master, 6);
	locked = open_output(OPOST);
	memset(&tio, 0, sizeof(tio));
	tio.c_lflag = ECHO;
	tio.c_cc[VINTR] = 1;
	t_must(ioctl(locked.master, TIOCSLCKTRMIOS, &tio));
}

/* Read until @text is there, or nothing comes. */
static void expect(const char *what, int fd, const char *text, size_t len)
{
	char buf[MUCH];
	size_t fill = 0;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (fill < len && poll(&pfd, 1, 5000) == 1) {
		ssize_t n = read(fd, buf + fill, len - fill);

		if (n <= 0)
			break;
		fill += (size_t)n;
	}
	if (fill != len || memcmp(buf, text, len) != 0)
		t_differs("%s: %zu bytes instead of %zu, the first %#x instead of %#x", what, fill,
			  len, (unsigned char)buf[0], (unsigned char)text[0]);
}

/* One read(2) gives exactly that. */
static void expect_line(const char *what, int fd, const char *text, size_t len)
{
	char buf[64];
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&pfd, 1, 5000) == 1 ? read(fd, buf, sizeof(buf)) : -2;

	if (n != (ssize_t)len || memcmp(buf, text, len) != 0)
		t_differs("%s: %zd bytes instead of %zu", what, n, len);
}

static bool writable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLOUT);
}

static void check_lines(void)
{
	char c;

	expect_line("a line", lines.slave, "one\n", 4);
	expect_line("a line with another end", lines.slave, "two;", 4);
	expect_line("an end of file", lines.slave, "", 0);
	t_true("no line yet", read(lines.slave, &c, 1) < 0 && errno == EAGAIN);
	put(lines.master, "\177+\n", 3);
	expect_line("the unfinished line", lines.slave, "half\nmo\177r+\n", 11);
	t_true("no line yet", read(open_line.slave, &c, 1) < 0 && errno == EAGAIN);
	put(open_line.master, "n\n", 2);
	expect_line("the line that was begun", open_line.slave, "begin\n", 6);
}

static void check_columns(void)
{
	struct termios tio;

	put(column.slave, "\td", 2);
	expect("a tab in column 3", column.master, "     d", 6);
	put(far.slave, "\r\t.", 3);
	expect("a carriage return far away", far.master, "\r        .", 10);
	put(back.slave, "\r\r+", 3);
	expect("a carriage return in column 0", back.master, "+", 1);
	put(erase.master, "\177", 1);
	expect("a tab that is erased", erase.master, "\b\b\b\b\b", 5);
	put(erase.master, "\177b\n", 3);
	expect("the line in front of it", erase.master, "\b \bb\r\n", 6);
	expect_line("the line", erase.slave, "b\n", 2);
	put(quote.master, "\3\n", 2);
	expect("a key that was quoted", quote.master, "^C\n", 3);
	expect_line("a line with it", quote.slave, "a\3\n", 3);
	put(printed.master, "\177x\n", 3);
	expect("an erasure that goes on", printed.master, "c/x\n", 4);
	expect_line("what is left of it", printed.slave, "abx\n", 4);
	t_must(tcgetattr(locked.slave, &tio));
	tio.c_lflag &= ~(tcflag_t)(ECHO | ECHOK);
	tio.c_cc[VINTR] = 5;
	tio.c_cc[VQUIT] = 6;
	t_must(tcsetattr(locked.slave, TCSANOW, &tio));
	t_must(tcgetattr(locked.slave, &tio));
	t_true("a setting that is locked", (tio.c_lflag & ECHO) && tio.c_cc[VINTR] == 3);
	t_true("one that is not", !(tio.c_lflag & ECHOK) && tio.c_cc[VQUIT] == 6);
}

static void check(void)
{
	char text[MUCH];

	check_lines();
	expect("raw bytes", raw.slave, "\0\1\3\4\377\nr;", 7);
	for (size_t i = 0; i < MUCH; i++)
		text[i] = get_much(i);
	expect("much output", much.master, text, MUCH);
	t_true("stopped by the key", !writable(key.slave));
	put(key.master, "\21", 1);
	for (int i = 0; i < 500 && !writable(key.slave); i++)
		t_sleep_ms(10);
	put(key.slave, "y", 1);
	expect("output from before", key.master, "xy", 2);
	t_true("stopped by the call", !writable(call.slave));
	t_must(tcflow(call.slave, TCOON));
	put(call.slave, "z", 1);
	expect("output", call.master, "z", 1);
	expect("an echo", echo.master, "abc", 3);
	put(echo.master, "\n", 1);
	expect_line("the line that was echoed", echo.slave, "abc\n", 4);
	check_columns();
	expect_line("a packet", packet.master, "\0pack", 5);
}

int main(void)
{
	char c;

	t_init();
	set_up();
	set_up_columns();
	t_ready();
	if (t_spoiled())
		t_must(read(raw.slave, &c, 1));
	t_wait();
	check();
	return t_done();
}
