/* SPDX-License-Identifier: MIT */
/* A vfork that lasts until the file "verify" appears. */
#include "target.h"

int main(void)
{
	pid_t pid;
	int status = 0;

	t_init();
	pid = vfork();
	if (pid == 0) {
		t_ready();
		t_wait();
		_exit(3);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WEXITSTATUS(status);
}
