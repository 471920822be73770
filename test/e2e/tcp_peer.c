/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP engine as a host behind a TUN device, or two TUN devices joined, through a wire that
 * loses and delays by a seed: the kernel's TCP against the engine, and against itself.
 *
 * usage: tcp_peer engine TUN [loss=P] [delay=MS] [seed=N] [congestion=cubic|reno]
 *                            [address=A] [connect=A:PORT] [bytes=N]
 *        tcp_peer bridge TUN TUN [loss=P] [delay=MS] [seed=N]
 *
 * P is per ten thousand packets, each way.  The engine listens on every port of `address`: what a
 * connection sends is answered by nothing, and `bytes` of a known stream are sent to it, then FIN.
 * With `connect` it opens one itself, sends and ends.  It ends on SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tcp_buffers.h"

#define HELD_MAX 16384u
#define SPANS    65536u
#define CHUNK    16384u

struct held {
	struct buffer *b;
	uint64_t due_us;
	int out; /* descriptor, -1: the engine */
};

static struct held held[HELD_MAX]; /* all are delayed alike: in order */
static uint32_t held_first, held_n;
static uint32_t loss, delay_ms;
static uint64_t bytes_to_send = 10000000;
static unsigned long long seed = 1;
static volatile sig_atomic_t ended;
static uint64_t now_us, lost_n;
static int engine_tun = -1;
static struct tcp *tcp;
static struct chain_pool pool;
static struct tcp_listener listener = {.settings = {.mtu = 1500,
						    .receive_buffer = 4u << 20,
						    .send_buffer = 2u << 20,
						    .syn_retries = 6},
				       .max_half_open = 64};

static void
on_signal(int number)
{
	(void)number;
	ended = 1;
}

static uint64_t
read_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int
open_tun(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
		perror(name);
		exit(1);
	}
	return fd;
}

/* On the wire: lost, or there after the delay. */
static void
send_frame(struct buffer *b, int out)
{
	if (unit_random(&seed) % 10000 < loss || held_n == HELD_MAX) {
		lost_n++;
		buffer_unref(b);
		return;
	}
	held[(held_first + held_n++) % HELD_MAX] =
		(struct held){b, now_us + delay_ms * UINT64_C(1000), out};
}

static void
deliver(const struct held *h)
{
	struct packet p = {0};

	if (h->out >= 0) {
		ssize_t n = write(h->out, h->b->data + BUFFER_LINK, h->b->len - BUFFER_LINK);

		(void)n;
	} else if (buffer_parse(h->b, &p)) {
		tcp_input(tcp, &p, BUFFER_CHARGE, false);
	}
	buffer_unref(h->b);
}

static void
deliver_due(void)
{
	while (held_n > 0 && held[held_first].due_us <= now_us) {
		deliver(&held[held_first]);
		held_first = (held_first + 1) % HELD_MAX;
		held_n--;
	}
}

/* Everything a device has goes on the wire. */
static void
drain(int from, int to)
{
	for (;;) {
		struct buffer *b = buffer_new();
		ssize_t n = read(from, b->data + BUFFER_LINK, BUFFER_ROOM - BUFFER_LINK);

		if (n <= 0) {
			buffer_unref(b);
			return;
		}
		memset(b->data, 0, BUFFER_LINK);
		bytes_store_be16(b->data + 12,
				 b->data[BUFFER_LINK] >> 4 == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
		b->len = BUFFER_LINK + (uint32_t)n;
		send_frame(b, to);
	}
}

static void
emit(void *arg, const struct tcp_segment *segment)
{
	(void)arg;
	send_frame(buffer_of_segment(segment), engine_tun);
}

static struct tcp_listener *
listen_for(void *arg, const struct packet *p)
{
	(void)arg;
	(void)p;
	return &listener;
}

static void
released(void *arg, const struct tcp_tuple *tuple)
{
	(void)arg;
	(void)tuple;
}

/* The user pointer counts what was queued. */
static void
feed(struct tcp_connection *c)
{
	static uint8_t chunk[CHUNK];
	uint64_t at = (uint64_t)(uintptr_t)tcp_user(c);

	while (at < bytes_to_send && tcp_queued(c) < listener.settings.send_buffer) {
		uint32_t n = bytes_to_send - at < CHUNK ? (uint32_t)(bytes_to_send - at) : CHUNK;
		struct chain chain = {0};

		for (uint32_t i = 0; i < n; i++)
			chunk[i] = (uint8_t)((at + i) % 251);
		if (!chain_append_copy(&pool, &chain, chunk, n))
			break;
		tcp_send(tcp, c, &chain);
		at += n;
		if (at == bytes_to_send)
			tcp_shutdown(tcp, c);
	}
	tcp_set_user(c, (void *)(uintptr_t)at);
}

static void
report(const struct tcp_connection *c)
{
	struct tcp_info info;

	tcp_info(c, &info);
	printf("{\"received\": %llu, \"acked\": %llu, \"again\": %u, \"timeouts\": %llu, "
	       "\"srtt_us\": %u, \"reason\": %d, \"lost\": %llu}\n",
	       (unsigned long long)info.bytes_received, (unsigned long long)info.bytes_acked,
	       info.retransmitted_segments, (unsigned long long)tcp_counters(tcp)->timeouts,
	       info.srtt_us, tcp_close_reason(c), (unsigned long long)lost_n);
	fflush(stdout);
}

static void
take_events(void)
{
	struct tcp_connection *c;
	uint32_t events;

	while (tcp_next_event(tcp, &c, &events)) {
		if ((events & TCP_EVENT_ACCEPTED) != 0)
			tcp_set_user(c, NULL);
		if ((events & TCP_EVENT_READABLE) != 0)
			tcp_take(tcp, c, NULL, tcp_received(c)->len);
		if ((events & (TCP_EVENT_ACCEPTED | TCP_EVENT_CONNECTED | TCP_EVENT_WRITABLE)) != 0)
			feed(c);
		if ((events & TCP_EVENT_CLOSED) != 0) {
			report(c);
			tcp_close(tcp, c, 0);
		}
	}
}

static void
open_engine(const char *address, char *connect_to)
{
	struct tcp_config config = {.ops = {emit, listen_for, released, NULL},
				    .pool = &pool,
				    .connections_max = 256,
				    .time_wait_max = 256,
				    .half_open_max = 256,
				    .secret = {(uint8_t)seed}};
	struct tcp_tuple tuple = {.af = 4, .local_port_be = htons((uint16_t)(20000 + seed % 9999))};
	char *port;

	chain_pool_init(&pool, &buffer_ops, malloc(SPANS * sizeof(struct span)), SPANS,
			BUFFER_CHARGE);
	tcp = tcp_create(&config, now_us);
	CHECK(tcp != NULL);
	if (connect_to == NULL)
		return;
	port = strrchr(connect_to, ':');
	*port = '\0';
	tuple.local = buffer_addr(address);
	tuple.remote = buffer_addr(connect_to);
	tuple.af = ip_addr_family(&tuple.remote);
	tuple.remote_port_be = htons((uint16_t)atoi(port + 1));
	CHECK(tcp_connect(tcp, &tuple, &listener.settings, NULL) != NULL);
}

static int
poll_timeout_ms(void)
{
	if (held_n == 0)
		return tcp == NULL ? 1000 : 1;
	return held[held_first].due_us <= now_us + 1000 ? 0 : 1;
}

static void
run(struct pollfd *fds, nfds_t n)
{
	while (!ended) {
		poll(fds, n, poll_timeout_ms());
		now_us = read_clock();
		if (tcp != NULL)
			tcp_set_time(tcp, now_us);
		for (nfds_t i = 0; i < n; i++) {
			if ((fds[i].revents & POLLIN) != 0)
				drain(fds[i].fd, n == 2 ? fds[1 - i].fd : -1);
		}
		deliver_due();
		if (tcp == NULL)
			continue;
		tcp_advance(tcp, now_us);
		take_events();
		tcp_flush(tcp);
	}
}

int
main(int argc, char **argv)
{
	struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
	bool engine = argc > 2 && strcmp(argv[1], "engine") == 0;
	const char *address = "198.18.7.2";
	char *connect_to = NULL;
	nfds_t n = engine ? 1 : 2;

	if (!engine && (argc < 4 || strcmp(argv[1], "bridge") != 0)) {
		fprintf(stderr, "usage: tcp_peer engine TUN ... | bridge TUN TUN ...\n");
		return 2;
	}
	for (int i = 2 + (int)n; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (value == NULL)
			return 2;
		*value++ = '\0';
		if (strcmp(argv[i], "loss") == 0)
			loss = (uint32_t)atoi(value);
		else if (strcmp(argv[i], "delay") == 0)
			delay_ms = (uint32_t)atoi(value);
		else if (strcmp(argv[i], "seed") == 0)
			seed = strtoull(value, NULL, 0) * 7919 + 1;
		else if (strcmp(argv[i], "bytes") == 0)
			bytes_to_send = strtoull(value, NULL, 0);
		else if (strcmp(argv[i], "congestion") == 0)
			listener.settings.congestion =
				strcmp(value, "reno") == 0 ? TCP_NEW_RENO : TCP_CUBIC;
		else if (strcmp(argv[i], "address") == 0)
			address = value;
		else if (strcmp(argv[i], "connect") == 0)
			connect_to = value;
	}
	for (nfds_t i = 0; i < n; i++)
		fds[i].fd = open_tun(argv[2 + i]);
	engine_tun = fds[0].fd;
	signal(SIGTERM, on_signal);
	for (int i = 0; i < 8; i++)
		unit_random(&seed);
	now_us = read_clock();
	if (engine)
		open_engine(address, connect_to);
	run(fds, n);
	return unit_failed != 0;
}
