/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "file-kinds.h"
#include "finish.h"
#include "image.h"
#include "lock.h"
#include "make-family.h"
#include "numbers.h"
#include "owner.h"
#include "restore.h"
#include "share.h"
#include "thread.h"
#include "tty.h"

#define LOOK_NS 200000000l /* how often to look whether somebody has died */

static const struct file_ops *const table[] = {
	&reg_ops,      &pipe_ops,    &eventfd_ops,  &timerfd_ops,     &signalfd_ops,  &epoll_ops,
	&pidfd_ops,    &memfd_ops,   &external_ops, &tty_ops,	      &fifo_ops,      &unix_ops,
	&inotify_ops,  &inet_ops,    &netlink_ops,  &mqueue_ops,      &namespace_ops, &io_uring_ops,
	&fanotify_ops, &bpf_map_ops, &tun_ops,	    &userfaultfd_ops,
};

const struct file_ops *file_ops_of(unsigned int kind)
{
	static const struct file_ops *by_kind[256];
	static bool filled;

	if (!filled) {
		for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
			by_kind[table[i]->kind] = table[i];
		filled = true;
	}
	return kind < 256 ? by_kind[kind] : NULL;
}

/* Whatever another process's description needs is opened for all. */
int file_share_used(struct image *img, struct cr_err *err)
{
	for (unsigned int i = 0; i < img->n_files; i++) {
		const struct file_image *f = &img->files[i];
		const struct file_ops *ops = file_ops_of(f->kind);
		uint32_t id;

		for (size_t n = 0; ops->uses && (id = ops->uses(f->msg, n)); n++) {
			struct file_image *used = image_file(img, id);

			if (!used)
				return cr_err_set(err, CR_BAD_INPUT,
						  "%s: description %u, which %u needs, is missing",
						  CR_MANIFEST, id, f->id);
			if (used->first_user != f->first_user || (ops->early && ops->early(img, f)))
				used->shared = true;
		}
	}
	return 0;
}

struct object {
	uint64_t key;
	uint16_t kind;
	struct file_image *file;
};

static int by_key(const void *a, const void *b)
{
	const struct object *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

/* A run of descriptions of one object: shared when more than one task is in it. */
static void share_run(struct object *o, unsigned int n)
{
	bool shared = false;

	for (unsigned int i = 0; i < n; i++)
		shared |= o[i].file->shared || o[i].file->first_user != o[0].file->first_user;
	for (unsigned int i = 0; shared && i < n; i++)
		o[i].file->shared = true;
}

/* Does it need a process that may not be there when its user opens it? */
static bool is_of_others(const struct image *img, const struct file_image *f)
{
	const struct file_ops *ops = file_ops_of(f->kind);
	uint32_t id = ops->of_tree ? ops->of_tree(img, f->msg) : 0;
	struct task_image *t = id && f->first_user ? thread_task(img, id) : NULL;
	bool of_thread = t && id != t->task->pid;

	if (!t)
		return false;
	/* A parent does not wait for the threads of its children. */
	t->early_threads |= of_thread;
	return t->index + 1 != f->first_user &&
	       (of_thread || !t->parent || t->parent->index + 1 != f->first_user);
}

int file_share_objects(struct image *img, struct cr_err *err)
{
	struct object *list = calloc(img->n_files + 1, sizeof(*list));
	unsigned int n = 0, start = 0;

	if (!list)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < img->n_files; i++) {
		struct file_image *f = &img->files[i];
		const struct file_ops *ops = file_ops_of(f->kind);
		uint64_t key = ops->object ? ops->object(f->msg) : 0;

		if ((ops->early && ops->early(img, f)) || is_of_others(img, f))
			f->shared = true;
		if (key)
			list[n++] = (struct object){ key, f->kind, f };
	}
	if (n)
		qsort(list, n, sizeof(*list), by_key);
	for (unsigned int i = 1; i <= n; i++) {
		if (i < n && by_key(&list[i], &list[start]) == 0)
			continue;
		share_run(&list[start], i - start);
		start = i;
	}
	free(list);
	return 0;
}

int files_check(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->img.n_files; i++) {
		const struct file_ops *ops = file_ops_of(r->img.files[i].kind);

		if (ops->check && ops->check(r, r->img.files[i].msg, err) < 0)
			return -1;
	}
	return 0;
}

int file_stash(struct restore *r, int fd, struct cr_err *err)
{
	int up;

	if (number_is_own(r, fd))
		return fd;
	up = number_dup(r, fd, err);
	if (up < 0)
		return -1;
	close(fd);
	return up;
}

static int open_one(struct restore *r, struct file_image *f, struct cr_err *err)
{
	int fd = file_ops_of(f->kind)->open(r, f->msg, err);

	if (fd < 0)
		return -1;
	f->fd = fd;
	return 0;
}

/*
 * The flags that F_SETFL changes, in whatever way the description was made; what
 * has been inherited is not ours alone (inherit.c), and O_ASYNC is set by owner.c.
 */
static int set_flags(const struct file_image *f, int fd, struct cr_err *err)
{
	static const int settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
	const ProtobufCMessage *m = f->msg;
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "open_flags");
	uint32_t flags;
	int have;

	if (!field || f->kind == CR_KIND_EXTERNAL)
		return 0;
	flags = *(const uint32_t *)((const char *)m + field->offset);
	have = fcntl(fd, F_GETFL);
	if (have < 0)
		return cr_err_sys(err, "F_GETFL");
	if (flags & O_PATH || (have & settable) == (int)(flags & settable))
		return 0;
	if (fcntl(fd, F_SETFL, (have & ~settable) | (int)(flags & settable)) < 0)
		return cr_err_sys(err, "F_SETFL");
	return 0;
}

static int open_stashed(struct restore *r, struct file_image *f, struct cr_err *err)
{
	if (open_one(r, f, err) < 0)
		return -1;
	f->fd = file_stash(r, f->fd, err);
	if (f->fd < 0)
		return -1;
	/* What only a message has is in no table where that is done. */
	return f->first_user ? 0 : set_flags(f, f->fd, err);
}

static bool is_of_tree(const struct restore *r, const struct file_image *f)
{
	const struct file_ops *ops = file_ops_of(f->kind);

	return f->shared && ops->of_tree && ops->of_tree(&r->img, f->msg);
}

int file_open_early(struct restore *r, uint32_t id, struct cr_err *err)
{
	struct file_image *f = image_file(&r->img, id);

	if (!f || is_of_tree(r, f) || !f->shared)
		return cr_err_set(err, CR_BAD_INPUT, "description %u cannot be sent", id);
	if (f->fd < 0 && open_stashed(r, f, err) < 0)
		return cr_err_wrap(err, "description %u", id);
	return f->fd;
}

/* Room for the numbers of descriptions that are opened after the fork. */
static int share_tree_fds(struct restore *r, struct cr_err *err)
{
	size_t size = (r->img.n_files + 1) * sizeof(*r->tree_fds);

	r->tree_fds = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->tree_fds == MAP_FAILED)
		return cr_err_sys(err, "unable to map shared memory");
	r->own_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (r->own_pidfd < 0)
		return cr_err_sys(err, "pidfd_open");
	r->own_pidfd = file_stash(r, r->own_pidfd, err);
	return r->own_pidfd < 0 ? -1 : 0;
}

int files_open_shared(struct restore *r, struct cr_err *err)
{
	for (unsigned int i = 0; i < r->img.n_files; i++) {
		struct file_image *f = &r->img.files[i];

		if (is_of_tree(r, f)) {
			if (!r->tree_fds && share_tree_fds(r, err) < 0)
				return -1;
		} else if (f->shared && f->fd < 0 && open_stashed(r, f, err) < 0) {
			return -1;
		}
	}
	return 0;
}

/* Until the word is at least @value, or somebody cannot go on. */
static int await_tree(struct restore *r, uint32_t *word, uint32_t value, struct cr_err *err)
{
	struct timespec ts = { 0, LOOK_NS };
	uint32_t seen;

	while ((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < value) {
		if (__atomic_load_n(&r->shared->failed, __ATOMIC_ACQUIRE))
			return finish_look(r, err);
		if (syscall(SYS_futex, word, FUTEX_WAIT, seen, &ts, NULL, 0) < 0 &&
		    errno == ETIMEDOUT && finish_look(r, err) < 0)
			return -1;
	}
	return 0;
}

int files_open_of_tree(struct restore *r, struct cr_err *err)
{
	if (!r->tree_fds)
		return 0;
	if (await_tree(r, &r->shared->steps, family_arrivals(r), err) < 0 ||
	    await_tree(r, &r->shared->early, threads_early(r), err) < 0)
		return -1;
	for (unsigned int i = 0; i < r->img.n_files; i++) {
		struct file_image *f = &r->img.files[i];

		if (is_of_tree(r, f) && open_stashed(r, f, err) < 0)
			return -1;
		r->tree_fds[i] = f->fd;
	}
	__atomic_store_n(&r->shared->opened, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &r->shared->opened, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	return 0;
}

/* In a task's process: take what the restorer has opened meanwhile. */
static int fetch(struct restore *r, struct file_image *f, struct cr_err *err)
{
	int fd;

	if (share_await(r, &r->shared->opened, 1) < 0)
		_exit(CR_AGENT_FAILED);
	fd = (int)syscall(SYS_pidfd_getfd, r->own_pidfd, r->tree_fds[f - r->img.files], 0);
	if (fd < 0)
		return cr_err_sys(err, "pidfd_getfd");
	f->fd = file_stash(r, fd, err);
	return f->fd < 0 ? -1 : 0;
}

int file_number(struct restore *r, uint32_t id, struct cr_err *err)
{
	struct file_image *f = image_file(&r->img, id);

	if (f->fd < 0 && is_of_tree(r, f) && fetch(r, f, err) < 0)
		return -1;
	return f->fd >= 0 ? f->fd :
			    cr_err_set(err, CR_BAD_INPUT, "description %u is open nowhere", id);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = (*(Cr__Fd *const *)a)->fd, y = (*(Cr__Fd *const *)b)->fd;

	return x < y ? -1 : x > y;
}

/* The description stands at @from; give it the number of @e. */
static int place(int from, const Cr__Fd *e, bool move, struct cr_err *err)
{
	int to = (int)e->fd;

	if (from == to)
		return e->cloexec || fcntl(to, F_SETFD, 0) == 0 ?
			       0 :
			       cr_err_sys(err, "fd %d: F_SETFD", to);
	if (dup3(from, to, e->cloexec ? O_CLOEXEC : 0) < 0)
		return cr_err_sys(err, "fd %d: dup3", to);
	if (move)
		close(from);
	return 0;
}

static int place_all(struct restore *r, const struct task_image *t, Cr__Fd **fds,
		     struct cr_err *err)
{
	for (size_t n = 0; n < t->fds->n_fds; n++) {
		struct file_image *f = image_file(&r->img, fds[n]->file);
		bool opened;

		if (is_of_tree(r, f) && file_number(r, f->id, err) < 0)
			return cr_err_wrap(err, "fd %u", fds[n]->fd);
		opened = f->fd < 0;
		/* All numbers below are taken or stay free: the lowest free one
		 * is never beyond the one that is wanted. */
		if (opened && open_one(r, f, err) < 0)
			return cr_err_wrap(err, "fd %u", fds[n]->fd);
		if (place(f->fd, fds[n], opened, err) < 0)
			return -1;
		if (opened)
			f->fd = (int)fds[n]->fd;
	}
	return 0;
}

static int run_late(struct restore *r, const struct task_image *t, Cr__Fd **fds, struct cr_err *err)
{
	for (size_t n = 0; n < t->fds->n_fds; n++) {
		struct file_image *f = image_file(&r->img, fds[n]->file);
		const struct file_ops *ops = file_ops_of(f->kind);
		int fd = (int)fds[n]->fd;

		if (f->first_user != t->index + 1)
			continue;
		f->first_user = 0; /* once for each description */
		if (owner_set_async(r, f->id, fd, err) < 0 ||
		    locks_of_file(r, f->id, fd, err) < 0 ||
		    (ops->late && ops->late(r, t, f->msg, fd, err) < 0) ||
		    set_flags(f, fd, err) < 0)
			return cr_err_wrap(err, "fd %u", fds[n]->fd);
	}
	return 0;
}

/* A table that another task fills. */
static int use_table(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	if (share_files_await(r, t) < 0)
		_exit(CR_AGENT_FAILED);
	return ttys_control(r, t, err);
}

int files_restore(struct restore *r, const struct task_image *t, struct cr_err *err)
{
	size_t n = t->fds->n_fds;
	Cr__Fd **fds = calloc(n + 1, sizeof(*fds));
	int ret;

	if (!fds)
		return cr_err_sys(err, "out of memory");
	if (t->share_files) {
		free(fds);
		return use_table(r, t, err);
	}
	if (n)
		memcpy(fds, t->fds->fds, n * sizeof(*fds));
	if (n)
		qsort(fds, n, sizeof(*fds), by_number);
	if (share_files_begin(r, t) < 0)
		_exit(CR_AGENT_FAILED);
	/* Elsewhere there is nothing but what is made now. */
	if (numbers_close_others(r) < 0) {
		free(fds);
		return cr_err_sys(err, "close_range");
	}
	ret = ttys_control(r, t, err);
	if (ret == 0)
		ret = place_all(r, t, fds, err);
	if (ret == 0)
		ret = run_late(r, t, fds, err);
	if (ret == 0)
		share_files_done(r, t);
	free(fds);
	return ret;
}
