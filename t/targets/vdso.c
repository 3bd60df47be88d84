/* SPDX-License-Identifier: MIT */
/*
 * vDSO and vvar at their addresses, working, and the kernel's registrations of
 * addresses: rseq, robust lists with a mutex whose owner dies, in two threads.
 */
#include <elf.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>

#include "target.h"

typedef int gettime_fn(clockid_t, struct timespec *);

static gettime_fn *vdso_gettime;
static pthread_mutex_t *robust;
static bool over;

struct place {
	uint64_t vdso, vdso_end, vvar, vvar_end;
};

static struct place find_place(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	struct place p = { 0 };
	unsigned long start, end;
	char line[512];

	if (!f)
		t_fatal("maps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		if (strstr(line, "[vdso]")) {
			p.vdso = start;
			p.vdso_end = end;
		} else if (strstr(line, "[vvar")) {
			p.vvar = p.vvar ? p.vvar : start;
			p.vvar_end = end;
		}
	}
	fclose(f);
	return p;
}

/* The address of __vdso_clock_gettime, from the vDSO's own symbol table. */
static void *find_symbol(uint8_t *base, const char *name)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)base;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;

	for (int i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const Elf64_Dyn *)(base + ph[i].p_offset);
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const Elf64_Sym *)(base + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			str = (const char *)(base + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_HASH)
			hash = (const uint32_t *)(base + dyn->d_un.d_ptr);
	}
	for (uint32_t i = 0; sym && str && hash && i < hash[1]; i++)
		if (strcmp(str + sym[i].st_name, name) == 0)
			return base + sym[i].st_value;
	return NULL;
}

static uint64_t ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec;
}

static void check_clock(uint64_t before)
{
	struct timespec a, b, c;
	int ret;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &a);
	ret = vdso_gettime(CLOCK_MONOTONIC, &b);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &c);
	t_same("vDSO clock_gettime", 0, (uint64_t)ret);
	if (ns(&b) < ns(&a) || ns(&b) > ns(&c))
		t_differs("vDSO clock: %llu is not between %llu and %llu",
			  (unsigned long long)ns(&b), (unsigned long long)ns(&a),
			  (unsigned long long)ns(&c));
	t_true("the clock went on", ns(&a) > before);
	ret = vdso_gettime(CLOCK_REALTIME, &b);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &c);
	t_true("vDSO real time", ret == 0 && ns(&c) - ns(&b) < 1000000000);
}

/* Registered: a second registration with the same values is EBUSY. */
static void check_rseq(const char *who)
{
	struct rseq *area = (struct rseq *)((uint8_t *)__builtin_thread_pointer() + __rseq_offset);
	unsigned int cpu = 0;
	bool same = false;
	int ret;

	if (!__rseq_size)
		return;
	ret = (int)syscall(SYS_rseq, area, 32, 0, RSEQ_SIG);
	if (ret == 0 || errno != EBUSY)
		t_differs("%s: rseq is not registered (%s)", who, ret ? strerror(errno) : "0");
	for (int i = 0; i < 100 && !same; i++) {	/* it may be moved in between */
		syscall(SYS_getcpu, &cpu, NULL, NULL);
		same = *(volatile uint32_t *)&area->cpu_id == cpu &&
		       *(volatile uint32_t *)&area->cpu_id_start == cpu;
	}
	if (!same)
		t_differs("%s: rseq says CPU %d, it is %u", who, (int)area->cpu_id, cpu);
	t_same("sched_getcpu fails", 0, sched_getcpu() < 0);
}

/* Ends with the robust mutex held: the kernel must tell the others. */
static void *die_with_lock(void *arg)
{
	(void)arg;
	pthread_mutex_lock(robust);
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE))
		t_sleep_ms(5);
	check_rseq("thread");
	return NULL;
}

static void make_robust(void)
{
	pthread_mutexattr_t attr;

	robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(robust, &attr);
}

int main(void)
{
	struct place was, is;
	pthread_t thread;
	uint64_t began;

	t_init();
	was = find_place();
	t_same("AT_SYSINFO_EHDR", was.vdso, getauxval(AT_SYSINFO_EHDR));
	vdso_gettime = (gettime_fn *)find_symbol((uint8_t *)was.vdso, "__vdso_clock_gettime");
	if (!vdso_gettime)
		t_fatal("no __vdso_clock_gettime");
	began = t_now();
	make_robust();
	if (pthread_create(&thread, NULL, die_with_lock, NULL) != 0)
		t_fatal("pthread_create");
	while (pthread_mutex_trylock(robust) == 0) {
		pthread_mutex_unlock(robust);
		t_sleep_ms(1);
	}
	t_ready();
	if (t_spoiled())
		was.vvar++;
	t_wait();
	check_clock(began);
	is = find_place();
	t_same("[vdso] start", was.vdso, is.vdso);
	t_same("[vdso] end", was.vdso_end, is.vdso_end);
	t_same("[vvar] start", was.vvar, is.vvar);
	t_same("[vvar] end", was.vvar_end, is.vvar_end);
	check_rseq("main");
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	t_same("lock of a dead owner", EOWNERDEAD, (uint64_t)pthread_mutex_lock(robust));
	pthread_join(thread, NULL);
	return t_done();
}
