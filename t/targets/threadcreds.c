/* SPDX-License-Identifier: MIT */
/*
 * Threads of one process whose credentials differ: user and group ids, groups,
 * capabilities, securebits, no_new_privs.  The C library would change all of
 * them; the system calls change one.
 */
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

#define THREADS 6
#define TEXT 1024

struct look {
	char status[TEXT];
	int securebits, no_new_privs, keep_caps;
};

static pthread_barrier_t is_set, ask;

static const char *const lines[] = {
	"Uid:",	   "Gid:",    "Groups:", "CapInh:",	"CapPrm:",
	"CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:",
};

static void look(struct look *l)
{
	char path[64], text[8192], *rest;
	size_t fill = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)syscall(SYS_gettid));
	t_read(path, text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
			if (strncmp(line, lines[i], strlen(lines[i])) == 0)
				fill += (size_t)snprintf(l->status + fill, TEXT - fill, "%s\n",
							 line);
	l->securebits = prctl(PR_GET_SECUREBITS);
	l->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	l->keep_caps = prctl(PR_GET_KEEPCAPS);
}

static void set_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t)(effective >> (32 * i)),
			.permitted = (uint32_t)(permitted >> (32 * i)),
			.inheritable = (uint32_t)(inheritable >> (32 * i)),
		};
	t_must(syscall(SYS_capset, &head, data));
}

static void set_ids(uint32_t base)
{
	gid_t groups[] = { base + 10, base + 11, base + 12 };

	t_must(syscall(SYS_setgroups, 3, groups));
	t_must(syscall(SYS_setresgid, base + 1, base + 2, base + 3));
	t_must(syscall(SYS_setresuid, base + 1, base + 2, base + 3));
}

/* The first stays as it is. */
static void change(unsigned int n)
{
	uint64_t net = 1ull << CAP_NET_ADMIN, kill = 1ull << CAP_KILL, both = net | kill;

	switch (n) {
	case 1:
		set_ids(20000);
		break;
	case 2:
		t_must(prctl(PR_SET_KEEPCAPS, 1));
		set_ids(30000);
		set_caps(net, both, both);
		t_must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
		break;
	case 3:
		t_must(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT));
		set_ids(40000);
		break;
	case 4:
		t_must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		t_must(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
		set_caps(both, both, 0);
		break;
	case 5:
		t_must(syscall(SYS_setfsgid, 50001) < 0 ? -1 : 0);
		t_must(syscall(SYS_setfsuid, 50001) < 0 ? -1 : 0);
		break;
	default:
		break;
	}
}

static void *run(void *arg)
{
	unsigned int n = (unsigned int)(uintptr_t)arg;
	struct look was = { 0 }, is = { 0 };
	char what[64];

	change(n);
	look(&was);
	if (t_spoiled() && n == 2)
		was.status[8] ^= 1;
	pthread_barrier_wait(&is_set);
	pthread_barrier_wait(&ask);
	look(&is);
	snprintf(what, sizeof(what), "thread %u: status", n);
	t_same_lines(what, was.status, is.status);
	snprintf(what, sizeof(what), "thread %u: securebits", n);
	t_same(what, (uint64_t)was.securebits, (uint64_t)is.securebits);
	snprintf(what, sizeof(what), "thread %u: no_new_privs", n);
	t_same(what, (uint64_t)was.no_new_privs, (uint64_t)is.no_new_privs);
	snprintf(what, sizeof(what), "thread %u: keep-caps", n);
	t_same(what, (uint64_t)was.keep_caps, (uint64_t)is.keep_caps);
	return NULL;
}

int main(void)
{
	pthread_t thread[THREADS];

	t_init();
	pthread_barrier_init(&is_set, NULL, THREADS + 1);
	pthread_barrier_init(&ask, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, run, (void *)i) != 0)
			t_fatal("pthread_create");
	pthread_barrier_wait(&is_set);
	/* What the changes have reset, for all. */
	t_must(prctl(PR_SET_DUMPABLE, 1));
	t_ready();
	t_wait();
	t_same("dumpable", 1, (uint64_t)prctl(PR_GET_DUMPABLE));
	pthread_barrier_wait(&ask);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return t_done();
}
