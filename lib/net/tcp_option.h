/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of a TCP header that the parser found whole.
 */
#ifndef TCP_OPTION_H
#define TCP_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/** Where the options are; each step goes from one to the next. */
struct tcp_option_walk {
	uint8_t *at, *end;
};

static inline struct tcp_option_walk
tcp_option_begin(uint8_t *tcp)
{
	return (struct tcp_option_walk){tcp + TCP_MIN_LEN, tcp + (tcp[TCP_OFF] >> 4) * 4};
}

/** @return  the next option, whose length byte is right; NULL: no more, or malformed ones. */
static inline uint8_t *
tcp_option_next(struct tcp_option_walk *walk)
{
	uint8_t *option;

	while (walk->at < walk->end && *walk->at == TCP_OPTION_NOP)
		walk->at++;
	option = walk->at;
	if (walk->end - option < 2 || option[0] == TCP_OPTION_END || option[1] < 2 ||
	    option[1] > walk->end - option)
		return NULL;
	walk->at += option[1];
	return option;
}

/** The first option of a kind and length, or NULL. */
static inline uint8_t *
tcp_option_find(uint8_t *tcp, uint8_t kind, uint8_t len)
{
	struct tcp_option_walk walk = tcp_option_begin(tcp);
	uint8_t *option;

	while ((option = tcp_option_next(&walk)) != NULL) {
		if (option[0] == kind && option[1] == len)
			return option;
	}
	return NULL;
}

#endif
