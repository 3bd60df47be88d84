/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd of a process's own memory.  That no range is registered is for
 * cr-dump-mem to see.
 */
#include <stdio.h>

#include "clean.h"
#include "kinds.h"
#include "peek.h"

#define CTX "userfaultfd_ctx"
#define INITIALIZED (1u << 31)	/* in .features, since UFFDIO_API (5.15) */
#define USER_MODE_ONLY 1u

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[userfaultfd]");
}

/* NULL, or why it cannot be carried. */
static const char *look(const struct dump *d, const struct file *f, struct peek *p, int fd,
			Cr__UserFaultFd *m)
{
	uint64_t ctx = peek_member(p, peek_file(p, fd), "file", "private_data", 8);
	uint64_t task = peek_task(p, f->proc->pid), features;

	m->user_mode_only = peek_member(p, ctx, CTX, "flags", 4) & USER_MODE_ONLY;
	features = peek_member(p, ctx, CTX, "features", 4);
	m->api = features & INITIALIZED;
	m->features = features & ~(uint64_t)INITIALIZED;
	if (peek_member(p, ctx, CTX, "mm", 8) != peek_member(p, task, "task_struct", "mm", 8))
		return "it is of another process's memory: not supported";
	if (file_is_shared(d, f))
		return "several processes have it: not supported";
	return peek_fault(p);
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	struct peek p = { .kernel = dump_peek(d) };
	cr_auto_fd int fd = file_get(f, err);
	Cr__UserFaultFd m = CR__USER_FAULT_FD__INIT;
	const char *why, *total = file_info(f, "total");

	if (fd < 0)
		return -1;
	m.id = f->id;
	m.open_flags = f->flags;
	m.pid = (uint32_t)f->proc->task;
	if (!p.kernel)
		why = "this kernel does not tell its state (BPF)";
	else if (!total || *total != '0')
		why = "faults wait for it: not supported";
	else
		why = look(d, f, &p, fd, &m);
	return why ? file_refuse(d, f, "userfaultfd", why, "close it", err) :
		     cr_stage_put(d->st, CR_KIND_USER_FAULT_FD, &m, err);
}

const struct file_kind kind_userfaultfd = {
	.name = "userfaultfd",
	.match = match,
	.late = late,
};
