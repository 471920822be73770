/* SPDX-License-Identifier: BSD-3-Clause */
#include "access_log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alb_record.h"
#include "worker.h"
#include "worker_tcp.h"

/* Of a load balancer: its name in lines; of a target group: its ARN. */
struct name {
	uint64_t id;
	char text[192];
};

struct names {
	uint32_t n;
	struct name names[];
};

struct access_log {
	struct logger *logger;
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

/* The logger's thread. */
static size_t
format(void *arg, const void *record, uint32_t len, uint64_t *id, char *line, size_t size)
{
	struct access_log *log = arg;
	const struct alb_record *r = record;
	struct alb_record_names names;
	size_t n;

	(void)len;
	*id = r->load_balancer_id;
	pthread_mutex_lock(&log->lock);
	names.load_balancer = name_of(log->names, r->load_balancer_id);
	names.target_group_arn = name_of(log->names, r->group_id);
	n = alb_record_format(r, &names, line, size);
	pthread_mutex_unlock(&log->lock);
	return n;
}

struct access_log *
access_log_start(struct dataplane *dp)
{
	struct access_log *log = calloc(1, sizeof(*log));
	struct logger_config config = {.format = format, .arg = log};

	if (log == NULL)
		return NULL;
	pthread_mutex_init(&log->lock, NULL);
	for (uint16_t i = 0; i < dp->workers_n; i++)
		config.rings[config.rings_n++] = worker_tcp_log(dp->workers[i]->tcp);
	log->logger = logger_start(&config);
	if (log->logger == NULL) {
		free(log);
		return NULL;
	}
	return log;
}

void
access_log_stop(struct access_log *log)
{
	if (log == NULL)
		return;
	logger_stop(log->logger);
	pthread_mutex_destroy(&log->lock);
	free(log->names);
	free(log);
}

/* Names: A:load-balancer-access-logs. */

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
		snprintf(name->text, sizeof(name->text), "app/%s/%016llx", lb->name,
			 (unsigned long long)lb->id);
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
describe(const struct model *m, const struct model_load_balancer *lb, struct logger_log *log)
{
	const struct model_log *wanted = &lb->access_log;
	bool absolute = wanted->bucket[0] == '/';
	char address[IP_ADDR_TEXT_MAX] = "-";

	log->id = lb->id;
	snprintf(log->root, sizeof(log->root), "%s",
		 absolute ? wanted->bucket : m->system.log_directory);
	snprintf(log->directory, sizeof(log->directory),
		 "%.120s/%.120s/AWSLogs/%s/elasticloadbalancing/%s", absolute ? "" : wanted->bucket,
		 wanted->prefix, m->system.account, m->system.region);
	if (lb->addresses_n > 0)
		ip_addr_format(&lb->addresses[0].addr, address);
	for (char *c = address; *c != '\0'; c++)
		*c = *c == ':' ? '.' : *c;
	snprintf(log->name, sizeof(log->name), "%s_elasticloadbalancing_%.40s_app.%s.%016llx",
		 m->system.account, m->system.region, lb->name, (unsigned long long)lb->id);
	snprintf(log->address, sizeof(log->address), "%s", address);
}

bool
access_log_publish(struct access_log *log, const struct model *m)
{
	struct logger_log *logs = calloc(m->load_balancers_n + 1, sizeof(*logs));
	struct names *names = names_of(m), *old;
	uint32_t n = 0;
	bool done = false;

	if (logs == NULL || names == NULL)
		goto out;
	/* Others must exist; this one is weir's own. */
	mkdir(m->system.log_directory, 0750);
	for (uint32_t i = 0; i < m->load_balancers_n; i++) {
		const struct model_load_balancer *lb = &m->load_balancers[i];

		if (lb->type == LB_APPLICATION && lb->access_log.enabled)
			describe(m, lb, &logs[n++]);
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
access_log_counters(struct access_log *log, struct logger_counters *counters)
{
	logger_counters(log->logger, counters);
}
