/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"
#include "sentry/cli/control.h"

int control_send(int sock, enum control_type type, const void *data, size_t size, const int *fds, unsigned nr_fds)
{
	struct control_header h = { CONTROL_MAGIC, (uint16_t)type, (uint16_t)nr_fds, (uint32_t)size };
	ssize_t n;

	if (size > CONTROL_ANSWER_MAX)
		return -LINUX_E2BIG;
	n = host_send_fds(sock, &h, sizeof(h), fds, nr_fds);
	for (size_t done = 0; n >= 0 && done < size; done += (size_t)n)
		n = host_send_fds(sock, (const uint8_t *)data + done, size - done, NULL, 0);
	return n == -LINUX_ECONNRESET ? -LINUX_EPIPE : (int)MIN(n, 0);
}

/* Descriptors may come with the first byte of the header only. */
static int recv_full(int sock, void *buf, size_t len, struct control_message *m)
{
	for (size_t done = 0; done < len;) {
		int fds[HOST_FDS_MAX];
		unsigned nr;
		ssize_t n = host_recv_fds(sock, (uint8_t *)buf + done, len - done, fds, &nr);
		bool wanted = m && !done && !m->nr_fds;

		for (unsigned i = 0; i < nr; i++) {
			if (wanted && n > 0)
				m->fds[m->nr_fds++] = fds[i];
			else
				host_close(fds[i]);
		}
		if (n <= 0)
			return n == 0 || n == -LINUX_ECONNRESET ? -LINUX_EPIPE : (int)n;
		if (nr && !wanted)
			return -LINUX_EPROTO;
		done += (size_t)n;
	}
	return 0;
}

static int recv_data(int sock, const struct control_header *h, uint32_t max, struct control_message *m)
{
	if (h->magic != CONTROL_MAGIC || !h->type || h->type >= NR_CONTROL_TYPES || h->nr_fds != m->nr_fds || h->size > max)
		return -LINUX_EPROTO;
	m->type = (enum control_type)h->type;
	if (!h->size)
		return 0;
	m->data = malloc((size_t)h->size + 1);
	if (!m->data)
		return -LINUX_ENOMEM;
	m->data[h->size] = '\0';
	m->size = h->size;
	return recv_full(sock, m->data, h->size, NULL);
}

int control_recv(int sock, uint32_t max, struct control_message *ret)
{
	struct control_header h;
	int err;

	*ret = (struct control_message){ 0 };
	err = recv_full(sock, &h, sizeof(h), ret);
	if (!err)
		err = recv_data(sock, &h, max, ret);
	if (err)
		control_message_fini(ret);
	return err;
}

void control_message_fini(struct control_message *m)
{
	for (unsigned i = 0; i < m->nr_fds; i++)
		if (m->fds[i] >= 0)
			host_close(m->fds[i]);
	free(m->data);
	*m = (struct control_message){ 0 };
}
