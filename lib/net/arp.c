/* SPDX-License-Identifier: BSD-3-Clause */
#include "arp.h"

#include "bytes.h"

/* Hardware Ethernet, protocol IPv4, and the lengths of their addresses. */
static const uint8_t fixed[6] = {0, 1, 8, 0, 6, 4};

bool
arp_parse(const uint8_t *buf, size_t len, struct arp_packet *arp)
{

	if (len < ARP_PACKET_LEN || memcmp(buf, fixed, sizeof(fixed)) != 0)
		return false;
	arp->operation = bytes_load_be16(buf + 6);
	if (arp->operation != ARP_REQUEST && arp->operation != ARP_REPLY)
		return false;
	memcpy(arp->sender_mac, buf + 8, 6);
	arp->sender = ip_addr_from_v4(buf + 14);
	memcpy(arp->target_mac, buf + 18, 6);
	arp->target = ip_addr_from_v4(buf + 24);
	return true;
}

void
arp_write(const struct arp_packet *arp, uint8_t *buf)
{

	memcpy(buf, fixed, sizeof(fixed));
	bytes_store_be16(buf + 6, arp->operation);
	memcpy(buf + 8, arp->sender_mac, 6);
	memcpy(buf + 14, ip_addr_wire(&arp->sender), 4);
	memcpy(buf + 18, arp->target_mac, 6);
	memcpy(buf + 24, ip_addr_wire(&arp->target), 4);
}
