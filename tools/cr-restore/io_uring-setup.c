/* SPDX-License-Identifier: MIT */
#include "io_uring-setup.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attrs.h"
#include "clean.h"
#include "enter.h"
#include "vec.h"

#define STACK_SIZE 65536ul

static void fill_params(const Cr__IoUring *m, struct io_uring_params *p)
{
	memset(p, 0, sizeof(*p));
	p->flags = m->setup_flags | IORING_SETUP_CQSIZE;
	p->cq_entries = m->cq_entries;
	p->sq_thread_idle = m->sq_idle_ms;
	p->sq_thread_cpu = m->sq_cpu;
}

int uring_setup(const Cr__IoUring *m, struct io_uring_params *p)
{
	fill_params(m, p);
	return (int)syscall(SYS_io_uring_setup, m->sq_entries, p);
}

/* A thread of ours with other credentials, for a moment: they are a thread's own
 * until the C library makes them all threads'. */
struct moment {
	struct vec creds;
	const Cr__IoUring *ring;
	struct io_uring_params *params;
	long result;
	uint32_t tid;	/* set to 0 when it has ended */
};

/* Nothing of the C library, which knows one thread. */
static void live(void *arg)
{
	struct moment *mo = arg;

	mo->result = 0;
	for (uint32_t i = 0; i < mo->creds.count && mo->result >= 0; i++) {
		const int64_t *a = mo->creds.ops[i].arg;

		mo->result = raw_syscall(mo->creds.ops[i].nr, a[0], a[1], a[2], a[3], a[4]);
	}
	if (mo->result >= 0)
		mo->result = raw_syscall(SYS_io_uring_setup, mo->ring->sq_entries, (long)mo->params,
					 0, 0, 0);
	for (;;)
		raw_syscall(SYS_exit, 0, 0, 0, 0, 0);
}

static int run_moment(struct moment *mo, struct cr_err *err)
{
	void *stack =
		mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			 CLONE_SYSVSEM | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
		.child_tid = (uint64_t)(uintptr_t)&mo->tid,
		.stack = (uint64_t)(uintptr_t)stack,
		.stack_size = STACK_SIZE,
	};
	uint32_t seen;

	if (stack == MAP_FAILED)
		return cr_err_sys(err, "unable to map a stack");
	mo->tid = 1;
	if (enter_clone(&args, sizeof(args), live, mo) < 0)
		return cr_err_sys(err, "unable to make a thread for a moment");
	while ((seen = __atomic_load_n(&mo->tid, __ATOMIC_ACQUIRE)))
		syscall(SYS_futex, &mo->tid, FUTEX_WAIT, seen, NULL, NULL, 0);
	munmap(stack, STACK_SIZE);
	return 0;
}

static int setup_in_moment(struct restore *r, const struct task_image *t, struct moment *mo,
			   struct cr_err *err)
{
	const Cr__Creds *c = t->threads[0].thread->creds;
	struct arena a = { .size = 65536 + c->n_groups * sizeof(uint32_t) };
	cr_auto_free uint8_t *memory = calloc(1, a.size);
	int ret;

	a.base = memory;
	if (!memory)
		return cr_err_sys(err, "out of memory");
	ret = creds_build(r, c, t->threads[0].inside->securebits, &mo->creds, &a, err);
	if (ret == 0 && mo->creds.failed)
		ret = cr_err_sys(err, "out of memory");
	/* Its only issuer is who enables it. */
	mo->params->flags |= IORING_SETUP_R_DISABLED;
	if (ret == 0)
		ret = run_moment(mo, err);
	free(mo->creds.ops);
	return ret;
}

int uring_setup_as(struct restore *r, const Cr__IoUring *m, struct io_uring_params *p,
		   struct cr_err *err)
{
	const struct task_image *t = image_task(&r->img, m->pid);
	struct moment mo = { .ring = m, .params = p };
	int fd;

	if (!(m->setup_flags & IORING_SETUP_SQPOLL) ||
	    (!creds_differ(t) && !t->threads[0].inside->securebits)) {
		fd = uring_setup(m, p);
		return fd < 0 ? cr_err_sys(err, "io_uring_setup") : fd;
	}
	fill_params(m, p);
	if (setup_in_moment(r, t, &mo, err) < 0)
		return -1;
	if (mo.result < 0) {
		errno = (int)-mo.result;
		return cr_err_sys(err, "io_uring_setup with the credentials of %u", m->pid);
	}
	fd = (int)mo.result;
	if (!(m->setup_flags & IORING_SETUP_R_DISABLED) &&
	    syscall(SYS_io_uring_register, fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0) {
		cr_err_sys(err, "IORING_REGISTER_ENABLE_RINGS");
		close(fd);
		return -1;
	}
	return fd;
}
