/* SPDX-License-Identifier: MIT */
/*
 * cr-restore: build the tree of an image again, under the same pids, and stay
 * as the parent of its root.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "action.h"
#include "attrs.h"
#include "attend.h"
#include "check.h"
#include "clean.h"
#include "clocks.h"
#include "cow.h"
#include "cpu.h"
#include "fanotify.h"
#include "fault.h"
#include "file.h"
#include "fill.h"
#include "finish.h"
#include "ghost-place.h"
#include "ghost.h"
#include "image.h"
#include "inherit.h"
#include "inotify.h"
#include "lock.h"
#include "make-family.h"
#include "mem.h"
#include "notify.h"
#include "mqueues.h"
#include "msg.h"
#include "numbers.h"
#include "opt.h"
#include "orphan.h"
#include "own.h"
#include "owner.h"
#include "paths.h"
#include "pidns.h"
#include "restore.h"
#include "script.h"
#include "shmem.h"
#include "sysv.h"
#include "tty.h"
#include "verify.h"
#include "watcher.h"

static const char *notify, *cpu_cap;
static struct restore r = { .opts = { .status_fd = -1, .notify_fd = -1 } };
static struct pidns copy;

static const struct cr_opt options[] = {
	{ 'D', "images-dir", CR_OPT_STR, "DIR", "the image directory", &r.opts.dir },
	{ 'd', "restore-detached", CR_OPT_BOOL, NULL, "end as soon as the tree runs",
	  &r.opts.detached },
	{ 's', "leave-stopped", CR_OPT_BOOL, NULL, "leave the tree stopped (SIGSTOP)",
	  &r.opts.leave_stopped },
	{ 0, "restore-sibling", CR_OPT_BOOL, NULL, "make the root a child of our parent",
	  &r.opts.sibling },
	{ 0, "new-pid-ns", CR_OPT_BOOL, NULL, "restore a copy in a pid namespace of its own",
	  &r.opts.new_pid_ns },
	{ 0, "exec-cmd", CR_OPT_BOOL, NULL, "become CMD, the parent of the tree, once it runs",
	  &r.opts.exec_cmd },
	{ 0, "status-fd", CR_OPT_FD, "FD", "write a zero byte to FD once the tree runs",
	  &r.opts.status_fd },
	{ 0, "notify", CR_OPT_STR, "SIGNAL", "queue SIGNAL to the root once it runs", &notify },
	{ 0, "notify-fd", CR_OPT_FD, "FD", "write to the root's descriptor FD once it runs",
	  &r.opts.notify_fd },
	{ 0, "pidfile", CR_OPT_STR, "FILE", "write the root's pid to FILE", &r.opts.pidfile },
	{ 'j', "shell-job", CR_OPT_BOOL, NULL, "put the tree into the caller's session",
	  &r.opts.shell_job },
	{ 0, "time-ns", CR_OPT_BOOL, NULL,
	  "let the clocks go on from the dump, in a time namespace", &r.opts.time_ns },
	{ 0, "cpu-cap", CR_OPT_STR, "CAP,...", "what the CPU must have: fpu, ins, cpu, all, none",
	  &cpu_cap },
	{ 0, "changed-files", CR_OPT_STR, "HOW", "accept: use files that have changed",
	  &r.opts.changed_files },
	{ 0, "cgroups", CR_OPT_STR, "HOW", "ignore: stay in the cgroups of this program",
	  &r.opts.cgroups },
	{ 0, "root", CR_OPT_STR, "DIR", "DIR is the root directory that the files are in",
	  &r.opts.root },
	{ 0, "map-path", CR_OPT_LIST, "OLD=NEW", "what was below OLD is below NEW now",
	  &r.opts.map_paths },
	{ 0, "action-script", CR_OPT_LIST, "CMD", "run CMD at the stages of the restore",
	  &r.opts.scripts },
	{ 0, "orphan-pts-master", CR_OPT_STR, "SOCK",
	  "pass new masters of ptys to who listens on SOCK", &r.opts.orphan_pts_master },
	{ 0, "inherit-fd", CR_OPT_LIST, "fd[N]:KEY", "descriptor N stands for what KEY names",
	  &r.opts.inherit_fds },
	{ 0, NULL, 0, NULL, NULL, NULL },
};

static const struct cr_opt_spec spec = {
	.name = "cr-restore",
	.operands = "[-- CMD [ARG]...]",
	.max_operands = -1,
	.purpose = "Restore a process tree from an image.",
	.opts = options,
};

/* The C library registered one for us; a forked task must not inherit it. */
static int drop_rseq(struct cr_err *err)
{
	void *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	unsigned int size = __rseq_size < 32 ? 32 : __rseq_size;

	if (__rseq_size == 0)
		return 0;
	if (syscall(SYS_rseq, area, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
		return cr_err_sys(err, "unable to unregister rseq");
	return 0;
}

static int make_room(struct cr_err *err)
{
	if (numbers_choose(&r, err) < 0)
		return -1;
	r.dirfd = file_stash(&r, r.dirfd, err);
	return r.dirfd < 0 ? -1 : 0;
}

static int open_bulk(struct cr_err *err)
{
	const struct msg_list *l = &r.img.kinds[CR_KIND_PAGES_FILE];

	r.bulk = calloc(l->count + 1, sizeof(*r.bulk));
	if (!r.bulk)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < l->count; i++) {
		const Cr__PagesFile *p = l->items[i];
		int fd = cr_image_open_bulk(r.dirfd, p->name, p->size, err);

		if (fd < 0)
			return -1;
		r.bulk[i].fd[0] = file_stash(&r, fd, err);
		if (r.bulk[i].fd[0] < 0)
			return -1;
		r.n_bulk++;
	}
	return 0;
}

static int share_memory(struct cr_err *err)
{
	size_t size = (size_t)(r.family.count + 1) * SHARED_PAGE;

	_Static_assert(sizeof(struct slot) <= SHARED_PAGE, "a slot is one page");
	r.shared_mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r.shared_mem == MAP_FAILED)
		return cr_err_sys(err, "unable to map shared memory");
	r.shared = (struct shared *)r.shared_mem;
	return 0;
}

static int prepare(struct cr_err *err)
{
	r.dirfd = cr_image_dir(r.opts.dir, false, err);
	if (r.dirfd < 0 || image_load(r.dirfd, r.opts.dir, &r.img, err) < 0 ||
	    verify_check(&r, err) < 0 || paths_map(&r, err) < 0 ||
	    cr_bump_seal(&r.img.memory, err) < 0 || mem_own_maps(&r, err) < 0 ||
	    attrs_own_limits(&r, err) < 0 || own_read(&r.own, err) < 0 || check_all(&r, err) < 0)
		return -1;
	r.huge_pages = fill_may_be_huge();
	r.has_borrowed = cow_is_wanted(&r);
	return make_room(err) < 0 || attrs_own_limits(&r, err) < 0 || inherit_keep(&r, err) < 0 ||
			       open_bulk(err) < 0 || share_memory(err) < 0 ||
			       place_share(&r, err) < 0 ?
		       -1 :
		       0;
}

/* Until every thread has parked, and its pages have proved to be right. */
static int await(struct cr_err *err)
{
	struct verify *v = NULL;
	struct cr_err second;
	int ret = verify_start(&r, &v, err);

	if (ret == 0 && (files_open_of_tree(&r, err) < 0 || finish_wait(&r, err) < 0 ||
			 owners_restore(&r, err) < 0 || leases_verify(&r, err) < 0 ||
			 shmems_finish(&r, err) < 0 || inotify_restore(&r, err) < 0 ||
			 fanotify_restore(&r, err) < 0))
		ret = -1;
	if (verify_end(v, ret < 0 ? &second : err) < 0)
		return -1;
	return ret;
}

/* The namespaces are there, and nobody of the tree yet. */
static int setup_namespaces(struct cr_err *err)
{
	if (!r.opts.scripts.count)
		return 0;
	if (r.opts.new_pid_ns)
		return pidns_ask(&copy, err);
	return r.opts.time_ns ? action_run(&r, "setup-namespaces", 0, err) : 0;
}

/* From the first process to the last moment before the tree lives. */
static int build(pid_t *root, struct cr_err *err)
{
	if (drop_rseq(err) < 0 || shmems_make(&r, err) < 0 || ghosts_make(&r, err) < 0 ||
	    ttys_make(&r, err) < 0 || files_open_shared(&r, err) < 0)
		return -1;
	/* Orphans of a failed restore come to us, and we can reap them. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return cr_err_sys(err, "PR_SET_CHILD_SUBREAPER");
	if (clocks_enter(&r, err) < 0 || setup_namespaces(err) < 0 || family_start(&r, err) < 0 ||
	    clocks_leave(&r, err) < 0 || await(err) < 0 || family_end(&r, err) < 0)
		return -1;
	*root = (pid_t)slot_at(&r, 0)->pid;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	if (action_run(&r, "post-restore", *root, err) < 0 ||
	    action_run(&r, "network-unlock", *root, err) < 0)
		return -1;
	ttys_foreground(&r);
	if (orphans_send(&r, err) < 0)
		return -1;
	return finish_release(&r, err);
}

static int write_pidfile(pid_t root, struct cr_err *err)
{
	cr_auto_file FILE *f = NULL;

	if (!r.opts.pidfile)
		return 0;
	f = fopen(r.opts.pidfile, "we");
	if (!f || fprintf(f, "%d\n", (int)root) < 0 || fflush(f))
		return cr_err_sys(err, "unable to write %s", r.opts.pidfile);
	return 0;
}

static int restore(pid_t *root, struct cr_err *err)
{
	pid_t watcher = -1;
	struct cr_err second;
	int ret = prepare(err);

	if (ret < 0 || action_run(&r, "pre-restore", 0, err) < 0)
		return -1;
	ret = watcher_start(&r, &watcher, err);
	if (ret == 0) {
		cr_fault("watched");
		ret = build(root, err);
		watcher_stop(watcher);
		if (ret < 0) {
			kill_created(&r);
			mqueues_undo();
			sysv_undo();
		}
	}
	if (ret == 0)
		ghosts_remove_links(&r);
	/* What lives is not for a script to undo. */
	if (ret == 0 && action_run(&r, "post-resume", *root, &second) < 0)
		cr_msg("%s", second.msg);
	return ret;
}

/* Who waits for the tree to run reads this byte, or the end of the pipe. */
static void tell_status(void)
{
	if (r.opts.status_fd >= 0 && write(r.opts.status_fd, "", 1) != 1)
		cr_msg("--status-fd %d: %s", r.opts.status_fd, strerror(errno));
}

/* The tree's parent from now on; what it inherits is what we were given. */
static int become_command(char **argv)
{
	struct cr_err err;

	execvp(argv[0], argv);
	cr_err_sys(&err, "the tree runs, but not %s", argv[0]);
	return cr_err_report(&err);
}

/* What the image was is of no interest any more. */
static int restore_and_free(pid_t *root, struct cr_err *err)
{
	if (restore(root, err) < 0)
		return -1;
	image_free(&r.img);
	return 0;
}

/* Outside, where the namespace's process 1 has another number. */
static int at_new_namespaces(pid_t init, struct cr_err *err)
{
	for (unsigned int i = 0; i < r.opts.scripts.count; i++)
		if (cr_script_run(r.opts.scripts.items[i], r.opts.dir, "setup-namespaces", init,
				  err) < 0)
			return -1;
	return 0;
}

/* In a namespace of its own: from inside there is no way back. */
static int restore_copy(struct cr_err *err)
{
	pid_t root = -1;
	bool inside = false;
	int status = 0;

	if (pidns_enter(&copy, &inside, err) < 0 && !inside)
		return cr_err_report(err);
	if (inside) {
		if (err->class || restore_and_free(&root, err) < 0 ||
		    pidns_tell(&copy, root, err) < 0)
			_exit(cr_err_report(err));
		pidns_init(&copy, root, r.opts.detached);
	}
	if (pidns_await(&copy, at_new_namespaces, &root, &status) < 0)
		return status;
	if (write_pidfile(root, err) < 0)
		return cr_err_report(err);
	tell_status();
	if (r.opts.detached)
		return 0;
	attend_forward(root);
	return pidns_status(&copy);
}

static void check_options(int first, int argc)
{
	if (r.opts.new_pid_ns && (r.opts.exec_cmd || r.opts.sibling || r.opts.shell_job))
		cr_opt_usage("--new-pid-ns goes with none of --exec-cmd, --restore-sibling, "
			     "--shell-job");
	if (r.opts.sibling && r.opts.exec_cmd)
		cr_opt_usage("--restore-sibling and --exec-cmd exclude each other");
	if (r.opts.exec_cmd && first == argc)
		cr_opt_usage("--exec-cmd: the command is missing (see -h)");
	if (!r.opts.exec_cmd && first < argc)
		cr_opt_usage("a command goes with --exec-cmd (see -h)");
	if (r.opts.exec_cmd && r.opts.detached)
		cr_opt_usage("--exec-cmd and --restore-detached exclude each other");
	if (r.opts.status_fd >= 0 && fcntl(r.opts.status_fd, F_GETFD) < 0)
		cr_opt_usage("--status-fd: descriptor %d is not open", r.opts.status_fd);
}

int main(int argc, char **argv)
{
	struct cr_err err = { 0 };
	pid_t root = -1;
	int first;

	first = cr_opt_parse(&spec, argc, argv);
	/* Ignored by who started us, the ends of our children would be lost. */
	signal(SIGCHLD, SIG_DFL);
	check_options(first, argc);
	if (!r.opts.dir)
		cr_opt_usage("-D DIR is missing (see -h)");
	if (r.opts.root && r.opts.root[0] != '/')
		cr_opt_usage("--root: '%s' is no absolute path", r.opts.root);
	if (notify && !(r.opts.notify = notify_parse(notify)))
		cr_opt_usage("--notify: '%s' is no signal", notify);
	if (cpu_parse_caps(cpu_cap, &r.opts.cpu_caps) < 0)
		cr_opt_usage("--cpu-cap: '%s' is none of fpu, ins, cpu, all, none", cpu_cap);
	if (r.opts.changed_files && strcmp(r.opts.changed_files, "accept") != 0)
		cr_opt_usage("--changed-files: '%s' is not accept", r.opts.changed_files);
	if (r.opts.cgroups && strcmp(r.opts.cgroups, "ignore") != 0)
		cr_opt_usage("--cgroups: '%s' is not ignore", r.opts.cgroups);
	inherit_parse(&r);
	if (r.opts.new_pid_ns)
		return restore_copy(&err);
	if (restore_and_free(&root, &err) < 0 || write_pidfile(root, &err) < 0)
		return cr_err_report(&err);
	tell_status();
	if (r.opts.exec_cmd)
		return become_command(argv + first);
	return r.opts.detached || r.opts.sibling ? 0 : attend(&r, root);
}
