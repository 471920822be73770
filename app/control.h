/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket: framed JSON between weir and its tools (docs/operations.md).
 *
 * A frame is a 4-byte big-endian length and that many bytes of JSON:
 *   {"v":1,"id":N,"op":"NAME","args":{...}}  ->  {"v":1,"id":N,"result":{...}}
 *                                            or  {"v":1,"id":N,"error":{"code":..,"message":..}}
 * Only root may connect (the socket is mode 0600).  All of it runs on the management core, without
 * blocking: sockets are polled by the caller's epoll.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_CLIENTS     16
#define CONTROL_FRAME_MAX   (16u << 20)
#define CONTROL_REQUEST_MAX (1u << 20)

struct control;
struct management;

/**
 * Listen on `path`, replacing a socket nobody listens on any more.
 * @param epoll_fd  descriptors are added with data.ptr = the control
 * @return  NULL with a sentence in `why`.
 */
struct control *control_open(const char *path, int epoll_fd, struct management *m, char *why,
			     size_t why_len);

/** Something is ready: accept, read, run, write. */
void control_on_ready(struct control *control);

void control_close(struct control *control);

#endif
