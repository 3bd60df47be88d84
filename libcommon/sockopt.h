/* SPDX-License-Identifier: MIT */
/*
 * The options of sockets that are dumped and restored, one line each in the
 * table of sockopt.c: a new one needs no other code.
 *
 * An option's value is a number, or a text for those that are texts.  Times
 * are in microseconds; SO_LINGER is the number of seconds, -1 when it is off.
 */
#ifndef CR_SOCKOPT_H
#define CR_SOCKOPT_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* Which sockets have the option. */
enum {
	CR_SOCK_UNIX = 1,
	CR_SOCK_IP = 2,		/* AF_INET; most of these options AF_INET6 has too */
	CR_SOCK_IP6 = 4,
	CR_SOCK_TCP = 8,
	CR_SOCK_UDP = 16,
	CR_SOCK_UDP6 = 32,
	CR_SOCK_NETLINK = 64,
};

/* 0: such sockets are not supported. */
unsigned int cr_sockopt_family(int family, int type, int protocol);

enum cr_sockopt_type {
	CR_SOCKOPT_INT,
	CR_SOCKOPT_BUFFER,	/* int; what is read is twice what is set */
	CR_SOCKOPT_TIME,	/* struct timeval */
	CR_SOCKOPT_LINGER,
	CR_SOCKOPT_TEXT,
	CR_SOCKOPT_BYTES,	/* as a text: two digits each */
};

struct cr_sockopt {
	const char *name;
	uint16_t level;
	uint16_t option;
	uint8_t type;
	uint8_t who;
	bool early;		/* must be set before bind(2) */
};

#define CR_SOCKOPT_BYTES_MAX 127
#define CR_SOCKOPT_TEXT_MAX (2 * CR_SOCKOPT_BYTES_MAX + 2)
struct cr_sockopt_value {
	int64_t number;
	char text[CR_SOCKOPT_TEXT_MAX];
};

/* The table, ends with a NULL name; and an entry by its name, or NULL. */
extern const struct cr_sockopt cr_sockopts[];
const struct cr_sockopt *cr_sockopt_by_name(const char *name);

/* 0; 1: this kernel or this socket does not have it; -1, of class CR_REFUSED for
 * more bytes than there is room for. */
int cr_sockopt_get(int fd, const struct cr_sockopt *o, struct cr_sockopt_value *v,
		   struct cr_err *err) CR_MUST;
int cr_sockopt_set(int fd, const struct cr_sockopt *o, const struct cr_sockopt_value *v,
		   struct cr_err *err) CR_MUST;

#endif
