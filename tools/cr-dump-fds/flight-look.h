/* SPDX-License-Identifier: MIT */
/* Descriptors of our own for those in the messages of a queue. */
#ifndef FLIGHT_LOOK_H
#define FLIGHT_LOOK_H

#include "dump.h"

struct flight_look {
	int *fds;		/* in their order */
	unsigned int count;
	unsigned int *messages;	/* how many come with each message that has any */
	unsigned int n_messages;
};

/* Look at the queue of @sock until @expected have come; fewer are no error. */
int flight_look(struct dump *d, int sock, unsigned int expected, struct flight_look *l,
		struct cr_err *err) CR_MUST;
/* Close those that are still in .fds (not -1). */
void flight_look_free(struct flight_look *l);

#endif
