/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "bytes.h"
#include "check.h"

#define RING_BYTES (1u << 20)

/* pcapng blocks, draft-ietf-opsawg-pcapng. */
#define BLOCK_SECTION    0x0A0D0D0A
#define BLOCK_INTERFACE  1
#define BLOCK_PACKET     6
#define BYTE_ORDER_MAGIC 0x1A2B3C4D
#define LINKTYPE_SLL     113 /* not RAW: libpcap 1.10 takes no second interface of that type */
#define OPTION_END       0
#define OPTION_IF_NAME   2
#define OPTION_EPB_FLAGS 2

#define SLL_LEN      16
#define SLL_HOST     0
#define SLL_OUTGOING 4

struct record {
	uint32_t bytes; /* of the record in the ring, a multiple of 8 */
	uint32_t len;   /* captured bytes that follow */
	uint32_t wire_len;
	uint16_t interface;
	uint16_t direction;
	uint64_t time_us;
};

struct ring {
	_Alignas(64) _Atomic uint64_t head; /* written by the worker */
	uint64_t missed;
	_Alignas(64) _Atomic uint64_t tail; /* written by the writer */
	_Alignas(64) uint8_t bytes[RING_BYTES];
};

struct capture {
	struct capture_settings settings;
	atomic_bool stopping;
	atomic_bool finished;
	_Atomic uint64_t written;
	_Atomic int error;
	FILE *file;
	pthread_t thread;
	struct ring *rings; /* [workers_n] */
};

static void
ring_put(struct ring *ring, uint64_t at, const void *src, size_t len)
{
	size_t off = at % RING_BYTES, first = RING_BYTES - off;

	if (first > len)
		first = len;
	memcpy(ring->bytes + off, src, first);
	memcpy(ring->bytes, (const uint8_t *)src + first, len - first);
}

static void
ring_get(const struct ring *ring, uint64_t at, void *dst, size_t len)
{
	size_t off = at % RING_BYTES, first = RING_BYTES - off;

	if (first > len)
		first = len;
	memcpy(dst, ring->bytes + off, first);
	memcpy((uint8_t *)dst + first, ring->bytes, len - first);
}

static bool
endpoint_is(const struct capture_endpoint *e, const struct ip_addr *addr, uint16_t port_be)
{
	return (e->any_addr || ip_addr_equal(&e->addr, addr)) &&
	       (e->port_be == 0 || e->port_be == port_be);
}

static bool
matches(const struct capture_settings *s, const struct packet *p)
{
	/* An appliance answers without swapping the ports: its own is the destination port. */
	uint16_t sport_be = (p->flags & PACKET_GENEVE) != 0 ? p->dport_be : p->sport_be;

	if (s->endpoints_n == 0)
		return true;
	for (uint32_t i = 0; i < s->endpoints_n; i++) {
		if (endpoint_is(&s->endpoints[i], &p->src, sport_be) ||
		    endpoint_is(&s->endpoints[i], &p->dst, p->dport_be))
			return true;
	}
	return false;
}

void
capture_packet(struct capture *capture, uint16_t worker, const struct packet *p, uint16_t interface,
	       uint64_t now_us, enum capture_direction direction)
{
	struct ring *ring = &capture->rings[worker];
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	struct record record = {.len = p->len,
				.wire_len = p->len,
				.interface = interface,
				.direction = (uint16_t)direction,
				.time_us = now_us};
	uint64_t at;
	uint32_t left;
	uint32_t off;

	if (!matches(&capture->settings, p))
		return;
	record.bytes = (uint32_t)((sizeof(record) + record.len + 7) & ~7u);
	if (RING_BYTES - (head - tail) < record.bytes) {
		__atomic_store_n(&ring->missed, ring->missed + 1, __ATOMIC_RELAXED);
		return;
	}
	ring_put(ring, head, &record, sizeof(record));
	at = head + sizeof(record);
	left = record.len;
	off = (uint32_t)(p->l3 - rte_pktmbuf_mtod(p->buf, uint8_t *));
	if (p->contiguous >= left) {
		ring_put(ring, at, p->l3, left);
	} else {
		/* The packet goes on in later segments. */
		for (const struct rte_mbuf *m = p->buf; m != NULL && left > 0;
		     m = m->next, off = 0) {
			uint32_t n = m->data_len - off < left ? m->data_len - off : left;

			ring_put(ring, at, rte_pktmbuf_mtod_offset(m, uint8_t *, off), n);
			at += n;
			left -= n;
		}
	}
	/* Release: the record must be complete before the writer sees it. */
	atomic_store_explicit(&ring->head, head + record.bytes, memory_order_release);
}

static void
put32(FILE *f, uint32_t v)
{
	fwrite(&v, sizeof(v), 1, f);
}

static void
put16(FILE *f, uint16_t v)
{
	fwrite(&v, sizeof(v), 1, f);
}

static void
put_padded(FILE *f, const void *src, size_t len)
{
	static const uint8_t zero[4];

	fwrite(src, 1, len, f);
	fwrite(zero, 1, (4 - len % 4) % 4, f);
}

static void
write_section(FILE *f)
{
	put32(f, BLOCK_SECTION);
	put32(f, 28);
	put32(f, BYTE_ORDER_MAGIC);
	put16(f, 1);
	put16(f, 0);
	put32(f, UINT32_MAX); /* section length: unknown, 64 bits */
	put32(f, UINT32_MAX);
	put32(f, 28);
}

static void
write_interface(FILE *f, const char *name)
{
	uint16_t name_len = (uint16_t)strlen(name);
	uint32_t len = 20u + 4u + ((name_len + 3u) & ~3u) + 4u;

	put32(f, BLOCK_INTERFACE);
	put32(f, len);
	put16(f, LINKTYPE_SLL);
	put16(f, 0);
	put32(f, CAPTURE_SNAP_LEN);
	put16(f, OPTION_IF_NAME);
	put16(f, name_len);
	put_padded(f, name, name_len);
	put16(f, OPTION_END);
	put16(f, 0);
	put32(f, len);
}

/* Linux "cooked" header, big endian: packet type, ARPHRD_ETHER, no address, EtherType. */
static void
put_sll(FILE *f, const struct record *r, const uint8_t *ip)
{
	uint8_t header[SLL_LEN] = {0};

	bytes_store_be16(header, r->direction == CAPTURE_TX ? SLL_OUTGOING : SLL_HOST);
	bytes_store_be16(header + 2, 1);
	bytes_store_be16(header + 14, ip[0] >> 4 == 4 ? 0x0800 : 0x86dd);
	fwrite(header, 1, sizeof(header), f);
}

static void
write_packet(const struct capture *capture, const struct record *r, const uint8_t *bytes)
{
	FILE *f = capture->file;
	uint32_t len = 28u + SLL_LEN + ((r->len + 3u) & ~3u) + 8u + 4u;
	uint64_t time_us = r->time_us + capture->settings.wall_offset_us;

	put32(f, BLOCK_PACKET);
	put32(f, len);
	put32(f, r->interface);
	put32(f, (uint32_t)(time_us >> 32));
	put32(f, (uint32_t)time_us);
	put32(f, SLL_LEN + r->len);
	put32(f, SLL_LEN + r->wire_len);
	put_sll(f, r, bytes);
	put_padded(f, bytes, r->len);
	put16(f, OPTION_EPB_FLAGS);
	put16(f, 4);
	put32(f, r->direction);
	put32(f, len); /* no end-of-options is needed behind the last option */
}

/* @return whether there was anything. */
static bool
drain_ring(struct capture *capture, struct ring *ring, uint8_t *buf)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint64_t limit = capture->settings.packets;
	bool any = head != tail;

	while (tail != head) {
		struct record record;

		ring_get(ring, tail, &record, sizeof(record));
		if (limit == 0 || atomic_load(&capture->written) < limit) {
			ring_get(ring, tail + sizeof(record), buf, record.len);
			write_packet(capture, &record, buf);
			atomic_fetch_add(&capture->written, 1);
		}
		tail += record.bytes;
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
	}
	return any;
}

static uint64_t
monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void *
writer_main(void *arg)
{
	static const struct timespec nap = {.tv_nsec = 2000000};
	struct capture *capture = arg;
	uint64_t end = monotonic_ms() + capture->settings.seconds * UINT64_C(1000);
	uint8_t *buf = malloc(CAPTURE_SNAP_LEN);
	bool last = buf == NULL;

	for (;;) {
		bool any = false;

		for (uint16_t i = 0; buf != NULL && i < capture->settings.workers_n; i++)
			any |= drain_ring(capture, &capture->rings[i], buf);
		if (!any)
			fflush(capture->file);
		if (ferror(capture->file)) {
			atomic_store(&capture->error, errno != 0 ? errno : EIO);
			break;
		}
		if (last)
			break;
		last = atomic_load(&capture->stopping) || monotonic_ms() >= end ||
		       (capture->settings.packets != 0 &&
			atomic_load(&capture->written) >= capture->settings.packets);
		if (!any && !last)
			nanosleep(&nap, NULL);
	}
	if (fclose(capture->file) != 0 && atomic_load(&capture->error) == 0)
		atomic_store(&capture->error, errno);
	free(buf);
	atomic_store(&capture->finished, true);
	return NULL;
}

struct capture *
capture_start(const struct capture_settings *settings, char *why, size_t why_len)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int fd = -1;

	if (capture == NULL)
		goto no_memory;
	capture->settings = *settings;
	capture->rings = aligned_alloc(64, settings->workers_n * sizeof(struct ring));
	if (capture->rings == NULL)
		goto no_memory;
	for (uint16_t i = 0; i < settings->workers_n; i++)
		memset(&capture->rings[i], 0, offsetof(struct ring, bytes));
	fd = open(settings->path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		snprintf(why, why_len, "%s: %s", settings->path, strerror(errno));
		goto fail;
	}
	capture->file = fdopen(fd, "w");
	if (capture->file == NULL)
		goto no_memory;
	write_section(capture->file);
	for (uint16_t i = 0; i < settings->interfaces_n; i++)
		write_interface(capture->file, settings->interfaces[i]);
	capture->settings.interfaces = NULL;
	if (pthread_create(&capture->thread, NULL, writer_main, capture) != 0)
		goto no_memory;
	return capture;

no_memory:
	snprintf(why, why_len, "no memory or thread for a capture");
fail:
	if (capture != NULL) {
		if (capture->file != NULL)
			fclose(capture->file);
		else if (fd >= 0)
			close(fd);
		free(capture->rings);
		free(capture);
	}
	return NULL;
}

void
capture_stop(struct capture *capture)
{
	atomic_store(&capture->stopping, true);
}

void
capture_status(const struct capture *capture, struct capture_status *status)
{
	status->finished = atomic_load(&capture->finished);
	status->written = atomic_load(&capture->written);
	status->error = atomic_load(&capture->error);
	status->missed = 0;
	for (uint16_t i = 0; i < capture->settings.workers_n; i++)
		status->missed += __atomic_load_n(&capture->rings[i].missed, __ATOMIC_RELAXED);
}

void
capture_free(struct capture *capture)
{
	CHECK(atomic_load(&capture->finished));
	pthread_join(capture->thread, NULL);
	free(capture->rings);
	free(capture);
}
