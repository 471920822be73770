/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_prober.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "timer_wheel.h"

struct http_probe {
	struct proxy_side side; /* first */
	struct http_prober *prober;
	struct tcp_connection *connection;
	struct http_probe_request request;
	struct timer timer;
	struct http_probe *next; /* of the free ones, or of all under way */
	struct http_probe **link;
	bool connected;
};

struct http_prober {
	struct tcp *tcp;
	struct chain_pool *pool;
	void (*done)(void *arg, uint64_t cookie, enum probe_result result, uint16_t status);
	void *arg;
	struct timer_wheel wheel;
	struct http_probe *free, *active;
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
	timer_wheel_init(&prober->wheel, now_ms, prober);
	for (uint32_t i = HTTP_PROBER_PROBES; i > 0; i--) {
		prober->probes[i - 1].next = prober->free;
		prober->free = &prober->probes[i - 1];
	}
	return prober;
}

static void
end(struct http_probe *probe, enum probe_result result, uint16_t status)
{
	struct http_prober *prober = probe->prober;

	timer_wheel_cancel(&prober->wheel, &probe->timer);
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
	free(prober);
}

static void
send_request(struct http_probe *probe)
{
	const struct tcp_tuple *t = &probe->request.tuple;
	char text[HTTP_PROBER_PATH_MAX + 256], address[IP_ADDR_TEXT_MAX];
	struct chain bytes = {0};
	int n;

	ip_addr_format(&t->remote, address);
	n = snprintf(
		text, sizeof(text),
		"GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nConnection: close\r\n"
		"User-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n",
		probe->request.path, t->af == 6 ? "[" : "", address, t->af == 6 ? "]" : "",
		ntohs(t->remote_port_be));
	if (n < 0 || (size_t)n >= sizeof(text) ||
	    !chain_append_copy(probe->prober->pool, &bytes, text, (uint32_t)n)) {
		end(probe, PROBE_NOT_SENT, 0);
		return;
	}
	tcp_send(probe->prober->tcp, probe->connection, &bytes);
}

/* The status line is enough: "HTTP/1.x NNN" and what ends it. */
static void
read_answer(struct http_probe *probe, bool ended)
{
	const struct chain *in = tcp_received(probe->connection);
	char line[13];
	uint16_t status;

	if (in->len < sizeof(line)) {
		if (ended)
			end(probe, PROBE_BAD_ANSWER, 0);
		return;
	}
	chain_copy_out(in, 0, line, sizeof(line));
	if (memcmp(line, "HTTP/1.", 7) != 0 || line[8] != ' ' || line[9] < '1' || line[9] > '9' ||
	    line[10] < '0' || line[10] > '9' || line[11] < '0' || line[11] > '9' ||
	    (line[12] != ' ' && line[12] != '\r')) {
		end(probe, PROBE_BAD_ANSWER, 0);
		return;
	}
	status = (uint16_t)((line[9] - '0') * 100 + (line[10] - '0') * 10 + line[11] - '0');
	if (status == 100)
		end(probe, PROBE_BAD_ANSWER, status);
	else if (http_matcher_has(&probe->request.matcher, status))
		end(probe, PROBE_CONNECTED, status);
	else
		end(probe, PROBE_STATUS_MISMATCH, status);
}

static void
on_event(struct proxy_side *side, struct tcp_connection *connection, uint32_t events)
{
	struct http_probe *probe = (struct http_probe *)side;

	(void)connection;
	if ((events & TCP_EVENT_CONNECTED) != 0 && !probe->connected) {
		probe->connected = true;
		send_request(probe);
		if (probe->prober->free == probe)
			return;
	}
	if ((events & (TCP_EVENT_READABLE | TCP_EVENT_END)) != 0 ||
	    ((events & TCP_EVENT_CLOSED) != 0 && tcp_received(probe->connection)->len > 0)) {
		read_answer(probe, (events & (TCP_EVENT_END | TCP_EVENT_CLOSED)) != 0);
		return;
	}
	if ((events & TCP_EVENT_CLOSED) != 0)
		end(probe,
		    tcp_close_reason(probe->connection) == TCP_CLOSE_TIMEOUT ? PROBE_TIMEOUT
									     : PROBE_REFUSED,
		    0);
}

static void
on_timeout(struct timer *timer, void *arg)
{
	(void)arg;
	end((struct http_probe *)((uint8_t *)timer - offsetof(struct http_probe, timer)),
	    PROBE_TIMEOUT, 0);
}

bool
http_prober_start(struct http_prober *prober, const struct http_probe_request *request,
		  uint32_t now_ms)
{
	struct http_probe *probe = prober->free;

	if (probe == NULL)
		return false;
	probe->connection = tcp_connect(prober->tcp, &request->tuple, &request->settings, probe);
	if (probe->connection == NULL)
		return false;
	prober->free = probe->next;
	probe->side.on_event = on_event;
	probe->prober = prober;
	probe->request = *request;
	probe->connected = false;
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
	timer_wheel_advance(&prober->wheel, now_ms);
}
