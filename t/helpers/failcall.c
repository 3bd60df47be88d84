/* SPDX-License-Identifier: MIT */
/*
 * failcall [-e CALL:N:ERROR]... [-o LOG] COMMAND [ARG]...
 *
 * Run a command and make system calls of it fail: the Nth of that name (or number,
 * when the headers of this system do not know it), counted
 * over all its threads and children, or with "N+" each one from the Nth on.
 * N of 0 fails none and only counts.  CALL "any" means every call.  ERROR is
 * a number, or one of the names in errors[]; "+MS" makes the call wait so long.
 *
 * LOG gets a line "injected CALL N" for each failure, and at the end of the
 * command a line "made CALL N" for each kind of call that was watched.  The exit
 * status is the command's; a signal that ended it ends failcall as well.
 *
 * It is done with seccomp's user notifications (5.0; CONTINUE 5.5), so the
 * command may be traced and may trace others.  A call that cannot be told to the
 * supervisor is let through: those that end a thread or return from a signal.
 * The supervisor goes when nobody is left to watch.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "parse.h"

#define MAX_RULES 64
#define MAX_NR 1024
#define ANY (-1)

static const struct {
	const char *name;
	int nr;
} calls[] = {
#define SYSCALL(name, nr) { #name, nr },
#include "syscalls.inc"
#undef SYSCALL
};

static const struct {
	const char *name;
	int nr;
} errors[] = {
	{ "EPERM", EPERM },   { "EINTR", EINTR },   { "EIO", EIO },	  { "EAGAIN", EAGAIN },
	{ "ENOMEM", ENOMEM }, { "EACCES", EACCES }, { "EINVAL", EINVAL }, { "EMFILE", EMFILE },
	{ "ENOSPC", ENOSPC }, { "EPIPE", EPIPE },   { "ENOSYS", ENOSYS }, { "ESRCH", ESRCH },
};

struct rule {
	const char *name;
	int nr;
	uint64_t when;
	bool all_after;
	int error;
	uint64_t late_ms;
	uint64_t seen;
};

static struct rule rules[MAX_RULES];
static unsigned int n_rules;
static int log_fd = -1;

/* Of the command, its supervisor and the one who waits. */
static struct shared {
	int listener;	/* the command's descriptor, -1 before */
	int taken;	/* the supervisor has it */
	uint64_t made[MAX_NR];
} * shared;

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "failcall: %s: %s\n", what, strerror(errno));
	_exit(111);
}

static int call_number(const char *name)
{
	int64_t v;

	if (strcmp(name, "any") == 0)
		return ANY;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return calls[i].nr;
	if (cr_parse_i64(name, 10, 0, 4095, &v) == 0)
		return (int)v;
	return -2;
}

static const char *call_name(int nr)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].nr == nr)
			return calls[i].name;
	return "unknown";
}

static int error_number(const char *text)
{
	uint64_t v;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(errors[i].name, text) == 0)
			return errors[i].nr;
	return cr_parse_u64(text, 10, 1, 4095, &v) < 0 ? -1 : (int)v;
}

/* "CALL:N:ERROR" */
static int add_rule(char *text)
{
	struct rule *r = &rules[n_rules];
	char *name = strsep(&text, ":"), *when = strsep(&text, ":");
	size_t len;

	if (n_rules == MAX_RULES || !when || !text)
		return -1;
	len = strlen(when);
	r->all_after = len && when[len - 1] == '+';
	if (r->all_after)
		when[len - 1] = '\0';
	r->name = name;
	r->nr = call_number(name);
	/* Not failed, but so many milliseconds late. */
	if (strncmp(text, "+", 1) == 0 && cr_parse_u64(text + 1, 10, 1, 60000, &r->late_ms) < 0)
		return -1;
	r->error = r->late_ms ? 0 : error_number(text);
	if (r->nr < ANY || r->error < 0 || cr_parse_u64(when, 10, 0, UINT32_MAX, &r->when) < 0)
		return -1;
	n_rules++;
	return 0;
}

static bool watches_all(void)
{
	for (unsigned int i = 0; i < n_rules; i++)
		if (rules[i].nr == ANY)
			return true;
	return false;
}

/* Those that are named ask the supervisor; or all but those that cannot. */
static int install(void)
{
	static const int unasked[] = { SYS_exit, SYS_exit_group, SYS_rt_sigreturn };
	struct sock_filter f[MAX_RULES * 2 + 16];
	bool all = watches_all();
	unsigned int n = all ? sizeof(unasked) / sizeof(unasked[0]) : n_rules;
	unsigned int k = 0;
	struct sock_fprog prog = { .filter = f };

	f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (unsigned int i = 0; i < n; i++) {
		unsigned int nr = (unsigned int)(all ? unasked[i] : rules[i].nr);

		f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
		f[k++] = (struct sock_filter)BPF_STMT(
			BPF_RET | BPF_K, all ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF);
	}
	f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
					      all ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
	prog.len = (unsigned short)k;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &prog);
}

/*
 * From the filter on every call may be one that is counted, so what tells of
 * it is memory.
 */
__attribute__((noreturn)) static void be_command(char **argv)
{
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (geteuid() != 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs");
	fd = install();
	if (fd < 0)
		fail("seccomp");
	__atomic_store_n(&shared->listener, fd, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&shared->taken, __ATOMIC_SEQ_CST))
		;
	execvp(argv[0], argv);
	fail(argv[0]);
}

static int take_listener(pid_t pid)
{
	struct timespec tick = { 0, 100000 };
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int theirs, fd;

	if (pidfd < 0)
		fail("pidfd_open");
	while ((theirs = __atomic_load_n(&shared->listener, __ATOMIC_SEQ_CST)) < 0) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			_exit(111);
		nanosleep(&tick, NULL);
	}
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	if (fd < 0)
		fail("pidfd_getfd");
	close(pidfd);
	return fd;
}

static int judge(int nr)
{
	int error = 0;

	if (nr >= 0 && nr < MAX_NR)
		__atomic_fetch_add(&shared->made[nr], 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 0; i < n_rules; i++) {
		struct rule *r = &rules[i];

		if (r->nr != ANY && r->nr != nr)
			continue;
		r->seen++;
		if (!r->when || (r->all_after ? r->seen < r->when : r->seen != r->when))
			continue;
		error = r->error;
		if (r->late_ms)
			usleep((useconds_t)(r->late_ms * 1000));
		if (log_fd >= 0)
			dprintf(log_fd, "injected %s %llu\n", call_name(nr),
				(unsigned long long)r->seen);
	}
	return error;
}

/* Until nobody has the filter any more. */
__attribute__((noreturn)) static void supervise(int listener)
{
	for (;;) {
		struct pollfd p = { listener, POLLIN, 0 };
		struct seccomp_notif ask;
		struct seccomp_notif_resp say;

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			fail("poll");
		if (p.revents & POLLHUP)
			_exit(0);
		if (!(p.revents & POLLIN))
			continue;
		memset(&ask, 0, sizeof(ask));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask) < 0)
			continue;	/* it has been interrupted, or is dead */
		memset(&say, 0, sizeof(say));
		say.id = ask.id;
		say.error = -judge(ask.data.nr);
		if (!say.error)
			say.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		/* ENOENT: it has been interrupted, or is dead. */
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &say) < 0 && errno != ENOENT)
			fail("SECCOMP_IOCTL_NOTIF_SEND");
	}
}

static void write_counts(void)
{
	if (log_fd < 0)
		return;
	for (int nr = 0; nr < MAX_NR; nr++)
		if (shared->made[nr])
			dprintf(log_fd, "made %s %llu\n", call_name(nr),
				(unsigned long long)shared->made[nr]);
}

/* End as the command did. */
static int end_as(int status)
{
	struct rlimit none = { 0, 0 };

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 111;
}

/* The supervisor must not keep a pipe of the command open. */
static void be_supervisor(int listener)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(111);
	supervise(listener);
}

int main(int argc, char **argv)
{
	const char *log = NULL;
	int c, listener, status, null;
	pid_t pid, supervisor;
	bool bad = false;

	while ((c = getopt(argc, argv, "+e:o:")) != -1) {
		if (c == 'e')
			bad |= add_rule(optarg) < 0;
		else if (c == 'o')
			log = optarg;
		else
			bad = true;
	}
	if (bad || !argv[optind]) {
		fprintf(stderr, "usage: failcall [-e CALL:N:ERROR]... [-o LOG] COMMAND [ARG]...\n");
		return 100;
	}
	if (log)
		log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (log && log_fd < 0)
		fail(log);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		fail("mmap");
	shared->listener = -1;
	pid = fork();
	if (pid == 0)
		be_command(argv + optind);
	if (pid < 0)
		fail("fork");
	listener = take_listener(pid);
	supervisor = fork();
	if (supervisor == 0)
		be_supervisor(listener);
	if (supervisor < 0)
		fail("fork");
	close(listener);
	__atomic_store_n(&shared->taken, 1, __ATOMIC_SEQ_CST);
	/* What waits for the end of the command's pipes must not wait for this. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		fail("/dev/null");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("wait");
	write_counts();
	return end_as(status);
}
