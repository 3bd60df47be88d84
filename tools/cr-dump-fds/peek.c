/* SPDX-License-Identifier: MIT */
#include "peek.h"

#include <fcntl.h>
#include <stdio.h>

#include "clean.h"

const char *peek_fault(const struct peek *p)
{
	return p->fault[0] ? p->fault : NULL;
}

void peek_reset(struct peek *p)
{
	p->fault[0] = '\0';
}

static void note(struct peek *p, const char *type, const char *member)
{
	if (p->fault[0])
		return;
	if (type && !peek_has(p, type, member))
		snprintf(p->fault, sizeof(p->fault), "this kernel has no %s in its struct %s",
			 member, type);
	else
		snprintf(p->fault, sizeof(p->fault), "unable to read the kernel's memory");
}

uint64_t peek_u64(struct peek *p, uint64_t address)
{
	uint64_t value = 0;

	if (address && kernel_peek(p->kernel, address, &value, sizeof(value)) == 0)
		return value;
	note(p, NULL, NULL);
	return 0;
}

uint64_t peek_member(struct peek *p, uint64_t address, const char *type, const char *member,
		     size_t size)
{
	uint64_t value = 0;

	/* Little-endian: what is not read is 0 above it. */
	if (address && kernel_peek_member(p->kernel, address, type, member, &value, size) == 0)
		return value;
	note(p, type, member);
	return 0;
}

uint64_t peek_address(struct peek *p, uint64_t address, const char *type, const char *member)
{
	int64_t bits = kernel_peek_where(p->kernel, type, member);

	if (bits >= 0 && bits % 8 == 0)
		return address + (uint64_t)bits / 8;
	note(p, type, member);
	return 0;
}

bool peek_bit(struct peek *p, uint64_t address, const char *type, const char *member)
{
	bool value = false;

	if (!address || kernel_peek_bit(p->kernel, address, type, member, &value) < 0)
		note(p, type, member);
	return value;
}

bool peek_has(struct peek *p, const char *type, const char *member)
{
	return kernel_peek_where(p->kernel, type, member) >= 0;
}

uint64_t peek_file(struct peek *p, int fd)
{
	uint64_t file = kernel_peek_file(p->kernel, fd);

	if (!file)
		note(p, NULL, NULL);
	return file;
}

/* By its folder of /proc, which refers to its struct pid. */
uint64_t peek_task(struct peek *p, pid_t tid)
{
	char path[64];
	cr_auto_fd int fd = -1;
	uint64_t inode, pid, first, links;

	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)tid, (int)tid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		note(p, NULL, NULL);
		return 0;
	}
	inode = peek_member(p, peek_file(p, fd), "file", "f_inode", 8);
	inode -= peek_address(p, 0, "proc_inode", "vfs_inode");
	pid = peek_member(p, inode, "proc_inode", "pid", 8);
	first = pid ? peek_u64(p, peek_address(p, pid, "pid", "tasks")) : 0;
	links = peek_address(p, 0, "task_struct", "pid_links");
	return first && links ? first - links : 0;
}
