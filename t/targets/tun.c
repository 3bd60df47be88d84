/* SPDX-License-Identifier: MIT */
/*
 * Queues of persistent tun and tap interfaces, which carry packets: one with a
 * header of its own, three queues of another, one of them detached; a
 * descriptor without an interface.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tuntap.h"

static int one, queues[3], none, sock;
static int header = 12;

static int attach(const char *name, int flags)
{
	int fd = tuntap_attach(name, flags);

	t_must(ioctl(fd, TUNSETPERSIST, 1));
	return fd;
}

static void up(const char *name, const char *address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	t_must(inet_pton(AF_INET, address, &sin.sin_addr));
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	t_must(ioctl(sock, SIOCSIFADDR, &ifr));
	sin.sin_addr.s_addr = htonl(0xffffff00);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	t_must(ioctl(sock, SIOCSIFNETMASK, &ifr));
	ifr.ifr_flags = IFF_UP;
	t_must(ioctl(sock, SIOCSIFFLAGS, &ifr));
}

/* A packet to a neighbour comes out of the interface. */
static void check_packet(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct pollfd pfd = { .fd = one, .events = POLLIN };
	char buf[2048];
	ssize_t n;

	t_must(inet_pton(AF_INET, "10.99.1.2", &to.sin_addr));
	t_must(sendto(sock, "to the other side", 17, 0, (struct sockaddr *)&to, sizeof(to)));
	for (int i = 0; i < 100; i++) {
		if (poll(&pfd, 1, 10000) != 1)
			break;
		n = read(one, buf, sizeof(buf));
		if (n > header + 17 && memcmp(buf + n - 17, "to the other side", 17) == 0)
			return;
	}
	t_differs("the packet does not come");
}

static int flags_of(int fd)
{
	struct ifreq ifr = { 0 };

	t_must(ioctl(fd, TUNGETIFF, &ifr));
	return ifr.ifr_flags;
}

/* Do its packets have a header of their own?  No ioctl tells. */
static int has_header(const char *name)
{
	char command[96];

	snprintf(command, sizeof(command), "ip -d link show dev %s | grep -q 'pi on'", name);
	return system(command);
}

int main(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_DETACH_QUEUE };
	int was[4], headers[2], size = 0, sndbuf = 70000, got = 0;

	t_init();
	sock = t_must(socket(AF_INET, SOCK_DGRAM, 0));
	one = attach("crt0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	t_must(ioctl(one, TUNSETVNETHDRSZ, &header));
	t_must(ioctl(one, TUNSETSNDBUF, &sndbuf));
	for (int i = 0; i < 3; i++)
		queues[i] = attach("crt1", IFF_TAP | IFF_MULTI_QUEUE);
	t_must(ioctl(queues[2], TUNSETQUEUE, &ifr));
	none = t_must(open("/dev/net/tun", O_RDWR));
	up("crt0", "10.99.1.1");
	was[3] = flags_of(one);
	for (int i = 0; i < 3; i++)
		was[i] = flags_of(queues[i]);
	headers[0] = has_header("crt0");
	headers[1] = has_header("crt1");
	t_ready();
	if (t_spoiled())
		t_must(ioctl(queues[1], TUNSETQUEUE, &ifr));
	t_wait();
	t_same("flags", (uint64_t)was[3], (uint64_t)flags_of(one));
	for (int i = 0; i < 3; i++)
		t_same("flags of a queue", (uint64_t)was[i], (uint64_t)flags_of(queues[i]));
	t_same("header of packets", (uint64_t)headers[0], (uint64_t)has_header("crt0"));
	t_same("header of frames", (uint64_t)headers[1], (uint64_t)has_header("crt1"));
	t_must(ioctl(one, TUNGETVNETHDRSZ, &size));
	t_same("size of its header", (uint64_t)header, (uint64_t)size);
	t_must(ioctl(one, TUNGETSNDBUF, &got));
	t_same("size of its buffer", (uint64_t)sndbuf, (uint64_t)got);
	t_true("one without an interface", ioctl(none, TUNGETIFF, &ifr) < 0 && errno == EBADFD);
	t_same("open flags", O_RDWR | O_NONBLOCK, (uint64_t)fcntl(one, F_GETFL) & ~0100000u);
	check_packet();
	return t_done();
}
