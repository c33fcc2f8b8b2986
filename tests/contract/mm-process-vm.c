/* SPDX-License-Identifier: Apache-2.0 */
/* process_vm_readv and process_vm_writev: between parent and child, partial transfers, limits and errors. */
#include "tests/contract/contract.h"
#include <sys/uio.h>

int main(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[3 * PAGE];
	struct iovec l[2] = { { buf, 10 }, { buf + 100, 20 } }, r[2] = { { p, 5 }, { p + PAGE, 40 } };
	struct gate ready, go;
	pid_t pid;

	gate_init(&ready);
	gate_init(&go);
	pid = MUST(fork());
	if (pid == 0) {
		memset(p, 'a', PAGE);
		memset(p + PAGE, 'b', PAGE);
		munmap(p + 2 * PAGE, PAGE);
		mprotect(p + 3 * PAGE, PAGE, PROT_READ);
		gate_open(&ready);
		gate_wait(&go);
		show_bytes("child has", p, 8);
		_exit(0);
	}
	gate_wait(&ready);
	SECTION("scattered read");
	CALL(process_vm_readv(pid, l, 2, r, 2, 0));
	BYTES(buf, 10);
	BYTES(buf + 100, 20);
	SECTION("up to a hole");
	l[0] = (struct iovec){ buf, sizeof(buf) };
	r[0] = (struct iovec){ p + PAGE, 3 * PAGE };
	CALL(process_vm_readv(pid, l, 1, r, 1, 0));
	r[0] = (struct iovec){ p + 2 * PAGE, 8 };
	CALL(process_vm_readv(pid, l, 1, r, 1, 0));
	SECTION("write");
	l[0] = (struct iovec){ "WRITTEN", 7 };
	r[0] = (struct iovec){ p, 7 };
	CALL(process_vm_writev(pid, l, 1, r, 1, 0));
	r[0] = (struct iovec){ p + 3 * PAGE, 7 };
	CALL(process_vm_writev(pid, l, 1, r, 1, 0));
	SHOW(p[0]);
	SECTION("refusals");
	r[0] = (struct iovec){ p, 7 };
	CALL(process_vm_readv(pid, l, 1, r, 1, 1));
	CALL(process_vm_readv(pid, l, 2000, r, 1, 0));
	CALL(process_vm_readv(pid, l, 0, r, 1, 0));
	CALL(process_vm_readv(pid, l, 1, r, 0, 0));
	CALL(process_vm_readv(0x7ffffff0, l, 1, r, 1, 0));
	CALL(process_vm_readv(pid, BAD_PTR, 1, r, 1, 0));
	CALL(process_vm_readv(pid, l, 1, BAD_PTR, 1, 0));
	l[0] = (struct iovec){ BAD_PTR, 7 };
	CALL(process_vm_readv(pid, l, 1, r, 1, 0));
	l[0] = (struct iovec){ buf, 7 };
	r[0] = (struct iovec){ p, -1UL };
	CALL(process_vm_readv(pid, l, 1, r, 1, 0));
	gate_open(&go);
	reap("child", pid);
	r[0] = (struct iovec){ p, 7 };
	CALL(process_vm_readv(pid, l, 1, r, 1, 0));
	SECTION("oneself");
	strcpy(p, "myself");
	CALL(process_vm_readv(getpid(), l, 1, r, 1, 0));
	STR(buf);
	return 0;
}
