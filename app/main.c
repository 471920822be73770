/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir: the program.  Reads the options and the configuration, starts EAL, the data plane and the
 * management core in this order, and stops them in the other.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_version.h>

#include "service_cookie.h"
#include "config.h"
#include "dataplane.h"
#include "eal.h"
#include "log.h"
#include "management.h"
#include "secret.h"

enum exit_code { EXIT_DONE, EXIT_CONFIGURATION, EXIT_ENVIRONMENT, EXIT_FAULT };

#define SECRETS_MAX          SERVICE_COOKIE_KEYS_MAX
#define MBUF_DATA_ROOM       2048
#define MBUF_OVERHEAD        512 /* headroom, mbuf and mempool headers */
#define CONNECTIONS_PER_MBUF 16
#define MBUF_SLACK           4096 /* bursts, rings between cores, packets that wait for a neighbor */

struct options {
	const char *config;
	bool check;
	char **eal;
	int eal_n;
};

static void
print_usage(FILE *out)
{
	fprintf(out,
		"usage: weir --config PATH [--check] [--debug] [-- EAL OPTIONS]\n"
		"\n"
		"  --config PATH   an INI file, or a directory whose *.ini are read in name order\n"
		"  --check         read and check the configuration, print all errors, and exit\n"
		"  --debug         log more\n"
		"  --version       print the version and DPDK's\n"
		"  --help          print this\n"
		"\n"
		"It runs in the foreground, logs to standard error and prints `weir: ready` once\n"
		"it forwards.  SIGHUP reloads the configuration, SIGTERM drains and ends.\n"
		"Exit codes: 0 done, 1 configuration refused, 2 environment refused (huge pages,\n"
		"ports, rights), 3 internal fault.\n"
		"\n"
		"examples:\n"
		"  weir --config /etc/weir --check\n"
		"  weir --config conf/quickstart.ini\n"
		"  weir --config conf/network.ini -- --log-level=8\n");
}

/* @return  -1 to go on, else the exit code. */
static int
parse_options(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {
		{"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
		{"debug", no_argument, NULL, 'd'},        {"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "+c:h", table, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 'k':
			options->check = true;
			break;
		case 'd':
			log_set_level(LOG_LEVEL_DEBUG);
			break;
		case 'v':
			printf("weir %s, %s\n", WEIR_VERSION, rte_version());
			return EXIT_DONE;
		case 'h':
			print_usage(stdout);
			return EXIT_DONE;
		default:
			print_usage(stderr);
			return EXIT_CONFIGURATION;
		}
	}
	options->eal = argv + optind;
	options->eal_n = argc - optind;
	if (options->config == NULL) {
		fprintf(stderr, "weir: --config PATH is missing\n");
		print_usage(stderr);
		return EXIT_CONFIGURATION;
	}
	return -1;
}

static struct model *
load(const char *path)
{
	struct config_errors errors = {0};
	struct config_source *sources = NULL;
	struct model *model = NULL;
	size_t sources_n = 0;

	if (config_read(path, &sources, &sources_n, &errors))
		model = config_load(sources, sources_n, &errors);
	for (uint32_t i = 0; i < errors.n; i++)
		fprintf(stderr, "%s\n", errors.items[i].text);
	config_sources_free(sources, sources_n);
	config_errors_free(&errors);
	return model;
}

static void
print_summary(const struct model *model)
{
	uint32_t targets = 0;

	for (uint32_t i = 0; i < model->target_groups_n; i++)
		targets += model->target_groups[i].targets_n;
	printf("configuration is valid: %u interfaces, %u load balancers, %u listeners, "
	       "%u target groups, %u targets\n",
	       model->interfaces_n, model->load_balancers_n, model->listeners_n,
	       model->target_groups_n, targets);
}

static bool
cpu_is_supported(void)
{
#if defined(__x86_64__)
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("aes")) {
		fprintf(stderr, "weir: this processor lacks AVX2 or AES instructions; weir needs a "
				"server processor of 2013 or later\n");
		return false;
	}
#endif
	return true;
}

static bool
make_directory(const char *path)
{
	char part[300];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return false;
		*slash = '/';
	}
	return mkdir(part, 0700) == 0 || errno == EEXIST;
}

/* Of the cluster: the first is in use, all are accepted. */
struct secrets {
	struct secret all[SECRETS_MAX];
	uint32_t n;
};

/* The configured secrets, or one of this box's own in its state directory. */
static bool
load_secrets(const struct model *model, struct secrets *secrets, char *why, size_t why_len)
{
	const char *directory = model->system.state_directory;
	char path[300];

	if (model->cluster.secret_file[0] != '\0')
		return secret_load_all(secrets->all, SECRETS_MAX, &secrets->n,
				       model->cluster.secret_file, false, why, why_len);
	if (!make_directory(directory)) {
		snprintf(why, why_len, "[system] state_directory %s: %s", directory,
			 strerror(errno));
		return false;
	}
	snprintf(path, sizeof(path), "%s/secret", directory);
	return secret_load_all(secrets->all, SECRETS_MAX, &secrets->n, path, true, why, why_len);
}

/*
 * Queues' descriptors, what is in flight, what connections hold, and a margin.  Most connections
 * hold nothing.
 */
static uint32_t
mbufs_wanted(const struct model *model, unsigned workers)
{
	uint32_t n = MBUF_SLACK;

	if (model->dataplane.mbufs != 0)
		return model->dataplane.mbufs;
	for (uint32_t i = 0; i < model->interfaces_n; i++) {
		uint32_t queues = model->interfaces[i].queues;

		if (model->interfaces[i].device[0] == '\0')
			continue;
		if (queues == 0)
			queues = workers;
		n += queues * (PORT_RX_DESCRIPTORS + PORT_TX_DESCRIPTORS);
	}
	return n + workers * 1024 + model->dataplane.max_connections / CONNECTIONS_PER_MBUF;
}

static uint16_t
largest_mtu(const struct model *model)
{
	uint16_t mtu = 1500;

	for (uint32_t i = 0; i < model->interfaces_n; i++) {
		if (model->interfaces[i].mtu > mtu)
			mtu = model->interfaces[i].mtu;
	}
	return mtu;
}

/*
 * One buffer holds a whole frame of the largest MTU; net_af_packet wants one that holds whatever
 * its ring can.
 */
static uint16_t
data_room(const struct model *model)
{
	unsigned long need = largest_mtu(model) + 64u;

	if (need < MBUF_DATA_ROOM)
		need = MBUF_DATA_ROOM;
	for (uint32_t i = 0; i < model->interfaces_n; i++) {
		const char *at = strstr(model->interfaces[i].device, ",framesz=");
		unsigned long size = at == NULL ? 0 : strtoul(at + strlen(",framesz="), NULL, 10);

		if (size > need && size <= UINT16_MAX - RTE_PKTMBUF_HEADROOM)
			need = size;
	}
	return (uint16_t)need;
}

static bool
start_eal(const struct model *model, const struct options *options, struct eal_result *eal,
	  char *why, size_t why_len)
{
	const char *devices[PORT_MAX];
	unsigned workers = model->dataplane.workers;
	struct eal_plan plan = {
		.instance = model->system.instance,
		.lcores = model->dataplane.lcores[0] != '\0' ? model->dataplane.lcores : NULL,
		.management_lcore = model->dataplane.management_lcore,
		.workers = workers,
		.crypto = model->dataplane.crypto_workers,
		.hugepages = model->dataplane.hugepages,
		.devices = devices,
		.extra = options->eal,
		.extra_n = options->eal_n};

	for (uint32_t i = 0; i < model->interfaces_n; i++) {
		if (model->interfaces[i].device[0] == '\0')
			continue;
		if (plan.devices_n == PORT_MAX) {
			snprintf(why, why_len, "more than %d devices", PORT_MAX);
			return false;
		}
		devices[plan.devices_n++] = model->interfaces[i].device;
	}
	plan.mbufs = mbufs_wanted(model, workers != 0 ? workers : WORKER_MAX);
	plan.mbuf_bytes = data_room(model) + MBUF_OVERHEAD;
	return eal_start(&plan, eal, why, why_len);
}

static bool
plan_dataplane(const struct model *model, const struct eal_result *eal,
	       const struct secrets *secrets, struct dataplane_settings *s, char *why,
	       size_t why_len)
{
	unsigned workers = model->dataplane.workers, crypto = model->dataplane.crypto_workers;

	if (workers == 0)
		workers = eal->workers > crypto ? eal->workers - crypto : 1;
	if (workers > WORKER_MAX)
		workers = WORKER_MAX;
	if (workers + crypto > eal->workers) {
		snprintf(why, why_len,
			 "[dataplane] workers = %u, crypto_workers = %u, but `lcores` has only %u "
			 "besides the management core",
			 workers, crypto, eal->workers);
		return false;
	}
	*s = (struct dataplane_settings){.workers_n = (uint16_t)workers,
					 .crypto_n = (uint16_t)crypto,
					 .adaptive = model->dataplane.adaptive,
					 .hugepages = eal->hugepages,
					 .physical = eal->physical,
					 .max_flows = model->dataplane.max_flows,
					 .mbufs = mbufs_wanted(model, workers),
					 .max_connections = model->dataplane.max_connections,
					 .max_half_open = model->dataplane.max_half_open,
					 .syn_cookies = (uint8_t)model->dataplane.syn_cookies,
					 .mbuf_data_room = data_room(model),
					 .frontends_n = SNAPSHOT_FRONTENDS,
					 .targets_n = SNAPSHOT_TARGETS,
					 .interfaces_n = SNAPSHOT_INTERFACES,
					 .secret = &secrets->all[0],
					 .secrets = secrets->all,
					 .secrets_n = secrets->n};
	for (uint32_t i = 0; i < model->interfaces_n; i++) {
		const struct model_interface *mi = &model->interfaces[i];

		if (mi->device[0] == '\0')
			continue;
		s->ports[s->ports_n++] =
			(struct port_settings){.device = mi->device,
					       .queues = mi->queues,
					       .mtu = mi->mtu,
					       .offloads = mi->offloads,
					       .own_mac = mi->mac_source == MODEL_MAC_OWN};
		memcpy(s->ports[s->ports_n - 1].mac, mi->mac, 6);
	}
	return true;
}

/* Signals are taken by the management core's descriptor; threads made later inherit the mask. */
static void
block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
refuse(const char *why)
{
	LOG_ERROR("%s", why);
	return EXIT_ENVIRONMENT;
}

static int
run(struct management *m, struct dataplane *dp)
{
	char why[1024];

	if (!management_publish_first(m, why, sizeof(why))) {
		if (why[0] == '\0')
			return EXIT_DONE;
		LOG_ERROR("%s", why);
		return EXIT_CONFIGURATION;
	}
	if (!management_open(m, why, sizeof(why)))
		return refuse(why);
	if (!dataplane_start(dp, why, sizeof(why)))
		return refuse(why);
	LOG_NOTICE("ready: version %s, %u workers, %u interfaces, revision %lu", WEIR_VERSION,
		   dp->workers_n, m->interfaces_n, (unsigned long)m->config_revision);
	management_run(m);
	return EXIT_DONE;
}

static int
serve(struct model *model, const struct options *options)
{
	struct management_settings settings = {.config_path = options->config, .model = model};
	struct dataplane_settings plan;
	struct eal_result eal;
	struct secrets secrets;
	struct dataplane *dp;
	struct management *m;
	char why[1024];
	int code;

	if (geteuid() != 0) {
		model_free(model);
		return refuse("weir must run as root: it opens devices and locks memory");
	}
	if (!load_secrets(model, &secrets, why, sizeof(why)) ||
	    !start_eal(model, options, &eal, why, sizeof(why))) {
		model_free(model);
		return refuse(why);
	}
	dp = plan_dataplane(model, &eal, &secrets, &plan, why, sizeof(why))
		     ? dataplane_create(&plan, why, sizeof(why))
		     : NULL;
	if (dp == NULL) {
		model_free(model);
		eal_stop();
		return refuse(why);
	}
	settings.dp = dp;
	settings.secret = &secrets.all[0];
	m = management_create(&settings, why, sizeof(why));
	if (m == NULL) {
		dataplane_free(dp);
		eal_stop();
		return refuse(why);
	}
	code = run(m, dp);
	dataplane_stop(dp);
	management_free(m);
	if (!dataplane_free(dp) && code == EXIT_DONE)
		code = EXIT_FAULT;
	eal_stop();
	if (code == EXIT_DONE)
		LOG_NOTICE("stopped: every packet buffer, flow and port was given back");
	return code;
}

int
main(int argc, char **argv)
{
	struct options options = {0};
	struct model *model;
	int code = parse_options(argc, argv, &options);

	if (code >= 0)
		return code;
	if (!cpu_is_supported())
		return EXIT_ENVIRONMENT;
	model = load(options.config);
	if (model == NULL)
		return EXIT_CONFIGURATION;
	if (options.check) {
		print_summary(model);
		model_free(model);
		return EXIT_DONE;
	}
	block_signals();
	return serve(model, &options);
}
