/* SPDX-License-Identifier: MIT */
#include "checkpoint.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"
#include "parse.h"

#define MAX_ARGS 256
#define LINE_MAX_BYTES 1024
/* What the structs had when they were first published. */
#define CR_CHECKPOINT_LEAST (offsetof(struct cr_checkpoint_options, ctx) + sizeof(void *))
#define CR_RESTORE_LEAST (offsetof(struct cr_restore_options, ctx) + sizeof(void *))
#define PID_FD 3	/* where cr-restore writes the root's pid */

/* Linux 6.15: how it ended, also when somebody else has waited for it. */
#define GET_INFO _IOWR(0xff, 11, struct pidfd_end)
#define INFO_EXIT (1ULL << 3)

extern char **environ;

/* struct pidfd_info as far as its first published size. */
struct pidfd_end {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;	/* as waitpid(2) gives it */
};

/* A program with its arguments, and what it says. */
struct run {
	const char *argv[MAX_ARGS];
	unsigned int argc;
	bool too_many;
	char number[16];	/* text of an argument */
	char path[PATH_MAX];
	const char *bin_dir;
	void (*message)(void *ctx, const char *line);
	void *ctx;
	char line[LINE_MAX_BYTES];	/* that is not ended yet */
	size_t fill;
	char last[LINE_MAX_BYTES];
};

static void set_up(struct run *r, const char *bin_dir, void (*message)(void *, const char *),
		   void *ctx)
{
	r->bin_dir = bin_dir;
	r->message = message;
	r->ctx = ctx;
}

static void add(struct run *r, const char *arg)
{
	if (r->argc + 1 < MAX_ARGS)
		r->argv[r->argc++] = arg;
	else
		r->too_many = true;
}

static void add_two(struct run *r, const char *option, const char *arg)
{
	if (!arg)
		return;
	add(r, option);
	add(r, arg);
}

static void add_all(struct run *r, const char *const *more)
{
	for (; more && *more; more++)
		add(r, *more);
}

static bool in_dir(struct run *r, const char *dir, size_t len, const char *between)
{
	int n = snprintf(r->path, sizeof(r->path), "%.*s%s/%s", (int)len, dir, between, r->argv[0]);

	return n > 0 && (size_t)n < sizeof(r->path) && access(r->path, X_OK) == 0;
}

/* Sets r->path; to the mere name when $PATH has to be searched. */
static void find_program(struct run *r)
{
	const char *env = secure_getenv("CR_BIN_DIR"), *slash;
	Dl_info info;

	if (r->bin_dir && in_dir(r, r->bin_dir, strlen(r->bin_dir), ""))
		return;
	if (!r->bin_dir && env && in_dir(r, env, strlen(env), ""))
		return;
	slash = !r->bin_dir && dladdr((void *)cr_checkpoint, &info) && info.dli_fname ?
			strrchr(info.dli_fname, '/') :
			NULL;
	if (slash && in_dir(r, info.dli_fname, (size_t)(slash - info.dli_fname), "/../bin"))
		return;
	snprintf(r->path, sizeof(r->path), "%s%s%s", r->bin_dir ? r->bin_dir : "",
		 r->bin_dir ? "/" : "", r->argv[0]);
}

static void take_line(struct run *r)
{
	r->line[r->fill] = '\0';
	r->fill = 0;
	memcpy(r->last, r->line, sizeof(r->last));
	if (r->message)
		r->message(r->ctx, r->line);
}

/* false: there is no more. */
static bool take_text(struct run *r, int fd)
{
	char buf[512];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR;
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] != '\n')
			r->line[r->fill++] = buf[i];
		if (buf[i] == '\n' || r->fill == sizeof(r->line) - 1)
			take_line(r);
	}
	return n > 0;
}

/* The tree may keep our pipe open: the program's end is what counts. */
static void listen_until_end(struct run *r, int text, int pidfd)
{
	struct pollfd pfd[2] = { { .fd = text, .events = POLLIN },
				 { .fd = pidfd, .events = POLLIN } };

	for (;;) {
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			break;
		if (pfd[0].revents && take_text(r, text))
			continue;
		if (pfd[0].revents)
			pfd[0].fd = -1;
		if (pfd[1].revents || pfd[0].fd < 0)
			break;
	}
	if (r->fill)
		take_line(r);
}

static int start(struct run *r, int text, int pid_out, pid_t *pid, struct cr_err *err)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	/* With SIGCHLD ignored the programs could not wait for their own. */
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, text, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&fa, STDERR_FILENO, STDOUT_FILENO);
	if (pid_out >= 0)
		posix_spawn_file_actions_adddup2(&fa, pid_out, PID_FD);
	r->argv[r->argc] = NULL;
	ret = posix_spawnp(pid, r->path, &fa, &attr, (char *const *)r->argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	errno = ret;
	return ret ? cr_err_sys(err, "unable to run %s", r->path) : 0;
}

static int verdict(const struct run *r, int ended, struct cr_err *err)
{
	int status = WIFEXITED(ended) ? WEXITSTATUS(ended) : CR_SYSTEM;
	const char *text = r->last;
	size_t len = strlen(r->argv[0]);

	if (status == 0)
		return 0;
	/* "cr-restore: TEXT" */
	if (strncmp(text, r->argv[0], len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	if (status != CR_REFUSED && status != CR_USAGE && status != CR_BAD_INPUT)
		status = CR_SYSTEM;
	return cr_err_set(err, (enum cr_class)status, "%s", *text ? text : "it has failed");
}

/* A pipe above the numbers that start() sets; the caller may have closed its own. */
static int make_pipe(int *in, int *out, struct cr_err *err)
{
	int low[2];

	if (pipe2(low, O_CLOEXEC) < 0)
		return cr_err_sys(err, "unable to make a pipe");
	*in = fcntl(low[0], F_DUPFD_CLOEXEC, PID_FD + 1);
	*out = fcntl(low[1], F_DUPFD_CLOEXEC, PID_FD + 1);
	close(low[0]);
	close(low[1]);
	return *in < 0 || *out < 0 ? cr_err_sys(err, "unable to make a pipe") : 0;
}

/* A handler of SIGCHLD may take it first, and SIG_IGN lets it vanish. */
static int wait_for_end(const struct run *r, pid_t pid, int pidfd, int *ended, struct cr_err *err)
{
	struct pidfd_end end = { .mask = INFO_EXIT };
	pid_t got;

	do
		got = waitpid(pid, ended, 0);
	while (got < 0 && errno == EINTR);
	if (got == pid)
		return 0;
	if (pidfd < 0 || ioctl(pidfd, GET_INFO, &end) < 0 || !(end.mask & INFO_EXIT)) {
		errno = ECHILD;
		return cr_err_sys(err, "somebody else has waited for %s", r->argv[0]);
	}
	*ended = end.exit_code;
	return 0;
}

static int run(struct run *r, int pid_out, struct cr_err *err)
{
	cr_auto_fd int from = -1, to = -1, pidfd = -1;
	int ended = 0;
	pid_t pid;

	if (r->too_many)
		return cr_err_set(err, CR_USAGE, "too many options");
	find_program(r);
	if (make_pipe(&from, &to, err) < 0 || start(r, to, pid_out, &pid, err) < 0)
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	cr_clean_fd(&to);
	to = -1;
	listen_until_end(r, from, pidfd);
	if (wait_for_end(r, pid, pidfd, &ended, err) < 0)
		return -1;
	return verdict(r, ended, err);
}

/*
 * A program may have been built when the struct had fewer members: those are
 * zero.  One that knows more than we do must not have set it.
 */
static bool take_options(void *to, size_t ours, size_t least, const void *from)
{
	size_t size = *(const size_t *)from;

	if (size < least)
		return false;
	for (size_t i = ours; i < size; i++)
		if (((const char *)from)[i])
			return false;
	memset(to, 0, ours);
	memcpy(to, from, size < ours ? size : ours);
	return true;
}

int cr_checkpoint(const struct cr_checkpoint_options *given, struct cr_err *err)
{
	struct cr_checkpoint_options opts, *o = &opts;
	struct run r = { 0 };
	char timeout[16];

	if (!take_options(o, sizeof(*o), CR_CHECKPOINT_LEAST, given) || o->pid <= 0 ||
	    !o->images_dir)
		return cr_err_set(err, CR_USAGE, "cr_checkpoint: .size, .pid and .images_dir");
	snprintf(r.number, sizeof(r.number), "%d", (int)o->pid);
	snprintf(timeout, sizeof(timeout), "%u", o->timeout);
	set_up(&r, o->bin_dir, o->message, o->ctx);
	add(&r, "cr-checkpoint");
	add_two(&r, "-t", r.number);
	add_two(&r, "-D", o->images_dir);
	if (o->then == CR_THEN_RUN)
		add(&r, "-R");
	if (o->then == CR_THEN_STOP)
		add(&r, "-s");
	if (o->shell_job)
		add(&r, "--shell-job");
	if (o->file_locks)
		add(&r, "--file-locks");
	if (o->embed_files)
		add(&r, "--embed-files");
	add_two(&r, "--inotify-events", o->drop_inotify_events ? "drop" : NULL);
	add_two(&r, "--timeout", o->timeout ? timeout : NULL);
	add_two(&r, "--stats", o->stats);
	add_all(&r, o->more);
	return run(&r, -1, err);
}

/* What cr-restore has written: a number and a newline. */
static int read_pid(int fd, pid_t *root, struct cr_err *err)
{
	char text[32];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return cr_err_sys(err, "unable to read the pid of the root");
	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (cr_parse_pid(text, root) < 0)
		return cr_err_set(err, CR_SYSTEM, "the pid of the root is not known");
	return 0;
}

int cr_restore(const struct cr_restore_options *given, pid_t *root, struct cr_err *err)
{
	struct cr_restore_options opts, *o = &opts;
	struct run r = { 0 };
	cr_auto_fd int in = -1, out = -1;
	pid_t pid = -1;

	if (!take_options(o, sizeof(*o), CR_RESTORE_LEAST, given) || !o->images_dir)
		return cr_err_set(err, CR_USAGE, "cr_restore: .size and .images_dir");
	if (o->new_pid_ns && !o->detached)
		return cr_err_set(err, CR_USAGE, "cr_restore: .new_pid_ns goes with .detached");
	set_up(&r, o->bin_dir, o->message, o->ctx);
	add(&r, "cr-restore");
	add_two(&r, "-D", o->images_dir);
	add(&r, o->detached ? "-d" : "--restore-sibling");
	add_two(&r, "--pidfile", "/dev/fd/3");
	if (o->new_pid_ns)
		add(&r, "--new-pid-ns");
	if (o->leave_stopped)
		add(&r, "--leave-stopped");
	if (o->shell_job)
		add(&r, "--shell-job");
	add_two(&r, "--changed-files", o->accept_changed_files ? "accept" : NULL);
	add_two(&r, "--root", o->root);
	add_all(&r, o->more);
	if (make_pipe(&in, &out, err) < 0 || run(&r, out, err) < 0)
		return -1;
	cr_clean_fd(&out);
	out = -1;
	if (read_pid(in, &pid, err) < 0)
		return -1;
	if (root)
		*root = pid;
	return 0;
}
