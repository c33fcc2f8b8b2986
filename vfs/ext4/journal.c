/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/ext4/ext4_fs.h"

int ext4_journal_load(struct ext4_sb_info *es, struct strbuf *why)
{
	strbuf_addf(why, "%s was not unmounted cleanly; recover it with: e2fsck -p %s", es->name, es->name);
	return -LINUX_EUCLEAN;
}
