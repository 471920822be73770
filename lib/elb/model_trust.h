/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trust stores, and who must show a certificate of theirs: clients of listeners by mutual TLS, and
 * targets where weir is told to verify them (A:mutual-authentication).
 *
 * Files are read when the model is checked, and are part of its hash.
 */
#ifndef MODEL_TRUST_H
#define MODEL_TRUST_H

#include "model.h"
#include "tls.h"

/** What a listener that was checked asks of its clients: fills the settings' mutual TLS. */
void model_mutual_tls_of(const struct model *model, const struct model_listener *listener,
			 struct tls_server_settings *settings);

/** What a group that was checked asks of its targets: fills the settings' trust and name. */
void model_target_trust_of(const struct model *model, const struct model_target_group *group,
			   struct tls_client_settings *settings);

#endif
