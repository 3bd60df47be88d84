/* SPDX-License-Identifier: MIT */
/* What sockets of all families have (schemas/sockopt.proto). */
#ifndef SOCK_H
#define SOCK_H

#include "restore.h"

int sock_check(const char *what, const Cr__SockCommon *c, struct cr_err *err) CR_MUST;

/* Owner, and options that bind(2) looks at. */
int sock_early(int fd, const Cr__SockCommon *c, struct cr_err *err) CR_MUST;
/* The rest, and what of its flags is not O_ASYNC (owner.h). */
int sock_late(int fd, const Cr__SockCommon *c, uint32_t open_flags, struct cr_err *err) CR_MUST;

#endif
