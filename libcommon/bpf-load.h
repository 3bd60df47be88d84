/* SPDX-License-Identifier: MIT */
/* bpf(2), which has no wrapper in the C library. */
#ifndef BPF_LOAD_H
#define BPF_LOAD_H

#include <linux/bpf.h>

int bpf_call(int cmd, union bpf_attr *attr);

/* A map of one value for each CPU. */
int bpf_percpu_map(unsigned int value_size);

/*
 * Load the program in @attr, whose type, instructions and the like are set, and
 * its licence here.  -1 with errno; after -v what the verifier says is shown
 * under @what.
 */
int bpf_load(union bpf_attr *attr, const char *what);

#endif
