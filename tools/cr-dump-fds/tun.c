/* SPDX-License-Identifier: MIT */
/*
 * Queues of tun and tap interfaces.  A persistent interface stays when its
 * process goes, with its addresses, owner, filters and sizes: all that is to be
 * done is to attach the queue again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clean.h"
#include "kinds.h"

#ifndef TUNGETDEVNETNS /* 5.5 */
#define TUNGETDEVNETNS _IO('T', 227)
#endif
#ifndef IFF_NAPI_FRAGS /* 4.15 */
#define IFF_NAPI 0x0010
#define IFF_NAPI_FRAGS 0x0020
#endif
/* What TUNSETIFF takes. */
#define TAKEN                                                                             \
	(IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_ONE_QUEUE | IFF_VNET_HDR | IFF_MULTI_QUEUE | \
	 IFF_NAPI | IFF_NAPI_FRAGS)

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

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	Cr__Tun m = CR__TUN__INIT;
	struct ifreq ifr = { 0 };
	int sndbuf = 0;

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
	if (!(ifr.ifr_flags & IFF_PERSIST))
		return refuse(d, f, "its interface would vanish with it: not supported",
			      "make it persistent (TUNSETPERSIST)", err);
	if (ioctl(f->own, TUNGETSNDBUF, &sndbuf) < 0)
		return cr_err_sys(err, "TUNGETSNDBUF");
	m.sndbuf = (uint32_t)sndbuf;
	m.name = ifr.ifr_name;
	m.flags = (uint32_t)ifr.ifr_flags & TAKEN;
	m.detached = ifr.ifr_flags & IFF_DETACH_QUEUE;
	m.ifindex = if_nametoindex(ifr.ifr_name);
	return cr_stage_put(d->st, CR_KIND_TUN, &m, err);
}

const struct file_kind kind_tun = { .name = "tun", .match = match, .dump = dump };
