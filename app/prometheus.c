/* SPDX-License-Identifier: BSD-3-Clause */
#include "prometheus.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>
#include <rte_cycles.h>

#include "log.h"
#include "metric.h"
#include "metric_http.h"
#include "operation.h"

#define CONNECTIONS_MAX 16
#define TIMEOUT_S       10
#define BLOCK_BYTES     32768
#define OBJECT_BYTES    1024

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct prometheus {
	struct management *m;
	struct MHD_Daemon *daemon;
	int epoll_fd; /* libmicrohttpd's; owned by it */
	int listen_fd;
};

/* Families of metrics.  All samples of one come together. */

enum scope {
	SCOPE_ROWS,     /* rows of an operation's answer */
	SCOPE_LISTENER, /* counters of a listener, all its addresses together */
	SCOPE_GROUP,
	SCOPE_TARGET,
	SCOPE_TARGET_STATE,
	SCOPE_HTTP_LISTENER, /* of application load balancers */
	SCOPE_HTTP_TARGET,
};

enum kind { GAUGE, COUNTER };

#define NOTHING METRIC_NOTHING

struct family {
	const char *name;
	enum kind kind;
	const char *help;
	enum scope scope;
	/* SCOPE_ROWS: operation, list in its answer (NULL: the answer is the row), member. */
	const char *operation, *list, *member;
	/* SCOPE_ROWS: member that is the label's value, and the label; NULL: none. */
	const char *label_member, *label;
	/* Counters: value at `plus`, less that at `minus`. */
	size_t plus, minus;
};

#define ROWS(name, kind, help, operation, list, member, label_member, label)                   \
	{                                                                                      \
		name, kind, help, SCOPE_ROWS, operation, list, member, label_member, label, 0, \
			NOTHING                                                                \
	}
#define LISTENER(name, kind, cloudwatch, plus, minus)                                           \
	{                                                                                       \
		"elb_" name, kind, "CloudWatch " cloudwatch " of a listener.", SCOPE_LISTENER,  \
			NULL, NULL, NULL, NULL, NULL, offsetof(struct frontend_counters, plus), \
			minus                                                                   \
	}
#define TARGET(name, kind, cloudwatch, plus, minus)                                               \
	{                                                                                         \
		"elb_target_" name, kind, "CloudWatch " cloudwatch " of a target.", SCOPE_TARGET, \
			NULL, NULL, NULL, NULL, NULL, offsetof(struct target_counters, plus),     \
			minus                                                                     \
	}
#define FRONTEND_CLOSED offsetof(struct frontend_counters, closed_flows)
#define TARGET_CLOSED   offsetof(struct target_counters, closed_flows)

/* clang-format off */
static const struct family families[] = {
	ROWS("weir_info", GAUGE, "Version and configuration; always 1.", "info", NULL, NULL, NULL, NULL),
	ROWS("weir_uptime_seconds", GAUGE, "Time since the start.", "info", NULL, "uptime_seconds", NULL, NULL),
	ROWS("weir_workers", GAUGE, "Worker lcores.", "info", NULL, "workers", NULL, NULL),
	ROWS("weir_config_revision", GAUGE, "Revision of the configuration in force.", "info", NULL, "config_revision", NULL, NULL),
	ROWS("weir_health_revision", GAUGE, "Target sets rebuilt because of health.", "info", NULL, "health_revision", NULL, NULL),
	ROWS("weir_reloads_total", COUNTER, "Reloads put in force.", "info", NULL, "reloads", NULL, NULL),
	ROWS("weir_reloads_refused_total", COUNTER, "Reloads refused.", "info", NULL, "reloads_refused", NULL, NULL),
	ROWS("weir_last_reload_microseconds", GAUGE, "Management core time of the last reload.", "info", NULL, "last_reload_microseconds", NULL, NULL),
	ROWS("weir_longest_turn_microseconds", GAUGE, "Longest time the management core did one thing.", "info", NULL, "longest_turn_microseconds", NULL, NULL),
	ROWS("weir_lcore_received_packets_total", COUNTER, "Packets taken from ports.", "lcores", "lcores", "received", "worker", "worker"),
	ROWS("weir_lcore_transmitted_packets_total", COUNTER, "Packets handed to ports.", "lcores", "lcores", "transmitted", "worker", "worker"),
	ROWS("weir_lcore_handed_over_packets_total", COUNTER, "Packets passed on to their owner by ring.", "lcores", "lcores", "handed_over", "worker", "worker"),
	ROWS("weir_lcore_answered_packets_total", COUNTER, "RSTs and ICMP errors made of dropped packets.", "lcores", "lcores", "answered", "worker", "worker"),
	ROWS("weir_lcore_polls_total", COUNTER, "Turns of the loop.", "lcores", "lcores", "polls", "worker", "worker"),
	ROWS("weir_lcore_busy_polls_total", COUNTER, "Turns that found work.", "lcores", "lcores", "busy_polls", "worker", "worker"),
	ROWS("weir_crypto_steps_total", COUNTER, "Steps of TLS handshakes that crypto lcores made.", "crypto_lcores", "crypto_lcores", "steps", "crypto", "crypto"),
	ROWS("weir_crypto_busy_ticks_total", COUNTER, "Processor ticks that they took.", "crypto_lcores", "crypto_lcores", "busy_ticks", "crypto", "crypto"),
	ROWS("weir_lcore_busy_ticks_total", COUNTER, "Processor ticks of turns that found work.", "lcores", "lcores", "busy_ticks", "worker", "worker"),
	ROWS("weir_interface_up", GAUGE, "Link state: 1 is up.", "interfaces", "interfaces", "link", "name", "interface"),
	ROWS("weir_interface_receive_packets_total", COUNTER, "Packets received.", "interfaces", "interfaces", "rx_packets", "name", "interface"),
	ROWS("weir_interface_receive_bytes_total", COUNTER, "Bytes received, Ethernet headers included.", "interfaces", "interfaces", "rx_bytes", "name", "interface"),
	ROWS("weir_interface_transmit_packets_total", COUNTER, "Packets forwarded.", "interfaces", "interfaces", "tx_packets", "name", "interface"),
	ROWS("weir_interface_transmit_bytes_total", COUNTER, "IP bytes forwarded.", "interfaces", "interfaces", "tx_bytes", "name", "interface"),
	ROWS("weir_interface_steered", GAUGE, "1: RSS brings packets straight to their owner, and that was verified.", "interfaces", "interfaces", "steering", "name", "interface"),
	ROWS("weir_pool_size", GAUGE, "Most that a pool holds; 0: no limit of its own.", "pools", "pools", "size", "name", "pool"),
	ROWS("weir_pool_in_use", GAUGE, "In use now.", "pools", "pools", "in_use", "name", "pool"),
	ROWS("weir_pool_high_water", GAUGE, "Most that was ever in use, as far as it was looked at.", "pools", "pools", "high_water", "name", "pool"),
	ROWS("weir_pool_failures_total", COUNTER, "Times there was nothing left.", "pools", "pools", "failures", "name", "pool"),
	ROWS("weir_pool_bytes", GAUGE, "Memory reserved.", "pools", "pools", "bytes", "name", "pool"),
	ROWS("elb_zonal_health_status", GAUGE, "CloudWatch ZonalHealthStatus, of the zone of each address.", "addresses", "addresses", "ZonalHealthStatus", "address", "address"),
	ROWS("weir_address_announced", GAUGE, "1: the address is announced.", "addresses", "addresses", "announced", "address", "address"),
	ROWS("weir_drops_total", COUNTER, "Packets not forwarded, by reason.", "drops", NULL, "*", NULL, "reason"),
	ROWS("weir_tcp_total", COUNTER, "Of weir's own TCP, by what was counted.", "tcp", NULL, "*", NULL, "counter"),
	ROWS("weir_http2_ended_total", COUNTER, "Connections by HTTP/2 that ended, by reason.", "http2_ends", NULL, "*", NULL, "reason"),
	LISTENER("active_flow_count", GAUGE, "ActiveFlowCount", new_flows, FRONTEND_CLOSED),
	LISTENER("new_flow_count_total", COUNTER, "NewFlowCount", new_flows, NOTHING),
	LISTENER("processed_packets_total", COUNTER, "ProcessedPackets", packets, NOTHING),
	LISTENER("processed_bytes_total", COUNTER, "ProcessedBytes", bytes, NOTHING),
	LISTENER("rejected_flow_count_total", COUNTER, "RejectedFlowCount", rejected_flows, NOTHING),
	LISTENER("port_allocation_error_count_total", COUNTER, "PortAllocationErrorCount", port_alloc_errors, NOTHING),
	LISTENER("tcp_client_reset_count_total", COUNTER, "TCP_Client_Reset_Count", client_resets, NOTHING),
	LISTENER("tcp_target_reset_count_total", COUNTER, "TCP_Target_Reset_Count", target_resets, NOTHING),
	LISTENER("tcp_elb_reset_count_total", COUNTER, "TCP_ELB_Reset_Count", elb_resets, NOTHING),
	LISTENER("rejected_flow_count_tcp_total", COUNTER, "RejectedFlowCount_TCP", rejected_tcp, NOTHING),
	LISTENER("network_client_tls_negotiation_error_count_total", COUNTER, "ClientTLSNegotiationErrorCount", client_tls_errors, NOTHING),
	LISTENER("security_group_blocked_flow_count_inbound_tcp_total", COUNTER, "SecurityGroupBlockedFlowCount_Inbound_TCP", blocked_in_tcp, NOTHING),
	LISTENER("security_group_blocked_flow_count_inbound_udp_total", COUNTER, "SecurityGroupBlockedFlowCount_Inbound_UDP", blocked_in_udp, NOTHING),
	LISTENER("security_group_blocked_flow_count_inbound_icmp_total", COUNTER, "SecurityGroupBlockedFlowCount_Inbound_ICMP", blocked_in_icmp, NOTHING),
	LISTENER("security_group_blocked_flow_count_outbound_tcp_total", COUNTER, "SecurityGroupBlockedFlowCount_Outbound_TCP", blocked_out_tcp, NOTHING),
	LISTENER("security_group_blocked_flow_count_outbound_udp_total", COUNTER, "SecurityGroupBlockedFlowCount_Outbound_UDP", blocked_out_udp, NOTHING),
	LISTENER("unhealthy_routing_flow_count_total", COUNTER, "UnhealthyRoutingFlowCount", unhealthy_routed, NOTHING),
	{"elb_healthy_host_count", GAUGE, "CloudWatch HealthyHostCount of a target group.", SCOPE_GROUP, NULL, NULL, NULL, NULL, NULL, 0, NOTHING},
	{"elb_unhealthy_host_count", GAUGE, "CloudWatch UnHealthyHostCount of a target group.", SCOPE_GROUP, NULL, NULL, NULL, NULL, NULL, 1, NOTHING},
	TARGET("active_flow_count", GAUGE, "ActiveFlowCount", new_flows, TARGET_CLOSED),
	TARGET("new_flow_count_total", COUNTER, "NewFlowCount", new_flows, NOTHING),
	TARGET("processed_packets_total", COUNTER, "ProcessedPackets", packets, NOTHING),
	TARGET("processed_bytes_total", COUNTER, "ProcessedBytes", bytes, NOTHING),
	{"elb_target_state", GAUGE, "State of a target; always 1.", SCOPE_TARGET_STATE, NULL, NULL, NULL, NULL, NULL, 0, NOTHING},
};
/* clang-format on */

#define FAMILIES (sizeof(families) / sizeof(families[0]))

/* Behind these come the families of metric_http.h, made when their turn comes. */
static size_t
families_n(void)
{
	return FAMILIES + http_frontend_metrics_n + http_target_metrics_n;
}

/* A page that is being made. */
struct page {
	struct management *m;
	uint32_t generation; /* of the snapshot it began with */
	size_t family;
	struct family http; /* the one made last, with its texts */
	char http_name[128], http_help[160];
	bool named;          /* HELP and TYPE of the family are written */
	uint32_t at, target; /* object of the family; its target */
	json_t *answer;      /* of `operation` */
	const char *operation;
	char *out;
	size_t n, max;
};

__attribute__((format(printf, 2, 3))) static void
put(struct page *page, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(page->out + page->n, page->max - page->n, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < page->max - page->n)
		page->n += (size_t)n;
}

/* name="value", with what the format asks to escape. */
static void
put_label(struct page *page, const char *separator, const char *name, const char *value)
{
	put(page, "%s%s=\"", separator, name);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			put(page, "\\n");
		else if (*value == '\\' || *value == '"')
			put(page, "\\%c", *value);
		else
			put(page, "%c", *value);
	}
	put(page, "\"");
}

static void
put_value(struct page *page, uint64_t value)
{
	put(page, "} %llu\n", (unsigned long long)value);
}

static uint64_t
counter_at(const void *counters, const struct family *f)
{
	const uint8_t *at = counters;
	uint64_t plus, minus = 0;

	memcpy(&plus, at + f->plus, sizeof(plus));
	if (f->minus != NOTHING)
		memcpy(&minus, at + f->minus, sizeof(minus));
	return plus - minus;
}

/* Rows of an operation. */

struct asked {
	struct operation_call call;
	json_t *answer;
};

static void
on_answer(struct operation_call *call, json_t *result, const char *code, const char *message)
{
	struct asked *asked = (struct asked *)call;

	(void)code, (void)message;
	asked->answer = result;
}

/* All of these answer at once. */
static const json_t *
answer_of(struct page *page, const char *operation)
{
	if (page->operation != operation) {
		struct asked asked = {.call = {.args = json_object(), .reply = on_answer}};

		operation_run(page->m, operation, &asked.call);
		json_decref(asked.call.args);
		json_decref(page->answer);
		page->answer = asked.answer;
		page->operation = operation;
	}
	return page->answer;
}

static uint64_t
number_of(const json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL)
		return (uint64_t)json_integer_value(value);
	return strcmp(text, "up") == 0 || strcmp(text, "rss") == 0;
}

static void
put_info(struct page *page, const struct family *f, const json_t *row)
{
	static const char *const members[] = {"version",  "dpdk_version", "name",     "zone",
					      "instance", "config_hash",  "steering", "idle"};

	put(page, "%s{", f->name);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		put_label(page, i > 0 ? "," : "", members[i],
			  json_string_value(json_object_get(row, members[i])));
	put_value(page, 1);
}

static void
put_row(struct page *page, const struct family *f, const json_t *row)
{
	const json_t *label =
		f->label_member != NULL ? json_object_get(row, f->label_member) : NULL;
	char number[24];

	if (f->member == NULL) {
		put_info(page, f, row);
		return;
	}
	put(page, "%s{", f->name);
	if (json_is_string(label)) {
		put_label(page, "", f->label, json_string_value(label));
	} else if (label != NULL) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(label));
		put_label(page, "", f->label, number);
	}
	put_value(page, number_of(json_object_get(row, f->member)));
}

static void
put_members(struct page *page, const struct family *f, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		put(page, "%s{", f->name);
		put_label(page, "", f->label, key);
		put_value(page, number_of(value));
	}
}

/* Few: written in one go. @return false, the family is finished. */
static bool
put_rows(struct page *page, const struct family *f)
{
	const json_t *answer = answer_of(page, f->operation);
	const json_t *list = f->list != NULL ? json_object_get(answer, f->list) : NULL;

	if (f->list == NULL && f->member != NULL && strcmp(f->member, "*") == 0)
		put_members(page, f, answer);
	else if (f->list == NULL)
		put_row(page, f, answer);
	for (size_t i = 0; i < json_array_size(list); i++)
		put_row(page, f, json_array_get(list, i));
	return false;
}

/* Many: one object at a time. @return false when there are no more. */

static bool
put_listener(struct page *page, const struct family *f)
{
	const struct model *model = page->m->model;
	struct frontend_counters sum = {0};
	struct http_frontend_counters http = {0};
	const struct model_listener *l;
	uint64_t value;

	if (page->at >= model->listeners_n)
		return false;
	l = &model->listeners[page->at++];
	if (elb_protocol_is_http(l->protocol) != (f->scope == SCOPE_HTTP_LISTENER))
		return true; /* has other metrics */
	if (f->scope == SCOPE_HTTP_LISTENER) {
		metric_add_http_listener(page->m, l, &http);
		value = counter_at(&http, f);
	} else {
		metric_add_listener(page->m, l, &sum);
		value = counter_at(&sum, f);
	}
	put(page, "%s{", f->name);
	put_label(page, "", "load_balancer", l->load_balancer);
	put_label(page, ",", "listener", l->name);
	put_label(page, ",", "protocol", elb_protocol_name(l->protocol));
	put_value(page, value);
	return true;
}

static bool
put_group(struct page *page, const struct family *f)
{
	const struct model *model = page->m->model;
	const struct model_target_group *tg;
	uint64_t hosts[2] = {0, 0};

	if (page->at >= model->target_groups_n)
		return false;
	tg = &model->target_groups[page->at++];
	metric_count_hosts(page->m, tg, &hosts[0], &hosts[1]);
	put(page, "%s{", f->name);
	put_label(page, "", "target_group", tg->name);
	put_value(page, hosts[f->plus]);
	return true;
}

static bool
put_target(struct page *page, const struct family *f)
{
	const struct model *model = page->m->model;
	const struct model_target_group *tg;
	const struct model_target *t;
	char addr[IP_ADDR_TEXT_MAX], endpoint[IP_ADDR_TEXT_MAX + 10];

	while (page->at < model->target_groups_n &&
	       page->target >= model->target_groups[page->at].targets_n) {
		page->at++;
		page->target = 0;
	}
	if (page->at >= model->target_groups_n)
		return false;
	tg = &model->target_groups[page->at];
	t = &tg->targets[page->target++];
	if (f->scope == SCOPE_HTTP_TARGET && !model_group_is_http(tg))
		return true;
	snprintf(endpoint, sizeof(endpoint), ip_addr_is_v4(&t->addr) ? "%s:%u" : "[%s]:%u",
		 ip_addr_format(&t->addr, addr), t->port);
	put(page, "%s{", f->name);
	put_label(page, "", "target_group", tg->name);
	put_label(page, ",", "target", endpoint);
	if (f->scope == SCOPE_TARGET_STATE) {
		const struct target_health *h = health_of(page->m->health, t->id);

		put_label(page, ",", "state",
			  h == NULL ? "unknown" : target_state_name((enum target_state)h->state));
		put_value(page, 1);
	} else if (f->scope == SCOPE_HTTP_TARGET) {
		struct http_target_counters sum = metric_of_http_target(page->m, t->id);

		put_value(page, counter_at(&sum, f));
	} else {
		struct target_counters sum = metric_of_target(page->m, t->id);

		put_value(page, counter_at(&sum, f));
	}
	return true;
}

/* @return  false when the family is finished. */
static bool
put_next(struct page *page, const struct family *f)
{
	switch (f->scope) {
	case SCOPE_ROWS:
		return put_rows(page, f);
	case SCOPE_LISTENER:
	case SCOPE_HTTP_LISTENER:
		return put_listener(page, f);
	case SCOPE_GROUP:
		return put_group(page, f);
	case SCOPE_TARGET:
	case SCOPE_TARGET_STATE:
	case SCOPE_HTTP_TARGET:
		return put_target(page, f);
	}
	return false;
}

static const struct family *
family_at(struct page *page, size_t at)
{
	bool of_target = at >= FAMILIES + http_frontend_metrics_n;
	const struct http_metric *metric;
	bool gauge;

	if (at < FAMILIES)
		return &families[at];
	at -= FAMILIES;
	metric = of_target ? &http_target_metrics[at - http_frontend_metrics_n]
			   : &http_frontend_metrics[at];
	gauge = metric->minus != METRIC_NOTHING;
	snprintf(page->http_name, sizeof(page->http_name), "elb_%s%s%s", of_target ? "target_" : "",
		 metric->prometheus, gauge ? "" : "_total");
	snprintf(page->http_help, sizeof(page->http_help), "CloudWatch %s of a %s.", metric->name,
		 of_target ? "target" : "listener");
	page->http = (struct family){.name = page->http_name,
				     .kind = gauge ? GAUGE : COUNTER,
				     .help = page->http_help,
				     .scope = of_target ? SCOPE_HTTP_TARGET : SCOPE_HTTP_LISTENER,
				     .plus = metric->plus,
				     .minus = metric->minus};
	return &page->http;
}

static uint32_t
generation_of(const struct management *m)
{
	return atomic_load(&m->dp->snapshot)->generation;
}

/* The most that one step may write: all rows of an operation, or one object. */
static size_t
room_for(const struct family *f)
{
	return f->scope == SCOPE_ROWS ? BLOCK_BYTES / 2 : OBJECT_BYTES;
}

static ssize_t
read_page(void *arg, uint64_t position, char *out, size_t max)
{
	struct page *page = arg;

	(void)position;
	if (page->generation != generation_of(page->m))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	page->out = out;
	page->n = 0;
	page->max = max;
	while (page->family < families_n()) {
		const struct family *f = family_at(page, page->family);

		if (max - page->n < room_for(f))
			break;
		if (!page->named)
			put(page, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
			    f->kind == GAUGE ? "gauge" : "counter");
		page->named = true;
		if (put_next(page, f))
			continue;
		page->family++;
		page->named = false;
		page->at = page->target = 0;
	}
	return page->n > 0 ? (ssize_t)page->n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void
free_page(void *arg)
{
	struct page *page = arg;

	json_decref(page->answer);
	free(page);
}

/* The server. */

static enum MHD_Result
answer(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response,
       const char *type)
{
	enum MHD_Result result = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
answer_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return answer(connection, status,
		      MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
						      MHD_RESPMEM_PERSISTENT),
		      "text/plain; charset=utf-8");
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *body, size_t *body_len, void **state)
{
	static char seen;
	struct prometheus *prometheus = arg;
	struct page *page;

	(void)version, (void)body, (void)body_len;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (*state == NULL) {
		*state = &seen; /* called first with the head alone */
		return MHD_YES;
	}
	if (strcmp(url, "/metrics") != 0)
		return answer_text(connection, MHD_HTTP_NOT_FOUND, "metrics are at /metrics\n");
	page = calloc(1, sizeof(*page));
	if (page == NULL)
		return MHD_NO;
	page->m = prometheus->m;
	page->generation = generation_of(page->m);
	return answer(connection, MHD_HTTP_OK,
		      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_page,
							page, free_page),
		      TEXT_TYPE);
}

static int
listen_on(const struct ip_addr *addr, uint16_t port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v4 = ip_addr_is_v4(addr);
	int one = 1, saved;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(&v4.sin_addr, addr->b + 12, 4);
	memcpy(&v6.sin6_addr, addr->b, 16);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!is_v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		 is_v4 ? sizeof(v4) : sizeof(v6)) == 0 &&
	    listen(fd, CONNECTIONS_MAX) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static bool
start_server(struct prometheus *p)
{
	const union MHD_DaemonInfo *info;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = prometheus_who(p)};

	p->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, p, MHD_OPTION_LISTEN_SOCKET, p->listen_fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(64 << 10), MHD_OPTION_END);
	if (p->daemon == NULL)
		return false;
	p->listen_fd = -1; /* the server closes it */
	info = MHD_get_daemon_info(p->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	p->epoll_fd = info == NULL ? -1 : info->epoll_fd;
	return p->epoll_fd >= 0 &&
	       epoll_ctl(p->m->epoll_fd, EPOLL_CTL_ADD, p->epoll_fd, &event) == 0;
}

bool
prometheus_open(struct management *m, struct prometheus **prometheus, char *why, size_t why_len)
{
	const struct model_management *mm = &m->model->management;
	bool given = model_given((const struct model_object *)mm, "address") != NULL;
	struct prometheus *p;

	*prometheus = NULL;
	if (mm->http_port == 0)
		return true;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		snprintf(why, why_len, "no memory for the management address");
		return false;
	}
	p->m = m;
	p->listen_fd = listen_on(&mm->http_addr, mm->http_port);
	if (p->listen_fd < 0 && !given) {
		LOG_WARNING("no metrics on %s: %s; set `[management] address`", mm->address,
			    strerror(errno));
		free(p);
		return true;
	}
	if (p->listen_fd < 0 || !start_server(p)) {
		snprintf(why, why_len, "[management] address %s: %s", mm->address, strerror(errno));
		prometheus_close(p);
		return false;
	}
	*prometheus = p;
	return true;
}

void *
prometheus_who(struct prometheus *prometheus)
{
	return prometheus;
}

void
prometheus_run(struct prometheus *prometheus)
{
	if (prometheus != NULL)
		MHD_run(prometheus->daemon);
}

bool
prometheus_has_work(const struct prometheus *prometheus)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	return prometheus != NULL && MHD_get_timeout(prometheus->daemon, &timeout_ms) == MHD_YES &&
	       timeout_ms == 0;
}

void
prometheus_close(struct prometheus *prometheus)
{
	if (prometheus == NULL)
		return;
	if (prometheus->daemon != NULL)
		MHD_stop_daemon(prometheus->daemon);
	if (prometheus->listen_fd >= 0)
		close(prometheus->listen_fd);
	free(prometheus);
}
