/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clean.h"
#include "session-proto.h"

struct cr_session {
	int fd;
	struct cr_freeze_times times;
	uint8_t buf[];	/* CR_SESSION_MSG_MAX */
};

int cr_session_open(const char *name, struct cr_session **out, struct cr_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	cr_auto_fd int fd = -1;

	*out = NULL;
	if (len == 0 || len >= sizeof(sa.sun_path))
		return cr_err_set(err, CR_REFUSED, "the stream has no session: nothing is frozen");
	memcpy(sa.sun_path + 1, name, len);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cr_err_sys(err, "unable to make a socket");
	if (connect(fd, (struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0)
		return cr_err_sys(err, "unable to reach the freeze's session");
	*out = malloc(sizeof(**out) + CR_SESSION_MSG_MAX);
	if (!*out)
		return cr_err_sys(err, "out of memory");
	memset(*out, 0, sizeof(**out));
	(*out)->fd = cr_steal_fd(&fd);
	return 0;
}

void cr_session_close(struct cr_session *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

int cr_session_fd(const struct cr_session *s)
{
	return s->fd;
}

/* What follows the fixed part of a message, each way. */
struct body {
	const struct cr_op *ops;
	const uint32_t *tids;
	const void *data;
};

static const struct body empty;

static size_t body_size(const struct cr_session_msg *m)
{
	return m->count * sizeof(struct cr_op) + m->n_tids * sizeof(uint32_t) + m->data_len;
}

static int send_msg(struct cr_session *s, struct cr_session_msg *m, const struct body *b,
		    struct cr_err *err)
{
	struct iovec iov[4] = {
		{ m, sizeof(*m) },
		{ (void *)b->ops, m->count * sizeof(*b->ops) },
		{ (void *)b->tids, m->n_tids * sizeof(*b->tids) },
		{ (void *)b->data, m->data_len },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 4 };

	m->version = sizeof(struct cr_op);
	while (sendmsg(s->fd, &mh, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return cr_err_sys(err, "the freeze's session is gone");
	return 0;
}

/* Receive the reply to @m into it; what follows it stays in s->buf. */
static int receive(struct cr_session *s, struct cr_session_msg *m, struct cr_err *err)
{
	const struct cr_session_msg sent = *m;
	ssize_t n;

	do
		n = recv(s->fd, s->buf, CR_SESSION_MSG_MAX, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return cr_err_sys(err, "the freeze's session");
	if ((size_t)n < sizeof(*m))
		return cr_err_set(err, CR_SYSTEM, "the freeze's session has ended");
	memcpy(m, s->buf, sizeof(*m));
	if (m->class) {
		cr_err_set(err, m->class, "%.*s", (int)((size_t)n - sizeof(*m)),
			   (char *)s->buf + sizeof(*m));
		err->errnum = m->errnum;
		return -1;
	}
	if (m->count != sent.count || m->n_tids != sent.n_tids || m->data_len != sent.data_len ||
	    (size_t)n != sizeof(*m) + body_size(m))
		return cr_err_set(err, CR_SYSTEM, "the freeze's session answers nonsense");
	return 0;
}

static int call(struct cr_session *s, struct cr_session_msg *m, const struct body *b,
		struct cr_err *err)
{
	return send_msg(s, m, b, err) < 0 ? -1 : receive(s, m, err);
}

int cr_session_ready(struct cr_session *s, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_READY };

	return send_msg(s, &m, &empty, err);
}

int cr_session_hello(struct cr_session *s, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_HELLO };

	return send_msg(s, &m, &empty, err);
}

int cr_session_has_tail(struct cr_session *s, bool *tail, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_TAIL };

	if (call(s, &m, &empty, err) < 0)
		return -1;
	*tail = m.done != 0;
	return 0;
}

int cr_session_hold(struct cr_session *s, uint32_t ms, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_HOLD, .done = ms };

	return send_msg(s, &m, &empty, err);
}

static int run_vector(struct cr_session *s, struct cr_session_msg *m, struct cr_op *ops,
		      uint32_t count, void *data, size_t data_len, struct cr_err *err)
{
	const struct body b = { .ops = ops, .data = data };

	if (count > CR_SESSION_OPS_MAX || data_len > CR_SESSION_DATA_MAX)
		return cr_err_set(err, CR_SYSTEM, "a vector that is too long for the session");
	m->count = count;
	m->data_len = (uint32_t)data_len;
	if (call(s, m, &b, err) < 0)
		return -1;
	memcpy(ops, s->buf + sizeof(*m), count * sizeof(*ops));
	if (data_len)
		memcpy(data, s->buf + sizeof(*m) + count * sizeof(*ops), data_len);
	return 0;
}

int cr_session_inject(struct cr_session *s, pid_t pid, struct cr_op *ops, uint32_t count,
		      void *data, size_t data_len, struct cr_agent_info *out, uint32_t *done,
		      struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_INJECT, .pid = pid };

	*done = 0;
	if (run_vector(s, &m, ops, count, data, data_len, err) < 0)
		return -1;
	*out = m.agent;
	*done = m.done;
	return 0;
}

int cr_session_evict(struct cr_session *s, pid_t pid, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_EVICT, .pid = pid };

	return send_msg(s, &m, &empty, err);
}

int cr_session_run(struct cr_session *s, pid_t pid, struct cr_op *ops, uint32_t count, void *data,
		   size_t data_len, uint32_t *done, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_RUN, .pid = pid };

	*done = 0;
	if (run_vector(s, &m, ops, count, data, data_len, err) < 0)
		return -1;
	*done = m.done;
	return 0;
}

int cr_session_peek(struct cr_session *s, pid_t pid, uint32_t skip, void *data, size_t data_len,
		    uint32_t *got, struct cr_err *err)
{
	struct cr_session_msg m = {
		.request = CR_SESSION_LATE_SIGNALS,
		.pid = pid,
		.skip = skip,
		.data_len = (uint32_t)data_len,
	};
	const struct body b = { .data = data };

	memset(data, 0, data_len);
	if (call(s, &m, &b, err) < 0)
		return -1;
	memcpy(data, s->buf + sizeof(m), data_len);
	*got = m.done;
	return 0;
}

static int run_some(struct cr_session *s, pid_t pid, uint32_t n_tids, const struct body *b,
		    uint32_t count, void *data, size_t data_len, struct cr_err *err)
{
	struct cr_session_msg m = {
		.request = CR_SESSION_RUN_EACH,
		.pid = pid,
		.count = count,
		.n_tids = n_tids,
		.data_len = (uint32_t)(n_tids * data_len),
	};

	if (call(s, &m, b, err) < 0)
		return -1;
	memcpy(data, s->buf + sizeof(m) + body_size(&m) - m.data_len, m.data_len);
	return 0;
}

int cr_session_run_each(struct cr_session *s, pid_t pid, const uint32_t *tids, size_t n_tids,
			const struct cr_op *ops, uint32_t count, void *data, size_t data_len,
			struct cr_err *err)
{
	uint8_t *bytes = data;
	size_t at_once, n;

	if (count > CR_SESSION_OPS_MAX || !data_len || data_len > CR_SESSION_DATA_MAX)
		return cr_err_set(err, CR_SYSTEM, "a vector that is too long for the session");
	at_once = CR_SESSION_DATA_MAX / data_len;
	if (at_once > CR_SESSION_TIDS_MAX)
		at_once = CR_SESSION_TIDS_MAX;
	for (size_t i = 0; i < n_tids; i += n) {
		uint8_t *part = bytes + i * data_len;
		const struct body b = { ops, tids + i, part };

		n = n_tids - i < at_once ? n_tids - i : at_once;
		if (run_some(s, pid, (uint32_t)n, &b, count, part, data_len, err) < 0)
			return -1;
	}
	return 0;
}

int cr_session_release(struct cr_session *s, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_RELEASE };

	return call(s, &m, &empty, err);
}

int cr_session_commit(struct cr_session *s, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_COMMIT };

	if (send_msg(s, &m, &empty, err) < 0)
		return -1;
	/* receive() copies the class out of an answer, and only then. */
	if (receive(s, &m, err) < 0)
		return m.class ? -1 : 1;
	s->times = m.times;
	return 0;
}

void cr_session_times(const struct cr_session *s, struct cr_freeze_times *out)
{
	*out = s->times;
}
