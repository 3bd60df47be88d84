/* SPDX-License-Identifier: MIT */
#include "late.h"

#include <string.h>

#include "clean.h"
#include "proc.h"
#include "signals.h"

/*
 * Where the last answer ended, for the question that goes on there.  To read
 * entry N of a queue costs the kernel N steps, so that a long one is not read
 * again from its start for each part of the answer.
 */
static struct cursor {
	pid_t asked;		/* the pid of the question */
	uint32_t total;		/* entries before */
	unsigned int proc;	/* index */
	unsigned int queue;	/* 0 the process's, else that of thread QUEUE - 1 */
	uint64_t from;
} cursor;

struct late {
	uint32_t skip;
	bool resume;		/* at the cursor */
	struct cr_late_signal *out;
	size_t room;
	size_t count;
};

static int add_queue(struct late *l, const struct cr_tracee *t, unsigned int queue, uint64_t known,
		     struct cr_err *err)
{
	uint64_t from = l->resume && queue == cursor.queue ? cursor.from : known;
	struct signals s = { 0 };
	size_t i = 0;
	int ret;

	l->resume = false;
	if (l->count == l->room)
		return 0;
	ret = signals_peek(t, queue == 0, from, l->skip + l->room - l->count, &s, err);
	for (; ret == 0 && i < s.count && l->count < l->room; i++) {
		struct cr_late_signal *e = &l->out[l->count];

		if (l->skip) {
			l->skip--;
			continue;
		}
		e->pid = t->pid;
		e->tid = queue ? t->tid : 0;
		memcpy(&e->info, s.list[i].data, sizeof(e->info));
		l->count++;
	}
	cursor.queue = queue;
	cursor.from = from + i;
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
	unsigned int q = l->resume ? cursor.queue : 0;
	bool stopped = false;
	int ret;

	if (p->zombie || !p->n_threads)
		return 0;
	/* The first thread is the agent's when there is one. */
	ret = stop_host(&p->threads[0], &stopped, err);
	if (ret > 0 && q < 2)
		q = 2;
	for (; ret >= 0 && q <= p->n_threads && l->count < l->room; q++)
		ret = add_queue(l, &p->threads[q ? q - 1 : 0], q,
				q ? p->threads[q - 1].signals_known : p->signals_known, err);
	l->resume = false;
	if (ret >= 0 && stopped)
		ret = cr_tracee_cont(&p->threads[0], err);
	return ret < 0 ? -1 : 0;
}

int late_signals(const struct cr_tree *tree, pid_t pid, uint32_t skip, struct cr_late_signal *out,
		 size_t *count, struct cr_err *err)
{
	struct late l = { .skip = skip, .out = out, .room = *count };
	unsigned int i = 0;

	if (skip && cursor.asked == pid && cursor.total == skip) {
		l.resume = true;
		l.skip = 0;
		i = cursor.proc;
	}
	for (; i < tree->count && l.count < l.room; i++) {
		if (pid && tree->procs[i]->pid != pid)
			continue;
		cursor.proc = i;
		if (add_process(&l, tree->procs[i], err) < 0)
			return -1;
	}
	cursor.asked = pid;
	cursor.total = skip + (uint32_t)l.count;
	*count = l.count;
	return 0;
}
