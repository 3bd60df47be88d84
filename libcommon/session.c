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

static int send_msg(struct cr_session *s, struct cr_session_msg *m, const struct cr_op *ops,
		    const void *data, struct cr_err *err)
{
	struct iovec iov[3] = {
		{ m, sizeof(*m) },
		{ (void *)ops, m->count * sizeof(*ops) },
		{ (void *)data, m->data_len },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };

	m->version = sizeof(struct cr_op);
	while (sendmsg(s->fd, &mh, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return cr_err_sys(err, "the freeze's session is gone");
	return 0;
}

/* Receive the reply to @m into it; what follows it stays in s->buf. */
static int receive(struct cr_session *s, struct cr_session_msg *m, struct cr_err *err)
{
	uint32_t count = m->count, data_len = m->data_len;
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
	if (m->count != count || m->data_len != data_len ||
	    (size_t)n != sizeof(*m) + count * sizeof(struct cr_op) + data_len)
		return cr_err_set(err, CR_SYSTEM, "the freeze's session answers nonsense");
	return 0;
}

static int call(struct cr_session *s, struct cr_session_msg *m, const struct cr_op *ops,
		const void *data, struct cr_err *err)
{
	return send_msg(s, m, ops, data, err) < 0 ? -1 : receive(s, m, err);
}

int cr_session_ready(struct cr_session *s, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_READY };

	return send_msg(s, &m, NULL, NULL, err);
}

int cr_session_inject(struct cr_session *s, pid_t pid, struct cr_agent_info *out,
		      struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_INJECT, .pid = pid };

	if (call(s, &m, NULL, NULL, err) < 0)
		return -1;
	*out = m.agent;
	return 0;
}

int cr_session_run(struct cr_session *s, pid_t pid, struct cr_op *ops, uint32_t count, void *data,
		   size_t data_len, uint32_t *done, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_RUN,
				    .pid = pid,
				    .count = count,
				    .data_len = (uint32_t)data_len };

	if (count > CR_SESSION_OPS_MAX || data_len > CR_SESSION_DATA_MAX)
		return cr_err_set(err, CR_SYSTEM, "a vector that is too long for the session");
	if (call(s, &m, ops, data, err) < 0)
		return -1;
	memcpy(ops, s->buf + sizeof(m), count * sizeof(*ops));
	if (data_len)
		memcpy(data, s->buf + sizeof(m) + count * sizeof(*ops), data_len);
	*done = m.done;
	return 0;
}

/* As many threads as there is room for in one message. */
static int run_some(struct cr_session *s, pid_t pid, const struct cr_op *ops, uint32_t count,
		    uint8_t *answers, uint32_t n, size_t size, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_RUN_THREADS,
				    .pid = pid,
				    .tid = (int32_t)n,
				    .count = count,
				    .data_len = (uint32_t)(n * size) };

	if (call(s, &m, ops, answers, err) < 0)
		return -1;
	memcpy(answers, s->buf + sizeof(m) + count * sizeof(*ops), n * size);
	return 0;
}

int cr_session_run_threads(struct cr_session *s, pid_t pid, const struct cr_op *ops, uint32_t count,
			   size_t data_len, struct cr_thread_answer *answers, uint32_t n,
			   struct cr_err *err)
{
	size_t size = cr_thread_answer_size(count, data_len), room = CR_SESSION_DATA_MAX / size;
	uint8_t *at = (uint8_t *)answers;

	if (count > CR_SESSION_OPS_MAX || !room)
		return cr_err_set(err, CR_SYSTEM, "a vector that is too long for the session");
	while (n) {
		uint32_t some = n < room ? n : (uint32_t)room;

		if (run_some(s, pid, ops, count, at, some, size, err) < 0)
			return -1;
		at += some * size;
		n -= some;
	}
	return 0;
}

int cr_session_release(struct cr_session *s, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_RELEASE };

	return call(s, &m, NULL, NULL, err);
}

int cr_session_commit(struct cr_session *s, struct cr_err *err)
{
	struct cr_session_msg m = { .request = CR_SESSION_COMMIT };

	if (send_msg(s, &m, NULL, NULL, err) < 0)
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
