/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What would become of a packet, and why: the steps it takes through weir, in sentences.
 *
 * The management core knows configuration, health, routes and neighbors; whether there is a flow
 * the worker that would own it says.
 */
#include "operation_json.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "geneve.h"
#include "maglev.h"
#include "steer.h"

#define END_TEXT_MAX (IP_ADDR_TEXT_MAX + 10)

struct trace {
	struct operation_call *call;
	struct flow_tuple tuple;
	char packet[2 * END_TEXT_MAX + 80];
	uint16_t interface; /* UINT16_MAX: none is known */
	uint16_t worker;
	json_t *steps;
};

__attribute__((format(printf, 2, 3))) static void
say(struct trace *t, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(t->steps, json_string(text));
}

static void
finish(struct trace *t, const char *verdict, enum drop_reason reason)
{
	json_t *result = json_object();

	json_put_text(result, "packet", t->packet);
	json_put_text(result, "verdict", verdict);
	json_put_text(result, "reason", reason == DROP_NONE ? "" : drop_reason_name(reason));
	json_object_set_new(result, "steps", t->steps);
	t->call->reply(t->call, result, NULL, NULL);
	free(t);
}

static void
finish_drop(struct trace *t, enum drop_reason reason)
{
	say(t, "dropped as %s: %s", drop_reason_name(reason), drop_reason_text(reason));
	finish(t, "drop", reason);
}

/* Reading `udp 10.0.0.1:53 > 10.1.0.2:53`. */

static bool
parse_protocol(const char *text, uint8_t *proto)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} names[] = {{"tcp", IPPROTO_TCP},       {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP},
		     {"icmpv6", IPPROTO_ICMPV6}, {"gre", IPPROTO_GRE}, {"esp", IPPROTO_ESP}};
	char *end;
	unsigned long n;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(text, names[i].name) == 0) {
			*proto = names[i].proto;
			return true;
		}
	}
	n = strtoul(text, &end, 10);
	*proto = (uint8_t)n;
	return *end == '\0' && end != text && n > 0 && n < 256;
}

/* ADDRESS, ADDRESS:PORT or [IPV6]:PORT. */
static bool
parse_end(const char *text, struct ip_addr *addr, uint16_t *port_be)
{
	char host[IP_ADDR_TEXT_MAX];
	const char *begin = text, *end;
	char *rest;
	unsigned long port;

	*port_be = 0;
	if (ip_addr_parse(text, addr))
		return true;
	end = strrchr(text, ':');
	if (end == NULL)
		return false;
	port = strtoul(end + 1, &rest, 10);
	if (*rest != '\0' || rest == end + 1 || port == 0 || port > 65535)
		return false;
	if (*text == '[' && end > text + 1 && end[-1] == ']') {
		begin++;
		end--;
	}
	if ((size_t)(end - begin) >= sizeof(host))
		return false;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	*port_be = htons((uint16_t)port);
	return ip_addr_parse(host, addr);
}

static bool
parse_packet(const char *text, struct flow_tuple *t, char *why, size_t why_len)
{
	char proto[16], src[64], arrow[4], dst[64], extra[2];
	bool ports;

	if (text == NULL ||
	    sscanf(text, "%15s %63s %3s %63s %1s", proto, src, arrow, dst, extra) != 4 ||
	    strcmp(arrow, ">") != 0) {
		snprintf(why, why_len,
			 "a packet is `PROTOCOL SOURCE > DESTINATION`, as in "
			 "`udp 10.0.0.1:53 > 10.1.0.2:53`");
		return false;
	}
	if (!parse_protocol(proto, &t->proto)) {
		snprintf(why, why_len,
			 "`%s` is not a protocol; allowed: tcp, udp, icmp, icmpv6, gre, esp, or a "
			 "number",
			 proto);
		return false;
	}
	if (!parse_end(src, &t->src, &t->sport_be) || !parse_end(dst, &t->dst, &t->dport_be) ||
	    ip_addr_is_v4(&t->src) != ip_addr_is_v4(&t->dst)) {
		snprintf(why, why_len,
			 "`%s > %s` are not two addresses of one family; ports as ADDRESS:PORT or "
			 "[IPV6]:PORT",
			 src, dst);
		return false;
	}
	ports = t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP;
	if (ports != (t->sport_be != 0) || ports != (t->dport_be != 0)) {
		snprintf(why, why_len,
			 ports ? "tcp and udp have ports, both ends"
			       : "only tcp and udp have ports");
		return false;
	}
	return true;
}

/* Sentences. */

static const char *
text_of_end(const struct ip_addr *addr, uint16_t port_be, char text[END_TEXT_MAX])
{
	char ip[IP_ADDR_TEXT_MAX];

	if (port_be == 0)
		return ip_addr_format(addr, text);
	snprintf(text, END_TEXT_MAX, ip_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u",
		 ip_addr_format(addr, ip), ntohs(port_be));
	return text;
}

static const struct model_listener *
listener_of(const struct management *m, uint64_t id)
{
	for (uint32_t i = 0; i < m->model->listeners_n; i++) {
		if (m->model->listeners[i].id == id)
			return &m->model->listeners[i];
	}
	return NULL;
}

/* By which way an address is reached. @return whether there is one. */
static bool
say_way(struct management *m, struct trace *t, const char *what, const struct ip_addr *addr)
{
	const struct snapshot *s = operation_snapshot(m);
	const struct route *route = route_lookup(s->routes, addr);
	char text[IP_ADDR_TEXT_MAX], via[IP_ADDR_TEXT_MAX];
	const struct ip_addr *next;
	struct next_hop_copy hop;

	ip_addr_format(addr, text);
	if (route == NULL) {
		say(t, "%s %s: there is no route", what, text);
		return false;
	}
	next = route_next_addr(route, addr);
	if (next_hop_read(&m->dp->hops, next_hop_find(&m->dp->hops, route->interface, next), &hop))
		say(t,
		    "%s %s: by interface %s, next hop %s at "
		    "%02x:%02x:%02x:%02x:%02x:%02x, MTU %u",
		    what, text, m->interface_names[route->interface], ip_addr_format(next, via),
		    hop.l2[0], hop.l2[1], hop.l2[2], hop.l2[3], hop.l2[4], hop.l2[5], hop.mtu);
	else
		say(t,
		    "%s %s: by interface %s, next hop %s, whose MAC address is not known yet: "
		    "weir asks and holds the packet meanwhile",
		    what, text, m->interface_names[route->interface], ip_addr_format(next, via));
	return true;
}

static void
say_target(struct management *m, struct trace *t, uint32_t reference, const char *how)
{
	const struct snapshot *s = operation_snapshot(m);
	const struct snapshot_target *target = &s->targets[ref_index(reference)];
	const struct target_health *h = health_of(m->health, target->id);
	const struct model_target_group *tg =
		model_target_group_by_id(m->model, s->groups[target->group].id);
	char text[END_TEXT_MAX];

	say(t, "%s %s of target group %s, which is %s", how,
	    text_of_end(&target->addr, target->port_be, text), tg == NULL ? "(gone)" : tg->name,
	    h == NULL ? "gone" : target_state_name((enum target_state)h->state));
}

static void
say_flow(struct trace *t, const struct flow_info *f)
{
	say(t, "there is a flow, %s, idle for %u.%03u s, %u packets",
	    flow_state_name((enum flow_state)f->state), f->idle_ms / 1000, f->idle_ms % 1000,
	    f->packets);
}

/* Gateway load balancers. */

static const char *
key_text(uint8_t flow_key)
{
	return flow_key == FLOW_KEY_5_TUPLE   ? "addresses, protocol and ports"
	       : flow_key == FLOW_KEY_3_TUPLE ? "addresses and protocol"
					      : "addresses";
}

static void
trace_exit(struct management *m, struct trace *t)
{
	const struct snapshot *s = operation_snapshot(m);
	const struct snapshot_interface *i = &s->interfaces[t->interface];

	if (i->in_line)
		say(t, "leaves the wire by interface %s, with the Ethernet addresses it came with",
		    m->interface_names[i->peer]);
	else
		say_way(m, t, "on its way to", &t->tuple.dst);
}

static void
trace_to_appliance(struct management *m, struct trace *t, uint32_t target)
{
	const struct snapshot *s = operation_snapshot(m);
	const struct snapshot_endpoint *e = snapshot_endpoint(s, t->tuple.endpoint);
	const struct snapshot_target *st = &s->targets[ref_index(target)];
	uint16_t overhead = st->af == 4 ? GENEVE_OVERHEAD_V4 : GENEVE_OVERHEAD_V6;
	uint32_t mtu = s->interfaces[st->interface].mtu;
	uint32_t room = mtu - overhead < GENEVE_INNER_MAX ? mtu - overhead : GENEVE_INNER_MAX;

	say(t,
	    "%s encapsulated in GENEVE, endpoint 0x%016llx, attachment 0x%016llx; up to %u "
	    "bytes, what is longer is dropped%s",
	    e->in_line ? "TTL kept," : "TTL less 1,", (unsigned long long)be64toh(e->id_be),
	    (unsigned long long)be64toh(e->attachment_be), room,
	    e->icmp_mtu_exceeded ? " and the sender told" : "");
	if (!say_way(m, t, "to the appliance", &st->addr)) {
		finish_drop(t, DROP_NO_ROUTE);
		return;
	}
	say(t, "when the appliance sends it back:");
	trace_exit(m, t);
	finish(t, "inspect", DROP_NONE);
}

static void
finish_gateway(struct management *m, struct trace *t, const struct flow_info *f)
{
	const struct snapshot *s = operation_snapshot(m);
	const struct snapshot_endpoint *e = snapshot_endpoint(s, t->tuple.endpoint);
	enum drop_reason reason;
	uint32_t target;

	if (e == NULL) {
		finish_drop(t, DROP_NO_LISTENER);
		return;
	}
	target = gwlb_tuple_target(m->dp->workers[t->worker]->gwlb, s, &t->tuple, &reason);
	if (f != NULL) {
		say_flow(t, f);
		if (f->bypass) {
			say(t, "it began while no appliance was healthy and passes without one");
			trace_exit(m, t);
			finish(t, "bypass", DROP_NONE);
			return;
		}
		for (uint32_t i = 1; i < s->targets_n; i++) {
			const struct snapshot_target *st = &s->targets[i];

			if (st->generation == 0 || st->forwarding != FORWARDING_GENEVE ||
			    !ip_addr_equal(&st->addr, &f->target))
				continue;
			say_target(m, t, ref_make(i, st->generation), "its appliance is");
			if (st->resetting)
				say(t, "TCP senders are told by RST: send_tcp_reset");
			else if ((st->moving & SNAPSHOT_MOVING_REBALANCE) != 0 && target != 0)
				say_target(m, t, target,
					   "target_failover is rebalance: it moves to");
			trace_to_appliance(m, t,
					   (st->moving & SNAPSHOT_MOVING_REBALANCE) != 0 &&
							   target != 0
						   ? target
						   : ref_make(i, st->generation));
			return;
		}
		finish_drop(t, DROP_NO_TARGET);
		return;
	}
	if (e->frontend != 0 && s->frontends[ref_index(e->frontend)].draining) {
		say(t, "there is no flow, and new ones are refused");
		finish_drop(t, DROP_NO_LISTENER);
		return;
	}
	if (target == 0 && reason == DROP_NONE) {
		say(t, "there is no flow; no appliance is healthy, and weir.fail_mode is bypass");
		trace_exit(m, t);
		finish(t, "bypass", DROP_NONE);
		return;
	}
	if (target == 0) {
		say(t, "there is no flow, and a new one gets no appliance");
		finish_drop(t, reason);
		return;
	}
	if (t->tuple.proto == IPPROTO_TCP && e->flow_key == FLOW_KEY_5_TUPLE)
		say(t, "there is no flow: a SYN begins one, other segments are %s",
		    e->reset_on_idle ? "answered with RST" : "dropped as not_a_flow");
	else
		say(t, "there is no flow: the packet begins one");
	say_target(m, t, target, "Maglev chooses");
	trace_to_appliance(m, t, target);
}

/* Network load balancers. */

static void
finish_network(struct management *m, struct trace *t, const struct flow_info *f)
{
	const struct snapshot *s = operation_snapshot(m);
	uint8_t bit = t->tuple.proto == IPPROTO_TCP ? SNAPSHOT_TCP : SNAPSHOT_UDP;
	uint32_t frontend = snapshot_find_frontend(s, &t->tuple.dst, t->tuple.dport_be, bit);
	char a[END_TEXT_MAX], b[END_TEXT_MAX];
	const struct target_set *set;
	const struct route_table *sources;
	struct nlb_choice choice;

	if (f != NULL) {
		say_flow(t, f);
		if (frontend != 0) {
			say(t, "rewritten (%s) to %s > %s", f->full_nat ? "full_nat" : "nat",
			    text_of_end(&f->local, f->local_port_be, a),
			    text_of_end(&f->target, f->target_port_be, b));
			say_way(m, t, "to the target", &f->target);
		} else {
			say(t, "an answer of the target, rewritten to %s > %s",
			    text_of_end(&f->vip, f->vip_port_be, a),
			    text_of_end(&f->client, f->client_port_be, b));
			say_way(m, t, "to the client", &f->client);
		}
		finish(t, "forward", DROP_NONE);
		return;
	}
	if (frontend == 0) {
		say(t, "no listener is there, and no flow has such an answer");
		finish_drop(t, DROP_NOT_A_FLOW);
		return;
	}
	if (s->frontends[frontend].draining) {
		say(t, "there is no flow, and new ones are refused");
		finish_drop(t, DROP_NO_LISTENER);
		return;
	}
	sources = t->tuple.proto == IPPROTO_TCP ? s->frontends[frontend].tcp_sources
						: s->frontends[frontend].udp_sources;
	if (sources != NULL && route_lookup(sources, &t->tuple.src) == NULL) {
		say(t, "no inbound rule of the load balancer's security groups has this source");
		finish_drop(t, DROP_SECURITY_GROUP);
		return;
	}
	if (s->frontends[frontend].terminates == SNAPSHOT_ENDS_HTTP) {
		say(t, "connections end here: weir answers, and asks a target for each request");
		finish(t, "terminate", DROP_NONE);
		return;
	}
	choice = nlb_choose(&m->maglev_seed, s, &s->frontends[frontend], &t->tuple.src,
			    t->tuple.sport_be, t->tuple.proto);
	set = choice.group == 0 ? NULL : atomic_load(&s->groups[choice.group].set);
	if (set == NULL || set->entries_n == 0) {
		say(t, "there is no flow, and the target group has no target");
		finish_drop(t, DROP_NO_TARGET);
		return;
	}
	if (s->frontends[frontend].terminates == SNAPSHOT_ENDS_CONDUIT)
		say(t, "connections end here: weir answers, and relays what they carry");
	else if (t->tuple.proto == IPPROTO_TCP)
		say(t, "there is no flow: a SYN begins one, other segments are answered with RST");
	else
		say(t, "there is no flow: the datagram begins one");
	say_target(m, t, maglev_lookup(set, choice.set_hash, 0), "Maglev chooses");
	finish(t, s->frontends[frontend].terminates == SNAPSHOT_PASSES ? "forward" : "terminate",
	       DROP_NONE);
}

/* Asking the worker. */

void
operation_trace_on_command(struct management *m, struct worker_command *command)
{
	struct trace *t = command->owner;
	struct flow_info info = command->flows.flows[0];
	bool found = command->flows.n > 0;

	free(command->flows.flows);
	free(command);
	if (t->tuple.endpoint != 0)
		finish_gateway(m, t, found ? &info : NULL);
	else
		finish_network(m, t, found ? &info : NULL);
}

static void
ask_worker(struct management *m, struct trace *t)
{
	struct worker_command *command = calloc(1, sizeof(*command));
	struct flow_info *info = calloc(1, sizeof(*info));

	if (command != NULL && info != NULL) {
		*command =
			(struct worker_command){.kind = WORKER_LOOK, .owner = t, .tuple = t->tuple};
		command->flows.flows = info;
		if (!m->workers_stopped &&
		    rte_ring_sp_enqueue(m->dp->workers[t->worker]->commands, command) == 0)
			return;
	}
	free(command);
	free(info);
	t->call->reply(t->call, NULL, "failed", "the worker takes no questions now");
	json_decref(t->steps);
	free(t);
}

static void
trace_entering(struct management *m, struct trace *t)
{
	const struct snapshot *s = operation_snapshot(m);
	const struct snapshot_endpoint *e = snapshot_endpoint(s, t->tuple.endpoint);
	const struct snapshot_frontend *f = snapshot_frontend(s, e->frontend);
	const struct model_listener *l = f == NULL ? NULL : listener_of(m, f->listener_id);
	uint8_t slot;

	say(t, "enters by endpoint %s, %s", operation_endpoint_name(m, t->tuple.endpoint),
	    e->in_line ? "an end of a wire" : "routed");
	if (l == NULL) {
		say(t, "its load balancer has no listener with a target group");
		finish_drop(t, DROP_NO_LISTENER);
		return;
	}
	slot = gwlb_tuple_slot(m->dp->workers[0]->gwlb, s, &t->tuple);
	t->worker = steer_owner(s, slot);
	say(t, "belongs to load balancer %s; flows are told apart by %s: slot %u, worker %u",
	    l->load_balancer, key_text(e->flow_key), slot, t->worker);
	ask_worker(m, t);
}

static void
trace_to_us(struct management *m, struct trace *t, const struct snapshot_address *own)
{
	const struct snapshot *s = operation_snapshot(m);
	bool ports = t->tuple.proto == IPPROTO_TCP || t->tuple.proto == IPPROTO_UDP;
	uint8_t bit = t->tuple.proto == IPPROTO_TCP ? SNAPSHOT_TCP : SNAPSHOT_UDP;
	uint32_t frontend =
		ports ? snapshot_find_frontend(s, &t->tuple.dst, t->tuple.dport_be, bit) : 0;
	const struct model_listener *l =
		frontend == 0 ? NULL : listener_of(m, s->frontends[frontend].listener_id);

	if (own->kind == SNAPSHOT_ADDRESS_VIP && frontend != 0)
		say(t, "for listener %s, frontend in force%s", l == NULL ? "(gone)" : l->name,
		    s->frontends[frontend].draining ? " but draining" : "");
	else
		say(t, "for %s",
		    own->kind == SNAPSHOT_ADDRESS_VIP
			    ? "a load balancer's address, no listener there"
			    : "an address of weir's own");
	if (!ports && (t->tuple.proto == IPPROTO_ICMP || t->tuple.proto == IPPROTO_ICMPV6)) {
		say(t, "an echo request is answered, an error about a flow translated, other ICMP "
		       "dropped");
		finish(t, "host", DROP_NONE);
		return;
	}
	if (own->kind == SNAPSHOT_ADDRESS_VIP && frontend == 0) {
		finish_drop(t, DROP_NO_LISTENER);
		return;
	}
	if (own->kind == SNAPSHOT_ADDRESS_OWN && s->has_endpoints &&
	    t->tuple.proto == IPPROTO_UDP && t->tuple.dport_be == htons(GENEVE_PORT)) {
		say(t, "GENEVE from an appliance: its cookie, options and inner packet decide");
		finish(t, "return", DROP_NONE);
		return;
	}
	t->worker = steer_owner(s, own->kind == SNAPSHOT_ADDRESS_VIP
					   ? steer_slot(&m->dp->workers[0]->nlb->steer,
							&t->tuple.src, t->tuple.sport_be)
					   : steer_slot_of_port(t->tuple.dport_be));
	ask_worker(m, t);
}

static void
begin(struct management *m, struct trace *t)
{
	const struct snapshot *s = operation_snapshot(m);
	const struct snapshot_address *own = snapshot_find_address(s, &t->tuple.dst);
	const struct snapshot_interface *i =
		t->interface == UINT16_MAX ? NULL : &s->interfaces[t->interface];

	if (i == NULL)
		say(t, "arrives by an interface that is not known: there is no route to the "
		       "source; name one with --interface");
	else
		say(t, "arrives by interface %s", m->interface_names[t->interface]);
	if (i != NULL && !i->in_line && snapshot_find_address(s, &t->tuple.src) != NULL) {
		finish_drop(t, DROP_IP_SOURCE_SPOOFED);
		return;
	}
	if (i != NULL && i->endpoint != 0 && (i->in_line || own == NULL)) {
		if (ip_addr_is_multicast(&t->tuple.dst) || ip_addr_is_link_local(&t->tuple.dst)) {
			say(t, "for more than one host or this link only");
			if (i->in_line) {
				trace_exit(m, t);
				finish(t, "straight", DROP_NONE);
			} else {
				finish_drop(t, DROP_IP_MULTICAST);
			}
			return;
		}
		t->tuple.endpoint = i->endpoint;
		trace_entering(m, t);
		return;
	}
	if (own != NULL) {
		trace_to_us(m, t, own);
		return;
	}
	say(t, "not for weir, and by no endpoint: an answer that keeps a client's address, or "
	       "nothing of ours");
	if (t->tuple.proto != IPPROTO_TCP && t->tuple.proto != IPPROTO_UDP) {
		finish_drop(t, DROP_NOT_A_FLOW);
		return;
	}
	t->worker = steer_owner(
		s, steer_slot(&m->dp->workers[0]->nlb->steer, &t->tuple.dst, t->tuple.dport_be));
	ask_worker(m, t);
}

static bool
find_interface(struct management *m, struct trace *t, const char *name)
{
	const struct route *route = route_lookup(operation_snapshot(m)->routes, &t->tuple.src);

	t->interface = route == NULL ? UINT16_MAX : route->interface;
	if (name == NULL)
		return true;
	for (uint16_t i = 0; i < m->interfaces_n; i++) {
		if (strcmp(m->interface_names[i], name) == 0) {
			t->interface = i;
			return true;
		}
	}
	return false;
}

void
operation_trace(struct management *m, struct operation_call *call)
{
	const char *name = json_text(call->args, "interface");
	char why[256], a[END_TEXT_MAX], b[END_TEXT_MAX], protocol[20];
	struct trace *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		call->reply(call, NULL, "failed", "no memory");
		return;
	}
	t->call = call;
	if (!parse_packet(json_text(call->args, "packet"), &t->tuple, why, sizeof(why))) {
		free(t);
		call->reply(call, NULL, "bad_request", why);
		return;
	}
	if (!find_interface(m, t, name)) {
		snprintf(why, sizeof(why), "no interface is named %s", name);
		free(t);
		call->reply(call, NULL, "not_found", why);
		return;
	}
	snprintf(protocol, sizeof(protocol), "protocol %u", t->tuple.proto);
	snprintf(t->packet, sizeof(t->packet), "%s %s > %s",
		 operation_protocol_name(t->tuple.proto) != NULL
			 ? operation_protocol_name(t->tuple.proto)
			 : protocol,
		 text_of_end(&t->tuple.src, t->tuple.sport_be, a),
		 text_of_end(&t->tuple.dst, t->tuple.dport_be, b));
	t->steps = json_array();
	begin(m, t);
}
