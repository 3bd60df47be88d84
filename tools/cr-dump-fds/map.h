/* SPDX-License-Identifier: MIT */
/* A map from a number to a pointer; both belong to the caller. */
#ifndef MAP_H
#define MAP_H

#include <stdint.h>

#include "err.h"

struct map {
	struct map_entry {
		uint64_t key;
		void *value;	/* NULL: free */
	} * entries;
	unsigned int size;	/* a power of two, or 0 */
	unsigned int count;
};

void *map_get(const struct map *m, uint64_t key);
/* @key must not be there yet, @value not be NULL. */
int map_put(struct map *m, uint64_t key, void *value, struct cr_err *err) CR_MUST;
void map_clear(struct map *m);

#endif
