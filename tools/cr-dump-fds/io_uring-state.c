/* SPDX-License-Identifier: MIT */
#include "io_uring.h"

#include <linux/io_uring.h>
#include <stdlib.h>
#include <time.h>

#define CTX "io_ring_ctx"
#define LOOKS 20
#define MANY_REQUESTS 1000000u
#define MANY_TASKS 100000u
#define MANY_FILES (1u << 20)
#define REGISTERED_RINGS 16u

/* Newer than the headers of the oldest system that builds this. */
#define SETUP_NO_MMAP (1u << 14)	 /* 6.5 */
#define SETUP_REGISTERED_FD (1u << 15)	 /* 6.5 */
#define SETUP_NO_SQARRAY (1u << 16)	 /* 6.6 */
#define SETUP_HYBRID_IOPOLL (1u << 17) /* 6.13 */

static const struct {
	uint32_t flag;
	const char *why;
} refused_flags[] = {
	{ IORING_SETUP_IOPOLL | SETUP_HYBRID_IOPOLL, "it polls (IORING_SETUP_IOPOLL)" },
	{ IORING_SETUP_ATTACH_WQ, "its kernel thread is another ring's (IORING_SETUP_ATTACH_WQ)" },
	{ SETUP_NO_MMAP | SETUP_REGISTERED_FD, "it is in the program's own memory "
					       "(IORING_SETUP_NO_MMAP)" },
};

#define CARRIED_FLAGS                                                                        \
	(IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | \
	 IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN |        \
	 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SQE128 | IORING_SETUP_CQE32 |                 \
	 IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | SETUP_NO_SQARRAY)

static const char *check_flags(uint32_t flags)
{
	for (size_t i = 0; i < sizeof(refused_flags) / sizeof(refused_flags[0]); i++)
		if (flags & refused_flags[i].flag)
			return refused_flags[i].why;
	return flags & ~CARRIED_FLAGS ? "it has a setup flag that is not known here" : NULL;
}

/* Things that are there or not: pointers, counts and bits. */
static const struct {
	const char *member;
	size_t size;		/* 0: one bit */
	bool optional;		/* not all kernels have it */
	const char *why;
} refused_members[] = {
	{ "restricted", 0, false, "it is restricted (IORING_REGISTER_RESTRICTIONS)" },
	{ "drain_active", 0, false, "requests wait to be drained" },
	{ "iowq_limits_set", 0, false,
	  "its workers are limited (IORING_REGISTER_IOWQ_MAX_WORKERS)" },
	{ "compat", 0, false, "it is of a 32-bit task" },
	{ "io_ev_fd", 8, false, "an eventfd is registered" },
	{ "file_alloc_start", 4, false, "a range of its file slots is set aside" },
	{ "clock_offset", 4, true, "it has a clock of its own (IORING_REGISTER_CLOCK)" },
};

/* Structs with a member that is 0 when nothing is registered. */
static const struct {
	const char *member;
	const char *type;
	const char *inner;
	size_t size;
	bool optional;
	const char *why;
} refused_inner[] = {
	{ "personalities", "xarray", "xa_head", 8, false, "a personality is registered" },
	{ "io_bl_xa", "xarray", "xa_head", 8, false, "provided buffers are registered" },
	{ "zcrx_ctxs", "xarray", "xa_head", 8, true, "a receive queue is registered" },
	{ "param_region", "io_mapped_region", "nr_pages", 4, true,
	  "a memory region is registered" },
};

static const char *check_members(struct peek *p, uint64_t ctx)
{
	for (size_t i = 0; i < sizeof(refused_members) / sizeof(refused_members[0]); i++) {
		const char *m = refused_members[i].member;
		size_t size = refused_members[i].size;

		if (refused_members[i].optional && !peek_has(p, CTX, m))
			continue;
		if (size ? peek_member(p, ctx, CTX, m, size) != 0 : peek_bit(p, ctx, CTX, m))
			return refused_members[i].why;
	}
	for (size_t i = 0; i < sizeof(refused_inner) / sizeof(refused_inner[0]); i++) {
		uint64_t at;

		if (refused_inner[i].optional && !peek_has(p, CTX, refused_inner[i].member))
			continue;
		at = peek_address(p, ctx, CTX, refused_inner[i].member);
		if (peek_member(p, at, refused_inner[i].type, refused_inner[i].inner,
				refused_inner[i].size))
			return refused_inner[i].why;
	}
	return NULL;
}

/* Every request is allocated by the ring and goes back to its list when it has
 * ended; some are allocated ahead. */
static const char *look_at_requests(struct peek *p, uint64_t ctx)
{
	uint64_t state = peek_address(p, ctx, CTX, "submit_state");
	uint64_t at = peek_member(p, state, "io_submit_state", "free_list", 8);
	uint64_t all = peek_member(p, ctx, CTX, "nr_req_allocated", 4), free = 0;
	uint64_t list = peek_address(p, ctx, CTX, "cq_overflow_list");

	while (at && free < MANY_REQUESTS) {
		free++;
		at = peek_u64(p, at);
	}
	if (list && peek_u64(p, list) != list)
		return "completions have not fitted in its queue";
	return free != all ? "requests are under way" : NULL;
}

/* Its owner may have seen that it has ended a moment before a worker gives it back. */
static const char *check_requests(struct peek *p, uint64_t ctx)
{
	static const struct timespec moment = { 0, 5000000 };
	const char *why = look_at_requests(p, ctx);

	for (unsigned int i = 0; why && i < LOOKS; i++) {
		nanosleep(&moment, NULL);
		why = look_at_requests(p, ctx);
	}
	return why;
}

/* A descriptor that a task has registered (IORING_REGISTER_RING_FDS). */
static const char *check_tasks(struct peek *p, uint64_t ctx)
{
	uint64_t head = peek_address(p, ctx, CTX, "tctx_list"), node = head ? peek_u64(p, head) : 0;

	for (unsigned int n = 0; node && node != head && n < MANY_TASKS; n++) {
		uint64_t task = peek_member(p, node, "io_tctx_node", "task", 8);
		uint64_t tctx = peek_member(p, task, "task_struct", "io_uring", 8);
		uint64_t rings = peek_address(p, tctx, "io_uring_task", "registered_rings");

		for (unsigned int i = 0; tctx && rings && i < REGISTERED_RINGS; i++)
			if (peek_u64(p, rings + i * 8))
				return "a ring descriptor is registered (IORING_REGISTER_RING_FDS)";
		node = peek_u64(p, node);
	}
	return NULL;
}

static int get_files(struct peek *p, uint64_t ctx, struct uring_state *s, const char **why,
		     struct cr_err *err)
{
	uint64_t table = peek_address(p, ctx, CTX, "file_table");
	uint64_t data = peek_address(p, table, "io_file_table", "data");
	uint64_t nodes = peek_member(p, data, "io_rsrc_data", "nodes", 8);

	s->n_files = (uint32_t)peek_member(p, data, "io_rsrc_data", "nr", 4);
	if (s->n_files > MANY_FILES)
		return cr_err_set(err, CR_SYSTEM, "io_uring: %u registered files", s->n_files);
	s->files = calloc(s->n_files + 1, sizeof(*s->files));
	if (!s->files)
		return cr_err_sys(err, "out of memory");
	for (uint32_t i = 0; i < s->n_files; i++) {
		uint64_t node = peek_u64(p, nodes + i * 8ull);

		if (!node)
			continue;
		/* The lowest bits say what the file can do. */
		s->files[i] = peek_member(p, node, "io_rsrc_node", "file_ptr", 8) & ~7ull;
		if (peek_member(p, node, "io_rsrc_node", "tag", 8))
			*why = "a registered file has a tag";
	}
	if (s->n_files && peek_member(p, ctx, CTX, "file_alloc_end", 4) != s->n_files)
		*why = "a range of its file slots is set aside";
	return 0;
}

static const char *check_buffers(struct peek *p, uint64_t ctx)
{
	uint64_t data = peek_address(p, ctx, CTX, "buf_table");
	uint64_t nodes = peek_member(p, data, "io_rsrc_data", "nodes", 8);
	uint64_t n = peek_member(p, data, "io_rsrc_data", "nr", 4);

	for (uint64_t i = 0; i < n; i++) {
		uint64_t node = peek_u64(p, nodes + i * 8), buf;

		if (!node)
			continue;
		buf = peek_member(p, node, "io_rsrc_node", "buf", 8);
		if (peek_member(p, node, "io_rsrc_node", "tag", 8))
			return "a registered buffer has a tag";
		if (peek_member(p, buf, "io_mapped_ubuf", "is_kbuf", 1))
			return "a registered buffer is the kernel's";
	}
	return NULL;
}

int uring_look(struct peek *p, int fd, struct uring_state *s, const char **why, struct cr_err *err)
{
	uint64_t ctx;

	peek_reset(p);
	*why = NULL;
	s->ctx = ctx = peek_member(p, peek_file(p, fd), "file", "private_data", 8);
	s->setup_flags = (uint32_t)peek_member(p, ctx, CTX, "flags", 4);
	s->sq_entries = (uint32_t)peek_member(p, ctx, CTX, "sq_entries", 4);
	s->cq_entries = (uint32_t)peek_member(p, ctx, CTX, "cq_entries", 4);
	s->sq_head = (uint32_t)peek_member(p, ctx, CTX, "cached_sq_head", 4);
	s->cq_tail = (uint32_t)peek_member(p, ctx, CTX, "cached_cq_tail", 4);
	s->skips = peek_bit(p, ctx, CTX, "drain_disabled");
	s->issuer = peek_member(p, ctx, CTX, "submitter_task", 8);
	/* Then it has only been looked whether there is such a ring (5.12). */
	if (!(s->setup_flags & IORING_SETUP_SQPOLL))
		s->setup_flags &= ~IORING_SETUP_ATTACH_WQ;
	if (!peek_fault(p))
		*why = check_flags(s->setup_flags);
	if (!*why && !peek_fault(p))
		*why = check_members(p, ctx);
	if (!*why && !peek_fault(p))
		*why = check_requests(p, ctx);
	if (!*why && !peek_fault(p))
		*why = check_tasks(p, ctx);
	if (!*why && !peek_fault(p))
		*why = check_buffers(p, ctx);
	if (!*why && !peek_fault(p) && get_files(p, ctx, s, why, err) < 0)
		return -1;
	if (peek_fault(p))
		*why = peek_fault(p);
	return *why ? 1 : 0;
}
