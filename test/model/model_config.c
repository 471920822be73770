/* SPDX-License-Identifier: BSD-3-Clause */
/* Random configurations: what is written canonically loads to the same model, byte for byte. */
#include "unit.h"

#include "config.h"

struct text {
	char *bytes;
	size_t len;
};

static struct model *
load(const struct text *t)
{
	struct config_source source = {"random.ini", t->bytes, t->len};
	struct config_errors errors = {0};
	struct model *m = config_load(&source, 1, &errors);

	for (uint32_t i = 0; i < errors.n; i++)
		printf("%s\n", errors.items[i].text);
	config_errors_free(&errors);
	return m;
}

static struct text
write_model(const struct model *m)
{
	struct text t = {NULL, 0};
	FILE *f = open_memstream(&t.bytes, &t.len);

	EXPECT(model_write(m, f));
	fclose(f);
	return t;
}

static const char *
pick(unsigned long long *state, const char *const *texts, size_t n)
{
	return texts[unit_random(state) % n];
}

#define PICK(state, texts) pick(state, texts, sizeof(texts) / sizeof(texts[0]))

/* A rule: conditions and an action whose values need all kinds of quoting. */
static void
random_rule(FILE *f, unsigned priority, unsigned long long *state)
{
	static const char *const conditions[] = {
		"host_header = a.example, *.B.example",
		"host_header_regex = ^(www|img)\\.example\\.com$",
		"path_pattern = \"/a+b\",/c/*",
		"path_pattern = /q\\*",
		"path_pattern_regex = \"^/a ;b\"",
		"http_header.X-Test = \"a,b\", c d",
		"http_header_regex.cookie = x\"y",
		"http_request_method = GET,  M-SEARCH",
		"query_string = a=b, \\*c, \"d\\\\=e=f\"",
		"source_ip = 10.1.2.3/8, 2001:db8::1/32",
	};
	static const char *const actions[] = {
		"forward app weight 90, app2 weight 0 stickiness 00010",
		"redirect status=HTTP_302 path=\"/x\"",
		"redirect status=HTTP_301 host=www.#{host} query=\"a;b\"",
		"fixed_response body=\"\" status=200",
		"fixed_response status=404 body=\"q \\\" ;\\\\\" content_type=text/html",
	};
	static const char *const rewrites[] = {"a -> b", "\"a -> b\" -> \"\"", "x;y  ->  $$ $0",
					       "(a)(b) -> \"$2 ;$1\""};

	fprintf(f, "[rule app:80 %u]\ncondition.%s\n", priority, PICK(state, conditions));
	if (unit_random(state) % 2)
		fprintf(f, "condition.http_header.x = *\n");
	if (unit_random(state) % 2)
		fprintf(f, "transform.url_rewrite = %s\n", PICK(state, rewrites));
	fprintf(f, "action = %s\n", PICK(state, actions));
}

static void
random_application(FILE *f, unsigned long long *state)
{
	unsigned rules = (unsigned)(unit_random(state) % 6);

	fprintf(f, "[load_balancer app]\ntype = application\naddress = 192.0.2.99\n");
	if (unit_random(state) % 2)
		fprintf(f, "access_logs.s3.enabled = true\naccess_logs.s3.bucket = \"a ;b\"\n"
			   "routing.http.desync_mitigation_mode = strictest\n");
	fprintf(f, "[target_group app]\nprotocol = HTTP\nhealth_check.matcher = 200-299\n"
		   "[target_group app2]\nprotocol = HTTP\n"
		   "[listener app:80]\nprotocol = HTTP\ndefault_action = forward app\n"
		   "routing.http.response.content_security_policy.header_value = \"a; b\"\n");
	for (unsigned i = 0; i < rules; i++)
		random_rule(f, 1 + i, state);
}

/* Sections in random order with random optional keys, oddly spaced. */
static struct text
random_config(unsigned long long *state)
{
	static const char *const quoted[] = {"plain",       "\"with ; inside\"", "\"q \\\" q\"",
					     "\"\"",        "\"tab\t; inside\"", "\"\tbefore\"",
					     "\"after\t\"", "a\"b ;c",           "\"back\\\\\"",
					     "#hash"};
	unsigned groups = 1 + (unsigned)(unit_random(state) % 5);
	struct text t = {NULL, 0};
	FILE *f = open_memstream(&t.bytes, &t.len);

	fprintf(f, "[interface b]\n  device=y\naddress = 198.51.100.1/24 ; comment\n");
	if (unit_random(state) % 2)
		fprintf(f, "gateway = 198.51.100.254\nroute = 203.0.113.7/24 via 198.51.100.9\n"
			   "neighbor = 198.51.100.9 02:00:00:00:00:0A\n");
	if (unit_random(state) % 2)
		fprintf(f, "[system]\nname = %s\nshutdown_drain_seconds = 0007\n",
			quoted[unit_random(state) % 10]);
	if (unit_random(state) % 2)
		fprintf(f, "[dataplane]\nworkers = %s\nmax_flows = 4096\n",
			unit_random(state) % 2 ? "auto" : "2");
	for (unsigned g = 0; g < groups; g++) {
		unsigned targets = (unsigned)(unit_random(state) % 4);

		fprintf(f, "[load_balancer lb%u]\ntype = network\naddress = 192.0.2.%u%s\n", g,
			10 + g, unit_random(state) % 2 ? " zone=z" : "");
		fprintf(f, "[target_group g%u]\nprotocol = TCP_UDP\n", g);
		for (unsigned i = 0; i < targets; i++)
			fprintf(f, "target = 198.51.100.%u:80%s\n", 10 + i,
				unit_random(state) % 2 ? " zone=a weight=5" : "");
		if (unit_random(state) % 2)
			fprintf(f, "health_check.port = %s\nhealth_check.interval_seconds = 10\n",
				unit_random(state) % 2 ? "traffic-port" : "81");
		if (unit_random(state) % 2)
			fprintf(f, "preserve_client_ip.enabled = false\n");
		fprintf(f,
			"[ listener   lb%u:80 ]\nprotocol = TCP\ndefault_action = forward g%u "
			"weight %u\n",
			g, g, (unsigned)(unit_random(state) % 3));
		fprintf(f, "[listener lb%u:81]\nprotocol = UDP\ndefault_action = forward g%u\n", g,
			g);
	}
	random_application(f, state);
	fclose(f);
	return t;
}

int
main(void)
{
	unsigned long long state = unit_seed(17);

	for (int round = 0; round < 300; round++) {
		struct text source = random_config(&state), once, twice;
		struct model *first = load(&source), *second;
		struct model_diff diff;

		EXPECT(first != NULL);
		if (first == NULL)
			break;
		once = write_model(first);
		second = load(&once);
		EXPECT(second != NULL);
		if (second == NULL)
			break;
		twice = write_model(second);
		EXPECT(once.len == twice.len && memcmp(once.bytes, twice.bytes, once.len) == 0);
		EXPECT(memcmp(first->hash, second->hash, sizeof(first->hash)) == 0);
		EXPECT(strcmp(first->system.host_name, second->system.host_name) == 0);
		model_compare(first, second, &diff);
		EXPECT(diff.added == 0 && diff.removed == 0 && diff.changed == 0);
		EXPECT(first->target_groups_n == second->target_groups_n);
		model_free(first);
		model_free(second);
		free(source.bytes);
		free(once.bytes);
		free(twice.bytes);
	}
	return unit_done();
}
