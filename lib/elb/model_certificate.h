/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Certificates and what HTTPS and TLS listeners say about them.
 *
 * Files are read when the model is checked: what a listener would present is known to be good
 * before anything of the configuration is in force, and is part of the model's hash.
 */
#ifndef MODEL_CERTIFICATE_H
#define MODEL_CERTIFICATE_H

#include "model.h"
#include "tls_credentials.h"
#include "tls.h"

/** A certificate of the listener by position, the first is the default. @return NULL: fewer. */
const struct model_certificate *model_certificate_of(const struct model *model,
						     const struct model_listener *listener,
						     uint32_t nth);

/** The policy of a listener that was checked. */
const struct tls_policy *model_tls_policy_of(const struct model *model,
					     const struct model_listener *listener);

/** A policy of the operator's own, valid as long as the model. @return NULL: there is none. */
const struct tls_policy *model_ssl_policy_find(const struct model *model, const char *name);

/**
 * What a listener that was checked presents to its clients.
 * @param tickets  NULL: no session is resumed
 * @return  NULL with a sentence in `why`
 */
struct tls_server *model_tls_server_of(const struct model *model,
				       const struct model_listener *listener,
				       const char *const *alpn, uint32_t alpn_n,
				       struct tls_tickets *tickets, char *why, size_t why_len);

#endif
