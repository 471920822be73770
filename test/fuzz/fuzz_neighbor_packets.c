/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP and ND: what is accepted, written again, reads the same.  A wrong ICMPv6 checksum would hide
 * everything behind it, so it is made right first.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arp.h"
#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "nd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_arp(const uint8_t *buf, size_t len)
{
	uint8_t out[ARP_PACKET_LEN];
	struct arp_packet arp;

	if (!arp_parse(buf, len, &arp))
		return;
	arp_write(&arp, out);
	CHECK(memcmp(out, buf, sizeof(out)) == 0);
}

static void
fix_checksum(uint8_t *ip, size_t len)
{
	uint64_t sum;

	if (len < 64)
		return;
	bytes_store16(ip + 42, 0);
	sum = checksum_pseudo(ip + 8, ip + 24, 16, 58, (uint32_t)(len - 40));
	bytes_store16(ip + 42, (uint16_t)~checksum_fold(checksum_add(sum, ip + 40, len - 40)));
}

static void
try_nd(const uint8_t *buf, size_t len)
{
	uint8_t out[ND_PACKET_LEN];
	struct nd_packet nd, again;

	if (len < 40 || !nd_parse(buf, len, 40, &nd))
		return;
	CHECK(!ip_addr_is_multicast(&nd.target));
	if (!nd.has_mac)
		return;
	nd_write(&nd, out);
	CHECK(nd_parse(out, sizeof(out), 40, &again));
	CHECK(memcmp(&nd, &again, sizeof(nd)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *buf = malloc(size + 1);

	CHECK(buf != NULL);
	memcpy(buf, data, size);
	try_arp(buf, size);
	fix_checksum(buf, size);
	try_nd(buf, size);
	free(buf);
	return 0;
}
