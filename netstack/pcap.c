/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pcapng (draft-ietf-opsawg-pcapng): one section, one interface, an enhanced packet block for each frame.  One write(2) makes one block, so
 * that what is there is whole whenever the sentry ends.
 */
#include "netstack/pcap.h"

#include <stdio.h>
#include <string.h>

#include "sentry/base/lock.h"
#include "sentry/base/log.h"
#include "sentry/base/waitq.h"
#include "vfs/vfs.h"

#define BLOCK_SECTION 0x0a0d0d0a
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET 6
#define BLOCK_BYTE_ORDER 0x1a2b3c4d
#define LINKTYPE_ETHERNET 1
#define OPT_COMMENT 1
#define OPT_IF_NAME 2
#define OPT_IF_TSRESOL 9
#define OPT_EPB_FLAGS 2
#define IOV_MAX_FRAME 32

atomic_bool pcap_enabled;
static int pcap_fd = -1;
static struct mutex pcap_lock = MUTEX_INIT; /* a leaf; order of blocks */

/* A block under construction; its options follow the body. */
struct block {
	uint8_t p[256];
	uint32_t len;
};

static void block_add(struct block *b, const void *data, uint32_t len)
{
	memcpy(b->p + b->len, data, len);
	b->len += len;
	while (b->len % 4)
		b->p[b->len++] = 0;
}

static void block_option(struct block *b, uint16_t code, const void *data, uint16_t len)
{
	uint16_t head[2] = { code, len };

	block_add(b, head, sizeof(head));
	block_add(b, data, len);
}

static int pcap_header(const char *ifname)
{
	struct block b = { .len = 0 };
	uint32_t section[7] = { BLOCK_SECTION, 28, BLOCK_BYTE_ORDER, 1, UINT32_MAX, UINT32_MAX, 28 };
	uint32_t head[4] = { BLOCK_INTERFACE, 0, LINKTYPE_ETHERNET, 0 };
	uint8_t nanoseconds = 9;

	block_add(&b, section, sizeof(section));
	block_add(&b, head, sizeof(head));
	block_option(&b, OPT_IF_NAME, ifname, (uint16_t)strlen(ifname));
	block_option(&b, OPT_IF_TSRESOL, &nanoseconds, 1);
	block_option(&b, 0, NULL, 0);
	head[1] = b.len - 28 + 4;
	memcpy(b.p + 32, &head[1], 4);
	block_add(&b, &head[1], 4);
	return host_write_full(pcap_fd, b.p, b.len);
}

int pcap_start(int fd, const char *ifname)
{
	int err;

	pcap_fd = fd;
	err = pcap_header(ifname);
	atomic_store(&pcap_enabled, !err);
	return err;
}

void pcap_frame(const struct iovec *frame, unsigned nr, bool outgoing)
{
	static const uint8_t zero[4];
	struct iovec iov[IOV_MAX_FRAME + 3];
	struct block tail = { .len = 0 };
	uint32_t head[7] = { BLOCK_PACKET }, flags = outgoing ? 2 : 1, len = 0, total;
	int32_t tgid = kernel_current_tgid();
	uint64_t now;
	char comm[16], comment[40];

	if (nr > IOV_MAX_FRAME)
		return;
	for (unsigned i = 0; i < nr; i++) {
		iov[1 + i] = frame[i];
		len += (uint32_t)frame[i].iov_len;
	}
	block_option(&tail, OPT_EPB_FLAGS, &flags, sizeof(flags));
	if (outgoing && tgid) {
		kernel_process_name(tgid, comm);
		block_option(&tail, OPT_COMMENT, comment, (uint16_t)snprintf(comment, sizeof(comment), "%.16s[%d]", comm, tgid));
	}
	block_option(&tail, 0, NULL, 0);
	total = sizeof(head) + ALIGN_UP(len, 4) + tail.len + 4;
	block_add(&tail, &total, sizeof(total));
	head[1] = total;
	head[5] = head[6] = len;
	iov[0] = (struct iovec){ head, sizeof(head) };
	iov[nr + 1] = (struct iovec){ (void *)(uintptr_t)zero, ALIGN_UP(len, 4) - len };
	iov[nr + 2] = (struct iovec){ tail.p, tail.len };
	mutex_lock(&pcap_lock);
	now = (uint64_t)realtime_ns();
	head[3] = (uint32_t)(now >> 32);
	head[4] = (uint32_t)now;
	if (atomic_load(&pcap_enabled) && host_writev(pcap_fd, iov, (int)nr + 3) != (ssize_t)total) {
		atomic_store(&pcap_enabled, false);
		log_error("--pcap: the file can't be written any more");
	}
	mutex_unlock(&pcap_lock);
}
