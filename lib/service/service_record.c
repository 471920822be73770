/* SPDX-License-Identifier: BSD-3-Clause */
#include "service_record.h"

#include <arpa/inet.h>
#include <string.h>

#include "service_http.h"
#include "tls.h"

/* What the handshake agreed on. */
static void
keep_tls(struct service_record *r, const struct tls *tls)
{
	const struct tls_credentials *chosen = tls_chosen(tls);

	log_record_keep(r->tls_protocol, sizeof(r->tls_protocol), tls_protocol(tls));
	log_record_keep(r->tls_cipher, sizeof(r->tls_cipher), tls_cipher(tls));
	if (chosen != NULL)
		log_record_keep(r->tls_certificate, sizeof(r->tls_certificate),
				tls_credentials_info(chosen)->name);
}

static void
keep_target(struct service_record *r, const struct snapshot_target *target)
{
	if (target == NULL)
		return;
	r->target = target->addr;
	r->target_port = ntohs(target->port_be);
	r->target_af = target->af;
}

bool
service_record_write(const struct service_log *log, const struct service_http_listener *listener,
		     const struct proxy_exchange *x, const struct snapshot *snapshot)
{
	const struct tcp_tuple *t = x->session->tuple;
	const struct tls *tls = x->session->tls;
	const char *sni = tls == NULL ? NULL : tls_sni(tls);
	uint32_t sni_len = sni == NULL ? 0 : (uint32_t)strlen(sni);
	struct service_record *r =
		log_ring_reserve(log->ring, (uint32_t)(sizeof(*r) + x->text_len + sni_len));

	if (r == NULL)
		return false;
	*r = (struct service_record){
		.head = {listener->load_balancer_id, listener->kind->log},
		.group_id = x->record.group == 0 ? 0 : snapshot->groups[x->record.group].id,
		.wall_us = log->wall_us,
		.connection = log->first_connection + x->session->number,
		.client = t->remote,
		.local = t->local,
		.client_port = ntohs(t->remote_port_be),
		.listener_port = ntohs(t->local_port_be),
		.af = t->af,
		.https = listener->policy.https,
		.sni_len = (uint8_t)sni_len,
		.record = x->record,
		.text_len = x->text_len};
	r->record.elb_status = service_http_status(listener, &x->record);
	if (tls != NULL)
		keep_tls(r, tls);
	keep_target(r, snapshot_target(snapshot, x->record.target));
	memcpy(r->text, x->text, x->text_len);
	if (sni_len > 0)
		memcpy(r->text + x->text_len, sni, sni_len);
	log_ring_commit(log->ring);
	return true;
}

bool
service_record_write_connection(const struct service_log *log, uint64_t load_balancer_id,
				const struct proxy_conduit_record *c,
				const struct snapshot *snapshot)
{
	const struct tcp_tuple *t = c->session.tuple;
	struct service_record *r = log_ring_reserve(log->ring, sizeof(*r));

	if (r == NULL)
		return false;
	*r = (struct service_record){.head = {load_balancer_id, LOG_CLASSIC},
				     .wall_us = log->wall_us,
				     .client = t->remote,
				     .local = t->local,
				     .client_port = ntohs(t->remote_port_be),
				     .listener_port = ntohs(t->local_port_be),
				     .af = t->af,
				     .is_conduit = true};
	r->connecting_us = c->connecting_us;
	r->connected_us = c->connected_us;
	/* What the instance says goes on in the turn that it comes in. */
	r->record = (struct proxy_record){.created_us = c->session.begun_us,
					  .sent_us = c->sent_us,
					  .answered_us = c->answered_us,
					  .ended_us = c->answered_us,
					  .received_bytes = c->received_bytes,
					  .sent_bytes = c->sent_bytes};
	if (c->session.negotiated_us != 0)
		keep_tls(r, c->session.tls);
	keep_target(r, snapshot_target(snapshot, c->target));
	log_ring_commit(log->ring);
	return true;
}

/* What was cut is marked by how many bytes there were more: `\+N`, which no text can have. */
static void
put_text(struct log_line *l, const struct service_record *r, struct proxy_text t)
{
	log_put_escaped(l, r->text + t.at, t.len);
	if (t.more == 0)
		return;
	log_puts(l, "\\+");
	log_put_number(l, t.more);
}

void
service_record_put_quoted(struct log_line *l, const struct service_record *r, struct proxy_text t)
{
	log_puts(l, "\"");
	if (t.len == 0 && t.more == 0)
		log_puts(l, "-");
	else
		put_text(l, r, t);
	log_puts(l, "\"");
}

static void
put_http_text(struct log_line *l, struct http_text t)
{
	log_put_escaped(l, (const char *)t.at, t.len);
}

/* `host:port`: the listener's unless it is named. */
static void
put_host(struct log_line *l, const struct service_record *r, struct http_text host)
{
	struct http_text name, port;

	http_host_split(host, &name, &port);
	put_http_text(l, name);
	log_puts(l, ":");
	if (port.len > 0)
		put_http_text(l, port);
	else
		log_put_number(l, r->listener_port);
}

/* Of an absolute target: the length of `scheme://`, 0 for others, and of the authority. */
static uint32_t
scheme_len(struct http_text target, uint32_t *authority)
{
	uint32_t n = 0, end;

	while (n + 3 <= target.len && memcmp(target.at + n, "://", 3) != 0) {
		if (target.at[n] == '/' || target.at[n] == '?')
			return 0;
		n++;
	}
	if (n + 3 > target.len)
		return 0;
	end = n += 3;
	while (end < target.len && target.at[end] != '/' && target.at[end] != '?')
		end++;
	*authority = end - n;
	return n;
}

/* `scheme://host:port` of a request that has one, and how much of the target that was. */
static uint16_t
put_origin(struct log_line *l, const struct service_record *r)
{
	const struct proxy_record *p = &r->record;
	struct http_text target = {(const uint8_t *)r->text + p->target_uri.at, p->target_uri.len};
	struct http_text host = {(const uint8_t *)r->text + p->host.at, p->host.len};
	uint32_t authority, scheme = scheme_len(target, &authority);

	if (scheme > 0) {
		put_http_text(l, (struct http_text){target.at, scheme});
		put_host(l, r, (struct http_text){target.at + scheme, authority});
		return (uint16_t)(scheme + authority);
	}
	/* The authority that CONNECT names stands alone. */
	if (target.len == 0 || (target.at[0] != '/' && target.at[0] != '*'))
		return 0;
	log_puts(l, r->https ? "https://" : "http://");
	put_host(l, r, host);
	return 0;
}

/* Field 13: "method scheme://host:port/uri version". */
static void
put_request(struct log_line *l, const struct service_record *r)
{
	const struct proxy_record *p = &r->record;
	struct proxy_text uri = p->target_uri;
	uint16_t origin;

	if (r->is_conduit) {
		log_puts(l, "\"- - - \"");
		return;
	}
	if (p->method.len == 0) {
		log_puts(l, "\"- ");
		log_puts(l, r->https ? "https://" : "http://");
		log_put_endpoint(l, &r->local, r->listener_port);
		log_puts(l, "- -\"");
		return;
	}
	log_puts(l, "\"");
	put_text(l, r, p->method);
	log_puts(l, " ");
	origin = put_origin(l, r);
	uri.at = (uint16_t)(uri.at + origin);
	uri.len = (uint16_t)(uri.len - origin);
	put_text(l, r, uri);
	log_puts(l, p->http_version == 20   ? " HTTP/2.0\""
		    : p->http_version == 10 ? " HTTP/1.0\""
		    : p->http_version == 9  ? " HTTP/0.9\""
					    : " HTTP/1.1\"");
}

void
service_record_put_status(struct log_line *l, uint16_t status)
{
	if (status == 0)
		log_puts(l, "-");
	else
		log_put_number(l, status);
}

void
service_record_put_target(struct log_line *l, const struct service_record *r)
{
	if (r->target_af == 0)
		log_puts(l, "-");
	else
		log_put_endpoint(l, &r->target, r->target_port);
}

static const char *
or_none(const char *text)
{
	return text[0] == '\0' ? "-" : text;
}

/*
 * C23:access-log-collection: of a TCP or SSL listener the second one is how long it took to connect
 * to the instance.
 */
static void
put_times(struct log_line *l, const struct service_record *r)
{
	void (*put)(struct log_line *, uint64_t, uint64_t) =
		r->head.kind == LOG_CLASSIC ? log_put_exact_duration : log_put_duration;
	const struct proxy_record *p = &r->record;
	uint64_t sent = p->sent_us;
	uint64_t answered = r->is_conduit || p->target_status != 0 ? p->answered_us : 0;

	put(l, sent != 0 ? p->created_us : 0, sent);
	log_puts(l, " ");
	if (r->is_conduit)
		put(l, r->connecting_us, r->connected_us);
	else
		put(l, sent, answered);
	log_puts(l, " ");
	put(l, answered, p->ended_us);
}

void
service_record_put(struct log_line *l, const struct service_record *r, uint64_t received_bytes,
		   uint64_t sent_bytes)
{
	const struct proxy_record *p = &r->record;

	log_put_endpoint(l, &r->client, r->client_port);
	log_puts(l, " ");
	service_record_put_target(l, r);
	log_puts(l, " ");
	put_times(l, r);
	log_puts(l, " ");
	service_record_put_status(l, p->elb_status);
	log_puts(l, " ");
	service_record_put_status(l, p->target_status);
	log_puts(l, " ");
	log_put_number(l, (int64_t)received_bytes);
	log_puts(l, " ");
	log_put_number(l, (int64_t)sent_bytes);
	log_puts(l, " ");
	put_request(l, r);
	log_puts(l, " ");
	service_record_put_quoted(l, r, p->user_agent);
	log_puts(l, " ");
	log_puts(l, or_none(r->tls_cipher));
	log_puts(l, " ");
	log_puts(l, or_none(r->tls_protocol));
}
