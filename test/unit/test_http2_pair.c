/* SPDX-License-Identifier: BSD-3-Clause */
/* A client and a server at each other's ends: messages, limits, and how each learns of the other.
 */
#include "http2_world.h"

static void
answer(struct http2_stream *s)
{
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
	http2_stream_close(s);
}

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
		 "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"},
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

/* A complete answer of which not all was taken keeps its connection, whatever the peer says. */
static void
test_untaken_answer(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c, *s = NULL;

	begin_pair(&of_client, &of_server);
	c = http2_open(client, &of_client);
	h2_send(c, "GET / HTTP/1.1\r\nhost: a\r\n\r\n");
	carry();
	h2_events(server, &s);
	CHECK(s != NULL);
	h2_send(s, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
	http2_drain(server);
	carry();
	http2_stream_close(s);
	carry();
	EXPECT((h2_events(client, NULL) & HTTP2_EVENT_DONE) != 0);
	http2_receive_end(client);
	EXPECT(http2_owned(client) == c && !http2_is_over(client));
	EXPECT(http2_stream_take(c, NULL, http2_stream_received(c)->len));
	http2_stream_close(c);
	carry();
	EXPECT(http2_owned(client) == NULL && http2_is_over(client));
	end_pair();
}

/* A byte a frame: the lines around it count against the window, so that little waits. */
static void
test_window_of_crumbs(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct http2_stream *c, *s = NULL;
	uint32_t most = 0;

	begin_pair(&of_client, &of_server);
	c = http2_open(client, &of_client);
	h2_send(c, "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
	carry();
	h2_events(server, &s);
	CHECK(s != NULL);
	for (uint32_t i = 0; i < 60000; i++) {
		uint32_t n;

		h2_send(c, "1\r\nx\r\n");
		carry();
		h2_events(server, NULL);
		n = http2_stream_received(s)->len;
		most = n > most ? n : most;
		/* Six bytes wait for one that came: take three. */
		http2_stream_take(s, NULL, n < 3 ? n : 3);
	}
	EXPECT(most <= 7 * of_server.stream_window);
	http2_stream_close(s);
	http2_stream_close(c);
	carry();
	end_pair();
}

int
main(void)
{
	h2_begin();
	test_pair();
	test_client_bodies();
	test_client_limits();
	test_unprocessed();
	test_client_drain();
	test_give_up();
	test_early_answer();
	test_never_written();
	test_untaken_answer();
	test_window_of_crumbs();
	h2_end();
	return unit_done();
}
