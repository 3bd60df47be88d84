/* SPDX-License-Identifier: MIT */
#include "uring-count.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t *word(const struct uring_count *c, uint32_t offset)
{
	return (uint32_t *)(c->rings + offset);
}

static void fill_sqes(const struct uring_count *c, uint32_t flags)
{
	const struct io_uring_params *p = c->params;

	memset(c->sqes, 0, p->sq_entries * c->sqe_size);
	for (uint32_t i = 0; i < p->sq_entries; i++) {
		((struct io_uring_sqe *)(c->sqes + i * c->sqe_size))->opcode = IORING_OP_NOP;
		((struct io_uring_sqe *)(c->sqes + i * c->sqe_size))->flags = (uint8_t)flags;
		if (p->sq_off.array)
			word(c, p->sq_off.array)[i] = i;
	}
}

/* The kernel has a thread that takes them: wait until it has. */
static int await_thread(const struct uring_count *c, uint32_t n, struct cr_err *err)
{
	const uint32_t *head = word(c, c->params->sq_off.head);
	uint32_t tail = *word(c, c->params->sq_off.tail);

	while (__atomic_load_n(head, __ATOMIC_ACQUIRE) != tail) {
		if (syscall(SYS_io_uring_enter, c->fd, n, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0) < 0)
			return cr_err_sys(err, "io_uring_enter");
		sched_yield();
	}
	return 0;
}

static int submit(const struct uring_count *c, uint32_t n, struct cr_err *err)
{
	long done;

	if (c->params->flags & IORING_SETUP_SQPOLL)
		return await_thread(c, n, err);
	done = syscall(SYS_io_uring_enter, c->fd, n, 0, 0, NULL, 0);
	if (done < 0)
		return cr_err_sys(err, "io_uring_enter");
	return done == n ? 0 :
			   cr_err_set(err, CR_SYSTEM, "io_uring_enter took %ld of %u requests",
				      done, n);
}

int uring_count(struct uring_count *c, uint32_t count, uint32_t flags, struct cr_err *err)
{
	const struct io_uring_params *p = c->params;
	uint32_t *sq_tail = word(c, p->sq_off.tail), *cq_head = word(c, p->cq_off.head);
	const uint32_t *cq_tail = word(c, p->cq_off.tail);

	if (count)
		fill_sqes(c, flags);
	while (count) {
		uint32_t n = count < p->sq_entries ? count : p->sq_entries;

		/* Room for just so many: the kernel sets entries aside as long as
		 * it sees room, and must not believe later that there is more
		 * than the program has left. */
		__atomic_store_n(cq_head, *cq_tail + n - p->cq_entries, __ATOMIC_RELEASE);
		__atomic_store_n(sq_tail, *sq_tail + n, __ATOMIC_RELEASE);
		if (submit(c, n, err) < 0)
			return -1;
		count -= n;
	}
	return 0;
}

bool uring_counted(const struct uring_count *c, uint32_t sq_head, uint32_t cq_tail)
{
	const struct io_uring_params *p = c->params;

	return *word(c, p->sq_off.head) == sq_head && *word(c, p->cq_off.tail) == cq_tail &&
	       *word(c, p->sq_off.dropped) == 0 && *word(c, p->cq_off.overflow) == 0;
}
