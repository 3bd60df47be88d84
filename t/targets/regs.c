/* SPDX-License-Identifier: MIT */
/*
 * Registers that hold a state across the checkpoint: threads that spin, or
 * wait in a system call, with every general register, the x87 stack, SSE, AVX
 * and AVX-512 registers, flags and the thread pointers set.
 */
#include <asm/prctl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "target.h"

struct state {
	uint64_t gpr[12];	/* rbx rbp r8 r9 r12-r15 */
	uint64_t mask[8];	/* k0-k7 */
	uint8_t x87[108];	/* fsave */
	uint32_t mxcsr;
	uint64_t flags;
	uint8_t vec[32][64] __attribute__((aligned(64)));
};

/*
 * hold_X(in, out, go, nr): load everything from in; until *go is set spin, or
 * make the futex call nr on it (nr >= 0); store everything to out.  X is the
 * vector state: xmm, ymm or zmm.  The loop leaves the flags alone.
 */
typedef void hold_fn(const struct state *in, struct state *out, volatile uint32_t *go, long nr);
hold_fn hold_xmm, hold_ymm, hold_zmm;

/* clang-format off */
asm(".text\n"
    ".macro masks op, base\n"
    "	.irp i, 0, 1, 2, 3, 4, 5, 6, 7\n"
    "	.ifc \\op, load\n		kmovq 96 + 8 * \\i(%\\base), %k\\i\n"
    "	.else\n			kmovq %k\\i, 96 + 8 * \\i(%\\base)\n	.endif\n"
    "	.endr\n"
    ".endm\n"
    ".macro vec16 op, insn, kind, base, first\n"
    "	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "	vec1 \\op, \\insn, \\kind, \\base, \\i\n"
    "	.endr\n"
    ".endm\n"
    ".macro vec32 op, insn, kind, base\n"
    "	vec16 \\op, \\insn, \\kind, \\base\n"
    "	.irp i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
    "	vec1 \\op, \\insn, \\kind, \\base, \\i\n"
    "	.endr\n"
    ".endm\n"
    ".macro vec1 op, insn, kind, base, i\n"
    "	.ifc \\op, load\n		\\insn 320 + 64 * \\i(%\\base), %\\kind\\i\n"
    "	.else\n			\\insn %\\kind\\i, 320 + 64 * \\i(%\\base)\n	.endif\n"
    ".endm\n"
    ".macro gprs op, base\n"
    "	.irp r, rbx, rbp, r8, r9, r12, r13, r14, r15\n"
    "	.ifc \\op, load\n		mov off_\\r(%\\base), %\\r\n"
    "	.else\n			mov %\\r, off_\\r(%\\base)\n	.endif\n"
    "	.endr\n"
    ".endm\n"
    ".set off_rbx, 0\n.set off_rbp, 8\n.set off_r8, 16\n.set off_r9, 24\n"
    ".set off_r12, 32\n.set off_r13, 40\n.set off_r14, 48\n.set off_r15, 56\n"
    ".macro hold kind, insn, vecs, avx512\n"
    "hold_\\kind:\n"
    "	push %rbx\n	push %rbp\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
    "	push %rsi\n	push %rcx\n"	/* out, nr */
    "	frstor 160(%rdi)\n	ldmxcsr 268(%rdi)\n"
    "	\\vecs load, \\insn, \\kind, rdi\n"
    "	.if \\avx512\n	masks load, rdi\n	.endif\n"
    "	gprs load, rdi\n"
    "	mov %rdx, %rdi\n"
    "	test %rcx, %rcx\n"
    "	std\n"
    "	jns 2f\n"
    "	stc\n"
    "1:	movl (%rdi), %ecx\n	jrcxz 1b\n"
    "	jmp 3f\n"
    "2:	stc\n"
    "	mov (%rsp), %rax\n	mov $0, %esi\n	mov $0, %edx\n	mov $0, %r10d\n"
    "	syscall\n"
    "	movl (%rdi), %ecx\n	jrcxz 2b\n"
    "3:	pushfq\n	pop %rax\n	cld\n"
    "	pop %rcx\n	pop %rsi\n"
    "	mov %rax, 272(%rsi)\n"
    "	\\vecs save, \\insn, \\kind, rsi\n"
    "	.if \\avx512\n	masks save, rsi\n	.endif\n"
    "	gprs save, rsi\n"
    "	stmxcsr 268(%rsi)\n	fnsave 160(%rsi)\n"
    "	push $0x1f80\n	ldmxcsr (%rsp)\n	pop %rcx\n"
    "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %rbp\n	pop %rbx\n"
    "	ret\n"
    ".endm\n"
    "hold xmm, movups, vec16, 0\n"
    "hold ymm, vmovups, vec16, 0\n"
    "hold zmm, vmovups, vec32, 1\n");
/* clang-format on */

_Static_assert(offsetof(struct state, mask) == 96, "known to the code above");
_Static_assert(offsetof(struct state, x87) == 160, "known to the code above");
_Static_assert(offsetof(struct state, mxcsr) == 268, "known to the code above");
_Static_assert(offsetof(struct state, flags) == 272, "known to the code above");
_Static_assert(offsetof(struct state, vec) == 320, "known to the code above");

#define CF 0x1
#define DF 0x400

static volatile uint32_t go;

struct holder {
	const char *name;
	hold_fn *hold;
	bool sleeps;
	unsigned int vecs, width;
	bool masks;
	pthread_t thread;
	struct state in, out;
	uint64_t gs, gs_after;
	uint64_t fs, fs_after;
};

static struct holder holders[] = {
	{ .name = "SSE, spinning", .hold = hold_xmm, .vecs = 16, .width = 16 },
	{ .name = "SSE, in futex", .hold = hold_xmm, .vecs = 16, .width = 16, .sleeps = true },
	{ .name = "AVX, spinning", .hold = hold_ymm, .vecs = 16, .width = 32 },
	{ .name = "AVX, in futex", .hold = hold_ymm, .vecs = 16, .width = 32, .sleeps = true },
	{ .name = "AVX-512, spinning", .hold = hold_zmm, .vecs = 32, .width = 64, .masks = true },
	{ .name = "AVX-512, in futex",
	  .hold = hold_zmm,
	  .vecs = 32,
	  .width = 64,
	  .masks = true,
	  .sleeps = true },
};

#define N (sizeof(holders) / sizeof(holders[0]))

static bool supported(const struct holder *h)
{
	__builtin_cpu_init();
	if (h->width == 64)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
	return h->width < 32 || __builtin_cpu_supports("avx");
}

/* Eight numbers on the x87 stack, rounding towards zero, all exceptions masked. */
static void set_x87(uint8_t *area, unsigned int seed)
{
	uint8_t before[108];

	asm volatile("fnsave %0" : "=m"(before));
	asm volatile("fninit");
	for (unsigned int i = 0; i < 8; i++) {
		double v = (double)t_mix(seed + i) / 3.0;

		asm volatile("fldl %0" : : "m"(v));
	}
	asm volatile("fnsave %0" : "=m"(*(uint8_t(*)[108])area));
	asm volatile("frstor %0" : : "m"(before));
	area[0] = 0x7f;	/* control word */
	area[1] = 0x0f;
}

static void prepare(struct holder *h, unsigned int seed)
{
	t_fill(h->in.gpr, sizeof(h->in.gpr), seed);
	t_fill(h->in.mask, sizeof(h->in.mask), seed + 100);
	t_fill(h->in.vec, sizeof(h->in.vec), seed + 200);
	set_x87(h->in.x87, seed + 1000);
	h->in.mxcsr = 0x1fc0 | (seed % 4) << 13 | 1;	/* denormals are zero, rounding */
	h->gs = 0x10000 + seed;
}

static void *run(void *arg)
{
	struct holder *h = arg;

	syscall(SYS_arch_prctl, ARCH_SET_GS, h->gs);
	syscall(SYS_arch_prctl, ARCH_GET_FS, &h->fs);
	h->hold(&h->in, &h->out, &go, h->sleeps ? SYS_futex : -1);
	syscall(SYS_arch_prctl, ARCH_GET_GS, &h->gs_after);
	syscall(SYS_arch_prctl, ARCH_GET_FS, &h->fs_after);
	return NULL;
}

static void compare(struct holder *h)
{
	static const char *const names[] = { "rbx", "rbp", "r8", "r9", "r12", "r13", "r14", "r15" };
	char what[64];

	for (unsigned int i = 0; i < 8; i++) {
		snprintf(what, sizeof(what), "%s: %s", h->name, names[i]);
		t_same(what, h->in.gpr[i], h->out.gpr[i]);
	}
	for (unsigned int i = 0; h->masks && i < 8; i++) {
		snprintf(what, sizeof(what), "%s: k%u", h->name, i);
		t_same(what, h->in.mask[i], h->out.mask[i]);
	}
	for (unsigned int i = 0; i < h->vecs; i++)
		if (memcmp(h->in.vec[i], h->out.vec[i], h->width) != 0)
			t_differs("%s: vector register %u", h->name, i);
	/* The upper halves of the environment's words and the place of the last
	 * instruction are not state. */
	if (memcmp(h->in.x87, h->out.x87, 2) || memcmp(h->in.x87 + 4, h->out.x87 + 4, 2) ||
	    memcmp(h->in.x87 + 8, h->out.x87 + 8, 2))
		t_differs("%s: x87 control, status or tag word", h->name);
	for (unsigned int i = 0; i < 8; i++)
		if (memcmp(h->in.x87 + 28 + 10 * i, h->out.x87 + 28 + 10 * i, 10) != 0)
			t_differs("%s: st(%u)", h->name, i);
	snprintf(what, sizeof(what), "%s: mxcsr", h->name);
	t_same(what, h->in.mxcsr, h->out.mxcsr);
	snprintf(what, sizeof(what), "%s: flags", h->name);
	t_same(what, CF | DF, h->out.flags & (CF | DF));
	snprintf(what, sizeof(what), "%s: gs base", h->name);
	t_same(what, h->gs, h->gs_after);
	snprintf(what, sizeof(what), "%s: fs base", h->name);
	t_same(what, h->fs, h->fs_after);
}

int main(void)
{
	t_init();
	for (unsigned int i = 0; i < N; i++) {
		if (!supported(&holders[i]))
			continue;
		prepare(&holders[i], 7919 * (i + 1));
		if (pthread_create(&holders[i].thread, NULL, run, &holders[i]) != 0)
			t_fatal("pthread_create");
	}
	t_sleep_ms(50);	/* all hold their state now; the test needs no exact instant */
	t_ready();
	if (t_spoiled())
		holders[0].in.vec[3][2] ^= 1;	/* of SSE, which all have */
	t_wait();
	go = 1;
	syscall(SYS_futex, &go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	for (unsigned int i = 0; i < N; i++) {
		if (!supported(&holders[i]))
			continue;
		pthread_join(holders[i].thread, NULL);
		compare(&holders[i]);
	}
	return t_done();
}
