/* SPDX-License-Identifier: MIT */
/*
 * Files without a name: deleted, replaced by another of the same name, made
 * with O_TMPFILE and given a name later, with holes, opened twice, deleted
 * directories (one of them the working directory), files whose directories are
 * gone too, one of them mapped by two processes, one with a hint for writing; a
 * deleted device node, a deleted symbolic link; and memfd, mapped and not.
 */
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "target.h"

#define HOLE (200 * 1024)
#define MEMFD_SIZE 20000

static int deleted, again, read_only, replaced, unnamed, empty, dir, device, mem, mapped;
static int symbolic, deep, deep_dir, deep_top, reopened, nameless;
static struct stat was, dir_was;
static uint64_t *map, *deep_map;

static int make(const char *name, uint64_t seed, mode_t mode)
{
	uint64_t words[64];
	int fd = t_must(open(name, O_RDWR | O_CREAT | O_EXCL, mode));

	t_fill(words, sizeof(words), seed);
	t_must(pwrite(fd, words, sizeof(words), 0));
	return fd;
}

static void expect(const char *what, int fd, off_t at, uint64_t seed)
{
	uint64_t words[64];

	if (pread(fd, words, sizeof(words), at) != sizeof(words)) {
		t_differs("%s: %s", what, strerror(errno));
		return;
	}
	t_check(what, words, sizeof(words), seed);
}

/* Files in directories that are gone. */
static void set_up_deep(void)
{
	int fd;
	void *p;

	t_must(mkdir("gone", 0700));
	t_must(mkdir("gone/below", 0700));
	deep = make("gone/below/file", 8, 0644);
	deep_dir = t_must(open("gone/below", O_RDONLY | O_DIRECTORY));
	fd = make("gone/mapped", 9, 0600);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		t_fatal("mmap");
	deep_map = p;
	close(fd);
	t_must(unlink("gone/below/file"));
	t_must(unlink("gone/mapped"));
	t_must(rmdir("gone/below"));
	t_must(rmdir("gone"));
}

static void set_up(void)
{
	struct timespec times[2] = { { 1000000000, 5 }, { 1100000000, 7 } };
	uint64_t words[64];
	char *p, path[40];
	int fd;

	deleted = make("deleted", 1, 0640);
	t_fill(words, sizeof(words), 2);
	t_must(pwrite(deleted, words, sizeof(words), HOLE));
	t_must(fchown(deleted, 1234, 5678));
	t_must(fsetxattr(deleted, "user.cr", "value", 5, 0) < 0 && errno != ENOTSUP ? -1 : 0);
	again = t_must(open("deleted", O_RDWR | O_APPEND));
	read_only = t_must(open("deleted", O_RDONLY));
	t_must(lseek(deleted, 100, SEEK_SET));
	t_must(futimens(deleted, times));
	t_must(unlink("deleted"));
	t_must(fstat(deleted, &was));
	replaced = make("name", 3, 0600);
	t_must(unlink("name"));
	close(make("name", 4, 0600));
	unnamed = t_must(open(".", O_TMPFILE | O_RDWR, 0600));
	t_fill(words, sizeof(words), 5);
	t_must(pwrite(unnamed, words, sizeof(words), 0));
	/* Only this description is left, which does not say that it was. */
	fd = t_must(open(".", O_TMPFILE | O_RDWR, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reopened = t_must(open(path, O_RDWR));
	close(fd);
	nameless = t_must(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600));
	empty = t_must(open("empty", O_WRONLY | O_CREAT, 0600));
	t_must(unlink("empty"));
	t_must(mkdir("dir", 0711));
	dir = t_must(open("dir", O_RDONLY | O_DIRECTORY));
	t_must(rmdir("dir"));
	t_must(fstat(dir, &dir_was));
	t_must(symlink("to nothing", "link"));
	symbolic = t_must(open("link", O_PATH | O_NOFOLLOW));
	t_must(unlink("link"));
	t_must(mknod("node", S_IFCHR | 0600, makedev(1, 5)));
	device = t_must(open("node", O_RDWR));
	t_must(unlink("node"));
	mem = t_must(memfd_create("a name", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	t_fill(words, sizeof(words), 6);
	t_must(pwrite(mem, words, sizeof(words), MEMFD_SIZE - sizeof(words)));
	t_must(fcntl(mem, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK));
	mapped = t_must(memfd_create("mapped", 0));
	t_must(ftruncate(mapped, 3 * 4096));
	p = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 4096);
	if (p == MAP_FAILED)
		t_fatal("mmap");
	map = (uint64_t *)p;
	t_fill(map, 4096, 7);
	t_must(pwrite(mapped, words, sizeof(words), 0));
	set_up_deep();
}

static void link_says(const char *what, int fd, const char *tail)
{
	char path[64], text[PATH_MAX];
	ssize_t n;
	size_t len = strlen(tail);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = t_must(readlink(path, text, sizeof(text) - 1));
	text[n] = 0;
	if ((size_t)n < len || strcmp(text + (size_t)n - len, tail) != 0)
		t_differs("%s: its link says %s, not %s", what, text, tail);
}

static void check_deleted(void)
{
	struct stat is;
	char value[8] = "";

	t_must(fstat(deleted, &is));
	t_same("mode", was.st_mode, is.st_mode);
	t_same("owner", was.st_uid, is.st_uid);
	t_same("group", was.st_gid, is.st_gid);
	t_same("size", (uint64_t)was.st_size, (uint64_t)is.st_size);
	t_same("links", 0, is.st_nlink);
	t_same("time", (uint64_t)was.st_mtim.tv_sec, (uint64_t)is.st_mtim.tv_sec);
	t_true("it has a hole still", is.st_blocks * 512 < HOLE);
	if (fgetxattr(deleted, "user.cr", value, sizeof(value)) >= 0 || errno != ENOTSUP)
		t_same_str("attribute", "value", value);
	t_same("offset", 100, (uint64_t)lseek(deleted, 0, SEEK_CUR));
	expect("its beginning", deleted, 0, 1);
	expect("its end", deleted, HOLE, 2);
	link_says("deleted", deleted, "/deleted (deleted)");
	t_same("flags", O_RDWR | O_APPEND, (uint64_t)fcntl(again, F_GETFL) & 03777777 & ~0100000);
	t_must(pwrite(deleted, "!", 1, 7));
	t_must(pread(read_only, value, 1, 7));
	t_same("one file behind all descriptors", '!', (uint64_t)value[0]);
	t_must(write(again, "end", 3));
	t_must(fstat(read_only, &is));
	t_same("it grows", (uint64_t)was.st_size + 3, (uint64_t)is.st_size);
}

static void check_memfds(void)
{
	uint64_t words[64];

	expect("memfd", mem, MEMFD_SIZE - (off_t)sizeof(words), 6);
	t_same("seals", F_SEAL_GROW | F_SEAL_SHRINK, (uint64_t)fcntl(mem, F_GET_SEALS));
	link_says("memfd", mem, "/memfd:a name (deleted)");
	t_check("mapped memfd", map, 4096, 7);
	expect("mapped memfd by descriptor", mapped, 4096, 7);
	expect("what is not mapped of it", mapped, 0, 6);
	t_must(pwrite(mapped, "\1\2\3\4\5\6\7\10", 8, 8192));
	t_same("mapping and descriptor are one", 0x0807060504030201, map[512]);
}

static void check_deep(void)
{
	struct stat is;
	char path[40];

	expect("one in a directory that is gone", deep, 0, 8);
	link_says("it", deep, "/gone/below/file (deleted)");
	link_says("its directory", deep_dir, "/gone/below (deleted)");
	t_check("a mapped one", deep_map, 64 * 8, 9);
	t_same("what the child has written", 77, deep_map[100]);
	t_must(fstat(deep, &is));
	t_same("mode", S_IFREG | 0644, is.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", reopened);
	t_must(linkat(AT_FDCWD, path, deep_top, "linked", AT_SYMLINK_FOLLOW));
	t_must(unlinkat(deep_top, "linked", 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", nameless);
	t_true("one with O_TMPFILE|O_EXCL cannot be linked",
	       linkat(AT_FDCWD, path, deep_top, "linked", AT_SYMLINK_FOLLOW) < 0 &&
		       errno == ENOENT);
	t_true("the directories have not come back",
	       faccessat(deep_top, "gone", F_OK, 0) < 0 && errno == ENOENT);
}

int main(void)
{
	struct stat st;
	pid_t child;
	char zeros[4] = { 1, 1, 1, 1 }, target[32] = "";
	uint64_t hint = RWH_WRITE_LIFE_LONG;
	int fd;

	t_init();
	set_up();
	deep_top = t_must(open(".", O_PATH | O_DIRECTORY));
	child = t_must(fork());
	if (child == 0) {
		t_wait();
		deep_map[100] = 77;
		_exit(0);
	}
	t_must(mkdir("cwd", 0700));
	t_must(chdir("cwd"));
	t_must(rmdir("../cwd"));
	t_must(fcntl(empty, F_SET_RW_HINT, &hint));
	t_ready();
	if (t_spoiled())
		t_must(pwrite(unnamed, "spoil", 5, 0));
	t_wait();
	t_join_child("the child", child);
	check_deep();
	check_deleted();
	expect("the replaced one", replaced, 0, 3);
	expect("the nameless one", unnamed, 0, 5);
	t_must(fstat(unnamed, &st));
	t_same("its links", 0, st.st_nlink);
	t_must(fstat(empty, &st));
	t_same("the empty one", 0, (uint64_t)st.st_size);
	hint = 0;
	t_must(fcntl(empty, F_GET_RW_HINT, &hint));
	t_same("its hint", RWH_WRITE_LIFE_LONG, hint);
	t_must(fstat(dir, &st));
	t_same("mode of the directory", dir_was.st_mode, st.st_mode);
	t_same("its links", 0, st.st_nlink);
	t_must(readlinkat(symbolic, "", target, sizeof(target) - 1));
	t_same_str("a symbolic link", "to nothing", target);
	t_same("its flags", O_PATH | O_NOFOLLOW, (uint64_t)fcntl(symbolic, F_GETFL));
	t_must(fstat(device, &st));
	t_same("device", makedev(1, 5), st.st_rdev);
	t_same("reads from it", 4, (uint64_t)read(device, zeros, 4));
	t_true("zeros", !zeros[0] && !zeros[3]);
	check_memfds();
	t_true("nothing can be made in the deleted directory",
	       open("file", O_CREAT | O_WRONLY, 0600) < 0 && errno == ENOENT);
	fd = t_must(open(t_dir, O_RDONLY | O_DIRECTORY));
	t_true("no name has come back", faccessat(fd, "deleted", F_OK, 0) < 0 &&
						faccessat(fd, "cwd", F_OK, 0) < 0 &&
						faccessat(fd, "empty", F_OK, 0) < 0);
	t_must(fchdir(fd));
	fd = t_must(open("name", O_RDONLY));
	expect("the one that replaced it", fd, 0, 4);
	return t_done();
}
