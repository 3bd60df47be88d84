/* SPDX-License-Identifier: MIT */
/*
 * BPF maps: made anew with their content, or found where they are pinned.  All
 * are opened by the restorer, so that descriptions of one map find each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "cpus.h"
#include "file-kinds.h"
#include "restore.h"

static struct made {
	uint32_t was, now;	/* the kernel's ids */
} * made;
static size_t n_made;

static int call(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static bool bpf_map_early(const struct image *img, const struct file_image *f)
{
	(void)img;
	(void)f;
	return true;
}

static uint32_t open_mode(const Cr__BpfMap *m)
{
	switch (m->open_flags & O_ACCMODE) {
	case O_RDONLY:
		return BPF_F_RDONLY;
	case O_WRONLY:
		return BPF_F_WRONLY;
	default:
		return 0;
	}
}

static int info_of(int fd, struct bpf_map_info *info)
{
	union bpf_attr attr = { 0 };

	memset(info, 0, sizeof(*info));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uintptr_t)info;
	return call(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

static int open_pin(const Cr__BpfMap *m)
{
	union bpf_attr attr = { 0 };

	attr.pathname = (uintptr_t)m->path;
	attr.file_flags = open_mode(m);
	return call(BPF_OBJ_GET, &attr);
}

static void check_pin(struct restore *r, const Cr__BpfMap *m)
{
	cr_auto_fd int fd = open_pin(m);
	struct bpf_map_info info;

	if (fd < 0 || info_of(fd, &info) < 0)
		refuse(r, 0, m->path, "no BPF map is pinned there: %s", strerror(errno));
	else if (info.type != m->type || info.key_size != m->key_size ||
		 info.value_size != m->value_size || info.max_entries != m->max_entries)
		refuse(r, 0, m->path, "another BPF map is pinned there");
}

static bool is_per_cpu(const Cr__BpfMap *m)
{
	return m->type == BPF_MAP_TYPE_PERCPU_HASH || m->type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       m->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static int bpf_map_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__BpfMap *m = msg;
	char name[40];
	uint32_t cpus;

	snprintf(name, sizeof(name), "BPF map %u", m->map);
	if (!m->key_size || !m->value_size || m->value_length < m->value_size)
		return cr_err_set(err, CR_BAD_INPUT, "%s: malformed sizes", name);
	if (m->path[0])
		check_pin(r, m);
	else if (is_per_cpu(m)) {
		if (cr_cpus_possible(&cpus, err) < 0)
			return -1;
		if (m->value_length != cpus * ((m->value_size + 7) & ~7u))
			refuse(r, 0, name, "it has values for another number of CPUs than %u",
			       cpus);
	}
	return 0;
}

static int fill_from(int fd, const Cr__BpfMap *m, const Cr__BpfMapData *data, struct cr_err *err)
{
	size_t n = data->keys.len / m->key_size;

	if (data->keys.len % m->key_size || data->values.len != n * m->value_length)
		return cr_err_set(err, CR_BAD_INPUT, "BPF map %u: malformed content", m->map);
	for (size_t i = 0; i < n; i++) {
		union bpf_attr attr = { 0 };

		attr.map_fd = (uint32_t)fd;
		attr.key = (uintptr_t)(data->keys.data + i * m->key_size);
		attr.value = (uintptr_t)(data->values.data + i * m->value_length);
		if (call(BPF_MAP_UPDATE_ELEM, &attr) < 0)
			return cr_err_sys(err, "BPF map %u: BPF_MAP_UPDATE_ELEM", m->map);
	}
	return 0;
}

static int fill(const struct restore *r, int fd, const Cr__BpfMap *m, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_BPF_MAP_DATA];
	union bpf_attr attr = { 0 };

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__BpfMapData *data = l->items[i];

		if (data->map == m->map && fill_from(fd, m, data, err) < 0)
			return -1;
	}
	attr.map_fd = (uint32_t)fd;
	if (m->frozen && call(BPF_MAP_FREEZE, &attr) < 0)
		return cr_err_sys(err, "BPF_MAP_FREEZE");
	return 0;
}

static int note(int fd, const Cr__BpfMap *m, struct cr_err *err)
{
	struct made *grown = realloc(made, (n_made + 1) * sizeof(*grown));
	struct bpf_map_info info;

	if (grown)
		made = grown;
	if (!grown || info_of(fd, &info) < 0)
		return cr_err_sys(err, "BPF map %u", m->map);
	made[n_made++] = (struct made){ .was = m->map, .now = info.id };
	return 0;
}

static int make(const struct restore *r, const Cr__BpfMap *m, struct cr_err *err)
{
	union bpf_attr attr = { 0 };
	cr_auto_fd int fd = -1;

	attr.map_type = m->type;
	attr.key_size = m->key_size;
	attr.value_size = m->value_size;
	attr.max_entries = m->max_entries;
	attr.map_flags = m->map_flags;
	snprintf(attr.map_name, sizeof(attr.map_name), "%s", m->name);
	fd = call(BPF_MAP_CREATE, &attr);
	if (fd < 0)
		return cr_err_sys(err, "BPF map %u: BPF_MAP_CREATE", m->map);
	if (fill(r, fd, m, err) < 0 || note(fd, m, err) < 0)
		return -1;
	return cr_steal_fd(&fd);
}

/* Another description of it. */
static int open_again(uint32_t now, const Cr__BpfMap *m)
{
	union bpf_attr attr = { 0 };

	attr.map_id = now;
	attr.open_flags = open_mode(m);
	return call(BPF_MAP_GET_FD_BY_ID, &attr);
}

static int bpf_map_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__BpfMap *m = msg;
	cr_auto_fd int first = -1;
	size_t i = 0;
	int fd;

	if (m->path[0]) {
		fd = open_pin(m);
		return fd < 0 ? cr_err_sys(err, "unable to open %s", m->path) : fd;
	}
	while (i < n_made && made[i].was != m->map)
		i++;
	if (i == n_made) {
		first = make(r, m, err);
		if (first < 0 || !open_mode(m))
			return cr_steal_fd(&first);
	}
	fd = open_again(made[i].now, m);
	return fd < 0 ? cr_err_sys(err, "BPF map %u: BPF_MAP_GET_FD_BY_ID", m->map) : fd;
}

const struct file_ops bpf_map_ops = {
	.kind = CR_KIND_BPF_MAP,
	.early = bpf_map_early,
	.check = bpf_map_check,
	.open = bpf_map_open,
};
