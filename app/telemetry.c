/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <rte_telemetry.h>

#include "operation.h"

#define ROWS_MAX   256   /* array entries: DPDK allows 512 */
#define REPLY_MAX  12000 /* bytes of a reply with room for keys: DPDK allows 16 KiB */
#define STRING_MAX 127

static const struct {
	const char *path;
	const char *operation;
	const char *parameter; /* argument that a bare parameter sets, NULL: none */
	const char *list;      /* member of the result that is a list */
	const char *help;
} commands[] = {
	{"/weir/info", "info", NULL, NULL, "Version, configuration and uptime"},
	{"/weir/lcores", "lcores", NULL, "lcores", "Workers: turns, packets, busy ticks"},
	{"/weir/crypto_lcores", "crypto_lcores", NULL, "crypto_lcores",
	 "Crypto lcores: steps of handshakes, busy ticks"},
	{"/weir/interfaces", "interfaces", NULL, "interfaces", "Interfaces and their counters"},
	{"/weir/load_balancers", "load_balancers", "name", "load_balancers",
	 "Load balancers. Parameter: NAME"},
	{"/weir/listeners", "listeners", "load_balancer", "listeners",
	 "Listeners. Parameter: LOAD_BALANCER"},
	{"/weir/target_groups", "target_groups", "name", "target_groups",
	 "Target groups. Parameter: NAME"},
	{"/weir/target_health", "target_health", "target_group", "targets",
	 "Health of targets. Parameter: TARGET_GROUP"},
	{"/weir/instance_health", "instance_health", "load_balancer", "instances",
	 "Health of classic load balancers' instances. Parameter: LOAD_BALANCER"},
	{"/weir/metrics", "metrics", "name", NULL,
	 "CloudWatch metrics. Parameter: LOAD_BALANCER or TARGET_GROUP"},
	{"/weir/drops", "drops", NULL, NULL, "Packets not forwarded, by reason"},
	{"/weir/tcp", "tcp", NULL, NULL,
	 "Segments and connections of weir's own TCP: terminated listeners, their targets, health "
	 "checks by HTTP"},
	{"/weir/http2_ends", "http2_ends", NULL, NULL,
	 "Connections by HTTP/2 that ended, by reason"},
	{"/weir/neighbors", "neighbors", NULL, "neighbors", "ARP and ND entries"},
	{"/weir/addresses", "addresses", "load_balancer", "addresses",
	 "Addresses of load balancers: zone, health, announced. Parameter: LOAD_BALANCER"},
	{"/weir/endpoints", "endpoints", NULL, "endpoints", "Endpoints of gateway load balancers"},
	{"/weir/flows", "flows", NULL, "flows",
	 "Flows. Parameters: client=ADDRESS,target=ADDRESS,listener=NAME,limit=N"},
	{"/weir/pools", "pools", NULL, "pools", "Pools: size, in use, high-water mark, failures"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* One request under way; telemetry threads take turns. */
struct telemetry {
	struct management *m;
	int wake_fd;
	pthread_mutex_t turn; /* held by the thread whose request it is */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct request *queued;
	bool closed;
};

struct request {
	struct operation_call call;
	struct telemetry *telemetry;
	const char *operation;
	json_t *result;
	char error[256];
	bool done;
	bool abandoned; /* the thread gave up: the reply frees it */
};

static struct telemetry *open_telemetry; /* DPDK 22.11's callbacks carry no argument */

static void
free_request(struct request *r)
{
	json_decref(r->call.args);
	json_decref(r->result);
	free(r);
}

static void
on_reply(struct operation_call *call, json_t *result, const char *code, const char *message)
{
	struct request *r = (struct request *)call;
	struct telemetry *t = r->telemetry;
	bool abandoned;

	pthread_mutex_lock(&t->lock);
	r->result = result;
	if (result == NULL)
		snprintf(r->error, sizeof(r->error), "%s: %s", code, message);
	r->done = true;
	abandoned = r->abandoned;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	if (abandoned)
		free_request(r);
}

void
telemetry_on_ready(struct telemetry *t)
{
	struct request *r;

	pthread_mutex_lock(&t->lock);
	r = t->queued;
	t->queued = NULL;
	pthread_mutex_unlock(&t->lock);
	if (r != NULL)
		operation_run(t->m, r->operation, &r->call);
}

/* "a=b,c=d" or one bare value for the command's own parameter. */
static json_t *
parse_parameters(const char *text, const char *bare)
{
	json_t *args = json_object();
	char *copy = text != NULL ? strdup(text) : NULL, *save = NULL;

	for (char *part = copy != NULL ? strtok_r(copy, ",", &save) : NULL; part != NULL;
	     part = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(part, '=');
		char *end;
		long long number;

		if (equals == NULL) {
			if (bare != NULL)
				json_object_set_new(args, bare, json_string(part));
			continue;
		}
		*equals = '\0';
		number = strtoll(equals + 1, &end, 10);
		json_object_set_new(args, part,
				    *end == '\0' && end != equals + 1 ? json_integer(number)
								      : json_string(equals + 1));
	}
	free(copy);
	return args;
}

static void
clean_name(const char *key, char name[64])
{
	size_t i;

	for (i = 0; key[i] != '\0' && i < 63; i++)
		name[i] = key[i] == '.' || key[i] == '-' || key[i] == ' ' ? '/' : key[i];
	name[i] = '\0';
}

static const char *
text_of(const json_t *value, char buf[STRING_MAX + 1])
{
	if (json_is_string(value))
		snprintf(buf, STRING_MAX + 1, "%s", json_string_value(value));
	else if (json_is_boolean(value))
		snprintf(buf, STRING_MAX + 1, "%s", json_is_true(value) ? "true" : "false");
	else if (json_is_integer(value))
		snprintf(buf, STRING_MAX + 1, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		buf[0] = '\0';
	return buf;
}

/* Flat members of an object. */
static int
add_members(struct rte_tel_data *d, json_t *object)
{
	const char *key;
	json_t *value;
	int rc = 0;

	json_object_foreach(object, key, value)
	{
		char name[64], text[STRING_MAX + 1];

		clean_name(key, name);
		if (json_is_array(value) || json_is_object(value))
			continue;
		if (json_is_integer(value))
			rc |= rte_tel_data_add_dict_u64(d, name,
							(uint64_t)json_integer_value(value));
		else
			rc |= rte_tel_data_add_dict_string(d, name, text_of(value, text));
	}
	return rc;
}

/* How many rows from `offset` on fit in one reply. */
static size_t
rows_that_fit(const json_t *list, size_t offset)
{
	size_t bytes = 0, n = 0;

	while (offset + n < json_array_size(list) && n < ROWS_MAX) {
		const char *key;
		json_t *value;

		json_object_foreach(json_array_get(list, offset + n), key, value)
		{
			char text[STRING_MAX + 1];

			bytes += strlen(text_of(value, text)) + 4;
		}
		if (bytes > REPLY_MAX)
			break;
		n++;
	}
	return n;
}

static int
add_column(struct rte_tel_data *d, const json_t *list, size_t offset, size_t n, const char *key,
	   bool numbers)
{
	struct rte_tel_data *column = rte_tel_data_alloc();
	char name[64], text[STRING_MAX + 1];
	int rc;

	if (column == NULL)
		return -ENOMEM;
	clean_name(key, name);
	rc = rte_tel_data_start_array(column, numbers ? RTE_TEL_U64_VAL : RTE_TEL_STRING_VAL);
	for (size_t i = offset; i < offset + n; i++) {
		const json_t *value = json_object_get(json_array_get(list, i), key);

		if (numbers)
			rc |= rte_tel_data_add_array_u64(column,
							 (uint64_t)json_integer_value(value));
		else
			rc |= rte_tel_data_add_array_string(column, text_of(value, text));
	}
	return rc | rte_tel_data_add_dict_container(d, name, column, 0);
}

static int
add_list(struct rte_tel_data *d, const json_t *list, size_t offset)
{
	size_t n = rows_that_fit(list, offset);
	const char *key;
	json_t *value;
	int rc;

	rc = rte_tel_data_add_dict_u64(d, "total", json_array_size(list));
	rc |= rte_tel_data_add_dict_u64(d, "offset", offset);
	json_object_foreach(json_array_get(list, offset), key, value)
	{
		rc |= add_column(d, list, offset, n, key, json_is_integer(value));
	}
	return rc;
}

static int
fill(struct rte_tel_data *d, const struct request *r, const char *list)
{
	int rc = rte_tel_data_start_dict(d);

	if (r->result == NULL)
		return rc | rte_tel_data_add_dict_string(d, "error", r->error);
	if (list == NULL)
		return rc | add_members(d, r->result);
	return rc | add_list(d, json_object_get(r->result, list),
			     (size_t)json_integer_value(json_object_get(r->call.args, "offset")));
}

/* Queue the request and wait at most a second. @return whether it is done. */
static bool
wait_for(struct telemetry *t, struct request *r)
{
	struct timespec until;
	bool done;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&t->lock);
	if (t->closed) {
		pthread_mutex_unlock(&t->lock);
		free_request(r);
		return false;
	}
	t->queued = r;
	eventfd_write(t->wake_fd, 1);
	while (!r->done && pthread_cond_timedwait(&t->changed, &t->lock, &until) == 0)
		;
	done = r->done;
	if (!done && t->queued == r) {
		t->queued = NULL; /* it never started */
		pthread_mutex_unlock(&t->lock);
		free_request(r);
		return false;
	}
	r->abandoned = !done;
	pthread_mutex_unlock(&t->lock);
	return done;
}

static int
on_command(const char *path, const char *parameters, struct rte_tel_data *d)
{
	struct telemetry *t = open_telemetry;
	struct request *r;
	size_t i = 0;
	int rc;

	while (i < COMMANDS && strcmp(commands[i].path, path) != 0)
		i++;
	r = i < COMMANDS ? calloc(1, sizeof(*r)) : NULL;
	if (r == NULL)
		return -ENOMEM;
	r->telemetry = t;
	r->operation = commands[i].operation;
	r->call.reply = on_reply;
	r->call.args = parse_parameters(parameters, commands[i].parameter);

	pthread_mutex_lock(&t->turn);
	if (wait_for(t, r)) {
		rc = fill(d, r, commands[i].list);
		free_request(r);
	} else {
		rc = rte_tel_data_start_dict(d) |
		     rte_tel_data_add_dict_string(d, "error", "the management core is busy");
	}
	pthread_mutex_unlock(&t->turn);
	return rc == 0 ? 0 : -EINVAL;
}

struct telemetry *
telemetry_open(struct management *m, int wake_fd)
{
	struct telemetry *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->m = m;
	t->wake_fd = wake_fd;
	pthread_mutex_init(&t->turn, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->changed, NULL);
	open_telemetry = t;
	for (size_t i = 0; i < COMMANDS; i++)
		rte_telemetry_register_cmd(commands[i].path, on_command, commands[i].help);
	return t;
}

void
telemetry_close(struct telemetry *t)
{
	struct request *r;

	/* The commands stay registered as long as EAL: the struct stays too, closed. */
	pthread_mutex_lock(&t->lock);
	t->closed = true;
	r = t->queued;
	t->queued = NULL;
	pthread_mutex_unlock(&t->lock);
	if (r != NULL)
		on_reply(&r->call, NULL, "stopping", "weir is stopping");
}
