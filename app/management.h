/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The management core: configuration, target health, neighbors, and everything that is watched.
 *
 * It runs on EAL's main lcore and sleeps in epoll between signals, a timer of MANAGEMENT_TICK_MS,
 * the workers' event descriptor, the control socket and telemetry.  It alone writes what workers
 * read: the snapshot, target sets and next hops.  Nothing here blocks.
 *
 * management.c      the loop, signals, start and stop
 * publication.c     reload, snapshots, target sets, what drains; publication_*.c: of one kind of
 *                   load balancer
 * host.c            packets that workers hand over: ARP, ND, unresolved next hops
 * operation.c       what can be asked from outside
 */
#ifndef MANAGEMENT_H
#define MANAGEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "anomaly.h"
#include "capture.h"
#include "config.h"
#include "dataplane.h"
#include "health.h"
#include "log_files.h"
#include "neighbor.h"
#include "snapshot_build.h"
#include "worker.h"
#include "watchdog.h"

#define MANAGEMENT_TICK_MS 20

struct management;
struct tls_tickets;

/** What the management core knows of a target beyond its configuration; by target index. */
struct managed_target {
	uint64_t id;
	uint32_t reference;    /* 0: index not in use */
	bool registered;       /* in the model */
	bool terminate;        /* end its flows when the delay is over */
	bool terminated;       /* that was done */
	uint32_t drain_end_ms; /* end of the deregistration delay */
	bool ending;           /* unhealthy: flows that began until ending_ms are to end */
	uint32_t ending_ms;
	uint32_t unhealthy_end_ms; /* of unhealthy.draining */
	uint64_t ramp_end_ms;      /* of its slow start, in the workers' milliseconds; 0: none */
	struct anomaly_target anomaly; /* of targets of HTTP */
	/* Of targets of TCP, see passive_health.c: counters at the last look, once there was one.
	 */
	uint64_t failed_flows, answered_flows;
	bool passive;
	/* Of gateway targets that left the model, what their group said: */
	bool rebalance, reset, bypass;
};

/** An address of a load balancer; see publication_zone.c. */
struct managed_address {
	struct ip_addr addr;
	bool well;      /* its zone has enough healthy targets */
	bool withdrawn; /* not announced */
	bool holding;   /* it is to be announced again at hold_end_ms */
	uint32_t hold_end_ms;
};

/** Of a target group; by group index. */
struct managed_group {
	uint64_t inputs;    /* digest of what the set in force was built from */
	bool dirty;         /* health changed since */
	bool named, weighs; /* by actions; with another weight than 0 */
	bool weightless;    /* of a network load balancer: its flows end */
};

/** A target set under way. */
struct set_build {
	struct maglev_job *job; /* NULL: none */
	struct target_set *set; /* of a group that is balanced by request; NULL: none */
	uint64_t group_id;
	uint32_t index; /* of the group */
	uint64_t inputs;
};

/** Told when a reload that it asked for is over; m->reload_message says how. */
typedef void (*publication_reloaded)(struct management *m, void *arg, bool done);

/** Freed when every worker has passed a quiescent state. */
struct retired {
	struct retired *next;
	uint64_t token;
	void (*free)(void *memory);
	void *memory;
};

struct management {
	struct dataplane *dp;
	struct watchdog watchdog;
	struct model *model;
	const char *config_path;
	struct snapshot_registries registries;
	struct siphash_key maglev_seed;
	struct secret secret;
	struct tls_tickets *tickets; /* of all listeners */
	uint64_t config_revision, health_revision;
	uint32_t generation;
	uint16_t interfaces_n;
	uint64_t interface_ids[SNAPSHOT_INTERFACES];
	char interface_names[SNAPSHOT_INTERFACES][MODEL_NAME_MAX];
	struct snapshot_interface interfaces[SNAPSHOT_INTERFACES];
	struct neighbor_interface neighbor_interfaces[SNAPSHOT_INTERFACES];

	struct neighbors *neighbors;
	struct health *health;
	struct managed_target *targets; /* [SNAPSHOT_TARGETS] */
	struct managed_group *groups;   /* [SNAPSHOT_GROUPS] */
	struct managed_address *addresses;
	uint32_t addresses_n;
	bool zones_dirty; /* health or addresses changed, or one of them waits */
	struct retired *retired;
	struct publication *publication; /* a reload under way */
	bool reload_again;               /* one more was asked for meanwhile */
	struct reload_waiter *reload_waiters, *next_reload_waiters;
	uint64_t sets_built;             /* of requests: their serial numbers */
	struct set_build update;         /* of a set in force, because of health */
	uint32_t update_at;              /* set of the model that is looked at next */
	bool sets_dirty;                 /* a group may be */
	bool sets_starved;               /* there was no memory for one: again later */
	struct worker_counters counters; /* drops and answers made here */

	struct capture *capture; /* under way or finished, until the next */
	uint64_t capture_token;  /* workers may still see a stopped capture until this */
	bool capture_detached;

	int epoll_fd, signal_fd, timer_fd, telemetry_fd;
	struct control *control;
	struct telemetry *telemetry;
	struct prometheus *prometheus; /* NULL: no metrics over HTTP */
	struct log_files *log_files;
	uint32_t now_ms;
	uint64_t start_wall_s;
	uint64_t reloads, reloads_failed;
	uint32_t reload_us;       /* the last one took */
	uint64_t longest_turn_us; /* of the loop: so long nothing else was done */
	char reload_message[1024];
	uint32_t probes_out;        /* commands with workers */
	struct gateway_peak *peaks; /* operation_gateway.c */
	uint32_t peaks_n, peak_tick_ms;
	struct capacity *capacities; /* metric_capacity.c */
	uint32_t capacities_n;
	uint64_t mbufs_high_water; /* as far as it was looked at */
	uint32_t neighbors_tick_ms, slow_tick_ms, anomaly_tick_ms, drain_end_ms;
	bool stopping, stop_now;
	bool workers_stopped; /* nobody runs commands any more */
};

struct management_settings {
	const char *config_path;
	struct model *model; /* taken */
	struct dataplane *dp;
	const struct secret *secret;
};

/** @return  NULL with a sentence in `why`. */
struct management *management_create(const struct management_settings *settings, char *why,
				     size_t why_len);

/**
 * Publish the first configuration.
 * @return  false with a sentence in `why`, or with an empty one: a signal says to stop.
 */
bool management_publish_first(struct management *m, char *why, size_t why_len);

/** Listen and run until told to stop. */
bool management_open(struct management *m, char *why, size_t why_len);
void management_run(struct management *m);
void management_free(struct management *m);

/** Wall clock in seconds; for timestamps that people see. */
uint64_t management_wall_s(void);

/* publication.c */

/**
 * Load the configuration again and put it in force, or keep the old one and say why.  Target sets
 * are built in slices by publication_work(); a reload that is asked for meanwhile comes after it.
 * @param done  NULL, or told at the end, possibly before this returns
 */
void publication_reload(struct management *m, publication_reloaded done, void *arg);

/** Whether publication_work() should be called without sleeping before. */
bool publication_has_work(const struct management *m);

/** Go on with sets whose health changed and with the reload under way, for a few milliseconds. */
void publication_work(struct management *m);

/** Give up what is under way: weir stops. */
void publication_abandon(struct management *m);

/**
 * Publish the first configuration, before workers run.  Between slices `go_on` is asked.
 * @return  false with a sentence in `why`, or with none when `go_on` said no; `model` is then the
 *          caller's still.
 */
bool publication_first(struct management *m, struct model *model, bool (*go_on)(void), char *why,
		       size_t why_len);

/** Publish the same model with every frontend refusing new flows. */
void publication_refuse_new_flows(struct management *m);

/** Release targets and frontends whose last flow has left; end deregistration delays. */
void publication_end_drains(struct management *m);

/** Every ANOMALY_STEP_MS: see which targets fail more often than their peers. */
void publication_find_anomalies(struct management *m);

/** Free what no worker can see any more. */
void publication_reclaim(struct management *m);

/** Free `memory` after a grace period. */
void publication_retire(struct management *m, void (*free_memory)(void *), void *memory);

/** Free everything published; workers have stopped. */
void publication_free(struct management *m);

/** For health_create(). */
void publication_on_health(void *arg, uint64_t target, const struct target_health *health,
			   enum target_state before);

/** Write the revision so that it goes on counting after a restart. */
void publication_save_revision(const struct management *m);
uint64_t publication_load_revision(const struct model *model);

/* publication_gateway.c */

/** Tell workers what is to become of the flows of each appliance, by health and registration. */
void publication_mark_appliances(struct management *m);

/** Give back indexes of endpoints that nothing published names. */
void publication_release_endpoints(struct management *m);

/** Remember of a target that leaves the model what its group says. */
void publication_keep_failover(struct managed_target *mt, const struct model_target_group *tg);

/* publication_unhealthy.c: network load balancers' targets */

/** A model was put in force: flows of groups that have only weight 0 now are to end. */
void publication_weigh_groups(struct management *m);

/** A target's state has changed: what is to become of its flows is noted. */
void publication_on_unhealthy(struct management *m, const struct model_target_group *tg,
			      struct managed_target *mt, enum target_state before,
			      enum target_state state);

/** Tell workers whose flows are to end, and end unhealthy.draining.  Call after a publication. */
void publication_mark_unhealthy(struct management *m);

/* publication_zone.c: addresses of load balancers */

/** A model was put in force. */
void publication_take_addresses(struct management *m);

/** Withdraw addresses of zones with too few healthy targets, and announce those that are well. */
void publication_judge_zones(struct management *m);

bool publication_is_announced(const struct management *m, const struct ip_addr *addr);

/* operation_gateway.c */

/** Once a second: note how much gateway load balancers carry. */
void gateway_sample(struct management *m);

/* metric_capacity.c */

/** Once a second: note what network load balancers carry. */
void metric_sample_capacity(struct management *m);
void metric_put_capacity(const struct management *m, uint64_t load_balancer_id, json_t *row);

/* passive_health.c */

/** Once a second: targets that take no connections have failed a check. */
void management_look_at_flows(struct management *m);

/* host.c */

bool host_open(struct management *m, char *why, size_t why_len);

/** Take what workers handed over. */
void host_poll(struct management *m);
void host_close(struct management *m);

/** Announce an address of a load balancer, or no longer. */
void host_announce(struct management *m, const struct ip_addr *addr, bool on);

/** Start asking for the next hops of a new snapshot, and announce its addresses. */
void host_on_published(struct management *m, const struct model *old_model);

/* health checks, in management.c */
void management_check_target(void *arg, uint64_t target, const struct health_settings *settings);

/** Sum of a counter over all workers. */
#define MANAGEMENT_SUM(m, member)                                                     \
	__extension__({                                                               \
		uint64_t sum_ = 0;                                                    \
		for (uint16_t w_ = 0; w_ < (m)->dp->workers_n; w_++)                  \
			sum_ += counter_read(&(m)->dp->workers[w_]->counters.member); \
		sum_;                                                                 \
	})

#endif
