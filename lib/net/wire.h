/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Offsets and flags of wire headers, for code that reads and writes them in place.
 *
 * Offsets instead of structs: no alignment is assumed, and DPDK's header structs change between
 * releases.
 */
#ifndef WIRE_H
#define WIRE_H

/* Ethernet and IEEE 802.1Q */
#define ETHER_LEN       14
#define VLAN_LEN        4
#define ETHERTYPE_IPV4  0x0800
#define ETHERTYPE_ARP   0x0806
#define ETHERTYPE_8021Q 0x8100
#define ETHERTYPE_IPV6  0x86dd

/* IPv4, RFC 791 */
#define IPV4_TOS      1
#define IPV4_LEN      2
#define IPV4_ID       4
#define IPV4_FRAG     6
#define IPV4_TTL      8
#define IPV4_PROTO    9
#define IPV4_CHECKSUM 10
#define IPV4_SRC      12
#define IPV4_DST      16
#define IPV4_MIN_LEN  20
#define IPV4_DF       0x4000
#define IPV4_MF       0x2000
#define IPV4_FRAG_OFF 0x1fff

/* IPv6, RFC 8200 */
#define IPV6_PAYLOAD_LEN 4
#define IPV6_NEXT_HEADER 6
#define IPV6_HOP_LIMIT   7
#define IPV6_SRC         8
#define IPV6_DST         24
#define IPV6_MIN_LEN     40
#define IPV6_MIN_MTU     1280

/* TCP, RFC 9293 */
#define TCP_SPORT    0
#define TCP_DPORT    2
#define TCP_SEQ      4
#define TCP_ACK      8
#define TCP_OFF      12
#define TCP_FLAGS    13
#define TCP_WINDOW   14
#define TCP_CHECKSUM 16
#define TCP_MIN_LEN  20

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_PSH 0x08
#define TCP_FLAG_ACK 0x10

#define TCP_OPTION_END        0
#define TCP_OPTION_NOP        1
#define TCP_OPTION_MSS        2
#define TCP_OPTION_SACK       5
#define TCP_OPTION_TIMESTAMPS 8
#define TCP_OPTION_FAST_OPEN  34  /* RFC 7413 */
#define TCP_OPTION_EXPERIMENT 254 /* RFC 6994 */

/* UDP, RFC 768 */
#define UDP_SPORT    0
#define UDP_DPORT    2
#define UDP_LEN      4
#define UDP_CHECKSUM 6
#define UDP_MIN_LEN  8

/* ICMP, RFC 792; ICMPv6, RFC 4443 */
#define ICMP_TYPE     0
#define ICMP_CODE     1
#define ICMP_CHECKSUM 2
#define ICMP_ECHO_ID  4
#define ICMP_MTU      6 /* 16 bits, RFC 1191 */
#define ICMPV6_MTU    4 /* 32 bits */
#define ICMP_MIN_LEN  8

#define ICMP_ECHO_REPLY           0
#define ICMP_DEST_UNREACHABLE     3
#define ICMP_FRAGMENTATION_NEEDED 4 /* code of type 3 */
#define ICMP_ECHO_REQUEST         8
#define ICMP_TIME_EXCEEDED        11
#define ICMP_PARAMETER_PROBLEM    12

#define ICMPV6_DEST_UNREACHABLE  1
#define ICMPV6_PACKET_TOO_BIG    2
#define ICMPV6_TIME_EXCEEDED     3
#define ICMPV6_PARAMETER_PROBLEM 4
#define ICMPV6_ECHO_REQUEST      128
#define ICMPV6_ECHO_REPLY        129
#define ICMPV6_ROUTER_SOLICIT    133
#define ICMPV6_ROUTER_ADVERT     134
#define ICMPV6_NEIGHBOR_SOLICIT  135
#define ICMPV6_NEIGHBOR_ADVERT   136

#endif
