/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_record.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "alb.h"
#include "http_reason.h"

bool
alb_record_write(struct log_ring *ring, const struct alb_listener *listener,
		 const struct proxy_exchange *x, uint64_t wall_us, const struct snapshot *snapshot)
{
	const struct snapshot_target *target = snapshot_target(snapshot, x->record.target);
	const struct tcp_tuple *t = x->session->tuple;
	struct alb_record *r = log_ring_reserve(ring, (uint32_t)(sizeof(*r) + x->text_len));

	if (r == NULL)
		return false;
	*r = (struct alb_record){
		.load_balancer_id = listener->load_balancer_id,
		.group_id = x->record.group == 0 ? 0 : snapshot->groups[x->record.group].id,
		.wall_us = wall_us,
		.session = x->session->number,
		.client = t->remote,
		.local = t->local,
		.client_port = ntohs(t->remote_port_be),
		.listener_port = ntohs(t->local_port_be),
		.af = t->af,
		.https = listener->policy.https,
		.record = x->record,
		.text_len = x->text_len};
	if (target != NULL) {
		r->target = target->addr;
		r->target_port = ntohs(target->port_be);
		r->target_af = target->af;
	}
	memcpy(r->text, x->text, x->text_len);
	log_ring_commit(ring);
	return true;
}

/* A line being written; nothing is written once it doesn't fit. */
struct line {
	char *at, *end;
	bool failed;
};

static void
put(struct line *l, const char *text, size_t len)
{
	if (l->failed || (size_t)(l->end - l->at) < len) {
		l->failed = true;
		return;
	}
	memcpy(l->at, text, len);
	l->at += len;
}

static void
puts_to(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* Bytes that could break a line or a quoted field are \xHH. */
static void
put_escaped(struct line *l, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];
		char escaped[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

		if (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\')
			put(l, text + i, 1);
		else
			put(l, escaped, 4);
	}
}

static void
put_number(struct line *l, int64_t n)
{
	char text[24];

	put(l, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)n));
}

/* ISO 8601 with microseconds, as ELB's. */
static void
put_time(struct line *l, uint64_t us)
{
	time_t s = (time_t)(us / 1000000);
	char text[48];
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(text + n, sizeof(text) - n, ".%06uZ", (unsigned)(us % 1000000));
	put(l, text, n);
}

/* Seconds with millisecond precision; -1: it did not come to that. */
static void
put_duration(struct line *l, uint64_t from_us, uint64_t to_us)
{
	char text[32];

	if (from_us == 0 || to_us < from_us) {
		puts_to(l, "-1");
		return;
	}
	put(l, text,
	    (size_t)snprintf(text, sizeof(text), "%llu.%03u",
			     (unsigned long long)((to_us - from_us) / 1000000),
			     (unsigned)((to_us - from_us) / 1000 % 1000)));
}

static void
put_endpoint(struct line *l, const struct ip_addr *addr, uint16_t port)
{
	char text[IP_ADDR_TEXT_MAX];
	bool v6;

	ip_addr_format(addr, text);
	v6 = strchr(text, ':') != NULL;
	puts_to(l, v6 ? "[" : "");
	puts_to(l, text);
	puts_to(l, v6 ? "]:" : ":");
	put_number(l, port);
}

static void
put_quoted(struct line *l, const struct alb_record *r, struct proxy_text t)
{
	puts_to(l, "\"");
	if (t.len == 0)
		puts_to(l, "-");
	else
		put_escaped(l, r->text + t.at, t.len);
	puts_to(l, "\"");
}

/* Field 13: "method scheme://host:port/uri version". */
static void
put_request(struct line *l, const struct alb_record *r)
{
	const struct proxy_record *p = &r->record;
	const char *uri = r->text + p->target_uri.at;
	bool absolute = p->target_uri.len > 0 && uri[0] != '/' && uri[0] != '*';

	if (p->method.len == 0) {
		puts_to(l, "\"- ");
		puts_to(l, r->https ? "https://" : "http://");
		put_endpoint(l, &r->local, r->listener_port);
		puts_to(l, "- -\"");
		return;
	}
	puts_to(l, "\"");
	put_escaped(l, r->text + p->method.at, p->method.len);
	puts_to(l, " ");
	if (!absolute) {
		const char *host = r->text + p->host.at;

		puts_to(l, r->https ? "https://" : "http://");
		put_escaped(l, host, p->host.len);
		if (memchr(host, ':', p->host.len) == NULL) {
			puts_to(l, ":");
			put_number(l, r->listener_port);
		}
	}
	put_escaped(l, uri, p->target_uri.len);
	puts_to(l, p->http_version == 10  ? " HTTP/1.0\""
		   : p->http_version == 9 ? " HTTP/0.9\""
					  : " HTTP/1.1\"");
}

static void
put_actions(struct line *l, uint8_t actions)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {{ALB_ACTION_REWRITE, "rewrite"},
		     {ALB_ACTION_FORWARD, "forward"},
		     {ALB_ACTION_REDIRECT, "redirect"},
		     {ALB_ACTION_FIXED_RESPONSE, "fixed-response"}};
	bool any = false;

	puts_to(l, "\"");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((actions & names[i].bit) == 0)
			continue;
		puts_to(l, any ? "," : "");
		puts_to(l, names[i].name);
		any = true;
	}
	puts_to(l, any ? "\"" : "-\"");
}

static void
put_status(struct line *l, uint16_t status)
{
	if (status == 0)
		puts_to(l, "-");
	else
		put_number(l, status);
}

static void
put_target(struct line *l, const struct alb_record *r)
{
	if (r->target_af == 0)
		puts_to(l, "-");
	else
		put_endpoint(l, &r->target, r->target_port);
}

size_t
alb_record_format(const struct alb_record *r, const struct alb_record_names *names, char *out,
		  size_t size)
{
	const struct proxy_record *p = &r->record;
	uint64_t sent = p->sent_us, answered = p->target_status != 0 ? p->answered_us : 0;
	struct line line = {.at = out, .end = out + size}, *l = &line;
	char id[40];

	puts_to(l, p->upgraded ? (r->https ? "wss " : "ws ") : r->https ? "https " : "http ");
	put_time(l, r->wall_us + p->ended_us);
	puts_to(l, " ");
	puts_to(l, names->load_balancer);
	puts_to(l, " ");
	put_endpoint(l, &r->client, r->client_port);
	puts_to(l, " ");
	put_target(l, r);
	puts_to(l, " ");
	put_duration(l, sent != 0 ? p->created_us : 0, sent);
	puts_to(l, " ");
	put_duration(l, sent, answered);
	puts_to(l, " ");
	put_duration(l, answered, p->ended_us);
	puts_to(l, " ");
	put_status(l, p->elb_status);
	puts_to(l, " ");
	put_status(l, p->target_status);
	puts_to(l, " ");
	put_number(l, (int64_t)p->received_bytes);
	puts_to(l, " ");
	put_number(l, (int64_t)p->sent_bytes);
	puts_to(l, " ");
	put_request(l, r);
	puts_to(l, " ");
	put_quoted(l, r, p->user_agent);
	puts_to(l, " - - ");
	puts_to(l, names->target_group_arn);
	puts_to(l, " ");
	put_quoted(l, r, p->trace_id);
	puts_to(l, " \"-\" \"-\" ");
	put_number(l, p->rule_priority);
	puts_to(l, " ");
	put_time(l, r->wall_us + p->created_us);
	puts_to(l, " ");
	put_actions(l, p->actions);
	puts_to(l, " ");
	put_quoted(l, r, p->redirect_url);
	puts_to(l, " \"-\" \"");
	put_target(l, r);
	puts_to(l, "\" \"");
	put_status(l, p->target_status);
	puts_to(l, "\" \"");
	puts_to(l, p->classification == HTTP_COMPLIANT
			   ? "-"
			   : http_class_name((enum http_class)p->classification));
	puts_to(l, "\" \"");
	puts_to(l, http_reason_name((enum http_reason)p->classification_reason));
	snprintf(id, sizeof(id), "\" TID_%032llx ", (unsigned long long)r->session);
	puts_to(l, id);
	put_quoted(l, r, p->transformed_host);
	puts_to(l, " ");
	put_quoted(l, r, p->transformed_uri);
	puts_to(l, " \"");
	puts_to(l, alb_transform_status_name((enum alb_transform_status)p->transform_status));
	puts_to(l, "\"\n");
	return l->failed ? 0 : (size_t)(l->at - out);
}
