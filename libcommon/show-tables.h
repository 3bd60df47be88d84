/* SPDX-License-Identifier: MIT */
/* The kernel's names of bits and numbers, for show-names.c. */
#ifndef CR_SHOW_TABLES_H
#define CR_SHOW_TABLES_H

#include <stddef.h>
#include <stdint.h>

/* Ends with a NULL name.  A name of several bits stands before those of one. */
struct show_bit {
	uint64_t bits;
	const char *name;
};

extern const struct show_bit show_open_flags[], show_sa_flags[], show_ss_flags[], show_prot[];
extern const struct show_bit show_vma_flags[], show_seals[], show_securebits[];
extern const struct show_bit show_personality_bits[], show_epoll_events[], show_timer_flags[];
extern const struct show_bit show_mdwe[], show_membarrier[], show_shutdown[];

/* The index is the number; NULL: it has no name. */
#define SHOW_CAPABILITIES 41
#define SHOW_RLIMITS 16
#define SHOW_ITIMERS 3
#define SHOW_CLOCKS 12
#define SHOW_OWNER_TYPES 3
#define SHOW_SOCK_TYPES 6
extern const char *const show_capabilities[SHOW_CAPABILITIES];
extern const char *const show_rlimits[SHOW_RLIMITS];
extern const char *const show_itimers[SHOW_ITIMERS];
extern const char *const show_clocks[SHOW_CLOCKS];
extern const char *const show_owner_types[SHOW_OWNER_TYPES];
extern const char *const show_sock_types[SHOW_SOCK_TYPES];

#endif
