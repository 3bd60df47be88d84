/* SPDX-License-Identifier: MIT */
#include "ghosts.h"

#include <stdlib.h>
#include <string.h>

#include "fileref.h"
#include "ghost-link.h"
#include "ghost.h"
#include "image.h"

struct ghosts {
	struct known {
		uint64_t dev;
		uint64_t ino;
		uint32_t id;
	} * known;
	unsigned int count;
	uint32_t last_id;
};

static struct ghosts *get(struct dump *d, struct cr_err *err)
{
	if (!d->ghosts)
		d->ghosts = calloc(1, sizeof(*d->ghosts));
	if (!d->ghosts)
		cr_err_sys(err, "out of memory");
	return d->ghosts;
}

static int add(struct ghosts *gs, uint64_t dev, uint64_t ino, uint32_t id, struct cr_err *err)
{
	struct known *grown;

	if ((gs->count & (gs->count - 1)) == 0) {
		grown = realloc(gs->known, (gs->count ? gs->count * 2 : 1) * sizeof(*grown));
		if (!grown)
			return cr_err_sys(err, "out of memory");
		gs->known = grown;
	}
	gs->known[gs->count++] = (struct known){ dev, ino, id };
	if (id > gs->last_id)
		gs->last_id = id;
	return 0;
}

int ghosts_note(struct dump *d, const Cr__Ghost *g, struct cr_err *err)
{
	struct ghosts *gs = get(d, err);

	return gs ? add(gs, g->dev, g->ino, g->id, err) : -1;
}

static uint32_t find(const struct ghosts *gs, const struct stat *sb)
{
	for (unsigned int i = 0; i < gs->count; i++)
		if (gs->known[i].dev == sb->st_dev && gs->known[i].ino == sb->st_ino)
			return gs->known[i].id;
	return 0;
}

/* The image directory, once it is needed. */
static int open_dir(struct dump *d, struct cr_err *err)
{
	if (d->dirfd < 0 && d->opts->dir) {
		d->dirfd = cr_image_dir(d->opts->dir, true, err);
		if (d->dirfd < 0)
			return -1;
	}
	return 0;
}

static int carry(struct dump *d, int fd, const char *path, const struct ghost_hint *hint,
		 uint32_t id, struct cr_err *err)
{
	Cr__Ghost g = CR__GHOST__INIT;
	int ret = hint->link ? cr_ghost_link(fd, path, id, d->dirfd, &g, err) :
			       cr_ghost_fill(fd, path, id, hint->limit, d->dirfd, &g, err);

	if (ret)
		return ret < 0 ? -1 : GHOST_REFUSED;
	g.tmpfile |= hint->tmpfile;
	g.memfd = hint->memfd;
	g.embedded = hint->embedded;
	g.seals = hint->seals;
	ret = cr_stage_put(d->st, CR_KIND_GHOST, &g, err);
	cr_ghost_release(&g);
	return ret;
}

static int fill_ref(const char *path, const struct stat *sb, uint32_t id, Cr__FileRef *ref,
		    struct cr_err *err)
{
	cr__file_ref__init(ref);
	ref->path = strndup(path, cr_ghost_path_len(path));
	if (!ref->path)
		return cr_err_sys(err, "out of memory");
	ref->dev = sb->st_dev;
	ref->ino = sb->st_ino;
	ref->mode = sb->st_mode;
	ref->size = (uint64_t)sb->st_size;
	ref->rdev = sb->st_rdev;
	ref->ghost = id;
	return 0;
}

/* The id of the file in the image; an enum ghost_result, or -1. */
static int carry_once(struct dump *d, int fd, const char *path, const struct ghost_hint *hint,
		      const struct stat *sb, uint32_t *id, struct cr_err *err)
{
	struct ghosts *gs = get(d, err);
	int ret;

	if (!gs)
		return -1;
	*id = find(gs, sb);
	if (*id)
		return GHOST_DONE;
	if (!d->opts->dir && S_ISREG(sb->st_mode) && sb->st_size && !hint->link) {
		cr_err_set(err, CR_REFUSED, "its content needs a place");
		return GHOST_REFUSED;
	}
	*id = gs->last_id + 1;
	if (open_dir(d, err) < 0)
		return -1;
	ret = carry(d, fd, path, hint, *id, err);
	return ret ? ret : add(gs, sb->st_dev, sb->st_ino, *id, err);
}

int ghosts_ref(struct dump *d, int fd, const char *path, const struct ghost_hint *hint,
	       Cr__FileRef *ref, struct cr_err *err)
{
	struct stat sb;
	uint32_t id;
	int ret;

	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "fstat");
	ret = carry_once(d, fd, path, hint, &sb, &id, err);
	if (ret)
		return ret;
	return fill_ref(path, &sb, id, ref, err) < 0 ? -1 : GHOST_DONE;
}

int ghosts_ref_or_link(struct dump *d, int fd, const char *path, struct ghost_hint hint,
		       Cr__FileRef *ref, const char **remedy, struct cr_err *err)
{
	struct stat sb;
	int ret = cr_fileref_fill_beside(fd, path, ref, err);

	if (ret <= 0)
		return ret < 0 ? -1 : GHOST_DONE;
	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "fstat");
	hint.link = cr_ghost_has_link(&sb, path);
	*remedy = !d->opts->dir ? "use -D" : hint.link ? "close it" : CR_GHOST_REMEDY;
	if (sb.st_nlink && !hint.link) {
		*remedy = "close it";
		cr_err_set(err, CR_REFUSED, "its path does not lead to it");
		return GHOST_REFUSED;
	}
	if (!hint.link || d->opts->link_remap)
		return ghosts_ref(d, fd, path, &hint, ref, err);
	/* An earlier stage may have been told otherwise. */
	if (d->ghosts && find(d->ghosts, &sb))
		return ghosts_ref(d, fd, path, &hint, ref, err);
	*remedy = CR_LINK_REMEDY;
	cr_err_set(err, CR_REFUSED, "it has another link");
	return GHOST_REFUSED;
}

int ghosts_embed(struct dump *d, int fd, Cr__FileRef *ref, struct cr_err *err)
{
	const struct ghost_hint hint = { .embedded = true, .limit = UINT64_MAX };
	struct stat sb;

	if (fstat(fd, &sb) < 0)
		return cr_err_sys(err, "fstat");
	/* Without a place for content it is only shown that there is a file. */
	return carry_once(d, fd, ref->path, &hint, &sb, &ref->embedded, err) < 0 ? -1 : 0;
}

void ghosts_free(struct dump *d)
{
	if (d->ghosts)
		free(d->ghosts->known);
	free(d->ghosts);
	d->ghosts = NULL;
}
