/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the guest may talk to.  A pure core: the helper asks it for every frame, after every translation.
 *
 * In this order:
 *   1. addresses that no packet may have as its destination are refused: 0/8, 127/8, 240/4, ::, ::1, mapped and translated ones;
 *   2. --deny;
 *   3. --allow;
 *   4. closed unless opened by 3: private, shared, link-local (cloud metadata) and benchmark ranges, the host's own addresses;
 *   5. --net=allowlist: only what an allowed name resolved to; else all.
 *
 * The gateway, 10.0.2.2, stands for the host's 127.0.0.1: open with --host-loopback, or where --allow names 127.0.0.1.
 */
#ifndef SENTRY_NETSTACK_SLIRP_POLICY_H
#define SENTRY_NETSTACK_SLIRP_POLICY_H

#include "netstack/inet_addr.h"

#define POLICY_RULES_MAX 128
#define POLICY_PINS_MAX 1024
#define POLICY_PUBLISH_MAX 64
#define POLICY_OWN_MAX 64
#define POLICY_PIN_MIN_NS (60 * 1000000000LL)

struct policy_rule {
	bool allow;
	char *name;		/* malloc; a host name, NULL: by address */
	uint8_t addr[16];
	unsigned plen;		/* of 128 */
	uint16_t port;		/* 0: all */
};

struct policy_publish {
	bool udp;
	uint8_t host[4], guest[4];
	uint16_t host_port, guest_port;
};

/* A datagram came in through a published port: answers to its sender may go out. */
#define POLICY_FLOWS_MAX 512
#define POLICY_FLOW_NS (180 * 1000000000LL)
struct policy_flow {
	uint8_t addr[4];
	uint16_t port, guest_port;
	int64_t until;
};

struct policy_pin {
	uint8_t addr[16];
	uint16_t port;		/* of the rule whose name it is */
	int64_t until;
};

struct policy {
	bool allowlist, host_loopback;
	bool host_listens;	/* --net=host: who listens in the guest listens on this machine's loopback */
	bool ipv6;		/* the host has a way out with it: the guest gets it too */
	bool frames;		/* no connections as sockets of the host: helper.h */
	struct policy_rule rules[POLICY_RULES_MAX];
	unsigned nr_rules;
	struct policy_publish publish[POLICY_PUBLISH_MAX];
	unsigned nr_publish;
	uint8_t own[POLICY_OWN_MAX][16];	/* the host's addresses */
	unsigned nr_own;
	struct policy_pin pins[POLICY_PINS_MAX];
	unsigned next_pin;
	struct policy_flow flows[POLICY_FLOWS_MAX];
	unsigned next_flow;
};

/* HOST|ADDRESS|CIDR[:PORT], IPv6 addresses in brackets with a port.  NULL, or what is wrong with it. */
const char *policy_add_rule(struct policy *p, bool allow, const char *spec);
/* [IP:]HOST:GUEST[/udp]; IP is 127.0.0.1 unless given.  NULL, or what is wrong. */
const char *policy_add_publish(struct policy *p, const char *spec);
/* @port 0: a packet without ports, which must be allowed on all of them. */
bool policy_allows(const struct policy *p, const uint8_t to[16], uint16_t port, int64_t now);
/* The gateway's @port, that is 127.0.0.1's. */
bool policy_allows_host(const struct policy *p, uint16_t port);
/* A connection of the guest to @to: where it really goes.  False: denied. */
bool policy_connection(const struct policy *p, const uint8_t to[16], uint16_t port, int64_t now, uint8_t ret[16]);
/* Whether anything of the host's loopback is open. */
bool policy_opens_host(const struct policy *p);
/* Whether connections to the guest's @port are published. */
bool policy_publishes(const struct policy *p, bool udp, uint16_t guest_port);
void policy_flow_note(struct policy *p, const uint8_t addr[4], uint16_t port, uint16_t guest_port, int64_t now);
bool policy_flow_known(const struct policy *p, const uint8_t addr[4], uint16_t port, uint16_t guest_port, int64_t now);
/* A name in a question: may it be asked?  Without an allowlist all may. */
bool policy_allows_name(const struct policy *p, const char *name);
/* @name has the address @addr for @ttl seconds. */
void policy_pin(struct policy *p, const char *name, const uint8_t addr[16], uint32_t ttl, int64_t now);

#endif
