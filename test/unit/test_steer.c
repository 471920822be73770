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
		EXPECT(steer_toeplitz(&steer, input, 36) == rte_softrss(words, 9, steer.key));
		EXPECT(steer_toeplitz(&steer, input, 12) == rte_softrss(words, 3, steer.key));
	}
}

static void
test_tables_are_its_low_byte(unsigned long long *state)
{
	struct steer steer;

	steer_init(&steer, &secret);
	for (int i = 0; i < 2000; i++) {
		uint8_t input[18];
		struct ip_addr v4, v6;
		uint16_t port_be;

		for (size_t k = 0; k < sizeof(input); k++)
			input[k] = (uint8_t)unit_random(state);
		v6 = ip_addr_from_v6(input);
		memcpy(&port_be, input + 16, 2);
		EXPECT(steer_slot(&steer, &v6, port_be) ==
		       (uint8_t)steer_toeplitz(&steer, input, 18));
		v4 = ip_addr_from_v4(input);
		memcpy(&port_be, input + 4, 2);
		EXPECT(steer_slot(&steer, &v4, port_be) ==
		       (uint8_t)steer_toeplitz(&steer, input, 6));
	}
}

int
main(void)
{
	unsigned long long state = unit_seed(21);

	test_against_dpdk(&state);
	test_tables_are_its_low_byte(&state);
	return unit_done();
}
