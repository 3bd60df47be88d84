/* SPDX-License-Identifier: MIT */
/*
 * AF_INET and AF_INET6: TCP listeners with their options, bound and unbound
 * sockets, UDP sockets that are connected or not, datagrams in their queues
 * with their senders, a multicast group, a listener that a child has too; and
 * AF_NETLINK sockets with groups.
 */
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "target.h"

#define BIG 30000

static int listener, listener6, first, second, bound, unbound, udp, udp6, connected, epoll;
static int shut[4], sender, group, quiet, netlink, childs;
static struct sockaddr_in listener_at, bound_at, udp_at, connected_at, sender_at;
static struct sockaddr_in6 listener6_at, udp6_at;
static char big[BIG];

static void set_int(int fd, int level, int option, int value)
{
	t_must(setsockopt(fd, level, option, &value, sizeof(value)));
}

static uint64_t get_int(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	t_must(getsockopt(fd, level, option, &value, &len));
	return (uint64_t)value;
}

/* As servers do, so that connections of the past are not in their way. */
static int server(int family)
{
	int fd = t_must(socket(family, SOCK_STREAM, 0));

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return fd;
}

/* Bind to the loopback address, and say where. */
static void bind_to(int fd, uint16_t port, struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_port = port,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	t_must(bind(fd, (struct sockaddr *)at, sizeof(*at)));
	t_must(getsockname(fd, (struct sockaddr *)at, &len));
}

static void bind6(int fd, struct sockaddr_in6 *at)
{
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	t_must(bind(fd, (struct sockaddr *)at, sizeof(*at)));
	t_must(getsockname(fd, (struct sockaddr *)at, &len));
}

static void same_address(const char *what, int fd, const void *at, size_t size)
{
	struct sockaddr_storage now = { 0 };
	socklen_t len = sizeof(now);

	t_must(getsockname(fd, (struct sockaddr *)&now, &len));
	t_same(what, size, len);
	t_true(what, memcmp(&now, at, size) == 0);
}

/* --- TCP ---------------------------------------------------------------------- */

static void set_up_tcp(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 7 };

	listener = server(AF_INET);
	set_int(listener, SOL_SOCKET, SO_RCVBUF, 50000);
	set_int(listener, IPPROTO_TCP, TCP_NODELAY, 1);
	set_int(listener, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
	set_int(listener, IPPROTO_IP, IP_TOS, 0x10);
	bind_to(listener, 0, &listener_at);
	t_must(listen(listener, 17));
	t_must(fcntl(listener, F_SETFL, O_NONBLOCK));
	epoll = t_must(epoll_create1(0));
	t_must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev));
	listener6 = server(AF_INET6);
	set_int(listener6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	bind6(listener6, &listener6_at);
	t_must(listen(listener6, 5));
	/* Two that share a port. */
	first = t_must(socket(AF_INET, SOCK_STREAM, 0));
	second = t_must(socket(AF_INET, SOCK_STREAM, 0));
	set_int(first, SOL_SOCKET, SO_REUSEPORT, 1);
	set_int(second, SOL_SOCKET, SO_REUSEPORT, 1);
	bind_to(first, 0, &bound_at);
	bind_to(second, bound_at.sin_port, &bound_at);
	t_must(listen(first, 3));
	t_must(listen(second, 4));
	bound = server(AF_INET);
	bind_to(bound, 0, &bound_at);
	unbound = t_must(socket(AF_INET6, SOCK_STREAM, 0));
	set_int(unbound, SOL_SOCKET, SO_KEEPALIVE, 1);
}

static void check_connection(const char *what, int server, const void *at, socklen_t len)
{
	const struct sockaddr *sa = at;
	int client = t_must(socket(sa->sa_family, SOCK_STREAM, 0)), fd = -1;
	char buf[8] = "";

	if (connect(client, sa, len) < 0) {
		t_differs("%s: connect: %s", what, strerror(errno));
		close(client);
		return;
	}
	t_must(send(client, "hello", 5, 0));
	for (int i = 0; i < 2000 && (fd = accept(server, NULL, NULL)) < 0; i++)
		t_sleep_ms(1);
	if (fd < 0)
		t_differs("%s: nothing to accept", what);
	else
		recv(fd, buf, 5, MSG_WAITALL);
	t_same_str(what, "hello", buf);
	close(fd);
	close(client);
}

static uint64_t backlog_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	t_must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	return info.tcpi_sacked;
}

static void check_tcp(void)
{
	struct epoll_event ev;
	struct sockaddr_in6 none = { .sin6_family = AF_INET6 };

	t_same("SO_REUSEADDR", 1, get_int(listener, SOL_SOCKET, SO_REUSEADDR));
	t_same("no SO_REUSEADDR", 0, get_int(first, SOL_SOCKET, SO_REUSEADDR));
	t_same("SO_RCVBUF", 100000, get_int(listener, SOL_SOCKET, SO_RCVBUF));
	t_same("TCP_NODELAY", 1, get_int(listener, IPPROTO_TCP, TCP_NODELAY));
	t_same("TCP_KEEPIDLE", 77, get_int(listener, IPPROTO_TCP, TCP_KEEPIDLE));
	t_same("TCP_DEFER_ACCEPT", 3, get_int(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT));
	t_same("IP_TOS", 0x10, get_int(listener, IPPROTO_IP, IP_TOS));
	t_same("flags", O_RDWR | O_NONBLOCK, (uint64_t)fcntl(listener, F_GETFL));
	t_same("backlog", 17, backlog_of(listener));
	t_same("backlog of the second", 4, backlog_of(second));
	t_same("IPV6_V6ONLY", 1, get_int(listener6, IPPROTO_IPV6, IPV6_V6ONLY));
	same_address("a listener", listener, &listener_at, sizeof(listener_at));
	same_address("a bound socket", bound, &bound_at, sizeof(bound_at));
	same_address("an unbound socket", unbound, &none, sizeof(none));
	t_same("SO_KEEPALIVE", 1, get_int(unbound, SOL_SOCKET, SO_KEEPALIVE));
	t_same("epoll is quiet", 0, (uint64_t)epoll_wait(epoll, &ev, 1, 0));
	check_connection("a listener", listener, &listener_at, sizeof(listener_at));
	check_connection("an IPv6 listener", listener6, &listener6_at, sizeof(listener6_at));
	t_must(listen(bound, 1));
	check_connection("one that listens now", bound, &bound_at, sizeof(bound_at));
}

/* --- UDP ----------------------------------------------------------------------- */

static void send_to(int fd, const struct sockaddr_in *to, const void *data, size_t len)
{
	t_must(sendto(fd, data, len, 0, (const struct sockaddr *)to, sizeof(*to)));
}

static void set_up_udp(void)
{
	struct group_req req = { .gr_interface = if_nametoindex("lo") };
	struct sockaddr_in *in = (struct sockaddr_in *)&req.gr_group;

	udp = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	bind_to(udp, 0, &udp_at);
	sender = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	bind_to(sender, 0, &sender_at);
	send_to(sender, &udp_at, "one", 3);
	send_to(sender, &udp_at, "", 0);
	send_to(sender, &udp_at, big, BIG);
	connected = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	bind_to(connected, 0, &connected_at);
	t_must(connect(connected, (struct sockaddr *)&sender_at, sizeof(sender_at)));
	set_int(connected, SOL_SOCKET, SO_BROADCAST, 1);
	set_int(connected, IPPROTO_IP, IP_MULTICAST_IF, (int)htonl(INADDR_LOOPBACK));
	set_int(connected, IPPROTO_IP, IP_CHECKSUM, 1);
	send_to(sender, &connected_at, "to the connected one", 20);
	quiet = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	t_must(connect(quiet, (struct sockaddr *)&sender_at, sizeof(sender_at)));
	for (int i = 0; i < 4; i++) {
		shut[i] = t_must(socket(i < 3 ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
		if (i < 3)
			t_must(connect(shut[i], (struct sockaddr *)&sender_at, sizeof(sender_at)));
	}
	t_must(shutdown(shut[0], SHUT_RD));
	t_must(shutdown(shut[1], SHUT_WR));
	t_must(shutdown(shut[2], SHUT_RDWR));
	/* It says that it is not connected, and does it. */
	bind6(shut[3], &(struct sockaddr_in6){ 0 });
	t_true("not connected", shutdown(shut[3], SHUT_WR) < 0 && errno == ENOTCONN);
	udp6 = t_must(socket(AF_INET6, SOCK_DGRAM, 0));
	bind6(udp6, &udp6_at);
	t_must(sendto(udp6, "self", 4, 0, (struct sockaddr *)&udp6_at, sizeof(udp6_at)));
	group = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = inet_addr("239.1.2.3");
	t_must(setsockopt(group, IPPROTO_IP, MCAST_JOIN_GROUP, &req, sizeof(req)));
}

static void expect(const char *what, int fd, const void *data, size_t len, const void *from,
		   size_t from_size)
{
	static char buf[BIG + 10];
	struct sockaddr_storage sa = { 0 };
	socklen_t salen = sizeof(sa);
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&sa, &salen);

	t_same(what, len, (uint64_t)n);
	if (n != (ssize_t)len)
		return;
	t_true(what, memcmp(buf, data, len) == 0);
	t_same("its sender's length", from_size, salen);
	t_true("its sender", memcmp(&sa, from, from_size) == 0);
}

static void check_shut(int i)
{
	static const char *const names[] = { "reading", "writing", "both", "writing, unconnected" };
	const struct sockaddr *to = i < 3 ? NULL : (struct sockaddr *)&udp6_at;
	struct pollfd pfd = { .fd = shut[i], .events = POLLRDHUP };
	bool closed = sendto(shut[i], "", 0, MSG_NOSIGNAL, to, to ? sizeof(udp6_at) : 0) < 0 &&
		      errno == EPIPE;

	t_must(poll(&pfd, 1, 0));
	if (closed != (i > 0) || (pfd.revents & POLLRDHUP ? 1 : 0) != (i % 2 == 0))
		t_differs("%s is shut down: writing %d, reading %d", names[i], closed,
			  !!(pfd.revents & POLLRDHUP));
	if (i == 0)
		recv(sender, &(char){ 0 }, 1, MSG_DONTWAIT);
}

static void check_udp(void)
{
	struct sockaddr_in peer = { 0 };
	socklen_t len = sizeof(peer);
	struct group_filter filter = { .gf_interface = if_nametoindex("lo") };
	struct sockaddr_in *in = (struct sockaddr_in *)&filter.gf_group;

	expect("the first datagram", udp, "one", 3, &sender_at, sizeof(sender_at));
	expect("an empty datagram", udp, "", 0, &sender_at, sizeof(sender_at));
	expect("a long datagram", udp, big, BIG, &sender_at, sizeof(sender_at));
	t_true("no more", recv(udp, big, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	expect("at a connected one", connected, "to the connected one", 20, &sender_at,
	       sizeof(sender_at));
	expect("over IPv6", udp6, "self", 4, &udp6_at, sizeof(udp6_at));
	same_address("a UDP socket", udp, &udp_at, sizeof(udp_at));
	same_address("a connected UDP socket", connected, &connected_at, sizeof(connected_at));
	t_same("SO_BROADCAST", 1, get_int(connected, SOL_SOCKET, SO_BROADCAST));
	t_same("IP_MULTICAST_IF", htonl(INADDR_LOOPBACK),
	       (uint32_t)get_int(connected, IPPROTO_IP, IP_MULTICAST_IF));
	t_same("IP_CHECKSUM", 1, get_int(connected, IPPROTO_IP, IP_CHECKSUM));
	t_must(getpeername(quiet, (struct sockaddr *)&peer, &len));
	t_true("a peer", memcmp(&peer, &sender_at, sizeof(peer)) == 0);
	for (int i = 0; i < 4; i++)
		check_shut(i);
	t_must(send(quiet, "bye", 3, 0));
	t_same("what it sends comes", 3, (uint64_t)recv(sender, big, 3, MSG_DONTWAIT));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = inet_addr("239.1.2.3");
	len = sizeof(filter);
	t_true("member of a group",
	       getsockopt(group, IPPROTO_IP, MCAST_MSFILTER, &filter, &len) == 0);
}

/* --- netlink -------------------------------------------------------------------- */

static uint32_t netlink_port;

static void set_up_netlink(void)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	socklen_t len = sizeof(nl);
	uint32_t joined = RTNLGRP_NEIGH;

	netlink = t_must(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	t_must(bind(netlink, (struct sockaddr *)&nl, sizeof(nl)));
	t_must(getsockname(netlink, (struct sockaddr *)&nl, &len));
	netlink_port = nl.nl_pid;
	t_must(setsockopt(netlink, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &joined, sizeof(joined)));
	set_int(netlink, SOL_NETLINK, NETLINK_EXT_ACK, 1);
}

static void check_netlink(void)
{
	struct sockaddr_nl nl = { 0 };
	uint32_t groups[8] = { 0 };
	socklen_t len = sizeof(nl);

	t_must(getsockname(netlink, (struct sockaddr *)&nl, &len));
	t_same("netlink port", netlink_port, nl.nl_pid);
	len = sizeof(groups);
	t_must(getsockopt(netlink, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len));
	t_same("netlink groups", 1u << (RTNLGRP_LINK - 1) | 1u << (RTNLGRP_NEIGH - 1), groups[0]);
	t_same("NETLINK_EXT_ACK", 1, get_int(netlink, SOL_NETLINK, NETLINK_EXT_ACK));
}

static void child_of(void)
{
	int fd;

	t_wait();
	/* The parent's connection is accepted by whoever comes first. */
	fd = t_must(accept(childs, NULL, NULL));
	t_must(send(fd, "child", 5, 0));
	_exit(t_differences ? 1 : 0);
}

static void check_child(pid_t child, const struct sockaddr_in *at)
{
	int fd = t_must(socket(AF_INET, SOCK_STREAM, 0));
	char buf[8] = "";

	t_must(connect(fd, (const struct sockaddr *)at, sizeof(*at)));
	recv(fd, buf, 5, MSG_WAITALL);
	t_same_str("a listener that a child has", "child", buf);
	t_join_child("the child", child);
	close(fd);
}

int main(void)
{
	struct sockaddr_in childs_at;
	pid_t child;

	t_init();
	t_fill(big, sizeof(big), 3);
	childs = server(AF_INET);
	bind_to(childs, 0, &childs_at);
	t_must(listen(childs, 3));
	child = t_must(fork());
	if (child == 0)
		child_of();
	set_up_tcp();
	set_up_udp();
	set_up_netlink();
	t_ready();
	if (t_spoiled())
		recv(udp, big, 1, MSG_DONTWAIT);
	t_wait();
	check_tcp();
	check_udp();
	check_netlink();
	check_child(child, &childs_at);
	return t_done();
}
