/* SPDX-License-Identifier: MIT */
/*
 * What was typed is typed again, with settings under which each character means
 * what it has come to mean before: nothing is special but the ends of lines.
 * The kernel takes it in later, so each piece is echoed, and the echo read.
 */
#include "pty-fill.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clean.h"

#define PATIENCE_MS 10000
#define CHUNK 128u
#define NEWLINE '\n'
#define TAB 8u
#define COLUMN_MAX (1u << 20)

/* Keys, as bytes that the input does not have; 0: none. */
struct keys {
	uint8_t eof, quote, reprint;
	uint8_t end[2];		/* characters besides a newline that end a line */
	unsigned int n_ends;
};

static int slow(struct cr_err *err)
{
	return cr_err_set(err, CR_SYSTEM, "a terminal does not take in what was typed");
}

static int wait_for(int fd, short events, struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&pfd, 1, PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return cr_err_sys(err, "poll");
	return n == 0 ? slow(err) : 0;
}

static int put(int fd, const uint8_t *data, size_t len, struct cr_err *err)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return cr_err_sys(err, "unable to write to a terminal");
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		} else if (wait_for(fd, POLLOUT, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Read @len bytes of echo away. */
static int drain(int master, size_t len, struct cr_err *err)
{
	uint8_t buf[512];

	while (len) {
		ssize_t n;

		if (wait_for(master, POLLIN, err) < 0)
			return -1;
		n = read(master, buf, len < sizeof(buf) ? len : sizeof(buf));
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return cr_err_sys(err, "unable to read from a terminal");
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static bool is_end(const Cr__Terminal *m, size_t i, size_t *next)
{
	while (*next < m->n_line_ends && m->line_ends[*next] < i)
		++*next;
	return *next < m->n_line_ends && m->line_ends[*next] == i;
}

static int choose_keys(const Cr__Terminal *m, struct keys *k, struct cr_err *err)
{
	bool used[256] = { [0] = true, [NEWLINE] = true };
	uint8_t *const keys[] = { &k->eof, &k->quote, &k->reprint };
	size_t next = 0, n = 0;

	memset(k, 0, sizeof(*k));
	for (size_t i = 0; i < m->input.len; i++) {
		uint8_t c = m->input.data[i];

		used[c] = true;
		if (!is_end(m, i, &next) || c == 0 || c == NEWLINE || c == k->end[0] ||
		    c == k->end[1])
			continue;
		if (k->n_ends == 2)
			return cr_err_set(err, CR_REFUSED,
					  "a terminal's lines end in too many ways");
		k->end[k->n_ends++] = c;
	}
	for (unsigned int c = 1; c < 256 && n < sizeof(keys) / sizeof(keys[0]); c++)
		if (!used[c])
			*keys[n++] = (uint8_t)c;
	return n == sizeof(keys) / sizeof(keys[0]) ?
		       0 :
		       cr_err_set(err, CR_REFUSED, "a terminal's input has every character");
}

static int set_lines(int master, const struct keys *k, struct cr_err *err)
{
	struct termios2 tio;

	if (ioctl(master, TCGETS2, &tio) < 0)
		return cr_err_sys(err, "TCGETS2");
	tio.c_iflag = 0;
	tio.c_oflag = 0;
	tio.c_lflag = ICANON | IEXTEN | ECHO;
	memset(tio.c_cc, 0, sizeof(tio.c_cc));
	tio.c_cc[VEOF] = k->eof;
	tio.c_cc[VLNEXT] = k->quote;
	tio.c_cc[VREPRINT] = k->reprint;
	tio.c_cc[VEOL] = k->end[0];
	tio.c_cc[VEOL2] = k->end[1];
	return ioctl(master, TCSETS2, &tio) < 0 ? cr_err_sys(err, "TCSETS2") : 0;
}

/* Write character @i as it is to be typed; returns how many bytes that takes. */
static size_t type(const Cr__Terminal *m, size_t i, bool end, const struct keys *k, uint8_t *to)
{
	uint8_t c = m->input.data[i];
	bool special = c == NEWLINE || (c && (c == k->end[0] || c == k->end[1]));

	if (end && c == 0) {
		to[0] = k->eof;
		return 1;
	}
	if (!end && special) {
		to[0] = k->quote;
		to[1] = c;
		return 2;
	}
	to[0] = c;
	return 1;
}

static int fill_lines(int master, const Cr__Terminal *m, struct cr_err *err)
{
	uint8_t buf[2 * CHUNK];
	size_t fill = 0, echo = 0, next = 0, rest = 0;
	struct keys k;

	if (choose_keys(m, &k, err) < 0 || set_lines(master, &k, err) < 0)
		return -1;
	for (size_t i = 0; i < m->input.len; i++) {
		bool end = is_end(m, i, &next);

		fill += type(m, i, end, &k, buf + fill);
		/* The end of a file has no echo. */
		echo += !(end && m->input.data[i] == 0);
		rest = end ? 0 : rest + 1;
		if (i % CHUNK < CHUNK - 1 && i < m->input.len - 1)
			continue;
		if (put(master, buf, fill, err) < 0 || drain(master, echo, err) < 0)
			return -1;
		fill = echo = 0;
	}
	/* Its echo is itself, a newline, and the line that is not complete. */
	if (put(master, &k.reprint, 1, err) < 0)
		return -1;
	return drain(master, 2 + rest, err);
}

static int fill_raw(int master, const Cr__Terminal *m, struct cr_err *err)
{
	struct termios2 tio;

	if (ioctl(master, TCGETS2, &tio) < 0)
		return cr_err_sys(err, "TCGETS2");
	tio.c_iflag = 0;
	tio.c_oflag = 0;
	tio.c_lflag = ECHO;
	memset(tio.c_cc, 0, sizeof(tio.c_cc));
	if (ioctl(master, TCSETS2, &tio) < 0)
		return cr_err_sys(err, "TCSETS2");
	for (size_t i = 0; i < m->input.len; i += CHUNK) {
		size_t n = m->input.len - i < CHUNK ? m->input.len - i : CHUNK;

		if (put(master, m->input.data + i, n, err) < 0 || drain(master, n, err) < 0)
			return -1;
	}
	return 0;
}

static int open_slave(const Cr__Terminal *m, struct cr_err *err)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/pts/%u", m->pty - 1);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? cr_err_sys(err, "unable to open %s", path) : fd;
}

static int set_output(int master, tcflag_t oflag, struct cr_err *err)
{
	struct termios2 tio;

	if (ioctl(master, TCGETS2, &tio) < 0)
		return cr_err_sys(err, "TCGETS2");
	tio.c_oflag = oflag;
	return ioctl(master, TCSETS2, &tio) < 0 ? cr_err_sys(err, "TCSETS2") : 0;
}

/* --- the column ------------------------------------------------------------ */

static int repeat(int master, int slave, uint8_t c, size_t n, struct cr_err *err)
{
	uint8_t buf[CHUNK];

	memset(buf, c, sizeof(buf));
	while (n) {
		size_t len = n < sizeof(buf) ? n : sizeof(buf);

		if (put(slave, buf, len, err) < 0 || drain(master, len, err) < 0)
			return -1;
		n -= len;
	}
	return 0;
}

/* With OPOST alone a tab goes to the next multiple of 8. */
static int advance(int master, int slave, size_t from, size_t to, struct cr_err *err)
{
	size_t tabs = to / TAB - from / TAB;

	if (repeat(master, slave, '\t', tabs, err) < 0)
		return -1;
	return repeat(master, slave, ' ', tabs ? to % TAB : to - from, err);
}

/* As a program that writes so much; nobody goes back a million columns. */
static size_t column_of(uint32_t column)
{
	return column < COLUMN_MAX ? column : COLUMN_MAX + column % TAB;
}

/* A newline, when it is one character, makes the column that of a line. */
static int set_column(int master, const Cr__Terminal *m, struct cr_err *err)
{
	size_t line = column_of(m->line_column), now = column_of(m->column);
	cr_auto_fd int slave = -1;

	if (!line && !now)
		return 0;
	slave = open_slave(m, err);
	if (slave < 0 || set_output(master, OPOST, err) < 0 ||
	    advance(master, slave, 0, line, err) < 0 || repeat(master, slave, NEWLINE, 1, err) < 0)
		return -1;
	if (now >= line)
		return advance(master, slave, line, now, err);
	return repeat(master, slave, '\b', line - now, err);
}

/* --- keys that the next one depends on --------------------------------------- */

/* In the last line, which is not empty: a character is typed and erased. */
static int erase(int master, const struct keys *k, struct cr_err *err)
{
	const uint8_t keys[] = { k->quote, k->eof };
	struct termios2 tio;

	if (ioctl(master, TCGETS2, &tio) < 0)
		return cr_err_sys(err, "TCGETS2");
	tio.c_lflag = ICANON | ECHO | ECHOPRT;
	tio.c_cc[VLNEXT] = 0;
	tio.c_cc[VEOF] = 0;
	tio.c_cc[VERASE] = k->eof;
	if (ioctl(master, TCSETS2, &tio) < 0)
		return cr_err_sys(err, "TCSETS2");
	/* Its echo is the character, a backslash, and the character. */
	return put(master, keys, sizeof(keys), err) < 0 ? -1 : drain(master, 3, err);
}

static int quote(int master, const struct keys *k, struct cr_err *err)
{
	struct termios2 tio;

	if (ioctl(master, TCGETS2, &tio) < 0)
		return cr_err_sys(err, "TCGETS2");
	tio.c_lflag = ICANON | IEXTEN | ECHO | ECHOCTL;
	tio.c_cc[VLNEXT] = k->quote;
	if (ioctl(master, TCSETS2, &tio) < 0)
		return cr_err_sys(err, "TCSETS2");
	/* Its echo is "^\b". */
	return put(master, &k->quote, 1, err) < 0 ? -1 : drain(master, 2, err);
}

static int press_keys(int master, const Cr__Terminal *m, struct cr_err *err)
{
	struct keys k;

	if (!m->erasing && !m->quoting)
		return 0;
	if (choose_keys(m, &k, err) < 0 || set_lines(master, &k, err) < 0)
		return -1;
	return m->erasing ? erase(master, &k, err) : quote(master, &k, err);
}

static int fill_output(int master, const Cr__Terminal *m, struct cr_err *err)
{
	cr_auto_fd int slave = open_slave(m, err);

	if (slave < 0 || set_output(master, 0, err) < 0)
		return -1;
	return put(slave, m->output.data, m->output.len, err);
}

int pty_fill(int master, const Cr__Terminal *m, struct cr_err *err)
{
	bool lines = m->termios->c_lflag & ICANON;

	if (m->input.len && (lines ? fill_lines(master, m, err) : fill_raw(master, m, err)) < 0)
		return -1;
	if (set_column(master, m, err) < 0 || press_keys(master, m, err) < 0)
		return -1;
	return m->output.len ? fill_output(master, m, err) : 0;
}

/* By the call; by the key, so that the key lets it go on. */
int pty_stop(int master, const Cr__Terminal *m, const struct termios2 *tio, struct cr_err *err)
{
	static const uint8_t key = 19;
	struct termios2 now = *tio;
	cr_auto_fd int slave = -1;
	struct pollfd pfd;

	if (!m->stopped)
		return 0;
	slave = open_slave(m, err);
	if (slave < 0)
		return -1;
	if (m->stopped_by_call)
		return ioctl(slave, TCXONC, TCOOFF) < 0 ? cr_err_sys(err, "TCXONC") : 0;
	now.c_iflag |= IXON;
	now.c_lflag &= ~(tcflag_t)(EXTPROC);
	now.c_cc[VSTOP] = key;
	if (ioctl(master, TCSETS2, &now) < 0 || put(master, &key, 1, err) < 0)
		return cr_err_sys(err, "unable to stop a terminal");
	pfd = (struct pollfd){ .fd = slave, .events = POLLOUT };
	/* It says nothing when that is done, but that it takes no more. */
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (poll(&pfd, 1, 0) < 0)
			return cr_err_sys(err, "poll");
		if (!(pfd.revents & POLLOUT))
			return ioctl(master, TCSETS2, tio) < 0 ? cr_err_sys(err, "TCSETS2") : 0;
		poll(NULL, 0, 1);
	}
	return slow(err);
}
