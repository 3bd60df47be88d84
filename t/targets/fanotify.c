/* SPDX-License-Identifier: MIT */
/* fanotify: marks on an inode, a mount and a file system, with what they
 * ignore, and events of what happens afterwards. */
#include <sys/fanotify.h>

#include "target.h"

static int plain, fids;
static char before[2][4096];

/* The lines of fdinfo that tell its marks. */
static void marks_of(int fd, char *out, size_t size)
{
	char path[40], all[8192], *line = all;
	size_t fill = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	t_read(path, all, sizeof(all));
	out[0] = 0;
	while ((line = strstr(line, "fanotify "))) {
		size_t len = strcspn(line, "\n") + 1;

		if (fill + len < size) {
			memcpy(out + fill, line, len);
			fill += len;
		}
		out[fill] = 0;
		line += len;
	}
}

static void mark(int fd, unsigned int flags, uint64_t mask, const char *path)
{
	t_must(fanotify_mark(fd, FAN_MARK_ADD | flags, mask, AT_FDCWD, path));
}

static void check(int fd, const char *was, const char *what)
{
	char is[4096];

	marks_of(fd, is, sizeof(is));
	t_same_lines(what, (char *)was, is);
}

static void expect_event(void)
{
	char buf[4096];
	struct fanotify_event_metadata *e = (void *)buf;
	struct stat st, its;
	int fd = t_must(open("inode/file", O_WRONLY | O_CREAT, 0600));
	ssize_t n;

	t_must(write(fd, "x", 1));
	n = read(plain, buf, sizeof(buf));
	if (n < (ssize_t)sizeof(*e)) {
		t_differs("no event: %s", strerror(errno));
		return;
	}
	t_same("event", FAN_MODIFY, e->mask);
	t_must(fstat(fd, &st));
	t_must(fstat(e->fd, &its));
	t_same("of the file", st.st_ino, its.st_ino);
	t_same("flags of its descriptor", O_RDONLY, (uint64_t)fcntl(e->fd, F_GETFL) & O_ACCMODE);
	close(e->fd);
	close(fd);
}

int main(void)
{
	t_init();
	plain = t_must(fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC,
				     O_RDONLY | O_LARGEFILE));
	fids = t_must(fanotify_init(FAN_REPORT_FID | FAN_UNLIMITED_MARKS, O_RDWR));
	t_must(mkdir("inode", 0700));
	t_must(mkdir("other", 0700));
	close(t_must(open("inode/file", O_WRONLY | O_CREAT, 0600)));
	mark(plain, 0, FAN_MODIFY | FAN_EVENT_ON_CHILD, "inode");
	mark(plain, FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_CLOSE_WRITE, "other");
	mark(fids, 0, FAN_DELETE | FAN_CREATE | FAN_ONDIR, "other");
	/* Marks on what is large are for what hardly happens there. */
	mark(plain, FAN_MARK_FILESYSTEM, FAN_MODIFY, "/sys");
	mark(plain, FAN_MARK_MOUNT, FAN_CLOSE_WRITE, "/sys");
	marks_of(plain, before[0], sizeof(before[0]));
	marks_of(fids, before[1], sizeof(before[1]));
	t_ready();
	if (t_spoiled())
		mark(fids, 0, FAN_MOVED_TO, "other");
	t_wait();
	check(plain, before[0], "the marks");
	check(fids, before[1], "the marks of the one with ids");
	t_same("flags", O_NONBLOCK, (uint64_t)fcntl(plain, F_GETFL) & O_NONBLOCK);
	expect_event();
	return t_done();
}
