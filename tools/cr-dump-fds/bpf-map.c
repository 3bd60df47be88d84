/* SPDX-License-Identifier: MIT */
/*
 * BPF maps of simple types.  One that is pinned is found there again.  Another
 * one is carried with its content, when nobody but the tree has it: neither
 * another process nor a BPF program, which would have to have the new map.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf-load.h"
#include "clean.h"
#include "cpus.h"
#include "kernel-peek.h"
#include "kinds.h"

#define DEPTH 8
#define CHUNK (1u << 20)	/* bytes of entries in a record */

/* 5.11, 6.x: what the headers may lack. */
#define KEEP_FLAGS                                                                         \
	(BPF_F_NO_PREALLOC | BPF_F_NO_COMMON_LRU | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG | \
	 BPF_F_MMAPABLE | BPF_F_ZERO_SEED)

static const char *const type_names[] = {
	"",
	"hash",
	"array",
	"program array",
	"perf event array",
	"per-CPU hash",
	"per-CPU array",
	"stack trace",
	"cgroup array",
	"LRU hash",
	"per-CPU LRU hash",
	"LPM trie",
	"array of maps",
	"hash of maps",
	"devmap",
	"sockmap",
	"cpumap",
	"xskmap",
	"sockhash",
	"cgroup storage",
	"socket array",
	"per-CPU cgroup storage",
	"queue",
	"stack",
	"socket storage",
	"devmap hash",
	"struct_ops",
	"ring buffer",
	"inode storage",
	"task storage",
	"bloom filter",
	"user ring buffer",
	"cgroup storage",
	"arena",
};

/* What is known of a map: by the kernel's id. */
struct bmap {
	uint32_t id;
	unsigned int n_files;
	bool done;		/* written, or refused */
	bool refused;
	struct bmap *next;
};

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:bpf-map");
}

static int info_of(int fd, struct bpf_map_info *info, struct cr_err *err)
{
	union bpf_attr attr = { 0 };

	memset(info, 0, sizeof(*info));
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info_len = sizeof(*info);
	attr.info.info = (uintptr_t)info;
	if (bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0)
		return cr_err_sys(err, "BPF_OBJ_GET_INFO_BY_FD");
	return 0;
}

static struct bmap *find(struct dump *d, uint32_t id)
{
	struct bmap *b = *kind_state(d, &kind_bpf_map);

	while (b && b->id != id)
		b = b->next;
	return b;
}

static int dump(struct dump *d, struct file *f, struct cr_err *err)
{
	struct bpf_map_info info;
	struct bmap *b;

	if (info_of(f->own, &info, err) < 0)
		return -1;
	f->deferred = true;
	b = find(d, info.id);
	if (!b) {
		void **state = kind_state(d, &kind_bpf_map);

		b = calloc(1, sizeof(*b));
		if (!b)
			return cr_err_sys(err, "out of memory");
		b->id = info.id;
		b->next = *state;
		*state = b;
	}
	b->n_files++;
	return 0;
}

static bool is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
	       type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static bool is_array(uint32_t type)
{
	return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

/* NULL: it can be carried. */
static const char *why_not(const struct bpf_map_info *info, char *text, size_t size)
{
	uint32_t n = sizeof(type_names) / sizeof(type_names[0]);

	if (!is_array(info->type) && !is_per_cpu(info->type) && info->type != BPF_MAP_TYPE_HASH &&
	    info->type != BPF_MAP_TYPE_LRU_HASH) {
		snprintf(text, size, "of type %u (%s): not supported", info->type,
			 info->type < n ? type_names[info->type] : "unknown");
		return text;
	}
	if (info->map_flags & ~(uint32_t)KEEP_FLAGS) {
		snprintf(text, size, "with flags 0x%x: not supported", info->map_flags);
		return text;
	}
	if (info->btf_id || info->btf_value_type_id)
		return "with types (BTF): not supported";
	return info->ifindex ? "on a network device: not supported" : NULL;
}

/* Who has it: descriptions, programs, other maps and pins; 0: not known. */
static uint64_t references(struct dump *d, int fd)
{
	struct kernel_peek *k = dump_peek(d);
	uint64_t at = k ? kernel_peek_file(k, fd) : 0, n = 0;

	if (!at || kernel_peek_member(k, at, "file", "private_data", &at, 8) < 0 ||
	    kernel_peek_member(k, at, "bpf_map", "refcnt", &n, 8) < 0)
		return 0;
	return n;
}

static bool is_pin_of(const char *path, uint32_t id)
{
	union bpf_attr attr = { 0 };
	struct bpf_map_info info;
	struct cr_err ignored;
	cr_auto_fd int fd = -1;

	attr.pathname = (uintptr_t)path;
	attr.file_flags = BPF_F_RDONLY;
	fd = bpf_call(BPF_OBJ_GET, &attr);
	return fd >= 0 && info_of(fd, &info, &ignored) == 0 && info.id == id;
}

/* Where below @path, a buffer of PATH_MAX bytes, the map is pinned. */
static bool find_pin(char *path, uint32_t id, unsigned int depth)
{
	cr_auto_dir DIR *dir = opendir(path);
	size_t len = strlen(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.' || len + strlen(e->d_name) + 2 > PATH_MAX)
			continue;
		path[len] = '/';
		snprintf(path + len + 1, PATH_MAX - len - 1, "%s", e->d_name);
		if (e->d_type == DT_DIR ? depth && find_pin(path, id, depth - 1) :
					  e->d_type == DT_REG && is_pin_of(path, id))
			return true;
		path[len] = '\0';
	}
	return false;
}

/* On any file system of the kind that pins are on.  @path: "" when there is none. */
static void find_pins(char *path, uint32_t id)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	path[0] = '\0';
	while (mounts && !path[0] && (m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "bpf") != 0)
			continue;
		snprintf(path, PATH_MAX, "%s", m->mnt_dir);
		if (!find_pin(path, id, DEPTH))
			path[0] = '\0';
	}
	if (mounts)
		endmntent(mounts);
}

/* The entries of one record. */
struct entries {
	uint8_t *keys;
	uint8_t *values;
	size_t n;
	size_t room;
};

static int put_entries(struct dump *d, const struct bpf_map_info *info, uint32_t length,
		       struct entries *e, struct cr_err *err)
{
	Cr__BpfMapData m = CR__BPF_MAP_DATA__INIT;
	size_t n = e->n;

	e->n = 0;
	if (!n)
		return 0;
	m.map = info->id;
	m.keys.data = e->keys;
	m.keys.len = n * info->key_size;
	m.values.data = e->values;
	m.values.len = n * length;
	return cr_stage_put(d->st, CR_KIND_BPF_MAP_DATA, &m, err);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return !n || (!*p && memcmp(p, p + 1, n - 1) == 0);
}

/* The tree is frozen and no program has the map: it does not change. */
static int put_all(struct dump *d, int fd, const struct bpf_map_info *info, uint32_t length,
		   struct entries *e, struct cr_err *err)
{
	uint8_t *last = NULL;
	union bpf_attr attr;

	for (;;) {
		uint8_t *key = e->keys + e->n * info->key_size;
		uint8_t *value = e->values + e->n * length;

		memset(&attr, 0, sizeof(attr));
		attr.map_fd = (uint32_t)fd;
		attr.key = (uintptr_t)last;
		attr.next_key = (uintptr_t)key;
		if (bpf_call(BPF_MAP_GET_NEXT_KEY, &attr) < 0)
			break;
		last = e->keys + e->room * info->key_size;
		memcpy(last, key, info->key_size);
		memset(&attr, 0, sizeof(attr));
		attr.map_fd = (uint32_t)fd;
		attr.key = (uintptr_t)key;
		attr.value = (uintptr_t)value;
		if (bpf_call(BPF_MAP_LOOKUP_ELEM, &attr) < 0)
			return cr_err_sys(err, "BPF_MAP_LOOKUP_ELEM");
		if (is_array(info->type) && is_zero(value, length))
			continue;
		if (++e->n == e->room && put_entries(d, info, length, e, err) < 0)
			return -1;
	}
	if (errno != ENOENT)
		return cr_err_sys(err, "BPF_MAP_GET_NEXT_KEY");
	return put_entries(d, info, length, e, err);
}

/* Through a description of our own, which may read whatever the target's may. */
static int put_content(struct dump *d, const struct bpf_map_info *info, uint32_t length,
		       struct cr_err *err)
{
	union bpf_attr attr = { 0 };
	struct entries e = { .room = CHUNK / (info->key_size + length) + 1 };
	cr_auto_free uint8_t *keys = malloc((e.room + 1) * info->key_size);
	cr_auto_free uint8_t *values = malloc(e.room * length);
	cr_auto_fd int fd = -1;

	if (!keys || !values)
		return cr_err_sys(err, "out of memory");
	e.keys = keys;
	e.values = values;
	attr.map_id = info->id;
	fd = bpf_call(BPF_MAP_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return cr_err_sys(err, "BPF_MAP_GET_FD_BY_ID");
	return put_all(d, fd, info, length, &e, err);
}

/* Refuse it, or find out where it is pinned: @path is "" when it is not. */
static int look(struct dump *d, const struct file *f, int fd, const struct bpf_map_info *info,
		struct bmap *b, char *path, struct cr_err *err)
{
	char text[96];
	const char *why = NULL;
	uint64_t n;

	find_pins(path, info->id);
	if (path[0])
		return 0;
	why = why_not(info, text, sizeof(text));
	if (!why) {
		n = references(d, fd);
		if (n == b->n_files)
			return 0;
		why = n ? "a BPF program or somebody outside of the tree has it too: not supported" :
			  "who else has it cannot be seen without CAP_BPF and CAP_PERFMON";
	}
	b->refused = true;
	return file_refuse(d, f, "BPF map", why, "close it, or pin it", err);
}

static int put(struct dump *d, const struct file *f, const struct bpf_map_info *info,
	       struct bmap *b, char *path, struct cr_err *err)
{
	Cr__BpfMap m = CR__BPF_MAP__INIT;
	const char *frozen = file_info(f, "frozen");	/* 5.2 */
	uint32_t cpus = 1;

	if (is_per_cpu(info->type) && cr_cpus_possible(&cpus, err) < 0)
		return -1;
	m.id = f->id;
	m.open_flags = f->flags;
	m.map = info->id;
	m.type = info->type;
	m.key_size = info->key_size;
	m.value_size = info->value_size;
	m.value_length =
		cpus * (is_per_cpu(info->type) ? (info->value_size + 7) & ~7u : info->value_size);
	m.max_entries = info->max_entries;
	m.map_flags = info->map_flags;
	m.name = (char *)info->name;
	m.frozen = frozen && *frozen == '1';
	m.path = path;
	if (!b->done && !path[0] && put_content(d, info, m.value_length, err) < 0)
		return -1;
	b->done = true;
	return cr_stage_put(d->st, CR_KIND_BPF_MAP, &m, err);
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	cr_auto_fd int fd = file_get(f, err);
	struct bpf_map_info info;
	char path[PATH_MAX];
	struct bmap *b;

	if (fd < 0 || info_of(fd, &info, err) < 0)
		return -1;
	b = find(d, info.id);
	if (!b)
		return cr_err_set(err, CR_SYSTEM, "it has become another map");
	if (b->refused)
		return 0;
	if (look(d, f, fd, &info, b, path, err) < 0)
		return -1;
	return b->refused ? 0 : put(d, f, &info, b, path, err);
}

static int finish(struct dump *d, struct cr_err *err)
{
	struct bmap *b, *next;

	(void)err;
	for (b = *kind_state(d, &kind_bpf_map); b; b = next) {
		next = b->next;
		free(b);
	}
	*kind_state(d, &kind_bpf_map) = NULL;
	return 0;
}

const struct file_kind kind_bpf_map = {
	.name = "bpf_map",
	.match = match,
	.dump = dump,
	.late = late,
	.finish = finish,
};
