/* SPDX-License-Identifier: MIT */
#include "ids.h"

#include <stdlib.h>
#include <string.h>

int ids_add(struct ids *s, uint64_t id, struct cr_err *err)
{
	uint64_t n = s->count, *grown;

	if ((n & (n - 1)) == 0) {	/* full: double it */
		grown = realloc(s->list, (n ? 2 * n : 1) * sizeof(*grown));
		if (!grown)
			return cr_err_sys(err, "out of memory");
		s->list = grown;
	}
	s->list[s->count++] = id;
	s->sorted = false;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct ids *s)
{
	if (!s->sorted && s->count)
		qsort(s->list, s->count, sizeof(*s->list), compare);
	s->sorted = true;
}

bool ids_has(struct ids *s, uint64_t id)
{
	sort(s);
	return s->count && bsearch(&id, s->list, s->count, sizeof(id), compare);
}

uint64_t ids_twice(struct ids *s)
{
	sort(s);
	for (uint64_t i = 1; i < s->count; i++)
		if (s->list[i] == s->list[i - 1])
			return s->list[i];
	return 0;
}

void ids_clear(struct ids *s)
{
	free(s->list);
	memset(s, 0, sizeof(*s));
}
