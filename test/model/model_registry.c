/* SPDX-License-Identifier: BSD-3-Clause */
/* Stable indexes against a plain list of (id, reference). */
#include "unit.h"

#include "registry.h"

#define IDS      64
#define CAPACITY 40

int
main(void)
{
	unsigned long long state = unit_seed(3);
	uint32_t held[IDS] = {0}, last[CAPACITY] = {0};
	struct registry registry;
	unsigned in_use = 0;

	EXPECT(registry_init(&registry, CAPACITY));
	for (int i = 0; i < 200000; i++) {
		unsigned id = (unsigned)(unit_random(&state) % IDS);
		uint64_t key = id * UINT64_C(0x9e3779b97f4a7c15) + 1;

		EXPECT(registry_find(&registry, key) == held[id]);
		if (unit_random(&state) % 2 == 0) {
			uint32_t reference = registry_acquire(&registry, key);

			if (held[id] != 0) {
				EXPECT(reference == held[id]);
			} else if (in_use == CAPACITY - 1) {
				EXPECT(reference == 0);
			} else {
				EXPECT(reference != 0 && ref_index(reference) < CAPACITY);
				/* A reference is not given out twice in a row for an index. */
				EXPECT(last[ref_index(reference)] != reference);
				last[ref_index(reference)] = reference;
				held[id] = reference;
				in_use++;
			}
		} else if (held[id] != 0) {
			registry_release(&registry, held[id]);
			EXPECT(registry_id(&registry, held[id]) == 0);
			held[id] = 0;
			in_use--;
		}
		if (held[id] != 0)
			EXPECT(registry_id(&registry, held[id]) == key);
		EXPECT(registry.in_use_n == in_use);
	}
	/* However many came and went, a search in vain ends soon: deleted buckets don't pile up. */
	for (unsigned id = 0; id < IDS; id++) {
		if (held[id] != 0)
			registry_release(&registry, held[id]);
	}
	for (uint32_t i = 0; i < registry.buckets_n; i++)
		EXPECT(registry.buckets[i] == 0);
	registry_fini(&registry);
	return unit_done();
}
