/* SPDX-License-Identifier: MIT */
/* What must not be frozen, or cannot be. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clean.h"
#include "proc.h"
#include "tree-freeze.h"

#define PF_KTHREAD 0x00200000ul	/* of the flags in /proc/PID/stat */
#define MAX_DEPTH 4096

static int refuse(pid_t pid, const char *why, struct cr_err *err)
{
	return cr_err_set(err, CR_REFUSED, "pid %d: %s", (int)pid, why);
}

static bool is_among(pid_t pid, const pid_t *list, unsigned int n)
{
	while (n && list[n - 1] != pid)
		n--;
	return n;
}

/* This program would hang as soon as it had stopped its own ancestor. */
int cr_tree_check_caller(pid_t root, const pid_t *others, unsigned int n, struct cr_err *err)
{
	static pid_t stranger;
	struct cr_proc_stat st;
	struct cr_err ignored;
	pid_t pid = getpid();

	if (root == stranger)
		return 0;
	if (root == pid)
		return refuse(root, "it is this program itself", err);
	for (int i = 0; i < MAX_DEPTH && pid > 0; i++) {
		if (pid == root)
			return refuse(root, "this program descends from it and would freeze itself",
				      err);
		if (is_among(pid, others, n) || cr_proc_stat(pid, &st, &ignored) < 0)
			break;
		pid = (pid_t)st.field[CR_STAT_PPID];
	}
	stranger = root;
	return 0;
}

int tree_check_root(pid_t root, struct cr_err *err)
{
	cr_auto_free char *status = NULL;
	struct cr_proc_stat st;
	const char *tgid;

	if (cr_proc_stat(root, &st, err) < 0)
		return err->errnum == ENOENT || err->errnum == ESRCH ?
			       refuse(root, "no such process", err) :
			       -1;
	if (st.field[9] & PF_KTHREAD)
		return refuse(root, "it is a kernel thread", err);
	if (root == 1)
		return refuse(root, "it is init", err);
	/* With other threads it is the main thread alone that has ended. */
	if ((st.state == 'Z' || st.state == 'X') && st.field[CR_STAT_THREADS] < 2)
		return refuse(root, "it has ended already (a zombie)", err);
	if (cr_proc_read(root, "status", &status, NULL, err) < 0)
		return -1;
	tgid = cr_proc_field(status, "Tgid");
	if (tgid && strtol(tgid, NULL, 10) != root)
		return cr_err_set(err, CR_REFUSED, "pid %d: it is a thread of process %ld",
				  (int)root, strtol(tgid, NULL, 10));
	return cr_tree_check_caller(root, NULL, 0, err);
}

bool tree_may_vfork(const struct cr_process *p)
{
	for (unsigned int k = 0; k < p->n_threads; k++)
		if (cr_tracee_in_vfork(&p->threads[k]))
			return true;
	return false;
}
