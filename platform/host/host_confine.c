/* SPDX-License-Identifier: Apache-2.0 */
/* The filter of a small process, from a table. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/bpf_build.h"
#include "platform/host/host.h"
#include "platform/host/host_internal.h"

#define FILTER_MAX 1024
#define FILTER_SPEC_ALLOW 4 /* as for the stubs: mitigations are theirs to worry about */

static const uint32_t actions[] = {
	[HOST_OTHERWISE_EPERM] = SECCOMP_RET_ERRNO | EPERM,
	[HOST_OTHERWISE_TRAP] = SECCOMP_RET_TRAP,
};

/* The instructions of a rule behind its number's test.  True: it may fall through to the next rule. */
static bool rule_add(struct bpf_build *b, const struct host_syscall_rule *r)
{
	size_t arg = offsetof(struct seccomp_data, args) + r->arg * 8;

	if (r->kind == HOST_ALLOW || r->kind == HOST_KILL) {
		bpf_return(b, r->kind == HOST_ALLOW ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS);
		return false;
	}
	/* The upper half of the argument is zero, or it is none of ours. */
	bpf_load(b, arg + 4);
	bpf_jump_equal(b, 0, 0, 3);
	bpf_load(b, arg);
	if (r->kind == HOST_ALLOW_WITHOUT)
		bpf_add(b, BPF_JMP | BPF_JSET | BPF_K, 1, 0, r->value);
	else
		bpf_jump_equal(b, r->value, 0, 1);
	bpf_return(b, SECCOMP_RET_ALLOW);
	return true;
}

int host_confine(const struct host_syscall_rule *rules, unsigned nr, enum host_otherwise otherwise)
{
	struct sock_filter insn[FILTER_MAX], one[8];
	struct bpf_build b = { insn, 0, FILTER_MAX };
	struct sock_fprog prog;
	bool reload = true;

	if (nr > FILTER_MAX / 8 - 1)
		return -E2BIG;
	bpf_load(&b, offsetof(struct seccomp_data, arch));
	bpf_jump_equal(&b, AUDIT_ARCH_X86_64, 1, 0);
	bpf_return(&b, otherwise == HOST_OTHERWISE_TRAP ? SECCOMP_RET_TRAP : SECCOMP_RET_KILL_PROCESS);
	for (unsigned i = 0; i < nr; i++) {
		struct bpf_build body = { one, 0, ARRAY_SIZE(one) };
		bool falls = rule_add(&body, &rules[i]);

		if (reload)
			bpf_load(&b, offsetof(struct seccomp_data, nr));
		bpf_jump_equal(&b, (uint32_t)rules[i].nr, 0, (uint8_t)body.nr);
		for (unsigned j = 0; j < body.nr; j++)
			b.insn[b.nr++] = one[j];
		reload = falls;
	}
	bpf_return(&b, actions[otherwise]);
	prog = (struct sock_fprog){ (unsigned short)b.nr, insn };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return (int)ret_errno(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, FILTER_SPEC_ALLOW, &prog));
}

void host_confine_count(const struct host_syscall_rule *rules, unsigned nr, struct host_filter_count *ret)
{
	*ret = (struct host_filter_count){ 0 };
	for (unsigned i = 0; i < nr; i++) {
		bool counted = rules[i].kind == HOST_KILL;

		for (unsigned j = 0; j < i && !counted; j++)
			counted = rules[j].nr == rules[i].nr;
		if (counted)
			continue;
		ret->calls++;
		ret->restricted += rules[i].kind != HOST_ALLOW;
	}
}
