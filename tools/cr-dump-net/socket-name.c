/* SPDX-License-Identifier: MIT */
#include "socket-name.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ADDRESS_MAX 128

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_nl nl;
	struct sockaddr_storage storage;
};

static void print_unix(const struct sockaddr_un *un, socklen_t len, char *out)
{
	size_t n = len - offsetof(struct sockaddr_un, sun_path);
	char *p = out;

	/* The name of an abstract one starts with a NUL, shown as '@'. */
	*p++ = un->sun_path[0] ? un->sun_path[0] : '@';
	for (size_t i = 1; i < n && (un->sun_path[i] || !un->sun_path[0]); i++)
		*p++ = un->sun_path[i] > ' ' && un->sun_path[i] < 127 ? un->sun_path[i] : '?';
	*p = '\0';
}

/* "" when there is nothing to say. */
static void print_address(const union address *a, socklen_t len, char *out)
{
	char host[INET6_ADDRSTRLEN];

	*out = '\0';
	switch (a->sa.sa_family) {
	case AF_INET:
		if (a->in.sin_port && inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host)))
			snprintf(out, ADDRESS_MAX, "%s:%u", host, ntohs(a->in.sin_port));
		return;
	case AF_INET6:
		if (a->in6.sin6_port && inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host)))
			snprintf(out, ADDRESS_MAX, "[%s]:%u", host, ntohs(a->in6.sin6_port));
		return;
	case AF_UNIX:
		if (len > offsetof(struct sockaddr_un, sun_path))
			print_unix(&a->un, len, out);
		return;
	case AF_NETLINK:
		snprintf(out, ADDRESS_MAX, "port %u", a->nl.nl_pid);
		return;
	default:
		return;
	}
}

static int get_option(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0)
		return -1;
	return value;
}

static const char *inet_name(int type, int protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_MPTCP:
		return "mptcp";
	default:
		return type == SOCK_RAW ? "raw" : "inet";
	}
}

static const char *unix_name(int type)
{
	switch (type) {
	case SOCK_STREAM:
		return "unix stream";
	case SOCK_DGRAM:
		return "unix datagram";
	default:
		return "unix seqpacket";
	}
}

static void family_name(int family, int type, int protocol, char *out, size_t size)
{
	switch (family) {
	case AF_INET:
		snprintf(out, size, "%s", inet_name(type, protocol));
		return;
	case AF_INET6:
		snprintf(out, size, "%s6", inet_name(type, protocol));
		return;
	case AF_UNIX:
		snprintf(out, size, "%s", unix_name(type));
		return;
	case AF_NETLINK:
		snprintf(out, size, "netlink");
		return;
	case AF_PACKET:
		snprintf(out, size, "packet");
		return;
	case AF_VSOCK:
		snprintf(out, size, "vsock");
		return;
	case AF_ALG:
		snprintf(out, size, "alg");
		return;
	default:
		snprintf(out, size, "family %d", family);
	}
}

void socket_name(int fd, char *name)
{
	union address own = { 0 }, peer = { 0 };
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer);
	char own_text[ADDRESS_MAX], peer_text[ADDRESS_MAX], family[32];
	bool connected;

	family_name(get_option(fd, SO_DOMAIN), get_option(fd, SO_TYPE), get_option(fd, SO_PROTOCOL),
		    family, sizeof(family));
	if (getsockname(fd, &own.sa, &own_len) < 0)
		own.sa.sa_family = AF_UNSPEC;
	connected = getpeername(fd, &peer.sa, &peer_len) == 0;
	if (!connected)
		peer.sa.sa_family = AF_UNSPEC;
	print_address(&own, own_len, own_text);
	print_address(&peer, peer_len, peer_text);
	snprintf(name, SOCKET_NAME_MAX, "%s socket%s%s%s%s%s%s", family, own_text[0] ? " " : "",
		 own_text, get_option(fd, SO_ACCEPTCONN) > 0 ? ", listening" : "",
		 connected ? ", connected" : "", peer_text[0] ? " to " : "", peer_text);
}
