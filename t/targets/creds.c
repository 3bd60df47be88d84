/* SPDX-License-Identifier: MIT */
/*
 * Credentials and attributes: the Uid, Gid, Groups, Cap and other lines of
 * /proc/self/status, limits, personality, what prctl and others tell.
 * Arguments: "nobody" (groups and no capabilities), "caps" (another user with
 * some capabilities), nothing (root as it is).
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "target.h"

static const int asked[][2] = {
	{ PR_GET_DUMPABLE, 0 },	  { PR_GET_KEEPCAPS, 0 },   { PR_GET_NO_NEW_PRIVS, 0 },
	{ PR_GET_SECUREBITS, 0 }, { PR_GET_TIMERSLACK, 0 }, { PR_GET_THP_DISABLE, 0 },
	{ PR_GET_SECCOMP, 0 },	  { PR_GET_TIMING, 0 },
};

#define N_ASKED (sizeof(asked) / sizeof(asked[0]))

struct creds {
	char status[8192];
	char limits[4096];
	char oom[32];
	int personality;
	int answers[N_ASKED];
	int pdeath_signal, subreaper;
	struct rlimit limit[RLIM_NLIMITS];
};

static struct creds was, is;

static const char *const keep[] = {
	"Umask:",  "Uid:",    "Gid:",	 "Groups:",	"CapInh:",  "CapPrm:",
	"CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:", "Seccomp:", "THP_enabled:",
};

static void keep_lines(char *text)
{
	char *out = text, *line = text, *next;

	for (; *line; line = next) {
		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++) {
			if (strncmp(line, keep[i], strlen(keep[i])) != 0)
				continue;
			memmove(out, line, (size_t)(next - line));
			out += next - line;
		}
	}
	*out = 0;
}

static void look(struct creds *c)
{
	t_read("/proc/self/status", c->status, sizeof(c->status));
	keep_lines(c->status);
	t_read("/proc/self/limits", c->limits, sizeof(c->limits));
	t_read("/proc/self/oom_score_adj", c->oom, sizeof(c->oom));
	c->personality = personality(0xffffffff);
	for (size_t i = 0; i < N_ASKED; i++)
		c->answers[i] = prctl(asked[i][0], 0, 0, 0, 0);
	t_must(prctl(PR_GET_PDEATHSIG, &c->pdeath_signal));
	t_must(prctl(PR_GET_CHILD_SUBREAPER, &c->subreaper));
	for (int i = 0; i < RLIM_NLIMITS; i++)
		t_must(getrlimit((__rlimit_resource_t)i, &c->limit[i]));
}

static void compare(void)
{
	char what[64];

	t_same_lines("status", was.status, is.status);
	t_same_lines("limits", was.limits, is.limits);
	t_same_str("oom_score_adj", was.oom, is.oom);
	t_same("personality", (uint64_t)was.personality, (uint64_t)is.personality);
	for (size_t i = 0; i < N_ASKED; i++) {
		snprintf(what, sizeof(what), "prctl %d", asked[i][0]);
		t_same(what, (uint64_t)was.answers[i], (uint64_t)is.answers[i]);
	}
	t_same("parent death signal", (uint64_t)was.pdeath_signal, (uint64_t)is.pdeath_signal);
	t_same("child subreaper", (uint64_t)was.subreaper, (uint64_t)is.subreaper);
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		snprintf(what, sizeof(what), "soft limit %d", i);
		t_same(what, was.limit[i].rlim_cur, is.limit[i].rlim_cur);
		snprintf(what, sizeof(what), "hard limit %d", i);
		t_same(what, was.limit[i].rlim_max, is.limit[i].rlim_max);
	}
}

static void set_limit(__rlimit_resource_t what, rlim_t soft, rlim_t hard)
{
	struct rlimit l = { soft, hard };

	t_must(setrlimit(what, &l));
}

static void set_attributes(void)
{
	int fd = t_must(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));

	if (write(fd, "123", 3) != 3)
		t_fatal("oom_score_adj");
	close(fd);
	umask(027);
	set_limit(RLIMIT_NOFILE, 500, 1000);
	set_limit(RLIMIT_CORE, 0, 4096);
	set_limit(RLIMIT_STACK, 4 << 20, 512 << 20);
	set_limit(RLIMIT_CPU, 3600, 7200);
	set_limit(RLIMIT_FSIZE, 1 << 30, 1ul << 32);
	t_must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	t_must(prctl(PR_SET_TIMERSLACK, 77777));
	t_must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	t_must(personality(ADDR_NO_RANDOMIZE));
}

static void set_caps(uint64_t permitted, uint64_t effective, uint64_t inheritable)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].permitted = (uint32_t)(permitted >> 32 * i);
		data[i].effective = (uint32_t)(effective >> 32 * i);
		data[i].inheritable = (uint32_t)(inheritable >> 32 * i);
	}
	t_must(syscall(SYS_capset, &head, data));
}

#define CAP(n) (1ull << (n))

static void become(const char *who)
{
	gid_t groups[] = { 100, 4, 65534, 1000 };

	if (strcmp(who, "root") == 0)
		return;
	t_must(setgroups(4, groups));
	if (strcmp(who, "nobody") == 0) {
		t_must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		t_must(setresgid(65534, 65534, 65534));
		t_must(setresuid(65534, 65534, 65534));
		return;
	}
	/* Different ids everywhere, some capabilities, one ambient. */
	t_must(prctl(PR_CAPBSET_DROP, CAP_SYS_RAWIO, 0, 0, 0));
	t_must(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS));
	t_must(setresgid(1001, 1002, 1003));
	t_must(setresuid(2001, 2002, 2003));
	set_caps(CAP(CAP_SETUID) | CAP(CAP_NET_RAW) | CAP(CAP_KILL), CAP(CAP_SETUID),
		 CAP(CAP_NET_RAW));
	t_must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
	t_must(syscall(SYS_setfsuid, 2001) < 0 ? -1 : 0);
}

int main(int argc, char **argv)
{
	t_init();
	set_attributes();
	become(argc > 1 ? argv[1] : "root");
	look(&was);
	t_ready();
	if (t_spoiled())
		set_limit(RLIMIT_NOFILE, 499, 1000);
	t_wait();
	look(&is);
	compare();
	return t_done();
}
