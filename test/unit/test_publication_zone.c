/* SPDX-License-Identifier: BSD-3-Clause */
/* When addresses of zones are announced, as their targets come and go. */
#include "unit.h"

#include <stdlib.h>

#include "config.h"
#include "management.h"

/* One load balancer of each family, three zones with a target each. */
static const char text[] = "[system]\nzone = a\n"
			   "[interface net0]\ndevice = x\n"
			   "address = 192.0.2.1/24\naddress = 2001:db8::1/64\n"
			   "[load_balancer four]\ntype = network\n"
			   "address = 192.0.2.10 zone=a\naddress = 192.0.2.11 zone=b\n"
			   "[listener four:80]\nprotocol = TCP\ndefault_action = forward web4\n"
			   "[target_group web4]\nprotocol = TCP\n"
			   "target = 192.0.2.20:80\ntarget = 192.0.2.21:80 zone=b\n"
			   "[load_balancer six]\ntype = network\n"
			   "address = 2001:db8::10 zone=a\naddress = 2001:db8::11 zone=b\n"
			   "[listener six:80]\nprotocol = TCP\ndefault_action = forward web6\n"
			   "[target_group web6]\nprotocol = TCP\n"
			   "target = [2001:db8::20]:80\ntarget = [2001:db8::21]:80 zone=b\n";

static struct management m;
static struct target_health healths[2]; /* of zones a and b, in both groups */

const struct target_health *
health_of(const struct health *health, uint64_t target)
{
	(void)health;
	for (uint32_t i = 0; i < m.model->target_groups_n; i++) {
		for (uint32_t k = 0; k < 2; k++) {
			if (m.model->target_groups[i].targets[k].id == target)
				return &healths[k];
		}
	}
	return NULL;
}

void
host_announce(struct management *management, const struct ip_addr *addr, bool on)
{
	(void)management, (void)addr, (void)on;
}

/* Judge at a time, with the health of zones a and b. */
static void
judge(uint32_t now_ms, bool a, bool b)
{
	healths[0].state = a ? TARGET_HEALTHY : TARGET_UNHEALTHY;
	healths[1].state = b ? TARGET_HEALTHY : TARGET_UNHEALTHY;
	m.now_ms = now_ms;
	m.zones_dirty = true;
	publication_judge_zones(&m);
}

/* Whether exactly these zones' addresses are announced, of both families. */
static bool
announced(bool a, bool b)
{
	for (uint32_t i = 0; i < m.addresses_n; i++) {
		if (publication_is_announced(&m, &m.addresses[i].addr) != (i % 2 == 0 ? a : b))
			return false;
	}
	return m.addresses_n == 4;
}

int
main(void)
{
	struct config_source source = {"test.ini", text, sizeof(text) - 1};
	struct config_errors errors = {0};
	uint32_t now = UINT32_MAX - 25000;

	m.model = config_load(&source, 1, &errors);
	for (uint32_t i = 0; i < errors.n; i++)
		printf("%s\n", errors.items[i].text);
	config_errors_free(&errors);
	EXPECT(m.model != NULL);
	if (m.model == NULL)
		return unit_done();
	publication_take_addresses(&m);
	judge(now, true, true);
	EXPECT(announced(true, true));
	judge(now, true, false);
	EXPECT(announced(true, false));
	/* A zone that is well again waits while another is announced. */
	judge(now += 1000, true, true);
	EXPECT(announced(true, false) && m.zones_dirty);
	judge(now += 9999, true, true);
	EXPECT(announced(true, false));
	judge(now += 1, true, true);
	EXPECT(announced(true, true));
	/* The other one's failure meanwhile: it waits no longer. */
	judge(now += 1000, true, false);
	judge(now += 1000, true, true);
	EXPECT(announced(true, false));
	judge(now += 5000, false, true);
	EXPECT(announced(false, true));
	/* And a failure of its own while it waits begins the wait anew. */
	judge(now += 1000, true, true);
	judge(now += 9000, false, true);
	judge(now += 1000, true, true);
	EXPECT(announced(false, true));
	judge(now += 9999, true, true);
	EXPECT(announced(false, true));
	/* None is well: all stay. */
	judge(now, false, false);
	EXPECT(announced(true, true));
	free(m.addresses);
	model_free(m.model);
	return unit_done();
}
