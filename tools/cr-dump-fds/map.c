/* SPDX-License-Identifier: MIT */
#include "map.h"

#include <stdlib.h>
#include <string.h>

static struct map_entry *find(const struct map *m, uint64_t key)
{
	uint64_t h = key * 0x9e3779b97f4a7c15u;
	unsigned int i = (unsigned int)(h >> 32);

	for (;; i++) {
		struct map_entry *e = &m->entries[i & (m->size - 1)];

		if (!e->value || e->key == key)
			return e;
	}
}

void *map_get(const struct map *m, uint64_t key)
{
	return m->size ? find(m, key)->value : NULL;
}

static int grow(struct map *m)
{
	struct map bigger = { .size = m->size ? m->size * 2 : 64 };

	bigger.entries = calloc(bigger.size, sizeof(bigger.entries[0]));
	if (!bigger.entries)
		return -1;
	for (unsigned int i = 0; i < m->size; i++)
		if (m->entries[i].value)
			*find(&bigger, m->entries[i].key) = m->entries[i];
	bigger.count = m->count;
	free(m->entries);
	*m = bigger;
	return 0;
}

int map_put(struct map *m, uint64_t key, void *value, struct cr_err *err)
{
	struct map_entry *e;

	if (2 * (m->count + 1) > m->size && grow(m) < 0)
		return cr_err_sys(err, "out of memory");
	e = find(m, key);
	e->key = key;
	e->value = value;
	m->count++;
	return 0;
}

void map_clear(struct map *m)
{
	free(m->entries);
	memset(m, 0, sizeof(*m));
}
