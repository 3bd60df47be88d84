/* SPDX-License-Identifier: MIT */
#include "action.h"

#include <signal.h>

#include "script.h"
#include "spare.h"

int action_run(struct restore *r, const char *action, pid_t root, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->opts.scripts.count; i++) {
		const char *command = r->opts.scripts.items[i];
		struct clone_args args = { .exit_signal = SIGCHLD };
		long child = spare_clone(r, &args);

		if (child == 0)
			cr_script_exec(command, r->opts.dir, action, root);
		if (child < 0)
			return cr_err_sys(err, "--action-script: unable to create a process");
		if (cr_script_wait((pid_t)child, command, action, err) < 0)
			return -1;
	}
	return 0;
}
