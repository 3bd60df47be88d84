/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "clean.h"
#include "copy.h"
#include "fault.h"
#include "list.h"
#include "pagemap.h"
#include "progress.h"

#define UNIT (4u << 20)
#define MAX_THREADS 4
#define HERE (2u << 20)		/* so much is copied at once, by the thread that adds */
#define OWN_BUF (64u << 10)	/* every page of it is paid for before the freeze */
#define SLACK (64u << 10)	/* more than was counted */
#define TICK_NS 200000000	/* between two looks at the progress */
#define TMPFS_MAGIC 0x01021994	/* <linux/magic.h> */

struct pool {
	int fd;
	bool on_disk;
	bool reserved;
	uint64_t end;		/* of what is laid out in the file */
	struct copier own;	/* of the thread that adds */
	uint64_t here;		/* bytes that it copied */
	pthread_t threads[MAX_THREADS];
	unsigned int n_threads;
	struct batch *first;
	struct batch *last;

	pthread_mutex_t lock;	/* of all below */
	pthread_cond_t work;
	pthread_cond_t idle;
	struct batch *next;	/* whose unit .unit is to be taken next */
	size_t unit;
	unsigned int busy;
	bool stop;
	bool failed;
	struct cr_err err;
	struct pool_totals totals;
	uint64_t done;		/* bytes, for the progress */
};

struct batch *batch_new(pid_t pid, pid_t eye, struct cr_err *err)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	b->pid = pid;
	b->eye = eye;
	b->fd = -1;
	return b;
}

int batch_span(struct batch *b, const struct span *s, struct cr_err *err)
{
	struct span *last = b->n_spans ? &b->spans[b->n_spans - 1] : NULL;

	if (last && last->address + last->length == s->address && last->forced == s->forced &&
	    last->keep_zero == s->keep_zero) {
		last->length += s->length;
		return 0;
	}
	if (cr_list_room(b->spans, b->n_spans, err) < 0)
		return -1;
	b->spans[b->n_spans++] = *s;
	return 0;
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_units; i++)
		free(b->units[i].extents);
	free(b->units);
	free(b->spans);
	free(b->loans);
	if (b->fd >= 0)
		close(b->fd);
	free(b);
}

/* Cut the spans into units, and lay them out in the file. */
static int lay_out(struct pool *p, struct batch *b, uint64_t total, struct cr_err *err)
{
	size_t n = (total + UNIT - 1) / UNIT, i = 0;
	uint64_t skip = 0;

	b->units = calloc(n + 1, sizeof(*b->units));
	if (!b->units)
		return cr_err_sys(err, "out of memory");
	for (; b->n_units < n; b->n_units++) {
		struct unit *u = &b->units[b->n_units];
		uint64_t left = total < UNIT ? total : UNIT;

		*u = (struct unit){ .span = i, .skip = skip, .length = left, .offset = p->end };
		p->end += left;
		total -= left;
		while (left) {
			uint64_t part = b->spans[i].length - skip;

			if (part > left)
				part = left;
			left -= part;
			skip += part;
			if (skip == b->spans[i].length) {
				i++;
				skip = 0;
			}
		}
	}
	return 0;
}

static int run_unit(struct pool *p, struct copier *c, struct batch *b, struct unit *u,
		    struct cr_err *err)
{
	cr_fault("pages-unit");
	if (copy_unit(c, b, u, err) < 0)
		return -1;
	/* So that there is less to wait for when the image is synced. */
	if (p->on_disk)
		sync_file_range(p->fd, (off_t)u->offset, (off_t)u->length, SYNC_FILE_RANGE_WRITE);
	return 0;
}

/* With the lock: what a copier has counted. */
static void account(struct pool *p, struct copier *c, struct batch *b)
{
	p->totals.written += c->written;
	p->totals.zero += c->zero;
	if (c->n_bad && (!b->n_bad || c->bad_address < b->bad_address))
		b->bad_address = c->bad_address;
	b->n_bad += c->n_bad;
	c->written = c->zero = c->n_bad = 0;
}

/* With the lock. */
static struct unit *take(struct pool *p, struct batch **b)
{
	while (p->next && (p->next->copied || p->unit == p->next->n_units)) {
		p->next = p->next->next;
		p->unit = 0;
	}
	if (!p->next || p->failed)
		return NULL;
	*b = p->next;
	return &p->next->units[p->unit++];
}

static void *work(void *arg)
{
	struct pool *p = arg;
	struct copier c;
	struct cr_err err = { 0 };
	struct batch *b;
	struct unit *u;
	bool bad = copier_init(&c, p->fd, COPY_BUF, &err) < 0;

	pthread_mutex_lock(&p->lock);
	while (!p->stop && !bad) {
		u = take(p, &b);
		if (!u) {
			pthread_cond_signal(&p->idle);
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		p->busy++;
		c.punch = p->reserved;
		pthread_mutex_unlock(&p->lock);
		bad = run_unit(p, &c, b, u, &err) < 0;
		pthread_mutex_lock(&p->lock);
		p->busy--;
		p->done += u->length;
		account(p, &c, b);
	}
	if (bad && !p->failed) {
		p->failed = true;
		p->err = err;
		pthread_cond_signal(&p->idle);
	}
	pthread_mutex_unlock(&p->lock);
	copier_release(&c);
	return NULL;
}

static unsigned int processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return MAX_THREADS;
	return CPU_COUNT(&set) < MAX_THREADS ? (unsigned int)CPU_COUNT(&set) : MAX_THREADS;
}

static bool is_on_disk(int fd)
{
	struct statfs sf;

	return fstatfs(fd, &sf) == 0 && sf.f_type != TMPFS_MAGIC;
}

int pool_open(int fd, struct pool **out, struct cr_err *err)
{
	struct pool *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return cr_err_sys(err, "out of memory");
	p->fd = fd;
	p->on_disk = is_on_disk(fd);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->idle, NULL);
	return copier_init(&p->own, fd, OWN_BUF, err);
}

/* To start, fill and end them costs more than to copy what is copied here. */
static int start_threads(struct pool *p, struct cr_err *err)
{
	unsigned int want = processors();

	while (p->n_threads < want) {
		errno = pthread_create(&p->threads[p->n_threads], NULL, work, p);
		if (errno)
			return cr_err_sys(err, "unable to start a thread");
		p->n_threads++;
	}
	return 0;
}

void pool_free(struct pool *p)
{
	struct batch *next;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	for (struct batch *b = p->first; b; b = next) {
		next = b->next;
		batch_free(b);
	}
	copier_release(&p->own);
	free(p);
}

/*
 * tmpfs takes its pages when they are first written, which is half of the work
 * of writing them.  What turns out to be too much goes back in pool_wait().
 */
void pool_reserve(struct pool *p, uint64_t bytes)
{
	struct cr_err ignored;
	struct statfs sf;

	if (bytes > HERE)
		(void)!start_threads(p, &ignored);
	bytes += SLACK;
	if (p->on_disk || fstatfs(p->fd, &sf) < 0 || sf.f_blocks == 0 ||
	    bytes / 2 > sf.f_bavail * (uint64_t)sf.f_bsize / 4)
		return;
	p->reserved = fallocate(p->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) == 0;
	p->own.punch = p->reserved;
}

/* A small process is done before a thread has woken up. */
static int copy_here(struct pool *p, struct batch *b, struct cr_err *err)
{
	for (size_t i = 0; i < b->n_units; i++)
		if (run_unit(p, &p->own, b, &b->units[i], err) < 0)
			return -1;
	pthread_mutex_lock(&p->lock);
	account(p, &p->own, b);
	b->copied = true;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static void append(struct pool *p, struct batch *b)
{
	if (p->last)
		p->last->next = b;
	else
		p->first = b;
	p->last = b;
}

static void enqueue(struct pool *p, struct batch *b)
{
	pthread_mutex_lock(&p->lock);
	append(p, b);
	if (!p->next && b->n_units) {
		p->next = b;
		p->unit = 0;
	}
	if (b->n_units > 1)
		pthread_cond_broadcast(&p->work);
	else
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

int pool_add(struct pool *p, struct batch *b, struct cr_err *err)
{
	uint64_t total = 0;

	for (size_t i = 0; i < b->n_spans; i++)
		total += b->spans[i].length;
	p->totals.bytes += total;
	if (lay_out(p, b, total, err) < 0)
		goto fail;
	if (p->here + total > HERE) {
		if (start_threads(p, err) < 0)
			goto fail;
		enqueue(p, b);
		return 0;
	}
	p->here += total;
	if (copy_here(p, b, err) < 0)
		goto fail;
	pthread_mutex_lock(&p->lock);
	append(p, b);
	pthread_mutex_unlock(&p->lock);
	return 0;
fail:
	batch_free(b);
	return -1;
}

static void wait_tick(struct pool *p)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += TICK_NS;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_nsec -= 1000000000;
		ts.tv_sec++;
	}
	pthread_cond_timedwait(&p->idle, &p->lock, &ts);
}

static int give_back(struct pool *p, struct cr_err *err)
{
	struct stat sb;

	if (fstat(p->fd, &sb) < 0 || ftruncate(p->fd, sb.st_size) < 0)
		return cr_err_sys(err, "unable to trim the pages file");
	return 0;
}

int pool_wait(struct pool *p, struct cr_err *err)
{
	struct cr_progress progress;
	uint64_t seen = 0;

	cr_progress_begin(&progress, "pages", p->totals.bytes);
	pthread_mutex_lock(&p->lock);
	while (!p->failed && (p->busy || p->next)) {
		wait_tick(p);
		cr_progress_add(&progress, p->done - seen);
		seen = p->done;
	}
	if (p->failed)
		*err = p->err;
	pthread_mutex_unlock(&p->lock);
	cr_progress_end(&progress);
	if (p->failed)
		return -1;
	return p->reserved ? give_back(p, err) : 0;
}

struct batch *pool_batches(const struct pool *p)
{
	return p->first;
}

void pool_totals(const struct pool *p, struct pool_totals *out)
{
	*out = p->totals;
}
