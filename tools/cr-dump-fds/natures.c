/* SPDX-License-Identifier: MIT */
#include "natures.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "scan.h"

#define MQUEUE_MAGIC 0x19800202

struct words {
	const char *prefix;
	const char *kind;
};

static const char *lookup(const struct words *list, const char *target)
{
	for (; list->prefix; list++)
		if (strncmp(target, list->prefix, strlen(list->prefix)) == 0)
			return list->kind;
	return NULL;
}

/* Links that are no paths. */
static const struct words pseudo[] = {
	{ "(unreachable)", "file outside of the root" },
	{ SCAN_TOO_LONG, "file" },
	{ "pipe:[", "pipe" },
	{ "socket:[", "socket" },
	{ "anon_inode:[io_uring]", "io_uring" },
	{ "anon_inode:[userfaultfd]", "userfaultfd" },
	{ "anon_inode:[perf_event]", "perf event" },
	{ "anon_inode:bpf-map", "BPF map" },
	{ "anon_inode:bpf-prog", "BPF program" },
	{ "anon_inode:bpf_link", "BPF link" },
	{ "anon_inode:btf", "BPF type information" },
	{ "anon_inode:kvm-vm", "KVM virtual machine" },
	{ "anon_inode:kvm-vcpu", "KVM virtual CPU" },
	{ "anon_inode:[eventpoll]", "epoll" },
	{ "anon_inode:inotify", "inotify" },
	{ "anon_inode:[fscontext]", "mount context" },
	{ "anon_inode:seccomp notify", "seccomp listener" },
	{ "anon_inode:[landlock-ruleset]", "landlock rules" },
	{ "anon_inode:sync_file", "sync file" },
	{ "mnt:[", "mount namespace" },
	{ "net:[", "network namespace" },
	{ "pid:[", "pid namespace" },
	{ "user:[", "user namespace" },
	{ "uts:[", "UTS namespace" },
	{ "ipc:[", "IPC namespace" },
	{ "cgroup:[", "cgroup namespace" },
	{ "time:[", "time namespace" },
	{ NULL, NULL },
};

/* Links that look like paths and are none. */
static const struct words nameless[] = {
	{ "/memfd:", "memfd" },
	{ "/dev/zero (deleted)", "shared memory" },
	{ "/SYSV", "System V shared memory" },
	{ "/anon_hugepage", "huge page memory" },
	{ "/secretmem", "secret memory" },
	{ "/dmabuf:", "dma-buf" },
	{ "/[aio]", "AIO ring" },
	{ NULL, NULL },
};

static void of_mode(const struct file *f, char *kind, size_t size)
{
	switch (f->sb.st_mode & S_IFMT) {
	case S_IFCHR:
		snprintf(kind, size, "character device %u:%u", major(f->sb.st_rdev),
			 minor(f->sb.st_rdev));
		return;
	case S_IFBLK:
		snprintf(kind, size, "block device %u:%u", major(f->sb.st_rdev),
			 minor(f->sb.st_rdev));
		return;
	case S_IFIFO:
		snprintf(kind, size, "fifo");
		return;
	default:
		snprintf(kind, size, "unknown object");
	}
}

void nature_of(const struct file *f, char *kind, size_t size)
{
	const char *known = lookup(pseudo, f->target);
	const char *open = strchr(f->target, '[');

	if (known)
		snprintf(kind, size, "%s", known);
	else if (f->target[0] == '/')
		of_mode(f, kind, size);
	else if (strncmp(f->target, "anon_inode:[", 12) == 0)
		snprintf(kind, size, "%.*s", (int)strcspn(open + 1, "]"), open + 1);
	else if (strncmp(f->target, "anon_inode:", 11) == 0)
		snprintf(kind, size, "%s", f->target + 11);
	else
		snprintf(kind, size, "unknown object");
}

void nature_without_path(const struct file *f, int fd, char *kind, size_t size)
{
	const char *known = lookup(nameless, f->target);
	size_t len = strlen(f->target);
	struct statfs fs = { 0 };

	if (fstatfs(fd, &fs) == 0 && (uint32_t)fs.f_type == MQUEUE_MAGIC)
		known = "message queue";
	if (!known && len > 10 && strcmp(f->target + len - 10, " (deleted)") == 0)
		known = S_ISDIR(f->sb.st_mode) ? "deleted directory" : "deleted file";
	/* fsmount(2), and open_tree(2) with OPEN_TREE_CLONE: attached nowhere. */
	if (!known && strcmp(f->target, "/") == 0)
		known = "detached mount";
	snprintf(kind, size, "%s", known ? known : "file that its path does not lead to");
}

/* Files of these keep for each description what was read or asked. */
static const char *state_of(uint32_t fs, const struct file *f)
{
	const char *name = strrchr(f->target, '/') + 1;

	switch (fs) {
	case TRACEFS_MAGIC:
		return strncmp(name, "trace_marker", 12) == 0 ? NULL : "tracing file";
	case DEBUGFS_MAGIC:
		return "debugging file";
	case SELINUX_MAGIC:
		return (f->flags & O_ACCMODE) == O_RDWR ? "SELinux transaction" : NULL;
	default:
		return NULL;
	}
}

const char *nature_with_state(const struct file *f)
{
	struct statfs fs;

	/* Those file systems say of no file that it has blocks. */
	if (!S_ISREG(f->sb.st_mode) || f->sb.st_blocks || (f->flags & O_PATH))
		return NULL;
	if ((f->own < 0 ? statfs(f->target, &fs) : fstatfs(f->own, &fs)) < 0)
		return NULL;
	return state_of((uint32_t)fs.f_type, f);
}

bool nature_is_ghost(int fd)
{
	static const uint32_t special[] = {
		PROC_SUPER_MAGIC,    SYSFS_MAGIC,   DEBUGFS_MAGIC,	TRACEFS_MAGIC,
		MQUEUE_MAGIC,	     NSFS_MAGIC,    SECURITYFS_MAGIC,	CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,  DEVPTS_SUPER_MAGIC, SECRETMEM_MAGIC,
		ANON_INODE_FS_MAGIC, DMA_BUF_MAGIC,
	};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if ((uint32_t)fs.f_type == special[i])
			return false;
	return true;
}
