/* SPDX-License-Identifier: BSD-3-Clause */
#include "unit.h"

#include <dirent.h>

#include "config.h"
#include "ini_reader.h"

#define GOOD                                                         \
	"[interface a]\ndevice = x\naddress = 192.0.2.1/24\n"        \
	"[load_balancer lb]\ntype = network\naddress = 192.0.2.10\n" \
	"[target_group g]\nprotocol = TCP\ntarget = 192.0.2.20:80\n" \
	"[listener lb:80]\nprotocol = TCP\ndefault_action = forward g\n"

static struct model *
load(const char *text, struct config_errors *errors)
{
	struct config_source source = {"t.ini", text, strlen(text)};

	return config_load(&source, 1, errors);
}

#define ALB                                                                \
	"[load_balancer web]\ntype = application\naddress = 198.18.1.11\n" \
	"[listener web:80]\nprotocol = HTTP\ndefault_action = fixed_response status=200\n"

/* Each addition to a good configuration and the text that its first error must contain. */
static void
test_errors(void)
{
	static const struct {
		const char *why, *add, *want;
	} rows[] = {
		{"unknown section", "[sytem]\n",
		 "t.ini:13: [sytem]: the kind of section is not known"},
		{"unknown key", "[system]\nnam = x\n",
		 "t.ini:14: [system] nam: the key is not known"},
		{"trust store without a bundle", "[trust_store c]\n",
		 "t.ini:13: [trust_store c] ca_bundle: the bundle is missing; allowed: a file"},
		{"trust store that isn't there",
		 "[trust_store c]\nca_bundle = /nonexistent/ca.pem\n",
		 "/nonexistent/ca.pem: No such file"},
		{"trust store's name of a target group that is none",
		 "[target_group h]\nprotocol = TLS\nweir.target_tls.trust_store = c\n",
		 "t.ini:15: [target_group h] weir.target_tls.trust_store: no trust store is named "
		 "c"},
		{"verified targets without TLS",
		 "[target_group h]\nprotocol = TCP\nweir.target_tls.trust_store = c\n",
		 "t.ini:15: [target_group h] weir.target_tls.trust_store: targets of TCP groups "
		 "have no certificate"},
		{"a name that targets can't have",
		 "[target_group h]\nprotocol = TLS\nweir.target_tls.server_name = a b\n",
		 "t.ini:15: [target_group h] weir.target_tls.server_name: `a b` is neither; "
		 "allowed: a host name or an address"},
		{"mutual TLS without TLS", ALB "mutual_authentication.mode = passthrough\n",
		 "t.ini:19: [listener web:80] mutual_authentication.mode: HTTP listeners have no "
		 "mutual TLS"},
		{"a name of another of weir's fields",
		 ALB "routing.http.request.x_amzn_mtls_clientcert_issuer.header_name = "
		     "X-Amzn-Mtls-Clientcert-Subject\n",
		 "names that begin with x-amzn- are taken"},
		{"a name of a field of the client's",
		 ALB "routing.http.request.x_amzn_tls_version.header_name = X-Forwarded-For\n",
		 "names that begin with x-forwarded- are taken"},
		{"trust store without verification", ALB "mutual_authentication.trust_store = c\n",
		 "clients' certificates aren't verified; allowed: mutual_authentication.mode = "
		 "verify"},
		{"certificate without files", "[certificate c]\n", "the certificate is missing"},
		{"certificate that isn't there",
		 "[certificate c]\ncertificate = /nonexistent/c.pem\nprivate_key = "
		 "/nonexistent/k.pem\n",
		 "/nonexistent/c.pem: No such file"},
		{"out of range",
		 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward g\n"
		 "tcp.idle_timeout.seconds = 59\n",
		 "t.ini:16: [listener lb:81] tcp.idle_timeout.seconds: `59` is not allowed; "
		 "allowed: 60 to 6000"},
		{"TLS without a certificate",
		 "[listener lb:81]\nprotocol = TLS\ndefault_action = forward g\n",
		 "t.ini:13: [listener lb:81] certificate: the certificate is missing"},
		{"TLS with an idle timeout",
		 "[listener lb:81]\nprotocol = TLS\ndefault_action = forward g\n"
		 "tcp.idle_timeout.seconds = 600\n",
		 "a TLS listener's idle timeout is 350 s, fixed"},
		{"TLS to targets that want the client's address",
		 "[target_group h]\nprotocol = TCP\npreserve_client_ip.enabled = true\n"
		 "[listener lb:81]\nprotocol = TLS\ndefault_action = forward h\n",
		 "t.ini:18: [listener lb:81] default_action: TLS connections end at weir"},
		{"TLS with sticky targets",
		 "[target_group h]\nprotocol = TCP\nstickiness.enabled = true\n"
		 "[listener lb:81]\nprotocol = TLS\ndefault_action = forward h\n",
		 "flows of TLS listeners are not sticky, target group h is"},
		{"TLS with sticky groups",
		 "[target_group h]\nprotocol = TCP\n"
		 "[listener lb:81]\nprotocol = TLS\n"
		 "default_action = forward g, h stickiness 60\n",
		 "flows of TLS listeners are not sticky"},
		{"application protocols without TLS",
		 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward g\n"
		 "alpn_policy = HTTP2Only\n",
		 "TCP listeners agree on no application protocol"},
		{"an application protocol that is none",
		 "[listener lb:81]\nprotocol = TLS\ndefault_action = forward g\n"
		 "alpn_policy = HTTP3\n",
		 "None, HTTP1Only, HTTP2Only, HTTP2Optional, HTTP2Preferred"},
		{"duplicate section", "[load_balancer lb]\ntype = network\n",
		 "the section appears twice; first at t.ini:4"},
		{"duplicate singleton", "[system]\n[system]\n",
		 "t.ini:14: [system]: the section appears twice"},
		{"duplicate key", "[system]\nname = a\nname = b\n", "the key is given twice"},
		{"bad name", "[load_balancer -x]\n", "cannot be the name of a load_balancer"},
		{"long name", "[target_group aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
		 "cannot be the name"},
		{"internal-", "[load_balancer internal-x]\n", "does not begin with internal-"},
		{"no such group",
		 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward none\n",
		 "no target group is named none"},
		{"no such load balancer",
		 "[listener x:81]\nprotocol = TCP\ndefault_action = forward g\n",
		 "no load balancer is named x"},
		{"conflicting addresses",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.10\n",
		 "192.0.2.10 is an address of [load_balancer lb] already (t.ini:6)"},
		{"address of the interface",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.1\n",
		 "192.0.2.1 is an address of [interface a] already"},
		{"protocols", "[listener lb:81]\nprotocol = UDP\ndefault_action = forward g\n",
		 "a UDP listener cannot forward to target group g of protocol TCP"},
		{"families",
		 "[target_group h]\nprotocol = TCP\ntarget = 192.0.2.20:80\n"
		 "target = [2001:db8::1]:80\n",
		 "the group's other targets are of the other address family"},
		{"a group of two load balancers",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\n"
		 "[listener b:80]\nprotocol = TCP\ndefault_action = forward g\n",
		 "target group g serves another load balancer already"},
		{"a gateway with an address",
		 "[load_balancer gw]\ntype = gateway\naddress = 192.0.2.77\n",
		 "a gateway load balancer has no address"},
		{"a gateway with two listeners",
		 "[load_balancer gw]\ntype = gateway\n[listener gw:80]\n"
		 "default_action = forward g\n",
		 "a gateway load balancer takes every port"},
		{"an endpoint of a network load balancer",
		 "[endpoint e]\nload_balancer = lb\ninterface = a\n", "is of type network"},
		{"an endpoint of nothing", "[endpoint e]\ninterface = a\n",
		 "the load balancer is missing"},
		{"an endpoint without an interface",
		 "[load_balancer gw]\ntype = gateway\n[endpoint e]\nload_balancer = gw\n",
		 "the interface is missing"},
		{"a wire with one end",
		 "[load_balancer gw]\ntype = gateway\n[endpoint e]\nload_balancer = gw\n"
		 "interface = a\nmode = in_line\n",
		 "a piece of wire has two ends"},
		{"an interface of two endpoints",
		 "[load_balancer gw]\ntype = gateway\n[endpoint e]\nload_balancer = gw\n"
		 "interface = a\n[endpoint f]\nload_balancer = gw\ninterface = a\n",
		 "interface a belongs to endpoint e already"},
		{"an endpoint id that is none",
		 "[load_balancer gw]\ntype = gateway\n[endpoint e]\nload_balancer = gw\n"
		 "interface = a\nid = 12\n",
		 "`12` is not an id"},
		{"an appliance at another port",
		 "[target_group x]\nprotocol = GENEVE\ntarget = 192.0.2.9:80\n",
		 "GENEVE is received on port 6081"},
		{"failover keys that differ",
		 "[target_group x]\nprotocol = GENEVE\ntarget_failover.on_unhealthy = rebalance\n",
		 "target_failover.on_unhealthy and on_deregistration differ"},
		{"resets of flows that move",
		 "[target_group x]\nprotocol = GENEVE\ntarget_failover.on_unhealthy = rebalance\n"
		 "target_failover.on_deregistration = rebalance\n"
		 "send_tcp_reset.on_unhealthy.enabled = true\n",
		 "flows that are rebalanced are not reset"},
		{"a gateway's stickiness of another kind",
		 "[target_group x]\nprotocol = GENEVE\nstickiness.enabled = true\n"
		 "stickiness.type = source_ip\n",
		 "a GENEVE target group has no such stickiness"},
		{"type that doesn't exist", "[load_balancer b]\ntype = global\n",
		 "allowed: application, network, classic, gateway"},
		{"contradiction",
		 "[target_group h]\nprotocol = TCP\nforwarding = nat\n"
		 "preserve_client_ip.enabled = false\n",
		 "it contradicts preserve_client_ip.enabled = false"},
		{"cookies are HTTP's",
		 "[target_group h]\nprotocol = TCP\nstickiness.type = lb_cookie\n",
		 "a TCP target group has no such stickiness; allowed: source_ip"},
		{"UDP flows are not terminated",
		 "[target_group h]\nprotocol = UDP\n"
		 "target_health_state.unhealthy.connection_termination.enabled = true\n",
		 "flows of a UDP target group are not terminated; allowed: false, or protocol = "
		 "TCP"},
		{"draining of flows that are terminated",
		 "[target_group h]\nprotocol = TCP\n"
		 "target_health_state.unhealthy.draining_interval_seconds = 5\n",
		 "flows that are terminated at once have no time to drain"},
		{"an address that is left too late",
		 "[target_group h]\nprotocol = TCP\n"
		 "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count = 3\n"
		 "target_group_health.dns_failover.minimum_healthy_targets.count = 2\n",
		 "2 is below the 3 of unhealthy_state_routing"},
		{"a path of a TCP check",
		 "[target_group h]\nprotocol = TCP\nhealth_check.path = /up\n",
		 "a TCP health check has no path; allowed: health_check.protocol = HTTP"},
		{"a key of another type",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\n"
		 "idle_timeout.timeout_seconds = 60\n",
		 "t.ini:16: [load_balancer b] idle_timeout.timeout_seconds: the key does not apply "
		 "to load balancers of type network; allowed: leave it out; it is for type "
		 "application, classic"},
		{"a listener's key of another type",
		 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward g\n"
		 "routing.http.response.server.enabled = true\n",
		 "t.ini:16: [listener lb:81] routing.http.response.server.enabled: the key does "
		 "not apply to load balancers of type network"},
		{"a target group's key of another type",
		 "[target_group h]\nprotocol = TCP\nslow_start.duration_seconds = 0\n",
		 "t.ini:15: [target_group h] slow_start.duration_seconds: the key does not apply"},
		{"a classic load balancer's key",
		 "[load_balancer b]\ntype = classic\naddress = 192.0.2.11\n"
		 "connection_draining.timeout = 3601\n",
		 "t.ini:16: [load_balancer b] connection_draining.timeout: `3601` is not allowed; "
		 "allowed: 1 to 3600"},
		{"a word where there is none",
		 "[target_group h]\nprotocol = TCP\n"
		 "target_group_health.dns_failover.minimum_healthy_targets.percentage = on\n",
		 "`on` is not allowed; allowed: off, or 1 to 100"},
		{"a rule of a network load balancer by prefix",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\naddress = 2001:db8::11\n"
		 "[listener b:80]\nprotocol = TCP\ndefault_action = forward h\n"
		 "[target_group h]\nprotocol = TCP\n"
		 "[rule b:80 1]\ncondition.source_ip = 10.0.0.0/8\naction = forward h\n",
		 "a network load balancer's rules ask for the IP version alone; allowed: "
		 "condition.source_ip = 0.0.0.0/0 or ::/0"},
		{"and by path",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\naddress = 2001:db8::11\n"
		 "[listener b:80]\nprotocol = TCP\ndefault_action = forward h\n"
		 "[target_group h]\nprotocol = TCP\n"
		 "[rule b:80 1]\ncondition.path_pattern = /x\naction = forward h\n",
		 "a network load balancer's rules ask for the IP version alone"},
		{"a rule without two versions",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\n"
		 "[listener b:80]\nprotocol = TCP\ndefault_action = forward h\n"
		 "[target_group h]\nprotocol = TCP\n"
		 "[rule b:80 1]\ncondition.source_ip = ::/0\naction = forward h\n",
		 "[load_balancer b] has one IP version: its listeners need no rules"},
		{"a version without targets of it",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\naddress = 2001:db8::11\n"
		 "[listener b:80]\nprotocol = TCP\ndefault_action = forward h\n"
		 "[target_group h]\nprotocol = TCP\ntarget = 198.51.100.7:80\n",
		 "h has IPv4 targets, [load_balancer b] an IPv6 address"},
		{"a rule's targets of the other version",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\naddress = 2001:db8::11\n"
		 "[listener b:80]\nprotocol = TCP\ndefault_action = forward g4\n"
		 "[target_group g4]\nprotocol = TCP\n"
		 "[target_group h]\nprotocol = TCP\ntarget = 198.51.100.7:80\n"
		 "[rule b:80 1]\ncondition.source_ip = ::/0\naction = forward h\n",
		 "[rule b:80 1] action: h has IPv4 targets, [load_balancer b] an IPv6 address"},
		{"nobody's listener as a target of type alb",
		 "[target_group h]\nprotocol = TCP\ntarget_type = alb\ntarget = 192.0.2.10:81\n",
		 "no application load balancer listens there"},
		{"a group of type alb without a target",
		 "[target_group h]\nprotocol = TCP\ntarget_type = alb\n",
		 "a target group of type alb has one application load balancer"},
		{"a group of type alb beside another",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\n"
		 "[load_balancer c]\ntype = application\naddress = 192.0.2.12\n"
		 "[listener c:80]\nprotocol = HTTP\ndefault_action = fixed_response status=200\n"
		 "[listener b:80]\nprotocol = TCP\ndefault_action = forward h, i\n"
		 "[target_group h]\nprotocol = TCP\ntarget_type = alb\ntarget = 192.0.2.12:80\n"
		 "[target_group i]\nprotocol = TCP\n",
		 "target group h of type alb is to be its listener's only one"},
		{"no such security group",
		 "[load_balancer b]\ntype = network\naddress = 192.0.2.11\nsecurity_group = x\n",
		 "no security group is named x; allowed: a configured security group"},
		{"a security group twice",
		 "[security_group x]\n[load_balancer b]\ntype = network\naddress = 192.0.2.11\n"
		 "security_group = x\nsecurity_group = x\n",
		 "security group x is named twice"},
		{"a security group of an application load balancer",
		 "[security_group x]\n[load_balancer b]\ntype = application\n"
		 "address = 192.0.2.11\nsecurity_group = x\n",
		 "security groups of application load balancers are not in this version"},
		{"a rule without a protocol", "[security_group x]\ninbound = 80 0.0.0.0/0\n",
		 "`80 0.0.0.0/0` does not begin with a protocol; allowed: tcp, udp, icmp or all"},
		{"ports backwards", "[security_group x]\ninbound = tcp 90-80 0.0.0.0/0\n",
		 "has no such ports"},
		{"a port too high", "[security_group x]\noutbound = udp 65536 0.0.0.0/0\n",
		 "has no such ports"},
		{"ports of ICMP", "[security_group x]\ninbound = icmp 8 0.0.0.0/0\n",
		 "has no such ports"},
		{"no prefix", "[security_group x]\ninbound = tcp 80\n", "has no prefix"},
		{"host bits", "[security_group x]\ninbound = tcp 80 10.0.0.1/8\n",
		 "`10.0.0.1/8` has bits behind its length; allowed: 10.0.0.0/8"},
		{"one word more", "[security_group x]\ninbound = tcp 80 ::/0 x\n",
		 "has too many words"},
		{"HTTPS checks",
		 "[target_group h]\nprotocol = GENEVE\nhealth_check.protocol = HTTPS\n",
		 "HTTPS health checks of gateways are not in this version; allowed: TCP"},
		{"timeout above interval",
		 "[target_group h]\nprotocol = TCP\n"
		 "health_check.interval_seconds = 5\nhealth_check.timeout_seconds = 6\n",
		 "is longer than the interval"},
		{"gateway elsewhere",
		 "[interface b]\ndevice = y\naddress = 198.51.100.1/24\n"
		 "gateway = 203.0.113.1\n",
		 "203.0.113.1 is not on the interface's link"},
		{"VLAN without parent", "[interface b]\ndevice = y\nvlan = 5\n",
		 "a VLAN ID without a parent"},
		{"neither device nor parent", "[interface b]\naddress = 198.51.100.1/24\n",
		 "neither a device nor a parent"},
		{"weights",
		 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward g weight 1000\n",
		 "`weight` is not expected here"},
		{"a target on the interface",
		 "[target_group h]\nprotocol = TCP\n"
		 "target = 192.0.2.30:80\ntarget = 192.0.2.1:80\n",
		 "t.ini:16: [target_group h] target: the target is an address of [interface a] "
		 "(t.ini:3)"},
		{"a target that is a load balancer",
		 "[target_group h]\nprotocol = TCP\ntarget = 192.0.2.10:80\n",
		 "the target is an address of [load_balancer lb] (t.ini:6)"},
		{"two default routes",
		 "[interface b]\ndevice = y\naddress = 198.51.100.1/24\ngateway = 198.51.100.2\n"
		 "[interface c]\ndevice = z\naddress = 203.0.113.1/24\ngateway = 203.0.113.2\n",
		 "t.ini:20: [interface c] gateway: 0.0.0.0/0 has a route already: [interface b] "
		 "(t.ini:16)"},
		{"a default route and a gateway",
		 "[interface b]\ndevice = y\naddress = 2001:db8::1/64\ngateway = 2001:db8::2\n"
		 "route = ::/0 via 2001:db8::3\n",
		 "t.ini:17: [interface b] route: ::/0 has a route already"},
		{"a route with host bits twice",
		 "[interface b]\ndevice = y\naddress = 198.51.100.1/24\n"
		 "route = 10.1.2.3/8 via 198.51.100.2\nroute = 10.0.0.0/8 via 198.51.100.3\n",
		 "t.ini:17: [interface b] route: 10.0.0.0/8 has a route already"},
		{"two MACs for a neighbor",
		 "[interface b]\ndevice = y\naddress = 198.51.100.1/24\n"
		 "neighbor = 198.51.100.2 02:00:00:00:00:01\n"
		 "neighbor = 198.51.100.2 02:00:00:00:00:02\n",
		 "t.ini:17: [interface b] neighbor: 198.51.100.2 has a MAC already"},
		{"a MAC address that isn't one",
		 "[interface b]\ndevice = y\naddress = 198.51.100.1/24\nmac = 01:00:00:00:00:01\n",
		 "t.ini:16: [interface b] mac: `01:00:00:00:00:01` is no MAC address; allowed: "
		 "device, own, or a unicast MAC such as 02:00:00:00:00:01"},
		{"a VLAN with a MAC address",
		 "[interface b]\nparent = a\nvlan = 5\naddress = 198.51.100.1/24\nmac = own\n",
		 "t.ini:17: [interface b] mac: a VLAN has the MAC address of its parent"},
		{"a comma too many",
		 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward g,,\n",
		 "does not begin with a target group"},
		{"a comma at the end",
		 "[listener lb:81]\nprotocol = TCP\ndefault_action = forward g,\n",
		 "does not begin with a target group"},
		{"a priority with a sign", "[rule lb:80 +5]\n",
		 "`lb:80 +5` is not a listener and priority"},
		{"a priority with a zero before", "[rule lb:80 05]\n",
		 "`lb:80 05` is not a listener and priority"},
		{"no equals sign", "[system]\nname\n", "neither a section nor `key = value`"},
		{"malformed header", "[system\n", "the section header is malformed"},
		{"empty header", "[]\n", "the section header is empty"},
		{"control characters", "[system]\nname = a\x01\n", "control characters"},
		{"not UTF-8", "[system]\nname = \xff\n", "not UTF-8"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_errors errors = {0};
		char text[4096];
		struct model *m;

		snprintf(text, sizeof(text), "%s%s", GOOD, rows[i].add);
		m = load(text, &errors);
		EXPECT_ROW(rows[i].why, m == NULL && errors.n > 0);
		EXPECT_ROW(rows[i].why,
			   errors.n > 0 && strstr(errors.items[0].text, rows[i].want) != NULL);
		if (errors.n > 0 && strstr(errors.items[0].text, rows[i].want) == NULL)
			printf("  got: %s\n", errors.items[0].text);
		config_errors_free(&errors);
		model_free(m);
	}
}

static void
test_all_errors_at_once(void)
{
	struct config_errors errors = {0};

	EXPECT(load("[interface a]\nmtu = 1\nqueues = x\nfoo = 1\n[load_balancer l]\ntype = z\n",
		    &errors) == NULL);
	EXPECT(errors.n >= 5); /* and what is missing */
	config_errors_free(&errors);
}

static void
test_values(void)
{
	struct config_errors errors = {0};
	struct model *m = load(
		GOOD "[system]\nname = \"a ; \\\"b\\\"\" ; a comment\n  zone = z1\n"
		     "[listener lb:53]\nprotocol = TCP\ndefault_action = forward "
		     "g2 weight 90, g3 weight 10\n"
		     "[target_group g2]\nprotocol = TCP\ntarget = 192.0.2.30:1 weight=7 zone=z2\n"
		     "[target_group g3]\nprotocol = TCP\n",
		&errors);
	const struct model_listener *l;
	const struct model_target_group *tg;

	EXPECT(m != NULL && errors.n == 0);
	if (m == NULL) {
		printf("%s\n", errors.items[0].text);
		return;
	}
	EXPECT(strcmp(m->system.host_name, "a ; \"b\"") == 0 && strcmp(m->system.zone, "z1") == 0);
	l = model_listener(m, "lb:53");
	EXPECT(l != NULL && l->default_action.forwards_n == 2 &&
	       l->default_action.forwards[1].weight == 10);
	EXPECT(l->tcp_idle_timeout_s == 350 && m->dataplane.max_flows == 1048576);
	tg = model_target_group(m, "g2");
	EXPECT(tg->targets[0].weight == 7 && strcmp(tg->targets[0].zone, "z2") == 0);
	EXPECT(tg->full_nat && !tg->connection_termination && tg->health_check.interval_s == 30);
	EXPECT(model_given((const struct model_object *)l, "tcp.idle_timeout.seconds") == NULL);
	EXPECT(strcmp(m->management.control_socket, "/run/weir/weir.sock") == 0);
	model_free(m);
}

/* ELB's default of an attribute is accepted, whether or not weir has a data path for another. */
static void
test_defaults_may_be_given(void)
{
	static const char *const keys[] = {
		"stickiness.enabled = false\n",
		"stickiness.type = source_ip\n",
		"load_balancing.cross_zone.enabled = use_load_balancer_configuration\n",
		"target_group_health.dns_failover.minimum_healthy_targets.count = 1\n",
		"target_group_health.dns_failover.minimum_healthy_targets.percentage = off\n",
		("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
		 " = off\n"),
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct config_errors errors = {0};
		char text[2048];
		struct model *m;

		snprintf(text, sizeof(text), "%s[target_group h]\nprotocol = TCP\n%s", GOOD,
			 keys[i]);
		m = load(text, &errors);
		EXPECT_ROW(keys[i], m != NULL);
		config_errors_free(&errors);
		model_free(m);
	}
}

/* A target group's own setting wins over its load balancer's. */
/* A default of one type's target groups is no other's. */
static void
test_termination_by_type(void)
{
	static const struct {
		const char *protocol;
		bool ends; /* flows of unhealthy targets */
	} rows[] = {{"TCP", true},
		    {"UDP", false},
		    {"TCP_UDP", false},
		    {"HTTP", false},
		    {"GENEVE", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_errors errors = {0};
		char text[2048];
		struct model *m;

		snprintf(text, sizeof(text), "%s[target_group h]\nprotocol = %s\n", GOOD,
			 rows[i].protocol);
		m = load(text, &errors);
		EXPECT_ROW(rows[i].protocol, m != NULL);
		if (m != NULL)
			EXPECT_ROW(rows[i].protocol,
				   model_target_group(m, "h")->unhealthy_termination ==
					   rows[i].ends);
		model_free(m);
		config_errors_free(&errors);
	}
}

static void
test_cross_zone(void)
{
	static const struct {
		const char *why, *load_balancer, *target_group;
		bool want;
	} rows[] = {
		{"neither given", NULL, NULL, false},
		{"the load balancer's", "true", NULL, true},
		{"the load balancer's, by name", "true", "use_load_balancer_configuration", true},
		{"off for the group", "true", "false", false},
		{"on for the group", "false", "true", true},
		{"the load balancer's default", NULL, "use_load_balancer_configuration", false},
	};
	static const char *const key = "load_balancing.cross_zone.enabled";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_errors errors = {0};
		char text[2048], of_lb[128] = "", of_tg[128] = "";
		struct model *m;

		if (rows[i].load_balancer != NULL)
			snprintf(of_lb, sizeof(of_lb), "%s = %s\n", key, rows[i].load_balancer);
		if (rows[i].target_group != NULL)
			snprintf(of_tg, sizeof(of_tg), "%s = %s\n", key, rows[i].target_group);
		snprintf(text, sizeof(text),
			 "%s[load_balancer b]\ntype = network\naddress = 192.0.2.11\n%s"
			 "[target_group h]\nprotocol = TCP\n%s"
			 "[listener b:80]\nprotocol = TCP\ndefault_action = forward h\n",
			 GOOD, of_lb, of_tg);
		m = load(text, &errors);
		EXPECT_ROW(rows[i].why, m != NULL);
		if (m != NULL)
			EXPECT_ROW(rows[i].why,
				   model_target_group(m, "h")->cross_zone == rows[i].want);
		config_errors_free(&errors);
		model_free(m);
	}
}

static void
test_identity_is_stable(void)
{
	/* Other boxes and the next release must find the same value. */
	EXPECT(model_identity("load_balancer", "", "shop") == UINT64_C(0x0cd251169e9dd27e));
}

static void
test_compare(void)
{
	static const struct {
		const char *why, *old_text, *new_text;
		struct model_diff want;
	} rows[] = {
		{"nothing", "", "", {0, 0, 0}},
		{"order of sections and keys",
		 "[target_group h]\nprotocol = TCP\ntarget_type = ip\n[cluster]\n",
		 "[cluster]\n[target_group h]\ntarget_type = ip\nprotocol = TCP\n",
		 {0, 0, 0}},
		{"a section without a name",
		 "[system]\nname = a\n",
		 "[system]\nname = b\n",
		 {0, 0, 1}},
		{"a section without a name, given", "", "[dataplane]\nidle = poll\n", {0, 0, 1}},
		{"an object more", "", "[target_group h]\nprotocol = TCP\n", {1, 0, 0}},
		{"an object less", "[target_group h]\nprotocol = TCP\n", "", {0, 1, 0}},
		{"a target more",
		 "[target_group h]\nprotocol = TCP\n",
		 "[target_group h]\nprotocol = TCP\ntarget = 192.0.2.30:80\n",
		 {0, 0, 1}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_errors errors = {0};
		char old_text[2048], new_text[2048];
		struct model *old_model, *new_model;
		struct model_diff diff;

		snprintf(old_text, sizeof(old_text), "%s%s", GOOD, rows[i].old_text);
		snprintf(new_text, sizeof(new_text), "%s%s", GOOD, rows[i].new_text);
		old_model = load(old_text, &errors);
		new_model = load(new_text, &errors);
		EXPECT_ROW(rows[i].why, old_model != NULL && new_model != NULL);
		if (old_model != NULL && new_model != NULL) {
			model_compare(old_model, new_model, &diff);
			EXPECT_ROW(rows[i].why, memcmp(&diff, &rows[i].want, sizeof(diff)) == 0);
		}
		config_errors_free(&errors);
		model_free(old_model);
		model_free(new_model);
	}
}

static void
test_long_lines(void)
{
	struct config_errors errors = {0};
	char text[8192];
	struct model *m;

	/* 4,096 bytes are read whole, 4,097 are refused. */
	for (int extra = 0; extra < 2; extra++) {
		int n = snprintf(text, sizeof(text), "%s[system]\n", GOOD), begin = n;

		n += snprintf(text + n, sizeof(text) - (size_t)n, "name = x");
		while (n - begin < 4096 + extra)
			text[n++] = ' ';
		snprintf(text + n, sizeof(text) - (size_t)n, "\n");
		m = load(text, &errors);
		EXPECT((m != NULL) == (extra == 0));
		model_free(m);
	}
	EXPECT(errors.n == 1 &&
	       strstr(errors.items[0].text, "t.ini:14: the line is too long") != NULL);
	config_errors_free(&errors);
}

/* Every sample loads without an error. */
static void
test_samples(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	unsigned samples = 0;

	EXPECT(dir != NULL);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct config_errors errors = {0};
		struct config_source *sources = NULL;
		size_t sources_n = 0;
		struct model *m = NULL;
		char path[1024];

		if (strstr(entry->d_name, ".ini") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (config_read(path, &sources, &sources_n, &errors))
			m = config_load(sources, sources_n, &errors);
		EXPECT_ROW(path, m != NULL);
		for (uint32_t i = 0; i < errors.n; i++)
			printf("%s\n", errors.items[i].text);
		model_free(m);
		config_sources_free(sources, sources_n);
		config_errors_free(&errors);
		samples++;
	}
	if (dir != NULL)
		closedir(dir);
	EXPECT(samples >= 2);
}

static void
count_event(void *arg, uint32_t line, const char *text)
{
	(void)line, (void)text;
	(*(unsigned *)arg)++;
}

static void
count_key(void *arg, uint32_t line, const char *key, const char *value)
{
	(void)line, (void)key, (void)value;
	(*(unsigned *)arg)++;
}

static void
count_error(void *arg, uint32_t line, const char *what, const char *allowed)
{
	(void)line, (void)what, (void)allowed;
	*(unsigned *)arg += 1000;
}

static void
test_reader(void)
{
	static const struct ini_events events = {count_event, count_key, count_error};
	static const struct {
		const char *why, *text;
		unsigned want;
	} rows[] = {
		{"keys before a section", "a = 1\n", 1000},
		{"comments and blanks", "; c\n# c\n\n[s]\n\n", 1},
		{"an indented key is a key", "[s]\na = 1\n  b = 2\n", 3},
		{"values are kept whole", "[s]\na = b = c : d\n", 2},
		{"byte order mark", "\xef\xbb\xbf[s]\n", 1},
		{"carriage returns", "[s]\r\na = 1\r\n", 2},
		{"no newline at the end", "[s]\na = 1", 2},
		{"keys of a refused section", "[s\na = 1\n", 2000},
		{"colon is no separator", "[s]\na : 1\n", 1001},
	};
	char text[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned n = 0;

		ini_read(rows[i].text, strlen(rows[i].text), &events, &n);
		EXPECT_ROW(rows[i].why, n == rows[i].want);
	}
	EXPECT(ini_unquote("\"a\\\\\\\"b\"", text, sizeof(text)) && strcmp(text, "a\\\"b") == 0);
	EXPECT(!ini_unquote("\"a", text, sizeof(text)));
	EXPECT(!ini_unquote("\"a\"b", text, sizeof(text)));
	EXPECT(!ini_unquote("\"\\n\"", text, sizeof(text)));
}

int
main(int argc, char **argv)
{
	test_errors();
	test_all_errors_at_once();
	test_values();
	test_defaults_may_be_given();
	test_termination_by_type();
	test_cross_zone();
	test_identity_is_stable();
	test_compare();
	test_long_lines();
	test_reader();
	test_samples(argc > 1 ? argv[1] : "conf");
	return unit_done();
}
