/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client and a server at each other's ends: random messages, sent, carried, written and taken in
 * pieces of any size, some given up in the middle.  Every message that is complete arrives as it
 * was, with its trailers; every stream ends at both ends; everything is given back.
 */
#include "http2_world.h"
#include "http_body.h"

#define EXCHANGES   400u
#define AT_A_TIME   40u
#define MESSAGE_MAX 400000u

static unsigned long long seed;

static uint32_t
below(uint32_t n)
{
	return (uint32_t)(unit_random(&seed) % n);
}

/* One message, as it is meant. */
struct message {
	uint32_t body_len, salt;
	bool chunked, trailers;
	/* How far it was sent, of its text. */
	uint8_t *text;
	uint32_t text_len, sent;
	/* What came. */
	uint8_t *got;
	uint32_t got_len;
	bool whole; /* so it was told */
};

struct exchange {
	uint32_t number;
	bool is_head, used;
	struct http2_stream *asking, *answering;
	struct message request, response;
	bool given_up; /* one side has: nothing is promised */
	bool client_done, server_done;
};

static struct exchange exchanges[AT_A_TIME];
static struct http2 *client, *server;
static uint32_t begun_n, finished_n, whole_n;
static uint32_t give_ups; /* of 1,000 turns of a stream */
static struct http_field fields[HTTP_FIELDS_MAX];

static uint8_t
body_byte(uint32_t salt, uint32_t at)
{
	return (uint8_t)((at * 2654435761u + salt) >> 13);
}

static uint32_t
random_len(void)
{
	switch (below(6)) {
	case 0:
		return 0;
	case 1:
		return below(20);
	case 2:
		return below(150000);
	default:
		return below(5000);
	}
}

static void
add(struct message *m, const void *bytes, uint32_t len)
{
	CHECK(m->text_len + len <= MESSAGE_MAX);
	memcpy(m->text + m->text_len, bytes, len);
	m->text_len += len;
}

static void
add_text(struct message *m, const char *text)
{
	add(m, text, (uint32_t)strlen(text));
}

static void
add_body(struct message *m)
{
	char line[32];
	uint32_t at = 0;

	while (at < m->body_len) {
		uint32_t n = m->chunked ? 1 + below(m->body_len - at) : m->body_len;

		if (m->chunked) {
			snprintf(line, sizeof(line), "%x\r\n", n);
			add_text(m, line);
		}
		CHECK(m->text_len + n <= MESSAGE_MAX);
		for (uint32_t i = 0; i < n; i++)
			m->text[m->text_len++] = body_byte(m->salt, at + i);
		at += n;
		if (m->chunked)
			add_text(m, "\r\n");
	}
	if (m->chunked)
		add_text(m, m->trailers ? "0\r\nx-sum: 5\r\ngrpc-status: 0\r\n\r\n" : "0\r\n\r\n");
}

static void
write_message(struct message *m, const char *first, bool has_body)
{
	char line[96];

	*m = (struct message){.body_len = has_body ? random_len() : 0,
			      .salt = below(UINT32_MAX),
			      .text = malloc(MESSAGE_MAX),
			      .got = malloc(MESSAGE_MAX)};
	CHECK(m->text != NULL && m->got != NULL);
	m->chunked = has_body && below(2) == 0;
	m->trailers = m->chunked && below(2) == 0;
	add_text(m, first);
	for (uint32_t i = below(8); i > 0; i--) {
		snprintf(line, sizeof(line), "x-field-%u: %.*s\r\n", i, (int)below(60),
			 "values of any length up to some sixty bytes, not one more.");
		add_text(m, line);
	}
	snprintf(line, sizeof(line), "content-length: %u\r\n\r\n", m->body_len);
	if (m->chunked)
		add_text(m, "transfer-encoding: chunked\r\n\r\n");
	else
		add_text(m, has_body ? line : "\r\n");
	if (has_body)
		add_body(m);
}

static void
free_message(struct message *m)
{
	free(m->text);
	free(m->got);
}

/* Begin one, if there is room. */
static void
begin_exchange(uint32_t exchanges_n)
{
	struct exchange *x = &exchanges[below(AT_A_TIME)];
	char first[96];

	if (x->used || begun_n == exchanges_n || !http2_can_open(client))
		return;
	*x = (struct exchange){.number = ++begun_n, .used = true, .is_head = below(10) == 0};
	snprintf(first, sizeof(first), "%s /%u HTTP/1.1\r\nhost: a.example\r\n",
		 x->is_head ? "HEAD" : "POST", x->number);
	write_message(&x->request, first, !x->is_head);
	snprintf(first, sizeof(first), "HTTP/1.1 %s\r\n", x->is_head ? "204 x" : "200 x");
	write_message(&x->response, first, !x->is_head);
	x->asking = http2_open(client, x);
	CHECK(x->asking != NULL);
}

/* Send a piece, unless much waits. */
static void
send_piece(struct http2_stream *s, struct message *m)
{
	uint32_t left = m->text_len - m->sent, n = 1 + below(below(4) == 0 ? 20 : 20000);
	struct chain bytes = {0};

	if (left == 0 || http2_stream_queued(s) > 65536)
		return;
	n = n < left ? n : left;
	h2_put(&bytes, m->text + m->sent, n);
	http2_stream_send(s, &bytes);
	m->sent += n;
}

static void
take_piece(struct http2_stream *s, struct message *m)
{
	const struct chain *received = http2_stream_received(s);
	uint32_t n = below(3) == 0 ? below(300) : received->len;
	struct chain taken = {0};

	n = n < received->len ? n : received->len;
	if (n == 0)
		return;
	CHECK(m->got_len + n <= MESSAGE_MAX);
	CHECK(http2_stream_take(s, &taken, n));
	chain_copy_out(&taken, 0, m->got + m->got_len, n);
	m->got_len += n;
	chain_free(&h2.chains, &taken);
	m->whole = http2_stream_has_ended(s) && chain_is_empty(received);
}

/* What came, read as HTTP/1.1, is what was meant. */
static void
check_message(const struct message *m, const struct http_head *head, struct http_body body)
{
	uint32_t at = head->len, body_len = 0, trailer_len = 0;
	bool same = true;

	while (at < m->got_len && !body.ended) {
		struct http_body_step step = http_body_next(&body, m->got + at, m->got_len - at);

		CHECK(!step.bad);
		at += step.skip;
		for (uint32_t i = 0; i < step.payload; i++)
			same &= m->got[at + i] == body_byte(m->salt, body_len + i);
		at += step.payload + step.trailer;
		body_len += step.payload;
		trailer_len += step.trailer;
	}
	EXPECT(body.ended && at == m->got_len && same && body_len == m->body_len);
	EXPECT(trailer_len == (m->trailers ? strlen("x-sum: 5\r\ngrpc-status: 0\r\n") : 0));
	EXPECT(head->fields_n > 0 || m->body_len == 0);
}

static void
check_exchange(const struct exchange *x)
{
	const struct message *q = &x->request, *a = &x->response;
	struct http_request request;
	struct http_response response;

	http_request_init(&request, fields, HTTP_FIELDS_MAX);
	EXPECT(http_request_parse(&request, q->got, q->got_len) == HTTP_COMPLETE);
	check_message(q, &request.head, http_request_body(&request));
	http_response_init(&response, fields, HTTP_FIELDS_MAX);
	EXPECT(http_response_parse(&response, a->got, a->got_len) == HTTP_COMPLETE);
	check_message(
		a, &response.head,
		http_response_body(&response, x->is_head ? HTTP_METHOD_HEAD : HTTP_METHOD_POST));
	whole_n++;
}

static void
finish(struct exchange *x)
{
	if (!x->client_done || (!x->server_done && x->answering != NULL))
		return;
	if (!x->given_up) {
		EXPECT(x->request.whole && x->response.whole);
		check_exchange(x);
	}
	free_message(&x->request);
	free_message(&x->response);
	x->used = false;
	finished_n++;
}

static void
end_client(struct exchange *x)
{
	http2_stream_close(x->asking);
	x->asking = NULL;
	x->client_done = true;
}

static void
end_server(struct exchange *x)
{
	http2_stream_close(x->answering);
	x->answering = NULL;
	x->server_done = true;
}

/* Which exchange a new request is. */
static struct exchange *
exchange_of(struct http2_stream *s)
{
	char text[64] = "";
	uint32_t len = http2_stream_received(s)->len, number;

	chain_copy_out(http2_stream_received(s), 0, text,
		       len < sizeof(text) - 1 ? len : sizeof(text) - 1);
	number = (uint32_t)strtoul(strchr(text, '/') + 1, NULL, 10);
	for (uint32_t i = 0; i < AT_A_TIME; i++) {
		if (exchanges[i].used && exchanges[i].number == number)
			return &exchanges[i];
	}
	return NULL;
}

static void
run_events(struct http2 *h)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(h, &events)) != NULL) {
		struct exchange *x;

		if ((events & HTTP2_EVENT_OPENED) != 0) {
			x = exchange_of(s);
			if (x == NULL || x->client_done) { /* given up meanwhile */
				http2_stream_close(s);
				continue;
			}
			http2_stream_set_user(s, x);
			x->answering = s;
		}
		x = http2_stream_user(s);
		if ((events & HTTP2_EVENT_RESET) == 0)
			continue;
		EXPECT(x->given_up);
		if (h == client)
			end_client(x);
		else
			end_server(x);
		finish(x);
	}
}

/* A turn of one exchange: each side does something. */
static void
run_exchange(struct exchange *x)
{
	if (!x->used)
		return;
	if (x->asking != NULL) {
		send_piece(x->asking, &x->request);
		take_piece(x->asking, &x->response);
		if (x->response.whole && x->request.sent == x->request.text_len &&
		    x->request.whole) {
			end_client(x);
		} else if (below(1000) < give_ups) {
			x->given_up = true;
			end_client(x);
		}
	}
	if (x->answering != NULL) {
		take_piece(x->answering, &x->request);
		if (x->request.got_len > 0 && (x->request.whole || below(2) == 0))
			send_piece(x->answering, &x->response);
		if (x->response.sent == x->response.text_len && x->request.whole) {
			end_server(x);
		} else if (below(1000) < give_ups) {
			x->given_up = true;
			end_server(x);
		}
	}
	finish(x);
}

/* Carry from one to the other, cut anywhere. */
static void
carry(struct http2 *from, struct http2 *to, struct chain *wire, uint32_t now_ms)
{
	struct chain piece = {0};

	/* Now and then buffers are short. */
	if (below(8) == 0)
		h2.buffers_max = h2.buffers_n + below(3);
	http2_write(from, wire, 1 + below(40000));
	h2.buffers_max = UINT32_MAX;
	while (!chain_is_empty(wire)) {
		uint32_t n = below(4) == 0 ? 1 + below(30) : wire->len;

		CHECK(chain_move(&h2.chains, &piece, wire, n < wire->len ? n : wire->len));
		http2_receive(to, &piece, now_ms);
		chain_free(&h2.chains, &piece);
		if (below(8) == 0)
			break;
	}
	run_events(to);
	run_events(from);
}

static void
run(uint32_t exchanges_n)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);
	struct chain up = {0}, down = {0};
	uint32_t now_ms = 0;

	of_client.stream_window = of_server.stream_window = 1024 + below(40000);
	of_client.shared_window = of_server.shared_window = below(2) * 200000;
	of_server.streams_max = 1 + below(64);
	begun_n = finished_n = whole_n = 0;
	give_ups = below(2) == 0 ? 0 : 1 + below(20);
	client = http2_create(h2.pool, &of_client, NULL, now_ms);
	server = http2_create(h2.pool, &of_server, NULL, now_ms);
	CHECK(client != NULL && server != NULL);
	for (uint32_t turn = 0; finished_n < exchanges_n; turn++) {
		begin_exchange(exchanges_n);
		run_exchange(&exchanges[below(AT_A_TIME)]);
		carry(client, server, &up, now_ms += below(20));
		carry(server, client, &down, now_ms);
		CHECK(http2_end(client) == HTTP2_END_NONE && http2_end(server) == HTTP2_END_NONE);
		CHECK(turn < 4000000);
	}
	for (uint32_t i = 0; i < 200; i++) {
		carry(client, server, &up, now_ms);
		carry(server, client, &down, now_ms);
	}
	EXPECT(http2_streams_n(client) == 0 && http2_streams_n(server) == 0);
	EXPECT(give_ups > 0 || whole_n == exchanges_n);
	chain_free(&h2.chains, &up);
	chain_free(&h2.chains, &down);
	http2_free(client);
	http2_free(server);
}

int
main(void)
{
	unsigned long rounds = unit_rounds(6);

	seed = unit_seed(20261126) * 2 + 1;
	h2_begin();
	for (unsigned long i = 0; i < rounds; i++)
		run(EXCHANGES);
	h2_end();
	return unit_done();
}
