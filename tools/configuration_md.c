/* SPDX-License-Identifier: BSD-3-Clause */
/* Print docs/configuration.md from the key table. */
#include <stdio.h>

#include "model_keys.h"

static const char *const introductions[MODEL_KINDS] = {
	[MODEL_SYSTEM] = "`[system]`: the box.",
	[MODEL_DATAPLANE] = "`[dataplane]`: cores and memory. Changes need a restart.",
	[MODEL_CLUSTER] = "`[cluster]`: what several boxes share.",
	[MODEL_MANAGEMENT] = "`[management]`: how weir is watched.",
	[MODEL_INTERFACE] = "`[interface NAME]`: a DPDK port or a VLAN on one.",
	[MODEL_LOAD_BALANCER] =
		"`[load_balancer NAME]`: names are 1-32 letters, digits and hyphens, as ELB's.",
	[MODEL_LISTENER] = "`[listener LOAD_BALANCER:PORT]`.",
	[MODEL_RULE] =
		("`[rule LOAD_BALANCER:PORT PRIORITY]`: of application load balancers; the "
		 "lowest priority, of 1 to 50000, that matches decides. Patterns have `*` "
		 "and `?`; `\\*`, `\\?`, `\\=` and `\\\\` are the characters themselves. A "
		 "value with a comma is quoted; regular expressions and transforms are not: "
		 "one a line. Redirects know `#{protocol}`, `#{host}`, `#{port}`, `#{path}` "
		 "and `#{query}` of the request. A network load balancer with addresses of both "
		 "families has rules by IP version: `condition.source_ip` is 0.0.0.0/0 or "
		 "::/0, the action is forward."),
	[MODEL_TARGET_GROUP] = "`[target_group NAME]`: targets of one address family.",
	[MODEL_ENDPOINT] = ("`[endpoint NAME]`: where traffic enters a gateway load balancer, and "
			    "leaves it."),
	[MODEL_CERTIFICATE] = "`[certificate NAME]`: what a listener of TLS shows to clients.",
	[MODEL_TRUST_STORE] = ("`[trust_store NAME]`: authorities whose certificates clients "
			       "of mutual TLS, or targets, must have."),
	[MODEL_SSL_POLICY] = "`[ssl_policy NAME]`: a security policy of one's own, for listeners "
			     "of classic load balancers.",
	[MODEL_SECURITY_GROUP] = ("`[security_group NAME]`: what may begin a flow with a load "
				  "balancer that names it. Answers need no rule; flows that exist "
				  "stay when rules change."),
};

static void
print_row(const struct model_key *key)
{
	char allowed[MODEL_TEXT_MAX], types[MODEL_TEXT_MAX];

	model_key_types(key, types);
	printf("| `%s`%s | %s | %s%s%s | %s%s%s%s%s |\n", key->key,
	       (key->flags & MODEL_KEY_REPEAT) != 0 ? " (repeatable)" : "",
	       model_key_allowed(key, allowed), key->initial != NULL && key->initial[0] ? "`" : "",
	       key->initial == NULL || key->initial[0] == '\0' ? "-" : key->initial,
	       key->initial != NULL && key->initial[0] ? "`" : "", types[0] != '\0' ? "(" : "",
	       types, types[0] != '\0' ? ") " : "", key->text,
	       (key->flags & MODEL_KEY_DEFAULT_ONLY) != 0 ? " Only the default in this version."
							  : "");
}

int
main(void)
{
	printf("# Configuration\n\n"
	       "Generated from the key table (`lib/elb/model_keys.c`); do not edit.\n\n"
	       "INI files: `weir --config FILE`, or a directory whose `*.ini` are read in name "
	       "order. "
	       "Lines are UTF-8 of at most 4,096 bytes. ` ;` starts a comment unless it stands "
	       "between double quotes. All errors are printed at once, one a line: "
	       "`FILE:LINE: [section] key: what is wrong; allowed: ...`. `weir --check` only "
	       "checks; "
	       "SIGHUP or `weirctl reload` puts a changed configuration in force, a bad one "
	       "changes "
	       "nothing. A key with load balancer types in brackets is for these types, their "
	       "listeners and target groups only.\n");
	for (int kind = 0; kind < MODEL_KINDS; kind++) {
		printf("\n## %s\n\n%s\n\n| Key | Allowed | Default | Meaning "
		       "|\n|---|---|---|---|\n",
		       model_kind_name((enum model_kind)kind), introductions[kind]);
		for (uint32_t i = 0; i < model_keys_n; i++) {
			if ((model_keys[i].kinds >> kind & 1) != 0)
				print_row(&model_keys[i]);
		}
	}
	return 0;
}
