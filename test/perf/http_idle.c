/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that connect and then say nothing: what idle connections cost a server.
 *
 * usage: http_idle ADDRESS PORT CONNECTIONS SOURCE
 * SOURCE is an address of this host.  One line of JSON when all are open: connections, failed,
 * seconds.  They stay open until standard input ends; then one more line: closed, those that the
 * server had ended by then.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OPENING_MAX 64 /* handshakes under way */

static struct sockaddr_in6 server;
static uint32_t opened, failed;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "http_idle: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* IPv4 as IPv4-mapped: one family of sockets for both. */
static struct sockaddr_in6
address_of(const char *text, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') == NULL ? "::ffff:" : "", text);
	if (inet_pton(AF_INET6, mapped, &a.sin6_addr) != 1) {
		fprintf(stderr, "http_idle: %s is no address\n", text);
		exit(2);
	}
	return a;
}

static void
open_one(int epoll_fd, const char *source)
{
	struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT};
	struct sockaddr_in6 from = address_of(source, 0);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
		fail(source);
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS)
		fail("connect");
	event.data.fd = fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* A handshake is over; nobody asks for more of this connection until the end. */
static void
connected(int fd)
{
	struct linger reset = {.l_onoff = 1};
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (error == 0) {
		opened++;
		return;
	}
	failed++;
	close(fd);
}

int
main(int argc, char **argv)
{
	uint32_t n, begun = 0, closed = 0;
	struct epoll_event events[OPENING_MAX];
	struct rlimit limit;
	int epoll_fd;
	double begin;
	char byte;

	if (argc != 5) {
		fprintf(stderr, "usage: http_idle ADDRESS PORT CONNECTIONS SOURCE\n");
		return 2;
	}
	server = address_of(argv[1], (uint16_t)atoi(argv[2]));
	n = (uint32_t)atoi(argv[3]);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (n + 16 > limit.rlim_cur) {
		fprintf(stderr, "http_idle: at most %llu files may be open\n",
			(unsigned long long)limit.rlim_max);
		return 1;
	}
	epoll_fd = epoll_create1(0);
	begin = now();
	while (opened + failed < n) {
		int got;

		for (; begun < n && begun - opened - failed < OPENING_MAX; begun++)
			open_one(epoll_fd, argv[4]);
		got = epoll_wait(epoll_fd, events, OPENING_MAX, 1000);
		for (int i = 0; i < got; i++)
			connected(events[i].data.fd);
	}
	printf("{\"connections\": %u, \"failed\": %u, \"seconds\": %.3f}\n", opened, failed,
	       now() - begin);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	for (int fd = epoll_fd + 1; fd < (int)limit.rlim_cur; fd++) {
		closed += recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 ||
			  (errno != EAGAIN && errno != EBADF);
		close(fd);
		if (fd % 32 == 0)
			usleep(2000); /* a storm of RSTs would overflow the path's queues */
	}
	printf("{\"closed\": %u}\n", closed);
	return 0;
}
