/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_cookie.h"

#include <string.h>

#include "tcp_engine.h"

#define PERIOD_MS   64000u
#define SCALE_NONE  15u
#define OPTION_BITS 5
#define OPTION_MASK ((1u << OPTION_BITS) - 1)
#define OPTION_SACK 16u
#define MSS_BITS    7u
#define PERIOD_BIT  8u

/* Frequent ones, each standing for itself and what is above it (RFC 4987's table, by survey). */
static const uint16_t mss_table[8] = {216, 536, 1220, 1360, 1400, 1440, 1460, 8960};

static uint32_t
mac(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs, uint32_t period,
    uint32_t mss_index)
{
	uint8_t bytes[48];

	memcpy(bytes, tuple->local.b, 16);
	memcpy(bytes + 16, tuple->remote.b, 16);
	memcpy(bytes + 32, &tuple->local_port_be, 2);
	memcpy(bytes + 34, &tuple->remote_port_be, 2);
	memcpy(bytes + 36, &irs, 4);
	memcpy(bytes + 40, &period, 4);
	memcpy(bytes + 44, &mss_index, 4);
	return (uint32_t)siphash(&tcp->cookie_key, bytes, sizeof(bytes)) & ~(MSS_BITS | PERIOD_BIT);
}

static uint32_t
cookie(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs, uint32_t period,
       uint32_t mss_index)
{
	return mac(tcp, tuple, irs, period, mss_index) | mss_index |
	       ((period & 1) != 0 ? PERIOD_BIT : 0);
}

uint32_t
tcp_cookie_make(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs, uint16_t mss)
{
	uint32_t i = ARRAY_N(mss_table) - 1;

	if (mss == 0)
		mss = tuple->af == 4 ? TCP_MSS_DEFAULT_V4 : TCP_MSS_DEFAULT_V6;
	while (i > 0 && mss_table[i] > mss)
		i--;
	return cookie(tcp, tuple, irs, tcp->now_ms / PERIOD_MS, i);
}

bool
tcp_cookie_check(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs, uint32_t iss,
		 uint16_t *mss)
{
	uint32_t period = tcp->now_ms / PERIOD_MS, i = iss & MSS_BITS;

	/* This period or the last: the bit says which. */
	if ((period & 1) != ((iss & PERIOD_BIT) != 0))
		period--;
	if (cookie(tcp, tuple, irs, period, i) != iss)
		return false;
	*mss = mss_table[i];
	return true;
}

uint32_t
tcp_cookie_timestamp(uint32_t tsval, uint8_t has, uint8_t scale)
{
	uint32_t options = (has & TCP_HAS_SCALE) != 0 ? scale : SCALE_NONE;
	uint32_t ts;

	if ((has & TCP_HAS_SACK_PERMITTED) != 0)
		options |= OPTION_SACK;
	ts = (tsval & ~OPTION_MASK) | options;
	return ts - tsval <= OPTION_MASK && ts != tsval ? ts - OPTION_MASK - 1 : ts;
}

void
tcp_cookie_options(uint32_t tsecr, uint8_t *has, uint8_t *scale)
{
	*scale = tsecr & 15;
	if (*scale != SCALE_NONE)
		*has |= TCP_HAS_SCALE;
	else
		*scale = 0;
	if ((tsecr & OPTION_SACK) != 0)
		*has |= TCP_HAS_SACK_PERMITTED;
}
