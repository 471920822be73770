/* SPDX-License-Identifier: BSD-3-Clause */
#include "port_chain.h"

static void
ref_mbuf(void *owner)
{
	rte_mbuf_refcnt_update(owner, 1);
}

static void
unref_mbuf(void *owner)
{
	rte_pktmbuf_free(owner);
}

static void *
alloc_mbuf(void *arg, uint8_t **data, uint32_t *room)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(arg);

	if (m == NULL)
		return NULL;
	*data = rte_pktmbuf_mtod(m, uint8_t *);
	*room = rte_pktmbuf_tailroom(m);
	return m;
}

struct chain_ops
port_chain_ops(struct rte_mempool *pool)
{
	return (struct chain_ops){
		.ref = ref_mbuf, .unref = unref_mbuf, .alloc = alloc_mbuf, .arg = pool};
}
