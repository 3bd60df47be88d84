/* SPDX-License-Identifier: MIT */
#include "aio.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"

#define BATCH 64u
#define HEADER 32u /* bytes before the events in a ring */

static const Cr__AioContext *find(const struct restore *r, uint32_t pid, uint64_t address)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_AIO_CONTEXT];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__AioContext *m = l->items[i];

		if (m->pid == pid && m->address == address)
			return m;
	}
	return NULL;
}

static bool malformed(const Cr__AioContext *m)
{
	return !m->n_events || m->head >= m->n_events || m->tail >= m->n_events ||
	       m->n_events > 1u << 24 || m->length < HEADER ||
	       m->events.len !=
		       (m->tail + m->n_events - m->head) % m->n_events * sizeof(struct io_event);
}

int aio_check(struct restore *r, struct cr_err *err)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_AIO_CONTEXT];

	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__AioContext *m = l->items[i];
		aio_context_t ctx = 0;
		uint32_t n;

		if (malformed(m))
			return cr_err_set(err, CR_BAD_INPUT, "AIO context %" PRIx64 ": malformed",
					  m->address);
		if (syscall(SYS_io_setup, m->max_requests, &ctx) < 0) {
			refuse(r, m->pid, "AIO context", "io_setup: %s", strerror(errno));
			continue;
		}
		n = ((const uint32_t *)ctx)[1];
		if (n != m->n_events)
			refuse(r, m->pid, "AIO context", "its ring has %u places, it had %u", n,
			       m->n_events);
		syscall(SYS_io_destroy, ctx);
	}
	return 0;
}

/* What the requests are made of. */
struct reads {
	struct iocb iocb;
	struct iocb *list[BATCH];
	struct io_event events[BATCH];
	uint64_t ctx; /* for io_setup(2), which wants a zero */
};

static struct reads *make_reads(struct restore *r, struct arena *a, struct cr_err *err)
{
	struct reads *q = arena_alloc(a, sizeof(*q), err);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0) {
		cr_err_sys(err, "/dev/null");
		return NULL;
	}
	null = file_stash(r, null, err);
	if (!q || null < 0)
		return NULL;
	q->iocb.aio_lio_opcode = IOCB_CMD_PREAD;
	q->iocb.aio_fildes = (uint32_t)null;
	q->iocb.aio_buf = (uintptr_t)q->events;
	for (unsigned int i = 0; i < BATCH; i++)
		q->list[i] = &q->iocb;
	return q;
}

static void submit(struct vec *v, const Cr__AioContext *m, struct reads *q, uint32_t count,
		   bool reap)
{
	while (count) {
		uint32_t n = count < BATCH ? count : BATCH;

		/* No more than it takes. */
		if (n >= m->n_events)
			n = m->n_events - 1;
		vec_want(vec_sys(v, LABEL_REGISTER, SYS_io_submit, (int64_t)m->address, n,
				 P(q->list)),
			 n);
		if (reap)
			vec_want(vec_sys(v, LABEL_REGISTER, SYS_io_getevents, (int64_t)m->address,
					 n, n, P(q->events), 0),
				 n);
		count -= n;
	}
}

static void copy(struct vec *v, uint64_t to, const uint8_t *from, size_t len)
{
	if (len)
		vec_op(v, CR_OP_COPY, LABEL_REGISTER, VEC_ARGS((int64_t)to, P(from), (int64_t)len));
}

/* In the ring's order: to its end, and from its beginning. */
static int copy_events(struct vec *v, const Cr__AioContext *m, struct arena *a, struct cr_err *err)
{
	uint8_t *bytes = arena_alloc(a, m->events.len + 1, err);
	size_t size = sizeof(struct io_event), left = m->events.len;
	size_t first = (m->n_events - m->head) * size;

	if (!bytes)
		return -1;
	if (left)
		memcpy(bytes, m->events.data, left);
	if (first > left)
		first = left;
	copy(v, m->address + HEADER + m->head * size, bytes, first);
	copy(v, m->address + HEADER, bytes + first, left - first);
	return 0;
}

int aio_make(struct restore *r, const struct task_image *t, const Cr__Vma *vma, struct vec *v,
	     struct arena *a, struct cr_err *err)
{
	const Cr__AioContext *m = find(r, t->task->pid, vma->start);
	struct reads *q;

	if (!m || m->length != vma->end - vma->start)
		return cr_err_set(err, CR_BAD_INPUT, "no AIO context of its address");
	q = make_reads(r, a, err);
	if (!q)
		return -1;
	vec_sys(v, LABEL_REGISTER, SYS_io_setup, m->max_requests, P(&q->ctx));
	submit(v, m, q, m->head, true);
	submit(v, m, q, (uint32_t)(m->events.len / sizeof(struct io_event)), false);
	return copy_events(v, m, a, err);
}
