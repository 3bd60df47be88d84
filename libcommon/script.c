/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "msg.h"

void cr_script_exec(const char *command, const char *dir, const char *action, pid_t pid)
{
	char *path = realpath(dir, NULL), number[16];
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null > 0) {
		dup2(null, 0);
		close(null);
	}
	snprintf(number, sizeof(number), "%d", (int)pid);
	if (path && setenv("CRTOOLS_SCRIPT_ACTION", action, 1) == 0 &&
	    setenv("CRTOOLS_IMAGE_DIR", path, 1) == 0 &&
	    (pid ? setenv("CRTOOLS_INIT_PID", number, 1) : unsetenv("CRTOOLS_INIT_PID")) == 0)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	cr_msg("--action-script: %s: %s", action, strerror(errno));
	_exit(127);
}

int cr_script_wait(pid_t child, const char *command, const char *action, struct cr_err *err)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return cr_err_sys(err, "--action-script: waitpid");
	if (WIFSIGNALED(status))
		return cr_err_set(err, CR_REFUSED, "%s: '%s' was killed by signal %d", action,
				  command, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return cr_err_set(err, CR_REFUSED, "%s: '%s' has failed with status %d", action,
				  command, WEXITSTATUS(status));
	return 0;
}

int cr_script_run(const char *command, const char *dir, const char *action, pid_t pid,
		  struct cr_err *err)
{
	pid_t child = fork();

	if (child == 0)
		cr_script_exec(command, dir, action, pid);
	if (child < 0)
		return cr_err_sys(err, "--action-script: unable to fork");
	return cr_script_wait(child, command, action, err);
}
