/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "common.h"
#include "peek-offset.h"
#include "proc.h"
#include "socket-name.h"
#include "waiting.h"

#define BLOCK_SIZE (64u << 10)
#define ALIGN 16u

struct block {
	struct block *next;
	size_t size;
	size_t used;
	_Alignas(ALIGN) uint8_t data[];
};

void *net_alloc(struct net *n, size_t size, struct cr_err *err)
{
	struct block *b = n->blocks;
	void *p;

	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		b = calloc(1, sizeof(*b) + room);
		if (!b) {
			cr_err_sys(err, "out of memory");
			return NULL;
		}
		b->size = room;
		b->next = n->blocks;
		n->blocks = b;
	}
	p = b->data + b->used;
	b->used += size;
	return p;
}

void net_free(struct net *n)
{
	struct block *b, *next;

	peek_end(&n->peek);
	waiting_end(n);
	for (b = n->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	if (n->pidfd >= 0)
		close(n->pidfd);
}

int sock_get(struct net *n, const struct sock *s, struct cr_err *err)
{
	int fd;

	if (n->pidfd < 0 || n->pid != s->pid) {
		if (n->pidfd >= 0)
			close(n->pidfd);
		n->pidfd = cr_proc_pidfd(s->pid, err);
		if (n->pidfd < 0)
			return -1;
		n->pid = s->pid;
	}
	fd = (int)syscall(SYS_pidfd_getfd, n->pidfd, s->fd, 0);
	if (fd < 0)
		return cr_err_sys(err, "pidfd_getfd");
	return fd;
}

int sock_refuse(struct net *n, const struct sock *s, const char *what, const char *remedy,
		struct cr_err *err)
{
	cr_auto_fd int fd = sock_get(n, s, err);
	char object[32], name[SOCKET_NAME_MAX], text[SOCKET_NAME_MAX + 300];

	if (fd < 0)
		return -1;
	socket_name(fd, name);
	snprintf(object, sizeof(object), "fd %u", s->carrier_pid ? s->carrier_fd : s->fd);
	snprintf(text, sizeof(text), "%s%s: %s",
		 s->carrier_pid ? "in a message in its queue: " : "", name, what);
	return cr_stage_refuse(n->st, s->carrier_pid ? s->carrier_pid : s->pid, object, text,
			       remedy, err);
}

bool sock_is_external(const struct net *n, const char *name, uint64_t ino)
{
	char text[64];

	snprintf(text, sizeof(text), "%s[%llu]", name, (unsigned long long)ino);
	for (unsigned int i = 0; i < n->opts.external.count; i++)
		if (strcmp(n->opts.external.items[i], text) == 0)
			return true;
	return false;
}
