/* SPDX-License-Identifier: MIT */
#include "pty.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clean.h"
#include "pty-fill.h"

/* How many numbers are passed over on the way to the one that is wanted. */
#define SKIP_MAX 4096

int pty_open(const char *path, int index, int *number, struct cr_err *err)
{
	int *skipped = NULL, n = 0, fd = -1, got = -1, unlock = 0;
	bool failed = false;

	/* The kernel gives the lowest free number. */
	while (n < SKIP_MAX && !failed) {
		int *grown = realloc(skipped, (size_t)(n + 1) * sizeof(*grown));

		if (grown)
			skipped = grown;
		fd = grown ? open(path, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
		failed = fd < 0 || ioctl(fd, TIOCGPTN, &got) < 0;
		if (failed || got >= index)
			break;
		skipped[n++] = fd;
		fd = -1;
	}
	if (failed)
		cr_err_sys(err, "unable to make a pty");
	else if (got != index && index >= 0)
		cr_err_set(err, CR_REFUSED, "/dev/pts/%d is in use", index);
	else if (ioctl(fd, TIOCSPTLCK, &unlock) < 0)
		failed = cr_err_sys(err, "TIOCSPTLCK") < 0;
	while (n)
		close(skipped[--n]);
	free(skipped);
	if (number)
		*number = got;
	if (!failed && (got == index || index < 0))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void to_termios(const Cr__Termios *in, struct termios2 *out)
{
	memset(out, 0, sizeof(*out));
	out->c_iflag = in->c_iflag;
	out->c_oflag = in->c_oflag;
	out->c_cflag = in->c_cflag;
	out->c_lflag = in->c_lflag;
	out->c_line = (cc_t)in->c_line;
	memcpy(out->c_cc, in->c_cc.data,
	       in->c_cc.len < sizeof(out->c_cc) ? in->c_cc.len : sizeof(out->c_cc));
	out->c_ispeed = in->c_ispeed;
	out->c_ospeed = in->c_ospeed;
}

/* What belongs to the slave: to be exclusive, and to have been there. */
static int set_slave(const Cr__Terminal *m, struct cr_err *err)
{
	cr_auto_fd int fd = -1;
	char path[32];

	if (!m->exclusive && !m->no_slave)
		return 0;
	snprintf(path, sizeof(path), "/dev/pts/%u", m->pty - 1);
	fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || (m->exclusive && ioctl(fd, TIOCEXCL) < 0))
		return cr_err_sys(err, "%s: TIOCEXCL", path);
	return 0;
}

static int set_locked(int fd, const Cr__Terminal *m, struct cr_err *err)
{
	const Cr__Termios *in = m->locked_settings;
	struct termios tio = { 0 };

	if (!in)
		return 0;
	tio.c_iflag = in->c_iflag;
	tio.c_oflag = in->c_oflag;
	tio.c_cflag = in->c_cflag;
	tio.c_lflag = in->c_lflag;
	tio.c_line = (cc_t)in->c_line;
	memcpy(tio.c_cc, in->c_cc.data,
	       in->c_cc.len < sizeof(tio.c_cc) ? in->c_cc.len : sizeof(tio.c_cc));
	return ioctl(fd, TIOCSLCKTRMIOS, &tio) < 0 ? cr_err_sys(err, "TIOCSLCKTRMIOS") : 0;
}

int pty_set(int fd, const Cr__Terminal *m, struct cr_err *err)
{
	struct winsize ws = {
		.ws_row = (unsigned short)m->rows,
		.ws_col = (unsigned short)m->columns,
		.ws_xpixel = (unsigned short)m->xpixel,
		.ws_ypixel = (unsigned short)m->ypixel,
	};
	struct termios2 tio;
	int on = 1;

	to_termios(m->termios, &tio);
	if (!m->external && pty_fill(fd, m, err) < 0)
		return -1;
	if (ioctl(fd, TCSETS2, &tio) < 0)
		return cr_err_sys(err, "unable to set the terminal's mode");
	/* The size of the terminal we are on is what it is. */
	if (m->external)
		return 0;
	if (ioctl(fd, TIOCSWINSZ, &ws) < 0)
		return cr_err_sys(err, "TIOCSWINSZ");
	if (set_slave(m, err) < 0)
		return -1;
	if (!m->external && pty_stop(fd, m, &tio, err) < 0)
		return -1;
	if (set_locked(fd, m, err) < 0)
		return -1;
	if (m->packet && ioctl(fd, TIOCPKT, &on) < 0)
		return cr_err_sys(err, "TIOCPKT");
	if (m->locked && ioctl(fd, TIOCSPTLCK, &on) < 0)
		return cr_err_sys(err, "TIOCSPTLCK");
	return 0;
}
