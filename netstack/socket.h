/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: the layer between the syscalls and the protocols.
 *
 * A struct sock is one end of a conversation; a protocol fills struct sock_ops.  Data travels in messages (struct skb): a stream is a
 * queue of messages whose boundaries readers do not see.  AF_UNIX and connections inside the guest (loopback) put messages
 * straight on the peer's receive queue; no segments are made.
 *
 * One path for all kinds: sock_recvmsg() serves every type from `rcvq`, sock_poll() derives readiness from the same state, and the
 * protocols only differ in how they find the peer and name addresses.
 *
 * What is not in the guest is reached by `xmit`: a stream whose other end is behind a link has no peer but `remote`, a datagram goes
 * there when the protocol's `route` found nobody and says so.  What arrives from a link is queued by sock_deliver(), as everything.
 *
 * Locks: sock->lock guards state, peer and options; it is never held together with another sock's but for listener > child.
 * sock->rcvq_lock guards the receive queue and its counters and is a leaf but for waitq locks.  Buffer accounting is atomic.
 * Neither is held while copying to or from the guest.
 */
#ifndef SENTRY_NETSTACK_SOCKET_H
#define SENTRY_NETSTACK_SOCKET_H

#include "netstack/net_namespace.h"
#include "sentry/abi/socket.h"
#include "vfs/fasync.h"
#include "vfs/vfs.h"

typedef int (*cmsg_put_fn)(void *c, int level, int type, const void *data, size_t len);

struct sock;
struct skf_prog;
struct direct;

/* Ancillary data. */
struct scm {
	struct file **files; /* references; malloc */
	unsigned nr_files;
	bool has_cred;
	struct linux_ucred cred;
};
void scm_fini(struct scm *scm);

/* How a datagram came: for ip(7)'s and ipv6(7)'s control messages. */
struct pktinfo {
	bool valid;
	uint8_t ttl, tos;
	int ifindex;
	uint8_t to[16];
};

/* What a socket's queue of errors holds besides the datagram: struct sock_extended_err and its offender. */
struct sock_error {
	uint32_t err, info;	/* a guest errno, positive */
	uint8_t origin, type, code; /* origin 0: there is no error */
	uint8_t offender[16];
	uint32_t data;
};

struct skb {
	struct list_head link;
	struct netif *nif;	/* a frame in the backlog (backlog.c): the interface it comes to */
	struct sock *from;	/* reference: whose send buffer it occupies; NULL: nobody's */
	size_t len, off;	/* bytes in data, bytes read already */
	bool urgent;		/* its last byte is: MSG_OOB */
	size_t size;		/* of buf */
	size_t charge;		/* what it counts in from->wmem */
	struct linux_sockaddr addr; /* sender, for recvfrom */
	unsigned addr_len;
	struct scm scm;
	struct pktinfo info;
	struct sock_error error;
	uint32_t aux_len;	/* AF_PACKET: how long it was before a filter cut it */
	int64_t stamp;		/* when it came, on CLOCK_REALTIME; 0: nobody had asked */
	char *data;		/* in buf */
	char buf[];
};

struct msg {
	struct iov_iter *iter;
	struct linux_sockaddr addr;
	unsigned addr_len;	/* send: given; receive: out */
	bool has_addr;		/* receive: the caller wants it */
	struct scm scm;		/* send: taken by the protocol on success; receive: out */
	unsigned flags;		/* in: LINUX_MSG_*; receive out: TRUNC, CTRUNC... in out_flags */
	unsigned out_flags;
	/* Datagrams that leave the guest; by the protocol's route. */
	bool remote, multicast;
	struct inet_name to;
	struct dst dst;
	struct pktinfo info;	/* receive: out */
	struct sock_error error; /* MSG_ERRQUEUE: out */
	int64_t stamp;		/* receive: out, as in struct skb */
	uint32_t aux_len;	/* the same */
	/* Control messages of ip(7): of what is sent. */
	struct {
		bool has_src, has_tos;
		uint8_t src[16];
		int ifindex, ttl, tos; /* 0: none */
		uint16_t gso;	/* UDP_SEGMENT */
	} ctl;
};

enum sock_state { SS_UNCONNECTED, SS_CONNECTING, SS_LISTENING, SS_CONNECTED, SS_DISCONNECTED };

struct sock_ops {
	int (*bind)(struct sock *sk, const struct linux_sockaddr *addr, unsigned len);
	int (*connect)(struct sock *sk, const struct linux_sockaddr *addr, unsigned len, bool nonblock);
	int (*listen)(struct sock *sk, int backlog);
	/* Own name, or with @peer the other's.  -LINUX_ENOTCONN. */
	int (*getname)(struct sock *sk, bool peer, struct linux_sockaddr *ret, unsigned *ret_len);
	/*
	 * Datagrams: finds the receiver of @msg, with a reference, or ERR_PTR; NULL when it goes nowhere, or, with msg->remote set,
	 * through xmit.  Streams: NULL, sk->peer is used.
	 */
	struct sock *(*route)(struct sock *sk, struct msg *msg);
	/* The name of @sk that a receiver of its message is shown; length.  NULL: getname. */
	unsigned (*source)(struct sock *sk, struct sock *to, struct linux_sockaddr *ret);
	/* Datagrams: takes @skb, which route found nobody for.  NULL: it is lost. */
	void (*lost)(struct sock *sk, struct skb *skb, struct msg *msg);
	/* Takes @skb to send it across a link.  0 or -errno. */
	int (*xmit)(struct sock *sk, struct skb *skb, struct msg *msg);
	/* Sending as a whole, where messages are not for other sockets, or not one for one; NULL: as all others. */
	int64_t (*sendmsg)(struct sock *sk, struct msg *msg, bool nonblock);
	/* Streams: may keep @msg until more comes: true, with the sender's answer; what is kept goes now.  NULL: nothing is. */
	bool (*cork)(struct sock *sk, struct msg *msg, bool nonblock, int64_t *ret);
	void (*uncork)(struct sock *sk);
	/* Streams with `remote`: a reader took data; the sending side was shut down; the file is gone (@abort: with a reset). */
	void (*rcvd)(struct sock *sk);
	void (*shutdown)(struct sock *sk);
	void (*close)(struct sock *sk, bool abort);
	void (*keepalive)(struct sock *sk); /* SO_KEEPALIVE changed */
	/*
	 * Datagrams: the packet that a filter of @sk, which is to receive @skb, sees: malloc, *ret_head bytes of it in front of the
	 * message; NULL: no memory.  NULL: filters see messages.
	 */
	uint8_t *(*packet)(const struct sock *sk, const struct skb *skb, size_t *ret_head);
	int (*setsockopt)(struct sock *sk, int level, int name, const void *val, unsigned len); /* -LINUX_ENOPROTOOPT */
	int (*getsockopt)(struct sock *sk, int level, int name, void *val, unsigned *len);
	/* The file is being closed: leave name tables.  NULL: nothing to do. */
	void (*release)(struct sock *sk);
	void (*free)(struct sock *sk); /* protocol's own data */
};

struct sock {
	struct ref ref;
	const struct sock_ops *ops;
	struct net *net;	/* reference; immutable */
	int family, type, protocol;
	struct file *file;	/* borrowed; NULL before accept and after close */
	uint64_t ino;		/* of the file; for /proc/net */
	struct waitq wait;	/* every change of readiness */
	struct fasync async;
	atomic_bool nospace;	/* somebody found no room to send, and is to hear when there is */
	atomic_bool waitdata;	/* a stream's reader sleeps: it needs no signal */

	struct mutex lock;
	/* The next three are written with WRITE_ONCE, so that READ_ONCE gives a hint without the lock. */
	enum sock_state state;	/* lock */
	struct sock *peer;	/* lock; reference; connected streams and pairs, connected datagram sockets */
	unsigned shutdown;	/* lock; bit 0: receive, bit 1: send */
	bool remote;		/* lock; set before the state; a stream whose other end is behind a link */
	struct direct *direct;	/* set once; with `remote`: the stream is a socket of the host, direct.h */
	atomic_int err;		/* pending SO_ERROR */
	struct linux_ucred peer_cred; /* at connect or listen */
	unsigned peer_groups;
	struct linux_ucred cred;
	/* listeners; lock */
	struct list_head accept_queue; /* children by accept_link, with a reference each */
	unsigned nr_accept, backlog;
	struct list_head pending;  /* children that the queue has no room for yet, whose clients are SS_CONNECTING; the same */
	struct list_head accept_link;

	struct mutex iolock;	/* one receiver at a time; held while copying to the guest, not while waiting; outside all locks */
	struct mutex rcvq_lock;
	struct list_head rcvq;	/* rcvq_lock, as below */
	struct list_head errq;	/* MSG_ERRQUEUE */
	size_t rcvq_bytes;	/* unread */
	bool rcv_eof;		/* the sender is done */
	bool closed;		/* its file is gone: nothing may be queued */
	/* Urgent data of a stream, which is in the queue as well; rcvq_lock. */
	enum { URG_NONE, URG_VALID, URG_READ } urg_state;
	uint8_t urg_byte;
	uint64_t urg_seq, rcv_seq; /* bytes since the beginning: where it is, and what was taken */
	int peek_off;		/* SO_PEEK_OFF; -1: off */
	atomic_int inflight;	/* AF_UNIX: how often its file is in a message that nobody received; unix_gc.c */

	atomic_ulong wmem;	/* bytes of this sock's messages that sit in receivers' queues */
	int sndbuf, rcvbuf, rcvlowat; /* as set, doubled as Linux does */
	int64_t rcvtimeo, sndtimeo; /* ns; -1: none */
	bool passcred, reuseaddr, reuseport, keepalive, broadcast, oobinline, dontroute;
	bool debug, no_check, err_queue, prefer_busy, lock_filter, passsec, nofcs, txrehash; /* as set; but for lock_filter, hints */
	bool wifi_status, rcvpriority;			/* the same */
	int busy_poll, buf_lock, incoming_cpu;		/* the same */
	uint64_t max_pacing_rate, txtime;		/* the same */
	/* Which control messages tell when a datagram came: SO_TIMESTAMP and its kin, sock_stamp.c. */
	enum { STAMP_NONE, STAMP_US, STAMP_NS } stamp;
	bool stamp_new;		/* by the names of SO_*_NEW */
	uint32_t timestamping, bind_phc; /* SOF_TIMESTAMPING_* */
	bool rxq_ovfl, rcvmark, passpidfd, passrights, zerocopy;
	atomic_uint drops;	/* what its receive queue had no room for */
	uint32_t zerocopy_id;	/* rcvq_lock; of the next MSG_ZEROCOPY */
	struct skf_prog *filter; /* rcvq_lock; SO_ATTACH_FILTER */
	int priority, mark;
	int bound_if;		/* SO_BINDTODEVICE; 0: none */
	struct linux_linger linger;
	void *proto;		/* protocol's data */
};

/* In @net, which gets a reference. */
struct sock *sock_alloc(struct net *net, int family, int type, int protocol, const struct sock_ops *ops); /* or NULL */
static inline struct sock *sock_get(struct sock *sk)
{
	ref_get(&sk->ref);
	return sk;
}
void sock_put(struct sock *sk);
static inline void sock_put_cleanup(struct sock **sk)
{
	if (*sk && !IS_ERR(*sk))
		sock_put(*sk);
}
#define _cleanup_sock_ __cleanup(sock_put_cleanup)

/* Makes a socket of a family, in the calling task's network: unix_create, inet_create. Taken by the file.  The sock or ERR_PTR. */
struct sock *unix_create(int type, int protocol);
struct sock *inet_create(int family, int type, int protocol);
struct sock *netlink_create(int type, int protocol);
struct sock *packet_create(int type, int protocol);
/* socketpair(2); two new socks of unix_create. */
int unix_pair(struct sock *a, struct sock *b);
/* The protocols and their tables in /proc/net; once at start-up. */
void net_init(void);
void unix_init(void);
void inet_init(void);
void netlink_init(void);
void packet_init(void);
/* netdevice(7) ioctls; -LINUX_ENOTTY for others. */
int64_t netdev_ioctl(struct net *net, unsigned cmd, uint64_t arg);
void netdev_init(void);

/* A file over @sk (taken in every case).  @flags: O_NONBLOCK. */
struct file *sock_file_new(struct sock *sk, unsigned flags);
/* The sock behind a file, borrowed; NULL when it is none. */
struct sock *file_sock(struct file *f);

/* Control messages of AF_INET and AF_INET6.  -LINUX_EINVAL for what is malformed; @put's errors. */
int inet_cmsg_send(struct sock *sk, int level, int type, const void *data, size_t len, struct msg *msg);
int inet_cmsg_recv(const struct sock *sk, const struct msg *msg, cmsg_put_fn put, void *c);

/* Of AF_PACKET; @got: bytes of the frame. */
int packet_cmsg_recv(const struct sock *sk, const struct msg *msg, int64_t got, cmsg_put_fn put, void *c);

/* --- generic bodies, used by syscalls and file operations --- */

int64_t sock_sendmsg(struct sock *sk, struct msg *msg, bool nonblock);
int64_t sock_recvmsg(struct sock *sk, struct msg *msg, bool nonblock);
/* For protocols: one message as a whole; as much of a stream as there is room for. */
int64_t sock_send_stream(struct sock *sk, struct msg *msg, bool nonblock);
int64_t sock_send_packet(struct sock *sk, struct msg *msg, bool nonblock);
unsigned sock_poll(struct sock *sk, struct file *f, struct poll_table *pt);
int sock_shutdown(struct sock *sk, int how);
/* The next connection of a listener, with the queue's reference. */
struct sock *sock_accept(struct sock *sk, bool nonblock);
#define TCP_SNDBUF_TUNED 2626560 /* what tcp_wmem's autotuning reaches on loopback */
#define SOCKOPT_MAX 1024 /* the longest value an option has */
int sock_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len);
int sock_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len);

/* --- sock_filter.c: SO_ATTACH_FILTER --- */

/* As setsockopt; @val is the guest's struct sock_fprog. */
int sock_attach_filter(struct sock *sk, const void *val, unsigned len);
int sock_detach_filter(struct sock *sk);
/* Whether @sk's filter wants the datagram @skb, which is cut to how much of it is wanted. */
bool sock_filter_packet(struct sock *sk, struct skb *skb);
/* How much of a packet is wanted; 0: nothing, and it is dropped.  @protocol, @type: what ancillary loads give. */
size_t sock_filter_run(struct sock *sk, const void *p, size_t len, uint16_t protocol, uint8_t type);

/* --- sock_stamp.c: control messages of SOL_SOCKET that any family has --- */

int sock_stamp_setsockopt(struct sock *sk, int name, const void *val, unsigned len); /* 1: not one of them */
int sock_stamp_getsockopt(struct sock *sk, int name, void *val, unsigned *len);	     /* the same */
/* The time, where somebody is to be told of it. */
int64_t sock_stamp_now(const struct sock *sk);
int sock_stamp_recv(const struct sock *sk, const struct msg *msg, cmsg_put_fn put, void *c);
/* Tells that the pages of a MSG_ZEROCOPY are no longer needed, which they were not for long. */
void sock_zerocopy_done(struct sock *sk);

/* --- for protocols --- */

/*
 * Joins two streams that nobody else sees yet (each takes a reference on the other).  sk->lock of neither held.
 */
void sock_join(struct sock *a, struct sock *b);
/* Puts @child on @listener's accept queue, waiting while it is full.  The queue takes a reference.  0, -ECONNREFUSED... */
int sock_enqueue_child(struct sock *listener, struct sock *child, bool nonblock, int64_t timeout);
/* Has @child, joined with its client, wait for room there; the client is SS_CONNECTING then.  0 or -ECONNREFUSED. */
int sock_pend_child(struct sock *listener, struct sock *child);
/* The same, full or not, up to 4096. */
int sock_enqueue_child_anyway(struct sock *listener, struct sock *child);
/* Whether that would not wait. */
bool sock_accept_room(struct sock *listener);
/* Wakes those who wait for @sk. */
void sock_wake(struct sock *sk, unsigned events);
/* Urgent data came: SIGURG for the owner, and those who poll. */
void sock_urgent(struct sock *sk);
/* Signals those who asked for it with O_ASYNC that there is something to receive, or an end.  @reason: LINUX_POLL_*. */
void sock_async_data(struct sock *sk, int reason);
/* Drops a connected datagram socket's peer. */
void sock_set_peer(struct sock *sk, struct sock *peer);
deadline_t sock_deadline(int64_t timeo);

static inline bool sock_is_stream(const struct sock *sk)
{
	return sk->type == LINUX_SOCK_STREAM;
}
static inline bool sock_is_connection(const struct sock *sk)
{
	return sk->type == LINUX_SOCK_STREAM || sk->type == LINUX_SOCK_SEQPACKET;
}

#define SHUT_BIT_RCV 1
#define SHUT_BIT_SND 2

#endif
