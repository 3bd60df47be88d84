/* SPDX-License-Identifier: MIT */
/*
 * Memory that does not exist yet is locked when it comes (mlockall(2) with
 * MCL_FUTURE), on fault only with "onfault" as argument; and a mapping that
 * the kernel may drop (MAP_DROPPABLE, 6.11).  What is mapped from now on is
 * executable, but not what was there before (READ_IMPLIES_EXEC).
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>

#include "target.h"

#define DROPPABLE 0x08
#define SIZE 8192ul

/* The VmFlags of the mapping at @at. */
static const char *flags_of(const void *at)
{
	static char line[512];
	char start[32];
	FILE *f = fopen("/proc/self/smaps", "re");
	bool found = false;

	if (!f)
		t_fatal("smaps");
	snprintf(start, sizeof(start), "%lx-", (unsigned long)at);
	while (fgets(line, sizeof(line), f)) {
		found |= strncmp(line, start, strlen(start)) == 0;
		if (found && strncmp(line, "VmFlags:", 8) == 0)
			break;
	}
	fclose(f);
	return line;
}

/* Of a protection that no neighbour has. */
static void *map(int type)
{
	return mmap(NULL, SIZE, PROT_WRITE, type | MAP_ANONYMOUS, -1, 0);
}

static void look(const char *when, bool onfault)
{
	void *p = map(MAP_PRIVATE);
	const char *flags = flags_of(p);

	t_true(when, p != MAP_FAILED);
	t_true("new memory is locked", strstr(flags, " lo"));
	t_same("on fault", onfault, strstr(flags, " lf") != NULL);
	munmap(p, SIZE);
}

int main(int argc, char **argv)
{
	bool onfault = argc > 1;
	void *dropped, *readable;

	(void)argv;
	t_init();
	dropped = map(DROPPABLE);
	if (dropped != MAP_FAILED)
		t_true("droppable", strstr(flags_of(dropped), " dp"));
	readable = t_must(mmap(NULL, SIZE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	t_must(personality(READ_IMPLIES_EXEC));
	t_must(mlockall(MCL_FUTURE | (onfault ? MCL_ONFAULT : 0)));
	look("before", onfault);
	t_ready();
	if (t_spoiled())
		munlockall();
	t_wait();
	look("after", onfault);
	if (dropped != MAP_FAILED)
		t_true("droppable", strstr(flags_of(dropped), " dp"));
	t_true("it is not executable", !strstr(flags_of(readable), " ex"));
	t_same("personality", READ_IMPLIES_EXEC, (uint64_t)personality(0xffffffff));
	return t_done();
}
