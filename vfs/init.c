/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/anon/inotify.h"
#include "vfs/dev/dev.h"
#include "vfs/vfs.h"

int vfs_init(void)
{
	pagecache_init();
	inotify_init();
	return mem_devices_init();
}
