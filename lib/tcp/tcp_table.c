/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tcp_engine.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* Whatever kinds it holds, a bucket has half an endpoint on average at most. */
static uint32_t
buckets_for(const struct tcp_config *config)
{
	uint64_t n =
		(uint64_t)config->connections_max + config->half_open_max + config->time_wait_max;
	uint32_t buckets = 64;

	while (buckets < n && buckets < UINT32_C(1) << 30)
		buckets *= 2;
	return buckets;
}

/*
 * Zeroed, hence touched: no page fault comes later, and the memory is of the caller's NUMA node.
 * In huge pages where the kernel has some: a random connection is a TLB miss less.
 */
static void *
array(size_t n, size_t size)
{
	size_t align = n * size >= HUGE_PAGE ? HUGE_PAGE : 64, bytes;
	void *mem;

	if (n > (SIZE_MAX - HUGE_PAGE) / size)
		return NULL;
	bytes = (n * size + align - 1) & ~(align - 1);
	mem = aligned_alloc(align, bytes == 0 ? align : bytes);
	if (mem == NULL)
		return NULL;
	if (align == HUGE_PAGE)
		madvise(mem, bytes, MADV_HUGEPAGE);
	memset(mem, 0, bytes);
	return mem;
}

/* The object at `i` of an array whose elements begin with a struct tcp_endpoint, last first. */
static struct tcp_endpoint *
thread(void *objects, uint32_t n, size_t size)
{
	struct tcp_endpoint *first = NULL;

	for (uint32_t i = n; i > 0; i--)
		tcp_endpoint_give(&first, (void *)((uint8_t *)objects + (i - 1) * size));
	return first;
}

bool
tcp_pools_create(struct tcp *tcp)
{
	const struct tcp_config *config = &tcp->config;
	uint32_t buckets = buckets_for(config);
	uint32_t sents = tcp->pool->spans_n + 1024, ranges = tcp->pool->spans_n / 4 + 64;

	tcp->buckets = array(buckets, sizeof(*tcp->buckets));
	tcp->bucket_mask = buckets - 1;
	tcp->connections = array(config->connections_max, sizeof(*tcp->connections));
	tcp->half_opens = array(config->half_open_max, sizeof(*tcp->half_opens));
	tcp->time_waits = array(config->time_wait_max, sizeof(*tcp->time_waits));
	tcp->sents = array(sents, sizeof(*tcp->sents));
	tcp->ranges = array(ranges, sizeof(*tcp->ranges));
	if (tcp->buckets == NULL || tcp->connections == NULL || tcp->half_opens == NULL ||
	    tcp->time_waits == NULL || tcp->sents == NULL || tcp->ranges == NULL)
		return false;
	tcp->free_connections =
		thread(tcp->connections, config->connections_max, sizeof(*tcp->connections));
	tcp->free_half_open =
		thread(tcp->half_opens, config->half_open_max, sizeof(*tcp->half_opens));
	tcp->free_time_wait =
		thread(tcp->time_waits, config->time_wait_max, sizeof(*tcp->time_waits));
	for (uint32_t i = sents; i > 0; i--) {
		tcp->sents[i - 1].next = tcp->free_sent;
		tcp->free_sent = &tcp->sents[i - 1];
	}
	for (uint32_t i = ranges; i > 0; i--) {
		tcp->ranges[i - 1].next = tcp->free_ranges;
		tcp->free_ranges = &tcp->ranges[i - 1];
	}
	return true;
}

void
tcp_pools_free(struct tcp *tcp)
{
	free(tcp->buckets);
	free(tcp->connections);
	free(tcp->half_opens);
	free(tcp->time_waits);
	free(tcp->sents);
	free(tcp->ranges);
}

uint32_t
tcp_tuple_hash(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
	uint32_t ports = (uint32_t)tuple->local_port_be << 16 | tuple->remote_port_be;

	return (uint32_t)hash_tuple(&tcp->seed, tuple->local.w, tuple->remote.w, ports);
}

static bool
tuple_equal(const struct tcp_tuple *a, const struct tcp_tuple *b)
{
	return a->remote_port_be == b->remote_port_be && a->local_port_be == b->local_port_be &&
	       ip_addr_pair_equal(&a->local, &b->local, &a->remote, &b->remote);
}

struct tcp_endpoint *
tcp_table_find(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t hash)
{
	struct tcp_endpoint *e = tcp->buckets[hash & tcp->bucket_mask];

	while (e != NULL && (e->hash != hash || !tuple_equal(&e->tuple, tuple)))
		e = e->next;
	return e;
}

void
tcp_table_add(struct tcp *tcp, struct tcp_endpoint *endpoint)
{
	struct tcp_endpoint **bucket = &tcp->buckets[endpoint->hash & tcp->bucket_mask];

	endpoint->next = *bucket;
	*bucket = endpoint;
}

void
tcp_table_remove(struct tcp *tcp, struct tcp_endpoint *endpoint)
{
	struct tcp_endpoint **link = &tcp->buckets[endpoint->hash & tcp->bucket_mask];

	while (*link != endpoint)
		link = &(*link)->next;
	*link = endpoint->next;
	endpoint->next = NULL;
}

struct tcp_endpoint *
tcp_endpoint_take(struct tcp_endpoint **free_list)
{
	struct tcp_endpoint *e = *free_list;

	if (e != NULL)
		*free_list = e->next;
	return e;
}

void
tcp_endpoint_give(struct tcp_endpoint **free_list, struct tcp_endpoint *endpoint)
{
	endpoint->next = *free_list;
	*free_list = endpoint;
}
