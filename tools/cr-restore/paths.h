/* SPDX-License-Identifier: MIT */
/*
 * --map-path OLD=NEW and --root DIR: where files of the image are now.
 *
 * paths_map() rewrites every path of the loaded image (the fields named
 * "path", whatever the record), before anything looks at them.  The longest
 * OLD that is the path or a directory above it wins; --root DIR is the same
 * as OLD = "/".
 */
#ifndef PATHS_H
#define PATHS_H

#include "restore.h"

int paths_map(struct restore *r, struct cr_err *err) CR_MUST;

#endif
