/* SPDX-License-Identifier: MIT */
/*
 * Queues of tun and tap interfaces.  A persistent interface stays when its
 * process goes, with its addresses, owner, filters and sizes: all that is to be
 * done is to attach the queue again.  Any other one vanishes with its last queue
 * and is made again, see tun-link.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clean.h"
#include "kinds.h"
#include "tun-link.h"

#ifndef TUNGETDEVNETNS /* 5.5 */
#define TUNGETDEVNETNS _IO('T', 227)
#endif
#ifndef IFF_NAPI_FRAGS /* 4.15 */
#define IFF_NAPI 0x0010
#define IFF_NAPI_FRAGS 0x0020
#endif
/* What TUNSETIFF takes; IFF_NO_PI means something else in an answer. */
#define TAKEN                                                                             \
	(IFF_TUN | IFF_TAP | IFF_ONE_QUEUE | IFF_VNET_HDR | IFF_MULTI_QUEUE | IFF_NAPI | \
	 IFF_NAPI_FRAGS)

static bool match(const struct file *f)
{
	return f->target[0] == '/' && S_ISCHR(f->sb.st_mode) && !(f->flags & O_PATH) &&
	       f->sb.st_rdev == makedev(10, 200);
}

/* Is the interface in the namespace that the tools are in? */
static bool is_here(int fd)
{
	cr_auto_fd int ns = ioctl(fd, TUNGETDEVNETNS);
	struct stat a, b;

	return ns >= 0 && fstat(ns, &a) == 0 && stat("/proc/self/ns/net", &b) == 0 &&
	       a.st_ino == b.st_ino;
}

static int refuse(struct dump *d, const struct file *f, const char *why, const char *remedy,
		  struct cr_err *err)
{
	return file_refuse(d, f, "tun device", why, remedy, err);
}

/* An interface that vanishes, with the queues that the tree has of it. */
struct vanishing {
	struct file *first;
	unsigned int ifindex;
	uint32_t queues, seen;
	struct vanishing *next;
};

static struct vanishing *find(struct dump *d, struct file *f, unsigned int ifindex,
			      struct cr_err *err)
{
	struct vanishing **list = (struct vanishing **)kind_state(d, &kind_tun), *v = *list;

	while (v && v->ifindex != ifindex)
		v = v->next;
	if (!v)
		v = calloc(1, sizeof(*v));
	if (!v) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	if (!v->first) {
		v->first = f;
		v->ifindex = ifindex;
		v->next = *list;
		*list = v;
	}
	v->seen++;
	return v;
}

/* The first of its queues has all that is to be known of the interface. */
static int put_vanishing(struct dump *d, struct file *f, Cr__Tun *m, struct cr_err *err)
{
	struct pollfd pfd = { .fd = f->own, .events = POLLIN };
	struct vanishing *v = find(d, f, m->ifindex, err);
	struct tun_link l;
	int ret;

	if (!v)
		return -1;
	if (poll(&pfd, 1, 0) > 0 && pfd.revents & POLLIN)
		return refuse(d, f, "packets wait to be read: not supported",
			      "try again when they are read", err);
	if (v->first != f)
		return cr_stage_put(d->st, CR_KIND_TUN, m, err);
	ret = tun_link_look(d, f->own, m->name, m->ifindex, &l, err);
	v->queues = l.queues;
	m->link = &l.msg;
	if (ret == 0 && l.why)
		ret = refuse(d, f, l.why, l.remedy, err);
	else if (ret == 0)
		ret = cr_stage_put(d->st, CR_KIND_TUN, m, err);
	tun_link_release(&l);
	return ret;
}

/* What somebody else has a queue of does not vanish. */
static int finish(struct dump *d, struct cr_err *err)
{
	struct vanishing **list = (struct vanishing **)kind_state(d, &kind_tun), *v, *next;
	int ret = 0;

	for (v = *list; v; v = next) {
		next = v->next;
		if (ret == 0 && v->queues > v->seen)
			ret = refuse(d, v->first,
				     "a process outside of the tree has a queue of its interface",
				     "make it persistent (TUNSETPERSIST)", err);
		free(v);
	}
	*list = NULL;
	return ret;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Tun m = CR__TUN__INIT;
	struct ifreq ifr = { 0 };
	int sndbuf = 0;
	bool header;

	m.id = f->id;
	m.open_flags = f->flags;
	if (ioctl(f->own, TUNGETIFF, &ifr) < 0) {
		if (errno != EBADFD)
			return cr_err_sys(err, "TUNGETIFF");
		return cr_stage_put(d->st, CR_KIND_TUN, &m, err);
	}
	if (!is_here(f->own))
		return refuse(d, f, "its interface is in another network namespace: not supported",
			      "close it", err);
	if (ioctl(f->own, TUNGETSNDBUF, &sndbuf) < 0)
		return cr_err_sys(err, "TUNGETSNDBUF");
	m.sndbuf = (uint32_t)sndbuf;
	m.name = ifr.ifr_name;
	m.ifindex = if_nametoindex(ifr.ifr_name);
	if (tun_link_header(m.ifindex, &header, err) < 0)
		return -1;
	m.flags = ((uint32_t)ifr.ifr_flags & TAKEN) | (header ? 0 : IFF_NO_PI);
	m.detached = ifr.ifr_flags & IFF_DETACH_QUEUE;
	if (!(ifr.ifr_flags & IFF_PERSIST))
		return put_vanishing(d, f, &m, err);
	return cr_stage_put(d->st, CR_KIND_TUN, &m, err);
}

const struct file_kind kind_tun = { .name = "tun", .match = match, .dump = dump, .finish = finish };
