/* SPDX-License-Identifier: Apache-2.0 */
/* capget, capset and the capability prctls, as an ordinary user; versions and bad arguments. */
#include "tests/contract/contract.h"
#include <linux/capability.h>
#include <sys/prctl.h>

int main(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	drop_privileges();
	memset(d, 0xff, sizeof(d));
	SECTION("capget");
	CALL(syscall(SYS_capget, &h, d));
	HEX(d[0].effective);
	HEX(d[0].permitted);
	HEX(d[0].inheritable);
	h.version = 0;
	CALL(syscall(SYS_capget, &h, d));
	HEX(h.version);
	h.version = 0;
	CALL(syscall(SYS_capget, &h, NULL));
	h.version = _LINUX_CAPABILITY_VERSION_1;
	CALL(syscall(SYS_capget, &h, d));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	h.pid = -1;
	CALL(syscall(SYS_capget, &h, d));
	h.pid = 0x7ffffff0;
	CALL(syscall(SYS_capget, &h, d));
	h.pid = getpid();
	CALL(syscall(SYS_capget, &h, d));
	CALL(syscall(SYS_capget, BAD_PTR, d));
	CALL(syscall(SYS_capget, &h, BAD_PTR));
	SECTION("capset");
	h.pid = 0;
	memset(d, 0, sizeof(d));
	CALL(syscall(SYS_capset, &h, d));
	d[0].effective = 1;
	CALL(syscall(SYS_capset, &h, d));
	d[0].permitted = 1;
	CALL(syscall(SYS_capset, &h, d));
	d[0].effective = d[0].permitted = 0;
	d[0].inheritable = 1;
	CALL(syscall(SYS_capset, &h, d));
	h.pid = 1;
	CALL(syscall(SYS_capset, &h, d));
	SECTION("prctl");
	YES(prctl(PR_CAPBSET_READ, 0) >= 0);
	CALL(prctl(PR_CAPBSET_READ, 1000));
	CALL(prctl(PR_CAPBSET_DROP, 1));
	CALL(prctl(PR_GET_SECUREBITS));
	CALL(prctl(PR_SET_SECUREBITS, 1));
	CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
	CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
	CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	CALL(prctl(PR_CAP_AMBIENT, 77, 0, 0, 0));
	CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1000, 0, 0));
	CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 1, 0));
	return 0;
}
