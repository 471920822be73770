/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the proxy: message heads between TCP's chains and HTTP's messages.
 */
#ifndef HEAD_H
#define HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "http.h"
#include "proxy_error.h"

struct exchange;
struct proxy;
struct proxy_answer;
struct proxy_decision;

/** A head that did not come in one piece; no memory until then. */
struct head {
	uint8_t *bytes;
	uint32_t len, room;
	struct http_wait wait; /* for its end */
};

enum head_result { HEAD_MORE, HEAD_DONE, HEAD_BAD };

struct heads;

struct heads *heads_create(void);
void heads_free(struct heads *heads);

void head_free(struct head *head);

/** Read a request's head from what has come. @return HEAD_BAD with why, see proxy_error.h. */
enum head_result head_read_request(struct proxy *proxy, struct head *head, const struct chain *in,
				   uint8_t *error);

/** The request that was read; valid until the bytes that came are given back. */
const struct http_request *head_request(const struct proxy *proxy);
uint32_t head_request_len(const struct proxy *proxy);

/** By its Content-Type: application/grpc, also with a suffix. */
bool head_request_is_grpc(const struct proxy *proxy);

struct head_verdict {
	uint16_t status; /* refuse with this; 0: go on */
	bool close;      /* this request is the connection's last */
	bool expects_continue;
};

/** What HTTP says about the request: framing, keep-alive, desync classification. */
struct head_verdict head_classify_request(struct proxy *proxy, struct exchange *exchange);

/** The same of one that could not be read, for its record. */
void head_classify_refused(struct proxy *proxy, struct exchange *exchange);

/** Write the request as the target is to get it. @return false without memory. */
bool head_write_request(struct proxy *proxy, struct exchange *exchange,
			const struct proxy_decision *decision, struct chain *out);

/** @return HEAD_BAD with why. */
enum head_result head_read_response(struct proxy *proxy, struct head *head, const struct chain *in,
				    enum proxy_error *error);
uint32_t head_response_len(const struct proxy *proxy);

/**
 * Write the response as the client is to get it; nothing for an interim one.
 * @return  false, with why, when it can't be one to this request, or without memory.
 */
bool head_write_response(struct proxy *proxy, struct exchange *exchange, struct chain *out,
			 enum proxy_error *error);

/*
 * Trailers are collected in the head of their sender, which is empty while its body comes; the
 * decoder bounds them (HTTP_TRAILERS_LEN_MAX).
 */

/** @return false without memory. */
bool head_collect_trailers(struct head *head, const uint8_t *bytes, uint32_t len);
/** Parse what was collected. @return false: malformed. */
bool head_read_trailers(struct proxy *proxy, const struct head *head);
/** Write the last chunk with those that pass of the trailers read. @return false without memory. */
bool head_write_trailers(struct proxy *proxy, struct chain *out);

/** Write an answer of weir's own, with its body. @return false without memory. */
bool head_write_answer(struct proxy *proxy, struct exchange *exchange,
		       const struct proxy_answer *answer, bool close, struct chain *out);

#endif
