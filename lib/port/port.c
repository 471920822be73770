/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "log.h"

#define RSS_KEY_MAX      64
#define SEGMENTS_DEFAULT 32
#define TSO_NEEDS                                                    \
	(RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

static uint16_t
ethdev_rx(void *device, uint16_t queue, struct rte_mbuf **bufs, uint16_t n)
{
	return rte_eth_rx_burst((uint16_t)(uintptr_t)device, queue, bufs, n);
}

static uint16_t
ethdev_tx(void *device, uint16_t queue, struct rte_mbuf **bufs, uint16_t n)
{
	return rte_eth_tx_burst((uint16_t)(uintptr_t)device, queue, bufs, n);
}

/* Some drivers want headers of what is offloaded their own way. */
static uint16_t
ethdev_tx_prepared(void *device, uint16_t queue, struct rte_mbuf **bufs, uint16_t n)
{
	uint16_t port_id = (uint16_t)(uintptr_t)device;

	n = rte_eth_tx_prepare(port_id, queue, bufs, n);
	return rte_eth_tx_burst(port_id, queue, bufs, n);
}

void
port_device_name(const char *device, char name[PORT_NAME_MAX])
{
	size_t n = strcspn(device, ",");

	if (n >= PORT_NAME_MAX)
		n = PORT_NAME_MAX - 1;
	memcpy(name, device, n);
	name[n] = '\0';
}

int
port_socket(const char *device)
{
	char name[PORT_NAME_MAX];
	uint16_t port_id;

	port_device_name(device, name);
	if (rte_eth_dev_get_port_by_name(name, &port_id) != 0)
		return SOCKET_ID_ANY;
	return rte_eth_dev_socket_id(port_id);
}

static uint16_t
at_most(uint16_t value, uint16_t max)
{
	return value < max ? value : max;
}

/* Drivers that know no limit say 0. */
static uint16_t
segments_max(uint16_t limit)
{
	return limit == 0 ? SEGMENTS_DEFAULT : limit;
}

static void
choose_offloads(struct port *port, const struct port_settings *settings,
		const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t rx = settings->offloads ? info->rx_offload_capa : 0;
	uint64_t tx = settings->offloads ? info->tx_offload_capa : 0;

	conf->rxmode.offloads = rx & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
				      RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
	conf->txmode.offloads = tx & (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
				      RTE_ETH_TX_OFFLOAD_VLAN_INSERT);
	if ((tx & TSO_NEEDS) == TSO_NEEDS)
		conf->txmode.offloads |= TSO_NEEDS;
	port->rx_ip_checksum = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
	port->vlan_strip = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;
	port->vlan_insert = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
	port->multi_segs = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	port->offloads = (struct port_offloads){
		.tcp_checksum = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0,
		.tso = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0,
		.segments_max =
			port->multi_segs ? segments_max(info->tx_desc_lim.nb_mtu_seg_max) : 1,
		.train_segments_max =
			port->multi_segs ? segments_max(info->tx_desc_lim.nb_seg_max) : 1};
}

#define RSS_L4                                                         \
	(RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP | \
	 RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

/*
 * Spread by addresses and ports where the port can.  The queue is only a first guess of the owner:
 * the worker computes the owner from the packet and passes on what arrived elsewhere.  The key and
 * the table come later, with port_set_rss().
 */
static void
choose_rss(struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	port->rss_types =
		(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) & info->flow_type_rss_offloads;
	port->rss = port->rx_queues > 1 && port->rss_types != 0;
	if (!port->rss)
		return;
	port->rss_table = info->reta_size;
	port->rss_key_len = info->hash_key_size <= RSS_KEY_MAX ? info->hash_key_size : 0;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = port->rss_types;
	/* The hash comes with the packet, so that it can be compared. */
	conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
}

bool
port_rss_has_l4(const struct port *port)
{
	return (port->rss_types & RSS_L4) == RSS_L4;
}

static bool
set_rss_table(const struct port *port, const uint16_t *queue_of, uint16_t queues_n)
{
	uint16_t groups_n = (uint16_t)((port->rss_table + RTE_ETH_RETA_GROUP_SIZE - 1) /
				       RTE_ETH_RETA_GROUP_SIZE);
	struct rte_eth_rss_reta_entry64 *table = calloc(groups_n, sizeof(*table));
	int rc;

	if (table == NULL)
		return false;
	for (uint16_t i = 0; i < port->rss_table; i++) {
		struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = queue_of[i % queues_n];
	}
	rc = rte_eth_dev_rss_reta_update(port->port_id, table, port->rss_table);
	free(table);
	return rc == 0;
}

static bool
ethdev_set_rss(const struct port *port, const uint8_t key[PORT_RSS_KEY_LEN],
	       const uint16_t *queue_of, uint16_t queues_n, char *why, size_t why_len)
{
	/* Longer keys go on for fields behind those of TCP and UDP. */
	uint8_t whole[RSS_KEY_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = whole,
					.rss_key_len = (uint8_t)port->rss_key_len,
					.rss_hf = port->rss_types};
	int rc;

	memcpy(whole, key, PORT_RSS_KEY_LEN);
	rc = rte_eth_dev_rss_hash_update(port->port_id, &conf);
	if (rc != 0) {
		snprintf(why, why_len, "it does not take an RSS key: %s", rte_strerror(-rc));
		return false;
	}
	if (!set_rss_table(port, queue_of, queues_n)) {
		snprintf(why, why_len, "it does not take a redirection table");
		return false;
	}
	return true;
}

static const struct port_ops ethdev_ops = {
	.rx = ethdev_rx, .tx = ethdev_tx, .set_rss = ethdev_set_rss};
static const struct port_ops prepared_ops = {
	.rx = ethdev_rx, .tx = ethdev_tx_prepared, .set_rss = ethdev_set_rss};

static bool
setup_queues(struct port *port, const struct port_settings *settings,
	     const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf)
{
	uint16_t rx_n = PORT_RX_DESCRIPTORS, tx_n = PORT_TX_DESCRIPTORS;
	struct rte_eth_rxconf rx = info->default_rxconf;
	struct rte_eth_txconf tx = info->default_txconf;
	int socket = port->socket_id < 0 ? SOCKET_ID_ANY : port->socket_id;

	rx.offloads = conf->rxmode.offloads;
	tx.offloads = conf->txmode.offloads;
	if (rte_eth_dev_adjust_nb_rx_tx_desc(port->port_id, &rx_n, &tx_n) != 0)
		return false;
	for (uint16_t q = 0; q < port->rx_queues; q++) {
		if (rte_eth_rx_queue_setup(port->port_id, q, rx_n, (unsigned)socket, &rx,
					   settings->pool) != 0)
			return false;
	}
	for (uint16_t q = 0; q < port->tx_queues; q++) {
		if (rte_eth_tx_queue_setup(port->port_id, q, tx_n, (unsigned)socket, &tx) != 0)
			return false;
	}
	return true;
}

/* Virtual devices may refuse an MTU that their kernel end has anyway. */
static void
set_mtu(const struct port *port)
{
	uint16_t mtu = 0;

	if (rte_eth_dev_set_mtu(port->port_id, port->mtu) == 0)
		return;
	if (rte_eth_dev_get_mtu(port->port_id, &mtu) != 0 || mtu < port->mtu)
		LOG_WARNING("port %s: could not set MTU %u; the device has %u", port->name,
			    port->mtu, mtu);
}

/* Another one for the same wire, always the same: locally administered, as it may be already. */
static void
make_own_mac(uint8_t mac[6])
{
	mac[0] = (uint8_t)((mac[0] | 0x02) ^ 0x08);
}

/*
 * The socket of net_af_packet sees every frame, and the kernel drops at once what is for another
 * MAC address than its own.  To others the address is given.
 * @return  0, or a negative error.
 */
static int
choose_mac(struct port *port, const struct port_settings *settings, const char *driver)
{
	static const uint8_t none[6];
	struct rte_ether_addr mac;
	int rc = rte_eth_macaddr_get(port->port_id, &mac);
	bool given = memcmp(settings->mac, none, 6) != 0;

	if (rc == 0)
		memcpy(port->mac, mac.addr_bytes, 6);
	if (!given && !settings->own_mac)
		return 0;
	if (given)
		memcpy(port->mac, settings->mac, 6);
	else
		make_own_mac(port->mac);
	if (strcmp(driver, "net_af_packet") == 0) {
		port->other_mac = true;
		return rte_eth_promiscuous_enable(port->port_id);
	}
	memcpy(mac.addr_bytes, port->mac, 6);
	return rte_eth_dev_default_mac_addr_set(port->port_id, &mac);
}

static void
find_last(struct rte_mempool *pool, void *last, void *object, unsigned index)
{
	uintptr_t *end = last;

	(void)pool;
	(void)index;
	if ((uintptr_t)object > *end)
		*end = (uintptr_t)object;
}

/*
 * As net_af_xdp takes buffers for granted; the kernel would lose those behind the array's end, and
 * receive nothing once it has them all.
 */
static bool
is_array(struct rte_mempool *pool)
{
	uintptr_t first = (uintptr_t)STAILQ_FIRST(&pool->mem_list)->addr, last = first;
	size_t size = rte_mempool_calc_obj_size(pool->elt_size, pool->flags, NULL);

	rte_mempool_obj_iter(pool, find_last, &last);
	return pool->nb_mem_chunks == 1 && last - first < pool->populated_size * size;
}

bool
port_open(struct port *port, const struct port_settings *settings, char *why, size_t why_len)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	uint16_t queues = settings->queues == 0 ? settings->workers : settings->queues;
	int rc;

	memset(port, 0, sizeof(*port));
	port->index = settings->index;
	port->ops = &ethdev_ops;
	port->mtu = settings->mtu;
	port_device_name(settings->device, port->name);
	if (rte_eth_dev_get_port_by_name(port->name, &port->port_id) != 0) {
		snprintf(why, why_len,
			 "port %s: no such device; check the name, and for a PCI address that the "
			 "device is bound to vfio-pci (dpdk-devbind.py --status)",
			 port->name);
		return false;
	}
	port->device = (void *)(uintptr_t)port->port_id;
	port->socket_id = rte_eth_dev_socket_id(port->port_id);
	rc = rte_eth_dev_info_get(port->port_id, &info);
	if (rc != 0)
		goto fail;

	/*
	 * A worker that lacks a queue of its own sends and receives through another's.  More
	 * receive queues than workers are needed where the device spreads over all it has
	 * (qpairs=N).
	 */
	port->rx_queues = at_most(queues, info.max_rx_queues);
	port->tx_queues = at_most(at_most(queues, settings->workers), info.max_tx_queues);
	if (port->rx_queues == 0 || port->tx_queues == 0) {
		snprintf(why, why_len, "port %s: the device has no queue to receive or transmit",
			 port->name);
		return false;
	}
	port->keeps_buffers = strcmp(info.driver_name, "net_af_xdp") == 0;
	if (port->keeps_buffers && !is_array(settings->pool)) {
		snprintf(why, why_len,
			 "port %s: net_af_xdp needs packet buffers that are one array, without "
			 "gaps at the ends of pages: no PCI device beside it, and huge pages that "
			 "are free on one NUMA node",
			 port->name);
		return false;
	}
	choose_offloads(port, settings, &info, &conf);
	if (port->offloads.tcp_checksum)
		port->ops = &prepared_ops;
	choose_rss(port, &info, &conf);
	rc = rte_eth_dev_configure(port->port_id, port->rx_queues, port->tx_queues, &conf);
	if (rc != 0)
		goto fail;
	if (!setup_queues(port, settings, &info, &conf)) {
		rc = -EINVAL;
		goto fail;
	}
	set_mtu(port);
	rc = rte_eth_dev_start(port->port_id);
	if (rc != 0)
		goto fail;
	/* Solicited-node groups and load balancers' addresses share one MAC: no filter needed. */
	rte_eth_allmulticast_enable(port->port_id);
	rc = choose_mac(port, settings, info.driver_name);
	if (rc != 0) {
		snprintf(why, why_len, "port %s: the device takes no other MAC address: %s",
			 port->name, rte_strerror(-rc));
		rte_eth_dev_stop(port->port_id);
		return false;
	}

	port->interface_of_vlan = malloc(4096 * sizeof(uint16_t));
	if (port->interface_of_vlan == NULL) {
		rc = -ENOMEM;
		rte_eth_dev_stop(port->port_id);
		goto fail;
	}
	for (int i = 0; i < 4096; i++)
		port->interface_of_vlan[i] = PORT_NO_INTERFACE;
	port_update_link(port);
	return true;

fail:
	snprintf(why, why_len, "port %s: cannot be started: %s", port->name, rte_strerror(-rc));
	return false;
}

void
port_close(struct port *port)
{
	int rc;

	if (port->other_mac)
		rte_eth_promiscuous_disable(port->port_id);
	rc = rte_eth_dev_stop(port->port_id);
	if (rc != 0)
		LOG_WARNING("port %s: stop: %s", port->name, rte_strerror(-rc));
	rc = rte_eth_dev_close(port->port_id);
	if (rc != 0)
		LOG_WARNING("port %s: close: %s", port->name, rte_strerror(-rc));
	free(port->interface_of_vlan);
	port->interface_of_vlan = NULL;
}

void
port_set_promiscuous(struct port *port, bool on)
{
	int rc = on || port->other_mac ? rte_eth_promiscuous_enable(port->port_id)
				       : rte_eth_promiscuous_disable(port->port_id);

	if (rc != 0 && on)
		LOG_WARNING("port %s: cannot be made promiscuous (%s): a wire needs a port that "
			    "receives every frame",
			    port->name, rte_strerror(-rc));
}

bool
port_update_link(struct port *port)
{
	struct rte_eth_link link;
	bool up;

	if (rte_eth_link_get_nowait(port->port_id, &link) != 0)
		return false;
	up = link.link_status == RTE_ETH_LINK_UP;
	return atomic_exchange(&port->link_up, up) != up;
}
