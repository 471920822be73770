/* SPDX-License-Identifier: BSD-3-Clause */
#include "alb_record.h"

#include "alb.h"
#include "alb_error.h"
#include "http_reason.h"

static void
put_actions(struct log_line *l, uint8_t actions)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} names[] = {{ALB_ACTION_REWRITE, "rewrite"},
		     {ALB_ACTION_FORWARD, "forward"},
		     {ALB_ACTION_REDIRECT, "redirect"},
		     {ALB_ACTION_FIXED_RESPONSE, "fixed-response"}};
	bool any = false;

	log_puts(l, "\"");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((actions & names[i].bit) == 0)
			continue;
		log_puts(l, any ? "," : "");
		log_puts(l, names[i].name);
		any = true;
	}
	log_puts(l, any ? "\"" : "-\"");
}

size_t
alb_record_format(const struct service_record *r, const struct alb_record_names *names, char *out,
		  size_t size)
{
	const struct proxy_record *p = &r->record;
	struct log_line line = log_line(out, size), *l = &line;

	log_puts(l, p->upgraded             ? (r->https ? "wss " : "ws ")
		    : p->grpc               ? "grpcs "
		    : p->http_version == 20 ? "h2 "
		    : r->https              ? "https "
					    : "http ");
	log_put_time(l, r->wall_us + p->ended_us);
	log_puts(l, " ");
	log_puts(l, names->load_balancer);
	log_puts(l, " ");
	service_record_put(l, r, p->received_bytes, p->sent_bytes);
	log_puts(l, " ");
	log_puts(l, names->target_group_arn);
	log_puts(l, " ");
	service_record_put_quoted(l, r, p->trace_id);
	log_puts(l, " ");
	service_record_put_quoted(
		l, r, (struct proxy_text){.at = (uint16_t)r->text_len, .len = r->sni_len});
	log_puts(l, " \"");
	log_puts(l, r->tls_certificate[0] == '\0' ? "-" : r->tls_certificate);
	log_puts(l, "\" ");
	log_put_number(l, p->rule_priority);
	log_puts(l, " ");
	log_put_time(l, r->wall_us + p->created_us);
	log_puts(l, " ");
	put_actions(l, p->actions);
	log_puts(l, " ");
	service_record_put_quoted(l, r, p->redirect_url);
	log_puts(l, " \"");
	log_puts(l, alb_error_name(p->error));
	log_puts(l, "\" \"");
	service_record_put_target(l, r);
	log_puts(l, "\" \"");
	service_record_put_status(l, p->target_status);
	log_puts(l, "\" \"");
	log_puts(l, p->classification == HTTP_COMPLIANT
			    ? "-"
			    : http_class_name((enum http_class)p->classification));
	log_puts(l, "\" \"");
	log_puts(l, http_reason_name((enum http_reason)p->classification_reason));
	log_puts(l, "\" ");
	log_put_trace_id(l, r->connection);
	log_puts(l, " ");
	service_record_put_quoted(l, r, p->transformed_host);
	log_puts(l, " ");
	service_record_put_quoted(l, r, p->transformed_uri);
	log_puts(l, " \"");
	log_puts(l, alb_transform_status_name((enum alb_transform_status)p->transform_status));
	log_puts(l, "\"\n");
	return log_line_len(l);
}
