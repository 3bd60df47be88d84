/* SPDX-License-Identifier: MIT */
/*
 * What a process is by /proc: exe, cmdline, environ, auxv, comm, working
 * directory, root (argument "chroot"), umask, and the break, which goes on
 * where it was.
 */
#include <sys/prctl.h>

#include "target.h"

#define SIZE 65536

struct ident {
	char exe[PATH_MAX], cwd[PATH_MAX], root[PATH_MAX];
	char cmdline[SIZE], environ[SIZE], auxv[4096], comm[64];
	size_t cmdline_len, environ_len, auxv_len;
	uint64_t stat_fields[53];
	mode_t umask;
	void *brk;
	struct stat dot, slash;
};

static struct ident was, is;
static int proc;	/* open, for after chroot */

static size_t slurp(const char *name, char *buf, size_t size)
{
	int fd = t_must(openat(proc, name, O_RDONLY | O_CLOEXEC));
	size_t fill = 0;
	ssize_t n;

	while (fill < size - 1 && (n = t_must(read(fd, buf + fill, size - 1 - fill))) > 0)
		fill += (size_t)n;
	close(fd);
	buf[fill] = 0;
	return fill;
}

static void link_of(const char *name, char *buf)
{
	ssize_t n = t_must(readlinkat(proc, name, buf, PATH_MAX - 1));

	buf[n] = 0;
}

/* proc(5): 26-28 code and stack, 45-51 data, brk, arguments, environment. */
static void read_stat(uint64_t *fields)
{
	char text[2048], *p;

	slurp("stat", text, sizeof(text));
	p = strrchr(text, ')');
	for (int i = 3; p && i <= 52; i++) {
		p = strchr(p + 1, ' ');
		if (p)
			fields[i] = strtoull(p, NULL, 10);
	}
}

static void look(struct ident *id)
{
	link_of("exe", id->exe);
	link_of("cwd", id->cwd);
	link_of("root", id->root);
	id->cmdline_len = slurp("cmdline", id->cmdline, sizeof(id->cmdline));
	id->environ_len = slurp("environ", id->environ, sizeof(id->environ));
	id->auxv_len = slurp("auxv", id->auxv, sizeof(id->auxv));
	slurp("comm", id->comm, sizeof(id->comm));
	read_stat(id->stat_fields);
	id->umask = umask(0);
	umask(id->umask);
	id->brk = sbrk(0);
	t_must(stat(".", &id->dot));
	t_must(stat("/", &id->slash));
}

static void compare(void)
{
	static const int fields[] = { 26, 27, 28, 45, 46, 47, 48, 49, 50, 51 };
	char what[32];

	t_same_str("exe", was.exe, is.exe);
	t_same_str("cwd", was.cwd, is.cwd);
	t_same_str("root", was.root, is.root);
	t_same_str("comm", was.comm, is.comm);
	t_same("length of cmdline", was.cmdline_len, is.cmdline_len);
	t_same("cmdline", 0, (uint64_t)memcmp(was.cmdline, is.cmdline, SIZE));
	t_same("length of environ", was.environ_len, is.environ_len);
	t_same("environ", 0, (uint64_t)memcmp(was.environ, is.environ, SIZE));
	t_same("length of auxv", was.auxv_len, is.auxv_len);
	t_same("auxv", 0, (uint64_t)memcmp(was.auxv, is.auxv, sizeof(was.auxv)));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		snprintf(what, sizeof(what), "field %d of stat", fields[i]);
		t_same(what, was.stat_fields[fields[i]], is.stat_fields[fields[i]]);
	}
	t_same("umask", was.umask, is.umask);
	t_same("break", (uint64_t)was.brk, (uint64_t)is.brk);
	t_same("inode of .", was.dot.st_ino, is.dot.st_ino);
	t_same("inode of /", was.slash.st_ino, is.slash.st_ino);
}

/* The break goes on where it was, up and down. */
static void move_break(void)
{
	uint8_t *top = sbrk(0);

	t_same("sbrk up", (uint64_t)top, (uint64_t)sbrk(1 << 20));
	top[0] = 1;
	top[(1 << 20) - 1] = 1;
	t_same("sbrk down", (uint64_t)(top + (1 << 20)), (uint64_t)sbrk(-(1 << 20)));
	t_same("break at the end", (uint64_t)top, (uint64_t)sbrk(0));
}

static void enter_chroot(void)
{
	t_must(mkdir("newroot", 0755));
	t_must(mkdir("newroot/inner", 0755));
	t_must(chroot("newroot"));
	t_must(chdir("/inner"));
	snprintf(t_dir, sizeof(t_dir), "/");
}

int main(int argc, char **argv)
{
	char *heap = sbrk(12345);

	t_init();
	if (heap == (void *)-1)
		t_fatal("sbrk");
	t_fill(heap, 12000, 3);
	proc = t_must(open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
	prctl(PR_SET_NAME, "two words)");
	umask(0137);
	/* As daemons do that show what they are at. */
	for (char *p = argv[argc - 1]; *p; p++)
		*p = (char)(*p == '-' ? '+' : *p);
	if (argc > 1 && strcmp(argv[1], "chroot") == 0)
		enter_chroot();
	else
		t_must(chdir("/usr"));
	look(&was);
	t_ready();
	if (t_spoiled())
		umask(0);
	t_wait();
	look(&is);
	compare();
	t_check("bytes below the break", heap, 12000, 3);
	move_break();
	return t_done();
}
