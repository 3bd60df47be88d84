/* SPDX-License-Identifier: MIT */
#include "hugetlb.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"

#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4u	/* 4.14 */
#endif

#define CHUNK (256u << 10)

static uint32_t shift_of(const struct statfs *fs)
{
	uint64_t size = (uint64_t)fs->f_bsize;

	if ((uint32_t)fs->f_type != HUGETLBFS_MAGIC || !size || size & (size - 1))
		return 0;
	return (uint32_t)__builtin_ctzll(size);
}

uint32_t cr_huge_shift(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 ? 0 : shift_of(&fs);
}

uint32_t cr_huge_shift_at(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) < 0 ? 0 : shift_of(&fs);
}

uint32_t cr_huge_own_shift(dev_t dev)
{
	static dev_t devs[CR_HUGE_SHIFT_MAX + 1];
	static bool asked;

	/* An object without pages takes none. */
	for (uint32_t s = CR_HUGE_SHIFT_MIN; !asked && s <= CR_HUGE_SHIFT_MAX; s++) {
		cr_auto_fd int fd =
			memfd_create("", MFD_CLOEXEC | MFD_HUGETLB | (unsigned int)cr_huge_flag(s));
		struct stat sb;

		devs[s] = fd >= 0 && fstat(fd, &sb) == 0 ? sb.st_dev : 0;
	}
	asked = true;
	for (uint32_t s = CR_HUGE_SHIFT_MIN; s <= CR_HUGE_SHIFT_MAX; s++)
		if (devs[s] && devs[s] == dev)
			return s;
	return 0;
}

bool cr_huge_is_full(const struct stat *sb)
{
	return (uint64_t)sb->st_blocks * 512 >= (uint64_t)sb->st_size;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return !n || (!p[0] && memcmp(p, p + 1, n - 1) == 0);
}

bool cr_huge_next_data(int fd, uint32_t shift, uint64_t at, uint64_t size, uint64_t *start,
		       bool *failed)
{
	cr_auto_free uint8_t *buf = malloc(CHUNK);
	uint64_t page = 1ull << shift;

	*failed = !buf;
	while (buf && at < size) {
		ssize_t n = pread(fd, buf, CHUNK, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		*failed = n <= 0;
		if (n <= 0)
			return false;
		if (!is_zero(buf, (size_t)n)) {
			*start = at & ~(page - 1);
			return true;
		}
		at += (uint64_t)n;
	}
	return false;
}

/* What does not fit is an error, and no signal: it is the kernel that writes. */
static int read_all(int from, uint64_t in, uint8_t *to, uint64_t length, struct cr_err *err)
{
	uint64_t done = 0;

	while (done < length) {
		ssize_t n = pread(from, to + done, length - done, (off_t)(in + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EFAULT)
			return cr_err_set(err, CR_SYSTEM, "no huge page is free");
		if (n < 0)
			return cr_err_sys(err, "unable to fill huge pages");
		if (n == 0)
			return cr_err_set(err, CR_BAD_INPUT,
					  "the bytes of huge pages are truncated");
		done += (uint64_t)n;
	}
	return 0;
}

int cr_huge_copy(int to, uint32_t shift, uint64_t out, int from, uint64_t in, uint64_t length,
		 uint32_t *crc, struct cr_err *err)
{
	uint64_t start = out & ~((1ull << shift) - 1);
	uint64_t size = cr_huge_round(out - start + length, shift);
	uint8_t *p;
	int ret;

	if (!length)
		return 0;
	/* A reservation would stay with the file. */
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, to, (off_t)start);
	if (p == MAP_FAILED)
		return cr_err_sys(err, "unable to map huge pages");
	ret = read_all(from, in, p + (out - start), length, err);
	if (ret == 0)
		*crc = cr_crc32c(*crc, p + (out - start), length);
	munmap(p, size);
	return ret;
}

static bool number(uint32_t shift, const char *name, uint64_t *out)
{
	cr_auto_file FILE *f = NULL;
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/%s",
		 (1ull << shift) / 1024, name);
	f = fopen(path, "re");
	return f && fscanf(f, "%" SCNu64, out) == 1;
}

bool cr_huge_free(uint32_t shift, uint64_t *pages)
{
	uint64_t idle, reserved, demand, surplus;

	if (!cr_huge_is_shift(shift) || !number(shift, "free_hugepages", &idle) ||
	    !number(shift, "resv_hugepages", &reserved) ||
	    !number(shift, "nr_overcommit_hugepages", &demand) ||
	    !number(shift, "surplus_hugepages", &surplus))
		return false;
	*pages = idle > reserved ? idle - reserved : 0;
	*pages += demand > surplus ? demand - surplus : 0;
	return true;
}
