/* SPDX-License-Identifier: MIT */
/*
 * What a task can set of itself, its sockets and terminals: by chance, and as text.
 */
#ifndef T_MEDLEY_MORE_H
#define T_MEDLEY_MORE_H

#include <arpa/inet.h>
#include <cpuid.h>
#include <linux/ioprio.h>
#include <linux/securebits.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>

#include "medley-do.h"
#include "medley-tree.h"

/* --- attributes ---------------------------------------------------------------- */

static void on_signal(T_UNUSED int sig)
{
}

static void set_handler(void)
{
	static const int flags[] = { 0,		 SA_RESTART,   SA_NODEFER,  SA_RESETHAND,
				     SA_ONSTACK, SA_NOCLDSTOP, SA_NOCLDWAIT };
	struct sigaction sa = { .sa_handler = one_in(3) ? SIG_IGN : on_signal,
				.sa_flags = flags[chance(7)] | flags[chance(6)] };
	int sig = 1 + (int)chance(31);

	for (unsigned int i = 0; i < 3; i++)
		sigaddset(&sa.sa_mask, 1 + (int)chance(60));
	/* Those would change what the tree does. */
	if (sig != SIGCHLD && sig != SIGHUP && sig != SIGPIPE && sig != SIGCONT)
		sigaction(sig, &sa, NULL);
}

static void set_stack(void)
{
	stack_t ss = { .ss_sp = (void *)(AREA + chance(100) * PAGE),
		       .ss_size = PAGE * 4,
		       .ss_flags = one_in(3) ? SS_DISABLE : 0 };

	sigaltstack(&ss, NULL);
}

static void set_prctl(void)
{
	char name[16];

	switch (chance(9)) {
	case 0:
		snprintf(name, sizeof(name), "name %u", chance(99));
		prctl(PR_SET_NAME, name);
		break;
	case 1:
		/* That of a root which is restored with -d would come at once. */
		if (me != common->member)
			prctl(PR_SET_PDEATHSIG, one_in(2) ? SIGCONT : 0);
		break;
	case 2:
		prctl(PR_SET_TIMERSLACK, 1 + chance(100000));
		break;
	case 3:
		prctl(PR_SET_THP_DISABLE, one_in(2), 0, 0, 0);
		break;
	case 4:
		prctl(PR_SET_KEEPCAPS, 1);
		break;
	case 5:
		prctl(PR_SET_NO_NEW_PRIVS, one_in(3), 0, 0, 0);
		break;
	case 6:
		prctl(PR_SET_IO_FLUSHER, one_in(2), 0, 0, 0);
		break;
	case 7:
		prctl(PR_MCE_KILL, PR_MCE_KILL_SET, chance(3), 0, 0);
		break;
	default:
		prctl(PR_SET_SECUREBITS, one_in(2) ? SECBIT_KEEP_CAPS : SECBIT_NO_SETUID_FIXUP);
	}
}

static void set_limits(void)
{
	static const int which[] = { RLIMIT_CPU,  RLIMIT_FSIZE,	 RLIMIT_CORE,	   RLIMIT_MSGQUEUE,
				     RLIMIT_NICE, RLIMIT_RTTIME, RLIMIT_SIGPENDING };
	struct rlimit r;
	int limit = which[chance(7)];

	getrlimit(limit, &r);
	r.rlim_cur = r.rlim_max < 1000000000 ? r.rlim_max : 1000000000 + chance(100);
	setrlimit(limit, &r);
}

static void set_scheduling(void)
{
	/* None that stands still where others compute. */
	static const int policies[] = { SCHED_OTHER, SCHED_BATCH, SCHED_BATCH, SCHED_OTHER };
	struct sched_param p = { 0 };
	cpu_set_t set;

	switch (chance(4)) {
	case 0:
		sched_setscheduler(0, policies[chance(4)] | (one_in(3) ? SCHED_RESET_ON_FORK : 0),
				   &p);
		break;
	case 1:
		CPU_ZERO(&set);
		CPU_SET((int)chance(2), &set);
		sched_setaffinity(0, sizeof(set), &set);
		break;
	case 2:
		syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
			IOPRIO_PRIO_VALUE(one_in(2) ? IOPRIO_CLASS_BE : IOPRIO_CLASS_IDLE,
					  chance(8)));
		break;
	default:
		setpriority(PRIO_PROCESS, 0, (int)chance(4));
	}
}

static void set_timer(void)
{
	struct itimerspec its = { .it_value = { 9000, 0 }, .it_interval = { chance(9), 5 } };
	struct itimerval itv = { .it_value = { 9000, 0 }, .it_interval = { chance(9), 5 } };
	struct sigevent ev = { .sigev_notify = one_in(3) ? SIGEV_NONE : SIGEV_SIGNAL,
			       .sigev_signo = SIGRTMIN + (int)chance(10),
			       .sigev_value.sival_int = (int)chance(1000) };
	timer_t t;

	if (one_in(3))
		setitimer((int)chance(3), &itv, NULL);
	else if (timer_create(one_in(2) ? CLOCK_MONOTONIC : CLOCK_REALTIME, &ev, &t) == 0 &&
		 one_in(2))
		timer_settime(t, 0, &its, NULL);
}

static void say_timer(struct text *t)
{
	char buf[4096];

	for (int i = 0; i < 3; i++) {
		struct itimerval v;

		getitimer(i, &v);
		say(t, "itimer %d: %d every %ld.%06ld\n", i, v.it_value.tv_sec > 0,
		    v.it_interval.tv_sec, v.it_interval.tv_usec);
	}
	t_read("/proc/self/timers", buf, sizeof(buf));
	say(t, "%s", buf);
}

static void say_attributes(struct text *t)
{
	static const int gets[] = { PR_GET_PDEATHSIG,	    PR_GET_TIMERSLACK,	 PR_GET_THP_DISABLE,
				    PR_GET_KEEPCAPS,	    PR_GET_NO_NEW_PRIVS, PR_GET_IO_FLUSHER,
				    PR_MCE_KILL_GET,	    PR_GET_SECUREBITS,	 PR_GET_DUMPABLE,
				    PR_GET_CHILD_SUBREAPER, PR_GET_TSC };
	char buf[8192];
	struct sigaction sa;
	unsigned int eax, ebx, ecx, edx;
	stack_t ss;
	cpu_set_t set;

	for (size_t i = 0; i < sizeof(gets) / sizeof(gets[0]); i++) {
		unsigned int arg = 0;
		bool out = gets[i] == PR_GET_PDEATHSIG || gets[i] == PR_GET_CHILD_SUBREAPER ||
			   gets[i] == PR_GET_TSC;

		say(t, "prctl %d: %d", gets[i],
		    prctl(gets[i], out ? (unsigned long)&arg : 0, 0, 0, 0));
		say(t, " %u\n", arg);
	}
	for (int s = 1; s < 65; s++)
		if (sigaction(s, NULL, &sa) == 0)
			say(t, "signal %d: %p %#x %016llx\n", s, (void *)sa.sa_handler,
			    (unsigned int)sa.sa_flags, (unsigned long long)hash(&sa.sa_mask, 8));
	sigaltstack(NULL, &ss);
	say(t, "stack %p %zu %d\n", ss.ss_sp, ss.ss_size, ss.ss_flags);
	t_read("/proc/self/limits", buf, sizeof(buf));
	say(t, "%s", buf);
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && ecx & bit_OSPKE) {
		__asm__ volatile("rdpkru" : "=a"(eax), "=d"(edx) : "c"(0));
		say(t, "rights %08x\n", eax);
	}
	say(t, "ioprio %ld cpus %d\n", syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0),
	    CPU_COUNT(&set));
	say_timer(t);
}

/* --- descriptors ---------------------------------------------------------------- */

static void open_inet(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int type = one_in(2) ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

	if (fd < 0 || one_in(3) || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return;
	getsockname(fd, (struct sockaddr *)&at, &len);
	if (type == SOCK_STREAM)
		listen(fd, 1 + (int)chance(20));
	for (uint32_t n = type == SOCK_DGRAM ? chance(4) : 0; n; n--)
		sendto(fd, peek_buf, chance(200), MSG_DONTWAIT, (struct sockaddr *)&at, len);
	if (type == SOCK_DGRAM && one_in(2))
		connect(fd, (struct sockaddr *)&at, len);
}

static void open_named(void)
{
	static int number;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	/* A record tells the name of its sender, which may be gone. */
	int type = one_in(2) ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK, 0), c;
	int n = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "cr-t-medley-%d-%d", getpid(),
			 number++);
	socklen_t len = (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)n);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0)
		return;
	if (type != SOCK_DGRAM)
		listen(fd, 5);
	c = socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
	if (connect(c, (struct sockaddr *)&at, len) < 0)
		return;
	/* What waits to be accepted may not have sent. */
	if (type != SOCK_DGRAM)
		accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	send(c, peek_buf, 1 + chance(500), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (one_in(3))
		close(one_in(2) ? c : fd);
}

static void set_option(void)
{
	static const int options[][2] = { { SOL_SOCKET, SO_KEEPALIVE },
					  { SOL_SOCKET, SO_REUSEADDR },
					  { SOL_SOCKET, SO_SNDBUF },
					  { SOL_SOCKET, SO_RCVBUF },
					  { SOL_SOCKET, SO_PRIORITY },
					  { SOL_SOCKET, SO_PASSCRED },
					  { SOL_SOCKET, SO_TIMESTAMP },
					  { SOL_SOCKET, SO_RCVLOWAT },
					  { SOL_SOCKET, SO_BROADCAST },
					  { SOL_SOCKET, SO_MARK },
					  { IPPROTO_IP, IP_TTL },
					  { IPPROTO_IP, IP_TOS },
					  { IPPROTO_IP, IP_PKTINFO },
					  { IPPROTO_IP, IP_FREEBIND },
					  { IPPROTO_TCP, TCP_NODELAY },
					  { IPPROTO_TCP, TCP_KEEPIDLE },
					  { IPPROTO_TCP, TCP_DEFER_ACCEPT },
					  { SOL_SOCKET, SO_DONTROUTE },
					  { SOL_SOCKET, SO_OOBINLINE },
					  { SOL_SOCKET, SO_PEEK_OFF } };
	uint32_t which = chance(sizeof(options) / sizeof(options[0]));
	int value = which < 4 && which > 1 ? 5000 + (int)chance(100000) : 1 + (int)chance(4);

	/* A peek at an offset shows another part. */
	if (options[which][1] != SO_PEEK_OFF)
		setsockopt(some_fd(), options[which][0], options[which][1], &value, sizeof(value));
}

/* All options that can be read, but those that tell of the kernel's own doing. */
static void say_options(struct text *t, int fd)
{
	static const int levels[] = { SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP };
	static const int skip[] = { SO_ERROR,
				    SO_PEERCRED,
				    49	/* INCOMING_CPU */,
				    55	/* MEMINFO */,
				    56	/* NAPI_ID */,
				    57	/* COOKIE */,
				    71	/* NETNS_COOKIE */,
				    77	/* PEERPIDFD */ };

	for (size_t l = 0; l < 4; l++) {
		for (int o = 0; o < 90; o++) {
			uint8_t value[512] = { 0 };
			socklen_t len = sizeof(value);
			bool skipped =
				levels[l] == IPPROTO_TCP ?
					o == TCP_INFO || o == TCP_CC_INFO || o == TCP_TIMESTAMP ||
						o == 35 /* ZEROCOPY_RECEIVE */ :
					levels[l] == IPPROTO_IP &&
						(o == IP_MTU || o == 52	/* PROTOCOL: its port */);

			for (size_t i = 0;
			     levels[l] == SOL_SOCKET && i < sizeof(skip) / sizeof(int); i++)
				skipped |= skip[i] == o;
			if (!skipped && getsockopt(fd, levels[l], o, value, &len) == 0)
				say(t, "option %d.%d of %d: %08x\n", levels[l], o, fd,
				    (unsigned int)hash(value, len));
		}
	}
}

static void open_terminal(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK), slave;
	struct winsize ws = { (unsigned short)chance(90), (unsigned short)chance(90), 0, 0 };
	struct termios tio;
	char name[64];

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return;
	if (ptsname_r(master, name, sizeof(name)) || one_in(5))
		return;
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	ioctl(master, TIOCSWINSZ, &ws);
	tcgetattr(slave, &tio);
	tio.c_lflag ^= one_in(2) ? ECHO : ICANON;
	tio.c_oflag ^= one_in(2) ? OPOST : 0;
	tio.c_cc[VEOF] = (cc_t)chance(30);
	tcsetattr(slave, TCSANOW, &tio);
	if (one_in(2))
		(void)!write(master, "typed\n", 6);
	if (one_in(2))
		(void)!write(slave, "printed\n", 8);
	if (one_in(4))
		close(slave);
	if (one_in(6))
		ioctl(master, TIOCPKT, &(int){ 1 });
}

static void say_terminal(struct text *t, int fd)
{
	struct termios tio;
	struct winsize ws;
	int in = -1, out = -1, packet = -1, lock = -1, index = -1;

	if (tcgetattr(fd, &tio) < 0)
		return;
	ioctl(fd, TIOCGWINSZ, &ws);
	ioctl(fd, FIONREAD, &in);
	ioctl(fd, TIOCOUTQ, &out);
	ioctl(fd, TIOCGPKT, &packet);
	ioctl(fd, TIOCGPTLCK, &lock);
	ioctl(fd, TIOCGPTN, &index);
	say(t, "terminal %d: %d x %d, %x %x %x %x %016llx, %d %d %d %d %d\n", fd, ws.ws_row,
	    ws.ws_col, tio.c_iflag, tio.c_oflag, tio.c_cflag, tio.c_lflag,
	    (unsigned long long)hash(tio.c_cc, sizeof(tio.c_cc)), in, out, packet, lock, index);
}

static void say_more(struct text *t, int fd, const struct stat *st)
{
	if (S_ISSOCK(st->st_mode))
		say_options(t, fd);
	else if (S_ISCHR(st->st_mode))
		say_terminal(t, fd);
}

static void open_more(void)
{
	sigset_t set;
	int fd, it;
	char name[48];

	if (list_numbers("/proc/self/fd", (int[MAX_FDS]){ 0 }, MAX_FDS) > 44)
		return;
	switch (chance(8)) {
	case 0:
		sigemptyset(&set);
		sigaddset(&set, SIGRTMIN + (int)chance(10));
		sigaddset(&set, 1 + (int)chance(30));
		signalfd(-1, &set, SFD_NONBLOCK);
		break;
	case 1:
		it = inotify_init1(IN_NONBLOCK);
		/* Nothing of that happens here, so that no event waits. */
		inotify_add_watch(it, "/proc/self/root", IN_DELETE_SELF | IN_MOVE_SELF);
		inotify_add_watch(it, t_dir, IN_MOVE_SELF);
		break;
	case 2:
		syscall(SYS_pidfd_open, common_pid(), 0);
		break;
	case 3:
		open_terminal();
		break;
	case 4:
		snprintf(name, sizeof(name), "/cr-t-medley-%d-%u", getpid(), chance(1000));
		fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600,
			     &(struct mq_attr){ .mq_maxmsg = 5, .mq_msgsize = 16 });
		for (uint32_t n = chance(4); fd >= 0 && n; n--)
			mq_send(fd, "message", chance(8), chance(5));
		break;
	case 5:
		open_inet();
		break;
	default:
		open_named();
	}
}

/* A lock of /dev/null, or of the inode of all eventfds, is in the way of others. */
static bool is_ours(int fd)
{
	const char *to = link_of(fd);

	return strncmp(to, t_dir, strlen(t_dir)) == 0 || strncmp(to, "/memfd:", 7) == 0 ||
	       strncmp(to, "pipe:", 5) == 0 || strncmp(to, "socket:", 7) == 0;
}

/* By flock(2), fcntl(2) for the process, or for the description. */
static void lock_file(void)
{
	struct flock fl = { .l_type = one_in(2) ? F_RDLCK : F_WRLCK,
			    .l_start = chance(100),
			    .l_len = chance(100) };
	int fd = some_fd();

	if (!is_ours(fd))
		return;
	switch (chance(4)) {
	case 0:
		flock(fd, LOCK_NB | (one_in(2) ? LOCK_SH : one_in(4) ? LOCK_UN : LOCK_EX));
		break;
	case 1:
		fcntl(fd, F_OFD_SETLK, &fl);
		break;
	default:
		fcntl(fd, F_SETLK, &fl);
	}
}

#endif
