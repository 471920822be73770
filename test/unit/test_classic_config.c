/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration of classic load balancers: ELB's rules, and the target groups they stand for. */
#include "unit.h"

#include <stdlib.h>

#include "check.h"
#include "config.h"
#include "model_classic.h"

#define BASE                                                         \
	"[interface a]\ndevice = x\naddress = 192.0.2.1/24\n"        \
	"[load_balancer lb]\ntype = classic\naddress = 192.0.2.10\n" \
	"instance = 192.0.2.20\ninstance = 2001:db8::20 zone=b\n"
#define GOOD BASE "[listener lb:80]\nprotocol = TCP\ninstance_port = 8080\n"
#define WEB  BASE "[listener lb:80]\nprotocol = HTTP\ninstance_port = 8080\n"

static struct model *
parse(const char *text, struct config_errors *errors)
{
	struct config_source source = {"t.ini", text, strlen(text)};

	return config_load(&source, 1, errors);
}

static void
test_errors(void)
{
	static const struct {
		const char *why, *base, *add, *want;
	} rows[] = {
		{"another listener's protocol", BASE, "[listener lb:80]\nprotocol = TLS\n",
		 "t.ini:10: [listener lb:80] protocol: a classic load balancer has no TLS "
		 "listeners; allowed: HTTP, HTTPS, TCP, SSL"},
		{"no instance_port", BASE, "[listener lb:80]\nprotocol = TCP\n",
		 "t.ini:9: [listener lb:80] instance_port: the instances' port is missing"},
		{"layers, up", GOOD, "instance_protocol = HTTP\n",
		 "t.ini:12: [listener lb:80] instance_protocol: TCP listeners and HTTP instances "
		 "are not of the same layer; allowed: TCP, SSL"},
		{"layers, down", WEB, "instance_protocol = SSL\n",
		 "HTTP listeners and SSL instances are not of the same layer; allowed: HTTP, "
		 "HTTPS"},
		{"an instance protocol that is none", GOOD, "instance_protocol = TLS\n",
		 "`TLS` is not allowed; allowed: HTTP, HTTPS, TCP, SSL"},
		{"secure and plain on one port", GOOD,
		 "[listener lb:81]\nprotocol = TCP\ninstance_protocol = SSL\ninstance_port = "
		 "8080\n",
		 "t.ini:14: [listener lb:81] instance_protocol: secure and plain protocols are "
		 "mixed on instance_port 8080: it has TCP with [listener lb:80]; allowed: HTTP or "
		 "TCP, as there"},
		{"an action", GOOD, "default_action = forward g\n",
		 "t.ini:12: [listener lb:80] default_action: a classic load balancer has instances "
		 "and no target groups; allowed: instance_protocol and instance_port"},
		{"a rule", GOOD, "[rule lb:80 1]\n",
		 "load balancers of type classic have no rules"},
		{"a certificate without TLS", GOOD, "certificate = c\n",
		 "TCP listeners have no certificate"},
		{"a policy without TLS", GOOD, "ssl_policy = ELBSecurityPolicy-2016-08\n",
		 "TCP listeners have no TLS policy"},
		{"no certificate", BASE, "[listener lb:443]\nprotocol = SSL\ninstance_port = 80\n",
		 "the certificate is missing"},
		{"a policy of other types", BASE,
		 "[listener lb:443]\nprotocol = SSL\ninstance_port = 80\nssl_policy = "
		 "ELBSecurityPolicy-TLS13-1-2-2021-06\ncertificate = c\n[certificate c]\n"
		 "certificate = /nonexistent/c.pem\nprivate_key = /nonexistent/k.pem\n",
		 "/nonexistent/c.pem"},
		{"an own policy without ciphers", GOOD, "[ssl_policy own]\nprotocol = TLSv1.2\n",
		 "t.ini:12: [ssl_policy own] cipher: the ciphers are missing"},
		{"an own policy without protocols", GOOD, "[ssl_policy own]\ncipher = AES128-SHA\n",
		 "t.ini:12: [ssl_policy own] protocol: the protocols are missing"},
		{"a protocol that classic load balancers lack", GOOD,
		 "[ssl_policy own]\nprotocol = TLSv1.3\n",
		 "t.ini:13: [ssl_policy own] protocol: `TLSv1.3` is no protocol of a classic load "
		 "balancer's policy; allowed: TLSv1, TLSv1.1, TLSv1.2"},
		{"a cipher that isn't served", GOOD, "[ssl_policy own]\ncipher = DES-CBC3-SHA\n",
		 "t.ini:13: [ssl_policy own] cipher: cipher DES-CBC3-SHA isn't served; allowed: a "
		 "cipher of ELBSecurityPolicy-2016-08, by OpenSSL's name"},
		{"two ciphers in one", GOOD,
		 "[ssl_policy own]\ncipher = AES128-GCM-SHA256:AES128-SHA256\n", "isn't served"},
		{"a cipher twice", GOOD,
		 "[ssl_policy own]\ncipher = AES128-SHA\ncipher = AES128-SHA\n",
		 "t.ini:14: [ssl_policy own] cipher: AES128-SHA is there already"},
		{"ELB's name", GOOD,
		 "[ssl_policy ELBSecurityPolicy-2016]\nprotocol = TLSv1.2\ncipher = AES128-SHA\n",
		 "names that begin with ELBSecurityPolicy are ELB's"},
		{"cookies of bytes", GOOD, "lb_cookie_stickiness = 60\n",
		 "TCP listeners see no cookies"},
		{"an application's cookie of bytes", GOOD, "app_cookie_stickiness = a\n",
		 "TCP listeners see no cookies"},
		{"both cookies", WEB, "lb_cookie_stickiness = session\napp_cookie_stickiness = a\n",
		 "the listener has lb_cookie_stickiness; allowed: one of the two"},
		{"no lifetime", WEB, "lb_cookie_stickiness = 0\n",
		 "allowed: session, or 1 to 604800"},
		{"a PROXY header of HTTP", WEB, "proxy_protocol = true\n",
		 "HTTP instances are told of clients by X-Forwarded-For"},
		{"a PROXY header of one listener", GOOD,
		 "[listener lb:81]\nprotocol = TCP\ninstance_port = 8080\nproxy_protocol = true\n",
		 "t.ini:15: [listener lb:81] proxy_protocol: it is another one with [listener "
		 "lb:80], of the same instance_port; allowed: false"},
		{"a key of plain instances", GOOD, "backend_public_key = /k.pem\n",
		 "TCP instances have no key; allowed: instance_protocol = HTTPS or SSL"},
		{"a key that isn't there", GOOD,
		 "instance_protocol = SSL\nbackend_public_key = /nonexistent/k.pem\n",
		 "/nonexistent/k.pem: No such file"},
		{"registered twice", BASE, "instance = 192.0.2.20\n",
		 "t.ini:9: [load_balancer lb] instance: the instance is registered twice"},
		{"no address", BASE, "instance = here\n", "`here` is not an IP address"},
		{"an own address", BASE, "instance = 192.0.2.10\n",
		 "t.ini:9: [load_balancer lb] instance: the instance is an address of "
		 "[load_balancer lb] (t.ini:6)"},
		{"a check of nothing", BASE, "health_check.target = UDP:53\n",
		 "`UDP:53` is nothing to check; allowed: HTTP:PORT/PATH"},
		{"a check without a path", BASE, "health_check.target = HTTP:80\n",
		 "is nothing to check"},
		{"a TCP check with a path", BASE, "health_check.target = TCP:80/x\n",
		 "is nothing to check"},
		{"a check of port 0", BASE, "health_check.target = TCP:0\n", "is nothing to check"},
		{"a check of a port too high", BASE, "health_check.target = SSL:65536\n",
		 "is nothing to check"},
		{"a check of no port", BASE, "health_check.target = HTTPS:/x\n",
		 "is nothing to check"},
		{"a check with a long port", BASE, "health_check.target = TCP:00000000080\n",
		 "is nothing to check"},
		{"a path with a blank", BASE, "health_check.target = HTTP:80/a b\n",
		 "is nothing to check"},
		{"as long as the interval", BASE,
		 "health_check.interval_seconds = 5\nhealth_check.timeout_seconds = 5\n",
		 "t.ini:10: [load_balancer lb] health_check.timeout_seconds: 5 s are not shorter "
		 "than the interval of 5 s"},
		{"idle for too long", BASE, "idle_timeout.timeout_seconds = 3601\n",
		 "3601 s are too long for a classic load balancer; allowed: 1 to 3600"},
		{"a log without a directory", BASE, "access_logs.s3.enabled = true\n",
		 "the log has no directory"},
		{"an implicit group's name", GOOD, "[target_group lb:TCP:8080]\nprotocol = TCP\n",
		 "cannot be the name of a target_group"},
		{"an implicit group as a network listener's", GOOD,
		 "[load_balancer n]\ntype = network\naddress = 192.0.2.11\n"
		 "[listener n:80]\nprotocol = TCP\ndefault_action = forward lb:TCP:8080\n",
		 "does not begin with a target group"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config_errors errors = {0};
		char text[4096];
		struct model *m;

		snprintf(text, sizeof(text), "%s%s", rows[i].base, rows[i].add);
		m = parse(text, &errors);
		EXPECT_ROW(rows[i].why, m == NULL && errors.n > 0);
		EXPECT_ROW(rows[i].why,
			   errors.n > 0 && strstr(errors.items[0].text, rows[i].want) != NULL);
		if (errors.n > 0 && strstr(errors.items[0].text, rows[i].want) == NULL)
			printf("  got: %s\n", errors.items[0].text);
		config_errors_free(&errors);
		model_free(m);
	}
}

static struct model *
parse_good(const char *text)
{
	struct config_errors errors = {0};
	struct model *m = parse(text, &errors);

	if (m == NULL)
		printf("  got: %s\n", errors.items[0].text);
	CHECK(m != NULL);
	config_errors_free(&errors);
	return m;
}

static void
test_implicit_groups(void)
{
	struct model *m =
		parse_good(GOOD "[listener lb:81]\nprotocol = TCP\ninstance_port = 8080\n"
				"[listener lb:82]\nprotocol = TCP\ninstance_port = 8080\n"
				"instance_protocol = TCP\n"
				"[listener lb:83]\nprotocol = HTTP\ninstance_port = 8080\n");
	const struct model_target_group *tg = model_classic_group_of(m, &m->listeners[0]);

	EXPECT(m->target_groups_n == 2 && m->sets_n >= 2);
	EXPECT(tg != NULL && strcmp(tg->name, "lb:TCP:8080") == 0 && tg->implicit);
	EXPECT(tg == model_classic_group_of(m, &m->listeners[1]) &&
	       tg == model_classic_group_of(m, &m->listeners[2]));
	EXPECT(tg->id == model_identity("target_group", "", "lb:TCP:8080"));
	EXPECT(tg->load_balancer_id == m->load_balancers[0].id);
	EXPECT(tg->targets_n == 2 && tg->targets[1].port == 8080);
	EXPECT(tg->targets[0].id == model_identity("target", tg->name, "192.0.2.20:8080"));
	EXPECT(tg->targets[1].id == model_identity("target", tg->name, "[2001:db8::20]:8080"));
	EXPECT(strcmp(tg->targets[1].zone, "b") == 0 && tg->targets[1].origin.line == 8);
	EXPECT(tg->algorithm == ALGORITHM_ROUND_ROBIN && tg->fail_mode == FAIL_CLOSE);
	EXPECT(tg->full_nat && !tg->cross_zone && tg->connection_termination &&
	       !tg->unhealthy_termination && tg->deregistration_delay_s == 0);
	EXPECT(tg->health_check.enabled && tg->health_check.protocol == ELB_TCP &&
	       tg->health_check.port == 8080 && tg->health_check.interval_s == 30 &&
	       tg->health_check.timeout_s == 5 && tg->health_check.healthy_threshold == 10 &&
	       tg->health_check.unhealthy_threshold == 2);
	tg = model_classic_group_of(m, &m->listeners[3]);
	EXPECT(tg->protocol == ELB_HTTP && tg->algorithm == ALGORITHM_LEAST_OUTSTANDING_REQUESTS);
	model_free(m);
}

static void
test_attributes(void)
{
	struct model *m = parse_good(
		BASE "health_check.target = HTTP:8081/up?x=1\nconnection_draining.enabled = true\n"
		     "connection_draining.timeout = 60\nload_balancing.cross_zone.enabled = true\n"
		     "elb.http.desyncmitigationmode = strictest\n"
		     "[listener lb:80]\nprotocol = HTTP\ninstance_port = 8080\n"
		     "lb_cookie_stickiness = session\n"
		     "[listener lb:81]\nprotocol = HTTP\ninstance_port = 8080\n"
		     "app_cookie_stickiness = a\n"
		     "[listener lb:82]\nprotocol = TCP\ninstance_port = 82\nproxy_protocol = true\n"
		     "instance_protocol = SSL\n");
	const struct model_target_group *tg = model_classic_group_of(m, &m->listeners[0]);

	EXPECT(m->load_balancers[0].desync_mode == DESYNC_STRICTEST);
	EXPECT(m->listeners[0].lb_cookie && m->listeners[0].lb_cookie_s == 0);
	EXPECT(!m->listeners[1].lb_cookie && strcmp(m->listeners[1].app_cookie, "a") == 0);
	EXPECT(tg->cross_zone && tg->deregistration_delay_s == 60);
	EXPECT(tg->health_check.protocol == ELB_HTTP && tg->health_check.port == 8081 &&
	       strcmp(tg->health_check.path, "/up?x=1") == 0 && tg->health_check.codes[0] == 1 &&
	       tg->health_check.codes[1] == 0);
	EXPECT(tg->tls == NULL && !tg->proxy_v1);
	tg = model_classic_group_of(m, &m->listeners[2]);
	EXPECT(tg->protocol == ELB_SSL && tg->tls != NULL && tg->proxy_v1);
	EXPECT(tg->health_check.port == 8081);
	model_free(m);
}

/* What is written has no implicit group, and loads to the same model. */
static void
test_writing(void)
{
	struct model *m = parse_good(BASE "health_check.target = SSL:8443\n"
					  "[listener lb:80]\nprotocol = TCP\ninstance_port = 8080\n"
					  "instance_protocol = SSL\n"
					  "[listener lb:81]\nprotocol = HTTP\ninstance_port = 82\n"
					  "lb_cookie_stickiness = 60\n");
	struct model *again;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	CHECK(f != NULL && model_write(m, f) && fclose(f) == 0);
	EXPECT(strstr(text, "target_group") == NULL);
	EXPECT(strstr(text, "instance = 2001:db8::20 zone=b\n") != NULL);
	again = parse_good(text);
	EXPECT(memcmp(m->hash, again->hash, sizeof(m->hash)) == 0);
	EXPECT(again->target_groups_n == m->target_groups_n);
	for (uint32_t i = 0; i < m->target_groups_n; i++)
		EXPECT(model_target_group(again, m->target_groups[i].name) != NULL);
	free(text);
	model_free(m);
	model_free(again);
}

int
main(void)
{
	test_errors();
	test_implicit_groups();
	test_attributes();
	test_writing();
	return unit_done();
}
