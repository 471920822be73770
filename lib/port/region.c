/* SPDX-License-Identifier: BSD-3-Clause */
#include "region.h"

#include <numa.h>
#include <sys/mman.h>

#define HUGE_BYTES (2u << 20)

bool
region_map(struct region *region, size_t bytes, int node, bool huge)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *mem = MAP_FAILED;

	region->bytes = (bytes + HUGE_BYTES - 1) & ~((size_t)HUGE_BYTES - 1);
	region->huge = false;
	if (huge) {
		mem = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
		region->huge = mem != MAP_FAILED;
	}
	if (mem == MAP_FAILED)
		mem = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (mem == MAP_FAILED)
		return false;
	if (!region->huge)
		madvise(mem, region->bytes, MADV_HUGEPAGE);
	if (node >= 0 && numa_available() >= 0 && numa_max_node() > 0)
		numa_tonode_memory(mem, region->bytes, node);
	region->mem = mem;
	return true;
}

void
region_unmap(struct region *region)
{
	if (region->mem != NULL)
		munmap(region->mem, region->bytes);
	region->mem = NULL;
}
