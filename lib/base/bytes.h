/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bounded reading and writing of big-endian wire bytes.
 *
 * A reader or writer that runs past its end yields zeros, or writes nothing, and remembers that it
 * failed: parse a whole structure, then ask once.
 */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t
bytes_load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
bytes_load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t
bytes_load_be64(const uint8_t *p)
{
	return (uint64_t)bytes_load_be32(p) << 32 | bytes_load_be32(p + 4);
}

static inline void
bytes_store_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
bytes_store_be32(uint8_t *p, uint32_t v)
{
	bytes_store_be16(p, (uint16_t)(v >> 16));
	bytes_store_be16(p + 2, (uint16_t)v);
}

static inline void
bytes_store_be64(uint8_t *p, uint64_t v)
{
	bytes_store_be32(p, (uint32_t)(v >> 32));
	bytes_store_be32(p + 4, (uint32_t)v);
}

/* Values in wire order, moved without conversion; alignment doesn't matter. */
static inline uint16_t
bytes_load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
bytes_load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t
bytes_load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void
bytes_store16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void
bytes_store32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

struct bytes_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

static inline struct bytes_reader
bytes_reader(const void *buf, size_t len)
{
	return (struct bytes_reader){.at = buf, .end = (const uint8_t *)buf + len, .failed = false};
}

static inline size_t
bytes_left(const struct bytes_reader *r)
{
	return (size_t)(r->end - r->at);
}

/** @return  The next `len` bytes, or NULL (and the reader has failed) when fewer are left. */
static inline const uint8_t *
bytes_take(struct bytes_reader *r, size_t len)
{
	const uint8_t *p = r->at;

	if (r->failed || bytes_left(r) < len) {
		r->failed = true;
		return NULL;
	}
	r->at += len;
	return p;
}

static inline uint8_t
bytes_get_u8(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 1);

	return p == NULL ? 0 : *p;
}

static inline uint16_t
bytes_get_be16(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 2);

	return p == NULL ? 0 : bytes_load_be16(p);
}

static inline uint32_t
bytes_get_be32(struct bytes_reader *r)
{
	const uint8_t *p = bytes_take(r, 4);

	return p == NULL ? 0 : bytes_load_be32(p);
}

struct bytes_writer {
	uint8_t *at;
	uint8_t *end;
	bool failed;
};

static inline struct bytes_writer
bytes_writer(void *buf, size_t len)
{
	return (struct bytes_writer){.at = buf, .end = (uint8_t *)buf + len, .failed = false};
}

/** @return  Where the next `len` bytes go, or NULL (and the writer has failed) without room. */
static inline uint8_t *
bytes_reserve(struct bytes_writer *w, size_t len)
{
	uint8_t *p = w->at;

	if (w->failed || (size_t)(w->end - w->at) < len) {
		w->failed = true;
		return NULL;
	}
	w->at += len;
	return p;
}

static inline void
bytes_put(struct bytes_writer *w, const void *src, size_t len)
{
	uint8_t *p = bytes_reserve(w, len);

	if (p != NULL)
		memcpy(p, src, len);
}

static inline void
bytes_put_u8(struct bytes_writer *w, uint8_t v)
{
	bytes_put(w, &v, 1);
}

static inline void
bytes_put_be16(struct bytes_writer *w, uint16_t v)
{
	uint8_t *p = bytes_reserve(w, 2);

	if (p != NULL)
		bytes_store_be16(p, v);
}

static inline void
bytes_put_be32(struct bytes_writer *w, uint32_t v)
{
	uint8_t *p = bytes_reserve(w, 4);

	if (p != NULL)
		bytes_store_be32(p, v);
}

#endif
