/* SPDX-License-Identifier: BSD-3-Clause */
/* A:https-listener-certificates, A:describe-ssl-policies. */
#include "model_certificate.h"

#include <string.h>

#include "model_checker.h"
#include "model_trust.h"
#include "model_value.h"

#define WHY_MAX 512

/* Towards targets, which nobody chooses: all that ELB speaks to them (A:target-group-health). */
#define TARGET_POLICY "ELBSecurityPolicy-TLS13-1-0-2021-06"

MODEL_VALUE_PARSER(model_parse_certificate)
{
	struct model_listener *l = (struct model_listener *)object;

	(void)model;
	(void)key;
	if (!model_name_is_valid(value))
		return model_refuse(error, "a certificate's name", "`%.100s` is no name", value);
	if (l->certificates_n == MODEL_CERTIFICATES_MAX)
		return model_refuse(error, "at most 26", "too many certificates");
	snprintf(l->certificates[l->certificates_n++], MODEL_NAME_MAX, "%s", value);
	snprintf(canonical, MODEL_TEXT_MAX, "%s", value);
	return true;
}

/* [certificate NAME] */

void
model_check_certificate(struct checker *c, struct model_certificate *certificate)
{
	char why[WHY_MAX] = "";

	if (certificate->certificate[0] == '\0')
		model_fault(c, certificate, "certificate", NULL, "a file",
			    "the certificate is missing");
	if (certificate->private_key[0] == '\0')
		model_fault(c, certificate, "private_key", NULL, "a file", "the key is missing");
	if (certificate->certificate[0] == '\0' || certificate->private_key[0] == '\0')
		return;
	tls_credentials_put(certificate->credentials);
	certificate->credentials =
		tls_credentials_load(certificate->name, certificate->certificate,
				     certificate->chain[0] == '\0' ? NULL : certificate->chain,
				     certificate->private_key, why, sizeof(why));
	if (certificate->credentials == NULL)
		model_fault(c, certificate, "certificate", NULL,
			    "PEM files of a certificate and its key", "%s", why);
}

/* [listener LB:PORT] */

static void
check_names(struct checker *c, const struct model_listener *l)
{
	for (uint32_t i = 0; i < l->certificates_n; i++) {
		const struct model_origin *origin =
			model_origin_of_nth((const void *)l, "certificate", i);

		if (model_certificate_of(c->m, l, i) == NULL)
			model_fault(c, l, "certificate", origin, "a configured certificate",
				    "no certificate is named %s", l->certificates[i]);
		for (uint32_t k = 0; k < i; k++) {
			if (strcmp(l->certificates[k], l->certificates[i]) == 0)
				model_fault(c, l, "certificate", origin, "each once",
					    "certificate %s appears twice", l->certificates[i]);
		}
	}
}

void
model_check_listener_tls(struct checker *c, const struct model_listener *l, bool tls)
{
	const char *policy = model_given((const void *)l, "ssl_policy");
	char why[WHY_MAX] = "";

	if (!tls && l->certificates_n > 0)
		model_fault(c, l, "certificate", NULL, "protocol = HTTPS, SSL or TLS",
			    "%s listeners have no certificate", elb_protocol_name(l->protocol));
	if (!tls && policy != NULL)
		model_fault(c, l, "ssl_policy", NULL, "protocol = HTTPS, SSL or TLS",
			    "%s listeners have no TLS policy", elb_protocol_name(l->protocol));
	if (!tls)
		return;
	if (l->certificates_n == 0)
		model_fault(c, l, "certificate", NULL, "certificate = NAME",
			    "the certificate is missing");
	check_names(c, l);
	if (policy != NULL && model_ssl_policy_find(c->m, policy) == NULL &&
	    tls_policy_find(policy, false, why, sizeof(why)) == NULL)
		model_fault(c, l, "ssl_policy", NULL, "a policy of docs/tls.md", "%s", why);
}

/* [target_group NAME] */

void
model_check_target_tls(struct checker *c, struct model_target_group *tg)
{
	static const char *const http1[] = {"http/1.1"}, *const http2[] = {"h2"};
	struct tls_client_settings settings = {.alpn = tg->version == VERSION_HTTP1 ? http1 : http2,
					       .alpn_n = model_group_is_http(tg) ? 1 : 0};
	char why[WHY_MAX] = "";

	tls_client_put(tg->tls);
	tg->tls = NULL;
	if (!model_group_is_tls(tg) && tg->health_check.protocol != ELB_HTTPS &&
	    tg->health_check.protocol != ELB_SSL)
		return;
	model_target_trust_of(c->m, tg, &settings);
	settings.public_key = tg->has_public_key ? tg->public_key : NULL;
	settings.policy = tls_policy_find(TARGET_POLICY, false, why, sizeof(why));
	tg->tls = tls_client_create(&settings, why, sizeof(why));
	if (tg->tls == NULL)
		model_fault(c, tg, "protocol", NULL, "TLS to targets", "%s", why);
}

/* Questions. */

const struct model_certificate *
model_certificate_of(const struct model *m, const struct model_listener *l, uint32_t nth)
{
	if (nth >= l->certificates_n)
		return NULL;
	return (const struct model_certificate *)model_find(m, MODEL_CERTIFICATE,
							    l->certificates[nth]);
}

const struct tls_policy *
model_tls_policy_of(const struct model *m, const struct model_listener *l)
{
	const struct tls_policy *own = model_ssl_policy_find(m, l->ssl_policy);
	char why[WHY_MAX];

	if (own != NULL)
		return own;
	return tls_policy_find(l->ssl_policy[0] == '\0' ? TLS_POLICY_DEFAULT : l->ssl_policy, false,
			       why, sizeof(why));
}

struct tls_server *
model_tls_server_of(const struct model *m, const struct model_listener *l, const char *const *alpn,
		    uint32_t alpn_n, struct tls_tickets *tickets, char *why, size_t why_len)
{
	struct tls_credentials *credentials[MODEL_CERTIFICATES_MAX];
	struct tls_server_settings settings = {.policy = model_tls_policy_of(m, l),
					       .credentials = credentials,
					       .credentials_n = l->certificates_n,
					       .alpn = alpn,
					       .alpn_n = alpn_n,
					       .tickets = tickets,
					       .identity = l->name};

	for (uint32_t i = 0; i < l->certificates_n; i++)
		credentials[i] = model_certificate_of(m, l, i)->credentials;
	model_mutual_tls_of(m, l, &settings);
	return tls_server_create(&settings, why, why_len);
}
