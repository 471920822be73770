/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_keys.h"

#include "model_value.h"

#define BIT(kind)           (1u << (kind))
#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

#define LB   BIT(MODEL_LOAD_BALANCER)
#define TG   BIT(MODEL_TARGET_GROUP)
#define LIS  BIT(MODEL_LISTENER)
#define IF   BIT(MODEL_INTERFACE)
#define SYS  BIT(MODEL_SYSTEM)
#define DP   BIT(MODEL_DATAPLANE)
#define RULE BIT(MODEL_RULE)

#define DEFAULT_ONLY MODEL_KEY_DEFAULT_ONLY
#define REPEAT       MODEL_KEY_REPEAT
#define WORD         MODEL_KEY_WORD

#define UINT(kinds, key, min, max, initial, flags, field, text)                                 \
	{                                                                                       \
		kinds, key, MODEL_VALUE_UINT, min, max, {0}, initial, flags, field, NULL, NULL, \
			text                                                                    \
	}
#define WORD_UINT(kinds, key, word, min, max, initial, field, text)                               \
	{                                                                                         \
		kinds, key, MODEL_VALUE_UINT, min, max, {word}, initial, WORD, field, NULL, NULL, \
			text                                                                      \
	}
#define BOOL(kinds, key, initial, flags, field, text)                                         \
	{                                                                                     \
		kinds, key, MODEL_VALUE_BOOL, 0, 1, {"false", "true"}, initial, flags, field, \
			NULL, NULL, text                                                      \
	}
#define TEXT(kinds, key, max, initial, flags, field, allowed, text)                              \
	{                                                                                        \
		kinds, key, MODEL_VALUE_TEXT, 0, max, {0}, initial, flags, field, NULL, allowed, \
			text                                                                     \
	}
#define CHOICE(kinds, key, initial, flags, field, text, ...)                                      \
	{                                                                                         \
		kinds, key, MODEL_VALUE_CHOICE, 0, 0, {__VA_ARGS__}, initial, flags, field, NULL, \
			NULL, text                                                                \
	}
#define CUSTOM(kinds, key, initial, flags, parse, allowed, text)                                 \
	{                                                                                        \
		kinds, key, MODEL_VALUE_CUSTOM, 0, 0, {0}, initial, flags, 0, 0, parse, allowed, \
			text                                                                     \
	}
#define NO_FIELD 0, 0

/* clang-format off */
const struct model_key model_keys[] = {
	/* [system] */
	TEXT(SYS, "name", 63, "weir", 0, FIELD(model_system, host_name), "at most 63 bytes", "Host name in metrics and logs."),
	TEXT(SYS, "zone", 63, "", 0, FIELD(model_system, zone), "at most 63 bytes", "This box's availability zone."),
	TEXT(SYS, "instance", 32, "weir", 0, FIELD(model_system, instance), "1 to 32 letters, digits, `-` and `_`", "Name of this process on the box: EAL's file prefix, the telemetry and control sockets."),
	TEXT(SYS, "region", 63, "on-prem-1", 0, FIELD(model_system, region), "at most 63 bytes", "Region name in identities."),
	TEXT(SYS, "account", 12, "000000000000", 0, FIELD(model_system, account), "12 digits", "Account number in identities."),
	TEXT(SYS, "state_directory", 255, "/var/lib/weir/INSTANCE", 0, FIELD(model_system, state_directory), "an absolute path", "Where the secret and the configuration's revision are kept."),
	TEXT(SYS, "log_directory", 255, "/var/log/weir", 0, FIELD(model_system, log_directory), "an absolute path", "Where relative log directories begin."),
	UINT(SYS, "shutdown_drain_seconds", 0, 3600, "30", 0, FIELD(model_system, shutdown_drain_seconds), "After SIGTERM: how long existing TCP flows may go on while new ones are refused."),

	/* [dataplane] */
	WORD_UINT(DP, "workers", "auto", 1, 16, "auto", FIELD(model_dataplane, workers), "Worker lcores; auto: one for each CPU but the management core's."),
	UINT(DP, "crypto_workers", 0, 16, "0", DEFAULT_ONLY, NO_FIELD, "Lcores for TLS handshakes."),
	UINT(DP, "management_lcore", 0, 1023, NULL, 0, FIELD(model_dataplane, management_lcore), "CPU of the management core; default the first."),
	TEXT(DP, "lcores", 255, "", 0, FIELD(model_dataplane, lcores), "EAL's --lcores syntax, such as 0@0,1@1,2@1", "Lcores to CPUs, when auto is not wanted; the lowest is the management core."),
	CHOICE(DP, "idle", "adaptive", 0, FIELD(model_dataplane, adaptive), "poll spins; adaptive sleeps up to 40 us at a time when nothing arrives.", "poll", "adaptive"),
	CHOICE(DP, "hugepages", "auto", 0, FIELD(model_dataplane, hugepages), "auto uses free huge pages and says when there are none; off never does.", "off", "auto"),
	UINT(DP, "max_flows", 1024, 67108864, "1048576", 0, FIELD(model_dataplane, max_flows), "Flows of the whole box; memory is reserved at start."),
	UINT(DP, "max_connections", 1024, 16777216, "131072", DEFAULT_ONLY, FIELD(model_dataplane, max_connections), "Terminated TCP connections, both sides together."),
	WORD_UINT(DP, "mbufs", "auto", 4096, 8388608, "auto", FIELD(model_dataplane, mbufs), "Packet buffers; auto sizes them for ports, queues and workers."),
	UINT(DP, "max_half_open", 0, 16777216, "0", DEFAULT_ONLY, NO_FIELD, "Half-open terminated connections before SYN cookies."),
	CHOICE(DP, "syn_cookies", "auto", DEFAULT_ONLY, NO_FIELD, "SYN cookies for terminated connections.", "auto", "always", "off"),

	/* [cluster], [management] */
	TEXT(BIT(MODEL_CLUSTER), "secret_file", 255, "", 0, FIELD(model_cluster, secret_file), "an absolute path", "File with the cluster's secret (64 hexadecimal digits, mode 0600); default: one of this box's own in state_directory."),
	CUSTOM(BIT(MODEL_MANAGEMENT), "address", "127.0.0.1:9127", DEFAULT_ONLY, model_parse_address_port, "ADDRESS:PORT", "Address of the management HTTP server."),
	TEXT(BIT(MODEL_MANAGEMENT), "control_socket", 100, "/run/weir/INSTANCE.sock", 0, FIELD(model_management, control_socket), "an absolute path of at most 100 bytes", "The socket weirctl talks to; only root may."),

	/* [interface NAME] */
	TEXT(IF, "device", 255, NULL, 0, FIELD(model_interface, device), "a PCI address or a --vdev string", "The DPDK port: a PCI address or a vdev such as net_af_packet0,iface=eth1."),
	TEXT(IF, "parent", 32, NULL, 0, FIELD(model_interface, parent), "the name of an interface with a device", "For a VLAN: the interface whose port carries it."),
	UINT(IF, "vlan", 1, 4094, NULL, 0, FIELD(model_interface, vlan), "VLAN ID of an interface with a parent."),
	CUSTOM(IF, "address", NULL, REPEAT, model_parse_interface_address, "ADDRESS/PREFIX", "An address of the interface."),
	CUSTOM(IF, "local_address", NULL, REPEAT, model_parse_local_address, "ADDRESS", "Source address of full_nat flows and health checks leaving here; default the interface's addresses."),
	CUSTOM(IF, "gateway", NULL, REPEAT, model_parse_gateway, "ADDRESS", "Default route, one for each address family."),
	CUSTOM(IF, "route", NULL, REPEAT, model_parse_route, "PREFIX via ADDRESS", "A route."),
	CUSTOM(IF, "neighbor", NULL, REPEAT, model_parse_neighbor, "ADDRESS MAC", "A static ARP or ND entry."),
	UINT(IF, "mtu", 576, 9216, "1500", 0, FIELD(model_interface, mtu), "Largest IP packet."),
	WORD_UINT(IF, "queues", "auto", 1, 16, "auto", FIELD(model_interface, queues), "Receive and transmit queues; auto: as many as workers, if the device has them. A virtual device made with qpairs=N needs N."),
	CHOICE(IF, "weir.offloads", "auto", 0, FIELD(model_interface, offloads), "auto uses what the device offers; off does all in software.", "off", "auto"),

	/* [load_balancer NAME] */
	CHOICE(LB, "type", NULL, 0, FIELD(model_load_balancer, type), "Kind of load balancer.", "application", "network", "classic", "gateway"),
	CUSTOM(LB, "address", NULL, REPEAT, model_parse_lb_address, "ADDRESS [zone=NAME]", "A static address that clients use."),
	TEXT(LB, "security_group", 64, "", DEFAULT_ONLY, NO_FIELD, "a security group's name", "Security group of the load balancer."),
	BOOL(LB, "deletion_protection.enabled", "false", DEFAULT_ONLY, NO_FIELD, "ELB attribute."),
	BOOL(LB | TG, "load_balancing.cross_zone.enabled", "false", 0, NO_FIELD, "Whether targets of other zones get new flows; a target group's own setting wins."),
	UINT(LB, "idle_timeout.timeout_seconds", 1, 4000, "60", DEFAULT_ONLY, NO_FIELD, "Application: idle time of a connection."),
	UINT(LB, "client_keep_alive.seconds", 60, 604800, "3600", DEFAULT_ONLY, NO_FIELD, "Application: longest life of a client connection."),
	BOOL(LB, "routing.http2.enabled", "true", DEFAULT_ONLY, NO_FIELD, "Application: HTTP/2."),
	BOOL(LB, "routing.http.drop_invalid_header_fields.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Application: remove invalid header fields."),
	BOOL(LB, "routing.http.preserve_host_header.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Application: leave Host as it is."),
	BOOL(LB, "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Application: TLS header fields."),
	BOOL(LB, "routing.http.xff_client_port.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Application: client port in X-Forwarded-For."),
	CHOICE(LB, "routing.http.xff_header_processing.mode", "append", DEFAULT_ONLY, NO_FIELD, "Application: X-Forwarded-For.", "append", "preserve", "remove"),
	CHOICE(LB, "routing.http.desync_mitigation_mode", "defensive", DEFAULT_ONLY, NO_FIELD, "Application and classic: handling of ambiguous requests.", "monitor", "defensive", "strictest"),
	BOOL(LB, "waf.fail_open.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Application: ELB attribute."),
	BOOL(LB, "zonal_shift.config.enabled", "false", DEFAULT_ONLY, NO_FIELD, "ELB attribute."),
	BOOL(LB, "access_logs.s3.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Access log."),
	TEXT(LB, "access_logs.s3.bucket", 255, "", DEFAULT_ONLY, NO_FIELD, "a directory", "Directory of the access log."),
	TEXT(LB, "access_logs.s3.prefix", 255, "", DEFAULT_ONLY, NO_FIELD, "a path", "Path below the directory."),
	BOOL(LB, "connection_logs.s3.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Connection log."),
	BOOL(LB, "health_check_logs.s3.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Health check log."),
	CHOICE(LB, "dns_record.client_routing_policy", "any_availability_zone", DEFAULT_ONLY, NO_FIELD, "Network: ELB attribute.", "any_availability_zone", "partial_availability_zone_affinity", "availability_zone_affinity"),
	UINT(LB, "secondary_ips.auto_assigned.per_subnet", 0, 7, "0", DEFAULT_ONLY, NO_FIELD, "Network: ELB attribute; weir has local_address."),
	BOOL(LB, "ipv6.deny_all_igw_traffic", "false", DEFAULT_ONLY, NO_FIELD, "ELB attribute."),

	/* [listener LB:PORT] */
	CHOICE(LIS, "protocol", NULL, 0, FIELD(model_listener, protocol), "What the listener takes.", "HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC", "SSL", "GENEVE"),
	CUSTOM(LIS, "default_action", NULL, 0, model_parse_action, "forward TARGET_GROUP [weight N], ... [stickiness SECONDS], redirect ..., or fixed_response ...", "What to do with new flows; weights 0 to 999."),
	UINT(LIS, "tcp.idle_timeout.seconds", 60, 6000, "350", 0, FIELD(model_listener, tcp_idle_timeout_s), "Idle time after which an established TCP flow is forgotten."),
	TEXT(LIS, "certificate", 64, "", DEFAULT_ONLY | REPEAT, NO_FIELD, "a certificate's name", "Certificate of a TLS or HTTPS listener."),
	TEXT(LIS, "ssl_policy", 64, "", DEFAULT_ONLY, NO_FIELD, "a policy's name", "TLS policy."),
	CHOICE(LIS, "alpn_policy", "None", DEFAULT_ONLY, NO_FIELD, "ALPN policy of a TLS listener.", "None", "HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred"),
	CHOICE(LIS, "mutual_authentication.mode", "off", DEFAULT_ONLY, NO_FIELD, "Mutual TLS.", "off", "passthrough", "verify"),
	TEXT(LIS, "mutual_authentication.trust_store", 64, "", DEFAULT_ONLY, NO_FIELD, "a trust store's name", "Trust store of mutual TLS."),

	/* [rule LB:PORT PRIORITY] */
	CUSTOM(RULE, "action", NULL, 0, model_parse_action, "forward, redirect or fixed_response", "What to do with a match."),
	CUSTOM(RULE, "condition.host_header", NULL, REPEAT, model_parse_condition, "patterns", "Host names."),
	CUSTOM(RULE, "condition.path_pattern", NULL, REPEAT, model_parse_condition, "patterns", "Paths."),
	CUSTOM(RULE, "condition.http_request_method", NULL, REPEAT, model_parse_condition, "methods", "Methods."),
	CUSTOM(RULE, "condition.query_string", NULL, REPEAT, model_parse_condition, "KEY=VALUE or VALUE", "Query strings."),
	CUSTOM(RULE, "condition.source_ip", NULL, REPEAT, model_parse_condition, "prefixes", "Clients."),
	CUSTOM(RULE, "transform.host_header_rewrite", NULL, 0, model_parse_condition, "REGEX -> REPLACEMENT", "Rewrite the host."),
	CUSTOM(RULE, "transform.url_rewrite", NULL, 0, model_parse_condition, "REGEX -> REPLACEMENT", "Rewrite the URL."),

	/* [target_group NAME] */
	CHOICE(TG, "protocol", NULL, 0, FIELD(model_target_group, protocol), "What targets speak.", "HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC", "SSL", "GENEVE"),
	CHOICE(TG, "protocol_version", "HTTP1", DEFAULT_ONLY, NO_FIELD, "HTTP version towards targets.", "HTTP1", "HTTP2", "GRPC"),
	CHOICE(TG, "target_type", "ip", 0, NO_FIELD, "Sets the default of preserve_client_ip.enabled.", "ip", "instance", "alb"),
	CHOICE(TG, "forwarding", NULL, 0, FIELD(model_target_group, forwarding), "How packets reach targets: nat keeps the client's address (replies must come back through weir), full_nat uses weir's own.", "", "nat", "full_nat", "dsr", "ipip", "gue", "geneve"),
	BOOL(TG, "preserve_client_ip.enabled", NULL, 0, NO_FIELD, "Default: true for target_type instance and for UDP and TCP_UDP, else false."),
	CUSTOM(TG, "target", NULL, REPEAT, model_parse_target, "ADDRESS:PORT [weight=N] [zone=NAME]", "A registered target; weight 0 gets no new flows."),
	UINT(TG, "deregistration_delay.timeout_seconds", 0, 3600, "300", 0, FIELD(model_target_group, deregistration_delay_s), "How long a removed target drains."),
	BOOL(TG, "deregistration_delay.connection_termination.enabled", NULL, 0, FIELD(model_target_group, connection_termination), "Close flows when the delay is over; default true for UDP and TCP_UDP, else false."),
	BOOL(TG, "proxy_protocol_v2.enabled", "false", DEFAULT_ONLY, NO_FIELD, "PROXY protocol header towards targets."),
	BOOL(TG, "stickiness.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Keep a client on its target."),
	CHOICE(TG, "stickiness.type", "source_ip", DEFAULT_ONLY, NO_FIELD, "Kind of stickiness.", "source_ip", "lb_cookie", "app_cookie", "source_ip_dest_ip", "source_ip_dest_ip_proto"),
	CHOICE(TG, "load_balancing.algorithm.type", "round_robin", DEFAULT_ONLY, NO_FIELD, "Application: choice of targets.", "round_robin", "least_outstanding_requests", "weighted_random"),
	UINT(TG, "slow_start.duration_seconds", 0, 900, "0", DEFAULT_ONLY, NO_FIELD, "Application: ramp of a new target."),
	BOOL(TG, "target_health_state.unhealthy.connection_termination.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Close flows of a target that becomes unhealthy (ELB's default is true)."),
	UINT(TG, "target_health_state.unhealthy.draining_interval_seconds", 0, 360000, "0", DEFAULT_ONLY, NO_FIELD, "Time for flows of an unhealthy target."),
	UINT(TG, "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", 1, 1000, "1", DEFAULT_ONLY, NO_FIELD, "Healthy targets below which all get flows."),
	BOOL(TG, "health_check.enabled", "true", 0, FIELD(model_target_group, health_check.enabled), "Check targets."),
	CHOICE(TG, "health_check.protocol", "TCP", 0, FIELD(model_target_group, health_check.protocol), "How to check.", "HTTP", "HTTPS", "TCP"),
	CUSTOM(TG, "health_check.port", "traffic-port", 0, model_parse_health_port, "traffic-port, or 1 to 65535", "Port to check."),
	TEXT(TG, "health_check.path", 1024, "/", DEFAULT_ONLY, NO_FIELD, "a path", "Path of an HTTP check."),
	TEXT(TG, "health_check.matcher", 63, "200-399", DEFAULT_ONLY, NO_FIELD, "status codes", "Status codes of a passed HTTP check."),
	UINT(TG, "health_check.interval_seconds", 5, 300, "30", 0, FIELD(model_target_group, health_check.interval_s), "Time between checks."),
	UINT(TG, "health_check.timeout_seconds", 2, 120, "10", 0, FIELD(model_target_group, health_check.timeout_s), "Time after which a check has failed."),
	UINT(TG, "health_check.healthy_threshold_count", 2, 10, "5", 0, FIELD(model_target_group, health_check.healthy_threshold), "Passed checks in a row that make an unhealthy target healthy; a new target needs one."),
	UINT(TG, "health_check.unhealthy_threshold_count", 2, 10, "2", 0, FIELD(model_target_group, health_check.unhealthy_threshold), "Failed checks in a row that make a target unhealthy."),
};
/* clang-format on */

const uint32_t model_keys_n = sizeof(model_keys) / sizeof(model_keys[0]);

const struct model_key *
model_key_find(enum model_kind kind, const char *key)
{
	for (uint32_t i = 0; i < model_keys_n; i++) {
		if ((model_keys[i].kinds & BIT(kind)) != 0 && strcmp(model_keys[i].key, key) == 0)
			return &model_keys[i];
	}
	return NULL;
}

const char *
model_key_allowed(const struct model_key *key, char text[MODEL_TEXT_MAX])
{
	size_t n = 0;

	text[0] = '\0';
	switch (key->type) {
	case MODEL_VALUE_UINT:
		snprintf(text, MODEL_TEXT_MAX, "%s%s%llu to %llu",
			 (key->flags & WORD) != 0 ? key->choices[0] : "",
			 (key->flags & WORD) != 0 ? ", or " : "", (unsigned long long)key->min,
			 (unsigned long long)key->max);
		break;
	case MODEL_VALUE_BOOL:
	case MODEL_VALUE_CHOICE:
		for (int i = 0; i < MODEL_KEYS_CHOICES_MAX && key->choices[i] != NULL; i++) {
			if (key->choices[i][0] == '\0')
				continue;
			n += (size_t)snprintf(text + n, MODEL_TEXT_MAX - n, "%s%s",
					      n > 0 ? ", " : "", key->choices[i]);
		}
		break;
	case MODEL_VALUE_TEXT:
	case MODEL_VALUE_CUSTOM:
		snprintf(text, MODEL_TEXT_MAX, "%s", key->allowed);
		break;
	}
	return text;
}
