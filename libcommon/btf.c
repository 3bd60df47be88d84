/* SPDX-License-Identifier: MIT */
#include "btf.h"

#include <fcntl.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"

#define PATH "/sys/kernel/btf/vmlinux"
#define SIZE_MAX_BTF (64u << 20)
#define DEPTH 8		/* of unnamed members */

struct btf {
	char *data;
	const char *strings;
	uint32_t strings_len;
	uint32_t *types;	/* offsets in data, by id */
	uint32_t count;
};

static const struct btf_type *type_of(const struct btf *b, uint32_t id)
{
	return id && id < b->count ? (const struct btf_type *)(b->data + b->types[id]) : NULL;
}

static const char *name_of(const struct btf *b, uint32_t at)
{
	return at < b->strings_len ? b->strings + at : "";
}

/* Bytes behind the fixed part; -1: a kind that is newer than this program. */
static int64_t extra(const struct btf_type *t)
{
	uint32_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * (int64_t)sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * (int64_t)sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return n * (int64_t)sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * (int64_t)sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return n * (int64_t)sizeof(struct btf_enum64);
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	default:
		return -1;
	}
}

static bool index_types(struct btf *b, uint32_t at, uint32_t end)
{
	uint32_t room = 0;

	for (b->count = 1; at + sizeof(struct btf_type) <= end; b->count++) {
		int64_t more = extra((const struct btf_type *)(b->data + at));

		if (b->count >= room) {
			uint32_t want = room ? room * 2 : 1u << 17;
			uint32_t *grown = realloc(b->types, want * sizeof(*grown));

			if (!grown)
				return false;
			b->types = grown;
			room = want;
		}
		if (more < 0 || more > end - at - (int64_t)sizeof(struct btf_type))
			return false;
		b->types[b->count] = at;
		at += (uint32_t)(sizeof(struct btf_type) + (uint64_t)more);
	}
	return at == end;
}

static bool parse(struct btf *b, size_t size)
{
	const struct btf_header *h = (const struct btf_header *)b->data;

	if (size < sizeof(*h) || h->magic != BTF_MAGIC || h->version != BTF_VERSION ||
	    h->hdr_len > size || h->type_off > size - h->hdr_len ||
	    h->type_len > size - h->hdr_len - h->type_off || h->str_off > size - h->hdr_len ||
	    h->str_len > size - h->hdr_len - h->str_off || !h->str_len)
		return false;
	b->strings = b->data + h->hdr_len + h->str_off;
	b->strings_len = h->str_len;
	if (b->strings[h->str_len - 1])
		return false;
	return index_types(b, h->hdr_len + h->type_off, h->hdr_len + h->type_off + h->type_len);
}

struct btf *btf_load(void)
{
	cr_auto_fd int fd = open(PATH, O_RDONLY | O_CLOEXEC);
	struct btf *b;
	struct stat sb;
	size_t fill = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &sb) < 0 || sb.st_size <= 0 || sb.st_size > SIZE_MAX_BTF)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->data = malloc((size_t)sb.st_size);
	while (b->data && fill < (size_t)sb.st_size) {
		n = read(fd, b->data + fill, (size_t)sb.st_size - fill);
		if (n <= 0)
			break;
		fill += (size_t)n;
	}
	if (b->data && fill == (size_t)sb.st_size && parse(b, fill))
		return b;
	btf_free(b);
	return NULL;
}

void btf_free(struct btf *b)
{
	if (!b)
		return;
	free(b->data);
	free(b->types);
	free(b);
}

static uint32_t find(const struct btf *b, uint32_t kind, const char *name)
{
	for (uint32_t id = 1; id < b->count; id++) {
		const struct btf_type *t = type_of(b, id);

		if (BTF_INFO_KIND(t->info) == kind && strcmp(name_of(b, t->name_off), name) == 0)
			return id;
	}
	return 0;
}

uint32_t btf_function(const struct btf *b, const char *name)
{
	return find(b, BTF_KIND_FUNC, name);
}

static bool is_pointer(const struct btf *b, uint32_t id)
{
	for (int i = 0; i < DEPTH; i++) {
		const struct btf_type *t = type_of(b, id);

		switch (t ? BTF_INFO_KIND(t->info) : BTF_KIND_UNKN) {
		case BTF_KIND_PTR:
			return true;
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_TYPE_TAG:
			id = t->type;
			break;
		default:
			return false;
		}
	}
	return false;
}

/* Bits from the start of the struct @id to @member, whose type is *@type; -1. */
static int64_t member_in(const struct btf *b, uint32_t id, const char *member, size_t len,
			 uint32_t *type, unsigned int depth)
{
	const struct btf_type *t = type_of(b, id);
	const struct btf_member *m;
	int64_t at;

	if (!t || depth > DEPTH ||
	    (BTF_INFO_KIND(t->info) != BTF_KIND_STRUCT && BTF_INFO_KIND(t->info) != BTF_KIND_UNION))
		return -1;
	m = (const struct btf_member *)(t + 1);
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++, m++) {
		uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m->offset) :
							  m->offset;
		const char *name = name_of(b, m->name_off);

		if (strncmp(name, member, len) == 0 && !name[len]) {
			*type = m->type;
			return bits;
		}
		if (*name)
			continue;
		at = member_in(b, m->type, member, len, type, depth + 1);
		if (at >= 0)
			return at + bits;
	}
	return -1;
}

uint32_t btf_struct(const struct btf *b, const char *name)
{
	return find(b, BTF_KIND_STRUCT, name);
}

int64_t btf_bit(const struct btf *b, uint32_t type, const char *path)
{
	int64_t at = 0, bits;
	size_t len;

	for (;; path += len + 1) {
		len = strcspn(path, ".");
		bits = member_in(b, type, path, len, &type, 0);
		if (bits < 0)
			return -1;
		at += bits;
		if (!path[len])
			return at;
	}
}

int32_t btf_member(const struct btf *b, const char *name, const char *member, bool *pointer)
{
	uint32_t type = 0;
	int64_t bits =
		member_in(b, find(b, BTF_KIND_STRUCT, name), member, strlen(member), &type, 0);

	if (bits < 0 || bits % 8)
		return -1;
	if (pointer)
		*pointer = is_pointer(b, type);
	return (int32_t)(bits / 8);
}
