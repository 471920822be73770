/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "dataplane.h"
#include "log.h"

#define ARGUMENTS_MAX 96

struct arguments {
	int n;
	char *v[ARGUMENTS_MAX];
};

__attribute__((format(printf, 2, 3))) static void
add(struct arguments *a, const char *format, ...)
{
	va_list list;

	if (a->n == ARGUMENTS_MAX - 1)
		return;
	va_start(list, format);
	if (vasprintf(&a->v[a->n], format, list) >= 0)
		a->n++;
	va_end(list);
}

/* Megabytes of huge pages that are free now. */
static unsigned
free_hugepages_mb(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	struct dirent *entry;
	uint64_t kb = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		char path[320];
		unsigned long size_kb, pages = 0;
		FILE *f;

		if (sscanf(entry->d_name, "hugepages-%lukB", &size_kb) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
			 entry->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%lu", &pages) == 1)
			kb += (uint64_t)size_kb * pages;
		fclose(f);
	}
	closedir(dir);
	return (unsigned)(kb / 1024);
}

/* The management core on the first CPU we may use, workers on the others. */
static bool
choose_lcores(const struct eal_plan *plan, char *list, size_t list_len, char *why, size_t why_len)
{
	unsigned cpus[CPU_SETSIZE], cpus_n = 0, workers = plan->workers, lcores;
	int management = plan->management_lcore;
	size_t len;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0) {
		snprintf(why, why_len, "CPU affinity cannot be read: %s", strerror(errno));
		return false;
	}
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set))
			cpus[cpus_n++] = cpu;
	}
	if (management < 0)
		management = (int)cpus[0];
	else if (!CPU_ISSET((unsigned)management, &set)) {
		snprintf(why, why_len,
			 "[dataplane] management_lcore = %d: no such CPU here; %u are available",
			 management, cpus_n);
		return false;
	}
	if (workers == 0)
		workers = cpus_n > 1 + plan->crypto ? cpus_n - 1 - plan->crypto : 1;
	lcores = workers + plan->crypto;
	if (lcores > cpus_n - 1) {
		snprintf(why, why_len,
			 "[dataplane] workers = %u, crypto_workers = %u: only %u of %u CPUs are "
			 "free beside the management core; ask for fewer, or map several to one "
			 "CPU with `lcores` (for example `lcores = 0@0,1@0,2@0`)",
			 workers, plan->crypto, cpus_n - 1, cpus_n);
		return false;
	}
	len = (size_t)snprintf(list, list_len, "%d", management);
	for (unsigned i = 0; i < cpus_n && lcores > 0 && len < list_len; i++) {
		if ((int)cpus[i] == management)
			continue;
		len += (size_t)snprintf(list + len, list_len - len, ",%u", cpus[i]);
		lcores--;
	}
	return true;
}

static bool
is_pci_address(const char *device)
{
	unsigned domain, bus, slot, function;
	int end = 0;

	return (sscanf(device, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) == 4 ||
		sscanf(device, "%x:%x.%x%n", &bus, &slot, &function, &end) == 3) &&
	       (device[end] == '\0' || device[end] == ',');
}

static bool
has_physical(const struct eal_plan *plan)
{
	for (unsigned i = 0; i < plan->devices_n; i++) {
		if (is_pci_address(plan->devices[i]))
			return true;
	}
	return false;
}

/* Megabytes for buffers in pages of `page` bytes, references to them, and for rings and ports. */
static unsigned
memory_mb(const struct eal_plan *plan, uint32_t page)
{
	/* One that devices go to by IOVA doesn't cross pages: small pages hold one each, or a part.
	 */
	uint64_t bytes = page > 65536 || !has_physical(plan)
				 ? plan->mbuf_bytes
				 : RTE_ALIGN_CEIL(plan->mbuf_bytes, page);

	return (unsigned)(plan->mbufs * (bytes + DATAPLANE_CLONE_BYTES) >> 20) + 64;
}

static bool
choose_memory(const struct eal_plan *plan, struct arguments *a)
{
	unsigned huge_mb = memory_mb(plan, 2u << 20);
	bool huge = plan->hugepages && free_hugepages_mb() >= huge_mb;

	if (huge) {
		/* Nothing is left in hugetlbfs, whatever becomes of the process. */
		add(a, "--in-memory");
	} else {
		add(a, "--no-huge");
		add(a, "--no-shconf");
		if (plan->hugepages)
			LOG_WARNING("no %u MB of free hugepages: using normal pages, which is "
				    "slower (sysctl vm.nr_hugepages=%u)",
				    huge_mb, huge_mb / 2 + 64);
	}
	add(a, "-m");
	add(a, "%u", huge ? huge_mb : memory_mb(plan, (uint32_t)sysconf(_SC_PAGESIZE)));
	return huge;
}

static bool
telemetry_directory_writable(const char *instance, char *why, size_t why_len)
{
	const char *root = geteuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	char path[256];

	if (root == NULL)
		root = "/tmp";
	snprintf(path, sizeof(path), "%s/dpdk", root);
	if (access(path, F_OK) != 0)
		snprintf(path, sizeof(path), "%s", root);
	if (access(path, W_OK | X_OK) == 0)
		return true;
	snprintf(why, why_len,
		 "telemetry directory %s for instance %s is not writable: %s; "
		 "set RUNTIME_DIRECTORY's parent or its permissions",
		 path, instance, strerror(errno));
	return false;
}

/* EAL keeps pointers into its arguments: they live as long as it does. */
static struct arguments given;
static char *passed[ARGUMENTS_MAX]; /* what EAL gets and shuffles */

bool
eal_start(const struct eal_plan *plan, struct eal_result *result, char *why, size_t why_len)
{
	char lcores[4096];
	int rc;

	if (plan->lcores != NULL)
		snprintf(lcores, sizeof(lcores), "%s", plan->lcores);
	else if (!choose_lcores(plan, lcores, sizeof(lcores), why, why_len))
		return false;
	if (!telemetry_directory_writable(plan->instance, why, why_len))
		return false;

	add(&given, "weir");
	add(&given, "--file-prefix=%s", plan->instance);
	add(&given, "--lcores=%s", lcores);
	if (plan->management_lcore >= 0)
		add(&given, "--main-lcore=%d", plan->management_lcore);
	add(&given, "--log-level=lib.eal:error");
	add(&given, "--log-level=lib.telemetry:error");
	result->hugepages = choose_memory(plan, &given);
	result->physical = has_physical(plan);
	for (unsigned i = 0; i < plan->devices_n; i++) {
		add(&given, is_pci_address(plan->devices[i]) ? "--allow=%s" : "--vdev=%s",
		    plan->devices[i]);
	}
	if (!result->physical) {
		add(&given, "--no-pci");
		add(&given, "--iova-mode=va");
	}
	for (int i = 0; i < plan->extra_n; i++)
		add(&given, "%s", plan->extra[i]);

	memcpy(passed, given.v, sizeof(passed));
	rc = rte_eal_init(given.n, passed);
	for (int i = 0; i < given.n; i++)
		LOG_DEBUG("EAL argument: %s", given.v[i]);
	if (rc < 0) {
		snprintf(why, why_len,
			 "EAL does not start: %s; EAL's own message is above (--lcores=%s, memory "
			 "for %u packet buffers)",
			 rte_strerror(rte_errno), lcores, plan->mbufs);
		return false;
	}
	result->workers = rte_lcore_count() - 1;
	if (result->workers == 0) {
		snprintf(why, why_len,
			 "no lcore is left for a worker; `lcores` must name the management core "
			 "and at least one more (for example `lcores = 0@0,1@0`)");
		return false;
	}
	return true;
}

void
eal_stop(void)
{
	rte_eal_cleanup();
	for (int i = 0; i < given.n; i++)
		free(given.v[i]);
	given.n = 0;
}
