/* SPDX-License-Identifier: MIT */
#include "bump.h"

#include <stdalign.h>
#include <stdint.h>
#include <sys/mman.h>

#define CHUNK (1ul << 20)
#define ALIGN alignof(max_align_t)

struct cr_bump_chunk {
	struct cr_bump_chunk *next;
	size_t size;	/* of the mapping */
};

static size_t round_up(size_t n, size_t to)
{
	return (n + to - 1) / to * to;
}

static struct cr_bump_chunk *add_chunk(struct cr_bump *b, size_t size)
{
	size_t head = round_up(sizeof(struct cr_bump_chunk), ALIGN);
	size_t whole = size > CHUNK - head ? round_up(size + head, CHUNK) : CHUNK;
	struct cr_bump_chunk *c = mmap(NULL, whole, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (c == MAP_FAILED)
		return NULL;
	c->size = whole;
	c->next = b->chunks;
	b->chunks = c;
	b->used = head;
	return c;
}

void *cr_bump_alloc(struct cr_bump *b, size_t size)
{
	struct cr_bump_chunk *c = b->chunks;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = round_up(size, ALIGN);
	if (!c || size > c->size - b->used)
		c = add_chunk(b, size);
	if (!c)
		return NULL;
	p = (char *)c + b->used;
	b->used += size;
	return p;
}

int cr_bump_seal(struct cr_bump *b, struct cr_err *err)
{
	for (struct cr_bump_chunk *c = b->chunks; c; c = c->next)
		if (mprotect(c, c->size, PROT_READ) < 0)
			return cr_err_sys(err, "mprotect");
	return 0;
}

void cr_bump_release(struct cr_bump *b)
{
	struct cr_bump_chunk *c = b->chunks, *next;

	for (; c; c = next) {
		next = c->next;
		munmap(c, c->size);
	}
	b->chunks = NULL;
	b->used = 0;
}
