/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows and back-pressure, limits, graceful ends; a server and a client at each other's ends. */
#include "http2_world.h"

static struct h2_bytes b;
static struct h2_raw raw;

static void
begin(const struct http2_config *config)
{
	h2_raw_begin(&raw, config);
	b.len = 0;
	h2_preface(&b);
	h2_frame(&b, HTTP2_FRAME_SETTINGS, H2_ACK, 0, NULL, 0);
	h2_give(&raw, &b, 0);
	h2_read(&raw);
}

static void
give_data(uint32_t stream, uint32_t len, uint8_t flags)
{
	static uint8_t zeros[16384];

	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_DATA, flags, stream, zeros, len);
	h2_give(&raw, &b, 0);
}

static struct http2_stream *
begin_upload(uint32_t id)
{
	struct http2_stream *s = NULL;

	b.len = 0;
	h2_headers(&b, id, 0, H2_POST "content-length=10000000\n");
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	CHECK(s != NULL);
	http2_stream_take(s, NULL, http2_stream_received(s)->len);
	return s;
}

/* The window opens by what is taken, not by what comes. */
static void
test_window(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	const struct h2_seen *update;
	struct http2_stream *s;

	begin(&config);
	s = begin_upload(1);
	give_data(1, 16384, 0);
	h2_read(&raw);
	EXPECT(h2_saw(&raw, HTTP2_FRAME_WINDOW_UPDATE, 1) == NULL);
	EXPECT(http2_stream_received(s)->len == 16384);
	http2_stream_take(s, NULL, 10000);
	h2_read(&raw);
	update = h2_saw(&raw, HTTP2_FRAME_WINDOW_UPDATE, 1);
	EXPECT(update != NULL && update->number == 10000);
	/* Who takes all of a window gets a wider one. */
	http2_stream_take(s, NULL, 6384);
	h2_read(&raw);
	update = h2_saw(&raw, HTTP2_FRAME_WINDOW_UPDATE, 1);
	EXPECT(update != NULL && update->number >= 16384);
	h2_raw_end(&raw);
}

/* Beyond the window: an error of the stream or connection, never more held. */
static void
test_overrun(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	const struct h2_seen *seen;

	begin(&config);
	begin_upload(1);
	give_data(1, 16384, 0);
	give_data(1, 1, 0);
	h2_read(&raw);
	seen = h2_saw(&raw, HTTP2_FRAME_RST_STREAM, 1);
	if (seen == NULL)
		seen = h2_saw(&raw, HTTP2_FRAME_GOAWAY, 0);
	EXPECT(seen != NULL && seen->code == HTTP2_FLOW_CONTROL_ERROR);
	h2_raw_end(&raw);
}

/* Streams that nobody takes from keep none of the others waiting. */
static void
test_fairness(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct http2_stream *s;
	uint64_t taken = 0;

	begin(&config);
	for (uint32_t i = 0; i < 127; i++) {
		begin_upload(2 * i + 1);
		give_data(2 * i + 1, 16384, 0);
	}
	s = begin_upload(255);
	for (uint32_t i = 0; i < 300; i++) {
		give_data(255, 16384, 0);
		taken += http2_stream_received(s)->len;
		http2_stream_take(s, NULL, http2_stream_received(s)->len);
		h2_read(&raw);
	}
	EXPECT(taken == 300 * 16384);
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	EXPECT(!http2_stream_is_reset(s));
	h2_raw_end(&raw);
}

/* What is dropped opens the connection's window as well: streams that die leave nothing behind. */
static void
test_dropped(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);

	config.streams_max = 2;
	config.shared_window = 0;
	config.requests_max = 0;
	begin(&config);
	for (uint32_t i = 0; i < 200; i++) {
		struct http2_stream *s = begin_upload(2 * i + 1);

		give_data(2 * i + 1, 16384, 0);
		http2_stream_close(s);
		h2_read(&raw);
		EXPECT(h2_saw(&raw, HTTP2_FRAME_RST_STREAM, 2 * i + 1) != NULL);
	}
	EXPECT(http2_end(raw.h) == HTTP2_END_NONE);
	EXPECT(http2_streams_n(raw.h) == 0);
	h2_raw_end(&raw);
}

/* What the peer's window doesn't take stays queued, and says so. */
static void
test_back_pressure(void)
{
	static char body[100001];
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct http2_stream *s = NULL;

	begin(&config);
	b.len = 0;
	h2_headers(&b, 1, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
	memset(body, 'x', 100000);
	h2_send(s, body);
	EXPECT(http2_stream_queued(s) == 100000);
	h2_read(&raw);
	EXPECT(http2_stream_queued(s) == 100000 - 65535);
	EXPECT((h2_events(raw.h, NULL) & HTTP2_EVENT_SENT) != 0);
	EXPECT(!http2_wants_write(raw.h));
	b.len = 0;
	h2_frame(&b, HTTP2_FRAME_WINDOW_UPDATE, 0, 0, "\0\1\0\0", 4);
	h2_frame(&b, HTTP2_FRAME_WINDOW_UPDATE, 0, 1, "\0\1\0\0", 4);
	h2_give(&raw, &b, 0);
	h2_read(&raw);
	EXPECT(http2_stream_queued(s) == 0);
	EXPECT((h2_events(raw.h, NULL) & HTTP2_EVENT_DONE) != 0);
	h2_raw_end(&raw);
}

/* http2_write() stops where it is told to, more or less a frame. */
static void
test_write_max(void)
{
	static char body[60001];
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct http2_stream *s = NULL;
	struct chain out = {0};

	begin(&config);
	b.len = 0;
	h2_headers(&b, 1, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n");
	memset(body, 'x', 60000);
	h2_send(s, body);
	EXPECT(http2_write(raw.h, &out, 1000));
	EXPECT(out.len < 1000 + 16384 + 9);
	chain_free(&h2.chains, &out);
	h2_raw_end(&raw);
}

/* Streams of two clients get turns. */
static void
test_turns(void)
{
	static char body[20001];
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct http2_stream *s;
	uint32_t events, n = 0, turns = 0, last = 0;

	begin(&config);
	b.len = 0;
	h2_headers(&b, 1, H2_END_STREAM, H2_GET);
	h2_headers(&b, 3, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	memset(body, 'x', 20000);
	while ((s = http2_next(raw.h, &events)) != NULL && n++ < 2) {
		h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n");
		h2_send(s, body);
	}
	h2_read(&raw);
	for (uint32_t i = 0; i < raw.n; i++) {
		if (raw.seen[i].type != HTTP2_FRAME_DATA)
			continue;
		turns += raw.seen[i].stream != last;
		last = raw.seen[i].stream;
	}
	EXPECT(turns >= 3);
	h2_raw_end(&raw);
}

/* Ends. */

static void
answer(struct http2_stream *s)
{
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
	http2_stream_close(s);
}

static struct http2_stream *
get(uint32_t id)
{
	struct http2_stream *s = NULL;

	b.len = 0;
	h2_headers(&b, id, H2_END_STREAM, H2_GET);
	h2_give(&raw, &b, 0);
	h2_events(raw.h, &s);
	return s;
}

static void
test_requests_max(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	const struct h2_seen *goaway;
	struct http2_stream *s;

	config.requests_max = 3;
	begin(&config);
	for (uint32_t i = 0; i < 2; i++) {
		answer(get(2 * i + 1));
		h2_read(&raw);
		EXPECT(h2_saw(&raw, HTTP2_FRAME_GOAWAY, 0) == NULL);
	}
	s = get(5);
	h2_read(&raw);
	goaway = h2_saw(&raw, HTTP2_FRAME_GOAWAY, 0);
	EXPECT(goaway != NULL && goaway->code == HTTP2_NO_ERROR && goaway->number == 5);
	EXPECT(http2_end(raw.h) == HTTP2_END_REQUESTS);
	/* What comes behind it is not begun, what was begun is answered. */
	EXPECT(get(7) == NULL);
	EXPECT(!http2_is_over(raw.h));
	answer(s);
	h2_read(&raw);
	EXPECT(h2_saw(&raw, HTTP2_FRAME_HEADERS, 5) != NULL);
	EXPECT(http2_is_over(raw.h));
	h2_raw_end(&raw);
}

static void
test_drain(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	const struct h2_seen *goaway;
	struct http2_stream *s;

	for (int acknowledges = 0; acknowledges < 2; acknowledges++) {
		begin(&config);
		answer(get(1));
		h2_read(&raw);
		http2_drain(raw.h);
		h2_read(&raw);
		goaway = h2_saw(&raw, HTTP2_FRAME_GOAWAY, 0);
		EXPECT(goaway != NULL && goaway->number == 0x7fffffff);
		EXPECT(h2_saw(&raw, HTTP2_FRAME_PING, 0) != NULL);
		/* It was under way. */
		s = get(3);
		EXPECT(s != NULL);
		if (acknowledges) {
			b.len = 0;
			h2_frame(&b, HTTP2_FRAME_PING, H2_ACK, 0, "\0\0\0\0\0\0\0\0", 8);
			h2_give(&raw, &b, 0);
		} else {
			http2_tick(raw.h, raw.now_ms + 999);
			EXPECT(!http2_wants_write(raw.h));
			http2_tick(raw.h, raw.now_ms + 1000);
		}
		h2_read(&raw);
		goaway = h2_saw(&raw, HTTP2_FRAME_GOAWAY, 0);
		EXPECT(goaway != NULL && goaway->number == 3 && goaway->code == HTTP2_NO_ERROR);
		answer(s);
		h2_read(&raw);
		EXPECT(h2_saw(&raw, HTTP2_FRAME_HEADERS, 3) != NULL);
		EXPECT(http2_is_over(raw.h) && http2_end(raw.h) == HTTP2_END_DRAINED);
		h2_raw_end(&raw);
	}
}

static void
test_close(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	const struct h2_seen *goaway;
	struct http2_stream *s;

	begin(&config);
	s = get(1);
	http2_close(raw.h, HTTP2_INTERNAL_ERROR);
	EXPECT(h2_events(raw.h, &s) == HTTP2_EVENT_RESET);
	h2_send(s, "HTTP/1.1 200 OK\r\n\r\n");
	http2_stream_close(s);
	h2_read(&raw);
	goaway = h2_saw(&raw, HTTP2_FRAME_GOAWAY, 0);
	EXPECT(goaway != NULL && goaway->code == HTTP2_INTERNAL_ERROR);
	EXPECT(http2_is_over(raw.h) && http2_streams_n(raw.h) == 0);
	h2_raw_end(&raw);
}

/* The client has ended TCP's half: what it asked for whole is answered, the rest is off. */
static void
test_input_end(void)
{
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct http2_stream *whole, *half, *s;
	uint32_t events;

	begin(&config);
	whole = get(1);
	half = begin_upload(3);
	http2_receive_end(raw.h);
	s = http2_next(raw.h, &events);
	EXPECT(s == half && events == HTTP2_EVENT_RESET);
	http2_stream_close(half);
	EXPECT(!http2_is_over(raw.h));
	answer(whole);
	h2_read(&raw);
	EXPECT(h2_saw(&raw, HTTP2_FRAME_HEADERS, 1) != NULL);
	EXPECT(http2_is_over(raw.h));
	h2_raw_end(&raw);
}

/* A client and a server. */

static struct http2 *client, *server;

/* Carry bytes between them until there are none. @return  whether there were some. */
static bool
carry(void)
{
	struct chain out = {0};
	bool any = false;

	for (;;) {
		bool more = http2_wants_write(client) || http2_wants_write(server);

		http2_write(client, &out, 65536);
		http2_receive(server, &out, 1);
		http2_write(server, &out, 65536);
		http2_receive(client, &out, 1);
		if (!more)
			return any;
		any = true;
	}
}

static void
begin_pair(const struct http2_config *of_client, const struct http2_config *of_server)
{
	client = http2_create(h2.pool, of_client, NULL, 0);
	server = http2_create(h2.pool, of_server, NULL, 0);
	CHECK(client != NULL && server != NULL);
	carry();
}

static void
end_pair(void)
{
	http2_free(client);
	http2_free(server);
}

static void
test_pair(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c, *s = NULL;

	of_client.https = true;
	begin_pair(&of_client, &of_server);
	EXPECT(http2_room(client) == 128);
	c = http2_open(client, &of_client);
	EXPECT(http2_stream_user(c) == &of_client && http2_of(c) == client);
	h2_send(c, "POST /grpc HTTP/1.1\r\nHost: t.example\r\nTE: trailers\r\nConnection: TE, x\r\n"
		   "x: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
	carry();
	h2_events(server, &s);
	CHECK(s != NULL);
	EXPECT(strcmp(h2_text(http2_stream_received(s)),
		      "POST /grpc HTTP/1.1\r\nhost: t.example\r\nte: trailers\r\n"
		      "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n") == 0);
	h2_send(c, "0\r\nlast: 1\r\n\r\n");
	h2_send(s, "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n"
		   "2\r\nde\r\n");
	carry();
	EXPECT((h2_events(client, NULL) & HTTP2_EVENT_END) == 0);
	EXPECT((h2_events(server, NULL) & HTTP2_EVENT_END) != 0);
	h2_send(s, "0\r\ngrpc-status: 0\r\n\r\n");
	carry();
	EXPECT((h2_events(client, NULL) & (HTTP2_EVENT_END | HTTP2_EVENT_DONE)) ==
	       (HTTP2_EVENT_END | HTTP2_EVENT_DONE));
	EXPECT(strcmp(h2_text(http2_stream_received(c)),
		      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n"
		      "transfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\ngrpc-status: 0\r\n\r\n") ==
	       0);
	http2_stream_close(c);
	http2_stream_close(s);
	EXPECT(http2_streams_n(client) == 0 && http2_streams_n(server) == 0);
	end_pair();
}

/* Responses of all kinds of bodies, as a client sees them. */
static void
test_client_bodies(void)
{
	static const struct {
		const char *why, *request, *response, *want;
	} rows[] = {
		{"a length", "GET", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
		 "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"},
		{"a HEAD", "HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
		 "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"},
		{"a HEAD without length", "HEAD", "HTTP/1.1 200 OK\r\na: b\r\n\r\n",
		 "HTTP/1.1 200 OK\r\na: b\r\n\r\n"},
		{"204", "GET", "HTTP/1.1 204 x\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"304", "GET", "HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n",
		 "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"},
		{"chunks of nothing", "GET",
		 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
		 "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"an unknown status", "GET", "HTTP/1.1 599 x\r\ncontent-length: 0\r\n\r\n",
		 "HTTP/1.1 599 Unknown\r\ncontent-length: 0\r\n\r\n"},
	};
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);

	for (size_t i = 0; i < ARRAY_N(rows); i++) {
		struct http2_stream *c, *s = NULL;
		char request[64];

		begin_pair(&of_client, &of_server);
		c = http2_open(client, NULL);
		snprintf(request, sizeof(request), "%s / HTTP/1.1\r\nhost: a\r\n\r\n",
			 rows[i].request);
		h2_send(c, request);
		carry();
		h2_events(server, &s);
		CHECK(s != NULL);
		h2_send(s, rows[i].response);
		carry();
		EXPECT_ROW(rows[i].why, (h2_events(client, NULL) & HTTP2_EVENT_DONE) != 0);
		EXPECT_ROW(rows[i].why,
			   strcmp(h2_text(http2_stream_received(c)), rows[i].want) == 0);
		end_pair();
	}
}

/* The client keeps to what the server allows, and learns what it may ask again. */
static void
test_client_limits(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c[3], *s[2] = {NULL, NULL};

	of_server.streams_max = 2;
	of_server.requests_max = 2;
	begin_pair(&of_client, &of_server);
	EXPECT(http2_room(client) == 2);
	c[0] = http2_open(client, NULL);
	c[1] = http2_open(client, NULL);
	EXPECT(http2_open(client, NULL) == NULL && !http2_can_open(client));
	h2_send(c[0], "GET /0 HTTP/1.1\r\nhost: a\r\n\r\n");
	carry();
	h2_events(server, &s[0]);
	/* Never sent, so it is free again. */
	http2_stream_close(c[1]);
	EXPECT(http2_room(client) == 1);
	c[1] = http2_open(client, NULL);
	h2_send(c[1], "GET /1 HTTP/1.1\r\nhost: a\r\n\r\n");
	carry();
	h2_events(server, &s[1]);
	EXPECT(s[1] != NULL && s[1] != s[0]);
	/* That was the last: the server said so. */
	EXPECT(!http2_can_open(client) && http2_end(client) == HTTP2_END_PEER);
	answer(s[0]);
	answer(s[1]);
	carry();
	EXPECT((h2_events(client, NULL) & HTTP2_EVENT_DONE) != 0);
	http2_stream_close(c[0]);
	http2_stream_close(c[1]);
	EXPECT(http2_is_over(client) && http2_is_over(server));
	end_pair();
}

/* A request that crosses the server's last GOAWAY was surely not processed. */
static void
test_unprocessed(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c[2], *s = NULL;
	struct chain out = {0};

	of_server.requests_max = 1;
	begin_pair(&of_client, &of_server);
	for (uint32_t i = 0; i < 2; i++) {
		c[i] = http2_open(client, NULL);
		h2_send(c[i], "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
	}
	http2_write(client, &out, 65536);
	http2_receive(server, &out, 1);
	h2_events(server, &s);
	CHECK(s != NULL);
	answer(s);
	carry();
	h2_events(client, NULL);
	EXPECT(!http2_stream_is_reset(c[0]) && http2_stream_has_ended(c[0]));
	EXPECT(http2_stream_is_reset(c[1]) && http2_stream_is_unprocessed(c[1]));
	http2_stream_close(c[0]);
	http2_stream_close(c[1]);
	EXPECT(http2_is_over(client));
	end_pair();
}

/* A client that drains finishes what it has asked. */
static void
test_client_drain(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c, *s = NULL;

	of_client.requests_max = 1;
	begin_pair(&of_client, &of_server);
	c = http2_open(client, NULL);
	EXPECT(http2_end(client) == HTTP2_END_REQUESTS && !http2_can_open(client));
	h2_send(c, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
	carry();
	h2_events(server, &s);
	CHECK(s != NULL);
	answer(s);
	carry();
	EXPECT((h2_events(client, NULL) & HTTP2_EVENT_DONE) != 0);
	http2_stream_close(c);
	carry();
	EXPECT(http2_is_over(client));
	end_pair();
}

/* Each side tells the other when its owner gives up. */
static void
test_give_up(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c, *s = NULL;

	begin_pair(&of_client, &of_server);
	c = http2_open(client, NULL);
	h2_send(c, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nabc");
	carry();
	h2_events(server, &s);
	http2_stream_close(c);
	carry();
	EXPECT(h2_events(server, &s) == HTTP2_EVENT_RESET && http2_stream_code(s) == HTTP2_CANCEL);
	http2_stream_close(s);
	EXPECT(http2_streams_n(client) == 0 && http2_streams_n(server) == 0);

	c = http2_open(client, NULL);
	h2_send(c, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
	carry();
	h2_events(server, &s);
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc");
	carry();
	http2_stream_close(s);
	carry();
	EXPECT((h2_events(client, NULL) & HTTP2_EVENT_RESET) != 0);
	EXPECT(http2_stream_code(c) == HTTP2_INTERNAL_ERROR && !http2_stream_is_unprocessed(c));
	http2_stream_close(c);
	end_pair();
}

/* A target that answers before it was asked all, and then stops listening: the answer counts. */
static void
test_early_answer(void)
{
	static char body[200001];
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c, *s = NULL;

	begin_pair(&of_client, &of_server);
	c = http2_open(client, NULL);
	h2_send(c, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 300000\r\n\r\n");
	memset(body, 'x', 200000);
	h2_send(c, body);
	carry();
	h2_events(server, &s);
	CHECK(s != NULL);
	h2_send(s, "HTTP/1.1 413 x\r\ncontent-length: 2\r\n\r\nno");
	http2_stream_close(s);
	carry();
	EXPECT(h2_events(client, NULL) ==
	       (HTTP2_EVENT_BYTES | HTTP2_EVENT_END | HTTP2_EVENT_SENT | HTTP2_EVENT_DONE));
	EXPECT(!http2_stream_is_reset(c) && http2_stream_has_ended(c));
	EXPECT(http2_stream_queued(c) == 0);
	h2_send(c, body);
	EXPECT(http2_stream_queued(c) == 0);
	http2_stream_close(c);
	EXPECT(http2_streams_n(client) == 0 && http2_streams_n(server) == 0);
	end_pair();
}

/* Given up between being asked for and being written: the server never hears of it. */
static void
test_never_written(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c;

	begin_pair(&of_client, &of_server);
	c = http2_open(client, NULL);
	h2_send(c, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
	http2_stream_close(c);
	carry();
	EXPECT(http2_streams_n(client) == 0 && http2_streams_n(server) == 0);
	EXPECT(h2_events(server, NULL) == 0 && h2_events(client, NULL) == 0);
	EXPECT(http2_can_open(client));
	end_pair();
}

/* Payload that waits for buffers when its stream ends: whoever ends it, and how. */
static void
test_waiting_for_buffers(void)
{
	static const char *const names[] = {"reset", "close", "connection closed", "peer's reset",
					    "freed"};
	static char body[3001];
	struct http2_config config = http2_config_of(HTTP2_SERVER);

	memset(body, 'x', 3000);
	for (size_t i = 0; i < ARRAY_N(names); i++) {
		struct http2_stream *s;
		struct chain out = {0};

		begin(&config);
		s = get(1);
		h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 6000\r\n\r\n");
		h2_read(&raw);
		h2_send(s, body);
		h2.buffers_max = h2.buffers_n;
		http2_write(raw.h, &out, 65536);
		EXPECT_ROW(names[i], out.len == 0 && http2_stream_queued(s) == 3000);
		if (i == 0)
			http2_stream_reset(s, HTTP2_CANCEL);
		h2.buffers_max = UINT32_MAX;
		if (i == 2)
			http2_close(raw.h, HTTP2_INTERNAL_ERROR);
		if (i == 3) {
			b.len = 0;
			h2_frame(&b, HTTP2_FRAME_RST_STREAM, 0, 1, "\0\0\0\x8", 4);
			h2_give(&raw, &b, 0);
		}
		if (i <= 3)
			http2_stream_close(s);
		if (i < 4)
			h2_read(&raw);
		EXPECT_ROW(names[i], h2_saw(&raw, HTTP2_FRAME_DATA, 1) == NULL);
		EXPECT_ROW(names[i], i == 4 || http2_streams_n(raw.h) == 0);
		h2_raw_end(&raw);
	}
}

/* A head beyond what nghttp2 sends: its stream ends, nothing else. */
static void
test_unsent_head(void)
{
	static char response[120000];
	struct http2_config config = http2_config_of(HTTP2_SERVER);
	struct http2_stream *s;
	int n;

	begin(&config);
	s = get(1);
	n = sprintf(response, "HTTP/1.1 200 OK\r\n");
	for (uint32_t i = 0; i < 10; i++)
		n += sprintf(response + n, "x: %04000u\r\n", i);
	sprintf(response + n, "content-length: 0\r\n\r\n");
	h2_send(s, response); /* beyond lib/http's limit for responses */
	EXPECT(http2_stream_is_reset(s));
	http2_stream_close(s);
	h2_read(&raw);
	EXPECT(h2_saw(&raw, HTTP2_FRAME_RST_STREAM, 1) != NULL);
	EXPECT(http2_streams_n(raw.h) == 0 && http2_end(raw.h) == HTTP2_END_NONE);
	h2_raw_end(&raw);
}

int
main(void)
{
	h2_begin();
	test_window();
	test_overrun();
	test_fairness();
	test_dropped();
	test_back_pressure();
	test_write_max();
	test_turns();
	test_requests_max();
	test_drain();
	test_close();
	test_input_end();
	test_pair();
	test_client_bodies();
	test_client_limits();
	test_unprocessed();
	test_client_drain();
	test_give_up();
	test_early_answer();
	test_never_written();
	test_waiting_for_buffers();
	test_unsent_head();
	h2_end();
	return unit_done();
}
