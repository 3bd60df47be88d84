/* SPDX-License-Identifier: MIT */
/*
 * novdso [own]
 *
 * A process without vDSO and vvar, whose two threads go on to compute and to
 * sleep.  It also compares what the bytes of its own program are that it can
 * execute, up to the ends of their pages.  With "own" it has written something
 * behind its code, which must stay.
 *
 * Built dynamically; as novdso-static, with a page of code that is nearly empty;
 * and as novdso-full, with one that has no room for anything.
 */
#include <pthread.h>

#include "no-vdso.h"

#define PAGE 4096ul

/* What comes last of a program's code is the section .fini. */
#if defined(NOVDSO_FULL)
__asm__(".pushsection .fini,\"ax\",@progbits\n.balign 4096\n.fill 4000, 1, 0x90\n.popsection");
#elif defined(NOVDSO_STATIC)
__asm__(".pushsection .fini,\"ax\",@progbits\n.balign 4096\n.popsection");
#endif

extern const uint8_t etext[];

static uint32_t turns;
static bool over;

static void *go_on(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
		t_sleep_ms(1);
		__atomic_add_fetch(&turns, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* From the last byte of code on. */
static uint64_t code_sum(void)
{
	const uint8_t *p = (const uint8_t *)((uintptr_t)etext & ~(PAGE - 1));
	uint64_t sum = 0;

	for (size_t i = 0; i < PAGE; i++)
		sum = t_mix(sum + p[i]);
	return sum;
}

static unsigned int named(const char *name)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, name) != NULL;
	if (!f)
		t_fatal("maps");
	fclose(f);
	return n;
}

static void write_behind_code(void)
{
	uint8_t *page = (uint8_t *)((uintptr_t)etext & ~(PAGE - 1)), *at;

	t_must(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	at = (uint8_t *)etext + 100 < page + PAGE - 8 ? (uint8_t *)etext + 100 : page + PAGE - 8;
	memcpy(at, "my bytes", 8);
	t_must(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
}

int main(int argc, char **argv)
{
	pthread_t thread;
	uint64_t sum;
	uint32_t was;

	t_init();
	if (argc > 1 && strcmp(argv[1], "own") == 0)
		write_behind_code();
	unmap_named("[vdso]");
	unmap_named("[vvar");
	if (pthread_create(&thread, NULL, go_on, NULL) != 0)
		t_fatal("pthread_create");
	sum = code_sum();
	t_ready();
	if (t_spoiled())
		sum++;
	t_wait();
	was = __atomic_load_n(&turns, __ATOMIC_ACQUIRE);
	for (int i = 0; i < 1000 && __atomic_load_n(&turns, __ATOMIC_ACQUIRE) < was + 3; i++)
		t_sleep_ms(5);
	t_true("the thread goes on", __atomic_load_n(&turns, __ATOMIC_ACQUIRE) >= was + 3);
	t_same("mappings of a vDSO", 0, named("[vdso]") + named("[vvar"));
	t_same("code", sum, code_sum());
	__atomic_store_n(&over, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	return t_done();
}
