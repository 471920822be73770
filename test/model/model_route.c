/* SPDX-License-Identifier: BSD-3-Clause */
/* The interval table against a scan of all prefixes. */
#include "unit.h"

#include "route.h"

#define ROUTES 40

static const struct route *
scan(const struct route *routes, size_t n, const struct ip_addr *addr)
{
	const struct route *best = NULL;

	for (size_t i = 0; i < n; i++) {
		if (ip_prefix_contains(&routes[i].prefix, addr) &&
		    (best == NULL || routes[i].prefix.len > best->prefix.len))
			best = &routes[i];
	}
	return best;
}

/* Addresses that share long prefixes, so that routes nest and touch. */
static struct ip_addr
random_addr(unsigned long long *state)
{
	unsigned long long r = unit_random(state);
	struct ip_addr a = {.w = {0, 0}};

	if ((r & 1) != 0)
		a = ip_addr_from_v4("\x0a\0\0\0");
	else
		memcpy(a.b, "\x20\x01\x0d\xb8", 4);
	for (int i = 12; i < 16; i++) {
		r = unit_random(state);
		if ((r & 3) != 0)
			a.b[i] = (r & 4) != 0 ? 0xff : (uint8_t)(r >> 8 & 3);
	}
	return a;
}

static void
test_random_tables(unsigned long long *state)
{
	for (int round = 0; round < 500; round++) {
		struct route routes[ROUTES] = {0};
		size_t n = unit_random(state) % (ROUTES + 1);
		struct route_table *table;

		for (size_t i = 0; i < n; i++) {
			routes[i].prefix.addr = random_addr(state);
			routes[i].prefix.len = (uint8_t)(unit_random(state) % 129);
			if (ip_addr_is_v4(&routes[i].prefix.addr) && routes[i].prefix.len < 96)
				routes[i].prefix.len = 96;
			routes[i].interface = (uint16_t)i;
		}
		table = route_table_create(routes, n);
		for (int k = 0; k < 200; k++) {
			struct ip_addr addr = random_addr(state);
			const struct route *want = scan(routes, n, &addr);
			const struct route *got = route_lookup(table, &addr);

			EXPECT((want == NULL) == (got == NULL));
			if (want != NULL && got != NULL)
				EXPECT(got->interface == want->interface);
		}
		route_table_free(table);
	}
}

static void
test_default_routes(void)
{
	struct route routes[3] = {0};
	struct route_table *table;
	struct ip_addr addr;

	EXPECT(ip_prefix_parse("0.0.0.0/0", &routes[0].prefix));
	EXPECT(ip_prefix_parse("::/0", &routes[1].prefix));
	EXPECT(ip_prefix_parse("255.255.255.255/32", &routes[2].prefix));
	for (uint16_t i = 0; i < 3; i++)
		routes[i].interface = i;
	table = route_table_create(routes, 3);
	EXPECT(ip_addr_parse("192.0.2.1", &addr) && route_lookup(table, &addr)->interface == 0);
	EXPECT(ip_addr_parse("255.255.255.255", &addr) &&
	       route_lookup(table, &addr)->interface == 2);
	EXPECT(ip_addr_parse("2001:db8::1", &addr) && route_lookup(table, &addr)->interface == 1);
	EXPECT(ip_addr_parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &addr) &&
	       route_lookup(table, &addr)->interface == 1);
	route_table_free(table);
}

int
main(void)
{
	unsigned long long state = unit_seed(7);

	test_random_tables(&state);
	test_default_routes();
	return unit_done();
}
