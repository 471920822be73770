/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What load balancers that end HTTP have in common: sessions and requests are counted and logged,
 * targets are chosen in balance groups, held while a request is with them, and let go.
 *
 * It is the service on top of lib/proxy.  What differs between application and classic load
 * balancers is a *kind*, a table of functions: where a request goes, what its response gets.  A
 * listener's configuration is compiled once, on the management core, into a struct that begins with
 * struct service_http_listener and names its kind; each worker has one struct service_http.
 * Nothing here keeps a pointer into a snapshot beyond a call: sessions know their listener by
 * reference.
 */
#ifndef SERVICE_HTTP_H
#define SERVICE_HTTP_H

#include "balance.h"
#include "counters.h"
#include "http_counters.h"
#include "log_record.h"
#include "model.h"
#include "proxy.h"
#include "secret.h"
#include "service_cookie.h"
#include "service_record.h"
#include "service_surge.h"
#include "snapshot.h"

struct service_http;
struct service_http_listener;

#define SERVICE_COOKIES_MAX 4 /* that a response gets, twins included */

/** Why a request fails in every kind: proxy_record.error; the kinds' own are behind them. */
enum service_error {
	SERVICE_ERROR_LISTENER = PROXY_ERRORS, /* 503: a reload took it away */
	SERVICE_ERROR_NO_TARGETS,              /* 503: there is none that may be chosen */
};
#define SERVICE_ERRORS (SERVICE_ERROR_NO_TARGETS + 1)

enum service_http_slot { SERVICE_HTTP_APPLICATION, SERVICE_HTTP_CLASSIC };
#define SERVICE_HTTP_SLOTS (SERVICE_HTTP_CLASSIC + 1)

/** What differs.  `arg` is what service_http_add() was given for the kind's slot. */
struct service_http_kind {
	enum service_http_slot slot;
	enum log_kind log; /* of requests */
	/** See proxy_service.decide; service_http_forward() or service_http_fail(), or an answer.
	 */
	void (*decide)(void *arg, const struct service_http_listener *listener,
		       struct proxy_exchange *exchange, const struct http_request *request,
		       struct proxy_decision *decision);
	/** See proxy_service.response; of a target's final response. */
	void (*response)(void *arg, const struct service_http_listener *listener,
			 struct proxy_exchange *exchange, const struct http_response *response,
			 struct http_response_edits *edits);
	/** Log a client's connection. @return false when the ring is full. */
	bool (*log_connection)(const struct service_log *log,
			       const struct service_http_listener *listener,
			       const struct proxy_session_info *session, bool refused);
};

/** A listener as workers see it; immutable. */
struct service_http_listener {
	struct snapshot_service service; /* first */
	const struct service_http_kind *kind;
	struct proxy_listener_settings settings;
	struct http_policy policy;
	uint64_t load_balancer_id;
	bool log_access, log_connections;
	struct service_surge surge;
	char default_host[256];
};

/**
 * Fill what every kind's listener begins with from the model; TLS is the kind's.  Management core.
 */
void service_http_listener_init(struct service_http_listener *listener,
				const struct service_http_kind *kind,
				const struct model_load_balancer *load_balancer,
				const struct model_listener *model);

/** The status that the client got, 0: none; 460 (it left before) is not of all kinds. */
static inline uint16_t
service_http_status(const struct service_http_listener *listener, const struct proxy_record *record)
{
	bool none = record->elb_status == 460 && listener != NULL && listener->policy.few_statuses;

	return none ? 0 : record->elb_status;
}

struct service_http_settings {
	struct worker_counters *flows; /* connections count as flows of their frontend */
	struct http_counters *counters;
	struct log_ring *log;         /* NULL: nothing is logged */
	uint64_t seed;                /* random */
	const struct secret *secrets; /* of cookies: the first seals, all open */
	uint32_t secrets_n;
	uint64_t wall_us;           /* microseconds since 1970 at time 0 of the worker's clock */
	struct proxy_surge *surges; /* [SNAPSHOT_FRONTENDS], see service_surge.h; NULL: none */
};

/** @return  NULL without memory.  Fills what of `proxy` is the service's. */
struct service_http *service_http_create(const struct service_http_settings *settings,
					 struct proxy_config *proxy);
void service_http_free(struct service_http *http);

/** Listeners of this slot's kind get `arg`. */
void service_http_add(struct service_http *http, enum service_http_slot slot, void *arg);

/** Begin a turn: what decisions are made by. */
void service_http_begin(struct service_http *http, const struct snapshot *snapshot,
			uint64_t now_us);

/* For kinds, within their functions. */

/** 64 bits, of the worker's own generator. */
uint64_t service_http_random(struct service_http *http);

/** Seconds since 1970. */
uint64_t service_http_wall_s(const struct service_http *http);

const struct snapshot *service_http_snapshot(const struct service_http *http);
struct service_cookie_keys *service_http_keys(struct service_http *http);
struct http_frontend_counters *service_http_counters(const struct service_http *http,
						     uint32_t frontend);

/** Who may be chosen in a group, by its index. @return  NULL: there is no such group. */
const struct balance_set *service_http_set(const struct service_http *http, uint32_t group);

/** A target by the group's algorithm. @return  0: there is none. */
uint32_t service_http_choose(struct service_http *http, uint32_t group);

/** A target that may be chosen in the group, by what `id_of` says of it. @return  0: there is none.
 */
uint32_t service_http_find(const struct service_http *http, uint32_t group,
			   uint64_t (*id_of)(const struct snapshot_target *target), uint64_t id);

/** The request goes to a target of record.group; 0: there is none, it fails. */
void service_http_forward(struct service_http *http, struct proxy_exchange *exchange,
			  uint32_t target, struct proxy_decision *decision);

/** It is answered with `status`. */
void service_http_answer(struct proxy_decision *decision, uint16_t status);
void service_http_fail(struct proxy_exchange *exchange, struct proxy_decision *decision,
		       uint8_t error, uint16_t status);

/** Add a cookie to the response, with its twin if it has one. */
void service_http_add_cookie(struct service_http *http, struct http_response_edits *edits,
			     enum service_cookie_kind kind, const struct service_cookie *cookie,
			     const char *attributes);

#endif
