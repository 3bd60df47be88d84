/* SPDX-License-Identifier: MIT */
/*
 * What the kernel keeps for a netlink socket besides its groups, by its port, and
 * gives up when it is closed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>

#include "clean.h"
#include "netlink-bound.h"
#include "netlink.h"

struct owner {
	uint32_t port;
	bool found;
};

static int look_at_table(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	struct owner *o = ctx;
	const struct rtattr *a;

	(void)err;
	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
		return 0;
	a = cr_netlink_attr(NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN, sizeof(struct nfgenmsg),
			    NFTA_TABLE_OWNER);
	if (a && RTA_PAYLOAD(a) >= 4 && ntohl(*(const uint32_t *)RTA_DATA(a)) == o->port)
		o->found = true;
	return 0;
}

/* NFT_TABLE_F_OWNER (5.12). */
static int owns_table(uint32_t port, bool *found, struct cr_err *err)
{
	const struct nfgenmsg all = { .nfgen_family = AF_UNSPEC };
	struct owner o = { .port = port };
	cr_auto_fd int fd = cr_netlink_open(NETLINK_NETFILTER, err);

	if (fd < 0)
		return -1;
	/* A kernel without nf_tables, or a user who may not ask, has none. */
	if (cr_netlink_list(fd, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, &all, sizeof(all),
			    look_at_table, &o, err) < 0 &&
	    err->errnum != EINVAL && err->errnum != EOPNOTSUPP && err->errnum != EPERM)
		return cr_err_wrap(err, "nf_tables");
	*found = o.found;
	return 0;
}

/* Lines of "NUMBER PORT ..."; without the file there is no such thing. */
static bool is_listed(const char *path, uint32_t port)
{
	cr_auto_file FILE *f = fopen(path, "re");
	char line[256];
	unsigned int number, peer;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%u %u", &number, &peer) == 2 && peer == port)
			return true;
	return false;
}

int netlink_bound(int protocol, uint32_t port, bool has_groups, const char **what,
		  struct cr_err *err)
{
	bool owner = false;

	*what = NULL;
	if (protocol == NETLINK_CONNECTOR && has_groups)
		*what = "it listens to a connector, as for events of processes";
	if (protocol != NETLINK_NETFILTER || !port)
		return 0;
	if (is_listed("/proc/net/netfilter/nfnetlink_queue", port))
		*what = "it is bound to a queue of netfilter (NFQUEUE)";
	if (is_listed("/proc/net/netfilter/nfnetlink_log", port))
		*what = "it is bound to a log of netfilter (NFLOG)";
	if (!*what && owns_table(port, &owner, err) < 0)
		return -1;
	if (owner)
		*what = "it owns a table of nf_tables";
	return 0;
}
