/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "capacity_units.h"

int
main(void)
{
	static const struct {
		const char *why;
		enum capacity_family family;
		double new_flows, bytes, seconds, active, want;
	} rows[] = {
		{"nothing", CAPACITY_TCP, 0, 0, 60, 0, 0},
		{"800 new TCP flows a second", CAPACITY_TCP, 48000, 0, 60, 0, 1},
		{"100,000 active TCP flows", CAPACITY_TCP, 0, 0, 60, 100000, 1},
		{"a GB an hour", CAPACITY_TCP, 0, 1e9, 3600, 0, 1},
		{"a GB in a minute", CAPACITY_UDP, 0, 1e9, 60, 0, 60},
		{"400 new UDP flows a second", CAPACITY_UDP, 24000, 0, 60, 0, 1},
		{"50,000 active UDP flows", CAPACITY_UDP, 0, 0, 60, 50000, 1},
		{"the largest counts, not the sum", CAPACITY_TCP, 48000, 5e7, 60, 250000, 3},
		{"ELB's example: 100 new, 3 min each, 1 kB", CAPACITY_TCP, 6000, 6e6, 60, 18000,
		 0.36},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double got = capacity_units(rows[i].family, rows[i].new_flows, rows[i].bytes,
					    rows[i].seconds, rows[i].active);

		EXPECT_ROW(rows[i].why, got > rows[i].want - 1e-9 && got < rows[i].want + 1e-9);
	}
	return unit_done();
}
