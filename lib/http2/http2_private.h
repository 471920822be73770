/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection, its streams and what they share. */
#ifndef HTTP2_PRIVATE_H
#define HTTP2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include <string.h>

#include "http2.h"
#include "http2_fields.h"
#include "http2_guard.h"
#include "http2_head.h"
#include "http_body.h"

struct http2_pool {
	struct chain_pool *chains;
	struct http2_gauge gauge;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;
	/* One of everything: a head is read and written within one call. */
	struct http2_head head;
	struct http2_fields fields;
	struct http_field parsed[HTTP_FIELDS_MAX];
	struct http_request request;
	struct http_response response;
	uint8_t text[HTTP_OWN_HEAD_MAX + HTTP_TRAILERS_LEN_MAX];
	uint8_t block[HTTP2_BLOCK_MAX];           /* one that did not come in one piece */
	char chunk_lines[HTTP2_FRAME_MAX + 1][8]; /* "1f\r\n", of every size */
};

struct http2 {
	struct http2_pool *pool;
	struct http2_config config;
	void *user;
	nghttp2_session *session;
	struct http2_guard guard;
	uint32_t now_ms;
	uint32_t memory;
	uint8_t end;  /* enum http2_end */
	bool dead;    /* nghttp2 can't go on: nothing is read or written any more */
	bool closing; /* GOAWAY ends it: nothing is read any more */
	bool input_ended;
	bool settled;  /* the peer's SETTINGS have come */
	bool draining; /* the first GOAWAY was asked for */
	bool drained;  /* the last */
	uint32_t drain_since_ms;
	uint64_t requests_n;
	uint32_t streams_n;
	uint32_t shared_left; /* of shared_window */

	struct chain in; /* taken, not read */
	uint16_t in_room;
	const struct span *in_span;   /* that nghttp2 reads */
	bool data_begins;             /* no payload of this DATA frame came yet */
	struct http2_stream *section; /* whose fields come */

	struct chain *out; /* of http2_write() */
	uint16_t out_room;
	uint32_t out_max;
	const uint8_t *unwritten; /* what nghttp2 wrote and no buffer was there for */
	uint32_t unwritten_len;

	struct http2_stream *streams; /* all */
	struct http2_stream *first_event, *last_event;
};

/* Worth copying: a reference would pin many times what it carries. */
static inline bool
http2_is_crumb(uint32_t len, uint32_t charge)
{
	return len < charge / 4;
}

/* How far a message is, in either direction. */
enum http2_phase {
	HTTP2_PHASE_HEAD, /* or behind an interim one */
	HTTP2_PHASE_BODY,
	HTTP2_PHASE_DONE,
};

struct http2_stream {
	struct http2 *h;
	void *user;
	int32_t id; /* 0: not submitted */
	struct http2_stream *next, *prev, *next_event;
	uint32_t events;
	bool pending; /* in the list of events */
	bool orphan;  /* closed by the caller */
	bool closed;  /* nghttp2 knows it no more */
	bool reset;   /* RST_STREAM was received or is asked for */
	bool told;    /* the last event was */
	bool unprocessed;
	uint8_t code; /* enum http2_code, of the reset */
	uint8_t method_id;
	uint8_t interims; /* responses in front of the final one */

	/* What comes. */
	uint8_t in_phase; /* enum http2_phase */
	bool in_chunked, in_has_length, in_none, in_chunk_open;
	bool tunnel;        /* asked for */
	bool tunnel_open;   /* and granted */
	struct chain early; /* payload that came before that: no HTTP, must not be read as one */
	uint16_t early_room;
	struct chain received;
	uint16_t received_room;
	uint64_t in_left;  /* bytes of a body with a length; else of the open chunk */
	uint32_t held;     /* payload received and not taken */
	uint32_t window;   /* of the stream */
	uint32_t returned; /* payload taken since it was widened */

	/* What goes. */
	uint8_t out_phase;
	bool out_begun;      /* a head was written */
	bool out_whole;      /* all of the message was sent here */
	bool out_written;    /* and written, END_STREAM too */
	bool deferred;       /* nghttp2 waits for payload */
	struct chain unread; /* of a head */
	struct chain queue;  /* payload */
	uint16_t queue_room;
	struct http_body out_body;
	struct chain trailers; /* section that was sent, as text */
	uint16_t trailers_room;
};

/* http2_memory.c */

/** Allocator of a connection: counted, bounded by memory_max. */
nghttp2_mem http2_memory_of(struct http2 *h);
void *http2_alloc(struct http2 *h, size_t size); /* zeroed; NULL */
void http2_dealloc(struct http2 *h, void *p);

/* http2_session.c */

/** @return  false without memory. */
bool http2_session_prepare(struct http2_pool *pool);
void http2_session_forget(struct http2_pool *pool);

/* http2_input.c: what comes on streams. */

int http2_input_begin(struct http2 *h, const nghttp2_frame *frame);
void http2_input_field(struct http2 *h, struct http_text name, struct http_text value);
void http2_input_section(struct http2 *h, const nghttp2_frame *frame);
void http2_input_data(struct http2 *h, struct http2_stream *s, const uint8_t *bytes, uint32_t len);
void http2_input_end(struct http2 *h, struct http2_stream *s);

/** What was asked for is granted, or never will be. */
void http2_input_open_tunnel(struct http2_stream *s);
void http2_input_refuse_tunnel(struct http2_stream *s);

/** Payload that nobody takes any more: the connection's window opens. */
void http2_input_drop(struct http2 *h, uint32_t len);

/* http2_output.c: what is sent on streams. */

/** DATA of a stream, its header already made. @return 0 or NGHTTP2_ERR_.... */
int http2_output_write(struct http2_stream *s, const uint8_t *header, size_t len);

/** END_STREAM was written. */
void http2_output_ended(struct http2_stream *s);

/** Append to what is being written. @return false without buffers. */
bool http2_output_copy(struct http2 *h, const uint8_t *bytes, uint32_t len);

/* http2_stream.c */

struct http2_stream *http2_stream_create(struct http2 *h);
void http2_stream_event(struct http2_stream *s, uint32_t events);
/** nghttp2 has closed it. */
void http2_stream_over(struct http2_stream *s, enum http2_code code);
/** nghttp2 could not send a head, `begins`: which would have opened it. */
void http2_stream_unsent(struct http2_stream *s, bool begins, int error);
/** Reset it, and say so to its owner. */
void http2_stream_fail(struct http2_stream *s, enum http2_code code);
/** What the peer said can't stand. */
void http2_stream_malformed(struct http2_stream *s);
/** The connection ends: nothing more comes or goes. */
void http2_stream_abandon(struct http2_stream *s, enum http2_code code);
void http2_stream_destroy(struct http2_stream *s);

/* http2.c */

void http2_end_for(struct http2 *h, enum http2_end end); /* the first reason stands */
void http2_count_request(struct http2 *h);
void http2_on_stream_gone(struct http2 *h);
void http2_on_ping_ack(struct http2 *h);
void http2_on_goaway_sent(struct http2 *h, uint32_t code);

#endif
