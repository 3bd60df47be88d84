/* SPDX-License-Identifier: MIT */
/*
 * inotify: watches with their numbers and masks, of directories, of a file, of
 * one that is open and deleted, and gaps between the numbers; no event comes of
 * the checkpoint, and new ones do.
 */
#include <sys/inotify.h>

#include "target.h"

static int in, dir_wd, file_wd, dead_wd, late_wd, dead;

static void expect(const char *what, int wd, uint32_t mask, const char *name)
{
	char buf[4096] __attribute__((aligned(8)));
	struct inotify_event *e = (struct inotify_event *)buf;
	/* Room for one event only. */
	ssize_t n = read(in, buf, name[0] ? 32 : 16);

	if (n < (ssize_t)sizeof(*e)) {
		t_differs("%s: %s", what, n < 0 ? strerror(errno) : "short");
		return;
	}
	t_same(what, (uint64_t)wd, (uint64_t)e->wd);
	t_same("its event", mask, e->mask);
	t_same_str("its name", name, e->len ? e->name : "");
}

int main(void)
{
	char c;
	int fd;

	t_init();
	t_must(mkdir("dir", 0700));
	t_must(mkdir("dir/below", 0700));
	close(t_must(open("file", O_CREAT | O_RDWR, 0600)));
	dead = t_must(open("dead", O_CREAT | O_RDWR, 0600));
	t_must(unlink("dead"));
	in = t_must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	dir_wd = t_must(inotify_add_watch(in, "dir", IN_CREATE | IN_DELETE | IN_ONLYDIR));
	for (int i = 0; i < 5; i++) {
		int wd = t_must(inotify_add_watch(in, "/dev", IN_ATTRIB));

		t_must(inotify_rm_watch(in, wd));
	}
	file_wd = t_must(inotify_add_watch(in, "file", IN_MODIFY | IN_ONESHOT));
	dead_wd = t_must(inotify_add_watch(in, "/proc/self/fd/3", IN_MODIFY));
	late_wd = t_must(inotify_add_watch(in, "dir/below", IN_MOVED_TO | IN_OPEN));
	while (read(in, (char[4096]){ 0 }, 4096) > 0)
		;
	t_ready();
	if (t_spoiled())
		t_must(inotify_rm_watch(in, file_wd));
	t_wait();
	if (t_spoiled())
		while (read(in, (char[4096]){ 0 }, 4096) > 0)
			;
	t_true("nothing has happened", read(in, &c, 1) < 0 && errno == EAGAIN);
	t_same("flags", O_NONBLOCK, (uint64_t)fcntl(in, F_GETFL) & O_NONBLOCK);
	fd = t_must(open("dir/new", O_CREAT | O_RDWR, 0600));
	expect("a new file", dir_wd, IN_CREATE, "new");
	t_must(rename("dir/new", "dir/below/moved"));
	expect("moved", late_wd, IN_MOVED_TO, "moved");
	t_must(write(dead, "x", 1));
	expect("a deleted file", dead_wd, IN_MODIFY, "");
	fd = t_must(open("file", O_RDWR));
	t_must(write(fd, "x", 1));
	expect("a file, once", file_wd, IN_MODIFY, "");
	expect("and gone", file_wd, IN_IGNORED, "");
	t_must(unlink("dir/below/moved"));
	return t_done();
}
