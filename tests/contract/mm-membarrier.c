/* SPDX-License-Identifier: Apache-2.0 */
/* membarrier(2): the query and the refusals. */
#include "tests/contract/contract.h"
#include <linux/membarrier.h>

static int membarrier(int cmd, unsigned flags, int cpu)
{
	return syscall(SYS_membarrier, cmd, flags, cpu);
}

int main(void)
{
	int mask = membarrier(MEMBARRIER_CMD_QUERY, 0, 0);

	if (mask < 0)
		skip("this kernel has no membarrier");
	YES(mask & MEMBARRIER_CMD_GLOBAL);
	YES(mask & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	YES(mask & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	CALL(membarrier(MEMBARRIER_CMD_GLOBAL, 0, 0));
	CALL(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	CALL(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	CALL(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	CALL(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	CALL(membarrier(MEMBARRIER_CMD_QUERY, 1 << 5, 0));
	CALL(membarrier(MEMBARRIER_CMD_GLOBAL, 1 << 5, 0));
	CALL(membarrier(1 << 30, 0, 0));
	CALL(membarrier(-1, 0, 0));
	IN_CHILD("registration is inherited")
		CALL(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	return 0;
}
