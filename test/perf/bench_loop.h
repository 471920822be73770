/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What loops around a service have in common: buffers, headers written from a table of tuples in
 * random order, a configuration loaded as the program does, resolved next hops, a clock.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <arpa/inet.h>

#include "bytes.h"
#include "check.h"
#include "checksum.h"
#include "config.h"
#include "maglev.h"
#include "next_hop.h"
#include "packet_parse.h"
#include "secret.h"
#include "snapshot_build.h"
#include "wire.h"

#define BUFFERS     4096
#define BUFFER_SIZE 2304
#define ROOM        128
#define BURST       32
#define TARGETS     100
#define PACKETS     2000000u

struct tuple {
	uint32_t src, dst; /* wire order */
	uint16_t sport, dport;
};

static inline void *
map(size_t bytes)
{
	size_t huge = 2u << 20;
	void *mem;

	bytes = (bytes + huge - 1) & ~(huge - 1);
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
		   -1, 0);
	if (mem == MAP_FAILED)
		mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	madvise(mem, bytes, MADV_HUGEPAGE);
	memset(mem, 0, bytes);
	return mem;
}

static inline uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t
random64(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545F4914F6CDD1D);
}

/* The snapshot of a configuration of two interfaces whose first target group has TARGETS targets.
 */
static inline struct snapshot *
loop_snapshot(const char *text, const struct secret *secret)
{
	static struct snapshot_registries registries;
	static struct snapshot_interface interfaces[2] = {{.port = 0, .mtu = 1500},
							  {.port = 1, .mtu = 1500}};
	struct config_errors errors = {0};
	struct config_source source = {.name = "bench.ini", .bytes = text, .len = strlen(text)};
	struct model *model = config_load(&source, 1, &errors);
	struct maglev_target targets[TARGETS];
	struct siphash_key seed;
	struct snapshot_input input = {
		.model = model, .interfaces = interfaces, .interfaces_n = 2, .workers_n = 1};
	struct snapshot *s;
	uint64_t ids[2];
	char why[256];

	for (uint32_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.items[i].text);
	CHECK(model != NULL);
	ids[0] = model->interfaces[0].id;
	ids[1] = model->interfaces[1].id;
	input.interface_ids = ids;
	CHECK(snapshot_registries_init(&registries));
	s = snapshot_build(&registries, &input, why, sizeof(why));
	CHECK(s != NULL);
	secret_derive(secret, "maglev seed", &seed, sizeof(seed));
	for (uint32_t i = 0; i < TARGETS; i++)
		targets[i] = (struct maglev_target){
			.id = s->targets[i + 1].id,
			.reference = ref_make(i + 1, s->targets[i + 1].generation),
			.weight = 1,
			.eligible = true};
	atomic_store(&s->groups[1].set, maglev_build(&seed, targets, TARGETS));
	return s;
}

/* Every target is resolved. */
static inline void
loop_resolve(struct next_hop_table *hops, const struct snapshot *s)
{
	next_hop_table_init(hops, map(next_hop_table_bytes(4096)), 4096);
	for (uint32_t i = 0; i < TARGETS; i++) {
		struct next_hop_copy copy = {.interface = 1, .port = 1, .mtu = 1500, .l2_len = 14};
		uint32_t r = next_hop_add(hops, 1, &s->targets[i + 1].addr);

		next_hop_resolve(hops, r, &copy);
	}
}

/* And a host on the other side. */
static inline void
loop_resolve_host(struct next_hop_table *hops, uint32_t addr)
{
	struct ip_addr a = ip_addr_from_v4(&addr);
	struct next_hop_copy copy = {.interface = 0, .port = 0, .mtu = 1500, .l2_len = 14};

	next_hop_resolve(hops, next_hop_add(hops, 0, &a), &copy);
}

static inline void
write_packet(uint8_t *frame, const struct tuple *t, uint8_t flags)
{
	static const uint8_t ether[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	uint8_t *ip = frame + 14, *tcp = ip + 20;

	memcpy(frame, ether, 14);
	memset(ip, 0, 46);
	ip[0] = 0x45;
	ip[3] = 46;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, &t->src, 4);
	memcpy(ip + 16, &t->dst, 4);
	bytes_store16(ip + 10, checksum(ip, 20));
	memcpy(tcp, &t->sport, 2);
	memcpy(tcp + 2, &t->dport, 2);
	tcp[12] = 0x50;
	tcp[13] = flags;
}

static inline uint8_t *
loop_buffer(uint8_t *buffers, uint32_t i)
{
	return buffers + (size_t)(i % BUFFERS) * BUFFER_SIZE + ROOM;
}

/* Parse the frame in buffer `i`, which came by the first interface. */
static inline bool
loop_parse(uint8_t *buffers, uint32_t i, struct packet *p)
{
	struct packet_frame frame = {loop_buffer(buffers, i), 60, 60, ROOM};
	struct packet_link link;

	p->interface = 0;
	return packet_parse_link(&frame, &link) == DROP_NONE &&
	       packet_parse(&frame, &link, p) == DROP_NONE;
}

static inline void
shuffle(struct tuple *tuples, uint32_t n, uint64_t *state)
{
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(random64(state) % (i + 1));
		struct tuple t = tuples[i];

		tuples[i] = tuples[k];
		tuples[k] = t;
	}
}

#endif
