/* SPDX-License-Identifier: MIT */
#include "session-keys.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define MAX_KEYS 32	/* that are looked at: more are refused anyway */
#define TEXT 128

struct session_ring {
	int32_t serial;
	uint32_t uid, gid, perm;
	bool made;		/* somebody has been told to make it anew */
	bool linked;		/* to a user's keyring */
	char key[TEXT + 32];	/* one that would be lost; "": none */
};

/* The data of a vector. */
struct content {
	char ring[TEXT];
	int32_t keys[MAX_KEYS];
	char texts[MAX_KEYS][TEXT];
};

void session_keys_prepare(struct ask_thread_data *d)
{
	snprintf(d->keyring_type, sizeof(d->keyring_type), "keyring");
	snprintf(d->session_name, sizeof(d->session_name), "_ses");
}

static struct cr_op describe(int32_t serial, size_t at)
{
	return (struct cr_op){
		.type = CR_OP_SYSCALL,
		.expect = CR_EXPECT_ANY,
		.nr = SYS_keyctl,
		.arg = { KEYCTL_DESCRIBE, serial, (int64_t)at, TEXT - 1 },
		.in_data = 1u << 2,
	};
}

/* "type;uid;gid;perm;description" */
static void see_key(struct session_ring *r, const char *text)
{
	const char *name = text;

	for (int i = 0; i < 4 && name; i++) {
		name = strchr(name, ';');
		name = name ? name + 1 : NULL;
	}
	if (!name)
		snprintf(r->key, sizeof(r->key), "a key that cannot be looked at");
	else if (strncmp(text, "keyring;", 8) == 0 && strncmp(name, "_uid", 4) == 0)
		r->linked = true;
	else if (strncmp(text, "user;", 5) != 0 || strcmp(name, "invocation_id") != 0)
		snprintf(r->key, sizeof(r->key), "%.*s '%s'", (int)strcspn(text, ";"), text, name);
}

/* What is in it, in two rounds. */
static int look(struct session_ring *r, struct cr_session *s, pid_t pid, struct cr_err *err)
{
	struct content c = { 0 };
	struct cr_op ops[MAX_KEYS] = {
		describe(r->serial, offsetof(struct content, ring)),
		{
			.type = CR_OP_SYSCALL,
			.expect = CR_EXPECT_ANY,
			.nr = SYS_keyctl,
			.arg = { KEYCTL_READ, r->serial, offsetof(struct content, keys),
				 sizeof(c.keys) },
			.in_data = 1u << 2,
		},
	};
	uint32_t done, n;
	int64_t bytes;

	if (cr_session_run(s, pid, ops, 2, &c, sizeof(c), &done, err) < 0)
		return -1;
	bytes = ops[1].result;
	if (ops[0].result < 0 || bytes < 0 || bytes > (int64_t)sizeof(c.keys) ||
	    sscanf(c.ring, "%*[^;];%u;%u;%x", &r->uid, &r->gid, &r->perm) != 3) {
		snprintf(r->key, sizeof(r->key), "%s",
			 bytes > (int64_t)sizeof(c.keys) ? "many keys" :
							   "keys that cannot be looked at");
		return 0;
	}
	n = (uint32_t)bytes / sizeof(c.keys[0]);
	for (uint32_t i = 0; i < n; i++)
		ops[i] = describe(c.keys[i], offsetof(struct content, texts) + i * TEXT);
	if (n && cr_session_run(s, pid, ops, n, &c, sizeof(c), &done, err) < 0)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		see_key(r, ops[i].result < 0 ? "" : c.texts[i]);
	return 0;
}

static struct session_ring *find(struct session_keys *k, struct cr_session *s, pid_t pid,
				 int32_t serial, struct cr_err *err)
{
	struct session_ring *grown;

	for (size_t i = 0; i < k->n_rings; i++)
		if (k->rings[i].serial == serial)
			return &k->rings[i];
	grown = realloc(k->rings, (k->n_rings + 1) * sizeof(*grown));
	if (!grown) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	k->rings = grown;
	grown += k->n_rings;
	*grown = (struct session_ring){ .serial = serial };
	if (look(grown, s, pid, err) < 0)
		return NULL;
	k->n_rings++;
	return grown;
}

static int32_t ring_of(const struct session_keys *k, pid_t pid)
{
	for (size_t i = k->n_owners; i > 0; i--)
		if (k->owners[i - 1].pid == (uint32_t)pid)
			return k->owners[i - 1].ring;
	return 0;
}

static int note(struct session_keys *k, pid_t pid, int32_t ring, struct cr_err *err)
{
	struct ring_owner *grown = realloc(k->owners, (k->n_owners + 1) * sizeof(*grown));

	if (!grown)
		return cr_err_sys(err, "out of memory");
	k->owners = grown;
	grown[k->n_owners++] = (struct ring_owner){ (uint32_t)pid, ring };
	return 0;
}

/* It is inherited from the parent, made anew once, or that of who restores. */
static const char *odd_place(const struct session_ring *r, int32_t parents)
{
	if (!r)
		return parents ? "has not the session keyring of its parent, nor an empty one" :
				 NULL;
	if (r->serial != parents && r->made)
		return "shares its session keyring with others than its parent";
	return NULL;
}

static Cr__SessionKeyring *message(const struct session_ring *r)
{
	static Cr__SessionKeyring m;

	cr__session_keyring__init(&m);
	m.id = (uint32_t)r->serial;
	m.uid = r->uid;
	m.gid = r->gid;
	m.perm = r->perm;
	return &m;
}

int session_keys_check(struct session_keys *k, struct cr_stage *st, struct cr_session *s, pid_t pid,
		       pid_t ppid, int64_t serial, Cr__SessionKeyring **out, struct cr_err *err)
{
	struct session_ring *r = NULL;
	int32_t parents = ring_of(k, ppid);
	char what[TEXT + 96];
	const char *odd;

	*out = NULL;
	if (serial > 0) {
		r = find(k, s, pid, (int32_t)serial, err);
		if (!r)
			return -1;
	}
	if (r && r->key[0] && !k->ignore) {
		snprintf(what, sizeof(what), "its session keyring has keys (%s): not supported",
			 r->key);
		return cr_stage_refuse(
			st, pid, "", what,
			"keep them in the user keyring, or use --session-keys ignore", err);
	}
	if (r && (r->key[0] || r->linked))
		r = NULL;
	odd = odd_place(r, parents);
	if (odd && !k->ignore) {
		snprintf(what, sizeof(what), "%s: not supported", odd);
		return cr_stage_refuse(st, pid, "", what, "use --session-keys ignore", err);
	}
	if (odd || !r)
		return parents && k->ignore ? note(k, pid, parents, err) : 0;
	*out = message(r);
	r->made = true;
	return note(k, pid, r->serial, err);
}

int session_keys_check_thread(const struct session_keys *k, struct cr_stage *st, pid_t pid,
			      uint32_t tid, int64_t first, int64_t serial, struct cr_err *err)
{
	char object[32];

	if (k->ignore || (serial > 0 ? serial : 0) == (first > 0 ? first : 0))
		return 0;
	snprintf(object, sizeof(object), "thread %u", tid);
	return cr_stage_refuse(st, pid, object,
			       "has another session keyring than its process: not supported",
			       "use --session-keys ignore", err);
}

void session_keys_free(struct session_keys *k)
{
	free(k->rings);
	free(k->owners);
}
