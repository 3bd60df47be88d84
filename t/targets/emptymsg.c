/* SPDX-License-Identifier: MIT */
/*
 * Empty messages in the queues of datagram sockets, first, between others, last
 * and alone, with their senders.  The kernel hides those that somebody has
 * looked at from a look with SO_PEEK_OFF: an earlier dump, or the program.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "target.h"

#define QUEUES 7
#define SENDERS 2

/* A digit: so many bytes; its senders take turns. */
static const char *const patterns[] = { "0", "03", "3040", "400", "00", "1002003", "000500" };

static int udp[QUEUES], udp6, mapped, udp_sender[SENDERS], udp6_sender;
static int dgram[QUEUES][2], seq[QUEUES][2], named, unix_sender[SENDERS], ended[2], peeked[2];
static struct sockaddr_in udp_sender_at[SENDERS];
static struct sockaddr_in6 udp6_sender_at;
static struct sockaddr_un named_at, unix_sender_at[SENDERS];

static const char bytes[] = "0123456789";

static int udp_bound(int family, struct sockaddr_storage *at, socklen_t *len)
{
	int fd = t_must(socket(family, SOCK_DGRAM, 0));
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };

	if (family == AF_INET)
		t_must(bind(fd, (struct sockaddr *)&in, sizeof(in)));
	else
		t_must(bind(fd, (struct sockaddr *)&in6, sizeof(in6)));
	*len = sizeof(*at);
	t_must(getsockname(fd, (struct sockaddr *)at, len));
	return fd;
}

static void send_to(int fd, const void *to, socklen_t len, int size)
{
	t_must(sendto(fd, bytes, (size_t)size, MSG_DONTWAIT, to, len));
}

static void expect(const char *what, int fd, int size, const void *from, socklen_t from_len)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	char buf[16];
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&sa, &len);

	t_same(what, (uint64_t)size, (uint64_t)n);
	t_true(what, n <= 0 || memcmp(buf, bytes, (size_t)n) == 0);
	if (!from || n < 0)
		return;
	t_same("its sender's length", from_len, len);
	t_true("its sender", memcmp(&sa, from, from_len) == 0);
}

static void expect_none(const char *what, int fd)
{
	char c;

	t_true(what, recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

/* --- UDP ----------------------------------------------------------------------- */

static void set_up_udp(void)
{
	struct sockaddr_storage at;
	socklen_t len;

	for (int i = 0; i < SENDERS; i++) {
		udp_sender[i] = udp_bound(AF_INET, &at, &len);
		memcpy(&udp_sender_at[i], &at, sizeof(udp_sender_at[i]));
	}
	for (int q = 0; q < QUEUES; q++) {
		udp[q] = udp_bound(AF_INET, &at, &len);
		for (int i = 0; patterns[q][i]; i++)
			send_to(udp_sender[i % SENDERS], &at, len, patterns[q][i] - '0');
	}
	udp6_sender = udp_bound(AF_INET6, &at, &len);
	memcpy(&udp6_sender_at, &at, sizeof(udp6_sender_at));
	udp6 = udp_bound(AF_INET6, &at, &len);
	send_to(udp6_sender, &at, len, 3);
	send_to(udp6_sender, &at, len, 0);
}

/* One of IPv6 that gets what comes over IPv4. */
static void set_up_mapped(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(any);
	int off = 0;

	mapped = t_must(socket(AF_INET6, SOCK_DGRAM, 0));
	t_must(setsockopt(mapped, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)));
	t_must(bind(mapped, (struct sockaddr *)&any, sizeof(any)));
	t_must(getsockname(mapped, (struct sockaddr *)&any, &len));
	to.sin_port = any.sin6_port;
	send_to(udp_sender[0], &to, sizeof(to), 2);
	send_to(udp_sender[1], &to, sizeof(to), 0);
}

static void check_udp(void)
{
	struct sockaddr_in6 from = { .sin6_family = AF_INET6 };

	for (int q = 0; q < QUEUES; q++) {
		for (int i = 0; patterns[q][i]; i++)
			expect(patterns[q], udp[q], patterns[q][i] - '0',
			       &udp_sender_at[i % SENDERS], sizeof(udp_sender_at[0]));
		expect_none(patterns[q], udp[q]);
	}
	expect("over IPv6", udp6, 3, &udp6_sender_at, sizeof(udp6_sender_at));
	expect("empty over IPv6", udp6, 0, &udp6_sender_at, sizeof(udp6_sender_at));
	expect_none("over IPv6", udp6);
	memset(from.sin6_addr.s6_addr + 10, 0xff, 2);
	memcpy(from.sin6_addr.s6_addr + 12, &udp_sender_at[0].sin_addr, 4);
	from.sin6_port = udp_sender_at[0].sin_port;
	expect("mapped", mapped, 2, &from, sizeof(from));
	from.sin6_port = udp_sender_at[1].sin_port;
	expect("empty and mapped", mapped, 0, &from, sizeof(from));
	expect_none("mapped", mapped);
}

/* --- AF_UNIX --------------------------------------------------------------------- */

static int bound(struct sockaddr_un *at, const char *name)
{
	int fd = t_must(socket(AF_UNIX, SOCK_DGRAM, 0));

	at->sun_family = AF_UNIX;
	snprintf(at->sun_path + 1, sizeof(at->sun_path) - 1, "cr-t-empty-%d-%s", getpid(), name);
	t_must(bind(fd, (struct sockaddr *)at, sizeof(*at)));
	return fd;
}

static void set_up_unix(void)
{
	for (int q = 0; q < QUEUES; q++) {
		t_must(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram[q]));
		t_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, seq[q]));
		for (int i = 0; patterns[q][i]; i++) {
			t_must(send(dgram[q][1], bytes, (size_t)(patterns[q][i] - '0'), 0));
			t_must(send(seq[q][1], bytes, (size_t)(patterns[q][i] - '0'), 0));
		}
	}
	named = bound(&named_at, "to");
	for (int i = 0; i < SENDERS; i++)
		unix_sender[i] = bound(&unix_sender_at[i], i ? "two" : "one");
	for (int i = 0; i < 6; i++)
		send_to(unix_sender[i % SENDERS], &named_at, sizeof(named_at), i == 3 ? 5 : 0);
	t_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ended));
	t_must(send(ended[1], bytes, 4, 0));
	t_must(send(ended[1], bytes, 0, 0));
	close(ended[1]);
	t_must(socketpair(AF_UNIX, SOCK_DGRAM, 0, peeked));
	t_must(send(peeked[1], bytes, 0, 0));
	t_must(send(peeked[1], bytes, 7, 0));
	t_must(recv(peeked[0], &(char){ 0 }, 1, MSG_PEEK));
}

static void check_unix(void)
{
	for (int q = 0; q < QUEUES; q++) {
		for (int i = 0; patterns[q][i]; i++) {
			expect("a datagram", dgram[q][0], patterns[q][i] - '0', NULL, 0);
			expect("a record", seq[q][0], patterns[q][i] - '0', NULL, 0);
		}
		expect_none(patterns[q], dgram[q][0]);
		expect_none(patterns[q], seq[q][0]);
	}
	for (int i = 0; i < 6; i++)
		expect("of one with a name", named, i == 3 ? 5 : 0, &unix_sender_at[i % SENDERS],
		       sizeof(unix_sender_at[0]));
	expect_none("of one with a name", named);
	expect("before the end", ended[0], 4, NULL, 0);
	expect("empty before the end", ended[0], 0, NULL, 0);
	expect("the end", ended[0], 0, NULL, 0);
	expect("one that was looked at", peeked[0], 0, NULL, 0);
	expect("one behind it", peeked[0], 7, NULL, 0);
	expect_none("one that was looked at", peeked[0]);
}

int main(void)
{
	t_init();
	set_up_udp();
	set_up_mapped();
	set_up_unix();
	t_ready();
	if (t_spoiled())
		expect("", dgram[0][0], 0, NULL, 0);
	t_wait();
	check_udp();
	check_unix();
	return t_done();
}
