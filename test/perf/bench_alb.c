/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to an application or classic load balancer, through weir's whole worker between rings:
 * clients and targets are in this process (ring_load.h), so no kernel, no device and no other
 * program is in what is counted.
 *
 * Without --cores one thread turns both in turn, in steps of 20 us of a clock of its own: what the
 * worker does is the same in every run.  Counted are cycles inside worker_poll(); callgrind counts
 * instructions with --toggle-collect=turn_worker.  With --cores the worker has a core of its own
 * and is driven as fast as it goes, or at --rate; counted are its busy cycles, as telemetry does.
 *
 * A run ends with everything closed, and fails unless every request was answered and logged once,
 * no byte differed, and all objects were given back; without --cores also if a segment was lost or
 * sent twice.
 *
 * Output: a line of JSON for each round.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>

#include "check.h"
#include "proxy.h"
#include "ring_world.h"
#include "worker_tcp.h"

#define STEP_US       20
#define SETTLE_TURNS  250000
#define STALLED_TURNS 100000

struct options {
	struct ring_load_settings load;
	struct ring_world_settings world;
	uint32_t rules;
	bool last, cores, classic;
	double rate, seconds;
	uint64_t requests, rounds, warm_up;
};

struct bench {
	struct options options;
	struct ring_world world;
	struct ring_load *load;
	uint64_t tick, step, cycles;
	uint64_t allowed;
};

static struct bench b;

static char *
write_config(const struct options *o)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fprintf(f,
		"[interface front]\ndevice = net_ring_front\naddress = 198.18.1.1/24\n"
		"[interface back]\ndevice = net_ring_back\naddress = 198.18.2.1/24\n"
		"[load_balancer shop]\naddress = 198.18.1.10\n"
		"access_logs.s3.enabled = true\naccess_logs.s3.bucket = logs\n%s",
		o->classic ? "type = classic\ninstance = 198.18.2.11\ninstance = 198.18.2.12\n"
			     "[listener shop:80]\nprotocol = HTTP\ninstance_port = 80\n"
			   : "type = application\n"
			     "[listener shop:80]\nprotocol = HTTP\ndefault_action = forward web\n"
			     "[target_group web]\nprotocol = HTTP\n"
			     "target = 198.18.2.11:80\ntarget = 198.18.2.12:80\n");
	for (uint32_t i = 0; i < o->rules; i++)
		fprintf(f,
			"[rule shop:80 %u]\naction = forward web\ncondition.path_pattern = "
			"/p%u/*\n",
			i + 1, i);
	fclose(f);
	return text;
}

/* Callgrind counts in here, by this name. */
#ifdef __clang__
__attribute__((noinline))
#else
__attribute__((noinline, noclone))
#endif
bool
turn_worker(struct worker *w, uint64_t tick);

bool
turn_worker(struct worker *w, uint64_t tick)
{
	return worker_poll(w, tick);
}

static uint64_t
now_us(uint64_t tick)
{
	return clock_us(&b.world.dp->clock, tick);
}

/* @return  whether load or weir had anything to do. */
static bool
turn(void)
{
	bool busy;

	if (b.options.cores) {
		b.tick = rte_rdtsc();
		busy = ring_load_turn(b.load, b.allowed, now_us(b.tick));
	} else {
		uint64_t begin;

		b.tick += b.step;
		busy = ring_load_turn(b.load, b.allowed, now_us(b.tick));
		begin = rte_rdtsc();
		busy |= turn_worker(b.world.worker, b.tick);
		b.cycles += rte_rdtsc() - begin;
	}
	ring_world_read_log(&b.world);
	return busy;
}

static void
fail(const char *what)
{
	const struct ring_load_counters *n = ring_load_counters(b.load);

	fprintf(stderr,
		"bench_alb: %s: %lu issued, %lu served, %lu answered; %lu resets, %lu out of "
		"order, %lu duplicate, %lu bad; %u clients and %u targets' connections open\n",
		what, n->issued, n->served, n->answered, n->resets, n->out_of_order, n->duplicate,
		n->bad, n->clients_open, n->targets_open);
	fprintf(stderr, "bench_alb: weir had no memory for %lu segments\n",
		worker_tcp_engine(b.world.worker->tcp)->no_memory);
	for (int i = 0; i < DROP_REASONS; i++) {
		if (b.world.worker->counters.drops[i] != 0)
			fprintf(stderr, "bench_alb: weir dropped %lu: %s\n",
				b.world.worker->counters.drops[i], drop_reason_name(i));
	}
	exit(1);
}

/* Turn until `n` requests have been answered. */
static void
run_requests(uint64_t n)
{
	const struct ring_load_counters *c = ring_load_counters(b.load);
	uint64_t idle = 0;

	b.allowed = n;
	while (c->answered < n) {
		idle = turn() || b.options.cores ? 0 : idle + 1;
		if (idle > STALLED_TURNS)
			fail("stalled");
	}
}

static void
open_clients(void)
{
	const struct ring_load_counters *c = ring_load_counters(b.load);
	uint32_t idle = 0;

	while (!b.options.load.fresh && c->established < b.options.load.connections) {
		idle = turn() || b.options.cores ? 0 : idle + 1;
		if (idle > STALLED_TURNS)
			fail("connections do not open");
	}
}

static void
report(uint64_t cycles, uint64_t ticks, uint64_t requests)
{
	const struct options *o = &b.options;

	printf("{\"connections\": %u, \"body\": %u, \"new\": %s, \"rules\": %u, \"hit\": \"%s\", "
	       "\"cores\": %s, \"requests\": %lu, \"cycles\": %.0f, \"rate\": %.0f, "
	       "\"hz\": %lu}\n",
	       o->load.connections, o->load.body_bytes, o->load.fresh ? "true" : "false", o->rules,
	       o->last ? "last" : "first", o->cores ? "true" : "false", requests,
	       (double)cycles / (double)requests,
	       (double)requests * (double)rte_get_tsc_hz() / (double)ticks, rte_get_tsc_hz());
	fflush(stdout);
}

static void
round_alone(void)
{
	uint64_t begin = rte_rdtsc(), before = b.cycles;

	run_requests(b.allowed + b.options.requests);
	report(b.cycles - before, rte_rdtsc() - begin, b.options.requests);
}

static void
round_of_cores(void)
{
	const struct ring_load_counters *c = ring_load_counters(b.load);
	const volatile uint64_t *busy = &b.world.worker->counters.busy_ticks;
	uint64_t begin = rte_rdtsc(), before = *busy, answered = c->answered, issued = c->issued;
	uint64_t end = begin + (uint64_t)(b.options.seconds * (double)rte_get_tsc_hz());
	double a_tick = b.options.rate / (double)rte_get_tsc_hz();
	uint64_t now;

	while ((now = rte_rdtsc()) < end) {
		b.allowed = b.options.rate == 0
				    ? UINT64_MAX
				    : issued + (uint64_t)((double)(now - begin) * a_tick);
		turn();
	}
	report(*busy - before, rte_rdtsc() - begin, c->answered - answered);
}

static void
start_worker(void)
{
	b.world.dp->adaptive = b.options.rate != 0;
	CHECK(rte_eal_remote_launch(worker_main, b.world.worker, b.world.worker->lcore) == 0);
}

static bool
all_closed(void)
{
	const struct ring_load_counters *c = ring_load_counters(b.load);
	const volatile uint32_t *weirs = &worker_tcp_engine(b.world.worker->tcp)->connections;

	return c->clients_open == 0 && c->targets_open == 0 && *weirs == 0;
}

/* Turn for at most five seconds, until everything is closed. */
static void
settle(bool (*done)(void))
{
	uint64_t end = rte_rdtsc() + 5 * rte_get_tsc_hz();

	for (int i = 0; !done() && (b.options.cores ? rte_rdtsc() < end : i < SETTLE_TURNS); i++)
		turn();
}

static bool
clients_closed(void)
{
	const struct ring_load_counters *c = ring_load_counters(b.load);

	return c->clients_open == 0 && c->answered == c->issued;
}

static void
close_all(void)
{
	b.allowed = 0;
	if (!b.options.load.fresh) {
		settle(clients_closed); /* answers that are under way */
		ring_load_close_clients(b.load);
	}
	settle(clients_closed);
	ring_load_close_targets(b.load);
	settle(all_closed);
	if (b.options.cores)
		dataplane_stop(b.world.dp);
	ring_world_read_log(&b.world);
}

static bool
expect(const char *what, uint64_t is, uint64_t want)
{
	if (is != want)
		fprintf(stderr, "bench_alb: %s: %lu, not %lu\n", what, is, want);
	return is == want;
}

/* Everything was done once, and nothing is left. */
static bool
is_conserved(void)
{
	const struct ring_load_counters *c = ring_load_counters(b.load);
	const struct tcp_counters *tcp = worker_tcp_engine(b.world.worker->tcp);
	struct ring_world_left left;
	bool ok = true;

	ring_world_left(&b.world, &left);
	ok &= expect("answers", c->answered, c->issued);
	ok &= expect("requests served", c->served, c->issued);
	ok &= expect("requests logged", b.world.access_records, c->issued);
	ok &= expect("log records lost or spans refused", left.log_lost, 0);
	ok &= expect("RSTs", c->resets, 0);
	ok &= expect("segments nobody expected", c->bad, 0);
	if (!b.options.cores) { /* else peers may be late, and queues overflow */
		ok &= expect("segments out of order", c->out_of_order, 0);
		ok &= expect("segments twice", c->duplicate, 0);
		ok &= expect("retransmissions", tcp->retransmitted, 0);
		ok &= expect("drops", left.dropped, 0);
	}
	ok &= expect("clients' connections", c->clients_open, 0);
	ok &= expect("targets' connections", c->targets_open, 0);
	ok &= expect("weir's connections", left.connections, 0);
	ok &= expect("sessions", left.sessions, 0);
	ok &= expect("exchanges", left.exchanges, 0);
	ok &= expect("upstreams", left.upstreams, 0);
	ok &= expect("source ports", left.ports, 0);
	ok &= expect("spans", left.spans, 0);
	ok &= expect("buffers", left.buffers, 0);
	ok &= expect("the load's buffers", left.load_buffers, 0);
	return ok;
}

static void
usage(void)
{
	fprintf(stderr,
		"usage: bench_alb [options]\n"
		"  --connections N  of clients (64)\n"
		"  --body BYTES     of an answer (1024)\n"
		"  --new            each request on a connection of its own\n"
		"  --rules N        by path (0); --last: the last one matches, else the first\n"
		"  --classic        a classic load balancer\n"
		"  --rounds N       (5) of --requests N (20000)\n"
		"  --warm-up N      requests before (2000)\n"
		"  --cores          the worker on a core of its own, rounds of --seconds (2)\n"
		"  --rate N         requests per second, with --cores; 0: as fast as it goes\n"
		"  --hugepages      use them\n");
	exit(2);
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{"connections", 1, NULL, 'c'}, {"body", 1, NULL, 'b'},
		{"new", 0, NULL, 'n'},         {"rules", 1, NULL, 'r'},
		{"last", 0, NULL, 'l'},        {"classic", 0, NULL, 'L'},
		{"rounds", 1, NULL, 'R'},      {"requests", 1, NULL, 'q'},
		{"cores", 0, NULL, 'C'},       {"seconds", 1, NULL, 's'},
		{"rate", 1, NULL, 't'},        {"hugepages", 0, NULL, 'h'},
		{"warm-up", 1, NULL, 'w'},     {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->load.connections = (uint32_t)atoi(optarg);
			break;
		case 'b':
			o->load.body_bytes = (uint32_t)atoi(optarg);
			break;
		case 'n':
			o->load.fresh = true;
			break;
		case 'r':
			o->rules = (uint32_t)atoi(optarg);
			break;
		case 'l':
			o->last = true;
			break;
		case 'L':
			o->classic = true;
			break;
		case 'R':
			o->rounds = (uint64_t)atoll(optarg);
			break;
		case 'q':
			o->requests = (uint64_t)atoll(optarg);
			break;
		case 'w':
			o->warm_up = (uint64_t)atoll(optarg);
			break;
		case 'C':
			o->cores = true;
			break;
		case 's':
			o->seconds = atof(optarg);
			break;
		case 't':
			o->rate = atof(optarg);
			break;
		case 'h':
			o->world.hugepages = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || o->load.connections == 0 || o->requests == 0)
		usage();
}

/* The first CPU we may use is the load's, the last one the worker's. */
static void
choose_cpus(struct ring_world_settings *s)
{
	cpu_set_t set;

	CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
	s->load_cpu = -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (s->load_cpu < 0)
			s->load_cpu = cpu;
		s->worker_cpu = cpu;
	}
}

static void
start(void)
{
	struct options *o = &b.options;
	static char path[64];
	char *text;

	snprintf(path, sizeof(path), o->rules == 0 ? "/files/1k" : "/p%u/1k",
		 o->last ? o->rules - 1 : 0);
	o->load.host = "shop.example.com";
	o->load.path = path;
	o->world.connections = o->load.connections;
	text = write_config(o);
	o->world.text = text;
	choose_cpus(&o->world);
	ring_world_create(&b.world, &o->world);
	free(text);
	o->load.pool = b.world.pool;
	o->load.front = b.world.sides[0];
	o->load.back = b.world.sides[1];
	b.load = ring_load_create(&o->load);
	CHECK(b.load != NULL);
	b.tick = rte_rdtsc();
	b.step = STEP_US * rte_get_tsc_hz() / 1000000;
}

int
main(int argc, char **argv)
{
	struct options *o = &b.options;
	bool ok;

	*o = (struct options){.load = {.connections = 64, .body_bytes = 1024},
			      .seconds = 2,
			      .requests = 20000,
			      .rounds = 5,
			      .warm_up = 2000};
	parse_options(o, argc, argv);
	start();
	if (o->cores)
		start_worker();
	open_clients();
	run_requests(o->warm_up);
	for (uint64_t i = 0; i < o->rounds; i++) {
		if (o->cores)
			round_of_cores();
		else
			round_alone();
	}
	close_all();
	ok = is_conserved();
	ring_load_free(b.load);
	ok &= ring_world_free(&b.world);
	return ok ? 0 : 1;
}
