/* SPDX-License-Identifier: MIT */
/*
 * The interface of a tun device, which vanishes with its last queue: all that
 * is to be set on it when it is made again.
 */
#ifndef TUN_LINK_H
#define TUN_LINK_H

#include "dump.h"

struct tun_link {
	Cr__TunLink msg;
	uint32_t queues;	/* it has so many, detached ones too */
	/* Why it cannot be carried, NULL; and what to do. */
	const char *why, *remedy;
	unsigned int ifindex;
};

/* Has a packet a header of its own (not IFF_NO_PI)?  TUNGETIFF has another
 * meaning for that bit. */
int tun_link_header(unsigned int ifindex, bool *header, struct cr_err *err) CR_MUST;

/* @fd: a queue of it. */
int tun_link_look(struct dump *d, int fd, const char *name, unsigned int ifindex,
		  struct tun_link *l, struct cr_err *err) CR_MUST;
void tun_link_release(struct tun_link *l);

#endif
