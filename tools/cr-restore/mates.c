/* SPDX-License-Identifier: MIT */
#include "mates.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "enter.h"

#define STACK (1ul << 20)
#define LOOK_NS 20000000

/* In memory that mates have in common, and nobody else. */
static struct {
	bool on;
	uint32_t taken;		/* somebody has the turn */
	struct agent_place *place;
	uint32_t placed;	/* .place is good */
	unsigned int ctls;	/* shared pages in it that are given away */
	uint32_t *entered;	/* in the place: mates that have left C */
	uint32_t *ready;	/* the memory is there */
} mates;

void mates_wait_word(uint32_t *word, uint32_t seen, long ns)
{
	struct timespec ts = { 0, ns };

	raw_syscall(SYS_futex, P(word), FUTEX_WAIT, seen, P(&ts), 0);
}

int mates_wait_child(pid_t pid, int options, bool keep)
{
	siginfo_t info;

	return (int)-raw_syscall(SYS_waitid, P_PID, pid, P(&info),
				 WEXITED | options | (keep ? WNOWAIT : 0), 0);
}

void mates_pause(void)
{
	if (!mates.on)
		return;
	__atomic_store_n(&mates.taken, 0, __ATOMIC_RELEASE);
	raw_syscall(SYS_futex, P(&mates.taken), FUTEX_WAKE, 1, 0, 0);
}

void mates_go_on(struct restore *r)
{
	if (!mates.on)
		return;
	while (__atomic_exchange_n(&mates.taken, 1, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&r->shared->failed, __ATOMIC_ACQUIRE))
			raw_syscall(SYS_exit_group, CR_AGENT_FAILED, 0, 0, 0, 0);
		mates_wait_word(&mates.taken, 1, LOOK_NS);
	}
}

void mates_forget(void)
{
	memset(&mates, 0, sizeof(mates));
}

struct birth {
	struct restore r;	/* a table of descriptors of its own has other numbers */
	unsigned int index;
	void (*live)(struct restore *r, unsigned int index);
};

static void begin(void *arg)
{
	struct birth *b = arg;

	mates_go_on(&b->r);
	b->live(&b->r, b->index);
}

long mates_clone(struct restore *r, struct clone_args *args, unsigned int index,
		 void (*live)(struct restore *r, unsigned int index))
{
	struct birth *b = malloc(sizeof(*b));
	size_t size = (r->img.n_files + 1) * sizeof(*r->img.files);
	struct file_image *files = malloc(size);
	void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!b || !files || stack == MAP_FAILED) {
		free(b);
		free(files);
		errno = ENOMEM;
		return -1;
	}
	memcpy(files, r->img.files, r->img.n_files * sizeof(*files));
	*b = (struct birth){ *r, index, live };
	b->r.img.files = files;
	args->flags |= CLONE_VM;
	args->stack = (uint64_t)(uintptr_t)stack;
	args->stack_size = STACK;
	if (!mates.on) {
		mates.on = true;
		mates.taken = 1;
	}
	return enter_clone(args, sizeof(*args), begin, b);
}

int mates_offer(struct restore *r, struct agent_place *p, struct cr_err *err)
{
	uint32_t *words = arena_alloc(&p->arena, 2 * sizeof(*words), err);

	(void)r;
	if (!words)
		return -1;
	mates.place = p;
	mates.entered = &words[0];
	mates.ready = &words[1];
	__atomic_store_n(&mates.placed, 1, __ATOMIC_RELEASE);
	raw_syscall(SYS_futex, P(&mates.placed), FUTEX_WAKE, INT32_MAX, 0, 0);
	return 0;
}

int mates_await_place(struct restore *r, struct agent_place **p, struct cr_agent_ctl **ctl)
{
	while (!__atomic_load_n(&mates.placed, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&r->shared->failed, __ATOMIC_ACQUIRE))
			return -1;
		mates_pause();
		mates_wait_word(&mates.placed, 0, LOOK_NS);
		mates_go_on(r);
	}
	*p = mates.place;
	*ctl = (struct cr_agent_ctl *)(mates.place->ctls + SHARED_PAGE * ++mates.ctls);
	return 0;
}

int mates_await_all(struct restore *r, const struct task_image *owner)
{
	uint32_t seen;
	int ret = 0;

	mates_pause();
	while ((seen = __atomic_load_n(mates.entered, __ATOMIC_ACQUIRE)) < owner->n_vm_users) {
		if (__atomic_load_n(&r->shared->failed, __ATOMIC_ACQUIRE)) {
			ret = -1;
			break;
		}
		mates_wait_word(mates.entered, seen, LOOK_NS);
	}
	mates_go_on(r);
	return ret;
}

void mates_release(struct vec *v)
{
	vec_op(v, CR_OP_ADD, LABEL_WAIT, VEC_ARGS(P(mates.ready), 1));
}

void mates_enter(struct vec *v)
{
	vec_op(v, CR_OP_ADD, LABEL_WAIT, VEC_ARGS(P(mates.entered), 1));
	vec_op(v, CR_OP_WAIT, LABEL_WAIT, VEC_ARGS(P(mates.ready), 0));
}
