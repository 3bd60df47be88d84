/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "image.h"
#include "share.h"

/* Records of which a task has at most one; they start with its pid. */
static const struct {
	enum cr_kind kind;
	size_t offset;
	bool needed; /* of a task that is no zombie */
	const char *maker;
} task_kinds[] = {
	{ CR_KIND_INSIDE, offsetof(struct task_image, inside), true, "cr-inject" },
	{ CR_KIND_MM, offsetof(struct task_image, mm), true, "cr-dump-mem" },
	{ CR_KIND_FS, offsetof(struct task_image, fs), true, "cr-dump-fds" },
	{ CR_KIND_FD_TABLE, offsetof(struct task_image, fds), true, "cr-dump-fds" },
};

/* Records of which a thread has at most one; they start with pid and tid. */
static const struct {
	enum cr_kind kind;
	size_t offset;
	bool needed;
	const char *maker;
} thread_kinds[] = {
	{ CR_KIND_THREAD, offsetof(struct thread_image, thread), true, "cr-freeze" },
	{ CR_KIND_THREAD_INSIDE, offsetof(struct thread_image, inside), true, "cr-inject" },
};

/* Field @n of a message, a uint32 by the schema. */
static uint32_t field_u32(const void *msg, unsigned int n)
{
	const ProtobufCMessage *m = msg;
	uint32_t v;

	memcpy(&v, (const uint8_t *)m + m->descriptor->fields[n].offset, sizeof(v));
	return v;
}

static int push(struct msg_list *l, void *msg, struct cr_err *err)
{
	if (l->count == l->room) {
		unsigned int room = l->room ? l->room * 2 : 4;
		void **grown = realloc(l->items, room * sizeof(*grown));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		l->items = grown;
		l->room = room;
	}
	l->items[l->count++] = msg;
	return 0;
}

/* Pages lie in the PagesFile that stands before them. */
static int note_bulk(struct image *img, struct cr_err *err)
{
	unsigned int n = img->kinds[CR_KIND_PAGES].count;
	uint32_t *grown;

	if (!img->kinds[CR_KIND_PAGES_FILE].count)
		return cr_err_set(err, CR_BAD_INPUT, "%s: pages without their file", CR_MANIFEST);
	if ((n & (n - 1)) == 0) {
		grown = realloc(img->pages_bulk, (n ? n * 2 : 1) * sizeof(*grown));
		if (!grown)
			return cr_err_sys(err, "out of memory");
		img->pages_bulk = grown;
	}
	img->pages_bulk[n] = img->kinds[CR_KIND_PAGES_FILE].count - 1;
	return 0;
}

static int read_records(int fd, struct image *img, struct cr_err *err)
{
	struct cr_reader *r;
	struct cr_record rec;
	int got = cr_reader_open(fd, CR_MANIFEST, &r, err);

	if (got < 0)
		return -1;
	while ((got = cr_reader_next(r, &rec, err)) > 0) {
		void *msg;

		if (!rec.info || rec.kind >= sizeof(img->kinds) / sizeof(img->kinds[0]))
			continue;
		msg = cr_record_unpack_in(&rec, &img->memory, err);
		if (msg && rec.kind == CR_KIND_PAGES && note_bulk(img, err) < 0) {
			got = -1;
			break;
		}
		if (!msg || push(&img->kinds[rec.kind], msg, err) < 0) {
			got = -1;
			break;
		}
	}
	cr_reader_free(r);
	return got;
}

struct task_image *image_task(const struct image *img, uint32_t pid)
{
	unsigned int lo = 0, hi = img->kinds[0].count;

	/* kinds[0] is no record kind: there stand the tasks sorted by pid. */
	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		struct task_image *t = img->kinds[0].items[mid];

		if (t->task->pid == pid)
			return t;
		if (t->task->pid < pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

struct file_image *image_file(const struct image *img, uint32_t id)
{
	unsigned int lo = 0, hi = img->n_files;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (img->files[mid].id == id)
			return &img->files[mid];
		if (img->files[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int by_pid(const void *a, const void *b)
{
	uint32_t x = (*(struct task_image *const *)a)->task->pid;
	uint32_t y = (*(struct task_image *const *)b)->task->pid;

	return x < y ? -1 : x > y;
}

static int by_id(const void *a, const void *b)
{
	uint32_t x = ((const struct file_image *)a)->id, y = ((const struct file_image *)b)->id;

	return x < y ? -1 : x > y;
}

static int bad(struct cr_err *err, const char *what, uint32_t id)
{
	return cr_err_set(err, CR_BAD_INPUT, "%s: %s %u", CR_MANIFEST, what, id);
}

static int make_tasks(struct image *img, struct cr_err *err)
{
	struct msg_list *l = &img->kinds[CR_KIND_TASK];

	if (!l->count)
		return cr_err_set(err, CR_BAD_INPUT, "%s: it has no task", CR_MANIFEST);
	img->tasks = calloc(l->count, sizeof(*img->tasks));
	if (!img->tasks)
		return cr_err_sys(err, "out of memory");
	img->n_tasks = l->count;
	for (unsigned int i = 0; i < l->count; i++) {
		struct task_image *t = &img->tasks[i];

		t->index = i;
		t->task = l->items[i];
		if (push(&img->kinds[0], t, err) < 0)
			return -1;
	}
	if (l->count)
		qsort(img->kinds[0].items, l->count, sizeof(void *), by_pid);
	for (unsigned int i = 1; i < l->count; i++)
		if (by_pid(&img->kinds[0].items[i - 1], &img->kinds[0].items[i]) == 0)
			return bad(err, "two tasks with the pid",
				   ((struct task_image *)img->kinds[0].items[i])->task->pid);
	return 0;
}

/* Parents: the root is the Header's, all others descend from it. */
static int link_tasks(struct image *img, struct cr_err *err)
{
	if (img->tasks[0].task->pid != img->header->root_pid)
		return bad(err, "the first task is not the root", img->header->root_pid);
	for (unsigned int i = 1; i < img->n_tasks; i++) {
		struct task_image *t = &img->tasks[i];
		struct task_image *p = image_task(img, t->task->ppid), **grown;

		if (!p || p->index >= i || task_is_zombie(p))
			return bad(err, "no parent stands before the task", t->task->pid);
		grown = realloc(p->children, (p->n_children + 1) * sizeof(*grown));
		if (!grown)
			return cr_err_sys(err, "out of memory");
		p->children = grown;
		p->children[p->n_children++] = t;
		t->parent = p;
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct extent *)a)->address, y = ((const struct extent *)b)->address;

	return x < y ? -1 : x > y;
}

/* Pages records of one owner: all of them stand together in the sorted index. */
struct owned_pages {
	uint32_t pid, shmem;
	unsigned int index;
};

static int by_owner(const void *a, const void *b)
{
	const struct owned_pages *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->shmem < y->shmem ? -1 : x->shmem > y->shmem;
}

static int index_pages(struct image *img, struct cr_err *err)
{
	const struct msg_list *l = &img->kinds[CR_KIND_PAGES];

	img->owned = calloc(l->count + 1, sizeof(*img->owned));
	if (!img->owned)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__Pages *p = l->items[i];

		if (p->pid && !image_task(img, p->pid))
			return bad(err, "pages of an unknown task", p->pid);
		img->owned[i] = (struct owned_pages){ p->pid, p->shmem, i };
	}
	if (l->count)
		qsort(img->owned, l->count, sizeof(*img->owned), by_owner);
	return 0;
}

static unsigned int first_owned(const struct image *img, const struct owned_pages *key)
{
	unsigned int lo = 0, hi = img->kinds[CR_KIND_PAGES].count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (by_owner(&img->owned[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct extent extent_of(const Cr__Extent *e, uint32_t bulk)
{
	return (struct extent){ e->address, e->pages, e->offset, e->crc, bulk, e->borrowed };
}

int image_extents(const struct image *img, uint32_t pid, uint32_t shmem, struct extent_list *out,
		  struct cr_err *err)
{
	const struct msg_list *l = &img->kinds[CR_KIND_PAGES];
	const struct owned_pages key = { pid, shmem, 0 };
	unsigned int from = first_owned(img, &key), to = from;
	size_t n = 0;

	for (; to < l->count && by_owner(&img->owned[to], &key) == 0; to++)
		n += ((const Cr__Pages *)l->items[img->owned[to].index])->n_extents;
	out->count = 0;
	out->list = malloc((n + 1) * sizeof(*out->list));
	if (!out->list)
		return cr_err_sys(err, "out of memory");
	for (; from < to; from++) {
		const Cr__Pages *p = l->items[img->owned[from].index];

		for (size_t k = 0; k < p->n_extents; k++)
			out->list[out->count++] =
				extent_of(p->extents[k], img->pages_bulk[img->owned[from].index]);
	}
	if (out->count)
		qsort(out->list, out->count, sizeof(*out->list), by_address);
	return 0;
}

static int attach_task_records(struct image *img, struct cr_err *err)
{
	for (size_t k = 0; k < sizeof(task_kinds) / sizeof(task_kinds[0]); k++) {
		struct msg_list *l = &img->kinds[task_kinds[k].kind];

		for (unsigned int i = 0; i < l->count; i++) {
			uint32_t pid = field_u32(l->items[i], 0);
			struct task_image *t = image_task(img, pid);
			void **at;

			if (!t)
				return bad(err, "a record of an unknown task", pid);
			at = (void **)((uint8_t *)t + task_kinds[k].offset);
			if (*at)
				return bad(err, "the same record twice of task", pid);
			*at = l->items[i];
		}
	}
	for (unsigned int i = 0; i < img->n_tasks; i++)
		if (image_extents(img, img->tasks[i].task->pid, 0, &img->tasks[i].extents, err) < 0)
			return -1;
	return 0;
}

static int make_threads(struct image *img, struct cr_err *err)
{
	for (unsigned int i = 0; i < img->n_tasks; i++) {
		struct task_image *t = &img->tasks[i];

		if (task_is_zombie(t))
			continue;
		if (!t->task->n_tids)
			return bad(err, "no thread in the living task", t->task->pid);
		t->n_threads = (unsigned int)t->task->n_tids;
		t->threads = calloc(t->n_threads, sizeof(*t->threads));
		if (!t->threads)
			return cr_err_sys(err, "out of memory");
	}
	return 0;
}

/* The tids are the leader and then in ascending order, but do not rely on it. */
static struct thread_image *find_thread(struct task_image *t, uint32_t tid, unsigned int *hint)
{
	for (unsigned int n = 0; n < t->n_threads; n++) {
		unsigned int i = (*hint + n) % t->n_threads;

		if (t->task->tids[i] == tid) {
			*hint = i + 1;
			return &t->threads[i];
		}
	}
	return NULL;
}

static int attach_thread_records(struct image *img, struct cr_err *err)
{
	for (size_t k = 0; k < sizeof(thread_kinds) / sizeof(thread_kinds[0]); k++) {
		struct msg_list *l = &img->kinds[thread_kinds[k].kind];
		unsigned int hint = 0;

		for (unsigned int i = 0; i < l->count; i++) {
			struct task_image *t = image_task(img, field_u32(l->items[i], 0));
			uint32_t tid = field_u32(l->items[i], 1);
			struct thread_image *th = t ? find_thread(t, tid, &hint) : NULL;
			void **at;

			if (!th)
				return bad(err, "a record of an unknown thread", tid);
			at = (void **)((uint8_t *)th + thread_kinds[k].offset);
			if (*at)
				return bad(err, "the same record twice of thread", tid);
			*at = l->items[i];
		}
	}
	return 0;
}

static int missing(struct cr_err *err, uint32_t pid, const char *maker)
{
	return cr_err_set(err, CR_BAD_INPUT,
			  "%s: pid %u: nothing of %s in it; was it in the pipeline?", CR_MANIFEST,
			  pid, maker);
}

static int check_complete(const struct image *img, struct cr_err *err)
{
	for (unsigned int i = 0; i < img->n_tasks; i++) {
		const struct task_image *t = &img->tasks[i];

		if (task_is_zombie(t))
			continue;
		for (size_t k = 0; k < sizeof(task_kinds) / sizeof(task_kinds[0]); k++)
			if (task_kinds[k].needed &&
			    !*(void *const *)((const uint8_t *)t + task_kinds[k].offset))
				return missing(err, t->task->pid, task_kinds[k].maker);
		for (unsigned int n = 0; n < t->n_threads; n++)
			for (size_t k = 0; k < sizeof(thread_kinds) / sizeof(thread_kinds[0]); k++)
				if (thread_kinds[k].needed &&
				    !*(void *const *)((const uint8_t *)&t->threads[n] +
						      thread_kinds[k].offset))
					return missing(err, t->task->tids[n],
						       thread_kinds[k].maker);
	}
	return 0;
}

static int make_files(struct image *img, struct cr_err *err)
{
	unsigned int n = 0;

	for (unsigned int k = 0; k < sizeof(img->kinds) / sizeof(img->kinds[0]); k++)
		if (file_ops_of(k))
			n += img->kinds[k].count;
	img->files = calloc(n + 1, sizeof(*img->files));
	if (!img->files)
		return cr_err_sys(err, "out of memory");
	for (unsigned int k = 0; k < sizeof(img->kinds) / sizeof(img->kinds[0]); k++) {
		if (!file_ops_of(k))
			continue;
		for (unsigned int i = 0; i < img->kinds[k].count; i++)
			img->files[img->n_files++] = (struct file_image){
				.id = field_u32(img->kinds[k].items[i], 0),
				.kind = (uint16_t)k,
				.msg = img->kinds[k].items[i],
				.fd = -1,
			};
	}
	if (n)
		qsort(img->files, n, sizeof(*img->files), by_id);
	for (unsigned int i = 1; i < n; i++)
		if (img->files[i].id == img->files[i - 1].id)
			return bad(err, "two open file descriptions with the id", img->files[i].id);
	return 0;
}

static int link_files(struct image *img, struct cr_err *err)
{
	for (unsigned int i = 0; i < img->n_tasks; i++) {
		const Cr__FdTable *table = img->tasks[i].fds;

		for (size_t n = 0; table && n < table->n_fds; n++) {
			struct file_image *f = image_file(img, table->fds[n]->file);

			if (!f)
				return cr_err_set(err, CR_BAD_INPUT,
						  "%s: pid %u: fd %u: its description is missing",
						  CR_MANIFEST, table->pid, table->fds[n]->fd);
			if (!f->first_user)
				f->first_user = i + 1;
			else if (f->first_user != i + 1)
				f->shared = true;
		}
	}
	return file_share_used(img, err) < 0 ? -1 : file_share_objects(img, err);
}

int image_load(int dirfd, const char *dir, struct image *img, struct cr_err *err)
{
	cr_auto_fd int fd = openat(dirfd, CR_MANIFEST, O_RDONLY | O_CLOEXEC);

	memset(img, 0, sizeof(*img));
	if (fd < 0 && errno == ENOENT)
		return cr_err_set(err, CR_BAD_INPUT, "%s: no complete image (it has no %s)", dir,
				  CR_MANIFEST);
	if (fd < 0)
		return cr_err_sys(err, "unable to open %s/%s", dir, CR_MANIFEST);
	if (read_records(fd, img, err) < 0)
		return cr_err_wrap(err, "%s", dir);
	if (img->kinds[CR_KIND_REFUSAL].count)
		return cr_err_set(err, CR_BAD_INPUT, "%s: the dump was refused", dir);
	img->header = img->kinds[CR_KIND_HEADER].items[0];
	if (img->header->version != CR_STREAM_VERSION)
		return cr_err_set(err, CR_BAD_INPUT, "%s: version %u of the format, not %u", dir,
				  img->header->version, CR_STREAM_VERSION);
	if (make_tasks(img, err) < 0 || link_tasks(img, err) < 0 || index_pages(img, err) < 0 ||
	    attach_task_records(img, err) < 0 || share_link(img, err) < 0 ||
	    make_threads(img, err) < 0 || attach_thread_records(img, err) < 0 ||
	    check_complete(img, err) < 0 || make_files(img, err) < 0 || link_files(img, err) < 0)
		return cr_err_wrap(err, "%s", dir);
	return 0;
}

void image_free(struct image *img)
{
	for (unsigned int i = 0; i < img->n_tasks; i++) {
		free(img->tasks[i].extents.list);
		free(img->tasks[i].threads);
		free(img->tasks[i].children);
	}
	free(img->tasks);
	free(img->files);
	free(img->pages_bulk);
	free(img->owned);
	free(img->kinds[0].items);
	for (unsigned int k = 1; k < sizeof(img->kinds) / sizeof(img->kinds[0]); k++)
		free(img->kinds[k].items);
	cr_bump_release(&img->memory);
	memset(img, 0, sizeof(*img));
}
