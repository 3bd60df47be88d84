/* SPDX-License-Identifier: MIT */
/*
 * File locks: flock of descriptions that are shared or not, POSIX locks on
 * ranges by two processes, one of which shares its descriptors with a third,
 * OFD locks, leases, and a process that waits for one.
 */
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "target.h"

static int shared_fd, exclusive_fd, posix_fd, ofd_fd, lease_fd;

static int make(const char *name)
{
	return t_must(open(name, O_RDWR | O_CREAT, 0600));
}

static struct flock range(int type, off_t start, off_t len)
{
	return (struct flock){
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
}

static void set(int fd, int cmd, int type, off_t start, off_t len)
{
	struct flock fl = range(type, start, len);

	t_must(fcntl(fd, cmd, &fl));
}

/* Who keeps us from a write lock there?  0: nobody. */
static pid_t holder(int fd, int cmd, off_t start, int *type)
{
	struct flock fl = range(F_WRLCK, start, 1);

	t_must(fcntl(fd, cmd, &fl));
	*type = fl.l_type;
	return fl.l_type == F_UNLCK ? 0 : fl.l_pid;
}

static void set_up(void)
{
	shared_fd = make("shared");
	t_must(flock(shared_fd, LOCK_SH));
	exclusive_fd = make("exclusive");
	t_must(flock(exclusive_fd, LOCK_EX));
	posix_fd = make("posix");
	set(posix_fd, F_SETLK, F_WRLCK, 0, 10);
	set(posix_fd, F_SETLK, F_RDLCK, 100, 50);
	set(posix_fd, F_SETLK, F_WRLCK, 5000, 0);
	ofd_fd = make("ofd");
	set(ofd_fd, F_OFD_SETLK, F_WRLCK, 7, 3);
	close(make("lease"));
	lease_fd = t_must(open("lease", O_RDONLY));
	signal(SIGIO, SIG_IGN);
	t_must(fcntl(lease_fd, F_SETLEASE, F_RDLCK));
}

/* It has a lock of its own and waits for one of its parent's. */
static void child_of(void)
{
	struct flock fl = range(F_WRLCK, 5, 1);
	int type;

	set(posix_fd, F_SETLK, F_WRLCK, 1000, 1);
	t_touch("child");
	t_must(fcntl(posix_fd, F_SETLKW, &fl));
	t_true("the child waits until it is let", t_asked());
	t_same("its other lock is its own still", 0,
	       (uint64_t)holder(posix_fd, F_GETLK, 1000, &type));
	t_same("the parent's range", (uint64_t)getppid(),
	       (uint64_t)holder(posix_fd, F_GETLK, 120, &type));
	t_same("is locked for reading", F_RDLCK, (uint64_t)type);
	_exit(t_differences ? 1 : 0);
}

static void check(pid_t child)
{
	int fd = t_must(open("exclusive", O_RDWR)), type;

	t_true("an exclusive flock", flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	t_must(flock(exclusive_fd, LOCK_UN));
	t_must(flock(fd, LOCK_SH | LOCK_NB));
	fd = t_must(open("shared", O_RDWR));
	t_must(flock(fd, LOCK_SH | LOCK_NB));
	t_true("a shared flock", flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	t_same("the child's lock", (uint64_t)child,
	       (uint64_t)holder(posix_fd, F_GETLK, 1000, &type));
	t_same("no lock between", 0, (uint64_t)holder(posix_fd, F_GETLK, 999, &type));
	fd = t_must(open("ofd", O_RDWR));
	holder(fd, F_OFD_GETLK, 9, &type);
	t_same("an OFD lock", F_WRLCK, (uint64_t)type);
	holder(fd, F_OFD_GETLK, 10, &type);
	t_same("and its end", F_UNLCK, (uint64_t)type);
	t_same("a lease", F_RDLCK, (uint64_t)fcntl(lease_fd, F_GETLEASE));
	/* Now the child may go on. */
	set(posix_fd, F_SETLK, F_UNLCK, 0, 10);
}

/* It has the parent's descriptors, and so the parent's locks. */
static pid_t start_sharer(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		t_wait();
		_exit(0);
	}
	return t_must(pid);
}

int main(void)
{
	pid_t child, sharer;

	t_init();
	set_up();
	child = t_must(fork());
	if (child == 0)
		child_of();
	while (access("child", F_OK) < 0)
		t_sleep_ms(5);
	t_sleep_ms(20);
	sharer = start_sharer();
	t_ready();
	if (t_spoiled())
		t_must(flock(exclusive_fd, LOCK_UN));
	t_wait();
	t_join_child("who shares its descriptors", sharer);
	check(child);
	t_join_child("the child", child);
	return t_done();
}
