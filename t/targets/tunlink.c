/* SPDX-License-Identifier: MIT */
/*
 * tun and tap interfaces that vanish with their last descriptor: what they are
 * given by ioctl(2), and by ip(8), is there again, and packets come through.
 */
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tuntap.h"

#define TEXT 65536

static int tun, queues[3], sock;
static const char *const questions[] = {
	"ip -d link show dev crv0",
	"ip -d link show dev crv1",
	"ip address show dev crv0",
	"ip address show dev crv1",
	"ip route show table all dev crv0",
	"ip -6 route show table all dev crv0 proto static",
	"ip route show table all dev crv1",
	"cat /proc/sys/net/ipv4/conf/crv0/rp_filter /proc/sys/net/ipv6/conf/crv1/disable_ipv6",
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static void run(const char *command)
{
	if (system(command) != 0)
		t_fatal("%s", command);
}

static char *answer(const char *question)
{
	char *text = calloc(1, TEXT);
	FILE *f = popen(question, "r");

	if (!text || !f)
		t_fatal("%s", question);
	if (fread(text, 1, TEXT - 1, f) == 0)
		t_differs("%s: no answer", question);
	pclose(f);
	return text;
}

/* What the kernel says to neighbours when the interface comes up. */
static void drain(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void settle(void)
{
	for (int quiet = 0; quiet < 10; quiet++) {
		int fds[] = { tun, queues[0], queues[1] };

		t_sleep_ms(50);
		for (int i = 0; i < 3; i++) {
			struct pollfd pfd = { .fd = fds[i], .events = POLLIN };

			if (poll(&pfd, 1, 0) > 0)
				quiet = 0;
			drain(fds[i]);
		}
	}
}

static void check_packet(const char *to)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct pollfd pfd = { .fd = tun, .events = POLLIN };
	char buf[2048];

	t_must(inet_pton(AF_INET, to, &sin.sin_addr));
	t_must(sendto(sock, "to the other side", 17, 0, (struct sockaddr *)&sin, sizeof(sin)));
	for (int i = 0; i < 100; i++) {
		ssize_t n;

		if (poll(&pfd, 1, 10000) != 1)
			break;
		n = read(tun, buf, sizeof(buf));
		if (n > 17 && memcmp(buf + n - 17, "to the other side", 17) == 0)
			return;
	}
	t_differs("%s: the packet does not come", to);
}

static int flags_of(int fd)
{
	struct ifreq ifr = { 0 };

	t_must(ioctl(fd, TUNGETIFF, &ifr));
	return ifr.ifr_flags;
}

/* 1: it is on. */
static uint32_t feature(uint32_t what)
{
	struct ethtool_value v = { .cmd = what };
	struct ifreq ifr = { .ifr_name = "crv0", .ifr_data = (void *)&v };

	t_must(ioctl(sock, SIOCETHTOOL, &ifr));
	return v.data;
}

static void set_up(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_DETACH_QUEUE };
	int header = 12, sndbuf = 80000, on = 1;

	tun = tuntap_attach("crv0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	t_must(ioctl(tun, TUNSETVNETHDRSZ, &header));
	t_must(ioctl(tun, TUNSETVNETLE, &on));
	t_must(ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4));
	t_must(ioctl(tun, TUNSETSNDBUF, &sndbuf));
	t_must(ioctl(tun, TUNSETOWNER, 1000));
	for (int i = 0; i < 3; i++)
		queues[i] = tuntap_attach("crv1", IFF_TAP | IFF_MULTI_QUEUE);
	t_must(ioctl(queues[0], TUNSETGROUP, 1001));
	run("ip link set dev crv0 mtu 1400 txqueuelen 77");
	run("ip address add 10.98.1.1/24 dev crv0");
	run("ip address add 10.98.2.1 peer 10.98.2.2 dev crv0");
	run("ip address add fd00:98::1/64 dev crv0");
	run("echo 2 >/proc/sys/net/ipv4/conf/crv0/rp_filter");
	/* Nobody is asked or told anything later. */
	run("echo 0 >/proc/sys/net/ipv6/conf/crv0/router_solicitations");
	run("echo 1 >/proc/sys/net/ipv6/conf/crv0/mldv2_unsolicited_report_interval");
	run("ip link set dev crv0 up");
	run("ip route add 10.97.0.0/16 via 10.98.1.9 dev crv0 metric 7");
	run("ip route add 10.96.0.0/16 dev crv0 table 98 proto static");
	run("ip -6 route add fd00:97::/64 dev crv0 proto static");
	run("ip link set dev crv1 address 02:00:00:00:98:01");
	run("echo 1 >/proc/sys/net/ipv6/conf/crv1/disable_ipv6");
	run("ip address add 10.95.1.1/24 dev crv1");
	run("ip link set dev crv1 up");
	t_must(ioctl(queues[2], TUNSETQUEUE, &ifr));
	settle();
}

int main(void)
{
	char *was[QUESTIONS];
	int flags[4], n = 0;

	t_init();
	sock = t_must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	set_up();
	flags[3] = flags_of(tun);
	for (int i = 0; i < 3; i++)
		flags[i] = flags_of(queues[i]);
	for (size_t i = 0; i < QUESTIONS; i++)
		was[i] = answer(questions[i]);
	t_ready();
	if (t_spoiled())
		run("ip address del 10.98.1.1/24 dev crv0");
	t_wait();
	settle();
	for (size_t i = 0; i < QUESTIONS; i++)
		t_same_lines(questions[i], was[i], answer(questions[i]));
	t_same("flags", (uint64_t)flags[3], (uint64_t)flags_of(tun));
	for (int i = 0; i < 3; i++)
		t_same("flags of a queue", (uint64_t)flags[i], (uint64_t)flags_of(queues[i]));
	t_must(ioctl(tun, TUNGETVNETHDRSZ, &n));
	t_same("size of its header", 12, (uint64_t)n);
	t_same("segments that it takes", 1, feature(ETHTOOL_GTSO));
	t_same("checksums that it takes", 1, feature(ETHTOOL_GTXCSUM));
	t_must(ioctl(tun, TUNGETVNETLE, &n));
	t_same("its byte order", 1, (uint64_t)n);
	t_must(ioctl(tun, TUNGETSNDBUF, &n));
	t_same("size of its buffer", 80000, (uint64_t)n);
	if (t_differences)
		return t_done();
	check_packet("10.98.1.2");
	check_packet("10.97.3.3");
	return t_done();
}
