/* SPDX-License-Identifier: MIT */
#include "netlink.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_BYTES 65536

struct request {
	struct nlmsghdr head;
	uint8_t payload[8192];
};

int cr_netlink_open(int protocol, struct cr_err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	return fd < 0 ? cr_err_sys(err, "unable to open a netlink socket") : fd;
}

static int send_request(int fd, int type, int flags, const void *payload, size_t len,
			struct cr_err *err)
{
	struct request r = { .head = { .nlmsg_type = (uint16_t)type,
				       .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
				       .nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
				       .nlmsg_seq = 1 } };

	if (len > sizeof(r.payload))
		return cr_err_set(err, CR_BAD_INPUT, "netlink: a payload of %zu bytes", len);
	memcpy(r.payload, payload, len);
	if (send(fd, &r, r.head.nlmsg_len, 0) != (ssize_t)r.head.nlmsg_len)
		return cr_err_sys(err, "netlink");
	return 0;
}

/* 1: it says that there is no more. */
static int take(const struct nlmsghdr *h,
		int (*each)(void *ctx, const struct nlmsghdr *h, struct cr_err *err), void *ctx,
		struct cr_err *err)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		return cr_err_set(err, CR_SYSTEM,
				  "netlink: what is listed changed while it was read");
	if (h->nlmsg_type == NLMSG_DONE)
		return 1;
	if (h->nlmsg_type != NLMSG_ERROR)
		return each ? each(ctx, h, err) : 0;
	if (!e->error)
		return 1;
	errno = -e->error;
	return cr_err_sys(err, "netlink");
}

static int take_all(int fd, int (*each)(void *ctx, const struct nlmsghdr *h, struct cr_err *err),
		    void *ctx, struct cr_err *err)
{
	static _Alignas(struct nlmsghdr) uint8_t buf[ANSWER_BYTES];
	int ret = 0;

	while (ret == 0) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_TRUNC);
		unsigned int left = n > 0 ? (unsigned int)n : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(err, "netlink");
		if (n == 0 || n > (ssize_t)sizeof(buf))
			return cr_err_set(err, CR_SYSTEM, "netlink: a cut answer");
		for (const struct nlmsghdr *h = (void *)buf; ret == 0 && NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left))
			ret = take(h, each, ctx, err);
	}
	return ret < 0 ? -1 : 0;
}

int cr_netlink_list(int fd, int type, const void *payload, size_t len,
		    int (*each)(void *ctx, const struct nlmsghdr *h, struct cr_err *err), void *ctx,
		    struct cr_err *err)
{
	if (send_request(fd, type, NLM_F_DUMP, payload, len, err) < 0)
		return -1;
	return take_all(fd, each, ctx, err);
}

int cr_netlink_do(int fd, int type, int flags, const void *payload, size_t len, struct cr_err *err)
{
	if (send_request(fd, type, NLM_F_ACK | flags, payload, len, err) < 0)
		return -1;
	return take_all(fd, NULL, NULL, err);
}

const struct rtattr *cr_netlink_attr(const void *payload, size_t len, size_t head, int type)
{
	const struct rtattr *a;
	unsigned int left;

	head = NLMSG_ALIGN(head);
	if (len < head)
		return NULL;
	left = (unsigned int)(len - head);
	for (a = (const void *)((const uint8_t *)payload + head); RTA_OK(a, left);
	     a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}
