/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PROXY header: what is read and has addresses is written and read again with the same meaning;
 * one made of any addresses is read back, also with bytes behind it, and no piece of it is.
 */
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include "check.h"
#include "proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly its size, so that a sanitizer sees every byte too far. */
static bool
read_exactly(const uint8_t *data, size_t size, struct proxy_protocol *what)
{
	uint8_t *copy = malloc(size + 1);
	bool good;

	CHECK(copy != NULL);
	memcpy(copy + 1, data, size);
	good = proxy_protocol_read(copy + 1, size, what);
	free(copy);
	return good;
}

static void
check_round(const struct proxy_protocol *what)
{
	uint8_t bytes[PROXY_PROTOCOL_MAX + 4] = {0};
	uint16_t len = proxy_protocol_write(bytes, what);
	struct proxy_protocol again;

	CHECK(len == proxy_protocol_len(what->af));
	CHECK(read_exactly(bytes, len, &again) && again.len == len);
	CHECK(again.af == what->af && again.proto == what->proto &&
	      again.sport_be == what->sport_be && again.dport_be == what->dport_be &&
	      ip_addr_equal(&again.src, &what->src) && ip_addr_equal(&again.dst, &what->dst));
	CHECK(read_exactly(bytes, len + 4u, &again) && again.len == len);
	CHECK(!read_exactly(bytes, len - 1u, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_protocol what;

	if (read_exactly(data, size, &what)) {
		CHECK(what.len <= size && what.len >= 16);
		if (what.command == PROXY_PROTOCOL_PROXY && what.af != 0)
			check_round(&what);
	}
	if (size >= 38) {
		bool v4 = (data[0] & 1) != 0;

		what = (struct proxy_protocol){.command = PROXY_PROTOCOL_PROXY,
					       .af = v4 ? 4 : 6,
					       .proto = (data[0] & 2) != 0 ? IPPROTO_TCP
									   : IPPROTO_UDP};
		what.src = v4 ? ip_addr_from_v4(data + 1) : ip_addr_from_v6(data + 1);
		what.dst = v4 ? ip_addr_from_v4(data + 17) : ip_addr_from_v6(data + 17);
		memcpy(&what.sport_be, data + 33, 2);
		memcpy(&what.dport_be, data + 35, 2);
		check_round(&what);
	}
	return 0;
}
