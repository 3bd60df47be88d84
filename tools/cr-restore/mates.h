/* SPDX-License-Identifier: MIT */
/*
 * Tasks that share their memory (CLONE_VM): an owner and its mates.
 *
 * A mate is born by clone3(2) with CLONE_VM, on a stack of its own, so what is
 * cr-restore in it uses the memory of the owner's: one of them runs at a time.
 * Who has the turn keeps it until it waits for somebody else.
 *
 * The owner alone builds the memory.  It maps the agent's place, where mates
 * add their own vectors and enter the agent, waiting there; when all of them
 * have left C it enters, too, and removes what was cr-restore.  When the memory
 * is there the mates go on.  The last one removes the agent.
 */
#ifndef MATES_H
#define MATES_H

#include <linux/sched.h>

#include "mem.h"
#include "restore.h"
#include "vec.h"

/* Let the others run, around a wait; mates_go_on() does not return when the
 * restore has failed.  Nothing is done in a process that has no mates. */
void mates_pause(void);
void mates_go_on(struct restore *r);

/* Meanwhile no function of the C library may be called, which has one errno. */
void mates_wait_word(uint32_t *word, uint32_t seen, long ns);
int mates_wait_child(pid_t pid, int options, bool keep);	/* an errno, 0 */

/* Make one that calls @live with its own copy of what it writes to. */
long mates_clone(struct restore *r, struct clone_args *args, unsigned int index,
		 void (*live)(struct restore *r, unsigned int index));
/* In a process that was born without its maker's memory. */
void mates_forget(void);

/* The owner has mapped the place: mates may use it. */
int mates_offer(struct restore *r, struct agent_place *p, struct cr_err *err) CR_MUST;
/* All of them are in the agent; -1: the restore has failed. */
int mates_await_all(struct restore *r, const struct task_image *owner) CR_MUST;
/* In the owner's vector: the memory is there. */
void mates_release(struct vec *v);

/* In a mate: wait for the place, and where its shared page is to be. */
int mates_await_place(struct restore *r, struct agent_place **p, struct cr_agent_ctl **ctl) CR_MUST;
/* In a mate's vector: it has left C; wait for the memory. */
void mates_enter(struct vec *v);

#endif
