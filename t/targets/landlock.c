/* SPDX-License-Identifier: MIT */
/*
 * usage: landlock [fenced] [thread] [nobody | norights]
 *
 * For t/task-refuse.t: its main thread, or a second one, is in a Landlock
 * domain when it is fenced; it runs as nobody, or as root without capabilities.
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

static bool fenced, thread, nobody, norights;
static volatile bool up;

static void fence(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_CHAR };
	int fd;

	if (!fenced)
		return;
	fd = (int)t_must(syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0));
	t_must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	t_must(syscall(SYS_landlock_restrict_self, fd, 0));
	close(fd);
}

static void *second(void *arg)
{
	fence();
	up = true;
	t_wait();
	return arg;
}

static void drop_rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };

	if (nobody) {
		t_must(setgroups(0, NULL));
		t_must(setresgid(65534, 65534, 65534));
		t_must(setresuid(65534, 65534, 65534));
	} else if (norights) {
		t_must(syscall(SYS_capset, &head, none));
	}
}

int main(int argc, char **argv)
{
	pthread_t t;

	for (int i = 1; i < argc; i++) {
		fenced |= strcmp(argv[i], "fenced") == 0;
		thread |= strcmp(argv[i], "thread") == 0;
		nobody |= strcmp(argv[i], "nobody") == 0;
		norights |= strcmp(argv[i], "norights") == 0;
	}
	t_init();
	drop_rights();
	if (!thread) {
		fence();
	} else if (pthread_create(&t, NULL, second, NULL) != 0) {
		t_fatal("pthread_create");
	}
	while (thread && !up)
		t_sleep_ms(1);
	t_ready();
	t_wait();
	return t_done();
}
