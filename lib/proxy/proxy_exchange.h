/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request and its response, as the service and the logs see it.
 *
 * Strings of the record lie in the exchange's own text buffer, so that they outlive the message
 * they came from.  Each has a share of it that no other takes away, and what others leave; what
 * doesn't fit is cut, and the string says by how much.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "http_write.h"
#include "proxy_error.h"
#include "tcp.h"

struct proxy_surge;
struct tls;

#define PROXY_TEXT_MAX 4096

/* Shares, in the order in which strings are kept. */
#define PROXY_TEXT_METHOD 64
#define PROXY_TEXT_URI    2048
#define PROXY_TEXT_HOST   256
#define PROXY_TEXT_AGENT  448
#define PROXY_TEXT_TRACE  256
#define PROXY_TEXT_ACTION 1024 /* redirect_url, or transformed_host and transformed_uri */

/** Bytes [at, at + len) of the exchange's text, and how many more there were. */
struct proxy_text {
	uint16_t at, len, more;
};

/** A connection of a client. */
struct proxy_session_info {
	const struct tcp_tuple *tuple;
	uint32_t frontend; /* reference */
	uint64_t number;   /* of this worker's sessions, unique in the process with the worker */
	uint64_t begun_us; /* accepted, by the worker's clock */
	uint64_t negotiated_us; /* TLS handshake finished; 0: it did not */
	const struct tls *tls;  /* NULL: none */
};

/** What the log and the metrics are made of.  Times in microseconds of the worker's clock. */
struct proxy_record {
	uint32_t frontend;      /* reference */
	uint32_t target;        /* reference; 0: none was chosen */
	uint32_t group;         /* index; 0: none */
	uint16_t elb_status;    /* 0: none was sent */
	uint16_t target_status; /* 0: none came */
	uint8_t error;          /* why it failed; 0: it did not; see proxy_error.h */
	uint8_t cut;            /* the answer had begun and wasn't completed */
	uint8_t classification; /* http's */
	uint8_t classification_reason;
	uint8_t actions; /* the service's: bits */
	uint8_t retries;
	uint8_t upgraded;         /* to a WebSocket */
	uint8_t http_version;     /* 9, 10, 11, 20 */
	uint8_t grpc;             /* a request of gRPC */
	uint8_t transform_status; /* the service's */
	uint8_t invalid_header;   /* a field's name was none of ELB's */
	int32_t rule_priority;    /* 0: the default rule; -1: error before rules; -2: none needed */
	uint64_t created_us;      /* first byte of the request */
	uint64_t received_us;     /* its head was complete */
	uint64_t sent_us;         /* the request began to leave to the target; 0: never */
	uint64_t answered_us;     /* first byte of the response */
	uint64_t ended_us;
	uint64_t received_bytes, sent_bytes; /* of the client's side, heads and bodies */
	uint64_t received_head_bytes, sent_head_bytes;
	struct proxy_text method, target_uri, host, user_agent, trace_id, redirect_url;
	struct proxy_text transformed_host, transformed_uri;
};

struct proxy_exchange {
	const struct proxy_session_info *session;
	struct proxy_record record;
	char text[PROXY_TEXT_MAX];
	uint32_t text_len;
	uint64_t service[4]; /* the service's own */
};

enum proxy_verdict { PROXY_FORWARD, PROXY_ANSWER };

/** A response of weir's own. */
struct proxy_answer {
	uint16_t status;
	bool close;               /* the connection ends behind it */
	const char *content_type; /* NULL: text/html, with a body that says the status */
	const char *body;
	uint32_t body_len;
	const char *location; /* of redirects, else NULL */
	uint32_t location_len;
};

/** What the service wants of a request. */
struct proxy_decision {
	enum proxy_verdict verdict;
	uint32_t target;            /* PROXY_FORWARD: reference */
	bool http2;                 /* PROXY_FORWARD: which speaks HTTP/2 */
	bool close;                 /* the connection ends behind the response */
	struct proxy_surge *surge;  /* PROXY_FORWARD: its load balancer's; NULL: none */
	uint32_t connections_max;   /* PROXY_FORWARD: to each target; 0: no limit */
	struct proxy_answer answer; /* PROXY_ANSWER */
	struct http_request_edits edits;
};

/** Keep a string, and leave `reserve` bytes for those that follow. @return where. */
struct proxy_text proxy_keep(struct proxy_exchange *exchange, const void *bytes, size_t len,
			     uint32_t reserve);

#endif
