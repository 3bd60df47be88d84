/* SPDX-License-Identifier: MIT */
/*
 * --action-script: a command that is run at the stages of a dump or a restore,
 * under the names and with the environment that CRIU gives it:
 *
 *	CRTOOLS_SCRIPT_ACTION	the stage
 *	CRTOOLS_IMAGE_DIR	the image directory, an absolute path
 *	CRTOOLS_INIT_PID	the root's pid, where there is one
 *
 * The shell runs it, with /dev/null as its input.
 */
#ifndef CR_SCRIPT_H
#define CR_SCRIPT_H

#include <sys/types.h>

#include "err.h"

/* In a child: become the command.  @pid 0: there is none. */
void cr_script_exec(const char *command, const char *dir, const char *action, pid_t pid)
	__attribute__((noreturn));

/* Wait for the child; CR_REFUSED when it failed. */
int cr_script_wait(pid_t child, const char *command, const char *action,
		   struct cr_err *err) CR_MUST;

/* All of that in a child of its own. */
int cr_script_run(const char *command, const char *dir, const char *action, pid_t pid,
		  struct cr_err *err) CR_MUST;

#endif
