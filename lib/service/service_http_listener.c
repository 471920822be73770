/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "http_verdict.h"
#include "service_http.h"

/* ELB names its own DNS name; weir has an address. */
static void
read_default_host(struct service_http_listener *l, const struct model_load_balancer *lb)
{
	char address[IP_ADDR_TEXT_MAX] = "";

	if (lb->addresses_n > 0)
		ip_addr_format(&lb->addresses[0].addr, address);
	snprintf(l->default_host, sizeof(l->default_host),
		 strchr(address, ':') != NULL ? "[%s]" : "%s", address);
}

void
service_http_listener_init(struct service_http_listener *l, const struct service_http_kind *kind,
			   const struct model_load_balancer *lb, const struct model_listener *ml)
{
	static const uint8_t desync_modes[] = {[DESYNC_MONITOR] = HTTP_DESYNC_MONITOR,
					       [DESYNC_DEFENSIVE] = HTTP_DESYNC_DEFENSIVE,
					       [DESYNC_STRICTEST] = HTTP_DESYNC_STRICTEST};

	l->service.terminates = SNAPSHOT_ENDS_HTTP;
	l->kind = kind;
	l->load_balancer_id = lb->id;
	l->log_access = lb->access_log.enabled;
	l->settings = (struct proxy_listener_settings){
		.idle_timeout_ms = lb->idle_timeout_s * 1000,
		.client_keep_alive_s = lb->client_keep_alive_s,
		.header_timeout_ms = lb->header_timeout_s * 1000,
		.body_min_bytes_per_s = lb->body_min_bytes_per_second};
	read_default_host(l, lb);
	l->policy = (struct http_policy){.desync_mode = desync_modes[lb->desync_mode],
					 .port = ml->port,
					 .https = ml->protocol == ELB_HTTPS,
					 .default_host = http_text_string(l->default_host)};
}
