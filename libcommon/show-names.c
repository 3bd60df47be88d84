/* SPDX-License-Identifier: MIT */
#include "show-names.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "show-tables.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Append "|name". */
static void add(char *buf, size_t size, const char *name)
{
	size_t n = strlen(buf);

	snprintf(buf + n, size - n, "%s%s", n ? "|" : "", name);
}

static void add_rest(char *buf, size_t size, uint64_t rest)
{
	char hex[24];

	if (!rest)
		return;
	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)rest);
	add(buf, size, hex);
}

static void put_bits(const struct show_bit *table, uint64_t value, char *buf, size_t size)
{
	for (; table->name; table++) {
		if ((value & table->bits) != table->bits)
			continue;
		add(buf, size, table->name);
		value &= ~table->bits;
	}
	add_rest(buf, size, value);
}

static void put_open_flags(uint64_t value, char *buf, size_t size)
{
	static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE" };

	add(buf, size, modes[value & 3]);
	put_bits(show_open_flags, value & ~3ull, buf, size);
}

static void put_prot(uint64_t value, char *buf, size_t size)
{
	if (!value)
		add(buf, size, "PROT_NONE");
	put_bits(show_prot, value, buf, size);
}

static void put_personality(uint64_t value, char *buf, size_t size)
{
	add(buf, size,
	    (value & 0xff) == 0 ? "PER_LINUX" :
	    (value & 0xff) == 8 ? "PER_LINUX32" :
				  "PER_other");
	put_bits(show_personality_bits, value & ~0xffull, buf, size);
}

static void put_caps(uint64_t value, char *buf, size_t size)
{
	for (unsigned int i = 0; i < SHOW_CAPABILITIES; i++) {
		if (value & 1ull << i)
			add(buf, size, show_capabilities[i]);
		value &= ~(1ull << i);
	}
	add_rest(buf, size, value);
}

void cr_show_signal(uint64_t sig, char *buf, size_t size)
{
	const char *name = sig && sig < 32 ? sigabbrev_np((int)sig) : NULL;

	if (!sig)
		buf[0] = 0;
	else if (name)
		snprintf(buf, size, "SIG%s", name);
	else if (sig >= 34 && sig <= 64)	/* libc keeps 32 and 33 for itself */
		snprintf(buf, size, sig == 34 ? "SIGRTMIN" : "SIGRTMIN+%u", (unsigned int)sig - 34);
	else
		snprintf(buf, size, "SIG%llu", (unsigned long long)sig);
}

static void put_sigset(uint64_t value, char *buf, size_t size)
{
	char name[32];

	for (unsigned int i = 0; i < 64; i++) {
		if (!(value & 1ull << i))
			continue;
		cr_show_signal(i + 1, name, sizeof(name));
		add(buf, size, name);
	}
}

static void put_xfeatures(uint64_t value, char *buf, size_t size)
{
	for (unsigned int i = 0; i < 64; i++) {
		const char *name = cr_show_xfeature(i);

		if (!(value & 1ull << i) || !name)
			continue;
		add(buf, size, name);
		value &= ~(1ull << i);
	}
	add_rest(buf, size, value);
}

static void put_mode(uint64_t value, char *buf, size_t size)
{
	static const char *const types[16] = {
		[1] = "S_IFIFO", [2] = "S_IFCHR",  [4] = "S_IFDIR",   [6] = "S_IFBLK",
		[8] = "S_IFREG", [10] = "S_IFLNK", [12] = "S_IFSOCK",
	};
	const char *type = types[value >> 12 & 15];
	char perm[24];

	if (type)
		add(buf, size, type);
	snprintf(perm, sizeof(perm), "0%03llo", (unsigned long long)(type ? value & 07777 : value));
	add(buf, size, perm);
}

static void put_umask(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "0%03llo", (unsigned long long)value);
}

static void put_dev(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%u:%u", major(value), minor(value));
}

static void put_exit_status(uint64_t value, char *buf, size_t size)
{
	int status = (int)value;
	char sig[32];

	if (WIFEXITED(status)) {
		snprintf(buf, size, "exited %d", WEXITSTATUS(status));
		return;
	}
	cr_show_signal((uint64_t)WTERMSIG(status), sig, sizeof(sig));
	snprintf(buf, size, "%s%s", sig, WCOREDUMP(status) ? ", core dumped" : "");
}

static void put_handler(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%s", value == 0 ? "SIG_DFL" : value == 1 ? "SIG_IGN" : "");
}

static void put_rlim(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%s", value == UINT64_MAX ? "RLIM_INFINITY" : "");
}

static void put_clock(uint64_t value, char *buf, size_t size)
{
	const char *name = value < SHOW_CLOCKS ? show_clocks[value] : NULL;

	snprintf(buf, size, "%s", name ? name : "");
}

static void put_owner_type(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%s", value < SHOW_OWNER_TYPES ? show_owner_types[value] : "");
}

static void put_sock_type(uint64_t value, char *buf, size_t size)
{
	snprintf(buf, size, "%s", value < SHOW_SOCK_TYPES ? show_sock_types[value] : "");
}

/* @msg NULL: in every message.  Bits, or a function that knows. */
static const struct {
	const char *msg;
	const char *field;
	enum cr_show_decoded how;
	const struct show_bit *bits;
	void (*put)(uint64_t value, char *buf, size_t size);
} known[] = {
	{ NULL, "open_flags", CR_SHOW_SET, NULL, put_open_flags },
	{ NULL, "sa_flags", CR_SHOW_SET, show_sa_flags, NULL },
	{ NULL, "ss_flags", CR_SHOW_SET, show_ss_flags, NULL },
	{ NULL, "prot", CR_SHOW_SET, NULL, put_prot },
	{ NULL, "vma_flags", CR_SHOW_SET, show_vma_flags, NULL },
	{ NULL, "seals", CR_SHOW_SET, show_seals, NULL },
	{ NULL, "securebits", CR_SHOW_SET, show_securebits, NULL },
	{ NULL, "mdwe", CR_SHOW_SET, show_mdwe, NULL },
	{ NULL, "membarrier", CR_SHOW_SET, show_membarrier, NULL },
	{ NULL, "settime_flags", CR_SHOW_SET, show_timer_flags, NULL },
	{ "EpollItem", "events", CR_SHOW_SET, show_epoll_events, NULL },
	{ NULL, "personality", CR_SHOW_SET, NULL, put_personality },
	{ NULL, "cap_inh", CR_SHOW_SET, NULL, put_caps },
	{ NULL, "cap_prm", CR_SHOW_SET, NULL, put_caps },
	{ NULL, "cap_eff", CR_SHOW_SET, NULL, put_caps },
	{ NULL, "cap_bnd", CR_SHOW_SET, NULL, put_caps },
	{ NULL, "cap_amb", CR_SHOW_SET, NULL, put_caps },
	{ NULL, "sigmask", CR_SHOW_SET, NULL, put_sigset },
	{ "SigAction", "mask", CR_SHOW_SET, NULL, put_sigset },
	{ NULL, "xfeatures", CR_SHOW_SET, NULL, put_xfeatures },
	{ NULL, "xstate_permitted", CR_SHOW_SET, NULL, put_xfeatures },
	{ "MemPolicy", "mode", CR_SHOW_PLAIN, NULL, NULL },	/* MPOL_*, no st_mode */
	{ NULL, "mode", CR_SHOW_SET, NULL, put_mode },
	{ NULL, "umask", CR_SHOW_ONE, NULL, put_umask },
	{ NULL, "dev", CR_SHOW_ONE, NULL, put_dev },
	{ NULL, "rdev", CR_SHOW_ONE, NULL, put_dev },
	{ NULL, "signal", CR_SHOW_ONE, NULL, cr_show_signal },
	{ NULL, "stop_signal", CR_SHOW_ONE, NULL, cr_show_signal },
	{ NULL, "exit_signal", CR_SHOW_ONE, NULL, cr_show_signal },
	{ NULL, "parent_death_signal", CR_SHOW_ONE, NULL, cr_show_signal },
	{ NULL, "exit_status", CR_SHOW_ONE, NULL, put_exit_status },
	{ NULL, "handler", CR_SHOW_ONE, NULL, put_handler },
	{ NULL, "sock_type", CR_SHOW_ONE, NULL, put_sock_type },
	{ NULL, "shutdown", CR_SHOW_SET, show_shutdown, NULL },
	{ "TimerFd", "clock", CR_SHOW_ONE, NULL, put_clock },
	{ "FileOwner", "type", CR_SHOW_ONE, NULL, put_owner_type },
	{ "Rlimit", "soft", CR_SHOW_ONE, NULL, put_rlim },
	{ "Rlimit", "hard", CR_SHOW_ONE, NULL, put_rlim },
};

enum cr_show_decoded cr_show_decode(const char *msg, const char *field, uint64_t value, char *buf,
				    size_t size)
{
	buf[0] = 0;
	for (size_t i = 0; i < COUNT(known); i++) {
		if (strcmp(known[i].field, field) != 0 ||
		    (known[i].msg && strcmp(known[i].msg, msg) != 0))
			continue;
		/* Every such field has 32 bits; its sign is one of them. */
		if (known[i].bits)
			put_bits(known[i].bits, value & UINT32_MAX, buf, size);
		else if (known[i].put)
			known[i].put(value, buf, size);
		return known[i].how;
	}
	return CR_SHOW_PLAIN;
}

const char *cr_show_index_name(const char *field, size_t index)
{
	if (strcmp(field, "rlimits") == 0 && index < SHOW_RLIMITS)
		return show_rlimits[index];
	if (strcmp(field, "itimers") == 0 && index < SHOW_ITIMERS)
		return show_itimers[index];
	return NULL;
}

size_t cr_show_parts(const char *msg, const char *field, const uint8_t *data, size_t len,
		     struct cr_show_part *parts)
{
	(void)msg;
	if (strcmp(field, "signals") == 0 || strcmp(field, "shared_signals") == 0)
		return cr_show_siginfo(data, len, parts);
	if (strcmp(field, "auxv") == 0)
		return cr_show_auxv(data, len, parts);
	if (strcmp(field, "regs") == 0)
		return cr_show_regs(data, len, parts);
	return 0;
}
