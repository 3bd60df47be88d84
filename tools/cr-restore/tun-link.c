/* SPDX-License-Identifier: MIT */
#include "tun-link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "netlink.h"

#define NOBODY UINT32_MAX
#define PATIENCE_MS 3000
#define GEN_MODE "ipv6/conf/addr_gen_mode="
#define DAD "ipv6/conf/accept_dad="

struct maker {
	const Cr__Tun *m;
	int fd;			/* of rtnetlink */
	int sock;
	/* Addresses that the kernel has given it of its own. */
	struct nlmsghdr **extra;
	size_t n_extra;
	char dad[16];		/* what accept_dad is to be in the end */
	bool tentative;		/* the kernel asks whether others have an address */
};

void tun_link_check(struct restore *r, const Cr__Tun *m)
{
	char name[IF_NAMESIZE];

	if (if_nametoindex(m->name))
		refuse(r, 0, m->name, "there is a network interface of that name");
	else if (if_indextoname(m->ifindex, name))
		refuse(r, 0, m->name, "its number %u is that of the network interface %s",
		       m->ifindex, name);
}

/* What the descriptor sets. */
static int set_tun(int fd, const Cr__TunLink *l, struct cr_err *err)
{
	int header = (int)l->header, on = 1;

	if (l->owner != NOBODY && ioctl(fd, TUNSETOWNER, (unsigned long)l->owner) < 0)
		return cr_err_sys(err, "TUNSETOWNER");
	if (l->group != NOBODY && ioctl(fd, TUNSETGROUP, (unsigned long)l->group) < 0)
		return cr_err_sys(err, "TUNSETGROUP");
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		return cr_err_sys(err, "TUNSETVNETHDRSZ");
	if (l->little && ioctl(fd, TUNSETVNETLE, &on) < 0)
		return cr_err_sys(err, "TUNSETVNETLE");
	if (l->big && ioctl(fd, TUNSETVNETBE, &on) < 0)
		return cr_err_sys(err, "TUNSETVNETBE");
	if (l->offload && ioctl(fd, TUNSETOFFLOAD, (unsigned long)l->offload) < 0)
		return cr_err_sys(err, "TUNSETOFFLOAD");
	return 0;
}

static int set(const struct maker *k, unsigned long what, struct ifreq *ifr, const char *name,
	       struct cr_err *err)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", k->m->name);
	return ioctl(k->sock, what, ifr) < 0 ? cr_err_sys(err, "%s", name) : 0;
}

static int set_sizes(const struct maker *k, struct cr_err *err)
{
	const Cr__TunLink *l = k->m->link;
	struct ifreq ifr = { .ifr_mtu = (int)l->mtu };

	if (set(k, SIOCSIFMTU, &ifr, "SIOCSIFMTU", err) < 0)
		return -1;
	ifr.ifr_qlen = (int)l->queue_len;
	if (set(k, SIOCSIFTXQLEN, &ifr, "SIOCSIFTXQLEN", err) < 0)
		return -1;
	if (l->hardware.len != 6)
		return 0;
	memset(&ifr, 0, sizeof(ifr));
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, l->hardware.data, l->hardware.len);
	return set(k, SIOCSIFHWADDR, &ifr, "SIOCSIFHWADDR", err);
}

/* "ipv4/conf/forwarding=1" */
static int set_one(const char *interface, const char *text, struct cr_err *err)
{
	const char *name = strrchr(text, '/'), *value = strchr(text, '=');
	char path[PATH_MAX];
	cr_auto_fd int fd = -1;

	if (!name || !value || value < name || strstr(text, ".."))
		return cr_err_set(err, CR_BAD_INPUT, "malformed setting");
	snprintf(path, sizeof(path), "/proc/sys/net/%.*s/%s%.*s", (int)(name - text), text,
		 interface, (int)(value - name), name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	value++;
	/* Another kernel may have no such thing. */
	if (fd < 0 && (errno == ENOENT || errno == EACCES))
		return 0;
	return fd < 0 || write(fd, value, strlen(value)) < 0 ?
		       cr_err_sys(err, "unable to write %s to %s", value, path) :
		       0;
}

/* Setting a secret sets the mode too, which therefore comes last. */
static int set_all(struct maker *k, struct cr_err *err)
{
	const Cr__TunLink *l = k->m->link;
	char path[PATH_MAX];
	cr_auto_fd int fd = -1;
	ssize_t n;

	for (int last = 0; last < 2; last++)
		for (size_t i = 0; i < l->n_settings; i++)
			if ((strncmp(l->settings[i], GEN_MODE, strlen(GEN_MODE)) == 0) == last &&
			    set_one(k->m->name, l->settings[i], err) < 0)
				return -1;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_dad", k->m->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, k->dad, sizeof(k->dad) - 1);
	k->dad[n > 0 ? n : 0] = '\0';
	k->dad[strcspn(k->dad, "\n")] = '\0';
	return 0;
}

static bool same_attr(const void *a, size_t a_len, const void *b, size_t b_len, int type)
{
	const struct rtattr *x = cr_netlink_attr(a, a_len, sizeof(struct ifaddrmsg), type);
	const struct rtattr *y = cr_netlink_attr(b, b_len, sizeof(struct ifaddrmsg), type);

	if (!x || !y)
		return x == y;
	return RTA_PAYLOAD(x) == RTA_PAYLOAD(y) &&
	       memcmp(RTA_DATA(x), RTA_DATA(y), RTA_PAYLOAD(x)) == 0;
}

static bool is_wanted(const Cr__TunLink *l, const struct ifaddrmsg *m, size_t len)
{
	for (size_t i = 0; i < l->n_addresses; i++) {
		const ProtobufCBinaryData *d = &l->addresses[i];
		const struct ifaddrmsg *w = (const void *)d->data;

		if (d->len >= sizeof(*w) && w->ifa_family == m->ifa_family &&
		    w->ifa_prefixlen == m->ifa_prefixlen &&
		    same_attr(m, len, w, d->len, IFA_ADDRESS) &&
		    same_attr(m, len, w, d->len, IFA_LOCAL))
			return true;
	}
	return false;
}

static int each_address(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct maker *k = ctx;
	struct nlmsghdr **grown, *copy;

	if (h->nlmsg_type != RTM_NEWADDR || m->ifa_index != k->m->ifindex ||
	    is_wanted(k->m->link, m, NLMSG_PAYLOAD(h, 0)))
		return 0;
	grown = realloc(k->extra, (k->n_extra + 1) * sizeof(*grown));
	copy = malloc(h->nlmsg_len);
	if (grown)
		k->extra = grown;
	if (!grown || !copy) {
		free(copy);
		return cr_err_sys(err, "out of memory");
	}
	memcpy(copy, h, h->nlmsg_len);
	k->extra[k->n_extra++] = copy;
	return 0;
}

static int drop_extra(struct maker *k, struct cr_err *err)
{
	const struct ifaddrmsg all = { .ifa_family = AF_UNSPEC };
	int ret = cr_netlink_list(k->fd, RTM_GETADDR, &all, sizeof(all), each_address, k, err);

	for (size_t i = 0; i < k->n_extra; i++) {
		if (ret == 0)
			ret = cr_netlink_do(k->fd, RTM_DELADDR, 0, NLMSG_DATA(k->extra[i]),
					    NLMSG_PAYLOAD(k->extra[i], 0), err);
		free(k->extra[i]);
	}
	free(k->extra);
	k->extra = NULL;
	return ret;
}

static int each_tentative(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct maker *k = ctx;

	(void)err;
	if (h->nlmsg_type == RTM_NEWADDR && m->ifa_index == k->m->ifindex &&
	    m->ifa_flags & IFA_F_TENTATIVE && !(m->ifa_flags & IFA_F_DADFAILED))
		k->tentative = true;
	return 0;
}

/* Sockets of the tree are to be bound to its addresses at once. */
static int await_addresses(struct maker *k, struct cr_err *err)
{
	const struct ifaddrmsg all = { .ifa_family = AF_INET6 };

	for (int i = 0; i < PATIENCE_MS; i++) {
		k->tentative = false;
		if (cr_netlink_list(k->fd, RTM_GETADDR, &all, sizeof(all), each_tentative, k, err) <
		    0)
			return -1;
		if (!k->tentative)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return 0;
}

static int add(const struct maker *k, int type, const ProtobufCBinaryData *d, size_t head,
	       struct cr_err *err)
{
	cr_auto_free void *copy = malloc(d->len + 1);
	struct rtmsg *route = copy;

	if (!copy)
		return cr_err_sys(err, "out of memory");
	if (d->len < head)
		return cr_err_set(err, CR_BAD_INPUT, "malformed payload of rtnetlink");
	memcpy(copy, d->data, d->len);
	if (type == RTM_NEWROUTE)
		route->rtm_flags &= RTNH_F_ONLINK;
	if (cr_netlink_do(k->fd, type, NLM_F_CREATE | NLM_F_REPLACE, copy, d->len, err) == 0)
		return 0;
	return cr_err_wrap(err, type == RTM_NEWADDR ? "an address" : "a route");
}

static int make(struct maker *k, struct cr_err *err)
{
	const Cr__TunLink *l = k->m->link;
	struct ifreq ifr = { .ifr_flags = (short)l->flags };
	char dad[64];

	if (set_sizes(k, err) < 0)
		return -1;
	if (set_all(k, err) < 0 || set_one(k->m->name, DAD "0", err) < 0)
		return -1;
	if (set(k, SIOCSIFFLAGS, &ifr, "SIOCSIFFLAGS", err) < 0 || drop_extra(k, err) < 0)
		return -1;
	for (size_t i = 0; i < l->n_addresses; i++)
		if (add(k, RTM_NEWADDR, &l->addresses[i], sizeof(struct ifaddrmsg), err) < 0)
			return -1;
	for (size_t i = 0; i < l->n_routes; i++)
		if (add(k, RTM_NEWROUTE, &l->routes[i], sizeof(struct rtmsg), err) < 0)
			return -1;
	if (await_addresses(k, err) < 0)
		return -1;
	snprintf(dad, sizeof(dad), DAD "%s", k->dad);
	return k->dad[0] ? set_one(k->m->name, dad, err) : 0;
}

int tun_link_make(int fd, const Cr__Tun *m, struct cr_err *err)
{
	cr_auto_fd int netlink = cr_netlink_open(NETLINK_ROUTE, err);
	cr_auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct maker k = { .m = m, .fd = netlink, .sock = sock };

	if (netlink < 0)
		return -1;
	if (sock < 0)
		return cr_err_sys(err, "socket");
	return set_tun(fd, m->link, err) < 0 ? -1 : make(&k, err);
}
