/* SPDX-License-Identifier: MIT */
/*
 * Tables that processes share (CLONE_FILES, CLONE_FS).  Nobody can enter
 * another's table later, so whoever stands between two that share one, in the
 * order of making, is born with it too and leaves it with unshare(2) once he
 * has made those who need it.  A maker who has left a table cannot come back.
 */
#include "family-plan.h"

#include <stdlib.h>

#include "clean.h"

#define NONE 0u	/* a table that is shared with nobody */

struct tables {
	unsigned int *final;	/* of each birth: the class it ends up in, NONE */
	unsigned int *edge;	/* the class it shares with its maker when it is born, NONE */
	unsigned int *left;	/* by class: 1 + who has left it last */
};

static int alloc_tables(struct tables *t, unsigned int n, struct cr_err *err)
{
	t->final = calloc(n, sizeof(*t->final));
	t->edge = calloc(n, sizeof(*t->edge));
	t->left = calloc(n + 1, sizeof(*t->left));
	return t->final && t->edge && t->left ? 0 : cr_err_sys(err, "out of memory");
}

static void free_tables(struct tables *t)
{
	free(t->final);
	free(t->edge);
	free(t->left);
}

static unsigned int made_depth(const struct cr_family *f, int i)
{
	unsigned int depth = 0;

	for (; i != CR_OUTSIDE && depth <= f->count; i = f->births[i].maker)
		depth++;
	return depth;
}

/* Who is on the way between the members of a class.  @set: they; is used up. */
static int connect(struct plan *p, struct tables *t, unsigned int class, int *set, unsigned int n,
		   struct cr_err *err)
{
	while (n > 1) {
		unsigned int deepest = 0, depth = 0;
		int i, maker;

		for (unsigned int k = 0; k < n; k++) {
			unsigned int d = made_depth(p->f, set[k]);

			if (d > depth) {
				depth = d;
				deepest = k;
			}
		}
		i = set[deepest];
		maker = p->f->births[i].maker;
		if (t->edge[i] != NONE || maker == CR_OUTSIDE)
			return family_refuse(p, i < (int)p->n ? i : 0, err,
					     "no way to share a table in the order of making, with",
					     p->kin[class - 1].pid);
		t->edge[i] = class;
		set[deepest] = maker;
		for (unsigned int k = 0; k < n; k++)
			if (k != deepest && set[k] == maker) {
				set[deepest] = set[--n];
				break;
			}
	}
	return 0;
}

static int class_of(const struct cr_kin *k, bool files)
{
	return files ? k->files : k->fs;
}

static int find_edges(struct plan *p, struct tables *t, bool files, struct cr_err *err)
{
	cr_auto_free int *set = malloc((p->n + 1) * sizeof(*set));
	cr_auto_free bool *first = calloc(p->n, sizeof(*first));

	if (!set || !first)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < p->n; i++) {
		int same = class_of(&p->kin[i], files);

		if (same < 0 || same == (int)i)
			continue;
		first[same] = true;
		t->final[i] = t->final[same] = (unsigned int)same + 1;
	}
	for (unsigned int c = 0; c < p->n; c++) {
		unsigned int n = 0;

		for (unsigned int i = c; first[c] && i < p->n; i++)
			if (t->final[i] == c + 1)
				set[n++] = (int)i;
		if (n && connect(p, t, c + 1, set, n, err) < 0)
			return -1;
	}
	return 0;
}

/* In which order a maker serves its tables: the one it was born with, those
 * that it only passes on, its own. */
static uint64_t rank(const struct tables *t, int maker, int kid)
{
	unsigned int class = t->edge[kid];

	if (class == NONE || maker == CR_OUTSIDE || class == t->edge[maker])
		return 0;
	return class == t->final[maker] ? UINT32_MAX : class;
}

static void set_ranks(struct plan *p, const struct tables *t, bool files)
{
	for (unsigned int i = 0; i < p->f->count; i++) {
		struct cr_birth *b = &p->f->births[i];
		uint64_t r = rank(t, b->maker, (int)i);

		if (files) {
			b->order |= r << 32;
			b->share_files = t->edge[i] != NONE;
		} else {
			b->order |= r;
			b->share_fs = t->edge[i] != NONE;
		}
	}
}

int family_share(struct plan *p, struct cr_err *err)
{
	bool any = false;
	int ret = 0;

	for (unsigned int i = 0; i < p->n; i++)
		for (int files = 0; files <= 1; files++) {
			int same = class_of(&p->kin[i], files);

			any |= same >= 0 && same != (int)i;
		}
	if (!any)
		return 0;
	p->shares = calloc(2, sizeof(*p->shares));
	if (!p->shares)
		return cr_err_sys(err, "out of memory");
	for (int files = 0; ret == 0 && files <= 1; files++) {
		struct tables *t = &p->shares[files];

		ret = alloc_tables(t, p->f->count, err);
		if (ret == 0)
			ret = find_edges(p, t, files, err);
		if (ret == 0)
			set_ranks(p, t, files);
	}
	return ret;
}

/* Follow a maker through its kids in their order: where must it unshare? */
static int follow(struct plan *p, struct tables *t, bool files, unsigned int maker,
		  struct cr_err *err)
{
	struct cr_birth *m = &p->f->births[maker];
	unsigned int now = t->edge[maker];

	for (int i = m->first_kid; i != CR_OUTSIDE; i = p->f->births[i].next_kid) {
		struct cr_birth *b = &p->f->births[i];
		unsigned int class = t->edge[i];

		if (class == NONE || class == now)
			continue;
		if (t->left[class] == maker + 1 || (now != NONE && now == t->final[maker]))
			return family_refuse(p, i < (int)p->n ? i : 0, err,
					     "shared tables in no order that can be repeated; "
					     "maker",
					     m->pid);
		if (now != NONE) {
			t->left[now] = maker + 1;
			if (files)
				b->unshare_files = true;
			else
				b->unshare_fs = true;
		}
		now = class;
	}
	if (now != NONE && now != t->final[maker] && m->kind == CR_BIRTH_TASK) {
		if (files)
			m->leave_files = true;
		else
			m->leave_fs = true;
	}
	return 0;
}

int family_follow_shares(struct plan *p, struct cr_err *err)
{
	for (unsigned int i = 0; p->shares && i < p->f->count; i++)
		if (follow(p, &p->shares[1], true, i, err) < 0 ||
		    follow(p, &p->shares[0], false, i, err) < 0)
			return -1;
	return 0;
}

void family_free_shares(struct plan *p)
{
	for (int files = 0; p->shares && files <= 1; files++)
		free_tables(&p->shares[files]);
	free(p->shares);
	p->shares = NULL;
}
