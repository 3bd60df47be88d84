/* SPDX-License-Identifier: MIT */
#include "pipe-fill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

const Cr__PipeData *pipe_data(const struct restore *r, uint32_t pipe)
{
	const struct msg_list *l = &r->img.kinds[CR_KIND_PIPE_DATA];

	/* They are numbered in order, mostly. */
	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__PipeData *d = l->items[(i + pipe - 1) % l->count];

		if (d->pipe == pipe)
			return d;
	}
	return NULL;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A packet is what one write(2) with O_DIRECT has put there. */
static int write_pieces(int fd, const Cr__PipeData *d, struct cr_err *err)
{
	size_t done = 0;

	for (size_t i = 0; i < d->n_pieces; i++) {
		const Cr__PipePiece *p = d->pieces[i];

		if (p->length > d->data.len - done)
			return cr_err_set(err, CR_BAD_INPUT, "pipe %u: malformed pieces", d->pipe);
		if (fcntl(fd, F_SETFL, O_NONBLOCK | (p->packet ? O_DIRECT : 0)) < 0 ||
		    write_all(fd, d->data.data + done, p->length) < 0)
			return cr_err_sys(err, "pipe %u: unable to put its packets back", d->pipe);
		done += p->length;
	}
	if (done != d->data.len)
		return cr_err_set(err, CR_BAD_INPUT, "pipe %u: malformed pieces", d->pipe);
	return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? cr_err_sys(err, "F_SETFL of a pipe") : 0;
}

int pipe_fill(int fd, const Cr__PipeData *d, struct cr_err *err)
{
	if (d->capacity && fcntl(fd, F_GETPIPE_SZ) != (int)d->capacity &&
	    fcntl(fd, F_SETPIPE_SZ, (int)d->capacity) < 0)
		return cr_err_sys(err, "pipe %u: unable to give it %u bytes", d->pipe, d->capacity);
	if (d->n_pieces)
		return write_pieces(fd, d, err);
	if (write_all(fd, d->data.data, d->data.len) < 0)
		return cr_err_sys(err, "pipe %u: unable to put its bytes back", d->pipe);
	return 0;
}

struct object_fd *pipe_object_new(struct restore *r, uint32_t pipe, struct cr_err *err)
{
	struct object_fd *grown = r->pipes;

	/* Room grows at each power of two. */
	if ((r->n_pipes & (r->n_pipes - 1)) == 0)
		grown = realloc(r->pipes, (r->n_pipes ? r->n_pipes * 2 : 1) * sizeof(*grown));
	if (!grown) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	r->pipes = grown;
	grown[r->n_pipes] = (struct object_fd){ pipe, { -1, -1 } };
	return &grown[r->n_pipes++];
}
