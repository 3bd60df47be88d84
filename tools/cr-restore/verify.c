/* SPDX-License-Identifier: MIT */
#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clean.h"
#include "cover.h"
#include "crc32c.h"
#include "pagemap.h"
#include "prefault.h"
#include "progress.h"
#include "spare.h"

#define CHUNK (256u << 10)	/* stays in the second-level cache */

struct verify {
	struct restore *r;
	pid_t pid;
	struct cr_err err;
	struct cr_progress progress;
	int result;
	uint8_t buf[CHUNK];
};

static int verify_extent(struct verify *v, const struct extent *x, uint32_t pid)
{
	uint64_t done = 0, size = x->pages * CR_PAGE;
	uint32_t crc = 0;
	int fd = v->r->bulk[x->bulk].fd[0];

	while (done < size) {
		size_t want = size - done < CHUNK ? (size_t)(size - done) : CHUNK;
		ssize_t n = pread(fd, v->buf, want, (off_t)(x->offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cr_err_sys(&v->err, "unable to read the pages file");
		if (n == 0)
			break;
		crc = cr_crc32c(crc, v->buf, (size_t)n);
		cr_progress_add(&v->progress, (uint64_t)n);
		done += (uint64_t)n;
	}
	if (done == size && crc == x->crc)
		return 0;
	return cr_err_set(&v->err, CR_BAD_INPUT,
			  "%s: pid %u: the pages at %" PRIx64 " have a wrong checksum",
			  v->r->opts.dir, pid, x->address);
}

static int check_borrowed(const struct task_image *t, struct cr_cover *cover, struct cr_err *err)
{
	for (size_t n = 0; n < t->extents.count; n++) {
		const struct extent *x = &t->extents.list[n];

		if (x->borrowed && (x->pages > UINT64_MAX / CR_PAGE ||
				    !cr_cover_has(cover, x->bulk, x->offset, x->pages * CR_PAGE)))
			return cr_err_set(
				err, CR_BAD_INPUT,
				"pid %u: the pages at %" PRIx64
				" are to be those of another process, which has none there",
				t->task->pid, x->address);
	}
	return 0;
}

static uint64_t all_bytes(const struct restore *r)
{
	uint64_t pages = 0;

	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		for (size_t n = 0; n < r->img.tasks[i].extents.count; n++)
			pages += r->img.tasks[i].extents.list[n].borrowed ?
					 0 :
					 r->img.tasks[i].extents.list[n].pages;
	return pages * CR_PAGE;
}

static int verify_all(struct verify *v)
{
	for (unsigned int i = 0; i < v->r->img.n_tasks; i++) {
		const struct task_image *t = &v->r->img.tasks[i];

		for (size_t n = 0; n < t->extents.count; n++)
			if (!t->extents.list[n].borrowed &&
			    verify_extent(v, &t->extents.list[n], t->task->pid) < 0)
				return -1;
	}
	return 0;
}

static void run(struct verify *v) __attribute__((noreturn));
static void run(struct verify *v)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cr_prefault(v->buf, sizeof(v->buf));
	/* The tasks read the same pages at the same time: it stands for both. */
	cr_progress_begin(&v->progress, "restore", all_bytes(v->r));
	v->result = verify_all(v);
	cr_progress_end(&v->progress);
	_exit(0);
}

int verify_check(const struct restore *r, struct cr_err *err)
{
	struct cr_cover cover = { 0 };
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < r->img.n_tasks; i++) {
		const struct extent_list *x = &r->img.tasks[i].extents;

		for (size_t n = 0; ret == 0 && n < x->count; n++)
			if (!x->list[n].borrowed)
				ret = cr_cover_add(&cover, x->list[n].bulk, x->list[n].offset,
						   x->list[n].pages * CR_PAGE, err);
	}
	for (unsigned int i = 0; ret == 0 && i < r->img.n_tasks; i++)
		ret = check_borrowed(&r->img.tasks[i], &cover, err);
	cr_cover_clear(&cover);
	return ret;
}

int verify_start(struct restore *r, struct verify **out, struct cr_err *err)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct verify *v =
		mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long pid;

	*out = NULL;
	if (v == MAP_FAILED)
		return cr_err_sys(err, "unable to map shared memory");
	v->r = r;
	pid = spare_clone(r, &args);
	if (pid == 0)
		run(v);
	if (pid < 0) {
		munmap(v, sizeof(*v));
		return cr_err_sys(err, "unable to create a process");
	}
	v->pid = (pid_t)pid;
	*out = v;
	return 0;
}

int verify_end(struct verify *v, struct cr_err *err)
{
	int ret, status;

	if (!v)
		return 0;
	while (waitpid(v->pid, &status, 0) < 0)
		if (errno != EINTR)
			return cr_err_sys(err, "waitpid");
	ret = v->result;
	if (ret < 0)
		*err = v->err;
	if (status) {
		cr_err_set(err, CR_SYSTEM, "the process that verifies the pages has died");
		ret = -1;
	}
	munmap(v, sizeof(*v));
	return ret;
}
