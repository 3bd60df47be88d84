/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel keeps what it has once for each CPU: the distance that is
 * added to such an address, learnt from an object of our own, a BPF map
 * (bpf_map_lookup_percpu_elem, 5.19).
 */
#ifndef PER_CPU_H
#define PER_CPU_H

#include "peek.h"

#define PER_CPU_MAX 1024

/* How many CPUs there may be; 0: not to be had, or more than PER_CPU_MAX. */
unsigned int per_cpu_offsets(struct peek *p, uint64_t offsets[PER_CPU_MAX]);

#endif
