/* SPDX-License-Identifier: MIT */
/*
 * The datagrams that waited in a UDP socket: sent again over the loopback
 * device, through a raw socket, so that they come from whoever sent them.  A
 * route made for output is not asked again on that device, so the kernel does
 * not mind a sender from far away.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "inet.h"
#include "msg.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55	/* 4.12 */
#endif
#define MEMINFO_WORDS 9	/* the first is what the receive queue takes */
#define WAIT_MS 1000
#define ROOM (64 << 20)

/* Memory that the receive queue takes. */
static int queue_size(int fd, uint32_t *out, struct cr_err *err)
{
	uint32_t words[MEMINFO_WORDS] = { 0 };
	socklen_t len = sizeof(words);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, words, &len) < 0)
		return cr_err_sys(err, "SO_MEMINFO");
	*out = words[0];
	return 0;
}

static bool is_mapped(const union inet_address *a)
{
	return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
}

static void unmap(union inet_address *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = a->in6.sin6_port };

	if (!is_mapped(a))
		return;
	memcpy(&in.sin_addr, a->in6.sin6_addr.s6_addr + 12, 4);
	memset(a, 0, sizeof(*a));
	a->in = in;
}

/* One that is not ours would be sent out. */
static int check_own(const union inet_address *to, struct cr_err *err)
{
	union inet_address a = *to;
	cr_auto_fd int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return cr_err_sys(err, "socket");
	a.in.sin_port = 0;
	if (bind(fd, &a.sa, sizeof(a)) < 0)
		return cr_err_sys(err, "unable to put a datagram back to the address that it was "
				       "sent to");
	return 0;
}

/* As the datagram had it; the port is the socket's. */
static int old_destination(const Cr__InetMessage *m, union inet_address *to, struct cr_err *err)
{
	in_port_t port = to->in.sin_port;

	if (to->sa.sa_family == AF_INET)
		memcpy(&to->in.sin_addr, m->to.data + m->to.len - 4, 4);
	else if (m->to.len == 16)
		memcpy(&to->in6.sin6_addr, m->to.data, 16);
	to->in.sin_port = port;
	return check_own(to, err);
}

/* Where the socket is to be reached: to any address means to our own. */
static int destination(int fd, int family, const Cr__InetMessage *m, union inet_address *to,
		       struct cr_err *err)
{
	socklen_t len = sizeof(*to);

	if (getsockname(fd, &to->sa, &len) < 0)
		return cr_err_sys(err, "getsockname");
	if (to->sa.sa_family == AF_INET6 && family == AF_INET) {
		if (IN6_IS_ADDR_UNSPECIFIED(&to->in6.sin6_addr)) {
			in_port_t port = to->in6.sin6_port;

			memset(to, 0, sizeof(*to));
			to->in.sin_family = AF_INET;
			to->in.sin_port = port;
		} else {
			unmap(to);
		}
	}
	if (to->sa.sa_family == AF_INET && to->in.sin_addr.s_addr == htonl(INADDR_ANY))
		to->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (to->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&to->in6.sin6_addr))
		to->in6.sin6_addr = in6addr_loopback;
	return m->to.len ? old_destination(m, to, err) : 0;
}

/* --- the packet ------------------------------------------------------------ */

static uint32_t add_words(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len > 1; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	return len ? sum + ((uint32_t)p[0] << 8) : sum;
}

/* Over the addresses, the protocol, the length, header and data. */
static uint16_t checksum(const void *from, const void *to, size_t addr_len,
			 const struct udphdr *udp, size_t len)
{
	uint32_t sum = add_words(add_words(0, from, addr_len), to, addr_len);

	sum = add_words(sum + IPPROTO_UDP + (uint32_t)len, udp, len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	/* 0 would mean that there is none. */
	return htons(sum == 0xffff ? 0xffff : (uint16_t)~sum);
}

static size_t put_udp(struct udphdr *udp, in_port_t from, in_port_t to, const Cr__InetMessage *m)
{
	size_t len = sizeof(*udp) + m->data.len;

	udp->source = from;
	udp->dest = to;
	udp->len = htons((uint16_t)len);
	udp->check = 0;
	if (m->data.len)
		memcpy(udp + 1, m->data.data, m->data.len);
	return len;
}

/* Returns the length of the whole. */
static size_t build4(uint8_t *buf, const struct sockaddr_in *from, const struct sockaddr_in *to,
		     const Cr__InetMessage *m)
{
	struct iphdr *ip = (struct iphdr *)(void *)buf;
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	size_t len = put_udp(udp, from->sin_port, to->sin_port, m);

	udp->check = checksum(&from->sin_addr, &to->sin_addr, 4, udp, len);
	memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->ttl = m->hops ? (uint8_t)(m->hops - 1) : IPDEFTTL;
	ip->tos = (uint8_t)m->tos;
	ip->protocol = IPPROTO_UDP;
	ip->saddr = from->sin_addr.s_addr;
	ip->daddr = to->sin_addr.s_addr;
	return sizeof(*ip) + len;
}

static size_t build6(uint8_t *buf, const struct sockaddr_in6 *from, const struct sockaddr_in6 *to,
		     const Cr__InetMessage *m)
{
	struct ip6_hdr *ip = (struct ip6_hdr *)(void *)buf;
	struct udphdr *udp = (struct udphdr *)(ip + 1);
	size_t len = put_udp(udp, from->sin6_port, to->sin6_port, m);

	udp->check = checksum(&from->sin6_addr, &to->sin6_addr, 16, udp, len);
	memset(ip, 0, sizeof(*ip));
	ip->ip6_flow = htonl(6u << 28 | (m->tos & 0xff) << 20);
	ip->ip6_plen = htons((uint16_t)len);
	ip->ip6_nxt = IPPROTO_UDP;
	ip->ip6_hlim = m->hops ? (uint8_t)(m->hops - 1) : IPDEFTTL;
	ip->ip6_src = from->sin6_addr;
	ip->ip6_dst = to->sin6_addr;
	return sizeof(*ip) + len;
}

static int send_packet(const union inet_address *from, const union inet_address *to,
		       const Cr__InetMessage *m, struct cr_err *err)
{
	bool six = to->sa.sa_family == AF_INET6;
	cr_auto_fd int fd = socket(to->sa.sa_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	cr_auto_free uint8_t *buf =
		malloc(sizeof(struct ip6_hdr) + sizeof(struct udphdr) + m->data.len);
	union inet_address where = *to;
	size_t len;

	if (fd < 0)
		return cr_err_sys(err, "unable to make a raw socket");
	if (!buf)
		return cr_err_sys(err, "out of memory");
	/* The receiver is told of the device that we wanted, not of the loopback. */
	if (m->device[0] && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, m->device,
				       (socklen_t)strlen(m->device)) < 0)
		return cr_err_sys(err, "unable to put a datagram back by way of %s", m->device);
	/* The port is in the packet; here it would be a protocol. */
	if (six)
		where.in6.sin6_port = 0;
	len = six ? build6(buf, &from->in6, &to->in6, m) : build4(buf, &from->in, &to->in, m);
	if (sendto(fd, buf, len, 0, &where.sa, six ? sizeof(where.in6) : sizeof(where.in)) < 0)
		return cr_err_sys(err, "unable to put a datagram back");
	return 0;
}

/* A filter of the host may drop it, so see that it has come. */
static bool has_come(int fd, uint32_t before)
{
	struct timespec tick = { 0, 1000000 };
	struct cr_err ignored;
	uint32_t now = 0;

	for (int i = 0; i < WAIT_MS; i++) {
		if (queue_size(fd, &now, &ignored) < 0 || now != before)
			return true;
		nanosleep(&tick, NULL);
	}
	return false;
}

static int send_one(int fd, const Cr__InetMessage *m, struct cr_err *err)
{
	union inet_address from, to;
	uint32_t before = 0;

	inet_address(m->from, &from);
	unmap(&from);
	if (destination(fd, from.sa.sa_family, m, &to, err) < 0)
		return -1;
	if (queue_size(fd, &before, err) < 0 || send_packet(&from, &to, m, err) < 0)
		return -1;
	if (!has_come(fd, before))
		cr_msg("a datagram to port %u was lost (is it filtered?)",
		       ntohs(to.sa.sa_family == AF_INET6 ? to.in6.sin6_port : to.in.sin_port));
	return 0;
}

int inet_fill(int fd, const Cr__InetSocket *m, struct cr_err *err)
{
	int room = 0, half, lock = 0, big = ROOM;
	socklen_t len = sizeof(int);

	if (!m->n_queue)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, &len) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big)) < 0)
		return cr_err_sys(err, "SO_RCVBUF");
	for (size_t i = 0; i < m->n_queue; i++)
		if (send_one(fd, m->queue[i], err) < 0)
			return -1;
	half = room / 2;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock)) < 0)
		return cr_err_sys(err, "SO_RCVBUF");
	return 0;
}
