/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys of session tickets: derived from the cluster's secret and the number of the period, so that
 * every worker, every box and the next process makes the same.  Which listener a session is of
 * stands inside its ticket; another doesn't resume it.
 *
 * Tickets are made with the current period's key; those of the period before and of the next one
 * (another box's clock) are accepted, and replaced.  The management core turns periods; lcores read
 * without locks: a key's place is written again three periods later.
 */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include <stdint.h>

#include "secret.h"

#define TLS_TICKETS_PERIOD_S 14400u /* 4 h: a ticket is good for 4 to 8 h */

struct tls_tickets;

/** @param wall_s  Unix time. @return  one reference, NULL without memory. */
struct tls_tickets *tls_tickets_create(const struct secret *secret, uint32_t period_s,
				       uint64_t wall_s);
void tls_tickets_get(struct tls_tickets *tickets);
void tls_tickets_put(struct tls_tickets *tickets);

/** Management core, at least once a period. */
void tls_tickets_turn(struct tls_tickets *tickets, uint64_t wall_s);

#endif
