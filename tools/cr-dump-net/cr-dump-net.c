/* SPDX-License-Identifier: MIT */
/*
 * cr-dump-net: a stage of the pipeline that adds what is in the sockets that
 * cr-dump-fds has found.  It supports no family yet, so it names them all.
 */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "fault.h"
#include "opt.h"
#include "socket-name.h"
#include "stage.h"

/* No socket has bulk data yet; the pipeline gives every dump its directory. */
static const char *dir;

static const struct cr_opt options[] = {
	{ 'D', "images-dir", CR_OPT_STR, "DIR",
	  "directory of the image; nothing is written to it yet", &dir },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-dump-net",
	.operands = "",
	.purpose = "Add the sockets of frozen processes to the stream.",
	.opts = options,
};

static int get_socket(const Cr__Socket *s, struct cr_err *err)
{
	cr_auto_fd int pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	int fd;

	if (pidfd < 0)
		return cr_err_sys(err, "pid %u: pidfd_open", s->pid);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, s->fd, 0);
	if (fd < 0)
		return cr_err_sys(err, "pid %u: fd %u: pidfd_getfd", s->pid, s->fd);
	return fd;
}

static int record(struct cr_stage *st, void *ctx, const struct cr_record *rec, const void *msg,
		  struct cr_err *err)
{
	const Cr__Socket *s = msg;
	cr_auto_fd int fd = -1;
	char object[32], name[SOCKET_NAME_MAX], kind[SOCKET_NAME_MAX + 32];

	(void)ctx;
	if (rec->kind != CR_KIND_SOCKET)
		return 0;
	fd = get_socket(s, err);
	if (fd < 0)
		return -1;
	socket_name(fd, name);
	snprintf(object, sizeof(object), "fd %u", s->fd);
	snprintf(kind, sizeof(kind), "%s: not supported", name);
	cr_fault("net-socket");
	return cr_stage_refuse(st, (pid_t)s->pid, object, kind, "close it", err);
}

int main(int argc, char **argv)
{
	static const struct cr_stage_ops ops = { .record = record };

	cr_opt_parse(&spec, argc, argv);
	return cr_stage_run(&ops, NULL);
}
