/* SPDX-License-Identifier: MIT */
/*
 * A reference to a file in the file system (schemas/file.proto): made at the
 * dump, verified at the restore.
 *
 * cr_fileref_fill() takes an open descriptor of the file (O_PATH will do) and
 * the path the kernel prints for it.  It returns 0 and fills @ref (release it
 * with cr_fileref_release()), 1 when that path does not lead to that file any
 * more (deleted, replaced, behind another mount), -1 on an error.
 *
 * cr_fileref_check() returns 0 when the file at ref->path is the one that was
 * seen, 1 when not, with the reason in @why ("size is 5, was 7"), -1 on an error.
 */
#ifndef CR_FILEREF_H
#define CR_FILEREF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "err.h"
#include "schemas.h"

enum cr_fileref_rule {
	CR_FILEREF_EXACT,	/* type and size; build-id when there is one */
	CR_FILEREF_GROWN,	/* the same, but it may have grown */
	CR_FILEREF_ANY,		/* it is there and of the same type: --changed-files accept */
};

/* The same of a file whose status is known, without a build-id. */
/* The same of what is known to be there. */
int cr_fileref_fill_found(const struct stat *sb, const char *path, Cr__FileRef *ref,
			  struct cr_err *err) CR_MUST;
int cr_fileref_fill_stat(const struct stat *sb, const char *path, Cr__FileRef *ref,
			 struct cr_err *err) CR_MUST;
int cr_fileref_fill(int fd, const char *path, bool build_id, Cr__FileRef *ref,
		    struct cr_err *err) CR_MUST;
/*
 * The same of a deleted file that has another name in the directory where it was, as
 * sem_open(3) leaves them: by that name, or 1.
 */
int cr_fileref_fill_beside(int fd, const char *path, Cr__FileRef *ref, struct cr_err *err) CR_MUST;
void cr_fileref_release(Cr__FileRef *ref);
int cr_fileref_check(const Cr__FileRef *ref, enum cr_fileref_rule rule, char *why, size_t why_size,
		     struct cr_err *err) CR_MUST;

#endif
