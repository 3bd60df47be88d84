/* SPDX-License-Identifier: MIT */
#include "per-cpu.h"

#include <stddef.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "bpf-load.h"
#include "clean.h"

#define LOOKUP_PERCPU 195 /* BPF_FUNC_map_lookup_percpu_elem */

struct request {
	uint64_t cpu;
	uint64_t address;
};

/* address = lookup(map, 0, cpu) */
static int load_program(int map)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1 },
		{ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4 },
		{ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_6 },
		{ .code = BPF_JMP | BPF_CALL, .imm = LOOKUP_PERCPU },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 1 },
		{ .code = BPF_STX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_0,
		  .off = (int16_t)offsetof(struct request, address) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SYSCALL };

	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.prog_flags = BPF_F_SLEEPABLE;
	return bpf_load(&attr, "look at each CPU's part");
}

static uint64_t address_on(int prog, unsigned int cpu)
{
	struct request q = { .cpu = cpu };
	union bpf_attr attr = { .test = { .prog_fd = (uint32_t)prog } };

	attr.test.ctx_in = (uintptr_t)&q;
	attr.test.ctx_size_in = sizeof(q);
	return bpf_call(BPF_PROG_RUN, &attr) < 0 ? 0 : q.address;
}

unsigned int per_cpu_offsets(struct peek *p, uint64_t offsets[PER_CPU_MAX])
{
	cr_auto_fd int map = bpf_percpu_map(8);
	cr_auto_fd int prog = map < 0 ? -1 : load_program(map);
	int n = get_nprocs_conf();
	uint64_t base;

	if (prog < 0 || n > PER_CPU_MAX)
		return 0;
	base = peek_member(p, peek_file(p, map), "file", "private_data", 8);
	base = base ? peek_u64(p, peek_address(p, base, "bpf_array", "pptrs")) : 0;
	for (int i = 0; base && i < n; i++) {
		offsets[i] = address_on(prog, (unsigned int)i);
		if (!offsets[i])
			return 0;
		offsets[i] -= base;
	}
	return base ? (unsigned int)n : 0;
}
