/* SPDX-License-Identifier: MIT */
/* Settings of an interface below /proc/sys/net that differ from the defaults. */
#ifndef TUN_SYSCTL_H
#define TUN_SYSCTL_H

#include "kinds.h"

int tun_sysctl_look(const char *name, Cr__TunLink *m, struct cr_err *err) CR_MUST;

#endif
