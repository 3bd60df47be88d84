/* SPDX-License-Identifier: MIT */
/*
 * memfds, mapped and not: mode, owner, name, attributes, seals (also one that
 * leaves the mapping writable that was there before), descriptors of all access
 * modes.
 */
#include <sys/mman.h>
#include <sys/xattr.h>

#include "target.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10	/* 5.1 */
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20	/* 6.3 */
#define MFD_NOEXEC_SEAL 8u
#define MFD_EXEC 0x10u
#endif
#define PAGE 4096ul

static struct memfd {
	const char *name;
	mode_t mode;
	uid_t uid;
	int seals;
	int map;		/* PROT_* of a mapping, 0: none */
	unsigned int create;	/* flags, when it is not MFD_ALLOW_SEALING */
	int again;		/* flags of a second description, 0: none */
	int fd, fd2;
	uint8_t *p;
	struct stat sb;
	char target[64];
} all[] = {
	{ .name = "plain", .mode = 0777 },
	{ .name = "mapped", .mode = 0777, .map = PROT_READ | PROT_WRITE },
	{ .name = "owned", .mode = 0640, .uid = 1000 },
	{ .name = "owned, mapped", .mode = 0600, .uid = 1000, .map = PROT_READ },
	{ .name = "a (deleted)", .mode = 0777, .again = O_PATH },
	{ .name = "b (deleted)", .mode = 0777, .map = PROT_READ, .again = O_PATH },
	{ .name = "written", .mode = 0777, .again = O_WRONLY },
	{ .name = "sealed", .mode = 0777, .seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK },
	{ .name = "sealed, mapped",
	  .mode = 0777,
	  .map = PROT_READ,
	  .seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL },
	{ .name = "future write",
	  .mode = 0755,
	  .uid = 7,
	  .map = PROT_READ | PROT_WRITE,
	  .seals = F_SEAL_FUTURE_WRITE | F_SEAL_SEAL },
	{ .name = "not to be executed",
	  .mode = 0666,
	  .create = MFD_NOEXEC_SEAL,
	  .seals = F_SEAL_EXEC },
	{ .name = "to be executed",
	  .mode = 0777,
	  .create = MFD_EXEC | MFD_ALLOW_SEALING,
	  .map = PROT_READ,
	  .seals = F_SEAL_EXEC | F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE },
	{ .name = "", .mode = 0777, .again = O_RDWR | O_APPEND },
	{ .name = "", .mode = 0777, .map = PROT_READ },
};

#define COUNT (sizeof(all) / sizeof(all[0]))

static void target_of(int fd, char *out, size_t size)
{
	char path[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = t_must(readlink(path, out, size - 1));
	out[n] = 0;
}

static void make(struct memfd *m, uint64_t seed)
{
	uint8_t bytes[2 * PAGE];
	char path[40];

	m->fd = t_must(memfd_create(m->name, m->create ? m->create : MFD_ALLOW_SEALING));
	t_fill(bytes, sizeof(bytes), seed);
	t_must(write(m->fd, bytes, sizeof(bytes)));
	t_must(fchown(m->fd, m->uid, m->uid));
	t_must(fchmod(m->fd, m->mode));
	t_must(fsetxattr(m->fd, "trusted.seed", &seed, sizeof(seed), 0));
	if (m->seals & F_SEAL_WRITE)
		t_must(fcntl(m->fd, F_ADD_SEALS, F_SEAL_WRITE));
	if (m->map)
		m->p = mmap(NULL, 2 * PAGE, m->map, MAP_SHARED, m->fd, 0);
	if (m->p == MAP_FAILED)
		t_fatal("mmap");
	if (m->seals)
		t_must(fcntl(m->fd, F_ADD_SEALS, m->seals));
	t_must(lseek(m->fd, 8 * (off_t)seed, SEEK_SET));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->fd);
	m->fd2 = m->again ? t_must(open(path, m->again)) : -1;
	t_must(fstat(m->fd, &m->sb));
	target_of(m->fd, m->target, sizeof(m->target));
}

static void check(struct memfd *m, uint64_t seed)
{
	uint8_t bytes[2 * PAGE] = { 0 };
	char target[64];
	struct stat sb;
	uint64_t value = 0;

	if (fgetxattr(m->fd, "trusted.seed", &value, sizeof(value)) < 0)
		t_differs("its attribute: %s", strerror(errno));
	t_same("its value", seed, value);
	t_must(fstat(m->fd, &sb));
	t_same("mode", m->sb.st_mode, sb.st_mode);
	t_same("owner", m->sb.st_uid, sb.st_uid);
	t_same("group", m->sb.st_gid, sb.st_gid);
	t_same("size", (uint64_t)m->sb.st_size, (uint64_t)sb.st_size);
	t_same("position", 8 * seed, (uint64_t)lseek(m->fd, 0, SEEK_CUR));
	t_same("seals", (uint64_t)m->seals, (uint64_t)fcntl(m->fd, F_GET_SEALS));
	target_of(m->fd, target, sizeof(target));
	t_same_str("name", m->target, target);
	if (m->p && m->map & PROT_WRITE)
		m->p[PAGE] ^= 1;
	t_must(pread(m->fd, bytes, sizeof(bytes), 0));
	if (m->p && m->map & PROT_WRITE) {
		bytes[PAGE] ^= 1;
		m->p[PAGE] ^= 1;
	}
	t_check(m->name, bytes, sizeof(bytes), seed);
	if (m->p)
		t_check("its mapping", m->p, 2 * PAGE, seed);
	if (m->fd2 < 0)
		return;
	t_must(fstat(m->fd2, &sb));
	t_same("flags of the second", (uint64_t)(m->again & (O_PATH | O_ACCMODE | O_APPEND)),
	       (uint64_t)fcntl(m->fd2, F_GETFL) & (O_PATH | O_ACCMODE | O_APPEND));
	t_must(fstat(m->fd, &m->sb));
	t_same("the second is the same file", m->sb.st_ino, sb.st_ino);
}

int main(void)
{
	t_init();
	for (size_t i = 0; i < COUNT; i++)
		make(&all[i], i + 1);
	t_ready();
	if (t_spoiled())
		t_must(fchmod(all[2].fd, 0644));
	t_wait();
	for (size_t i = 0; i < COUNT; i++)
		check(&all[i], i + 1);
	return t_done();
}
