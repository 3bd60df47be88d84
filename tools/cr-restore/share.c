/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image.h"
#include "mates.h"

#define LOOK_NS 20000000

static int find_owner(struct image *img, struct task_image *t, uint32_t pid,
		      struct task_image **owner, struct cr_err *err)
{
	*owner = pid ? image_task(img, pid) : NULL;
	if (!pid || (*owner && (*owner)->index < t->index && !task_is_zombie(*owner)))
		return 0;
	return cr_err_set(err, CR_BAD_INPUT,
			  "%s: pid %u: it shares something with %u, which does not stand before it",
			  CR_MANIFEST, t->task->pid, pid);
}

static int contradicts(const struct task_image *t, struct cr_err *err)
{
	return cr_err_set(err, CR_BAD_INPUT,
			  "%s: pid %u: its records say different things of what it shares",
			  CR_MANIFEST, t->task->pid);
}

/* What is known of memory stands with its owner. */
static int link_memory(struct image *img, struct task_image *t, struct cr_err *err)
{
	struct task_image *owner;

	if (find_owner(img, t, t->task->vm_same_as, &t->share_vm, err) < 0 ||
	    find_owner(img, t, t->task->sighand_same_as, &t->share_sighand, err) < 0)
		return -1;
	owner = t->share_vm;
	if (!owner)
		return t->share_sighand ? contradicts(t, err) : 0;
	if (owner->share_vm || t->mm || t->extents.count ||
	    (t->share_sighand && share_owner(t->share_sighand) != owner))
		return contradicts(t, err);
	t->mm = owner->mm;
	owner->last_vm_user = t;
	owner->n_vm_users++;
	return 0;
}

int share_link(struct image *img, struct cr_err *err)
{
	for (unsigned int i = 0; i < img->n_tasks; i++) {
		struct task_image *t = &img->tasks[i];

		if (task_is_zombie(t))
			continue;
		if (link_memory(img, t, err) < 0)
			return -1;
		if (find_owner(img, t, t->task->files_same_as, &t->share_files, err) < 0 ||
		    find_owner(img, t, t->task->fs_same_as, &t->share_fs, err) < 0)
			return -1;
		if ((t->share_files && t->share_files->share_files) ||
		    (t->share_fs && t->share_fs->share_fs) ||
		    (t->fds && t->fds->same_as != t->task->files_same_as) ||
		    (t->fs && t->fs->same_as != t->task->fs_same_as))
			return contradicts(t, err);
		if (t->share_files)
			t->share_files->n_files_users++;
		if (t->share_fs)
			t->share_fs->n_fs_users++;
	}
	return 0;
}

bool share_has_table(const struct task_image *t)
{
	return t->share_files || t->n_files_users;
}

int share_await(struct restore *r, uint32_t *word, uint32_t value)
{
	uint32_t seen;
	int ret = 0;

	mates_pause();
	while ((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < value) {
		if (__atomic_load_n(&r->shared->failed, __ATOMIC_ACQUIRE)) {
			ret = -1;
			break;
		}
		mates_wait_word(word, seen, LOOK_NS);
	}
	mates_go_on(r);
	return ret;
}

static void add_one(uint32_t *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void share_files_done(struct restore *r, const struct task_image *t)
{
	if (t->n_files_users)
		add_one(&slot_of(r, t)->files_done);
}

int share_files_begin(struct restore *r, const struct task_image *t)
{
	return share_await(r, &slot_of(r, t)->files_quiet, t->n_files_users);
}

int share_files_await(struct restore *r, const struct task_image *t)
{
	add_one(&slot_of(r, t->share_files)->files_quiet);
	return share_await(r, &slot_of(r, t->share_files)->files_done, 1);
}

int share_fs_opened(struct restore *r, const struct task_image *t)
{
	if (t->share_fs) {
		add_one(&slot_of(r, t->share_fs)->fs_opened);
		return 0;
	}
	return share_await(r, &slot_of(r, t)->fs_opened, t->n_fs_users);
}
