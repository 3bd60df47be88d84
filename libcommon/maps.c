/* SPDX-License-Identifier: MIT */
#include "maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clean.h"
#include "hugetlb.h"

/* The longest entry has a path of PATH_MAX bytes, each escaped to four. */
#define BUF_SIZE (64u << 10)
#define VMFLAGS "VmFlags:"
#define PKEY "ProtectionKey:"
#define PAGE_SIZE_LINE "\nKernelPageSize:"

struct text {
	int fd;
	char *buf;
	size_t pos;
	size_t fill;
	bool eof;
	bool brief;	/* of maps, not smaps */
	size_t skip;	/* from the end of the last header line to its VmFlags */
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* A number in hexadecimal and the character @end behind it. */
static bool hex(const char **p, char end, uint64_t *out)
{
	const char *s = *p;
	uint64_t v = 0;
	int d;

	while ((d = hex_digit(*s)) >= 0) {
		v = v << 4 | (uint64_t)d;
		s++;
	}
	if (s == *p || *s != end)
		return false;
	*p = s + 1;
	*out = v;
	return true;
}

static uint64_t decimal(const char **p)
{
	uint64_t v = 0;

	while (**p >= '0' && **p <= '9')
		v = v * 10 + (uint64_t)(*(*p)++ - '0');
	return v;
}

static int add_name(struct cr_maps *maps, struct cr_map *m, const char *s, size_t len,
		    struct cr_err *err)
{
	const struct cr_map *last = maps->count ? m - 1 : NULL;
	char *grown;

	if (!len)
		return 0;
	/* Segments of one file follow each other. */
	if (last && last->name && strlen(maps->names + last->name) == len &&
	    memcmp(maps->names + last->name, s, len) == 0) {
		m->name = last->name;
		return 0;
	}
	if (maps->names_fill + len + 2 > maps->names_room) {
		uint32_t room = maps->names_room * 2 + (uint32_t)len + 4096;

		grown = realloc(maps->names, room);
		if (!grown)
			return cr_err_sys(err, "out of memory");
		maps->names = grown;
		maps->names_room = room;
		if (!maps->names_fill)
			grown[maps->names_fill++] = '\0';
	}
	m->name = maps->names_fill;
	memcpy(maps->names + m->name, s, len);
	maps->names[m->name + len] = '\0';
	maps->names_fill += (uint32_t)len + 1;
	return 0;
}

/* "START-END rwxp PGOFF MAJ:MIN INO      NAME"; @end is at its newline. */
static int parse_head(struct cr_maps *maps, struct cr_map *m, const char *p, const char *end,
		      struct cr_err *err)
{
	uint64_t major, minor;

	if (!hex(&p, '-', &m->start) || !hex(&p, ' ', &m->end) || end - p < 20 || p[4] != ' ')
		goto bad;
	m->prot = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
		  (p[2] == 'x' ? PROT_EXEC : 0);
	m->shared = p[3] == 's';
	p += 5;
	if (!hex(&p, ' ', &m->pgoff) || !hex(&p, ':', &major) || !hex(&p, ' ', &minor))
		goto bad;
	m->dev_major = (uint32_t)major;
	m->dev_minor = (uint32_t)minor;
	m->ino = decimal(&p);
	while (p < end && *p == ' ')
		p++;
	if (p > end)
		goto bad;
	return add_name(maps, m, p, (size_t)(end - p), err);
bad:
	return cr_err_set(err, CR_SYSTEM, "smaps: a line is not understood");
}

#define CODE(a, b) ((unsigned int)(a) << 8 | (unsigned int)(b))

static void parse_flag(struct cr_map *m, char a, char b)
{
	switch (CODE(a, b)) {
	/* In the permissions, given by the kind of mapping, or accounting. */
	case CODE('r', 'd'):
	case CODE('w', 'r'):
	case CODE('e', 'x'):
	case CODE('s', 'h'):
	case CODE('m', 'r'):
	case CODE('m', 'e'):
	case CODE('m', 's'):
	case CODE('d', 'e'):
	case CODE('a', 'c'):
	case CODE('s', 'd'):
	case CODE('g', 'u'):
	case CODE('d', 'w'):
		return;
	case CODE('m', 'w'):
		m->flags |= CR_VMA_MAYWRITE;
		return;
	case CODE('g', 'd'):
		m->flags |= CR_VMA_GROWSDOWN;
		return;
	case CODE('l', 'o'):
		m->flags |= CR_VMA_LOCKED;
		return;
	case CODE('l', 'f'):
		m->flags |= CR_VMA_LOCKONFAULT;
		return;
	case CODE('d', 'c'):
		m->flags |= CR_VMA_DONTFORK;
		return;
	case CODE('d', 'd'):
		m->flags |= CR_VMA_DONTDUMP;
		return;
	case CODE('w', 'f'):
		m->flags |= CR_VMA_WIPEONFORK;
		return;
	case CODE('h', 'g'):
		m->flags |= CR_VMA_HUGEPAGE;
		return;
	case CODE('n', 'h'):
		m->flags |= CR_VMA_NOHUGEPAGE;
		return;
	case CODE('m', 'g'):
		m->flags |= CR_VMA_MERGEABLE;
		return;
	case CODE('s', 'r'):
		m->flags |= CR_VMA_SEQ_READ;
		return;
	case CODE('r', 'r'):
		m->flags |= CR_VMA_RAND_READ;
		return;
	case CODE('n', 'r'):
		m->flags |= CR_VMA_NORESERVE;
		return;
	case CODE('d', 'p'):
		m->flags |= CR_VMA_DROPPABLE;
		return;
	case CODE('h', 't'):
		m->odd |= CR_MAP_HUGETLB;
		return;
	case CODE('i', 'o'):
		m->odd |= CR_MAP_IO;
		return;
	case CODE('p', 'f'):
		m->odd |= CR_MAP_PFN;
		return;
	case CODE('m', 'm'):
		m->odd |= CR_MAP_MIXED;
		return;
	case CODE('s', 'f'):
		m->odd |= CR_MAP_SYNC;
		return;
	case CODE('u', 'm'):
	case CODE('u', 'w'):
	case CODE('u', 'i'):
		m->odd |= CR_MAP_UFFD;
		return;
	case CODE('s', 's'):
		m->odd |= CR_MAP_SHADOW_STACK;
		return;
	case CODE('s', 'l'):
		m->flags |= CR_VMA_SEALED;
		return;
	default:
		break;
	}
	if (!(m->odd & CR_MAP_UNKNOWN)) {
		m->odd |= CR_MAP_UNKNOWN;
		m->unknown[0] = a;
		m->unknown[1] = b;
	}
}

/* " rd wr mr mw me ac sd \n" */
static void parse_flags(struct cr_map *m, const char *p)
{
	for (;;) {
		while (*p == ' ')
			p++;
		if (*p == '\n' || p[1] == '\n')
			return;
		parse_flag(m, p[0], p[1]);
		p += 2;
	}
}

/* The line before VmFlags, on CPUs with protection keys (4.6). */
static void parse_pkey(struct cr_map *m, const char *head_end, const char *vmflags)
{
	const char *line = vmflags - 1;

	while (line > head_end && line[-1] != '\n')
		line--;
	if (strncmp(line, PKEY, sizeof(PKEY) - 1) != 0)
		return;
	line += sizeof(PKEY) - 1;
	while (*line == ' ')
		line++;
	m->pkey = (uint32_t)decimal(&line);
}

/* Of a mapping of huge pages: a line in kB. */
static void parse_page_size(struct cr_map *m, const char *head_end, const char *vmflags)
{
	const char *p = memmem(head_end, (size_t)(vmflags - head_end), PAGE_SIZE_LINE,
			       sizeof(PAGE_SIZE_LINE) - 1);
	uint64_t bytes;
	uint32_t shift;

	if (!p)
		return;
	p += sizeof(PAGE_SIZE_LINE) - 1;
	while (*p == ' ')
		p++;
	bytes = decimal(&p) << 10;
	shift = bytes ? (uint32_t)__builtin_ctzll(bytes) : 0;
	if (!cr_huge_is_shift(shift) || bytes != 1ull << shift)
		return;
	m->huge_shift = (uint8_t)shift;
	m->odd &= ~(uint32_t)CR_MAP_HUGETLB;
}

/*
 * Where the VmFlags line of the entry with the header line that ends at
 * @head_end is; its columns are fixed, so it is mostly as far away as in the
 * entry before.
 */
static char *find_vmflags(struct text *t, char *head_end)
{
	const size_t len = sizeof(VMFLAGS) - 1;
	size_t left = t->fill - (size_t)(head_end - t->buf);
	char *p = head_end + t->skip;

	if (t->skip && t->skip + len < left && p[-1] == '\n' && memcmp(p, VMFLAGS, len) == 0)
		return p;
	p = memmem(head_end, left, "\n" VMFLAGS, len + 1);
	if (!p)
		return NULL;
	t->skip = (size_t)(p + 1 - head_end);
	return p + 1;
}

static int more(struct text *t, struct cr_err *err)
{
	ssize_t n;

	if (t->pos) {
		memmove(t->buf, t->buf + t->pos, t->fill - t->pos);
		t->fill -= t->pos;
		t->pos = 0;
	}
	if (t->fill == BUF_SIZE)
		return cr_err_set(err, CR_SYSTEM, "smaps: an entry is not understood");
	/* The kernel gives a page at a time. */
	while (!t->eof && t->fill < BUF_SIZE) {
		n = read(t->fd, t->buf + t->fill, BUF_SIZE - t->fill);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(err, "unable to read smaps");
		t->eof = n == 0;
		t->fill += (size_t)n;
	}
	return 0;
}

static struct cr_map *new_map(struct cr_maps *maps, struct cr_err *err)
{
	struct cr_map *grown;

	if (maps->count == maps->room) {
		unsigned int room = maps->room ? maps->room * 2 : 64;

		grown = realloc(maps->list, room * sizeof(*grown));
		if (!grown) {
			cr_err_sys(err, "out of memory");
			return NULL;
		}
		maps->list = grown;
		maps->room = room;
	}
	grown = &maps->list[maps->count];
	memset(grown, 0, sizeof(*grown));
	return grown;
}

/* 1: an entry was parsed, 0: the buffer holds no whole one, -1: error. */
static int entry(struct text *t, struct cr_maps *maps, struct cr_err *err)
{
	char *head = t->buf + t->pos, *head_end, *vmflags, *end;
	struct cr_map *m;

	head_end = memchr(head, '\n', t->fill - t->pos);
	vmflags = head_end && !t->brief ? find_vmflags(t, head_end) : NULL;
	end = t->brief ? head_end :
	      vmflags  ? memchr(vmflags, '\n', t->fill - (size_t)(vmflags - t->buf)) :
			 NULL;
	if (!end)
		return 0;
	m = new_map(maps, err);
	if (!m || parse_head(maps, m, head, head_end, err) < 0)
		return -1;
	if (vmflags) {
		parse_pkey(m, head_end, vmflags);
		parse_flags(m, vmflags + sizeof(VMFLAGS) - 1);
	}
	if (m->odd & CR_MAP_HUGETLB)
		parse_page_size(m, head_end, vmflags);
	maps->count++;
	/* The gate page is the kernel's. */
	if (m->start < 1ull << 63)
		maps->total += m->end - m->start;
	t->pos = (size_t)(end + 1 - t->buf);
	return 1;
}

static int read_entries(struct text *t, struct cr_maps *maps, struct cr_err *err)
{
	int got;

	for (;;) {
		got = t->fill ? entry(t, maps, err) : 0;
		if (got < 0)
			return -1;
		if (got)
			continue;
		if (t->eof)
			break;
		if (more(t, err) < 0)
			return -1;
	}
	if (t->pos != t->fill)
		return cr_err_set(err, CR_SYSTEM, "smaps: the last entry is not understood");
	return 0;
}

static int read_maps(pid_t pid, bool brief, struct cr_maps *out, struct cr_err *err)
{
	cr_auto_free char *buf = malloc(BUF_SIZE);
	cr_auto_fd int fd = -1;
	struct text t = { .buf = buf, .brief = brief };
	char path[64];

	memset(out, 0, sizeof(*out));
	if (!buf)
		return cr_err_sys(err, "out of memory");
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, brief ? "maps" : "smaps");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "unable to open %s", path);
	t.fd = fd;
	if (read_entries(&t, out, err) < 0) {
		cr_maps_free(out);
		return cr_err_wrap(err, "pid %d", (int)pid);
	}
	return 0;
}

int cr_maps_read(pid_t pid, struct cr_maps *out, struct cr_err *err)
{
	return read_maps(pid, false, out, err);
}

int cr_maps_read_brief(pid_t pid, struct cr_maps *out, struct cr_err *err)
{
	return read_maps(pid, true, out, err);
}

void cr_maps_free(struct cr_maps *maps)
{
	free(maps->list);
	free(maps->names);
	memset(maps, 0, sizeof(*maps));
}

const char *cr_map_name(const struct cr_maps *maps, const struct cr_map *m)
{
	return m->name ? maps->names + m->name : "";
}

bool cr_map_has_file(const struct cr_map *m)
{
	return m->ino || m->dev_major || m->dev_minor;
}
