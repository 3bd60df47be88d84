/* SPDX-License-Identifier: MIT */
/* A file that is known only by its file handle (fdinfo of inotify). */
#ifndef BY_HANDLE_H
#define BY_HANDLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "schemas.h"

/*
 * Fill @ref with a path that leads to the file of @handle (open_by_handle_at,
 * 2.6.39) on the file system @dev.  0; 1 when there is none; -1 on an error.
 */
int by_handle_ref(dev_t dev, int type, const uint8_t *handle, size_t len, Cr__FileRef *ref,
		  struct cr_err *err) CR_MUST;

#endif
