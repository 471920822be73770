/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames that break RFC 9113 or RFC 7541, and the error each gets: of the stream or of the
 * connection, of the right kind.  Rows follow the sections.
 */
#include "http2_world.h"

enum outcome {
	NOTHING, /* the connection goes on and answers nothing bad */
	STREAM,  /* RST_STREAM on stream 1 with the code, the connection goes on */
	CONNECTION,
};

/* Frames in hexadecimal are tedious: rows write them by a function. */
typedef void (*row_writer)(struct h2_bytes *b);

#define NO_PAYLOAD NULL, 0

static void
frame(struct h2_bytes *b, uint8_t type, uint8_t flags, uint32_t stream, const char *payload,
      uint32_t len)
{
	h2_frame(b, type, flags, stream, payload, len);
}

#define ROW(name, ...)                       \
	static void name(struct h2_bytes *b) \
	{                                    \
		__VA_ARGS__                  \
	}
#define OPEN       h2_headers(b, 1, 0, H2_POST);
#define HALF       h2_headers(b, 1, H2_END_STREAM, H2_GET);
#define RESET(id)  frame(b, HTTP2_FRAME_RST_STREAM, 0, id, "\0\0\0\x8", 4);
#define F(...)     frame(b, __VA_ARGS__);
#define GET_BLOCK  "\x82\x87\x84" /* :method GET, :scheme https, :path / */
#define BYTES_N(s) s, sizeof(s) - 1

/* clang-format off */
/* 4: frames */
ROW(data_too_long, static char big[16385]; OPEN F(HTTP2_FRAME_DATA, 0, 1, big, sizeof(big)))
ROW(headers_too_long, static char big[16385]; F(HTTP2_FRAME_HEADERS, 4, 1, big, sizeof(big)))
ROW(settings_too_long, static char big[16386]; F(HTTP2_FRAME_SETTINGS, 0, 0, big, sizeof(big)))
ROW(unknown_type, F(0x16, 0xff, 0, BYTES_N("whatever")))
ROW(unknown_flags, F(HTTP2_FRAME_PING, 0xfe, 0, BYTES_N("12345678")))
ROW(reserved_bit, F(HTTP2_FRAME_PING, 0, 0x80000000u, BYTES_N("12345678")))
ROW(unknown_in_block, F(HTTP2_FRAME_HEADERS, 1, 1, BYTES_N(GET_BLOCK)) F(0x16, 0, 0, NO_PAYLOAD))
/* 4.3: field sections */
ROW(block_invalid, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N("\x40\x01\xff\xff\xff\xff\xff\xff")))
ROW(block_of_priority, F(HTTP2_FRAME_HEADERS, 1, 1, BYTES_N(GET_BLOCK)) F(HTTP2_FRAME_PRIORITY, 0, 1, BYTES_N("\0\0\0\0\1")))
ROW(block_of_another, F(HTTP2_FRAME_HEADERS, 1, 1, BYTES_N(GET_BLOCK)) F(HTTP2_FRAME_HEADERS, 5, 3, BYTES_N(GET_BLOCK)))
/* 5.1: states */
ROW(idle_data, F(HTTP2_FRAME_DATA, 1, 1, BYTES_N("x")))
ROW(idle_reset, RESET(1))
ROW(idle_window, F(HTTP2_FRAME_WINDOW_UPDATE, 0, 1, BYTES_N("\0\0\0\1")))
ROW(idle_continuation, F(HTTP2_FRAME_CONTINUATION, 4, 1, BYTES_N(GET_BLOCK)))
ROW(half_data, HALF F(HTTP2_FRAME_DATA, 1, 1, BYTES_N("x")))
ROW(half_headers, HALF h2_headers(b, 1, H2_END_STREAM, H2_GET);)
ROW(half_continuation, HALF F(HTTP2_FRAME_CONTINUATION, 4, 1, BYTES_N(GET_BLOCK)))
ROW(half_window, HALF F(HTTP2_FRAME_WINDOW_UPDATE, 0, 1, BYTES_N("\0\0\0\1")))
ROW(closed_data, HALF RESET(1) F(HTTP2_FRAME_DATA, 1, 1, BYTES_N("x")))
ROW(closed_headers, HALF RESET(1) h2_headers(b, 1, H2_END_STREAM, H2_GET);)
ROW(closed_continuation, HALF RESET(1) F(HTTP2_FRAME_CONTINUATION, 4, 1, BYTES_N(GET_BLOCK)))
ROW(closed_window, HALF RESET(1) F(HTTP2_FRAME_WINDOW_UPDATE, 0, 1, BYTES_N("\0\0\0\1")))
ROW(closed_reset, HALF RESET(1) RESET(1))
ROW(id_even, h2_headers(b, 2, H2_END_STREAM, H2_GET);)
ROW(id_lower, h2_headers(b, 5, H2_END_STREAM, H2_GET); h2_headers(b, 3, H2_END_STREAM, H2_GET);)
/* 5.3: priority */
ROW(headers_on_itself, F(HTTP2_FRAME_HEADERS, 5 | H2_PRIORITY, 1, BYTES_N("\0\0\0\1\1" GET_BLOCK)))
/* 6.1: DATA */
ROW(data_zero, OPEN F(HTTP2_FRAME_DATA, 1, 0, BYTES_N("x")))
ROW(data_padding, OPEN F(HTTP2_FRAME_DATA, 1 | H2_PADDED, 1, BYTES_N("\x06" "12345")))
ROW(data_padding_all, OPEN F(HTTP2_FRAME_DATA, 1 | H2_PADDED, 1, BYTES_N("\x05" "12345")))
ROW(data_no_pad_length, OPEN F(HTTP2_FRAME_DATA, 1 | H2_PADDED, 1, NO_PAYLOAD))
/* 6.2: HEADERS */
ROW(headers_zero, F(HTTP2_FRAME_HEADERS, 5, 0, BYTES_N(GET_BLOCK)))
ROW(headers_padding, F(HTTP2_FRAME_HEADERS, 5 | H2_PADDED, 1, BYTES_N("\x08" GET_BLOCK)))
ROW(headers_no_priority, F(HTTP2_FRAME_HEADERS, 5 | H2_PRIORITY, 1, BYTES_N("\0\0\0")))
/* 6.3: PRIORITY */
ROW(priority_zero, F(HTTP2_FRAME_PRIORITY, 0, 0, BYTES_N("\0\0\0\0\1")))
ROW(priority_length, HALF F(HTTP2_FRAME_PRIORITY, 0, 1, BYTES_N("\0\0\0\1")))
ROW(priority_idle, F(HTTP2_FRAME_PRIORITY, 0, 7, BYTES_N("\0\0\0\0\1")))
/* 6.4: RST_STREAM */
ROW(reset_zero, RESET(0))
ROW(reset_length, OPEN F(HTTP2_FRAME_RST_STREAM, 0, 1, BYTES_N("\0\0\1")))
/* 6.5: SETTINGS */
ROW(settings_ack_payload, F(HTTP2_FRAME_SETTINGS, H2_ACK, 0, BYTES_N("\0\1\0\0\0\0")))
ROW(settings_stream, F(HTTP2_FRAME_SETTINGS, 0, 1, NO_PAYLOAD))
ROW(settings_length, F(HTTP2_FRAME_SETTINGS, 0, 0, BYTES_N("\0\1\0")))
ROW(settings_push, F(HTTP2_FRAME_SETTINGS, 0, 0, BYTES_N("\0\2\0\0\0\2")))
ROW(settings_window, F(HTTP2_FRAME_SETTINGS, 0, 0, BYTES_N("\0\4\x80\0\0\0")))
ROW(settings_frame_small, F(HTTP2_FRAME_SETTINGS, 0, 0, BYTES_N("\0\5\0\0\x3f\xff")))
ROW(settings_frame_large, F(HTTP2_FRAME_SETTINGS, 0, 0, BYTES_N("\0\5\x01\0\0\0")))
ROW(settings_unknown, F(HTTP2_FRAME_SETTINGS, 0, 0, BYTES_N("\x7f\x7f\0\0\0\1")))
ROW(settings_overflow, HALF F(HTTP2_FRAME_WINDOW_UPDATE, 0, 1, BYTES_N("\x7f\xff\0\0")) F(HTTP2_FRAME_SETTINGS, 0, 0, BYTES_N("\0\4\x7f\xff\xff\xff")))
/* 6.6: PUSH_PROMISE */
ROW(push, OPEN F(HTTP2_FRAME_PUSH_PROMISE, 4, 1, BYTES_N("\0\0\0\2" GET_BLOCK)))
/* 6.7: PING */
ROW(ping_stream, F(HTTP2_FRAME_PING, 0, 1, BYTES_N("12345678")))
ROW(ping_length, F(HTTP2_FRAME_PING, 0, 0, BYTES_N("123456")))
ROW(ping_ack, F(HTTP2_FRAME_PING, H2_ACK, 0, BYTES_N("12345678")))
/* 6.8: GOAWAY */
ROW(goaway_stream, F(HTTP2_FRAME_GOAWAY, 0, 1, BYTES_N("\0\0\0\0\0\0\0\0")))
ROW(goaway_length, F(HTTP2_FRAME_GOAWAY, 0, 0, BYTES_N("\0\0\0\0")))
/* 6.9: WINDOW_UPDATE */
ROW(window_zero, F(HTTP2_FRAME_WINDOW_UPDATE, 0, 0, BYTES_N("\0\0\0\0")))
ROW(window_zero_stream, OPEN F(HTTP2_FRAME_WINDOW_UPDATE, 0, 1, BYTES_N("\0\0\0\0")))
ROW(window_length, F(HTTP2_FRAME_WINDOW_UPDATE, 0, 0, BYTES_N("\0\0\1")))
ROW(window_overflow, F(HTTP2_FRAME_WINDOW_UPDATE, 0, 0, BYTES_N("\x7f\xff\xff\xff")))
ROW(window_overflow_stream, OPEN F(HTTP2_FRAME_WINDOW_UPDATE, 0, 1, BYTES_N("\x7f\xff\xff\xff")))
/* 6.10: CONTINUATION */
ROW(continuation, F(HTTP2_FRAME_HEADERS, 1, 1, BYTES_N("\x82")) F(HTTP2_FRAME_CONTINUATION, 0, 1, BYTES_N("\x87")) F(HTTP2_FRAME_CONTINUATION, 4, 1, BYTES_N("\x84")))
ROW(continuation_zero, F(HTTP2_FRAME_HEADERS, 1, 1, BYTES_N(GET_BLOCK)) F(HTTP2_FRAME_CONTINUATION, 4, 0, BYTES_N("\x84")))
ROW(continuation_another, F(HTTP2_FRAME_HEADERS, 1, 1, BYTES_N(GET_BLOCK)) F(HTTP2_FRAME_CONTINUATION, 4, 3, BYTES_N("\x84")))
ROW(continuation_after_end, OPEN F(HTTP2_FRAME_CONTINUATION, 4, 1, BYTES_N("\x84")))
ROW(continuation_after_data, OPEN F(HTTP2_FRAME_DATA, 0, 1, BYTES_N("x")) F(HTTP2_FRAME_CONTINUATION, 4, 1, BYTES_N("\x84")))
/* 8.1: messages */
#define REQUEST(name, fields) ROW(name, h2_headers(b, 1, H2_END_STREAM, fields);)
#define LINES ":method=GET\n:scheme=https\n:path=/\n"
ROW(trailers_no_end, OPEN h2_headers(b, 1, 0, "a=b\n");)
ROW(trailers_pseudo, OPEN h2_headers(b, 1, H2_END_STREAM, ":path=/\n");)
ROW(trailers_length, OPEN h2_headers(b, 1, H2_END_STREAM, "content-length=1\n");)
ROW(trailers_connection, OPEN h2_headers(b, 1, H2_END_STREAM, "transfer-encoding=chunked\n");)
REQUEST(upper_case, LINES "X-A=b\n")
REQUEST(name_blank, LINES "a b=c\n")
REQUEST(name_colon, LINES "a:b=c\n")
REQUEST(name_not_ascii, LINES "a\xc3\xa9=c\n")
ROW(name_empty, struct h2_bytes *k = b; static struct h2_bytes block; block.len = 0; h2_fields(&block, LINES); h2_field(&block, "", "x"); h2_frame(k, HTTP2_FRAME_HEADERS, 5, 1, block.at, block.len);)
REQUEST(value_cr, LINES "a=b\rc\n")
ROW(value_lf, static struct h2_bytes block; block.len = 0; h2_fields(&block, LINES); h2_field(&block, "a", "b\r\nc: d"); h2_frame(b, HTTP2_FRAME_HEADERS, 5, 1, block.at, block.len);)
ROW(value_nul, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N(GET_BLOCK "\0\1a\3b\0c")))
REQUEST(value_blank_before, LINES "a= b\n")
REQUEST(value_blank_behind, LINES "a=b\t\n")
REQUEST(value_control, LINES "a=b\x01" "c\n")
REQUEST(path_line_feed, ":method=GET\n:scheme=https\n:path=/ HTTP/1.1\r\r\n")
REQUEST(path_blank, ":method=GET\n:scheme=https\n:path=/a b\n")
REQUEST(path_fragment, ":method=GET\n:scheme=https\n:path=/a#b\n")
REQUEST(path_empty, ":method=GET\n:scheme=https\n:path=\n")
REQUEST(path_relative, ":method=GET\n:scheme=https\n:path=a\n")
REQUEST(path_absolute, ":method=GET\n:scheme=https\n:path=http://b/\n")
REQUEST(path_star, ":method=GET\n:scheme=https\n:path=*\n")
REQUEST(method_blank, ":method=GET / HTTP/1.1\n:scheme=https\n:path=/\n")
REQUEST(method_empty, ":method=\n:scheme=https\n:path=/\n")
REQUEST(scheme_odd, ":method=GET\n:scheme=https://a/?\n:path=/\n")
REQUEST(authority_user, LINES ":authority=u:p@a\n")
REQUEST(authority_blank, LINES ":authority=a b\n")
REQUEST(authority_empty, LINES ":authority=\n")
REQUEST(authority_path, LINES ":authority=a/b\n")
REQUEST(host_other, LINES ":authority=a\nhost=b\n")
REQUEST(host_twice, LINES "host=a\nhost=a\n")
REQUEST(host_bad, LINES "host=a b\n")
/* 8.2.2: of the connection */
REQUEST(field_connection, LINES "connection=close\n")
REQUEST(field_keep_alive, LINES "keep-alive=1\n")
REQUEST(field_proxy_connection, LINES "proxy-connection=close\n")
REQUEST(field_coding, LINES "transfer-encoding=chunked\n")
REQUEST(field_upgrade, LINES "upgrade=h2c\n")
REQUEST(field_te, LINES "te=trailers, gzip\n")
/* 8.3: pseudo fields */
REQUEST(pseudo_unknown, LINES ":test=x\n")
REQUEST(pseudo_protocol, ":method=CONNECT\n:scheme=https\n:path=/\n:authority=a\n:protocol=websocket\n")
REQUEST(pseudo_status, LINES ":status=200\n")
REQUEST(pseudo_late, ":method=GET\n:scheme=https\nx=y\n:path=/\n")
REQUEST(method_none, ":scheme=https\n:path=/\n")
REQUEST(scheme_none, ":method=GET\n:path=/\n")
REQUEST(path_none, ":method=GET\n:scheme=https\n")
REQUEST(method_twice, ":method=GET\n" LINES)
REQUEST(scheme_twice, ":scheme=https\n" LINES)
REQUEST(path_twice, ":path=/\n" LINES)
REQUEST(authority_twice, LINES ":authority=a\n:authority=a\n")
REQUEST(connect_path, ":method=CONNECT\n:authority=a:1\n:path=/\n")
REQUEST(connect_bare, ":method=CONNECT\n")
/* 8.1.1: content-length */
REQUEST(length_end, LINES "content-length=1\n")
ROW(length_short, h2_headers(b, 1, 0, H2_POST "content-length=2\n"); F(HTTP2_FRAME_DATA, 1, 1, BYTES_N("x")))
ROW(length_long, h2_headers(b, 1, 0, H2_POST "content-length=1\n"); F(HTTP2_FRAME_DATA, 1, 1, BYTES_N("xy")))
ROW(length_many, h2_headers(b, 1, 0, H2_POST "content-length=3\n"); F(HTTP2_FRAME_DATA, 0, 1, BYTES_N("xy")) F(HTTP2_FRAME_DATA, 1, 1, BYTES_N("xy")))
ROW(length_zero, h2_headers(b, 1, 0, H2_POST "content-length=0\n"); F(HTTP2_FRAME_DATA, 1, 1, BYTES_N("x")))
ROW(length_trailers, h2_headers(b, 1, 0, H2_POST "content-length=3\n"); F(HTTP2_FRAME_DATA, 0, 1, BYTES_N("xy")) h2_headers(b, 1, 1, "a=b\n");)
REQUEST(length_twice, LINES "content-length=0\ncontent-length=0\n")
REQUEST(length_sign, LINES "content-length=+0\n")
REQUEST(length_list, LINES "content-length=0, 0\n")
REQUEST(length_huge, LINES "content-length=99999999999999999999\n")
REQUEST(length_empty, LINES "content-length=\n")
/* RFC 7541 */
ROW(hpack_index_zero, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N("\x80")))
ROW(hpack_index_beyond, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N("\xbe")))
ROW(hpack_name_beyond, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N("\x7f\x20\1x")))
ROW(hpack_integer, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f")))
ROW(hpack_size_large, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N("\x3f\xe2\x1f" GET_BLOCK)))
ROW(hpack_size_late, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N(GET_BLOCK "\x20")))
ROW(hpack_size, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N("\x20\x3f\xe1\x1f" GET_BLOCK)))
ROW(hpack_huffman_long, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N(GET_BLOCK "\0\1a\x82\x1f\xff\xff")))
ROW(hpack_huffman_padding, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N(GET_BLOCK "\0\1a\x81\x18")))
ROW(hpack_huffman_eos, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N(GET_BLOCK "\0\1a\x84\xff\xff\xff\xff")))
ROW(hpack_truncated, F(HTTP2_FRAME_HEADERS, 5, 1, BYTES_N(GET_BLOCK "\0\1a\5bc")))

static const struct {
	const char *why;
	row_writer write;
	enum outcome outcome;
	enum http2_code code;
} rows[] = {
	{"4.2 DATA beyond the largest frame", data_too_long, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"4.2 HEADERS beyond it", headers_too_long, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"4.2 SETTINGS beyond it", settings_too_long, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"4.1 an unknown type is ignored", unknown_type, NOTHING, 0},
	{"4.1 unknown flags are", unknown_flags, NOTHING, 0},
	{"4.1 the reserved bit is", reserved_bit, NOTHING, 0},
	{"5.5 an unknown frame within a block", unknown_in_block, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"4.3 a block that can't be decoded", block_invalid, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"4.3 PRIORITY within a block", block_of_priority, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"4.3 HEADERS of another within a block", block_of_another, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1 idle: DATA", idle_data, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1 idle: RST_STREAM", idle_reset, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1 idle: WINDOW_UPDATE", idle_window, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1 idle: CONTINUATION", idle_continuation, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1 half closed: DATA", half_data, CONNECTION, HTTP2_STREAM_CLOSED},
	{"5.1 half closed: HEADERS", half_headers, CONNECTION, HTTP2_STREAM_CLOSED},
	{"5.1 half closed: CONTINUATION", half_continuation, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1 half closed: WINDOW_UPDATE", half_window, NOTHING, 0},
	{"5.1 closed by reset: DATA", closed_data, CONNECTION, HTTP2_STREAM_CLOSED},
	{"5.1 closed by reset: HEADERS", closed_headers, CONNECTION, HTTP2_STREAM_CLOSED},
	{"5.1 closed by reset: CONTINUATION", closed_continuation, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1 closed by reset: WINDOW_UPDATE", closed_window, NOTHING, 0},
	{"5.1 closed by reset: RST_STREAM", closed_reset, NOTHING, 0},
	{"5.1.1 an even identifier", id_even, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.1.1 a lower identifier", id_lower, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"5.3 HEADERS that depend on themselves", headers_on_itself, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.1 DATA on stream 0", data_zero, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.1 more padding than payload", data_padding, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.1 nothing but padding", data_padding_all, NOTHING, 0},
	{"6.1 no pad length", data_no_pad_length, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.2 HEADERS on stream 0", headers_zero, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.2 more padding than payload", headers_padding, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.2 too short for its priority", headers_no_priority, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.3 PRIORITY on stream 0", priority_zero, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.3 PRIORITY of 4 bytes", priority_length, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.3 PRIORITY of an idle stream", priority_idle, NOTHING, 0},
	{"6.4 RST_STREAM on stream 0", reset_zero, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.4 RST_STREAM of 3 bytes", reset_length, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.5 ACK with payload", settings_ack_payload, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.5 SETTINGS on a stream", settings_stream, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.5 SETTINGS of 3 bytes", settings_length, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.5.2 ENABLE_PUSH 2", settings_push, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.5.2 INITIAL_WINDOW_SIZE 2^31", settings_window, CONNECTION, HTTP2_FLOW_CONTROL_ERROR},
	{"6.5.2 MAX_FRAME_SIZE 16383", settings_frame_small, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.5.2 MAX_FRAME_SIZE 2^24", settings_frame_large, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.5.2 an unknown setting is ignored", settings_unknown, NOTHING, 0},
	/* The RFC says connection; nghttp2 resets the streams whose windows they are. */
	{"6.9.2 a window beyond 2^31-1 by SETTINGS", settings_overflow, STREAM, HTTP2_FLOW_CONTROL_ERROR},
	{"6.6 PUSH_PROMISE of a client", push, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.7 PING on a stream", ping_stream, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.7 PING of 6 bytes", ping_length, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.7 an ACK nobody asked for", ping_ack, NOTHING, 0},
	{"6.8 GOAWAY on a stream", goaway_stream, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.8 GOAWAY of 4 bytes", goaway_length, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.9 an increment of 0", window_zero, CONNECTION, HTTP2_PROTOCOL_ERROR},
	/* Allowed to be harder than the RFC's stream error (section 5.4.2). */
	{"6.9 an increment of 0, of a stream", window_zero_stream, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.9 WINDOW_UPDATE of 3 bytes", window_length, CONNECTION, HTTP2_FRAME_SIZE_ERROR},
	{"6.9.1 a window beyond 2^31-1", window_overflow, CONNECTION, HTTP2_FLOW_CONTROL_ERROR},
	{"6.9.1 the same of a stream", window_overflow_stream, STREAM, HTTP2_FLOW_CONTROL_ERROR},
	{"6.10 a block in three frames", continuation, NOTHING, 0},
	{"6.10 CONTINUATION on stream 0", continuation_zero, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.10 CONTINUATION of another stream", continuation_another, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.10 CONTINUATION behind the end", continuation_after_end, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"6.10 CONTINUATION behind DATA", continuation_after_data, CONNECTION, HTTP2_PROTOCOL_ERROR},
	{"8.1 HEADERS in the middle of a body", trailers_no_end, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1 a pseudo field in trailers", trailers_pseudo, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1 a length in trailers", trailers_length, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1 a coding in trailers", trailers_connection, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 upper case in a name", upper_case, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 a blank in a name", name_blank, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 a colon in a name", name_colon, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 a name beyond ASCII", name_not_ascii, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 no name", name_empty, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 CR in a value", value_cr, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 a line end in a value", value_lf, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 NUL in a value", value_nul, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 a blank before a value", value_blank_before, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.1 a tab behind a value", value_blank_behind, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a control character in a value", value_control, STREAM, HTTP2_PROTOCOL_ERROR},
	{"smuggling: a line in :path", path_line_feed, STREAM, HTTP2_PROTOCOL_ERROR},
	{"smuggling: a blank in :path", path_blank, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a fragment in :path", path_fragment, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :path empty", path_empty, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :path without slash", path_relative, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :path with a scheme", path_absolute, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :path * of another method", path_star, STREAM, HTTP2_PROTOCOL_ERROR},
	{"smuggling: a line in :method", method_blank, STREAM, HTTP2_PROTOCOL_ERROR},
	{":method empty", method_empty, STREAM, HTTP2_PROTOCOL_ERROR},
	{"smuggling: more than a scheme in :scheme", scheme_odd, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 user information in :authority", authority_user, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a blank in :authority", authority_blank, STREAM, HTTP2_PROTOCOL_ERROR},
	{":authority empty", authority_empty, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a path in :authority", authority_path, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 Host is another", host_other, STREAM, HTTP2_PROTOCOL_ERROR},
	{"Host twice", host_twice, STREAM, HTTP2_PROTOCOL_ERROR},
	{"Host is none", host_bad, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.2 connection", field_connection, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.2 keep-alive", field_keep_alive, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.2 proxy-connection", field_proxy_connection, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.2 transfer-encoding", field_coding, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.2 upgrade", field_upgrade, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.2.2 te that is not trailers", field_te, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3 an unknown pseudo field", pseudo_unknown, STREAM, HTTP2_PROTOCOL_ERROR},
	{"RFC 8441 that was not offered", pseudo_protocol, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3 one of responses", pseudo_status, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3 one behind a field", pseudo_late, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 no :method", method_none, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 no :scheme", scheme_none, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 no :path", path_none, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :method twice", method_twice, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :scheme twice", scheme_twice, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :path twice", path_twice, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.3.1 :authority twice", authority_twice, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.5 CONNECT with :path", connect_path, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.5 CONNECT to nobody", connect_bare, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1.1 a length, and no body", length_end, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1.1 less than the length", length_short, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1.1 more than the length", length_long, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1.1 more in several frames", length_many, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1.1 more than none", length_zero, STREAM, HTTP2_PROTOCOL_ERROR},
	{"8.1.1 less, then trailers", length_trailers, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a length twice", length_twice, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a length with a sign", length_sign, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a list of lengths", length_list, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a length beyond arithmetic", length_huge, STREAM, HTTP2_PROTOCOL_ERROR},
	{"a length without digits", length_empty, STREAM, HTTP2_PROTOCOL_ERROR},
	{"7541 6.1 index 0", hpack_index_zero, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 2.3.3 an index beyond the tables", hpack_index_beyond, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 2.3.3 a name's index beyond them", hpack_name_beyond, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 5.1 an integer that overflows", hpack_integer, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 6.3 a size above the limit", hpack_size_large, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 4.2 a size at the end of a block", hpack_size_late, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 4.2 sizes at its beginning", hpack_size, NOTHING, 0},
	{"7541 5.2 more padding than 7 bits", hpack_huffman_long, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 5.2 padding that is not of ones", hpack_huffman_padding, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 5.2 EOS in a string", hpack_huffman_eos, CONNECTION, HTTP2_COMPRESSION_ERROR},
	{"7541 5.2 a string that ends early", hpack_truncated, CONNECTION, HTTP2_COMPRESSION_ERROR},
};
/* clang-format on */

static void
close_streams(struct http2 *h)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(h, &events)) != NULL) {
		if ((events & HTTP2_EVENT_RESET) != 0)
			http2_stream_close(s);
	}
}

static void
check_outcome(const struct h2_raw *raw, size_t i)
{
	const struct h2_seen *reset = h2_saw(raw, HTTP2_FRAME_RST_STREAM, 1);
	const struct h2_seen *goaway = h2_saw(raw, HTTP2_FRAME_GOAWAY, 0);

	EXPECT_ROW(rows[i].why, (reset != NULL) == (rows[i].outcome == STREAM));
	EXPECT_ROW(rows[i].why, (goaway != NULL) == (rows[i].outcome == CONNECTION));
	if (reset != NULL)
		EXPECT_ROW(rows[i].why, reset->code == rows[i].code);
	if (goaway != NULL)
		EXPECT_ROW(rows[i].why, goaway->code == rows[i].code);
	EXPECT_ROW(rows[i].why, http2_is_over(raw->h) == (rows[i].outcome == CONNECTION));
	EXPECT_ROW(rows[i].why,
		   (http2_end(raw->h) != HTTP2_END_NONE) == (rows[i].outcome == CONNECTION));
}

/* The connection still serves. */
static void
check_ping(struct h2_raw *raw, size_t i)
{
	static struct h2_bytes b;

	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_PING, 0, 0, "weirweir", 8);
	h2_give(raw, &b, 0);
	h2_read(raw);
	EXPECT_ROW(rows[i].why, h2_saw(raw, HTTP2_FRAME_PING, 0) != NULL);
}

static void
test_rows(uint32_t cut)
{
	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct http2_config config = http2_config_of(HTTP2_SERVER);
		static struct h2_bytes b;
		static struct h2_raw raw;

		h2_raw_begin(&raw, &config);
		b.len = 0;
		h2_preface(&b);
		h2_give(&raw, &b, 0);
		h2_read(&raw);
		b.len = 0;
		rows[i].write(&b);
		h2_give(&raw, &b, cut);
		close_streams(raw.h);
		h2_read(&raw);
		check_outcome(&raw, i);
		if (rows[i].outcome != CONNECTION)
			check_ping(&raw, i);
		h2_raw_end(&raw);
	}
}

/* 3.4: what comes first. */
static void
test_prefaces(void)
{
	static const struct {
		const char *why, *bytes;
		uint32_t len;
		enum http2_end end;
	} prefaces[] = {
		{"HTTP/1.1", BYTES_N("GET / HTTP/1.1\r\n\r\n"), HTTP2_END_PREFACE},
		{"nearly", BYTES_N("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"), HTTP2_END_PREFACE},
		{"no SETTINGS behind it",
		 BYTES_N(HTTP2_PREFACE "\0\0\x8\6\0\0\0\0\0"
				       "12345678"),
		 HTTP2_END_PROTOCOL},
		{"half of it", BYTES_N("PRI * HTTP"), HTTP2_END_NONE},
	};

	for (size_t i = 0; i < ARRAY_N(prefaces); i++) {
		struct http2_config config = http2_config_of(HTTP2_SERVER);
		static struct h2_bytes b;
		static struct h2_raw raw;

		h2_raw_begin(&raw, &config);
		b.len = 0;
		h2_add(&b, prefaces[i].bytes, prefaces[i].len);
		h2_give(&raw, &b, 1);
		h2_read(&raw);
		EXPECT_ROW(prefaces[i].why, http2_end(raw.h) == prefaces[i].end);
		EXPECT_ROW(prefaces[i].why,
			   http2_is_over(raw.h) == (prefaces[i].end != HTTP2_END_NONE));
		h2_raw_end(&raw);
	}
}

/* A target that answers nonsense. */
static const struct {
	const char *why, *fields, *data;
	bool ends;
	enum http2_code code; /* 0: it is taken */
} answers[] = {
	{"a response", ":status=200\n", "x", true, 0},
	{"no :status", "a=b\n", "x", true, HTTP2_PROTOCOL_ERROR},
	{":status twice", ":status=200\n:status=200\n", NULL, true, HTTP2_PROTOCOL_ERROR},
	{":status of two digits", ":status=20\n", NULL, true, HTTP2_PROTOCOL_ERROR},
	{":status 700", ":status=700\n", NULL, true, HTTP2_PROTOCOL_ERROR},
	{":status 101", ":status=101\n", NULL, false, HTTP2_PROTOCOL_ERROR},
	{"an interim one that ends", ":status=100\n", NULL, true, HTTP2_PROTOCOL_ERROR},
	{"DATA behind an interim one", ":status=103\n", "x", false, HTTP2_PROTOCOL_ERROR},
	{"a field of requests", ":status=200\n:path=/\n", NULL, true, HTTP2_PROTOCOL_ERROR},
	{"transfer-encoding", ":status=200\ntransfer-encoding=chunked\n", NULL, true,
	 HTTP2_PROTOCOL_ERROR},
	{"te", ":status=200\nte=trailers\n", NULL, true, HTTP2_PROTOCOL_ERROR},
	{"host", ":status=200\nhost=a\n", NULL, true, HTTP2_PROTOCOL_ERROR},
	{"a body behind 204", ":status=204\n", "x", true, HTTP2_PROTOCOL_ERROR},
	{"a body behind 304", ":status=304\n", "x", true, HTTP2_PROTOCOL_ERROR},
	{"less than its length", ":status=200\ncontent-length=2\n", "x", true,
	 HTTP2_PROTOCOL_ERROR},
	{"a length and nothing", ":status=200\ncontent-length=2\n", NULL, true,
	 HTTP2_PROTOCOL_ERROR},
	{"a line end in a value", ":status=200\na=b\rc\n", NULL, true, HTTP2_PROTOCOL_ERROR},
};

static void
test_answers(void)
{
	for (size_t i = 0; i < ARRAY_N(answers); i++) {
		struct http2_config config = http2_config_of(HTTP2_CLIENT);
		static struct h2_bytes b;
		static struct h2_raw raw;
		struct http2_stream *s;

		h2_raw_begin(&raw, &config);
		s = http2_open(raw.h, NULL);
		h2_send(s, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
		h2_events(raw.h, NULL);
		b.len = 0;
		h2_frame(&b, HTTP2_FRAME_SETTINGS, 0, 0, NULL, 0);
		/* Not h2_read(): the client's preface is no frame. */
		while (http2_write(raw.h, &raw.got, 65536))
			;
		h2_headers(&b, 1, answers[i].ends && answers[i].data == NULL ? H2_END_STREAM : 0,
			   answers[i].fields);
		if (answers[i].data != NULL)
			h2_frame(&b, HTTP2_FRAME_DATA, answers[i].ends ? H2_END_STREAM : 0, 1,
				 answers[i].data, (uint32_t)strlen(answers[i].data));
		h2_give(&raw, &b, 0);
		EXPECT_ROW(answers[i].why, http2_stream_is_reset(s) == (answers[i].code != 0));
		EXPECT_ROW(answers[i].why, http2_stream_code(s) == answers[i].code);
		EXPECT_ROW(answers[i].why, http2_end(raw.h) == HTTP2_END_NONE);
		h2_raw_end(&raw);
	}
}

/* RFC 8441 section 4: what no extended CONNECT may be. */
static void
test_extended_connect(void)
{
	static const char *const bad[] = {
		":method=CONNECT\n:protocol=websocket\n:scheme=https\n:path=/\n",
		":method=CONNECT\n:protocol=websocket\n:authority=a\n",
		":method=GET\n:protocol=websocket\n:scheme=https\n:path=/\n:authority=a\n",
		":method=CONNECT\n:protocol=h2c\n:scheme=https\n:path=/\n:authority=a\n",
		":method=CONNECT\n:protocol=websocket\n:scheme=https\n:path=*\n:authority=a\n",
		":method=CONNECT\n:protocol=websocket\n:protocol=websocket\n:scheme=https\n:path=/"
		"\n"
		":authority=a\n",
		":method=CONNECT\n:protocol=websocket\n:scheme=https\n:path=/\n:authority=a\n"
		"content-length=5\n",
		":method=CONNECT\n:protocol=websocket\n:scheme=https\n:path=/\n:authority=a\n"
		"upgrade=websocket\n",
	};

	for (size_t i = 0; i < ARRAY_N(bad); i++) {
		struct http2_config config = http2_config_of(HTTP2_SERVER);
		const struct h2_seen *reset;
		static struct h2_bytes b;
		static struct h2_raw raw;

		config.extended_connect = true;
		h2_raw_begin(&raw, &config);
		b.len = 0;
		h2_preface(&b);
		h2_headers(&b, 1, 0, bad[i]);
		h2_give(&raw, &b, 0);
		h2_read(&raw);
		reset = h2_saw(&raw, HTTP2_FRAME_RST_STREAM, 1);
		EXPECT_ROW(bad[i], reset != NULL && reset->code == HTTP2_PROTOCOL_ERROR);
		h2_raw_end(&raw);
	}
}

int
main(void)
{
	h2_begin();
	test_rows(0);
	test_rows(1);
	test_prefaces();
	test_answers();
	test_extended_connect();
	h2_end();
	return unit_done();
}
