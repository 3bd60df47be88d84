/* SPDX-License-Identifier: MIT */
/*
 * Queued signals, as PTRACE_PEEKSIGINFO (3.10) shows them.
 *
 * A queue is read when the tree has just been frozen.  What is queued after
 * that, while the freeze lasts, stands behind it: signals_late().
 */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <stdbool.h>

#include "schemas.h"
#include "tree.h"

struct signals {
	ProtobufCBinaryData *list;	/* siginfo_t each */
	size_t count;
};

/* The queue of @t (its own, or with @shared of its process) from entry @from,
 * up to its end or until there are @enough entries. */
int signals_peek(const struct cr_tracee *t, bool shared, uint64_t from, size_t enough,
		 struct signals *s, struct cr_err *err) CR_MUST;
void signals_free(struct signals *s);

/* Does the set @name ("SigPnd", "ShdPnd") of a status text have anything? */
bool signals_pending(const char *status, const char *name);

#endif
