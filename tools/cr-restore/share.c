/* SPDX-License-Identifier: MIT */
#include "share.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "image.h"

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

int share_link(struct image *img, struct cr_err *err)
{
	for (unsigned int i = 0; i < img->n_tasks; i++) {
		struct task_image *t = &img->tasks[i];

		if (task_is_zombie(t))
			continue;
		if (find_owner(img, t, t->task->files_same_as, &t->share_files, err) < 0 ||
		    find_owner(img, t, t->task->fs_same_as, &t->share_fs, err) < 0)
			return -1;
		if ((t->share_files && t->share_files->share_files) ||
		    (t->share_fs && t->share_fs->share_fs) ||
		    (t->fds && t->fds->same_as != t->task->files_same_as) ||
		    (t->fs && t->fs->same_as != t->task->fs_same_as))
			return cr_err_set(err, CR_BAD_INPUT,
					  "%s: pid %u: its records say different things of what "
					  "it shares",
					  CR_MANIFEST, t->task->pid);
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

	while ((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < value) {
		struct timespec ts = { 0, LOOK_NS };

		if (__atomic_load_n(&r->shared->failed, __ATOMIC_ACQUIRE))
			return -1;
		syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0);
	}
	return 0;
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

int share_files_await(struct restore *r, const struct task_image *t)
{
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
