/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP for IPv4 over Ethernet (RFC 826): reading and writing packets, no state.
 *
 * The frame around it (Ethernet header, VLAN tag) is the caller's.
 */
#ifndef ARP_H
#define ARP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_addr.h"

#define ARP_PACKET_LEN 28

enum arp_operation { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp_packet {
	uint16_t operation;
	uint8_t sender_mac[6];
	uint8_t target_mac[6];
	struct ip_addr sender, target; /* IPv4 */
};

/** @return  false unless `len` bytes at `buf` are ARP for IPv4 over Ethernet, request or reply. */
bool arp_parse(const uint8_t *buf, size_t len, struct arp_packet *arp);

/** Write ARP_PACKET_LEN bytes. */
void arp_write(const struct arp_packet *arp, uint8_t *buf);

#endif
