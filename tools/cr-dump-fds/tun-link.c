/* SPDX-License-Identifier: MIT */
#include "tun-link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <net/if.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clean.h"
#include "peek.h"
#include "netlink.h"
#include "tun-offload.h"
#include "tun-sysctl.h"

#define NOBODY UINT32_MAX
/* What TUNSETIFF does not set. */
#define FLAGS (IFF_UP | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_DEBUG | IFF_MULTICAST)

static void refuse(struct tun_link *l, const char *why, const char *remedy)
{
	if (l->why)
		return;
	l->why = why;
	l->remedy = remedy;
}

static int add(size_t *n, ProtobufCBinaryData **list, const void *data, size_t len,
	       struct cr_err *err)
{
	ProtobufCBinaryData *grown = realloc(*list, (*n + 1) * sizeof(*grown));

	if (!grown)
		return cr_err_sys(err, "out of memory");
	*list = grown;
	grown[*n].data = malloc(len + 1);
	if (!grown[*n].data)
		return cr_err_sys(err, "out of memory");
	memcpy(grown[*n].data, data, len);
	grown[(*n)++].len = len;
	return 0;
}

static uint32_t number(const struct rtattr *a, uint32_t otherwise)
{
	uint32_t n = otherwise;

	if (a && RTA_PAYLOAD(a) >= sizeof(n))
		memcpy(&n, RTA_DATA(a), sizeof(n));
	return n;
}

static const struct rtattr *inside(const struct rtattr *a, int type)
{
	return a ? cr_netlink_attr(RTA_DATA(a), RTA_PAYLOAD(a), 0, type) : NULL;
}

/* What is set on an interface and belongs to others. */
static void check_others(struct tun_link *l, const struct ifinfomsg *m, size_t len)
{
	static const struct {
		int type;
		const char *why, *remedy;
	} others[] = {
		{ IFLA_MASTER, "its interface is in a bridge, or below another one",
		  "take it out (ip link set nomaster)" },
		{ IFLA_IFALIAS, "its interface has an alias", "take it away" },
		{ IFLA_PROP_LIST, "its interface has other names", "take them away" },
	};
	const struct rtattr *xdp = cr_netlink_attr(m, len, sizeof(*m), IFLA_XDP);
	const struct rtattr *attached = inside(xdp, IFLA_XDP_ATTACHED);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (cr_netlink_attr(m, len, sizeof(*m), others[i].type))
			refuse(l, others[i].why, others[i].remedy);
	if (number(cr_netlink_attr(m, len, sizeof(*m), IFLA_GROUP), 0))
		refuse(l, "its interface is in a group", "take it out (ip link set group 0)");
	if (attached && *(uint8_t *)RTA_DATA(attached))
		refuse(l, "its interface has an XDP program", "detach it");
	if (m->ifi_flags & IFF_UP && !(m->ifi_flags & IFF_RUNNING))
		refuse(l, "its interface has no carrier (TUNSETCARRIER)", "give it one");
}

static int each_link(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	size_t len = NLMSG_PAYLOAD(h, 0);
	struct tun_link *l = ctx;
	const struct rtattr *data, *hardware;

	if (h->nlmsg_type != RTM_NEWLINK || m->ifi_index != (int)l->ifindex)
		return 0;
	check_others(l, m, len);
	data = inside(cr_netlink_attr(m, len, sizeof(*m), IFLA_LINKINFO), IFLA_INFO_DATA);
	l->queues = number(inside(data, IFLA_TUN_NUM_QUEUES), 1) +
		    number(inside(data, IFLA_TUN_NUM_DISABLED_QUEUES), 0);
	l->msg.owner = number(inside(data, IFLA_TUN_OWNER), NOBODY);
	l->msg.group = number(inside(data, IFLA_TUN_GROUP), NOBODY);
	l->msg.mtu = number(cr_netlink_attr(m, len, sizeof(*m), IFLA_MTU), 0);
	l->msg.queue_len = number(cr_netlink_attr(m, len, sizeof(*m), IFLA_TXQLEN), 0);
	l->msg.flags = m->ifi_flags & FLAGS;
	hardware = cr_netlink_attr(m, len, sizeof(*m), IFLA_ADDRESS);
	if (!hardware || !RTA_PAYLOAD(hardware))
		return 0;
	l->msg.hardware.data = malloc(RTA_PAYLOAD(hardware));
	if (!l->msg.hardware.data)
		return cr_err_sys(err, "out of memory");
	memcpy(l->msg.hardware.data, RTA_DATA(hardware), RTA_PAYLOAD(hardware));
	l->msg.hardware.len = RTA_PAYLOAD(hardware);
	return 0;
}

struct header {
	unsigned int ifindex;
	int has;
};

static int each_header(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	size_t len = NLMSG_PAYLOAD(h, 0);
	struct header *want = ctx;
	const struct rtattr *a;

	(void)err;
	if (h->nlmsg_type != RTM_NEWLINK || m->ifi_index != (int)want->ifindex)
		return 0;
	a = inside(cr_netlink_attr(m, len, sizeof(*m), IFLA_LINKINFO), IFLA_INFO_DATA);
	a = inside(a, IFLA_TUN_PI);
	if (a)
		want->has = *(uint8_t *)RTA_DATA(a) != 0;
	return 0;
}

int tun_link_header(unsigned int ifindex, bool *header, struct cr_err *err)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	struct header want = { .ifindex = ifindex, .has = -1 };
	cr_auto_fd int fd = cr_netlink_open(NETLINK_ROUTE, err);

	if (fd < 0 ||
	    cr_netlink_list(fd, RTM_GETLINK, &all, sizeof(all), each_header, &want, err) < 0)
		return -1;
	*header = want.has > 0;
	return want.has < 0 ? cr_err_set(err, CR_SYSTEM,
					 "this kernel does not tell the flags of "
					 "a tun interface (4.18)") :
			      0;
}

static int each_address(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct tun_link *l = ctx;

	if (h->nlmsg_type != RTM_NEWADDR || m->ifa_index != l->ifindex)
		return 0;
	return add(&l->msg.n_addresses, &l->msg.addresses, m, NLMSG_PAYLOAD(h, 0), err);
}

/* One of several ways that a route has. */
static bool is_one_way(const struct rtattr *ways, unsigned int ifindex)
{
	unsigned int left = ways ? (unsigned int)RTA_PAYLOAD(ways) : 0;

	for (const struct rtnexthop *n = ways ? RTA_DATA(ways) : NULL; n && RTNH_OK(n, (int)left);
	     left -= NLMSG_ALIGN(n->rtnh_len), n = RTNH_NEXT(n))
		if (n->rtnh_ifindex == (int)ifindex)
			return true;
	return false;
}

/* Those that the kernel has made for an address come with it. */
static int each_route(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	size_t len = NLMSG_PAYLOAD(h, 0);
	struct tun_link *l = ctx;

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_flags & RTM_F_CLONED ||
	    m->rtm_protocol == RTPROT_KERNEL)
		return 0;
	if (is_one_way(cr_netlink_attr(m, len, sizeof(*m), RTA_MULTIPATH), l->ifindex))
		refuse(l, "its interface is one of several ways of a route", "take it away");
	if (number(cr_netlink_attr(m, len, sizeof(*m), RTA_OIF), 0) != l->ifindex)
		return 0;
	if (cr_netlink_attr(m, len, sizeof(*m), RTA_NH_ID))
		refuse(l, "its interface has a route by a next hop object", "take it away");
	return add(&l->msg.n_routes, &l->msg.routes, m, len, err);
}

static int each_neighbour(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ndmsg *m = NLMSG_DATA(h);
	struct tun_link *l = ctx;

	(void)err;
	if (h->nlmsg_type == RTM_NEWNEIGH && m->ndm_ifindex == (int)l->ifindex &&
	    (m->ndm_state & NUD_PERMANENT || m->ndm_flags & NTF_PROXY))
		refuse(l, "its interface has permanent neighbours", "take them away");
	return 0;
}

/* One that the kernel has chosen has no handle. */
static int each_qdisc(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct tcmsg *m = NLMSG_DATA(h);
	struct tun_link *l = ctx;

	(void)err;
	if (h->nlmsg_type == RTM_NEWQDISC && m->tcm_ifindex == (int)l->ifindex && m->tcm_handle)
		refuse(l, "traffic control is set up on its interface (tc)", "take it away");
	return 0;
}

static int ask_kernel(struct tun_link *l, struct cr_err *err)
{
	static const struct {
		int type;
		size_t head;
		uint8_t family;
		uint8_t flags;	/* of a neighbour: those that are proxied are listed apart */
		int (*each)(void *ctx, const struct nlmsghdr *h, struct cr_err *err);
	} asks[] = {
		{ RTM_GETLINK, sizeof(struct ifinfomsg), AF_UNSPEC, 0, each_link },
		{ RTM_GETADDR, sizeof(struct ifaddrmsg), AF_INET, 0, each_address },
		{ RTM_GETADDR, sizeof(struct ifaddrmsg), AF_INET6, 0, each_address },
		{ RTM_GETROUTE, sizeof(struct rtmsg), AF_INET, 0, each_route },
		{ RTM_GETROUTE, sizeof(struct rtmsg), AF_INET6, 0, each_route },
		{ RTM_GETNEIGH, sizeof(struct ndmsg), AF_UNSPEC, 0, each_neighbour },
		{ RTM_GETNEIGH, sizeof(struct ndmsg), AF_UNSPEC, NTF_PROXY, each_neighbour },
		{ RTM_GETQDISC, sizeof(struct tcmsg), AF_UNSPEC, 0, each_qdisc },
	};
	cr_auto_fd int fd = cr_netlink_open(NETLINK_ROUTE, err);

	if (fd < 0)
		return -1;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		/* All headers begin with the family. */
		uint8_t header[32] = { asks[i].family };

		if (asks[i].flags)
			header[offsetof(struct ndmsg, ndm_flags)] = asks[i].flags;

		if (cr_netlink_list(fd, asks[i].type, header, asks[i].head, asks[i].each, l, err) <
		    0)
			return -1;
	}
	return 0;
}

/* Programs that no call tells of. */
static void check_filters(struct dump *d, int fd, struct tun_link *l)
{
	struct peek p = { .kernel = dump_peek(d) };
	struct sock_fprog f = { 0 };
	uint64_t tun;

	if (ioctl(fd, TUNGETFILTER, &f) == 0 && f.len)
		refuse(l, "a filter is attached to it (TUNATTACHFILTER)", "detach it");
	if (!p.kernel || !peek_has(&p, "tun_struct", "steering_prog")) {
		refuse(l, "this kernel does not tell whether it has eBPF programs (BPF)",
		       "make it persistent (TUNSETPERSIST)");
		return;
	}
	tun = peek_member(&p, peek_file(&p, fd), "file", "private_data", 8);
	tun = peek_member(&p, tun, "tun_file", "tun", 8);
	if (peek_member(&p, tun, "tun_struct", "steering_prog", 8) ||
	    peek_member(&p, tun, "tun_struct", "filter_prog", 8) || peek_fault(&p))
		refuse(l, "an eBPF program is attached to it (TUNSETSTEERINGEBPF)", "detach it");
}

int tun_link_look(struct dump *d, int fd, const char *name, unsigned int ifindex,
		  struct tun_link *l, struct cr_err *err)
{
	int n = 0;

	memset(l, 0, sizeof(*l));
	cr__tun_link__init(&l->msg);
	l->ifindex = ifindex;
	check_filters(d, fd, l);
	if (ioctl(fd, TUNGETVNETHDRSZ, &n) < 0)
		return cr_err_sys(err, "TUNGETVNETHDRSZ");
	l->msg.header = (uint32_t)n;
	l->msg.little = ioctl(fd, TUNGETVNETLE, &n) == 0 && n;
	l->msg.big = ioctl(fd, TUNGETVNETBE, &n) == 0 && n;
	if (ask_kernel(l, err) < 0 || tun_offload_look(name, &l->msg.offload, err) < 0)
		return cr_err_wrap(err, "network interface %s", name);
	return tun_sysctl_look(name, &l->msg, err);
}

void tun_link_release(struct tun_link *l)
{
	for (size_t i = 0; i < l->msg.n_addresses; i++)
		free(l->msg.addresses[i].data);
	for (size_t i = 0; i < l->msg.n_routes; i++)
		free(l->msg.routes[i].data);
	for (size_t i = 0; i < l->msg.n_settings; i++)
		free(l->msg.settings[i]);
	free(l->msg.addresses);
	free(l->msg.routes);
	free(l->msg.settings);
	free(l->msg.hardware.data);
}
