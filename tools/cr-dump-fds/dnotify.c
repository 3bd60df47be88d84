/* SPDX-License-Identifier: MIT */
#include "dnotify.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "clean.h"
#include "peek.h"

#define LONGEST 65536	/* a list is no longer, unless it is misread */

static const uint32_t events[] = {
	DN_ACCESS, DN_MODIFY, DN_CREATE, DN_DELETE, DN_RENAME, DN_ATTRIB
};
#define EVENTS (sizeof(events) / sizeof(events[0]))

/* What this kernel makes of them, and the group that dnotify's marks are of. */
struct dnotify {
	struct peek p;
	uint64_t group;
	uint32_t bits[EVENTS];
	uint32_t multishot;
};

/* The marks of an inode, one after the other: 0 at the end. */
static uint64_t first_mark(struct peek *p, uint64_t file)
{
	uint64_t inode = peek_member(p, file, "file", "f_inode", 8);
	uint64_t at = peek_member(p, inode, "inode", "i_fsnotify_marks", 8);

	at = at ? peek_member(p, at, "fsnotify_mark_connector", "list", 8) : 0;
	return at ? at - peek_address(p, 0, "fsnotify_mark", "obj_list") : 0;
}

static uint64_t next_mark(struct peek *p, uint64_t mark)
{
	uint64_t at = peek_member(p, mark, "fsnotify_mark", "obj_list", 8);

	return at ? at - peek_address(p, 0, "fsnotify_mark", "obj_list") : 0;
}

static uint64_t group_of(struct peek *p, uint64_t mark)
{
	return peek_member(p, mark, "fsnotify_mark", "group", 8);
}

/* The first request of a mark that is known to be dnotify's. */
static uint64_t first_request(struct peek *p, uint64_t mark)
{
	mark -= peek_address(p, 0, "dnotify_mark", "fsn_mark");
	return peek_member(p, mark, "dnotify_mark", "dn", 8);
}

static uint32_t mask_of(struct peek *p, uint64_t request)
{
	return (uint32_t)peek_member(p, request, "dnotify_struct", "dn_mask", 4);
}

/* Ask for it with a directory that only we have, and look. */
static uint32_t try_mask(struct dnotify *n, int fd, uint32_t mask)
{
	uint64_t file = peek_file(&n->p, fd), mark, request = 0;
	uint32_t is = 0;

	if (fcntl(fd, F_NOTIFY, mask) < 0)
		return 0;
	mark = first_mark(&n->p, file);
	if (mark && !next_mark(&n->p, mark))
		request = first_request(&n->p, mark);
	if (request && peek_member(&n->p, request, "dnotify_struct", "dn_filp", 8) == file) {
		n->group = group_of(&n->p, mark);
		is = mask_of(&n->p, request);
	}
	return fcntl(fd, F_NOTIFY, 0) < 0 ? 0 : is;
}

static bool try_all(struct dnotify *n, int fd)
{
	uint32_t common = ~0u;

	for (size_t i = 0; i < EVENTS; i++) {
		n->bits[i] = try_mask(n, fd, events[i]);
		common &= n->bits[i];
		if (!n->bits[i])
			return false;
	}
	n->multishot = try_mask(n, fd, events[0] | DN_MULTISHOT) & ~n->bits[0];
	for (size_t i = 0; i < EVENTS; i++)
		n->bits[i] &= ~common;
	return n->multishot && n->group && !peek_fault(&n->p);
}

/* How this kernel writes them down; false: that cannot be seen. */
static bool learn(struct dump *d, struct dnotify *n)
{
	cr_auto_fd int fd = -1;
	void (*before)(int);
	bool ok;

	n->p.kernel = dump_peek(d);
	fd = n->p.kernel ? open("/proc/self/fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	before = signal(SIGIO, SIG_IGN);
	ok = try_all(n, fd);
	signal(SIGIO, before);
	return ok;
}

static uint32_t to_request(const struct dnotify *n, uint32_t mask)
{
	uint32_t out = mask & n->multishot ? (uint32_t)DN_MULTISHOT : 0;

	for (size_t i = 0; i < EVENTS; i++)
		if ((mask & n->bits[i]) == n->bits[i])
			out |= events[i];
	return out;
}

/* The process whose descriptor table that is. */
static const struct process *owner_of(const struct dump *d, struct peek *p, uint64_t table)
{
	for (unsigned int i = 0; i < d->n_procs; i++) {
		const struct process *of = d->procs[i];

		if (!of->same && table &&
		    peek_member(p, peek_task(p, of->pid), "task_struct", "files", 8) == table)
			return of;
	}
	return NULL;
}

static int add(Cr__FileOwner *m, const struct process *of, uint32_t fd, uint32_t mask,
	       struct cr_err *err)
{
	Cr__DirNotify **grown = realloc(m->watches, (m->n_watches + 1) * sizeof(m->watches[0]));
	Cr__DirNotify *w = malloc(sizeof(*w));

	if (grown)
		m->watches = grown;
	if (!grown || !w) {
		free(w);
		return cr_err_sys(err, "out of memory");
	}
	cr__dir_notify__init(w);
	w->pid = (uint32_t)of->task;
	w->fd = fd;
	w->mask = mask;
	m->watches[m->n_watches++] = w;
	return 0;
}

void dnotify_release(Cr__FileOwner *m)
{
	for (size_t i = 0; i < m->n_watches; i++)
		free(m->watches[i]);
	free(m->watches);
	m->watches = NULL;
	m->n_watches = 0;
}

/* Those of the requests of a mark that were made with @file. */
static int fill_from(struct dump *d, struct dnotify *n, uint64_t mark, uint64_t file,
		     Cr__FileOwner *m, bool *outside, struct cr_err *err)
{
	struct peek *p = &n->p;
	uint64_t at = first_request(p, mark);

	for (unsigned int i = 0; at && i < LONGEST; i++) {
		const struct process *of;
		uint32_t fd, mask;

		if (peek_member(p, at, "dnotify_struct", "dn_filp", 8) == file) {
			of = owner_of(d, p, peek_member(p, at, "dnotify_struct", "dn_owner", 8));
			fd = (uint32_t)peek_member(p, at, "dnotify_struct", "dn_fd", 4);
			mask = to_request(n, mask_of(p, at));
			*outside |= !of;
			if (of && add(m, of, fd, mask, err) < 0)
				return -1;
		}
		at = peek_member(p, at, "dnotify_struct", "dn_next", 8);
	}
	return 0;
}

static int refuse(struct dump *d, const struct file *f, const char *why, const char *remedy,
		  struct cr_err *err)
{
	return file_refuse(d, f, "directory", why, remedy, err) < 0 ? -1 : 1;
}

int dnotify_fill(struct dump *d, const struct file *f, Cr__FileOwner *m, struct cr_err *err)
{
	struct peek p = { .kernel = dump_peek(d) };
	struct dnotify n = { 0 };
	cr_auto_fd int fd = file_get(f, err);
	uint64_t file = 0, mark = 0;
	bool outside = false;

	if (fd < 0)
		return -1;
	if (p.kernel) {
		file = peek_file(&p, fd);
		mark = first_mark(&p, file);
	}
	if (p.kernel && !peek_fault(&p) && !mark)
		return 0;
	if (!p.kernel || peek_fault(&p) || !learn(d, &n))
		return refuse(d, f,
			      "it has an owner and may be watched by F_NOTIFY, which is not seen",
			      "close it, use inotify, or dump with CAP_BPF and CAP_PERFMON", err);
	for (unsigned int i = 0; mark && i < LONGEST; i++) {
		if (group_of(&n.p, mark) == n.group &&
		    fill_from(d, &n, mark, file, m, &outside, err) < 0)
			return -1;
		mark = next_mark(&n.p, mark);
	}
	if (peek_fault(&n.p))
		return refuse(d, f, peek_fault(&n.p), "close it, or use inotify", err);
	if (outside)
		return refuse(d, f, "a process outside of the tree has it watched by F_NOTIFY",
			      "close it", err);
	return 0;
}
