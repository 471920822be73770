/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir's commands on the DPDK telemetry socket.
 *
 * A telemetry thread only queues its request to the management core and waits for the finished
 * reply, at most one second; nothing else touches model, snapshot or counters.  Replies are those
 * of the operations, made flat: lists become parallel arrays {total, offset, FIELD:[...]}, and a
 * `.` in a name becomes `/`.
 */
#ifndef TELEMETRY_H
#define TELEMETRY_H

#include <stdbool.h>

struct management;
struct telemetry;

/** @param wake_fd  an eventfd the management core sleeps on. @return NULL without memory. */
struct telemetry *telemetry_open(struct management *m, int wake_fd);

/** Run what is queued.  Management core. */
void telemetry_on_ready(struct telemetry *telemetry);

/** Refuse what is queued and all that comes. */
void telemetry_close(struct telemetry *telemetry);

#endif
