/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_mss.h"

#include "bytes.h"
#include "checksum.h"
#include "wire.h"

void
tcp_mss_clamp(struct packet *p, uint16_t limit)
{
	uint8_t *tcp = packet_l4(p);
	uint8_t *option = tcp + TCP_MIN_LEN, *end = tcp + (tcp[TCP_OFF] >> 4) * 4;

	while (option < end && option[0] != TCP_OPTION_END) {
		if (option[0] == TCP_OPTION_NOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return;
		if (option[0] == TCP_OPTION_MSS && option[1] == 4) {
			uint16_t mss = bytes_load_be16(option + 2);
			uint16_t before = bytes_load16(option + 2);
			uint16_t after;

			if (mss <= limit)
				return;
			bytes_store_be16(option + 2, limit);
			after = bytes_load16(option + 2);
			/* At an odd offset its bytes count in the other halves of two words. */
			if ((option - tcp) % 2 != 0) {
				before = __builtin_bswap16(before);
				after = __builtin_bswap16(after);
			}
			bytes_store16(tcp + TCP_CHECKSUM,
				      checksum_apply(bytes_load16(tcp + TCP_CHECKSUM),
						     checksum_diff16(0, before, after)));
			return;
		}
		option += option[1];
	}
}
