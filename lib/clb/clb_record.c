/* SPDX-License-Identifier: BSD-3-Clause */
#include "clb_record.h"

size_t
clb_record_format(const struct service_record *r, const char *load_balancer, char *out, size_t size)
{
	const struct proxy_record *p = &r->record;
	struct log_line line = log_line(out, size), *l = &line;

	log_put_time(l, r->wall_us + p->created_us);
	log_puts(l, " ");
	log_puts(l, load_balancer);
	log_puts(l, " ");
	/* Of bodies alone. */
	service_record_put(l, r, p->received_bytes - p->received_head_bytes,
			   p->sent_bytes - p->sent_head_bytes);
	log_puts(l, "\n");
	return log_line_len(l);
}
