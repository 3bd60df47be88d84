/* SPDX-License-Identifier: MIT */
#include "seccomp-filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct seccomp_metadata, which libc's ptrace.h has under another name */
struct metadata {
	uint64_t filter_off;
	uint64_t flags;
};

static long pt(long request, pid_t tid, uint64_t addr, void *data)
{
	return syscall(SYS_ptrace, request, (long)tid, addr, data);
}

static int get_filter(pid_t tid, size_t i, struct cr_filter *f, struct cr_err *err)
{
	struct metadata meta = { .filter_off = i };
	long n = pt(PTRACE_SECCOMP_GET_FILTER, tid, i, NULL);

	if (n < 0 && errno == ENOENT)
		return 1;
	if (n < 0 && errno == EACCES)
		return cr_err_set(err, CR_REFUSED,
				  "thread %d: seccomp: its filters can be read only with "
				  "CAP_SYS_ADMIN, and by a program that is under no filter",
				  (int)tid);
	if (n < 0)
		return cr_err_sys(err, "thread %d: seccomp: unable to read filter %zu", (int)tid,
				  i);
	f->insns = calloc((size_t)n + 1, sizeof(*f->insns));
	if (!f->insns)
		return cr_err_sys(err, "out of memory");
	f->count = (uint32_t)n;
	if (pt(PTRACE_SECCOMP_GET_FILTER, tid, i, f->insns) != n)
		return cr_err_sys(err, "thread %d: seccomp: unable to read filter %zu", (int)tid,
				  i);
	/* Before 4.16 nobody knows of its flags. */
	if (pt(PTRACE_SECCOMP_GET_METADATA, tid, sizeof(meta), &meta) >= 0)
		f->flags = (uint32_t)meta.flags;
	return 0;
}

int cr_filters_get(pid_t tid, struct cr_filter **list, size_t *count, struct cr_err *err)
{
	int ret = 0;

	*list = NULL;
	for (*count = 0; ret == 0;) {
		struct cr_filter *grown = realloc(*list, (*count + 1) * sizeof(*grown));

		if (!grown) {
			ret = cr_err_sys(err, "out of memory");
			break;
		}
		*list = grown;
		memset(&grown[*count], 0, sizeof(*grown));
		ret = get_filter(tid, *count, &grown[*count], err);
		if (ret == 0)
			++*count;
		else
			free(grown[*count].insns);
	}
	if (ret > 0)
		return 0;
	cr_filters_free(*list, *count);
	*list = NULL;
	*count = 0;
	return -1;
}

void cr_filters_free(struct cr_filter *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].insns);
	free(list);
}

struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
};

static uint32_t alu(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_MOD:
		return b ? a % b : 0;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return b < 32 ? a << b : 0;
	case BPF_RSH:
		return b < 32 ? a >> b : 0;
	case BPF_NEG:
		return -a;
	default:
		return 0;
	}
}

static bool jumps(uint16_t code, uint32_t a, uint32_t b)
{
	switch (BPF_OP(code)) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JSET:
		return a & b;
	default:
		return false;
	}
}

/* BPF_LD and BPF_LDX: the new value. */
static uint32_t load(const struct machine *m, const struct sock_filter *f,
		     const struct seccomp_data *call)
{
	uint32_t v = f->k;

	switch (BPF_MODE(f->code)) {
	case BPF_ABS:
		if (f->k <= sizeof(*call) - sizeof(v))
			memcpy(&v, (const uint8_t *)call + f->k, sizeof(v));
		return v;
	case BPF_LEN:
		return sizeof(*call);
	case BPF_MEM:
		return m->mem[f->k % BPF_MEMWORDS];
	default:
		return v;
	}
}

/* Classic BPF; the kernel has checked that it ends and stays inside. */
static uint32_t run(const struct cr_filter *filter, const struct seccomp_data *call)
{
	struct machine m = { 0 };

	for (uint32_t pc = 0; pc < filter->count; pc++) {
		const struct sock_filter *f = &filter->insns[pc];
		uint32_t b = BPF_SRC(f->code) == BPF_X ? m.x : f->k;

		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
			m.a = load(&m, f, call);
			break;
		case BPF_LDX:
			m.x = load(&m, f, call);
			break;
		case BPF_ST:
			m.mem[f->k % BPF_MEMWORDS] = m.a;
			break;
		case BPF_STX:
			m.mem[f->k % BPF_MEMWORDS] = m.x;
			break;
		case BPF_ALU:
			m.a = alu(f->code, m.a, b);
			break;
		case BPF_JMP:
			if (BPF_OP(f->code) == BPF_JA)
				pc += f->k;
			else
				pc += jumps(f->code, m.a, b) ? f->jt : f->jf;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(f->code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
			break;
		case BPF_RET:
			return BPF_RVAL(f->code) == BPF_A ? m.a : f->k;
		default:
			return SECCOMP_RET_KILL_PROCESS;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

uint32_t cr_filters_judge(const struct cr_filter *list, size_t count,
			  const struct seccomp_data *call)
{
	uint32_t verdict = SECCOMP_RET_ALLOW;

	/* The lowest action, as a signed number, wins. */
	for (size_t i = 0; i < count; i++) {
		uint32_t v = run(&list[i], call);

		if ((int32_t)(v & SECCOMP_RET_ACTION_FULL) <
		    (int32_t)(verdict & SECCOMP_RET_ACTION_FULL))
			verdict = v;
	}
	return verdict;
}

bool cr_filter_asks(const struct cr_filter *f)
{
	for (uint32_t i = 0; i < f->count; i++)
		if (BPF_CLASS(f->insns[i].code) == BPF_RET && BPF_RVAL(f->insns[i].code) == BPF_K &&
		    (f->insns[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
			return true;
	return false;
}
