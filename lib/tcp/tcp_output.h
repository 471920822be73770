/* SPDX-License-Identifier: BSD-3-Clause */
/* Of tcp_output.c, for those that open and time. */
#ifndef TCP_OUTPUT_H
#define TCP_OUTPUT_H

#include "tcp_segment.h"

/** A SYN's options; `has` says which, `scale` is ours. */
void tcp_put_syn_options(struct tcp_outgoing *out, uint16_t mss, uint8_t has, uint8_t scale,
			 uint32_t tsval, uint32_t tsecr);

/** RFC 6928; one segment when the SYN was lost. */
uint32_t tcp_initial_window(const struct tcp_connection *c);

/** The window was closed, or open by little, for long: a probe, or what little it takes. */
void tcp_send_forced(struct tcp *tcp, struct tcp_connection *c);

#endif
