/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker_tcp.h"

#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_ethdev.h>

#include "alb.h"
#include "checksum.h"
#include "clb_conduit.h"
#include "clb_http.h"
#include "clock.h"
#include "crypto.h"
#include "http_prober.h"
#include "nlb_tls.h"
#include "port_chain.h"
#include "proxy.h"
#include "service_conduit.h"
#include "service_http.h"
#include "tcp.h"
#include "wire.h"
#include "worker_io.h"
#include "worker_segment.h"

#define RECEIVE_BUFFER (256u << 10)
#define SEND_BUFFER    (256u << 10)
#define SYN_RETRIES    3
#define SPANS_PER_MBUF 2
#define LOG_RING_BYTES (4u << 20)

struct worker_tcp {
	struct worker *worker;
	struct tcp *tcp;
	struct proxy *proxy;
	struct http_prober *prober;
	struct service_http *http;
	struct alb *alb;
	struct clb_http *clb_http;
	struct service_conduit *conduits;
	struct clb_conduit *clb_conduit;
	struct http_counters counters;
	struct proxy_surge *surges; /* [SNAPSHOT_FRONTENDS], see service_surge.h */
	struct log_ring log;
	void *log_bytes;
	struct chain_pool chains;
	struct span *spans;
	struct tcp_listener *listeners; /* [SNAPSHOT_FRONTENDS], by index */
	uint32_t max_half_open;         /* of each, no more than all may have together */
};

/* What the engine asks for. */

static void
emit(void *arg, const struct tcp_segment *s)
{
	struct worker_tcp *t = arg;

	/* A worker that has stopped sends nothing any more. */
	if (t->worker->snapshot != NULL)
		worker_segment_send(t->worker, s);
}

/* Of connections that are accepted and of those to targets. */
static struct tcp_settings
settings_for(uint16_t mtu)
{
	return (struct tcp_settings){.mtu = mtu,
				     .congestion = TCP_CUBIC,
				     .receive_buffer = RECEIVE_BUFFER,
				     .send_buffer = SEND_BUFFER,
				     .syn_retries = SYN_RETRIES};
}

/* Of a SYN: the burst has found its listener. */
static struct tcp_listener *
listen_for(void *arg, const struct packet *p)
{
	struct worker_tcp *t = arg;
	const struct snapshot *s = t->worker->snapshot;
	const struct snapshot_frontend *f = snapshot_frontend(s, p->frontend);
	struct tcp_listener *l;

	if (f == NULL || !f->terminates)
		return NULL;
	l = &t->listeners[ref_index(p->frontend)];
	l->settings = settings_for(s->interfaces[p->interface].mtu);
	l->settings.tell_keepalive = f->terminates == SNAPSHOT_ENDS_CONDUIT;
	l->max_half_open = t->max_half_open;
	l->syn_cookies = t->worker->dp->syn_cookies;
	l->user = (void *)(uintptr_t)p->frontend;
	return l;
}

static bool
serves(void *arg, void *user)
{
	const struct worker_tcp *t = arg;
	const struct snapshot *s = t->worker->snapshot;
	const struct snapshot_frontend *f =
		s == NULL ? NULL : snapshot_frontend(s, (uint32_t)(uintptr_t)user);

	return f != NULL && f->terminates && !f->draining;
}

static void
release_port(void *arg, const struct tcp_tuple *tuple)
{
	struct worker_tcp *t = arg;

	nlb_endpoint_close(t->worker->nlb, &tuple->local, tuple->local_port_be, &tuple->remote,
			   tuple->remote_port_be);
}

/*
 * A source port towards a target.  Local addresses take turns, so that the ports of all are used.
 */
static bool
reserve(struct worker_tcp *t, const struct snapshot_target *target, uint16_t port_be,
	struct tcp_tuple *tuple, struct tcp_settings *settings)
{
	struct worker *w = t->worker;
	const struct snapshot *s = w->snapshot;

	for (uint32_t i = 0; i < target->local_n; i++) {
		uint32_t reference;
		const struct snapshot_local *local;

		if (++w->local_turn >= target->local_n)
			w->local_turn = 0;
		reference = s->local_refs[target->local_first + w->local_turn];
		local = snapshot_local(s, reference);
		if (local == NULL ||
		    !nlb_endpoint_open(w->nlb, s, reference, &target->addr, port_be,
				       worker_own_slot(w), w->now_ms, &tuple->local_port_be))
			continue;
		tuple->local = local->addr;
		tuple->remote = target->addr;
		tuple->remote_port_be = port_be;
		tuple->af = target->af;
		*settings = settings_for(s->interfaces[target->interface].mtu);
		return true;
	}
	return false;
}

/* What the proxy asks for. */

static bool
reserve_for_proxy(void *arg, uint32_t reference, struct tcp_tuple *tuple,
		  struct tcp_settings *settings)
{
	struct worker_tcp *t = arg;
	const struct snapshot_target *target = snapshot_target(t->worker->snapshot, reference);

	/* Without its group nothing tells how connections to it begin. */
	return target != NULL && t->worker->snapshot->groups[target->group].in_use &&
	       reserve(t, target, target->port_be, tuple, settings);
}

static bool
may_reuse(void *arg, uint32_t reference)
{
	const struct worker_tcp *t = arg;
	const struct snapshot_target *target = snapshot_target(t->worker->snapshot, reference);

	return target != NULL && !target->closing;
}

static bool
takes(void *arg, uint32_t group, uint32_t reference)
{
	const struct worker_tcp *t = arg;
	const struct snapshot_group *g = &t->worker->snapshot->groups[group];
	const struct target_set *set;

	if (!g->in_use || !may_reuse(arg, reference))
		return false;
	set = atomic_load_explicit(&g->set, memory_order_acquire);
	return set->balance == NULL || balance_set_has(set->balance, reference);
}

static struct tls_client *
tls_of_target(void *arg, uint32_t reference)
{
	const struct worker_tcp *t = arg;
	const struct snapshot *s = t->worker->snapshot;
	const struct snapshot_target *target = snapshot_target(s, reference);

	return target == NULL ? NULL : s->groups[target->group].tls;
}

static bool
make_step(void *arg, struct tls_step *step)
{
	const struct worker *w = ((struct worker_tcp *)arg)->worker;

	return crypto_make_step(w->dp, w->index, step);
}

static struct tls_step *
made_step(void *arg)
{
	const struct worker *w = ((struct worker_tcp *)arg)->worker;

	return crypto_made_step(w->dp, w->index);
}

/* A connection counts as a flow of its target, which is not forgotten before the last has ended. */

static void
count_connected(void *arg, uint32_t target)
{
	struct worker_tcp *t = arg;

	t->worker->counters.targets[ref_index(target)].new_flows++;
}

static void
count_disconnected(void *arg, uint32_t target)
{
	struct worker_tcp *t = arg;

	t->worker->counters.targets[ref_index(target)].closed_flows++;
}

/* Health checks. */

static void
probe_done(void *arg, uint64_t cookie, enum probe_result result, uint16_t status)
{
	struct worker_tcp *t = arg;

	worker_probe_done(t->worker, (struct worker_command *)(uintptr_t)cookie, result, status);
}

void
worker_tcp_probe(struct worker *w, struct worker_command *command)
{
	struct worker_tcp *t = w->tcp;
	const struct snapshot_target *target = snapshot_target(w->snapshot, command->target);
	struct http_probe_request request = {.cookie = (uintptr_t)command,
					     .path = command->path,
					     .matcher = command->matcher,
					     .http2 = command->http2,
					     .grpc = command->grpc,
					     .proxy_v2 = command->proxy_v2,
					     .tls = command->tls,
					     .timeout_ms = command->timeout_ms};

	command->begun_us = w->now_us;
	if (target == NULL ||
	    !reserve(t, target, command->port_be, &request.tuple, &request.settings)) {
		worker_probe_done(w, command, PROBE_NOT_SENT, 0);
		return;
	}
	if (!http_prober_start(t->prober, &request, w->now_ms)) {
		release_port(t, &request.tuple);
		worker_probe_done(w, command, PROBE_NOT_SENT, 0);
	}
}

/* In. */

static bool
checksum_is_right(const struct packet *p)
{
	uint16_t len = (uint16_t)(p->len - p->l4_off);
	uint64_t flags = p->buf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	size_t addr_len = p->af == 4 ? 4 : 16;
	const uint8_t *src = p->af == 4 ? &p->src.b[12] : p->src.b;
	const uint8_t *dst = p->af == 4 ? &p->dst.b[12] : p->dst.b;
	uint64_t sum;

	if (flags == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	sum = checksum_pseudo(src, dst, addr_len, IPPROTO_TCP, len);
	return checksum_fold(checksum_add(sum, packet_l4(p), len)) == 0xffff;
}

static void
input_segment(struct worker *w, struct packet *p)
{
	struct worker_tcp *t = w->tcp;

	if (p->contiguous < p->len) {
		drop(w, p->buf, DROP_HEADERS_SPLIT);
		return;
	}
	if (!checksum_is_right(p)) {
		drop(w, p->buf, DROP_L4_HEADER_INVALID);
		return;
	}
	switch (tcp_input(t->tcp, p, port_chain_charge(w->dp->pool), false)) {
	case TCP_INPUT_TAKEN:
		w->counters.consumed++;
		rte_pktmbuf_free(p->buf);
		break;
	case TCP_INPUT_UNKNOWN:
		drop(w, p->buf, DROP_NOT_A_FLOW);
		break;
	case TCP_INPUT_BAD:
		drop(w, p->buf, DROP_L4_HEADER_INVALID);
		break;
	}
}

void
worker_tcp_input(struct worker *w, struct packet *p)
{
	struct packet_quote quote;

	if (p->proto == IPPROTO_TCP) {
		input_segment(w, p);
		return;
	}
	if (packet_parse_quote(p, &quote))
		tcp_input_icmp(w->tcp->tcp, p, &quote);
	w->counters.consumed++;
	rte_pktmbuf_free(p->buf);
}

void
worker_tcp_begin(struct worker *w)
{
	tcp_set_time(w->tcp->tcp, w->now_us);
}

bool
worker_tcp_turn(struct worker *w)
{
	struct worker_tcp *t = w->tcp;
	bool busy;

	service_http_begin(t->http, w->snapshot, w->now_us);
	service_conduit_begin(t->conduits, w->snapshot, w->now_ms);
	tcp_advance(t->tcp, w->now_us);
	http_prober_advance(t->prober, w->now_ms);
	busy = proxy_turn(t->proxy, w->now_us);
	tcp_flush(t->tcp);
	return busy;
}

/* Start and end. */

static bool
make_counters(struct worker_tcp *t)
{
	struct http_counters *c = &t->counters;

	c->frontends = calloc(SNAPSHOT_FRONTENDS, sizeof(*c->frontends));
	c->targets = calloc(SNAPSHOT_TARGETS, sizeof(*c->targets));
	c->groups = calloc(SNAPSHOT_GROUPS, sizeof(*c->groups));
	t->surges = calloc(SNAPSHOT_FRONTENDS, sizeof(*t->surges));
	t->log_bytes = aligned_alloc(64, LOG_RING_BYTES);
	if (t->log_bytes != NULL)
		log_ring_init(&t->log, t->log_bytes, LOG_RING_BYTES);
	return c->frontends != NULL && c->targets != NULL && c->groups != NULL &&
	       t->surges != NULL && t->log_bytes != NULL;
}

/* @return  false without memory. */
static bool
make_services(struct worker_tcp *t, const struct dataplane_settings *settings,
	      struct proxy_config *proxy)
{
	struct worker *w = t->worker;
	struct service_http_settings http = {.flows = &w->counters,
					     .counters = &t->counters,
					     .log = &t->log,
					     .secrets = settings->secrets,
					     .secrets_n = settings->secrets_n,
					     .wall_us = dataplane_wall_us(w->dp),
					     .surges = t->surges};
	struct service_conduit_settings conduits = {.counters = &w->counters,
						    .log = &t->log,
						    .wall_us = http.wall_us,
						    .surges = t->surges};

	if (!secret_random(&http.seed, sizeof(http.seed)))
		return false;
	t->http = service_http_create(&http, proxy);
	t->conduits = service_conduit_create(&conduits, proxy);
	if (t->http == NULL || t->conduits == NULL)
		return false;
	t->alb = alb_create(t->http);
	t->clb_http = clb_http_create(t->http);
	nlb_tls_serve(t->conduits, w->nlb);
	t->clb_conduit = clb_conduit_create(t->conduits, http.seed);
	return t->alb != NULL && t->clb_http != NULL && t->clb_conduit != NULL;
}

struct worker_tcp *
worker_tcp_create(struct worker *w, const struct dataplane_settings *settings)
{
	struct worker_tcp *t = calloc(1, sizeof(*t));
	uint32_t connections = settings->max_connections / settings->workers_n;
	uint32_t spans = settings->mbufs * SPANS_PER_MBUF / settings->workers_n;
	struct chain_ops ops = port_chain_ops(w->dp->pool);
	struct tcp_config tcp = {.ops = {.emit = emit,
					 .listen = listen_for,
					 .released = release_port,
					 .serves = serves},
				 .arg = t,
				 .connections_max = connections,
				 .time_wait_max = connections,
				 .half_open_max = connections / 4 + 1,
				 .checksum_offload = true,
				 .tso_max = WORKER_SEGMENT_TRAIN};
	struct proxy_config proxy = {.ops = {.reserve = reserve_for_proxy,
					     .release = release_port,
					     .connected = count_connected,
					     .disconnected = count_disconnected,
					     .tls = tls_of_target,
					     .may_reuse = may_reuse,
					     .takes = takes},
				     .ops_arg = t,
				     .connections_max = connections,
				     .exchanges_max = connections};

	if (t == NULL)
		return NULL;
	t->worker = w;
	t->max_half_open = settings->max_half_open < tcp.half_open_max ? settings->max_half_open
								       : tcp.half_open_max;
	if (!make_counters(t))
		goto fail;
	t->spans = calloc(spans, sizeof(*t->spans));
	t->listeners = calloc(SNAPSHOT_FRONTENDS, sizeof(*t->listeners));
	if (t->spans == NULL || t->listeners == NULL ||
	    !secret_random(tcp.secret, sizeof(tcp.secret)))
		goto fail;
	chain_pool_init(&t->chains, &ops, t->spans, spans, port_chain_charge(w->dp->pool));
	tcp.pool = &t->chains;
	tcp.buffer_bytes =
		(uint64_t)settings->mbufs / settings->workers_n * port_chain_charge(w->dp->pool);
	t->tcp = tcp_create(&tcp, w->now_us);
	if (t->tcp == NULL || !make_services(t, settings, &proxy))
		goto fail;
	if (w->dp->crypto_n > 0) {
		proxy.ops.make_step = make_step;
		proxy.ops.made_step = made_step;
	}
	proxy.tcp = t->tcp;
	proxy.pool = &t->chains;
	t->proxy = proxy_create(&proxy, w->now_ms);
	t->prober = http_prober_create(t->tcp, &t->chains, probe_done, t, w->now_ms);
	if (t->proxy != NULL && t->prober != NULL)
		return t;

fail:
	worker_tcp_free(t);
	return NULL;
}

void
worker_tcp_free(struct worker_tcp *t)
{
	if (t == NULL)
		return;
	if (t->tcp != NULL) {
		http_prober_free(t->prober);
		proxy_free(t->proxy);
		tcp_free(t->tcp);
	}
	alb_free(t->alb);
	clb_http_free(t->clb_http);
	service_http_free(t->http);
	clb_conduit_free(t->clb_conduit);
	service_conduit_free(t->conduits);
	free(t->spans);
	free(t->listeners);
	free(t->counters.frontends);
	free(t->counters.targets);
	free(t->counters.groups);
	free(t->surges);
	free(t->log_bytes);
	free(t);
}

void
worker_tcp_end_probes(struct worker_tcp *t)
{
	http_prober_free(t->prober);
	t->prober = NULL;
}

const struct http_counters *
worker_tcp_counters(const struct worker_tcp *t)
{
	return &t->counters;
}

uint32_t
worker_tcp_waiting(const struct worker_tcp *t, uint32_t surge)
{
	return __atomic_load_n(&t->surges[surge].waiting_n, __ATOMIC_RELAXED);
}

struct log_ring *
worker_tcp_log(struct worker_tcp *t)
{
	return &t->log;
}

const struct tcp_counters *
worker_tcp_engine(const struct worker_tcp *t)
{
	return tcp_counters(t->tcp);
}

void
worker_tcp_gauges(const struct worker_tcp *t, struct proxy_gauges *gauges)
{
	proxy_gauges(t->proxy, gauges);
}

const struct http2_gauge *
worker_tcp_http2(const struct worker_tcp *t)
{
	return proxy_http2_gauge(t->proxy);
}

uint64_t
worker_tcp_bytes(const struct worker_tcp *t)
{
	return tcp_memory_in_use(t->tcp);
}

uint64_t
worker_tcp_charged(const struct worker_tcp *t)
{
	return __atomic_load_n(&t->chains.charged, __ATOMIC_RELAXED);
}

void
worker_tcp_add_spans(const struct worker_tcp *t, uint64_t *all, uint64_t *in_use,
		     uint64_t *high_water, uint64_t *failures)
{
	*all += t->chains.spans_n;
	*in_use += t->chains.spans_n - t->chains.free_n;
	*high_water += t->chains.spans_n - t->chains.free_min;
	*failures += t->chains.failures;
}
