/* SPDX-License-Identifier: MIT */
#include "waiting.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel-peek.h"

#define MESSAGES_MAX (1u << 20)

struct walk {
	struct net *n;
	struct kernel_peek *k;
	enum waiting_kind kind;
	struct waiting_list *w;
	size_t room;
	bool failed;
};

static struct kernel_peek *kernel_of(struct net *n)
{
	if (!n->kernel && !n->no_kernel) {
		n->kernel = kernel_peek_open();
		n->no_kernel = !n->kernel;
	}
	return n->kernel;
}

void waiting_end(struct net *n)
{
	kernel_peek_free(n->kernel);
	n->kernel = NULL;
}

static void get(struct walk *k, uint64_t addr, const char *name, const char *path, void *to,
		size_t len)
{
	if (!k->failed && kernel_peek_member(k->k, addr, name, path, to, len) < 0)
		k->failed = true;
}

static int add(struct walk *k, const struct waiting *m, struct cr_err *err)
{
	if (k->w->count == k->room) {
		size_t room = k->room ? k->room * 2 : 16;
		struct waiting *grown = net_alloc(k->n, room * sizeof(*grown), err);

		if (!grown)
			return -1;
		if (k->room)
			memcpy(grown, k->w->list, k->room * sizeof(*grown));
		k->w->list = grown;
		k->room = room;
	}
	k->w->list[k->w->count++] = *m;
	return 0;
}

/* What is read of a message stays in the queue until the last byte is. */
static void get_unix(struct walk *k, struct waiting *m)
{
	int64_t cb = kernel_peek_where(k->k, "sk_buff", "cb");
	uint32_t consumed = 0;
	uint64_t fds = 0;

	k->failed |= cb < 0;
	get(k, m->skb + (uint64_t)cb / 8, "unix_skb_parms", "fp", &fds, 8);
	get(k, m->skb + (uint64_t)cb / 8, "unix_skb_parms", "consumed", &consumed, 4);
	m->rights = fds;
	m->len -= consumed;
}

/* The struct sk_buff_head that is @path of the struct @name at @addr.  Only we
 * take something out; what comes meanwhile is added behind. */
static int walk_queue(struct walk *k, uint64_t addr, const char *name, const char *path,
		      struct cr_err *err)
{
	int64_t bit = kernel_peek_where(k->k, name, path);
	struct waiting m = { 0 };
	bool peeked = false;
	uint64_t head;

	if (bit < 0 || k->failed) {
		k->failed = true;
		return 0;
	}
	head = addr + (uint64_t)bit / 8;
	get(k, head, "sk_buff_head", "next", &m.skb, 8);
	while (!k->failed && m.skb != head) {
		get(k, m.skb, "sk_buff", "len", &m.len, 4);
		if (kernel_peek_bit(k->k, m.skb, "sk_buff", "peeked", &peeked) < 0 || !m.skb ||
		    k->w->count >= MESSAGES_MAX)
			k->failed = true;
		m.hidden = peeked && !m.len;
		if (k->kind == WAITING_UNIX)
			get_unix(k, &m);
		if (add(k, &m, err) < 0)
			return -1;
		get(k, m.skb, "sk_buff", "next", &m.skb, 8);
	}
	return 0;
}

int waiting_look(struct net *n, int fd, enum waiting_kind kind, struct waiting_list *w,
		 struct cr_err *err)
{
	struct walk k = { .n = n, .k = kernel_of(n), .kind = kind, .w = w };
	uint64_t at;

	*w = (struct waiting_list){ 0 };
	if (!k.k)
		return 1;
	at = kernel_peek_file(k.k, fd);
	k.failed = !at;
	get(&k, at, "file", "private_data", &at, 8);
	get(&k, at, "socket", "sk", &at, 8);
	/* Since 4.12 its readers have a queue of their own, which comes first. */
	if (kind == WAITING_UDP && walk_queue(&k, at, "udp_sock", "reader_queue", err) < 0)
		return -1;
	if (walk_queue(&k, at, "sock", "sk_receive_queue", err) < 0)
		return -1;
	return k.failed;
}

int waiting_none(int fd, struct cr_err *err)
{
	int offset = -1;
	socklen_t len = sizeof(offset);
	ssize_t got;
	char c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &len) < 0)
		return cr_err_sys(err, "SO_PEEK_OFF");
	if (offset >= 0)
		return 0;
	/* Without an offset, one that was peeked at is seen. */
	do {
		got = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	return got < 0;
}

int waiting_udp_from(struct net *n, const struct waiting *w, struct waiting_from *from)
{
	struct walk k = { .n = n, .k = kernel_of(n) };
	uint16_t protocol = 0, network = 0, transport = 0;
	struct ip6_hdr six;
	struct iphdr four;
	struct udphdr udp;
	uint64_t head = 0;

	memset(from, 0, sizeof(*from));
	if (!k.k)
		return -1;
	get(&k, w->skb, "sk_buff", "head", &head, 8);
	get(&k, w->skb, "sk_buff", "protocol", &protocol, 2);
	get(&k, w->skb, "sk_buff", "network_header", &network, 2);
	get(&k, w->skb, "sk_buff", "transport_header", &transport, 2);
	if (k.failed || kernel_peek(k.k, head + transport, &udp, sizeof(udp)) < 0)
		return -1;
	from->port = udp.source;
	from->six = protocol == htons(ETH_P_IPV6);
	if (from->six) {
		if (kernel_peek(k.k, head + network, &six, sizeof(six)) < 0)
			return -1;
		memcpy(from->addr, &six.ip6_src, 16);
		return six.ip6_ctlun.ip6_un1.ip6_un1_nxt == IPPROTO_UDP ? 0 : -1;
	}
	if (kernel_peek(k.k, head + network, &four, sizeof(four)) < 0)
		return -1;
	memcpy(from->addr + 12, &four.saddr, 4);
	return four.version == 4 && four.protocol == IPPROTO_UDP ? 0 : -1;
}

int waiting_unix_from(struct net *n, const struct waiting *w, void *name, size_t size, size_t *len)
{
	struct walk k = { .n = n, .k = kernel_of(n) };
	uint64_t sender = 0, addr = 0;
	uint32_t got = 0;

	*len = 0;
	if (!k.k)
		return -1;
	get(&k, w->skb, "sk_buff", "sk", &sender, 8);
	get(&k, sender, "unix_sock", "addr", &addr, 8);
	if (k.failed || !addr)
		return k.failed ? -1 : 0;
	get(&k, addr, "unix_address", "len", &got, 4);
	if (k.failed || got > size)
		return -1;
	get(&k, addr, "unix_address", "name", name, got);
	*len = got;
	return k.failed ? -1 : 0;
}
