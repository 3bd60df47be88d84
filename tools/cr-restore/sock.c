/* SPDX-License-Identifier: MIT */
#include "sock.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node.h"
#include "sockopt.h"

int sock_check(const char *what, const Cr__SockCommon *c, struct cr_err *err)
{
	if (!c || !c->node || c->filter.len % sizeof(struct sock_filter) ||
	    c->filter.len / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return cr_err_set(err, CR_BAD_INPUT, "%s: malformed", what);
	for (size_t i = 0; i < c->n_options; i++)
		if (!cr_sockopt_by_name(c->options[i]->name))
			return cr_err_set(err, CR_BAD_INPUT, "%s: option %s is not known", what,
					  c->options[i]->name);
	return 0;
}

static int set_options(int fd, const Cr__SockCommon *c, bool early, struct cr_err *err)
{
	for (size_t i = 0; i < c->n_options; i++) {
		const Cr__SockOption *m = c->options[i];
		const struct cr_sockopt *o = cr_sockopt_by_name(m->name);
		struct cr_sockopt_value v = { .number = m->value };

		if (o->early != early)
			continue;
		snprintf(v.text, sizeof(v.text), "%s", m->text);
		if (cr_sockopt_set(fd, o, &v, err) < 0)
			return -1;
	}
	return 0;
}

int sock_early(int fd, const Cr__SockCommon *c, struct cr_err *err)
{
	/* Its owner is also the socket's own user. */
	return node_set(fd, c->node, "a socket", err) < 0 ? -1 : set_options(fd, c, true, err);
}

/* SO_LOCK_FILTER is an option, the last: the filter comes before it. */
static int set_filter(int fd, const Cr__SockCommon *c, struct cr_err *err)
{
	struct sock_fprog prog = {
		.len = (unsigned short)(c->filter.len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(void *)c->filter.data,
	};

	if (prog.len && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0)
		return cr_err_sys(err, "SO_ATTACH_FILTER");
	return 0;
}

int sock_late(int fd, const Cr__SockCommon *c, uint32_t open_flags, struct cr_err *err)
{
	if (set_filter(fd, c, err) < 0 || set_options(fd, c, false, err) < 0)
		return -1;
	if (fcntl(fd, F_SETFL, (int)(open_flags & O_NONBLOCK)) < 0)
		return cr_err_sys(err, "F_SETFL of a socket");
	return 0;
}
