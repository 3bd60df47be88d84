/* SPDX-License-Identifier: MIT */
/*
 * What a process can see of itself, as text: each page of an area, each
 * descriptor, each thread.  Nothing that is looked at is changed by it.
 */
#ifndef T_MEDLEY_H
#define T_MEDLEY_H

#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "target.h"

#define PAGE 4096ul
#define AREA 0x100000000ul
#define AREA_PAGES 1024ul
#define AREA_END (AREA + AREA_PAGES * PAGE)
#define TEXT_SIZE (4ul << 20)
#define PEEK_SIZE (1ul << 18)

struct text {
	char *at;
	size_t fill;
};

static uint8_t peek_buf[PEEK_SIZE];

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->fill += (size_t)vsnprintf(t->at + t->fill, TEXT_SIZE - t->fill, fmt, ap);
	va_end(ap);
	if (t->fill >= TEXT_SIZE)
		t_fatal("too much to say");
}

static uint64_t hash(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t h = len;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h;
}

/* A deleted file may have got another name; what was in it counts. */
static void plain_name(char *name)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(name), end = strlen(deleted);

	if (name[0] == '/' && strncmp(name, "/memfd:", 7) != 0 && len > end &&
	    strcmp(name + len - end, deleted) == 0)
		memcpy(name, "(deleted)", sizeof("(deleted)"));
}

/* How long the file of a mapping is: what follows in its last page may go at any time. */
static off_t mapped_size(unsigned long start, unsigned long end)
{
	char path[96];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", start, end);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? st.st_size : LONG_MAX;
}

/* The pages of one mapping, each by itself: the kernel may join or split mappings. */
static void say_pages(struct text *t, int mem, const char *head, const char *flags)
{
	unsigned long start, end, offset;
	char perms[8], name[PATH_MAX] = "";
	uint8_t page[PAGE];
	off_t size;

	if (sscanf(head, "%lx-%lx %7s %lx %*s %*u %4095[^\n]", &start, &end, perms, &offset, name) <
	    4)
		t_fatal("a line of smaps: %s", head);
	plain_name(name);
	size = name[0] && name[0] != '[' ? mapped_size(start, end) : LONG_MAX;
	for (unsigned long a = start; a < end; a += PAGE) {
		ssize_t n = pread(mem, page, PAGE, (off_t)a);
		off_t left = size - (off_t)(offset + a - start);

		if (name[0] && name[0] != '[')
			say(t, "page %lx %s %lx %s %s", a, perms, offset + a - start, name, flags);
		else
			say(t, "page %lx %s %s %s", a, perms, name, flags);
		if (n < 0)
			say(t, " errno %d\n", errno);
		else
			say(t, " %016llx\n",
			    (unsigned long long)hash(page, left < n ? (size_t)left : (size_t)n));
	}
}

static void say_area(struct text *t)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	int mem = t_must(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
	char line[PATH_MAX + 256], head[PATH_MAX + 256] = "", flags[256], *save;
	int key = 0;
	unsigned long start, end;
	bool ours = false;

	if (!f)
		t_fatal("smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			ours = start >= AREA && start < AREA_END;
			memcpy(head, line, sizeof(head));
		} else if (strncmp(line, "ProtectionKey:", 14) == 0) {
			key = (int)strtol(line + 14, NULL, 10);
		} else if (ours && strncmp(line, "VmFlags:", 8) == 0) {
			size_t fill = key ? (size_t)snprintf(flags, sizeof(flags), "key %d,", key) :
					    0;

	/*
			 * Soft-dirty is the tracker's; "ac" and "gu" stay when that
			 * which set them is gone.
			 */
			for (char *w = strtok_r(line + 8, " \n", &save); w;
			     w = strtok_r(NULL, " \n", &save))
				if (strcmp(w, "sd") != 0 && strcmp(w, "ac") != 0 &&
				    strcmp(w, "gu") != 0)
					fill += (size_t)snprintf(flags + fill, sizeof(flags) - fill,
								 "%s%s", fill ? "," : "", w);
			say_pages(t, mem, head, flags);
		}
	}
	fclose(f);
	close(mem);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Without its number and the file's. */
static void plain_lock(char *line, size_t size)
{
	char kind[16], how[16], type[16], start[32], end[32];
	long pid;

	if (sscanf(line, "lock: %*s %15s %15s %15s %ld %*s %31s %31s", kind, how, type, &pid, start,
		   end) == 6)
		/* Who called flock(2) owns it no more than others do. */
		snprintf(line, size, "lock: %s %s %s %ld %s %s", kind, how, type,
			 strcmp(kind, "FLOCK") == 0 ? 0 : pid, start, end);
}

/* The lines of fdinfo that tell of the description, in an order that stays. */
static void say_fdinfo(struct text *t, int fd)
{
	static const char *const drop[] = { "ino:", "mnt_id:", "eventfd-id:", "it_value:" };
	char path[64], buf[16384], *lines[512], *end, *save;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	t_read(path, buf, sizeof(buf));
	for (char *l = strtok_r(buf, "\n", &save); l && n < 512; l = strtok_r(NULL, "\n", &save)) {
		bool keep = true;

		for (size_t i = 0; i < sizeof(drop) / sizeof(drop[0]); i++)
			if (strncmp(l, drop[i], strlen(drop[i])) == 0)
				keep = false;
		if (strncmp(l, "lock:", 5) == 0)
			plain_lock(l, strlen(l) + 1);
		end = strncmp(l, "tfd:", 4) == 0 ? strstr(l, " pos:") : NULL;
		if (end)
			*end = 0;
		/* Which flags made it does not come back (__O_TMPFILE, O_DIRECTORY). */
		if (strncmp(l, "flags:", 6) == 0)
			snprintf(l + 6, strlen(l + 6) + 1, " %lo",
				 strtoul(l + 6, NULL, 8) & ~020200000ul);
		if (keep)
			lines[n++] = l;
	}
	qsort(lines, n, sizeof(lines[0]), by_text);
	for (size_t i = 0; i < n; i++)
		say(t, " %s;", lines[i]);
}

/* What can be read, without taking it. */
static void say_content(struct text *t, int fd, const struct stat *st, short revents)
{
	int scratch[2], n = -1;

	if (S_ISFIFO(st->st_mode) && revents & POLLERR) {
		/* Only a new reader could read what may be in it. */
		ioctl(fd, FIONREAD, &n);
		say(t, " bytes %d capacity %d", n, fcntl(fd, F_GETPIPE_SZ));
	} else if (S_ISFIFO(st->st_mode)) {
		ioctl(fd, FIONREAD, &n);
		say(t, " bytes %d capacity %d", n, fcntl(fd, F_GETPIPE_SZ));
		t_must(pipe2(scratch, O_CLOEXEC | O_NONBLOCK));
		t_must(fcntl(scratch[1], F_SETPIPE_SZ, 1 << 20));
		/* Fails on an end that cannot be read. */
		if (tee(fd, scratch[1], PEEK_SIZE, SPLICE_F_NONBLOCK) > 0) {
			ssize_t got = read(scratch[0], peek_buf, PEEK_SIZE);

			say(t, " %016llx", (unsigned long long)hash(peek_buf, (size_t)got));
		}
		close(scratch[0]);
		close(scratch[1]);
	} else if (S_ISSOCK(st->st_mode) && revents & POLLERR) {
		/* Whoever reads takes the error. */
		say(t, " error");
	} else if (S_ISSOCK(st->st_mode)) {
		ssize_t got = recv(fd, peek_buf, PEEK_SIZE, MSG_PEEK | MSG_DONTWAIT);
		int type = 0;
		socklen_t len = sizeof(type);

		say(t, " peek %zd %d", got, got < 0 ? errno : 0);
		if (got > 0)
			say(t, " %016llx", (unsigned long long)hash(peek_buf, (size_t)got));
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
		ioctl(fd, FIONREAD, &n);
		say(t, " type %d bytes %d", type, n);
	} else if (S_ISREG(st->st_mode)) {
		/* Not through another descriptor: closing that would end our locks. */
		ssize_t got = pread(fd, peek_buf, PEEK_SIZE, 0);

		say(t, " %016llx seals %d",
		    got < 0 ? 0ull : (unsigned long long)hash(peek_buf, (size_t)got),
		    fcntl(fd, F_GET_SEALS));
	}
}

static void say_fd(struct text *t, int fd, void (*more)(struct text *, int, const struct stat *))
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
	char path[64], link[PATH_MAX + 16], *number;
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = t_must(readlink(path, link, sizeof(link) - 1));
	link[n] = 0;
	number = strstr(link, ":[");
	if (number && link[0] != '/' && strncmp(link, "anon_inode", 10) != 0)
		*number = 0;
	t_must(fstat(fd, &st));
	plain_name(link);
	say(t, "fd %d %s fd-flags %d mode %o", fd, link, fcntl(fd, F_GETFD), st.st_mode);
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		say(t, " owner %u %u", st.st_uid, st.st_gid);
	if (S_ISREG(st.st_mode))
		say(t, " size %lld links %ju uid %u time %lld", (long long)st.st_size,
		    (uintmax_t)st.st_nlink, st.st_uid, (long long)st.st_mtim.tv_sec);
	t_must(poll(&p, 1, 0));
	/*
	 * Bytes may need fewer buffers afterwards, and what is under way counts for
	 * the one who has sent it, whom nobody can tell.
	 */
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		p.revents &= ~POLLOUT;
	say(t, " poll %#x owner %d signal %d", (unsigned int)p.revents, fcntl(fd, F_GETOWN),
	    fcntl(fd, F_GETSIG));
	say_fdinfo(t, fd);
	say_content(t, fd, &st, p.revents);
	say(t, "\n");
	more(t, fd, &st);
}

static void say_status(struct text *t, int task)
{
	static const char *const keep[] = { "Name:",
					    "Umask:",
					    "Tgid:",
					    "Pid:",

					    "Uid:",
					    "Gid:",
					    "Groups:",

					    "Threads:",
					    "Sig",
					    "ShdPnd:",
					    "Cap",
					    "NoNewPrivs:",
					    "Seccomp",
					    "THP_enabled:",
					    "Cpus_allowed_list:",
					    "Mems_allowed_list:" };
	char path[64], buf[8192], *save;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", task);
	t_read(path, buf, sizeof(buf));
	say(t, "task %d:", task);
	for (char *l = strtok_r(buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
			/* SigQ counts those of the user, also of other trees. */
			if (strncmp(l, keep[i], strlen(keep[i])) == 0 && strncmp(l, "SigQ", 4) != 0)
				say(t, " %s;", l);
	say(t, " policy %d nice %d\n", sched_getscheduler(task),
	    getpriority(PRIO_PROCESS, (id_t)task));
}

static size_t list_numbers(const char *path, int *numbers, size_t max)
{
	DIR *d = opendir(path);
	struct dirent *e;
	size_t n = 0;

	if (!d)
		t_fatal("%s", path);
	while ((e = readdir(d)) && n < max)
		if (sscanf(e->d_name, "%d", &numbers[n]) == 1 && numbers[n] != dirfd(d))
			n++;
	closedir(d);
	return n;
}

static void say_links(struct text *t)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	char path[64], to[PATH_MAX + 16];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", links[i]);
		ssize_t n = t_must(readlink(path, to, sizeof(to) - 1));

		say(t, "%s %.*s\n", links[i], (int)n, to);
	}
	say(t, "group %d session %d\n", getpgid(0), getsid(0));
}

#endif
