/* SPDX-License-Identifier: MIT */
/* Terminals, as the descriptors of tty.c and the sessions refer to them. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include "dump.h"

struct terminal {
	uint32_t id;
	dev_t dev;		/* of a pty: its slave */
	struct file *master;	/* NULL: not in the tree */
	struct file *slave;
	struct file *hung;	/* a slave that was hung up: nothing can be asked of it */
	bool put;
	bool refused;
	bool orphan;		/* is to have a new master */
	struct terminal *next;
};

bool terminal_is_pty(unsigned int major_number);
/* A device number as TIOCGDEV and /proc/PID/stat write it. */
dev_t terminal_dev(unsigned int encoded);

/* The one with that number, new when it is not known; NULL with *err. */
struct terminal *terminal_get(struct dump *d, dev_t dev, struct cr_err *err) CR_MUST;

/* Write its record, or refuse it; once. */
int terminal_put(struct dump *d, struct terminal *t, struct cr_err *err) CR_MUST;

/* Controlling terminals of the tree's sessions. */
int terminal_sessions(struct dump *d, struct cr_err *err) CR_MUST;

void terminal_free(struct dump *d);

#endif
