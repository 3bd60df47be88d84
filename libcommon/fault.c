/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msg.h"
#include "parse.h"

const char *cr_fault_name;
static char wanted[64];
static uint64_t passes = 1;
static const char *log_file;	/* instead of dying */

__attribute__((constructor)) static void fault_init(void)
{
	const char *env = getenv("CR_FAULT");
	char *colon;

	if (!env || !env[0])
		return;
	if (strncmp(env, "log:", 4) == 0) {
		log_file = env + 4;
		cr_fault_name = log_file;
		return;
	}
	if (strlen(env) >= sizeof(wanted))
		return;
	memcpy(wanted, env, strlen(env) + 1);
	colon = strrchr(wanted, ':');
	if (colon && cr_parse_u64(colon + 1, 10, 1, UINT32_MAX, &passes) == 0)
		*colon = '\0';
	else
		passes = 1;
	cr_fault_name = wanted;
}

static void log_point(const char *name)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s:%s\n", cr_prog, name);
	int fd = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

void cr_fault_hit(const char *name)
{
	const char *point = strchr(wanted, ':');

	if (log_file) {
		log_point(name);
		return;
	}

	if (point) {
		size_t len = (size_t)(point - wanted);

		if (strlen(cr_prog) != len || strncmp(cr_prog, wanted, len) != 0)
			return;
	}
	if (strcmp(point ? point + 1 : wanted, name) != 0)
		return;
	if (--passes == 0)
		kill(getpid(), SIGKILL);
}
