/* SPDX-License-Identifier: MIT */
/*
 * Cleanup attributes for what a scope owns.  Always initialise; move the
 * ownership out with cr_steal_fd() or cr_steal_ptr().
 */
#ifndef CR_CLEAN_H
#define CR_CLEAN_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cr_clean_free(void *p)
{
	free(*(void **)p);
}

static inline void cr_clean_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cr_clean_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void cr_clean_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define cr_auto_free __attribute__((cleanup(cr_clean_free)))
#define cr_auto_fd __attribute__((cleanup(cr_clean_fd)))
#define cr_auto_dir __attribute__((cleanup(cr_clean_dir)))
#define cr_auto_file __attribute__((cleanup(cr_clean_file)))

static inline int cr_steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

#define cr_steal_ptr(p)                         \
	({                                      \
		__typeof__(*(p)) v_ = *(p);     \
		*(p) = NULL;                    \
		v_;                             \
	})

#endif
