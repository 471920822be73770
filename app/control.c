/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bytes.h"
#include "operation.h"

#define HEADER_LEN 4

struct client {
	struct control *control;
	int fd;              /* -1: free */
	uint32_t generation; /* changes with each connection */
	uint32_t calls;      /* under way: the slot is not reused before they end */
	uint8_t *in;
	size_t in_len, in_size;
	uint8_t *out;
	size_t out_len, out_at;
};

struct call {
	struct operation_call operation;
	struct client *client;
	uint32_t generation;
	json_t *request;
};

struct control {
	struct management *m;
	int epoll_fd, listen_fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client clients[CONTROL_CLIENTS];
};

static void
close_client(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->generation++;
	free(c->in);
	free(c->out);
	c->in = c->out = NULL;
	c->in_len = c->in_size = c->out_len = c->out_at = 0;
}

static void
want_events(struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN | (c->out_len > c->out_at ? EPOLLOUT : 0),
				    .data.ptr = c->control};

	epoll_ctl(c->control->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void
write_out(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				close_client(c);
			break;
		}
		c->out_at += (size_t)n;
	}
	if (c->fd < 0)
		return;
	if (c->out_at == c->out_len) {
		free(c->out);
		c->out = NULL;
		c->out_len = c->out_at = 0;
	}
	want_events(c);
}

static void
send_json(struct client *c, json_t *reply)
{
	char *text = json_dumps(reply, JSON_COMPACT);
	size_t len = text != NULL ? strlen(text) : 0;
	uint8_t *out;

	if (text == NULL || len > CONTROL_FRAME_MAX) {
		free(text);
		close_client(c);
		return;
	}
	out = realloc(c->out, c->out_len + HEADER_LEN + len);
	if (out == NULL) {
		free(text);
		close_client(c);
		return;
	}
	c->out = out;
	bytes_store_be32(out + c->out_len, (uint32_t)len);
	memcpy(out + c->out_len + HEADER_LEN, text, len);
	c->out_len += HEADER_LEN + len;
	free(text);
	write_out(c);
}

static void
reply_to(struct client *c, json_t *id, json_t *result, const char *code, const char *message)
{
	json_t *reply = json_pack("{s:i,s:O?}", "v", 1, "id", id);

	if (result != NULL)
		json_object_set_new(reply, "result", result);
	else
		json_object_set_new(reply, "error",
				    json_pack("{s:s,s:s}", "code", code, "message", message));
	send_json(c, reply);
	json_decref(reply);
}

static void
on_reply(struct operation_call *operation, json_t *result, const char *code, const char *message)
{
	struct call *call = (struct call *)operation;
	struct client *c = call->client;

	c->calls--;
	if (c->fd >= 0 && c->generation == call->generation)
		reply_to(c, json_object_get(call->request, "id"), result, code, message);
	else
		json_decref(result);
	json_decref(call->request);
	json_decref(call->operation.args);
	free(call);
}

static void
run_request(struct client *c, const uint8_t *text, size_t len)
{
	json_error_t error;
	json_t *request = json_loadb((const char *)text, len, 0, &error);
	json_t *args = json_object_get(request, "args");
	const char *op = json_string_value(json_object_get(request, "op"));
	struct call *call;

	if (!json_is_object(request) || json_integer_value(json_object_get(request, "v")) != 1 ||
	    op == NULL || (args != NULL && !json_is_object(args))) {
		reply_to(c, json_object_get(request, "id"), NULL, "bad_request",
			 "a request is {\"v\":1,\"id\":N,\"op\":\"NAME\",\"args\":{...}}");
		json_decref(request);
		return;
	}
	call = calloc(1, sizeof(*call));
	if (call == NULL) {
		json_decref(request);
		close_client(c);
		return;
	}
	call->operation.args = args != NULL ? json_incref(args) : json_object();
	call->operation.reply = on_reply;
	call->client = c;
	call->generation = c->generation;
	call->request = request;
	c->calls++;
	operation_run(c->control->m, op, &call->operation);
}

static void
run_frames(struct client *c)
{
	uint32_t generation = c->generation;
	size_t at = 0;

	while (c->generation == generation && c->in_len - at >= HEADER_LEN) {
		uint32_t len = bytes_load_be32(c->in + at);

		if (len > CONTROL_REQUEST_MAX) {
			close_client(c);
			return;
		}
		if (c->in_len - at - HEADER_LEN < len)
			break;
		run_request(c, c->in + at + HEADER_LEN, len);
		at += HEADER_LEN + len;
	}
	if (c->generation != generation)
		return;
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
}

static void
read_in(struct client *c)
{
	for (;;) {
		ssize_t n;

		if (c->in_len == c->in_size) {
			size_t size = c->in_size == 0 ? 4096 : c->in_size * 2;
			uint8_t *in = size <= 2 * (CONTROL_REQUEST_MAX + HEADER_LEN)
					      ? realloc(c->in, size)
					      : NULL;

			if (in == NULL) {
				close_client(c);
				return;
			}
			c->in = in;
			c->in_size = size;
		}
		n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close_client(c);
			return;
		}
		c->in_len += (size_t)n;
		run_frames(c);
		if (c->fd < 0)
			return;
	}
}

static void
accept_clients(struct control *control)
{
	for (;;) {
		int fd = accept4(control->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = control};
		struct client *c = NULL;

		if (fd < 0)
			return;
		for (int i = 0; i < CONTROL_CLIENTS && c == NULL; i++) {
			if (control->clients[i].fd < 0 && control->clients[i].calls == 0)
				c = &control->clients[i];
		}
		if (c == NULL || epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
			close(fd);
			continue;
		}
		c->fd = fd;
	}
}

void
control_on_ready(struct control *control)
{
	accept_clients(control);
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *c = &control->clients[i];

		if (c->fd >= 0 && c->out_len > c->out_at)
			write_out(c);
		if (c->fd >= 0)
			read_in(c);
	}
}

/* A socket left behind by a process that died is replaced; one that answers is not ours to take. */
static bool
remove_stale(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool stale = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 &&
		     (errno == ECONNREFUSED || errno == ENOENT);

	if (fd >= 0)
		close(fd);
	if (stale)
		unlink(addr->sun_path);
	return stale;
}

static bool
listen_on(struct control *control, const char *path, char *why, size_t why_len)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = control};
	char *slash;
	mode_t mask;
	int rc;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(why, why_len, "control socket %s: the path is longer than %zu bytes", path,
			 sizeof(addr.sun_path) - 1);
		return false;
	}
	snprintf(control->path, sizeof(control->path), "%s", path);
	slash = strrchr(control->path, '/');
	if (slash != NULL && slash != control->path) {
		*slash = '\0';
		mkdir(control->path, 0755);
		*slash = '/';
	}
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (!remove_stale(&addr)) {
		snprintf(why, why_len, "control socket %s: another weir answers there", path);
		return false;
	}
	control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	rc = bind(control->listen_fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (rc != 0 || listen(control->listen_fd, CONTROL_CLIENTS) != 0 ||
	    epoll_ctl(control->epoll_fd, EPOLL_CTL_ADD, control->listen_fd, &event) != 0) {
		snprintf(why, why_len, "control socket %s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

struct control *
control_open(const char *path, int epoll_fd, struct management *m, char *why, size_t why_len)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL) {
		snprintf(why, why_len, "control socket %s: no memory", path);
		return NULL;
	}
	control->m = m;
	control->epoll_fd = epoll_fd;
	control->listen_fd = -1;
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		control->clients[i].control = control;
		control->clients[i].fd = -1;
	}
	if (!listen_on(control, path, why, why_len)) {
		if (control->listen_fd >= 0)
			close(control->listen_fd);
		free(control);
		return NULL;
	}
	return control;
}

void
control_close(struct control *control)
{
	if (control == NULL)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		close_client(&control->clients[i]);
	close(control->listen_fd);
	unlink(control->path);
	free(control);
}
