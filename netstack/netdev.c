/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interface ioctls: netdevice(7).  The only interface is lo.
 */
#include <string.h>

#include "netstack/socket.h"

#define SIOCGIFNAME 0x8910
#define SIOCGIFCONF 0x8912
#define SIOCGIFFLAGS 0x8913
#define SIOCGIFADDR 0x8915
#define SIOCGIFBRDADDR 0x8919
#define SIOCGIFNETMASK 0x891b
#define SIOCGIFMETRIC 0x891d
#define SIOCGIFMTU 0x8921
#define SIOCGIFHWADDR 0x8927
#define SIOCGIFINDEX 0x8933
#define SIOCGIFTXQLEN 0x8942

#define LO_FLAGS 0x49 /* IFF_UP | IFF_LOOPBACK | IFF_RUNNING */
#define ARPHRD_LOOPBACK 772

struct ifreq {
	char name[16];
	union {
		struct linux_sockaddr_in addr;
		struct {
			uint16_t family;
			char data[14];
		} hw;
		int16_t flags;
		int32_t value;
		uint8_t pad[24];
	};
};
static_assert(sizeof(struct ifreq) == 40, "struct ifreq");

static struct linux_sockaddr_in in_addr(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	struct linux_sockaddr_in in = { .sin_family = LINUX_AF_INET };

	memcpy(&in.sin_addr, (uint8_t[]){ a, b, c, d }, 4);
	return in;
}

static int64_t netdev_ifconf(uint64_t arg)
{
	struct {
		int32_t len, pad;
		uint64_t buf;
	} ifc;
	struct ifreq lo = { .name = "lo", .addr = in_addr(127, 0, 0, 1) };

	if (get_user(&ifc, arg))
		return -LINUX_EFAULT;
	if (ifc.buf) {
		if (ifc.len < (int)sizeof(lo))
			ifc.len = 0;
		else if (copy_to_user(ifc.buf, &lo, sizeof(lo)))
			return -LINUX_EFAULT;
		else
			ifc.len = sizeof(lo);
	} else {
		ifc.len = sizeof(lo);
	}
	return copy_to_user(arg, &ifc, sizeof(ifc));
}

static int netdev_fill(unsigned cmd, struct ifreq *r)
{
	memset(r->pad, 0, sizeof(r->pad));
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->flags = LO_FLAGS;
		return 0;
	case SIOCGIFADDR:
		r->addr = in_addr(127, 0, 0, 1);
		return 0;
	case SIOCGIFBRDADDR:
		r->addr = in_addr(0, 0, 0, 0);
		return 0;
	case SIOCGIFNETMASK:
		r->addr = in_addr(255, 0, 0, 0);
		return 0;
	case SIOCGIFMETRIC:
		return 0;
	case SIOCGIFMTU:
		r->value = 65536;
		return 0;
	case SIOCGIFHWADDR:
		r->hw.family = ARPHRD_LOOPBACK;
		return 0;
	case SIOCGIFINDEX:
		r->value = 1;
		return 0;
	case SIOCGIFTXQLEN:
		r->value = 1000;
		return 0;
	default:
		return -LINUX_ENOTTY;
	}
}

int64_t netdev_ioctl(unsigned cmd, uint64_t arg)
{
	struct ifreq r;
	int err;

	if (cmd == SIOCGIFCONF)
		return netdev_ifconf(arg);
	if (cmd < SIOCGIFNAME || cmd > SIOCGIFTXQLEN)
		return -LINUX_ENOTTY;
	if (get_user(&r, arg))
		return -LINUX_EFAULT;
	if (cmd == SIOCGIFNAME) {
		if (r.value != 1)
			return -LINUX_ENODEV;
		memset(r.name, 0, sizeof(r.name));
		memcpy(r.name, "lo", 3);
		return copy_to_user(arg, &r, sizeof(r));
	}
	r.name[sizeof(r.name) - 1] = '\0';
	if (strcmp(r.name, "lo"))
		return -LINUX_ENODEV;
	err = netdev_fill(cmd, &r);
	return err ? err : copy_to_user(arg, &r, sizeof(r));
}
