/* SPDX-License-Identifier: BSD-3-Clause */
/* Next hops against a plain list; stale references must never read. */
#include "unit.h"

#include "next_hop.h"

#define ADDRS   200
#define ENTRIES 64

int
main(void)
{
	unsigned long long state = unit_seed(13);
	static uint32_t held[ADDRS], stale[4096];
	static uint8_t resolved[ADDRS];
	struct next_hop_table t;
	size_t bytes = (next_hop_table_bytes(ENTRIES) + 63) & ~63ul;
	void *mem = aligned_alloc(64, bytes);
	unsigned in_use = 0, stale_n = 0;

	memset(mem, 0, bytes);
	next_hop_table_init(&t, mem, ENTRIES);
	for (int round = 0; round < 200000; round++) {
		unsigned i = (unsigned)(unit_random(&state) % ADDRS);
		uint8_t wire[4] = {10, 0, 0, (uint8_t)i};
		struct ip_addr addr = ip_addr_from_v4(wire);
		struct next_hop_copy copy = {
			.interface = 1, .port = (uint16_t)i, .mtu = 1500, .l2_len = 14};

		EXPECT(next_hop_find(&t, 1, &addr) == held[i]);
		EXPECT(next_hop_find(&t, 2, &addr) == 0);
		switch (unit_random(&state) % 4) {
		case 0:
			if (held[i] == 0) {
				held[i] = next_hop_add(&t, 1, &addr);
				EXPECT((held[i] == 0) == (in_use == ENTRIES - 1));
				in_use += held[i] != 0;
				resolved[i] = 0;
			}
			break;
		case 1:
			if (held[i] != 0) {
				next_hop_resolve(&t, held[i], &copy);
				resolved[i] = 1;
			}
			break;
		case 2:
			if (held[i] != 0) {
				next_hop_unresolve(&t, held[i]);
				resolved[i] = 0;
			}
			break;
		default:
			if (held[i] != 0 && unit_random(&state) % 2 == 0) {
				stale[stale_n++ % 4096] = held[i];
				next_hop_remove(&t, held[i]);
				held[i] = 0;
				in_use--;
			}
		}
		memset(&copy, 0xee, sizeof(copy));
		EXPECT(next_hop_read(&t, held[i], &copy) == (held[i] != 0 && resolved[i]));
		EXPECT(next_hop_is_usable(&t, held[i]) == (held[i] != 0 && resolved[i]));
		if (held[i] != 0 && resolved[i])
			EXPECT(copy.port == i && copy.interface == 1);
		if (stale_n > 0) {
			uint32_t old =
				stale[unit_random(&state) % (stale_n < 4096 ? stale_n : 4096)];
			bool reused = false;

			/* Generations wrap after 4,095 uses of an index: then it may be held again.
			 */
			for (unsigned k = 0; k < ADDRS; k++)
				reused |= held[k] == old;
			EXPECT(reused || !next_hop_read(&t, old, &copy));
		}
	}
	/* However many came and went, a search in vain ends soon: deleted buckets don't pile up. */
	for (unsigned i = 0; i < ADDRS; i++) {
		if (held[i] != 0)
			next_hop_remove(&t, held[i]);
	}
	for (uint32_t i = 0; i < t.buckets_n; i++)
		EXPECT(t.buckets[i] == 0);
	free(mem);
	return unit_done();
}
