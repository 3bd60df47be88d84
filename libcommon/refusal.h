/* SPDX-License-Identifier: MIT */
/*
 * Saying that something is not supported: one line on stderr and a Refusal
 * record, which keeps the image from being committed.  The dump goes on, so
 * that everything is named at once.
 */
#ifndef CR_REFUSAL_H
#define CR_REFUSAL_H

#include <sys/types.h>

#include "err.h"
#include "stream.h"

/* @object: "fd 7", or "" for the whole task; @w NULL: only say it. */
int cr_refuse(struct cr_writer *w, pid_t pid, const char *object, const char *kind,
	      const char *remedy, struct cr_err *err) CR_MUST;

/* The same; what it names keeps an agent out of the process, so that nobody
 * need try: see Refusal.no_agent. */
int cr_refuse_agent(struct cr_writer *w, pid_t pid, const char *object, const char *kind,
		    const char *remedy, struct cr_err *err) CR_MUST;

#endif
