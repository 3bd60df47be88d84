/* SPDX-License-Identifier: MIT */
/*
 * io_uring with a kernel thread that submits, at rest: it takes requests, sleeps
 * after its time and says so, stands on its CPU and has the rights of the process.
 * With "nobody" that is a user without any; and a ring that only names another one
 * (IORING_SETUP_ATTACH_WQ).
 */
#include <dirent.h>
#include <grp.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "target.h"

#define NOBODY 65534
#define WARM 1003

struct ring {
	const char *name;
	unsigned int flags, idle_ms, cpu;
	int fd;
	struct io_uring_params p;
	uint8_t *rings;
	struct io_uring_sqe *sqes;
	uint32_t sq_tail, cq_head;
};

static struct ring all[] = {
	{ .name = "a thread", .flags = IORING_SETUP_SQPOLL, .idle_ms = 30 },
	{ .name = "a thread on a CPU",
	  .flags = IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF | IORING_SETUP_SINGLE_ISSUER,
	  .idle_ms = 1 },
	{ .name = "a thread, not yet enabled",
	  .flags = IORING_SETUP_SQPOLL | IORING_SETUP_R_DISABLED,
	  .idle_ms = 5 },
	{ .name = "one that names another", .flags = IORING_SETUP_ATTACH_WQ },
};
#define COUNT (sizeof(all) / sizeof(all[0]))

static bool nobody;

static uint32_t *word(struct ring *r, uint32_t offset)
{
	return (uint32_t *)(r->rings + offset);
}

static bool polled(const struct ring *r)
{
	return r->flags & IORING_SETUP_SQPOLL;
}

static bool asleep(struct ring *r)
{
	return __atomic_load_n(word(r, r->p.sq_off.flags), __ATOMIC_SEQ_CST) &
	       IORING_SQ_NEED_WAKEUP;
}

/* One request, as a program makes it: who sleeps is woken, who does not is not. */
static int32_t submit(struct ring *r, const struct io_uring_sqe *sqe)
{
	uint32_t i = r->sq_tail & (r->p.sq_entries - 1);
	struct io_uring_cqe *c;

	r->sqes[i] = *sqe;
	word(r, r->p.sq_off.array)[i] = i;
	__atomic_store_n(word(r, r->p.sq_off.tail), ++r->sq_tail, __ATOMIC_SEQ_CST);
	if (!polled(r))
		t_must(syscall(SYS_io_uring_enter, r->fd, 1, 0, 0, NULL, 0));
	else if (asleep(r))
		t_must(syscall(SYS_io_uring_enter, r->fd, 1, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0));
	for (int n = 0; n < 5000000; n++) {
		if (__atomic_load_n(word(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE) != r->cq_head)
			break;
		sched_yield();
	}
	if (*word(r, r->p.cq_off.tail) == r->cq_head) {
		t_differs("%s: a request is never done", r->name);
		return -1;
	}
	i = r->cq_head & (r->p.cq_entries - 1);
	c = (struct io_uring_cqe *)(r->rings + r->p.cq_off.cqes + i * sizeof(*c));
	t_same(r->name, sqe->user_data, c->user_data);
	__atomic_store_n(word(r, r->p.cq_off.head), ++r->cq_head, __ATOMIC_RELEASE);
	return c->res;
}

static void nops(struct ring *r, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		submit(r, &(struct io_uring_sqe){ .opcode = IORING_OP_NOP, .user_data = i });
}

static void make(struct ring *r)
{
	size_t size;

	r->p.flags = r->flags;
	r->p.sq_thread_idle = r->idle_ms;
	r->p.sq_thread_cpu = r->cpu;
	r->p.wq_fd = (uint32_t)all[0].fd;
	r->fd = t_must((int)syscall(SYS_io_uring_setup, 8, &r->p));
	size = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
	r->rings = t_must(
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING));
	r->sqes = t_must(mmap(NULL, r->p.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
			      MAP_SHARED, r->fd, IORING_OFF_SQES));
	if (!(r->flags & IORING_SETUP_R_DISABLED))
		nops(r, WARM);
}

static long number_after(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtol(p + strlen(name), NULL, 10) : -1;
}

/* The kernel's threads are among ours; fdinfo has numbers of another namespace. */
static void check_threads(void)
{
	unsigned int threads = 0, bound = 0;
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;

	while ((e = readdir(dir))) {
		char path[300], text[4096];

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		if (e->d_name[0] == '.')
			continue;
		t_read(path, text, sizeof(text));
		if (!strstr(text, "Name:\tiou-sqp-"))
			continue;
		threads++;
		bound += strstr(text, "\nCpus_allowed_list:\t0\n") != NULL;
		t_same("its user", nobody ? NOBODY : 0, (uint64_t)number_after(text, "\nUid:"));
	}
	closedir(dir);
	t_same("threads of the kernel", 3, threads);
	t_true("one is bound to a CPU", bound);
}

static void check(struct ring *r)
{
	struct io_uring_sqe open_secret = {
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (uintptr_t) "secret",
		.open_flags = O_RDONLY,
		.user_data = 99,
	};
	int32_t fd;

	if (r->flags & IORING_SETUP_R_DISABLED) {
		t_same("it is not enabled", (uint64_t)-1,
		       (uint64_t)syscall(SYS_io_uring_enter, r->fd, 0, 0, 0, NULL, 0));
		t_must(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_ENABLE_RINGS, NULL,
			       0));
	}
	nops(r, 100);
	fd = submit(r, &open_secret);
	t_same("may it open what root may?", nobody, fd == -EACCES);
	if (fd >= 0)
		close(fd);
	if (!polled(r))
		return;
	for (int i = 0; i < 10000 && !asleep(r); i++)
		t_sleep_ms(1);
	t_true("it sleeps", asleep(r));
	nops(r, 100);
	t_same("nothing is dropped", 0,
	       *word(r, r->p.sq_off.dropped) + *word(r, r->p.cq_off.overflow));
}

int main(int argc, char **argv)
{
	uint32_t *tail;

	t_init();
	nobody = argc > 1 && strcmp(argv[1], "nobody") == 0;
	close(t_must(open("secret", O_WRONLY | O_CREAT, 0600)));
	if (nobody && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		t_fatal("setuid");
	if (nobody)
		t_must(prctl(PR_SET_DUMPABLE, 1));
	for (size_t i = 0; i < COUNT; i++)
		make(&all[i]);
	t_ready();
	tail = word(&all[0], all[0].p.cq_off.head);
	if (t_spoiled())
		*tail += 1;
	t_wait();
	t_same("the program's counter", all[0].cq_head, *tail);
	for (size_t i = 0; i < COUNT; i++)
		check(&all[i]);
	check_threads();
	return t_done();
}
