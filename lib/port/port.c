/* SPDX-License-Identifier: BSD-3-Clause */
#include "port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "log.h"

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

static const struct port_ops ethdev_ops = {.rx = ethdev_rx, .tx = ethdev_tx};

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

static void
choose_offloads(struct port *port, const struct port_settings *settings,
		const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t rx = settings->offloads ? info->rx_offload_capa : 0;
	uint64_t tx = settings->offloads ? info->tx_offload_capa : 0;

	conf->rxmode.offloads =
		rx & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
	conf->txmode.offloads =
		tx & (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_VLAN_INSERT);
	port->rx_ip_checksum = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
	port->vlan_strip = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP) != 0;
	port->vlan_insert = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_VLAN_INSERT) != 0;
	port->multi_segs = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
}

/*
 * Spread by addresses and ports where the port can.  The queue is only a first guess of the owner:
 * the worker computes the owner from the packet and passes on what arrived elsewhere.
 */
static void
choose_rss(struct port *port, const struct port_settings *settings,
	   const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t types =
		(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) & info->flow_type_rss_offloads;

	port->rss = port->rx_queues > 1 && types != 0;
	if (!port->rss)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = types;
	if (info->hash_key_size == 40) {
		conf->rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)settings->rss_key;
		conf->rx_adv_conf.rss_conf.rss_key_len = 40;
	}
}

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

bool
port_open(struct port *port, const struct port_settings *settings, char *why, size_t why_len)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	struct rte_ether_addr mac;
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
	choose_offloads(port, settings, &info, &conf);
	choose_rss(port, settings, &info, &conf);
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
	if (rte_eth_macaddr_get(port->port_id, &mac) == 0)
		memcpy(port->mac, mac.addr_bytes, 6);

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
	int rc = rte_eth_dev_stop(port->port_id);

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
	int rc = on ? rte_eth_promiscuous_enable(port->port_id)
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
