/* SPDX-License-Identifier: BSD-3-Clause */
#include "gwlb_link.h"

#define PLACES 8 /* where an entry may be */

uint32_t
gwlb_link_intern(struct gwlb_link *links, const struct hash_seed *seed, const uint8_t macs[12],
		 uint16_t interface, uint32_t now_ms)
{
	uint32_t at, oldest = 0, oldest_age = 0;
	uint64_t w0;
	uint32_t w1;

	memcpy(&w0, macs, 8);
	memcpy(&w1, macs + 8, 4);
	at = (uint32_t)hash_words(seed, w0, w1, interface, 0);
	for (uint32_t i = 0; i < PLACES; i++) {
		uint32_t index = (at + i) & (GWLB_LINKS - 1);
		struct gwlb_link *link = &links[index];

		if (link->generation != 0 && gwlb_link_is(link, macs, interface)) {
			link->used_ms = now_ms;
			return ref_make(index, link->generation);
		}
		if (link->generation == 0) {
			oldest = index;
			break;
		}
		if (i == 0 || now_ms - link->used_ms > oldest_age) {
			oldest = index;
			oldest_age = now_ms - link->used_ms;
		}
	}
	links[oldest] = (struct gwlb_link){
		.interface = interface,
		.generation = (uint16_t)ref_next_generation(links[oldest].generation),
		.used_ms = now_ms};
	memcpy(links[oldest].macs, macs, 12);
	return ref_make(oldest, links[oldest].generation);
}
