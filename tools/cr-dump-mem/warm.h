/* SPDX-License-Identifier: MIT */
/*
 * What can be done before the freeze, so that it costs the target no time: one
 * rehearsal of the work on the root, which brings code, data and the files it
 * maps into the caches, and room in the pages file, where making it is most of
 * the work (tmpfs).  Nothing of it is relied on; whatever fails is left.
 */
#ifndef WARM_H
#define WARM_H

#include "dump.h"

void warm_up(struct dump *d, pid_t root);

#endif
