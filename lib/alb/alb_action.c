/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_action.h"

#include <stdio.h>
#include <string.h>

#include "alb_compiled.h"

uint32_t
alb_forward_choose(const struct alb_action *a, uint32_t random)
{
	uint32_t at = (uint32_t)((uint64_t)random * a->weight_sum >> 32);

	if (a->weight_sum == 0)
		return a->forwards_n;
	for (uint32_t i = 0;; i++) {
		if (at < a->forwards[i].weight_end)
			return i;
	}
}

uint32_t
alb_forward_find(const struct alb_action *a, uint64_t target_group_id)
{
	for (uint32_t i = 0; i < a->forwards_n; i++) {
		uint32_t before = i == 0 ? 0 : a->forwards[i - 1].weight_end;

		if (a->forwards[i].target_group_id == target_group_id)
			return a->forwards[i].weight_end > before ? i : a->forwards_n;
	}
	return a->forwards_n;
}

/* Redirects. */

struct url {
	char *at, *end;
	bool failed; /* it didn't fit */
};

static void
put(struct url *u, char c)
{
	if (u->at == u->end)
		u->failed = true;
	else
		*u->at++ = c;
}

/* A request's bytes: what must not stand in a URL is percent-encoded. */
static void
put_text(struct url *u, struct alb_text text)
{
	static const char digits[] = "0123456789ABCDEF";

	for (uint32_t i = 0; i < text.len; i++) {
		uint8_t c = (uint8_t)text.at[i];

		if (c > 0x20 && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL) {
			put(u, (char)c);
			continue;
		}
		put(u, '%');
		put(u, digits[c >> 4]);
		put(u, digits[c & 15]);
	}
}

static struct alb_text
text_of(const char *text)
{
	return (struct alb_text){text, (uint32_t)strlen(text)};
}

/* Values of the variables. */
struct variables {
	struct alb_text protocol, host, port, path, query;
};

static bool
take(const char **at, const char *variable)
{
	size_t n = strlen(variable);

	if (strncmp(*at, variable, n) != 0)
		return false;
	*at += n;
	return true;
}

static void
put_template(struct url *u, const char *at, const struct variables *v)
{
	while (*at != '\0' && !u->failed) {
		if (take(&at, "#{protocol}"))
			put_text(u, v->protocol);
		else if (take(&at, "#{host}"))
			put_text(u, v->host);
		else if (take(&at, "#{port}"))
			put_text(u, v->port);
		else if (take(&at, "#{path}"))
			put_text(u, v->path);
		else if (take(&at, "#{query}"))
			put_text(u, v->query);
		else
			put_text(u, (struct alb_text){at++, 1});
	}
}

static struct alb_text
without_port(struct alb_text host)
{
	uint32_t n = host.len;

	while (n > 0 && host.at[n - 1] >= '0' && host.at[n - 1] <= '9')
		n--;
	if (n > 1 && host.at[n - 1] == ':')
		host.len = n - 1;
	return host;
}

static void
put_query(struct url *u, const char *template, const struct variables *v)
{
	struct url nothing = {.at = u->at, .end = u->at};

	put_template(&nothing, template, v);
	if (!nothing.failed)
		return; /* it came out empty: no question mark */
	put(u, '?');
	put_template(u, template, v);
}

uint32_t
alb_redirect_url(const struct model_redirect *r, const struct alb_request *request, bool https,
		 uint16_t port, char *out, uint32_t size)
{
	struct url u = {.at = out, .end = out + size};
	char port_text[8];
	struct variables v = {.protocol = text_of(https ? "https" : "http"),
			      .host = without_port(request->host),
			      .path = request->path,
			      .query = request->query};

	snprintf(port_text, sizeof(port_text), "%u", port);
	v.port = text_of(port_text);
	if (v.path.len > 0 && v.path.at[0] == '/')
		v.path = (struct alb_text){v.path.at + 1, v.path.len - 1};
	put_template(&u,
		     strcmp(r->protocol, "HTTP") == 0    ? "http"
		     : strcmp(r->protocol, "HTTPS") == 0 ? "https"
							 : r->protocol,
		     &v);
	put_text(&u, text_of("://"));
	put_template(&u, r->host, &v);
	put(&u, ':');
	put_template(&u, r->port, &v);
	put_template(&u, r->path, &v);
	put_query(&u, r->query, &v);
	return u.failed ? 0 : (uint32_t)(u.at - out);
}
