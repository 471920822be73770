/* SPDX-License-Identifier: BSD-3-Clause */
#include "health_record.h"

#include <stdio.h>

#include "log_line.h"

const char *
health_record_reason(enum probe_result result, uint16_t status)
{
	switch (result) {
	case PROBE_CONNECTED:
		return "-";
	case PROBE_REFUSED:
		return "ConnectionReset";
	case PROBE_TIMEOUT:
		return "ConnectionTimedOut";
	case PROBE_NO_ANSWER:
		return "RequestTimedOut";
	case PROBE_STATUS_MISMATCH:
		return status >= 500 ? "TargetError" : "ResponseCodeMismatch";
	case PROBE_BAD_ANSWER:
		return "TargetError";
	case PROBE_NO_TLS:
		return "SSLHandshakeError";
	case PROBE_NOT_SENT:
		break;
	}
	return "InternalError";
}

static void
put_latency(struct log_line *l, uint64_t us)
{
	char text[32];

	log_put(l, text,
		(size_t)snprintf(text, sizeof(text), "%llu.%06u",
				 (unsigned long long)(us / 1000000), (unsigned)(us % 1000000)));
}

size_t
health_record_format(const struct health_record *r, char *out, size_t size)
{
	struct log_line line = log_line(out, size), *l = &line;

	log_puts(l, "http ");
	log_put_time(l, r->begun_wall_us);
	log_puts(l, " ");
	put_latency(l, r->latency_us);
	log_puts(l, " ");
	log_put_endpoint(l, &r->target, r->port);
	log_puts(l, " ");
	log_puts(l, r->target_group);
	log_puts(l, r->result == PROBE_CONNECTED ? " PASS " : " FAIL ");
	if (r->status == 0)
		log_puts(l, "-");
	else
		log_put_number(l, r->status);
	log_puts(l, " ");
	log_puts(l, health_record_reason((enum probe_result)r->result, r->status));
	log_puts(l, "\n");
	return log_line_len(l);
}
