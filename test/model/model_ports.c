/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Short connections at 5,000 a second from one local address to one target: no more than 64,512
 * ports, and a closed flow rests 30 s, so most are taken over from flows that are over.  The twin
 * is the target: it keeps each port's last connection and says whether a SYN is one it would take.
 */
#include "nlb_world.h"

#define PER_SECOND 5000
#define SECONDS    16
#define FRONT      0
#define BACK       1

static const char config[] = "[interface front]\ndevice = a\naddress = 192.0.2.1/16\n"
			     "[interface back]\ndevice = b\naddress = 198.51.100.1/24\n"
			     "[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n"
			     "[listener lb:80]\nprotocol = TCP\ndefault_action = forward web\n"
			     "[target_group web]\nprotocol = TCP\ntarget = 198.51.100.11:80\n";

/* What the target remembers of a port: TIME-WAIT, as long as Linux keeps it. */
struct time_wait {
	bool open;
	uint32_t until_s, last_seq;
};

static struct time_wait remembered[65536];

static void
set_seq(struct world_packet *wp, uint32_t seq)
{
	bytes_store_be32(wp->frame + 14 + 20 + TCP_SEQ, seq);
}

/* One connection from SYN to both FINs. @return  false when it was refused. */
static bool
connect_once(struct world *w, unsigned long long *state, uint32_t n, uint32_t now_s)
{
	uint32_t isn = (uint32_t)unit_random(state);
	uint16_t sport = (uint16_t)(1024 + n % 60000);
	struct world_packet out, back;
	struct time_wait *t;
	char client[32];

	snprintf(client, sizeof(client), "192.0.%u.99", 3 + n / 60000);
	world_tcp(&out, client, sport, "192.0.2.10", 80, TCP_FLAG_SYN, 0);
	set_seq(&out, isn);
	if (world_send(w, &out, FRONT) != PACKET_FORWARD) {
		EXPECT(out.p.drop == DROP_PORT_ALLOCATION);
		return false;
	}
	t = &remembered[ntohs(out.p.sport_be)];
	EXPECT(!t->open);
	EXPECT(now_s >= t->until_s || (int32_t)(isn - t->last_seq) > 0);

	world_reply(&back, &out.p, TCP_FLAG_SYN | TCP_FLAG_ACK);
	EXPECT(world_send(w, &back, BACK) == PACKET_FORWARD);
	world_tcp(&out, client, sport, "192.0.2.10", 80, TCP_FLAG_FIN | TCP_FLAG_ACK, 100);
	set_seq(&out, isn + 1);
	EXPECT(world_send(w, &out, FRONT) == PACKET_FORWARD);
	world_reply(&back, &out.p, TCP_FLAG_FIN | TCP_FLAG_ACK);
	EXPECT(world_send(w, &back, BACK) == PACKET_FORWARD);
	*t = (struct time_wait){.until_s = now_s + 60, .last_seq = isn + 1 + 100 + 1};
	return true;
}

int
main(void)
{
	unsigned long long state = unit_seed(23);
	uint32_t connections = PER_SECOND * (uint32_t)unit_rounds(SECONDS), refused = 0, reused = 0;
	struct world w;

	world_begin(&w, config, 262144, UINT32_MAX - 10000);
	for (uint32_t i = 0; i < connections; i++) {
		if (i % (PER_SECOND / 1000) == 0) {
			w.now_ms++;
			nlb_sweep(w.nlb, w.snapshot, w.now_ms);
		}
		refused += !connect_once(&w, &state, i, i / PER_SECOND);
	}
	for (int i = 0; i < 65536; i++)
		reused += remembered[i].until_s != 0;
	printf("%u connections, %u ports, %u refused\n", connections, reused, refused);
	EXPECT(refused == 0 && reused <= 64512);
	EXPECT(w.nlb->flows.in_use <= 64512);
	world_end(&w);
	return unit_done();
}
