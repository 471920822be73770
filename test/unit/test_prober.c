/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include "bytes.h"
#include "checksum.h"
#include "prober.h"
#include "wire.h"

#include <netinet/in.h>

struct record {
	uint8_t ip[16][128];
	uint16_t len[16];
	unsigned sent;
	unsigned done;
	enum probe_result result;
};

static void
emit(void *arg, const uint8_t *ip, uint16_t len)
{
	struct record *r = arg;

	memcpy(r->ip[r->sent % 16], ip, len);
	r->len[r->sent % 16] = len;
	r->sent++;
}

static void
done(void *arg, const struct probe_request *request, enum probe_result result)
{
	struct record *r = arg;

	(void)request;
	r->done++;
	r->result = result;
}

static const struct prober_ops ops = {.emit = emit, .done = done};

static struct probe_request
request_to(const char *src, const char *dst)
{
	struct probe_request r = {
		.sport_be = htons(4097), .dport_be = htons(80), .isn = 1000, .timeout_ms = 10000};

	EXPECT(ip_addr_parse(src, &r.src) && ip_addr_parse(dst, &r.dst));
	return r;
}

/* The target's answer to the last SYN. */
static struct packet
answer(const struct probe_request *r, uint8_t flags, uint32_t ack, uint8_t *buf)
{
	struct packet p = {.l3 = buf, .proto = IPPROTO_TCP, .src = r->dst, .dst = r->src};

	p.af = ip_addr_family(&r->src);
	p.l4_off = p.af == 4 ? 20 : 40;
	p.sport_be = r->dport_be;
	p.dport_be = r->sport_be;
	memset(buf, 0, 80);
	buf[p.l4_off + TCP_FLAGS] = flags;
	bytes_store_be32(buf + p.l4_off + TCP_SEQ, 7777);
	bytes_store_be32(buf + p.l4_off + TCP_ACK, ack);
	return p;
}

static uint8_t
flags_of(const struct record *r, unsigned i)
{
	return r->ip[i][(r->ip[i][0] >> 4 == 4 ? 20 : 40) + TCP_FLAGS];
}

static int
checksum_is_right(const uint8_t *ip, uint16_t len)
{
	size_t head = ip[0] >> 4 == 4 ? 20 : 40, addr = head == 20 ? 4 : 16;
	size_t src = head == 20 ? IPV4_SRC : IPV6_SRC;
	uint64_t sum = checksum_pseudo(ip + src, ip + src + addr, addr, IPPROTO_TCP,
				       (uint32_t)(len - head));

	return checksum_fold(checksum_add(sum, ip + head, len - head)) == 0xffff &&
	       (head == 40 || checksum(ip, 20) == 0);
}

static void
test_results(void)
{
	static const struct {
		const char *why;
		uint8_t flags;
		uint32_t ack;
		unsigned done;
		enum probe_result result;
		unsigned sent;
	} rows[] = {
		{"SYN-ACK: ACK and RST follow", TCP_FLAG_SYN | TCP_FLAG_ACK, 1001, 1,
		 PROBE_CONNECTED, 3},
		{"RST with our number", TCP_FLAG_RST | TCP_FLAG_ACK, 1001, 1, PROBE_REFUSED, 1},
		{"RST with a wrong number is forged", TCP_FLAG_RST | TCP_FLAG_ACK, 5, 0, 0, 1},
		{"SYN-ACK of another connection is reset", TCP_FLAG_SYN | TCP_FLAG_ACK, 5, 0, 0, 2},
		{"an ACK without number", TCP_FLAG_RST, 1001, 0, 0, 1},
	};
	static const char *const pairs[][2] = {{"192.0.2.1", "192.0.2.2"},
					       {"2001:db8::1", "2001:db8::2"}};

	for (size_t f = 0; f < 2; f++) {
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct record r = {0};
			struct prober *prober = prober_create(&ops, &r);
			struct probe_request request = request_to(pairs[f][0], pairs[f][1]);
			uint8_t buf[80];
			struct packet p = answer(&request, rows[i].flags, rows[i].ack, buf);

			EXPECT(!prober_input(prober, &p));
			prober_start(prober, &request, 0);
			EXPECT(r.sent == 1 && flags_of(&r, 0) == TCP_FLAG_SYN);
			EXPECT(checksum_is_right(r.ip[0], r.len[0]));
			EXPECT_ROW(rows[i].why, prober_input(prober, &p));
			EXPECT_ROW(rows[i].why, r.done == rows[i].done && r.sent == rows[i].sent);
			if (rows[i].done != 0)
				EXPECT_ROW(rows[i].why, r.result == rows[i].result);
			if (r.sent == 3) {
				EXPECT(flags_of(&r, 1) == TCP_FLAG_ACK);
				EXPECT(flags_of(&r, 2) == (TCP_FLAG_RST | TCP_FLAG_ACK));
				EXPECT(checksum_is_right(r.ip[2], r.len[2]));
			}
			EXPECT(prober_active(prober) == 1 - rows[i].done);
			prober_free(prober);
			EXPECT(r.done == 1);
		}
	}
}

static void
test_silence(uint32_t start_ms)
{
	struct record r = {0};
	struct prober *prober = prober_create(&ops, &r);
	struct probe_request request = request_to("192.0.2.1", "192.0.2.2");

	prober_start(prober, &request, start_ms);
	for (uint32_t t = 0; t < 9990; t += 10)
		prober_tick(prober, start_ms + t);
	EXPECT(r.done == 0);
	EXPECT(r.sent == 4); /* at 0, 1, 3 and 7 s */
	prober_tick(prober, start_ms + 10000);
	EXPECT(r.done == 1 && r.result == PROBE_TIMEOUT);
	EXPECT(prober_active(prober) == 0);
	prober_free(prober);
}

/* Every probe slot can be used, given back and used again; the one too many is refused. */
static void
test_capacity(void)
{
	struct record r = {0};
	struct prober *prober = prober_create(&ops, &r);
	struct probe_request request = request_to("192.0.2.1", "192.0.2.2");

	for (int round = 0; round < 2; round++) {
		unsigned before = r.done;

		for (unsigned i = 0; i < PROBER_PROBES; i++) {
			request.sport_be = htons((uint16_t)(1024 + i));
			prober_start(prober, &request, 0);
		}
		EXPECT(r.done == before);
		prober_start(prober, &request, 0);
		EXPECT(r.done == before + 1 && r.result == PROBE_NOT_SENT);
		prober_tick(prober, 10000);
		EXPECT(r.done == before + 1 + PROBER_PROBES);
	}
	prober_free(prober);
}

int
main(void)
{
	test_results();
	test_silence(0);
	test_silence(UINT32_MAX - 5000); /* over the wrap of the clock */
	test_capacity();
	return unit_done();
}
