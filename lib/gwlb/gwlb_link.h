/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Link headers of wires: what an in-line endpoint puts in front of an inspected packet.
 *
 * A wire keeps Ethernet addresses as they came, but an appliance gets no Ethernet header and gives
 * none back.  So a flow remembers, for each direction, the pair of addresses its packets had and
 * the interface they leave by, as a reference into this table, where equal ones are held once.
 * An entry not used for long makes way for a new one; its references are stale then, and the flow's
 * next packet finds it again.
 *
 * One per worker, called by it alone.
 */
#ifndef GWLB_LINK_H
#define GWLB_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hash.h"
#include "ref.h"

#define GWLB_LINKS 4096 /* power of two */

struct gwlb_link {
	uint8_t macs[12];    /* destination, source */
	uint16_t interface;  /* egress interface index */
	uint16_t generation; /* 0: never used */
	uint32_t used_ms;
	uint8_t reserved[12];
};

_Static_assert(sizeof(struct gwlb_link) == 32, "two a cache line");

/** @return  the entry a reference names, or NULL. */
static inline struct gwlb_link *
gwlb_link_of(struct gwlb_link *links, uint32_t reference)
{
	struct gwlb_link *link = &links[ref_index(reference) & (GWLB_LINKS - 1)];

	return reference != 0 && link->generation == ref_generation(reference) ? link : NULL;
}

/** Whether the entry is this one. */
static inline bool
gwlb_link_is(const struct gwlb_link *link, const uint8_t macs[12], uint16_t interface)
{
	return link->interface == interface && memcmp(link->macs, macs, 12) == 0;
}

/** The reference of an entry, found or made. */
uint32_t gwlb_link_intern(struct gwlb_link *links, const struct hash_seed *seed,
			  const uint8_t macs[12], uint16_t interface, uint32_t now_ms);

#endif
