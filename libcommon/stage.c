/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "msg.h"
#include "prefault.h"
#include "refusal.h"
#include "schemas.h"
#include "stage-end.h"
#include "tree.h"

#define TAIL_MS 2000
#define TAIL_LOOK_MS 5
#define MAX_COUNTERS 16
#define PIPE_BYTES (1 << 20)	/* fs.pipe-max-size of most systems */

struct cr_stage {
	const struct cr_stage_ops *ops;
	void *ctx;
	struct cr_reader *in;
	struct cr_writer *out;
	struct cr_session *session;
	Cr__Header *header;
	bool pipe_out;
	bool holds;	/* the freeze waits for it */
	bool refused;
	bool session_gone;	/* it could not be reached */
	Cr__Counter counters[MAX_COUNTERS];
	unsigned int n_counters;
	uint64_t busy_ns;	/* in the callbacks */
};

const Cr__Header *cr_stage_header(const struct cr_stage *st)
{
	return st->header;
}

struct cr_session *cr_stage_session(struct cr_stage *st, struct cr_err *err)
{
	if (!st->session && cr_session_open(st->header->session, &st->session, err) < 0) {
		st->session_gone = true;
		return NULL;
	}
	return st->session;
}

int cr_stage_put(struct cr_stage *st, enum cr_kind kind, const void *msg, struct cr_err *err)
{
	return st->out ? cr_writer_put(st->out, kind, msg, err) : 0;
}

int cr_stage_refuse(struct cr_stage *st, pid_t pid, const char *object, const char *kind,
		    const char *remedy, struct cr_err *err)
{
	st->refused = true;
	return cr_refuse(st->out, pid, object, kind, remedy, err);
}

void cr_stage_count(struct cr_stage *st, const char *name, uint64_t value)
{
	Cr__Counter *c;

	for (unsigned int i = 0; i < st->n_counters; i++) {
		if (strcmp(st->counters[i].name, name) == 0) {
			st->counters[i].value += value;
			return;
		}
	}
	if (st->n_counters == MAX_COUNTERS)
		return;
	c = &st->counters[st->n_counters++];
	cr__counter__init(c);
	c->name = (char *)name;
	c->value = value;
}

void cr_stage_linger(int fd, const struct cr_session *session)
{
	struct pollfd pfd[2] = { { .fd = fd }, { .fd = session ? cr_session_fd(session) : -1 } };

	while (poll(pfd, 2, -1) < 0 && errno == EINTR)
		;
}

bool cr_stage_is_pipe(int fd)
{
	struct stat sb;

	return fstat(fd, &sb) == 0 && (S_ISFIFO(sb.st_mode) || S_ISSOCK(sb.st_mode));
}

int cr_stage_open_stdout(struct cr_writer **out, struct cr_err *err)
{
	/* So that nobody need wait for the one behind; it may be refused. */
	(void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
	if (isatty(STDOUT_FILENO))
		return cr_writer_open_text(stdout, out, err);
	return cr_writer_open(STDOUT_FILENO, "stdout", out, err);
}

static int put_stats(struct cr_stage *st, struct cr_err *err)
{
	Cr__Stats stats = CR__STATS__INIT;
	Cr__Counter *list[MAX_COUNTERS];

	cr_stage_count(st, "busy_us", st->busy_ns / 1000);
	for (unsigned int i = 0; i < st->n_counters; i++)
		list[i] = &st->counters[i];
	stats.tool = (char *)cr_prog;
	stats.n_counters = st->n_counters;
	stats.counters = list;
	return cr_stage_put(st, CR_KIND_STATS, &stats, err);
}

/* The warden stays frozen for stages only: say that we are one. */
static void greet(struct cr_stage *st)
{
	struct cr_err ignored;

	if (!st->pipe_out || !st->header->session[0] || !cr_stage_session(st, &ignored))
		return;
	st->holds = st->ops->hold_ms > 0;
	if (st->holds)
		(void)!cr_session_hold(st->session, st->ops->hold_ms, &ignored);
	else
		(void)!cr_session_hello(st->session, &ignored);
}

void cr_stage_prepared(struct cr_stage *st)
{
	struct cr_err ignored;

	/* Of a freeze that has failed since, the stream says why. */
	if (st->holds)
		(void)!cr_session_hold(st->session, 0, &ignored);
	st->holds = false;
}

/*
 * A pipeline that ends in a program of ours collapses from there.  Another
 * program reads until the end of its input, which must come then.  The tail
 * may still be on its way: it is given some time.
 */
static bool collapses(struct cr_stage *st)
{
	struct pollfd out = { .fd = STDOUT_FILENO };
	struct cr_err ignored;
	bool tail = false;

	for (int ms = 0; st->session && ms < TAIL_MS; ms += TAIL_LOOK_MS) {
		if (cr_session_has_tail(st->session, &tail, &ignored) < 0 || tail)
			return tail;
		if (poll(&out, 1, TAIL_LOOK_MS) > 0)
			return false;
	}
	return false;
}

/* Wait for input; -1 when there is nobody any more to write for. */
static int await_input(const struct cr_stage *st, struct cr_err *err)
{
	struct pollfd pfd[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
				 { .fd = st->pipe_out ? STDOUT_FILENO : -1 } };

	while (poll(pfd, 2, -1) < 0)
		if (errno != EINTR)
			return cr_err_sys(err, "poll");
	if (pfd[0].revents || !(pfd[1].revents & POLLERR))
		return 0;
	errno = EPIPE;
	cr_err_sys(err, "unable to write stdout");
	err->told = true;
	return -1;
}

/* Nothing is there to read: who comes behind gets all that there is so far. */
static int while_waiting(struct cr_stage *st, struct cr_err *err)
{
	uint64_t began;
	int ret;

	do {
		if (cr_writer_flush(st->out, err) < 0)
			return -1;
		began = cr_now_ns();
		ret = st->ops->idle ? st->ops->idle(st, st->ctx, err) : 0;
		st->busy_ns += cr_now_ns() - began;
	} while (ret > 0 && cr_reader_would_block(st->in));
	return ret == 0 ? await_input(st, err) : ret < 0 ? -1 : 0;
}

/* The Header: pass it on at once; the tail tells the warden that all is up. */
static int begin(struct cr_stage *st, const struct cr_record *rec, struct cr_err *err)
{
	st->header = cr_record_unpack(rec, err);
	if (!st->header)
		return -1;
	if (st->header->version != CR_STREAM_VERSION)
		return cr_err_set(err, CR_BAD_INPUT, "stdin: version %u of the format, not %u",
				  st->header->version, CR_STREAM_VERSION);
	if (st->out && cr_writer_copy(st->out, rec, err) < 0)
		return -1;
	greet(st);
	/* The stages behind prepare themselves at the same time. */
	if (st->out && cr_writer_flush(st->out, err) < 0)
		return -1;
	if (st->ops->start && st->ops->start(st, st->ctx, err) < 0)
		return -1;
	cr_stage_prepared(st);
	if (!st->pipe_out && st->header->session[0]) {
		struct cr_err ignored;

		/* A stream from a file has a session no more, and a freeze that
		 * has failed says so in the stream. */
		if (cr_stage_session(st, &ignored))
			(void)!cr_session_ready(st->session, &ignored);
	}
	return 0;
}

static bool wanted(const struct cr_stage *st, const struct cr_record *rec)
{
	const uint16_t *k = st->ops->wants;

	while (k && *k && *k != rec->kind)
		k++;
	return rec->info && st->ops->record && (!k || *k);
}

static int handle(struct cr_stage *st, const struct cr_record *rec, struct cr_err *err)
{
	void *msg = NULL;
	uint64_t began;
	int ret = 0;

	if (rec->kind == CR_KIND_HEADER)
		return begin(st, rec, err);
	if (wanted(st, rec)) {
		msg = cr_record_unpack(rec, err);
		if (!msg)
			return -1;
	}
	if (st->ops->record) {
		began = cr_now_ns();
		ret = st->ops->record(st, st->ctx, rec, msg, err);
		st->busy_ns += cr_now_ns() - began;
	}
	if (ret == 0 && st->out && rec->kind != CR_KIND_END)
		ret = cr_writer_copy(st->out, rec, err);
	cr_record_free_msg(msg);
	return ret;
}

static int loop(struct cr_stage *st, struct cr_err *err)
{
	struct cr_record rec;
	int got;

	for (;;) {
		if (st->out && cr_reader_would_block(st->in) && while_waiting(st, err) < 0)
			return -1;
		got = cr_reader_next(st->in, &rec, err);
		if (got < 0) {
			err->told = cr_reader_met_failure(st->in);
			return -1;
		}
		cr_fault("stage-record");
		if (handle(st, &rec, err) < 0)
			return -1;
		if (rec.kind == CR_KIND_END)
			return 0;
	}
}

static int finish(struct cr_stage *st, struct cr_err *err)
{
	uint64_t began;
	int ret;

	/* What is long work here need not keep the stages behind from theirs. */
	if (st->out && cr_writer_flush(st->out, err) < 0)
		return -1;
	began = cr_now_ns();
	ret = st->ops->finish ? st->ops->finish(st, st->ctx, err) : 0;

	st->busy_ns += cr_now_ns() - began;
	return ret;
}

static int run(struct cr_stage *st, struct cr_err *err)
{
	if (cr_reader_open(STDIN_FILENO, "stdin", &st->in, err) < 0)
		return -1;
	if (!st->ops->tail) {
		st->pipe_out = cr_stage_is_pipe(STDOUT_FILENO);
		if (cr_stage_open_stdout(&st->out, err) < 0)
			return -1;
	}
	if (loop(st, err) < 0)
		return -1;
	if (finish(st, err) < 0)
		return -1;
	cr_fault("stage-before-end");
	if (put_stats(st, err) < 0)
		return -1;
	if (st->out && cr_writer_end(st->out, err) < 0)
		return -1;
	cr_fault("stage-after-end");
	if (st->ops->ended)
		st->ops->ended(st, st->ctx);
	return 0;
}

/* The freeze has ended before us: why stands in the stream, when it failed. */
static void learn_why(struct cr_stage *st, struct cr_err *err)
{
	struct cr_record rec;
	struct cr_err why;
	int got;

	do
		got = cr_reader_next(st->in, &rec, &why);
	while (got > 0 && rec.kind != CR_KIND_END);
	if (got >= 0 || !cr_reader_met_failure(st->in))
		return;
	*err = why;
	err->told = true;
}

/* Stages keep descriptors of what they look at, for each process and for each object of
 * memory; the soft limit is that low for the sake of select(2), which none calls. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

int cr_stage_run(const struct cr_stage_ops *ops, void *ctx)
{
	struct cr_stage st = { .ops = ops, .ctx = ctx };
	struct cr_err err = { 0 };
	int ret;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);	/* some have a child to wait for */
	raise_limit();
	if (run(&st, &err) < 0) {
		if (st.session_gone && !err.told)
			learn_why(&st, &err);
		ret = cr_err_report(&err);
		if (st.out)
			cr_writer_fail(st.out, &err);
	} else {
		ret = st.refused ? CR_REFUSED : 0;
	}
	if (ret == 0 || ret == CR_REFUSED) {
		if (st.pipe_out && collapses(&st))
			cr_stage_linger(STDOUT_FILENO, st.session);
	}
	cr_session_close(st.session);
	cr_writer_free(st.out);
	cr_reader_free(st.in);
	cr_record_free_msg(st.header);
	return ret;
}
