/* SPDX-License-Identifier: MIT */
#include "pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "clean.h"
#include "fault.h"
#include "landlock.h"
#include "rare.h"
#include "session-keys.h"
#include "stage.h"
#include "timer-check.h"

struct task {
	pid_t pid;
	pid_t ppid;
	uint32_t *tids;		/* leader first */
	struct landlock_thread *threads;	/* the same */
	size_t n_threads;	/* whose Thread has come */
	size_t n_tids;
	bool filtered;		/* a thread has seccomp filters */
	uint64_t frozen_ns;
	struct timer_signals timer_signals;
};

struct tasks {
	struct task *list;
	size_t count;
	size_t room;
	struct children children;
	uint32_t *agentless;	/* pids; no agent can get there, which has been said */
	size_t n_agentless;
	struct session_keys keys;
};

/* All of cr-freeze's refusals come before the first Task. */
static int note_refusal(struct tasks *ts, const Cr__Refusal *m, struct cr_err *err)
{
	uint32_t *grown;

	if (!m->no_agent)
		return 0;
	grown = realloc(ts->agentless, (ts->n_agentless + 1) * sizeof(*grown));
	if (!grown)
		return cr_err_sys(err, "out of memory");
	ts->agentless = grown;
	grown[ts->n_agentless++] = m->pid;
	return 0;
}

static bool has_no_agent(const struct tasks *ts, uint32_t pid)
{
	for (size_t i = 0; i < ts->n_agentless; i++)
		if (ts->agentless[i] == pid)
			return true;
	return false;
}

static int add_task(struct tasks *ts, const Cr__Task *m, struct cr_err *err)
{
	struct task *t;

	if (ts->count == ts->room) {
		size_t room = ts->room ? ts->room * 2 : 64;
		struct task *grown = realloc(ts->list, room * sizeof(*grown));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		ts->list = grown;
		ts->room = room;
	}
	t = &ts->list[ts->count];
	memset(t, 0, sizeof(*t));
	t->tids = malloc((m->n_tids + 1) * sizeof(*t->tids));
	t->threads = calloc(m->n_tids + 1, sizeof(*t->threads));
	if (!t->tids || !t->threads)
		return cr_err_sys(err, "out of memory");
	t->pid = (pid_t)m->pid;
	t->ppid = (pid_t)m->ppid;
	t->n_tids = m->n_tids;
	t->frozen_ns = m->frozen_ns;
	if (m->n_tids)
		memcpy(t->tids, m->tids, m->n_tids * sizeof(*t->tids));
	ts->count++;
	return timers_note_signals(&t->timer_signals, m->shared_signals, m->n_shared_signals, err);
}

/* A Thread stands behind its Task. */
static int note_thread(struct tasks *ts, const Cr__Thread *m, struct cr_err *err)
{
	struct task *t = ts->count ? &ts->list[ts->count - 1] : NULL;

	if (t && t->pid == (pid_t)m->pid && t->n_threads < t->n_tids && m->creds)
		t->threads[t->n_threads++] = (struct landlock_thread){
			.tid = (pid_t)m->tid,
			.uid = m->creds->uid,
			.gid = m->creds->gid,
		};
	if (t && m->seccomp_mode)
		t->filtered = true;
	if (!m->n_signals)
		return 0;
	if (!t || t->pid != (pid_t)m->pid)
		return cr_err_set(err, CR_BAD_INPUT, "thread %u: its Task does not stand before it",
				  m->tid);
	return timers_note_signals(&t->timer_signals, m->signals, m->n_signals, err);
}

/*
 * The session answers only after the freeze has written its End, and until
 * then it may wait for room in the pipe: so the work begins at End.
 */
static int on_record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		     struct cr_err *err)
{
	const Cr__Task *m = msg;

	(void)st;
	if (rec->kind == CR_KIND_REFUSAL)
		return note_refusal(ctx, msg, err);
	if (rec->kind == CR_KIND_THREAD)
		return note_thread(ctx, msg, err);
	if (rec->kind == CR_KIND_TASK && m->state != CR__TASK_STATE__ZOMBIE &&
	    news_note_child(&((struct tasks *)ctx)->children, m->ppid, m->pid, err) < 0)
		return -1;
	if (rec->kind != CR_KIND_TASK || m->state == CR__TASK_STATE__ZOMBIE)
		return 0;
	return add_task(ctx, m, err);
}

static bool in_tree(const void *ctx, uint32_t pid)
{
	const struct tasks *ts = ctx;

	for (size_t i = 0; i < ts->count; i++)
		if (ts->list[i].pid == (pid_t)pid)
			return true;
	return false;
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

static int put_process(struct cr_stage *st, struct cr_session *s, struct tasks *ts,
		       const struct task *t, const struct ask_process_data *data,
		       const struct cr_agent_info *info, struct timers *timers, struct cr_err *err)
{
	struct policies policies = { 0 };
	struct news news = { 0 };
	Cr__SessionKeyring *ring;
	uint32_t lock_future;
	int ret = -1;

	if (rare_check_process(st, t->pid, data, err) < 0 ||
	    rare_check_thread(st, t->pid, t->tids[0], &data->thread, err) < 0 ||
	    rare_lock_future((pid_t)t->tids[0], t->filtered ? -EBUSY : data->locked, info->address,
			     &lock_future, err) < 0 ||
	    session_keys_check(&ts->keys, st, s, t->pid, t->ppid, data->thread.session, &ring,
			       err) < 0)
		return -1;
	if (timers_ask(s, t->pid, t->frozen_ns, &t->timer_signals, data->pending, timers, err) ==
		    0 &&
	    timer_check(st, s, t->pid, t->tids, t->n_tids, in_tree, ts, timers, err) == 0 &&
	    (!NEWS_PID(data->child_news) || news_ask(s, t->pid, &ts->children, &news, err) == 0) &&
	    numa_ask(s, t->pid, &policies, err) == 0)
		ret = ask_put_inside(st, t->pid, data, lock_future, timers, &news, &policies, ring,
				     err);
	news_free(&news);
	numa_free(&policies);
	if (ret < 0)
		return -1;
	return ask_put_thread(st, t->pid, (pid_t)t->tids[0], &data->thread, err);
}

static int ask_process(struct cr_stage *st, struct cr_session *s, struct tasks *ts,
		       const struct task *t, int64_t *session, struct cr_err *err)
{
	struct ask_process_data data = { 0 };
	struct timers timers = { 0 };
	struct cr_agent_info info;
	struct ask a;
	uint32_t done;
	int ret;

	session_keys_prepare(&data.thread);
	ask_build_process(&a, t->pid, t->filtered);
	if (cr_session_inject(s, t->pid, a.ops, a.count, &data, sizeof(data), &info, &done, err) <
	    0)
		return -1;
	cr_fault("injected");
	if (put_agent(st, t->pid, &info, err) < 0 || ask_check(&a, done, t->pid, err) < 0)
		return -1;
	t->threads[0].denied = data.thread.sees_us;
	*session = data.thread.session;
	ret = put_process(st, s, ts, t, &data, &info, &timers, err);
	timers_clear(&timers);
	return ret;
}

static int ask_threads(struct cr_stage *st, struct cr_session *s, const struct tasks *ts,
		       const struct task *t, int64_t session, struct cr_err *err)
{
	cr_auto_free struct ask_thread_data *data = NULL;
	struct ask a;

	if (t->n_tids < 2)
		return 0;
	data = calloc(t->n_tids - 1, sizeof(*data));
	if (!data)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 1; i < t->n_tids; i++)
		session_keys_prepare(&data[i - 1]);
	ask_build_thread(&a, t->pid, t->filtered);
	if (cr_session_run_each(s, t->pid, t->tids + 1, t->n_tids - 1, a.ops, a.count, data,
				sizeof(*data), err) < 0)
		return -1;
	for (size_t i = 1; i < t->n_threads; i++)
		t->threads[i].denied = data[i - 1].sees_us;
	for (size_t i = 1; i < t->n_tids; i++)
		if (rare_check_thread(st, t->pid, t->tids[i], &data[i - 1], err) < 0 ||
		    session_keys_check_thread(&ts->keys, st, t->pid, t->tids[i], session,
					      data[i - 1].session, err) < 0 ||
		    ask_put_thread(st, t->pid, (pid_t)t->tids[i], &data[i - 1], err) < 0)
			return -1;
	return 0;
}

/*
 * A process that no agent can get into is named like everything else that is
 * not supported: "pid N: [thread N: ]what[; remedy]" is how the message reads.
 * What is not about the process is an error.
 */
static int refuse(struct cr_stage *st, const struct task *t, struct cr_err *err)
{
	char what[sizeof(err->msg)], *p = what, *remedy;
	const char *object = "";
	int pid, used = 0, thread = 0;

	memcpy(what, err->msg, sizeof(what));
	if (err->class != CR_REFUSED || sscanf(p, "pid %d: %n", &pid, &used) != 1 || !used ||
	    pid != (int)t->pid)
		return -1;
	p += used;
	if (sscanf(p, "thread %*d%n", &thread) == 0 && thread &&
	    strncmp(p + thread, ": ", 2) == 0) {
		object = p;
		p[thread] = 0;
		p += thread + 2;
	}
	remedy = strstr(p, "; ");
	if (remedy)
		*remedy = 0;
	return cr_stage_refuse(st, t->pid, object, p, remedy ? remedy + 2 : "", err);
}

static int ask_all(struct cr_stage *st, struct cr_session *s, struct tasks *ts,
		   const struct task *t, struct cr_err *err)
{
	int64_t session = 0;

	if (ask_process(st, s, ts, t, &session, err) < 0 ||
	    ask_threads(st, s, ts, t, session, err) < 0)
		return -1;
	return landlock_check(st, s, t->pid, t->threads, t->n_threads, err);
}

static int inject(struct cr_stage *st, struct cr_session *s, struct tasks *ts, const struct task *t,
		  struct cr_err *err)
{
	if (has_no_agent(ts, (uint32_t)t->pid))
		return 0;
	if (ask_all(st, s, ts, t, err) < 0 && refuse(st, t, err) < 0)
		return -1;
	if (t == &ts->list[ts->count - 1])
		return 0;	/* see on_ended() */
	return cr_session_evict(s, t->pid, err);
}

static int on_finish(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct tasks *ts = ctx;
	struct cr_session *s = ts->count ? cr_stage_session(st, err) : NULL;

	if (ts->count && !s)
		return -1;
	for (size_t i = 0; i < ts->count; i++)
		if (inject(st, s, ts, &ts->list[i], err) < 0)
			return -1;
	return 0;
}

/* The last agent leaves while the stages behind end their work.  When they are
 * faster, or the session is gone, the end of the freeze has taken it out. */
static void on_ended(struct cr_stage *st, void *ctx)
{
	const struct tasks *ts = ctx;
	struct cr_session *s;
	struct cr_err ignored;

	if (!ts->count)
		return;
	s = cr_stage_session(st, &ignored);
	if (s)
		(void)!cr_session_evict(s, ts->list[ts->count - 1].pid, &ignored);
}

int pipeline_run(bool ignore_session_keys)
{
	static const uint16_t wants[] = { CR_KIND_REFUSAL, CR_KIND_TASK, CR_KIND_THREAD, 0 };
	static const struct cr_stage_ops ops = {
		.record = on_record,
		.finish = on_finish,
		.ended = on_ended,
		.wants = wants,
	};
	struct tasks ts = { .keys.ignore = ignore_session_keys };
	int ret = cr_stage_run(&ops, &ts);

	landlock_end();
	for (size_t i = 0; i < ts.count; i++) {
		free(ts.list[i].tids);
		free(ts.list[i].threads);
		timers_forget_signals(&ts.list[i].timer_signals);
	}
	free(ts.list);
	free(ts.agentless);
	session_keys_free(&ts.keys);
	news_free_children(&ts.children);
	return ret;
}
