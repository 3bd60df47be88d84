/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "clean.h"
#include "fault.h"
#include "stage.h"

struct task {
	pid_t pid;
	uint32_t *tids;		/* leader first */
	size_t n_tids;
};

struct tasks {
	struct task *list;
	size_t count;
	size_t room;
	uint64_t threads;
};

/*
 * The session answers only after the freeze has written its End, and until
 * then it may wait for room in the pipe: so the work begins at End.
 */
static int on_record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		     struct cr_err *err)
{
	struct tasks *ts = ctx;
	const Cr__Task *m = msg;
	struct task *t;

	(void)st;
	if (rec->kind != CR_KIND_TASK || m->state == CR__TASK_STATE__ZOMBIE)
		return 0;
	if (ts->count == ts->room) {
		size_t room = ts->room ? ts->room * 2 : 64;
		struct task *grown = realloc(ts->list, room * sizeof(*grown));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		ts->list = grown;
		ts->room = room;
	}
	t = &ts->list[ts->count];
	t->tids = malloc((m->n_tids + 1) * sizeof(*t->tids));
	if (!t->tids)
		return cr_err_sys(err, "out of memory");
	t->pid = (pid_t)m->pid;
	t->n_tids = m->n_tids;
	if (m->n_tids)
		memcpy(t->tids, m->tids, m->n_tids * sizeof(*t->tids));
	ts->count++;
	return 0;
}

static int put_agent(struct cr_stage *st, pid_t pid, const struct cr_agent_info *info,
		     struct cr_err *err)
{
	Cr__Agent m = CR__AGENT__INIT;

	m.pid = (uint32_t)pid;
	m.address = info->address;
	m.length = info->length;
	return cr_stage_put(st, CR_KIND_AGENT, &m, err);
}

static int ask_process(struct cr_stage *st, struct cr_session *s, const struct task *t,
		       struct cr_err *err)
{
	struct ask_process_data data = { 0 };
	struct ask a;
	uint32_t done;

	ask_build_process(&a);
	if (cr_session_run(s, t->pid, a.ops, a.count, &data, sizeof(data), &done, err) < 0 ||
	    ask_check(&a, done, t->pid, err) < 0 || ask_put_inside(st, t->pid, &a, &data, err) < 0)
		return -1;
	return ask_put_thread(st, t->pid, t->pid, &data.thread, err);
}

static int ask_threads(struct cr_stage *st, struct cr_session *s, const struct task *t,
		       struct cr_err *err)
{
	cr_auto_free struct ask_thread_data *data = NULL;
	struct ask a;

	if (t->n_tids < 2)
		return 0;
	data = calloc(t->n_tids - 1, sizeof(*data));
	if (!data)
		return cr_err_sys(err, "out of memory");
	ask_build_thread(&a);
	if (cr_session_run_each(s, t->pid, t->tids + 1, t->n_tids - 1, a.ops, a.count, data,
				sizeof(*data), err) < 0)
		return -1;
	for (size_t i = 1; i < t->n_tids; i++)
		if (ask_put_thread(st, t->pid, (pid_t)t->tids[i], &data[i - 1], err) < 0)
			return -1;
	return 0;
}

static int inject(struct cr_stage *st, struct cr_session *s, const struct task *t,
		  struct cr_err *err)
{
	struct cr_agent_info info;

	if (cr_session_inject(s, t->pid, &info, err) < 0)
		return -1;
	cr_fault("injected");
	if (put_agent(st, t->pid, &info, err) < 0 || ask_process(st, s, t, err) < 0)
		return -1;
	return ask_threads(st, s, t, err);
}

static int on_finish(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	const struct tasks *ts = ctx;
	struct cr_session *s = ts->count ? cr_stage_session(st, err) : NULL;

	if (ts->count && !s)
		return -1;
	for (size_t i = 0; i < ts->count; i++)
		if (inject(st, s, &ts->list[i], err) < 0)
			return -1;
	return 0;
}

int pipeline_run(void)
{
	static const struct cr_stage_ops ops = { .record = on_record, .finish = on_finish };
	struct tasks ts = { 0 };
	int ret = cr_stage_run(&ops, &ts);

	for (size_t i = 0; i < ts.count; i++)
		free(ts.list[i].tids);
	free(ts.list);
	return ret;
}
