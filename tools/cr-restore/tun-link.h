/* SPDX-License-Identifier: MIT */
/* An interface that went with its last queue: all that was set on it. */
#ifndef TUN_LINK_H
#define TUN_LINK_H

#include "restore.h"

/* Is its name and number to be had? */
void tun_link_check(struct restore *r, const Cr__Tun *m);
/* @fd: its first queue, with which it has just been made. */
int tun_link_make(int fd, const Cr__Tun *m, struct cr_err *err) CR_MUST;

#endif
