/* SPDX-License-Identifier: MIT */
#include "frames.h"

#include <stdlib.h>

#define FIRST_SIZE 1024u

/* Where it is, or the free place where it would be. */
static struct frame *place(const struct frames *f, uint64_t number)
{
	/* Neighbours stay together: they are asked for one after the other. */
	size_t block = (size_t)((number >> 4) * 0x9e3779b97f4a7c15ull >> 20);
	size_t i = (block << 4 | (number & 15)) & (f->size - 1);

	while (f->list[i].number && f->list[i].number != number)
		i = (i + 1) & (f->size - 1);
	return &f->list[i];
}

static int grow(struct frames *f, struct cr_err *err)
{
	struct frames bigger = { .size = f->size ? f->size * 2 : FIRST_SIZE, .count = f->count };

	bigger.list = calloc(bigger.size, sizeof(*bigger.list));
	if (!bigger.list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < f->size; i++)
		if (f->list[i].number)
			*place(&bigger, f->list[i].number) = f->list[i];
	free(f->list);
	*f = bigger;
	return 0;
}

int frames_add(struct frames *f, uint64_t number, struct frame_user user, struct cr_err *err)
{
	struct frame *at;

	/* Never more than three quarters full. */
	if (f->count >= f->size / 4 * 3 && grow(f, err) < 0)
		return -1;
	at = place(f, number);
	if (at->number)
		return 0;
	*at = (struct frame){ number, user };
	f->count++;
	return 0;
}

const struct frame_user *frames_find(const struct frames *f, uint64_t number)
{
	const struct frame *at = number && f->size ? place(f, number) : NULL;

	return at && at->number ? &at->user : NULL;
}

void frames_clear(struct frames *f)
{
	free(f->list);
	*f = (struct frames){ 0 };
}
