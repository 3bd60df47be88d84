/* SPDX-License-Identifier: MIT */
#include "proc.h"

#define PF_EXITING 0x4ul	/* of the flags in /proc/PID/stat */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "parse.h"

#define CHUNK 4096
#define MANY_THREADS 64

/*
 * Of one record each: what a read gives is whole when it is far from full, and
 * the read that would give nothing can be spared.
 */
static const char *const single[] = {
	"status",	   "stat",     "limits",  "personality", "oom_score_adj", "auxv",
	"coredump_filter", "loginuid", "syscall", "children",	 "cgroup",
};

static bool of_one_record(const char *file)
{
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;

	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		if (strcmp(name, single[i]) == 0)
			return true;
	return false;
}

static int read_all(int fd, bool one, char **text, size_t *len)
{
	size_t size = CHUNK, fill = 0;
	char *buf = malloc(size);

	while (buf) {
		ssize_t n = read(fd, buf + fill, size - fill - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(buf);
			return -1;
		}
		if (n == 0)
			break;
		fill += (size_t)n;
		if (one && fill < CHUNK / 2)
			break;
		if (size - fill < CHUNK / 2) {
			char *grown = realloc(buf, size * 2);

			if (!grown) {
				free(buf);
				return -1;
			}
			buf = grown;
			size *= 2;
		}
	}
	if (!buf)
		return -1;
	buf[fill] = '\0';
	*text = buf;
	if (len)
		*len = fill;
	return 0;
}

int cr_proc_read(pid_t pid, const char *file, char **text, size_t *len, struct cr_err *err)
{
	char path[128];
	cr_auto_fd int fd = -1;

	*text = NULL;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "unable to open %s", path);
	if (read_all(fd, of_one_record(file), text, len) < 0)
		return cr_err_sys(err, "unable to read %s", path);
	return 0;
}

int cr_proc_pidfd(pid_t id, struct cr_err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, id, 0); /* 5.3 */

	if (fd < 0)
		fd = (int)syscall(SYS_pidfd_open, id, O_EXCL); /* PIDFD_THREAD */
	return fd < 0 ? cr_err_sys(err, "pidfd_open of %d", (int)id) : fd;
}

int cr_proc_link(pid_t pid, const char *file, char *buf, size_t size, struct cr_err *err)
{
	char path[128];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	n = readlink(path, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	if (n < 0)
		return cr_err_sys(err, "unable to read the link %s", path);
	if ((size_t)n == size - 1)
		return cr_err_set(err, CR_REFUSED, "%s: the path is too long", path);
	return 0;
}

void cr_proc_unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

/* Of a line of numbers with a space before each. */
static bool next_number(char **p, uint64_t *value)
{
	char *from = *p + 1;

	if (**p != ' ' || (*from != '-' && (*from < '0' || *from > '9')))
		return false;
	errno = 0;
	*value = *from == '-' ? (uint64_t)strtoll(from, p, 10) : strtoull(from, p, 10);
	return *p != from && !errno;
}

int cr_proc_stat(pid_t pid, struct cr_proc_stat *st, struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	char *open_paren, *p;
	size_t n;

	memset(st, 0, sizeof(*st));
	if (cr_proc_read(pid, "stat", &text, NULL, err) < 0)
		return -1;
	/* The name may hold anything, parentheses too. */
	open_paren = strchr(text, '(');
	p = strrchr(text, ')');
	if (!open_paren || !p || p < open_paren || p[1] != ' ' || !p[2])
		return cr_err_set(err, CR_SYSTEM, "/proc/%d/stat: not understood", (int)pid);
	n = (size_t)(p - open_paren - 1);
	if (n >= sizeof(st->comm))
		n = sizeof(st->comm) - 1;
	memcpy(st->comm, open_paren + 1, n);
	st->state = p[2];
	st->field[1] = (uint64_t)pid;
	p += 3;
	for (int i = 4; i <= 52 && *p && *p != '\n'; i++)
		if (!next_number(&p, &st->field[i]))
			return cr_err_set(err, CR_SYSTEM, "/proc/%d/stat: not understood",
					  (int)pid);
	return 0;
}

bool cr_proc_is_dying(const struct cr_proc_stat *st)
{
	return st->state == 'Z' || st->state == 'X' || st->field[9] & PF_EXITING ||
	       st->field[31] & 1u << (SIGKILL - 1);
}

bool cr_proc_ended(pid_t tid)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	return cr_proc_stat(tid, &st, &ignored) < 0 || st.state == 'Z' || st.state == 'X' ||
	       st.field[9] & PF_EXITING;
}

const char *cr_proc_field(const char *status, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			return line + strspn(line, " \t");
		}
	}
	return NULL;
}

static int push(pid_t **list, unsigned int *count, unsigned int *room, pid_t pid,
		struct cr_err *err)
{
	if (*count == *room) {
		unsigned int want = *room ? *room * 2 : 16;
		pid_t *grown = realloc(*list, want * sizeof(pid_t));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		*list = grown;
		*room = want;
	}
	(*list)[(*count)++] = pid;
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	return *(const pid_t *)a - *(const pid_t *)b;
}

/* A directory has a link for itself, its name and each directory in it. */
static bool has_one_thread(const char *task)
{
	struct stat sb;

	return stat(task, &sb) == 0 && sb.st_nlink == 3;
}

int cr_proc_tids(pid_t pid, pid_t **list, unsigned int *count, struct cr_err *err)
{
	char path[64];
	cr_auto_dir DIR *dir = NULL;
	unsigned int room = 0;
	struct dirent *e;
	pid_t tid;

	*list = NULL;
	*count = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	/* Most have: that is a fifth of the work of reading the directory.  The last
	 * thread has the pid, whoever ended before. */
	if (has_one_thread(path))
		return push(list, count, &room, pid, err);
	dir = opendir(path);
	if (!dir)
		return cr_err_sys(err, "unable to open %s", path);
	while ((e = readdir(dir))) {
		if (cr_parse_pid(e->d_name, &tid) < 0)
			continue;
		if (push(list, count, &room, tid, err) < 0)
			return -1;
	}
	if (*count)
		qsort(*list, *count, sizeof(pid_t), by_pid);
	return 0;
}

static int add_children(pid_t pid, pid_t tid, pid_t **list, unsigned int *count, unsigned int *room,
			struct cr_err *err)
{
	cr_auto_free char *text = NULL;
	char name[64], *save = NULL, *word;
	pid_t child;

	snprintf(name, sizeof(name), "task/%d/children", (int)tid);
	if (cr_proc_read(pid, name, &text, NULL, err) < 0)
		return err->errnum == ENOENT || err->errnum == ESRCH ? 0 : -1;
	for (char *p = text; (word = strtok_r(p, " \n", &save)); p = NULL)
		if (cr_parse_pid(word, &child) == 0 && push(list, count, room, child, err) < 0)
			return -1;
	return 0;
}

/* The parent as stat has it; 0: the process is gone. */
static pid_t parent_of(pid_t pid)
{
	struct cr_proc_stat st;
	struct cr_err ignored;

	return cr_proc_stat(pid, &st, &ignored) < 0 ? 0 : (pid_t)st.field[CR_STAT_PPID];
}

/* Ask all processes for their parent instead of all threads for their children. */
static int scan_children(pid_t pid, pid_t **list, unsigned int *count, unsigned int *room,
			 struct cr_err *err)
{
	cr_auto_dir DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t child;

	if (!dir)
		return cr_err_sys(err, "unable to open /proc");
	while ((e = readdir(dir)))
		if (cr_parse_pid(e->d_name, &child) == 0 && parent_of(child) == pid &&
		    push(list, count, room, child, err) < 0)
			return -1;
	return 0;
}

/* The link count of /proc counts them. */
static nlink_t count_processes(void)
{
	struct stat sb;

	return stat("/proc", &sb) < 0 ? 0 : sb.st_nlink;
}

int cr_proc_children(pid_t pid, pid_t **list, unsigned int *count, struct cr_err *err)
{
	cr_auto_free pid_t *tids = NULL;
	unsigned int n, room = 0;
	bool scan;

	*list = NULL;
	*count = 0;
	if (cr_proc_tids(pid, &tids, &n, err) < 0)
		return -1;
	scan = n > MANY_THREADS && n > count_processes();
	if (scan && scan_children(pid, list, count, &room, err) < 0)
		return -1;
	for (unsigned int i = 0; !scan && i < n; i++)
		if (add_children(pid, tids[i], list, count, &room, err) < 0)
			return -1;
	if (*count)
		qsort(*list, *count, sizeof(pid_t), by_pid);
	return 0;
}

uint64_t cr_proc_max_mappings(void)
{
	cr_auto_file FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
	uint64_t max;

	return f && fscanf(f, "%" SCNu64, &max) == 1 ? max : UINT64_MAX;
}
