/* SPDX-License-Identifier: MIT */
#include "enter.h"

#include <elf.h>
#include <string.h>
#include <sys/user.h>

void enter_agent(void *entry, void *stack_top, struct cr_agent_ctl *ctl)
{
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call *%1\n\t"
			 "ud2"
			 :
			 : "r"(stack_top), "r"(entry), "D"(ctl)
			 : "memory");
	__builtin_unreachable();
}

uint64_t find_syscall_insn(const uint8_t *code, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		if (code[i] == 0x0f && code[i + 1] == 0x05)
			return i;
	return 0;
}

/* Offsets in the XSAVE area: Intel SDM volume 1, 13.4. */
#define XSTATE_BV 512

uint64_t xstate_features(const uint8_t *area, size_t size)
{
	uint64_t bv = 0;

	if (size >= XSTATE_BV + sizeof(bv))
		memcpy(&bv, area + XSTATE_BV, sizeof(bv));
	return bv;
}
