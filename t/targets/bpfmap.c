/* SPDX-License-Identifier: MIT */
/*
 * BPF maps: types, content, names and flags, frozen, two descriptions of one,
 * one that a child has too; with T_PIN one that is pinned there.
 */
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "target.h"

#define MANY 3000u	/* more than one record has room for */

static struct map {
	uint32_t type, key_size, value_size, max, flags, fill;
	bool frozen;
	int fd, again;
	char name[16];
} maps[] = {
	{ BPF_MAP_TYPE_ARRAY, 4, 12, 100, 0, 0, false, 0, 0, "an_array" },
	{ BPF_MAP_TYPE_ARRAY, 4, 8, 10, BPF_F_MMAPABLE, 0, true, 0, 0, "frozen" },
	{ BPF_MAP_TYPE_HASH, 8, 1000, MANY, 0, MANY, false, 0, 0, "a_hash" },
	{ BPF_MAP_TYPE_HASH, 5, 3, 20, BPF_F_NO_PREALLOC, 7, false, 0, 0, "" },
	{ BPF_MAP_TYPE_PERCPU_ARRAY, 4, 12, 5, 0, 0, false, 0, 0, "per_cpu" },
	{ BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 16, 0, 9, false, 0, 0, "per_cpu_hash" },
	{ BPF_MAP_TYPE_LRU_HASH, 4, 8, 64, 0, 10, false, 0, 0, "lru" },
	{ BPF_MAP_TYPE_HASH, 4, 4, 8, 0, 3, false, 0, 0, "pinned" },
};
#define COUNT (sizeof(maps) / sizeof(maps[0]))

static long call(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static bool is_array(const struct map *m)
{
	return m->type == BPF_MAP_TYPE_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static uint32_t entries(const struct map *m)
{
	return is_array(m) ? m->max : m->fill;
}

/* Of entry @i; every third of an array is zero.  Per-CPU values are of one CPU after
 * the other. */
static void entry(const struct map *m, uint32_t i, uint8_t *key, uint8_t *value, size_t size)
{
	memset(key, 0, m->key_size);
	memcpy(key, &i, 4);
	memset(value, 0, size);
	if (is_array(m) && i % 3 == 0)
		return;
	/* Per-CPU values are padded to 8 bytes, and the padding means nothing. */
	for (size_t at = 0; at < size; at++)
		if (at % ((m->value_size + 7) & ~7u) < m->value_size || size == m->value_size)
			value[at] = (uint8_t)t_mix(i + at * 7);
}

static size_t value_length(const struct map *m)
{
	bool per_cpu = m->type == BPF_MAP_TYPE_PERCPU_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_HASH;
	char text[64], *dash;

	if (!per_cpu)
		return m->value_size;
	t_read("/sys/devices/system/cpu/possible", text, sizeof(text));
	dash = strrchr(text, '-');
	return (strtoul(dash ? dash + 1 : text, NULL, 10) + 1) * ((m->value_size + 7) & ~7u);
}

static void make(struct map *m)
{
	size_t size = value_length(m);
	uint8_t key[8], *value = malloc(size);
	union bpf_attr attr = { 0 };

	attr.map_type = m->type;
	attr.key_size = m->key_size;
	attr.value_size = m->value_size;
	attr.max_entries = m->max;
	attr.map_flags = m->flags;
	memcpy(attr.map_name, m->name, sizeof(attr.map_name));
	m->fd = (int)t_must(call(BPF_MAP_CREATE, &attr));
	for (uint32_t i = 0; i < entries(m); i++) {
		memset(&attr, 0, sizeof(attr));
		entry(m, i, key, value, size);
		attr.map_fd = (uint32_t)m->fd;
		attr.key = (uintptr_t)key;
		attr.value = (uintptr_t)value;
		t_must(call(BPF_MAP_UPDATE_ELEM, &attr));
	}
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)m->fd;
	if (m->frozen)
		t_must(call(BPF_MAP_FREEZE, &attr));
	free(value);
}

static void info_of(int fd, struct bpf_map_info *info)
{
	union bpf_attr attr = { 0 };

	memset(info, 0, sizeof(*info));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uintptr_t)info;
	t_must(call(BPF_OBJ_GET_INFO_BY_FD, &attr));
}

static long update(int fd, uint32_t key, const void *value)
{
	union bpf_attr attr = { 0 };

	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)value;
	return call(BPF_MAP_UPDATE_ELEM, &attr);
}

static void check(struct map *m)
{
	size_t size = value_length(m);
	uint8_t key[8], *value = malloc(size), *got = malloc(size);
	struct bpf_map_info info;
	uint32_t n = 0;
	union bpf_attr attr;

	info_of(m->fd, &info);
	t_same("type", m->type, info.type);
	t_same("size of a key", m->key_size, info.key_size);
	t_same("size of a value", m->value_size, info.value_size);
	t_same("entries at most", m->max, info.max_entries);
	t_same("flags", m->flags, info.map_flags);
	t_same_str("name", m->name, info.name);
	for (uint32_t i = 0; i < entries(m); i++) {
		memset(&attr, 0, sizeof(attr));
		memset(got, 0, size);
		entry(m, i, key, value, size);
		attr.map_fd = (uint32_t)m->fd;
		attr.key = (uintptr_t)key;
		attr.value = (uintptr_t)got;
		if (call(BPF_MAP_LOOKUP_ELEM, &attr) < 0 || memcmp(got, value, size) != 0)
			t_differs("%s: entry %u is another one", m->name, i);
	}
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)m->fd;
	attr.next_key = (uintptr_t)key;
	for (uint8_t last[8]; call(BPF_MAP_GET_NEXT_KEY, &attr) == 0; n++) {
		memcpy(last, key, sizeof(last));
		attr.key = (uintptr_t)last;
	}
	t_same("entries", entries(m), n);
	if (m->frozen)
		t_true("it is frozen", update(m->fd, 1, value) < 0 && errno == EPERM);
	free(value);
	free(got);
}

static void check_again(const struct map *m)
{
	struct bpf_map_info a, b;
	uint8_t value[12] = { 0 };

	info_of(m->fd, &a);
	info_of(m->again, &b);
	t_same("two descriptions are of one map", a.id, b.id);
	t_true("one may only be read", update(m->again, 1, value) < 0 && errno == EPERM);
}

int main(void)
{
	union bpf_attr attr = { 0 };
	struct bpf_map_info info;
	struct map *last = &maps[COUNT - 1];
	pid_t child;

	t_init();
	for (size_t i = 0; i < COUNT; i++)
		make(&maps[i]);
	info_of(maps[0].fd, &info);
	attr.map_id = info.id;
	attr.open_flags = BPF_F_RDONLY;
	maps[0].again = (int)t_must(call(BPF_MAP_GET_FD_BY_ID, &attr));
	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)getenv("T_PIN");
	attr.bpf_fd = (uint32_t)last->fd;
	if (attr.pathname)
		t_must(call(BPF_OBJ_PIN, &attr));
	child = t_must(fork());
	if (child == 0) {
		t_wait();
		/* Entries of the hash that nobody else looks at. */
		t_must(update(maps[COUNT - 2].fd, 60, &(uint64_t){ 7 }));
		_exit(0);
	}
	t_ready();
	if (t_spoiled())
		t_must(update(maps[5].fd, 2, &(uint64_t[512]){ 9 }));
	t_wait();
	t_join_child("the child", child);
	attr = (union bpf_attr){ 0 };
	attr.map_fd = (uint32_t)maps[COUNT - 2].fd;
	attr.key = (uintptr_t) & (uint32_t){ 60 };
	t_true("the child's entry", call(BPF_MAP_DELETE_ELEM, &attr) == 0);
	for (size_t i = 0; i < COUNT; i++)
		check(&maps[i]);
	check_again(&maps[0]);
	return t_done();
}
