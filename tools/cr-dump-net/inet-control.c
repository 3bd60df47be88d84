/* SPDX-License-Identifier: MIT */
/*
 * What recvmsg(2) says of a datagram to those who have asked for it: where it
 * was sent to, by which interface it came, and what stood in its header.  At the
 * restore it comes over the loopback device once more, so that not all of this
 * can be had.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/in6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "inet.h"

#define LOOPBACK_IFINDEX 1	/* in each network namespace */

#ifndef IP_RECVFRAGSIZE
#define IP_RECVFRAGSIZE 25
#endif

/* The options that ask for something which is looked at here. */
static const char *const asking[] = {
	"IP_PKTINFO",	     "IP_RECVORIGDSTADDR", "IP_RECVTTL",	   "IP_RECVTOS",
	"IPV6_RECVPKTINFO",  "IPV6_2292PKTINFO",   "IPV6_RECVORIGDSTADDR", "IPV6_RECVHOPLIMIT",
	"IPV6_2292HOPLIMIT", "IPV6_RECVTCLASS",
};

bool inet_asks(const Cr__InetSocket *m)
{
	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++)
		if (inet_has_option(m, asking[i]))
			return true;
	return false;
}

static int set_to(struct net *n, Cr__InetMessage *m, const void *addr, size_t len,
		  struct cr_err *err)
{
	m->to.data = net_alloc(n, len, err);
	if (!m->to.data)
		return -1;
	m->to.len = len;
	memcpy(m->to.data, addr, len);
	return 0;
}

static int set_device(struct net *n, Cr__InetMessage *m, unsigned int index, struct cr_err *err)
{
	if (index == LOOPBACK_IFINDEX || !index)
		return 0;
	m->device = net_alloc(n, IF_NAMESIZE, err);
	if (!m->device)
		return -1;
	if (!if_indextoname(index, m->device))
		return cr_err_sys(err, "unable to name interface %u", index);
	return 0;
}

static int take4(struct net *n, const struct cmsghdr *c, Cr__InetMessage *m, struct cr_err *err)
{
	const void *data = CMSG_DATA(c);
	struct sockaddr_in in;
	struct in_pktinfo info;
	int number;

	switch (c->cmsg_type) {
	case IP_PKTINFO:
		memcpy(&info, data, sizeof(info));
		return set_to(n, m, &info.ipi_addr, 4, err) < 0 ?
			       -1 :
			       set_device(n, m, (unsigned int)info.ipi_ifindex, err);
	case IP_RECVORIGDSTADDR:
		memcpy(&in, data, sizeof(in));
		return set_to(n, m, &in.sin_addr, 4, err);
	case IP_TTL:
		memcpy(&number, data, sizeof(number));
		m->hops = (uint32_t)number + 1;
		return 0;
	case IP_TOS:
		m->tos = *(const uint8_t *)data;
		return 0;
	default:
		return 0;
	}
}

static int take6(struct net *n, const struct cmsghdr *c, Cr__InetMessage *m, struct cr_err *err)
{
	const void *data = CMSG_DATA(c);
	struct sockaddr_in6 in6;
	struct in6_pktinfo info;
	int number;

	switch (c->cmsg_type) {
	case IPV6_PKTINFO:
	case IPV6_2292PKTINFO:
		memcpy(&info, data, sizeof(info));
		return set_to(n, m, &info.ipi6_addr, 16, err) < 0 ?
			       -1 :
			       set_device(n, m, info.ipi6_ifindex, err);
	case IPV6_RECVORIGDSTADDR:
		memcpy(&in6, data, sizeof(in6));
		return set_to(n, m, &in6.sin6_addr, 16, err);
	case IPV6_HOPLIMIT:
	case IPV6_2292HOPLIMIT:
		memcpy(&number, data, sizeof(number));
		m->hops = (uint32_t)number + 1;
		return 0;
	case IPV6_TCLASS:
		memcpy(&number, data, sizeof(number));
		m->tos = (uint32_t)number;
		return 0;
	default:
		return 0;
	}
}

int inet_control(struct net *n, struct msghdr *h, Cr__InetMessage *m, struct cr_err *err)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		int r = c->cmsg_level == IPPROTO_IP   ? take4(n, c, m, err) :
			c->cmsg_level == IPPROTO_IPV6 ? take6(n, c, m, err) :
							0;
		if (r < 0)
			return -1;
	}
	return 0;
}

/* --- what cannot be had -------------------------------------------------------- */

static bool is_mapped(const ProtobufCBinaryData *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return a->len == 16 && memcmp(a->data, mapped, sizeof(mapped)) == 0;
}

static bool is_address_of(const struct ifaddrs *i, const uint8_t *addr, size_t len)
{
	const struct sockaddr *sa = i->ifa_addr;

	if (!sa || sa->sa_family != (len == 4 ? AF_INET : AF_INET6))
		return false;
	if (len == 4)
		return memcmp(addr, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4) ==
		       0;
	return memcmp(addr, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16) == 0;
}

/* 1: an address of the host, not of a group of many. */
static int is_own(const ProtobufCBinaryData *a, struct cr_err *err)
{
	size_t skip = is_mapped(a) ? 12 : 0;
	const uint8_t *addr = a->data + skip;
	struct ifaddrs *list;
	bool found = false;

	if (a->len - skip == 4 && addr[0] == 127)
		return 1;
	if (getifaddrs(&list) < 0)
		return cr_err_sys(err, "getifaddrs");
	for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next)
		found = is_address_of(i, addr, a->len - skip);
	freeifaddrs(list);
	return found;
}

int inet_control_why_not(const Cr__InetSocket *s, const char **why, struct cr_err *err)
{
	for (size_t i = 0; i < s->n_queue; i++) {
		const Cr__InetMessage *m = s->queue[i];
		int own = m->to.len ? is_own(&m->to, err) : 1;

		if (own < 0)
			return -1;
		if (!own)
			*why = "datagrams wait in its queue that were not sent to an address of "
			       "the host, and it asks where to: not supported";
		if (m->device[0] && m->to.len == 16 && !is_mapped(&m->to))
			*why = "datagrams wait in its queue, and it asks by which interface: not "
			       "supported";
	}
	return 0;
}
