/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests at a fixed rate, whatever the server does: the load of tools/bench http.
 *
 * Latency is counted from the time a request was due, so a server that falls behind can't hide it.
 * With rate 0 every connection asks again as soon as it is answered.
 *
 * usage: http_load ADDRESS PORT PATH CONNECTIONS RATE SECONDS [new [HOST]]
 *   new   each request on a connection of its own, as many of them at once as CONNECTIONS; the
 *         handshake counts as latency ("keep": not new)
 * One line of JSON: requests, errors, seconds, p50_us, p99_us, p999_us, bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "histogram.h"

struct client {
	int fd;
	bool connecting, busy;
	uint64_t due_us;
	char head[4096]; /* of the response, until its end is found */
	uint32_t head_len;
	int64_t body_left; /* -1: the head is not complete */
	struct client *next_idle;
};

static struct sockaddr_storage server;
static socklen_t server_len;
static char request[512];
static size_t request_len;
static bool fresh;
static int epoll_fd;
static struct client *idle;
static struct histogram latency;
static uint64_t requests, errors, bytes;

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
open_connection(struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	int on = 1;

	c->fd = socket(server.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	c->connecting = true;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (struct sockaddr *)&server, server_len) != 0 && errno != EINPROGRESS) {
		perror("http_load: connect");
		exit(1);
	}
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void
close_connection(struct client *c)
{
	struct linger reset = {.l_onoff = 1}; /* no TIME-WAIT here: ports would run out */

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(c->fd);
	c->fd = -1;
}

static void
complain(const struct client *c, const char *what, const char *more)
{
	if (errors < 10)
		fprintf(stderr, "http_load: %s%s, %llu us after it was due\n", what, more,
			(unsigned long long)(now_us() - c->due_us));
}

static void
send_request(struct client *c)
{
	if (write(c->fd, request, request_len) != (ssize_t)request_len)
		complain(c, "cannot send: ", strerror(errno));
}

/* The request is sent when there is a connection. */
static void
ask(struct client *c, uint64_t due_us)
{
	c->busy = true;
	c->due_us = due_us;
	c->head_len = 0;
	c->body_left = -1;
	if (c->fd < 0)
		open_connection(c);
	else if (!c->connecting)
		send_request(c);
}

static void
give_idle(struct client *c)
{
	c->busy = false;
	c->next_idle = idle;
	idle = c;
}

static void
answered(struct client *c, bool well)
{
	if (well) {
		requests++;
		histogram_add(&latency, now_us() - c->due_us);
	} else {
		errors++;
	}
	if (fresh || !well)
		close_connection(c);
	give_idle(c);
}

static bool
read_head(struct client *c)
{
	char *end, *length;

	c->head[c->head_len] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (end == NULL)
		return c->head_len < sizeof(c->head) - 1;
	length = strcasestr(c->head, "\r\nContent-Length:");
	if (length == NULL || strncmp(c->head, "HTTP/1.1 200", 12) != 0)
		return false;
	c->body_left = atoll(length + 17) - (int64_t)(c->head_len - (size_t)(end + 4 - c->head));
	return true;
}

static void
readable(struct client *c)
{
	static char body[262144];

	for (;;) {
		bool in_head = c->body_left < 0;
		ssize_t n = in_head ? read(c->fd, c->head + c->head_len,
					   sizeof(c->head) - 1 - c->head_len)
				    : read(c->fd, body, sizeof(body));

		if (n < 0 && errno == EAGAIN)
			return;
		if (!c->busy) {
			if (n <= 0)
				close_connection(c);
			return;
		}
		if (n <= 0) {
			complain(c, "the connection ended: ", n == 0 ? "FIN" : strerror(errno));
			answered(c, false);
			return;
		}
		bytes += (uint64_t)n;
		if (in_head) {
			c->head_len += (uint32_t)n;
			if (!read_head(c)) {
				c->head[strcspn(c->head, "\r")] = '\0';
				complain(c, "unexpected answer: ", c->head);
				answered(c, false);
				return;
			}
		} else {
			c->body_left -= n;
		}
		if (c->body_left == 0) {
			answered(c, true);
			return;
		}
	}
}

/* A handshake is over.  A connection that stays is told of whenever there is something to read. */
static void
connected(struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	socklen_t len = sizeof(int);
	int error = 0;

	c->connecting = false;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error != 0) {
		complain(c, "cannot connect: ", strerror(error));
		if (c->busy)
			answered(c, false);
		else
			close_connection(c);
		return;
	}
	if (!fresh)
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
	if (c->busy)
		send_request(c);
}

static void
parse_server(const char *address, const char *port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&server;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&server;

	if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		server_len = sizeof(*v4);
	} else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)atoi(port));
		server_len = sizeof(*v6);
	} else {
		fprintf(stderr, "http_load: %s is no address\n", address);
		exit(2);
	}
}

static void
wait_for_events(uint64_t timeout_us)
{
	struct timespec timeout = {(time_t)(timeout_us / 1000000),
				   (long)(timeout_us % 1000000) * 1000};
	struct epoll_event events[256];
	int got = epoll_pwait2(epoll_fd, events, 256, &timeout, NULL);

	for (int i = 0; i < got; i++) {
		struct client *c = events[i].data.ptr;

		if (c->connecting)
			connected(c);
		if (c->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
			readable(c);
	}
}

/* All connections that stay are there before time counts. */
static void
open_all(struct client *clients, int n)
{
	for (int i = 0; i < n; i++) {
		clients[i].fd = -1;
		if (!fresh) {
			open_connection(&clients[i]);
			while (clients[i].connecting)
				wait_for_events(1000000);
		}
		give_idle(&clients[i]);
	}
}

static void
run(double rate, double seconds)
{
	uint64_t begin = now_us(), end = begin + (uint64_t)(seconds * 1e6), sent = 0, now;

	while ((now = now_us()) < end) {
		uint64_t due = now;

		while (idle != NULL) {
			struct client *c = idle;

			if (rate != 0)
				due = begin + (uint64_t)((double)sent * 1e6 / rate);
			if (due > now)
				break;
			idle = c->next_idle;
			ask(c, due);
			sent++;
		}
		wait_for_events(due > now && due - now < 1000 ? due - now : 1000);
	}
	printf("{\"requests\": %llu, \"errors\": %llu, \"seconds\": %.3f, \"p50_us\": %llu, "
	       "\"p99_us\": %llu, \"p999_us\": %llu, \"bytes\": %llu}\n",
	       (unsigned long long)requests, (unsigned long long)errors,
	       (double)(now_us() - begin) / 1e6,
	       (unsigned long long)histogram_percentile(&latency, 500),
	       (unsigned long long)histogram_percentile(&latency, 990),
	       (unsigned long long)histogram_percentile(&latency, 999), (unsigned long long)bytes);
}

int
main(int argc, char **argv)
{
	struct client *clients;
	int n;

	if (argc < 7) {
		fprintf(stderr, "usage: http_load ADDRESS PORT PATH CONNECTIONS RATE SECONDS "
				"[new|keep [HOST]]\n");
		return 2;
	}
	parse_server(argv[1], argv[2]);
	request_len = (size_t)snprintf(request, sizeof(request),
				       "GET %s HTTP/1.1\r\nHost: %s\r\n"
				       "User-Agent: http_load/1\r\nAccept: */*\r\n\r\n",
				       argv[3], argc > 8 ? argv[8] : "shop.example.com");
	n = atoi(argv[4]);
	fresh = argc > 7 && strcmp(argv[7], "new") == 0;
	epoll_fd = epoll_create1(0);
	clients = calloc((size_t)n, sizeof(*clients));
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	open_all(clients, n);
	run(atof(argv[5]), atof(argv[6]));
	return 0;
}
