/* SPDX-License-Identifier: MIT */
/*
 * The image directory: manifest.img, a stream, and the bulk files it names.
 * An image is complete exactly when manifest.img is there.
 *
 * Bulk files are made under names that no file has, so a new dump never harms
 * the image that is there; cr_image_commit() puts the new manifest in its
 * place in one step.  Everybody who dumps into a directory holds a shared lock
 * on it (flock(2)) until the process ends, and who leaves it last, or comes
 * first, removes the files that no manifest names: what a failed dump has left,
 * and what belonged to an image that has been replaced.
 * Only names that cr_image_is_bulk() or cr_image_is_temporary() knows are ever
 * removed.
 */
#ifndef CR_IMAGE_H
#define CR_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "stream.h"

#define CR_MANIFEST "manifest.img"
#define CR_IMAGE_NAME_MAX 64

/* Open the directory; returns the descriptor.  @dump: make it when it is not
 * there, take the lock; once in a process, and exit(3) then looks for what is
 * to be removed. */
int cr_image_dir(const char *path, bool dump, struct cr_err *err) CR_MUST;

/*
 * Make a new bulk file "STEM-N.bulk", 0600, in the directory; its name goes to
 * @name (at least CR_IMAGE_NAME_MAX bytes).  Returns the descriptor (O_RDWR).
 * @stem: lower-case letters.
 */
int cr_image_create(int dirfd, const char *stem, char *name, struct cr_err *err) CR_MUST;

/* "STEM-N.bulk"; "manifest-N.tmp" */
bool cr_image_is_bulk(const char *name);
bool cr_image_is_temporary(const char *name);

/* The bulk file that a record names: PagesFile, Ghost.  False: it names none. */
bool cr_image_bulk_of(unsigned int kind, const void *msg, const char **name, uint64_t *size);

/* Open a bulk file for reading; CR_BAD_INPUT when it is not there as a regular
 * file of that size, or when the name is none of a bulk file. */
int cr_image_open_bulk(int dirfd, const char *name, uint64_t size, struct cr_err *err) CR_MUST;

/* Open manifest.img for reading; CR_BAD_INPUT when there is none. */
int cr_image_open_manifest(int dirfd, struct cr_err *err) CR_MUST;

/* Names of bulk files, and how large each is to be. */
struct cr_image_files {
	struct cr_image_file {
		char *name;
		uint64_t size;
	} * list;
	unsigned int count;
	bool sorted;
};
int cr_image_files_add(struct cr_image_files *files, const char *name, uint64_t size,
		       struct cr_err *err) CR_MUST;
void cr_image_files_clear(struct cr_image_files *files);

/* A manifest under construction: make it, write to .fd, then commit. */
struct cr_image_manifest {
	int dirfd;
	int fd;
	char name[CR_IMAGE_NAME_MAX];	/* "" when there is none to be removed */
	enum {
		CR_IMAGE_TEMPORARY,	/* not committed */
		CR_IMAGE_FIRST,
		CR_IMAGE_EXCHANGED,	/* .name is the former manifest now */
		CR_IMAGE_OVERWRITTEN,	/* the file system cannot exchange */
	} place;
};
int cr_image_manifest_begin(int dirfd, struct cr_image_manifest *m, struct cr_err *err) CR_MUST;

/* See that every file in @files is there with its size, sync them, the
 * manifest and the directory, and put the manifest in place.  When it returns
 * 0 the image is complete and durable. */
int cr_image_commit(struct cr_image_manifest *m, const struct cr_image_files *files,
		    struct cr_err *err) CR_MUST;

/* Take the commit back: what was there before is there again. */
int cr_image_revert(struct cr_image_manifest *m, struct cr_err *err) CR_MUST;

/* After a commit: remove the former manifest and the bulk files that it names
 * and @files does not.  Without one: remove the temporary file. */
void cr_image_finish(struct cr_image_manifest *m, struct cr_image_files *files);

#endif
