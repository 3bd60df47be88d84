/* SPDX-License-Identifier: MIT */
#include "refuse.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arch.h"
#include "clean.h"
#include "inject-seccomp.h"
#include "proc.h"
#include "properties.h"
#include "refusal.h"

#define IO_BITMAP_BYTES 8192

struct check {
	struct cr_writer *w;
	const struct cr_tree *tree;
	bool shell_job;
	unsigned int count;
};

static int refuse(struct check *c, pid_t pid, const char *object, const char *kind,
		  const char *remedy, struct cr_err *err)
{
	c->count++;
	return cr_refuse(c->w, pid, object, kind, remedy, err);
}

/* What keeps an agent out as well. */
static int refuse_agent(struct check *c, pid_t pid, const char *object, const char *kind,
			const char *remedy, struct cr_err *err)
{
	c->count++;
	return cr_refuse_agent(c->w, pid, object, kind, remedy, err);
}

/* Those of its children may differ from its own, after unshare(2) or setns(2). */
static const struct ns {
	const char *name;
	const char *of_children;
} namespaces[] = {
	{ "mnt", NULL },    { "pid", "pid_for_children" },
	{ "net", NULL },    { "ipc", NULL },
	{ "uts", NULL },    { "user", NULL },
	{ "cgroup", NULL }, { "time", "time_for_children" },
};

/* 0: the kernel does not know it, or nobody has been born there yet. */
static int ns_of(int dirfd, const char *name, ino_t *out, struct cr_err *err)
{
	char text[64], *id;
	ssize_t n;

	*out = 0;
	/* "net:[4026531840]": to follow the link would make an inode of it. */
	n = readlinkat(dirfd, name, text, sizeof(text) - 1);
	if (n < 0)
		return errno == ENOENT ? 0 : cr_err_sys(err, "unable to read ns/%s", name);
	text[n] = '\0';
	id = strchr(text, '[');
	*out = id ? strtoul(id + 1, NULL, 10) : 0;
	return *out ? 0 : cr_err_set(err, CR_SYSTEM, "ns/%s: not understood", name);
}

static int open_ns(pid_t pid, struct cr_err *err)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns", (int)pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? cr_err_sys(err, "unable to open %s", path) : fd;
}

static int check_namespace(struct check *c, const struct cr_process *p, int dirfd,
			   const struct ns *ns, ino_t own, struct cr_err *err)
{
	char kind[96];
	ino_t its, children;

	if (ns_of(dirfd, ns->name, &its, err) < 0)
		return -1;
	/* The kernel knows it, so everybody who lives is in one. */
	if (!its)
		return cr_err_set(err, CR_SYSTEM, "pid %d ended while it was frozen", (int)p->pid);
	if (its != own) {
		snprintf(kind, sizeof(kind), "in a %s namespace of its own: not supported",
			 ns->name);
		/* The ids of SysV segments mean others there. */
		return (strcmp(ns->name, "ipc") == 0 ? refuse_agent : refuse)(
			c, p->pid, "", kind, "run the tools inside of that namespace", err);
	}
	if (!ns->of_children)
		return 0;
	if (ns_of(dirfd, ns->of_children, &children, err) < 0)
		return -1;
	if (children == own)
		return 0;
	snprintf(kind, sizeof(kind), "its children get another %s namespace: not supported",
		 ns->name);
	return refuse(c, p->pid, "", kind, "", err);
}

static ino_t own_ns[sizeof(namespaces) / sizeof(namespaces[0])];

int refuse_prepare(struct cr_err *err)
{
	cr_auto_fd int dirfd = open_ns(getpid(), err);

	if (dirfd < 0)
		return -1;
	for (size_t i = 0; i < sizeof(own_ns) / sizeof(own_ns[0]); i++)
		if (ns_of(dirfd, namespaces[i].name, &own_ns[i], err) < 0)
			return -1;
	return 0;
}

static int check_namespaces(struct check *c, const struct cr_process *p, struct cr_err *err)
{
	cr_auto_fd int dirfd = open_ns(cr_process_eye(p), err);

	if (dirfd < 0)
		return -1;
	for (size_t i = 0; i < sizeof(own_ns) / sizeof(own_ns[0]); i++)
		if (own_ns[i] && check_namespace(c, p, dirfd, &namespaces[i], own_ns[i], err) < 0)
			return -1;
	return 0;
}

static int check_shared(struct check *c, const struct cr_process *p, const struct share *share,
			struct cr_err *err)
{
	char what[96];

	if (share->outside) {
		snprintf(what, sizeof(what),
			 "shares its %s with process %d outside of the tree: not supported",
			 share->what, (int)share->outside);
		return refuse(c, p->pid, "", what, "", err);
	}
	return 0;
}

/* Sessions and groups that are led from outside: a shell's job. */
static int check_job(struct check *c, const struct cr_process *p, const struct kin *kin,
		     struct cr_err *err)
{
	char what[96];

	if (c->shell_job || (!kin->outer_session && !kin->outer_group))
		return 0;
	snprintf(what, sizeof(what), "%s %d is led from outside of the tree",
		 kin->outer_session ? "session" : "process group",
		 (int)kin->st.field[kin->outer_session ? 6 : 5]);
	return refuse(c, p->pid, "", what, "start it with setsid, or use --shell-job", err);
}

/* Whether the tree can be made again: one reason is all that is known. */
static int check_family(struct check *c, const struct kin *kin, struct cr_err *err)
{
	const struct cr_process *root = c->tree->procs[0];
	struct cr_err why = { 0 };

	if (kin_check(c->tree, kin, &why) == 0)
		return 0;
	if (why.class != CR_REFUSED) {
		*err = why;
		return -1;
	}
	return refuse(c, root->pid, "", why.msg, "", err);
}

static bool has_word(const char *status, const char *field, const char *word)
{
	const char *p = cr_proc_field(status, field), *found = p ? strstr(p, word) : NULL;

	return found && found < p + strcspn(p, "\n");
}

static int check_filters(struct check *c, const struct cr_tracee *t, const char *object,
			 struct cr_err *err)
{
	struct cr_filter *list;
	const char *call;
	char what[96];
	size_t count;
	int ret = 0;

	if (cr_filters_get(t->tid, &list, &count, err) < 0) {
		/* Names the thread already. */
		return err->class == CR_REFUSED ?
			       refuse_agent(c, t->pid, object, err->msg, "", err) :
			       -1;
	}
	for (size_t i = 0; ret == 0 && i < count; i++)
		if (cr_filter_asks(&list[i]))
			ret = refuse(c, t->pid, object,
				     "has a seccomp filter with a supervisor: not supported", "",
				     err);
	call = inject_seccomp_forbids(t, list, count);
	snprintf(what, sizeof(what), "has a seccomp filter that forbids %s(2): not supported",
		 call ? call : "");
	if (ret == 0 && call)
		ret = refuse_agent(c, t->pid, object, what, "an agent inside needs that call", err);
	cr_filters_free(list, count);
	return ret;
}

#define XSTATE_BV 512			/* in the XSAVE area */
#define XFEATURE_TILE_DATA 18

/*
 * Tiles hold something.  A new thread has no room for them before it has used
 * them, so that no tracer can set them.
 */
static bool has_tiles(pid_t tid)
{
	static int cpu = -1;
	uint64_t area[XSTATE_BV / 8 + 1] = { 0 };
	struct iovec iov = { area, sizeof(area) };

	if (cpu < 0)
		cpu = cr_arch_has_tiles();
	return cpu &&
	       syscall(SYS_ptrace, (long)PTRACE_GETREGSET, (long)tid, (long)NT_X86_XSTATE, &iov) ==
		       0 &&
	       area[XSTATE_BV / 8] & 1ull << XFEATURE_TILE_DATA;
}

/* A bitmap of I/O ports; kernels without CONFIG_X86_IOPL_IOPERM have none. */
static bool has_ports(pid_t tid)
{
	static uint64_t map[IO_BITMAP_BYTES / sizeof(uint64_t)];
	static bool none;
	struct iovec iov = { map, sizeof(map) };

	if (none)
		return false;
	if (syscall(SYS_ptrace, (long)PTRACE_GETREGSET, (long)tid, (long)NT_386_IOPERM, &iov) == 0)
		return true;
	none = errno == EINVAL || errno == ENODEV;
	return false;
}

static int check_thread(struct check *c, struct cr_tracee *t, struct cr_err *err)
{
	const char *status, *seccomp;
	char object[32];

	snprintf(object, sizeof(object), "thread %d", (int)t->tid);
	if (!cr_arch_native(&t->regs) &&
	    refuse_agent(c, t->pid, object, "runs 32-bit code: not supported", "", err) < 0)
		return -1;
	status = cr_tracee_status(t, err);
	if (!status)
		return -1;
	if (has_word(status, "x86_Thread_features", "shstk") &&
	    refuse_agent(c, t->pid, object, "has a shadow stack: not supported", "", err) < 0)
		return -1;
	if (has_tiles(t->tid) && refuse(c, t->pid, object, "has AMX tiles in use: not supported",
					"let it release them (TILERELEASE) first", err) < 0)
		return -1;
	if (has_ports(t->tid) &&
	    refuse(c, t->pid, object, "may use I/O ports (ioperm): not supported", "", err) < 0)
		return -1;
	seccomp = cr_proc_field(status, "Seccomp");
	if (seccomp && *seccomp == '1')
		return refuse_agent(
			c, t->pid, object, "seccomp strict mode: not supported",
			"an agent inside could not leave again: its calls kill the thread", err);
	return seccomp && *seccomp == '2' ? check_filters(c, t, object, err) : 0;
}

/* Labels for what it will make, and threads that differ: nobody asks for them. */
static int check_labels(struct check *c, const struct cr_process *p, struct cr_err *err)
{
	static const char *const later[] = { "exec", "fscreate", "keycreate", "sockcreate" };
	const char *label = properties_label(cr_process_eye(p), "current");
	char own[1024], what[64];

	if (!label)
		return 0;
	snprintf(own, sizeof(own), "%s", label);
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		label = properties_label(cr_process_eye(p), later[i]);
		snprintf(what, sizeof(what), "has a security label attr/%s: not supported",
			 later[i]);
		if (label && label[0] && refuse(c, p->pid, "", what, "", err) < 0)
			return -1;
	}
	for (unsigned int k = 1; k < p->n_threads; k++) {
		label = properties_label(p->threads[k].tid, "current");
		if (label && strcmp(label, own) != 0)
			return refuse(c, p->pid, "",
				      "its threads have different security labels: not supported",
				      "", err);
	}
	return 0;
}

/* The upper bits of addresses that the CPU ignores (LAM, 6.4). */
static int check_tags(struct check *c, const struct cr_process *p, struct cr_err *err)
{
	const char *status = cr_tracee_status(&p->threads[0], err), *mask;

	if (!status)
		return -1;
	mask = cr_proc_field(status, "untag_mask");
	if (!mask || strtoull(mask, NULL, 16) == UINT64_MAX)
		return 0;
	return refuse(c, p->pid, "",
		      "has tags in its addresses (ARCH_ENABLE_TAGGED_ADDR): not supported", "",
		      err);
}

static int check_process(struct check *c, const struct cr_process *p, const struct kin *kin,
			 struct cr_err *err)
{
	if (check_job(c, p, kin, err) < 0)
		return -1;
	if (p->zombie)
		return 0;
	if (check_namespaces(c, p, err) < 0 || check_shared(c, p, &kin->share, err) < 0)
		return -1;
	if (check_labels(c, p, err) < 0)
		return -1;
	if (check_tags(c, p, err) < 0)
		return -1;
	for (unsigned int k = 0; k < p->n_threads; k++)
		if (check_thread(c, &p->threads[k], err) < 0)
			return -1;
	return 0;
}

int refuse_tree(struct cr_writer *w, const struct cr_tree *tree, const struct kin *kin,
		bool shell_job, unsigned int *count, struct cr_err *err)
{
	struct check c = { .w = w, .tree = tree, .shell_job = shell_job };
	int ret = check_family(&c, kin, err);

	for (unsigned int i = 0; ret == 0 && i < tree->count; i++)
		ret = check_process(&c, tree->procs[i], &kin[i], err);
	*count = c.count;
	return ret;
}
