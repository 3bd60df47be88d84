/* SPDX-License-Identifier: MIT */
/* Lists that grow by one at a time: a pointer from malloc, and a count. */
#ifndef CR_LIST_H
#define CR_LIST_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

/* @list is the address of the pointer. */
static inline int cr_list_grow(void *list, size_t count, size_t size, struct cr_err *err)
{
	void *p;

	/* Room is made in powers of two. */
	if (count & (count - 1))
		return 0;
	memcpy(&p, list, sizeof(p));
	p = realloc(p, (count * 2 + 1) * size);
	if (!p)
		return cr_err_sys(err, "out of memory");
	memcpy(list, &p, sizeof(p));
	return 0;
}

/* Room for one more behind the @count of @list, which must always grow by this. */
#define cr_list_room(list, count, err) cr_list_grow(&(list), (count), sizeof(*(list)), (err))

#endif
