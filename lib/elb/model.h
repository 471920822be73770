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
#include "tls_policy.h"
#include "tls_public_key.h"

#define MODEL_NAME_MAX            33
#define MODEL_OBJECT_NAME_MAX     (MODEL_NAME_MAX + 13) /* LB:PORT PRIORITY, LB:HTTPS:PORT */
#define MODEL_TEXT_MAX            512  /* of messages and short values, with the zero */
#define MODEL_VALUE_MAX           4096 /* of any value's canonical text */
#define MODEL_FORWARDS_MAX        5
#define MODEL_SECURITY_GROUPS_MAX 5  /* of a load balancer */
#define MODEL_CERTIFICATES_MAX    26 /* of a listener: the default and 25 more */
#define MODEL_REVOCATIONS_MAX     30 /* files of a trust store */

/* ELB's limits of rules; lengths with the zero. */
#define MODEL_PATTERN_MAX          129
#define MODEL_FIELD_MAX            41
#define MODEL_BODY_MAX             1025
#define MODEL_TRANSFORM_MAX        1025
#define MODEL_CONDITION_VALUES_MAX 5 /* of source_ip, and of a rule */

/** Where an object or value came from. */
struct model_origin {
	const char *file; /* owned by the model; "" : not from a file */
	uint32_t line;
};

struct model_index;

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

enum xff_mode { XFF_APPEND, XFF_PRESERVE, XFF_REMOVE };

enum alpn_policy {
	ALPN_NONE,
	ALPN_HTTP1_ONLY,
	ALPN_HTTP2_ONLY,
	ALPN_HTTP2_OPTIONAL,
	ALPN_HTTP2_PREFERRED,
};

enum desync_mode { DESYNC_MONITOR, DESYNC_DEFENSIVE, DESYNC_STRICTEST };

/** Where a log goes: a directory, absolute or below log_directory. */
struct model_log {
	bool enabled;
	char bucket[256];
	char prefix[256];
};

/** A key that was given, with its value in canonical text.  What was not given has its default. */
struct model_attribute {
	const char *key;   /* of the key table; with its NAME: owned by the model */
	uint32_t row;      /* its position there */
	uint32_t position; /* among all that were given */
	char *value;
	struct model_origin origin;
};

struct model_attributes {
	struct model_attribute *items;
	uint32_t n;
};

enum model_kind {
	MODEL_SYSTEM,
	MODEL_DATAPLANE,
	MODEL_CLUSTER,
	MODEL_MANAGEMENT,
	MODEL_INTERFACE,
	MODEL_LOAD_BALANCER,
	MODEL_LISTENER,
	MODEL_RULE,
	MODEL_TARGET_GROUP,
	MODEL_ENDPOINT,
	MODEL_SECURITY_GROUP,
	MODEL_CERTIFICATE,
	MODEL_TRUST_STORE,
	MODEL_SSL_POLICY,
};

#define MODEL_KINDS (MODEL_SSL_POLICY + 1)

/* What every object begins with; a pointer to one is a pointer to struct model_object. */
#define MODEL_OBJECT_FIELDS               \
	uint64_t id;                      \
	char name[MODEL_OBJECT_NAME_MAX]; \
	enum model_kind object_kind;      \
	struct model_origin origin;       \
	struct model_attributes given

struct model_object {
	MODEL_OBJECT_FIELDS;
};

struct model_system {
	MODEL_OBJECT_FIELDS;
	char host_name[64]; /* `name` */
	char zone[64];
	char instance[MODEL_NAME_MAX];
	char region[64];
	char account[13];
	char state_directory[256];
	char log_directory[256];
	uint32_t shutdown_drain_seconds;
};

struct model_dataplane {
	MODEL_OBJECT_FIELDS;
	uint32_t workers; /* 0: auto */
	uint32_t crypto_workers;
	int32_t management_lcore; /* -1: not given */
	char lcores[256];         /* "": auto */
	bool adaptive;
	bool hugepages; /* false: off */
	uint32_t max_flows;
	uint32_t max_connections;
	uint32_t max_half_open; /* per listener and worker */
	uint32_t syn_cookies;   /* 0: auto, 1: always, 2: off */
	uint32_t mbufs;         /* 0: auto */
};

struct model_route {
	struct ip_prefix prefix;
	struct ip_addr via;
};

struct model_neighbor {
	struct ip_addr addr;
	uint8_t mac[6];
};

enum model_mac_source { MODEL_MAC_DEVICE, MODEL_MAC_OWN, MODEL_MAC_GIVEN };

struct model_interface {
	MODEL_OBJECT_FIELDS;
	char device[256]; /* "": a VLAN of `parent` */
	char parent[MODEL_NAME_MAX];
	uint16_t vlan; /* 0: untagged */
	uint16_t mtu;
	uint16_t queues; /* 0: auto */
	enum model_mac_source mac_source;
	uint8_t mac[6];              /* MODEL_MAC_GIVEN */
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

/** Registered with a classic load balancer; the port is in its listeners. */
struct model_instance {
	struct ip_addr addr;
	char zone[64]; /* "": the box's */
};

struct model_health_check {
	bool enabled;
	enum elb_protocol protocol;
	uint16_t port; /* 0: traffic-port */
	uint32_t interval_s, timeout_s;
	uint32_t healthy_threshold, unhealthy_threshold;
	char path[1025];
	char matcher[64];
	uint64_t codes[5]; /* of the matcher, a bit per status code from 200 on; GRPC: from 0 */
};

struct model_load_balancer {
	MODEL_OBJECT_FIELDS;
	enum load_balancer_type type;
	struct model_lb_address *addresses;
	uint32_t addresses_n;
	char security_groups[MODEL_SECURITY_GROUPS_MAX][MODEL_NAME_MAX]; /* security_group */
	uint32_t security_groups_n;
	bool icmp_mtu_exceeded; /* icmp_mtu_exceeded.enabled, of a gateway load balancer */
	/* Of application load balancers: */
	uint32_t idle_timeout_s;      /* idle_timeout.timeout_seconds */
	uint32_t client_keep_alive_s; /* client_keep_alive.seconds */
	bool drop_invalid_header_fields;
	bool preserve_host_header;
	bool http2, h2c, http2_websocket;
	bool tls_fields; /* routing.http.x_amzn_tls_version_and_cipher_suite.enabled */
	bool xff_client_port;
	enum xff_mode xff_mode;
	enum desync_mode desync_mode;
	uint32_t header_timeout_s;          /* weir.header_timeout_seconds */
	uint32_t body_min_bytes_per_second; /* weir.body_min_bytes_per_second */
	struct model_log access_log, connection_log, health_check_log;
	/* Of classic load balancers, which have idle timeout, desync mode and access log, too: */
	struct model_instance *instances;
	uint32_t instances_n;
	uint32_t instance_max_connections;      /* weir.instance_max_connections; 0: no limit */
	bool connection_draining;               /* connection_draining.enabled */
	uint32_t connection_draining_s;         /* connection_draining.timeout */
	struct model_health_check health_check; /* port 0: the first listener's instance_port */
};

enum model_action_kind { ACTION_FORWARD, ACTION_REDIRECT, ACTION_FIXED_RESPONSE };

/* Components may hold #{protocol}, #{host}, #{port}, #{path} and #{query} where ELB allows them. */
struct model_redirect {
	uint32_t status;   /* 301 or 302 */
	char protocol[12]; /* HTTP, HTTPS or #{protocol} */
	char port[8];      /* a number or #{port} */
	char host[MODEL_PATTERN_MAX];
	char path[MODEL_PATTERN_MAX];
	char query[MODEL_PATTERN_MAX]; /* without the question mark; "" : none */
};

struct model_fixed_response {
	uint32_t status;       /* 2xx, 4xx, 5xx */
	char content_type[25]; /* "": none */
	char body[MODEL_BODY_MAX];
};

struct model_forward {
	char target_group[MODEL_OBJECT_NAME_MAX];
	uint64_t target_group_id;
	uint32_t weight; /* 0 .. 999; 1 when not given */
};

struct model_action {
	enum model_action_kind action_kind;
	struct model_forward forwards[MODEL_FORWARDS_MAX];
	uint32_t forwards_n;
	uint32_t stickiness_seconds; /* 0: off */
	struct model_redirect redirect;
	struct model_fixed_response fixed_response;
};

struct model_listener {
	MODEL_OBJECT_FIELDS;
	char load_balancer[MODEL_NAME_MAX];
	uint64_t load_balancer_id;
	uint16_t port;
	enum elb_protocol protocol;
	struct model_action default_action;
	uint32_t tcp_idle_timeout_s;                         /* tcp.idle_timeout.seconds */
	uint32_t new_flows_per_second, new_flows_per_source; /* weir.new_flows_per_second* */
	bool reset_on_idle; /* send_tcp_reset.on_idle_timeout.enabled */
	/* Of application load balancers; names and values of header fields are read by key. */
	bool server_header; /* routing.http.response.server.enabled */
	char certificates[MODEL_CERTIFICATES_MAX][MODEL_NAME_MAX]; /* certificate; first: default */
	uint32_t certificates_n;
	char ssl_policy[65]; /* "": the default */
	enum alpn_policy alpn_policy;
	uint32_t mutual_mode; /* mutual_authentication.mode: enum tls_mutual_mode */
	char trust_store[MODEL_NAME_MAX];
	bool ignore_client_expiry, advertise_ca_names;
	/* Of classic load balancers: */
	enum elb_protocol instance_protocol;
	uint16_t instance_port;
	bool lb_cookie;               /* lb_cookie_stickiness was given */
	uint32_t lb_cookie_s;         /* 0: as long as the browser's session */
	char app_cookie[256];         /* app_cookie_stickiness; "": none */
	bool proxy_protocol;          /* a PROXY header of version 1 */
	char backend_public_key[256]; /* a file; "": instances aren't authenticated */
};

enum model_condition_kind {
	CONDITION_HOST_HEADER,
	CONDITION_PATH_PATTERN,
	CONDITION_HTTP_HEADER,
	CONDITION_HTTP_REQUEST_METHOD,
	CONDITION_QUERY_STRING,
	CONDITION_SOURCE_IP,
};

#define MODEL_CONDITIONS (CONDITION_SOURCE_IP + 1)

/**
 * A pattern: `*` is any number of bytes, `?` one; a backslash makes `*`, `?`, `=` and a backslash
 * literal.  Or a regular expression, an exact method, or a prefix.
 */
struct model_condition_value {
	char text[MODEL_PATTERN_MAX]; /* not of source_ip */
	char key[MODEL_PATTERN_MAX];  /* of query_string: the pattern of KEY; "": any key */
	struct ip_prefix prefix;      /* of source_ip */
};

/** Holds when one of its values does. */
struct model_condition {
	enum model_condition_kind condition_kind;
	bool regex;
	char field[MODEL_FIELD_MAX]; /* of http_header: its name in lower case */
	uint32_t values_n;
	struct model_condition_value values[MODEL_CONDITION_VALUES_MAX];
};

/** `regex -> replacement`; both NULL: none. */
struct model_transform {
	char *regex;
	char *replacement; /* with $0 to $31, and $$ for a dollar sign */
};

/** Matches when all its conditions hold. */
struct model_rule {
	MODEL_OBJECT_FIELDS;
	char listener[MODEL_NAME_MAX + 6];
	uint64_t listener_id;
	uint32_t priority;
	struct model_condition *conditions;
	uint32_t conditions_n;
	struct model_transform host_header_rewrite, url_rewrite;
	struct model_action action;
};

struct model_target {
	uint64_t id; /* of (group, address, port) */
	struct ip_addr addr;
	uint16_t port;
	uint32_t weight; /* 1 when not given; 0: no new flows */
	char zone[64];   /* "": the box's */
	struct model_origin origin;
};

enum stickiness_type {
	STICKINESS_SOURCE_IP,
	STICKINESS_LB_COOKIE,
	STICKINESS_APP_COOKIE,
	STICKINESS_SOURCE_IP_DEST_IP,
	STICKINESS_SOURCE_IP_DEST_IP_PROTO,
};

/** protocol_version, of application load balancers. */
enum protocol_version { VERSION_HTTP1, VERSION_HTTP2, VERSION_GRPC };

enum algorithm_type {
	ALGORITHM_ROUND_ROBIN,
	ALGORITHM_LEAST_OUTSTANDING_REQUESTS,
	ALGORITHM_WEIGHTED_RANDOM,
};

/** What flows do when no target is healthy: all targets get them, none, or they pass untouched. */
enum fail_mode { FAIL_OPEN, FAIL_CLOSE, FAIL_BYPASS };

struct model_target_group {
	MODEL_OBJECT_FIELDS;
	enum elb_protocol protocol;
	enum target_group_forwarding_mode forwarding; /* as given */
	bool full_nat;                                /* resolved: source-NATed, else nat */
	bool cross_zone;           /* load_balancing.cross_zone.enabled, or its load balancer's */
	uint64_t load_balancer_id; /* that uses it; 0: unused */
	struct tls_client *tls; /* once checked, of targets or health checks over TLS; else NULL */
	char trust_store[MODEL_NAME_MAX], server_name[256]; /* weir.target_tls.* */
	uint32_t deregistration_delay_s;
	/* target_group_health.*.minimum_healthy_targets.*; 0: off */
	uint32_t minimum_healthy, minimum_healthy_percent;         /* unhealthy_state_routing */
	uint32_t dns_minimum_healthy, dns_minimum_healthy_percent; /* dns_failover */
	bool connection_termination; /* deregistration_delay.connection_termination.enabled */
	bool unhealthy_termination;  /* target_health_state.unhealthy.connection_termination.enabled
				      */
	uint32_t unhealthy_drain_s;  /* target_health_state.unhealthy.draining_interval_seconds */
	bool proxy_v2;               /* proxy_protocol_v2.enabled */
	bool implicit; /* of a classic load balancer, in no section: see model_classic.h */
	/* Of implicit ones: */
	uint16_t instance_port;
	bool proxy_v1;       /* proxy_protocol of its listeners */
	bool has_public_key; /* backend_public_key of its listeners: */
	uint8_t public_key[TLS_PUBLIC_KEY_LEN];
	bool stickiness; /* stickiness.enabled */
	enum stickiness_type stickiness_type;
	/* Of application load balancers: */
	uint32_t lb_cookie_s, app_cookie_s; /* stickiness.*_cookie.duration_seconds */
	char app_cookie_name[256];          /* stickiness.app_cookie.cookie_name */
	enum protocol_version version;
	enum algorithm_type algorithm; /* load_balancing.algorithm.type */
	bool anomaly_mitigation;       /* load_balancing.algorithm.anomaly_mitigation */
	uint32_t slow_start_s;         /* slow_start.duration_seconds; 0: off */
	/* Of gateway load balancers: */
	bool rebalance_on_unhealthy, rebalance_on_deregistration; /* target_failover.* */
	bool reset_on_unhealthy, reset_on_deregistration;         /* send_tcp_reset.* */
	enum fail_mode fail_mode;                                 /* weir.fail_mode */
	struct model_health_check health_check;
	struct model_target *targets;
	uint32_t targets_n;
};

/** Where traffic enters a gateway load balancer. */
struct model_endpoint {
	MODEL_OBJECT_FIELDS;
	char load_balancer[MODEL_NAME_MAX];
	uint64_t load_balancer_id;
	char (*interfaces)[MODEL_NAME_MAX];
	uint32_t interfaces_n;
	uint64_t endpoint_id;   /* `id`; derived from the name when not given */
	uint64_t attachment_id; /* ditto */
	bool in_line;           /* mode = in_line */
};

/** A target set: who gets new flows of a group, from an address of a zone. */
struct model_set {
	uint64_t id;      /* of the group, or one of its own */
	uint32_t group;   /* index into target_groups[] */
	const char *zone; /* "": the box's; the model's */
};

enum model_security_protocol {
	MODEL_SECURITY_TCP = 1 << 0,
	MODEL_SECURITY_UDP = 1 << 1,
	MODEL_SECURITY_ICMP = 1 << 2, /* of either family */
};

struct model_security_rule {
	uint8_t protocols;       /* enum model_security_protocol */
	uint16_t first, last;    /* ports of TCP and UDP; 0 to 65535: all */
	struct ip_prefix prefix; /* inbound: of sources; outbound: of targets */
};

/** What may begin a flow; see model_security.h. */
struct model_security_group {
	MODEL_OBJECT_FIELDS;
	struct model_security_rule *inbound, *outbound;
	uint32_t inbound_n, outbound_n;
};

/** A certificate chain and its key; see model_certificate.h. */
struct model_certificate {
	MODEL_OBJECT_FIELDS;
	char certificate[256], chain[256], private_key[256]; /* files of PEM */
	struct tls_credentials *credentials; /* what they hold, once the model is checked */
};

/** Authorities of certificates that are let in, and what they have revoked; see model_trust.h. */
struct model_trust_store {
	MODEL_OBJECT_FIELDS;
	char ca_bundle[256];
	char revocations[MODEL_REVOCATIONS_MAX][256];
	uint32_t revocations_n;
	struct tls_trust *trust; /* what the files hold, once the model is checked */
};

/** A security policy of an operator's own, for classic load balancers. */
struct model_ssl_policy {
	MODEL_OBJECT_FIELDS;
	bool server_order;        /* server_defined_cipher_order */
	char ciphers[1024];       /* in order, separated by colons */
	struct tls_policy policy; /* whole once checked; it points into this object */
};

struct model_cluster {
	MODEL_OBJECT_FIELDS;
	char secret_file[256]; /* "": one of this box's own */
};

struct model_management {
	MODEL_OBJECT_FIELDS;
	char address[64];
	struct ip_addr http_addr; /* of `address` */
	uint16_t http_port;       /* 0: off */
	char control_socket[108];
};

struct model {
	struct model_system system;
	struct model_dataplane dataplane;
	struct model_cluster cluster;
	struct model_management management;
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
	struct model_endpoint *endpoints;
	uint32_t endpoints_n;
	struct model_security_group *security_groups;
	uint32_t security_groups_n;
	struct model_certificate *certificates;
	uint32_t certificates_n;
	struct model_trust_store *trust_stores;
	uint32_t trust_stores_n;
	struct model_ssl_policy *ssl_policies;
	uint32_t ssl_policies_n;
	struct model_set *sets; /* see model_sets.h */
	uint32_t sets_n;
	uint8_t hash[32];          /* SHA-256 of the canonical text; set by the loader */
	struct model_index *index; /* objects by id; private */
	char **files;              /* names that origins point to, and keys with a NAME */
	uint32_t files_n;
};

/** 64-bit identity of an object: SipHash of kind, parent and name under a fixed public key. */
uint64_t model_identity(const char *kind, const char *parent, const char *name);

/** Why an operation was refused: what is wrong, and what is allowed. */
struct model_error {
	char what[MODEL_TEXT_MAX];
	char allowed[MODEL_TEXT_MAX];
};

/** An empty model with every default. @return NULL without memory. */
struct model *model_create(void);
void model_free(struct model *model);

/**
 * Add an object; the four sections without a name exist already and are returned.
 * @param name  as in a section header: NAME, LB:PORT, or LB:PORT PRIORITY
 * @return  borrowed until the next model_add(), or NULL with `error`.
 */
struct model_object *model_add(struct model *model, enum model_kind kind, const char *name,
			       const struct model_origin *origin, struct model_error *error);

/**
 * Add a target group of no section, with every default, under a name that no section can have.
 * @return  as model_add(); it is not written by model_write().
 */
struct model_target_group *model_add_implicit_group(struct model *model, const char *name,
						    const struct model_origin *origin,
						    struct model_error *error);

/**
 * Give an object's key a value, or one more of a key that can be repeated.  The value is what an
 * INI file has behind `=`, quotes included; it is checked by itself, not against other objects.
 */
bool model_set(struct model *model, struct model_object *object, const char *key, const char *value,
	       const struct model_origin *origin, struct model_error *error);

/** A copy of `name` that lives as long as the model. NULL without memory. */
const char *model_file(struct model *model, const char *name);

/** Put what was given to each object into canonical order, so that equal objects compare equal. */
void model_sort_given(struct model *model);

/** The object of a kind and name, or NULL. */
struct model_object *model_find(const struct model *model, enum model_kind kind, const char *name);

/** `system`, `load_balancer`, ... */
const char *model_kind_name(enum model_kind kind);

/** Whether the key was given; its first value then, else NULL. */
const char *model_given(const struct model_object *object, const char *key);

const struct model_load_balancer *model_load_balancer(const struct model *model, const char *name);
const struct model_target_group *model_target_group(const struct model *model, const char *name);
const struct model_listener *model_listener(const struct model *model, const char *name);
const struct model_interface *model_interface(const struct model *model, const char *name);
const struct model_load_balancer *model_load_balancer_by_id(const struct model *m, uint64_t id);
const struct model_target_group *model_target_group_by_id(const struct model *m, uint64_t id);

static inline bool
elb_protocol_is_http(enum elb_protocol protocol)
{
	return protocol == ELB_HTTP || protocol == ELB_HTTPS;
}

static inline bool
elb_protocol_is_tls(enum elb_protocol protocol)
{
	return protocol == ELB_HTTPS || protocol == ELB_TLS || protocol == ELB_SSL;
}

/** Of application load balancers, and of HTTP and HTTPS listeners of classic ones. */
static inline bool
model_group_is_http(const struct model_target_group *tg)
{
	return elb_protocol_is_http(tg->protocol);
}

/** Whose connections end at weir: each request or connection is balanced by itself. */
static inline bool
model_group_is_balanced(const struct model_target_group *tg)
{
	return tg->implicit || model_group_is_http(tg);
}

/** Whether its targets speak TLS. */
static inline bool
model_group_is_tls(const struct model_target_group *tg)
{
	return elb_protocol_is_tls(tg->protocol);
}

const char *elb_protocol_name(enum elb_protocol protocol);
const char *load_balancer_type_name(enum load_balancer_type type);

/** The canonical text: a configuration file that loads to an equal model. */
bool model_write(const struct model *model, FILE *out);

#endif
