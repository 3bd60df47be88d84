/* SPDX-License-Identifier: MIT */
/* What the targets that have tun and tap interfaces share. */
#ifndef TUNTAP_H
#define TUNTAP_H

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "target.h"

/* A queue of the interface, which is made when there is none of that name. */
static int tuntap_attach(const char *name, int flags)
{
	int fd = t_must(open("/dev/net/tun", O_RDWR | O_NONBLOCK));
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = (short)flags;
	t_must(ioctl(fd, TUNSETIFF, &ifr));
	return fd;
}

#endif
