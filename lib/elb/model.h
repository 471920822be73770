/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The model: everything the operator configured, as objects that refer to each other by id.
 *
 * Owned by the management core.  It is filled only through the operations below (the INI reader is
 * one caller, an API will be another), checked as a whole by model_check(), and then read freely.
 * A published configuration is a model nobody changes any more: a change is a new model.
 *
 * Every object has a 64-bit id that depends on its kind, parent and name alone, so the same object
 * has the same id in every process and after every reload.  Ports are in host order here, times in
 * the unit of their ELB attribute.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ip_addr.h"

#define MODEL_NAME_MAX     33
#define MODEL_TEXT_MAX     512
#define MODEL_FORWARDS_MAX 5

/** Where an object or value came from. */
struct model_origin {
	char file[128];
	uint32_t line; /* 0: not from a file */
};

enum load_balancer_type { LB_APPLICATION, LB_NETWORK, LB_CLASSIC, LB_GATEWAY };

enum elb_protocol {
	ELB_HTTP,
	ELB_HTTPS,
	ELB_TCP,
	ELB_TLS,
	ELB_UDP,
	ELB_TCP_UDP,
	ELB_QUIC,
	ELB_TCP_QUIC,
	ELB_SSL,
	ELB_GENEVE,
};

#define ELB_PROTOCOLS (ELB_GENEVE + 1)

enum target_group_forwarding_mode {
	TG_FORWARDING_DEFAULT, /* by preserve_client_ip.enabled */
	TG_FORWARDING_NAT,
	TG_FORWARDING_FULL_NAT,
	TG_FORWARDING_DSR,
	TG_FORWARDING_IPIP,
	TG_FORWARDING_GUE,
	TG_FORWARDING_GENEVE,
};

/** An attribute that was given: key as in ELB and value in canonical text. Others are default. */
struct model_attribute {
	char key[80];
	char value[MODEL_TEXT_MAX];
	struct model_origin origin;
};

struct model_attributes {
	struct model_attribute *items;
	uint32_t n;
};

struct model_system {
	char name[64];
	char zone[64];
	char instance[MODEL_NAME_MAX];
	char region[64];
	char account[13];
	char state_directory[256];
	char log_directory[256];
	uint32_t shutdown_drain_seconds;
};

struct model_dataplane {
	uint32_t workers;         /* 0: auto */
	int32_t management_lcore; /* -1: not given */
	char lcores[256];         /* "": auto */
	bool adaptive;
	bool hugepages; /* false: off */
	uint32_t max_flows;
	uint32_t max_connections;
	uint32_t mbufs; /* 0: auto */
};

struct model_route {
	struct ip_prefix prefix;
	struct ip_addr via;
};

struct model_neighbor {
	struct ip_addr addr;
	uint8_t mac[6];
};

struct model_interface {
	uint64_t id;
	char name[MODEL_NAME_MAX];
	struct model_origin origin;
	char device[256]; /* "": a VLAN of `parent` */
	char parent[MODEL_NAME_MAX];
	uint16_t vlan; /* 0: untagged */
	uint16_t mtu;
	uint16_t queues;             /* 0: auto */
	bool offloads;               /* weir.offloads = auto | off */
	struct ip_prefix *addresses; /* with host bits */
	uint32_t addresses_n;
	struct ip_addr *local_addresses; /* given ones; none: the addresses */
	uint32_t local_addresses_n;
	struct ip_addr *gateways; /* at most one of each family */
	uint32_t gateways_n;
	struct model_route *routes;
	uint32_t routes_n;
	struct model_neighbor *neighbors;
	uint32_t neighbors_n;
};

struct model_lb_address {
	struct ip_addr addr;
	char zone[64];
};

struct model_load_balancer {
	uint64_t id;
	char name[MODEL_NAME_MAX];
	struct model_origin origin;
	enum load_balancer_type type;
	struct model_lb_address *addresses;
	uint32_t addresses_n;
	struct model_attributes attributes;
};

enum model_action_kind { ACTION_FORWARD, ACTION_REDIRECT, ACTION_FIXED_RESPONSE };

struct model_forward {
	char target_group[MODEL_NAME_MAX];
	uint64_t target_group_id;
	uint32_t weight; /* 0 .. 999; 1 when not given */
};

struct model_action {
	enum model_action_kind kind;
	struct model_forward forwards[MODEL_FORWARDS_MAX];
	uint32_t forwards_n;
	uint32_t stickiness_seconds; /* 0: off */
	char text[MODEL_TEXT_MAX];   /* of redirect and fixed_response, canonical */
};

struct model_listener {
	uint64_t id;
	char name[MODEL_NAME_MAX + 6]; /* LB:PORT as written */
	struct model_origin origin;
	char load_balancer[MODEL_NAME_MAX];
	uint64_t load_balancer_id;
	uint16_t port;
	enum elb_protocol protocol;
	struct model_action default_action;
	uint32_t tcp_idle_timeout_s; /* tcp.idle_timeout.seconds */
	struct model_attributes attributes;
};

struct model_rule {
	uint64_t id;
	char listener[MODEL_NAME_MAX + 6];
	uint64_t listener_id;
	uint32_t priority;
	struct model_origin origin;
	struct model_action action;
	struct model_attributes conditions; /* condition.* and transform.* as written */
};

struct model_target {
	uint64_t id; /* of (group, address, port) */
	struct ip_addr addr;
	uint16_t port;
	uint32_t weight; /* 1 when not given; 0: no new flows */
	char zone[64];   /* "": the box's */
	struct model_origin origin;
};

struct model_health_check {
	bool enabled;
	enum elb_protocol protocol;
	uint16_t port; /* 0: traffic-port */
	uint32_t interval_s, timeout_s;
	uint32_t healthy_threshold, unhealthy_threshold;
	char path[MODEL_TEXT_MAX];
	char matcher[64];
};

struct model_target_group {
	uint64_t id;
	char name[MODEL_NAME_MAX];
	struct model_origin origin;
	enum elb_protocol protocol;
	enum target_group_forwarding_mode forwarding; /* as given */
	bool full_nat;                                /* resolved: source-NATed, else nat */
	bool cross_zone;           /* load_balancing.cross_zone.enabled, or its load balancer's */
	uint64_t load_balancer_id; /* that uses it; 0: unused */
	uint32_t deregistration_delay_s;
	bool connection_termination; /* deregistration_delay.connection_termination.enabled */
	struct model_health_check health_check;
	struct model_target *targets;
	uint32_t targets_n;
	struct model_attributes attributes;
};

struct model_management {
	char address[64];
	char control_socket[108];
};

struct model {
	struct model_system system;
	struct model_dataplane dataplane;
	struct model_management management;
	char secret_file[256];
	struct model_interface *interfaces;
	uint32_t interfaces_n;
	struct model_load_balancer *load_balancers;
	uint32_t load_balancers_n;
	struct model_listener *listeners;
	uint32_t listeners_n;
	struct model_rule *rules;
	uint32_t rules_n;
	struct model_target_group *target_groups;
	uint32_t target_groups_n;
	uint8_t hash[32]; /* SHA-256 of the canonical text; set by the loader */
	void *index;      /* lookups by name; private */
};

/** 64-bit identity of an object: SipHash of kind, parent and name under a fixed public key. */
uint64_t model_identity(const char *kind, const char *parent, const char *name);

void model_free(struct model *model);

const struct model_load_balancer *model_load_balancer(const struct model *model, const char *name);
const struct model_target_group *model_target_group(const struct model *model, const char *name);
const struct model_listener *model_listener(const struct model *model, const char *name);
const struct model_load_balancer *model_load_balancer_by_id(const struct model *m, uint64_t id);
const struct model_target_group *model_target_group_by_id(const struct model *m, uint64_t id);

const char *elb_protocol_name(enum elb_protocol protocol);
const char *load_balancer_type_name(enum load_balancer_type type);

/** The canonical text: a configuration file that loads to an equal model. */
bool model_write(const struct model *model, FILE *out);

#endif
