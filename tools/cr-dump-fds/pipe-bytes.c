/* SPDX-License-Identifier: MIT */
#include "pipe-bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clean.h"

struct scratch {
	int r;
	int w;
};

static void close_scratch(const struct scratch *s)
{
	cr_clean_fd(&s->r);
	cr_clean_fd(&s->w);
}

#define auto_scratch __attribute__((cleanup(close_scratch)))

static int open_scratch(struct scratch *s, int capacity, struct cr_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return cr_err_sys(err, "pipe2");
	s->r = fds[0];
	s->w = fds[1];
	if (fcntl(s->w, F_GETPIPE_SZ) != capacity && fcntl(s->w, F_SETPIPE_SZ, capacity) < 0) {
		if (errno == EPERM)
			return cr_err_set(err, CR_REFUSED,
					  "its %d bytes are more than pipe-max-size allows",
					  capacity);
		return cr_err_sys(err, "F_SETPIPE_SZ");
	}
	return 0;
}

static int left(int fd)
{
	int n;

	return ioctl(fd, FIONREAD, &n) < 0 ? -1 : n;
}

/* A pipe of our own with all that @fd has. */
static int copy_all(int fd, int capacity, size_t len, struct scratch *s, struct cr_err *err)
{
	ssize_t n;

	if (open_scratch(s, capacity, err) < 0)
		return -1;
	n = tee(fd, s->w, len, SPLICE_F_NONBLOCK);
	if (n < 0)
		return cr_err_sys(err, "tee");
	if ((size_t)n != len)
		return cr_err_set(err, CR_SYSTEM, "tee gave %zd bytes of %zu", n, len);
	return 0;
}

static int add_piece(struct pipe_bytes *b, uint32_t len, bool packet, struct cr_err *err)
{
	struct pipe_piece *last = b->n_pieces ? &b->pieces[b->n_pieces - 1] : NULL;

	if (last && !last->packet && !packet) {
		last->length += len;
		return 0;
	}
	if ((b->n_pieces & (b->n_pieces - 1)) == 0) {
		last = realloc(b->pieces, (b->n_pieces ? b->n_pieces * 2 : 1) * sizeof(*last));
		if (!last)
			return cr_err_sys(err, "out of memory");
		b->pieces = last;
	}
	b->pieces[b->n_pieces++] = (struct pipe_piece){ len, packet };
	return 0;
}

/*
 * The length of the first buffer of @all and whether it is a packet.  @one is
 * an empty pipe with room for one buffer.  A read takes a packet whole; of a
 * buffer with a single byte nobody can tell, so it is a packet among packets.
 */
static int first_buffer(const struct scratch *all, const struct scratch *one, size_t *len,
			bool *packet, struct cr_err *err)
{
	char byte, rest[4096];
	int n;

	if (tee(all->r, one->w, SSIZE_MAX, SPLICE_F_NONBLOCK) <= 0)
		return cr_err_sys(err, "tee");
	n = left(one->r);
	if (n <= 0 || read(one->r, &byte, 1) != 1)
		return cr_err_sys(err, "unable to read a pipe of our own");
	*len = (size_t)n;
	*packet = n == 1 || left(one->r) == 0;
	while (left(one->r) > 0)
		if (read(one->r, rest, sizeof(rest)) <= 0)
			return cr_err_sys(err, "unable to read a pipe of our own");
	return 0;
}

static int read_pieces(int fd, int capacity, struct pipe_bytes *b, struct cr_err *err)
{
	auto_scratch struct scratch all = { -1, -1 }, one = { -1, -1 };
	size_t len, done = 0;
	bool packet;

	if (copy_all(fd, capacity, b->len, &all, err) < 0 ||
	    open_scratch(&one, (int)sysconf(_SC_PAGESIZE), err) < 0)
		return -1;
	for (; done < b->len; done += len) {
		if (first_buffer(&all, &one, &len, &packet, err) < 0)
			return -1;
		if (len > b->len - done || read(all.r, b->data + done, len) != (ssize_t)len)
			return cr_err_set(err, CR_SYSTEM, "its packets are not understood");
		if (add_piece(b, (uint32_t)len, packet, err) < 0)
			return -1;
	}
	return 0;
}

int pipe_bytes_read(int fd, int capacity, bool packets, struct pipe_bytes *out, struct cr_err *err)
{
	auto_scratch struct scratch all = { -1, -1 };
	int len = left(fd);

	memset(out, 0, sizeof(*out));
	if (len < 0)
		return cr_err_sys(err, "FIONREAD");
	if (len == 0)
		return 0;
	out->len = (size_t)len;
	out->data = malloc(out->len);
	if (!out->data)
		return cr_err_sys(err, "out of memory");
	if (!packets) {
		if (copy_all(fd, capacity, out->len, &all, err) < 0)
			return -1;
		if (read(all.r, out->data, out->len) == (ssize_t)out->len)
			return 0;
		/* The read stopped early, at a packet. */
	}
	return read_pieces(fd, capacity, out, err);
}

void pipe_bytes_free(struct pipe_bytes *b)
{
	free(b->data);
	free(b->pieces);
	memset(b, 0, sizeof(*b));
}
