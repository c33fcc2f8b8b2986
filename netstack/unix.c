/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX: unix(7).
 *
 * A bound name is either a socket inode (inode->sock) or an entry in the table of abstract names.  Both are borrowed pointers that
 * release takes away under unix_lock; a look-up takes its reference under it.
 *
 * Lock order: unix_lock > sock->lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/sock_queue.h"
#include "netstack/unix.h"
#include "vfs/proc/proc_net.h"

struct unix_addr {
	struct linux_sockaddr addr;
	unsigned len;
};

struct unix_sock {
	struct sock *sk;	   /* borrowed: this is sk->proto */
	struct list_head link;	   /* unix_all; unix_lock */
	struct unix_addr name;	   /* sk->lock; len 0: unbound */
	struct path path;	   /* a name in a file system; set once */
	bool bound;		   /* the name is its own, not inherited from a listener; unix_lock */
};

static struct mutex unix_lock = MUTEX_INIT;
static LIST_HEAD(unix_all);

static struct unix_sock *unix_sk(const struct sock *sk)
{
	return sk->proto;
}

#define UNIX_PATH_OFFSET offsetof(struct linux_sockaddr_un, sun_path)

/*
 * Checks an address.  Path names come NUL-terminated into @ret with the length that getsockname shows; abstract ones are exact.
 */
static int unix_addr_check(const struct linux_sockaddr *addr, unsigned len, struct unix_addr *ret)
{
	if (len <= UNIX_PATH_OFFSET || len > sizeof(struct linux_sockaddr_un) || addr->family != LINUX_AF_UNIX)
		return -LINUX_EINVAL;
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->addr, addr, len);
	ret->len = len;
	if (addr->un.sun_path[0])
		ret->len = UNIX_PATH_OFFSET + strnlen(ret->addr.un.sun_path, sizeof(ret->addr.un.sun_path)) + 1;
	return 0;
}

static bool unix_addr_is_path(const struct unix_addr *a)
{
	return a->addr.un.sun_path[0];
}

/* --- names --- */

static struct unix_sock *unix_find_abstract_locked(const struct net *net, const struct unix_addr *a, int type)
{
	struct unix_sock *u;

	list_for_each_entry(u, &unix_all, link)
		if (u->bound && u->sk->net == net && u->name.len == a->len && !u->path.dentry && (!type || u->sk->type == type) &&
		    !memcmp(&u->name.addr, &a->addr, a->len))
			return u;
	return NULL;
}

static struct sock *unix_find_path(const struct unix_addr *a, int type)
{
	struct path path;
	struct sock *sk = NULL;
	char name[sizeof(a->addr.un.sun_path) + 1];
	int err;

	snprintf(name, sizeof(name), "%.*s", (int)sizeof(a->addr.un.sun_path), a->addr.un.sun_path);
	err = path_lookupat(LINUX_AT_FDCWD, name, LOOKUP_FOLLOW, &path);
	if (err)
		return ERR_PTR(err);
	err = inode_permission(path.dentry->inode, MAY_WRITE);
	mutex_lock(&unix_lock);
	if (!err && (!LINUX_S_ISSOCK(path.dentry->inode->mode) || !path.dentry->inode->sock))
		err = -LINUX_ECONNREFUSED;
	if (!err) {
		sk = path.dentry->inode->sock;
		if (sk->type != type)
			err = -LINUX_EPROTOTYPE;
		else if (!ref_get_unless_zero(&sk->ref))
			err = -LINUX_ECONNREFUSED;
	}
	mutex_unlock(&unix_lock);
	path_put(&path);
	return err ? ERR_PTR(err) : sk;
}

/* The sock bound to @a, with a reference, or ERR_PTR. */
static struct sock *unix_find(const struct net *net, const struct unix_addr *a, int type)
{
	struct unix_sock *u;
	MUTEX_GUARD(&unix_lock);

	if (unix_addr_is_path(a)) {
		struct sock *sk;

		mutex_unlock(&unix_lock);
		sk = unix_find_path(a, type);
		mutex_lock(&unix_lock);
		return sk;
	}
	u = unix_find_abstract_locked(net, a, type);
	if (!u || !ref_get_unless_zero(&u->sk->ref))
		return ERR_PTR(-LINUX_ECONNREFUSED);
	return u->sk;
}

/* bind to AF_UNIX alone: a free abstract name of five hexadecimal digits. */
static int unix_autobind(struct sock *sk)
{
	static atomic_uint next;
	struct unix_sock *u = unix_sk(sk);
	MUTEX_GUARD(&unix_lock);

	if (u->name.len)
		return 0;
	for (unsigned tries = 0; tries < 0x100000; tries++) {
		struct unix_addr a = { .addr.family = LINUX_AF_UNIX, .len = UNIX_PATH_OFFSET + 6 };

		snprintf(a.addr.un.sun_path + 1, 6, "%05x", atomic_fetch_add(&next, 1) & 0xfffff);
		if (unix_find_abstract_locked(sk->net, &a, 0))
			continue;
		mutex_lock(&sk->lock);
		u->name = a;
		mutex_unlock(&sk->lock);
		u->bound = true;
		return 0;
	}
	return -LINUX_ENOSPC;
}

static int unix_bind_path(struct sock *sk, const struct unix_addr *a)
{
	struct unix_sock *u = unix_sk(sk);
	char name[sizeof(a->addr.un.sun_path) + 1];
	struct path path;
	int err;

	snprintf(name, sizeof(name), "%.*s", (int)sizeof(a->addr.un.sun_path), a->addr.un.sun_path);
	if (u->name.len) {
		err = path_lookupat(LINUX_AT_FDCWD, name, 0, &path);
		if (err)
			return -LINUX_EINVAL;
		path_put(&path);
		return -LINUX_EADDRINUSE;
	}
	err = vfs_mksock(name, LINUX_S_IFSOCK | 0777, NULL, &path);
	if (err)
		return err == -LINUX_EEXIST ? -LINUX_EADDRINUSE : err;
	mutex_lock(&unix_lock);
	path.dentry->inode->sock = sk;
	mutex_lock(&sk->lock);
	u->path = path;
	u->name = *a;
	mutex_unlock(&sk->lock);
	mutex_unlock(&unix_lock);
	return 0;
}

static int unix_bind(struct sock *sk, const struct linux_sockaddr *addr, unsigned len)
{
	struct unix_sock *u = unix_sk(sk);
	struct unix_addr a;
	int err;

	if (len == UNIX_PATH_OFFSET && addr->family == LINUX_AF_UNIX)
		return unix_autobind(sk);
	err = unix_addr_check(addr, len, &a);
	if (err)
		return err;
	/* A path is made before the socket is looked at, so that one which exists is the error that shows. */
	if (unix_addr_is_path(&a))
		return unix_bind_path(sk, &a);
	if (u->name.len)
		return -LINUX_EINVAL;
	MUTEX_GUARD(&unix_lock);
	if (unix_find_abstract_locked(sk->net, &a, 0))
		return -LINUX_EADDRINUSE;
	mutex_lock(&sk->lock);
	u->name = a;
	mutex_unlock(&sk->lock);
	u->bound = true;
	return 0;
}

static int unix_getname(struct sock *sk, bool peer, struct linux_sockaddr *ret, unsigned *ret_len)
{
	struct sock *of _cleanup_sock_ = peer ? sock_peer_get(sk) : sock_get(sk);
	struct unix_sock *u;

	if (!of)
		return -LINUX_ENOTCONN;
	u = unix_sk(of);
	MUTEX_GUARD(&of->lock);
	memset(ret, 0, sizeof(*ret));
	ret->family = LINUX_AF_UNIX;
	*ret_len = UNIX_PATH_OFFSET;
	if (u->name.len) {
		*ret = u->name.addr;
		*ret_len = u->name.len;
	}
	return 0;
}

/* --- connecting --- */

static const struct sock_ops unix_ops;

static struct sock *unix_alloc(struct net *net, int type)
{
	struct unix_sock *u = calloc(1, sizeof(*u));
	struct sock *sk = u ? sock_alloc(net, LINUX_AF_UNIX, type, 0, &unix_ops) : NULL;

	if (!sk) {
		free(u);
		return NULL;
	}
	u->sk = sk;
	sk->proto = u;
	mutex_lock(&unix_lock);
	list_add_tail(&u->link, &unix_all);
	mutex_unlock(&unix_lock);
	return sk;
}

/* A child of @listener for a client in @net: it has the listener's name, and the listener's credentials are what the client sees. */
static struct sock *unix_child_new(struct net *net, struct sock *listener)
{
	struct sock *child = unix_alloc(net, listener->type);

	if (!child)
		return NULL;
	mutex_lock(&listener->lock);
	unix_sk(child)->name = unix_sk(listener)->name;
	if (unix_sk(listener)->path.dentry) {
		path_get(&unix_sk(listener)->path);
		unix_sk(child)->path = unix_sk(listener)->path;
	}
	child->cred = listener->cred;
	child->passcred = listener->passcred;
	mutex_unlock(&listener->lock);
	return child;
}

static int unix_connect_stream(struct sock *sk, const struct unix_addr *a, bool nonblock)
{
	struct sock *listener _cleanup_sock_ = unix_find(sk->net, a, sk->type);
	struct sock *child _cleanup_sock_ = NULL;
	int err;

	if (IS_ERR(listener))
		return (int)PTR_ERR(listener);
	mutex_lock(&sk->lock);
	err = sk->state == SS_CONNECTED ? -LINUX_EISCONN : sk->state != SS_UNCONNECTED ? -LINUX_EINVAL : 0;
	mutex_unlock(&sk->lock);
	if (err)
		return err;
	if (READ_ONCE(listener->state) != SS_LISTENING)
		return -LINUX_ECONNREFUSED;
	child = unix_child_new(sk->net, listener);
	if (!child)
		return -LINUX_ENOMEM;
	sk->cred = (struct linux_ucred){ kernel_current_tgid(), current_cred->euid, current_cred->egid };
	sock_join(sk, child);
	err = sock_enqueue_child(listener, child, nonblock, sk->sndtimeo);
	if (!err) {
		sock_wake(sk, 0);
		return 0;
	}
	sock_set_peer(sk, NULL);
	sock_set_peer(child, NULL);
	mutex_lock(&sk->lock);
	WRITE_ONCE(sk->state, SS_UNCONNECTED);
	mutex_unlock(&sk->lock);
	sock_close(child);
	return err;
}

static int unix_connect_dgram(struct sock *sk, const struct linux_sockaddr *addr, unsigned len)
{
	struct sock *to _cleanup_sock_ = NULL;
	struct unix_addr a;
	int err;

	if (addr->family == LINUX_AF_UNSPEC) {
		sock_set_peer(sk, NULL);
		WRITE_ONCE(sk->state, SS_UNCONNECTED);
		return 0;
	}
	err = unix_addr_check(addr, len, &a);
	if (err)
		return err;
	to = unix_find(sk->net, &a, sk->type);
	if (IS_ERR(to))
		return (int)PTR_ERR(to);
	/* A receiver that is itself connected hears only its peer. */
	mutex_lock(&to->lock);
	err = to->peer && to->peer != sk ? -LINUX_EPERM : 0;
	mutex_unlock(&to->lock);
	if (err)
		return err;
	sock_set_peer(sk, to);
	sk->peer_cred = to->cred;
	WRITE_ONCE(sk->state, SS_CONNECTED);
	return 0;
}

static int unix_connect(struct sock *sk, const struct linux_sockaddr *addr, unsigned len, bool nonblock)
{
	struct unix_addr a;
	int err;

	if (sk->type == LINUX_SOCK_DGRAM)
		return len < 2 ? -LINUX_EINVAL : unix_connect_dgram(sk, addr, len);
	err = unix_addr_check(addr, len, &a);
	return err ? err : unix_connect_stream(sk, &a, nonblock);
}

static int unix_listen(struct sock *sk, int backlog)
{
	if (!sock_is_connection(sk))
		return -LINUX_EOPNOTSUPP;
	MUTEX_GUARD(&sk->lock);
	if (!unix_sk(sk)->name.len)
		return -LINUX_EINVAL;
	if (sk->state != SS_UNCONNECTED && sk->state != SS_LISTENING)
		return -LINUX_EINVAL;
	sk->backlog = MIN((unsigned)backlog, 4096u);
	WRITE_ONCE(sk->state, SS_LISTENING);
	sk->cred = (struct linux_ucred){ kernel_current_tgid(), current_cred->euid, current_cred->egid };
	sk->peer_cred = sk->cred;
	return 0;
}

static struct sock *unix_route(struct sock *sk, struct msg *msg)
{
	struct unix_addr a;
	struct sock *to;
	int err;

	if (!msg->addr_len) {
		to = sock_peer_get(sk);
		return to ? to : ERR_PTR(-LINUX_ENOTCONN);
	}
	err = unix_addr_check(&msg->addr, msg->addr_len, &a);
	if (err)
		return ERR_PTR(err);
	to = unix_find(sk->net, &a, sk->type);
	if (IS_ERR(to))
		return to;
	mutex_lock(&to->lock);
	err = to->peer && to->peer != sk ? -LINUX_EPERM : 0;
	mutex_unlock(&to->lock);
	if (err) {
		sock_put(to);
		return ERR_PTR(err);
	}
	return to;
}

static void unix_forget(struct sock *sk)
{
	struct unix_sock *u = unix_sk(sk);
	MUTEX_GUARD(&unix_lock);

	list_del(&u->link);
	if (u->path.dentry && u->path.dentry->inode && u->path.dentry->inode->sock == sk)
		u->path.dentry->inode->sock = NULL;
}

static void unix_release(struct sock *sk)
{
	unix_forget(sk);
	unix_gc();
}

static void unix_free(struct sock *sk)
{
	struct unix_sock *u = unix_sk(sk);

	if (!list_empty(&u->link))
		unix_forget(sk);
	if (u->path.dentry)
		path_put(&u->path);
	free(u);
}

static const struct sock_ops unix_ops = {
	.bind = unix_bind,
	.connect = unix_connect,
	.listen = unix_listen,
	.getname = unix_getname,
	.route = unix_route,
	.release = unix_release,
	.free = unix_free,
};

struct sock *unix_create(int type, int protocol)
{
	struct sock *sk;

	if (protocol && protocol != LINUX_AF_UNIX)
		return ERR_PTR(-LINUX_EPROTONOSUPPORT);
	if (type == LINUX_SOCK_RAW)
		type = LINUX_SOCK_DGRAM;
	if (type != LINUX_SOCK_STREAM && type != LINUX_SOCK_DGRAM && type != LINUX_SOCK_SEQPACKET)
		return ERR_PTR(-LINUX_ESOCKTNOSUPPORT);
	sk = unix_alloc(current_net_ns(), type);
	return sk ? sk : ERR_PTR(-LINUX_ENOMEM);
}

int unix_pair(struct sock *a, struct sock *b)
{
	sock_join(a, b);
	return 0;
}

/* --- /proc/net/unix --- */

static void unix_show(struct net *net, struct strbuf *sb)
{
	struct unix_sock *u;
	MUTEX_GUARD(&unix_lock);

	strbuf_adds(sb, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	list_for_each_entry(u, &unix_all, link) {
		if (u->sk->net != net)
			continue;
		bool listening = READ_ONCE(u->sk->state) == SS_LISTENING;

		strbuf_addf(sb, "%016x: %08X %08X %08X %04X %02X %5llu", 0, ref_read(&u->sk->ref), 0, listening ? 0x10000 : 0,
			    u->sk->type, u->sk->state == SS_CONNECTED ? 3 : 1, (unsigned long long)u->sk->ino);
		if (u->name.len) {
			strbuf_addc(sb, ' ');
			if (unix_addr_is_path(&u->name))
				strbuf_addf(sb, "%.108s", u->name.addr.un.sun_path);
			else
				for (unsigned i = 0; i < u->name.len - UNIX_PATH_OFFSET; i++)
					strbuf_addc(sb, u->name.addr.un.sun_path[i] ? u->name.addr.un.sun_path[i] : '@');
		}
		strbuf_addc(sb, '\n');
	}
}

void unix_for_each(struct net *net, void (*fn)(struct sock *sk, const char *name, unsigned len, uint64_t peer_ino, void *arg), void *arg)
{
	struct unix_sock *u;
	MUTEX_GUARD(&unix_lock);

	list_for_each_entry(u, &unix_all, link) {
		if (net && u->sk->net != net)
			continue;
		struct sock *peer _cleanup_sock_ = sock_peer_get(u->sk);
		unsigned len = u->name.len ? u->name.len - UNIX_PATH_OFFSET : 0;

		fn(u->sk, u->name.addr.un.sun_path, len && unix_addr_is_path(&u->name) ? len - 1 : len, peer ? peer->ino : 0, arg);
	}
}

void unix_init(void)
{
	proc_net_register("unix", unix_show);
}
