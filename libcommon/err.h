/* SPDX-License-Identifier: MIT */
/*
 * Errors: a class that becomes the exit status, an errno, and a message.
 *
 * A function that can fail returns a negative value and fills the struct
 * cr_err that is its last argument.  Callers add context with cr_err_wrap(),
 * outermost last, and only a tool's main prints and exits.  The struct is
 * owned by the caller; nothing in it needs freeing.
 */
#ifndef CR_ERR_H
#define CR_ERR_H

#include <stdbool.h>

enum cr_class {
	CR_OK = 0,
	CR_REFUSED = 1,		/* the target or the host has something unsupported */
	CR_USAGE = 100,		/* the command line is wrong */
	CR_BAD_INPUT = 102,	/* malformed or truncated input */
	CR_SYSTEM = 111,	/* a system call failed */
};

struct cr_err {
	enum cr_class class;
	int errnum;		/* 0 when no system call is to blame */
	bool told;		/* somebody else has said it: report only after -v */
	char msg[480];
};

#define CR_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define CR_MUST __attribute__((warn_unused_result))

/* Fill @err and return -1.  cr_err_sys() appends strerror(errno). */
int cr_err_set(struct cr_err *err, enum cr_class class, const char *fmt, ...) CR_PRINTF(3, 4);
int cr_err_sys(struct cr_err *err, const char *fmt, ...) CR_PRINTF(2, 3);

/* Put "context: " before the message, unless it begins so; returns -1. */
int cr_err_wrap(struct cr_err *err, const char *fmt, ...) CR_PRINTF(2, 3);

/* Print "PROG: msg" on stderr, unless .told, and return the exit status. */
int cr_err_report(const struct cr_err *err);

#endif
