/* SPDX-License-Identifier: BSD-3-Clause */
/* X-Amzn-Trace-Id and Date. */
#include <string.h>

#include "http_put.h"
#include "http_write.h"

#define FIELDS_LEN_MAX 7168 /* beyond: nothing but Root */
#define ROOT_MAX       128

static void
put_hex(struct bytes_writer *w, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		bytes_put_u8(w, (uint8_t) "0123456789abcdef"[bytes[i] >> 4]);
		bytes_put_u8(w, (uint8_t) "0123456789abcdef"[bytes[i] & 15]);
	}
}

static void
put_id(struct bytes_writer *w, uint32_t epoch_s, const uint8_t *random)
{
	uint8_t time[4];

	bytes_store_be32(time, epoch_s);
	HTTP_PUT(w, "1-");
	put_hex(w, time, 4);
	bytes_put_u8(w, '-');
	put_hex(w, random, 12);
}

/* The next part between semicolons, without blanks around it. */
static bool
next_part(struct http_text *list, struct http_text *part)
{
	while (list->len > 0) {
		const uint8_t *p = list->at, *end = p + list->len;
		const uint8_t *semicolon = memchr(p, ';', list->len);
		const uint8_t *e = semicolon == NULL ? end : semicolon;

		list->at = semicolon == NULL ? end : semicolon + 1;
		list->len = (uint32_t)(end - list->at);
		while (p < e && (*p == ' ' || *p == '\t'))
			p++;
		while (p < e && (e[-1] == ' ' || e[-1] == '\t'))
			e--;
		*part = (struct http_text){p, (uint32_t)(e - p)};
		if (p < e)
			return true;
	}
	return false;
}

static bool
is_part(struct http_text part, const char *name)
{
	uint32_t n = (uint32_t)strlen(name);

	return part.len > n && http_text_is((struct http_text){part.at, n}, name);
}

static bool
is_printable(struct http_text t)
{
	for (uint32_t i = 0; i < t.len; i++) {
		if (t.at[i] < ' ' || t.at[i] > '~')
			return false;
	}
	return true;
}

/* What the request brought, but for Self. @return whether Root is among it. */
static bool
find_root(struct http_text list, struct http_text *root)
{
	struct http_text part;

	while (next_part(&list, &part)) {
		if (is_part(part, "root=") && part.len <= ROOT_MAX) {
			*root = part;
			return true;
		}
	}
	return false;
}

static void
put_parts(struct bytes_writer *w, struct http_text list)
{
	struct http_text part;

	while (next_part(&list, &part)) {
		if (is_part(part, "self="))
			continue;
		bytes_put_u8(w, ';');
		http_put_text(w, part);
	}
}

uint32_t
http_trace_id(uint8_t *to, const struct http_head *h, uint32_t epoch_s, const uint8_t *random)
{
	struct bytes_writer w = bytes_writer(to, HTTP_TRACE_ID_MAX);
	const struct http_field *f = http_find(h, HTTP_X_AMZN_TRACE_ID);
	struct http_text list = {0}, root;
	bool rooted = false;

	if (f != NULL && is_printable(http_field_value(h, f)))
		list = http_field_value(h, f);
	rooted = find_root(list, &root);
	if (h->len - h->fields_off > FIELDS_LEN_MAX)
		list.len = 0;
	if (list.len > 0) {
		if (rooted)
			HTTP_PUT(&w, "Self=");
		else
			HTTP_PUT(&w, "Root=");
		put_id(&w, epoch_s, random);
		put_parts(&w, list);
		if (!w.failed)
			return (uint32_t)(w.at - to);
		w = bytes_writer(to, HTTP_TRACE_ID_MAX);
	}
	if (rooted) {
		http_put_text(&w, root);
	} else {
		HTTP_PUT(&w, "Root=");
		put_id(&w, epoch_s, random);
	}
	return (uint32_t)(w.at - to);
}

static void
put_two(uint8_t *to, uint32_t n)
{
	to[0] = (uint8_t)('0' + n / 10);
	to[1] = (uint8_t)('0' + n % 10);
}

void
http_date(uint8_t to[HTTP_DATE_LEN], uint64_t epoch_s)
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t day = epoch_s / 86400;
	uint32_t second = (uint32_t)(epoch_s % 86400);
	/* Years begin in March here, so that a leap day is their last; eras of 400 years. */
	uint64_t z = day + 719468, era = z / 146097;
	uint32_t of_era = (uint32_t)(z % 146097);
	uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint32_t march = (5 * of_year + 2) / 153, month = march < 10 ? march + 2 : march - 10;
	uint32_t date = of_year - (153 * march + 2) / 5 + 1;

	year += (uint32_t)(era * 400) + (month < 2);
	memcpy(to, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN);
	memcpy(to, days + day % 7 * 3, 3);
	put_two(to + 5, date);
	memcpy(to + 8, months + month * 3, 3);
	put_two(to + 12, year / 100 % 100);
	put_two(to + 14, year % 100);
	put_two(to + 17, second / 3600);
	put_two(to + 20, second / 60 % 60);
	put_two(to + 23, second % 60);
}
