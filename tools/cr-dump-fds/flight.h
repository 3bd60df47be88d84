/* SPDX-License-Identifier: MIT */
/*
 * Descriptors on their way (SCM_RIGHTS): in a message that waits in the queue of
 * an AF_UNIX socket.  To look at such a message gives whoever looks descriptors
 * of his own; they are kept open to the end, and read like those of a process
 * that is called by the socket in whose queue they are.  What is in the queue of
 * a socket that is itself in a queue is found in turn.
 *
 * How many there are fdinfo tells (scm_fds, 5.6), so that most queues are not
 * even looked at.  On an older kernel cr-dump-net refuses what it finds.
 */
#ifndef FLIGHT_H
#define FLIGHT_H

#include "dump.h"

/* Is there any in its queue, as fdinfo says? */
bool flight_expects(const struct file *f);

/* All sockets with such messages; others that are found on the way too. */
int flights_dump(struct dump *d, struct cr_err *err) CR_MUST;
/*
 * Their records, last of all: cr-dump-net then looks at the messages too, and
 * what it has for that moment is not to be taken for somebody's outside.
 */
int flights_put(struct dump *d, struct cr_err *err) CR_MUST;
void flights_free(struct dump *d);

/* socket.c: the record. */
int socket_put(struct dump *d, const struct file *f, Cr__Rights **rights, size_t n,
	       struct cr_err *err) CR_MUST;

#endif
