/* SPDX-License-Identifier: BSD-3-Clause */
#include "capacity_units.h"

#define HOUR_S     3600
#define UNIT_BYTES 1e9 /* an hour */

static const struct {
	double new_flows, active_flows;
} unit[CAPACITY_FAMILIES] = {
	[CAPACITY_TCP] = {800, 100000},
	[CAPACITY_UDP] = {400, 50000},
	[CAPACITY_TLS] = {50, 3000},
};

double
capacity_units(enum capacity_family family, double new_flows, double bytes, double seconds,
	       double active_flows)
{
	double units = new_flows / seconds / unit[family].new_flows;
	double active = active_flows / unit[family].active_flows;
	double bandwidth = bytes / seconds * HOUR_S / UNIT_BYTES;

	if (active > units)
		units = active;
	return bandwidth > units ? bandwidth : units;
}
