/* SPDX-License-Identifier: BSD-3-Clause */
/* N:load-balancer-security-groups. */
#include "model_security.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model_checker.h"
#include "model_value.h"
#include "model_words.h"

#define RULES_MAX 1000 /* of a direction */

/* Values. */

static const struct {
	const char *name;
	uint8_t protocols;
} protocols[] = {
	{"tcp", MODEL_SECURITY_TCP},
	{"udp", MODEL_SECURITY_UDP},
	{"icmp", MODEL_SECURITY_ICMP},
	{"all", MODEL_SECURITY_TCP | MODEL_SECURITY_UDP | MODEL_SECURITY_ICMP},
};

static const char *
parse_protocol(const char *word, struct model_security_rule *rule)
{
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (strcmp(word, protocols[i].name) == 0) {
			rule->protocols = protocols[i].protocols;
			return protocols[i].name;
		}
	}
	return NULL;
}

/* `all`, `80` or `80-90`. */
static bool
parse_ports(char *word, struct model_security_rule *rule)
{
	char *dash = strchr(word, '-');
	uint64_t first = 0, last = 65535;

	if (strcmp(word, "all") != 0) {
		if (dash != NULL)
			*dash++ = '\0';
		if (!words_number(word, 65535, &first) ||
		    !words_number(dash != NULL ? dash : word, 65535, &last) || last < first)
			return false;
		if (rule->protocols == MODEL_SECURITY_ICMP)
			return false;
	}
	rule->first = (uint16_t)first;
	rule->last = (uint16_t)last;
	return true;
}

static void
write_ports(const struct model_security_rule *rule, char text[16])
{
	if (rule->first == 0 && rule->last == 65535)
		snprintf(text, 16, "all");
	else if (rule->first == rule->last)
		snprintf(text, 16, "%u", rule->first);
	else
		snprintf(text, 16, "%u-%u", rule->first, rule->last);
}

MODEL_VALUE_PARSER(model_parse_security_rule)
{
	static const char *const allowed = "tcp, udp, icmp or all; PORT, FIRST-LAST or all (with "
					   "icmp: all); PREFIX";
	struct model_security_group *sg = (struct model_security_group *)object;
	bool in = strcmp(key, "inbound") == 0;
	struct model_security_rule rule = {0};
	char text[IP_ADDR_TEXT_MAX + 4], ports[16];
	const char *protocol;
	struct ip_prefix network;
	struct words w;
	char *word;

	(void)model;
	word = words_begin(&w, value) ? words_next(&w) : NULL;
	protocol = word == NULL ? NULL : parse_protocol(word, &rule);
	if (protocol == NULL)
		return model_refuse(error, allowed, "`%.100s` does not begin with a protocol",
				    value);
	word = words_next(&w);
	if (word == NULL || !parse_ports(word, &rule))
		return model_refuse(error, allowed, "`%.100s` has no such ports", value);
	word = words_next(&w);
	if (word == NULL || !ip_prefix_parse(word, &rule.prefix))
		return model_refuse(error, allowed, "`%.100s` has no prefix", value);
	network = ip_prefix_network(&rule.prefix);
	if (!ip_addr_equal(&network.addr, &rule.prefix.addr))
		return model_refuse(error, ip_prefix_format(&network, text),
				    "`%.100s` has bits behind its length", word);
	if (words_next(&w) != NULL)
		return model_refuse(error, allowed, "`%.100s` has too many words", value);
	if ((in ? sg->inbound_n : sg->outbound_n) == RULES_MAX)
		return model_refuse(error, "at most 1000", "too many rules");
	write_ports(&rule, ports);
	snprintf(canonical, MODEL_TEXT_MAX, "%s %s %s", protocol, ports,
		 ip_prefix_format(&rule.prefix, text));
	return (in ? model_append(&sg->inbound, &sg->inbound_n, &rule, sizeof(rule))
		   : model_append(&sg->outbound, &sg->outbound_n, &rule, sizeof(rule))) ||
	       model_refuse(error, "", "no memory");
}

MODEL_VALUE_PARSER(model_parse_security_group)
{
	struct model_load_balancer *lb = (struct model_load_balancer *)object;

	(void)model;
	if (!model_name_is_valid(value))
		return model_refuse(error, "a security group's name",
				    "`%.100s` is no security group's name", value);
	if (lb->security_groups_n == MODEL_SECURITY_GROUPS_MAX)
		return model_refuse(error, "at most 5", "too many security groups");
	snprintf(lb->security_groups[lb->security_groups_n++], MODEL_NAME_MAX, "%s", value);
	snprintf(canonical, MODEL_TEXT_MAX, "%s", value);
	return true;
}

/* Checks. */

void
model_check_security_groups(struct checker *c, const struct model_load_balancer *lb)
{
	if (lb->security_groups_n > 0 && (lb->type == LB_APPLICATION || lb->type == LB_CLASSIC))
		model_fault(c, lb, "security_group", NULL, "none",
			    "security groups of %s load balancers are not in this version",
			    load_balancer_type_name(lb->type));
	for (uint32_t i = 0; i < lb->security_groups_n; i++) {
		const struct model_origin *origin =
			model_origin_of_nth((const void *)lb, "security_group", i);

		if (model_security_group_of(c->m, lb, i) == NULL)
			model_fault(c, lb, "security_group", origin, "a configured security group",
				    "no security group is named %s", lb->security_groups[i]);
		for (uint32_t k = 0; k < i; k++) {
			if (strcmp(lb->security_groups[k], lb->security_groups[i]) == 0)
				model_fault(c, lb, "security_group", origin, "each once",
					    "security group %s is named twice",
					    lb->security_groups[i]);
		}
	}
}

/* Asking. */

const struct model_security_group *
model_security_group_of(const struct model *m, const struct model_load_balancer *lb, uint32_t nth)
{
	if (nth >= lb->security_groups_n)
		return NULL;
	return (const struct model_security_group *)model_find(m, MODEL_SECURITY_GROUP,
							       lb->security_groups[nth]);
}

bool
model_security_rule_has(const struct model_security_rule *rule, uint8_t protocol, uint16_t port)
{
	return (rule->protocols & protocol) != 0 && rule->first <= port && port <= rule->last;
}

bool
model_security_lets_out(const struct model *m, const struct model_load_balancer *lb,
			uint8_t protocol, const struct ip_addr *addr, uint16_t port)
{
	const struct model_security_group *sg;

	if (lb == NULL || lb->security_groups_n == 0)
		return true;
	for (uint32_t i = 0; (sg = model_security_group_of(m, lb, i)) != NULL; i++) {
		if (sg->outbound_n == 0)
			return true;
		for (uint32_t k = 0; k < sg->outbound_n; k++) {
			if (model_security_rule_has(&sg->outbound[k], protocol, port) &&
			    ip_prefix_contains(&sg->outbound[k].prefix, addr))
				return true;
		}
	}
	return false;
}
