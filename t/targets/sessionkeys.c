/* SPDX-License-Identifier: MIT */
/*
 * Empty session keyrings: a process with one of its own, which another user owns, a
 * child that has it too, one that has its own, and one of no process here.
 */
#include <linux/keyctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "target.h"

enum { ROOT, CHILD, OTHER, N };

struct ring {
	long serial;
	long bytes;	/* in it */
	char text[128];
};

static struct facts {
	struct ring rings[N];
	pid_t pids[N];
} * now;

static void look(struct ring *r)
{
	/* Nobody gets one by this. */
	r->serial = syscall(SYS_request_key, "keyring", "_ses", NULL, 0);
	r->bytes = syscall(SYS_keyctl, KEYCTL_READ, r->serial, NULL, 0);
	memset(r->text, 0, sizeof(r->text));
	syscall(SYS_keyctl, KEYCTL_DESCRIBE, r->serial, r->text, sizeof(r->text) - 1);
}

static void spoil(void)
{
	if (getenv("T_SPOIL"))
		t_must(syscall(SYS_add_key, "user", "spoilt", "x", 1UL, now->rings[ROOT].serial));
}

static void live(int who)
{
	if (who == OTHER)
		t_must(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
	look(&now->rings[who]);
	__atomic_store_n(&now->pids[who], getpid(), __ATOMIC_RELEASE);
	t_wait();
	look(&now->rings[who]);
	_exit(0);
}

static void compare(const struct facts *was)
{
	static const char *const names[] = { "root", "child", "other" };
	char what[64];

	for (int i = 0; i < N; i++) {
		t_true("it has a keyring", now->rings[i].serial > 0);
		snprintf(what, sizeof(what), "%s: what it is", names[i]);
		t_same_str(what, was->rings[i].text, now->rings[i].text);
		snprintf(what, sizeof(what), "%s: bytes in it", names[i]);
		t_same(what, (uint64_t)was->rings[i].bytes, (uint64_t)now->rings[i].bytes);
	}
	t_same("the child has its parent's", (uint64_t)now->rings[ROOT].serial,
	       (uint64_t)now->rings[CHILD].serial);
	t_true("the other has its own", now->rings[OTHER].serial != now->rings[ROOT].serial);
	/* The root's is nobody else's: what is put into it is found by the child's number. */
	t_must(syscall(SYS_add_key, "user", "k", "x", 1UL, now->rings[ROOT].serial));
	t_same("found", sizeof(int32_t),
	       (uint64_t)syscall(SYS_keyctl, KEYCTL_READ, now->rings[CHILD].serial, NULL, 0) -
		       (uint64_t)was->rings[ROOT].bytes - (getenv("T_SPOIL") ? 4 : 0));
}

int main(void)
{
	struct facts was;
	long ring;

	t_init();
	now = mmap(NULL, sizeof(*now), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (now == MAP_FAILED)
		t_fatal("mmap");
	ring = t_must(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL));
	t_must(syscall(SYS_keyctl, KEYCTL_CHOWN, ring, 12345, 54321));
	t_must(syscall(SYS_keyctl, KEYCTL_SETPERM, ring, 0x3f010000));
	look(&now->rings[ROOT]);
	for (int i = CHILD; i < N; i++)
		if (t_must(fork()) == 0)
			live(i);
	for (int i = CHILD; i < N; i++)
		while (!__atomic_load_n(&now->pids[i], __ATOMIC_ACQUIRE))
			t_sleep_ms(1);
	was = *now;
	t_ready();
	spoil();
	t_wait();
	for (int i = CHILD; i < N; i++)
		t_must(waitpid(now->pids[i], NULL, 0));
	look(&now->rings[ROOT]);
	compare(&was);
	return t_done();
}
