/* SPDX-License-Identifier: MIT */
#include "common.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/socket.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "clean.h"

#define OPTIONS_MAX 256

/* The options of a new socket: what is like that is not written. */
struct defaults {
	int family, type, protocol;
	struct defaults *next;
	struct {
		bool there;
		struct cr_sockopt_value v;
	} option[OPTIONS_MAX];
};

static int read_defaults(struct defaults *d, unsigned int who, struct cr_err *err)
{
	/* A new netlink socket of some protocols has the kernel load modules. */
	int protocol = d->family == AF_NETLINK ? NETLINK_ROUTE : d->protocol;
	cr_auto_fd int fd = socket(d->family, d->type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return cr_err_sys(err, "unable to make a socket of family %d", d->family);
	for (unsigned int i = 0; cr_sockopts[i].name && i < OPTIONS_MAX; i++) {
		int r = cr_sockopts[i].who & who ?
				cr_sockopt_get(fd, &cr_sockopts[i], &d->option[i].v, err) :
				1;

		if (r < 0)
			return -1;
		d->option[i].there = r == 0;
	}
	return 0;
}

static const struct defaults *get_defaults(struct net *n, const struct sock *s, struct cr_err *err)
{
	struct defaults *d;

	for (d = n->defaults; d; d = d->next)
		if (d->family == s->family && d->type == s->type &&
		    (d->protocol == s->protocol || s->family == AF_NETLINK))
			return d;
	d = net_alloc(n, sizeof(*d), err);
	if (!d)
		return NULL;
	d->family = s->family;
	d->type = s->type;
	d->protocol = s->protocol;
	if (read_defaults(d, s->who, err) < 0)
		return NULL;
	d->next = n->defaults;
	n->defaults = d;
	return d;
}

static int add_option(struct net *n, Cr__SockCommon *c, const struct cr_sockopt *o,
		      const struct cr_sockopt_value *v, struct cr_err *err)
{
	Cr__SockOption *m = net_alloc(n, sizeof(*m), err);
	size_t len = strlen(v->text);

	if (!m)
		return -1;
	cr__sock_option__init(m);
	m->name = (char *)o->name;
	m->value = v->number;
	if (len) {
		m->text = net_alloc(n, len + 1, err);
		if (!m->text)
			return -1;
		memcpy(m->text, v->text, len);
	}
	c->options[c->n_options++] = m;
	return 0;
}

void common_drop(Cr__SockCommon *c, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_options; i++)
		if (strcmp(c->options[i]->name, name) != 0)
			c->options[kept++] = c->options[i];
	c->n_options = kept;
}

/* The size of a buffer that nobody has asked for is the kernel's to choose.
 * Before 5.14, which has SO_BUF_LOCK, it is not known: @lock is -1. */
static void drop_unlocked(Cr__SockCommon *c, int64_t lock)
{
	if (!(lock & SOCK_SNDBUF_LOCK))
		common_drop(c, "SO_SNDBUF");
	if (!(lock & SOCK_RCVBUF_LOCK))
		common_drop(c, "SO_RCVBUF");
}

static int fill_options(struct net *n, const struct sock *s, int fd, Cr__SockCommon *c,
			struct cr_err *err)
{
	const struct defaults *d = get_defaults(n, s, err);
	struct cr_sockopt_value v;
	Cr__SockOption *list[OPTIONS_MAX];
	int64_t lock = -1;

	if (!d)
		return -1;
	c->options = list;
	for (unsigned int i = 0; cr_sockopts[i].name && i < OPTIONS_MAX; i++) {
		int r = d->option[i].there ? cr_sockopt_get(fd, &cr_sockopts[i], &v, err) : 1;

		if (r < 0)
			return -1;
		if (r == 0 && cr_sockopts[i].option == SO_BUF_LOCK &&
		    cr_sockopts[i].level == SOL_SOCKET)
			lock = v.number;
		if (r == 0 &&
		    (v.number != d->option[i].v.number ||
		     strcmp(v.text, d->option[i].v.text) != 0) &&
		    add_option(n, c, &cr_sockopts[i], &v, err) < 0)
			return -1;
	}
	drop_unlocked(c, lock);
	c->options = net_alloc(n, (c->n_options + 1) * sizeof(*c->options), err);
	if (!c->options)
		return -1;
	memcpy(c->options, list, c->n_options * sizeof(*list));
	return 0;
}

/* A classic filter comes back as it was given, one of eBPF does not (EACCES). */
static int fill_filter(struct net *n, const struct sock *s, int fd, Cr__SockCommon *c,
		       struct cr_err *err)
{
	socklen_t count = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &count) < 0) {
		if (errno != EACCES)
			return cr_err_sys(err, "SO_GET_FILTER");
		if (sock_refuse(n, s, "it has an eBPF filter: not supported", "detach it", err) < 0)
			return -1;
		return 1;
	}
	if (!count)
		return 0;
	c->filter.len = count * sizeof(struct sock_filter);
	c->filter.data = net_alloc(n, c->filter.len, err);
	if (!c->filter.data)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, c->filter.data, &count) < 0)
		return cr_err_sys(err, "SO_GET_FILTER");
	return 0;
}

int common_fill(struct net *n, const struct sock *s, int fd, Cr__SockCommon *c, struct cr_err *err)
{
	struct stat sb;

	cr__sock_common__init(c);
	c->ino = s->ino;
	c->node = net_alloc(n, sizeof(*c->node), err);
	if (!c->node)
		return -1;
	cr__node__init(c->node);
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "fstat");
	c->node->mode = sb.st_mode;
	c->node->uid = sb.st_uid;
	c->node->gid = sb.st_gid;
	if (fill_options(n, s, fd, c, err) < 0)
		return -1;
	return fill_filter(n, s, fd, c, err);
}

int common_check_error(struct net *n, const struct sock *s, int fd, struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd };

	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	if (!(pfd.revents & POLLERR))
		return 0;
	return sock_refuse(n, s, COMMON_ERROR, COMMON_ERROR_REMEDY, err) < 0 ? -1 : 1;
}
