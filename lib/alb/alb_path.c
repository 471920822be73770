/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_path.h"

#include <string.h>

static bool
is_normal(struct alb_text path)
{
	for (uint32_t i = 0; i < path.len; i++) {
		if (path.at[i] == '%' || (path.at[i] == '.' && (i == 0 || path.at[i - 1] == '/')))
			return false;
	}
	return true;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 section 2.3. */
static bool
is_unreserved(int c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80) ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static uint32_t
decode(struct alb_text path, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	uint32_t n = 0;

	for (uint32_t i = 0; i < path.len; i++) {
		int high, low;

		out[n++] = path.at[i];
		if (path.at[i] != '%' || i + 2 >= path.len)
			continue;
		high = hex(path.at[i + 1]);
		low = hex(path.at[i + 2]);
		if (high < 0 || low < 0)
			continue;
		i += 2;
		if (is_unreserved(high << 4 | low)) {
			out[n - 1] = (char)(high << 4 | low);
		} else {
			out[n++] = digits[high];
			out[n++] = digits[low];
		}
	}
	return n;
}

/* Whether a dot segment of `dots` dots begins at `i`. */
static bool
is_dots(const char *at, uint32_t n, uint32_t i, uint32_t dots)
{
	for (uint32_t k = 0; k < dots; k++) {
		if (i + k >= n || at[i + k] != '.')
			return false;
	}
	return i + dots == n || at[i + dots] == '/';
}

/* RFC 3986 section 5.2.4, in place; the path begins with a slash. */
static uint32_t
remove_dots(char *at, uint32_t n)
{
	uint32_t out = 0, i = 0;

	while (i < n) {
		if (at[i] == '/' && is_dots(at, n, i + 1, 1)) {
			i += 2;
		} else if (at[i] == '/' && is_dots(at, n, i + 1, 2)) {
			i += 3;
			while (out > 0 && at[--out] != '/')
				;
		} else {
			do {
				at[out++] = at[i++];
			} while (i < n && at[i] != '/');
			continue;
		}
		if (i == n)
			at[out++] = '/';
	}
	return out;
}

struct alb_text
alb_path_normalize(struct alb_text path, char *buffer)
{
	uint32_t n;

	if (is_normal(path) || path.len > ALB_TEXT_MAX)
		return path;
	n = decode(path, buffer);
	if (n > 0 && buffer[0] == '/')
		n = remove_dots(buffer, n);
	return (struct alb_text){buffer, n};
}
