/* SPDX-License-Identifier: Apache-2.0 */
/* The sentry's own memory: memfds and mappings. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x8U
#define MFD_EXEC 0x10U
#endif

/* Since Linux 6.3 it wants to be told whether the file may be executed, and with vm.memfd_noexec=2 insists on no. */
int host_memfd_create(const char *name, unsigned flags)
{
	int fd = ret_errno(memfd_create(name, flags | MFD_CLOEXEC | (flags & MFD_EXEC ? 0 : MFD_NOEXEC_SEAL)));

	return fd == -EINVAL ? ret_errno(memfd_create(name, (flags & ~MFD_EXEC) | MFD_CLOEXEC)) : fd;
}

int host_memfd_seal(int fd, unsigned seals)
{
	return ret_errno(fcntl(fd, F_ADD_SEALS, seals));
}

int host_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t off, void **ret_addr)
{
	void *p = mmap(addr, len, prot, flags, fd, (off_t)off);

	if (p == MAP_FAILED)
		return -errno;
	*ret_addr = p;
	return 0;
}

int host_munmap(void *addr, size_t len)
{
	return ret_errno(munmap(addr, len));
}

int host_mprotect(void *addr, size_t len, int prot)
{
	return ret_errno(mprotect(addr, len, prot));
}

int host_mremap(void *old, size_t old_len, size_t new_len, int flags, void *new_addr, void **ret_addr)
{
	void *p = mremap(old, old_len, new_len, flags, new_addr);

	if (p == MAP_FAILED)
		return -errno;
	*ret_addr = p;
	return 0;
}

int host_madvise(void *addr, size_t len, int advice)
{
	return ret_errno(madvise(addr, len, advice));
}

int host_msync(void *addr, size_t len, int flags)
{
	return ret_errno(msync(addr, len, flags));
}

int host_mincore(void *addr, size_t len, unsigned char *vec)
{
	return ret_errno(mincore(addr, len, vec));
}

ssize_t host_process_vm_readv(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len }, remote = { (void *)(uintptr_t)addr, len };

	return ret_errno(process_vm_readv(pid, &local, 1, &remote, 1, 0));
}

ssize_t host_process_vm_writev(pid_t pid, uint64_t addr, const void *buf, size_t len)
{
	struct iovec local = { (void *)(uintptr_t)buf, len }, remote = { (void *)(uintptr_t)addr, len };

	return ret_errno(process_vm_writev(pid, &local, 1, &remote, 1, 0));
}
