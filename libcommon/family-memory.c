/* SPDX-License-Identifier: MIT */
/* Memory that processes share (CLONE_VM), and with it perhaps their signal
 * handlers: both are had from the maker. */
#include "family-plan.h"

/* The class of a process; those of one class have the same number. */
static unsigned int class_of(unsigned int with, int i)
{
	return with ? with : (unsigned int)i + 1;
}

int family_share_memory(struct plan *p, struct cr_err *err)
{
	for (unsigned int i = 0; i < p->n; i++) {
		const struct cr_kin *k = &p->kin[i];
		struct cr_birth *b = &p->f->births[i];
		int m = b->maker;

		if (!k->vm_with)
			continue;
		if (m == CR_OUTSIDE || m >= (int)p->n ||
		    class_of(p->kin[m].vm_with, m) != k->vm_with)
			return family_refuse(p, (int)i, err,
					     "no process that has its memory can make it; that of",
					     p->kin[k->vm_with - 1].pid);
		b->share_vm = true;
		if (!k->sighand_with)
			continue;
		if (class_of(p->kin[m].sighand_with, m) != k->sighand_with)
			return family_refuse(p, (int)i, err,
					     "its maker has other signal handlers than",
					     p->kin[k->sighand_with - 1].pid);
		b->share_sighand = true;
	}
	return 0;
}
