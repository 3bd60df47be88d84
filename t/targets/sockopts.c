/* SPDX-License-Identifier: MIT */
/*
 * Options of sockets that are set to something else than they are in a new one,
 * numbers and bytes: each is what it was.  One that a kernel does not have is
 * passed over.
 */
#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "target.h"

#define BYTES 64

struct option {
	int family, type, level, option;
	const char *value;	/* as bytes */
	size_t len;
	bool same;		/* on the socket of the one before */
	int fd;			/* else one for each */
	char is[BYTES];		/* what is read then */
	socklen_t is_len;
};

#define U4 AF_INET, SOCK_DGRAM
#define U6 AF_INET6, SOCK_DGRAM
#define T4 AF_INET, SOCK_STREAM
#define ONE "\1\0\0\0", 4

static struct option options[] = {
	{ .family = U4, SOL_SOCKET, 1 /* SO_DEBUG */, ONE },
	{ .family = U4, SOL_SOCKET, 41 /* SO_WIFI_STATUS */, ONE },
	{ .family = U4, SOL_SOCKET, 43 /* SO_NOFCS */, ONE },
	{ .family = U4, SOL_SOCKET, 49 /* SO_INCOMING_CPU */, ONE },
	{ .family = U4, SOL_SOCKET, 61 /* SO_TXTIME */, "\1\0\0\0\1\0\0\0", 8 },
	{ .family = U4, SOL_SOCKET, 63 /* SO_TIMESTAMP_NEW */, ONE },
	{ .family = U4, SOL_SOCKET, 64 /* SO_TIMESTAMPNS_NEW */, ONE },
	{ .family = U4, SOL_SOCKET, 65 /* SO_TIMESTAMPING_NEW */, "\30\0\0\0", 4 },
	{ .family = U4, SOL_SOCKET, 35 /* SO_TIMESTAMPNS */, ONE },
	{ .family = U4, SOL_SOCKET, 37 /* SO_TIMESTAMPING */, "\30\0\0\0", 4 },
	/* The first of these sets the second one, too. */
	{ .family = U4, IPPROTO_IP, IP_TOS, "\20\0\0\0", 4 },
	{ .family = U4, SOL_SOCKET, SO_PRIORITY, "\3\0\0\0", 4, .same = true },
	{ .family = U4, IPPROTO_IP, 4 /* IP_OPTIONS */, "\x94\4\0\0", 4 },
	{ .family = U4, IPPROTO_IP, 18 /* IP_PASSSEC */, ONE },
	{ .family = U4, IPPROTO_IP, 26 /* IP_RECVERR_RFC4884 */, ONE },
	{ .family = U6, IPPROTO_IPV6, IPV6_2292PKTINFO, ONE },
	{ .family = U6, IPPROTO_IPV6, IPV6_2292HOPOPTS, ONE },
	{ .family = U6, IPPROTO_IPV6, IPV6_2292DSTOPTS, ONE },
	{ .family = U6, IPPROTO_IPV6, IPV6_2292RTHDR, ONE },
	{ .family = U6, IPPROTO_IPV6, IPV6_2292HOPLIMIT, ONE },
	{ .family = U6, IPPROTO_IPV6, 30 /* IPV6_ROUTER_ALERT_ISOLATE */, ONE },
	{ .family = U6, IPPROTO_IPV6, 31 /* IPV6_RECVERR_RFC4884 */, ONE },
	{ .family = U6, IPPROTO_IPV6, 53 /* IPV6_RECVHOPOPTS */, ONE },
	{ .family = U6, IPPROTO_IPV6, 54 /* IPV6_HOPOPTS */, "\0\0\1\4\0\0\0\0", 8 },
	{ .family = U6, IPPROTO_IPV6, 55 /* IPV6_RTHDRDSTOPTS */, "\0\0\1\4\0\0\0\0", 8 },
	{ .family = U6, IPPROTO_IPV6, 56 /* IPV6_RECVRTHDR */, ONE },
	{ .family = U6, IPPROTO_IPV6, 58 /* IPV6_RECVDSTOPTS */, ONE },
	{ .family = U6,
	  IPPROTO_IPV6,
	  59	/* IPV6_DSTOPTS */,
	  "\0\1\1\14\0\0\0\0\0\0\0\0\0\0\0\0",
	  16 },
	{ .family = U6, IPPROTO_IPV6, 60 /* IPV6_RECVPATHMTU */, ONE },
	{ .family = U6, IPPROTO_IPV6, 74 /* IPV6_RECVORIGDSTADDR */, ONE },
	{ .family = U6, IPPROTO_IPV6, 77 /* IPV6_RECVFRAGSIZE */, ONE },
	{ .family = T4, IPPROTO_TCP, 33 /* TCP_FASTOPEN_KEY */, "0123456789abcdef", 16 },
	{ .family = T4, IPPROTO_TCP, 44 /* TCP_RTO_MAX_MS */, "\x60\xea\0\0", 4 },
	{ .family = T4, IPPROTO_TCP, 45 /* TCP_RTO_MIN_US */, "\x40\x9c\0\0", 4 },
	{ .family = T4, IPPROTO_TCP, 46 /* TCP_DELACK_MAX_US */, "\x40\x9c\0\0", 4 },
};
#define COUNT (sizeof(options) / sizeof(options[0]))

static void get(const struct option *o, char is[BYTES], socklen_t *len)
{
	memset(is, 0, BYTES);
	*len = BYTES;
	if (getsockopt(o->fd, o->level, o->option, is, len) < 0)
		*len = 0;
}

static void set_up(struct option *o)
{
	char before[BYTES];
	socklen_t len;

	o->fd = o->same ? o[-1].fd : t_must(socket(o->family, o->type, 0));
	get(o, before, &len);
	if (setsockopt(o->fd, o->level, o->option, o->value, (socklen_t)o->len) < 0) {
		if (errno != ENOPROTOOPT && errno != EOPNOTSUPP)
			t_fatal("option %d of level %d", o->option, o->level);
		return;
	}
	get(o, o->is, &o->is_len);
	if (len == o->is_len && memcmp(before, o->is, len) == 0)
		t_fatal("option %d of level %d is not seen", o->option, o->level);
}

static void check(const struct option *o)
{
	char is[BYTES];
	socklen_t len;

	get(o, is, &len);
	if (o->is_len && (len != o->is_len || memcmp(is, o->is, len) != 0))
		t_differs("option %d of level %d: was %#x, is %#x (%u bytes, %u)", o->option,
			  o->level, *(int *)(void *)o->is, *(int *)(void *)is, o->is_len, len);
}

int main(void)
{
	t_init();
	for (size_t i = 0; i < COUNT; i++)
		set_up(&options[i]);
	t_ready();
	if (t_spoiled())
		t_must(setsockopt(options[0].fd, SOL_SOCKET, 1, &(int){ 0 }, sizeof(int)));
	t_wait();
	for (size_t i = 0; i < COUNT; i++)
		check(&options[i]);
	return t_done();
}
