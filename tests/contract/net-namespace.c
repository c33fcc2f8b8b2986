/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces: unshare, clone, setns by descriptor and pidfd, what a new one has, whose sockets, names and files are whose. */
#include "tests/contract/rtnl.h"
#include <linux/nsfs.h>
#include <sys/mount.h>
#include <sys/un.h>

static ino_t net_ino(const char *path)
{
	struct stat st;

	MUST(stat(path, &st));
	return st.st_ino;
}

static int net_fd(void)
{
	return MUST(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
}

/* Lines of a table in /proc/net without its head, and the first word of each. */
static void show_names(const char *path, int head)
{
	char line[512], name[64];
	FILE *f = fopen(path, "r");

	if (!f) {
		say("%s: %s", path, errno_name(errno));
		return;
	}
	for (int i = 0; fgets(line, sizeof(line), f); i++)
		if (i >= head && sscanf(line, " %63[^ :\t\n]", name) == 1)
			say("%s: %s", path, name);
	fclose(f);
}

static void show_addresses(void)
{
	struct ifreq ifr[8];
	struct ifconf c = { .ifc_len = sizeof(ifr), .ifc_req = ifr };
	int s = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	CALL(ioctl(s, SIOCGIFCONF, &c));
	for (int i = 0; i < c.ifc_len / (int)sizeof(ifr[0]); i++)
		say("%s %s", ifr[i].ifr_name, inet_ntoa(((struct sockaddr_in *)&ifr[i].ifr_addr)->sin_addr));
	close(s);
}

static int tcp_on(const char *addr, int port)
{
	struct sockaddr_in a = in4(addr, port);
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	if (bind(s, SA(a), sizeof(a)) || listen(s, 5)) {
		int saved = errno;

		close(s);
		errno = saved;
		return -1;
	}
	return s;
}

static int tcp_to(const char *addr, int port)
{
	struct sockaddr_in a = in4(addr, port);
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), ret = connect(s, SA(a), sizeof(a)), saved = errno;

	close(s);
	errno = saved;
	return ret;
}

static int abstract(const char *name, bool to)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	strcpy(a.sun_path + 1, name);
	if (to ? connect(s, SA(a), 3 + strlen(name)) : bind(s, SA(a), 3 + strlen(name)) || listen(s, 5)) {
		int saved = errno;

		close(s);
		errno = saved;
		return -1;
	}
	return s;
}

static void fresh(void)
{
	SECTION("a new one");
	show_names("/proc/net/dev", 2);
	show_names("/proc/self/net/dev", 2);
	show_names("/proc/net/route", 1);
	show_names("/proc/net/tcp", 1);
	show_names("/proc/net/unix", 1);
	HEX(link_flags("lo"));
	show_addresses();
	CALL(tcp_on("127.0.0.1", 4000));
	OK(tcp_on("0.0.0.0", 4001));
	CALL(tcp_to("127.0.0.1", 4001));
	CALL(tcp_to("10.9.8.7", 4001));
	SECTION("lo up");
	CALL(link_up("lo"));
	HEX(link_flags("lo"));
	show_addresses();
	CALL(tcp_to("127.0.0.1", 4001));
	CALL(tcp_to("10.9.8.7", 4001));
	SHOW(if_nametoindex("lo"));
	CALL(link_del("lo"));
	SECTION("lo down");
	CALL(link_set("lo", 0, NULL, 0, 0, IFF_UP));
	show_addresses();
	CALL(link_up("lo"));
}

static void sockets(void)
{
	struct sockaddr_in a = in4("127.0.0.1", 4100);
	int here, there, away = net_fd(), u;
	char c;

	SECTION("sockets stay where they were made");
	here = MUST(tcp_on("127.0.0.1", 4100));
	OK(abstract("contract-net", false));
	CALL(unshare(CLONE_NEWNET));
	CALL(link_up("lo"));
	there = OK(tcp_on("127.0.0.1", 4100)); /* the same name once more */
	CALL(abstract("contract-net", true));
	OK(abstract("contract-net", false));
	OK(abstract("contract-net", true));
	u = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	CALL(setns(away, CLONE_NEWNET));
	CALL(bind(u, SA(a), sizeof(a))); /* in the other */
	CALL(sendto(u, "x", 1, 0, SA(a), sizeof(a)));
	CALL(recv(u, &c, 1, MSG_DONTWAIT));
	close(there);
	CALL(tcp_to("127.0.0.1", 4100)); /* ours still listens */
	close(here);
	CALL(tcp_to("127.0.0.1", 4100));
	close(u);
	close(away);
}

static void entering(void)
{
	ino_t mine = net_ino("/proc/self/ns/net");
	int fd = net_fd(), uts = MUST(open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC)), null = MUST(open("/dev/null", O_RDONLY));
	struct gate ready, done;
	char path[64];
	pid_t pid;

	SECTION("entering");
	SHOW(ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET);
	CALL(setns(fd, CLONE_NEWUTS));
	CALL(setns(uts, CLONE_NEWNET));
	CALL(setns(null, CLONE_NEWNET));
	CALL(setns(-1, CLONE_NEWNET));
	CALL(setns(fd, 0));
	gate_init(&ready);
	gate_init(&done);
	pid = MUST(fork());
	if (!pid) {
		MUST(unshare(CLONE_NEWNET));
		gate_open(&ready);
		gate_wait(&done);
		_exit(0);
	}
	gate_wait(&ready);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	YES(net_ino(path) != mine);
	snprintf(path, sizeof(path), "/proc/%d/net/dev", pid);
	IN_CHILD("by pidfd") {
		int pidfd = MUST(syscall(SYS_pidfd_open, pid, 0));

		CALL(link_add("veth", "only-here", NULL, 0));
		CALL(setns(pidfd, CLONE_NEWNET));
		YES(net_ino("/proc/self/ns/net") != mine);
		SHOW(if_nametoindex("only-here"));
		CALL(link_up("lo"));
		CALL(setns(pidfd, 0));
		_exit(0);
	}
	YES(if_nametoindex("only-here") > 0);
	CALL(link_del("only-here"));
	gate_open(&done);
	reap("the other", pid);
	CALL(setns(fd, CLONE_NEWNET));
	close(fd);
	close(uts);
	close(null);
}

static int child_in_own(void *arg)
{
	ino_t *parent = arg;

	YES(net_ino("/proc/self/ns/net") != *parent);
	HEX(link_flags("lo"));
	return 0;
}

static void cloned(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	ino_t mine = net_ino("/proc/self/ns/net");
	pid_t pid;

	SECTION("clone");
	pid = MUST(clone(child_in_own, stack + sizeof(stack), CLONE_NEWNET | SIGCHLD, &mine));
	reap("clone", pid);
	YES(net_ino("/proc/self/ns/net") == mine);
}

/* What `ip netns add` does. */
static void mounted(void)
{
	ino_t mine = net_ino("/proc/self/ns/net"), bound;
	int fd, home = net_fd();

	SECTION("bound to a file");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		say("no mount namespace: %s", errno_name(errno));
		_exit(99);
	}
	put_file("net", "", 0444);
	IN_CHILD("maker") {
		MUST(unshare(CLONE_NEWNET));
		MUST(link_add("veth", "kept", "kept2", 0));
		CALL(mount("/proc/self/ns/net", "net", NULL, MS_BIND, NULL));
		_exit(0);
	}
	bound = net_ino("net");
	YES(bound != mine);
	fd = MUST(open("net", O_RDONLY | O_CLOEXEC));
	CALL(setns(fd, CLONE_NEWNET));
	YES(net_ino("/proc/self/ns/net") == bound);
	YES(if_nametoindex("kept") > 0 && if_nametoindex("kept2") > 0);
	CALL(setns(home, CLONE_NEWNET));
	SHOW(if_nametoindex("kept"));
	close(fd);
	CALL(umount2("net", MNT_DETACH));
	CALL(unlink("net"));
}

/* A route socket asks where it was made, wherever its process is by now. */
static void netlink_stays(void)
{
	int s = MUST(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)), home = net_fd();
	struct ifinfomsg m = { 0 };
	struct rtnl r;

	SECTION("a netlink socket");
	MUST(unshare(CLONE_NEWNET));
	rtnl_init(&r, RTM_SETLINK, 0, &m, sizeof(m));
	rtnl_str(&r, IFLA_IFNAME, "lo");
	((struct ifinfomsg *)r.body)->ifi_change = ((struct ifinfomsg *)r.body)->ifi_flags = IFF_UP;
	CALL(rtnl_talk_on(s, &r));
	HEX(link_flags("lo"));
	MUST(setns(home, CLONE_NEWNET));
	HEX(link_flags("lo"));
	close(s);
	close(home);
}

/* Who may do what: an ordinary user may not, in a user namespace of its own he may. */
static void rights(void)
{
	SECTION("rights");
	drop_privileges();
	CALL(unshare(CLONE_NEWNET));
	CALL(link_up("lo"));
	CALL(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	CALL(socket(AF_PACKET, SOCK_RAW, 0));
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET)) {
		say("user namespaces: %s", errno_name(errno));
		return;
	}
	CALL(link_up("lo"));
	OK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	OK(socket(AF_PACKET, SOCK_RAW, 0));
	OK(tcp_on("127.0.0.1", 80));
}

int main(void)
{
	if (geteuid())
		skip("needs root");
	scratch();
	own_network();
	YES(net_ino("/proc/self/ns/net") == net_ino("/proc/thread-self/ns/net"));
	fresh();
	sockets();
	entering();
	cloned();
	mounted();
	netlink_stays();
	IN_CHILD("rights")
		rights();
	return 0;
}
