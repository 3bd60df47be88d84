/* SPDX-License-Identifier: MIT */
#include "seccomp.h"

#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "seccomp-filter.h"

/* What is in the stream: the id is the index plus 1. */
static struct cr_filter *known;
static uint32_t n_known;

static bool same(const struct cr_filter *a, const struct cr_filter *b)
{
	return a->count == b->count && a->flags == b->flags &&
	       memcmp(a->insns, b->insns, a->count * sizeof(*a->insns)) == 0;
}

/* Takes over the instructions of a new one. */
static int put_filter(struct cr_writer *w, struct cr_filter *f, uint32_t *id, struct cr_err *err)
{
	Cr__SeccompFilter m = CR__SECCOMP_FILTER__INIT;
	struct cr_filter *grown;

	for (*id = 1; *id <= n_known; ++*id)
		if (same(&known[*id - 1], f))
			return 0;
	grown = realloc(known, (n_known + 1) * sizeof(*grown));
	if (!grown)
		return cr_err_sys(err, "out of memory");
	known = grown;
	known[n_known++] = *f;
	m.id = *id;
	m.insns.data = (uint8_t *)f->insns;
	m.insns.len = f->count * sizeof(*f->insns);
	m.filter_flags = f->flags;
	f->insns = NULL;
	return cr_writer_put(w, CR_KIND_SECCOMP_FILTER, &m, err);
}

int seccomp_fill(struct cr_writer *w, struct cr_tracee *t, const char *status, Cr__Thread *m,
		 struct cr_err *err)
{
	const char *mode = cr_proc_field(status, "Seccomp");
	struct cr_filter *list;
	size_t count;
	int ret = 0;

	t->seccomp = mode ? *mode : '0';
	m->seccomp_mode = (uint32_t)(t->seccomp - '0');
	if (m->seccomp_mode != SECCOMP_MODE_FILTER)
		return 0;
	if (cr_filters_get(t->tid, &list, &count, err) < 0)
		return -1;
	m->seccomp_filters = calloc(count + 1, sizeof(*m->seccomp_filters));
	if (!m->seccomp_filters)
		ret = cr_err_sys(err, "out of memory");
	for (size_t i = 0; ret == 0 && i < count; i++)
		ret = put_filter(w, &list[i], &m->seccomp_filters[i], err);
	m->n_seccomp_filters = count;
	cr_filters_free(list, count);
	return ret;
}
