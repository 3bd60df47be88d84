/* SPDX-License-Identifier: MIT */
/*
 * What comes with a datagram for a receiver that asks for it: where it was sent
 * to, by which interface, its hop limit and its type of service.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/in6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "target.h"

#define QUEUES 5

static int queue[QUEUES], sender, sender6;
static char was[QUEUES][512];
static char device[IF_NAMESIZE];

static void set(int fd, int level, int option, int value)
{
	t_must(setsockopt(fd, level, option, &value, sizeof(value)));
}

static in_port_t port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	t_must(getsockname(fd, (struct sockaddr *)&a, &len));
	return a.sin6_port;
}

static int receiver4(const char *on)
{
	int fd = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(on) };

	set(fd, IPPROTO_IP, IP_PKTINFO, 1);
	set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	set(fd, IPPROTO_IP, IP_RECVTOS, 1);
	set(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
	t_must(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static int receiver6(bool only)
{
	int fd = t_must(socket(AF_INET6, SOCK_DGRAM, 0));
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };

	set(fd, IPPROTO_IPV6, IPV6_V6ONLY, only);
	set(fd, IPPROTO_IPV6, 49 /* IPV6_RECVPKTINFO */, 1);
	set(fd, IPPROTO_IPV6, 51 /* IPV6_RECVHOPLIMIT */, 1);
	set(fd, IPPROTO_IPV6, 66 /* IPV6_RECVTCLASS */, 1);
	t_must(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	return fd;
}

static void send4(int to, struct in_addr addr, const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = port_of(to) };

	a.sin_addr = addr;
	t_must(sendto(sender, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)));
}

/* One that is not the loopback device, with its address. */
static bool find_device(struct in_addr *addr)
{
	struct ifaddrs *list;

	t_must(getifaddrs(&list));
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    i->ifa_flags & IFF_LOOPBACK || !(i->ifa_flags & IFF_UP))
			continue;
		snprintf(device, sizeof(device), "%s", i->ifa_name);
		*addr = ((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr;
	}
	freeifaddrs(list);
	return device[0];
}

static void set_up(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct in_addr addr = { .s_addr = htonl(INADDR_LOOPBACK + 6) };

	sender = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	set(sender, IPPROTO_IP, IP_TTL, 33);
	set(sender, IPPROTO_IP, IP_TOS, 0x28);
	queue[0] = receiver4("0.0.0.0");
	send4(queue[0], addr, "first");
	queue[1] = receiver4("127.0.0.1");
	send4(queue[1], (struct in_addr){ htonl(INADDR_LOOPBACK) }, "bound");
	queue[2] = receiver6(false);
	send4(queue[2], addr, "mapped");
	queue[3] = receiver6(true);
	sender6 = t_must(socket(AF_INET6, SOCK_DGRAM, 0));
	set(sender6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44);
	set(sender6, IPPROTO_IPV6, 67 /* IPV6_TCLASS */, 0x48);
	a.sin6_port = port_of(queue[3]);
	t_must(sendto(sender6, "six", 3, 0, (struct sockaddr *)&a, sizeof(a)));
	queue[4] = receiver4("0.0.0.0");
	if (find_device(&addr)) {
		t_must(setsockopt(sender, SOL_SOCKET, SO_BINDTODEVICE, device,
				  (socklen_t)strlen(device)));
		send4(queue[4], addr, "by a device");
	}
}

/* All of it as a text. */
static void look(int fd, int flags, char *text, size_t size)
{
	union {
		char buf[512];
		struct cmsghdr align;
	} control;
	char buf[32];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &h, flags | MSG_DONTWAIT);
	size_t fill = 0;

	fill += (size_t)snprintf(text, size, "%.*s", n < 0 ? 0 : (int)n, buf);
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		fill += (size_t)snprintf(text + fill, size - fill, " %d.%d:", c->cmsg_level,
					 c->cmsg_type);
		for (size_t i = 0; i < c->cmsg_len - CMSG_LEN(0); i++)
			fill += (size_t)snprintf(text + fill, size - fill, "%02x", CMSG_DATA(c)[i]);
	}
}

int main(void)
{
	char is[512];

	t_init();
	set_up();
	for (int i = 0; i < QUEUES; i++)
		look(queue[i], MSG_PEEK, was[i], sizeof(was[i]));
	t_true("something comes with them", strstr(was[0], " 0.8:") && strstr(was[3], " 41.50:"));
	t_ready();
	if (t_spoiled())
		look(queue[0], 0, is, sizeof(is));
	t_wait();
	for (int i = 0; i < QUEUES; i++) {
		look(queue[i], 0, is, sizeof(is));
		t_same_str("a datagram", was[i], is);
	}
	return t_done();
}
