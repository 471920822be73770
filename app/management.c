/* SPDX-License-Identifier: BSD-3-Clause */
#include "management.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include <systemd/sd-daemon.h>

#include "clock.h"
#include "control.h"
#include "log.h"
#include "model_network.h"
#include "model_security.h"
#include "operation.h"
#include "prometheus.h"
#include "steering.h"
#include "telemetry.h"
#include "tls_tickets.h"
#include "worker_tcp.h"

#define NEIGHBOR_TICK_MS 100
#define SLOW_TICK_MS     200
#define PROBES_OUT_MAX   PROBER_PROBES
#define CHECKS_PER_TICK  512

uint64_t
management_wall_s(void)
{
	return (uint64_t)time(NULL);
}

static void
update_clock(struct management *m)
{
	m->now_ms = clock_us_to_ms(clock_us(&m->dp->clock, rte_rdtsc()));
}

/* Health checks: a command to a worker, a verdict back. */

static void
free_command(struct worker_command *command)
{
	free(command->path);
	tls_client_put(command->tls);
	free(command);
}

/* Of the target to check. @return NULL: it, or its group, is gone. */
static const struct model_target_group *
group_of(const struct management *m, uint32_t target, struct ip_addr *addr)
{
	const struct snapshot *s = atomic_load_explicit(&m->dp->snapshot, memory_order_relaxed);
	const struct snapshot_target *t = snapshot_target(s, target);

	if (t == NULL)
		return NULL;
	*addr = t->addr;
	return model_target_group_by_id(m->model, s->groups[t->group].id);
}

/* What a check by HTTP or TLS asks for. @return false without memory. */
static bool
ask_by_http(const struct management *m, struct worker_command *command)
{
	struct ip_addr addr;
	const struct model_target_group *tg = group_of(m, command->target, &addr);
	enum elb_protocol protocol = tg == NULL ? ELB_TCP : tg->health_check.protocol;

	if (elb_protocol_is_tls(protocol)) {
		command->tls = tg->tls;
		tls_client_get(command->tls);
	}
	if (!elb_protocol_is_http(protocol))
		return true;
	command->path = strdup(tg->health_check.path);
	command->http2 = tg->version == VERSION_HTTP2;
	command->grpc = tg->version == VERSION_GRPC;
	command->proxy_v2 = tg->proxy_v2;
	command->matcher.first = command->grpc ? 0 : 200;
	memcpy(command->matcher.bits, tg->health_check.codes, sizeof(command->matcher.bits));
	return command->path != NULL;
}

static enum target_reason
reason_of(const struct worker_command *command)
{
	if (command->path == NULL)
		return TARGET_REASON_FAILED_HEALTH_CHECKS;
	if (command->result == PROBE_STATUS_MISMATCH)
		return TARGET_REASON_RESPONSE_CODE_MISMATCH;
	return command->result == PROBE_TIMEOUT || command->result == PROBE_NO_ANSWER
		       ? TARGET_REASON_TIMEOUT
		       : TARGET_REASON_FAILED_HEALTH_CHECKS;
}

/* A listener of this process: it is there as long as the configuration is. */
static bool
is_alb(const struct management *m, uint64_t target)
{
	struct ip_addr addr;
	const struct model_target_group *tg =
		group_of(m, registry_find(&m->registries.targets, target), &addr);

	return tg != NULL && model_group_is_alb(tg);
}

/* Whether the load balancer's security groups don't let the check out. */
static bool
is_kept_in(const struct management *m, uint64_t target, uint16_t port_be)
{
	struct ip_addr addr;
	const struct model_target_group *tg =
		group_of(m, registry_find(&m->registries.targets, target), &addr);

	return tg != NULL &&
	       !model_security_lets_out(m->model,
					model_load_balancer_by_id(m->model, tg->load_balancer_id),
					MODEL_SECURITY_TCP, &addr, ntohs(port_be));
}

void
management_check_target(void *arg, uint64_t target, const struct health_settings *settings)
{
	struct management *m = arg;
	struct worker_command *command = NULL;
	struct worker *w = m->dp->workers[target % m->dp->workers_n];

	if (is_alb(m, target)) {
		health_on_verdict(m->health, target, HEALTH_OWN_CHECK, true, TARGET_REASON_NONE,
				  management_wall_s());
		return;
	}
	if (is_kept_in(m, target, settings->port_be)) {
		health_on_verdict(m->health, target, HEALTH_OWN_CHECK, false, TARGET_REASON_TIMEOUT,
				  management_wall_s());
		return;
	}
	if (m->probes_out < PROBES_OUT_MAX)
		command = calloc(1, sizeof(*command));
	if (command == NULL) {
		health_on_not_checked(m->health, target);
		return;
	}
	command->kind = WORKER_PROBE;
	command->cookie = target;
	command->target = registry_find(&m->registries.targets, target);
	command->port_be = settings->port_be;
	command->timeout_ms = settings->timeout_ms;
	if (!ask_by_http(m, command) || rte_ring_sp_enqueue(w->commands, command) != 0) {
		free_command(command);
		health_on_not_checked(m->health, target);
		return;
	}
	m->probes_out++;
}

static void
log_check(struct management *m, const struct worker_command *command)
{
	struct health_record r = {.latency_us = command->ended_us - command->begun_us,
				  .port = ntohs(command->port_be),
				  .status = command->status,
				  .result = (uint8_t)command->result};
	const struct model_target_group *tg = group_of(m, command->target, &r.target);
	const struct model_load_balancer *lb =
		tg == NULL ? NULL : model_load_balancer_by_id(m->model, tg->load_balancer_id);

	if (lb == NULL || !lb->health_check_log.enabled)
		return;
	r.head = (struct log_record){lb->id, LOG_HEALTH_CHECK};
	r.begun_wall_us = dataplane_wall_us(m->dp) + command->begun_us;
	snprintf(r.target_group, sizeof(r.target_group), "%.*s", MODEL_NAME_MAX - 1, tg->name);
	log_files_health_check(m->log_files, &r);
}

static void
take_verdict(struct management *m, struct worker_command *command)
{
	m->probes_out--;
	if (command->result == PROBE_NOT_SENT) {
		health_on_not_checked(m->health, command->cookie);
	} else {
		health_on_verdict(m->health, command->cookie, HEALTH_OWN_CHECK,
				  command->result == PROBE_CONNECTED, reason_of(command),
				  management_wall_s());
		if (command->path != NULL)
			log_check(m, command);
	}
	free_command(command);
}

static void
take_event(struct management *m, struct worker_command *command)
{
	if (command->kind == WORKER_PROBE)
		take_verdict(m, command);
	else
		operation_on_command(m, command);
}

static void
take_events(struct management *m)
{
	for (uint16_t i = 0; i < m->dp->workers_n; i++) {
		void *entry;

		while (rte_ring_sc_dequeue(m->dp->workers[i]->events, &entry) == 0) {
			take_event(m, entry);
		}
	}
}

/* The tick. */

static void
update_links(struct management *m)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);

	for (uint16_t i = 0; i < ports->ports_n; i++) {
		if (port_update_link(ports->ports[i]))
			LOG_NOTICE("port %s: link %s", ports->ports[i]->name,
				   ports->ports[i]->link_up ? "up" : "down");
	}
}

/* A capture that is over is first hidden from the workers, then freed. */
static void
end_capture(struct management *m)
{
	struct capture_status status;

	if (m->capture == NULL || m->capture_detached)
		return;
	capture_status(m->capture, &status);
	if (!status.finished)
		return;
	atomic_store(&m->dp->capture, NULL);
	m->capture_token = rte_rcu_qsbr_start(m->dp->rcu);
	m->capture_detached = true;
	if (status.error != 0)
		LOG_ERROR("capture ended: %s", strerror(status.error));
}

/* Flows of TCP listeners and of gateways, which shutting down waits for. */
static uint64_t
tcp_flows(const struct management *m)
{
	const struct snapshot *s = atomic_load(&m->dp->snapshot);
	uint64_t n = 0;

	for (uint32_t i = 1; i < s->frontends_n; i++) {
		bool gateway = s->frontends[i].generation != 0 && s->frontends[i].protocols == 0;

		if (gateway || (s->frontends[i].protocols & SNAPSHOT_TCP) != 0)
			n += MANAGEMENT_SUM(m, frontends[i].new_flows) -
			     MANAGEMENT_SUM(m, frontends[i].closed_flows);
	}
	return n;
}

static void
begin_stop(struct management *m)
{
	uint32_t seconds = m->model->system.shutdown_drain_seconds;

	if (m->stopping) {
		m->stop_now = true;
		return;
	}
	m->stopping = true;
	m->drain_end_ms = m->now_ms + seconds * 1000;
	sd_notify(0, "STOPPING=1");
	LOG_INFO("stopping: new flows are refused, existing ones have %u s", seconds);
	publication_abandon(m);
	publication_refuse_new_flows(m);
}

static bool
is_drained(const struct management *m)
{
	return m->stopping &&
	       (m->stop_now || clock_ms_reached(m->now_ms, m->drain_end_ms) || tcp_flows(m) == 0);
}

static void
on_tick(struct management *m)
{
	watchdog_tick(&m->watchdog, m->dp, m->now_ms);
	health_tick(m->health, m->now_ms, CHECKS_PER_TICK);
	publication_reclaim(m);
	if (clock_ms_reached(m->now_ms, m->neighbors_tick_ms)) {
		neighbors_tick(m->neighbors, m->now_ms);
		m->neighbors_tick_ms = m->now_ms + NEIGHBOR_TICK_MS;
	}
	if (clock_ms_reached(m->now_ms, m->peak_tick_ms)) {
		gateway_sample(m);
		metric_sample_capacity(m);
		management_look_at_flows(m);
		m->peak_tick_ms = m->now_ms + 1000;
	}
	if (clock_ms_reached(m->now_ms, m->anomaly_tick_ms)) {
		publication_find_anomalies(m);
		m->anomaly_tick_ms = m->now_ms + ANOMALY_STEP_MS;
	}
	if (clock_ms_reached(m->now_ms, m->slow_tick_ms)) {
		update_links(m);
		steering_tick(m);
		prometheus_run(m->prometheus);
		publication_end_drains(m);
		publication_judge_zones(m);
		tls_tickets_turn(m->tickets, management_wall_s());
		if (m->sets_starved) {
			m->sets_starved = false;
			m->sets_dirty = true;
		}
		end_capture(m);
		m->slow_tick_ms = m->now_ms + SLOW_TICK_MS;
	}
}

/* The loop. */

static void
on_signal(struct management *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			publication_reload(m, NULL, NULL);
		else
			begin_stop(m);
	}
}

static void
clear(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return; /* nothing to clear */
}

static bool
watch(struct management *m, int fd, void *who)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};

	return fd >= 0 && epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool
open_descriptors(struct management *m)
{
	struct itimerspec period = {.it_interval.tv_nsec = MANAGEMENT_TICK_MS * 1000000,
				    .it_value.tv_nsec = MANAGEMENT_TICK_MS * 1000000};
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	m->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	m->telemetry_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return m->timer_fd >= 0 && timerfd_settime(m->timer_fd, 0, &period, NULL) == 0 &&
	       watch(m, m->signal_fd, &m->signal_fd) && watch(m, m->timer_fd, &m->timer_fd) &&
	       watch(m, m->telemetry_fd, &m->telemetry_fd) &&
	       watch(m, m->dp->event_fd, &m->dp->event_fd);
}

bool
management_open(struct management *m, char *why, size_t why_len)
{
	if (!open_descriptors(m)) {
		snprintf(why, why_len, "management core: %s", strerror(errno));
		return false;
	}
	m->control =
		control_open(m->model->management.control_socket, m->epoll_fd, m, why, why_len);
	if (m->control == NULL)
		return false;
	m->telemetry = telemetry_open(m, m->telemetry_fd);
	if (m->telemetry == NULL) {
		snprintf(why, why_len, "no memory for telemetry");
		return false;
	}
	return prometheus_open(m, &m->prometheus, why, why_len);
}

static bool
has_work(const struct management *m)
{
	return publication_has_work(m) || prometheus_has_work(m->prometheus);
}

static void
note_turn(struct management *m, uint64_t begin)
{
	uint64_t us = (rte_rdtsc() - begin) * 1000000 / rte_get_tsc_hz();

	if (us > m->longest_turn_us)
		m->longest_turn_us = us;
}

void
management_run(struct management *m)
{
	watchdog_start(&m->watchdog, m->now_ms);
	sd_notify(0, "READY=1");
	while (!is_drained(m)) {
		struct epoll_event events[16];
		int n = epoll_wait(m->epoll_fd, events, 16, has_work(m) ? 0 : 1000);

		uint64_t begin = rte_rdtsc();

		update_clock(m);
		for (int i = 0; i < n; i++) {
			void *who = events[i].data.ptr;

			if (who == &m->signal_fd) {
				on_signal(m);
			} else if (who == &m->timer_fd) {
				clear(m->timer_fd);
			} else if (who == &m->telemetry_fd) {
				clear(m->telemetry_fd);
				telemetry_on_ready(m->telemetry);
			} else if (who == &m->dp->event_fd) {
				clear(m->dp->event_fd);
			} else if (m->prometheus != NULL && who == prometheus_who(m->prometheus)) {
				prometheus_run(m->prometheus);
			} else {
				control_on_ready(m->control);
			}
		}
		host_poll(m);
		take_events(m);
		on_tick(m);
		publication_work(m);
		if (prometheus_has_work(m->prometheus))
			prometheus_run(m->prometheus);
		note_turn(m, begin);
	}
}

/* Life. */

/* Interfaces have an index for the life of the process. */
static void
number_interfaces(struct management *m)
{
	const struct port_map *ports = atomic_load(&m->dp->ports);
	const struct model *model = m->model;

	for (uint32_t i = 0; i < model->interfaces_n; i++) {
		const struct model_interface *mi = &model->interfaces[i];
		const char *device_of = mi->parent[0] != '\0' ? mi->parent : mi->name;
		uint16_t port = 0;

		for (uint32_t k = 0; k < model->interfaces_n; k++) {
			if (strcmp(model->interfaces[k].name, device_of) == 0)
				break;
			port += model->interfaces[k].device[0] != '\0';
		}
		m->interface_ids[i] = mi->id;
		snprintf(m->interface_names[i], MODEL_NAME_MAX, "%.*s", MODEL_NAME_MAX - 1,
			 mi->name);
		m->interfaces[i] =
			(struct snapshot_interface){.port = port, .vlan = mi->vlan, .mtu = mi->mtu};
		memcpy(m->interfaces[i].mac, ports->ports[port]->mac, 6);
		m->neighbor_interfaces[i] = (struct neighbor_interface){
			.in_use = true, .port = port, .vlan = mi->vlan, .mtu = mi->mtu};
		memcpy(m->neighbor_interfaces[i].mac, ports->ports[port]->mac, 6);
		ports->ports[port]->interface_of_vlan[mi->vlan] = (uint16_t)i;
	}
	m->interfaces_n = (uint16_t)model->interfaces_n;
}

struct management *
management_create(const struct management_settings *settings, char *why, size_t why_len)
{
	static const struct health_ops health_ops = {.check = management_check_target,
						     .changed = publication_on_health};
	struct management *m = calloc(1, sizeof(*m));

	snprintf(why, why_len, "no memory for the management core");
	if (m == NULL)
		return NULL;
	m->epoll_fd = m->signal_fd = m->timer_fd = m->telemetry_fd = -1;
	m->dp = settings->dp;
	m->model = settings->model;
	m->config_path = settings->config_path;
	m->secret = *settings->secret;
	m->start_wall_s = management_wall_s();
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	m->targets = calloc(SNAPSHOT_TARGETS, sizeof(*m->targets));
	m->groups = calloc(SNAPSHOT_GROUPS, sizeof(*m->groups));
	m->health = health_create(&health_ops, m);
	m->tickets = tls_tickets_create(&m->secret, TLS_TICKETS_PERIOD_S, m->start_wall_s);
	secret_derive(&m->secret, "maglev seed", &m->maglev_seed, sizeof(m->maglev_seed));
	update_clock(m);
	if (m->epoll_fd < 0 || m->targets == NULL || m->groups == NULL || m->health == NULL ||
	    m->tickets == NULL || !snapshot_registries_init(&m->registries))
		goto fail;
	m->log_files = log_files_start(m->dp);
	if (m->log_files == NULL)
		goto fail;
	number_interfaces(m);
	if (!host_open(m, why, why_len))
		goto fail;
	return m;

fail:
	management_free(m);
	return NULL;
}

static bool
nobody_says_stop(void)
{
	sigset_t pending;

	sigpending(&pending);
	return !sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT);
}

bool
management_publish_first(struct management *m, char *why, size_t why_len)
{
	struct model *model = m->model;

	m->config_revision = publication_load_revision(model);
	m->model = NULL;
	if (!publication_first(m, model, nobody_says_stop, why, why_len)) {
		m->model = model;
		return false;
	}
	publication_save_revision(m);
	steering_start(m);
	return true;
}

static void
give_back_commands(struct management *m)
{
	for (uint16_t i = 0; i < m->dp->workers_n; i++) {
		struct worker *w = m->dp->workers[i];
		void *entry;

		/* Probes under way end here, so that their commands come back. */
		prober_free(w->prober);
		w->prober = NULL;
		worker_tcp_end_probes(w->tcp);
		while (rte_ring_sc_dequeue(w->commands, &entry) == 0) {
			struct worker_command *command = entry;

			command->result = PROBE_NOT_SENT;
			take_event(m, command);
		}
	}
	take_events(m);
}

/* Workers have stopped, or never ran. */
void
management_free(struct management *m)
{
	if (m->telemetry != NULL)
		telemetry_close(m->telemetry);
	if (m->capture != NULL) {
		struct capture_status status;

		atomic_store(&m->dp->capture, NULL);
		capture_stop(m->capture);
		do {
			usleep(1000);
			capture_status(m->capture, &status);
		} while (!status.finished);
		capture_free(m->capture);
	}
	m->workers_stopped = true;
	give_back_commands(m);
	prometheus_close(m->prometheus);
	control_close(m->control);
	if (m->neighbors != NULL)
		host_close(m);
	log_files_stop(m->log_files);
	publication_free(m);
	health_free(m->health);
	tls_tickets_put(m->tickets);
	snapshot_registries_fini(&m->registries);
	free(m->targets);
	free(m->peaks);
	free(m->groups);
	free(m->addresses);
	free(m->capacities);
	if (m->epoll_fd >= 0)
		close(m->epoll_fd);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	if (m->timer_fd >= 0)
		close(m->timer_fd);
	explicit_bzero(&m->secret, sizeof(m->secret));
	free(m);
}
