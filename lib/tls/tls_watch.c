/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What libssl tells about each record, message and alert.
 *
 * Messages that carry no payload cost the peer little and us more: each uses up patience, which
 * grows again with payload.
 */
#include "bytes.h"
#include "tls_private.h"

#define PATIENCE_MAX         32u
#define PATIENCE_PER_PAYLOAD 16384u

#define HEADER      5u
#define ALERT_FATAL 2
#define ALERT_CLOSE 0

static void
lose_patience(struct tls *tls)
{
	if (tls->patience == 0)
		tls->flooded = true;
	else
		tls->patience--;
}

void
tls_watch_payload(struct tls *tls, uint32_t len)
{
	tls->payload += len;
	if (tls->payload < PATIENCE_PER_PAYLOAD)
		return;
	if (tls->patience < PATIENCE_MAX)
		tls->patience++;
	tls->payload = 0;
}

static void
on_record(struct tls *tls, const uint8_t *header)
{
	uint32_t len = bytes_load_be16(header + 3);

	if (!tls->finished)
		tls->handshake_bytes += HEADER + len;
	if (len == 0 || (tls->finished && header[0] == SSL3_RT_CHANGE_CIPHER_SPEC))
		lose_patience(tls);
}

static void
on_alert(struct tls *tls, bool sent, const uint8_t *alert)
{
	if (sent) {
		if (alert[0] == ALERT_FATAL)
			tls->alert_sent = alert[1];
		return;
	}
	if (alert[1] != ALERT_CLOSE)
		tls->alert_received = alert[1];
	lose_patience(tls);
}

/* ClientHello again, HelloRequest, KeyUpdate, NewSessionTicket: all that can come later. */
static void
on_message(struct tls *tls)
{
	if (tls->finished)
		lose_patience(tls);
}

static void
on_event(int write_p, int version, int type, const void *bytes, size_t len, SSL *ssl, void *arg)
{
	struct tls *tls = arg;

	(void)version;
	(void)ssl;
	if (type == SSL3_RT_HEADER && len >= HEADER && write_p == 0)
		on_record(tls, bytes);
	else if (type == SSL3_RT_ALERT && len == 2)
		on_alert(tls, write_p != 0, bytes);
	else if (type == SSL3_RT_HANDSHAKE && write_p == 0)
		on_message(tls);
}

void
tls_watch(struct tls *tls)
{
	tls->patience = PATIENCE_MAX;
	SSL_set_msg_callback(tls->ssl, on_event);
	SSL_set_msg_callback_arg(tls->ssl, tls);
}
