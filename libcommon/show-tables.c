/* SPDX-License-Identifier: MIT */
#include "show-tables.h"

#include <linux/securebits.h>

#include "vma.h"

#define SECBIT(b)                              \
	{                                      \
		issecure_mask(b), "SECBIT_" #b \
	}

/* The kernel's values on x86-64 and the generic ABI: glibc hides O_LARGEFILE. */
const struct show_bit show_open_flags[] = {
	{ 020200000, "O_TMPFILE" }, { 04010000, "O_SYNC" },    { 0100, "O_CREAT" },
	{ 0200, "O_EXCL" },	    { 0400, "O_NOCTTY" },      { 01000, "O_TRUNC" },
	{ 02000, "O_APPEND" },	    { 04000, "O_NONBLOCK" },   { 010000, "O_DSYNC" },
	{ 020000, "O_ASYNC" },	    { 040000, "O_DIRECT" },    { 0100000, "O_LARGEFILE" },
	{ 0200000, "O_DIRECTORY" }, { 0400000, "O_NOFOLLOW" }, { 01000000, "O_NOATIME" },
	{ 02000000, "O_CLOEXEC" },  { 010000000, "O_PATH" },   { 0, NULL },
};

const struct show_bit show_sa_flags[] = {
	{ 0x00000001, "SA_NOCLDSTOP" }, { 0x00000002, "SA_NOCLDWAIT" },
	{ 0x00000004, "SA_SIGINFO" },	{ 0x00000800, "SA_EXPOSE_TAGBITS" },
	{ 0x04000000, "SA_RESTORER" },	{ 0x08000000, "SA_ONSTACK" },
	{ 0x10000000, "SA_RESTART" },	{ 0x40000000, "SA_NODEFER" },
	{ 0x80000000, "SA_RESETHAND" }, { 0, NULL },
};

const struct show_bit show_ss_flags[] = {
	{ 1, "SS_ONSTACK" },
	{ 2, "SS_DISABLE" },
	{ 1u << 31, "SS_AUTODISARM" },
	{ 0, NULL },
};

const struct show_bit show_prot[] = {
	{ 1, "PROT_READ" },
	{ 2, "PROT_WRITE" },
	{ 4, "PROT_EXEC" },
	{ 0, NULL },
};

const struct show_bit show_vma_flags[] = {
	{ CR_VMA_GROWSDOWN, "VM_GROWSDOWN" },	  { CR_VMA_LOCKED, "VM_LOCKED" },
	{ CR_VMA_LOCKONFAULT, "VM_LOCKONFAULT" }, { CR_VMA_DONTFORK, "VM_DONTCOPY" },
	{ CR_VMA_DONTDUMP, "VM_DONTDUMP" },	  { CR_VMA_WIPEONFORK, "VM_WIPEONFORK" },
	{ CR_VMA_HUGEPAGE, "VM_HUGEPAGE" },	  { CR_VMA_NOHUGEPAGE, "VM_NOHUGEPAGE" },
	{ CR_VMA_MERGEABLE, "VM_MERGEABLE" },	  { CR_VMA_SEQ_READ, "VM_SEQ_READ" },
	{ CR_VMA_RAND_READ, "VM_RAND_READ" },	  { CR_VMA_NORESERVE, "VM_NORESERVE" },
	{ CR_VMA_MAYWRITE, "VM_MAYWRITE" },	  { CR_VMA_DROPPABLE, "VM_DROPPABLE" },
	{ CR_VMA_SEALED, "VM_SEALED" },		  { 0, NULL },
};

const struct show_bit show_seals[] = {
	{ 0x01, "F_SEAL_SEAL" },
	{ 0x02, "F_SEAL_SHRINK" },
	{ 0x04, "F_SEAL_GROW" },
	{ 0x08, "F_SEAL_WRITE" },
	{ 0x10, "F_SEAL_FUTURE_WRITE" },
	{ 0x20, "F_SEAL_EXEC" },	/* 6.3 */
	{ 0, NULL },
};

const struct show_bit show_securebits[] = {
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

const struct show_bit show_personality_bits[] = {
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

const char *const show_capabilities[SHOW_CAPABILITIES] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

const char *const show_rlimits[SHOW_RLIMITS] = {
	"RLIMIT_CPU",	   "RLIMIT_FSIZE", "RLIMIT_DATA",   "RLIMIT_STACK",
	"RLIMIT_CORE",	   "RLIMIT_RSS",   "RLIMIT_NPROC",  "RLIMIT_NOFILE",
	"RLIMIT_MEMLOCK",  "RLIMIT_AS",	   "RLIMIT_LOCKS",  "RLIMIT_SIGPENDING",
	"RLIMIT_MSGQUEUE", "RLIMIT_NICE",  "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
};

const char *const show_itimers[SHOW_ITIMERS] = { "ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF" };

const struct show_bit show_epoll_events[] = {
	{ 0x001, "EPOLLIN" },
	{ 0x002, "EPOLLPRI" },
	{ 0x004, "EPOLLOUT" },
	{ 0x008, "EPOLLERR" },
	{ 0x010, "EPOLLHUP" },
	{ 0x020, "EPOLLNVAL" },
	{ 0x040, "EPOLLRDNORM" },
	{ 0x080, "EPOLLRDBAND" },
	{ 0x100, "EPOLLWRNORM" },
	{ 0x200, "EPOLLWRBAND" },
	{ 0x400, "EPOLLMSG" },
	{ 0x2000, "EPOLLRDHUP" },
	{ 1u << 28, "EPOLLEXCLUSIVE" },
	{ 1u << 29, "EPOLLWAKEUP" },
	{ 1u << 30, "EPOLLONESHOT" },
	{ 1u << 31, "EPOLLET" },
	{ 0, NULL },
};

const struct show_bit show_timer_flags[] = {
	{ 1, "TFD_TIMER_ABSTIME" },
	{ 2, "TFD_TIMER_CANCEL_ON_SET" },
	{ 0, NULL },
};

/* prctl(2), PR_SET_MDWE, since 6.3 */
const struct show_bit show_mdwe[] = {
	{ 1, "PR_MDWE_REFUSE_EXEC_GAIN" },
	{ 2, "PR_MDWE_NO_INHERIT" },	/* 6.6 */
	{ 0, NULL },
};

const struct show_bit show_membarrier[] = {
	{ 1 << 2, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED" },
	{ 1 << 4, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED" },
	{ 1 << 6, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE" },
	{ 1 << 8, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ" },
	{ 0, NULL },
};

const char *const show_clocks[SHOW_CLOCKS] = {
	"CLOCK_REALTIME",
	"CLOCK_MONOTONIC",
	"CLOCK_PROCESS_CPUTIME_ID",
	"CLOCK_THREAD_CPUTIME_ID",
	"CLOCK_MONOTONIC_RAW",
	"CLOCK_REALTIME_COARSE",
	"CLOCK_MONOTONIC_COARSE",
	"CLOCK_BOOTTIME",
	"CLOCK_REALTIME_ALARM",
	"CLOCK_BOOTTIME_ALARM",
	NULL,
	"CLOCK_TAI",
};

const char *const show_owner_types[SHOW_OWNER_TYPES] = {
	"F_OWNER_TID",
	"F_OWNER_PID",
	"F_OWNER_PGRP",
};

const struct show_bit show_shutdown[] = {
	{ 1, "RCV_SHUTDOWN" },
	{ 2, "SEND_SHUTDOWN" },
	{ 0, NULL },
};

const char *const show_sock_types[SHOW_SOCK_TYPES] = {
	"", "SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET",
};
