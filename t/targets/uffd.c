/* SPDX-License-Identifier: MIT */
/*
 * userfaultfd without ranges: with features, for faults of user mode only, and not
 * yet asked for its features.  Later ranges are registered, and served.
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "target.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define PAGE 4096ul

static int plain, user, fresh;
static uint8_t *memory;

static int make(int flags)
{
	return t_must((int)syscall(SYS_userfaultfd, O_CLOEXEC | flags));
}

static void ask(int fd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	t_must(ioctl(fd, UFFDIO_API, &api));
}

static void expect_features(const char *what, int fd, uint64_t want)
{
	char path[64], text[1024], *p;
	uint64_t is;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	t_read(path, text, sizeof(text));
	p = strstr(text, "API:\taa:");
	is = p ? strtoull(p + 8, NULL, 16) : ~0ull;
	t_same(what, want, is & 0x7fffffff);
}

static void *touch(void *arg)
{
	return (void *)(uintptr_t) * (volatile uint8_t *)arg;
}

/* A page that is touched is filled by us. */
static void serve(int fd, uint8_t *page)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	static uint8_t source[PAGE] __attribute__((aligned(PAGE))) = { 77 };
	struct uffdio_copy copy = { (uintptr_t)page, (uintptr_t)source, PAGE, 0, 0 };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct uffd_msg msg;
	pthread_t t;
	void *got;

	t_must(ioctl(fd, UFFDIO_REGISTER, &reg));
	t_must(pthread_create(&t, NULL, touch, page) ? -1 : 0);
	if (poll(&pfd, 1, 10000) != 1 || read(fd, &msg, sizeof(msg)) != sizeof(msg))
		t_fatal("no fault");
	t_same("a fault", UFFD_EVENT_PAGEFAULT, msg.event);
	t_same("its address", (uintptr_t)page, msg.arg.pagefault.address & ~(PAGE - 1));
	t_must(ioctl(fd, UFFDIO_COPY, &copy));
	pthread_join(t, &got);
	t_same("what is read", 77, (uintptr_t)got);
	t_must(ioctl(fd, UFFDIO_UNREGISTER, &reg.range));
}

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	t_init();
	memory = t_must(
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	plain = make(O_NONBLOCK);
	ask(plain, UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_MISSING_SHMEM);
	user = make(O_NONBLOCK | UFFD_USER_MODE_ONLY);
	ask(user, 0);
	fresh = make(0);
	t_ready();
	if (t_spoiled())
		ask(fresh, UFFD_FEATURE_EVENT_UNMAP);
	t_wait();
	expect_features("features", plain, UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_MISSING_SHMEM);
	expect_features("none", user, 0);
	expect_features("not asked for", fresh, 0);
	t_same("flags", O_NONBLOCK, (uint64_t)fcntl(plain, F_GETFL) & O_NONBLOCK);
	t_same("other flags", 0, (uint64_t)fcntl(fresh, F_GETFL) & O_NONBLOCK);
	t_same("it must be asked", (uint64_t)-1,
	       (uint64_t)ioctl(fresh, UFFDIO_UNREGISTER,
			       &(struct uffdio_range){ (uintptr_t)memory, PAGE }));
	serve(plain, memory);
	serve(user, memory + PAGE);
	t_same("and can be", 0, (uint64_t)ioctl(fresh, UFFDIO_API, &api));
	return t_done();
}
