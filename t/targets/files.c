/* SPDX-License-Identifier: MIT */
/*
 * Regular files, directories and device nodes: flags, offsets, O_APPEND,
 * descriptions shared by descriptors and by processes, close-on-exec, high
 * numbers and gaps.
 */
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "target.h"

#define SIZE 10000
#define MAX 64
#define LSEEK_CHILD 1234

struct file {
	int fd;
	int flags, fd_flags;	/* F_GETFL, F_GETFD */
	off_t pos;
	struct stat st;
	char link[PATH_MAX];
};

static struct file list[MAX];
static unsigned int count;

static void look(int fd, struct file *f)
{
	char path[64];
	ssize_t n;

	memset(f, 0, sizeof(*f));
	f->fd = fd;
	f->flags = t_must(fcntl(fd, F_GETFL));
	f->fd_flags = t_must(fcntl(fd, F_GETFD));
	f->pos = lseek(fd, 0, SEEK_CUR);
	t_must(fstat(fd, &f->st));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = t_must(readlink(path, f->link, sizeof(f->link) - 1));
	f->link[n] = 0;
}

static int note(int fd)
{
	if (fd < 0 || count == MAX)
		t_fatal("open");
	look(fd, &list[count++]);
	return fd;
}

static void make(const char *name)
{
	static uint8_t buf[SIZE];
	int fd = t_must(open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));

	t_fill(buf, sizeof(buf), (uint64_t)name[0]);
	if (write(fd, buf, sizeof(buf)) != (ssize_t)sizeof(buf))
		t_fatal("%s", name);
	close(fd);
}

static int seeked(int fd, off_t pos)
{
	t_must(lseek(fd, pos, SEEK_SET));
	return fd;
}

static int shared_a, shared_b, inherited, append;

static void open_all(void)
{
	int fd;

	make("a");
	make("b");
	make("c");
	note(seeked(open("a", O_RDONLY), 17));
	note(seeked(open("a", O_RDWR | O_CLOEXEC), 5000));
	note(seeked(open("b", O_WRONLY), SIZE + 100));	/* beyond the end */
	append = note(open("c", O_RDWR | O_APPEND));
	note(open("b", O_RDONLY | O_NONBLOCK));
	note(open("b", O_RDWR | O_SYNC));
	note(open("b", O_RDWR | O_DSYNC));
	note(open("b", O_RDONLY | O_NOFOLLOW | O_NOATIME));
	note(open("b", O_PATH));
	note(open("b", O_PATH | O_CLOEXEC));
	note(open(".", O_RDONLY | O_DIRECTORY));
	note(open(".", O_PATH | O_DIRECTORY));
	fd = open("b", O_RDONLY | O_DIRECT);
	if (fd >= 0)	/* tmpfs has it since 6.5 only */
		note(fd);
	note(open("/dev/null", O_RDWR));
	note(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	note(open("/dev/full", O_WRONLY));
	note(open("/dev/urandom", O_RDONLY));
	shared_a = note(seeked(open("a", O_RDWR), 300));
	shared_b = note(fcntl(shared_a, F_DUPFD_CLOEXEC, 100));
	note(fcntl(shared_a, F_DUPFD, 900));
	inherited = note(seeked(open("a", O_RDONLY), 40));
	note(dup2(inherited, 77));
	close(STDIN_FILENO);	/* a gap at 0 */
}

static void compare(const char *who)
{
	char what[96];
	struct file is;

	for (unsigned int i = 0; i < count; i++) {
		struct file *was = &list[i];

		if (fcntl(was->fd, F_GETFD) < 0) {
			t_differs("%s: fd %d is closed", who, was->fd);
			continue;
		}
		look(was->fd, &is);
		snprintf(what, sizeof(what), "%s: fd %d: flags", who, was->fd);
		t_same(what, (uint64_t)was->flags, (uint64_t)is.flags);
		snprintf(what, sizeof(what), "%s: fd %d: descriptor flags", who, was->fd);
		t_same(what, (uint64_t)was->fd_flags, (uint64_t)is.fd_flags);
		snprintf(what, sizeof(what), "%s: fd %d: offset", who, was->fd);
		t_same(what, (uint64_t)was->pos, (uint64_t)is.pos);
		snprintf(what, sizeof(what), "%s: fd %d: inode", who, was->fd);
		t_same(what, was->st.st_ino, is.st.st_ino);
		snprintf(what, sizeof(what), "%s: fd %d: device", who, was->fd);
		t_same(what, was->st.st_rdev, is.st.st_rdev);
		snprintf(what, sizeof(what), "%s: fd %d: path", who, was->fd);
		t_same_str(what, was->link, is.link);
	}
	t_true("descriptor 0 is closed", fcntl(0, F_GETFD) < 0);
	for (int fd = 3; fd < 1024; fd++) {
		bool known = false;

		for (unsigned int i = 0; i < count; i++)
			known |= list[i].fd == fd;
		if (!known && fcntl(fd, F_GETFD) >= 0)
			t_differs("%s: fd %d is open, it was not", who, fd);
	}
}

/* The description is one: an offset moved here is moved there. */
static void check_sharing(void)
{
	struct stat st;
	char c = 'z';

	t_must(lseek(shared_a, 777, SEEK_SET));
	t_same("offset shared by a duplicate", 777, (uint64_t)lseek(shared_b, 0, SEEK_CUR));
	t_same("offset shared by number 900", 777, (uint64_t)lseek(900, 0, SEEK_CUR));
	t_same("offset shared with the child", LSEEK_CHILD, (uint64_t)lseek(77, 0, SEEK_CUR));
	t_must(lseek(append, 0, SEEK_SET));
	t_same("O_APPEND writes", 1, (uint64_t)write(append, &c, 1));
	t_must(fstat(append, &st));
	t_same("O_APPEND appends", SIZE + 1, (uint64_t)st.st_size);
	t_same("and leaves the offset there", SIZE + 1, (uint64_t)lseek(append, 0, SEEK_CUR));
	t_must(ftruncate(append, SIZE));
}

static void check_devices(void)
{
	char buf[8] = "xxxxxxx";
	int fd;

	for (unsigned int i = 0; i < count; i++) {
		fd = list[i].fd;
		if (strcmp(list[i].link, "/dev/zero") == 0)
			t_true("/dev/zero", read(fd, buf, 8) == 8 && !buf[0] && !buf[7]);
		if (strcmp(list[i].link, "/dev/full") == 0)
			t_true("/dev/full", write(fd, buf, 8) < 0 && errno == ENOSPC);
		if (strcmp(list[i].link, "/dev/null") == 0)
			t_true("/dev/null", write(fd, buf, 8) == 8 && read(fd, buf, 8) == 0);
	}
}

int main(void)
{
	pid_t child;

	t_init();
	open_all();
	child = t_must(fork());
	if (child == 0) {
		t_wait();
		compare("child");
		t_must(lseek(inherited, LSEEK_CHILD, SEEK_SET));
		_exit(t_differences ? 1 : 0);
	}
	t_ready();
	if (t_spoiled()) {
		lseek(900, 1, SEEK_SET);
		fcntl(shared_b, F_SETFD, 0);
	}
	t_wait();
	t_join_child("child", child);
	t_same("the child moved the shared offset", LSEEK_CHILD,
	       (uint64_t)lseek(inherited, 0, SEEK_CUR));
	check_sharing();
	t_must(lseek(inherited, 40, SEEK_SET));
	t_must(lseek(shared_a, t_spoiled() ? 1 : 300, SEEK_SET));
	t_must(lseek(append, 0, SEEK_SET));
	compare("parent");
	check_devices();
	return t_done();
}
