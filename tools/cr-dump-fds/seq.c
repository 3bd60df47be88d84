/* SPDX-License-Identifier: MIT */
#include "seq.h"

#include <fcntl.h>

#include "clean.h"
#include "peek.h"

static uint64_t operation(struct peek *p, int fd, const char *name)
{
	uint64_t file = fd >= 0 ? peek_file(p, fd) : 0;

	return peek_member(p, peek_member(p, file, "file", "f_op", 8), "file_operations", name, 8);
}

/* Is it read as @path is, by that operation? */
static bool is_alike(struct peek *p, int fd, const char *path, const char *name)
{
	cr_auto_fd int own = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t is = operation(p, fd, name);

	return is && is == operation(p, own, name);
}

int64_t seq_rest(struct dump *d, int fd, uint64_t pos)
{
	struct peek p = { .kernel = dump_peek(d) };
	uint64_t seq, count, read_pos;

	if (!p.kernel)
		return -1;
	/* seq_read() and seq_read_iter() */
	if (!is_alike(&p, fd, "/proc/self/status", "read") &&
	    !is_alike(&p, fd, "/proc/self/mounts", "read_iter"))
		return peek_fault(&p) ? -1 : 0;
	seq = peek_member(&p, peek_file(&p, fd), "file", "private_data", 8);
	count = peek_member(&p, seq, "seq_file", "count", 8);
	read_pos = peek_member(&p, seq, "seq_file", "read_pos", 8);
	if (peek_fault(&p))
		return -1;
	return read_pos == pos ? (int64_t)count : 0;
}
