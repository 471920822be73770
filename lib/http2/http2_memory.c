/* SPDX-License-Identifier: BSD-3-Clause */
#include <malloc.h>
#include <stdlib.h>

#include "http2_private.h"

#define BLOCK_HEADER 8u /* what malloc adds to a block */

static void
gauge(struct http2 *h, size_t more, size_t less)
{
	struct http2_gauge *g = &h->pool->gauge;

	h->memory = (uint32_t)(h->memory + more - less);
	g->bytes = g->bytes + more - less;
	if (g->bytes > g->bytes_max)
		g->bytes_max = g->bytes;
}

static size_t
size_of(void *p)
{
	return p == NULL ? 0 : malloc_usable_size(p) + BLOCK_HEADER;
}

/* @return  whether a connection may have `size` bytes more. */
static bool
may_have(struct http2 *h, size_t size)
{
	if (size <= h->config.memory_max && h->memory <= h->config.memory_max - size)
		return true;
	h->pool->gauge.failures++;
	return false;
}

static void *
counted(struct http2 *h, void *p)
{
	if (p == NULL)
		h->pool->gauge.failures++;
	gauge(h, size_of(p), 0);
	return p;
}

static void *
mem_malloc(size_t size, void *user)
{
	return may_have(user, size) ? counted(user, malloc(size)) : NULL;
}

static void *
mem_calloc(size_t n, size_t size, void *user)
{
	if (size > 0 && n > UINT32_MAX / size)
		return NULL;
	return may_have(user, n * size) ? counted(user, calloc(n, size)) : NULL;
}

static void *
mem_realloc(void *p, size_t size, void *user)
{
	size_t before = size_of(p);
	void *moved;

	if (size > before && !may_have(user, size - before))
		return NULL;
	moved = realloc(p, size);
	if (moved == NULL && size > 0)
		return NULL;
	gauge(user, size_of(moved), before);
	return moved;
}

static void
mem_free(void *p, void *user)
{
	gauge(user, 0, size_of(p));
	free(p);
}

nghttp2_mem
http2_memory_of(struct http2 *h)
{
	return (nghttp2_mem){h, mem_malloc, mem_free, mem_calloc, mem_realloc};
}

void *
http2_alloc(struct http2 *h, size_t size)
{
	return mem_calloc(1, size, h);
}

void
http2_dealloc(struct http2 *h, void *p)
{
	mem_free(p, h);
}
