/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: DPDK devices opened for weir, with what they can do used and what they can't replaced.
 *
 * The management core opens, watches, steers and closes ports; workers only call port_rx() and
 * port_tx() on queues that are theirs alone.  Those and port_set_rss() go through function
 * pointers, so that a simulation can put its own wire in place of a device.
 */
#ifndef PORT_H
#define PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define PORT_MAX          16
#define PORT_NAME_MAX     64
#define PORT_BURST        64
#define PORT_NO_INTERFACE UINT16_MAX

#define PORT_RSS_KEY_LEN 40

struct port;

struct port_ops {
	uint16_t (*rx)(void *device, uint16_t queue, struct rte_mbuf **bufs, uint16_t n);
	uint16_t (*tx)(void *device, uint16_t queue, struct rte_mbuf **bufs, uint16_t n);
	/** See port_set_rss(). */
	bool (*set_rss)(const struct port *port, const uint8_t key[PORT_RSS_KEY_LEN],
			const uint16_t *queue_of, uint16_t queues_n, char *why, size_t why_len);
};

/** What a port, or all of them, can do with TCP segments of weir's own. */
struct port_offloads {
	bool tcp_checksum;           /* and IPv4's with TSO */
	bool tso;                    /* cuts trains of segments */
	uint16_t segments_max;       /* mbufs of a frame; 1: it doesn't gather */
	uint16_t train_segments_max; /* the same of a train for TSO */
};

struct port {
	const struct port_ops *ops;
	void *device; /* of ops: the DPDK port id as a pointer-sized integer */
	uint16_t index;
	uint16_t port_id;
	uint16_t rx_queues, tx_queues;
	uint16_t mtu;
	bool multi_segs;     /* transmits chained mbufs */
	bool vlan_insert;    /* inserts tags from vlan_tci */
	bool vlan_strip;     /* hands tags over in vlan_tci */
	bool rx_ip_checksum; /* verifies IPv4 header checksums */
	struct port_offloads offloads;
	bool rss;             /* spreads flows over its receive queues */
	bool promiscuous;     /* an end of a wire is on it */
	bool other_mac;       /* than its device: it has to receive every frame */
	uint16_t rss_table;   /* entries of its redirection table, 0: none that can be set */
	uint16_t rss_key_len; /* bytes of its key, 0: it can't be set */
	uint64_t rss_types;   /* RTE_ETH_RSS_* it was told to hash */
	bool keeps_buffers;   /* its driver does not free the buffers in its rings on close */
	_Atomic bool link_up; /* written by the management core */
	int socket_id;
	uint8_t mac[6];
	char name[PORT_NAME_MAX];
	uint16_t *interface_of_vlan; /* [4096]; [0]: untagged; PORT_NO_INTERFACE: unknown */
};

struct port_settings {
	uint16_t index;
	const char *device; /* vdev string or PCI address as in the configuration */
	uint16_t queues;    /* wished receive and transmit queues; 0: as many as `workers` */
	uint16_t workers;
	uint16_t mtu;
	bool offloads;  /* false: use none, do everything in software */
	bool own_mac;   /* one made from the device's */
	uint8_t mac[6]; /* this one; zeros: none was chosen */
	struct rte_mempool *pool;
};

/** The device's name in DPDK: the part of a vdev string before the first comma, or the address. */
void port_device_name(const char *device, char name[PORT_NAME_MAX]);

/** NUMA node of a device, or SOCKET_ID_ANY. */
int port_socket(const char *device);

/**
 * Configure and start the port.  EAL must have been started with the device.
 * @return  false with a sentence in `why` that says what to do.
 */
bool port_open(struct port *port, const struct port_settings *settings, char *why, size_t why_len);

/** Whether the port hashes TCP and UDP of both families with their ports. */
bool port_rss_has_l4(const struct port *port);

/** Stop and close: all buffers it holds go back to their pool. */
void port_close(struct port *port);

/** Receive every frame, whoever it is for, as an end of a wire must; or only one's own. */
void port_set_promiscuous(struct port *port, bool on);

/** Read the link state. @return true when it changed. */
bool port_update_link(struct port *port);

/** Descriptors a queue may hold, for sizing pools. */
#define PORT_RX_DESCRIPTORS 1024
#define PORT_TX_DESCRIPTORS 1024

static inline uint16_t
port_rx(const struct port *port, uint16_t queue, struct rte_mbuf **bufs, uint16_t n)
{
	return port->ops->rx(port->device, queue, bufs, n);
}

/**
 * Give a started port its RSS key and redirection table.
 * @param queue_of  [queues_n] the queue of an index; a larger table repeats it
 * @return  false with a sentence in `why`: it spreads as it likes.
 */
static inline bool
port_set_rss(const struct port *port, const uint8_t key[PORT_RSS_KEY_LEN], const uint16_t *queue_of,
	     uint16_t queues_n, char *why, size_t why_len)
{
	return port->ops->set_rss(port, key, queue_of, queues_n, why, why_len);
}

/**
 * A descriptor that is readable while the queue has packets, for poll(); it stays the port's.  The
 * sockets of net_af_packet can be waited for.
 * @return  -1: the queue has none.
 */
int port_rx_fd(const struct port *port, uint16_t queue);

static inline uint16_t
port_tx(const struct port *port, uint16_t queue, struct rte_mbuf **bufs, uint16_t n)
{
	return port->ops->tx(port->device, queue, bufs, n);
}

#endif
