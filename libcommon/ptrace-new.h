/* SPDX-License-Identifier: MIT */
/* What ptrace(2) has that older headers lack. */
#ifndef CR_PTRACE_NEW_H
#define CR_PTRACE_NEW_H

#include <stdint.h>

/* 6.4 */
#define CR_PTRACE_SET_SUD_CONFIG 0x4210l
#define CR_PTRACE_GET_SUD_CONFIG 0x4211l

/* struct ptrace_sud_config */
struct cr_sud_config {
	uint64_t mode;
	uint64_t selector;
	uint64_t offset;
	uint64_t len;
};

#endif
