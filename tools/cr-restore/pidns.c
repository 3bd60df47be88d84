/* SPDX-License-Identifier: MIT */
#include "pidns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attend.h"
#include "clean.h"
#include "proc.h"

#define LOOKS 20
#define ASK 1		/* the first byte of a message; 0: the tree lives */

/* What there is to see of processes must be those of the namespace. */
static int own_proc(struct cr_err *err)
{
	/* What is mounted outside from now on comes in, nothing goes out. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return cr_err_sys(err, "unable to leave the propagation of mounts");
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return cr_err_sys(err, "unable to mount /proc of the new pid namespace");
	return 0;
}

/* Until the tree lives there is to be nothing left of us when who waits dies. */
static int die_with_outside(const struct pidns *ns, struct cr_err *err)
{
	struct pollfd pfd = { .fd = ns->sock };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return cr_err_sys(err, "PR_SET_PDEATHSIG");
	if (poll(&pfd, 1, 0) > 0)
		return cr_err_set(err, CR_SYSTEM, "who asked for the restore is gone");
	return 0;
}

int pidns_enter(struct pidns *ns, bool *inside, struct cr_err *err)
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNS,
		.exit_signal = SIGCHLD,
	};
	int ends[2];
	long pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return cr_err_sys(err, "socketpair");
	pid = syscall(SYS_clone3, &args, sizeof(args));
	*inside = pid == 0;
	close(ends[*inside]);
	ns->sock = ends[!*inside];
	ns->init = (pid_t)pid;
	if (pid < 0)
		return cr_err_sys(err, "unable to make a pid namespace");
	return *inside && (own_proc(err) < 0 || die_with_outside(ns, err) < 0) ? -1 : 0;
}

/* That the tree lives: a byte, and a descriptor with it. */
struct word {
	char byte;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov;
	struct msghdr mh;
};

static void word_init(struct word *w)
{
	memset(w, 0, sizeof(*w));
	w->iov = (struct iovec){ &w->byte, 1 };
	w->mh.msg_iov = &w->iov;
	w->mh.msg_iovlen = 1;
	w->mh.msg_control = w->control;
	w->mh.msg_controllen = sizeof(w->control);
}

int pidns_tell(struct pidns *ns, pid_t root, struct cr_err *err)
{
	cr_auto_fd int pidfd = cr_proc_pidfd(root, err);
	struct word w;
	struct cmsghdr *c;

	if (pidfd < 0)
		return -1;
	word_init(&w);
	c = CMSG_FIRSTHDR(&w.mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pidfd, sizeof(int));
	prctl(PR_SET_PDEATHSIG, 0);
	if (sendmsg(ns->sock, &w.mh, MSG_NOSIGNAL) < 0)
		return cr_err_sys(err, "who asked for the restore is gone");
	return 0;
}

/* Nobody is to wait for the end of a pipe, or for a directory, because of us. */
static void let_go_of_everything(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/") < 0)
		_exit(CR_SYSTEM);	/* there is always one */
}

void pidns_init(struct pidns *ns, pid_t root, bool detached)
{
	int status, result = 0;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "cr-restore-init");
	if (detached) {
		close(ns->sock);
		ns->sock = -1;
		let_go_of_everything();
	}
	for (;;) {
		pid_t pid = waitpid(-1, &status, __WALL);

		if (pid < 0 && errno != EINTR)
			_exit(result);
		if (pid != root)
			continue;
		result = attend_status(status);
		/* The others live on without who waited for the root; when that
		 * one is gone there is nobody to tell. */
		if (ns->sock >= 0) {
			(void)!send(ns->sock, &result, sizeof(result), MSG_NOSIGNAL);
			close(ns->sock);
			ns->sock = -1;
			let_go_of_everything();
		}
	}
}

/* Of the one descriptor that the message carries; -1: there is none. */
static int take_pidfd(struct msghdr *mh)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static pid_t pid_of(int pidfd)
{
	cr_auto_free char *text = NULL;
	char name[32];
	struct cr_err ignored;
	const char *pid;

	snprintf(name, sizeof(name), "fdinfo/%d", pidfd);
	if (pidfd < 0 || cr_proc_read(getpid(), name, &text, NULL, &ignored) < 0)
		return -1;
	pid = cr_proc_field(text, "Pid");
	return pid ? (pid_t)strtol(pid, NULL, 10) : -1;
}

/* The answer is an error, of class 0 when there was none. */
int pidns_ask(struct pidns *ns, struct cr_err *err)
{
	struct cr_err answer;
	ssize_t n = send(ns->sock, &(char){ ASK }, 1, MSG_NOSIGNAL);

	if (n == 1)
		do
			n = recv(ns->sock, &answer, sizeof(answer), 0);
		while (n < 0 && errno == EINTR);
	if (n != sizeof(answer))
		return cr_err_set(err, CR_SYSTEM, "who asked for the restore is gone");
	if (!answer.class)
		return 0;
	*err = answer;
	return -1;
}

static void answer(struct pidns *ns, int (*asked)(pid_t init, struct cr_err *err))
{
	struct cr_err err = { 0 };

	if (asked(ns->init, &err) == 0)
		memset(&err, 0, sizeof(err));
	/* When nobody hears it, there is nobody. */
	(void)!send(ns->sock, &err, sizeof(err), MSG_NOSIGNAL);
}

static ssize_t next_word(struct pidns *ns, struct word *w)
{
	ssize_t n;

	word_init(w);
	do
		n = recvmsg(ns->sock, &w->mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	return n;
}

int pidns_await(struct pidns *ns, int (*asked)(pid_t init, struct cr_err *err), pid_t *root,
		int *status)
{
	struct word w;
	int pidfd, ended;
	ssize_t n;

	while ((n = next_word(ns, &w)) == 1 && w.byte == ASK)
		answer(ns, asked);
	if (n == 1) {
		pidfd = take_pidfd(&w.mh);
		*root = pid_of(pidfd);
		if (pidfd >= 0)
			close(pidfd);
		return 0;
	}
	*status = CR_SYSTEM;
	while (waitpid(ns->init, &ended, 0) < 0)
		if (errno != EINTR)
			return -1;
	*status = attend_status(ended);
	return -1;
}

int pidns_status(struct pidns *ns)
{
	static const struct timespec tick = { 0, 1000000 };
	int result, ended;
	ssize_t n;

	do
		n = recv(ns->sock, &result, sizeof(result), 0);
	while (n < 0 && errno == EINTR);
	/* It ends, too, unless there are orphans: not to be a zombie then is good. */
	for (int i = 0; n == sizeof(result) && i < LOOKS; i++) {
		if (waitpid(ns->init, &ended, WNOHANG) > 0)
			break;
		nanosleep(&tick, NULL);
	}
	if (n == sizeof(result))
		return result;
	/* The whole namespace was killed. */
	while (waitpid(ns->init, &ended, 0) < 0)
		if (errno != EINTR)
			return CR_SYSTEM;
	return attend_status(ended);
}
