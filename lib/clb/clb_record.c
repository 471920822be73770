/* SPDX-License-Identifier: BSD-3-Clause */
#include "clb_record.h"

#include <arpa/inet.h>

/*
 * The times of a connection: until its first byte went to an instance, until the first came back.
 * That one goes on to the client at once.
 */
static struct proxy_record
times_of(const struct proxy_conduit_record *c)
{
	return (struct proxy_record){.created_us = c->session.begun_us,
				     .sent_us = c->sent_us,
				     .answered_us = c->answered_us,
				     .ended_us = c->answered_us,
				     .received_bytes = c->received_bytes,
				     .sent_bytes = c->sent_bytes};
}

bool
clb_record_write(struct log_ring *ring, uint64_t wall_us, uint64_t load_balancer_id,
		 const struct snapshot *snapshot, const struct proxy_conduit_record *conduit)
{
	const struct tcp_tuple *t = conduit->session.tuple;
	struct service_record *r = log_ring_reserve(ring, sizeof(*r));

	if (r == NULL)
		return false;
	*r = (struct service_record){.head = {load_balancer_id, LOG_CLASSIC},
				     .wall_us = wall_us,
				     .client = t->remote,
				     .local = t->local,
				     .client_port = ntohs(t->remote_port_be),
				     .listener_port = ntohs(t->local_port_be),
				     .af = t->af,
				     .conduit = true,
				     .record = times_of(conduit)};
	if (conduit->session.negotiated_us != 0)
		service_record_keep_tls(r, conduit->session.tls);
	service_record_keep_target(r, snapshot_target(snapshot, conduit->target));
	log_ring_commit(ring);
	return true;
}

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
