/* SPDX-License-Identifier: MIT */
/* cr-inject by itself: one call in one process, which then goes on. */
#ifndef ALONE_H
#define ALONE_H

#include <stdint.h>
#include <sys/types.h>

#define ALONE_CALL_FAILED 2	/* exit status: the call was made and returned an error */

struct alone {
	pid_t pid;
	const char *blob;	/* file, or NULL: argv[0] is the name of a system call */
	uint64_t timeout;	/* seconds */
	char **argv;
	int argc;
};

/* Returns the exit status. */
int alone_run(const struct alone *job);

#endif
