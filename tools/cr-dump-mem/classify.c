/* SPDX-License-Identifier: MIT */
#include "classify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "clean.h"
#include "room.h"
#include "vdso.h"

static const struct {
	const char *name;
	Cr__VmaKind kind;
} specials[] = {
	{ "[vdso]", CR__VMA_KIND__VDSO },
	{ "[vvar]", CR__VMA_KIND__VVAR },
	{ "[vvar_vclock]", CR__VMA_KIND__VVAR },	/* 6.13 */
	{ "[vsyscall]", CR__VMA_KIND__VSYSCALL },
};

static const struct {
	enum cr_map_odd odd;
	const char *kind;
	const char *remedy;
} refusals[] = {
	{ CR_MAP_HUGETLB, "huge pages of an unknown size", "use transparent huge pages instead" },
	{ CR_MAP_SHADOW_STACK, "a shadow stack", "run it with shadow stacks off" },
	{ CR_MAP_UFFD, "a range registered with a userfaultfd", "unregister it" },
	{ CR_MAP_SYNC, "a MAP_SYNC mapping of persistent memory", "map it without MAP_SYNC" },
	{ CR_MAP_IO, "an I/O mapping of a device", "unmap it" },
	{ CR_MAP_PFN, "a mapping of bare page frames", "unmap it" },
	{ CR_MAP_MIXED, "a mapping with bare page frames", "unmap it" },
};

uint32_t classify_flags(const struct cr_map *m)
{
	/* Any private mapping may become writable. */
	return m->shared ? m->flags : m->flags & ~(uint32_t)CR_VMA_MAYWRITE;
}

bool classify_special(const char *name, const struct cr_map *m, Cr__VmaKind *kind)
{
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (strcmp(name, specials[i].name) == 0 && !m->shared) {
			*kind = specials[i].kind;
			return true;
		}
	return false;
}

bool classify_is_anonymous(const char *name)
{
	return !name[0] || strcmp(name, "[heap]") == 0 || strcmp(name, "[stack]") == 0 ||
	       strncmp(name, "[anon:", 6) == 0;
}

const char *classify_refusal(const struct cr_map *m, const char **remedy)
{
	static char text[64];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (m->odd & refusals[i].odd) {
			*remedy = refusals[i].remedy;
			return refusals[i].kind;
		}
	if (m->odd & CR_MAP_UNKNOWN) {
		*remedy = "this kernel is newer than this program";
		snprintf(text, sizeof(text), "a mapping with the unknown flag %s", m->unknown);
		return text;
	}
	return NULL;
}

static const Cr__Vma *find_vdso(const Cr__Mm *mm)
{
	for (size_t i = 0; i < mm->n_vmas; i++)
		if (mm->vmas[i]->kind == CR__VMA_KIND__VDSO)
			return mm->vmas[i];
	return NULL;
}

/* The padding behind the used part may have the way out of an agent in it. */
int classify_check_vdso(struct dump *d, const struct target *t, const Cr__Mm *mm,
			struct cr_err *err)
{
	const Cr__Vma *v = find_vdso(mm);
	cr_auto_free uint8_t *buf = NULL;
	struct iovec local, remote;
	struct cr_vdso own;

	if (!v)
		return 0;
	if (cr_vdso_own(&own, err) < 0)
		return -1;
	buf = malloc(own.used);
	if (!buf)
		return cr_err_sys(err, "out of memory");
	local = (struct iovec){ buf, own.used };
	remote = (struct iovec){ (void *)v->start, own.used };
	if (v->end - v->start == own.size &&
	    process_vm_readv(t->eye, &local, 1, &remote, 1, 0) == (ssize_t)own.used &&
	    memcmp(buf, own.start, own.used) == 0)
		return 0;
	return refuse_vma(d, t->pid, v->start, "a vDSO that is not this kernel's",
			  "it was changed: run it without what changes it", err);
}

int classify_agent_room(const struct target *t, const Cr__Mm *mm, uint64_t *start, uint64_t *end,
			struct cr_err *err)
{
	const Cr__Vma *v = find_vdso(mm);
	struct cr_room room;
	bool enough;

	*start = *end = 0;
	if (cr_room_in_vdso(&enough, err) < 0)
		return -1;
	if (v && v->prot & PROT_EXEC && enough)
		return 0;
	if (cr_room_in_files(t->eye, &room, err) < 0)
		return -1;
	*start = room.at;
	*end = room.at + room.size;
	return 0;
}
