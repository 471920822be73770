/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire between two devices that loses, duplicates, reorders, delays and corrupts frames as a seed
 * says, and can carry one end's frames in a VLAN: for kernels without netem or 802.1Q.
 *
 * usage: wire DEVICE_A DEVICE_B [seed=N] [loss=P] [duplicate=P] [reorder=P] [corrupt=P] [delay=MS]
 *             [vlan=ID]
 * P is per ten thousand frames.  A reordered frame is held back for 3 ms more.  vlan: frames get
 * the tag on their way to DEVICE_B, lose it on their way to DEVICE_A, and untagged ones from B are
 * lost. It ends on SIGTERM and prints what it did as JSON.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX    9300
#define HELD_MAX     16384
#define REORDER_US   3000
#define TEN_THOUSAND 10000

struct frame {
	uint64_t due_us;
	uint64_t order; /* of arrival: equal times leave in it */
	int out;        /* socket it leaves by */
	uint16_t len;
	uint8_t data[];
};

struct settings {
	uint64_t seed;
	uint32_t loss, duplicate, reorder, corrupt; /* per ten thousand */
	uint32_t delay_ms;
	uint32_t vlan; /* 0: none */
};

static struct {
	uint64_t passed, lost, duplicated, reordered, corrupted;
} counts;

static struct settings settings = {.seed = 1};
static struct frame *held[HELD_MAX]; /* a heap by time */
static unsigned held_n;
static uint64_t arrivals;
static volatile sig_atomic_t ended;

static void
on_signal(int number)
{
	(void)number;
	ended = 1;
}

static void
fail(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* xorshift64*: the same seed gives the same decisions for the same sequence of frames. */
static uint32_t
next_random(void)
{
	settings.seed ^= settings.seed >> 12;
	settings.seed ^= settings.seed << 25;
	settings.seed ^= settings.seed >> 27;
	return (uint32_t)((settings.seed * 0x2545f4914f6cdd1dULL) >> 32);
}

static bool
happens(uint32_t per_ten_thousand)
{
	return next_random() % TEN_THOUSAND < per_ten_thousand;
}

static uint64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool
is_before(const struct frame *a, const struct frame *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void
swap_held(unsigned a, unsigned b)
{
	struct frame *f = held[a];

	held[a] = held[b];
	held[b] = f;
}

static void
hold(struct frame *f)
{
	unsigned i = held_n++;

	held[i] = f;
	for (; i > 0 && is_before(held[i], held[(i - 1) / 2]); i = (i - 1) / 2)
		swap_held(i, (i - 1) / 2);
}

static struct frame *
take_first(void)
{
	struct frame *first = held[0];
	unsigned i = 0;

	held[0] = held[--held_n];
	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= held_n)
			return first;
		if (child + 1 < held_n && is_before(held[child + 1], held[child]))
			child++;
		if (!is_before(held[child], held[i]))
			return first;
		swap_held(i, child);
		i = child;
	}
}

static void
send_later(int out, const uint8_t *data, uint16_t len, uint64_t due_us)
{
	struct frame *f;

	if (held_n == HELD_MAX) {
		counts.lost++;
		return;
	}
	f = malloc(sizeof(*f) + len);
	if (f == NULL)
		fail("malloc");
	f->due_us = due_us;
	f->order = arrivals++;
	f->out = out;
	f->len = len;
	memcpy(f->data, data, len);
	hold(f);
}

static void
pass(int out, uint8_t *data, uint16_t len)
{
	uint64_t due_us = now_us() + settings.delay_ms * 1000u;

	if (happens(settings.loss)) {
		counts.lost++;
		return;
	}
	if (happens(settings.corrupt)) {
		uint32_t bit = next_random() % (len * 8u);

		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		counts.corrupted++;
	}
	if (happens(settings.reorder)) {
		due_us += REORDER_US;
		counts.reordered++;
	}
	if (happens(settings.duplicate)) {
		send_later(out, data, len, due_us);
		counts.duplicated++;
	}
	send_later(out, data, len, due_us);
	counts.passed++;
}

/* Put a tag behind the MAC addresses; there are 4 bytes of room in front of `data`. */
static uint8_t *
tag(uint8_t *data, uint16_t tci)
{
	memmove(data - 4, data, 12);
	data -= 4;
	data[12] = ETH_P_8021Q >> 8;
	data[13] = ETH_P_8021Q & 0xff;
	data[14] = (uint8_t)(tci >> 8);
	data[15] = (uint8_t)tci;
	return data;
}

/* The kernel takes a tag out of the frame: it comes beside it. */
static bool
received_tag(struct msghdr *message, uint16_t *tci)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		*tci = aux.tp_vlan_tci;
		return (aux.tp_status & TP_STATUS_VLAN_VALID) != 0;
	}
	return false;
}

/* @return  whether there was a frame. */
static bool
receive(int in, int out, bool to_b)
{
	static uint8_t buffer[4 + FRAME_MAX];
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct sockaddr_ll from;
	struct iovec part = {.iov_base = buffer + 4, .iov_len = FRAME_MAX};
	struct msghdr message = {.msg_name = &from,
				 .msg_namelen = sizeof(from),
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	ssize_t len = recvmsg(in, &message, MSG_DONTWAIT);
	uint8_t *data = buffer + 4;
	uint16_t tci = 0;
	bool tagged;

	if (len < 0)
		return false;
	if (from.sll_pkttype == PACKET_OUTGOING || len < 14)
		return true;
	tagged = received_tag(&message, &tci);
	if (settings.vlan != 0 && !to_b && (!tagged || (tci & 0xfff) != settings.vlan)) {
		counts.lost++;
		return true;
	}
	if (settings.vlan != 0 ? to_b : tagged) {
		data = tag(data, settings.vlan != 0 ? (uint16_t)settings.vlan : tci);
		len += 4;
	}
	pass(out, data, (uint16_t)len);
	return true;
}

static void
send_due(void)
{
	uint64_t now = now_us();

	while (held_n > 0 && held[0]->due_us <= now) {
		struct frame *f = take_first();

		if (send(f->out, f->data, f->len, 0) < 0 && errno != ENOBUFS && errno != EMSGSIZE)
			fail("send");
		free(f);
	}
}

static int
open_device(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), on = 1, bytes = 8 << 20;
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
				      .sll_protocol = htons(ETH_P_ALL),
				      .sll_ifindex = (int)if_nametoindex(name)};

	if (fd < 0 || address.sll_ifindex == 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		fail(name);
	return fd;
}

static void
parse(int n, char **arguments)
{
	static const struct {
		const char *name;
		uint32_t *value;
	} keys[] = {{"loss", &settings.loss},       {"duplicate", &settings.duplicate},
		    {"reorder", &settings.reorder}, {"corrupt", &settings.corrupt},
		    {"delay", &settings.delay_ms},  {"vlan", &settings.vlan}};

	for (int i = 0; i < n; i++) {
		char name[16] = "";
		unsigned long value;
		bool known = false;

		if (sscanf(arguments[i], "%15[a-z]=%lu", name, &value) != 2)
			goto wrong;
		if (strcmp(name, "seed") == 0) {
			settings.seed = value * 0x9e3779b97f4a7c15ULL | 1;
			continue;
		}
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			if (strcmp(name, keys[k].name) == 0) {
				*keys[k].value = (uint32_t)value;
				known = true;
			}
		}
		if (known)
			continue;
	wrong:
		fprintf(stderr, "wire: %s is not understood\n", arguments[i]);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	struct pollfd sockets[2];

	if (argc < 3) {
		fprintf(stderr, "usage: wire DEVICE_A DEVICE_B [KEY=VALUE...]\n");
		return 2;
	}
	parse(argc - 3, argv + 3);
	for (int i = 0; i < 2; i++)
		sockets[i] = (struct pollfd){.fd = open_device(argv[1 + i]), .events = POLLIN};
	signal(SIGTERM, on_signal);
	printf("wire: ready\n");
	fflush(stdout);
	while (ended == 0) {
		int wait_ms = -1;

		if (held_n > 0) {
			uint64_t now = now_us(), due = held[0]->due_us;

			wait_ms = due <= now ? 0 : (int)((due - now + 999) / 1000);
		}
		if (poll(sockets, 2, wait_ms) < 0 && errno != EINTR)
			fail("poll");
		for (int i = 0; i < 64 && receive(sockets[0].fd, sockets[1].fd, true); i++)
			;
		for (int i = 0; i < 64 && receive(sockets[1].fd, sockets[0].fd, false); i++)
			;
		send_due();
	}
	printf("{\"passed\":%lu,\"lost\":%lu,\"duplicated\":%lu,\"reordered\":%lu,\"corrupted\":%"
	       "lu}\n",
	       counts.passed, counts.lost, counts.duplicated, counts.reordered, counts.corrupted);
	while (held_n > 0)
		free(take_first());
	return 0;
}
