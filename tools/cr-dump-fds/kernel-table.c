/* SPDX-License-Identifier: MIT */
#include "kernel-table.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf-load.h"
#include "btf.h"
#include "clean.h"

#define CHUNK (256u << 10)
#define PATH_BYTES 4096

/* What the program writes for a descriptor, followed by .path_len bytes. */
struct raw {
	uint64_t identity;
	uint64_t pos;
	uint64_t ino;
	uint64_t locks;		/* a pointer, or 0 */
	uint64_t owner;		/* a pointer, or 0; 1 if that is not known */
	uint64_t hint;		/* F_SET_RW_HINT */
	uint64_t cloexec;	/* the word of the bitmap that its bit is in */
	uint32_t fd;
	uint32_t flags;
	uint32_t mnt_id;
	uint32_t mode;
	int32_t path_len;	/* with its NUL; or an error */
	uint32_t dev;		/* dev_t of the kernel: 12 bits and 20 */
};

struct kernel_table {
	int map;		/* room for one path */
	int prog;
	char *text;		/* raw rows */
	size_t fill;
	size_t room;
	struct kernel_row *rows;
};

/* Where things are in this kernel. */
struct layout {
	uint32_t target;	/* the function that the iterator is of */
	int32_t flags, pos, inode, path_mnt, path;
	int32_t ino, flctx, mode, sb, dev, hint;
	int32_t owner;		/* -1: part of the file until 6.11 */
	int32_t files, fdt, close_on_exec;
	int32_t mnt_id;		/* from the vfsmount in it */
};

static bool find_layout(const struct btf *b, struct layout *l)
{
	int32_t mnt = btf_member(b, "mount", "mnt", NULL);
	int32_t mnt_in_path = btf_member(b, "path", "mnt", NULL);
	bool apart = false;

	l->target = btf_function(b, "bpf_iter_task_file");
	l->flags = btf_member(b, "file", "f_flags", NULL);
	l->pos = btf_member(b, "file", "f_pos", NULL);
	l->inode = btf_member(b, "file", "f_inode", NULL);
	l->path = btf_member(b, "file", "f_path", NULL);
	l->path_mnt = l->path + mnt_in_path;
	l->ino = btf_member(b, "inode", "i_ino", NULL);
	l->flctx = btf_member(b, "inode", "i_flctx", NULL);
	l->mode = btf_member(b, "inode", "i_mode", NULL);
	l->sb = btf_member(b, "inode", "i_sb", NULL);
	l->hint = btf_member(b, "inode", "i_write_hint", NULL);
	l->dev = btf_member(b, "super_block", "s_dev", NULL);
	l->owner = btf_member(b, "file", "f_owner", &apart);
	if (!apart)
		l->owner = -1;
	l->files = btf_member(b, "task_struct", "files", NULL);
	l->fdt = btf_member(b, "files_struct", "fdt", NULL);
	l->close_on_exec = btf_member(b, "fdtable", "close_on_exec", NULL);
	l->mnt_id = btf_member(b, "mount", "mnt_id", NULL) - mnt;
	return l->target && l->flags >= 0 && l->pos >= 0 && l->inode >= 0 && l->path >= 0 &&
	       l->ino >= 0 && l->flctx >= 0 && l->mode >= 0 && l->sb >= 0 && l->dev >= 0 &&
	       l->files >= 0 && l->fdt >= 0 && l->close_on_exec >= 0 && mnt >= 0 &&
	       mnt_in_path >= 0 && l->mnt_id > 0;
}

/* --- the program ------------------------------------------------------------- */

#define MAX_INSNS 128
#define NONE (-1)

/* Places on its stack, from the frame pointer down. */
#define AT_RAW (-(int)sizeof(struct raw))
#define AT_KEY (AT_RAW - 8)
#define AT_SEQ (AT_KEY - 8)
#define RAW(field) ((int16_t)(AT_RAW + (int)offsetof(struct raw, field)))

/* struct bpf_iter__task_file, whose members are 8 bytes apart. */
enum { CTX_META = 0, CTX_TASK = 8, CTX_FD = 16, CTX_FILE = 24 };

struct program {
	struct bpf_insn insns[MAX_INSNS];
	unsigned int n;
	unsigned int outs[8];	/* jumps to the end */
	unsigned int n_outs;
};

static void add(struct program *p, uint8_t code, int dst, int src, int off, int32_t imm)
{
	p->insns[p->n++] = (struct bpf_insn){
		.code = code,
		.dst_reg = (uint8_t)dst & 15,
		.src_reg = (uint8_t)src & 15,
		.off = (int16_t)off,
		.imm = imm,
	};
}

/* dst = *(size *)(src + off) and the other way round */
static void load(struct program *p, int size, int dst, int src, int off)
{
	add(p, (uint8_t)(BPF_LDX | BPF_MEM | size), dst, src, off, 0);
}

static void store(struct program *p, int size, int dst, int off, int src)
{
	add(p, (uint8_t)(BPF_STX | BPF_MEM | size), dst, src, off, 0);
}

static void move(struct program *p, int dst, int src)
{
	add(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void set(struct program *p, int dst, int32_t value)
{
	add(p, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

static void alu(struct program *p, int op, int dst, int32_t value)
{
	add(p, (uint8_t)(BPF_ALU64 | op | BPF_K), dst, 0, 0, value);
}

/* dst = address on the stack */
static void stack(struct program *p, int dst, int at)
{
	move(p, dst, BPF_REG_10);
	alu(p, BPF_ADD, dst, at);
}

static void call(struct program *p, int helper)
{
	add(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

static void out_if(struct program *p, int op, int reg, int32_t value)
{
	p->outs[p->n_outs++] = p->n;
	add(p, (uint8_t)(BPF_JMP | op | BPF_K), reg, 0, 0, value);
}

static void write_raw(struct program *p, const struct layout *l)
{
	/* r6 context, r7 file, r1 task */
	for (int at = AT_RAW; at < 0; at += 8)
		add(p, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, at, 0);
	store(p, BPF_DW, BPF_REG_10, RAW(identity), BPF_REG_7);
	load(p, BPF_W, BPF_REG_2, BPF_REG_6, CTX_FD);
	store(p, BPF_W, BPF_REG_10, RAW(fd), BPF_REG_2);
	load(p, BPF_W, BPF_REG_2, BPF_REG_7, l->flags);
	store(p, BPF_W, BPF_REG_10, RAW(flags), BPF_REG_2);
	load(p, BPF_DW, BPF_REG_2, BPF_REG_7, l->pos);
	store(p, BPF_DW, BPF_REG_10, RAW(pos), BPF_REG_2);
	load(p, BPF_DW, BPF_REG_8, BPF_REG_7, l->inode);
	load(p, BPF_DW, BPF_REG_2, BPF_REG_8, l->ino);
	store(p, BPF_DW, BPF_REG_10, RAW(ino), BPF_REG_2);
	load(p, BPF_DW, BPF_REG_2, BPF_REG_8, l->flctx);
	store(p, BPF_DW, BPF_REG_10, RAW(locks), BPF_REG_2);
	load(p, BPF_H, BPF_REG_2, BPF_REG_8, l->mode);
	store(p, BPF_W, BPF_REG_10, RAW(mode), BPF_REG_2);
	load(p, BPF_DW, BPF_REG_2, BPF_REG_8, l->sb);
	load(p, BPF_W, BPF_REG_2, BPF_REG_2, l->dev);
	store(p, BPF_W, BPF_REG_10, RAW(dev), BPF_REG_2);
	set(p, BPF_REG_2, 1);
	if (l->owner >= 0 && l->hint >= 0) {
		load(p, BPF_B, BPF_REG_2, BPF_REG_8, l->hint);
		store(p, BPF_DW, BPF_REG_10, RAW(hint), BPF_REG_2);
		load(p, BPF_DW, BPF_REG_2, BPF_REG_7, l->owner);
	}
	store(p, BPF_DW, BPF_REG_10, RAW(owner), BPF_REG_2);
	/* task->files->fdt->close_on_exec[fd / 64] */
	load(p, BPF_DW, BPF_REG_1, BPF_REG_1, l->files);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_1, l->fdt);
	load(p, BPF_DW, BPF_REG_3, BPF_REG_1, l->close_on_exec);
	load(p, BPF_W, BPF_REG_2, BPF_REG_6, CTX_FD);
	alu(p, BPF_RSH, BPF_REG_2, 6);
	alu(p, BPF_LSH, BPF_REG_2, 3);
	add(p, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	stack(p, BPF_REG_1, RAW(cloexec));
	set(p, BPF_REG_2, 8);
	call(p, BPF_FUNC_probe_read_kernel);
	/* the mount around file->f_path.mnt */
	load(p, BPF_DW, BPF_REG_3, BPF_REG_7, l->path_mnt);
	alu(p, BPF_ADD, BPF_REG_3, l->mnt_id);
	stack(p, BPF_REG_1, RAW(mnt_id));
	set(p, BPF_REG_2, 4);
	call(p, BPF_FUNC_probe_read_kernel);
}

static void write_path(struct program *p, const struct layout *l, int map)
{
	/* r9 room for it, r8 its length */
	add(p, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, AT_KEY, 0);
	add(p, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
	add(p, 0, 0, 0, 0, 0);
	stack(p, BPF_REG_2, AT_KEY);
	call(p, BPF_FUNC_map_lookup_elem);
	out_if(p, BPF_JEQ, BPF_REG_0, 0);
	move(p, BPF_REG_9, BPF_REG_0);
	move(p, BPF_REG_1, BPF_REG_7);
	alu(p, BPF_ADD, BPF_REG_1, l->path);
	move(p, BPF_REG_2, BPF_REG_9);
	set(p, BPF_REG_3, PATH_BYTES);
	call(p, BPF_FUNC_d_path);
	move(p, BPF_REG_8, BPF_REG_0);
	store(p, BPF_W, BPF_REG_10, RAW(path_len), BPF_REG_8);
}

static void emit(struct program *p)
{
	load(p, BPF_DW, BPF_REG_1, BPF_REG_6, CTX_META);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_1, 0);	/* meta->seq */
	store(p, BPF_DW, BPF_REG_10, AT_SEQ, BPF_REG_1);
	stack(p, BPF_REG_2, AT_RAW);
	set(p, BPF_REG_3, sizeof(struct raw));
	call(p, BPF_FUNC_seq_write);
	out_if(p, BPF_JSLT, BPF_REG_8, 1);
	out_if(p, BPF_JGT, BPF_REG_8, PATH_BYTES);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_10, AT_SEQ);
	move(p, BPF_REG_2, BPF_REG_9);
	move(p, BPF_REG_3, BPF_REG_8);
	call(p, BPF_FUNC_seq_write);
}

static void build(struct program *p, const struct layout *l, int map)
{
	move(p, BPF_REG_6, BPF_REG_1);
	load(p, BPF_DW, BPF_REG_7, BPF_REG_6, CTX_FILE);
	out_if(p, BPF_JEQ, BPF_REG_7, 0);
	load(p, BPF_DW, BPF_REG_1, BPF_REG_6, CTX_TASK);
	out_if(p, BPF_JEQ, BPF_REG_1, 0);
	write_raw(p, l);
	write_path(p, l, map);
	emit(p);
	for (unsigned int i = 0; i < p->n_outs; i++)
		p->insns[p->outs[i]].off = (int16_t)(p->n - p->outs[i] - 1);
	set(p, BPF_REG_0, 0);
	add(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* --- the kernel's side ------------------------------------------------------- */

static int load_program(const struct layout *l, int map)
{
	struct program p = { 0 };
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_TRACING };

	build(&p, l, map);
	attr.expected_attach_type = BPF_TRACE_ITER;
	attr.attach_btf_id = l->target;
	attr.insns = (uintptr_t)p.insns;
	attr.insn_cnt = p.n;
	return bpf_load(&attr, "BPF iterator");
}

struct kernel_table *kernel_table_open(void)
{
	struct kernel_table *t = calloc(1, sizeof(*t));
	struct btf *b = t ? btf_load() : NULL;
	struct layout l;

	if (!t)
		return NULL;
	t->map = t->prog = NONE;
	if (b && find_layout(b, &l)) {
		t->map = bpf_percpu_map(PATH_BYTES);
		if (t->map >= 0)
			t->prog = load_program(&l, t->map);
	}
	btf_free(b);
	if (t->prog >= 0)
		return t;
	kernel_table_free(t);
	return NULL;
}

void kernel_table_free(struct kernel_table *t)
{
	if (!t)
		return;
	if (t->map >= 0)
		close(t->map);
	if (t->prog >= 0)
		close(t->prog);
	free(t->text);
	free(t->rows);
	free(t);
}

static int open_iterator(const struct kernel_table *t, pid_t tid)
{
	union bpf_iter_link_info which = { .task = { .tid = (uint32_t)tid } };
	union bpf_attr attr = { .link_create = { .prog_fd = (uint32_t)t->prog } };
	cr_auto_fd int link = -1;

	attr.link_create.attach_type = BPF_TRACE_ITER;
	attr.link_create.iter_info = (uintptr_t)&which;
	attr.link_create.iter_info_len = sizeof(which);
	link = bpf_call(BPF_LINK_CREATE, &attr);
	if (link < 0)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = (uint32_t)link;
	return bpf_call(BPF_ITER_CREATE, &attr);
}

static int read_text(struct kernel_table *t, int fd)
{
	ssize_t n;

	t->fill = 0;
	do {
		if (t->room - t->fill < CHUNK) {
			size_t room = t->room ? t->room * 2 : 2 * CHUNK;
			char *grown = realloc(t->text, room);

			if (!grown)
				return -1;
			t->text = grown;
			t->room = room;
		}
		n = read(fd, t->text + t->fill, CHUNK);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		t->fill += n > 0 ? (size_t)n : 0;
	} while (n);
	return 0;
}

/* The raw row at @at, and how long it is; 0 when it is cut short. */
static size_t get_raw(const struct kernel_table *t, size_t at, struct raw *r)
{
	size_t len = sizeof(*r);

	if (t->fill - at < len)
		return 0;
	memcpy(r, t->text + at, len);
	if (r->path_len > 0 && r->path_len <= PATH_BYTES)
		len += (size_t)r->path_len;
	if (t->fill - at < len || (len > sizeof(*r) && t->text[at + len - 1]))
		return 0;
	return len;
}

static int nonsense(pid_t tid, struct cr_err *err)
{
	return cr_err_set(err, CR_SYSTEM, "the descriptors of %d as the kernel has them: nonsense",
			  (int)tid);
}

int kernel_table_read(struct kernel_table *t, pid_t tid, struct kernel_row **rows,
		      unsigned int *count, struct cr_err *err)
{
	cr_auto_fd int fd = open_iterator(t, tid);
	unsigned int n = 0;
	struct raw r;
	size_t len;

	*count = 0;
	if (fd < 0 || read_text(t, fd) < 0)
		return cr_err_sys(err, "unable to read the descriptors of %d by BPF", (int)tid);
	free(t->rows);
	t->rows = calloc(t->fill / sizeof(r) + 1, sizeof(*t->rows));
	if (!t->rows)
		return cr_err_sys(err, "out of memory");
	for (size_t at = 0; at < t->fill; at += len, n++) {
		struct kernel_row *row = &t->rows[n];
		bool cloexec;

		len = get_raw(t, at, &r);
		if (!len || r.fd > INT_MAX || (n && (int)r.fd <= row[-1].fd))
			return nonsense(tid, err);
		cloexec = r.cloexec >> (r.fd % 64) & 1;
		*row = (struct kernel_row){
			.identity = r.identity,
			.pos = r.pos,
			.ino = r.ino,
			.fd = (int)r.fd,
			.flags = r.flags | (cloexec ? O_CLOEXEC : 0),
			.mnt_id = r.mnt_id,
			.mode = r.mode,
			.dev_major = r.dev >> 20,
			.dev_minor = r.dev & 0xfffff,
			.locks = r.locks != 0,
			.special = r.owner || r.hint,
			.target = len > sizeof(r) ? t->text + at + sizeof(r) : NULL,
		};
	}
	*rows = t->rows;
	*count = n;
	return 0;
}
