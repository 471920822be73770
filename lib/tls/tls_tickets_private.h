/* SPDX-License-Identifier: BSD-3-Clause */
/* What libssl's ticket callback asks; results are that callback's. */
#ifndef TLS_TICKETS_PRIVATE_H
#define TLS_TICKETS_PRIVATE_H

#include <openssl/evp.h>

#include "tls_tickets.h"

int tls_tickets_seal(const struct tls_tickets *tickets, uint8_t name[16], uint8_t iv[16],
		     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac);

/** @return  2: good, but to be replaced; 1: good; 0: made with no key of ours. */
int tls_tickets_open(const struct tls_tickets *tickets, const uint8_t name[16],
		     const uint8_t iv[16], EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac);

uint32_t tls_tickets_period_s(const struct tls_tickets *tickets);

#endif
