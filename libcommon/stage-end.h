/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a stage's output, for those that are no cr_stage_run(): once
 * its End is written it waits until its stdout has no reader left, so that the
 * pipeline collapses from its tail to its head; or until the session has ended,
 * which a commit brings about, and then all end at once.
 */
#ifndef CR_STAGE_END_H
#define CR_STAGE_END_H

#include <stdbool.h>

#include "session.h"
#include "stream.h"

/* Is @fd a pipe or a socket, whose reader can go away? */
bool cr_stage_is_pipe(int fd);

/* The stream to stdout, or text for people when that is a terminal. */
int cr_stage_open_stdout(struct cr_writer **out, struct cr_err *err) CR_MUST;

/* Wait for POLLERR on @fd, or the end of the session (may be NULL). */
void cr_stage_linger(int fd, const struct cr_session *session);

#endif
