/* SPDX-License-Identifier: MIT */
#include "filters.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault.h"

static const Cr__SeccompFilter *find(const struct image *img, uint32_t id)
{
	const struct msg_list *l = &img->kinds[CR_KIND_SECCOMP_FILTER];

	/* Ids count from 1 in the order of the stream. */
	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__SeccompFilter *f = l->items[(id - 1 + i) % l->count];

		if (f->id == id)
			return f;
	}
	return NULL;
}

bool filters_has(const struct task_image *t, unsigned int n)
{
	return t->threads[n].thread->seccomp_mode != 0;
}

static bool any(const struct task_image *t)
{
	for (unsigned int n = 0; n < t->n_threads; n++)
		if (filters_has(t, n))
			return true;
	return false;
}

int filters_check(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	if (!any(t))
		return 0;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0)
		refuse(r, t->task->pid, "",
		       "it has seccomp filters, and cr-restore is under one itself, "
		       "which would be added");
	for (unsigned int n = 0; n < t->n_threads; n++) {
		const Cr__Thread *th = t->threads[n].thread;

		for (size_t i = 0; i < th->n_seccomp_filters; i++) {
			const Cr__SeccompFilter *f = find(&r->img, th->seccomp_filters[i]);

			if (!f || !f->insns.len || f->insns.len % sizeof(struct sock_filter) ||
			    f->insns.len / sizeof(struct sock_filter) > BPF_MAXINSNS)
				return cr_err_set(err, CR_BAD_INPUT,
						  "thread %u: malformed seccomp filter", th->tid);
		}
	}
	return 0;
}

size_t filters_size(const struct task_image *t)
{
	size_t n = 0;

	for (unsigned int i = 0; i < t->n_threads; i++)
		n += t->threads[i].thread->n_seccomp_filters;
	/* Each is at most 32 KiB, and only touched memory counts. */
	return n * (BPF_MAXINSNS * sizeof(struct sock_filter) + 512);
}

/* How many of the oldest filters all threads have. */
static size_t common(const struct task_image *t)
{
	const Cr__Thread *first = t->threads[0].thread;
	size_t n = first->n_seccomp_filters;

	for (unsigned int k = 1; k < t->n_threads; k++) {
		const Cr__Thread *th = t->threads[k].thread;
		size_t i = 0;

		while (i < n && i < th->n_seccomp_filters &&
		       th->seccomp_filters[i] == first->seccomp_filters[i])
			i++;
		n = i;
	}
	return n;
}

static int install(const struct image *img, uint32_t id, uint32_t flags, struct vec *v,
		   struct arena *a, struct cr_err *err)
{
	const Cr__SeccompFilter *f = find(img, id);
	struct sock_fprog *prog = arena_alloc(a, sizeof(*prog), err);
	struct sock_filter *insns;
	struct cr_op *op;

	if (!prog)
		return -1;
	insns = arena_alloc(a, f->insns.len, err);
	if (!insns)
		return -1;
	memcpy(insns, f->insns.data, f->insns.len);
	prog->len = (unsigned short)(f->insns.len / sizeof(*insns));
	prog->filter = insns;
	/* Speculation is set by itself. */
	op = vec_sys(v, LABEL_SECCOMP, SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		     flags | f->filter_flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW, P(prog));
	op->expect = CR_EXPECT_EQUAL;	/* TSYNC returns the thread that stands against it */
	return 0;
}

int filters_build(struct restore *r, const struct task_image *t, unsigned int n,
		  struct cr_agent_ctl *ctl, struct vec *v, struct arena *a, struct cr_err *err)
{
	const Cr__Thread *th = t->threads[n].thread;
	size_t shared = t->n_threads > 1 ? common(t) : 0;

	if (!filters_has(t, n))
		return 0;
	vec_op(v, CR_OP_ADD, LABEL_WAIT, VEC_ARGS(P(&ctl->arrived), 1));
	vec_op(v, CR_OP_WAIT, LABEL_WAIT, VEC_ARGS(P(&ctl->first_gate), 0));
	if (!th->n_seccomp_filters) {
		vec_sys(v, LABEL_SECCOMP, SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		return 0;
	}
	/* The first thread is one of all who have them. */
	for (size_t i = 0; n == 0 && i < shared; i++)
		if (install(&r->img, th->seccomp_filters[i], SECCOMP_FILTER_FLAG_TSYNC, v, a, err) <
		    0)
			return -1;
	if (shared && n == 0)
		vec_op(v, CR_OP_ADD, LABEL_WAIT, VEC_ARGS(P(&ctl->synced), 1));
	else if (shared)
		vec_op(v, CR_OP_WAIT, LABEL_WAIT, VEC_ARGS(P(&ctl->synced), 0));
	for (size_t i = shared; i < th->n_seccomp_filters; i++)
		if (install(&r->img, th->seccomp_filters[i], 0, v, a, err) < 0)
			return -1;
	return 0;
}

int filters_open(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	struct slot *s = slot_of(r, t);

	if (!any(t))
		return 0;
	for (unsigned int n = 0; n < t->n_threads; n++)
		if (filters_has(t, n) &&
		    syscall(SYS_ptrace, (long)PTRACE_SEIZE, (long)t->task->tids[n], 0l,
			    PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_SUSPEND_SECCOMP) <
			    0)
			return cr_err_sys(err, "thread %u: unable to suspend its seccomp filters",
					  t->task->tids[n]);
	cr_fault("filters-suspended");
	__atomic_store_n(&s->ctl.first_gate, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &s->ctl.first_gate, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return 0;
}
