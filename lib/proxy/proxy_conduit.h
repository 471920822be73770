/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Conduits: client connections whose bytes are relayed to a target as they are.
 *
 * Where no HTTP is spoken, a connection of a client has one connection to a target of its own:
 * accepted, TLS agreed on if the listener speaks it, a target chosen, connected to, and then bytes
 * go both ways, at most as far ahead as the slower side takes.  Either side may end before the
 * other: close_notify or FIN of one becomes FIN, behind close_notify where there is TLS, to the
 * other.  FIN without close_notify is an end like any: where a message ends is for those to know
 * who speak the protocol inside.  RST of one side becomes RST to the other.
 *
 * A side that sends a keep-alive has weir send some to both sides: while these are answered,
 * silence doesn't end the conduit.
 *
 * What TLS with the client agreed on by ALPN is what TLS with the target offers.
 *
 * The *service* on top (a network or classic load balancer) chooses the target, and is told what
 * became of it.  Called by the worker whose proxy it is.
 */
#ifndef PROXY_CONDUIT_H
#define PROXY_CONDUIT_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy_exchange.h"
#include "tcp.h"

struct proxy_listener_settings;
struct proxy_surge;

#define PROXY_CONDUIT_PREFIX_MAX 108

/** How a conduit ended. */
enum proxy_conduit_end {
	CONDUIT_END_DONE,         /* both sides have ended */
	CONDUIT_END_HANDSHAKE,    /* the client's TLS: failed, too slow, or given up */
	CONDUIT_END_NO_TARGET,    /* none was chosen */
	CONDUIT_END_RESOURCES,    /* no buffer, connection or source port */
	CONDUIT_END_UNREACHABLE,  /* the target refused, did not answer in time, or has no TLS */
	CONDUIT_END_CLIENT_RESET, /* RST of the client, or no answer any more */
	CONDUIT_END_CLIENT_TLS,   /* the client's records make no sense */
	CONDUIT_END_TARGET_RESET,
	CONDUIT_END_IDLE,        /* no byte for idle_timeout_ms */
	CONDUIT_END_TARGET_LEFT, /* see has_to_end() */
	CONDUIT_END_SPILLOVER,   /* the surge queue was full */
	CONDUIT_END_TARGET_BUSY, /* no connection of the target's became free in time */
};
#define CONDUIT_ENDS (CONDUIT_END_TARGET_BUSY + 1)

/** What the log and the metrics are made of. */
struct proxy_conduit_record {
	struct proxy_session_info session;
	uint32_t target;              /* reference; 0: none was chosen */
	const struct tls *target_tls; /* NULL: none was agreed on */
	uint64_t connecting_us; /* to the target, by the worker's clock; 0: it was not tried */
	uint64_t connected_us;  /* 0: it was not */
	uint64_t sent_us, answered_us; /* first byte of the client, of the target; 0: none */
	uint64_t ended_us;
	uint64_t received_bytes, sent_bytes; /* from and to the client, inside TLS */
	uint8_t end;                         /* enum proxy_conduit_end */
};

/** Who gets a connection, and what stands in front of the client's bytes. */
struct proxy_conduit_choice {
	uint32_t target;           /* reference; 0: nobody, the client is reset */
	uint32_t group;            /* its index, that chose it */
	uint32_t connections_max;  /* to the target; 0: no limit */
	struct proxy_surge *surge; /* its load balancer's; NULL: none */
	uint8_t prefix_len;
	uint8_t prefix[PROXY_CONDUIT_PREFIX_MAX];
};

struct proxy_conduit_service {
	/** Whether connections to this frontend are conduits; the others carry HTTP. */
	bool (*serves)(void *arg, uint32_t frontend);
	/** As those of struct proxy_service; of the settings idle_timeout_ms and tls count. */
	bool (*accepted)(void *arg, const struct proxy_session_info *session,
			 struct proxy_listener_settings *settings);
	void (*rejected)(void *arg, const struct proxy_session_info *session);
	void (*negotiated)(void *arg, const struct proxy_session_info *session);
	/** The client is ready: fill `choice`. */
	void (*choose)(void *arg, const struct proxy_session_info *session,
		       struct proxy_conduit_choice *choice);
	/** A connection to the target was made (TCP_CLOSE_NONE), or why it could not be. */
	void (*reached)(void *arg, uint32_t target, enum tcp_close_reason reason);
	/** A connection to the target was made, but no TLS connection in it. */
	void (*no_tls)(void *arg, uint32_t target);
	/** So many bytes have moved, both ways together. */
	void (*relayed)(void *arg, const struct proxy_conduit_record *record, uint64_t bytes);
	/** Whether connections to its target that began when it did are to be ended. */
	bool (*has_to_end)(void *arg, const struct proxy_conduit_record *record);
	/** It is over; its tuple is valid still. */
	void (*closed)(void *arg, const struct proxy_conduit_record *record);
};

#endif
