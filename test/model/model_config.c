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
