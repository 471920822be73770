/* SPDX-License-Identifier: BSD-3-Clause */
#include "service_conduit.h"

#include <stdio.h>
#include <stdlib.h>

#include <netinet/in.h>

#include "clock.h"
#include "model_certificate.h"

struct service_conduit {
	struct service_conduit_settings settings;
	void *args[SERVICE_CONDUIT_SLOTS];
	const struct snapshot *snapshot; /* of this turn */
	uint32_t now_ms;
};

/* Listeners. */

void
service_conduit_listener_free(struct snapshot_service *service)
{
	struct service_conduit_listener *l = (struct service_conduit_listener *)service;

	tls_server_put(l->tls);
	free(l);
}

struct service_conduit_listener *
service_conduit_listener_create(size_t size, const struct service_conduit_kind *kind,
				const struct model *model, const struct model_listener *ml,
				const char *const *alpn, uint32_t alpn_n, void *tickets, char *why,
				size_t why_len)
{
	const struct model_load_balancer *lb =
		model_load_balancer_by_id(model, ml->load_balancer_id);
	struct service_conduit_listener *l = calloc(1, size);
	bool tls = ml->certificates_n > 0;
	char reason[256] = "no memory";

	if (l != NULL && tls)
		l->tls = model_tls_server_of(model, ml, alpn, alpn_n, tickets, reason,
					     sizeof(reason));
	if (l == NULL || (tls && l->tls == NULL)) {
		snprintf(why, why_len, "%s:%u: [listener %s]: %s", ml->origin.file, ml->origin.line,
			 ml->name, reason);
		free(l);
		return NULL;
	}
	l->service.terminates = SNAPSHOT_ENDS_CONDUIT;
	l->service.free = service_conduit_listener_free;
	l->kind = kind;
	l->load_balancer_id = lb->id;
	l->log_access = lb->access_log.enabled;
	return l;
}

static const struct service_conduit_listener *
listener_of(const struct service_conduit *c, uint32_t frontend)
{
	const struct snapshot_frontend *f = snapshot_frontend(c->snapshot, frontend);

	return f == NULL || f->terminates != SNAPSHOT_ENDS_CONDUIT
		       ? NULL
		       : (const struct service_conduit_listener *)f->service;
}

static struct frontend_counters *
counters_of(const struct service_conduit *c, uint32_t frontend)
{
	return &c->settings.counters->frontends[ref_index(frontend)];
}

static struct target_counters *
target_counters_of(const struct service_conduit *c, uint32_t target)
{
	return &c->settings.counters->targets[ref_index(target)];
}

/* Clients. */

static bool
on_serves(void *arg, uint32_t frontend)
{
	return listener_of(arg, frontend) != NULL;
}

static bool
on_accepted(void *arg, const struct proxy_session_info *session,
	    struct proxy_listener_settings *settings)
{
	struct service_conduit *c = arg;
	const struct service_conduit_listener *l = listener_of(c, session->frontend);

	if (l == NULL)
		return false;
	settings->idle_timeout_ms = l->idle_timeout_ms;
	settings->tls = l->tls;
	counters_of(c, session->frontend)->new_flows++;
	return true;
}

static void
on_rejected(void *arg, const struct proxy_session_info *session)
{
	counters_of(arg, session->frontend)->rejected_flows++;
}

static void
on_negotiated(void *arg, const struct proxy_session_info *session)
{
	counters_of(arg, session->frontend)->client_tls_errors += session->negotiated_us == 0;
}

/* Targets. */

static uint32_t
choose(const struct service_conduit *c, const struct service_conduit_listener *l,
       const struct proxy_session_info *session, bool *fail_open)
{
	if (l == NULL)
		return 0;
	return l->kind->choose(c->args[l->kind->slot], c->snapshot,
			       snapshot_frontend(c->snapshot, session->frontend), session->tuple,
			       fail_open);
}

static void
on_choose(void *arg, const struct proxy_session_info *session, struct proxy_conduit_choice *choice)
{
	struct service_conduit *c = arg;
	const struct service_conduit_listener *l = listener_of(c, session->frontend);
	struct frontend_counters *counters = counters_of(c, session->frontend);
	bool fail_open = false;
	uint32_t reference = choose(c, l, session, &fail_open);
	const struct snapshot_target *target = snapshot_target(c->snapshot, reference);

	if (target == NULL) {
		counters->rejected_flows++;
		return;
	}
	if ((target->blocked & SNAPSHOT_TCP) != 0) {
		counters->blocked_out_tcp++;
		return;
	}
	counters->unhealthy_routed += fail_open;
	choice->target = reference;
	choice->group = snapshot_frontend(c->snapshot, session->frontend)->forwards[0].group;
	choice->surge = service_surge_of(c->settings.surges, &l->surge);
	choice->connections_max = l->surge.connections_max;
	choice->prefix_len = l->kind->prefix(l, target, session->tuple, choice->prefix);
}

/* What passive health looks at: silence doesn't count. */
static void
on_no_tls(void *arg, uint32_t target)
{
	target_counters_of(arg, target)->tls_errors++;
}

static void
on_reached(void *arg, uint32_t target, enum tcp_close_reason reason)
{
	struct target_counters *c = target_counters_of(arg, target);

	c->answered_flows += reason == TCP_CLOSE_NONE;
	c->failed_flows += reason == TCP_CLOSE_REFUSED;
	c->connect_errors += reason != TCP_CLOSE_NONE;
}

static void
on_relayed(void *arg, const struct proxy_conduit_record *r, uint64_t bytes)
{
	counters_of(arg, r->session.frontend)->bytes += bytes;
	target_counters_of(arg, r->target)->bytes += bytes;
}

static bool
on_has_to_end(void *arg, const struct proxy_conduit_record *r)
{
	const struct service_conduit *c = arg;
	const struct snapshot_target *target = snapshot_target(c->snapshot, r->target);

	/* A listener that a reload has given another protocol takes no segments of conduits. */
	return target == NULL || listener_of(c, r->session.frontend) == NULL ||
	       snapshot_target_ends(target, clock_us_to_ms(r->session.begun_us), c->now_ms);
}

/* What is over. */

static void
count_end(struct frontend_counters *c, const struct proxy_conduit_record *r)
{
	c->closed_flows++;
	switch ((enum proxy_conduit_end)r->end) {
	case CONDUIT_END_DONE:
	case CONDUIT_END_HANDSHAKE:
	case CONDUIT_END_CLIENT_TLS:
		break;
	case CONDUIT_END_SPILLOVER:
		c->spillovers++;
		break;
	case CONDUIT_END_CLIENT_RESET:
		c->client_resets++;
		break;
	case CONDUIT_END_TARGET_RESET:
		c->target_resets++;
		break;
	case CONDUIT_END_RESOURCES:
		c->port_alloc_errors += r->target != 0 && r->connected_us == 0;
		c->elb_resets++;
		break;
	case CONDUIT_END_NO_TARGET:
	case CONDUIT_END_UNREACHABLE:
	case CONDUIT_END_IDLE:
	case CONDUIT_END_TARGET_LEFT:
	case CONDUIT_END_TARGET_BUSY:
		c->elb_resets++;
		break;
	}
}

static void
on_closed(void *arg, const struct proxy_conduit_record *r)
{
	struct service_conduit *c = arg;
	const struct service_conduit_listener *l = listener_of(c, r->session.frontend);
	struct frontend_counters *counters = counters_of(c, r->session.frontend);

	count_end(counters, r);
	if (l == NULL || !l->log_access || c->settings.log == NULL)
		return;
	if (!l->kind->log(c->settings.log, c->settings.wall_us, c->snapshot, l,
			  snapshot_frontend(c->snapshot, r->session.frontend)->listener_id, r))
		counters->log_lost++;
}

static const struct proxy_conduit_service service = {.serves = on_serves,
						     .accepted = on_accepted,
						     .rejected = on_rejected,
						     .negotiated = on_negotiated,
						     .choose = on_choose,
						     .reached = on_reached,
						     .no_tls = on_no_tls,
						     .relayed = on_relayed,
						     .has_to_end = on_has_to_end,
						     .closed = on_closed};

struct service_conduit *
service_conduit_create(const struct service_conduit_settings *settings, struct proxy_config *proxy)
{
	struct service_conduit *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->settings = *settings;
	proxy->conduits = &service;
	proxy->conduits_arg = c;
	return c;
}

void
service_conduit_free(struct service_conduit *c)
{
	free(c);
}

void
service_conduit_add(struct service_conduit *c, const struct service_conduit_kind *kind, void *arg)
{
	c->args[kind->slot] = arg;
}

struct proxy_protocol
service_conduit_client(const struct tcp_tuple *client)
{
	return (struct proxy_protocol){.command = PROXY_PROTOCOL_PROXY,
				       .af = client->af,
				       .proto = IPPROTO_TCP,
				       .src = client->remote,
				       .dst = client->local,
				       .sport_be = client->remote_port_be,
				       .dport_be = client->local_port_be};
}

void
service_conduit_begin(struct service_conduit *c, const struct snapshot *snapshot, uint32_t now_ms)
{
	c->snapshot = snapshot;
	c->now_ms = now_ms;
}
