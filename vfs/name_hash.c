/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/name_hash.h"

#include <string.h>

#include "platform/host/host.h"

static uint64_t secret_get(void)
{
	static _Atomic(uint64_t) secret;
	uint64_t s = atomic_load_explicit(&secret, memory_order_relaxed), none = 0;

	if (s)
		return s;
	host_getrandom(&s, sizeof(s));
	s |= 1;
	return atomic_compare_exchange_strong(&secret, &none, s) ? s : none;
}

uint32_t name_hash(const char *name, size_t len)
{
	uint64_t h = secret_get() ^ len, w;

	for (; len >= 8; len -= 8, name += 8) {
		memcpy(&w, name, 8);
		h = (h ^ w) * 0x9fb21c651e98df25ULL;
		h ^= h >> 29;
	}
	w = 0;
	memcpy(&w, name, len);
	h = (h ^ w) * 0x9fb21c651e98df25ULL;
	h ^= h >> 32;
	return (h * 0xff51afd7ed558ccdULL) >> 32;
}
