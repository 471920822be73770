/* SPDX-License-Identifier: BSD-3-Clause */
#include "operation_json.h"

#include <arpa/inet.h>
#include <string.h>

static bool
add_endpoint(struct capture_settings *settings, const struct ip_addr *addr, uint16_t port_be)
{
	struct capture_endpoint *e = &settings->endpoints[settings->endpoints_n];

	if (settings->endpoints_n == CAPTURE_ENDPOINTS)
		return false;
	settings->endpoints_n++;
	e->any_addr = addr == NULL;
	if (addr != NULL)
		e->addr = *addr;
	e->port_be = port_be;
	return true;
}

/* Of a gateway load balancer: what goes to its appliances and comes from them. */
static bool
add_appliances(struct management *m, const struct model_listener *l,
	       struct capture_settings *settings)
{
	const struct model_target_group *tg =
		l->default_action.forwards_n == 0
			? NULL
			: model_target_group_by_id(m->model,
						   l->default_action.forwards[0].target_group_id);

	for (uint32_t k = 0; tg != NULL && k < tg->targets_n; k++) {
		if (!add_endpoint(settings, &tg->targets[k].addr, htons(tg->targets[k].port)))
			return false;
	}
	return true;
}

static bool
add_listener_endpoints(struct management *m, const char *name, struct capture_settings *settings)
{
	const struct model_listener *l = model_listener(m->model, name);
	const struct model_load_balancer *lb =
		l == NULL ? NULL : model_load_balancer_by_id(m->model, l->load_balancer_id);

	if (lb == NULL)
		return false;
	for (uint32_t k = 0; k < lb->addresses_n; k++) {
		if (!add_endpoint(settings, &lb->addresses[k].addr, htons(l->port)))
			return false;
	}
	return lb->type != LB_GATEWAY || add_appliances(m, l, settings);
}

/* ADDRESS, ADDRESS:PORT or [IPV6]:PORT. */
static bool
parse_endpoint(const char *text, struct ip_addr *addr, uint16_t *port_be)
{
	char host[IP_ADDR_TEXT_MAX];
	const char *end, *begin = text;
	unsigned port = 0;

	*port_be = 0;
	if (ip_addr_parse(text, addr))
		return true;
	if (*text == '[') {
		begin = text + 1;
		end = strchr(text, ']');
		if (end == NULL || end[1] != ':' || sscanf(end + 2, "%u", &port) != 1)
			return false;
	} else {
		end = strrchr(text, ':');
		if (end == NULL || sscanf(end + 1, "%u", &port) != 1)
			return false;
	}
	if ((size_t)(end - begin) >= sizeof(host) || port > 65535)
		return false;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	*port_be = htons((uint16_t)port);
	return ip_addr_parse(host, addr);
}

static bool
parse_filter(struct management *m, json_t *filter, struct capture_settings *settings, char *message,
	     size_t message_len)
{
	const char *address = json_text(filter, "address"),
		   *listener = json_text(filter, "listener");
	const char *target = json_text(filter, "target");
	json_int_t port = json_integer_value(json_object_get(filter, "port"));
	struct ip_addr addr;
	uint16_t port_be;

	if (port < 0 || port > 65535) {
		snprintf(message, message_len, "port %lld is not between 1 and 65535",
			 (long long)port);
		return false;
	}
	if (listener != NULL && !add_listener_endpoints(m, listener, settings)) {
		snprintf(message, message_len, "no listener is named %s (LOAD_BALANCER:PORT)",
			 listener);
		return false;
	}
	if (target != NULL &&
	    (!parse_endpoint(target, &addr, &port_be) || !add_endpoint(settings, &addr, port_be))) {
		snprintf(message, message_len, "target %s is not ADDRESS:PORT", target);
		return false;
	}
	if (address != NULL && (!ip_addr_parse(address, &addr) ||
				!add_endpoint(settings, &addr, htons((uint16_t)port)))) {
		snprintf(message, message_len, "%s is not an IP address", address);
		return false;
	}
	if (address == NULL && port != 0)
		add_endpoint(settings, NULL, htons((uint16_t)port));
	return true;
}

static bool
free_old_capture(struct management *m)
{
	if (m->capture == NULL)
		return true;
	if (!m->capture_detached || rte_rcu_qsbr_check(m->dp->rcu, m->capture_token, false) == 0)
		return false;
	capture_free(m->capture);
	m->capture = NULL;
	m->capture_detached = false;
	return true;
}

json_t *
operation_capture(struct management *m, json_t *args, const char **code, char *message,
		  size_t message_len)
{
	struct capture_settings settings = {.workers_n = m->dp->workers_n,
					    .interfaces_n = m->interfaces_n};
	const char *names[SNAPSHOT_INTERFACES], *path = json_text(args, "file");
	json_int_t seconds = json_integer_value(json_object_get(args, "seconds"));
	json_int_t packets = json_integer_value(json_object_get(args, "packets"));

	*code = "bad_request";
	if (path == NULL || path[0] != '/' || strlen(path) >= CAPTURE_PATH_MAX) {
		snprintf(message, message_len, "`file` must be an absolute path");
		return NULL;
	}
	if (seconds <= 0 || seconds > 86400 || packets < 0) {
		snprintf(message, message_len, "`seconds` must be between 1 and 86400");
		return NULL;
	}
	if (!parse_filter(m, json_object_get(args, "filter"), &settings, message, message_len))
		return NULL;
	*code = "busy";
	if (!free_old_capture(m)) {
		snprintf(message, message_len, "a capture is under way; stop it first");
		return NULL;
	}
	for (uint16_t i = 0; i < m->interfaces_n; i++)
		names[i] = m->interface_names[i];
	settings.interfaces = names;
	snprintf(settings.path, sizeof(settings.path), "%s", path);
	settings.seconds = (uint32_t)seconds;
	settings.packets = (uint64_t)packets;
	settings.wall_offset_us = dataplane_wall_us(m->dp);
	*code = "failed";
	m->capture = capture_start(&settings, message, message_len);
	if (m->capture == NULL)
		return NULL;
	m->capture_detached = false;
	atomic_store_explicit(&m->dp->capture, m->capture, memory_order_release);
	return json_pack("{s:s,s:s}", "state", "running", "file", path);
}

json_t *
operation_capture_status(struct management *m, json_t *args, const char **code, char *message,
			 size_t message_len)
{
	struct capture_status status;
	json_t *r;

	(void)args;
	if (m->capture == NULL) {
		*code = "not_found";
		snprintf(message, message_len, "no capture was started");
		return NULL;
	}
	capture_status(m->capture, &status);
	r = json_object();
	json_put_text(r, "state", status.finished ? "finished" : "running");
	json_put(r, "packets", status.written);
	json_put(r, "missed", status.missed);
	json_put_text(r, "error", status.error != 0 ? strerror(status.error) : "");
	return r;
}

json_t *
operation_capture_stop(struct management *m, json_t *args, const char **code, char *message,
		       size_t message_len)
{
	if (m->capture != NULL)
		capture_stop(m->capture);
	return operation_capture_status(m, args, code, message, message_len);
}
