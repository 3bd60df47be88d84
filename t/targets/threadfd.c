/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of threads: pidfds (PIDFD_THREAD) and files of /proc/PID/task, of
 * one's own threads, of those of a parent and of a child, shared, in an epoll, and
 * of one that has ended.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

#define PIDFD_THREAD O_EXCL /* 6.9 */

enum { OWN, NONBLOCK, GONE, COMM, DIRECTORY, HIDDEN, SELF, EVENTS, FDS };

static int fds[FDS], of_child = -1, pair[2], end[2], checked[2];
static volatile uint32_t leave;
static pid_t *ids;	/* of the threads of both processes, shared */

static pid_t gettid_here(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void *live(void *arg)
{
	pid_t *id = arg;

	prctl(PR_SET_NAME, id == &ids[0] ? "of the parent" : "of the child");
	if (id == &ids[0])
		fds[SELF] = t_must(open("/proc/thread-self/comm", O_RDONLY));
	__atomic_store_n(id, gettid_here(), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&leave, __ATOMIC_ACQUIRE))
		t_sleep_ms(5);
	return NULL;
}

static void *end_at_once(void *arg)
{
	*(int *)arg = (int)syscall(SYS_pidfd_open, gettid_here(), PIDFD_THREAD | O_NONBLOCK);
	return NULL;
}

static int open_of(const char *format, pid_t pid, pid_t tid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), format, (int)pid, (int)tid);
	return t_must(open(path, flags));
}

static int pidfd_of(pid_t tid, unsigned int flags)
{
	return t_must((int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD | flags));
}

static int ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0);
}

static long number_of(const char *name, int fd)
{
	char path[64], text[1024], *p;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	t_read(path, text, sizeof(text));
	p = strstr(text, name);
	return p ? strtol(p + strlen(name), NULL, 10) : 0;
}

static void expect_text(const char *what, int fd, const char *want)
{
	char text[64] = "";
	ssize_t n = read(fd, text, sizeof(text) - 1);

	t_same_str(what, want, n < 0 ? strerror(errno) : text);
}

static void open_own(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data = { .u64 = 42 } };
	pthread_t t;
	char byte;

	fds[OWN] = pidfd_of(ids[0], 0);
	fds[NONBLOCK] = pidfd_of(ids[0], O_NONBLOCK);
	t_must(pthread_create(&t, NULL, end_at_once, &fds[GONE]) ? -1 : 0);
	pthread_join(t, NULL);
	t_must(fds[GONE]);
	fds[COMM] = open_of("/proc/%d/task/%d/comm", getpid(), ids[0], O_RDWR);
	t_must(read(fds[COMM], &byte, 1));
	fds[DIRECTORY] = open_of("/proc/%d/task/%d", getpid(), ids[0], O_RDONLY | O_DIRECTORY);
	fds[HIDDEN] = open_of("/proc/%2$d/comm", 0, ids[0], O_RDONLY);
	fds[EVENTS] = t_must(epoll_create1(0));
	t_must(epoll_ctl(fds[EVENTS], EPOLL_CTL_ADD, fds[OWN], &e));
}

static void check_own(void)
{
	int fd;

	t_same("a thread", (uint64_t)ids[0], (uint64_t)number_of("\nPid:", fds[OWN]));
	t_same("flags", PIDFD_THREAD | O_NONBLOCK,
	       (uint64_t)fcntl(fds[NONBLOCK], F_GETFL) & (PIDFD_THREAD | O_NONBLOCK));
	t_same("one that is gone", (uint64_t)-1, (uint64_t)number_of("\nPid:", fds[GONE]));
	t_same("its flags", PIDFD_THREAD | O_NONBLOCK,
	       (uint64_t)fcntl(fds[GONE], F_GETFL) & (PIDFD_THREAD | O_NONBLOCK));
	t_same("it has ended", 1, (uint64_t)ended(fds[GONE]));
	t_same("the other lives", 0, (uint64_t)ended(fds[OWN]));
	expect_text("the rest of a file", fds[COMM], "f the parent\n");
	expect_text("by the hidden name", fds[HIDDEN], "of the parent\n");
	expect_text("opened by itself", fds[SELF], "of the parent\n");
	fd = t_must(openat(fds[DIRECTORY], "comm", O_RDONLY));
	expect_text("from its directory", fd, "of the parent\n");
	close(fd);
}

static void check_end(pthread_t thread)
{
	struct epoll_event e = { 0 };

	t_same("no event", 0, (uint64_t)epoll_wait(fds[EVENTS], &e, 1, 0));
	__atomic_store_n(&leave, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	t_same("its end is an event", 1, (uint64_t)epoll_wait(fds[EVENTS], &e, 1, 5000));
	t_same("with its data", 42, e.data.u64);
	t_same("it has ended then", 1, (uint64_t)ended(fds[OWN]));
	t_same("seen twice", 1, (uint64_t)ended(fds[NONBLOCK]));
}

static pthread_t start(pid_t *id)
{
	pthread_t t;

	t_must(pthread_create(&t, NULL, live, id) ? -1 : 0);
	while (!__atomic_load_n(id, __ATOMIC_ACQUIRE))
		t_sleep_ms(1);
	return t;
}

/* It has inherited descriptors of its parent's thread, has one of its own that
 * it sends, and asks for another. */
static int run_child(void)
{
	char byte;

	close(end[1]);
	start(&ids[1]);
	of_child = pidfd_of(ids[1], 0);
	fds[COMM] = open_of("/proc/%d/task/%d/comm", getppid(), ids[0], O_RDONLY);
	t_touch("child");
	t_wait();
	t_same("a thread of the parent", (uint64_t)ids[0], (uint64_t)number_of("\nPid:", fds[OWN]));
	t_same("its own thread", (uint64_t)ids[1], (uint64_t)number_of("\nPid:", of_child));
	expect_text("a file of the parent's thread", fds[COMM], "of the parent\n");
	t_must(write(checked[1], "", 1));
	t_same("the end of the parent", 0, (uint64_t)read(end[0], &byte, 1));
	return t_done();
}

int main(void)
{
	pthread_t thread;
	pid_t child;
	char byte;

	t_init();
	ids = t_must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	t_must(pipe(end));
	t_must(pipe(checked));
	t_must(personality(ADDR_NO_RANDOMIZE));
	thread = start(&ids[0]);
	open_own();
	child = t_must(fork());
	if (child == 0)
		return run_child();
	while (!t_seen("child"))
		t_sleep_ms(1);
	of_child = pidfd_of(ids[1], 0);
	pair[0] = open_of("/proc/%d/task/%d/comm", child, ids[1], O_RDONLY);
	pair[1] = t_must(dup(pair[0]));
	t_ready();
	if (t_spoiled())
		dup2(fds[GONE], fds[OWN]);
	t_wait();
	t_same("a thread of the child", (uint64_t)ids[1], (uint64_t)number_of("\nPid:", of_child));
	expect_text("a file of the child's thread", pair[0], "of the child\n");
	check_own();
	t_same("the child has looked", 1, (uint64_t)read(checked[0], &byte, 1));
	check_end(thread);
	close(end[1]);
	t_join_child("the child", child);
	return t_done();
}
