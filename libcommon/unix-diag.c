/* SPDX-License-Identifier: MIT */
#include "unix-diag.h"

#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>

#include "clean.h"
#include "netlink.h"

struct ask {
	int (*each)(void *ctx, const struct cr_unix_diag *s, struct cr_err *err);
	void *ctx;
};

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

static int take_socket(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ask *a = ctx;
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	struct cr_unix_diag s = { 0 };
	const struct rtattr *attr;
	int left;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return cr_err_set(err, CR_SYSTEM, "sock_diag: a short answer");
	s.ino = m->udiag_ino;
	s.type = m->udiag_type;
	s.state = m->udiag_state;
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	for (attr = (const struct rtattr *)(m + 1); RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		take_attribute(&s, attr);
	return a->each(a->ctx, &s, err);
}

int cr_unix_diag(int (*each)(void *ctx, const struct cr_unix_diag *s, struct cr_err *err),
		 void *ctx, struct cr_err *err)
{
	const struct unix_diag_req req = {
		.sdiag_family = AF_UNIX,
		.udiag_states = ~0u,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER |
			      UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN,
	};
	struct ask a = { each, ctx };
	cr_auto_fd int fd = cr_netlink_open(NETLINK_SOCK_DIAG, err);

	if (fd < 0)
		return -1;
	if (cr_netlink_list(fd, SOCK_DIAG_BY_FAMILY, &req, sizeof(req), take_socket, &a, err) < 0)
		return cr_err_wrap(err, "sock_diag of AF_UNIX");
	return 0;
}
