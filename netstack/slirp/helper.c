/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process is described in helper.h.  Everything below helper_main() runs in it alone: one thread, one loop.
 */
#include "netstack/slirp/helper.h"

#include <dlfcn.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/slirp/filter.h"
#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/signal.h"
#include "sentry/base/log.h"

#define PR_SET_PDEATHSIG 1
#define PR_SET_NAME 15
#define PR_SET_DUMPABLE 4
#define SOCK_SEQPACKET_HOST 5
#define CLOCK_MONOTONIC_HOST 1
#define NR_TIMERS 4
#define OUT_MAX 32
#define SOCKET_BUFFERS (4 << 20)
#define DENIALS_PER_SECOND 200
#define LISTEN_BACKLOG 4096
#define ASKED_MAX 1024
#define ACCEPT_PAUSE_NS (50 * 1000000LL)

/* libslirp's functions, found when it is loaded. */
struct slirp_api {
	__typeof__(slirp_new) *new;
	__typeof__(slirp_input) *input;
	__typeof__(slirp_pollfds_fill) *pollfds_fill;
	__typeof__(slirp_pollfds_poll) *pollfds_poll;
	__typeof__(slirp_add_hostfwd) *add_hostfwd;
};

struct helper_timer {
	bool used;
	int64_t expires; /* ms; < 0: not armed */
	SlirpTimerCb cb;
	void *opaque;
};

struct helper {
	int fd, ctl;
	int listeners[POLICY_PUBLISH_MAX]; /* by policy->publish; -1: none */
	struct policy *policy;
	struct slirp_api api;
	struct helper_listener {
		uint32_t id;	/* 0: free */
		int fd;
		uint16_t port;
		uint8_t guest[16];
	} asked[ASKED_MAX]; /* by --net=host */
	unsigned nr_asked; /* used slots are below */
	Slirp *slirp;
	struct pollfd *fds;
	unsigned nr_fds, max_fds;
	struct helper_timer timers[NR_TIMERS];
	/* Frames for the sentry, sent together. */
	uint8_t *out;
	size_t out_len[OUT_MAX];
	unsigned nr_out;
	int64_t second;
	unsigned denials;
	int64_t accept_again;	/* ns; before it nobody is accepted: there were no descriptors left */
};

static int64_t now_ns(void)
{
	return host_clock_ns(CLOCK_MONOTONIC_HOST);
}

/* --- to the sentry --- */

static void helper_flush(struct helper *h)
{
	struct host_frame frames[OUT_MAX];
	struct iovec iov[OUT_MAX];
	unsigned done = 0;

	for (unsigned i = 0; i < h->nr_out; i++) {
		iov[i] = (struct iovec){ h->out + (size_t)i * HELPER_FRAME_MAX, h->out_len[i] };
		frames[i] = (struct host_frame){ &iov[i], 1, 0 };
	}
	while (done < h->nr_out) {
		int n = host_send_frames(h->fd, frames + done, h->nr_out - done, true);

		if (n <= 0)
			host_exit_group(0); /* the sentry is gone */
		done += (unsigned)n;
	}
	h->nr_out = 0;
}

static void helper_send(struct helper *h, const void *frame, size_t len)
{
	if (len > HELPER_FRAME_MAX)
		return;
	if (h->nr_out == OUT_MAX)
		helper_flush(h);
	memcpy(h->out + (size_t)h->nr_out * HELPER_FRAME_MAX, frame, len);
	h->out_len[h->nr_out++] = len;
}

/* Called from inside slirp_input() too: only queues. */
static ssize_t cb_send_packet(const void *frame, size_t len, void *opaque)
{
	struct helper *h = opaque;

	filter_learn(h->policy, frame, len, now_ns());
	helper_send(h, frame, len);
	return (ssize_t)len;
}

/* --- what libslirp asks of its environment --- */

static void cb_guest_error(const char *msg, void *opaque)
{
	(void)opaque;
	log_debug("network: %s", msg);
}

static int64_t cb_clock(void *opaque)
{
	(void)opaque;
	return now_ns();
}

static void *cb_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
	struct helper *h = opaque;

	for (int i = 0; i < NR_TIMERS; i++)
		if (!h->timers[i].used) {
			h->timers[i] = (struct helper_timer){ true, -1, cb, cb_opaque };
			return &h->timers[i];
		}
	return NULL;
}

static void cb_timer_free(void *timer, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct helper_timer *)timer)->used = false;
}

static void cb_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct helper_timer *)timer)->expires = expire_ms;
}

static void cb_poll_fd(int fd, void *opaque)
{
	(void)fd, (void)opaque;
}

static void cb_notify(void *opaque)
{
	(void)opaque;
}

static int cb_add_poll(int fd, int events, void *opaque)
{
	struct helper *h = opaque;
	short e = 0;

	if (h->nr_fds == h->max_fds) {
		unsigned max = h->max_fds * 2 + 64;
		struct pollfd *fds = realloc(h->fds, max * sizeof(*fds));

		if (!fds)
			return -1;
		h->fds = fds;
		h->max_fds = max;
	}
	e |= events & SLIRP_POLL_IN ? POLLIN : 0;
	e |= events & SLIRP_POLL_OUT ? POLLOUT : 0;
	e |= events & SLIRP_POLL_PRI ? POLLPRI : 0;
	h->fds[h->nr_fds] = (struct pollfd){ .fd = fd, .events = e };
	return (int)h->nr_fds++;
}

static int cb_get_revents(int idx, void *opaque)
{
	struct helper *h = opaque;
	int e = 0, r;

	if (idx < 0)
		return 0;
	r = h->fds[idx].revents;
	e |= r & POLLIN ? SLIRP_POLL_IN : 0;
	e |= r & POLLOUT ? SLIRP_POLL_OUT : 0;
	e |= r & POLLPRI ? SLIRP_POLL_PRI : 0;
	e |= r & POLLERR ? SLIRP_POLL_ERR : 0;
	e |= r & POLLHUP ? SLIRP_POLL_HUP : 0;
	return e;
}

/* --- from the sentry --- */

static bool helper_may_tell(struct helper *h, int64_t now)
{
	if (now / 1000000000 != h->second) {
		h->second = now / 1000000000;
		h->denials = 0;
	}
	return h->denials++ < DENIALS_PER_SECOND;
}

static void helper_input(struct helper *h, uint8_t *frame, size_t len)
{
	uint8_t reply[FILTER_REPLY_MAX];
	int64_t now = now_ns();

	switch (filter_frame(h->policy, frame, &len, now)) {
	case FILTER_PASS:
		h->api.input(h->slirp, frame, (int)len);
		return;
	case FILTER_DENY:
		if (helper_may_tell(h, now))
			helper_send(h, reply, filter_denial(frame, len, reply));
		return;
	case FILTER_NAME:
		len = filter_nxdomain(frame, len, reply);
		if (len)
			helper_send(h, reply, len);
		return;
	default:
		return;
	}
}

static void helper_receive(struct helper *h)
{
	static uint8_t in[HOST_FRAMES_MAX][HELPER_FRAME_MAX];
	struct host_frame frames[HOST_FRAMES_MAX];
	struct iovec iov[HOST_FRAMES_MAX];
	int n;

	for (int i = 0; i < HOST_FRAMES_MAX; i++) {
		iov[i] = (struct iovec){ in[i], HELPER_FRAME_MAX };
		frames[i] = (struct host_frame){ &iov[i], 1, 0 };
	}
	n = host_recv_frames(h->fd, frames, HOST_FRAMES_MAX);
	if (n == -LINUX_EAGAIN)
		return;
	if (n <= 0)
		host_exit_group(0);
	for (int i = 0; i < n; i++) {
		if (!frames[i].len) /* how the end of the pair looks */
			host_exit_group(0);
		helper_input(h, in[i], frames[i].len);
	}
}

/* --- connections --- */

static void helper_tell(struct helper *h, const struct helper_tell *t, int fd)
{
	ssize_t n;

	do
		n = host_send_fd(h->ctl, t, sizeof(*t), fd);
	while (n == -LINUX_EINTR);
	if (fd >= 0)
		host_close(fd);
	if (n == -LINUX_EPIPE || n == -LINUX_ECONNRESET)
		host_exit_group(0);
}

/* A port that somebody in the guest listens on; on the loopback, as published ones are. */
static int helper_listen_asked(struct helper *h, const struct helper_ask *ask)
{
	static const uint8_t lo[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 };
	unsigned i = 0;
	int fd;

	if (!h->policy->host_listens || !ask->port || !ask->id)
		return -LINUX_EACCES;
	while (i < h->nr_asked && h->asked[i].id)
		i++;
	if (i == ASKED_MAX)
		return -LINUX_ENOBUFS;
	fd = host_stream_listen(lo, ask->port, LISTEN_BACKLOG);
	if (fd < 0)
		return fd;
	h->asked[i] = (struct helper_listener){ .id = ask->id, .fd = fd, .port = ask->port };
	memcpy(h->asked[i].guest, ask->addr, 16);
	h->nr_asked = MAX(h->nr_asked, i + 1);
	return 0;
}

static void helper_unlisten(struct helper *h, uint32_t id)
{
	for (unsigned i = 0; i < h->nr_asked; i++)
		if (h->asked[i].id == id && id) {
			host_close(h->asked[i].fd);
			h->asked[i] = (struct helper_listener){ .fd = -1 };
		}
	while (h->nr_asked && !h->asked[h->nr_asked - 1].id)
		h->nr_asked--;
}

static void helper_asked(struct helper *h)
{
	struct helper_ask ask;
	struct iovec iov = { &ask, sizeof(ask) };
	struct host_frame frame = { &iov, 1, 0 };
	struct helper_tell t = { .what = HELPER_DENIED };
	uint8_t to[16];
	int fd = -1, n = host_recv_frames(h->ctl, &frame, 1);

	if (n == -LINUX_EAGAIN)
		return;
	if (n <= 0 || frame.len != sizeof(ask))
		host_exit_group(0);
	t.id = ask.id;
	if (ask.wish == HELPER_UNLISTEN) {
		helper_unlisten(h, ask.id);
		return;
	}
	if (ask.wish == HELPER_LISTEN) {
		t.err = helper_listen_asked(h, &ask);
		t.what = t.err ? HELPER_FAILED : HELPER_LISTENS;
	} else if (policy_connection(h->policy, ask.addr, ask.port, now_ns(), to)) {
		t.err = host_stream_connect(to, ask.port, &fd);
		t.what = !t.err ? HELPER_CONNECTED : t.err == -LINUX_EINPROGRESS ? HELPER_CONNECTING : HELPER_FAILED;
	}
	helper_tell(h, &t, fd);
}

/* A connection to a published port.  Who comes from this machine itself is shown as the gateway. */
static void helper_accept(struct helper *h, int listener, uint16_t guest_port, const uint8_t guest[16])
{
	static const uint8_t gateway[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 2, 2 };
	struct helper_tell t = { .what = HELPER_ACCEPTED, .guest_port = guest_port };
	int fd = host_stream_accept(listener, t.addr, &t.port);
	bool own = addr_is_loopback(t.addr);

	if (fd == -LINUX_EMFILE || fd == -LINUX_ENFILE || fd == -LINUX_ENOMEM || fd == -LINUX_ENOBUFS)
		h->accept_again = now_ns() + ACCEPT_PAUSE_NS;
	if (fd < 0)
		return;
	for (unsigned j = 0; j < h->policy->nr_own; j++)
		own |= !memcmp(h->policy->own[j], t.addr, 16);
	if (own)
		memcpy(t.addr, gateway, 16);
	memcpy(t.guest, guest, 16);
	helper_tell(h, &t, fd);
}

static void helper_accept_published(struct helper *h, unsigned i)
{
	const struct policy_publish *b = &h->policy->publish[i];
	uint8_t guest[16] = { [10] = 0xff, [11] = 0xff };

	memcpy(guest + 12, b->guest, 4);
	helper_accept(h, h->listeners[i], b->guest_port, guest);
}

static bool helper_listen(struct helper *h, unsigned i)
{
	const struct policy_publish *b = &h->policy->publish[i];
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

	memcpy(addr + 12, b->host, 4);
	h->listeners[i] = host_stream_listen(addr, b->host_port, LISTEN_BACKLOG);
	errno = h->listeners[i] < 0 ? -h->listeners[i] : 0;
	return h->listeners[i] >= 0;
}

static int helper_timeout(struct helper *h, uint32_t timeout)
{
	int64_t now = now_ns() / 1000000, ms = timeout > INT32_MAX ? -1 : (int64_t)timeout;

	for (int i = 0; i < NR_TIMERS; i++) {
		struct helper_timer *t = &h->timers[i];

		if (t->used && t->expires >= 0 && (ms < 0 || t->expires - now < ms))
			ms = t->expires > now ? t->expires - now : 0;
	}
	return (int)ms;
}

static void helper_timers(struct helper *h)
{
	int64_t now = now_ns() / 1000000;

	for (int i = 0; i < NR_TIMERS; i++) {
		struct helper_timer *t = &h->timers[i];

		if (t->used && t->expires >= 0 && t->expires <= now) {
			t->expires = -1;
			t->cb(t->opaque);
		}
	}
}

static void helper_loop(struct helper *h) __noreturn;
static void helper_loop(struct helper *h)
{
	for (;;) {
		uint32_t timeout = UINT32_MAX;
		unsigned first, nr_asked;
		bool paused;
		int n;

		h->nr_fds = 0;
		if (cb_add_poll(h->fd, SLIRP_POLL_IN, h) < 0 || cb_add_poll(h->ctl, SLIRP_POLL_IN, h) < 0)
			host_exit_group(1);
		paused = now_ns() < h->accept_again;
		if (paused)
			timeout = ACCEPT_PAUSE_NS / 1000000;
		for (unsigned i = 0; i < h->policy->nr_publish; i++)
			if (cb_add_poll(paused ? -1 : h->listeners[i], SLIRP_POLL_IN, h) < 0)
				host_exit_group(1);
		first = h->nr_fds;
		nr_asked = h->nr_asked;
		for (unsigned i = 0; i < nr_asked; i++)
			if (cb_add_poll(h->asked[i].id && !paused ? h->asked[i].fd : -1, SLIRP_POLL_IN, h) < 0)
				host_exit_group(1);
		h->api.pollfds_fill(h->slirp, &timeout, cb_add_poll, h);
		n = host_poll(h->fds, h->nr_fds, helper_timeout(h, timeout));
		if (n < 0 && n != -LINUX_EINTR)
			host_exit_group(1);
		if (n > 0 && h->fds[0].revents)
			helper_receive(h);
		for (unsigned i = 0; n > 0 && i < h->policy->nr_publish; i++)
			if (h->fds[2 + i].revents)
				helper_accept_published(h, i);
		for (unsigned i = 0; n > 0 && i < nr_asked; i++)
			if (h->fds[first + i].revents)
				helper_accept(h, h->asked[i].fd, h->asked[i].port, h->asked[i].guest);
		if (n > 0 && h->fds[1].revents)
			helper_asked(h);
		h->api.pollfds_poll(h->slirp, n < 0, cb_get_revents, h);
		helper_timers(h);
		helper_flush(h);
	}
}

/* --- starting --- */

static const SlirpCb callbacks = {
	.send_packet = cb_send_packet,
	.guest_error = cb_guest_error,
	.clock_get_ns = cb_clock,
	.timer_new = cb_timer_new,
	.timer_free = cb_timer_free,
	.timer_mod = cb_timer_mod,
	.register_poll_fd = cb_poll_fd,
	.unregister_poll_fd = cb_poll_fd,
	.notify = cb_notify,
};

static struct in_addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	struct in_addr in;

	memcpy(&in, (uint8_t[]){ a, b, c, d }, 4);
	return in;
}

/*
 * libslirp's own switch for the gateway's meaning would also stop answers through published UDP ports.  The filter is what keeps the
 * loopback closed; where the switch can help, it is thrown as well.
 */
static bool helper_needs_loopback(const struct policy *p)
{
	for (unsigned i = 0; i < p->nr_publish; i++)
		if (p->publish[i].udp)
			return true;
	return policy_opens_host(p);
}

static const char *helper_load(struct helper *h)
{
	void *lib = dlopen("libslirp.so.0", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return dlerror();
	h->api.new = (__typeof__(slirp_new) *)(uintptr_t)dlsym(lib, "slirp_new");
	h->api.input = (__typeof__(slirp_input) *)(uintptr_t)dlsym(lib, "slirp_input");
	h->api.pollfds_fill = (__typeof__(slirp_pollfds_fill) *)(uintptr_t)dlsym(lib, "slirp_pollfds_fill");
	h->api.pollfds_poll = (__typeof__(slirp_pollfds_poll) *)(uintptr_t)dlsym(lib, "slirp_pollfds_poll");
	h->api.add_hostfwd = (__typeof__(slirp_add_hostfwd) *)(uintptr_t)dlsym(lib, "slirp_add_hostfwd");
	if (!h->api.new || !h->api.input || !h->api.pollfds_fill || !h->api.pollfds_poll || !h->api.add_hostfwd)
		return "libslirp.so.0 lacks a function";
	return NULL;
}

const char *helper_check(void)
{
	static struct helper h;

	return helper_load(&h);
}

/* NULL, or what went wrong. */
static const char *helper_setup(struct helper *h)
{
	static char why[128];
	const SlirpConfig cfg = {
		.version = 4,
		.in_enabled = true,
		.vnetwork = v4(10, 0, 2, 0),
		.vnetmask = v4(255, 255, 255, 0),
		.vhost = v4(10, 0, 2, 2),
		.vdhcp_start = v4(10, 0, 2, 15),
		.vnameserver = v4(10, 0, 2, 3),
		.in6_enabled = h->policy->ipv6,
		.vprefix_addr6 = { .s6_addr = { 0xfe, 0xc0 } },
		.vprefix_len = 64,
		.vhost6 = { .s6_addr = { 0xfe, 0xc0, [15] = 2 } },
		.vnameserver6 = { .s6_addr = { 0xfe, 0xc0, [15] = 3 } },
		.if_mtu = HELPER_MTU,
		.if_mru = HELPER_MTU,
		.disable_host_loopback = !helper_needs_loopback(h->policy),
	};
	const char *err = helper_load(h);

	if (err)
		return err;
	h->out = malloc((size_t)OUT_MAX * HELPER_FRAME_MAX);
	h->policy->nr_own = host_own_addresses(h->policy->own, POLICY_OWN_MAX);
	h->slirp = h->out ? h->api.new(&cfg, &callbacks, h) : NULL;
	if (!h->slirp)
		return "libslirp does not start";
	for (unsigned i = 0; i < h->policy->nr_publish; i++) {
		const struct policy_publish *b = &h->policy->publish[i];

		h->listeners[i] = -1;
		if (!b->udp && !h->policy->frames ? !helper_listen(h, i) :
		    h->api.add_hostfwd(h->slirp, b->udp, v4(b->host[0], b->host[1], b->host[2], b->host[3]), b->host_port,
				       v4(b->guest[0], b->guest[1], b->guest[2], b->guest[3]), b->guest_port)) {
			snprintf(why, sizeof(why), "cannot publish %s port %u of %u.%u.%u.%u: %s", b->udp ? "UDP" : "TCP", b->host_port,
				 b->host[0], b->host[1], b->host[2], b->host[3], strerror(errno));
			return why;
		}
	}
	if (host_confine(host_net_rules, host_nr_net_rules, HOST_OTHERWISE_EPERM))
		return "its seccomp filter can't be installed";
	return NULL;
}

static void helper_main(int fd, int ctl, struct policy *policy) __noreturn;
static void helper_main(int fd, int ctl, struct policy *policy)
{
	static struct helper h;
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = ctl, .events = POLLIN } };
	const char *why;

	h = (struct helper){ .fd = fd, .ctl = ctl, .policy = policy };
	if (!policy->nr_publish)
		while (host_poll(p, 2, -1) == -LINUX_EINTR)
			;
	if ((p[0].revents | p[1].revents) & POLLHUP)
		host_exit_group(0);
	why = helper_setup(&h);
	if (policy->nr_publish) { /* somebody waits to hear how it went */
		struct iovec iov = { (void *)(uintptr_t)(why ? why : "ok"), why ? strlen(why) : 2 };
		struct host_frame frame = { &iov, 1, 0 };

		host_send_frames(fd, &frame, 1, true);
	} else if (why) {
		log_error("no network: %s", why);
	}
	if (why)
		host_exit_group(1);
	helper_loop(&h);
}

/* In the child: nothing of the sentry's but its end of the pair and the log. */
static void helper_detach(const int keep[3], struct policy *policy) __noreturn;
static void helper_detach(const int keep[3], struct policy *policy)
{
	static const int ignored[] = { LINUX_SIGHUP, LINUX_SIGINT, LINUX_SIGQUIT, LINUX_SIGTERM, LINUX_SIGPIPE, LINUX_SIGTSTP,
				       LINUX_SIGUSR1, LINUX_SIGUSR2, LINUX_SIGTTOU, LINUX_SIGTTIN };
	unsigned next = 0;

	host_prctl(PR_SET_PDEATHSIG, LINUX_SIGKILL, 0, 0, 0);
	host_prctl(PR_SET_NAME, (unsigned long)(uintptr_t)"sentry-net", 0, 0, 0);
	host_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		host_sigaction(ignored[i], HOST_SIG_IGN, 0);
	for (int i = 0; i < 3; i++) {
		unsigned low = ~0U;

		for (int j = 0; j < 3; j++)
			if ((unsigned)keep[j] >= next)
				low = MIN(low, (unsigned)keep[j]);
		if (low == ~0U)
			break;
		if (low > next)
			host_close_range(next, low - 1);
		next = low + 1;
	}
	host_close_range(next, ~0U);
	helper_main(keep[0], keep[1], policy);
}

int helper_start(struct policy *policy, int log_fd, int ret_fds[2], char *why, size_t why_size)
{
	int pair[2], ctl[2], err = host_socketpair(SOCK_SEQPACKET_HOST, pair);
	pid_t pid;

	if (err)
		return err;
	err = host_socketpair(SOCK_SEQPACKET_HOST, ctl);
	if (err) {
		host_close(pair[0]);
		host_close(pair[1]);
		return err;
	}
	host_set_buffers(pair[0], SOCKET_BUFFERS);
	host_set_buffers(pair[1], SOCKET_BUFFERS);
	pid = host_fork();
	if (pid == 0)
		helper_detach((int[]){ pair[1], ctl[1], log_fd }, policy);
	host_close(pair[1]);
	host_close(ctl[1]);
	if (pid < 0) {
		host_close(pair[0]);
		host_close(ctl[0]);
		return pid;
	}
	if (policy->nr_publish) {
		ssize_t n = host_read(pair[0], why, why_size - 1);

		why[MAX(n, 0)] = '\0';
		if (n != 2 || strcmp(why, "ok")) {
			host_close(pair[0]);
			host_close(ctl[0]);
			return -LINUX_EADDRINUSE;
		}
	}
	ret_fds[0] = pair[0];
	ret_fds[1] = ctl[0];
	return 0;
}
