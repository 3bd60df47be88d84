/* SPDX-License-Identifier: MIT */
#include "properties.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clean.h"
#include "proc.h"

/* Any of the files may be missing: kernels are built without such things. */
static int read_file(pid_t pid, const char *name, char **text, struct cr_err *err)
{
	if (cr_proc_read(pid, name, text, NULL, err) == 0)
		return 1;
	return err->errnum == ENOENT ? 0 : -1;
}

static int fill_coredump_filter(pid_t pid, Cr__Task *m, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	int ret = read_file(pid, "coredump_filter", &text, err);

	if (ret > 0 && sscanf(text, "%x", &m->coredump_filter) != 1)
		return cr_err_set(err, CR_SYSTEM, "/proc/%d/coredump_filter: not understood",
				  (int)pid);
	return ret < 0 ? -1 : 0;
}

static int fill_login_uid(pid_t pid, Cr__Task *m, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	int ret = read_file(pid, "loginuid", &text, err);
	unsigned int uid;

	if (ret > 0 && sscanf(text, "%u", &uid) == 1)
		m->login_uid_plus_1 = uid + 1;
	return ret < 0 ? -1 : 0;
}

/* "/autogroup-25 nice 0" */
static int fill_autogroup(pid_t pid, Cr__Task *m, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	int ret, nice;

	if (m->sid != m->pid)
		return 0;
	ret = read_file(pid, "autogroup", &text, err);
	if (ret > 0 && sscanf(text, "/autogroup-%*d nice %d", &nice) == 1)
		m->autogroup_nice = nice;
	return ret < 0 ? -1 : 0;
}

const char *properties_label(pid_t pid, const char *file)
{
	static char label[1024];
	static bool none;
	cr_auto_free char *text = NULL;
	struct cr_err ignored;
	char name[64];

	snprintf(name, sizeof(name), "attr/%s", file);
	if (none)
		return NULL;
	/* EINVAL: no security module has labels; the first process knows. */
	if (cr_proc_read(pid, name, &text, NULL, &ignored) < 0) {
		none = !label[0] && (ignored.errnum == EINVAL || ignored.errnum == ENOENT);
		return NULL;
	}
	snprintf(label, sizeof(label), "%.*s", (int)strcspn(text, "\n"), text);
	return label;
}

int properties_fill(pid_t pid, Cr__Task *m, struct cr_err *err)
{
	const char *label = properties_label(pid, "current");

	if (label)
		m->lsm_label = (char *)label;
	return fill_coredump_filter(pid, m, err) < 0 || fill_login_uid(pid, m, err) < 0 ||
			       fill_autogroup(pid, m, err) < 0 ?
		       -1 :
		       0;
}
