/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "arch.h"

#define KEYS 16

static bool has_keys(void)
{
	static int has = -1;

	if (has < 0)
		has = cr_arch_has_pkeys();
	return has;
}

static bool only_executed(const Cr__Vma *vma)
{
	return vma->prot == PROT_EXEC && vma->kind != CR__VMA_KIND__VSYSCALL;
}

/* Nobody asked: all that come before one in use, but for those that only such memory
 * has as the kernel gives its key to. */
static uint16_t likely_given(uint16_t used, uint16_t of_executed, unsigned int last)
{
	uint16_t all = (uint16_t)((2u << last) - 1);

	return (uint16_t)(all & ~(of_executed & ~used));
}

int keys_check(struct restore *r, struct task_image *t, struct cr_err *err)
{
	struct keys *k = &t->keys;
	uint16_t used = 0, of_executed = 0;

	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];

		if (vma->pkey >= KEYS)
			return cr_err_set(err, CR_BAD_INPUT,
					  "pid %u: vma %" PRIx64 ": no such protection key",
					  t->task->pid, vma->start);
		*(only_executed(vma) ? &of_executed : &used) |= (uint16_t)(1u << vma->pkey);
	}
	k->given = (uint16_t)t->inside->pkeys;
	for (unsigned int key = 1; key < KEYS; key++)
		if ((used | of_executed | k->given) & 1u << key)
			k->last = (uint8_t)key;
	if (!k->given)
		k->given = likely_given(used, of_executed, k->last);
	for (unsigned int key = 1; key < KEYS && !k->exec_only; key++)
		if (of_executed & ~k->given & 1u << key)
			k->exec_only = (uint8_t)key;
	if (!k->last || has_keys())
		return 0;
	/* Such a CPU lets be read what may be executed. */
	if (((k->given | used) & ~1u) && r->opts.cpu_caps)
		refuse(r, t->task->pid, "CPU", "it has no protection keys, which the process uses");
	*k = (struct keys){ 0 };
	return 0;
}

uint32_t keys_first_prot(uint32_t prot)
{
	return prot == PROT_EXEC && has_keys() ? PROT_EXEC | PROT_READ : prot;
}

void keys_open(const struct task_image *t, struct vec *v)
{
	if ((t->share_vm ? t->share_vm : t)->keys.last)
		vec_op(v, CR_OP_RIGHTS, LABEL_PROTECT, VEC_ARGS(0))->expect = CR_EXPECT_ANY;
}

/* By the kernel's own choice? */
static bool chosen(const struct keys *k, const Cr__Vma *vma)
{
	return k->exec_only && vma->pkey == k->exec_only && only_executed(vma);
}

void keys_build(const struct task_image *t, struct vec *v)
{
	const struct keys *k = &t->keys;

	if (!has_keys())
		return;
	for (unsigned int key = 1; key <= k->last; key++)
		vec_want(vec_sys(v, LABEL_PROTECT, SYS_pkey_alloc, 0, 0), key);
	/* Also what was made where such memory could be read: with the key 0. */
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];

		if ((vma->pkey || only_executed(vma)) && !chosen(k, vma))
			vec_sys(v, LABEL_PROTECT, SYS_pkey_mprotect, (int64_t)vma->start,
				(int64_t)(vma->end - vma->start), vma->prot, vma->pkey);
	}
	/* It takes the first that is free. */
	if (k->exec_only)
		vec_sys(v, LABEL_PROTECT, SYS_pkey_free, k->exec_only);
	for (size_t i = 0; k->exec_only && i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];

		if (chosen(k, vma))
			vec_sys(v, LABEL_PROTECT, SYS_mprotect, (int64_t)vma->start,
				(int64_t)(vma->end - vma->start), vma->prot);
	}
	for (unsigned int key = 1; key <= k->last; key++)
		if (key != k->exec_only && !(k->given & 1u << key))
			vec_sys(v, LABEL_PROTECT, SYS_pkey_free, key);
}
