/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "inject.h"
#include "late.h"
#include "session-proto.h"

#define MAX_CLIENTS 32
#define FOREIGN_MS 2000		/* a reader that has not said by then that it is a stage is none */
#define MAX_HOLD_MS 60000	/* that a stage may take to prepare itself */

enum { AT_OUT, AT_SIGNAL, AT_LISTEN, AT_CLIENTS };

struct client {
	int fd;
	uint64_t held_until;	/* it prepares itself till then at most; CLOCK_MONOTONIC, ns */
};

struct server {
	char name[48];
	int listener;
	int signals;
	struct client clients[MAX_CLIENTS];
	unsigned int n_clients;
	const struct client *committer;
	bool ready;
	bool stages;		/* somebody has said that it is one */
	int wait_ms;		/* for the pipeline to be up */
	uint64_t deadline;	/* CLOCK_MONOTONIC, ns */
	bool ended;	/* the tree has its end */
	bool committed;
	bool forbidden;	/* no end but to go on */
	struct cr_tree *tree;
	server_commit commit;
	void *ctx;
	uint8_t buf[CR_SESSION_MSG_MAX];
};

static int open_listener(struct server *s, struct cr_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	uint64_t id[2];
	size_t len;

	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return cr_err_sys(err, "getrandom");
	len = (size_t)snprintf(s->name, sizeof(s->name), "cr-%016llx%016llx",
			       (unsigned long long)id[0], (unsigned long long)id[1]);
	memcpy(sa.sun_path + 1, s->name, len);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return cr_err_sys(err, "unable to make a socket");
	if (bind(s->listener, (struct sockaddr *)&sa,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0 ||
	    listen(s->listener, MAX_CLIENTS) < 0)
		return cr_err_sys(err, "unable to listen for the session");
	return 0;
}

int server_open(struct server **out, struct cr_err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	sigset_t set;

	*out = s;
	if (!s)
		return cr_err_sys(err, "out of memory");
	s->listener = -1;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		return cr_err_sys(err, "signalfd");
	return open_listener(s, err);
}

const char *server_name(const struct server *s)
{
	return s->name;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < s->n_clients; i++)
		close(s->clients[i].fd);
	if (s->listener >= 0)
		close(s->listener);
	if (s->signals >= 0)
		close(s->signals);
	free(s);
}

/* Only our own user and root are let in. */
static void accept_client(struct server *s)
{
	cr_auto_fd int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0 || s->n_clients == MAX_CLIENTS)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    (peer.uid != geteuid() && peer.uid != 0))
		return;
	s->clients[s->n_clients++] = (struct client){ .fd = cr_steal_fd(&fd) };
}

static uint64_t after_ms(int ms)
{
	return cr_now_ns() + (uint64_t)ms * 1000000u;
}

static void wait_for_ready(struct server *s, int ms)
{
	s->deadline = after_ms(ms);
}

static uint64_t last_hold(const struct server *s)
{
	uint64_t last = 0;

	for (unsigned int i = 0; i < s->n_clients; i++)
		if (s->clients[i].held_until > last)
			last = s->clients[i].held_until;
	return last;
}

/* The freeze begins when the last of them has prepared itself. */
static uint64_t ready_deadline(const struct server *s)
{
	uint64_t last = last_hold(s);

	return last > s->deadline ? last : s->deadline;
}

static void hold(struct server *s, struct client *c, uint32_t ms)
{
	c->held_until = ms ? after_ms(ms < MAX_HOLD_MS ? (int)ms : MAX_HOLD_MS) : 0;
	if (!ms)
		wait_for_ready(s, s->wait_ms);
}

static void drop_client(struct server *s, unsigned int i)
{
	if (s->clients[i].held_until)
		wait_for_ready(s, s->wait_ms);
	close(s->clients[i].fd);
	s->clients[i] = s->clients[--s->n_clients];
}

static struct cr_process *target(struct server *s, const struct cr_session_msg *m,
				 struct cr_err *err)
{
	struct cr_process *p = s->tree && !s->ended ? cr_tree_find(s->tree, m->pid) : NULL;

	if (!p || p->zombie || !p->n_threads) {
		cr_err_set(err, CR_REFUSED, "pid %d is not frozen here", m->pid);
		return NULL;
	}
	return p;
}

/* Of a process that was evicted: it gets another one. */
static struct cr_agent *agent_of(struct server *s, const struct cr_session_msg *m,
				 struct cr_err *err)
{
	struct cr_process *p = target(s, m, err);

	return p && cr_agent_inject(p, err) == 0 ? p->agent : NULL;
}

static int do_run(struct server *s, struct cr_session_msg *m, struct cr_err *err)
{
	struct cr_agent *a = agent_of(s, m, err);
	struct cr_op *ops = (struct cr_op *)(m + 1);

	return a ? cr_agent_run(a, ops, m->count, ops + m->count, m->data_len, &m->done, err) : -1;
}

static int do_inject(struct server *s, struct cr_session_msg *m, struct cr_err *err)
{
	struct cr_agent *a = agent_of(s, m, err);

	if (!a)
		return -1;
	m->agent.address = cr_agent_address(a);
	m->agent.length = cr_agent_length();
	m->agent.data = cr_agent_data(a);
	return m->count ? do_run(s, m, err) : 0;
}

static void do_evict(struct server *s, const struct cr_session_msg *m)
{
	struct cr_err ignored;
	struct cr_process *p = target(s, m, &ignored);

	if (p && p->agent)
		cr_agent_evict(p->agent);
}

static int do_run_each(struct server *s, struct cr_session_msg *m, struct cr_err *err)
{
	struct cr_agent *a = agent_of(s, m, err);
	struct cr_op *ops = (struct cr_op *)(m + 1);
	uint32_t *tids = (uint32_t *)(ops + m->count);

	if (!a)
		return -1;
	if (!m->n_tids || m->data_len % m->n_tids)
		return cr_err_set(err, CR_BAD_INPUT, "a request that the session does not know");
	return cr_agent_run_each(a, tids, m->n_tids, ops, m->count, tids + m->n_tids,
				 m->data_len / m->n_tids, err);
}

static int do_late_signals(struct server *s, struct cr_session_msg *m, struct cr_err *err)
{
	struct cr_late_signal *out = (struct cr_late_signal *)(m + 1);
	size_t count = m->data_len / sizeof(*out);

	if (m->count || m->n_tids)
		return cr_err_set(err, CR_BAD_INPUT, "a request that the session does not know");
	if (!s->tree || s->ended)
		return cr_err_set(err, CR_REFUSED, "nothing is frozen here");
	if (late_signals(s->tree, m->pid, m->skip, out, &count, err) < 0)
		return -1;
	m->done = (uint32_t)count;
	return 0;
}

void server_dismiss(struct server *s)
{
	/* Closed they will be by whoever goes through the list. */
	for (unsigned int i = 0; i < s->n_clients; i++)
		if (&s->clients[i] != s->committer)
			(void)shutdown(s->clients[i].fd, SHUT_RDWR);
}

/* The end of the tree: with a commit, or before it when that is harmless. */
static int do_end(struct server *s, const struct client *c, struct cr_session_msg *m,
		  struct cr_err *err)
{
	bool early = m->request == CR_SESSION_RELEASE;

	if (!s->tree || s->committed)
		return cr_err_set(err, CR_REFUSED, "nothing is frozen here");
	if (s->forbidden)
		return cr_err_set(err, CR_REFUSED, "the freeze has named what is not supported");
	cr_fault(early ? "release" : "commit");
	s->committer = c;
	if (!s->ended)
		s->ended = s->commit(s->tree, early, s->ctx);
	s->committed = !early;
	if (!s->ended)
		return 0;
	m->times.freezing_us = (s->tree->frozen_ns - s->tree->began_ns) / 1000;
	m->times.frozen_us = (s->tree->ended_ns - s->tree->began_ns) / 1000;
	return 0;
}

static int dispatch(struct server *s, struct client *c, struct cr_session_msg *m, size_t len,
		    struct cr_err *err)
{
	if (m->version != sizeof(struct cr_op) || m->count > CR_SESSION_OPS_MAX ||
	    m->n_tids > CR_SESSION_TIDS_MAX || m->data_len > CR_SESSION_DATA_MAX ||
	    len != sizeof(*m) + m->count * sizeof(struct cr_op) + m->n_tids * sizeof(uint32_t) +
			    m->data_len)
		return cr_err_set(err, CR_BAD_INPUT, "a request that the session does not know");
	switch (m->request) {
	case CR_SESSION_READY:
		s->ready = true;
		return 0;
	case CR_SESSION_HELLO:
		s->stages = true;
		return 0;
	case CR_SESSION_TAIL:
		m->done = s->ready;
		return 0;
	case CR_SESSION_HOLD:
		s->stages = true;
		hold(s, c, m->done);
		return 0;
	case CR_SESSION_INJECT:
		return do_inject(s, m, err);
	case CR_SESSION_EVICT:
		do_evict(s, m);
		return 0;
	case CR_SESSION_RUN:
		return do_run(s, m, err);
	case CR_SESSION_RUN_EACH:
		return do_run_each(s, m, err);
	case CR_SESSION_LATE_SIGNALS:
		return do_late_signals(s, m, err);
	case CR_SESSION_COMMIT:
	case CR_SESSION_RELEASE:
		return do_end(s, c, m, err);
	default:
		return cr_err_set(err, CR_BAD_INPUT, "a request that the session does not know");
	}
}

/* Returns false when the client is gone. */
static bool serve_client(struct server *s, struct client *c)
{
	struct cr_session_msg *m = (struct cr_session_msg *)s->buf;
	struct cr_err err = { 0 };
	ssize_t n = recv(c->fd, s->buf, sizeof(s->buf), MSG_DONTWAIT);
	size_t len;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if ((size_t)n < sizeof(*m))
		return false;
	if (dispatch(s, c, m, (size_t)n, &err) < 0) {
		m->class = err.class;
		m->errnum = err.errnum;
		len = strlen(err.msg);
		memcpy(s->buf + sizeof(*m), err.msg, len);
		len += sizeof(*m);
	} else {
		if (m->request == CR_SESSION_READY || m->request == CR_SESSION_HOLD ||
		    m->request == CR_SESSION_HELLO || m->request == CR_SESSION_EVICT)
			return true;
		m->class = 0;
		len = (size_t)n;
	}
	return send(c->fd, s->buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* One round of poll. 0 go on, 1 @out_fd has no reader, -1 error or signal. */
static int serve_once(struct server *s, int out_fd, int ms, struct cr_err *err)
{
	struct pollfd pfd[AT_CLIENTS + MAX_CLIENTS] = {
		[AT_OUT] = { .fd = out_fd },
		[AT_SIGNAL] = { .fd = s->signals, .events = POLLIN },
		[AT_LISTEN] = { .fd = s->listener, .events = POLLIN },
	};
	unsigned int n = s->n_clients;

	for (unsigned int i = 0; i < n; i++)
		pfd[AT_CLIENTS + i] = (struct pollfd){ .fd = s->clients[i].fd, .events = POLLIN };
	if (poll(pfd, AT_CLIENTS + n, ms) < 0)
		return errno == EINTR ? 0 : cr_err_sys(err, "poll");
	if (pfd[AT_SIGNAL].revents)
		return cr_err_set(err, CR_REFUSED, "interrupted; the tree is let go unharmed");
	if (pfd[AT_LISTEN].revents)
		accept_client(s);
	/* Backwards: a dropped client is replaced by the last one. */
	for (unsigned int i = n; i-- > 0;)
		if (pfd[AT_CLIENTS + i].revents && !serve_client(s, &s->clients[i]))
			drop_client(s, i);
	return pfd[AT_OUT].revents & (POLLERR | POLLNVAL) ? 1 : 0;
}

/*
 * The tail says that all are there; those that asked for time to prepare
 * themselves did so before it could, but need not have been heard first.
 */
int server_wait_ready(struct server *s, int out_fd, int ms, struct cr_err *err)
{
	bool heard = false;

	s->wait_ms = ms;
	wait_for_ready(s, ms);
	for (;;) {
		uint64_t now = cr_now_ns(), until = s->ready ? last_hold(s) : ready_deadline(s);
		bool ready = s->ready;
		int ret;

		if (now >= until && (heard || !ready))
			return 0;
		ret = serve_once(s, out_fd,
				 now < until ? (int)((until - now + 999999) / 1000000) : 0, err);
		if (ret < 0)
			return -1;
		if (ret > 0) {
			/* Who ended it has said why. */
			cr_err_set(err, CR_REFUSED, "the pipeline ended before the freeze");
			err->told = true;
			return -1;
		}
		heard = ready;
	}
}

/* How long to wait at most, when the tree must not be held beyond @until_ns. */
static int patience(const struct server *s, int ms, uint64_t until_ns)
{
	uint64_t now = cr_now_ns(), left;

	if (until_ns == UINT64_MAX || s->ended)
		return ms;
	left = now < until_ns ? (until_ns - now) / 1000000 + 1 : 0;
	return ms >= 0 && (uint64_t)ms < left ? ms : (int)left;
}

void server_forbid_commit(struct server *s)
{
	s->forbidden = true;
}

int server_run(struct server *s, struct cr_tree *tree, int out_fd, unsigned int seconds,
	       server_commit commit, void *ctx, struct cr_err *err)
{
	uint64_t until = seconds ? tree->began_ns + seconds * 1000000000ull : UINT64_MAX;
	int ret = 0;

	s->tree = tree;
	s->commit = commit;
	s->ctx = ctx;
	wait_for_ready(s, FOREIGN_MS);
	/* After a commit nobody needs us: the stages end with the session. */
	while (ret == 0 && !s->committed) {
		bool ours = s->ready || s->stages;

		/* "cr-freeze | cat" ends when we do, not the other way round. */
		if (!ours && cr_now_ns() >= s->deadline)
			return cr_err_set(err, CR_REFUSED,
					  "no program of the pipeline has taken up the freeze in "
					  "%d s; the tree is let go unharmed",
					  FOREIGN_MS / 1000);
		ret = serve_once(s, out_fd, patience(s, ours ? -1 : FOREIGN_MS, until), err);
		if (ret == 0 && !s->ended && cr_now_ns() >= until)
			ret = cr_err_set(err, CR_REFUSED,
					 "the pipeline has not ended in %u seconds; "
					 "the tree is let go unharmed",
					 seconds);
	}
	if (s->committed)
		return 1;
	return ret < 0 ? -1 : 0;
}
