/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptions of flows, whatever service they are of, for people and programs: a page at a time.
 */
#ifndef FLOW_PAGE_H
#define FLOW_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "flow_table.h"
#include "snapshot.h"

/** Which flows to describe; zero members don't filter. */
struct flow_filter {
	bool has_client, has_target;
	struct ip_addr client, target; /* of a gateway's flow, either end is the client */
	uint32_t frontend;             /* reference */
};

/** A flow.  Of a gateway's, who began it is the client, the other end the vip. */
struct flow_info {
	struct ip_addr client, vip, local, target;
	uint16_t client_port_be, vip_port_be, local_port_be, target_port_be;
	uint8_t proto; /* 0: any, of a gateway's flow by addresses */
	uint8_t state; /* enum flow_state */
	uint8_t kind;  /* enum flow_kind */
	uint8_t full_nat;
	uint8_t bypass; /* no appliance sees it */
	uint32_t idle_ms, age_ms;
	uint32_t packets;
	uint32_t frontend, endpoint; /* references */
	uint32_t cookie_be;
};

/** One page of descriptions. */
struct flow_page {
	struct flow_filter filter;
	uint32_t cursor; /* record to go on from; moved on */
	uint32_t max;    /* room in flows[] */
	uint32_t n;      /* filled */
	bool end;        /* there are no more */
	struct flow_info *flows;
};

/** A packet, as far as flows are concerned. */
struct flow_tuple {
	struct ip_addr src, dst;
	uint16_t sport_be, dport_be;
	uint8_t proto;
	uint32_t endpoint; /* reference; 0: it enters by none */
};

/** Describe the record if it passes the filter. @return whether it did. */
typedef bool (*flow_describe_function)(const struct snapshot *snapshot,
				       const struct flow_record *record,
				       const struct flow_filter *filter, struct flow_info *info,
				       uint32_t now_ms);

/** Fill a page, looking at no more than 65,536 records. */
void flow_page_fill(const struct flow_table *table, const struct snapshot *snapshot,
		    struct flow_page *page, flow_describe_function describe, uint32_t now_ms);

const char *flow_state_name(enum flow_state state);

#endif
