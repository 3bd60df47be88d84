/* SPDX-License-Identifier: MIT */
/*
 * io_uring: a ring with no request under way, with what is registered in it.
 * Its memory is read through a mapping of our own.
 */
#include "io_uring.h"

#include <inttypes.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "kinds.h"

#define KIND "io_uring"
#define REMEDY "close it, or let its requests end"
/* The counters of a new ring are brought to where they were by as many requests
 * that do nothing, at some millions a second. */
#define MANY_CALLS 20000000u
#define MANY_REQUESTS 400000000u

struct mapping {
	pid_t pid;
	uint64_t address;
	uint64_t ino;
	struct mapping *next;
};

struct state {
	struct mapping *mappings;
};

static struct state *get_state(struct dump *d, struct cr_err *err)
{
	void **at = kind_state(d, &kind_io_uring);

	if (!*at)
		*at = calloc(1, sizeof(struct state));
	if (!*at)
		cr_err_sys(err, "out of memory");
	return *at;
}

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[io_uring]");
}

static int refuse(struct dump *d, const struct file *f, const char *what, struct cr_err *err)
{
	char text[200];

	snprintf(text, sizeof(text), "%s: not supported", what);
	return file_refuse(d, f, KIND, text, REMEDY, err);
}

int uring_note_mapping(struct dump *d, const Cr__RingMapping *m, struct cr_err *err)
{
	struct state *s = get_state(d, err);
	struct mapping *n = s ? calloc(1, sizeof(*n)) : NULL;

	if (!n)
		return cr_err_sys(err, "out of memory");
	n->pid = (pid_t)m->pid;
	n->address = m->address;
	n->ino = m->ino;
	n->next = s->mappings;
	s->mappings = n;
	return 0;
}

/* A ring of the same shape, to learn how its memory is laid out. */
static int get_layout(const struct uring_state *s, struct io_uring_params *p, struct cr_err *err)
{
	cr_auto_fd int fd = -1;

	memset(p, 0, sizeof(*p));
	p->flags = s->setup_flags | IORING_SETUP_CQSIZE;
	p->cq_entries = s->cq_entries;
	p->sq_thread_cpu = s->sq_cpu;
	fd = (int)syscall(SYS_io_uring_setup, s->sq_entries, p);
	if (fd < 0)
		return cr_err_sys(err, "io_uring_setup");
	if (p->sq_entries != s->sq_entries || p->cq_entries != s->cq_entries)
		return cr_err_set(err, CR_SYSTEM, "io_uring_setup makes a ring of another size");
	return 0;
}

static size_t rings_size(const struct io_uring_params *p)
{
	size_t cqe = p->flags & IORING_SETUP_CQE32 ? 32 : 16;
	size_t sq = p->sq_off.array ? p->sq_off.array + p->sq_entries * sizeof(uint32_t) : 0;
	size_t cq = p->cq_off.cqes + p->cq_entries * cqe;

	return sq > cq ? sq : cq;
}

static size_t sqes_size(const struct io_uring_params *p)
{
	return (size_t)p->sq_entries * (p->flags & IORING_SETUP_SQE128 ? 128 : 64);
}

static int copy_region(int fd, off_t at, size_t size, ProtobufCBinaryData *out, struct cr_err *err)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, at);

	if (p == MAP_FAILED)
		return cr_err_sys(err, "unable to map the ring");
	out->data = malloc(size);
	if (out->data) {
		memcpy(out->data, p, size);
		out->len = size;
	}
	munmap(p, size);
	return out->data ? 0 : cr_err_sys(err, "out of memory");
}

/* What the program sees of the counters must be what the kernel has. */
static const char *check_counters(const struct io_uring_params *p, const struct uring_state *s,
				  const uint8_t *rings)
{
	bool polled = s->setup_flags & IORING_SETUP_SQPOLL;
	uint32_t head, tail, sq_tail;

	memcpy(&head, rings + p->sq_off.head, sizeof(head));
	memcpy(&sq_tail, rings + p->sq_off.tail, sizeof(sq_tail));
	memcpy(&tail, rings + p->cq_off.tail, sizeof(tail));
	if (head != s->sq_head || tail != s->cq_tail)
		return "its counters are not what the kernel has";
	/* The kernel would take them at once. */
	if (polled && sq_tail != head)
		return "requests wait to be taken";
	if (s->sq_head != s->cq_tail && (!s->skips || s->sq_head < s->cq_tail))
		return "it has had more completions than requests, or less";
	if (s->sq_head > MANY_REQUESTS ||
	    s->sq_head / s->sq_entries > (polled ? MANY_CALLS / 10 : MANY_CALLS))
		return "it has had too many requests for its counters to be counted up";
	return NULL;
}

/* "    0: 0x7f0000000000/4096" in UserBufs */
static int add_buffers(const struct file *f, Cr__IoUring *m, struct cr_err *err)
{
	const char *line = file_info(f, "UserBufs");
	uint64_t n = line ? strtoull(line, NULL, 10) : 0;
	Cr__IoUringBuffer *list = calloc(n + 1, sizeof(*list));

	m->buffers = calloc(n + 1, sizeof(Cr__IoUringBuffer *));
	if (!list || !m->buffers)
		return cr_err_sys(err, "out of memory");
	for (uint64_t i = 0; i < n; i++) {
		uint64_t index, address = 0, length = 0;

		line = line ? strchr(line, '\n') : NULL;
		if (!line || sscanf(++line, " %" SCNu64 ":", &index) != 1 || index != i)
			return cr_err_set(err, CR_SYSTEM, "fdinfo: UserBufs is not understood");
		if (sscanf(line, " %*u: 0x%" SCNx64 "/%" SCNu64, &address, &length) != 2)
			address = length = 0;
		cr__io_uring_buffer__init(&list[i]);
		list[i].address = address;
		list[i].length = length;
		m->buffers[m->n_buffers++] = &list[i];
	}
	return 0;
}

/* A description of the tree by the kernel's struct file. */
static struct file *find_file(struct dump *d, struct peek *p, uint64_t address, struct cr_err *err)
{
	for (uint32_t i = 0; i < d->n_all; i++) {
		struct file *f = d->all[i];
		cr_auto_fd int fd = file_get(f, err);

		if (fd >= 0 && peek_file(p, fd) == address)
			return f;
	}
	return NULL;
}

/* 1: refused, *why. */
static int add_files(struct dump *d, struct peek *p, const struct uring_state *s, Cr__IoUring *m,
		     const char **why, struct cr_err *err)
{
	Cr__IoUringFile *list = calloc(s->n_files + 1, sizeof(*list));

	m->file_slots = s->n_files;
	m->files = calloc(s->n_files + 1, sizeof(Cr__IoUringFile *));
	if (!list || !m->files)
		return cr_err_sys(err, "out of memory");
	for (uint32_t i = 0; i < s->n_files; i++) {
		struct file *f = s->files[i] ? find_file(d, p, s->files[i], err) : NULL;

		if (!s->files[i])
			continue;
		if (!f) {
			*why = "a registered file has no descriptor in the tree";
			return 1;
		}
		cr__io_uring_file__init(&list[m->n_files]);
		list[m->n_files].slot = i;
		list[m->n_files].file = f->id;
		m->files[m->n_files] = &list[m->n_files];
		m->n_files++;
	}
	return 0;
}

/* Of one process alone: what only its own thread can set up again. */
static const char *check_owner(const struct dump *d, struct peek *p, const struct file *f,
			       const struct uring_state *s, const Cr__IoUring *m)
{
	bool shared = file_is_shared(d, f);

	if (s->setup_flags & IORING_SETUP_SINGLE_ISSUER && s->issuer &&
	    (shared || peek_task(p, f->proc->task) != s->issuer))
		return "its only issuer (IORING_SETUP_SINGLE_ISSUER) is not the main thread of the "
		       "only process that has it";
	if (shared && s->setup_flags & IORING_SETUP_SQPOLL)
		return "a kernel thread submits (IORING_SETUP_SQPOLL), and several processes have it";
	if (shared && m->n_buffers)
		return "it has registered buffers, and several processes have it";
	return NULL;
}

static void release(Cr__IoUring *m)
{
	free(m->rings.data);
	free(m->sqes.data);
	if (m->buffers)
		free(m->buffers[0]);
	free(m->buffers);
	if (m->files)
		free(m->files[0]);
	free(m->files);
}

static int fill(struct dump *d, struct file *f, int fd, struct peek *p, const struct uring_state *s,
		Cr__IoUring *m, const char **why, struct cr_err *err)
{
	struct io_uring_params params;
	int ret;

	if (get_layout(s, &params, err) < 0 ||
	    copy_region(fd, IORING_OFF_SQ_RING, rings_size(&params), &m->rings, err) < 0 ||
	    copy_region(fd, IORING_OFF_SQES, sqes_size(&params), &m->sqes, err) < 0 ||
	    add_buffers(f, m, err) < 0)
		return -1;
	ret = add_files(d, p, s, m, why, err);
	if (ret)
		return ret;
	*why = check_counters(&params, s, m->rings.data);
	if (!*why)
		*why = check_owner(d, p, f, s, m);
	if (!*why)
		*why = peek_fault(p);
	if (*why)
		return 1;
	m->n_offsets = (sizeof(params.sq_off) + sizeof(params.cq_off)) / sizeof(uint32_t);
	m->offsets = (uint32_t *)&params.sq_off;
	return cr_stage_put(d->st, CR_KIND_IO_URING, m, err);
}

static int put(struct dump *d, struct file *f, int fd, struct peek *p, struct uring_state *s,
	       struct cr_err *err)
{
	Cr__IoUring m = CR__IO_URING__INIT;
	const char *why = NULL;
	int ret;

	m.id = f->id;
	m.open_flags = f->flags;
	m.ino = f->ino;
	m.setup_flags = s->setup_flags;
	m.sq_entries = s->sq_entries;
	m.cq_entries = s->cq_entries;
	m.sq_head = s->sq_head;
	m.cq_tail = s->cq_tail;
	m.sq_idle_ms = s->sq_idle_ms;
	m.sq_cpu = s->sq_cpu;
	m.pid = (uint32_t)f->proc->task;
	ret = fill(d, f, fd, p, s, &m, &why, err);
	release(&m);
	return ret > 0 ? refuse(d, f, why, err) : ret;
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	struct peek peek = { .kernel = dump_peek(d) };
	cr_auto_fd int fd = file_get(f, err);
	struct uring_state s = { 0 };
	const char *why, *napi = file_info(f, "NAPI");
	int ret;

	if (fd < 0)
		return -1;
	if (!peek.kernel)
		return refuse(d, f, "this kernel does not tell its state (BPF)", err);
	if (napi && strncmp(napi, "disabled", 8) != 0)
		return refuse(d, f, "it polls a network device (NAPI)", err);
	ret = uring_look(&peek, fd, &s, &why, err);
	if (ret == 0 && s.setup_flags & IORING_SETUP_SQPOLL) {
		why = uring_look_sqpoll(&peek, f, &s);
		ret = why ? 1 : 0;
	}
	if (ret > 0)
		ret = refuse(d, f, why, err);
	else if (ret == 0)
		ret = put(d, f, fd, &peek, &s, err);
	free(s.files);
	return ret;
}

static bool is_known(const struct dump *d, const struct mapping *m)
{
	for (uint32_t i = 0; i < d->n_all; i++) {
		const struct file *f = d->all[i];

		if (f->kind != &kind_io_uring || f->ino != m->ino)
			continue;
		for (unsigned int k = 0; k < d->n_procs; k++)
			if (d->procs[k]->task == m->pid && process_has(d->procs[k], f))
				return true;
	}
	return false;
}

static int finish(struct dump *d, struct cr_err *err)
{
	struct state *s = *kind_state(d, &kind_io_uring);
	struct mapping *m, *next;
	char object[40];
	int ret = 0;

	for (m = s ? s->mappings : NULL; m; m = next) {
		next = m->next;
		snprintf(object, sizeof(object), "vma %" PRIx64, m->address);
		if (ret == 0 && !is_known(d, m))
			ret = cr_stage_refuse(d->st, m->pid, object,
					      "an io_uring of which the process has no descriptor: "
					      "not supported",
					      "close it before the dump", err);
		free(m);
	}
	if (s)
		s->mappings = NULL;
	return ret;
}

const struct file_kind kind_io_uring = {
	.name = "io_uring",
	.match = match,
	.late = late,
	.finish = finish,
};
