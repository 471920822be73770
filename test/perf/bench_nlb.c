/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network load balancer's path in a loop, without EAL and NIC.
 *
 * Per burst: headers are written from a table of tuples in random order into one of 4,096 buffers,
 * parsed, and served (packet_parse() and nlb_burst()).  A null service, which writes and parses
 * nothing but touches the same memory, is run in turn with it and subtracted.  Output: one JSON
 * object a line with nanoseconds per packet of every round; for `sweep`, per flow and second.
 *
 * usage: bench_nlb FLOWS hit|new|sweep|null|null-new|parse ROUNDS
 */
#include "bench_loop.h"
#include "nlb.h"

#define LOCALS 64

struct bench {
	struct nlb *nlb;
	struct snapshot *snapshot;
	struct next_hop_table hops;
	struct tuple *tuples;
	uint32_t tuples_n;
	uint8_t *buffers;
	struct worker_counters counters;
};

/* A configuration as an operator writes it. */
static char *
write_config(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fprintf(f, "[interface front]\ndevice = a\naddress = 198.18.0.1/16\n"
		   "[interface back]\ndevice = b\naddress = 198.19.0.1/16\n");
	for (int i = 0; i < LOCALS; i++)
		fprintf(f, "local_address = 198.19.1.%d\n", i + 1);
	fprintf(f, "[load_balancer lb]\ntype = network\naddress = 198.18.0.10\n"
		   "[listener lb:80]\nprotocol = TCP\ndefault_action = forward g\n"
		   "[target_group g]\nprotocol = TCP\n");
	for (int i = 0; i < TARGETS; i++)
		fprintf(f, "target = 198.19.2.%d:80\n", i + 1);
	fclose(f);
	return text;
}

enum service { SERVICE_NULL, SERVICE_PARSE, SERVICE_NLB };

static uint32_t
run(struct bench *b, uint32_t packets, uint32_t first, uint8_t flags, enum service service,
    uint32_t now_ms)
{
	struct packet packet[BURST], *burst[BURST];
	uint32_t at = first % b->tuples_n, forwarded = 0;

	for (uint32_t done = 0; done < packets; done += BURST) {
		uint32_t n = packets - done < BURST ? packets - done : BURST, kept = 0;

		for (uint32_t i = 0; i < n; i++) {
			write_packet(loop_buffer(b->buffers, done + i), &b->tuples[at], flags);
			if (++at == b->tuples_n)
				at = 0;
		}
		for (uint32_t i = 0; i < n && service != SERVICE_NULL; i++) {
			if (loop_parse(b->buffers, done + i, &packet[kept])) {
				burst[kept] = &packet[kept];
				kept++;
			}
		}
		/* What was written must be in memory, whoever reads it. */
		__asm__ volatile("" ::: "memory");
		if (service != SERVICE_NLB) {
			for (uint32_t i = 0; i < n; i++)
				forwarded += loop_buffer(b->buffers, done + i)[30] != 0;
			continue;
		}
		nlb_burst(b->nlb, b->snapshot, &b->hops, burst, (uint16_t)kept, now_ms);
		for (uint32_t i = 0; i < kept; i++)
			forwarded += burst[i]->verdict == PACKET_FORWARD;
	}
	return forwarded;
}

/* One SYN for each flow, from few clients with many ports each. */
static void
make_syns(struct bench *b, uint32_t flows)
{
	uint32_t dst = inet_addr("198.18.0.10");

	b->tuples_n = flows;
	for (uint32_t i = 0; i < flows; i++) {
		uint32_t client = htonl(0xc6120000u + 256 + i / 60000);

		if (i % 60000 == 0)
			loop_resolve_host(&b->hops, client);
		b->tuples[i] =
			(struct tuple){client, dst, htons((uint16_t)(2000 + i % 60000)), htons(80)};
	}
}

/* Packets of both directions of every flow in the table. */
static void
make_hits(struct bench *b)
{
	uint32_t dst = inet_addr("198.18.0.10"), n = 0;

	for (uint32_t i = 0; i < b->nlb->flows.used_n; i++) {
		const struct flow_record *r = &b->nlb->flows.records[i];
		const struct snapshot_target *target = &b->snapshot->targets[ref_index(r->target)];
		struct tuple *t = &b->tuples[n];

		memcpy(&t[0].src, &r->client.b[12], 4);
		t[0].dst = dst;
		t[0].sport = r->client_port_be;
		t[0].dport = htons(80);
		memcpy(&t[1].src, &target->addr.b[12], 4);
		memcpy(&t[1].dst, &b->snapshot->locals[ref_index(r->local)].addr.b[12], 4);
		t[1].sport = target->port_be;
		t[1].dport = r->local_port_be;
		n += 2;
	}
	b->tuples_n = n;
}

static void
bench_hits(struct bench *b, uint32_t flows, int rounds, enum service service)
{
	uint64_t state = 88172645463325252u;

	shuffle(b->tuples, b->tuples_n, &state);
	CHECK(run(b, flows, 0, TCP_FLAG_SYN, SERVICE_NLB, 1) == flows);
	make_hits(b);
	shuffle(b->tuples, b->tuples_n, &state);
	run(b, PACKETS, 0, TCP_FLAG_ACK, service, 2);
	for (int i = 0; i < rounds; i++) {
		uint64_t begin = now_ns();
		uint32_t forwarded = run(b, PACKETS, (uint32_t)i * 7919, TCP_FLAG_ACK, service, 3);
		double ns = (double)(now_ns() - begin) / PACKETS;

		CHECK(forwarded == PACKETS);
		printf("{\"ns\": %.2f}\n", ns);
	}
}

static void
bench_new(struct bench *b, uint32_t flows, int rounds, enum service service)
{
	uint32_t repeat = flows < 200000 ? 200000 / flows : 1;
	uint64_t state = 88172645463325252u;

	shuffle(b->tuples, b->tuples_n, &state);
	for (int i = 0; i < rounds; i++) {
		uint64_t spent = 0;

		for (uint32_t k = 0; k < repeat; k++) {
			uint64_t begin = now_ns();

			CHECK(run(b, flows, 0, TCP_FLAG_SYN, service, 1) == flows);
			spent += now_ns() - begin;
			if (service == SERVICE_NLB) {
				CHECK(b->nlb->flows.in_use == flows);
				nlb_flush(b->nlb);
			}
		}
		printf("{\"ns\": %.2f}\n", (double)spent / repeat / flows);
	}
}

/* What a second of sweeping costs a worker whose flows are all alive, a call each millisecond. */
static void
bench_sweep(struct bench *b, uint32_t flows, int rounds)
{
	uint32_t now_ms = 1;

	CHECK(run(b, flows, 0, TCP_FLAG_SYN, SERVICE_NLB, now_ms) == flows);
	for (int i = 0; i < rounds; i++) {
		uint64_t begin = now_ns();

		for (int ms = 0; ms < 1000; ms++)
			nlb_sweep(b->nlb, b->snapshot, ++now_ms);
		CHECK(b->nlb->flows.in_use == flows);
		printf("{\"ns\": %.2f}\n", (double)(now_ns() - begin) / flows);
	}
}

int
main(int argc, char **argv)
{
	static struct bench b;
	struct secret secret = {{1, 2, 3}};
	struct nlb_settings settings = {.secret = &secret, .counters = &b.counters};
	uint32_t flows = argc == 4 ? (uint32_t)atoi(argv[1]) : 0;
	int rounds = argc == 4 ? atoi(argv[3]) : 0;
	enum service service = SERVICE_NLB;
	void *mem;

	if (flows == 0 || rounds == 0) {
		fprintf(stderr,
			"usage: bench_nlb FLOWS hit|new|sweep|null|null-new|parse ROUNDS\n");
		return 2;
	}
	if (strncmp(argv[2], "null", 4) == 0)
		service = SERVICE_NULL;
	else if (strcmp(argv[2], "parse") == 0)
		service = SERVICE_PARSE;
	b.snapshot = loop_snapshot(write_config(), &secret);
	b.counters.frontends = calloc(SNAPSHOT_FRONTENDS, sizeof(*b.counters.frontends));
	b.counters.targets = calloc(SNAPSHOT_TARGETS, sizeof(*b.counters.targets));
	settings.max_flows = flows < 1024 ? 1024 : flows;
	mem = map(nlb_bytes(&settings));
	b.nlb = nlb_create(mem, nlb_bytes(&settings), &settings);
	b.tuples = map((size_t)flows * 2 * sizeof(*b.tuples));
	b.buffers = map((size_t)BUFFERS * BUFFER_SIZE);
	loop_resolve(&b.hops, b.snapshot);
	make_syns(&b, flows);
	if (strcmp(argv[2], "sweep") == 0)
		bench_sweep(&b, flows, rounds);
	else if (strstr(argv[2], "new") != NULL)
		bench_new(&b, flows, rounds, service);
	else
		bench_hits(&b, flows, rounds, service);
	printf("{\"bytes_per_flow\": %.1f}\n", (double)nlb_bytes(&settings) / settings.max_flows);
	return 0;
}
