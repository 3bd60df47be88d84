/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX sockets with names: listeners at paths (relative, absolute, deleted, renamed)
 * and at abstract names, what they have accepted and what still waits, clients
 * that are bound too, servers that are gone, datagrams with their senders, and
 * a child that is connected to its parent.
 */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "target.h"

#define USER 4321

struct link {
	int server, client;	/* the listener; both ends */
	int accepted;
};

static struct link relative, absolute, abstract, deleted, seqpacket, with_child;
static struct link renamed, linked;
static int orphan, orphan_client, bound_client, bound_server, widow, pending, pending_server;
static int dgram, sender, deleted_dgram, one_way, left, right, third, lonely, left_alone, single;
static char abstract_name[64], other_abstract[64], gone_abstract[64], full_path[PATH_MAX + 16];

static socklen_t address(struct sockaddr_un *un, const char *name)
{
	size_t len = strlen(name);

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, name, len);
	if (name[0] == '@')
		un->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] != '@'));
}

static int new (int type)
{
	return t_must(socket(AF_UNIX, type, 0));
}

static int bound(int type, const char *name)
{
	struct sockaddr_un un;
	socklen_t len = address(&un, name);
	int fd = new (type);

	t_must(bind(fd, (struct sockaddr *)&un, len));
	return fd;
}

static int try_connect(int fd, const char *name)
{
	struct sockaddr_un un;
	socklen_t len = address(&un, name);

	return connect(fd, (struct sockaddr *)&un, len);
}

static void listen_at(struct link *l, int type, const char *name, int backlog)
{
	l->server = bound(type, name);
	t_must(listen(l->server, backlog));
}

static void link_up(struct link *l, int type, const char *name)
{
	l->client = new (type);
	t_must(try_connect(l->client, name));
	l->accepted = t_must(accept(l->server, NULL, NULL));
}

static void put(int fd, const char *text)
{
	t_must(send(fd, text, strlen(text), MSG_DONTWAIT));
}

static void expect(const char *what, int fd, const char *text)
{
	char buf[256] = "";

	if (recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT) < 0)
		t_differs("%s: %s", what, strerror(errno));
	t_same_str(what, text, buf);
}

/* As text, with '@' in front of an abstract name, "" when there is none. */
static const char *text_of(const struct sockaddr_un *un, socklen_t len)
{
	static char buf[256];
	size_t head = offsetof(struct sockaddr_un, sun_path);

	buf[0] = '\0';
	if (len > head)
		snprintf(buf, sizeof(buf), "%s%.*s", un->sun_path[0] ? "" : "@",
			 (int)(len - head - !un->sun_path[0]), un->sun_path + !un->sun_path[0]);
	return buf;
}

static void check_names(const char *what, int fd, const char *own, const char *peer)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	char text[128];

	t_must(getsockname(fd, (struct sockaddr *)&un, &len));
	snprintf(text, sizeof(text), "%s: its name", what);
	t_same_str(text, own, text_of(&un, len));
	len = sizeof(un);
	if (!peer || getpeername(fd, (struct sockaddr *)&un, &len) < 0)
		return;
	snprintf(text, sizeof(text), "%s: its peer's name", what);
	t_same_str(text, peer, text_of(&un, len));
}

static void check_maker(const char *what, int fd, pid_t pid)
{
	struct ucred uc = { 0 };
	socklen_t len = sizeof(uc);

	t_must(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len));
	t_same(what, (uint64_t)pid, (uint64_t)uc.pid);
}

/* --- listeners ---------------------------------------------------------------- */

static const char *full_path_of(const char *name)
{
	static char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", t_dir, name);
	return path;
}

static void set_up_listeners(void)
{
	snprintf(full_path, sizeof(full_path), "%s", full_path_of("full"));
	t_must(mkdir("dir", 0755));
	listen_at(&relative, SOCK_STREAM, "dir/listen", 2);
	t_must(chmod("dir/listen", 0620));
	t_must(chown("dir/listen", USER, 0));
	link_up(&relative, SOCK_STREAM, "dir/listen");
	put(relative.client, "to the server");
	put(relative.accepted, "to the client");
	listen_at(&absolute, SOCK_STREAM, full_path, 5);
	link_up(&absolute, SOCK_STREAM, full_path);
	snprintf(abstract_name, sizeof(abstract_name), "@cr-t-%d", (int)getpid());
	listen_at(&abstract, SOCK_STREAM, abstract_name, 5);
	link_up(&abstract, SOCK_STREAM, abstract_name);
	t_must(shutdown(abstract.client, SHUT_WR));
	listen_at(&deleted, SOCK_STREAM, "deleted", 5);
	link_up(&deleted, SOCK_STREAM, "deleted");
	t_must(unlink("deleted"));
	/* As supervisord and ssh do, so that their clients never find half of it. */
	listen_at(&renamed, SOCK_STREAM, full_path_of("passing"), 5);
	t_must(rename("passing", "renamed"));
	link_up(&renamed, SOCK_STREAM, "renamed");
	listen_at(&linked, SOCK_STREAM, "dir/passing", 5);
	t_must(link("dir/passing", "dir/linked"));
	t_must(unlink("dir/passing"));
	link_up(&linked, SOCK_STREAM, "dir/linked");
	listen_at(&seqpacket, SOCK_SEQPACKET, "seqpacket", 5);
	link_up(&seqpacket, SOCK_SEQPACKET, "seqpacket");
	put(seqpacket.client, "one");
	put(seqpacket.client, "two");
}

/* It listens at @path, and has been bound to @name. */
static void check_link_at(const char *what, const struct link *l, const char *name,
			  const char *path)
{
	struct link other = *l;
	int type = 0;
	socklen_t len = sizeof(type);

	check_names(what, l->server, name, NULL);
	check_names(what, l->accepted, name, "");
	check_names(what, l->client, "", name);
	check_maker("who accepted", l->client, getpid());
	check_maker("who connected", l->accepted, getpid());
	put(l->accepted, "ping");
	expect(what, l->client, "ping");
	t_must(getsockopt(l->server, SOL_SOCKET, SO_TYPE, &type, &len));
	if (l == &deleted)
		return;
	link_up(&other, type, path);
	put(other.client, "new");
	expect("a new connection", other.accepted, "new");
	close(other.client);
	close(other.accepted);
}

static void check_link(const char *what, const struct link *l, const char *name)
{
	check_link_at(what, l, name, name);
}

static void check_backlog(void)
{
	int fd[4];

	for (int i = 0; i < 4; i++) {
		fd[i] = new (SOCK_STREAM | SOCK_NONBLOCK);
		t_same("connections before the backlog is full", i < 3 ? 0 : -1,
		       (uint64_t)try_connect(fd[i], "dir/listen"));
	}
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}

static void check_listeners(void)
{
	struct stat sb;

	expect("bytes to the server", relative.accepted, "to the server");
	expect("bytes to the client", relative.client, "to the client");
	expect("the first record", seqpacket.accepted, "one");
	expect("the second record", seqpacket.accepted, "two");
	check_link("relative path", &relative, "dir/listen");
	check_link("absolute path", &absolute, full_path);
	check_link("abstract name", &abstract, abstract_name);
	check_link("deleted path", &deleted, "deleted");
	check_link("seqpacket", &seqpacket, "seqpacket");
	check_link_at("renamed", &renamed, full_path_of("passing"), "renamed");
	check_link_at("linked", &linked, "dir/passing", "dir/linked");
	t_true("the names they were bound to are gone",
	       access("passing", F_OK) < 0 && access("dir/passing", F_OK) < 0);
	expect("the end of what was shut down", abstract.accepted, "");
	t_must(lstat("dir/listen", &sb));
	t_same("mode of the file", S_IFSOCK | 0620, sb.st_mode);
	t_same("owner of the file", USER, sb.st_uid);
	t_true("a deleted file stays so", access("deleted", F_OK) < 0);
	check_backlog();
}

/* --- connections without a listener ---------------------------------------------- */

static void set_up_orphans(void)
{
	struct link l;
	struct sockaddr_un un;
	socklen_t len;

	/* The listener is closed, the connection stays. */
	snprintf(other_abstract, sizeof(other_abstract), "@cr-t-%d-b", (int)getpid());
	listen_at(&l, SOCK_STREAM, other_abstract, 5);
	link_up(&l, SOCK_STREAM, other_abstract);
	put(l.accepted, "on its way");
	close(l.server);
	orphan = l.accepted;
	orphan_client = l.client;
	/* The client has a name as well. */
	listen_at(&l, SOCK_STREAM, "server", 5);
	bound_client = bound(SOCK_STREAM, "client");
	len = address(&un, "server");
	t_must(connect(bound_client, (struct sockaddr *)&un, len));
	bound_server = t_must(accept(l.server, NULL, NULL));
	close(l.server);
	/* The server and its connection are gone. */
	t_must(unlink("server"));
	listen_at(&l, SOCK_STREAM, "server", 5);
	link_up(&l, SOCK_STREAM, "server");
	put(l.accepted, "farewell");
	close(l.server);
	close(l.accepted);
	widow = l.client;
	t_must(unlink("server"));
	/* Nobody has accepted it. */
	pending_server = bound(SOCK_STREAM, "pending");
	t_must(listen(pending_server, 5));
	pending = new (SOCK_STREAM);
	t_must(try_connect(pending, "pending"));
}

static void check_orphans(void)
{
	int fd;

	check_names("without listener", orphan, other_abstract, "");
	check_names("its client", orphan_client, "", other_abstract);
	expect("from an accepted one", orphan_client, "on its way");
	put(orphan_client, "go on");
	expect("without listener", orphan, "go on");
	check_names("bound client", bound_client, "client", "server");
	check_names("its server", bound_server, "server", "client");
	put(bound_client, "from a name");
	expect("to the bound client's server", bound_server, "from a name");
	check_names("client of a closed server", widow, "", "server");
	expect("what it left", widow, "farewell");
	expect("and its end", widow, "");
	put(pending, "at last");
	fd = t_must(accept(pending_server, NULL, NULL));
	expect("a connection that waited", fd, "at last");
	check_names("a connection that waited", fd, "pending", "");
	check_maker("who waited", fd, getpid());
	close(fd);
	t_must(fcntl(pending_server, F_SETFL, O_NONBLOCK));
	t_true("it was the only one", accept(pending_server, NULL, NULL) < 0);
}

/* --- datagrams --------------------------------------------------------------------- */

static void send_to(int fd, const char *name, const char *text)
{
	struct sockaddr_un un;
	socklen_t len = address(&un, name);

	t_must(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&un, len));
}

static void expect_from(const char *what, const char *text, const char *from)
{
	char buf[256] = "";
	struct sockaddr_un un;
	socklen_t len = sizeof(un);

	if (recvfrom(dgram, buf, sizeof(buf) - 1, MSG_DONTWAIT, (struct sockaddr *)&un, &len) < 0) {
		t_differs("%s: %s", what, strerror(errno));
		return;
	}
	t_same_str(what, text, buf);
	t_same_str("its sender", from, text_of(&un, len));
}

static void set_up_datagrams(void)
{
	int fd[2], gone;

	dgram = bound(SOCK_DGRAM, "dgram");
	sender = bound(SOCK_DGRAM, "sender");
	lonely = new (SOCK_DGRAM);
	gone = bound(SOCK_DGRAM, "gone");
	send_to(sender, "dgram", "first");
	send_to(gone, "dgram", "second");
	send_to(lonely, "dgram", "third");
	close(gone);
	t_must(unlink("gone"));
	t_must(try_connect(sender, "dgram"));
	deleted_dgram = bound(SOCK_DGRAM, "deleted-dgram");
	one_way = new (SOCK_DGRAM);
	t_must(try_connect(one_way, "deleted-dgram"));
	put(one_way, "by one way");
	t_must(unlink("deleted-dgram"));
	/* Connected by name, to one that is closed: nobody's credentials are known. */
	snprintf(gone_abstract, sizeof(gone_abstract), "@cr-t-%d-c", (int)getpid());
	gone = bound(SOCK_DGRAM, gone_abstract);
	left_alone = new (SOCK_DGRAM);
	t_must(try_connect(left_alone, gone_abstract));
	close(gone);
	/* Of a pair, but it has found that the other end is closed. */
	t_must(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	close(fd[1]);
	single = fd[0];
	t_true("nobody there", send(single, "x", 1, 0) < 0 && errno == ECONNREFUSED);
	/* A pair, one of which has another peer now. */
	t_must(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	left = fd[0];
	right = fd[1];
	third = bound(SOCK_DGRAM, "third");
	t_must(try_connect(right, "third"));
	recv(left, &gone, sizeof(gone), MSG_DONTWAIT);
}

static void check_datagrams(void)
{
	check_names("datagram server", dgram, "dgram", NULL);
	expect_from("the first datagram", "first", "sender");
	expect_from("the second datagram", "second", "gone");
	expect_from("the third datagram", "third", "");
	put(sender, "on");
	expect_from("one more", "on", "sender");
	check_names("connected datagram socket", sender, "sender", "dgram");
	expect("at a deleted name", deleted_dgram, "by one way");
	put(one_way, "again");
	expect("again", deleted_dgram, "again");
	check_names("with a deleted peer", one_way, "", "deleted-dgram");
	check_names("with a closed peer", left_alone, "", gone_abstract);
	check_maker("with a closed peer", left_alone, 0);
	t_true("nothing to send to", send(single, "x", 1, 0) < 0 && errno == ENOTCONN);
	check_maker("of a pair that was", single, getpid());
	put(right, "elsewhere");
	expect("a pair that has parted", third, "elsewhere");
	t_true("what is left of it", send(left, "x", 1, 0) < 0 && errno == EPERM);
	t_true("no error is left", recv(left, full_path, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
}

/* --- the child ---------------------------------------------------------------------- */

static void child_of(void)
{
	int fd = new (SOCK_STREAM);
	char c;

	t_must(try_connect(fd, "with-child"));
	t_touch("child");
	while (recv(fd, &c, 1, 0) == 1) {
		c++;
		if (send(fd, &c, 1, 0) != 1)
			_exit(2);
	}
	check_names("the child's socket", fd, "", "with-child");
	check_maker("the child's server", fd, getppid());
	_exit(t_differences ? 1 : 0);
}

static void check_child(pid_t child)
{
	expect("an answer that was under way", with_child.accepted, "B");
	put(with_child.accepted, "x");
	t_must(fcntl(with_child.accepted, F_SETFL, 0));
	for (char c = 0; recv(with_child.accepted, &c, 1, 0) == 1;) {
		t_same("an answer", 'y', (uint64_t)c);
		break;
	}
	check_maker("the client is the child", with_child.accepted, child);
	close(with_child.accepted);
	t_join_child("the child", child);
}

int main(void)
{
	pid_t child;

	t_init();
	listen_at(&with_child, SOCK_STREAM, "with-child", 5);
	child = t_must(fork());
	if (child == 0) {
		close(with_child.server);
		child_of();
	}
	while (access("child", F_OK) < 0)
		t_sleep_ms(5);
	with_child.accepted = t_must(accept(with_child.server, NULL, NULL));
	put(with_child.accepted, "A");
	set_up_listeners();
	set_up_orphans();
	set_up_datagrams();
	t_ready();
	if (t_spoiled())
		close(abstract.server);
	t_wait();
	if (fcntl(abstract.server, F_GETFD) < 0) {
		t_differs("a listener is closed");
		close(with_child.accepted);
		return t_done();
	}
	check_listeners();
	check_orphans();
	check_datagrams();
	check_child(child);
	return t_done();
}
