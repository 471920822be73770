/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_page.h"

#define LOOKED_MAX 65536

const char *
flow_state_name(enum flow_state state)
{
	static const char *const names[] = {"new", "established", "closing", "reset",
					    "terminating"};

	return names[state];
}

void
flow_page_fill(const struct flow_table *table, const struct snapshot *snapshot,
	       struct flow_page *page, flow_describe_function describe, uint32_t now_ms)
{
	uint32_t looked = 0;

	page->n = 0;
	while (page->cursor < table->used_n && page->n < page->max && looked < LOOKED_MAX) {
		const struct flow_record *r = &table->records[page->cursor++];

		looked++;
		page->n += describe(snapshot, r, &page->filter, &page->flows[page->n], now_ms);
	}
	page->end = page->cursor >= table->used_n;
}
