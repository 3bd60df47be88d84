/* SPDX-License-Identifier: MIT */
/*
 * Protection keys: which are given out, freed and used, what memory has them,
 * what rights each thread has, and the kernel's own key of memory that is only
 * executed.
 *
 *	pkeys			all of it, in two threads and a child
 *	pkeys executed		memory that is only executed; it can be read when the
 *				file "readable" says so
 *	pkeys filtered		a key under a seccomp filter that kills who asks
 *	pkeys barred		a thread that may not write memory of the key 0
 *
 * To be run with GLIBC_TUNABLES=glibc.pthread.rseq=0: threads have an area of
 * their own.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

#define PAGE 4096
#define KEYS 16
#define NO_ACCESS 1u
#define NO_WRITE 2u
#define SEGV_OF_KEY 4	/* SEGV_PKUERR */
#define UNREGISTER 1	/* RSEQ_FLAG_UNREGISTER */
#define RSEQ_SIGNATURE 0x53053053u

static sigjmp_buf back;
static siginfo_t fault;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fault = *info;
	siglongjmp(back, 1);
}

static uint32_t rights(void)
{
	uint32_t pkru, d;

	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(pkru), "=d"(d) : "c"(0));
	return pkru;
}

static void set_rights(uint32_t pkru)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(pkru), "c"(0), "d"(0) : "memory");
}

static void set_right(unsigned int key, uint32_t bits)
{
	set_rights((rights() & ~(3u << 2 * key)) | bits << 2 * key);
}

enum access { READS, WRITES, FAULTS_BY_KEY, FAULTS };

/* What happens there: signal handlers run with rights of their own, which only
 * sigreturn would take back. */
static enum access try_access(volatile uint64_t *p, bool write)
{
	volatile uint32_t before = rights();
	uint64_t seen;

	if (sigsetjmp(back, 1)) {
		set_rights(before);
		return fault.si_code == SEGV_OF_KEY ? FAULTS_BY_KEY : FAULTS;
	}
	seen = *p;
	if (!write)
		return READS;
	*p = seen;
	return WRITES;
}

static void check_access(const char *what, void *p, enum access read, enum access write)
{
	char text[64];

	snprintf(text, sizeof(text), "reading %s", what);
	t_same(text, read, try_access(p, false));
	snprintf(text, sizeof(text), "writing %s", what);
	t_same(text, write, try_access(p, true));
}

/* Of the mapping that begins there. */
static uint32_t key_of(const void *p)
{
	static char text[1 << 20];
	char start[32], *at;

	t_read("/proc/self/smaps", text, sizeof(text));
	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	at = strstr(text, start);
	at = at ? strstr(at, "\nProtectionKey:") : NULL;
	return at ? (uint32_t)strtoul(at + strlen("\nProtectionKey:"), NULL, 10) : 99;
}

/* Each is between others without access, so that nothing joins it. */
static void *map(int prot, int flags, int fd)
{
	char *p = t_must(mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	return t_must(mmap(p + PAGE, PAGE, prot, flags | MAP_FIXED, fd, 0));
}

static void *map_key(int prot, int flags, unsigned int key)
{
	void *p = map(PROT_READ | PROT_WRITE, flags, -1);

	t_fill(p, PAGE, key);
	t_must(syscall(SYS_pkey_mprotect, p, PAGE, prot, key));
	return p;
}

/* mov $42,%eax; ret */
static void *map_executed(void)
{
	static const uint8_t code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	void *p = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memcpy(p, code, sizeof(code));
	t_must(mprotect(p, PAGE, PROT_EXEC));
	return p;
}

static void check_executed(void *p, enum access read, enum access write)
{
	int (*fn)(void) = (int (*)(void))(uintptr_t)p;

	t_same("only executed: result", 42, (uint64_t)fn());
	check_access("what is only executed", p, read, write);
}

static unsigned int given(uint32_t right)
{
	return (unsigned int)t_must(syscall(SYS_pkey_alloc, 0, right));
}

static struct {
	unsigned int first, second, freed, unused, executed;
	void *not_written, *no_access, *stale, *code, *key_code, *plain;
	struct rseq_area {
		uint32_t cpu_start, cpu;
		uint64_t cs;
		uint32_t flags, node, mm_cid;
		uint8_t rest[36];
	} * rseq;
	uint32_t main_rights, thread_rights;
	pid_t tid;
	pthread_barrier_t ready, look;
} s;

/* It alone may use the second key, and the kernel writes there for it. */
static void *thread(void *arg)
{
	(void)arg;
	set_right(s.first, NO_ACCESS);
	set_right(s.second, 0);
	if (syscall(SYS_rseq, s.rseq, 32, 0, RSEQ_SIGNATURE) < 0)
		t_fatal("rseq");
	s.thread_rights = rights();
	s.tid = gettid();
	pthread_barrier_wait(&s.ready);
	pthread_barrier_wait(&s.look);
	t_same("rights of the thread", s.thread_rights, rights());
	t_true("rseq knows the CPU", s.rseq->cpu < 4096);
	t_same("still registered", EBUSY,
	       syscall(SYS_rseq, s.rseq, 32, 0, RSEQ_SIGNATURE) < 0 ? (uint64_t)errno : 0);
	pthread_barrier_wait(&s.look);
	/* Handlers run without the right to the area, which the kernel writes to. */
	t_same("unregistered", 0,
	       (uint64_t)syscall(SYS_rseq, s.rseq, 32, UNREGISTER, RSEQ_SIGNATURE));
	check_access("of the thread, the first key", s.not_written, FAULTS_BY_KEY, FAULTS_BY_KEY);
	check_access("of the thread, the second key", s.no_access, READS, WRITES);
	pthread_barrier_wait(&s.look);
	return NULL;
}

static void set_up(void)
{
	s.first = given(NO_WRITE);
	s.executed = s.first + 1;
	s.code = map_executed();
	s.second = given(NO_ACCESS);
	s.freed = given(0);
	s.unused = given(NO_WRITE);
	s.not_written = map_key(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, s.first);
	s.no_access = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	t_fill(s.no_access, PAGE, s.second);
	t_must(syscall(SYS_pkey_mprotect, s.no_access, PAGE, PROT_READ | PROT_WRITE, s.second));
	s.rseq = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	t_must(syscall(SYS_pkey_mprotect, s.rseq, PAGE, PROT_READ | PROT_WRITE, s.second));
	s.stale = map_key(PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, s.freed);
	s.key_code = map_executed();
	t_must(syscall(SYS_pkey_mprotect, s.key_code, PAGE, PROT_EXEC, s.first));
	s.plain = map_executed();
	t_must(syscall(SYS_pkey_mprotect, s.plain, PAGE, PROT_EXEC, 0));
	t_must(syscall(SYS_pkey_free, s.freed));
	set_right(s.freed, NO_WRITE);
}

/* The kernel gives the lowest first: all that are free, in order. */
static void check_free(void)
{
	uint32_t before = rights();
	int got[KEYS], n = 0;

	for (unsigned int key = 1; key < KEYS; key++) {
		if (key == s.first || key == s.executed || key == s.second || key == s.unused)
			continue;
		got[n] = (int)syscall(SYS_pkey_alloc, 0, 0);
		t_same("the next free key", key, (uint64_t)got[n++]);
	}
	t_true("no more", syscall(SYS_pkey_alloc, 0, 0) < 0 && errno == ENOSPC);
	while (n)
		syscall(SYS_pkey_free, got[--n]);
	t_true("the kernel's key cannot be freed", syscall(SYS_pkey_free, s.executed) < 0);
	t_true("the unused one can", syscall(SYS_pkey_free, s.unused) == 0);
	set_rights(before);
}

static void check_all(void)
{
	uint32_t before = rights();
	void *more;

	t_same("rights", s.main_rights, before);
	t_same("key: not written", s.first, key_of(s.not_written));
	t_same("key: no access", s.second, key_of(s.no_access));
	t_same("key: rseq", s.second, key_of(s.rseq));
	t_same("key: freed", s.freed, key_of(s.stale));
	t_same("key: code", s.executed, key_of(s.code));
	t_same("key: code with a key", s.first, key_of(s.key_code));
	t_same("key: code with the key 0", 0, key_of(s.plain));
	check_access("not written", s.not_written, READS, FAULTS_BY_KEY);
	check_access("no access", s.no_access, FAULTS_BY_KEY, FAULTS_BY_KEY);
	check_access("freed", s.stale, READS, FAULTS_BY_KEY);
	check_executed(s.code, FAULTS_BY_KEY, FAULTS_BY_KEY);
	check_executed(s.plain, READS, FAULTS);
	check_executed(s.key_code, READS, FAULTS_BY_KEY);
	t_check("not written", s.not_written, PAGE, s.first);
	t_check("freed", s.stale, PAGE, s.freed);
	set_right(s.second, NO_WRITE);
	t_check("no access", s.no_access, PAGE, s.second);
	set_rights(before);
	more = map_executed();
	t_same("key: more code", s.executed, key_of(more));
	check_executed(more, FAULTS_BY_KEY, FAULTS_BY_KEY);
	t_must(mprotect(more, PAGE, PROT_READ | PROT_EXEC));
	t_same("key: code that may be read again", 0, key_of(more));
	set_rights(before);
	check_free();
}

static int all(void)
{
	char path[64];
	pthread_t other;
	pid_t child;

	set_up();
	pthread_barrier_init(&s.ready, NULL, 2);
	pthread_barrier_init(&s.look, NULL, 2);
	child = t_must(fork());
	if (child == 0) {
		s.main_rights = rights();
		t_touch("child");
		t_wait();
		check_all();
		_exit(t_differences ? 1 : 0);
	}
	while (!t_seen("child"))
		t_sleep_ms(1);
	t_must(pthread_create(&other, NULL, thread, NULL) ? -1 : 0);
	pthread_barrier_wait(&s.ready);
	s.main_rights = rights();
	/* A restore makes the thread early, because of this descriptor. */
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", (int)s.tid);
	t_must(open(path, O_RDONLY));
	t_ready();
	if (t_spoiled()) {
		set_right(s.first, 0);
		t_must(syscall(SYS_pkey_mprotect, s.stale, PAGE, PROT_READ, 0));
	}
	t_wait();
	pthread_barrier_wait(&s.look);
	pthread_barrier_wait(&s.look);
	pthread_barrier_wait(&s.look);
	check_all();
	pthread_join(other, NULL);
	t_join_child("child", child);
	return t_done();
}

static int executed(void)
{
	void *p = map_executed();

	t_ready();
	if (t_spoiled())
		t_must(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	t_wait();
	t_same("key", t_seen("readable") ? 0 : 1, key_of(p));
	check_executed(p, t_seen("readable") ? READS : FAULTS_BY_KEY,
		       t_seen("readable") ? FAULTS : FAULTS_BY_KEY);
	t_same("the next free key", t_seen("readable") ? 1 : 2, given(0));
	return t_done();
}

static void forbid_keys(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pkey_mprotect, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	t_must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	t_must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
}

static int filtered(void)
{
	void *code = map_executed(), *p;
	unsigned int key = given(NO_WRITE);

	p = map_key(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, key);
	forbid_keys();
	t_ready();
	if (t_spoiled())
		set_right(key, 0);
	t_wait();
	check_access("under a filter", p, READS, FAULTS_BY_KEY);
	t_check("under a filter", p, PAGE, key);
	check_executed(code, FAULTS_BY_KEY, FAULTS_BY_KEY);
	t_same("the next free key", key + 1, given(0));
	t_true("it was given", syscall(SYS_pkey_free, key) == 0);
	return t_done();
}

static volatile uint32_t asked, barred_until;

/* It may read all, and writes nothing. */
static void *barred(void *arg)
{
	uint32_t normal = rights();

	set_rights(normal | NO_WRITE);
	while (!asked)
		__builtin_ia32_pause();
	set_rights(normal);
	barred_until = 1;
	return arg;
}

static int with_barred(void)
{
	pthread_t other;
	sigset_t all_signals;

	sigfillset(&all_signals);
	pthread_sigmask(SIG_SETMASK, &all_signals, NULL);
	t_must(pthread_create(&other, NULL, barred, NULL) ? -1 : 0);
	t_sleep_ms(20);
	t_ready();
	t_wait();
	asked = 1;
	pthread_join(other, NULL);
	t_same("it went on", t_spoiled() ? 2 : 1, barred_until);
	return t_done();
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	t_init();
	t_must(sigaction(SIGSEGV, &sa, NULL));
	if (argc < 2)
		return all();
	if (strcmp(argv[1], "executed") == 0)
		return executed();
	if (strcmp(argv[1], "filtered") == 0)
		return filtered();
	return with_barred();
}
