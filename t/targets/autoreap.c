/* SPDX-License-Identifier: MIT */
/*
 * autoreap ignore|nocldwait
 *
 * Children whose ends the kernel does not keep for their parent, since it ignores
 * SIGCHLD or has a handler with SA_NOCLDWAIT.  One ends before "ready", the
 * others when all is compared.
 */
#include <signal.h>

#include "target.h"

#define CHILDREN 3
#define LOOKS 2000

static volatile sig_atomic_t told;
static pid_t children[CHILDREN];

static void on_child(int sig)
{
	told += sig == SIGCHLD;
}

static void set_action(const char *mode)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	if (strcmp(mode, "nocldwait") == 0) {
		sa.sa_handler = on_child;
		sa.sa_flags = SA_NOCLDWAIT;
	}
	t_must(sigaction(SIGCHLD, &sa, NULL));
}

static pid_t start(void)
{
	pid_t pid = t_must(fork());

	if (pid)
		return pid;
	for (;;)
		pause();
}

/* It ends, and nobody waits for it. */
static void end(pid_t pid)
{
	t_must(kill(pid, SIGKILL));
	for (int i = 0; i < LOOKS && kill(pid, 0) == 0; i++)
		t_sleep_ms(5);
	t_true("a child is gone without a wait", kill(pid, 0) < 0);
}

int main(int argc, char **argv)
{
	struct sigaction was, is;
	int before;

	t_init();
	if (argc != 2)
		t_fatal("usage");
	set_action(argv[1]);
	for (int i = 0; i < CHILDREN; i++)
		children[i] = start();
	end(children[0]);
	before = told;
	t_must(sigaction(SIGCHLD, NULL, &was));
	t_ready();
	if (t_spoiled())
		signal(SIGCHLD, SIG_DFL);
	t_wait();
	t_must(sigaction(SIGCHLD, NULL, &is));
	t_true("handler of SIGCHLD", was.sa_handler == is.sa_handler);
	t_same("flags of SIGCHLD", (uint64_t)was.sa_flags, (uint64_t)is.sa_flags);
	t_same("signals before their ends", (uint64_t)before, (uint64_t)told);
	for (int i = 1; i < CHILDREN; i++)
		end(children[i]);
	t_true("nothing to wait for", waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	if (is.sa_handler == on_child)
		t_true("their ends are told", told > before);
	return t_done();
}
