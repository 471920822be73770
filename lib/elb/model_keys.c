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
#define EP   BIT(MODEL_ENDPOINT)

#define ALB  MODEL_KEY_TYPE(LB_APPLICATION)
#define NLB  MODEL_KEY_TYPE(LB_NETWORK)
#define CLB  MODEL_KEY_TYPE(LB_CLASSIC)
#define GWLB MODEL_KEY_TYPE(LB_GATEWAY)

#define DEFAULT_ONLY MODEL_KEY_DEFAULT_ONLY
#define REPEAT       MODEL_KEY_REPEAT
#define WORD         MODEL_KEY_WORD
#define NAMED        MODEL_KEY_NAMED
#define NO_FIELD     0, 0

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
	UINT(DP, "crypto_workers", 0, 16, "0", 0, FIELD(model_dataplane, crypto_workers), "Lcores for TLS handshakes, beside the workers; 0: each worker makes one step of one handshake a turn."),
	UINT(DP, "management_lcore", 0, 1023, NULL, 0, FIELD(model_dataplane, management_lcore), "CPU of the management core; default the first."),
	TEXT(DP, "lcores", 255, "", 0, FIELD(model_dataplane, lcores), "EAL's --lcores syntax, such as 0@0,1@1,2@1", "Lcores to CPUs, when auto is not wanted; the lowest is the management core."),
	CHOICE(DP, "idle", "adaptive", 0, FIELD(model_dataplane, adaptive), "poll spins; adaptive sleeps when nothing arrives, until something does where the port can tell, else 50 us at a time.", "poll", "adaptive"),
	CHOICE(DP, "hugepages", "auto", 0, FIELD(model_dataplane, hugepages), "auto uses free huge pages and says when there are none; off never does.", "off", "auto"),
	UINT(DP, "max_flows", 1024, 67108864, "1048576", 0, FIELD(model_dataplane, max_flows), "Flows of the whole box; memory is reserved at start."),
	UINT(DP, "max_connections", 1024, 16777216, "131072", 0, FIELD(model_dataplane, max_connections), "Terminated TCP connections, both sides together."),
	WORD_UINT(DP, "mbufs", "auto", 4096, 8388608, "auto", FIELD(model_dataplane, mbufs), "Packet buffers; auto sizes them for ports, queues and workers."),
	UINT(DP, "max_half_open", 1, 16777216, "1024", 0, FIELD(model_dataplane, max_half_open), "Most half-open connections of a listener, for each worker, and no more than a quarter of its connections: further SYNs get SYN cookies, or nothing with syn_cookies = off."),
	CHOICE(DP, "syn_cookies", "auto", 0, FIELD(model_dataplane, syn_cookies), "SYN cookies for terminated connections: from max_half_open on, always, or never.", "auto", "always", "off"),

	/* [cluster], [management] */
	TEXT(BIT(MODEL_CLUSTER), "secret_file", 255, "", 0, FIELD(model_cluster, secret_file), "an absolute path", "File with the cluster's secrets (64 hexadecimal digits a line, mode 0600): the first makes keys, the others are still accepted in cookies; default: one of this box's own in state_directory."),
	CUSTOM(BIT(MODEL_MANAGEMENT), "address", "127.0.0.1:9127", 0, model_parse_address_port, "ADDRESS:PORT, [IPV6]:PORT or off", "Where GET /metrics answers in Prometheus' text format, in the clear and to whoever asks: keep it on a network of your own."),
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
	CUSTOM(IF, "mac", "device", 0, model_parse_mac, "device, own, or a unicast MAC such as 02:00:00:00:00:01", "MAC address of an interface with a device: the device's; own, made from it; or another. On net_af_packet one that isn't the device's keeps the kernel from looking at weir's packets, too."),
	UINT(IF, "mtu", 576, 9216, "1500", 0, FIELD(model_interface, mtu), "Largest IP packet."),
	WORD_UINT(IF, "queues", "auto", 1, 16, "auto", FIELD(model_interface, queues), "Receive and transmit queues; auto: as many as workers, if the device has them. A virtual device made with qpairs=N needs N."),
	CHOICE(IF, "weir.offloads", "auto", 0, FIELD(model_interface, offloads), "auto uses what the device offers; off does all in software.", "off", "auto"),

	/* [load_balancer NAME] */
	CHOICE(LB, "type", NULL, 0, FIELD(model_load_balancer, type), "Kind of load balancer.", "application", "network", "classic", "gateway"),
	CUSTOM(LB, "address", NULL, REPEAT, model_parse_lb_address, "ADDRESS [zone=NAME]", "A static address that clients use, and its zone; default the box's."),
	CUSTOM(LB | ALB | NLB | CLB, "security_group", NULL, REPEAT, model_parse_security_group, "a security group's name", "A security group of the load balancer, at most five; a packet that any of them lets in may begin a flow. Only with type network in this version."),
	BOOL(LB | ALB | NLB | GWLB, "deletion_protection.enabled", "false", DEFAULT_ONLY, NO_FIELD, "ELB attribute."),
	BOOL(LB, "load_balancing.cross_zone.enabled", "false", 0, NO_FIELD, "Whether targets of other zones than the address's get new flows."),
	BOOL(LB | GWLB, "icmp_mtu_exceeded.enabled", "false", 0, FIELD(model_load_balancer, icmp_mtu_exceeded), "Tell the sender of a packet too long for its appliance, with ICMP."),
	UINT(LB | ALB | CLB, "idle_timeout.timeout_seconds", 1, 4000, "60", 0, FIELD(model_load_balancer, idle_timeout_s), "Time without a byte after which a connection of either side is closed."),
	UINT(LB | ALB, "client_keep_alive.seconds", 60, 604800, "3600", 0, FIELD(model_load_balancer, client_keep_alive_s), "Longest life of a client connection, from its start."),
	BOOL(LB | ALB, "routing.http2.enabled", "true", 0, FIELD(model_load_balancer, http2), "HTTP/2, which only HTTPS listeners offer."),
	BOOL(LB | ALB, "routing.http.drop_invalid_header_fields.enabled", "false", 0, FIELD(model_load_balancer, drop_invalid_header_fields), "Remove header fields whose names are not letters, digits and hyphens."),
	BOOL(LB | ALB, "routing.http.preserve_host_header.enabled", "false", 0, FIELD(model_load_balancer, preserve_host_header), "Leave Host as the client sent it."),
	BOOL(LB | ALB, "routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "false", 0, FIELD(model_load_balancer, tls_fields), "X-Amzn-Tls-Version and X-Amzn-Tls-Cipher-Suite towards targets: what the client's connection agreed on."),
	BOOL(LB | ALB, "routing.http.xff_client_port.enabled", "false", 0, FIELD(model_load_balancer, xff_client_port), "Client port in X-Forwarded-For."),
	CHOICE(LB | ALB, "routing.http.xff_header_processing.mode", "append", 0, FIELD(model_load_balancer, xff_mode), "What becomes of X-Forwarded-For.", "append", "preserve", "remove"),
	CHOICE(LB | ALB, "routing.http.desync_mitigation_mode", "defensive", 0, FIELD(model_load_balancer, desync_mode), "What becomes of requests that are not compliant.", "monitor", "defensive", "strictest"),
	BOOL(LB | ALB, "waf.fail_open.enabled", "false", DEFAULT_ONLY, NO_FIELD, "ELB attribute."),
	BOOL(LB | ALB | NLB, "zonal_shift.config.enabled", "false", DEFAULT_ONLY, NO_FIELD, "ELB attribute."),
	BOOL(LB | ALB | NLB | CLB, "access_logs.s3.enabled", "false", 0, FIELD(model_load_balancer, access_log.enabled), "Write the access log; a network load balancer's is of its TLS listeners."),
	TEXT(LB | ALB | NLB | CLB, "access_logs.s3.bucket", 255, "", 0, FIELD(model_load_balancer, access_log.bucket), "a directory", "Directory of the access log, absolute or below log_directory."),
	TEXT(LB | ALB | NLB | CLB, "access_logs.s3.prefix", 255, "", 0, FIELD(model_load_balancer, access_log.prefix), "a path", "Path below the directory."),
	BOOL(LB | ALB, "connection_logs.s3.enabled", "false", 0, FIELD(model_load_balancer, connection_log.enabled), "Write the connection log."),
	TEXT(LB | ALB, "connection_logs.s3.bucket", 255, "", 0, FIELD(model_load_balancer, connection_log.bucket), "a directory", "Directory of the connection log, absolute or below log_directory."),
	TEXT(LB | ALB, "connection_logs.s3.prefix", 255, "", 0, FIELD(model_load_balancer, connection_log.prefix), "a path", "Path below the directory."),
	BOOL(LB | ALB, "health_check_logs.s3.enabled", "false", 0, FIELD(model_load_balancer, health_check_log.enabled), "Write the health check log."),
	TEXT(LB | ALB, "health_check_logs.s3.bucket", 255, "", 0, FIELD(model_load_balancer, health_check_log.bucket), "a directory", "Directory of the health check log, absolute or below log_directory."),
	TEXT(LB | ALB, "health_check_logs.s3.prefix", 255, "", 0, FIELD(model_load_balancer, health_check_log.prefix), "a path", "Path below the directory."),
	BOOL(LB | ALB, "weir.h2c.enabled", "false", 0, FIELD(model_load_balancer, h2c), "HTTP/2 in the clear on HTTP listeners, by prior knowledge (RFC 9113 section 3.3)."),
	BOOL(LB | ALB, "weir.http2_websocket.enabled", "false", 0, FIELD(model_load_balancer, http2_websocket), "WebSocket over HTTP/2 (RFC 8441)."),
	UINT(LB | ALB, "weir.header_timeout_seconds", 1, 4000, "60", 0, FIELD(model_load_balancer, header_timeout_s), "Time in which a request's head must be complete, from its first byte."),
	UINT(LB | ALB, "weir.body_min_bytes_per_second", 0, 1000000, "100", 0, FIELD(model_load_balancer, body_min_bytes_per_second), "Slowest body of a request, over 30 s; 0: no limit."),
	CHOICE(LB | NLB, "dns_record.client_routing_policy", "any_availability_zone", DEFAULT_ONLY, NO_FIELD, "ELB attribute.", "any_availability_zone", "partial_availability_zone_affinity", "availability_zone_affinity"),
	UINT(LB | NLB, "secondary_ips.auto_assigned.per_subnet", 0, 7, "0", DEFAULT_ONLY, NO_FIELD, "ELB attribute; weir has local_address."),
	BOOL(LB | ALB | NLB, "ipv6.deny_all_igw_traffic", "false", DEFAULT_ONLY, NO_FIELD, "ELB attribute."),
	CHOICE(LB | CLB, "elb.http.desyncmitigationmode", "defensive", 0, FIELD(model_load_balancer, desync_mode), "What becomes of requests that are not compliant.", "monitor", "defensive", "strictest"),
	CUSTOM(LB | CLB, "instance", NULL, REPEAT, model_parse_instance, "ADDRESS [zone=NAME]", "A registered instance, and its zone; default the box's. Its ports are in the listeners."),
	UINT(LB | CLB, "weir.instance_max_connections", 0, 1000000, "0", 0, FIELD(model_load_balancer, instance_max_connections), "Connections to each port of each instance at a time, split evenly over workers; what comes beyond waits in the surge queue. 0: no limit."),
	BOOL(LB | CLB, "connection_draining.enabled", "false", 0, FIELD(model_load_balancer, connection_draining), "Let connections and requests of a removed instance end; false: they are closed at once."),
	UINT(LB | CLB, "connection_draining.timeout", 1, 3600, "300", 0, FIELD(model_load_balancer, connection_draining_s), "How long they may go on; then they are closed."),
	CUSTOM(LB | CLB, "health_check.target", NULL, 0, model_parse_health_target, "HTTP:PORT/PATH, HTTPS:PORT/PATH, TCP:PORT or SSL:PORT", "What to check of each instance: by HTTP and HTTPS an answer of status 200, by TCP a connection, by SSL a TLS handshake. Default TCP, on the instance_port of the first listener."),
	UINT(LB | CLB, "health_check.interval_seconds", 5, 300, "30", 0, FIELD(model_load_balancer, health_check.interval_s), "Time between checks."),
	UINT(LB | CLB, "health_check.timeout_seconds", 2, 60, "5", 0, FIELD(model_load_balancer, health_check.timeout_s), "Time after which a check has failed; less than the interval."),
	UINT(LB | CLB, "health_check.healthy_threshold", 2, 10, "10", 0, FIELD(model_load_balancer, health_check.healthy_threshold), "Passed checks in a row that put an instance in service again; a new one needs one."),
	UINT(LB | CLB, "health_check.unhealthy_threshold", 2, 10, "2", 0, FIELD(model_load_balancer, health_check.unhealthy_threshold), "Failed checks in a row that put an instance out of service."),

	/* [listener LB:PORT] */
	CHOICE(LIS, "protocol", NULL, 0, FIELD(model_listener, protocol), "What the listener takes.", "HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC", "SSL", "GENEVE"),
	CUSTOM(LIS, "default_action", NULL, 0, model_parse_action, "forward TARGET_GROUP [weight N], ... [stickiness SECONDS], redirect [protocol=P] [port=N] [host=H] [path=P] [query=Q] status=HTTP_301, or fixed_response status=N [content_type=T] [body=B]", "What to do with new flows, or requests that match no rule; weights 0 to 999."),
	UINT(LIS | NLB | GWLB, "tcp.idle_timeout.seconds", 60, 6000, "350", 0, FIELD(model_listener, tcp_idle_timeout_s), "Idle time after which an established TCP flow ends: a network load balancer sends RST to both sides, a gateway forgets it. TLS listeners have 350 s, fixed."),
	UINT(LIS | NLB, "weir.new_flows_per_second", 0, 1000000, "0", 0, FIELD(model_listener, new_flows_per_second), "Flows that may begin in a second on each address of the listener, in equal shares of the workers; 0: no limit."),
	UINT(LIS | NLB, "weir.new_flows_per_second_per_source", 0, 1000000, "0", 0, FIELD(model_listener, new_flows_per_source), "The same for each client address, of IPv6 for each /64."),
	CUSTOM(LIS | ALB | NLB | CLB, "certificate", NULL, REPEAT, model_parse_certificate, "a certificate's name", "Certificate of an HTTPS or TLS listener, at most 26; the first is for clients that ask for no name, or for one that none is made out to."),
	TEXT(LIS | ALB | NLB | CLB, "ssl_policy", 64, "ELBSecurityPolicy-TLS13-1-2-Res-2021-06", 0, FIELD(model_listener, ssl_policy), "a policy's name", "ELB's security policy: protocols and ciphers of an HTTPS or TLS listener."),
	CHOICE(LIS | NLB, "alpn_policy", "None", 0, FIELD(model_listener, alpn_policy), "Application protocols that a TLS listener agrees on; without one in common the connection goes on with none. TLS targets are offered what was agreed on.", "None", "HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred"),
	CHOICE(LIS | ALB, "mutual_authentication.mode", "off", 0, FIELD(model_listener, mutual_mode), "Certificates of an HTTPS listener's clients: none is asked for; whatever a client sends is passed to targets; or a client must have one of the trust store.", "off", "passthrough", "verify"),
	TEXT(LIS | ALB, "mutual_authentication.trust_store", 32, "", 0, FIELD(model_listener, trust_store), "a trust store's name", "Whose clients are let in; with mode = verify."),
	BOOL(LIS | ALB, "mutual_authentication.ignore_client_certificate_expiry", "false", 0, FIELD(model_listener, ignore_client_expiry), "Let in clients whose certificate has expired; with mode = verify."),
	CHOICE(LIS | ALB, "mutual_authentication.advertise_trust_store_ca_names", "off", 0, FIELD(model_listener, advertise_ca_names), "Tell clients the names of the trust store's authorities; with mode = verify.", "off", "on"),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_mtls_clientcert_serial_number.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Mtls-Clientcert-Serial-Number."),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Mtls-Clientcert-Issuer."),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_mtls_clientcert_subject.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Mtls-Clientcert-Subject."),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_mtls_clientcert_validity.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Mtls-Clientcert-Validity."),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_mtls_clientcert_leaf.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Mtls-Clientcert-Leaf."),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_mtls_clientcert.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Mtls-Clientcert."),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_tls_version.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Tls-Version."),
	TEXT(LIS | ALB, "routing.http.request.x_amzn_tls_cipher_suite.header_name", 40, "", 0, NO_FIELD, "a header field's name", "Other name of X-Amzn-Tls-Cipher-Suite."),
	TEXT(LIS | ALB, "routing.http.response.strict_transport_security.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Strict-Transport-Security of responses."),
	TEXT(LIS | ALB, "routing.http.response.access_control_allow_origin.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Access-Control-Allow-Origin of responses."),
	TEXT(LIS | ALB, "routing.http.response.access_control_allow_methods.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Access-Control-Allow-Methods of responses."),
	TEXT(LIS | ALB, "routing.http.response.access_control_allow_headers.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Access-Control-Allow-Headers of responses."),
	TEXT(LIS | ALB, "routing.http.response.access_control_allow_credentials.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Access-Control-Allow-Credentials of responses."),
	TEXT(LIS | ALB, "routing.http.response.access_control_expose_headers.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Access-Control-Expose-Headers of responses."),
	TEXT(LIS | ALB, "routing.http.response.access_control_max_age.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Access-Control-Max-Age of responses."),
	TEXT(LIS | ALB, "routing.http.response.content_security_policy.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "Content-Security-Policy of responses."),
	TEXT(LIS | ALB, "routing.http.response.x_content_type_options.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "X-Content-Type-Options of responses."),
	TEXT(LIS | ALB, "routing.http.response.x_frame_options.header_value", 1024, "", 0, NO_FIELD, "a header field\'s value", "X-Frame-Options of responses."),
	BOOL(LIS | ALB, "routing.http.response.server.enabled", "true", 0, FIELD(model_listener, server_header), "Server field in responses of weir's own."),
	BOOL(LIS | GWLB, "send_tcp_reset.on_idle_timeout.enabled", "false", 0, FIELD(model_listener, reset_on_idle), "Answer TCP segments of no flow, such as one idle too long, with RST; otherwise they are dropped."),
	CHOICE(LIS | CLB, "instance_protocol", NULL, 0, FIELD(model_listener, instance_protocol), "What instances speak, HTTP or HTTPS behind either of them, TCP or SSL behind either of these; default the protocol of the listener.", "HTTP", "HTTPS", "TCP", "", "", "", "", "", "SSL"),
	UINT(LIS | CLB, "instance_port", 1, 65535, NULL, 0, FIELD(model_listener, instance_port), "Port of the instances."),
	WORD_UINT(LIS | CLB, "lb_cookie_stickiness", "session", 1, 604800, NULL, FIELD(model_listener, lb_cookie_s), "Keep a client on its instance by weir's own cookie, for so many seconds or as long as the browser's session."),
	TEXT(LIS | CLB, "app_cookie_stickiness", 255, NULL, 0, FIELD(model_listener, app_cookie), "a cookie's name", "Keep a client on its instance as long as the application's cookie of this name lives."),
	BOOL(LIS | CLB, "proxy_protocol", "false", 0, FIELD(model_listener, proxy_protocol), "PROXY protocol header, version 1, in front of each connection to TCP and SSL instances; all listeners of an instance_port say the same."),
	TEXT(LIS | CLB, "backend_public_key", 255, NULL, 0, FIELD(model_listener, backend_public_key), "a file of PEM", "Public key that HTTPS and SSL instances must show; all listeners of an instance_port say the same."),

	/* [rule LB:PORT PRIORITY] */
	CUSTOM(RULE, "condition.host_header", NULL, REPEAT, model_parse_condition, "PATTERN, ... such as *.example.com", "Host names, in any case; each has a dot, and letters only behind the last one."),
	CUSTOM(RULE, "condition.host_header_regex", NULL, REPEAT, model_parse_condition, "a regular expression", "Host names, in any case, instead of patterns."),
	CUSTOM(RULE, "condition.path_pattern", NULL, REPEAT, model_parse_condition, "PATTERN, ... such as /images/*", "Paths without the query, after normalization."),
	CUSTOM(RULE, "condition.path_pattern_regex", NULL, REPEAT, model_parse_condition, "a regular expression", "Paths, instead of patterns."),
	CUSTOM(RULE, "condition.http_header.NAME", NULL, REPEAT | NAMED, model_parse_condition, "PATTERN, ...", "Values of a header field, in any case; each line is a condition of its own."),
	CUSTOM(RULE, "condition.http_header_regex.NAME", NULL, REPEAT | NAMED, model_parse_condition, "a regular expression", "Values of a header field, in any case; each line is a condition of its own."),
	CUSTOM(RULE, "condition.http_request_method", NULL, REPEAT, model_parse_condition, "METHOD, ... of A-Z, `-` and `_`", "Methods, exactly."),
	CUSTOM(RULE, "condition.query_string", NULL, REPEAT, model_parse_condition, "KEY=VALUE or VALUE, ...", "Parameters of the query, as patterns, in any case; each line is a condition of its own."),
	CUSTOM(RULE, "condition.source_ip", NULL, REPEAT, model_parse_condition, "PREFIX, ...", "Addresses that clients connect from."),
	CUSTOM(RULE, "transform.host_header_rewrite", NULL, 0, model_parse_transform, "REGEX -> REPLACEMENT", "Rewrite the host; $1 to $31 stand for groups."),
	CUSTOM(RULE, "transform.url_rewrite", NULL, 0, model_parse_transform, "REGEX -> REPLACEMENT", "Rewrite path and query; $1 to $31 stand for groups."),
	CUSTOM(RULE, "action", NULL, 0, model_parse_action, "as default_action of a listener", "What to do with a request that fulfils all conditions."),

	/* [target_group NAME] */
	CHOICE(TG, "protocol", NULL, 0, FIELD(model_target_group, protocol), "What targets speak.", "HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "QUIC", "TCP_QUIC", "SSL", "GENEVE"),
	CHOICE(TG | ALB, "protocol_version", "HTTP1", 0, FIELD(model_target_group, version), "HTTP version towards targets; HTTP2 and GRPC behind HTTPS listeners only. Over HTTP targets speak HTTP/2 from the first byte on, over HTTPS by ALPN.", "HTTP1", "HTTP2", "GRPC"),
	TEXT(TG | ALB | NLB, "weir.target_tls.trust_store", 32, "", 0, FIELD(model_target_group, trust_store), "a trust store's name", "Verify targets of an HTTPS or TLS group: their certificate must be of one of its authorities; without it any is taken, as ELB does."),
	TEXT(TG | ALB | NLB, "weir.target_tls.server_name", 255, "", 0, FIELD(model_target_group, server_name), "a host name or an address", "What targets are asked for by SNI, and with a trust store what their certificate must be made out to."),
	CHOICE(TG, "target_type", "ip", 0, NO_FIELD, "ip and instance set the default of preserve_client_ip.enabled; alb: the one target is a listener of an application load balancer of this configuration, which serves the connections.", "ip", "instance", "alb"),
	CHOICE(TG, "forwarding", NULL, 0, FIELD(model_target_group, forwarding), "How packets reach targets: nat keeps the client's address (replies must come back through weir), full_nat uses weir's own.", "", "nat", "full_nat", "dsr", "ipip", "gue", "geneve"),
	BOOL(TG | NLB, "preserve_client_ip.enabled", NULL, 0, NO_FIELD, "Default: true for target_type instance and for UDP and TCP_UDP, else false."),
	CUSTOM(TG, "target", NULL, REPEAT, model_parse_target, "ADDRESS:PORT [weight=N] [zone=NAME]", "A registered target; weight 0 gets no new flows."),
	CHOICE(TG, "load_balancing.cross_zone.enabled", "use_load_balancer_configuration", 0, NO_FIELD, "Whether targets of other zones get new flows.", "true", "false", "use_load_balancer_configuration"),
	UINT(TG, "deregistration_delay.timeout_seconds", 0, 3600, "300", 0, FIELD(model_target_group, deregistration_delay_s), "How long a removed target drains."),
	BOOL(TG | NLB, "deregistration_delay.connection_termination.enabled", NULL, 0, FIELD(model_target_group, connection_termination), "Close flows when the delay is over; default true for UDP and TCP_UDP, else false."),
	BOOL(TG | NLB, "proxy_protocol_v2.enabled", "false", 0, FIELD(model_target_group, proxy_v2), "PROXY protocol header, version 2, in front of each TCP stream and each datagram of a client's; of command LOCAL in front of health checks by HTTP and HTTPS, whichever port they go to."),
	BOOL(TG, "stickiness.enabled", "false", 0, FIELD(model_target_group, stickiness), "Keep a client on its target: source_ip by the client's address alone, as long as targets and their health stay."),
	CHOICE(TG, "stickiness.type", "source_ip", 0, FIELD(model_target_group, stickiness_type), "Kind of stickiness; HTTP groups: lb_cookie (default) or app_cookie.", "source_ip", "lb_cookie", "app_cookie", "source_ip_dest_ip", "source_ip_dest_ip_proto"),
	UINT(TG | ALB, "stickiness.lb_cookie.duration_seconds", 1, 604800, "86400", 0, FIELD(model_target_group, lb_cookie_s), "Lifetime of weir's own cookie."),
	UINT(TG | ALB, "stickiness.app_cookie.duration_seconds", 1, 604800, "86400", 0, FIELD(model_target_group, app_cookie_s), "Lifetime of stickiness by an application's cookie."),
	TEXT(TG | ALB, "stickiness.app_cookie.cookie_name", 255, "", 0, FIELD(model_target_group, app_cookie_name), "a cookie's name", "Cookie of the application to follow."),
	CHOICE(TG | ALB, "load_balancing.algorithm.type", "round_robin", 0, FIELD(model_target_group, algorithm), "Choice of targets.", "round_robin", "least_outstanding_requests", "weighted_random"),
	CHOICE(TG | ALB, "load_balancing.algorithm.anomaly_mitigation", "off", 0, FIELD(model_target_group, anomaly_mitigation), "Fewer requests for targets that fail more than others; with weighted_random.", "off", "on"),
	BOOL(TG | ALB, "lambda.multi_value_headers.enabled", "false", DEFAULT_ONLY, NO_FIELD, "Lists in the events of a function."),
	UINT(TG | ALB, "slow_start.duration_seconds", 0, 900, "0", 0, FIELD(model_target_group, slow_start_s), "Time in which a new target's share grows, 30 to 900; 0: off."),
	BOOL(TG | NLB, "target_health_state.unhealthy.connection_termination.enabled", "true", 0, FIELD(model_target_group, unhealthy_termination), "End the TCP flows of a target that becomes unhealthy, with RST to both sides; not of UDP and TCP_UDP groups, whose flows stay."),
	UINT(TG | NLB, "target_health_state.unhealthy.draining_interval_seconds", 0, 360000, "0", 0, FIELD(model_target_group, unhealthy_drain_s), "How long flows of an unhealthy target may go on before they end, with connection termination off; 0: as long as they like."),
	UINT(TG | ALB | NLB, "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", 1, 1000, "1", 0, FIELD(model_target_group, minimum_healthy), "Healthy targets below which all get flows or requests."),
	WORD_UINT(TG | ALB | NLB, "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", "off", 1, 100, "off", FIELD(model_target_group, minimum_healthy_percent), "The same as a share of the registered targets."),
	WORD_UINT(TG | ALB | NLB, "target_group_health.dns_failover.minimum_healthy_targets.count", "off", 1, 1000, "1", FIELD(model_target_group, dns_minimum_healthy), "Healthy targets below which the load balancer's addresses of a zone are no longer announced, as long as another zone has enough."),
	WORD_UINT(TG | ALB | NLB, "target_group_health.dns_failover.minimum_healthy_targets.percentage", "off", 1, 100, "off", FIELD(model_target_group, dns_minimum_healthy_percent), "The same as a share of the registered targets."),
	CHOICE(TG | GWLB, "target_failover.on_deregistration", "no_rebalance", 0, FIELD(model_target_group, rebalance_on_deregistration), "Whether flows of a removed target move to another; both failover keys say the same.", "no_rebalance", "rebalance"),
	CHOICE(TG | GWLB, "target_failover.on_unhealthy", "no_rebalance", 0, FIELD(model_target_group, rebalance_on_unhealthy), "Whether flows of an unhealthy target move to another; both failover keys say the same.", "no_rebalance", "rebalance"),
	BOOL(TG | GWLB, "send_tcp_reset.on_deregistration.enabled", "false", 0, FIELD(model_target_group, reset_on_deregistration), "RST for TCP flows of a removed target; needs 5-tuple flows and no_rebalance."),
	BOOL(TG | GWLB, "send_tcp_reset.on_unhealthy.enabled", "false", 0, FIELD(model_target_group, reset_on_unhealthy), "RST for TCP flows of an unhealthy target; needs 5-tuple flows and no_rebalance."),
	CHOICE(TG | GWLB, "weir.fail_mode", "fail_open", 0, FIELD(model_target_group, fail_mode), "What flows do when no target is healthy: go to all targets, be dropped, or pass by without inspection.", "fail_open", "fail_close", "bypass"),
	BOOL(TG, "health_check.enabled", "true", 0, FIELD(model_target_group, health_check.enabled), "Check targets."),
	CHOICE(TG, "health_check.protocol", "TCP", 0, FIELD(model_target_group, health_check.protocol), "How to check; default of HTTP and HTTPS groups is their own protocol. Over TLS certificates are taken or refused as for requests.", "HTTP", "HTTPS", "TCP"),
	CUSTOM(TG, "health_check.port", "traffic-port", 0, model_parse_health_port, "traffic-port, or 1 to 65535", "Port to check."),
	TEXT(TG, "health_check.path", 1024, "/", 0, FIELD(model_target_group, health_check.path), "a path", "Path and query of an HTTP check."),
	TEXT(TG, "health_check.matcher", 63, "200-399", 0, FIELD(model_target_group, health_check.matcher), "200 to 499, such as 200,202 or 200-299", "Status codes of a passed HTTP check; default 200 for HTTP groups. With protocol_version = GRPC: gRPC's, 0 to 99, default 12."),
	UINT(TG, "health_check.interval_seconds", 5, 300, "30", 0, FIELD(model_target_group, health_check.interval_s), "Time between checks."),
	UINT(TG, "health_check.timeout_seconds", 2, 120, "10", 0, FIELD(model_target_group, health_check.timeout_s), "Time after which a check has failed; default 5 for HTTP groups."),
	UINT(TG, "health_check.healthy_threshold_count", 2, 10, "5", 0, FIELD(model_target_group, health_check.healthy_threshold), "Passed checks in a row that make an unhealthy target healthy; a new target needs one."),
	UINT(TG, "health_check.unhealthy_threshold_count", 2, 10, "2", 0, FIELD(model_target_group, health_check.unhealthy_threshold), "Failed checks in a row that make a target unhealthy."),

	/* [certificate NAME] */
	TEXT(BIT(MODEL_CERTIFICATE), "certificate", 255, "", 0, FIELD(model_certificate, certificate), "a file of PEM", "The certificate; intermediate ones may follow it."),
	TEXT(BIT(MODEL_CERTIFICATE), "certificate_chain", 255, "", 0, FIELD(model_certificate, chain), "a file of PEM", "Intermediate certificates."),
	TEXT(BIT(MODEL_CERTIFICATE), "private_key", 255, "", 0, FIELD(model_certificate, private_key), "a file of PEM", "Its key, without passphrase: RSA of 2048 to 4096 bits, or ECDSA on P-256, P-384 or P-521."),

	/* [ssl_policy NAME] */
	CUSTOM(BIT(MODEL_SSL_POLICY), "protocol", NULL, REPEAT, model_parse_tls_protocol, "TLSv1, TLSv1.1, TLSv1.2", "A protocol of the policy."),
	CUSTOM(BIT(MODEL_SSL_POLICY), "cipher", NULL, REPEAT, model_parse_cipher, "a cipher of ELBSecurityPolicy-2016-08, by OpenSSL's name", "A cipher of the policy, in order of preference."),
	BOOL(BIT(MODEL_SSL_POLICY), "server_defined_cipher_order", "false", 0, FIELD(model_ssl_policy, server_order), "Choose by the policy's order, not the client's."),

	/* [trust_store NAME] */
	TEXT(BIT(MODEL_TRUST_STORE), "ca_bundle", 255, "", 0, FIELD(model_trust_store, ca_bundle), "a file of PEM", "Certificates of authorities, at most 25 of at most 16 KiB."),
	CUSTOM(BIT(MODEL_TRUST_STORE), "revocations", NULL, REPEAT, model_parse_revocations, "a file of PEM", "Lists of revoked certificates: at most 30 lists of at most 50 MiB, 500,000 revocations together."),

	/* [security_group NAME] */
	CUSTOM(BIT(MODEL_SECURITY_GROUP), "inbound", NULL, REPEAT, model_parse_security_rule, "PROTOCOL PORTS PREFIX", "Clients that may begin flows: tcp, udp, icmp or all; PORT of the listener, FIRST-LAST or all; their addresses."),
	CUSTOM(BIT(MODEL_SECURITY_GROUP), "outbound", NULL, REPEAT, model_parse_security_rule, "PROTOCOL PORTS PREFIX", "Targets that may be reached, by flows and health checks; without any: all."),

	/* [endpoint NAME] */
	TEXT(EP, "load_balancer", 32, NULL, 0, FIELD(model_endpoint, load_balancer), "a gateway load balancer's name", "The gateway load balancer that inspects what enters here."),
	CUSTOM(EP, "interface", NULL, REPEAT, model_parse_endpoint_interface, "an interface's name", "Where traffic enters; for in_line the two sides of the wire."),
	CHOICE(EP, "mode", "routed", 0, FIELD(model_endpoint, in_line), "routed: hosts route through weir, which sends inspected packets by its routes; in_line: weir is a piece of wire between two interfaces.", "routed", "in_line"),
	CUSTOM(EP, "id", NULL, 0, model_parse_endpoint_id, "0x and 16 hexadecimal digits", "Endpoint id that appliances see; default one derived from the name."),
	CUSTOM(EP, "attachment_id", NULL, 0, model_parse_attachment_id, "0x and 16 hexadecimal digits", "Attachment id that appliances see; default one derived from the name."),
};
/* clang-format on */

const uint32_t model_keys_n = sizeof(model_keys) / sizeof(model_keys[0]);

/* A key that ends in NAME stands for all that begin with what is before. */
static bool
row_is(const struct model_key *row, const char *key)
{
	size_t n = strlen(row->key) - strlen("NAME");

	if ((row->flags & MODEL_KEY_NAMED) == 0)
		return strcmp(row->key, key) == 0;
	return strncmp(row->key, key, n) == 0 && key[n] != '\0';
}

const struct model_key *
model_key_find(enum model_kind kind, const char *key)
{
	for (uint32_t i = 0; i < model_keys_n; i++) {
		if ((model_keys[i].kinds & BIT(kind)) != 0 && row_is(&model_keys[i], key))
			return &model_keys[i];
	}
	return NULL;
}

const char *
model_key_types(const struct model_key *key, char text[MODEL_TEXT_MAX])
{
	size_t n = 0;

	text[0] = '\0';
	for (int type = LB_APPLICATION; type <= LB_GATEWAY; type++) {
		if ((key->kinds & MODEL_KEY_TYPE(type)) != 0)
			n += (size_t)snprintf(
				text + n, MODEL_TEXT_MAX - n, "%s%s", n > 0 ? ", " : "",
				load_balancer_type_name((enum load_balancer_type)type));
	}
	return text;
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
