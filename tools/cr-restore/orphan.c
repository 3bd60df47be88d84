/* SPDX-License-Identifier: MIT */
#include "orphan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "numbers.h"
#include "pty.h"

static struct orphan {
	uint32_t terminal;
	int master;
	unsigned int now;	/* number of the slave */
} * orphans;
static unsigned int n_orphans;

void orphan_check(struct restore *r, const Cr__Terminal *m)
{
	const char *path = r->opts.orphan_pts_master;
	struct stat sb;
	char name[32];

	snprintf(name, sizeof(name), "/dev/pts/%u", m->pty - 1);
	if (!path)
		refuse(r, 0, name, "its master was outside of the tree; use --orphan-pts-master");
	else if (stat(path, &sb) < 0 || !S_ISSOCK(sb.st_mode) ||
		 strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		refuse(r, 0, path, "no socket for --orphan-pts-master");
}

int orphan_open(Cr__Terminal *m, struct cr_err *err)
{
	char path[32];
	int fd, number;

	snprintf(path, sizeof(path), "/dev/pts/%u", m->pty - 1);
	fd = pty_open("/dev/ptmx", access(path, F_OK) < 0 ? (int)m->pty - 1 : -1, &number, err);
	if (fd >= 0)
		m->pty = (uint32_t)number + 1;
	return fd;
}

int orphan_keep(struct restore *r, const Cr__Terminal *m, int master, struct cr_err *err)
{
	struct orphan *grown = realloc(orphans, (n_orphans + 1) * sizeof(*grown)), *o;
	int fd = number_dup(r, master, err);

	if (grown)
		orphans = grown;
	if (!grown)
		return cr_err_sys(err, "out of memory");
	if (fd < 0)
		return -1;
	o = &orphans[n_orphans++];
	*o = (struct orphan){ .terminal = m->terminal, .master = fd, .now = m->pty - 1 };
	return 0;
}

unsigned int orphan_number(const Cr__Terminal *m)
{
	for (unsigned int i = 0; i < n_orphans; i++)
		if (orphans[i].terminal == m->terminal)
			return orphans[i].now;
	return m->pty - 1;
}

static unsigned int old_number(const struct restore *r, const struct orphan *o)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_TERMINAL];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Terminal *m = l->items[i];

		if (m->terminal == o->terminal)
			return m->pty - 1;
	}
	return o->now;
}

static int send_one(const struct restore *r, int sock, const struct orphan *o)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char line[64];
	struct iovec iov = { line, 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	iov.iov_len = (size_t)snprintf(line, sizeof(line), "/dev/pts/%u /dev/pts/%u\n",
				       old_number(r, o), o->now);
	control.h.cmsg_level = SOL_SOCKET;
	control.h.cmsg_type = SCM_RIGHTS;
	control.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.h), &o->master, sizeof(int));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len ? 0 : -1;
}

int orphans_send(struct restore *r, struct cr_err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	cr_auto_fd int sock = -1;

	if (!n_orphans)
		return 0;
	memcpy(to.sun_path, r->opts.orphan_pts_master, strlen(r->opts.orphan_pts_master));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof(to)) < 0)
		return cr_err_sys(err, "unable to connect to %s", to.sun_path);
	for (unsigned int i = 0; i < n_orphans; i++)
		if (send_one(r, sock, &orphans[i]) < 0)
			return cr_err_sys(err, "%s: unable to pass the master of a pty",
					  to.sun_path);
	return 0;
}
