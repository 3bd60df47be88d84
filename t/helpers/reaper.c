/* SPDX-License-Identifier: MIT */
/*
 * reaper [-n] [-T SECONDS] CMD [ARG]...
 *
 * Run CMD under a parent that waits for every orphan, and leave nothing: what
 * still lives when CMD has ended is named on stderr, killed, and makes the
 * exit status 1.  With -n CMD runs in a pid namespace of its own (and namespaces of
 * IPC and network, and a mount namespace for its /proc and its /dev/pts), whose init
 * the reaper is: pids, ports, names and terminals of tests that run side by side cannot
 * meet.  After SECONDS everything is killed: 124.
 * Otherwise the exit status is CMD's, 128+N when signal N killed it.
 */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "parse.h"
#include "trace.h"

#define GRACE_MS 1000	/* for processes that have been killed already */
#define MAX_LEFT 4096

static pid_t left[MAX_LEFT];
static unsigned int n_left;

static void fatal(const char *what)
{
	fprintf(stderr, "reaper: %s: %s\n", what, strerror(errno));
	exit(111);
}

static uint64_t now_ms(void)
{
	return cr_now_ns() / 1000000;
}

static int code_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* State and parent of a process; false when it is gone. */
static bool stat_of(pid_t pid, char *state, pid_t *ppid, char comm[64])
{
	char path[64], line[512], *end;
	FILE *f;
	bool ok = false;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f)) {
		end = strrchr(line, ')');
		ok = end && sscanf(end + 1, " %c %d", state, ppid) == 2 &&
		     sscanf(line, "%*d (%63[^)]", comm) == 1;
	}
	fclose(f);
	return ok;
}

static bool is_ours(pid_t pid)
{
	char state, comm[64];

	for (int depth = 0; depth < 10000 && pid > 1; depth++) {
		if (!stat_of(pid, &state, &pid, comm))
			return false;
		if (pid == getpid())
			return true;
	}
	return false;
}

/* Fill left[] with our living descendants. */
static void find_left(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	char state, comm[64];
	pid_t pid, ppid;

	n_left = 0;
	if (!dir)
		fatal("/proc");
	while ((e = readdir(dir)) && n_left < MAX_LEFT) {
		if (cr_parse_pid(e->d_name, &pid) < 0 || pid == getpid())
			continue;
		if (stat_of(pid, &state, &ppid, comm) && state != 'Z' && state != 'X' &&
		    is_ours(pid))
			left[n_left++] = pid;
	}
	closedir(dir);
}

static void kill_left(bool tell)
{
	char state, comm[64];
	pid_t ppid;

	for (unsigned int i = 0; i < n_left; i++) {
		if (tell && stat_of(left[i], &state, &ppid, comm))
			fprintf(stderr, "# left behind: pid %d (%s), state %c, parent %d\n",
				(int)left[i], comm, state, (int)ppid);
		kill(left[i], SIGKILL);
	}
}

static void reap_some(void)
{
	while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
		;
}

/* Kill until nothing is left; true when there was something. */
static bool clean_up(unsigned int grace_ms)
{
	uint64_t until = now_ms() + grace_ms;
	bool told = false;

	for (;;) {
		reap_some();
		find_left();
		if (!n_left)
			return told;
		if (now_ms() >= until) {
			kill_left(!told);
			told = true;
		}
		usleep(2000);
	}
}

/* Wait for CMD and every orphan; its exit status. */
static int supervise(pid_t child, unsigned int seconds)
{
	uint64_t until = now_ms() + seconds * 1000ull;
	struct timespec tick = { 1, 0 };
	sigset_t set;
	int status, sig;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
			if (pid == child)
				return code_of(status);
		sig = sigtimedwait(&set, NULL, &tick);
		if (seconds && now_ms() >= until) {
			fprintf(stderr, "# reaper: not done after %u seconds\n", seconds);
			clean_up(0);
			return 124;
		}
		if (sig == SIGTERM || sig == SIGINT || sig == SIGHUP) {
			clean_up(0);
			return 128 + sig;
		}
	}
}

static int run(char **argv, unsigned int seconds)
{
	sigset_t set, old;
	pid_t child;
	int code;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	child = fork();
	if (child < 0)
		fatal("fork");
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		/* A shell starts its background jobs with these ignored. */
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		/* Nothing of what our caller happens to have open (5.9). */
		syscall(SYS_close_range, 3, ~0u, 0);
		execvp(argv[0], argv);
		fatal(argv[0]);
	}
	code = supervise(child, seconds);
	if (clean_up(GRACE_MS) && code == 0)
		code = 1;
	return code;
}

static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		fatal("lo");
	close(fd);
}

/* The outer half of -n: passes signals on as the end of the namespace. */
static int run_in_namespace(char **argv, unsigned int seconds)
{
	int status;
	pid_t init;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET) < 0) {
		fprintf(stderr, "# reaper: no pid namespace (%s): running without\n",
			strerror(errno));
		return run(argv, seconds);
	}
	init = fork();
	if (init < 0)
		fatal("fork");
	if (init == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
			fatal("mount /proc");
		if (mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
			  "newinstance,mode=620,ptmxmode=666") < 0)
			fatal("mount /dev/pts");
		loopback_up();
		_exit(run(argv, seconds));
	}
	while (waitpid(init, &status, 0) != init)
		;
	return code_of(status);
}

int main(int argc, char **argv)
{
	uint64_t seconds = 0;
	bool namespace = false;
	int c;

	while ((c = getopt(argc, argv, "+nT:")) != -1) {
		if (c == 'n') {
			namespace = true;
		} else if (c != 'T' || cr_parse_u64(optarg, 10, 0, 86400, &seconds) < 0) {
			fprintf(stderr, "usage: reaper [-n] [-T SECONDS] CMD [ARG]...\n");
			return 100;
		}
	}
	if (optind == argc)
		return 100;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (namespace)
		return run_in_namespace(argv + optind, (unsigned int)seconds);
	return run(argv + optind, (unsigned int)seconds);
}
