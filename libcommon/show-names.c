/* SPDX-License-Identifier: MIT */
#include "show-names.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "vma.h"

#define SECBIT(b) { issecure_mask(b), "SECBIT_" #b }

struct bit {
	uint64_t bits;
	const char *name;
};

/* The kernel's values on x86-64 and the generic ABI: glibc hides O_LARGEFILE. */
static const struct bit open_flags[] = {
	{ 020200000, "O_TMPFILE" },
	{ 04010000, "O_SYNC" },
	{ 0100, "O_CREAT" },
	{ 0200, "O_EXCL" },
	{ 0400, "O_NOCTTY" },
	{ 01000, "O_TRUNC" },
	{ 02000, "O_APPEND" },
	{ 04000, "O_NONBLOCK" },
	{ 010000, "O_DSYNC" },
	{ 020000, "O_ASYNC" },
	{ 040000, "O_DIRECT" },
	{ 0100000, "O_LARGEFILE" },
	{ 0200000, "O_DIRECTORY" },
	{ 0400000, "O_NOFOLLOW" },
	{ 01000000, "O_NOATIME" },
	{ 02000000, "O_CLOEXEC" },
	{ 010000000, "O_PATH" },
	{ 0, NULL },
};

static const struct bit sa_flags[] = {
	{ 0x00000001, "SA_NOCLDSTOP" },
	{ 0x00000002, "SA_NOCLDWAIT" },
	{ 0x00000004, "SA_SIGINFO" },
	{ 0x00000800, "SA_EXPOSE_TAGBITS" },
	{ 0x04000000, "SA_RESTORER" },
	{ 0x08000000, "SA_ONSTACK" },
	{ 0x10000000, "SA_RESTART" },
	{ 0x40000000, "SA_NODEFER" },
	{ 0x80000000, "SA_RESETHAND" },
	{ 0, NULL },
};

static const struct bit ss_flags[] = {
	{ 1, "SS_ONSTACK" },
	{ 2, "SS_DISABLE" },
	{ 1u << 31, "SS_AUTODISARM" },
	{ 0, NULL },
};

static const struct bit prot[] = {
	{ 1, "PROT_READ" },
	{ 2, "PROT_WRITE" },
	{ 4, "PROT_EXEC" },
	{ 0, NULL },
};

static const struct bit vma_flags[] = {
	{ CR_VMA_GROWSDOWN, "VM_GROWSDOWN" },
	{ CR_VMA_LOCKED, "VM_LOCKED" },
	{ CR_VMA_LOCKONFAULT, "VM_LOCKONFAULT" },
	{ CR_VMA_DONTFORK, "VM_DONTCOPY" },
	{ CR_VMA_DONTDUMP, "VM_DONTDUMP" },
	{ CR_VMA_WIPEONFORK, "VM_WIPEONFORK" },
	{ CR_VMA_HUGEPAGE, "VM_HUGEPAGE" },
	{ CR_VMA_NOHUGEPAGE, "VM_NOHUGEPAGE" },
	{ CR_VMA_MERGEABLE, "VM_MERGEABLE" },
	{ CR_VMA_SEQ_READ, "VM_SEQ_READ" },
	{ CR_VMA_RAND_READ, "VM_RAND_READ" },
	{ CR_VMA_NORESERVE, "VM_NORESERVE" },
	{ CR_VMA_MAYWRITE, "VM_MAYWRITE" },
	{ CR_VMA_DROPPABLE, "VM_DROPPABLE" },
	{ 0, NULL },
};

static const struct bit seals[] = {
	{ 0x01, "F_SEAL_SEAL" },
	{ 0x02, "F_SEAL_SHRINK" },
	{ 0x04, "F_SEAL_GROW" },
	{ 0x08, "F_SEAL_WRITE" },
	{ 0x10, "F_SEAL_FUTURE_WRITE" },
	{ 0x20, "F_SEAL_EXEC" },	/* 6.3 */
	{ 0, NULL },
};

static const struct bit securebits[] = {
	SECBIT(SECURE_NOROOT),
	SECBIT(SECURE_NOROOT_LOCKED),
	SECBIT(SECURE_NO_SETUID_FIXUP),
	SECBIT(SECURE_NO_SETUID_FIXUP_LOCKED),
	SECBIT(SECURE_KEEP_CAPS),
	SECBIT(SECURE_KEEP_CAPS_LOCKED),
	SECBIT(SECURE_NO_CAP_AMBIENT_RAISE),
	SECBIT(SECURE_NO_CAP_AMBIENT_RAISE_LOCKED),
	{ 0, NULL },
};

static const struct bit personality_bits[] = {
	{ 0x0020000, "UNAME26" },
	{ 0x0040000, "ADDR_NO_RANDOMIZE" },
	{ 0x0080000, "FDPIC_FUNCPTRS" },
	{ 0x0100000, "MMAP_PAGE_ZERO" },
	{ 0x0200000, "ADDR_COMPAT_LAYOUT" },
	{ 0x0400000, "READ_IMPLIES_EXEC" },
	{ 0x0800000, "ADDR_LIMIT_32BIT" },
	{ 0x1000000, "SHORT_INODE" },
	{ 0x2000000, "WHOLE_SECONDS" },
	{ 0x4000000, "STICKY_TIMEOUTS" },
	{ 0x8000000, "ADDR_LIMIT_3GB" },
	{ 0, NULL },
};

static const char *const capabilities[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
	"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

static const char *const rlimits[] = {
	"RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS",
	"RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS",
	"RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
};

static const char *const itimers[] = { "ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF" };

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

static void put_bits(const struct bit *table, uint64_t value, char *buf, size_t size)
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
	put_bits(open_flags, value & ~3ull, buf, size);
}

static void put_sa_flags(uint64_t value, char *buf, size_t size)
{
	put_bits(sa_flags, value, buf, size);
}

/* An int32 in the schema: the sign is no bit of its own. */
static void put_ss_flags(uint64_t value, char *buf, size_t size)
{
	put_bits(ss_flags, value & UINT32_MAX, buf, size);
}

static void put_prot(uint64_t value, char *buf, size_t size)
{
	if (!value)
		add(buf, size, "PROT_NONE");
	put_bits(prot, value, buf, size);
}

static void put_vma_flags(uint64_t value, char *buf, size_t size)
{
	put_bits(vma_flags, value, buf, size);
}

static void put_seals(uint64_t value, char *buf, size_t size)
{
	put_bits(seals, value, buf, size);
}

static void put_securebits(uint64_t value, char *buf, size_t size)
{
	put_bits(securebits, value, buf, size);
}

static void put_personality(uint64_t value, char *buf, size_t size)
{
	add(buf, size, (value & 0xff) == 0 ? "PER_LINUX" :
		       (value & 0xff) == 8 ? "PER_LINUX32" : "PER_other");
	put_bits(personality_bits, value & ~0xffull, buf, size);
}

static void put_caps(uint64_t value, char *buf, size_t size)
{
	for (unsigned int i = 0; i < COUNT(capabilities); i++) {
		if (value & 1ull << i)
			add(buf, size, capabilities[i]);
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
		[1] = "S_IFIFO", [2] = "S_IFCHR", [4] = "S_IFDIR", [6] = "S_IFBLK",
		[8] = "S_IFREG", [10] = "S_IFLNK", [12] = "S_IFSOCK",
	};
	const char *type = types[value >> 12 & 15];
	char perm[24];

	if (type)
		add(buf, size, type);
	snprintf(perm, sizeof(perm), "0%03llo",
		 (unsigned long long)(type ? value & 07777 : value));
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

/* @msg NULL: in every message. */
static const struct {
	const char *msg;
	const char *field;
	enum cr_show_decoded how;
	void (*put)(uint64_t value, char *buf, size_t size);
} known[] = {
	{ NULL, "open_flags", CR_SHOW_SET, put_open_flags },
	{ NULL, "sa_flags", CR_SHOW_SET, put_sa_flags },
	{ NULL, "ss_flags", CR_SHOW_SET, put_ss_flags },
	{ NULL, "prot", CR_SHOW_SET, put_prot },
	{ NULL, "vma_flags", CR_SHOW_SET, put_vma_flags },
	{ NULL, "seals", CR_SHOW_SET, put_seals },
	{ NULL, "securebits", CR_SHOW_SET, put_securebits },
	{ NULL, "personality", CR_SHOW_SET, put_personality },
	{ NULL, "cap_inh", CR_SHOW_SET, put_caps },
	{ NULL, "cap_prm", CR_SHOW_SET, put_caps },
	{ NULL, "cap_eff", CR_SHOW_SET, put_caps },
	{ NULL, "cap_bnd", CR_SHOW_SET, put_caps },
	{ NULL, "cap_amb", CR_SHOW_SET, put_caps },
	{ NULL, "sigmask", CR_SHOW_SET, put_sigset },
	{ "SigAction", "mask", CR_SHOW_SET, put_sigset },
	{ NULL, "xfeatures", CR_SHOW_SET, put_xfeatures },
	{ NULL, "mode", CR_SHOW_SET, put_mode },
	{ NULL, "umask", CR_SHOW_ONE, put_umask },
	{ NULL, "dev", CR_SHOW_ONE, put_dev },
	{ NULL, "rdev", CR_SHOW_ONE, put_dev },
	{ NULL, "signal", CR_SHOW_ONE, cr_show_signal },
	{ NULL, "stop_signal", CR_SHOW_ONE, cr_show_signal },
	{ NULL, "exit_signal", CR_SHOW_ONE, cr_show_signal },
	{ NULL, "parent_death_signal", CR_SHOW_ONE, cr_show_signal },
	{ NULL, "exit_status", CR_SHOW_ONE, put_exit_status },
	{ NULL, "handler", CR_SHOW_ONE, put_handler },
	{ "Rlimit", "soft", CR_SHOW_ONE, put_rlim },
	{ "Rlimit", "hard", CR_SHOW_ONE, put_rlim },
};

enum cr_show_decoded cr_show_decode(const char *msg, const char *field, uint64_t value, char *buf,
			      size_t size)
{
	buf[0] = 0;
	for (size_t i = 0; i < COUNT(known); i++) {
		if (strcmp(known[i].field, field) != 0 ||
		    (known[i].msg && strcmp(known[i].msg, msg) != 0))
			continue;
		known[i].put(value, buf, size);
		return known[i].how;
	}
	return CR_SHOW_PLAIN;
}

const char *cr_show_index_name(const char *field, size_t index)
{
	if (strcmp(field, "rlimits") == 0 && index < COUNT(rlimits))
		return rlimits[index];
	if (strcmp(field, "itimers") == 0 && index < COUNT(itimers))
		return itimers[index];
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
