/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: socket(2), socket(7), unix(7), ip(7), ipv6(7), tcp(7), udp(7). */
#ifndef SENTRY_ABI_SOCKET_H
#define SENTRY_ABI_SOCKET_H

#include "sentry/base/types.h"

#define LINUX_AF_UNSPEC 0
#define LINUX_AF_UNIX 1
#define LINUX_AF_INET 2
#define LINUX_AF_INET6 10
#define LINUX_AF_NETLINK 16
#define LINUX_AF_PACKET 17
#define LINUX_AF_MAX 46

#define LINUX_SOCK_STREAM 1
#define LINUX_SOCK_DGRAM 2
#define LINUX_SOCK_RAW 3
#define LINUX_SOCK_RDM 4
#define LINUX_SOCK_SEQPACKET 5
#define LINUX_SOCK_DCCP 6
#define LINUX_SOCK_PACKET 10
#define LINUX_SOCK_TYPE_MASK 0xf
#define LINUX_SOCK_CLOEXEC 02000000
#define LINUX_SOCK_NONBLOCK 04000

#define LINUX_IPPROTO_IP 0
#define LINUX_IPPROTO_ICMP 1
#define LINUX_IPPROTO_TCP 6
#define LINUX_IPPROTO_UDP 17
#define LINUX_IPPROTO_UDPLITE 136
#define LINUX_IPPROTO_IPV6 41
#define LINUX_IPPROTO_ICMPV6 58
#define LINUX_IPPROTO_RAW 255

#define LINUX_SHUT_RD 0
#define LINUX_SHUT_WR 1
#define LINUX_SHUT_RDWR 2

#define LINUX_MSG_OOB 1
#define LINUX_MSG_PEEK 2
#define LINUX_MSG_DONTROUTE 4
#define LINUX_MSG_CTRUNC 8
#define LINUX_MSG_TRUNC 0x20
#define LINUX_MSG_DONTWAIT 0x40
#define LINUX_MSG_EOR 0x80
#define LINUX_MSG_WAITALL 0x100
#define LINUX_MSG_CONFIRM 0x800
#define LINUX_MSG_ERRQUEUE 0x2000
#define LINUX_MSG_NOSIGNAL 0x4000
#define LINUX_MSG_MORE 0x8000
#define LINUX_MSG_WAITFORONE 0x10000
#define LINUX_MSG_ZEROCOPY 0x4000000
#define LINUX_MSG_FASTOPEN 0x20000000
#define LINUX_MSG_CMSG_CLOEXEC 0x40000000

#define LINUX_SOL_SOCKET 1
#define LINUX_SO_DEBUG 1
#define LINUX_SO_REUSEADDR 2
#define LINUX_SO_TYPE 3
#define LINUX_SO_ERROR 4
#define LINUX_SO_DONTROUTE 5
#define LINUX_SO_BROADCAST 6
#define LINUX_SO_SNDBUF 7
#define LINUX_SO_RCVBUF 8
#define LINUX_SO_KEEPALIVE 9
#define LINUX_SO_OOBINLINE 10
#define LINUX_SO_NO_CHECK 11
#define LINUX_SO_PRIORITY 12
#define LINUX_SO_LINGER 13
#define LINUX_SO_BSDCOMPAT 14
#define LINUX_SO_REUSEPORT 15
#define LINUX_SO_PASSCRED 16
#define LINUX_SO_PEERCRED 17
#define LINUX_SO_RCVLOWAT 18
#define LINUX_SO_SNDLOWAT 19
#define LINUX_SO_RCVTIMEO 20
#define LINUX_SO_SNDTIMEO 21
#define LINUX_SO_BINDTODEVICE 25
#define LINUX_SO_ATTACH_FILTER 26
#define LINUX_SO_DETACH_FILTER 27
#define LINUX_SO_PEERNAME 28
#define LINUX_SO_TIMESTAMP 29
#define LINUX_SO_ACCEPTCONN 30
#define LINUX_SO_PEERSEC 31
#define LINUX_SO_SNDBUFFORCE 32
#define LINUX_SO_RCVBUFFORCE 33
#define LINUX_SO_PASSSEC 34
#define LINUX_SO_TIMESTAMPNS 35
#define LINUX_SO_MARK 36
#define LINUX_SO_PROTOCOL 38
#define LINUX_SO_DOMAIN 39
#define LINUX_SO_RXQ_OVFL 40
#define LINUX_SO_PEEK_OFF 42
#define LINUX_SO_LOCK_FILTER 44
#define LINUX_SO_SELECT_ERR_QUEUE 45
#define LINUX_SO_BUSY_POLL 46
#define LINUX_SO_INCOMING_CPU 49
#define LINUX_SO_NOFCS 43
#define LINUX_SO_INCOMING_NAPI_ID 56
#define LINUX_SO_PREFER_BUSY_POLL 69
#define LINUX_SO_BUF_LOCK 72
#define LINUX_SO_TXREHASH 74
#define LINUX_SO_COOKIE 57
#define LINUX_SO_PEERGROUPS 59
#define LINUX_SO_ZEROCOPY 60
#define LINUX_SO_PEERPIDFD 77

#define LINUX_SCM_RIGHTS 1
#define LINUX_SCM_CREDENTIALS 2
#define LINUX_SCM_MAX_FD 253

struct linux_sockaddr_un {
	uint16_t sun_family;
	char sun_path[108];
};
struct linux_sockaddr_in {
	uint16_t sin_family, sin_port; /* big endian port and address */
	uint32_t sin_addr;
	uint8_t sin_zero[8];
};
static_assert(sizeof(struct linux_sockaddr_in) == 16, "struct sockaddr_in");
struct linux_sockaddr_in6 {
	uint16_t sin6_family, sin6_port;
	uint32_t sin6_flowinfo;
	uint8_t sin6_addr[16];
	uint32_t sin6_scope_id;
};
static_assert(sizeof(struct linux_sockaddr_in6) == 28, "struct sockaddr_in6");

struct linux_sockaddr {
	union {
		uint16_t family;
		struct linux_sockaddr_un un;
		struct linux_sockaddr_in in;
		struct linux_sockaddr_in6 in6;
		uint8_t bytes[128];
	};
};
static_assert(sizeof(struct linux_sockaddr) == 128, "struct sockaddr_storage");

struct linux_msghdr {
	uint64_t msg_name;
	uint32_t msg_namelen, pad0;
	uint64_t msg_iov, msg_iovlen, msg_control, msg_controllen;
	uint32_t msg_flags, pad1;
};
static_assert(sizeof(struct linux_msghdr) == 56, "struct msghdr");

struct linux_mmsghdr {
	struct linux_msghdr msg_hdr;
	uint32_t msg_len, pad;
};
static_assert(sizeof(struct linux_mmsghdr) == 64, "struct mmsghdr");

struct linux_cmsghdr {
	uint64_t cmsg_len;
	int32_t cmsg_level, cmsg_type;
};
static_assert(sizeof(struct linux_cmsghdr) == 16, "struct cmsghdr");
#define LINUX_CMSG_ALIGN(n) (((n) + 7) & ~7UL)

struct linux_ucred {
	int32_t pid;
	uint32_t uid, gid;
};
struct linux_linger {
	int32_t l_onoff, l_linger;
};

#define LINUX_FIOSETOWN 0x8901
#define LINUX_SIOCSPGRP 0x8902
#define LINUX_FIOGETOWN 0x8903
#define LINUX_SIOCGPGRP 0x8904
#define LINUX_SIOCATMARK 0x8905
#define LINUX_SIOCGSTAMP 0x8906
#define LINUX_SIOCOUTQ 0x5411
#define LINUX_SIOCINQ 0x541B

#define LINUX_IP_TOS 1
#define LINUX_IP_TTL 2
#define LINUX_IP_HDRINCL 3
#define LINUX_IP_OPTIONS 4
#define LINUX_IP_RECVOPTS 6
#define LINUX_IP_RETOPTS 7
#define LINUX_IP_PKTINFO 8
#define LINUX_IP_MTU_DISCOVER 10
#define LINUX_IP_RECVERR 11
#define LINUX_IP_RECVTTL 12
#define LINUX_IP_RECVTOS 13
#define LINUX_IP_MTU 14
#define LINUX_IP_FREEBIND 15
#define LINUX_IP_TRANSPARENT 19
#define LINUX_IP_RECVORIGDSTADDR 20
#define LINUX_IP_MINTTL 21
#define LINUX_IP_PASSSEC 18
#define LINUX_IP_NODEFRAG 22
#define LINUX_IP_CHECKSUM 23
#define LINUX_IP_BIND_ADDRESS_NO_PORT 24
#define LINUX_IP_UNICAST_IF 50
#define LINUX_IP_MULTICAST_IF 32
#define LINUX_IP_MULTICAST_TTL 33
#define LINUX_IP_MULTICAST_LOOP 34
#define LINUX_IP_ADD_MEMBERSHIP 35
#define LINUX_IP_DROP_MEMBERSHIP 36
#define LINUX_MCAST_JOIN_GROUP 42
#define LINUX_MCAST_LEAVE_GROUP 45
#define LINUX_IP_MULTICAST_ALL 49

#define LINUX_IPV6_CHECKSUM 7
#define LINUX_IPV6_UNICAST_HOPS 16
#define LINUX_IPV6_MULTICAST_IF 17
#define LINUX_IPV6_MULTICAST_HOPS 18
#define LINUX_IPV6_MULTICAST_LOOP 19
#define LINUX_IPV6_JOIN_GROUP 20
#define LINUX_IPV6_LEAVE_GROUP 21
#define LINUX_IPV6_MULTICAST_ALL 29
#define LINUX_IPV6_RECVHOPOPTS 53
#define LINUX_IPV6_RECVRTHDR 56
#define LINUX_IPV6_RECVDSTOPTS 58
#define LINUX_IPV6_FREEBIND 78
#define LINUX_IPV6_MTU_DISCOVER 23
#define LINUX_IPV6_RECVERR 25
#define LINUX_IPV6_V6ONLY 26
#define LINUX_IPV6_RECVPKTINFO 49
#define LINUX_IPV6_DONTFRAG 62
#define LINUX_IPV6_AUTOFLOWLABEL 70
#define LINUX_IPV6_PKTINFO 50
#define LINUX_IPV6_RECVHOPLIMIT 51
#define LINUX_IPV6_HOPLIMIT 52
#define LINUX_IPV6_RECVTCLASS 66
#define LINUX_IPV6_TCLASS 67

#define LINUX_TCP_NODELAY 1
#define LINUX_TCP_MAXSEG 2
#define LINUX_TCP_CORK 3
#define LINUX_TCP_KEEPIDLE 4
#define LINUX_TCP_KEEPINTVL 5
#define LINUX_TCP_KEEPCNT 6
#define LINUX_TCP_SYNCNT 7
#define LINUX_TCP_LINGER2 8
#define LINUX_TCP_DEFER_ACCEPT 9
#define LINUX_TCP_WINDOW_CLAMP 10
#define LINUX_TCP_INFO 11
#define LINUX_TCP_QUICKACK 12
#define LINUX_TCP_CONGESTION 13
#define LINUX_TCP_USER_TIMEOUT 18
#define LINUX_TCP_THIN_LINEAR_TIMEOUTS 16
#define LINUX_TCP_REPAIR 19
#define LINUX_TCP_FASTOPEN 23
#define LINUX_TCP_NOTSENT_LOWAT 25
#define LINUX_TCP_SAVE_SYN 27
#define LINUX_TCP_THIN_DUPACK 17
#define LINUX_TCP_FASTOPEN_NO_COOKIE 34
#define LINUX_TCP_FASTOPEN_CONNECT 30
#define LINUX_TCP_INQ 36

#endif
