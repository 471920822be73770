/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/2 without TCP and TLS: a client and a server over two chains, in one thread, both of them in
 * the figures.
 *
 *   requests per CPU second, GET with a small response, 10 streams at a time
 *   bytes per CPU second of a large response
 *   bytes of an idle connection that has served requests
 *
 * usage: bench_http2 [requests]
 */
#include <time.h>

#include "http2_world.h"

#define STREAMS 10u

static struct http2 *client, *server;
static uint64_t done_n, bytes_n;
static char *response;
static uint32_t response_len;
static void *response_owner;

static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
ask(void)
{
	static const char request[] =
		"GET /some/path?with=query HTTP/1.1\r\nHost: www.example.com\r\n"
		"User-Agent: bench/1.0\r\nAccept: text/html,*/*;q=0.8\r\n"
		"Accept-Encoding: gzip, br\r\nCookie: session=0123456789\r\n\r\n";
	struct http2_stream *s = http2_open(client, NULL);
	struct chain bytes = {0};

	CHECK(s != NULL);
	CHECK(chain_append(&h2.chains, &bytes, NULL, (const uint8_t *)request, sizeof(request) - 1,
			   0));
	http2_stream_send(s, &bytes);
}

static void
serve(void)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(server, &events)) != NULL) {
		http2_stream_take(s, NULL, http2_stream_received(s)->len);
		if ((events & HTTP2_EVENT_END) != 0) {
			struct chain bytes = {0};

			CHECK(chain_append_ref(&h2.chains, &bytes, response_owner,
					       (uint8_t *)response, response_len, response_len));
			http2_stream_send(s, &bytes);
		}
		if ((events & (HTTP2_EVENT_DONE | HTTP2_EVENT_RESET)) != 0)
			http2_stream_close(s);
	}
}

static void
consume(uint64_t *begun, uint64_t requests)
{
	struct http2_stream *s;
	uint32_t events;

	while ((s = http2_next(client, &events)) != NULL) {
		bytes_n += http2_stream_received(s)->len;
		http2_stream_take(s, NULL, http2_stream_received(s)->len);
		if ((events & (HTTP2_EVENT_DONE | HTTP2_EVENT_RESET)) == 0)
			continue;
		CHECK((events & HTTP2_EVENT_DONE) != 0);
		http2_stream_close(s);
		done_n++;
		if (*begun < requests) {
			ask();
			++*begun;
		}
	}
}

static void
begin(void)
{
	struct http2_config of_client = http2_config_of(HTTP2_CLIENT);
	struct http2_config of_server = http2_config_of(HTTP2_SERVER);

	of_server.requests_max = 0;
	client = http2_create(h2.pool, &of_client, NULL, 0);
	server = http2_create(h2.pool, &of_server, NULL, 0);
	CHECK(client != NULL && server != NULL);
	done_n = bytes_n = 0;
}

static double
run(uint64_t requests)
{
	struct chain out = {0};
	uint64_t begun = 0;
	double began = cpu_s();

	while (begun < STREAMS && begun < requests) {
		ask();
		begun++;
	}
	while (done_n < requests) {
		http2_write(client, &out, 65536);
		http2_receive(server, &out, (uint32_t)(cpu_s() * 1000));
		serve();
		http2_write(server, &out, 65536);
		http2_receive(client, &out, (uint32_t)(cpu_s() * 1000));
		consume(&begun, requests);
		serve();
	}
	return cpu_s() - began;
}

static void
set_response(uint32_t body)
{
	struct h2_buffer *b = malloc(sizeof(*b) + body + 256);
	int n;

	CHECK(b != NULL);
	b->refs = 1;
	h2.buffers_n++;
	response_owner = b;
	response = (char *)b->data;
	n = sprintf(response,
		    "HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 02:01:51 GMT\r\nServer: bench\r\n"
		    "Content-Type: text/html\r\nContent-Length: %u\r\n\r\n",
		    body);
	memset(response + n, 'x', body);
	response_len = (uint32_t)n + body;
}

int
main(int argc, char **argv)
{
	uint64_t requests = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
	double s;

	h2_begin();
	set_response(128);
	begin();
	s = run(requests);
	printf("requests per CPU second, client and server: %.0f (%.2f us each)\n",
	       (double)requests / s, s / (double)requests * 1e6);
	printf("bytes of an idle server connection that served: %u; of a client: %u\n",
	       http2_memory(server), http2_memory(client));
	http2_free(client);
	http2_free(server);
	h2_unref(response_owner);

	set_response(1 << 20);
	begin();
	s = run(requests / 400 + 1);
	printf("MB per CPU second of 1 MiB responses: %.0f\n", (double)bytes_n / s / 1e6);
	http2_free(client);
	http2_free(server);
	h2_unref(response_owner);

	begin();
	printf("bytes of a fresh server connection: %u\n", http2_memory(server));
	http2_free(client);
	http2_free(server);
	h2_end();
	return unit_failed != 0;
}
