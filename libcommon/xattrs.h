/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of a file without a name, for its record.  Those that its
 * file system keeps from us, or has none of, are no error.
 */
#ifndef CR_XATTRS_H
#define CR_XATTRS_H

#include <stddef.h>

#include "err.h"
#include "file.pb-c.h"

/*
 * Append those of what @link, "/proc/self/fd/N", leads to.  Also after an error
 * the list is for cr_xattrs_free().
 */
int cr_xattrs_read(const char *link, Cr__Xattr ***list, size_t *n, struct cr_err *err) CR_MUST;
void cr_xattrs_free(Cr__Xattr **list, size_t n);

#endif
