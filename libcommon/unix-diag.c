/* SPDX-License-Identifier: MIT */
#include "unix-diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clean.h"

#define ANSWER_MAX (64u << 10)

static int ask(int fd, struct cr_err *err)
{
	struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.req = { .sdiag_family = AF_UNIX,
			 .udiag_states = ~0u,
			 .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER |
				       UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN },
	};

	if (send(fd, &q, sizeof(q), 0) < 0)
		return cr_err_sys(err, "sock_diag of AF_UNIX");
	return 0;
}

static void take_attribute(struct cr_unix_diag *s, const struct rtattr *a)
{
	const void *data = RTA_DATA(a);
	const uint32_t *words = data;
	size_t len = RTA_PAYLOAD(a);

	switch (a->rta_type) {
	case UNIX_DIAG_NAME:
		s->name = data;
		s->name_len = len;
		return;
	case UNIX_DIAG_VFS:
		if (len < 2 * sizeof(*words))
			return;
		s->has_file = true;
		s->file_ino = words[0];
		s->file_dev = words[1];
		return;
	case UNIX_DIAG_PEER:
		s->has_peer = true;
		s->peer = len >= sizeof(*words) ? words[0] : 0;
		return;
	case UNIX_DIAG_ICONS:
		s->pending = words;
		s->n_pending = len / sizeof(*words);
		return;
	case UNIX_DIAG_RQLEN:
		if (len < 2 * sizeof(*words))
			return;
		s->rqueue = words[0];
		s->wqueue = words[1];
		return;
	case UNIX_DIAG_SHUTDOWN:
		s->shutdown = len ? *(const uint8_t *)data : 0;
		return;
	default:
		return;
	}
}

static int take_socket(const struct nlmsghdr *h,
		       int (*each)(void *ctx, const struct cr_unix_diag *s, struct cr_err *err),
		       void *ctx, struct cr_err *err)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	struct cr_unix_diag s = { 0 };
	const struct rtattr *a;
	int left;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return cr_err_set(err, CR_SYSTEM, "sock_diag: a short answer");
	s.ino = m->udiag_ino;
	s.type = m->udiag_type;
	s.state = m->udiag_state;
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	for (a = (const struct rtattr *)(m + 1); RTA_OK(a, left); a = RTA_NEXT(a, left))
		take_attribute(&s, a);
	return each(ctx, &s, err);
}

/* One datagram of the answer.  1: more come, 0: that was the last. */
static int take_answer(const uint8_t *buf, size_t len,
		       int (*each)(void *ctx, const struct cr_unix_diag *s, struct cr_err *err),
		       void *ctx, struct cr_err *err)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR) {
			errno = -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			return cr_err_sys(err, "sock_diag of AF_UNIX");
		}
		if (take_socket(h, each, ctx, err) < 0)
			return -1;
	}
	return 1;
}

int cr_unix_diag(int (*each)(void *ctx, const struct cr_unix_diag *s, struct cr_err *err),
		 void *ctx, struct cr_err *err)
{
	cr_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	cr_auto_free uint8_t *buf = malloc(ANSWER_MAX);
	int more = 1;

	if (fd < 0)
		return cr_err_sys(err, "unable to open a netlink socket");
	if (!buf)
		return cr_err_sys(err, "out of memory");
	if (ask(fd, err) < 0)
		return -1;
	while (more > 0) {
		ssize_t n = recv(fd, buf, ANSWER_MAX, MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(err, "unable to read the answer of sock_diag");
		if (n == 0 || n > (ssize_t)ANSWER_MAX)
			return cr_err_set(err, CR_SYSTEM, "sock_diag: a cut answer");
		more = take_answer(buf, (size_t)n, each, ctx, err);
	}
	return more;
}
