/* SPDX-License-Identifier: BSD-3-Clause */
#include "proxy_private.h"
#include "ref.h"

bool
target_tls_begin(struct proxy *p, struct stream *s, struct proxy_side *side, uint32_t target)
{
	const struct target_session *known = &p->sessions_of[ref_index(target)];
	struct tls_client *client =
		p->config.ops.tls == NULL ? NULL : p->config.ops.tls(p->config.ops_arg, target);
	bool same = known->target == target && known->client == client;

	return client == NULL ||
	       stream_connect_tls(p, s, side, client, same ? known->session : NULL);
}

void
target_tls_keep(struct proxy *p, const struct stream *s, uint32_t target)
{
	struct target_session *known = &p->sessions_of[ref_index(target)];
	const struct tls_client *client;
	struct tls_session *session = stream_take_session(s, &client);

	if (session == NULL)
		return;
	tls_session_free(known->session);
	*known = (struct target_session){.session = session, .client = client, .target = target};
}
