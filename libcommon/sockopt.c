/* SPDX-License-Identifier: MIT */
#include "sockopt.h"

#include <ctype.h>
#include <errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* What the headers of Debian 12 (6.1) lack. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76	/* 6.5 */
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82	/* 6.14 */
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83	/* 6.16 */
#endif
#ifndef SO_INQ
#define SO_INQ 84		/* 6.17 */
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44	/* 6.15 */
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45	/* 6.17 */
#define TCP_DELACK_MAX_US 46
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51	/* 6.3 */
#endif

#define UNIX CR_SOCK_UNIX
#define IP CR_SOCK_IP
#define IP6 CR_SOCK_IP6
#define INET (IP | IP6)
#define TCP CR_SOCK_TCP
#define UDP CR_SOCK_UDP
#define UDP6 CR_SOCK_UDP6
#define NETLINK CR_SOCK_NETLINK
#define ALL (UNIX | INET | NETLINK)

#define INT(level, name, who)                                  \
	{                                            \
#name, level, name, CR_SOCKOPT_INT, who, false \
	}
#define EARLY(level, name, who)                               \
	{                                            \
#name, level, name, CR_SOCKOPT_INT, who, true \
	}
#define BYTES(level, name, who)                                  \
	{                                            \
#name, level, name, CR_SOCKOPT_BYTES, who, false \
	}
#define TYPED(level, name, who, type)                \
	{                                            \
#name, level, name, type, who, false \
	}

const struct cr_sockopt cr_sockopts[] = {
	EARLY(SOL_SOCKET, SO_REUSEPORT, INET),
	EARLY(SOL_SOCKET, SO_REUSEADDR, UNIX | INET),
	EARLY(SOL_SOCKET, SO_MARK, UNIX | INET),
	{ "SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTODEVICE, CR_SOCKOPT_TEXT, INET, true },
	EARLY(IPPROTO_IPV6, IPV6_V6ONLY, IP6),
	EARLY(IPPROTO_IP, IP_FREEBIND, INET),
	EARLY(IPPROTO_IP, IP_TRANSPARENT, INET),
	EARLY(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, INET),
	EARLY(IPPROTO_IP, IP_LOCAL_PORT_RANGE, INET),
	/* What is asked for is noted when a datagram comes. */
	EARLY(IPPROTO_IP, IP_PKTINFO, INET),
	EARLY(IPPROTO_IPV6, IPV6_RECVPKTINFO, IP6),
	EARLY(IPPROTO_IPV6, IPV6_2292PKTINFO, IP6),

	TYPED(SOL_SOCKET, SO_RCVBUF, ALL, CR_SOCKOPT_BUFFER),
	TYPED(SOL_SOCKET, SO_SNDBUF, ALL, CR_SOCKOPT_BUFFER),
	INT(SOL_SOCKET, SO_BUF_LOCK, ALL),	/* 5.14; behind the buffers */
	TYPED(SOL_SOCKET, SO_RCVTIMEO, ALL, CR_SOCKOPT_TIME),
	TYPED(SOL_SOCKET, SO_SNDTIMEO, ALL, CR_SOCKOPT_TIME),
	TYPED(SOL_SOCKET, SO_LINGER, UNIX | INET, CR_SOCKOPT_LINGER),
	INT(SOL_SOCKET, SO_RCVLOWAT, UNIX | INET),
	INT(SOL_SOCKET, SO_KEEPALIVE, UNIX | INET),
	INT(SOL_SOCKET, SO_OOBINLINE, UNIX | INET),
	INT(SOL_SOCKET, SO_PASSCRED, UNIX | NETLINK),
	INT(SOL_SOCKET, SO_PASSSEC, UNIX | NETLINK),
	INT(SOL_SOCKET, SO_PASSPIDFD, UNIX),
	INT(SOL_SOCKET, SO_PASSRIGHTS, UNIX),
	INT(SOL_SOCKET, SO_INQ, UNIX),
	INT(SOL_SOCKET, SO_PEEK_OFF, UNIX | UDP),
	INT(SOL_SOCKET, SO_TIMESTAMP, UNIX | INET),
	INT(SOL_SOCKET, SO_TIMESTAMPNS, UNIX | INET),
	INT(SOL_SOCKET, SO_TIMESTAMPING, UNIX | INET),
	/* The same with other structures; behind those, which take them back. */
	INT(SOL_SOCKET, SO_TIMESTAMP_NEW, UNIX | INET),
	INT(SOL_SOCKET, SO_TIMESTAMPNS_NEW, UNIX | INET),
	INT(SOL_SOCKET, SO_TIMESTAMPING_NEW, UNIX | INET),
	BYTES(SOL_SOCKET, SO_TXTIME, UNIX | INET),
	INT(SOL_SOCKET, SO_DEBUG, UNIX | INET),
	INT(SOL_SOCKET, SO_BROADCAST, UNIX | INET),
	INT(SOL_SOCKET, SO_DONTROUTE, UNIX | INET),
	INT(SOL_SOCKET, SO_RCVMARK, INET),
	INT(SOL_SOCKET, SO_RCVPRIORITY, INET),
	INT(SOL_SOCKET, SO_NO_CHECK, UNIX | INET),
	INT(SOL_SOCKET, SO_RXQ_OVFL, UNIX | INET),
	INT(SOL_SOCKET, SO_BUSY_POLL, INET),
	INT(SOL_SOCKET, SO_PREFER_BUSY_POLL, INET),
	INT(SOL_SOCKET, SO_SELECT_ERR_QUEUE, UNIX | INET),
	INT(SOL_SOCKET, SO_ZEROCOPY, INET),
	INT(SOL_SOCKET, SO_TXREHASH, TCP),
	INT(SOL_SOCKET, SO_MAX_PACING_RATE, INET),
	INT(SOL_SOCKET, SO_INCOMING_CPU, INET),
	INT(SOL_SOCKET, SO_WIFI_STATUS, INET),
	INT(SOL_SOCKET, SO_NOFCS, INET),

	INT(IPPROTO_IP, IP_TOS, INET),
	/* Behind it, since that sets it too. */
	INT(SOL_SOCKET, SO_PRIORITY, UNIX | INET),
	INT(IPPROTO_IP, IP_TTL, INET),
	INT(IPPROTO_IP, IP_MINTTL, INET),
	INT(IPPROTO_IP, IP_MTU_DISCOVER, INET),
	INT(IPPROTO_IP, IP_RECVERR, INET),
	INT(IPPROTO_IP, IP_RECVERR_RFC4884, INET),
	INT(IPPROTO_IP, IP_RECVTOS, INET),
	INT(IPPROTO_IP, IP_RECVTTL, INET),
	INT(IPPROTO_IP, IP_PASSSEC, INET),
	BYTES(IPPROTO_IP, IP_OPTIONS, INET),
	INT(IPPROTO_IP, IP_RECVOPTS, UDP),
	INT(IPPROTO_IP, IP_RETOPTS, UDP),
	INT(IPPROTO_IP, IP_RECVORIGDSTADDR, UDP),
	INT(IPPROTO_IP, IP_RECVFRAGSIZE, UDP),
	INT(IPPROTO_IP, IP_MULTICAST_TTL, UDP),
	INT(IPPROTO_IP, IP_MULTICAST_LOOP, UDP),
	INT(IPPROTO_IP, IP_MULTICAST_ALL, UDP),
	/* The address only: an interface that was given by number is not told. */
	INT(IPPROTO_IP, IP_MULTICAST_IF, UDP),
	INT(IPPROTO_IP, IP_UNICAST_IF, UDP),
	INT(IPPROTO_IP, IP_CHECKSUM, UDP),

	INT(IPPROTO_IPV6, IPV6_UNICAST_HOPS, IP6),
	INT(IPPROTO_IPV6, IPV6_MINHOPCOUNT, IP6),
	INT(IPPROTO_IPV6, IPV6_TCLASS, IP6),
	INT(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVERR, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVERR_RFC4884, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVTCLASS, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVHOPOPTS, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVDSTOPTS, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVRTHDR, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVPATHMTU, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, IP6),
	INT(IPPROTO_IPV6, IPV6_2292HOPLIMIT, IP6),
	INT(IPPROTO_IPV6, IPV6_2292HOPOPTS, IP6),
	INT(IPPROTO_IPV6, IPV6_2292DSTOPTS, IP6),
	INT(IPPROTO_IPV6, IPV6_2292RTHDR, IP6),
	BYTES(IPPROTO_IPV6, IPV6_HOPOPTS, IP6),
	BYTES(IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, IP6),
	BYTES(IPPROTO_IPV6, IPV6_RTHDR, IP6),
	BYTES(IPPROTO_IPV6, IPV6_DSTOPTS, IP6),
	INT(IPPROTO_IPV6, IPV6_ROUTER_ALERT_ISOLATE, IP6),
	INT(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, IP6),
	INT(IPPROTO_IPV6, IPV6_FLOWINFO, IP6),
	INT(IPPROTO_IPV6, IPV6_FLOWINFO_SEND, IP6),
	INT(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, IP6),
	INT(IPPROTO_IPV6, IPV6_DONTFRAG, IP6),
	INT(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, IP6),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, UDP6),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, UDP6),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_IF, UDP6),
	INT(IPPROTO_IPV6, IPV6_MULTICAST_ALL, UDP6),
	INT(IPPROTO_IPV6, IPV6_UNICAST_IF, IP6),

	INT(IPPROTO_TCP, TCP_NODELAY, TCP),
	INT(IPPROTO_TCP, TCP_CORK, TCP),
	INT(IPPROTO_TCP, TCP_MAXSEG, TCP),
	INT(IPPROTO_TCP, TCP_KEEPIDLE, TCP),
	INT(IPPROTO_TCP, TCP_KEEPINTVL, TCP),
	INT(IPPROTO_TCP, TCP_KEEPCNT, TCP),
	INT(IPPROTO_TCP, TCP_SYNCNT, TCP),
	INT(IPPROTO_TCP, TCP_LINGER2, TCP),
	INT(IPPROTO_TCP, TCP_DEFER_ACCEPT, TCP),
	INT(IPPROTO_TCP, TCP_WINDOW_CLAMP, TCP),
	TYPED(IPPROTO_TCP, TCP_CONGESTION, TCP, CR_SOCKOPT_TEXT),
	INT(IPPROTO_TCP, TCP_USER_TIMEOUT, TCP),
	INT(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, TCP),
	INT(IPPROTO_TCP, TCP_FASTOPEN, TCP),
	INT(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, TCP),
	INT(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, TCP),
	INT(IPPROTO_TCP, TCP_NOTSENT_LOWAT, TCP),
	INT(IPPROTO_TCP, TCP_SAVE_SYN, TCP),
	INT(IPPROTO_TCP, TCP_INQ, TCP),
	INT(IPPROTO_TCP, TCP_TX_DELAY, TCP),
	INT(IPPROTO_TCP, TCP_RTO_MAX_MS, TCP),
	INT(IPPROTO_TCP, TCP_RTO_MIN_US, TCP),
	INT(IPPROTO_TCP, TCP_DELACK_MAX_US, TCP),
	BYTES(IPPROTO_TCP, TCP_FASTOPEN_KEY, TCP),

	INT(IPPROTO_UDP, UDP_CORK, UDP),
	INT(IPPROTO_UDP, UDP_ENCAP, UDP),
	INT(IPPROTO_UDP, UDP_NO_CHECK6_TX, UDP),
	INT(IPPROTO_UDP, UDP_NO_CHECK6_RX, UDP),
	INT(IPPROTO_UDP, UDP_SEGMENT, UDP),
	INT(IPPROTO_UDP, UDP_GRO, UDP),

	INT(SOL_NETLINK, NETLINK_PKTINFO, NETLINK),
	INT(SOL_NETLINK, NETLINK_BROADCAST_ERROR, NETLINK),
	INT(SOL_NETLINK, NETLINK_NO_ENOBUFS, NETLINK),
	INT(SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, NETLINK),
	INT(SOL_NETLINK, NETLINK_CAP_ACK, NETLINK),
	INT(SOL_NETLINK, NETLINK_EXT_ACK, NETLINK),
	INT(SOL_NETLINK, NETLINK_GET_STRICT_CHK, NETLINK),

	INT(SOL_SOCKET, SO_LOCK_FILTER, UNIX | INET | NETLINK),	/* behind the filter */
	{ NULL, 0, 0, 0, 0, false },
};

unsigned int cr_sockopt_family(int family, int type, int protocol)
{
	switch (family) {
	case AF_UNIX:
		return UNIX;
	case AF_NETLINK:
		return NETLINK;
	case AF_INET:
	case AF_INET6:
		/* IPPROTO_UDP of a raw socket is no UDP. */
		if (type == SOCK_STREAM && protocol == IPPROTO_TCP)
			return (family == AF_INET ? IP : INET) | TCP;
		if (type == SOCK_DGRAM && protocol == IPPROTO_UDP)
			return family == AF_INET ? IP | UDP : INET | UDP | UDP6;
		return 0;
	default:
		return 0;
	}
}

const struct cr_sockopt *cr_sockopt_by_name(const char *name)
{
	for (const struct cr_sockopt *o = cr_sockopts; o->name; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

union raw {
	int number;
	struct timeval time;
	struct linger linger;
	char text[CR_SOCKOPT_TEXT_MAX];
	uint8_t bytes[CR_SOCKOPT_BYTES_MAX + 1];
};

static socklen_t raw_size(const struct cr_sockopt *o)
{
	switch (o->type) {
	case CR_SOCKOPT_TIME:
		return sizeof(struct timeval);
	case CR_SOCKOPT_LINGER:
		return sizeof(struct linger);
	case CR_SOCKOPT_TEXT:
		return CR_SOCKOPT_TEXT_MAX - 1;
	case CR_SOCKOPT_BYTES:
		return CR_SOCKOPT_BYTES_MAX + 1;
	default:
		return sizeof(int);
	}
}

/* The kernel, or the state of the socket, has no such option. */
static bool is_absent(int errnum)
{
	return errnum == ENOPROTOOPT || errnum == EOPNOTSUPP || errnum == EINVAL ||
	       errnum == ENOTCONN || errnum == EADDRNOTAVAIL;
}

/* The kernel cuts off what does not fit: a full buffer is one too many. */
static int get_bytes(const struct cr_sockopt *o, const union raw *raw, socklen_t len,
		     struct cr_sockopt_value *v, struct cr_err *err)
{
	if (len > CR_SOCKOPT_BYTES_MAX)
		return cr_err_set(err, CR_REFUSED, "%s of more than %u bytes: not supported",
				  o->name, CR_SOCKOPT_BYTES_MAX);
	for (socklen_t i = 0; i < len; i++)
		snprintf(v->text + 2 * i, 3, "%02x", raw->bytes[i]);
	return 0;
}

/* Returns how many, -1: it is none. */
static int set_bytes(const char *text, union raw *raw)
{
	size_t len = strlen(text);

	if (len % 2 || len / 2 > CR_SOCKOPT_BYTES_MAX)
		return -1;
	for (size_t i = 0; i < len / 2; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1] };
		char *end;

		if (!isxdigit((unsigned char)digits[0]))
			return -1;
		raw->bytes[i] = (uint8_t)strtoul(digits, &end, 16);
		if (*end)
			return -1;
	}
	return (int)(len / 2);
}

int cr_sockopt_get(int fd, const struct cr_sockopt *o, struct cr_sockopt_value *v,
		   struct cr_err *err)
{
	union raw raw = { .text = "" };
	socklen_t len = raw_size(o);

	v->number = 0;
	v->text[0] = '\0';
	if (getsockopt(fd, o->level, o->option, &raw, &len) < 0)
		return is_absent(errno) ? 1 : cr_err_sys(err, "getsockopt %s", o->name);
	switch (o->type) {
	case CR_SOCKOPT_TIME:
		v->number = raw.time.tv_sec * 1000000ll + raw.time.tv_usec;
		return 0;
	case CR_SOCKOPT_LINGER:
		v->number = raw.linger.l_onoff ? raw.linger.l_linger : -1;
		return 0;
	case CR_SOCKOPT_TEXT:
		raw.text[len < CR_SOCKOPT_TEXT_MAX ? len : CR_SOCKOPT_TEXT_MAX - 1] = '\0';
		snprintf(v->text, sizeof(v->text), "%s", raw.text);
		return 0;
	case CR_SOCKOPT_BYTES:
		return get_bytes(o, &raw, len, v, err);
	default:
		/* IP options of one byte are filled in the first byte only. */
		v->number = len == 1 ? (int64_t)(uint8_t)raw.text[0] : raw.number;
		return 0;
	}
}

static int set_buffer(int fd, const struct cr_sockopt *o, int value, struct cr_err *err)
{
	int force = o->option == SO_RCVBUF ? SO_RCVBUFFORCE : SO_SNDBUFFORCE;

	value /= 2;
	/* Beyond net.core.rmem_max only with CAP_NET_ADMIN. */
	if (setsockopt(fd, SOL_SOCKET, force, &value, sizeof(value)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, o->option, &value, sizeof(value)) < 0)
		return cr_err_sys(err, "setsockopt %s to %d", o->name, value);
	return 0;
}

int cr_sockopt_set(int fd, const struct cr_sockopt *o, const struct cr_sockopt_value *v,
		   struct cr_err *err)
{
	union raw raw = { .text = "" };
	socklen_t len = raw_size(o);
	int n;

	switch (o->type) {
	case CR_SOCKOPT_BUFFER:
		return set_buffer(fd, o, (int)v->number, err);
	case CR_SOCKOPT_TIME:
		raw.time.tv_sec = v->number / 1000000;
		raw.time.tv_usec = v->number % 1000000;
		break;
	case CR_SOCKOPT_LINGER:
		raw.linger.l_onoff = v->number >= 0;
		raw.linger.l_linger = v->number >= 0 ? (int)v->number : 0;
		break;
	case CR_SOCKOPT_TEXT:
		len = (socklen_t)strnlen(v->text, sizeof(v->text) - 1);
		memcpy(raw.text, v->text, len);
		break;
	case CR_SOCKOPT_BYTES:
		n = set_bytes(v->text, &raw);
		if (n < 0)
			return cr_err_set(err, CR_BAD_INPUT, "%s: '%s' are no bytes", o->name,
					  v->text);
		len = (socklen_t)n;
		break;
	default:
		raw.number = (int)v->number;
	}
	if (setsockopt(fd, o->level, o->option, &raw, len) < 0)
		return cr_err_sys(err, "setsockopt %s to %lld%s", o->name, (long long)v->number,
				  v->text);
	return 0;
}
