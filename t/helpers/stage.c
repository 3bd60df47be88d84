/* SPDX-License-Identifier: MIT */
/*
 * stage [-H MS] [-s MS] [-d] -o FILE
 *
 * A stage of the pipeline that takes MS (-s) to prepare itself, after it has asked
 * for as much as -H says; with -d it dies then.  The file gets "frozen" when the
 * tree was frozen meanwhile, "running" when not.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "proc.h"
#include "stage.h"
#include "trace.h"

static uint64_t hold_ms, sleep_ms;
static const char *file;
static bool dies;

static bool is_traced(pid_t pid)
{
	char path[64], text[4096];
	const char *tracer = NULL;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n > 0) {
		text[n] = '\0';
		tracer = cr_proc_field(text, "TracerPid");
	}
	return tracer && *tracer != '0';
}

static int start(struct cr_stage *st, void *ctx, struct cr_err *err)
{
	uint64_t until = cr_now_ns() + sleep_ms * 1000000;
	pid_t root = (pid_t)cr_stage_header(st)->root_pid;
	bool frozen = false;
	FILE *f;

	(void)ctx;
	while (cr_now_ns() < until) {
		frozen |= is_traced(root);
		usleep(1000);
	}
	f = fopen(file, "we");
	if (!f || fprintf(f, "%s\n", frozen ? "frozen" : "running") < 0 || fclose(f) != 0)
		return cr_err_sys(err, "%s", file);
	if (dies)
		raise(SIGKILL);
	return 0;
}

int main(int argc, char **argv)
{
	struct cr_stage_ops ops = { .start = start };
	bool bad = false;
	int c;

	while ((c = getopt(argc, argv, "H:s:o:d")) != -1) {
		if (c == 'H')
			bad |= cr_parse_u64(optarg, 10, 1, 3600000, &hold_ms) < 0;
		else if (c == 's')
			bad |= cr_parse_u64(optarg, 10, 0, 3600000, &sleep_ms) < 0;
		else if (c == 'o')
			file = optarg;
		else if (c == 'd')
			dies = true;
		else
			bad = true;
	}
	if (bad || !file) {
		fprintf(stderr, "usage: stage [-H MS] [-s MS] [-d] -o FILE\n");
		return 100;
	}
	ops.hold_ms = (uint32_t)hold_ms;
	return cr_stage_run(&ops, NULL);
}
