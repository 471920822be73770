/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Why a packet was not forwarded.
 *
 * Every packet that weir receives and neither forwards, answers nor keeps is counted under exactly
 * one of these.  The names are what telemetry, logs and documentation show.
 */
#ifndef DROP_REASON_H
#define DROP_REASON_H

#define DROP_REASON_LIST(X)                                                                        \
	X(NONE, "none", "not dropped")                                                             \
	X(FRAME_SHORT, "frame_short", "shorter than its Ethernet, VLAN or ARP header")             \
	X(ETHERTYPE_UNKNOWN, "ethertype_unknown", "neither IPv4, IPv6 nor ARP")                    \
	X(VLAN_UNKNOWN, "vlan_unknown", "VLAN tag of no configured interface")                     \
	X(MAC_NOT_OURS, "mac_not_ours", "unicast frame for another station")                       \
	X(IP_HEADER_INVALID, "ip_header_invalid", "version, header length or total length wrong")  \
	X(IP_CHECKSUM, "ip_checksum", "IPv4 header checksum wrong")                                \
	X(IP_OPTIONS, "ip_options", "IPv4 source-route options or malformed options")              \
	X(IP_EXTENSION, "ip_extension", "IPv6 extension header chain malformed or too long")       \
	X(IP_SOURCE_MARTIAN, "ip_source_martian",                                                  \
	  "source is multicast, loopback, unspecified or broadcast")                               \
	X(IP_SOURCE_SPOOFED, "ip_source_spoofed", "source is one of weir's own addresses")         \
	X(IP_LAND, "ip_land", "source and destination address are the same")                       \
	X(IP_MULTICAST, "ip_multicast", "multicast or broadcast that no service wants")            \
	X(FRAGMENT_UNSUPPORTED, "fragment_unsupported",                                            \
	  "IP fragment for an own address, of a protocol or a listener that takes none")           \
	X(L4_HEADER_INVALID, "l4_header_invalid", "TCP, UDP or ICMP header short or inconsistent") \
	X(HEADERS_SPLIT, "headers_split", "headers not contiguous in the first buffer segment")    \
	X(TTL_EXCEEDED, "ttl_exceeded", "TTL or hop limit ran out (answered with ICMP)")           \
	X(PACKET_TOO_BIG, "packet_too_big", "larger than the next hop's MTU (answered with ICMP)") \
	X(NO_LISTENER, "no_listener", "for a load balancer's address but no listener's port")      \
	X(NOT_A_FLOW, "not_a_flow", "of no known flow and not a new one")                          \
	X(HOST_UNWANTED, "host_unwanted", "for an own interface address, no service there")        \
	X(PROTOCOL_UNSUPPORTED, "protocol_unsupported", "IP protocol that no service takes")       \
	X(ICMP_UNWANTED, "icmp_unwanted", "ICMP other than echo to us or an error about a flow")   \
	X(ICMP_RATE_LIMITED, "icmp_rate_limited", "ICMP answer over the rate limit")               \
	X(SECURITY_GROUP, "security_group",                                                        \
	  "no rule of the load balancer's security groups lets it")                                \
	X(HANDSHAKE_OTHER, "handshake_other",                                                      \
	  "segment that completes no handshake of a flow that gets a PROXY header")                \
	X(FLOW_TABLE_FULL, "flow_table_full", "new flow refused: the flow table is full")          \
	X(FLOW_RATE, "flow_rate", "new flow refused: its listener has had enough this second")     \
	X(SOURCE_RATE, "source_rate",                                                              \
	  "new flow refused: its client has begun enough on this listener this second")            \
	X(NO_TARGET, "no_target", "new flow refused: the target group is empty")                   \
	X(PORT_ALLOCATION, "port_allocation", "new flow refused: no free source port")             \
	X(NO_ROUTE, "no_route", "no route to the next address")                                    \
	X(NEIGHBOR_UNRESOLVED, "neighbor_unresolved", "next hop did not answer ARP or ND")         \
	X(NEIGHBOR_QUEUE_FULL, "neighbor_queue_full", "too many packets wait for one next hop")    \
	X(ARP_INVALID, "arp_invalid", "malformed or spoofed ARP packet")                           \
	X(ND_INVALID, "nd_invalid", "malformed or spoofed neighbor discovery packet")              \
	X(GENEVE_VERSION, "geneve_version", "GENEVE of a version other than 0")                    \
	X(GENEVE_LENGTH, "geneve_length", "GENEVE header or options longer than the packet")       \
	X(GENEVE_PROTOCOL, "geneve_protocol", "GENEVE control message, or neither IPv4 nor IPv6")  \
	X(GENEVE_OPTION_CRITICAL, "geneve_option_critical", "unknown critical GENEVE option")      \
	X(GENEVE_OPTION_LENGTH, "geneve_option_length", "GENEVE option of a wrong length")         \
	X(GENEVE_OPTION_ORDER, "geneve_option_order", "GENEVE options in another order")           \
	X(GENEVE_OPTION_DUPLICATE, "geneve_option_duplicate", "GENEVE option given twice")         \
	X(GENEVE_OPTION_MISSING, "geneve_option_missing", "GENEVE option missing")                 \
	X(GENEVE_TARGET_OTHER, "geneve_target_other",                                              \
	  "GENEVE from another address than that of the flow's appliance")                         \
	X(GENEVE_COOKIE_FOREIGN, "geneve_cookie_foreign", "flow cookie that was never given out")  \
	X(GENEVE_COOKIE_EXPIRED, "geneve_cookie_expired", "flow cookie of a flow that is over")    \
	X(GENEVE_ENDPOINT_OTHER, "geneve_endpoint_other",                                          \
	  "endpoint or attachment id of another endpoint than the flow's")                         \
	X(GENEVE_INNER_INVALID, "geneve_inner_invalid", "no whole IP packet inside of GENEVE")     \
	X(GENEVE_INNER_OTHER, "geneve_inner_other", "packet inside of GENEVE of another flow")     \
	X(GENEVE_INNER_OWN, "geneve_inner_own", "packet inside of GENEVE from or for weir itself") \
	X(GENEVE_RECURSION, "geneve_recursion", "GENEVE for weir inside of GENEVE")                \
	X(TARGET_UNHEALTHY, "target_unhealthy", "no appliance is healthy: fail_close")             \
	X(LINK_FORGOTTEN, "link_forgotten", "the wire's link header of an old flow made way")      \
	X(FRAGMENT_TIMEOUT, "fragment_timeout", "fragment whose first one did not come")           \
	X(FRAGMENT_OVERLAP, "fragment_overlap", "fragment over the bytes of the first one")        \
	X(FRAGMENT_TABLE_FULL, "fragment_table_full", "too many fragmented packets at once")       \
	X(WORKER_RING_FULL, "worker_ring_full", "ring to the owning worker is full")               \
	X(MANAGEMENT_RING_FULL, "management_ring_full", "ring to the management core is full")     \
	X(TX_FULL, "tx_full", "the port's transmit queue is full")                                 \
	X(TX_UNSUPPORTED, "tx_unsupported", "the port can't transmit this buffer")                 \
	X(LINK_DOWN, "link_down", "the egress port's link is down")                                \
	X(MBUF_EXHAUSTED, "mbuf_exhausted", "no packet buffer left")                               \
	X(SHUTDOWN, "shutdown", "weir is stopping")

enum drop_reason {
#define DROP_REASON_ENUM(symbol, name, text) DROP_##symbol,
	DROP_REASON_LIST(DROP_REASON_ENUM)
#undef DROP_REASON_ENUM
};

#define DROP_REASONS (DROP_SHUTDOWN + 1)

/** snake_case name, for people and programs. */
const char *drop_reason_name(enum drop_reason reason);

/** One sentence without a full stop. */
const char *drop_reason_text(enum drop_reason reason);

#endif
