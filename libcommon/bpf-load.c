/* SPDX-License-Identifier: MIT */
#include "bpf-load.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "msg.h"

#define LOG_BYTES 65536
#define TOLD 400

int bpf_call(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

int bpf_percpu_map(unsigned int value_size)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_PERCPU_ARRAY };

	attr.key_size = 4;
	attr.value_size = value_size;
	attr.max_entries = 1;
	return bpf_call(BPF_MAP_CREATE, &attr);
}

int bpf_load(union bpf_attr *attr, const char *what)
{
	/* Some helpers are for programs under the GPL alone. */
	static const char licence[] = "Dual MIT/GPL";
	cr_auto_free char *log = cr_verbose ? calloc(1, LOG_BYTES) : NULL;
	size_t len;
	int fd;

	attr->license = (uintptr_t)licence;
	fd = bpf_call(BPF_PROG_LOAD, attr);
	if (fd >= 0 || !log)
		return fd;
	/* Once more, to hear why. */
	attr->log_buf = (uintptr_t)log;
	attr->log_size = LOG_BYTES;
	attr->log_level = 1;
	fd = bpf_call(BPF_PROG_LOAD, attr);
	/* What the verifier objects to is the last that it says. */
	len = strlen(log);
	cr_debug("no %s: %s\n%s", what, strerror(errno), log + (len > TOLD ? len - TOLD : 0));
	return fd;
}
