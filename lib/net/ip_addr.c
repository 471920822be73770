/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip_addr.h"

#include <arpa/inet.h>
#include <stdio.h>

bool
ip_addr_is_unspecified(const struct ip_addr *a)
{
	static const uint8_t zero[16];

	if (ip_addr_is_v4(a))
		return memcmp(&a->b[12], zero, 4) == 0;
	return memcmp(a->b, zero, 16) == 0;
}

bool
ip_addr_is_multicast(const struct ip_addr *a)
{
	if (ip_addr_is_v4(a))
		return (a->b[12] & 0xf0) == 0xe0;
	return a->b[0] == 0xff;
}

bool
ip_addr_is_loopback(const struct ip_addr *a)
{
	static const uint8_t loopback[16] = {[15] = 1};

	if (ip_addr_is_v4(a))
		return a->b[12] == 127;
	return memcmp(a->b, loopback, 16) == 0;
}

bool
ip_addr_is_link_local(const struct ip_addr *a)
{
	if (ip_addr_is_v4(a))
		return a->b[12] == 169 && a->b[13] == 254;
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

bool
ip_addr_is_martian_source(const struct ip_addr *a)
{
	static const uint8_t broadcast[4] = {0xff, 0xff, 0xff, 0xff};

	if (ip_addr_is_v4(a) && (a->b[12] == 0 || memcmp(&a->b[12], broadcast, 4) == 0))
		return true;
	return ip_addr_is_unspecified(a) || ip_addr_is_multicast(a) || ip_addr_is_loopback(a);
}

bool
ip_addr_parse(const char *text, struct ip_addr *a)
{
	uint8_t wire[16];

	if (inet_pton(AF_INET, text, wire) == 1) {
		*a = ip_addr_from_v4(wire);
		return true;
	}
	if (inet_pton(AF_INET6, text, wire) == 1) {
		*a = ip_addr_from_v6(wire);
		return !ip_addr_is_v4(a); /* a mapped address has one spelling: the IPv4 one */
	}
	return false;
}

bool
ip_prefix_parse(const char *text, struct ip_prefix *p)
{
	const char *slash = strchr(text, '/');
	char addr[IP_ADDR_TEXT_MAX];
	unsigned len = 0, max;

	if (slash == NULL) {
		if (!ip_addr_parse(text, &p->addr))
			return false;
		p->len = 128;
		return true;
	}
	if ((size_t)(slash - text) >= sizeof(addr))
		return false;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (!ip_addr_parse(addr, &p->addr))
		return false;
	max = ip_addr_is_v4(&p->addr) ? 32 : 128;
	if (slash[1] == '\0' || strlen(slash + 1) > 3)
		return false;
	for (const char *c = slash + 1; *c != '\0'; c++) {
		if (*c < '0' || *c > '9')
			return false;
		len = len * 10 + (unsigned)(*c - '0');
	}
	if (len > max)
		return false;
	p->len = (uint8_t)(len + (128 - max));
	return true;
}

const char *
ip_addr_format(const struct ip_addr *a, char *text)
{
	int af = ip_addr_is_v4(a) ? AF_INET : AF_INET6;

	if (inet_ntop(af, ip_addr_wire(a), text, IP_ADDR_TEXT_MAX) == NULL)
		text[0] = '\0';
	return text;
}

const char *
ip_prefix_format(const struct ip_prefix *p, char *text)
{
	size_t n;

	ip_addr_format(&p->addr, text);
	n = strlen(text);
	snprintf(text + n, IP_ADDR_TEXT_MAX - n, "/%u", (unsigned)ip_prefix_family_len(p));
	return text;
}

bool
ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || ((p->addr.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}

struct ip_prefix
ip_prefix_network(const struct ip_prefix *p)
{
	struct ip_prefix net = *p;

	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = p->len > 8 * i ? p->len - 8 * i : 0;

		if (keep < 8)
			net.addr.b[i] &= (uint8_t)(0xff00 >> keep);
	}
	return net;
}
