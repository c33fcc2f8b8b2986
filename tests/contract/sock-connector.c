/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel connector: a child's fork, names, ids, exec and exit as events. */
#include "tests/contract/contract.h"
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static int s;

static void wish(uint32_t op)
{
	struct {
		struct nlmsghdr h;
		struct cn_msg m;
		uint32_t op;
	} __attribute__((packed)) r = { .h = { sizeof(r), NLMSG_DONE, 0, 0, getpid() }, .op = op };

	r.m.id = (struct cb_id){ CN_IDX_PROC, CN_VAL_PROC };
	r.m.seq = 5;
	r.m.ack = 8;
	r.m.len = sizeof(op);
	CALL(send(s, &r, sizeof(r), 0) == sizeof(r));
}

/* The events about @pid until its exit, or, for 0, until an acknowledgement. */
static void show_events(pid_t pid)
{
	char buf[8192];

	for (;;) {
		struct pollfd p = { s, POLLIN, 0 };
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		struct cn_msg *m = NLMSG_DATA(h);
		struct proc_event e;

		if (poll(&p, 1, 20000) != 1) {
			say("nothing came");
			return;
		}
		MUST(recv(s, buf, sizeof(buf), 0));
		memcpy(&e, m->data, sizeof(e));
		if (!pid) {
			if (e.what != PROC_EVENT_NONE)
				continue;
			say("acknowledged: %u, type %u, len %u, data %u, ack %u", e.event_data.ack.err, h->nlmsg_type, h->nlmsg_len,
			    m->len, m->ack);
			return;
		}
		switch (e.what) {
		case PROC_EVENT_FORK:
			if (e.event_data.fork.child_pid == pid)
				say("fork by us: %s", e.event_data.fork.parent_tgid == getpid() ? "yes" : "no");
			break;
		case PROC_EVENT_EXEC:
			if (e.event_data.exec.process_pid == pid)
				say("exec");
			break;
		case PROC_EVENT_UID:
			if (e.event_data.id.process_pid == pid)
				say("uid %u, effective %u", e.event_data.id.r.ruid, e.event_data.id.e.euid);
			break;
		case PROC_EVENT_GID:
			if (e.event_data.id.process_pid == pid)
				say("gid %u, effective %u", e.event_data.id.r.rgid, e.event_data.id.e.egid);
			break;
		case PROC_EVENT_SID:
			if (e.event_data.sid.process_pid == pid)
				say("session");
			break;
		case PROC_EVENT_COMM:
			if (e.event_data.comm.process_pid == pid)
				say("name %s", e.event_data.comm.comm);
			break;
		case PROC_EVENT_EXIT:
			if (e.event_data.exit.process_pid != pid)
				break;
			say("exit %#x, signal %u, parent us: %s", e.event_data.exit.exit_code, e.event_data.exit.exit_signal,
			    e.event_data.exit.parent_pid == getpid() ? "yes" : "no");
			return;
		default:
			break;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
	pid_t pid;

	if (argc > 1)
		return 9;
	if (geteuid())
		skip("needs root");
	s = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_CONNECTOR);
	if (s < 0)
		skip("the host's kernel has no connector");
	CALL(bind(s, (struct sockaddr *)&a, sizeof(a)));
	wish(PROC_CN_MCAST_LISTEN);
	show_events(0);
	pid = MUST(fork());
	if (!pid) {
		MUST(prctl(PR_SET_NAME, "renamed"));
		MUST(setsid());
		MUST(setresgid(-1, 7, -1));
		MUST(setresuid(-1, 8, -1));
		MUST(setresuid(-1, 0, -1));
		execl("/proc/self/exe", argv[0], "child", NULL);
		_exit(1);
	}
	show_events(pid);
	reap("child", pid);
	pid = MUST(fork());
	if (!pid) {
		raise(SIGKILL);
		_exit(1);
	}
	show_events(pid);
	reap("child", pid);
	wish(PROC_CN_MCAST_IGNORE);
	wish(PROC_CN_MCAST_LISTEN);
	show_events(0);
	wish(77);
	show_events(0);
	close(s);
	return 0;
}
