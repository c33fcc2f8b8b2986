/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: netlink(7), rtnetlink(7), sock_diag(7), netdevice(7). */
#ifndef SENTRY_ABI_NETLINK_H
#define SENTRY_ABI_NETLINK_H

#include "sentry/base/types.h"

#define LINUX_NETLINK_ROUTE 0
#define LINUX_NETLINK_USERSOCK 2
#define LINUX_NETLINK_SOCK_DIAG 4
#define LINUX_NETLINK_AUDIT 9
#define LINUX_NETLINK_CONNECTOR 11
#define LINUX_NETLINK_NETFILTER 12
#define LINUX_NETLINK_KOBJECT_UEVENT 15
#define LINUX_NETLINK_GENERIC 16
#define LINUX_NETLINK_MAX 32

struct linux_sockaddr_nl {
	uint16_t nl_family, nl_pad;
	uint32_t nl_pid, nl_groups;
};
static_assert(sizeof(struct linux_sockaddr_nl) == 12, "struct sockaddr_nl");

struct linux_nlmsghdr {
	uint32_t len;
	uint16_t type, flags;
	uint32_t seq, pid;
};
static_assert(sizeof(struct linux_nlmsghdr) == 16, "struct nlmsghdr");

struct linux_nlattr {
	uint16_t len, type;
};
#define LINUX_NLA_TYPE_MASK 0x3fff
#define LINUX_NLA_F_NESTED 0x8000
#define LINUX_NLMSG_ALIGN(n) (((n) + 3) & ~3U)

#define LINUX_NLM_F_REQUEST 1
#define LINUX_NLM_F_MULTI 2
#define LINUX_NLM_F_ACK 4
#define LINUX_NLM_F_DUMP 0x300
#define LINUX_NLM_F_REPLACE 0x100
#define LINUX_NLM_F_EXCL 0x200
#define LINUX_NLM_F_CREATE 0x400
#define LINUX_NLM_F_APPEND 0x800
#define LINUX_NLM_F_CAPPED 0x100
#define LINUX_NLMSG_NOOP 1
#define LINUX_NLMSG_ERROR 2
#define LINUX_NLMSG_DONE 3
#define LINUX_NLMSG_MIN_TYPE 16

#define LINUX_SOL_NETLINK 270
#define LINUX_NETLINK_ADD_MEMBERSHIP 1
#define LINUX_NETLINK_DROP_MEMBERSHIP 2
#define LINUX_NETLINK_PKTINFO 3
#define LINUX_NETLINK_BROADCAST_ERROR 4
#define LINUX_NETLINK_NO_ENOBUFS 5
#define LINUX_NETLINK_LIST_MEMBERSHIPS 9
#define LINUX_NETLINK_CAP_ACK 10
#define LINUX_NETLINK_EXT_ACK 11
#define LINUX_NETLINK_GET_STRICT_CHK 12

#define LINUX_RTM_NEWLINK 16
#define LINUX_RTM_DELLINK 17
#define LINUX_RTM_GETLINK 18
#define LINUX_RTM_SETLINK 19
#define LINUX_RTM_NEWADDR 20
#define LINUX_RTM_DELADDR 21
#define LINUX_RTM_GETADDR 22
#define LINUX_RTM_NEWROUTE 24
#define LINUX_RTM_DELROUTE 25
#define LINUX_RTM_GETROUTE 26
#define LINUX_RTM_NEWNEIGH 28
#define LINUX_RTM_DELNEIGH 29
#define LINUX_RTM_GETNEIGH 30
#define LINUX_RTM_NEWRULE 32
#define LINUX_RTM_GETRULE 34
#define LINUX_RTM_NEWNSID 88
#define LINUX_RTM_DELNSID 89
#define LINUX_RTM_GETNSID 90

#define LINUX_RTNLGRP_LINK 1
#define LINUX_RTNLGRP_NEIGH 3
#define LINUX_RTNLGRP_IPV4_IFADDR 5
#define LINUX_RTNLGRP_IPV4_ROUTE 7
#define LINUX_RTNLGRP_IPV6_IFADDR 9
#define LINUX_RTNLGRP_IPV6_ROUTE 11

struct linux_ifinfomsg {
	uint8_t family, pad;
	uint16_t type;
	int32_t index;
	uint32_t flags, change;
};
struct linux_ifaddrmsg {
	uint8_t family, prefixlen, flags, scope;
	uint32_t index;
};
struct linux_rtmsg {
	uint8_t family, dst_len, src_len, tos, table, protocol, scope, type;
	uint32_t flags;
};
struct linux_ndmsg {
	uint8_t family, pad1;
	uint16_t pad2;
	int32_t ifindex;
	uint16_t state;
	uint8_t flags, type;
};
struct linux_rtgenmsg {
	uint8_t family;
};

#define LINUX_IFLA_ADDRESS 1
#define LINUX_IFLA_BROADCAST 2
#define LINUX_IFLA_IFNAME 3
#define LINUX_IFLA_MTU 4
#define LINUX_IFLA_LINK 5
#define LINUX_IFLA_QDISC 6
#define LINUX_IFLA_STATS 7
#define LINUX_IFLA_MASTER 10
#define LINUX_IFLA_TXQLEN 13
#define LINUX_IFLA_OPERSTATE 16
#define LINUX_IFLA_LINKMODE 17
#define LINUX_IFLA_LINKINFO 18
#define LINUX_IFLA_NET_NS_PID 19
#define LINUX_IFLA_STATS64 23
#define LINUX_IFLA_AF_SPEC 26
#define LINUX_IFLA_GROUP 27
#define LINUX_IFLA_NET_NS_FD 28
#define LINUX_IFLA_EXT_MASK 29
#define LINUX_IFLA_PROMISCUITY 30
#define LINUX_IFLA_NUM_TX_QUEUES 31
#define LINUX_IFLA_NUM_RX_QUEUES 32
#define LINUX_IFLA_CARRIER 33
#define LINUX_IFLA_LINK_NETNSID 37
#define LINUX_IFLA_TARGET_NETNSID 46
#define LINUX_IFLA_INFO_KIND 1
#define LINUX_IFLA_INFO_DATA 2
#define LINUX_IFLA_INFO_SLAVE_KIND 4
#define LINUX_NETNSA_NSID 1
#define LINUX_NETNSA_PID 2
#define LINUX_NETNSA_FD 3

#define LINUX_IFA_ADDRESS 1
#define LINUX_IFA_LOCAL 2
#define LINUX_IFA_LABEL 3
#define LINUX_IFA_BROADCAST 4
#define LINUX_IFA_CACHEINFO 6
#define LINUX_IFA_FLAGS 8
#define LINUX_IFA_F_PERMANENT 0x80

#define LINUX_RTA_DST 1
#define LINUX_RTA_SRC 2
#define LINUX_RTA_IIF 3
#define LINUX_RTA_OIF 4
#define LINUX_RTA_GATEWAY 5
#define LINUX_RTA_PRIORITY 6
#define LINUX_RTA_PREFSRC 7
#define LINUX_RTA_METRICS 8
#define LINUX_RTA_CACHEINFO 12
#define LINUX_RTA_TABLE 15
#define LINUX_RTA_PREF 20

#define LINUX_RT_TABLE_MAIN 254
#define LINUX_RT_TABLE_LOCAL 255
#define LINUX_RTPROT_KERNEL 2
#define LINUX_RTPROT_BOOT 3
#define LINUX_RTPROT_RA 9
#define LINUX_RT_SCOPE_UNIVERSE 0
#define LINUX_RT_SCOPE_SITE 200
#define LINUX_RT_SCOPE_LINK 253
#define LINUX_RT_SCOPE_HOST 254
#define LINUX_RT_SCOPE_NOWHERE 255
#define LINUX_RTN_UNICAST 1
#define LINUX_RTN_LOCAL 2
#define LINUX_RTN_BROADCAST 3
#define LINUX_RTM_F_CLONED 0x200

#define LINUX_NDA_DST 1
#define LINUX_NDA_LLADDR 2
#define LINUX_NDA_CACHEINFO 3
#define LINUX_NUD_INCOMPLETE 0x01
#define LINUX_NUD_REACHABLE 0x02
#define LINUX_NUD_FAILED 0x20
#define LINUX_NUD_NOARP 0x40
#define LINUX_NUD_PERMANENT 0x80

#define LINUX_IFF_UP 0x1
#define LINUX_IFF_BROADCAST 0x2
#define LINUX_IFF_LOOPBACK 0x8
#define LINUX_IFF_POINTOPOINT 0x10
#define LINUX_IFF_RUNNING 0x40
#define LINUX_IFF_NOARP 0x80
#define LINUX_IFF_PROMISC 0x100
#define LINUX_IFF_ALLMULTI 0x200
#define LINUX_IFF_MULTICAST 0x1000
#define LINUX_IFF_LOWER_UP 0x10000

#define LINUX_ARPHRD_ETHER 1
#define LINUX_ARPHRD_LOOPBACK 772
#define LINUX_IF_OPER_UNKNOWN 0
#define LINUX_IF_OPER_DOWN 2
#define LINUX_IF_OPER_LOWERLAYERDOWN 3
#define LINUX_IF_OPER_UP 6

/* --- sock_diag(7) --- */

#define LINUX_SOCK_DIAG_BY_FAMILY 20

struct linux_inet_diag_sockid {
	uint16_t sport, dport; /* big endian */
	uint8_t src[16], dst[16];
	uint32_t ifindex, cookie[2];
};
struct linux_inet_diag_req_v2 {
	uint8_t family, protocol, ext, pad;
	uint32_t states;
	struct linux_inet_diag_sockid id;
};
static_assert(sizeof(struct linux_inet_diag_req_v2) == 56, "struct inet_diag_req_v2");
struct linux_inet_diag_msg {
	uint8_t family, state, timer, retrans;
	struct linux_inet_diag_sockid id;
	uint32_t expires, rqueue, wqueue, uid, inode;
};
static_assert(sizeof(struct linux_inet_diag_msg) == 72, "struct inet_diag_msg");
#define LINUX_INET_DIAG_SHUTDOWN 8

struct linux_unix_diag_req {
	uint8_t family, protocol;
	uint16_t pad;
	uint32_t states, ino, show, cookie[2];
};
static_assert(sizeof(struct linux_unix_diag_req) == 24, "struct unix_diag_req");
struct linux_unix_diag_msg {
	uint8_t family, type, state, pad;
	uint32_t ino, cookie[2];
};
#define LINUX_UDIAG_SHOW_NAME 1
#define LINUX_UDIAG_SHOW_PEER 4
#define LINUX_UDIAG_SHOW_RQLEN 16
#define LINUX_UNIX_DIAG_NAME 0
#define LINUX_UNIX_DIAG_PEER 2
#define LINUX_UNIX_DIAG_RQLEN 4
#define LINUX_UNIX_DIAG_SHUTDOWN 6

#endif
