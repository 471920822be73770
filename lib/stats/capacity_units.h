/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capacity units of network load balancers (NLCU), as ELB's price list has them: the largest of the
 * shares of new flows a second, active flows, and bytes an hour (a unit is 10^9).
 */
#ifndef CAPACITY_UNITS_H
#define CAPACITY_UNITS_H

enum capacity_family {
	CAPACITY_TCP, /* 800 new flows a second, 100,000 active */
	CAPACITY_UDP, /* 400, 50,000 */
	CAPACITY_TLS, /* 50, 3,000 */
};

#define CAPACITY_FAMILIES (CAPACITY_TLS + 1)

/** `seconds` > 0: in them so many flows began and bytes passed. */
double capacity_units(enum capacity_family family, double new_flows, double bytes, double seconds,
		      double active_flows);

#endif
