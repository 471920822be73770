/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of fragments against a list: fragments of a few packets in any order, again and over
 * each other, while time passes.
 *
 * The twin knows, of each packet, what came and when.  Nothing is lost or given back twice, what
 * goes on has the ports of its first fragment, held ones follow it in order, and none is held
 * longer than it may be.
 */
#include "flow_fragment.h"

#include <netinet/in.h>
#include <string.h>

#include "unit.h"

#define PACKETS   40
#define BUFFERS   (PACKETS * FLOW_FRAGMENTS_OF_ONE)
#define FIRST_END 24u

struct twin {
	bool known;
	uint16_t port;
	uint32_t since_ms;
	uint32_t held[FLOW_FRAGMENTS_OF_ONE], held_n;
};

struct buffer {
	bool held;
	uint16_t packet;
	uint8_t unit; /* where its bytes begin, in 8 */
	uint32_t since_ms;
};

static struct {
	struct flow_fragments table;
	struct twin twins[PACKETS];
	struct buffer buffers[BUFFERS + 1];
	uint32_t now_ms, held_n, next;
	uint32_t released, expired, overlapped, went_on; /* how often: the run has seen it all */
	struct twin
		*first; /* whose first fragment is being handled, and how many of its have gone */
	uint32_t gone;
} lab;

static struct buffer *
give_back(void *buf)
{
	struct buffer *b = &lab.buffers[(uintptr_t)buf];

	EXPECT(b->held);
	b->held = false;
	lab.held_n--;
	return b;
}

static void
on_release(void *arg, void *buf, uint16_t sport_be, uint16_t dport_be)
{
	struct buffer *b = give_back(buf);

	(void)arg;
	EXPECT(lab.first == &lab.twins[b->packet] && b->unit * 8u >= FIRST_END);
	EXPECT(sport_be == lab.first->port && dport_be == 53);
	EXPECT(lab.first->held[lab.gone++] == (uintptr_t)buf);
	lab.released++;
}

static void
on_overlap(void *arg, void *buf)
{
	struct buffer *b = give_back(buf);

	(void)arg;
	EXPECT(lab.first == &lab.twins[b->packet] && b->unit * 8u < FIRST_END);
	EXPECT(lab.first->held[lab.gone++] == (uintptr_t)buf);
	lab.overlapped++;
}

static void
on_expire(void *arg, void *buf)
{
	struct buffer *b = give_back(buf);

	(void)arg;
	EXPECT(lab.now_ms - b->since_ms <= FLOW_FRAGMENT_WAIT_MS + 700);
	lab.expired++;
}

static const struct flow_fragment_ops ops = {
	.release = on_release, .expire = on_expire, .overlap = on_overlap};

/* What the table has forgotten by now: ports, or, by expiring them, all that was held. */
static void
age(struct twin *t)
{
	uint32_t n = 0;

	if (t->known && lab.now_ms - t->since_ms >= FLOW_FRAGMENT_KNOWN_MS)
		*t = (struct twin){0};
	for (uint32_t i = 0; i < t->held_n; i++) {
		if (lab.buffers[t->held[i]].held)
			t->held[n++] = t->held[i];
	}
	t->held_n = n;
}

static uint32_t
free_buffer(void)
{
	do
		lab.next = lab.next % BUFFERS + 1;
	while (lab.buffers[lab.next].held);
	return lab.next;
}

static void
input(uint16_t packet, uint8_t unit, uint16_t port)
{
	struct twin *t = &lab.twins[packet];
	uint8_t ip[64] = {0x45, [4] = 1, [5] = (uint8_t)packet, [7] = unit};
	struct packet p = {.l3 = ip,
			   .af = 4,
			   .len = 20 + FIRST_END,
			   .proto = IPPROTO_UDP,
			   .flags = PACKET_FRAGMENT};
	uint32_t buf = free_buffer();
	enum flow_fragment_result result;

	p.buf = (struct rte_mbuf *)(uintptr_t)buf;
	lab.buffers[buf] = (struct buffer){.packet = packet, .unit = unit, .since_ms = lab.now_ms};
	age(t);
	if (unit == 0) {
		p.sport_be = t->port = port;
		p.dport_be = 53;
		lab.first = t;
		lab.gone = 0;
	} else {
		p.flags |= PACKET_FRAGMENT_LATER;
	}
	result = flow_fragment_input(&lab.table, &p, 7, &ops, NULL, lab.now_ms);
	lab.first = NULL;
	if (unit == 0) {
		EXPECT(result == FLOW_FRAGMENT_GO);
		/* What was too old by then was expired on the way. */
		age(t);
		EXPECT(t->held_n == 0);
		*t = (struct twin){.known = true, .port = port, .since_ms = lab.now_ms};
	} else if (result == FLOW_FRAGMENT_HELD) {
		EXPECT(!t->known);
		age(t);
		lab.buffers[buf].held = true;
		lab.held_n++;
		t->held[t->held_n++] = buf;
	} else if (result == FLOW_FRAGMENT_FULL) {
		EXPECT(!t->known &&
		       (t->held_n == FLOW_FRAGMENTS_OF_ONE || lab.held_n == FLOW_FRAGMENTS_HELD));
	} else {
		EXPECT(t->known && (result == FLOW_FRAGMENT_OVERLAP) == (unit * 8u < FIRST_END));
		EXPECT(result == FLOW_FRAGMENT_OVERLAP ||
		       (p.sport_be == t->port && (p.flags & PACKET_PORTS_GIVEN) != 0));
		lab.went_on += result == FLOW_FRAGMENT_GO;
	}
	EXPECT(lab.table.held_n == lab.held_n);
}

int
main(void)
{
	static const struct hash_seed seed = {{8, 7, 6, 5, 4, 3, 2, 1}};
	unsigned long long state = unit_seed(31);

	flow_fragments_init(&lab.table, &seed);
	lab.now_ms = lab.table.swept_ms = UINT32_MAX - 20000;
	for (uint32_t i = 0; i < 300000; i++) {
		uint64_t r = unit_random(&state);

		input((uint16_t)((i / 200 + r % 8) % PACKETS),
		      (r >> 8) % 16 == 0 ? 0 : 1 + (r >> 16) % 8, (uint16_t)(1 + (r >> 24) % 1000));
		if ((r >> 40) % 8 == 0) {
			lab.now_ms += (uint32_t)(r >> 44) % 60;
			flow_fragments_sweep(&lab.table, &ops, NULL, lab.now_ms);
		}
	}
	printf("%u released, %u expired, %u overlapped, %u went on\n", lab.released, lab.expired,
	       lab.overlapped, lab.went_on);
	EXPECT(lab.released > 1000 && lab.expired > 1000 && lab.overlapped > 1000 &&
	       lab.went_on > 1000);
	flow_fragments_flush(&lab.table, &ops, NULL);
	EXPECT(lab.held_n == 0 && lab.table.held_n == 0);
	return unit_done();
}
