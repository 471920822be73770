/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_prober.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "http2.h"
#include "proxy_protocol.h"
#include "timer_wheel.h"

#define TLS_READS 16u /* at once */
#define PASS_MS   5

struct http_probe {
	struct proxy_side side; /* first */
	struct http_prober *prober;
	struct tcp_connection *connection;
	struct http_probe_request request;
	struct timer timer;
	struct http_probe *next; /* of the free ones, or of all under way */
	struct http_probe **link;
	bool connected;
	bool passed; /* of TLS alone: its handshake is over, and its last flight may leave */
	struct http2 *http2; /* NULL: HTTP/1.1 */
	struct http2_stream *stream;
	struct chain unread; /* by HTTP/2 */
	struct tls *tls;     /* NULL: none */
	struct chain cipher; /* taken from TCP, not decrypted */
	struct chain plain;  /* decrypted */
	uint32_t events;     /* that came while its handshake waited */
	struct http_probe *shaking_next,
		**shaking_link; /* in the queue of handshakes; NULL: isn't */
};

struct http_prober {
	struct tcp *tcp;
	struct chain_pool *pool;
	void (*done)(void *arg, uint64_t cookie, enum probe_result result, uint16_t status);
	void *arg;
	struct timer_wheel wheel;
	uint32_t now_ms;
	struct http2_pool *http2;
	struct http_probe *free, *active;
	struct http_probe *shaking, **shaking_last; /* whose handshakes can go on */
	char answer[HTTP_PROBER_ANSWER_MAX + 1];    /* of the probe at hand */
	struct http_probe probes[HTTP_PROBER_PROBES];
};

struct http_prober *
http_prober_create(struct tcp *tcp, struct chain_pool *pool,
		   void (*done)(void *arg, uint64_t cookie, enum probe_result result,
				uint16_t status),
		   void *arg, uint32_t now_ms)
{
	struct http_prober *prober = calloc(1, sizeof(*prober));

	if (prober == NULL)
		return NULL;
	prober->tcp = tcp;
	prober->pool = pool;
	prober->done = done;
	prober->arg = arg;
	prober->now_ms = now_ms;
	prober->http2 = http2_pool_create(pool);
	if (prober->http2 == NULL) {
		free(prober);
		return NULL;
	}
	timer_wheel_init(&prober->wheel, now_ms, prober);
	prober->shaking_last = &prober->shaking;
	for (uint32_t i = HTTP_PROBER_PROBES; i > 0; i--) {
		prober->probes[i - 1].next = prober->free;
		prober->free = &prober->probes[i - 1];
	}
	return prober;
}

/* Handshakes: one of them goes on each turn, whatever the number of targets. */

static void on_timeout(struct timer *timer, void *arg);

static void
queue_handshake(struct http_probe *probe)
{
	struct http_prober *prober = probe->prober;

	if (probe->shaking_link != NULL)
		return;
	probe->shaking_next = NULL;
	probe->shaking_link = prober->shaking_last;
	*prober->shaking_last = probe;
	prober->shaking_last = &probe->shaking_next;
}

static void
unqueue_handshake(struct http_probe *probe)
{
	if (probe->shaking_link == NULL)
		return;
	*probe->shaking_link = probe->shaking_next;
	if (probe->shaking_next != NULL)
		probe->shaking_next->shaking_link = probe->shaking_link;
	else
		probe->prober->shaking_last = probe->shaking_link;
	probe->shaking_link = NULL;
}

static void
end(struct http_probe *probe, enum probe_result result, uint16_t status)
{
	struct http_prober *prober = probe->prober;

	timer_wheel_cancel(&prober->wheel, &probe->timer);
	unqueue_handshake(probe);
	chain_free(prober->pool, &probe->unread);
	chain_free(prober->pool, &probe->cipher);
	chain_free(prober->pool, &probe->plain);
	tls_free(probe->tls);
	probe->tls = NULL;
	if (probe->http2 != NULL)
		http2_free(probe->http2);
	probe->http2 = NULL;
	tcp_set_user(probe->connection, NULL);
	tcp_abort(prober->tcp, probe->connection);
	*probe->link = probe->next;
	if (probe->next != NULL)
		probe->next->link = probe->link;
	probe->next = prober->free;
	prober->free = probe;
	prober->done(prober->arg, probe->request.cookie, result, status);
}

void
http_prober_free(struct http_prober *prober)
{
	if (prober == NULL)
		return;
	while (prober->active != NULL)
		end(prober->active, PROBE_NOT_SENT, 0);
	http2_pool_free(prober->http2);
	free(prober);
}

/* Bytes, over TLS or without. */

static void
send_chain(struct http_probe *probe, struct chain *bytes)
{
	if (!chain_is_empty(bytes))
		tcp_send(probe->prober->tcp, probe->connection, bytes);
}

/* What doesn't find buffers is lost, and the probe with it. */
static void
send_bytes(struct http_probe *probe, struct chain *bytes)
{
	struct chain out = {0};

	if (probe->tls == NULL) {
		send_chain(probe, bytes);
		return;
	}
	tls_write(probe->tls, bytes, &out, UINT32_MAX, probe->prober->now_ms);
	chain_free(probe->prober->pool, bytes);
	send_chain(probe, &out);
}

static const struct chain *
received(const struct http_probe *probe)
{
	return probe->tls == NULL ? tcp_received(probe->connection) : &probe->plain;
}

/* All of it goes behind `to`. */
static void
take_bytes(struct http_probe *probe, struct chain *to)
{
	struct http_prober *prober = probe->prober;

	if (probe->tls != NULL)
		chain_move_all(to, &probe->plain);
	else if (!chain_is_empty(received(probe)))
		tcp_take(prober->tcp, probe->connection, to, received(probe)->len);
}

/* Requests. */

/* A message of gRPC without a byte: not compressed, length 0. */
static const uint8_t empty_message[5];

/* @return  false without memory, or of a path that is too long. */
static bool
write_request(struct http_probe *probe, struct chain *out)
{
	const struct tcp_tuple *t = &probe->request.tuple;
	char text[HTTP_PROBER_PATH_MAX + 256], address[IP_ADDR_TEXT_MAX];
	bool grpc = probe->request.grpc;
	int n;

	ip_addr_format(&t->remote, address);
	n = snprintf(
		text, sizeof(text),
		"%s %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n"
		"User-Agent: ELB-HealthChecker/2.0\r\n%s\r\n",
		grpc ? "POST" : "GET", probe->request.path, t->af == 6 ? "[" : "", address,
		t->af == 6 ? "]" : "", ntohs(t->remote_port_be),
		grpc ? "Content-Type: application/grpc\r\nTE: trailers\r\nContent-Length: 5\r\n"
		     : "Accept-Encoding: gzip, compressed\r\n");
	return n >= 0 && (size_t)n < sizeof(text) &&
	       chain_append_copy(probe->prober->pool, out, text, (uint32_t)n) &&
	       (!grpc ||
		chain_append_copy(probe->prober->pool, out, empty_message, sizeof(empty_message)));
}

static void
write_frames(struct http_probe *probe)
{
	struct chain out = {0};

	http2_write(probe->http2, &out, HTTP_PROBER_ANSWER_MAX);
	if (!chain_is_empty(&out))
		send_bytes(probe, &out);
}

/* @return  false without memory. */
static bool
begin_http2(struct http_probe *probe, struct chain *request)
{
	struct http2_config config = http2_config_of(HTTP2_CLIENT);

	config.https = probe->tls != NULL;
	probe->http2 = http2_create(probe->prober->http2, &config, probe, probe->prober->now_ms);
	probe->stream = probe->http2 == NULL ? NULL : http2_open(probe->http2, probe);
	if (probe->stream == NULL)
		return false;
	http2_stream_send(probe->stream, request);
	write_frames(probe);
	return true;
}

static void
send_request(struct http_probe *probe)
{
	struct chain bytes = {0};
	bool sent = write_request(probe, &bytes);

	if (sent && (probe->request.http2 || probe->request.grpc))
		sent = begin_http2(probe, &bytes);
	else if (sent)
		send_bytes(probe, &bytes);
	if (sent)
		return;
	chain_free(probe->prober->pool, &bytes);
	end(probe, PROBE_NOT_SENT, 0);
}

/* @return  false: the probe is over. */
static bool
send_proxy_header(struct http_probe *probe)
{
	static const struct proxy_protocol what = {.command = PROXY_PROTOCOL_LOCAL};
	uint8_t bytes[PROXY_PROTOCOL_MAX];
	struct chain header = {0};

	if (!chain_append_copy(probe->prober->pool, &header, bytes,
			       proxy_protocol_write(bytes, &what))) {
		end(probe, PROBE_NOT_SENT, 0);
		return false;
	}
	send_chain(probe, &header);
	return true;
}

/* Answers. */

/* The status line is enough: "HTTP/1.x NNN" and what ends it. */
static enum probe_result
read_status(const struct chain *in, uint16_t *status)
{
	char line[13];

	if (in->len < sizeof(line))
		return PROBE_NO_ANSWER;
	chain_copy_out(in, 0, line, sizeof(line));
	if (memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' || line[9] < '1' || line[9] > '9' ||
	    line[10] < '0' || line[10] > '9' || line[11] < '0' || line[11] > '9' ||
	    (line[12] != ' ' && line[12] != '\r'))
		return PROBE_BAD_ANSWER;
	*status = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0');
	return *status == 100 ? PROBE_BAD_ANSWER : PROBE_CONNECTED;
}

static void
read_answer(struct http_probe *probe, const struct chain *in, bool ended)
{
	uint16_t status = 0;
	enum probe_result result = read_status(in, &status);

	if (result == PROBE_NO_ANSWER && !ended)
		return;
	if (result != PROBE_CONNECTED)
		end(probe, PROBE_BAD_ANSWER, status);
	else if (http_matcher_has(&probe->request.matcher, status))
		end(probe, PROBE_CONNECTED, status);
	else
		end(probe, PROBE_STATUS_MISMATCH, status);
}

/* The value of grpc-status among lines as HTTP/2 wrote them. @return false: it isn't there. */
static bool
find_grpc_status(const char *lines, uint16_t *status)
{
	static const char name[] = "\r\ngrpc-status: ";
	const char *at = strstr(lines, name);
	char *rest;
	unsigned long value;

	if (at == NULL || at[sizeof(name) - 1] < '0' || at[sizeof(name) - 1] > '9')
		return false;
	value = strtoul(at + sizeof(name) - 1, &rest, 10);
	*status = (uint16_t)value;
	return *rest == '\r' && value <= 99;
}

/*
 * A complete answer, at most HTTP_PROBER_ANSWER_MAX bytes.  gRPC's status is in its head, when that
 * is all, or behind the last chunk.
 */
static void
read_grpc_answer(struct http_probe *probe, const struct chain *in)
{
	char *text = probe->prober->answer, *body, *last = NULL;
	uint16_t status = 0;

	if (read_status(in, &status) != PROBE_CONNECTED ||
	    in->len >= sizeof(probe->prober->answer)) {
		end(probe, PROBE_BAD_ANSWER, status);
		return;
	}
	if (status != 200) {
		end(probe, PROBE_STATUS_MISMATCH, status);
		return;
	}
	chain_copy_out(in, 0, text, in->len);
	text[in->len] = '\0';
	body = strstr(text, "\r\n\r\n");
	for (uint32_t i = in->len; body != NULL && i >= 5 && last == NULL && text + i > body + 4;
	     i--)
		if (memcmp(text + i - 5, "\r\n0\r\n", 5) == 0)
			last = text + i - 2;
	if (body != NULL)
		body[2] = '\0';
	if (!find_grpc_status(text, &status) && (last == NULL || !find_grpc_status(last, &status)))
		end(probe, PROBE_BAD_ANSWER, 0);
	else
		end(probe,
		    http_matcher_has(&probe->request.matcher, status) ? PROBE_CONNECTED
								      : PROBE_STATUS_MISMATCH,
		    status);
}

/* What came on the connection's one stream. */
static void
read_http2_answer(struct http_probe *probe, bool ended)
{
	const struct chain *in = http2_stream_received(probe->stream);

	if (!probe->request.grpc)
		read_answer(probe, in, ended);
	else if (http2_stream_has_ended(probe->stream))
		read_grpc_answer(probe, in);
	else if (ended || in->len >= HTTP_PROBER_ANSWER_MAX)
		end(probe, PROBE_BAD_ANSWER, 0);
}

/* @return  whether the probe is over. */
static bool
receive_http2(struct http_probe *probe, bool ended)
{
	struct http_prober *prober = probe->prober;
	uint32_t events, seen = 0;

	take_bytes(probe, &probe->unread);
	http2_receive(probe->http2, &probe->unread, prober->now_ms);
	while (http2_next(probe->http2, &events) != NULL)
		seen |= events;
	write_frames(probe);
	ended |= (seen & HTTP2_EVENT_RESET) != 0 || http2_is_over(probe->http2);
	if (ended || (seen & (HTTP2_EVENT_BYTES | HTTP2_EVENT_END)) != 0)
		read_http2_answer(probe, ended);
	return prober->free == probe;
}

/* An end at once would take the last flight along, and look like a failed handshake there. */
static void
pass_soon(struct http_probe *probe)
{
	struct http_prober *prober = probe->prober;

	probe->passed = true;
	timer_wheel_cancel(&prober->wheel, &probe->timer);
	timer_wheel_add(&prober->wheel, &probe->timer, prober->now_ms + PASS_MS, on_timeout);
}

/* The handshake as far as it goes, then the request. @return whether the probe is over, or passed.
 */
static bool
shake(struct http_probe *probe)
{
	struct http_prober *prober = probe->prober;
	struct chain out = {0};
	enum tls_result result;
	const char *protocol;

	result = tls_handshake(probe->tls, &probe->cipher, &out);
	send_chain(probe, &out);
	if (result == TLS_MORE || result == TLS_WANT_BUFFERS)
		queue_handshake(probe);
	if (result != TLS_DONE && result != TLS_FAILED)
		return false;
	protocol = tls_alpn(probe->tls);
	if (result != TLS_DONE || ((probe->request.http2 || probe->request.grpc) &&
				   (protocol == NULL || strcmp(protocol, "h2") != 0))) {
		end(probe, PROBE_NO_TLS, 0);
		return true;
	}
	if (probe->request.path == NULL)
		pass_soon(probe);
	else
		send_request(probe);
	return probe->passed || prober->free == probe;
}

/*
 * What came over TLS, in the clear.  An answer is judged by its first bytes: no close_notify is
 * waited for.
 * @return  whether the probe is over.
 */
static bool
receive_tls(struct http_probe *probe, uint32_t *events)
{
	struct http_prober *prober = probe->prober;
	const struct chain *in = tcp_received(probe->connection);
	struct chain out = {0};
	enum tls_result result = TLS_MORE;

	if (!chain_is_empty(in))
		tcp_take(prober->tcp, probe->connection, &probe->cipher, in->len);
	if (!tls_is_finished(probe->tls) && shake(probe))
		return true;
	if (!tls_is_finished(probe->tls)) {
		if (probe->shaking_link != NULL ||
		    (*events & (TCP_EVENT_END | TCP_EVENT_CLOSED)) == 0)
			return true; /* for now */
		end(probe, PROBE_NO_TLS, 0);
		return true;
	}
	for (uint32_t i = 0; i < TLS_READS && result == TLS_MORE; i++)
		result = tls_read(probe->tls, &probe->cipher, &probe->plain,
				  2 * HTTP_PROBER_ANSWER_MAX - probe->plain.len, &out);
	send_chain(probe, &out);
	if (result == TLS_CLOSED || result == TLS_FAILED)
		*events |= TCP_EVENT_END;
	if (!chain_is_empty(&probe->plain))
		*events |= TCP_EVENT_READABLE;
	else
		*events &= ~(uint32_t)TCP_EVENT_READABLE;
	return false;
}

static void
go_on(struct http_probe *probe, uint32_t events)
{
	if (probe->passed)
		return;
	if (probe->tls != NULL && probe->connected && receive_tls(probe, &events))
		return;
	if (probe->http2 != NULL &&
	    receive_http2(probe, (events & (TCP_EVENT_END | TCP_EVENT_CLOSED)) != 0))
		return;
	if (probe->http2 == NULL &&
	    ((events & (TCP_EVENT_READABLE | TCP_EVENT_END)) != 0 ||
	     ((events & TCP_EVENT_CLOSED) != 0 && received(probe)->len > 0))) {
		read_answer(probe, received(probe),
			    (events & (TCP_EVENT_END | TCP_EVENT_CLOSED)) != 0);
		return;
	}
	if ((events & TCP_EVENT_CLOSED) == 0)
		return;
	if (tcp_close_reason(probe->connection) != TCP_CLOSE_TIMEOUT)
		end(probe, PROBE_REFUSED, 0);
	else
		end(probe, probe->connected ? PROBE_NO_ANSWER : PROBE_TIMEOUT, 0);
}

static void
on_event(struct proxy_side *side, struct tcp_connection *connection, uint32_t events)
{
	struct http_probe *probe = (struct http_probe *)side;

	(void)connection;
	if ((events & TCP_EVENT_CONNECTED) != 0 && !probe->connected) {
		probe->connected = true;
		if (probe->request.proxy_v2 && !send_proxy_header(probe))
			return;
		if (probe->tls == NULL)
			send_request(probe);
		if (probe->prober->free == probe)
			return;
	}
	if (probe->tls == NULL || !probe->connected || tls_is_finished(probe->tls)) {
		go_on(probe, events);
		return;
	}
	probe->events |= events;
	queue_handshake(probe);
}

static void
on_timeout(struct timer *timer, void *arg)
{
	struct http_probe *probe =
		(struct http_probe *)((uint8_t *)timer - offsetof(struct http_probe, timer));

	(void)arg;
	if (probe->passed)
		end(probe, PROBE_CONNECTED, 0);
	else
		end(probe, probe->connected ? PROBE_NO_ANSWER : PROBE_TIMEOUT, 0);
}

bool
http_prober_start(struct http_prober *prober, const struct http_probe_request *request,
		  uint32_t now_ms)
{
	struct http_probe *probe = prober->free;

	if (probe == NULL)
		return false;
	probe->tls = NULL;
	if (request->tls != NULL) {
		probe->tls = tls_connect(request->tls, prober->pool, NULL, NULL);
		if (probe->tls == NULL)
			return false;
	}
	probe->connection = tcp_connect(prober->tcp, &request->tuple, &request->settings, probe);
	if (probe->connection == NULL) {
		tls_free(probe->tls);
		return false;
	}
	prober->free = probe->next;
	probe->side.on_event = on_event;
	probe->prober = prober;
	probe->request = *request;
	probe->connected = false;
	probe->passed = false;
	probe->events = 0;
	probe->shaking_link = NULL;
	probe->http2 = NULL;
	probe->stream = NULL;
	probe->next = prober->active;
	probe->link = &prober->active;
	if (probe->next != NULL)
		probe->next->link = &probe->next;
	prober->active = probe;
	timer_wheel_add(&prober->wheel, &probe->timer, now_ms + request->timeout_ms, on_timeout);
	return true;
}

void
http_prober_advance(struct http_prober *prober, uint32_t now_ms)
{
	struct http_probe *probe;

	prober->now_ms = now_ms;
	timer_wheel_advance(&prober->wheel, now_ms);
	probe = prober->shaking;
	if (probe == NULL)
		return;
	unqueue_handshake(probe);
	go_on(probe, probe->events);
}
