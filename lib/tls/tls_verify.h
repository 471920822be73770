/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside: certificates of peers, of clients by a trust store and of targets by one and a name.
 *
 * Callbacks run wherever the handshake does, and touch nothing but their struct tls.
 */
#ifndef TLS_VERIFY_H
#define TLS_VERIFY_H

#include <openssl/ssl.h>

#include "tls.h"

/** Have the SSL_CTX of a server ask clients for certificates, and verify them as `s` says. */
bool tls_verify_clients(SSL_CTX *ctx, const struct tls_server_settings *s);

/** Have the SSL_CTX of a client verify its target. @return  false: the name is none, or no memory.
 */
bool tls_verify_targets(SSL_CTX *ctx, const struct tls_client_settings *s);

#endif
