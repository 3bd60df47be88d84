/* SPDX-License-Identifier: MIT */
/*
 * Restartable sequences: threads that add to a counter of the CPU they are on,
 * slowly, so that they are nearly always between reading and writing it.  One
 * that is stopped there has to begin anew, else what others have added since is
 * lost and the sums differ.
 */
#include <pthread.h>
#include <sys/rseq.h>

#include "target.h"

#if !defined(__x86_64__)
#error "the sequence is written for x86-64"
#endif

#define THREADS 3
#define CPUS 1024
#define SLOWLY 20000	/* turns between reading and writing */

static uint64_t counters[CPUS][8];	/* a cache line each */
static uint64_t added[THREADS], repeated[THREADS];
static bool over;

/* Add 1 to *counter if we stay on @cpu all the time; false: we did not. */
static bool add_on(struct rseq *area, uint32_t cpu, uint64_t *counter)
{
	__asm__ goto(
		".pushsection __rseq_cs, \"aw\"\n"
		".balign 32\n"
		"3: .long 0, 0\n"
		".quad 1f, 2f - 1f, 4f\n"
		".popsection\n"
		"leaq 3b(%%rip), %%rax\n"
		"movq %%rax, 8(%[area])\n"
		"1: cmpl %[cpu], 4(%[area])\n"
		"jnz 4f\n"
		"movq (%[counter]), %%rcx\n"
		"movl %[slowly], %%edx\n"
		"5: decl %%edx\n"
		"jnz 5b\n"
		"incq %%rcx\n"
		"movq %%rcx, (%[counter])\n"
		"2:\n"
		".pushsection __rseq_failure, \"ax\"\n"
		     /* The signature, as the operand of an undefined instruction. */
		".byte 0x0f, 0xb9, 0x3d\n"
		".long 0x53053053\n"
		"4: jmp %l[again]\n"
		".popsection\n"
		:
		: [area] "r"(area), [cpu] "r"(cpu), [counter] "r"(counter), [slowly] "i"(SLOWLY)
		: "rax", "rcx", "rdx", "memory", "cc"
		: again);
	return true;
again:
	return false;
}

static void *run(void *arg)
{
	struct rseq *area = (struct rseq *)((uint8_t *)__builtin_thread_pointer() + __rseq_offset);
	uintptr_t n = (uintptr_t)arg;

	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		uint32_t cpu = *(volatile uint32_t *)&area->cpu_id_start;

		if (add_on(area, cpu, counters[cpu % CPUS]))
			__atomic_add_fetch(&added[n], 1, __ATOMIC_RELAXED);
		else
			__atomic_add_fetch(&repeated[n], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static uint64_t sum_added(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < THREADS; i++)
		sum += __atomic_load_n(&added[i], __ATOMIC_RELAXED);
	return sum;
}

/* Chance decides, and on a machine at rest it takes its time. */
static bool all_repeated(void)
{
	for (int i = 0; i < THREADS; i++)
		if (!__atomic_load_n(&repeated[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

int main(void)
{
	pthread_t thread[THREADS];
	uint64_t sum = 0, before;

	t_init();
	if (!__rseq_size)
		t_fatal("the C library has not registered rseq");
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, run, (void *)i) != 0)
			t_fatal("pthread_create");
	while (sum_added() < 1000)
		t_sleep_ms(1);
	t_ready();
	t_wait();
	before = sum_added();
	for (int i = 0; sum_added() < before + 1000 || (!all_repeated() && i < 20000); i++)
		t_sleep_ms(1);
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	if (t_spoiled())
		counters[0][0]--;
	for (int i = 0; i < CPUS; i++)
		sum += counters[i][0];
	t_same("what was added", sum_added(), sum);
	for (int i = 0; i < THREADS; i++)
		t_true("a sequence was begun anew", repeated[i] > 0);
	return t_done();
}
