/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_trust.h"

#include <string.h>

#include "check.h"
#include "ip_addr.h"
#include "model_checker.h"
#include "model_value.h"

#define WHY_MAX 512

#define MODE          "mutual_authentication.mode"
#define TRUST_STORE   "mutual_authentication.trust_store"
#define TARGETS_TRUST "weir.target_tls.trust_store"
#define TARGETS_NAME  "weir.target_tls.server_name"

/* [trust_store NAME] */

MODEL_VALUE_PARSER(model_parse_revocations)
{
	struct model_trust_store *t = (struct model_trust_store *)object;

	(void)model;
	(void)key;
	if (t->revocations_n == MODEL_REVOCATIONS_MAX)
		return model_refuse(error, "at most 30", "too many revocation lists");
	if (strlen(value) >= sizeof(t->revocations[0]))
		return model_refuse(error, "at most 255 bytes", "the name is too long");
	strcpy(t->revocations[t->revocations_n++], value);
	strcpy(canonical, value);
	return true;
}

void
model_check_trust_store(struct checker *c, struct model_trust_store *t)
{
	char why[WHY_MAX] = "";

	if (t->ca_bundle[0] == '\0') {
		model_fault(c, t, "ca_bundle", NULL, "a file", "the bundle is missing");
		return;
	}
	tls_trust_put(t->trust);
	t->trust = tls_trust_load(t->ca_bundle, why, sizeof(why));
	if (t->trust == NULL) {
		model_fault(c, t, "ca_bundle", NULL, "a file of certificates of authorities in PEM",
			    "%s", why);
		return;
	}
	for (uint32_t i = 0; i < t->revocations_n; i++)
		if (!tls_trust_add_lists(t->trust, t->revocations[i], why, sizeof(why)))
			model_fault(
				c, t, "revocations", NULL,
				"a file of revocation lists in PEM, of authorities of the bundle",
				"%s", why);
}

static struct tls_trust *
find_trust(const struct model *m, const char *name)
{
	const struct model_trust_store *t =
		(const struct model_trust_store *)model_find(m, MODEL_TRUST_STORE, name);

	return t == NULL ? NULL : t->trust;
}

static void
check_store(struct checker *c, const void *about, const char *key, const char *name)
{
	if (model_find(c->m, MODEL_TRUST_STORE, name) == NULL)
		model_fault(c, about, key, NULL, "a configured trust store",
			    "no trust store is named %s", name);
}

/* [listener LB:PORT] */

void
model_check_mutual_tls(struct checker *c, const struct model_listener *l)
{
	static const char *const of_verify[] = {
		TRUST_STORE, "mutual_authentication.ignore_client_certificate_expiry",
		"mutual_authentication.advertise_trust_store_ca_names"};

	if (l->mutual_mode != TLS_MUTUAL_OFF && l->protocol != ELB_HTTPS)
		model_fault(c, l, MODE, NULL, "protocol = HTTPS", "%s listeners have no mutual TLS",
			    elb_protocol_name(l->protocol));
	for (size_t i = 0; i < ARRAY_N(of_verify) && l->mutual_mode != TLS_MUTUAL_VERIFY; i++) {
		if (model_given((const void *)l, of_verify[i]) != NULL)
			model_fault(c, l, of_verify[i], NULL, MODE " = verify",
				    "clients' certificates aren't verified");
	}
	if (l->mutual_mode != TLS_MUTUAL_VERIFY)
		return;
	if (l->trust_store[0] == '\0')
		model_fault(c, l, TRUST_STORE, NULL, TRUST_STORE " = NAME",
			    "the trust store is missing");
	else
		check_store(c, l, TRUST_STORE, l->trust_store);
}

void
model_mutual_tls_of(const struct model *m, const struct model_listener *l,
		    struct tls_server_settings *settings)
{
	settings->mutual_mode = (enum tls_mutual_mode)l->mutual_mode;
	settings->trust = find_trust(m, l->trust_store);
	settings->ignore_client_expiry = l->ignore_client_expiry;
	settings->advertise_ca_names = l->advertise_ca_names;
}

/* [target_group NAME] */

/* RFC 1123 section 2.1, and the `_` that names inside have. */
static bool
is_host_name(const char *s)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

	for (;;) {
		size_t n = strspn(s, letters);

		if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
			return false;
		if (s[n] == '\0')
			return true;
		if (s[n] != '.')
			return false;
		s += n + 1;
	}
}

void
model_check_target_trust(struct checker *c, const struct model_target_group *tg)
{
	static const char *const keys[] = {TARGETS_TRUST, TARGETS_NAME};
	struct ip_addr addr;

	for (size_t i = 0; i < ARRAY_N(keys); i++) {
		if (model_given((const void *)tg, keys[i]) != NULL && tg->protocol != ELB_HTTPS &&
		    tg->protocol != ELB_TLS)
			model_fault(c, tg, keys[i], NULL, "protocol = HTTPS or TLS",
				    "targets of %s groups have no certificate",
				    elb_protocol_name(tg->protocol));
	}
	if (tg->server_name[0] != '\0' && !is_host_name(tg->server_name) &&
	    !ip_addr_parse(tg->server_name, &addr))
		model_fault(c, tg, TARGETS_NAME, NULL, "a host name or an address",
			    "`%s` is neither", tg->server_name);
	if (tg->trust_store[0] != '\0')
		check_store(c, tg, TARGETS_TRUST, tg->trust_store);
}

void
model_target_trust_of(const struct model *m, const struct model_target_group *tg,
		      struct tls_client_settings *settings)
{
	settings->trust = find_trust(m, tg->trust_store);
	settings->server_name = tg->server_name[0] == '\0' ? NULL : tg->server_name;
}
