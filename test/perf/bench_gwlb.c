/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gateway load balancer's path in a loop, without EAL and NIC.
 *
 * As bench_nlb: headers are written from a table of tuples in random order into one of 4,096
 * buffers, parsed, and served (packet_parse() and gwlb_burst()); a null service is run in turn and
 * subtracted.  `hit`: established flows, one direction, on their way to the appliance.  `return`:
 * what was sent to the appliance is turned round in place and served as it comes back; the cost of
 * both ways together is told.  `new`: the first packets of flows.
 *
 * usage: bench_gwlb FLOWS hit|return|new|sweep|null|null-new ROUNDS
 */
#include "bench_loop.h"
#include "gwlb.h"

struct bench {
	struct gwlb *gwlb;
	struct flow_table flows;
	struct steer steer;
	struct snapshot *snapshot;
	struct next_hop_table hops;
	struct tuple *tuples;
	uint32_t tuples_n;
	uint8_t *buffers;
	struct worker_counters counters;
};

enum service { SERVICE_NULL, SERVICE_GWLB, SERVICE_BOTH_WAYS };

static char *
write_config(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fprintf(f, "[interface front]\ndevice = a\naddress = 198.18.0.1/16\n"
		   "[interface back]\ndevice = b\naddress = 198.19.0.1/16\n"
		   "[load_balancer lb]\ntype = gateway\n"
		   "[endpoint e]\nload_balancer = lb\ninterface = front\n"
		   "[listener lb]\ndefault_action = forward g\n"
		   "[target_group g]\nprotocol = GENEVE\n");
	for (int i = 0; i < TARGETS; i++)
		fprintf(f, "target = 198.19.2.%d:6081\n", i + 1);
	fclose(f);
	return text;
}

/* The packet in GENEVE comes back: addresses swapped, parsed as received. */
static bool
turn_round(struct packet *p)
{
	uint8_t *ip = p->l3, swap[4];
	struct packet_frame frame = {.data = ip - 14,
				     .len = (uint16_t)(p->len + 14),
				     .total_len = p->len + 14u,
				     .headroom = 16};
	struct packet_link link = {.ethertype = 0x0800, .l2_len = 14};

	memcpy(swap, ip + IPV4_SRC, 4);
	memcpy(ip + IPV4_SRC, ip + IPV4_DST, 4);
	memcpy(ip + IPV4_DST, swap, 4);
	p->interface = 1; /* the appliances' */
	if (packet_parse(&frame, &link, p) != DROP_NONE)
		return false;
	p->flags |= PACKET_GENEVE;
	return true;
}

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
		if (service == SERVICE_NULL) {
			for (uint32_t i = 0; i < n; i++)
				forwarded += loop_buffer(b->buffers, done + i)[30] != 0;
			continue;
		}
		gwlb_burst(b->gwlb, b->snapshot, &b->hops, burst, (uint16_t)kept, now_ms);
		if (service == SERVICE_BOTH_WAYS) {
			for (uint32_t i = 0; i < kept; i++)
				CHECK(turn_round(burst[i]));
			gwlb_burst(b->gwlb, b->snapshot, &b->hops, burst, (uint16_t)kept, now_ms);
		}
		for (uint32_t i = 0; i < kept; i++)
			forwarded += burst[i]->verdict == PACKET_FORWARD;
	}
	return forwarded;
}

/* One SYN for each flow, from few hosts with many ports each, to one beyond weir. */
static void
make_tuples(struct bench *b, uint32_t flows)
{
	uint32_t dst = inet_addr("198.18.200.10");

	loop_resolve_host(&b->hops, dst);
	b->tuples_n = flows;
	for (uint32_t i = 0; i < flows; i++) {
		uint32_t host = htonl(0xc6120000u + 256 + i / 60000);

		b->tuples[i] =
			(struct tuple){host, dst, htons((uint16_t)(2000 + i % 60000)), htons(80)};
	}
}

static void
bench_hits(struct bench *b, uint32_t flows, int rounds, enum service service)
{
	uint64_t state = 88172645463325252u;
	uint32_t answers = flows;

	shuffle(b->tuples, b->tuples_n, &state);
	CHECK(run(b, flows, 0, TCP_FLAG_SYN, SERVICE_GWLB, 1) == flows);
	/* Both ends were heard: established. */
	for (uint32_t i = 0; i < answers; i++) {
		struct tuple t = b->tuples[i];

		b->tuples[i] = (struct tuple){t.dst, t.src, t.dport, t.sport};
	}
	CHECK(run(b, flows, 0, TCP_FLAG_SYN | TCP_FLAG_ACK, SERVICE_GWLB, 1) == flows);
	make_tuples(b, flows);
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
			if (service == SERVICE_GWLB) {
				CHECK(b->gwlb->in_use == flows);
				gwlb_flush(b->gwlb);
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

	CHECK(run(b, flows, 0, TCP_FLAG_SYN, SERVICE_GWLB, now_ms) == flows);
	for (int i = 0; i < rounds; i++) {
		uint64_t begin = now_ns();

		for (int ms = 0; ms < 1000; ms++)
			gwlb_sweep(b->gwlb, b->snapshot, ++now_ms);
		CHECK(b->gwlb->in_use == flows);
		printf("{\"ns\": %.2f}\n", (double)(now_ns() - begin) / flows);
	}
}

int
main(int argc, char **argv)
{
	static struct bench b;
	struct secret secret = {{1, 2, 3}};
	struct gwlb_settings settings = {
		.flows = &b.flows, .steer = &b.steer, .secret = &secret, .counters = &b.counters};
	struct hash_seed seed;
	uint32_t flows = argc == 4 ? (uint32_t)atoi(argv[1]) : 0;
	int rounds = argc == 4 ? atoi(argv[3]) : 0;
	enum service service = SERVICE_GWLB;
	uint32_t records;

	if (flows == 0 || rounds == 0) {
		fprintf(stderr,
			"usage: bench_gwlb FLOWS hit|return|new|sweep|null|null-new ROUNDS\n");
		return 2;
	}
	if (strncmp(argv[2], "null", 4) == 0)
		service = SERVICE_NULL;
	else if (strcmp(argv[2], "return") == 0)
		service = SERVICE_BOTH_WAYS;
	b.snapshot = loop_snapshot(write_config(), &secret);
	b.counters.frontends = calloc(SNAPSHOT_FRONTENDS, sizeof(*b.counters.frontends));
	b.counters.targets = calloc(SNAPSHOT_TARGETS, sizeof(*b.counters.targets));
	records = flows < 1024 ? 1024 : flows;
	CHECK(secret_random(&seed, sizeof(seed)));
	steer_init(&b.steer, &secret);
	flow_table_init(&b.flows, map(flow_table_bytes(records)), records, &seed);
	b.gwlb = gwlb_create(map(gwlb_bytes()), gwlb_bytes(), &settings);
	b.tuples = map((size_t)flows * sizeof(*b.tuples));
	b.buffers = map((size_t)BUFFERS * BUFFER_SIZE);
	loop_resolve(&b.hops, b.snapshot);
	make_tuples(&b, flows);
	if (strcmp(argv[2], "sweep") == 0)
		bench_sweep(&b, flows, rounds);
	else if (strstr(argv[2], "new") != NULL)
		bench_new(&b, flows, rounds, service);
	else
		bench_hits(&b, flows, rounds, service);
	printf("{\"bytes_per_flow\": %.1f}\n", (double)flow_table_bytes(records) / records);
	return 0;
}
