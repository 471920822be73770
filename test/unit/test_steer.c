/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <rte_thash.h>

#include "bytes.h"
#include "steer.h"

static const struct secret secret = {{9, 8, 7, 6, 5, 4, 3, 2, 1}};

/* DPDK's own Toeplitz as the oracle; it wants the input as 32-bit words in host order. */
static void
test_against_dpdk(unsigned long long *state)
{
	struct steer steer;

	steer_init(&steer, &secret);
	for (int i = 0; i < 2000; i++) {
		uint8_t input[36];
		uint32_t words[9];

		for (size_t k = 0; k < sizeof(input); k++)
			input[k] = (uint8_t)unit_random(state);
		for (size_t k = 0; k < 9; k++)
			words[k] = bytes_load_be32(input + 4 * k);
		EXPECT(steer_toeplitz(steer.key, input, 36) == rte_softrss(words, 9, steer.key));
		EXPECT(steer_toeplitz(steer.key, input, 12) == rte_softrss(words, 3, steer.key));
	}
}

/* The slot is the low byte of what RSS makes of the client's packets, wherever they go. */
static void
test_slot_is_the_clients_hash(unsigned long long *state)
{
	struct steer steer;

	steer_init(&steer, &secret);
	for (int i = 0; i < 2000; i++) {
		uint8_t input[36];
		struct ip_addr client;
		uint16_t port_be;

		for (size_t k = 0; k < sizeof(input); k++)
			input[k] = (uint8_t)unit_random(state);
		client = ip_addr_from_v6(input);
		memcpy(&port_be, input + STEER_V6_SPORT, 2);
		EXPECT(steer_slot(&steer, &client, port_be) ==
		       (uint8_t)steer_toeplitz(steer.key, input, STEER_V6_LEN));
		client = ip_addr_from_v4(input);
		memcpy(&port_be, input + STEER_V4_SPORT, 2);
		EXPECT(steer_slot(&steer, &client, port_be) ==
		       (uint8_t)steer_toeplitz(steer.key, input, STEER_V4_LEN));
	}
}

/* Each bit of an IPv4 client and each bit of a port counts, and slots come out even. */
static void
test_slots_are_even(unsigned long long *state)
{
	static unsigned seen[256];
	struct steer steer;

	steer_init(&steer, &secret);
	for (unsigned bit = 0; bit < 48; bit++) {
		uint8_t client[4] = {0}, port[2] = {0};
		struct ip_addr addr;
		uint16_t port_be;

		if (bit < 32)
			client[bit / 8] = (uint8_t)(0x80 >> bit % 8);
		else
			port[bit / 8 - 4] = (uint8_t)(0x80 >> bit % 8);
		addr = ip_addr_from_v4(client);
		memcpy(&port_be, port, 2);
		EXPECT(steer_slot(&steer, &addr, port_be) != 0);
	}
	for (int i = 0; i < 256 * 400; i++) {
		uint8_t client[4] = {192, 0, 2, (uint8_t)unit_random(state)};
		struct ip_addr addr = ip_addr_from_v4(client);

		seen[steer_slot(&steer, &addr, (uint16_t)unit_random(state))]++;
	}
	for (int slot = 0; slot < 256; slot++)
		EXPECT(seen[slot] > 280 && seen[slot] < 520);
}

int
main(void)
{
	unsigned long long state = unit_seed(21);

	test_against_dpdk(&state);
	test_slot_is_the_clients_hash(&state);
	test_slots_are_even(&state);
	return unit_done();
}
