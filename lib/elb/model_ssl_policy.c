/* SPDX-License-Identifier: BSD-3-Clause */
/* [ssl_policy NAME]: the custom security policies of classic load balancers. */
#include <string.h>

#include "check.h"
#include "model_certificate.h"
#include "model_checker.h"
#include "model_value.h"

MODEL_VALUE_PARSER(model_parse_tls_protocol)
{
	static const struct {
		const char *name;
		uint8_t version;
	} protocols[] = {{"TLSv1", TLS_V1_0}, {"TLSv1.1", TLS_V1_1}, {"TLSv1.2", TLS_V1_2}};
	struct model_ssl_policy *p = (struct model_ssl_policy *)object;

	(void)model;
	(void)key;
	for (uint32_t i = 0; i < ARRAY_N(protocols); i++) {
		if (strcmp(value, protocols[i].name) != 0)
			continue;
		p->policy.versions |= protocols[i].version;
		strcpy(canonical, value);
		return true;
	}
	return model_refuse(error, "TLSv1, TLSv1.1, TLSv1.2",
			    "`%.32s` is no protocol of a classic load balancer's policy", value);
}

MODEL_VALUE_PARSER(model_parse_cipher)
{
	struct model_ssl_policy *p = (struct model_ssl_policy *)object;
	size_t at = strlen(p->ciphers);

	(void)model;
	(void)key;
	if (!tls_policy_has_cipher(value))
		return model_refuse(error,
				    "a cipher of " TLS_POLICY_DEFAULT_CLASSIC ", by OpenSSL's name",
				    "cipher %.64s isn't served", value);
	if (tls_policy_list_has(p->ciphers, value))
		return model_refuse(error, "each cipher once", "%s is there already", value);
	/* There are no more than the default policy has. */
	CHECK(at + 1 + strlen(value) < sizeof(p->ciphers));
	if (at > 0)
		p->ciphers[at++] = ':';
	strcpy(p->ciphers + at, value);
	strcpy(canonical, value);
	return true;
}

void
model_check_ssl_policy(struct checker *c, struct model_ssl_policy *p)
{
	if (strncmp(p->name, "ELBSecurityPolicy", strlen("ELBSecurityPolicy")) == 0)
		model_fault(c, p, "", NULL, "another name",
			    "names that begin with ELBSecurityPolicy are ELB's");
	if (p->policy.versions == 0)
		model_fault(c, p, "protocol", NULL, "TLSv1, TLSv1.1, TLSv1.2",
			    "the protocols are missing");
	if (p->ciphers[0] == '\0')
		model_fault(c, p, "cipher", NULL, "a cipher by OpenSSL's name",
			    "the ciphers are missing");
	p->policy.name = p->name;
	p->policy.ciphers = p->ciphers;
	p->policy.client_order = !p->server_order;
}

const struct tls_policy *
model_ssl_policy_find(const struct model *m, const char *name)
{
	const struct model_ssl_policy *p =
		(const struct model_ssl_policy *)model_find(m, MODEL_SSL_POLICY, name);

	return p == NULL ? NULL : &p->policy;
}
