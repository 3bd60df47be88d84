/* SPDX-License-Identifier: MIT */
/* cr-inject as a stage: Task records in, Agent, Inside and ThreadInside out. */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stdbool.h>

/* Returns the exit status. */
int pipeline_run(bool ignore_session_keys);

#endif
