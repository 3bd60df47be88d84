/* SPDX-License-Identifier: MIT */
/* Queues of tun and tap interfaces, attached again in the order of their ids. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "restore.h"
#include "tun-link.h"

static bool tun_early(const struct image *img, const struct file_image *f)
{
	(void)img;
	(void)f;
	return true;
}

/* Did the interface go with its queues? */
static bool vanished(const struct restore *r, const Cr__Tun *m)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_TUN];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Tun *other = l->items[i];

		if (other->link && strcmp(other->name, m->name) == 0)
			return true;
	}
	return false;
}

static int tun_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Tun *m = msg;
	unsigned int now;

	if (strlen(m->name) >= IFNAMSIZ)
		return cr_err_set(err, CR_BAD_INPUT, "tun device %u: malformed name", m->id);
	if (!m->name[0])
		return 0;
	now = if_nametoindex(m->name);
	if (vanished(r, m)) {
		if (m->link)
			tun_link_check(r, m);
	} else if (!now)
		refuse(r, 0, m->name, "the network interface is missing");
	else if (now != m->ifindex)
		refuse(r, 0, m->name, "another network interface, number %u, it was %u", now,
		       m->ifindex);
	return 0;
}

static int tun_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Tun *m = msg;
	int mode = (int)(m->open_flags & (O_ACCMODE | O_NONBLOCK));
	cr_auto_fd int fd = open("/dev/net/tun", mode | O_CLOEXEC);
	struct ifreq ifr = { 0 };
	int sndbuf = (int)m->sndbuf;

	(void)r;
	if (fd < 0)
		return cr_err_sys(err, "unable to open /dev/net/tun");
	if (!m->name[0])
		return cr_steal_fd(&fd);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", m->name);
	ifr.ifr_flags = (short)m->flags;
	if (m->link && ioctl(fd, TUNSETIFINDEX, &(unsigned int){ m->ifindex }) < 0)
		return cr_err_sys(err, "TUNSETIFINDEX %u", m->ifindex);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return cr_err_sys(err, "unable to attach to the network interface %s", m->name);
	if (sndbuf > 0 && ioctl(fd, TUNSETSNDBUF, &sndbuf) < 0)
		return cr_err_sys(err, "TUNSETSNDBUF");
	if (m->link && tun_link_make(fd, m, err) < 0)
		return cr_err_wrap(err, "network interface %s", m->name);
	ifr.ifr_flags = IFF_DETACH_QUEUE;
	if (m->detached && ioctl(fd, TUNSETQUEUE, &ifr) < 0)
		return cr_err_sys(err, "unable to detach from the network interface %s", m->name);
	return cr_steal_fd(&fd);
}

const struct file_ops tun_ops = {
	.kind = CR_KIND_TUN,
	.early = tun_early,
	.check = tun_check,
	.open = tun_open,
};
