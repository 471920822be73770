/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One request and its response, as the service and the logs see it.
 *
 * Strings of the record lie in the exchange's own text buffer, so that they outlive the message
 * they came from; what doesn't fit is cut.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "http_write.h"
#include "tcp.h"

#define PROXY_TEXT_MAX 2048

/** Bytes [at, at + len) of the exchange's text. */
struct proxy_text {
	uint16_t at, len;
};

/** How an exchange ended short of a complete response. */
enum proxy_end {
	PROXY_END_COMPLETE,
	PROXY_END_CLIENT_CLOSED,  /* 460: RST or FIN of the client while the request was pending */
	PROXY_END_TARGET_FAILED,  /* after the status line had been sent */
	PROXY_END_CLIENT_TIMEOUT, /* the client stopped reading or sending */
	PROXY_END_SHUTDOWN,
};

/** A connection of a client. */
struct proxy_session_info {
	const struct tcp_tuple *tuple;
	uint32_t frontend; /* reference */
	uint64_t number;   /* of this worker's sessions, unique in the process with the worker */
	uint64_t begun_us; /* accepted, by the worker's clock */
};

/** What the log and the metrics are made of.  Times in microseconds of the worker's clock. */
struct proxy_record {
	uint32_t frontend;      /* reference */
	uint32_t target;        /* reference; 0: none was chosen */
	uint32_t group;         /* index; 0: none */
	uint16_t elb_status;    /* 0: none was sent */
	uint16_t target_status; /* 0: none came */
	uint8_t end;            /* enum proxy_end */
	uint8_t classification; /* http's */
	uint8_t classification_reason;
	uint8_t actions; /* the service's: bits */
	uint8_t retries;
	uint8_t upgraded;         /* to a WebSocket */
	uint8_t http_version;     /* 9, 10, 11 */
	uint8_t transform_status; /* the service's */
	uint8_t invalid_header;   /* a field's name was none of ELB's */
	int32_t rule_priority;    /* 0: the default rule; -1: error before rules; -2: none needed */
	uint64_t created_us;      /* first byte of the request */
	uint64_t received_us;     /* its head was complete */
	uint64_t sent_us;         /* the request began to leave to the target; 0: never */
	uint64_t answered_us;     /* first byte of the response */
	uint64_t ended_us;
	uint64_t received_bytes, sent_bytes; /* of the client's side, heads and bodies */
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
	bool close;                 /* the connection ends behind the response */
	struct proxy_answer answer; /* PROXY_ANSWER */
	struct http_request_edits edits;
};

/** Keep a string. @return where. */
struct proxy_text proxy_keep(struct proxy_exchange *exchange, const void *bytes, size_t len);

#endif
