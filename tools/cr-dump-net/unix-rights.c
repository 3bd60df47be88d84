/* SPDX-License-Identifier: MIT */
/*
 * What comes with the messages of an AF_UNIX socket: descriptors, which
 * cr-dump-fds has found in the same order, and who has sent them.
 */
#include <string.h>

#include "unix.h"

static bool asks_for_pidfd(const Cr__UnixSocket *m)
{
	for (size_t i = 0; i < m->common->n_options; i++)
		if (strcmp(m->common->options[i]->name, "SO_PASSPIDFD") == 0)
			return true;
	return false;
}

/* 1: not all of them are known. */
static int take(const Cr__UnixSocket *m, const Cr__Socket *s)
{
	size_t next = 0;

	for (size_t i = 0; i < m->n_queue; i++) {
		Cr__UnixMessage *msg = m->queue[i];

		if (!msg->n_files)
			continue;
		if (next == s->n_rights || s->rights[next]->n_files != msg->n_files)
			return 1;
		memcpy(msg->files, s->rights[next++]->files, msg->n_files * sizeof(*msg->files));
	}
	return next != s->n_rights;
}

int unix_rights(struct net *n, struct unix_sock *u, const Cr__Socket *s, struct cr_err *err)
{
	if (take(&u->m, s))
		return unix_refuse(n, u, "descriptors (SCM_RIGHTS) in its queue: not supported",
				   "receive them", err);
	if (u->m.n_queue && asks_for_pidfd(&u->m))
		return unix_refuse(n, u,
				   "messages with descriptors of their senders (SO_PASSPIDFD) "
				   "in its queue: not supported",
				   "receive them", err);
	return 0;
}
