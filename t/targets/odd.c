/* SPDX-License-Identifier: MIT */
/*
 * Mappings that cannot be dumped, for t/dump-mem.t.  The file "list" gets a
 * line for each: its address, and what is expected to be said of it.  What the
 * kernel does not give is left out.
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "target.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)

static FILE *list;

static void expect(const void *p, const char *what)
{
	if (p && p != MAP_FAILED)
		fprintf(list, "%lx %s\n", (unsigned long)p, what);
}

static void *map(size_t pages, int flags, int fd)
{
	return fd < 0 && !(flags & MAP_ANONYMOUS) ? MAP_FAILED :
						    mmap(NULL, pages * PAGE, RW, flags, fd, 0);
}

static void *registered(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	void *p = map(3, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uint64_t)p, 3 * PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		return MAP_FAILED;
	return p;
}

static void *secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd < 0 || ftruncate(fd, PAGE) < 0)
		return MAP_FAILED;
	return map(1, MAP_SHARED, fd);
}

static void *perf(void)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(a),
		.config = PERF_COUNT_SW_CPU_CLOCK,
	};

	return map(2, MAP_SHARED, (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static void *packets(void)
{
	struct tpacket_req req = { PAGE, 2, 2048, 4 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
		return MAP_FAILED;
	return map(2, MAP_SHARED, fd);
}

/* One file of huge pages, both ways: the second that is seen, is too much. */
static void *huge(void)
{
	void *p = map(512, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1), *q;
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)p,
		 (unsigned long)p + 512 * PAGE);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (p == MAP_FAILED || fd < 0)
		return MAP_FAILED;
	q = map(512, MAP_PRIVATE | MAP_NORESERVE, fd);
	close(fd);
	return q == MAP_FAILED || q > p ? q : p;
}

static void *sysv(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
	void *p = id < 0 ? MAP_FAILED : shmat(id, NULL, 0);

	if (id >= 0)
		shmctl(id, SHM_LOCK, NULL);
	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	return p;
}

static void *device(void)
{
	return mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open("/dev/mem", O_RDONLY), 0xf0000);
}

static void *large_ghost(void)
{
	int fd = t_must(open("large", O_RDWR | O_CREAT, 0600));
	char block[65536] = "x";

	for (int i = 0; i < 2 << 20; i += (int)sizeof(block))
		t_must(write(fd, block, sizeof(block)));
	t_must(unlink("large"));
	return map(1, MAP_SHARED, fd);
}

static void *other_link(void)
{
	int fd = t_must(open("first", O_RDWR | O_CREAT, 0600));

	t_must(ftruncate(fd, PAGE));
	t_must(mkdir("elsewhere", 0700));
	t_must(link("first", "elsewhere/second"));
	t_must(unlink("first"));
	return map(1, MAP_SHARED, fd);
}

/* A byte of the vDSO that is not zero becomes another one. */
static void *vdso(void)
{
	uint8_t *p = (uint8_t *)getauxval(AT_SYSINFO_EHDR), byte;
	int fd = open("/proc/self/mem", O_RDWR);

	if (!p || fd < 0)
		return MAP_FAILED;
	byte = p[4] ^ 1;
	return pwrite(fd, &byte, 1, (off_t)(uintptr_t)(p + 4)) == 1 ? p : MAP_FAILED;
}

int main(void)
{
	t_init();
	list = fopen("list", "we");
	if (!list)
		t_fatal("list");
	expect(registered(), "a range registered with a userfaultfd");
	expect(secret(), "secret memory");
	expect(perf(), "a perf event ring");
	expect(packets(), "memory of a socket (packet ring, TCP zero-copy)");
	expect(huge(), "huge pages that are mapped both shared and private");
	expect(sysv(), "a locked System V segment");
	expect(device(), "the device /dev/mem");
	expect(large_ghost(), "deleted file");
	expect(other_link(), "deleted file with another link");
	expect(vdso(), "a vDSO that is not this kernel's");
	fclose(list);
	t_ready();
	t_wait();
	return t_done();
}
