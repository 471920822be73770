/* SPDX-License-Identifier: BSD-3-Clause */
#include "checksum.h"

uint64_t
checksum_add(uint64_t sum, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	for (; len >= 4; len -= 4, p += 4)
		sum += bytes_load32(p);
	if (len >= 2) {
		sum += bytes_load16(p);
		p += 2;
		len -= 2;
	}
	if (len == 1) {
		uint8_t last[2] = {*p, 0};

		sum += bytes_load16(last);
	}
	return sum;
}

uint64_t
checksum_pseudo(const uint8_t *src, const uint8_t *dst, size_t addr_len, uint8_t proto,
		uint32_t l4_len)
{
	uint8_t rest[8] = {0};
	uint64_t sum = checksum_add(0, src, addr_len);

	bytes_store_be32(rest, l4_len);
	rest[7] = proto;
	return checksum_add(checksum_add(sum, dst, addr_len), rest, sizeof(rest));
}
