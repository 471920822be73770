/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "model_words.h"

bool
model_refuse(struct model_error *error, const char *allowed, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->what, sizeof(error->what), format, args);
	va_end(args);
	snprintf(error->allowed, sizeof(error->allowed), "%s", allowed);
	return false;
}

bool
model_append(void *array, uint32_t *n, const void *item, size_t size)
{
	void **items = array;

	/* Grow at powers of two: 0, 1, 2, 4, ... */
	if ((*n & (*n - 1)) == 0) {
		void *grown = realloc(*items, (*n == 0 ? 1 : 2 * (size_t)*n) * size);

		if (grown == NULL)
			return false;
		*items = grown;
	}
	memcpy((uint8_t *)*items + *n * size, item, size);
	(*n)++;
	return true;
}

static bool
append(void *array, uint32_t *n, const void *item, size_t size, struct model_error *error)
{
	return model_append(array, n, item, size) || model_refuse(error, "", "no memory");
}

bool
model_name_is_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > 32 || name[0] == '-' || name[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) && name[i] != '-')
			return false;
	}
	return true;
}

/* ADDRESS:PORT or [IPV6]:PORT. */
static bool
parse_endpoint(const char *text, struct ip_addr *addr, uint16_t *port)
{
	const char *begin = text, *end;
	char host[IP_ADDR_TEXT_MAX];
	uint64_t number;

	if (*text == '[') {
		begin = text + 1;
		end = strchr(text, ']');
		if (end == NULL || end[1] != ':' || !words_number(end + 2, 65535, &number))
			return false;
	} else {
		end = strchr(text, ':');
		if (end == NULL || !words_number(end + 1, 65535, &number))
			return false;
	}
	if ((size_t)(end - begin) >= sizeof(host) || number == 0)
		return false;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	*port = (uint16_t)number;
	return ip_addr_parse(host, addr) && ip_addr_is_v4(addr) == (*text != '[');
}

static bool
is_unicast(const struct ip_addr *a)
{
	return !ip_addr_is_martian_source(a);
}

static bool
parse_unicast(const char *text, struct ip_addr *a, struct model_error *error)
{
	if (!ip_addr_parse(text, a))
		return model_refuse(error, "an IPv4 or IPv6 address", "`%s` is not an IP address",
				    text);
	if (!is_unicast(a))
		return model_refuse(error, "a unicast address", "%s is not a unicast address",
				    text);
	return true;
}

MODEL_VALUE_PARSER(model_parse_interface_address)
{
	struct model_interface *i = (struct model_interface *)object;
	struct ip_prefix p;

	(void)model;
	if (strchr(value, '/') == NULL || !ip_prefix_parse(value, &p))
		return model_refuse(error, "ADDRESS/PREFIX",
				    "`%s` is not an address with a prefix length", value);
	if (!is_unicast(&p.addr) || p.len == IP_ADDR_V4_PREFIX || p.len == 0)
		return model_refuse(error, "a unicast address and a prefix length above 0",
				    "%s cannot be an interface's address", value);
	ip_prefix_format(&p, canonical);
	return append(&i->addresses, &i->addresses_n, &p, sizeof(p), error);
}

MODEL_VALUE_PARSER(model_parse_local_address)
{
	struct model_interface *i = (struct model_interface *)object;
	struct ip_addr a;

	(void)model;
	if (!parse_unicast(value, &a, error))
		return false;
	ip_addr_format(&a, canonical);
	return append(&i->local_addresses, &i->local_addresses_n, &a, sizeof(a), error);
}

MODEL_VALUE_PARSER(model_parse_gateway)
{
	struct model_interface *i = (struct model_interface *)object;
	struct ip_addr a;

	(void)model;
	if (!parse_unicast(value, &a, error))
		return false;
	for (uint32_t k = 0; k < i->gateways_n; k++) {
		if (ip_addr_is_v4(&i->gateways[k]) == ip_addr_is_v4(&a))
			return model_refuse(error, "one gateway of each address family",
					    "the interface has a gateway of this family already");
	}
	ip_addr_format(&a, canonical);
	return append(&i->gateways, &i->gateways_n, &a, sizeof(a), error);
}

MODEL_VALUE_PARSER(model_parse_route)
{
	struct model_interface *i = (struct model_interface *)object;
	struct model_route route;
	char prefix[IP_ADDR_TEXT_MAX], via[IP_ADDR_TEXT_MAX];
	struct words w;
	char *words[4];

	(void)model;
	for (int k = 0; k < 4; k++)
		words[k] = k == 0 && !words_begin(&w, value) ? NULL : words_next(&w);
	if (words[2] == NULL || words[3] != NULL || strcmp(words[1], "via") != 0 ||
	    strchr(words[0], '/') == NULL || !ip_prefix_parse(words[0], &route.prefix) ||
	    !ip_addr_parse(words[2], &route.via))
		return model_refuse(error, "PREFIX via ADDRESS", "`%s` is not a route", value);
	if (ip_addr_is_v4(&route.prefix.addr) != ip_addr_is_v4(&route.via))
		return model_refuse(error, "a prefix and a gateway of one family",
				    "the gateway is of the other address family");
	route.prefix = ip_prefix_network(&route.prefix);
	snprintf(canonical, MODEL_TEXT_MAX, "%s via %s", ip_prefix_format(&route.prefix, prefix),
		 ip_addr_format(&route.via, via));
	return append(&i->routes, &i->routes_n, &route, sizeof(route), error);
}

static bool
parse_mac(const char *text, uint8_t mac[6])
{
	unsigned b[6];
	int end = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &end) != 6 ||
	    text[end] != '\0')
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return (mac[0] & 1) == 0 && memcmp(mac, (uint8_t[6]){0}, 6) != 0;
}

MODEL_VALUE_PARSER(model_parse_mac)
{
	struct model_interface *i = (struct model_interface *)object;

	(void)model;
	i->mac_source = strcmp(value, "device") == 0 ? MODEL_MAC_DEVICE
			: strcmp(value, "own") == 0  ? MODEL_MAC_OWN
						     : MODEL_MAC_GIVEN;
	snprintf(canonical, MODEL_TEXT_MAX, "%s", value);
	if (i->mac_source != MODEL_MAC_GIVEN)
		return true;
	if (!parse_mac(value, i->mac))
		return model_refuse(error,
				    "device, own, or a unicast MAC such as 02:00:00:00:00:01",
				    "`%s` is no MAC address", value);
	snprintf(canonical, MODEL_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", i->mac[0], i->mac[1],
		 i->mac[2], i->mac[3], i->mac[4], i->mac[5]);
	return true;
}

MODEL_VALUE_PARSER(model_parse_neighbor)
{
	struct model_interface *i = (struct model_interface *)object;
	struct model_neighbor n = {0};
	char text[IP_ADDR_TEXT_MAX];
	char *addr, *mac;
	struct words w;

	(void)model;
	addr = words_begin(&w, value) ? words_next(&w) : NULL;
	mac = addr == NULL ? NULL : words_next(&w);
	if (mac == NULL || words_next(&w) != NULL || !ip_addr_parse(addr, &n.addr) ||
	    !parse_mac(mac, n.mac))
		return model_refuse(error,
				    "ADDRESS MAC, with a unicast MAC such as 02:00:00:00:00:01",
				    "`%s` is not a neighbor", value);
	for (uint32_t k = 0; k < i->neighbors_n; k++) {
		if (ip_addr_equal(&i->neighbors[k].addr, &n.addr))
			return model_refuse(error, "one MAC for each address",
					    "%s has a MAC already", addr);
	}
	snprintf(canonical, MODEL_TEXT_MAX, "%s %02x:%02x:%02x:%02x:%02x:%02x",
		 ip_addr_format(&n.addr, text), n.mac[0], n.mac[1], n.mac[2], n.mac[3], n.mac[4],
		 n.mac[5]);
	return append(&i->neighbors, &i->neighbors_n, &n, sizeof(n), error);
}

/* ADDRESS [zone=NAME] */
static bool
parse_zoned_address(const char *value, struct ip_addr *addr, char zone[64],
		    char canonical[MODEL_VALUE_MAX], struct model_error *error)
{
	char text[IP_ADDR_TEXT_MAX];
	struct words w;
	char *word;

	word = words_begin(&w, value) ? words_next(&w) : NULL;
	if (word == NULL || !parse_unicast(word, addr, error))
		return word == NULL ? model_refuse(error, "ADDRESS [zone=NAME]", "no address")
				    : false;
	while ((word = words_next(&w)) != NULL) {
		char *name = words_option(word, "zone");

		if (name == NULL || *name == '\0' || strlen(name) >= 64)
			return model_refuse(error, "ADDRESS [zone=NAME]",
					    "`%s` is not expected here", word);
		snprintf(zone, 64, "%s", name);
	}
	snprintf(canonical, MODEL_TEXT_MAX, "%s%s%s", ip_addr_format(addr, text),
		 zone[0] != '\0' ? " zone=" : "", zone);
	return true;
}

MODEL_VALUE_PARSER(model_parse_lb_address)
{
	struct model_load_balancer *lb = (struct model_load_balancer *)object;
	struct model_lb_address a = {0};

	(void)model;
	return parse_zoned_address(value, &a.addr, a.zone, canonical, error) &&
	       append(&lb->addresses, &lb->addresses_n, &a, sizeof(a), error);
}

MODEL_VALUE_PARSER(model_parse_instance)
{
	struct model_load_balancer *lb = (struct model_load_balancer *)object;
	struct model_instance i = {0};

	(void)model;
	return parse_zoned_address(value, &i.addr, i.zone, canonical, error) &&
	       append(&lb->instances, &lb->instances_n, &i, sizeof(i), error);
}

uint64_t
model_target_identity(const char *group, const struct ip_addr *addr, uint16_t port,
		      char endpoint[MODEL_ENDPOINT_MAX])
{
	char text[IP_ADDR_TEXT_MAX];

	snprintf(endpoint, MODEL_ENDPOINT_MAX, ip_addr_is_v4(addr) ? "%s:%u" : "[%s]:%u",
		 ip_addr_format(addr, text), port);
	return model_identity("target", group, endpoint);
}

MODEL_VALUE_PARSER(model_parse_target)
{
	static const char *const allowed =
		"ADDRESS:PORT or [IPV6]:PORT [weight=0..999] [zone=NAME]";
	struct model_target_group *tg = (struct model_target_group *)object;
	struct model_target t = {.weight = 1};
	char endpoint[MODEL_ENDPOINT_MAX];
	bool weight_given = false;
	struct words w;
	char *word;
	int n;

	(void)model;
	word = words_begin(&w, value) ? words_next(&w) : NULL;
	if (word == NULL || !parse_endpoint(word, &t.addr, &t.port))
		return model_refuse(error, allowed, "`%s` is not a target", value);
	if (!is_unicast(&t.addr))
		return model_refuse(error, allowed, "%s is not a unicast address", word);
	while ((word = words_next(&w)) != NULL) {
		char *weight = words_option(word, "weight"), *zone = words_option(word, "zone");
		uint64_t number;

		if (weight != NULL && words_number(weight, 999, &number)) {
			t.weight = (uint32_t)number;
			weight_given = true;
		} else if (zone != NULL && *zone != '\0' && strlen(zone) < sizeof(t.zone)) {
			snprintf(t.zone, sizeof(t.zone), "%s", zone);
		} else {
			return model_refuse(error, allowed, "`%s` is not expected here", word);
		}
	}
	t.id = model_target_identity(tg->name, &t.addr, t.port, endpoint);
	n = snprintf(canonical, MODEL_TEXT_MAX, "%s", endpoint);
	if (weight_given)
		n += snprintf(canonical + n, MODEL_TEXT_MAX - (size_t)n, " weight=%u", t.weight);
	if (t.zone[0] != '\0')
		snprintf(canonical + n, MODEL_TEXT_MAX - (size_t)n, " zone=%s", t.zone);
	return append(&tg->targets, &tg->targets_n, &t, sizeof(t), error);
}

MODEL_VALUE_PARSER(model_parse_health_port)
{
	struct model_target_group *tg = (struct model_target_group *)object;
	uint64_t port = 0;

	(void)model;
	if (strcmp(value, "traffic-port") != 0 && (!words_number(value, 65535, &port) || port == 0))
		return model_refuse(error, "traffic-port, or 1 to 65535", "`%s` is not a port",
				    value);
	tg->health_check.port = (uint16_t)port;
	snprintf(canonical, MODEL_VALUE_MAX, "%s", value);
	return true;
}

/* C:elb-healthchecks: PROTOCOL:PORT, of HTTP and HTTPS with a path behind it. */
MODEL_VALUE_PARSER(model_parse_health_target)
{
	static const struct {
		const char *prefix;
		enum elb_protocol protocol;
	} kinds[] = {
		{"HTTP:", ELB_HTTP}, {"HTTPS:", ELB_HTTPS}, {"TCP:", ELB_TCP}, {"SSL:", ELB_SSL}};
	static const char *const allowed =
		"HTTP:PORT/PATH, HTTPS:PORT/PATH, TCP:PORT or SSL:PORT, such as HTTP:80/index.html";
	struct model_health_check *hc = &((struct model_load_balancer *)object)->health_check;
	const char *path = value + strcspn(value, "/");
	bool has_path;
	char port[8];

	(void)model;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);
		size_t len = (size_t)(path - value) - n;
		uint64_t number;

		if (strncmp(value, kinds[i].prefix, n) != 0)
			continue;
		has_path = i < 2;
		if (len >= sizeof(port) || (*path != '\0') != has_path ||
		    strlen(path) >= sizeof(hc->path) || path[strcspn(path, " \t#")] != '\0')
			break;
		snprintf(port, sizeof(port), "%.*s", (int)len, value + n);
		if (!words_number(port, 65535, &number) || number == 0)
			break;
		hc->protocol = kinds[i].protocol;
		hc->port = (uint16_t)number;
		snprintf(hc->path, sizeof(hc->path), "%s", has_path ? path : "/");
		snprintf(canonical, MODEL_VALUE_MAX, "%s", value);
		return true;
	}
	return model_refuse(error, allowed, "`%.100s` is nothing to check", value);
}

MODEL_VALUE_PARSER(model_parse_address_port)
{
	struct model_management *m = (struct model_management *)object;

	(void)model;
	m->http_port = 0;
	if (strcmp(value, "off") != 0 && !parse_endpoint(value, &m->http_addr, &m->http_port))
		return model_refuse(error, "ADDRESS:PORT, [IPV6]:PORT or off",
				    "`%s` is not an address and port", value);
	snprintf(m->address, sizeof(m->address), "%s", value);
	snprintf(canonical, MODEL_VALUE_MAX, "%s", value);
	return true;
}

/* Gateway endpoints. */

MODEL_VALUE_PARSER(model_parse_endpoint_interface)
{
	struct model_endpoint *e = (struct model_endpoint *)object;
	char name[MODEL_NAME_MAX] = "";

	(void)model;
	if (value[0] == '\0' || strlen(value) >= sizeof(name))
		return model_refuse(error, "the name of an [interface]",
				    "`%.100s` is not an interface's name", value);
	snprintf(name, sizeof(name), "%s", value);
	for (uint32_t k = 0; k < e->interfaces_n; k++) {
		if (strcmp(e->interfaces[k], name) == 0)
			return model_refuse(error, "each interface once",
					    "interface %s is named twice", name);
	}
	snprintf(canonical, MODEL_TEXT_MAX, "%s", name);
	return append(&e->interfaces, &e->interfaces_n, name, sizeof(name), error);
}

static bool
parse_id(const char *value, uint64_t *id, char canonical[MODEL_VALUE_MAX],
	 struct model_error *error)
{
	if (strlen(value) != 18 || strncmp(value, "0x", 2) != 0 ||
	    strspn(value + 2, "0123456789abcdefABCDEF") != 16)
		return model_refuse(error, "0x and 16 hexadecimal digits", "`%.100s` is not an id",
				    value);
	*id = strtoull(value, NULL, 16);
	snprintf(canonical, MODEL_TEXT_MAX, "0x%016llx", (unsigned long long)*id);
	return true;
}

MODEL_VALUE_PARSER(model_parse_endpoint_id)
{
	(void)model;
	return parse_id(value, &((struct model_endpoint *)object)->endpoint_id, canonical, error);
}

MODEL_VALUE_PARSER(model_parse_attachment_id)
{
	(void)model;
	return parse_id(value, &((struct model_endpoint *)object)->attachment_id, canonical, error);
}
