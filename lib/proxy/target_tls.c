/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"
#include "ref.h"

struct tls_client *
target_tls_client(const struct proxy *p, uint32_t target)
{
	return p->config.ops.tls == NULL ? NULL : p->config.ops.tls(p->config.ops_arg, target);
}

bool
target_tls_begin(struct proxy *p, struct stream *s, struct proxy_side *side, uint32_t target,
		 const char *protocol)
{
	const struct target_session *known = &p->sessions_of[ref_index(target)];
	struct tls_client *client = target_tls_client(p, target);
	bool same = known->target == target && known->client == client;

	return client == NULL ||
	       stream_connect_tls(p, s, side, client, protocol, same ? known->session : NULL);
}

void
target_session_free(struct target_session *known)
{
	tls_session_free(known->session);
	tls_client_put(known->client);
}

void
target_tls_keep(struct proxy *p, const struct stream *s, uint32_t target)
{
	struct target_session *known = &p->sessions_of[ref_index(target)];
	struct tls_client *client;
	struct tls_session *session = stream_take_session(s, &client);

	if (session == NULL)
		return;
	tls_client_get(client);
	target_session_free(known);
	*known = (struct target_session){.session = session, .client = client, .target = target};
}

void
target_tls_forget(struct proxy *p, uint32_t target)
{
	struct target_session *known = &p->sessions_of[ref_index(target)];

	if (known->target != target)
		return;
	target_session_free(known);
	*known = (struct target_session){0};
}
