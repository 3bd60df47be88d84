/* SPDX-License-Identifier: MIT */
/* One address space: its record, and which of its pages go to the pool. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "classify.h"
#include "clean.h"
#include "dump.h"
#include "fault.h"
#include "files.h"
#include "huge.h"
#include "inject.h"
#include "list.h"
#include "loans.h"
#include "pagemap.h"
#include "proc.h"
#include "sysv.h"

/* What is built for one process. */
struct work {
	struct dump *d;
	const struct target *t;
	struct cr_maps maps;
	Cr__Mm mm;
	Cr__Vma *vmas;
	struct cr_range *ranges;	/* of mappings that have pages of their own */
	uint32_t *vma_of;		/* and which of mm.vmas each is */
	unsigned int n_ranges;
	struct cr_page_runs runs;
	Cr__PageRange *guards;
	struct batch *batch;
};

static int not_enough(struct cr_err *err)
{
	return cr_err_sys(err, "out of memory");
}

/* 1 + index of the file in mm.files */
static int file_index(struct work *w, struct mapped *f, uint32_t *index, struct cr_err *err)
{
	if (f->serial != w->d->n_spaces) {
		if (cr_list_room(w->mm.files, w->mm.n_files, err) < 0)
			return -1;
		w->mm.files[w->mm.n_files++] = &f->ref;
		f->serial = w->d->n_spaces;
		f->index = (uint32_t)w->mm.n_files;
	}
	*index = f->index;
	return 0;
}

/* The file of a mapping that has one.  1: it is refused. */
static int fill_file(struct work *w, const struct cr_map *m, Cr__Vma *v, struct cr_err *err)
{
	enum huge_kind huge;
	struct mapped *f;
	const char *odd;

	if (huge_look(w->d, w->t, m, cr_map_name(&w->maps, m), &huge, err) < 0)
		return cr_err_wrap(err, "vma %" PRIx64, m->start);
	if (huge == HUGE_MIXED)
		return refuse_vma(w->d, w->t->pid, m->start,
				  "huge pages that are mapped both shared and private", "unmap it",
				  err) < 0 ?
			       -1 :
			       1;
	if (huge != HUGE_FILE) {
		v->kind = CR__VMA_KIND__ANON;
		if (huge == HUGE_CHILD)
			v->vma_flags |= CR_VMA_NORESERVE;
		return 0;
	}
	if (files_of_map(w->d, w->t->eye, &w->maps, m, &f, err) < 0)
		return cr_err_wrap(err, "vma %" PRIx64, m->start);
	if (!f)
		return 1;
	switch (f->nature) {
	case MAPPED_ZERO:
		/* A private mapping of it is anonymous memory to the kernel. */
		v->kind = CR__VMA_KIND__ANON;
		return 0;
	case MAPPED_SHMEM:
		odd = sysv_note(w->d, f, m, w->t->pid);
		if (odd)
			return refuse_vma(w->d, w->t->pid, m->start, odd, "detach it (shmdt)",
					  err) < 0 ?
				       -1 :
				       1;
		v->pgoff = m->pgoff;
		v->kind = m->shared ? CR__VMA_KIND__SHMEM : CR__VMA_KIND__FILE_PRIVATE;
		v->shmem = f->shmem;
		return 0;
	case MAPPED_FILE:
		v->pgoff = m->pgoff;
		v->kind = m->shared ? CR__VMA_KIND__FILE_SHARED : CR__VMA_KIND__FILE_PRIVATE;
		return file_index(w, f, &v->file, err);
	case MAPPED_REFUSED:
	default:
		if (refuse_vma(w->d, w->t->pid, m->start, f->kind, f->remedy, err) < 0)
			return -1;
		return 1;
	}
}

/* The two regions of an io_uring; its other mappings have other offsets. */
static bool is_aio(const struct cr_map *m, const char *name)
{
	return m->shared && strncmp(name, "/[aio]", 6) == 0;
}

static bool is_ring(const struct cr_map *m, const char *name)
{
	return strcmp(name, "anon_inode:[io_uring]") == 0 && m->shared &&
	       (m->pgoff == IORING_OFF_SQ_RING || m->pgoff == IORING_OFF_CQ_RING ||
		m->pgoff == IORING_OFF_SQES);
}

/* What is in it, cr-dump-fds says. */
static int fill_ring(struct work *w, const struct cr_map *m, bool aio, Cr__Vma *v,
		     struct cr_err *err)
{
	Cr__RingMapping r = CR__RING_MAPPING__INIT;

	v->kind = CR__VMA_KIND__RING;
	v->pgoff = m->pgoff;
	v->ino = aio ? 0 : m->ino;
	r.aio = aio;
	r.length = m->end - m->start;
	r.pid = (uint32_t)w->t->pid;
	r.address = m->start;
	r.ino = m->ino;
	return w->d->rehearsal ? 0 : cr_stage_put(w->d->st, CR_KIND_RING_MAPPING, &r, err);
}

/* An agent could not leave by it. */
static int refuse_key(struct work *w, const struct cr_map *m, struct cr_err *err)
{
	char kind[64];

	snprintf(kind, sizeof(kind), "a mapping of the kernel's own with protection key %u",
		 m->pkey);
	return refuse_vma(w->d, w->t->pid, m->start, kind, "protect it with key 0", err) < 0 ? -1 :
											       1;
}

/* 1: it is refused. */
static int fill_vma(struct work *w, const struct cr_map *m, Cr__Vma *v, struct cr_err *err)
{
	const char *name = cr_map_name(&w->maps, m), *kind, *remedy;
	int ret;

	cr__vma__init(v);
	v->start = m->start;
	v->end = m->end;
	v->prot = m->prot;
	v->pkey = m->pkey;
	v->huge_shift = m->huge_shift;
	v->vma_flags = classify_flags(m);
	if (!cr_map_has_file(m) || name[0] == '[')
		v->name = (char *)name;
	if (!cr_map_has_file(m) && classify_special(name, m, &v->kind))
		return m->pkey ? refuse_key(w, m, err) : 0;
	if (is_ring(m, name) || is_aio(m, name))
		return fill_ring(w, m, is_aio(m, name), v, err);
	if (cr_map_has_file(m)) {
		/* What it is says more than its flags do. */
		ret = fill_file(w, m, v, err);
		if (ret != 0)
			return ret;
	}
	kind = classify_refusal(m, &remedy);
	if (!kind && !cr_map_has_file(m) && (m->shared || !classify_is_anonymous(name))) {
		kind = "a mapping of the kernel's own";
		remedy = "unmap it";
	}
	if (!kind)
		return 0;
	return refuse_vma(w->d, w->t->pid, m->start, kind, remedy, err) < 0 ? -1 : 1;
}

/*
 * A segment that the warden has made.  It may have gone with the agent since
 * it was seen, which no other can: who has it attached is frozen.
 */
static bool is_agent(const struct work *w, const struct cr_map *m)
{
	struct shmid_ds ds;

	if (!cr_agent_has_length(m->end - m->start) || !m->shared ||
	    strncmp(cr_map_name(&w->maps, m), "/SYSV", 5) != 0)
		return false;
	if (shmctl((int)m->ino, IPC_STAT, &ds) < 0)
		return errno == EINVAL || errno == EIDRM;
	return ds.shm_cpid == (pid_t)cr_stage_header(w->d->st)->warden_pid;
}

static bool has_own_pages(const Cr__Vma *v)
{
	return v->kind == CR__VMA_KIND__ANON || v->kind == CR__VMA_KIND__FILE_PRIVATE;
}

static bool is_kernels(const Cr__Vma *v)
{
	return v->kind == CR__VMA_KIND__VDSO || v->kind == CR__VMA_KIND__VVAR ||
	       v->kind == CR__VMA_KIND__VSYSCALL;
}

static int fill_vmas(struct work *w, struct cr_err *err)
{
	const unsigned int n = w->maps.count;

	w->vmas = malloc((n + 1) * sizeof(*w->vmas));
	w->mm.vmas = malloc((n + 1) * sizeof(*w->mm.vmas));
	w->ranges = malloc((n + 1) * sizeof(*w->ranges));
	w->vma_of = malloc((n + 1) * sizeof(*w->vma_of));
	if (!w->vmas || !w->mm.vmas || !w->ranges || !w->vma_of)
		return not_enough(err);
	for (unsigned int i = 0; i < n; i++) {
		const struct cr_map *m = &w->maps.list[i];
		Cr__Vma *v = &w->vmas[w->mm.n_vmas];
		int ret;

		if (is_agent(w, m)) {
			w->maps.total -= m->end - m->start;
			continue;
		}
		ret = fill_vma(w, m, v, err);
		if (ret < 0)
			return -1;
		if (ret > 0)
			continue;
		/* Guards may be in shared mappings too (6.15). */
		if (!is_kernels(v)) {
			w->vma_of[w->n_ranges] = (uint32_t)w->mm.n_vmas;
			w->ranges[w->n_ranges++] = (struct cr_range){ m->start, m->end };
		}
		w->mm.vmas[w->mm.n_vmas++] = v;
	}
	w->d->n_mappings += w->mm.n_vmas;
	return 0;
}

static int add_guard(struct work *w, const struct cr_page_run *run, struct cr_err *err)
{
	size_t n = w->mm.n_guards;

	if (cr_list_room(w->guards, n, err) < 0)
		return -1;
	cr__page_range__init(&w->guards[n]);
	w->guards[n].address = run->start;
	w->guards[n].pages = (run->end - run->start) / CR_PAGE;
	w->mm.n_guards++;
	return 0;
}

static int add_pages(struct work *w, const struct cr_page_run *run, struct cr_err *err)
{
	const Cr__Vma *v = w->mm.vmas[w->vma_of[run->range]];
	struct span s = {
		.address = run->start,
		.length = run->end - run->start,
		/* Huge pages that are shared since a fork(2) would be copied, too. */
		.forced = !(v->prot & PROT_READ) || v->huge_shift,
		.keep_zero = v->kind == CR__VMA_KIND__FILE_PRIVATE,
	};
	char path[64];

	if (!has_own_pages(v))
		return 0;
	if (s.forced && w->batch->fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)w->t->eye);
		w->batch->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (w->batch->fd < 0)
			return cr_err_sys(err, "unable to open %s", path);
	}
	return v->huge_shift ? huge_spans(w->batch, run->start, run->end, v->huge_shift,
					  s.keep_zero, true, err) :
			       batch_span(w->batch, &s, err);
}

static int find_pages(struct work *w, struct cr_err *err)
{
	if (cr_pagemap_scan(w->t->eye, w->ranges, w->n_ranges, &w->runs, err) < 0)
		return -1;
	w->batch = batch_new(w->t->pid, w->t->eye, err);
	if (!w->batch)
		return -1;
	if (!w->d->rehearsal &&
	    classify_agent_room(w->t, &w->mm, &w->batch->blank, &w->batch->blank_end, err) < 0)
		return -1;
	for (size_t i = 0; i < w->runs.count; i++) {
		const struct cr_page_run *run = &w->runs.list[i];

		if ((run->guard ? add_guard(w, run, err) : add_pages(w, run, err)) < 0)
			return -1;
	}
	w->mm.guards = malloc((w->mm.n_guards + 1) * sizeof(*w->mm.guards));
	if (!w->mm.guards)
		return not_enough(err);
	for (size_t i = 0; i < w->mm.n_guards; i++)
		w->mm.guards[i] = &w->guards[i];
	return 0;
}

/* The layout that prctl(PR_SET_MM_MAP) takes, by fields of proc_pid_stat(5). */
static int fill_layout(struct work *w, struct cr_err *err)
{
	struct cr_proc_stat st;
	Cr__Mm *mm = &w->mm;

	if (cr_proc_stat(w->t->eye, &st, err) < 0)
		return -1;
	/* Both are sums over all mappings: nothing but an agent came or went. */
	if (st.field[23] != w->maps.total && !cr_agent_has_length(st.field[23] - w->maps.total))
		return cr_err_set(err, CR_SYSTEM,
				  "its address space changed while it was read: %" PRIu64
				  " bytes, then %" PRIu64,
				  w->maps.total, st.field[23]);
	mm->start_code = st.field[26];
	mm->end_code = st.field[27];
	mm->start_stack = st.field[28];
	mm->start_data = st.field[45];
	mm->end_data = st.field[46];
	mm->start_brk = st.field[47];
	mm->arg_start = st.field[48];
	mm->arg_end = st.field[49];
	mm->env_start = st.field[50];
	mm->env_end = st.field[51];
	return 0;
}

static int fill_exe(struct work *w, struct cr_err *err)
{
	struct mapped *exe;

	if (files_of_exe(w->d, w->t->eye, &exe, err) < 0)
		return -1;
	if (!exe)
		return 0;
	w->mm.exe = &exe->ref;
	if (exe->nature == MAPPED_FILE)
		return 0;
	w->mm.exe = NULL;
	if (w->d->rehearsal)
		return 0;
	if (exe->nature == MAPPED_SHMEM) {
		w->mm.exe_shmem = exe->shmem;
		return 0;
	}
	return cr_stage_refuse(w->d->st, w->t->pid, "exe",
			       exe->nature == MAPPED_REFUSED ? exe->kind : "not a file",
			       exe->nature == MAPPED_REFUSED ? exe->remedy : "run it from a file",
			       err);
}

static int read_maps(struct work *w, struct cr_err *err)
{
	struct dump *d = w->d;

	if (d->rehearsal)
		return cr_maps_read_brief(w->t->eye, &w->maps, err);
	if (d->ahead_of != w->t->eye)
		return cr_maps_read(w->t->eye, &w->maps, err);
	w->maps = d->ahead;
	d->ahead_of = 0;
	return 0;
}

void mm_look_ahead(struct dump *d, pid_t eye)
{
	struct cr_err ignored;

	if (cr_maps_read(eye, &d->ahead, &ignored) == 0)
		d->ahead_of = eye;
}

static int build(struct work *w, struct cr_err *err)
{
	cr_auto_free char *auxv = NULL;
	size_t auxv_len;

	if (read_maps(w, err) < 0 || fill_vmas(w, err) < 0 || find_pages(w, err) < 0 ||
	    fill_layout(w, err) < 0 || fill_exe(w, err) < 0 ||
	    cr_proc_read(w->t->eye, "auxv", &auxv, &auxv_len, err) < 0)
		return -1;
	w->mm.pid = (uint32_t)w->t->pid;
	w->mm.auxv.data = (uint8_t *)auxv;
	w->mm.auxv.len = auxv_len;
	if (classify_check_vdso(w->d, w->t, &w->mm, err) < 0)
		return -1;
	if (w->d->rehearsal)
		return 0;
	if (w->d->loans && loans_take(w->d->loans, w->batch, auxv, auxv_len, err) < 0)
		return -1;
	if (cr_stage_put(w->d->st, CR_KIND_MM, &w->mm, err) < 0)
		return -1;
	cr_fault("mm");
	return 0;
}

int mm_dump(struct dump *d, const struct target *t, struct cr_err *err)
{
	struct work w = { .d = d, .t = t, .mm = CR__MM__INIT };
	const struct batch *batch;
	int ret;

	d->n_spaces++;
	ret = build(&w, err);
	batch = w.batch;
	if (ret == 0 && !d->rehearsal)
		ret = pages_add(d, cr_steal_ptr(&w.batch), err);
	if (ret == 0 && d->loans && !d->rehearsal)
		loans_add(d->loans, batch);
	batch_free(w.batch);
	free(w.runs.list);
	free(w.guards);
	free(w.mm.guards);
	free(w.mm.files);
	free(w.mm.vmas);
	free(w.vmas);
	free(w.ranges);
	free(w.vma_of);
	cr_maps_free(&w.maps);
	return ret;
}
