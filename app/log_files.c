/* SPDX-License-Identifier: BSD-3-Clause */
#include "log_files.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alb_connection.h"
#include "alb_record.h"
#include "clb_record.h"
#include "nlb_tls_record.h"
#include "worker.h"
#include "worker_tcp.h"

#define CHECK_RING_BYTES (1u << 20)

/* Of a load balancer: its name in lines; of a target group: its ARN. */
struct name {
	uint64_t id;
	char text[192];
};

struct names {
	uint32_t n;
	struct name names[];
};

struct log_files {
	struct logger *logger;
	struct log_ring checks; /* written by the management core */
	void *check_bytes;
	pthread_mutex_t lock; /* of `names` */
	struct names *names;
};

static int
compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static const char *
name_of(const struct names *names, uint64_t id)
{
	const struct name key = {.id = id};
	const struct name *found =
		names == NULL ? NULL
			      : bsearch(&key, names->names, names->n, sizeof(key), compare_names);

	return found == NULL ? "-" : found->text;
}

static size_t
format_request(struct log_files *log, const struct service_record *r, char *line, size_t size)
{
	struct alb_record_names names;
	size_t n;

	pthread_mutex_lock(&log->lock);
	names.load_balancer = name_of(log->names, r->head.load_balancer_id);
	names.target_group_arn = name_of(log->names, r->group_id);
	n = alb_record_format(r, &names, line, size);
	pthread_mutex_unlock(&log->lock);
	return n;
}

static size_t
format_tls(struct log_files *log, const struct nlb_tls_record *r, char *line, size_t size)
{
	size_t n;

	pthread_mutex_lock(&log->lock);
	n = nlb_tls_record_format(r, name_of(log->names, r->head.load_balancer_id), line, size);
	pthread_mutex_unlock(&log->lock);
	return n;
}

static size_t
format_classic(struct log_files *log, const struct service_record *r, char *line, size_t size)
{
	size_t n;

	pthread_mutex_lock(&log->lock);
	n = clb_record_format(r, name_of(log->names, r->head.load_balancer_id), line, size);
	pthread_mutex_unlock(&log->lock);
	return n;
}

/* The logger's thread. */
static size_t
format(void *arg, const void *record, uint32_t len, char *line, size_t size)
{
	(void)len;
	switch ((enum log_kind)((const struct log_record *)record)->kind) {
	case LOG_ACCESS:
		return format_request(arg, record, line, size);
	case LOG_CONNECTION:
		return alb_connection_format(record, line, size);
	case LOG_HEALTH_CHECK:
		return health_record_format(record, line, size);
	case LOG_TLS:
		return format_tls(arg, record, line, size);
	case LOG_CLASSIC:
		return format_classic(arg, record, line, size);
	}
	return 0;
}

struct log_files *
log_files_start(struct dataplane *dp)
{
	struct log_files *log = calloc(1, sizeof(*log));
	struct logger_config config = {.format = format, .arg = log};

	if (log == NULL)
		return NULL;
	pthread_mutex_init(&log->lock, NULL);
	log->check_bytes = aligned_alloc(64, CHECK_RING_BYTES);
	if (log->check_bytes == NULL)
		goto fail;
	log_ring_init(&log->checks, log->check_bytes, CHECK_RING_BYTES);
	config.rings[config.rings_n++] = &log->checks;
	for (uint16_t i = 0; i < dp->workers_n; i++)
		config.rings[config.rings_n++] = worker_tcp_log(dp->workers[i]->tcp);
	log->logger = logger_start(&config);
	if (log->logger != NULL)
		return log;

fail:
	pthread_mutex_destroy(&log->lock);
	free(log->check_bytes);
	free(log);
	return NULL;
}

void
log_files_stop(struct log_files *log)
{
	if (log == NULL)
		return;
	logger_stop(log->logger);
	pthread_mutex_destroy(&log->lock);
	free(log->names);
	free(log->check_bytes);
	free(log);
}

/* Names of files: A:load-balancer-access-logs and the others' pages. */

static const char *const prefixes[LOG_KINDS] = {[LOG_ACCESS] = "",
						[LOG_CONNECTION] = "conn_log.",
						[LOG_HEALTH_CHECK] = "health_check_log_",
						[LOG_TLS] = "",
						[LOG_CLASSIC] = ""};

/* TYPE/NAME/ID; of a classic load balancer, which has no type there: NAME. */
static void
name_load_balancer(const struct model_load_balancer *lb, char separator, char *out, size_t size)
{
	if (lb->type == LB_CLASSIC)
		snprintf(out, size, "%s", lb->name);
	else
		snprintf(out, size, "%s%c%s%c%016llx", lb->type == LB_NETWORK ? "net" : "app",
			 separator, lb->name, separator, (unsigned long long)lb->id);
}

static struct names *
names_of(const struct model *m)
{
	struct names *names =
		calloc(1, sizeof(*names) + (m->load_balancers_n + m->target_groups_n) *
						   sizeof(names->names[0]));

	if (names == NULL)
		return NULL;
	for (uint32_t i = 0; i < m->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->load_balancers[i];
		struct name *name = &names->names[names->n++];

		name->id = lb->id;
		name_load_balancer(lb, '/', name->text, sizeof(name->text));
	}
	for (uint32_t i = 0; i < m->target_groups_n; i++) {
		const struct model_target_group *tg = &m->target_groups[i];
		struct name *name = &names->names[names->n++];

		name->id = tg->id;
		snprintf(name->text, sizeof(name->text),
			 "arn:aws:elasticloadbalancing:%s:%s:targetgroup/%s/%016llx",
			 m->system.region, m->system.account, tg->name, (unsigned long long)tg->id);
	}
	qsort(names->names, names->n, sizeof(names->names[0]), compare_names);
	return names;
}

/* A relative bucket is a directory below log_directory. */
static void
describe(const struct model *m, const struct model_load_balancer *lb, enum log_kind kind,
	 const struct model_log *wanted, struct logger_log *log)
{
	bool absolute = wanted->bucket[0] == '/';
	char address[IP_ADDR_TEXT_MAX] = "-", name[128];

	log->of = (struct log_record){lb->id, kind};
	snprintf(log->root, sizeof(log->root), "%s",
		 absolute ? wanted->bucket : m->system.log_directory);
	snprintf(log->directory, sizeof(log->directory),
		 "%.120s/%.120s/AWSLogs/%s/elasticloadbalancing/%s", absolute ? "" : wanted->bucket,
		 wanted->prefix, m->system.account, m->system.region);
	if (lb->addresses_n > 0)
		ip_addr_format(&lb->addresses[0].addr, address);
	for (char *c = address; *c != '\0'; c++)
		*c = *c == ':' ? '.' : *c;
	name_load_balancer(lb, '.', name, sizeof(name));
	snprintf(log->name, sizeof(log->name), "%s%s_elasticloadbalancing_%.40s_%.110s",
		 prefixes[kind], m->system.account, m->system.region, name);
	snprintf(log->address, sizeof(log->address), "%s", address);
}

/* @return  how many it has. */
static uint32_t
describe_all(const struct model *m, const struct model_load_balancer *lb, struct logger_log *logs)
{
	const struct model_log *wanted[LOG_KINDS] = {
		[LOG_ACCESS] = lb->type == LB_APPLICATION ? &lb->access_log : NULL,
		[LOG_CONNECTION] = &lb->connection_log,
		[LOG_HEALTH_CHECK] = &lb->health_check_log,
		[LOG_TLS] = lb->type == LB_NETWORK ? &lb->access_log : NULL,
		[LOG_CLASSIC] = lb->type == LB_CLASSIC ? &lb->access_log : NULL,
	};
	uint32_t n = 0;

	for (uint32_t kind = 0; kind < LOG_KINDS; kind++) {
		if (wanted[kind] != NULL && wanted[kind]->enabled)
			describe(m, lb, (enum log_kind)kind, wanted[kind], &logs[n++]);
	}
	return n;
}

bool
log_files_publish(struct log_files *log, const struct model *m)
{
	struct logger_log *logs = calloc(m->load_balancers_n * LOG_KINDS + 1, sizeof(*logs));
	struct names *names = names_of(m), *old;
	uint32_t n = 0;
	bool done = false;

	if (logs == NULL || names == NULL)
		goto out;
	/* Others must exist; this one is weir's own. */
	mkdir(m->system.log_directory, 0750);
	for (uint32_t i = 0; i < m->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->load_balancers[i];

		if (lb->type != LB_GATEWAY)
			n += describe_all(m, lb, logs + n);
	}
	pthread_mutex_lock(&log->lock);
	old = log->names;
	log->names = names;
	names = old;
	pthread_mutex_unlock(&log->lock);
	done = logger_set_logs(log->logger, logs, n);
out:
	free(names);
	free(logs);
	return done;
}

void
log_files_health_check(struct log_files *log, const struct health_record *record)
{
	struct health_record *r = log_ring_reserve(&log->checks, sizeof(*r));

	if (r == NULL)
		return;
	*r = *record;
	log_ring_commit(&log->checks);
}

void
log_files_counters(struct log_files *log, struct logger_counters *counters)
{
	logger_counters(log->logger, counters);
}
