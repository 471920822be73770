/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void
log_put(struct log_line *l, const char *text, size_t len)
{
	if (l->failed || (size_t)(l->end - l->at) < len) {
		l->failed = true;
		return;
	}
	memcpy(l->at, text, len);
	l->at += len;
}

void
log_puts(struct log_line *l, const char *text)
{
	log_put(l, text, strlen(text));
}

void
log_put_escaped(struct log_line *l, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];
		char escaped[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

		if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\')
			log_put(l, text + i, 1);
		else
			log_put(l, escaped, 4);
	}
}

void
log_put_number(struct log_line *l, int64_t n)
{
	char text[24];

	log_put(l, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)n));
}

void
log_put_time(struct log_line *l, uint64_t us)
{
	time_t s = (time_t)(us / 1000000);
	char text[48];
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ".%06uZ", (unsigned)(us % 1000000));
	log_put(l, text, n);
}

/* `unit`: microseconds of the last of `decimals`. */
static void
put_duration(struct log_line *l, uint64_t from_us, uint64_t to_us, unsigned unit, int decimals)
{
	uint64_t us = to_us - from_us;
	char text[32];

	if (from_us == 0 || to_us < from_us) {
		log_puts(l, "-1");
		return;
	}
	log_put(l, text,
		(size_t)snprintf(text, sizeof(text), "%llu.%0*u",
				 (unsigned long long)(us / 1000000), decimals,
				 (unsigned)(us % 1000000 / unit)));
}

void
log_put_duration(struct log_line *l, uint64_t from_us, uint64_t to_us)
{
	put_duration(l, from_us, to_us, 1000, 3);
}

void
log_put_exact_duration(struct log_line *l, uint64_t from_us, uint64_t to_us)
{
	put_duration(l, from_us, to_us, 1, 6);
}

void
log_put_endpoint(struct log_line *l, const struct ip_addr *addr, uint16_t port)
{
	char text[IP_ADDR_TEXT_MAX];
	bool v6;

	ip_addr_format(addr, text);
	v6 = strchr(text, ':') != NULL;
	log_puts(l, v6 ? "[" : "");
	log_puts(l, text);
	log_puts(l, v6 ? "]:" : ":");
	log_put_number(l, port);
}

void
log_put_trace_id(struct log_line *l, uint64_t connection)
{
	char text[40];

	log_put(l, text,
		(size_t)snprintf(text, sizeof(text), "TID_%032llx",
				 (unsigned long long)connection));
}

size_t
log_line_len(const struct log_line *l)
{
	return l->failed ? 0 : (size_t)(l->at - l->begin);
}
