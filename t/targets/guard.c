/* SPDX-License-Identifier: MIT */
/*
 * Guard pages: PROT_NONE between pages that are in use, and lightweight guards
 * (MADV_GUARD_INSTALL, since 6.13).  Touching one is a SIGSEGV, before and
 * after; its neighbours keep their bytes.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "target.h"

#define PAGE 4096ul
#define PAGES 64ul

static sigjmp_buf back;

static void on_segv(int sig)
{
	siglongjmp(back, sig);
}

static bool faults(volatile uint8_t *p, bool write_it)
{
	if (sigsetjmp(back, 1))
		return true;
	if (write_it)
		*p = 1;
	else
		(void)*p;
	return false;
}

static uint8_t *make(void)
{
	uint8_t *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (p == MAP_FAILED)
		t_fatal("mmap");
	t_fill(p, PAGES * PAGE, 1);
	return p;
}

static void compare(const char *name, uint8_t *p)
{
	char what[64];

	for (size_t i = 0; i < PAGES; i++) {
		bool guard = i % 4 == 2;

		snprintf(what, sizeof(what), "%s: page %zu", name, i);
		if (faults(p + i * PAGE + 8, false) != guard ||
		    (guard && !faults(p + i * PAGE + 8, true)))
			t_differs("%s: %s", what, guard ? "does not fault" : "faults");
		else if (!guard)
			t_check(what, p + i * PAGE, PAGE, 1 + i * PAGE / 8);
	}
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_segv };
	uint8_t *hard = make(), *light = make();
	bool have_light = true;

	t_init();
	sigaction(SIGSEGV, &sa, NULL);
	for (size_t i = 2; i < PAGES; i += 4) {
		t_must(mprotect(hard + i * PAGE, PAGE, PROT_NONE));
		if (madvise(light + i * PAGE, PAGE, MADV_GUARD_INSTALL) < 0)
			have_light = false;
	}
	t_ready();
	if (t_spoiled())
		mprotect(hard + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	t_wait();
	compare("PROT_NONE", hard);
	if (have_light)
		compare("MADV_GUARD", light);
	return t_done();
}
