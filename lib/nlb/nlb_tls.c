/* SPDX-License-Identifier: BSD-3-Clause */
#include "nlb_tls.h"

#include <stdlib.h>

#include <netinet/in.h>

#include "clock.h"
#include "maglev.h"
#include "nlb_terminate.h"
#include "nlb_tls_record.h"
#include "proxy_protocol.h"
#include "target_set.h"

_Static_assert(PROXY_PROTOCOL_MAX <= PROXY_CONDUIT_PREFIX_MAX, "a header fits");

struct nlb_tls {
	struct nlb_tls_settings settings;
	const struct snapshot *snapshot; /* of this turn */
	uint32_t now_ms;
};

static const struct nlb_tls_listener *
listener_of(const struct nlb_tls *t, uint32_t frontend)
{
	const struct snapshot_frontend *f = snapshot_frontend(t->snapshot, frontend);

	return f == NULL || f->terminates != SNAPSHOT_ENDS_CONDUIT
		       ? NULL
		       : (const struct nlb_tls_listener *)f->service;
}

static struct frontend_counters *
counters_of(const struct nlb_tls *t, uint32_t frontend)
{
	return &t->settings.counters->frontends[ref_index(frontend)];
}

static struct target_counters *
target_counters_of(const struct nlb_tls *t, uint32_t target)
{
	return &t->settings.counters->targets[ref_index(target)];
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
	struct nlb_tls *t = arg;
	const struct nlb_tls_listener *l = listener_of(t, session->frontend);

	if (l == NULL)
		return false;
	settings->idle_timeout_ms = NLB_TLS_IDLE_MS;
	settings->tls = l->tls;
	counters_of(t, session->frontend)->new_flows++;
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

/* @return  NULL: there is none, which is counted. */
static const struct snapshot_target *
choose_target(struct nlb_tls *t, const struct proxy_session_info *session, uint32_t *reference)
{
	const struct snapshot *s = t->snapshot;
	const struct snapshot_frontend *f = snapshot_frontend(s, session->frontend);
	struct frontend_counters *c = counters_of(t, session->frontend);
	const struct tcp_tuple *client = session->tuple;
	const struct snapshot_target *target = NULL;
	const struct target_set *set = NULL;
	struct nlb_choice choice = {0};

	if (f != NULL)
		choice = nlb_choose(&t->settings.nlb->maglev_seed, s, f, &client->remote,
				    client->remote_port_be, IPPROTO_TCP);
	if (choice.group != 0)
		set = atomic_load_explicit(&s->groups[choice.group].set, memory_order_acquire);
	if (set != NULL) {
		*reference = maglev_lookup(set, choice.set_hash, 0);
		target = snapshot_target(s, *reference);
	}
	if (target == NULL) {
		c->rejected_flows++;
		return NULL;
	}
	if ((target->blocked & SNAPSHOT_TCP) != 0) {
		c->blocked_out_tcp++;
		return NULL;
	}
	c->unhealthy_routed += set->fail_open;
	return target;
}

static uint8_t
write_header(const struct tcp_tuple *client, uint8_t out[PROXY_PROTOCOL_MAX])
{
	return (uint8_t)proxy_protocol_write(
		out, &(struct proxy_protocol){.command = PROXY_PROTOCOL_PROXY,
					      .af = client->af,
					      .proto = IPPROTO_TCP,
					      .src = client->remote,
					      .dst = client->local,
					      .sport_be = client->remote_port_be,
					      .dport_be = client->local_port_be});
}

static void
on_choose(void *arg, const struct proxy_session_info *session, struct proxy_conduit_choice *choice)
{
	uint32_t reference;
	const struct snapshot_target *target = choose_target(arg, session, &reference);

	if (target == NULL)
		return;
	choice->target = reference;
	if (target->proxy_v2 != 0)
		choice->prefix_len = write_header(session->tuple, choice->prefix);
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
	const struct nlb_tls *t = arg;
	const struct snapshot_target *target = snapshot_target(t->snapshot, r->target);

	/* A listener that a reload has given another protocol takes no segments of conduits. */
	return target == NULL || listener_of(t, r->session.frontend) == NULL ||
	       nlb_target_ends(target, clock_us_to_ms(r->session.begun_us), t->now_ms);
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
	case CONDUIT_END_SPILLOVER:
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
	struct nlb_tls *t = arg;
	const struct nlb_tls_listener *l = listener_of(t, r->session.frontend);
	struct frontend_counters *c = counters_of(t, r->session.frontend);
	const struct snapshot_frontend *f = snapshot_frontend(t->snapshot, r->session.frontend);

	count_end(c, r);
	/* Those that were refused before a handshake are counted only. */
	if (l != NULL && l->log_access && t->settings.log != NULL && r->session.tls != NULL &&
	    !nlb_tls_record_write(t->settings.log, t->settings.wall_us, l->load_balancer_id,
				  f->listener_id, r))
		c->log_lost++;
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

struct nlb_tls *
nlb_tls_create(const struct nlb_tls_settings *settings, struct proxy_config *proxy)
{
	struct nlb_tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->settings = *settings;
	proxy->conduits = &service;
	proxy->conduits_arg = t;
	return t;
}

void
nlb_tls_free(struct nlb_tls *t)
{
	free(t);
}

void
nlb_tls_begin(struct nlb_tls *t, const struct snapshot *snapshot, uint32_t now_ms)
{
	t->snapshot = snapshot;
	t->now_ms = now_ms;
}
