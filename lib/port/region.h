/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large zeroed memory for tables, outside EAL's heap.
 *
 * Huge pages when some are free, else normal pages with a wish for transparent ones; placed on a
 * NUMA node where the machine has several.  Tables are laid out by their own libraries in memory
 * they are given, so that it can later come from a file.
 */
#ifndef REGION_H
#define REGION_H

#include <stdbool.h>
#include <stddef.h>

struct region {
	void *mem;
	size_t bytes; /* as mapped */
	bool huge;    /* backed by reserved huge pages */
};

/**
 * @param node  NUMA node, or a negative number for any
 * @param huge  whether to try reserved huge pages
 * @return  false without memory.
 */
bool region_map(struct region *region, size_t bytes, int node, bool huge);
void region_unmap(struct region *region);

#endif
