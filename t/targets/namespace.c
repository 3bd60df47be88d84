/* SPDX-License-Identifier: MIT */
/* Descriptors of namespaces, of directories and files of cgroups, of /proc and
 * /sys. */
#include <sched.h>

#include "target.h"

static const char *const names[] = {
	"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts",
};
#define COUNT (sizeof(names) / sizeof(names[0]))

static int fds[COUNT];
static ino_t inos[COUNT];
static int stat_fd, self, text, sys, mem, high, net, net2;
static uint64_t word = 0x77;
static char head[20], net_head[20];

static void same_link(const char *what, int fd, const char *path)
{
	char link[PATH_MAX] = "", name[40];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	t_must(readlink(name, link, sizeof(link) - 1));
	t_same_str(what, path, link);
}

static void check(void)
{
	char buf[20] = "", again[20], path[40];
	uint64_t seen = 0;

	for (size_t i = 0; i < COUNT; i++) {
		struct stat st;

		if (fds[i] < 0)
			continue;
		t_must(fstat(fds[i], &st));
		t_same(names[i], inos[i], st.st_ino);
	}
	if (setns(fds[8], CLONE_NEWUTS) < 0)
		t_differs("setns: %s", strerror(errno));
	t_must(read(text, buf, 10));
	t_must(pread(text, again, 10, 10));
	t_true("a file of /proc goes on where it was", memcmp(buf, again, 10) == 0);
	snprintf(path, sizeof(path), "/proc/%d", (int)getpid());
	same_link("a directory of /proc", self, path);
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)getpid());
	same_link("our own file of /proc", stat_fd, path);
	word++;
	t_must(pread(mem, &seen, sizeof(seen), (off_t)(uintptr_t)&word));
	t_same("our memory through a file", word, seen);
	t_same("the position there", (uint64_t)(uintptr_t)&word, (uint64_t)lseek(mem, 0, SEEK_CUR));
	t_same("one that is negative", (uint64_t)-0x10000, (uint64_t)lseek(high, 0, SEEK_CUR));
	t_true("a file of the network",
	       read(net, buf, 10) == 10 && memcmp(buf, net_head + 5, 10) == 0);
	t_true("another one of it", read(net2, buf, 10) == 10 && memcmp(buf, net_head, 10) == 0);
	t_true("a file of /sys", pread(sys, buf, 1, 0) == 1);
}

int main(void)
{
	t_init();
	for (size_t i = 0; i < COUNT; i++) {
		char path[64];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		fds[i] = open(path, O_RDONLY);
		if (fds[i] >= 0)
			t_must(fstat(fds[i], &st));
		inos[i] = fds[i] < 0 ? 0 : st.st_ino;
	}
	stat_fd = t_must(open("/proc/self/stat", O_RDONLY));
	self = t_must(open("/proc/self", O_RDONLY | O_DIRECTORY));
	text = t_must(open("/proc/filesystems", O_RDONLY));
	t_must(read(text, head, 10));
	sys = t_must(open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY));
	mem = t_must(open("/proc/self/mem", O_RDWR));
	lseek(mem, (off_t)(uintptr_t)&word, SEEK_SET);
	high = t_must(open("/proc/self/mem", O_RDONLY));
	lseek(high, -0x10000, SEEK_SET);
	/* The second makes the first one look deleted. */
	net = t_must(open("/proc/net/dev", O_RDONLY));
	t_must(read(net, net_head, 5));
	net2 = t_must(open("/proc/net/dev", O_RDONLY));
	t_must(pread(net2, net_head, 15, 0));
	t_ready();
	if (t_spoiled())
		t_must(lseek(text, 3, SEEK_SET));
	t_wait();
	check();
	return t_done();
}
