/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway path against a list of conversations.
 *
 * First: random packets of both directions, what appliances send back, old and new, while targets
 * turn unhealthy, the configuration is reloaded in another order, time passes, indexes are rebuilt
 * and the records move to other memory.  The twin does not choose appliances: it takes what the
 * first packet of a flow got and holds every later one against it.
 *
 * Then: a million flows, each in both directions and all in random order, over one to four
 * workers.  None may reach two appliances or two workers.
 */
#include "gwlb_world.h"

#define FLOWS_MAX 120 /* of the table: it fills up */
#define TUPLES    240
#define SENT      64 /* packets in GENEVE that may come back late */
#define FRONT     0
#define BACK      1
#define FAR       2

#define BASE                                                                                    \
	"[interface front]\ndevice = a\naddress = 192.0.2.1/24\naddress = 2001:db8:1::1/64\n"   \
	"[interface back]\ndevice = b\naddress = 198.51.100.1/24\naddress = 2001:db8:2::1/64\n" \
	"[interface far]\ndevice = c\naddress = 203.0.113.1/24\naddress = 2001:db8:3::1/64\n"   \
	"[load_balancer lb]\ntype = gateway\n[listener lb]\ndefault_action = forward fleet\n"   \
	"[endpoint edge]\nload_balancer = lb\ninterface = front\ninterface = far\n"             \
	"[target_group fleet]\nprotocol = GENEVE\n"
#define TARGETS_A                                                    \
	"target = 198.51.100.11:6081\ntarget = 198.51.100.12:6081\n" \
	"target = 198.51.100.13:6081\n"
#define TARGETS_B                                                    \
	"target = 198.51.100.12:6081\ntarget = 198.51.100.13:6081\n" \
	"target = 198.51.100.11:6081\n"

static const char *const configs[2] = {BASE TARGETS_A, BASE TARGETS_B};

struct tuple {
	uint8_t proto;
	bool v6;
	uint32_t a, b; /* last bytes of the ends' addresses */
	uint16_t port_a, port_b;
};

struct twin {
	bool live, from_a;
	uint8_t state;
	bool fin[2], reset_by_b;
	uint32_t target, last_ms, packets;
};

struct sent {
	struct world_packet back;
	unsigned tuple;
	uint32_t target, life;
	bool used;
};

struct lab {
	struct gworld g;
	struct tuple tuples[TUPLES];
	struct twin twins[TUPLES];
	uint32_t lives[TUPLES]; /* flows a tuple has had */
	struct sent sent[SENT];
	uint8_t moving;
	unsigned long long state;
	unsigned long forwarded, created, refused, moved, returned, late;
};

static unsigned
pick(struct lab *lab, unsigned n)
{
	return (unsigned)(unit_random(&lab->state) % n);
}

/* A packet of the tuple, from its end a or b, in `wp`. */
static void
make(struct world_packet *wp, const struct tuple *t, bool from_a, uint8_t flags)
{
	uint8_t *ip = wp->frame + 14, *l4;
	uint16_t l4_len = t->proto == IPPROTO_TCP ? 20 : 8, off = t->v6 ? 40 : 20;
	uint16_t sport = from_a ? t->port_a : t->port_b, dport = from_a ? t->port_b : t->port_a;
	uint8_t *src, *dst;

	memset(wp->frame, 0, 14u + off + l4_len);
	bytes_store_be16(wp->frame + 12, t->v6 ? 0x86dd : 0x0800);
	l4 = ip + off;
	if (t->v6) {
		ip[0] = 0x60;
		bytes_store_be16(ip + IPV6_PAYLOAD_LEN, l4_len);
		ip[IPV6_NEXT_HEADER] = t->proto;
		ip[IPV6_HOP_LIMIT] = 64;
		src = ip + IPV6_SRC;
		dst = ip + IPV6_DST;
		src[0] = dst[0] = 0x20;
		src[1] = dst[1] = 0x01;
		bytes_store_be32(src + 12, from_a ? t->a : t->b);
		bytes_store_be32(dst + 12, from_a ? t->b : t->a);
		src[4] = dst[4] = 9;
	} else {
		ip[0] = 0x45;
		bytes_store_be16(ip + IPV4_LEN, (uint16_t)(20 + l4_len));
		ip[IPV4_TTL] = 64;
		ip[IPV4_PROTO] = t->proto;
		bytes_store_be32(ip + IPV4_SRC, from_a ? t->a : t->b);
		bytes_store_be32(ip + IPV4_DST, from_a ? t->b : t->a);
		bytes_store16(ip + IPV4_CHECKSUM, checksum(ip, 20));
	}
	if (t->proto == IPPROTO_TCP || t->proto == IPPROTO_UDP) {
		bytes_store_be16(l4, sport);
		bytes_store_be16(l4 + 2, dport);
	}
	if (t->proto == IPPROTO_UDP)
		bytes_store_be16(l4 + UDP_LEN, 8);
	if (t->proto == IPPROTO_TCP) {
		l4[TCP_OFF] = 0x50;
		l4[TCP_FLAGS] = flags;
	}
	wp->len = (uint16_t)(14 + off + l4_len);
}

static struct tuple
random_tuple(unsigned long long *state)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_GRE};
	unsigned long long r = unit_random(state);
	struct tuple t = {.proto = protos[r % 4],
			  .v6 = (r >> 8) % 4 == 0,
			  .a = 0x0a000000u | (uint32_t)(r >> 16 & 0xffffff),
			  .b = 0x0b000000u | (uint32_t)(r >> 40 & 0xffffff)};

	r = unit_random(state);
	if (t.proto != IPPROTO_GRE) {
		t.port_a = (uint16_t)(1 + r % 65535);
		t.port_b = (uint16_t)(1 + (r >> 20) % 65535);
	}
	/* Now and then the ends have one port, or one address byte for byte above the other. */
	if ((r >> 50) % 16 == 0)
		t.port_b = t.port_a;
	return t;
}

static uint32_t
live_twins(const struct lab *lab)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < TUPLES; i++)
		n += lab->twins[i].live;
	return n;
}

static uint32_t
limit_ms(const struct tuple *t, const struct twin *twin)
{
	if (t->proto != IPPROTO_TCP)
		return GWLB_IDLE_MS;
	return twin->state == FLOW_STATE_NEW       ? GWLB_NEW_MS
	       : twin->state == FLOW_STATE_CLOSING ? GWLB_CLOSING_MS
	       : twin->state == FLOW_STATE_RESET   ? GWLB_RESET_MS
						   : 350000;
}

static void
twin_on_packet(struct twin *twin, const struct tuple *t, bool from_a, uint8_t flags)
{
	bool from_first = from_a == twin->from_a;

	if (t->proto != IPPROTO_TCP) {
		if (twin->state == FLOW_STATE_NEW && !from_first)
			twin->state = FLOW_STATE_ESTABLISHED;
		return;
	}
	if ((flags & TCP_FLAG_RST) != 0) {
		if (twin->state == FLOW_STATE_RESET ||
		    (twin->state == FLOW_STATE_NEW && from_first))
			return;
		twin->state = FLOW_STATE_RESET;
		twin->reset_by_b = !from_a;
		return;
	}
	if ((flags & TCP_FLAG_FIN) != 0)
		twin->fin[!from_a] = true;
	if (twin->fin[0] && twin->fin[1]) {
		if (twin->state != FLOW_STATE_RESET)
			twin->state = FLOW_STATE_CLOSING;
		return;
	}
	if (twin->state == FLOW_STATE_NEW && !from_first)
		twin->state = FLOW_STATE_ESTABLISHED;
	if (twin->state == FLOW_STATE_RESET && twin->reset_by_b != !from_a)
		twin->state = FLOW_STATE_ESTABLISHED;
}

static bool
is_unhealthy(const struct lab *lab, uint32_t target)
{
	const struct snapshot_target *t = &lab->g.w.snapshot->targets[ref_index(target)];

	for (uint32_t i = 0; i < lab->g.w.model->target_groups[0].targets_n; i++) {
		if (ip_addr_equal(&lab->g.w.model->target_groups[0].targets[i].addr, &t->addr))
			return lab->g.w.unhealthy[i];
	}
	return false;
}

static bool
any_healthy(const struct lab *lab)
{
	return !lab->g.w.unhealthy[0] || !lab->g.w.unhealthy[1] || !lab->g.w.unhealthy[2];
}

/* What the management core tells the workers. */
static void
mark(struct lab *lab)
{
	struct snapshot *s = lab->g.w.snapshot;

	for (uint32_t i = 1; i < s->targets_n; i++)
		s->targets[i].moving =
			is_unhealthy(lab, ref_make(i, s->targets[i].generation)) ? lab->moving : 0;
}

static void
keep_sent(struct lab *lab, unsigned tuple, const struct packet *p)
{
	struct sent *sent = &lab->sent[pick(lab, SENT)];

	gworld_turn_round(p, &sent->back);
	sent->tuple = tuple;
	sent->target = lab->twins[tuple].target;
	sent->life = lab->lives[tuple];
	sent->used = true;
}

static uint32_t
target_of(const struct lab *lab, const struct packet *p)
{
	const struct snapshot *s = lab->g.w.snapshot;

	for (uint32_t i = 1; i < s->targets_n; i++) {
		if (ip_addr_equal(&s->targets[i].addr, &p->dst))
			return ref_make(i, s->targets[i].generation);
	}
	return 0;
}

static void
send_one(struct lab *lab)
{
	static const uint8_t all_flags[] = {
		TCP_FLAG_SYN, TCP_FLAG_SYN, TCP_FLAG_SYN | TCP_FLAG_ACK, TCP_FLAG_ACK,
		TCP_FLAG_ACK, TCP_FLAG_ACK, TCP_FLAG_ACK | TCP_FLAG_FIN, TCP_FLAG_RST};
	static struct world_packet wp;
	unsigned i = pick(lab, TUPLES);
	struct tuple *t = &lab->tuples[i];
	struct twin *twin = &lab->twins[i];
	bool from_a = pick(lab, 2) == 0;
	uint8_t flags = all_flags[pick(lab, sizeof(all_flags))];
	bool opening = t->proto == IPPROTO_TCP && flags == TCP_FLAG_SYN, anew, full;
	uint32_t live = live_twins(lab), target;

	make(&wp, t, from_a, flags);
	gworld_send(&lab->g, &wp, from_a ? FRONT : FAR);
	target = wp.p.verdict == PACKET_FORWARD ? target_of(lab, &wp.p) : 0;
	anew = twin->live && opening &&
	       (twin->state == FLOW_STATE_CLOSING || twin->state == FLOW_STATE_RESET);
	/* Of a NEW one the target may be chosen again; the twin follows. */
	if (twin->live && opening && twin->state == FLOW_STATE_NEW && target != twin->target)
		anew = true;
	if (anew) {
		twin->live = false;
		live--;
	}
	full = live >= FLOWS_MAX;
	if (!twin->live) {
		if (t->proto == IPPROTO_TCP && !opening) {
			EXPECT(wp.p.verdict == PACKET_DROP && wp.p.drop == DROP_NOT_A_FLOW);
			return;
		}
		if (full) {
			EXPECT(wp.p.verdict == PACKET_DROP && wp.p.drop == DROP_FLOW_TABLE_FULL);
			lab->refused++;
			return;
		}
		*twin = (struct twin){.live = true, .from_a = from_a, .target = target};
		EXPECT(!any_healthy(lab) || !is_unhealthy(lab, target));
		lab->lives[i]++;
		lab->created++;
	} else if (lab->moving != 0 && is_unhealthy(lab, twin->target) && any_healthy(lab)) {
		EXPECT(target != twin->target && !is_unhealthy(lab, target));
		twin->target = target;
		lab->moved++;
	}
	twin_on_packet(twin, t, from_a, flags);
	twin->last_ms = lab->g.w.now_ms;
	twin->packets++;
	EXPECT(wp.p.verdict == PACKET_FORWARD && wp.p.dport_be == htons(GENEVE_PORT));
	EXPECT(target == twin->target);
	if (wp.p.verdict != PACKET_FORWARD)
		return;
	lab->forwarded++;
	EXPECT(gworld_flow(&lab->g, &wp.p)->state == twin->state);
	EXPECT(gworld_flow(&lab->g, &wp.p)->packets == twin->packets);
	keep_sent(lab, i, &wp.p);
}

/* Something that an appliance was sent comes back, soon or late. */
static void
receive_one(struct lab *lab)
{
	static struct world_packet back;
	struct sent *sent = &lab->sent[pick(lab, SENT)];
	const struct twin *twin = &lab->twins[sent->tuple];
	bool ours = twin->live && twin->target == sent->target;

	if (!sent->used)
		return;
	back = sent->back;
	gworld_receive(&lab->g, &back, BACK);
	if (ours && sent->life == lab->lives[sent->tuple]) {
		EXPECT(back.p.verdict == PACKET_FORWARD);
		EXPECT(back.p.proto == lab->tuples[sent->tuple].proto);
		lab->returned++;
	} else if (!ours) {
		EXPECT(back.p.verdict == PACKET_DROP);
		lab->late++;
	}
	/* Of an earlier flow of the same ends, at the same appliance: whether it passes is luck. */
}

static void
pass_time(struct lab *lab)
{
	uint32_t begin;

	lab->g.w.now_ms += pick(lab, 20000);
	lab->g.gwlb->swept_ms = lab->g.w.now_ms;
	begin = lab->g.w.now_ms;
	for (int i = 0; i < 15; i++)
		gwlb_sweep(lab->g.gwlb, lab->g.w.snapshot, lab->g.w.now_ms += 100);
	for (unsigned i = 0; i < TUPLES; i++) {
		struct twin *twin = &lab->twins[i];
		uint32_t limit = limit_ms(&lab->tuples[i], twin);
		bool there = false;

		if (!twin->live || lab->g.w.now_ms - twin->last_ms < limit)
			continue;
		/* What came of age while the hand went round may still be there. */
		for (uint32_t k = 0;
		     k < lab->g.w.nlb->flows.used_n && begin - twin->last_ms < limit; k++) {
			const struct flow_gateway *r =
				flow_gateway_of(&lab->g.w.nlb->flows.records[k]);
			struct world_packet wp;
			struct flow_gateway_key key;

			if (r->role != FLOW_ROLE_LOCAL)
				continue;
			make(&wp, &lab->tuples[i], true, TCP_FLAG_ACK);
			EXPECT(gworld_parse(&wp, FRONT));
			flow_gateway_key_set(&key, &wp.p.src, wp.p.sport_be, &wp.p.dst,
					     wp.p.dport_be, wp.p.proto, r->endpoint);
			there |= flow_gateway_is(r, &key);
		}
		twin->live = there;
	}
	EXPECT(lab->g.gwlb->in_use == live_twins(lab));
}

static void
change_health(struct lab *lab)
{
	lab->g.w.unhealthy[pick(lab, 3)] = pick(lab, 2) == 0;
	world_build_sets(&lab->g.w);
	mark(lab);
}

/* The records to other memory and a gateway with other seeds, which starts from them. */
static void
move(struct lab *lab)
{
	struct world *w = &lab->g.w;
	void *mem = world_zeroed(w->nlb_bytes), *old = lab->g.mem;
	struct nlb *moved = nlb_create(mem, w->nlb_bytes, &w->settings);

	memcpy(moved->flows.records, w->nlb->flows.records, FLOWS_MAX * sizeof(struct flow_record));
	memset(w->nlb_mem, 0xa5, w->nlb_bytes);
	free(w->nlb_mem);
	w->nlb_mem = mem;
	w->nlb = moved;
	EXPECT(nlb_rebuild(moved, w->snapshot));
	gworld_make(&lab->g);
	gwlb_rebuild(lab->g.gwlb);
	lab->g.gwlb->swept_ms = w->now_ms;
	free(old);
}

static void
check_sums(struct lab *lab)
{
	const struct worker_counters *c = &lab->g.w.counters;
	uint64_t frontends = 0, targets = 0;

	for (uint32_t i = 0; i < lab->g.w.snapshot->frontends_n; i++)
		frontends += c->frontends[i].new_flows - c->frontends[i].closed_flows;
	for (uint32_t i = 0; i < lab->g.w.snapshot->targets_n; i++)
		targets += c->targets[i].new_flows - c->targets[i].closed_flows;
	EXPECT(lab->g.gwlb->in_use == live_twins(lab));
	EXPECT(frontends == lab->g.gwlb->in_use && targets == lab->g.gwlb->in_use);
}

static void
run(struct lab *lab, uint32_t start_ms, uint8_t moving)
{
	lab->forwarded = lab->created = lab->refused = lab->moved = lab->returned = lab->late = 0;
	memset(lab->twins, 0, sizeof(lab->twins));
	memset(lab->sent, 0, sizeof(lab->sent));
	lab->moving = moving;
	for (unsigned i = 0; i < TUPLES; i++)
		lab->tuples[i] = random_tuple(&lab->state);
	gworld_begin(&lab->g, configs[0], FLOWS_MAX, start_ms);
	for (unsigned long round = unit_rounds(40000); round > 0; round--) {
		send_one(lab);
		if (pick(lab, 2) == 0)
			receive_one(lab);
		if (pick(lab, 50) == 0)
			pass_time(lab);
		if (pick(lab, 100) == 0)
			change_health(lab);
		if (pick(lab, 100) == 0) {
			world_publish(&lab->g.w, configs[pick(lab, 2)]);
			mark(lab);
		}
		if (pick(lab, 200) == 0) {
			EXPECT(nlb_rebuild(lab->g.w.nlb, lab->g.w.snapshot));
			gwlb_rebuild(lab->g.gwlb);
		}
		if (pick(lab, 200) == 0)
			move(lab);
		if (pick(lab, 10) == 0)
			check_sums(lab);
	}
	printf("forwarded %lu, created %lu, refused %lu, moved %lu, returned %lu, late %lu\n",
	       lab->forwarded, lab->created, lab->refused, lab->moved, lab->returned, lab->late);
	EXPECT(lab->forwarded > 0 && lab->created > 0 && lab->returned > 0);
	EXPECT((lab->moved > 0) == (moving != 0) || lab->forwarded < 10000);
	gworld_end(&lab->g);
}

/* The symmetry property. */

struct seen {
	struct tuple tuple;
	uint32_t target;
	uint8_t worker;
	uint8_t packets;
};

static void
check_symmetry(unsigned long long *state, uint16_t workers_n, uint32_t flows_n)
{
	struct gworld g = {0};
	struct gwlb *gwlbs[4];
	struct flow_table tables[4];
	void *mems[4], *table_mems[4];
	struct hash_seed seed = {{1, 2, 3, 4, 5, 6, 7, 8}};
	struct seen *flows = calloc(flows_n, sizeof(*flows));
	uint32_t *events = calloc(2 * (size_t)flows_n, sizeof(*events));
	uint32_t wrong = 0, dropped = 0, per_worker[4] = {0};
	static struct world_packet wp;

	gworld_begin(&g, configs[0], 1024, 5000);
	g.w.workers_n = workers_n;
	world_publish(&g.w, configs[0]);
	for (uint16_t i = 0; i < workers_n; i++) {
		struct gwlb_settings settings = {.flows = &tables[i],
						 .steer = &g.w.nlb->steer,
						 .secret = &g.w.secret,
						 .counters = &g.w.counters};

		table_mems[i] = world_zeroed(flow_table_bytes(flows_n));
		flow_table_init(&tables[i], table_mems[i], flows_n, &seed);
		mems[i] = world_zeroed(gwlb_bytes());
		gwlbs[i] = gwlb_create(mems[i], gwlb_bytes(), &settings);
	}
	for (uint32_t i = 0; i < flows_n; i++) {
		flows[i].tuple = random_tuple(state);
		events[2 * i] = 2 * i;
		events[2 * i + 1] = 2 * i + 1;
	}
	for (uint32_t i = 2 * flows_n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(unit_random(state) % (i + 1)), swap = events[i];

		events[i] = events[k];
		events[k] = swap;
	}
	for (uint32_t i = 0; i < 2 * flows_n; i++) {
		struct seen *f = &flows[events[i] / 2];
		struct packet *p = &wp.p;
		bool from_a = events[i] % 2 == 0;
		uint16_t worker;
		uint32_t target;

		make(&wp, &f->tuple, from_a,
		     f->packets == 0 ? TCP_FLAG_SYN : TCP_FLAG_SYN | TCP_FLAG_ACK);
		if (!gworld_parse(&wp, from_a ? FRONT : FAR)) {
			dropped++;
			continue;
		}
		worker = steer_owner(
			g.w.snapshot,
			gwlb_packet_slot(gwlbs[unit_random(state) % workers_n], g.w.snapshot, p));
		gwlb_burst(gwlbs[worker], g.w.snapshot, &g.w.hops, &p, 1, 6000);
		if (p->verdict != PACKET_FORWARD) {
			dropped++;
			continue;
		}
		target = p->dst.b[15];
		wrong += f->packets > 0 && (f->target != target || f->worker != worker);
		f->target = target;
		f->worker = (uint8_t)worker;
		f->packets++;
		per_worker[worker]++;
	}
	printf("%u workers: %u flows, %u in two places, %u dropped; packets by worker %u %u %u "
	       "%u\n",
	       workers_n, flows_n, wrong, dropped, per_worker[0], per_worker[1], per_worker[2],
	       per_worker[3]);
	EXPECT(wrong == 0 && dropped == 0);
	for (uint16_t i = 0; i < workers_n; i++) {
		EXPECT(flows_n < 10000 || per_worker[i] > flows_n / workers_n);
		gwlb_flush(gwlbs[i]);
		EXPECT(gwlbs[i]->in_use == 0 && tables[i].in_use == 0);
		free(mems[i]);
		free(table_mems[i]);
	}
	gworld_end(&g);
	free(flows);
	free(events);
}

int
main(void)
{
	static struct lab lab;

	lab.state = unit_seed(23);
	run(&lab, 1000, 0);
	run(&lab, UINT32_MAX - 10000, SNAPSHOT_MOVING_REBALANCE); /* ten seconds before the wrap */
	for (uint16_t workers = 1; workers <= 4; workers++)
		check_symmetry(&lab.state, workers, (uint32_t)unit_rounds(250000));
	return unit_done();
}
