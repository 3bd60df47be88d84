/* SPDX-License-Identifier: MIT */
#include "late.h"

#include <string.h>

#include "clean.h"
#include "proc.h"
#include "signals.h"

struct late {
	uint32_t skip;
	struct cr_late_signal *out;
	size_t room;
	size_t count;
};

static int add_queue(struct late *l, const struct cr_tracee *t, bool shared, uint64_t known,
		     struct cr_err *err)
{
	struct signals s = { 0 };
	int ret = signals_peek(t, shared, known, &s, err);

	for (size_t i = 0; ret == 0 && i < s.count; i++) {
		struct cr_late_signal *e = &l->out[l->count];

		if (l->skip) {
			l->skip--;
			continue;
		}
		if (l->count == l->room)
			break;
		e->pid = t->pid;
		e->tid = shared ? 0 : t->tid;
		memcpy(&e->info, s.list[i].data, sizeof(e->info));
		l->count++;
	}
	signals_free(&s);
	return ret;
}

/*
 * Queues can be read of a stopped thread only.  The one that the agent runs in
 * is not stopped: whether it is worth a stop is seen in /proc.
 */
static int stop_host(struct cr_tracee *t, bool *stopped, struct cr_err *err)
{
	cr_auto_free char *status = NULL;

	*stopped = false;
	if (t->state != CR_TRACEE_RUNNING)
		return 0;
	if (cr_proc_read(t->tid, "status", &status, NULL, err) < 0)
		return -1;
	if (!signals_pending(status, "SigPnd") && !signals_pending(status, "ShdPnd"))
		return 1;
	*stopped = true;
	return cr_tracee_settle(t, err);
}

static int add_process(struct late *l, struct cr_process *p, struct cr_err *err)
{
	bool stopped = false;
	unsigned int k = 0;
	int ret;

	if (p->zombie || !p->n_threads)
		return 0;
	/* The first thread is the agent's when there is one. */
	ret = stop_host(&p->threads[0], &stopped, err);
	if (ret == 0)
		ret = add_queue(l, &p->threads[0], true, p->signals_known, err);
	else if (ret > 0)
		k = 1;
	for (; ret >= 0 && k < p->n_threads; k++)
		ret = add_queue(l, &p->threads[k], false, p->threads[k].signals_known, err);
	if (ret >= 0 && stopped)
		ret = cr_tracee_cont(&p->threads[0], err);
	return ret < 0 ? -1 : 0;
}

int late_signals(const struct cr_tree *tree, pid_t pid, uint32_t skip, struct cr_late_signal *out,
		 size_t *count, struct cr_err *err)
{
	struct late l = { .skip = skip, .out = out, .room = *count };

	for (unsigned int i = 0; i < tree->count; i++)
		if ((!pid || tree->procs[i]->pid == pid) &&
		    add_process(&l, tree->procs[i], err) < 0)
			return -1;
	*count = l.count;
	return 0;
}
