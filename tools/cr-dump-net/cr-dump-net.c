/* SPDX-License-Identifier: MIT */
/*
 * cr-dump-net: a stage of the pipeline that adds what is in the sockets that
 * cr-dump-fds has found.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "lock.h"
#include "net.h"
#include "peek-offset.h"

static struct net net = { .pidfd = -1 };

static const struct cr_opt options[] = {
	{ 'D', "images-dir", CR_OPT_STR, "DIR",
	  "directory of the image; nothing is written to it yet", &net.opts.dir },
	{ 0, "ext-unix-sk", CR_OPT_BOOL, NULL,
	  "connect datagram sockets to peers outside of the tree again", &net.opts.ext_unix },
	{ 0, "external", CR_OPT_LIST, "unix[INO]", "restore that socket with its peer closed",
	  &net.opts.external },
	{ 0, "skip-in-flight", CR_OPT_BOOL, NULL, "drop connections that wait to be accepted",
	  &net.opts.skip_in_flight },
	{ 0, "tcp-close", CR_OPT_BOOL, NULL, "restore TCP connections as closed sockets",
	  &net.opts.tcp_close },
	{ 0, "action-script", CR_OPT_LIST, "CMD", "run CMD to lock and unlock the network",
	  &net.opts.scripts },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-dump-net",
	.operands = "",
	.purpose = "Add the sockets of frozen processes to the stream.",
	.opts = options,
};

static int identify(struct sock *s, int fd, struct cr_err *err)
{
	const struct {
		int option;
		int *value;
	} wanted[] = {
		{ SO_DOMAIN, &s->family },
		{ SO_TYPE, &s->type },
		{ SO_PROTOCOL, &s->protocol },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		socklen_t len = sizeof(int);

		if (getsockopt(fd, SOL_SOCKET, wanted[i].option, wanted[i].value, &len) < 0)
			return cr_err_sys(err, "getsockopt");
	}
	s->who = cr_sockopt_family(s->family, s->type, s->protocol);
	return 0;
}

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71	/* 5.14 */
#endif

/* The processes are in our network namespace, but a socket may be of another:
 * 1.  Older kernels do not tell. */
static int is_foreign(int fd, struct cr_err *err)
{
	static uint64_t own;
	uint64_t its = 0;
	socklen_t len = sizeof(its);

	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &its, &len) < 0)
		return errno == ENOPROTOOPT ? 0 : cr_err_sys(err, "SO_NETNS_COOKIE");
	if (!own) {
		cr_auto_fd int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (s < 0 || getsockopt(s, SOL_SOCKET, SO_NETNS_COOKIE, &own, &len) < 0)
			return cr_err_sys(err, "SO_NETNS_COOKIE");
	}
	return its != own;
}

static int dump_socket(struct net *n, const Cr__Socket *m, struct cr_err *err)
{
	struct sock s = {
		.id = m->id,
		.ino = m->ino,
		.flags = m->open_flags,
		.pid = (pid_t)m->pid,
		.fd = m->fd,
		.carrier_pid = (pid_t)m->carrier_pid,
		.carrier_fd = m->carrier_fd,
		.record = m,
	};
	cr_auto_fd int fd = sock_get(n, &s, err);
	unsigned int i = 0;
	int foreign;

	if (fd < 0 || identify(&s, fd, err) < 0)
		return -1;
	foreign = is_foreign(fd, err);
	cr_fault("net-socket");
	n->count++;
	if (foreign)
		return foreign < 0 ?
			       -1 :
			       sock_refuse(n, &s, "of another network namespace: not supported",
					   "close it", err);
	while (!families[i]->match(&s))
		i++;
	return families[i]->dump(n, &s, fd, err);
}

static int record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		  struct cr_err *err)
{
	const Cr__Socket *m = msg;
	struct net *n = ctx;

	n->st = st;
	if (rec->kind == CR_KIND_TASK)
		return lock_begin(n, msg, err);
	if (rec->kind != CR_KIND_SOCKET)
		return 0;
	if (dump_socket(n, m, err) < 0)
		return cr_err_wrap(err, "pid %u: fd %u", m->pid, m->fd);
	return 0;
}

static int finish(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	struct net *n = ctx;

	n->st = st;
	for (unsigned int i = 0; families[i]; i++)
		if (families[i]->finish && families[i]->finish(n, err) < 0)
			return -1;
	peek_end(&n->peek);
	cr_stage_count(st, "sockets", n->count);
	return 0;
}

int main(int argc, char **argv)
{
	static const uint16_t wants[] = { CR_KIND_SOCKET, CR_KIND_TASK, 0 };
	static const uint16_t wants_sockets[] = { CR_KIND_SOCKET, 0 };
	struct cr_stage_ops ops = {
		.record = record,
		.finish = finish,
		.wants = wants_sockets,
	};
	int ret;

	cr_opt_parse(&spec, argc, argv);
	if (net.opts.scripts.count) {
		if (!net.opts.dir)
			cr_opt_usage("--action-script: -D DIR is missing (see -h)");
		ops.wants = wants;
	}
	ret = cr_stage_run(&ops, &net);
	lock_end(&net);
	net_free(&net);
	return ret;
}
