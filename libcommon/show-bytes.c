/* SPDX-License-Identifier: MIT */
/* The structs behind some bytes fields: siginfo_t and the auxiliary vector. */
#include <linux/auxvec.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "show-names.h"

struct name {
	int64_t value;
	const char *name;
};

static const struct name si_codes[] = {
	{ 0, "SI_USER" },      { 0x80, "SI_KERNEL" }, { -1, "SI_QUEUE" }, { -2, "SI_TIMER" },
	{ -3, "SI_MESGQ" },    { -4, "SI_ASYNCIO" },  { -5, "SI_SIGIO" }, { -6, "SI_TKILL" },
	{ -7, "SI_DETHREAD" }, { -60, "SI_ASYNCNL" }, { 0, NULL },
};

static const struct name cld_codes[] = {
	{ 1, "CLD_EXITED" },  { 2, "CLD_KILLED" },    { 3, "CLD_DUMPED" }, { 4, "CLD_TRAPPED" },
	{ 5, "CLD_STOPPED" }, { 6, "CLD_CONTINUED" }, { 0, NULL },
};

static const struct name at_types[] = {
	{ AT_NULL, "AT_NULL" },
	{ AT_IGNORE, "AT_IGNORE" },
	{ AT_EXECFD, "AT_EXECFD" },
	{ AT_PHDR, "AT_PHDR" },
	{ AT_PHENT, "AT_PHENT" },
	{ AT_PHNUM, "AT_PHNUM" },
	{ AT_PAGESZ, "AT_PAGESZ" },
	{ AT_BASE, "AT_BASE" },
	{ AT_FLAGS, "AT_FLAGS" },
	{ AT_ENTRY, "AT_ENTRY" },
	{ AT_NOTELF, "AT_NOTELF" },
	{ AT_UID, "AT_UID" },
	{ AT_EUID, "AT_EUID" },
	{ AT_GID, "AT_GID" },
	{ AT_EGID, "AT_EGID" },
	{ AT_PLATFORM, "AT_PLATFORM" },
	{ AT_HWCAP, "AT_HWCAP" },
	{ AT_CLKTCK, "AT_CLKTCK" },
	{ AT_SECURE, "AT_SECURE" },
	{ AT_BASE_PLATFORM, "AT_BASE_PLATFORM" },
	{ AT_RANDOM, "AT_RANDOM" },
	{ AT_HWCAP2, "AT_HWCAP2" },
	{ 27, "AT_RSEQ_FEATURE_SIZE" },	/* 6.3 */
	{ 28, "AT_RSEQ_ALIGN" },	/* 6.3 */
	{ 29, "AT_HWCAP3" },		/* 6.9 */
	{ 30, "AT_HWCAP4" },		/* 6.9 */
	{ AT_EXECFN, "AT_EXECFN" },
	{ 32, "AT_SYSINFO" },
	{ 33, "AT_SYSINFO_EHDR" },
	{ AT_MINSIGSTKSZ, "AT_MINSIGSTKSZ" },
	{ 0, NULL },
};

static const char *lookup(const struct name *table, int64_t value)
{
	for (; table->name; table++)
		if (table->value == value)
			return table->name;
	return NULL;
}

static struct cr_show_part *put(struct cr_show_part *p, const char *name, int64_t value, bool hex)
{
	memset(p, 0, sizeof(*p));
	p->name = name;
	p->value = value;
	p->hex = hex;
	return p + 1;
}

static struct cr_show_part *put_head(struct cr_show_part *p, const siginfo_t *si)
{
	const char *code = lookup(si_codes, si->si_code);

	if (!code && si->si_signo == SIGCHLD)
		code = lookup(cld_codes, si->si_code);
	p = put(p, "si_signo", si->si_signo, false);
	cr_show_signal((uint64_t)si->si_signo, p[-1].label, sizeof(p->label));
	p = put(p, "si_errno", si->si_errno, false);
	p = put(p, "si_code", si->si_code, false);
	snprintf(p[-1].label, sizeof(p->label), "%s", code ? code : "");
	return p;
}

static struct cr_show_part *put_sender(struct cr_show_part *p, const siginfo_t *si)
{
	p = put(p, "si_pid", si->si_pid, false);
	return put(p, "si_uid", si->si_uid, false);
}

static struct cr_show_part *put_value(struct cr_show_part *p, const siginfo_t *si)
{
	return put(p, "si_value", (int64_t)(uintptr_t)si->si_value.sival_ptr, true);
}

/* A signal the kernel made: what it says depends on the signal (sigaction(2)). */
static struct cr_show_part *put_kernel(struct cr_show_part *p, const siginfo_t *si)
{
	switch (si->si_signo) {
	case SIGCHLD:
		p = put_sender(p, si);
		p = put(p, "si_status", si->si_status, false);
		p = put(p, "si_utime", si->si_utime, false);
		return put(p, "si_stime", si->si_stime, false);
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGTRAP:
		return put(p, "si_addr", (int64_t)(uintptr_t)si->si_addr, true);
	case SIGPOLL:
		p = put(p, "si_band", si->si_band, true);
		return put(p, "si_fd", si->si_fd, false);
	case SIGSYS:
		p = put(p, "si_call_addr", (int64_t)(uintptr_t)si->si_call_addr, true);
		p = put(p, "si_syscall", si->si_syscall, false);
		return put(p, "si_arch", (int64_t)si->si_arch, true);
	default:
		return p;
	}
}

size_t cr_show_siginfo(const uint8_t *data, size_t len, struct cr_show_part *parts)
{
	struct cr_show_part *p;
	siginfo_t si;

	if (len != sizeof(si))
		return 0;
	memcpy(&si, data, sizeof(si));
	p = put_head(parts, &si);
	switch (si.si_code) {
	case SI_USER:
	case SI_TKILL:
		p = put_sender(p, &si);
		break;
	case SI_TIMER:
		p = put(p, "si_tid", si.si_timerid, false);
		p = put(p, "si_overrun", si.si_overrun, false);
		p = put_value(p, &si);
		break;
	case SI_KERNEL:
		break;
	default:
		if (si.si_code > 0)
			p = put_kernel(p, &si);
		else
			p = put_value(put_sender(p, &si), &si);
	}
	return (size_t)(p - parts);
}

size_t cr_show_auxv(const uint8_t *data, size_t len, struct cr_show_part *parts)
{
	size_t n = len / 16;
	uint64_t pair[2];

	if (len % 16 || n > CR_SHOW_PARTS_MAX)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const char *name;

		memcpy(pair, data + i * 16, 16);
		name = lookup(at_types, (int64_t)pair[0]);
		if (pair[0] == AT_NULL)
			return i;
		if (!name)
			return 0;
		put(&parts[i], name, (int64_t)pair[1], true);
	}
	return n;
}

bool cr_show_name(const char *msg, const char *field, const uint8_t *data, size_t len,
		  char buf[CR_SHOW_NAME_MAX])
{
	char *p = buf;

	if (strncmp(msg, "Unix", 4) != 0 ||
	    (strcmp(field, "name") != 0 && strcmp(field, "peer_name") != 0 &&
	     strcmp(field, "from") != 0))
		return false;
	for (size_t i = 0; i < len && p < buf + CR_SHOW_NAME_MAX - 5; i++) {
		if (data[i] > ' ' && data[i] < 127)
			*p++ = (char)data[i];
		else if (!i && !data[i])
			*p++ = '@';
		else
			p += snprintf(p, 5, "\\x%02x", data[i]);
	}
	*p = '\0';
	return true;
}
