/* SPDX-License-Identifier: MIT */
/*
 * Files of /proc of processes and threads that have ended, one of them with the
 * pid that a living thread has now: read, they say so.  And those of a zombie.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "target.h"

static int zombie_stat, zombie_dir;
static int dir, stat_fd, maps, status, comm, limits, of_thread, twin = -1;
static ssize_t end;	/* of the text of status */
static pid_t child, zombie;

/* Opens a file of its own and ends. */
static void *live(void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)syscall(SYS_gettid));
	*(int *)arg = open(path, O_RDONLY);
	return NULL;
}

static void *stay(void *arg)
{
	__atomic_store_n((pid_t *)arg, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static int open_at(const char *format, pid_t pid, pid_t tid, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), format, (int)pid, (int)tid);
	return t_must(open(path, flags));
}

/* A thread with the pid of a process that has ended, where pids can be had. */
static void make_twin(void)
{
	pid_t pid = t_must(fork()), tid = 0;
	char text[16];
	int fd, len;
	pthread_t t;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	fd = open_at("/proc/%d/stat", pid, 0, O_RDONLY);
	kill(pid, SIGKILL);
	t_must(waitpid(pid, NULL, 0));
	len = snprintf(text, sizeof(text), "%d", (int)pid - 1);
	twin = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
	if (twin >= 0) {
		if (write(twin, text, (size_t)len) < 0)
			dprintf(STDOUT_FILENO, "ns_last_pid: %s\n", strerror(errno));
		close(twin);
	}
	twin = fd;
	if (pthread_create(&t, NULL, stay, &tid) != 0)
		t_fatal("pthread_create");
	while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
		t_sleep_ms(1);
}

static void look(const char *what, int fd, int error)
{
	char c;
	ssize_t n = read(fd, &c, 1);

	t_same(what, (uint64_t)-1, (uint64_t)n);
	if (n < 0)
		t_same(what, (uint64_t)error, (uint64_t)errno);
}

static void make_zombie(void)
{
	siginfo_t info;

	zombie = t_must(fork());
	if (zombie == 0)
		_exit(3);
	t_must(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT));
	zombie_stat = open_at("/proc/%d/stat", zombie, 0, O_RDONLY);
	zombie_dir = open_at("/proc/%d", zombie, 0, O_RDONLY | O_DIRECTORY);
}

static void look_at_zombie(void)
{
	char text[1024];
	ssize_t n = pread(zombie_stat, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	t_same("the zombie", (uint64_t)zombie, strtoul(text, NULL, 10));
	t_true("is one", strstr(text, ") Z ") != NULL);
	t_true("has a directory", faccessat(zombie_dir, "comm", F_OK, 0) == 0);
}

static void compare(void)
{
	struct stat sb;

	look_at_zombie();

	look("stat", stat_fd, ESRCH);
	look("maps", maps, ESRCH);
	look("stat of a thread", of_thread, ESRCH);
	look("stat of a twin", twin, ESRCH);
	t_same("place", (uint64_t)end, (uint64_t)lseek(status, 0, SEEK_CUR));
	t_same("the end", 0, (uint64_t)read(status, &sb, sizeof(sb)));
	t_same("place of a name", 5, (uint64_t)lseek(comm, 0, SEEK_CUR));
	t_same("its end", 0, (uint64_t)read(comm, &sb, sizeof(sb)));
	t_same("place without what was read", 0, (uint64_t)lseek(limits, 0, SEEK_CUR));
	look("limits", limits, ESRCH);
	t_same("a name in the directory", (uint64_t)-1, (uint64_t)openat(dir, "comm", O_RDONLY));
	t_true("is a directory", fstat(dir, &sb) == 0 && S_ISDIR(sb.st_mode));
}

int main(void)
{
	char text[8192];
	pthread_t t;

	t_init();
	child = t_must(fork());
	if (child == 0) {
		pause();
		_exit(0);
	}
	dir = open_at("/proc/%d", child, 0, O_RDONLY | O_DIRECTORY);
	stat_fd = open_at("/proc/%d/stat", child, 0, O_RDONLY);
	maps = open_at("/proc/%d/maps", child, 0, O_RDONLY);
	status = open_at("/proc/%d/task/%d/status", child, child, O_RDONLY);
	end = t_must(read(status, text, sizeof(text)));
	comm = open_at("/proc/%d/comm", child, 0, O_RDONLY);
	t_same("a name", 5, (uint64_t)read(comm, text, sizeof(text)));
	limits = open_at("/proc/%d/limits", child, 0, O_RDONLY);
	t_must(pread(limits, text, 10, 0));
	kill(child, SIGKILL);
	t_must(waitpid(child, NULL, 0));
	if (pthread_create(&t, NULL, live, &of_thread) != 0)
		t_fatal("pthread_create");
	pthread_join(t, NULL);
	t_must(of_thread);
	make_twin();
	make_zombie();
	compare();
	t_ready();
	if (t_spoiled())
		t_must(dup2(dir, stat_fd));
	t_wait();
	compare();
	return t_done();
}
