/* SPDX-License-Identifier: MIT */
#include "kernel-peek.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf-load.h"
#include "btf.h"
#include "clean.h"
#include "msg.h"

#define DATA 4096u
#define LOG_BYTES 65536u
#define STRUCTS 32u

/* What the program is given, and gives back. */
struct request {
	uint64_t addr;	/* in; out: the task we are */
	uint32_t len;
	int32_t result;
	uint8_t data[DATA];
};

struct kernel_peek {
	struct btf *types;
	int prog;
	struct {
		const char *name;
		uint32_t id;
	} structs[STRUCTS];	/* those that have been asked for */
	uint64_t task;		/* ourselves */
	struct request *req;	/* in the map */
};

#define AT(field) ((int)offsetof(struct request, field))

/* result = probe_read_kernel(data, len, addr); addr = get_current_task()
 * The first instruction's number is that of the map. */
static const struct bpf_insn program[] = {
	{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_6, .src_reg = BPF_PSEUDO_MAP_VALUE },
	{ 0 },
	{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_6 },
	{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = AT(data) },
	{ .code = BPF_LDX | BPF_MEM | BPF_W,
	  .dst_reg = BPF_REG_2,
	  .src_reg = BPF_REG_6,
	  .off = AT(len) },
	{ .code = BPF_JMP | BPF_JLE | BPF_K, .dst_reg = BPF_REG_2, .off = 1, .imm = DATA },
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = DATA },
	{ .code = BPF_LDX | BPF_MEM | BPF_DW,
	  .dst_reg = BPF_REG_3,
	  .src_reg = BPF_REG_6,
	  .off = AT(addr) },
	{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel },
	{ .code = BPF_STX | BPF_MEM | BPF_W,
	  .dst_reg = BPF_REG_6,
	  .src_reg = BPF_REG_0,
	  .off = AT(result) },
	{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_get_current_task },
	{ .code = BPF_STX | BPF_MEM | BPF_DW,
	  .dst_reg = BPF_REG_6,
	  .src_reg = BPF_REG_0,
	  .off = AT(addr) },
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

#define INSNS (sizeof(program) / sizeof(program[0]))

/* An array of one request, which we map. */
static int make_map(struct request **req)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY };
	int map;

	attr.key_size = 4;
	attr.value_size = sizeof(struct request);
	attr.max_entries = 1;
	attr.map_flags = BPF_F_MMAPABLE;
	map = bpf_call(BPF_MAP_CREATE, &attr);
	if (map < 0)
		return -1;
	*req = mmap(NULL, sizeof(struct request), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (*req != MAP_FAILED)
		return map;
	*req = NULL;
	close(map);
	return -1;
}

static int load_program(int map)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SYSCALL };
	struct bpf_insn insns[INSNS];

	memcpy(insns, program, sizeof(insns));
	insns[0].imm = map;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = INSNS;
	attr.prog_flags = BPF_F_SLEEPABLE;
	return bpf_load(&attr, "BPF program");
}

/* Run it on *k->req-> */
static int run(struct kernel_peek *k)
{
	union bpf_attr attr = { 0 };

	attr.test.prog_fd = (uint32_t)k->prog;
	return bpf_call(BPF_PROG_RUN, &attr);
}

int kernel_peek(struct kernel_peek *k, uint64_t addr, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len) {
		size_t n = len < DATA ? len : DATA;

		k->req->addr = addr;
		k->req->len = (uint32_t)n;
		if (run(k) < 0 || k->req->result != 0)
			return -1;
		memcpy(to, k->req->data, n);
		to += n;
		addr += n;
		len -= n;
	}
	return 0;
}

/* To find one means to look at all types: once for each. */
static uint32_t find_struct(struct kernel_peek *k, const char *name)
{
	unsigned int i = 0;

	while (i < STRUCTS && k->structs[i].name && strcmp(k->structs[i].name, name) != 0)
		i++;
	if (i < STRUCTS && k->structs[i].name)
		return k->structs[i].id;
	if (i == STRUCTS)
		return btf_struct(k->types, name);
	k->structs[i].name = name;
	return k->structs[i].id = btf_struct(k->types, name);
}

int64_t kernel_peek_where(struct kernel_peek *k, const char *name, const char *path)
{
	return btf_bit(k->types, find_struct(k, name), path);
}

int kernel_peek_member(struct kernel_peek *k, uint64_t addr, const char *name, const char *path,
		       void *buf, size_t len)
{
	int64_t bit = kernel_peek_where(k, name, path);

	return bit < 0 || bit % 8 ? -1 : kernel_peek(k, addr + (uint64_t)bit / 8, buf, len);
}

int kernel_peek_bit(struct kernel_peek *k, uint64_t addr, const char *name, const char *path,
		    bool *out)
{
	int64_t bit = kernel_peek_where(k, name, path);
	uint8_t byte;

	if (bit < 0 || kernel_peek(k, addr + (uint64_t)bit / 8, &byte, 1) < 0)
		return -1;
	*out = byte >> (bit % 8) & 1;
	return 0;
}

uint64_t kernel_peek_file(struct kernel_peek *k, int fd)
{
	uint64_t at, file;

	/* The table moves when it grows. */
	if (kernel_peek_member(k, k->task, "task_struct", "files", &at, 8) < 0 ||
	    kernel_peek_member(k, at, "files_struct", "fdt", &at, 8) < 0 ||
	    kernel_peek_member(k, at, "fdtable", "fd", &at, 8) < 0)
		return 0;
	return kernel_peek(k, at + (uint64_t)fd * 8, &file, 8) < 0 ? 0 : file;
}

/* Compare what it says of a file of our own with what fstat(2) says. */
static bool agrees(struct kernel_peek *k)
{
	cr_auto_fd int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t file, inode, ino;
	struct stat sb;

	if (fd < 0 || fstat(fd, &sb) < 0)
		return false;
	k->req->addr = 0;
	k->req->len = 8;
	if (run(k) < 0)
		return false;
	k->task = k->req->addr;
	file = kernel_peek_file(k, fd);
	return file && kernel_peek_member(k, file, "file", "f_inode", &inode, 8) == 0 &&
	       kernel_peek_member(k, inode, "inode", "i_ino", &ino, 8) == 0 && ino == sb.st_ino;
}

struct kernel_peek *kernel_peek_open(void)
{
	struct kernel_peek *k = calloc(1, sizeof(*k));
	cr_auto_fd int map = -1;

	if (!k)
		return NULL;
	k->prog = -1;
	k->types = btf_load();
	map = k->types ? make_map(&k->req) : -1;
	if (map >= 0)
		k->prog = load_program(map);
	if (k->prog >= 0 && agrees(k))
		return k;
	cr_debug("the kernel's memory cannot be looked at");
	kernel_peek_free(k);
	return NULL;
}

void kernel_peek_free(struct kernel_peek *k)
{
	if (!k)
		return;
	btf_free(k->types);
	if (k->prog >= 0)
		close(k->prog);
	if (k->req)
		munmap(k->req, sizeof(*k->req));
	free(k);
}
