/* SPDX-License-Identifier: MIT */
#include "enter.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/user.h>

#include "arch.h"

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

/* The way of pie/arch/x86_64/clone.S. */
__asm__(".text\n"
	".type start_clone, @function\n"
	"start_clone:\n\t"
	"mov %rdx, %r8\n\t"
	"mov %rcx, %r9\n\t"
	"mov $435, %eax\n\t" /* clone3 */
	"syscall\n\t"
	"test %rax, %rax\n\t"
	"jz 1f\n\t"
	"ret\n"
	"1:\txor %ebp, %ebp\n\t"
	"mov %r9, %rdi\n\t"
	"call *%r8\n\t"
	"ud2\n");
long start_clone(void *clone_args, size_t size, void (*fn)(void *), void *arg);

long enter_clone(void *clone_args, size_t size, void (*fn)(void *), void *arg)
{
	long got = start_clone(clone_args, size, fn, arg);

	if (got >= 0)
		return got;
	errno = (int)-got;
	return -1;
}

long raw_syscall(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
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

#define PKRU 9
#define PKRU_DEFAULT 0x55555554u	/* key 0 only: init_pkru_value */

/* It stands behind what AVX-512 has, or would have: 13.5 and its like of AMD. */
static size_t pkru_offset(size_t size)
{
	return size < 2688 + 8 ? 2432 : 2688;
}

bool xstate_default_rights(const uint8_t *area, size_t size)
{
	uint32_t pkru;

	if (size < pkru_offset(size) + sizeof(pkru))
		return false;
	memcpy(&pkru, area + pkru_offset(size), sizeof(pkru));
	return pkru == PKRU_DEFAULT;
}

#define XSTATE_XCR0 464		/* ptrace(2): what the kernel has enabled */
#define XSTATE_HEADER_END 576

/* A thread of a CPU without protection keys has the rights of a new one. */
static void keep_rights(uint8_t *own, size_t own_size, uint64_t own_used, const uint8_t *rights,
			uint64_t *used)
{
	size_t at = cr_arch_xstate_end(PKRU) - sizeof(uint64_t);

	if (!(own_used & 1ull << PKRU) || cr_arch_xstate_end(PKRU) > own_size)
		return;
	memcpy(own + at, rights, sizeof(uint64_t));
	*used |= 1ull << PKRU;
}

bool xstate_fit(const uint8_t *area, size_t size, uint8_t *own, size_t own_size)
{
	uint64_t used = xstate_features(area, size), enabled, had, own_used;
	uint8_t rights[sizeof(uint64_t)] = { 0 };

	if (size < XSTATE_HEADER_END || own_size < XSTATE_HEADER_END)
		return false;
	memcpy(&enabled, own + XSTATE_XCR0, sizeof(enabled));
	memcpy(&had, area + XSTATE_XCR0, sizeof(had));
	own_used = xstate_features(own, own_size);
	if (enabled & 1ull << PKRU && cr_arch_xstate_end(PKRU) <= own_size)
		memcpy(rights, own + cr_arch_xstate_end(PKRU) - sizeof(rights), sizeof(rights));
	used &= enabled;
	for (unsigned int i = 2; i < 63; i++)
		if (used & 1ull << i && cr_arch_xstate_end(i) > (size < own_size ? size : own_size))
			used &= ~(1ull << i);
	memset(own, 0, own_size);
	memcpy(own, area, size < own_size ? size : own_size);
	memcpy(own + XSTATE_XCR0, &enabled, sizeof(enabled));
	if (enabled & ~had & 1ull << PKRU)
		keep_rights(own, own_size, own_used, rights, &used);
	memcpy(own + XSTATE_BV, &used, sizeof(used));
	return true;
}
